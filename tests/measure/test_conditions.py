"""Hard conditions: each change beside a slow reference, and the whole on a real, tiny encoder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from string import ascii_letters
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from crops import write_crop
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from passerby.cli.app import app
from passerby.errors import DatasetError
from passerby.measure import conditions
from passerby.measure.conditions import (
    CAPTION_CONDITIONS,
    HIDDEN,
    PICTURE_CONDITIONS,
    WALL,
    compress,
    darken,
    first_words,
    hide_legs,
    keywords,
    measure_conditions,
    misspell,
    mistype,
    reduce,
    shift_box,
)
from passerby.measure.evaluation import evaluate
from passerby.measure.metrics import paired_difference, rank_queries, summarise
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.media.photo import read_image
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import encode_texts
from passerby.model.preprocess import preprocess
from passerby.types import Caption, Dataset, Origin, Record, Split

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def pixels(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image, np.float64)


class TestPictures:
    @pytest.mark.parametrize("condition", PICTURE_CONDITIONS, ids=lambda condition: condition.name)
    @settings(max_examples=15)
    @given(size=sizes)
    def test_every_change_is_pure_and_takes_any_size(self, condition: conditions.Condition[Image.Image], size: tuple[int, int]) -> None:
        image = noise(*size)
        before = image.tobytes()
        once, twice = condition.change(image), condition.change(noise(*size))
        assert (once.mode, once.size, once.tobytes()) == ("RGB", twice.size, twice.tobytes())
        assert image.tobytes() == before

    @given(size=sizes, factor=st.sampled_from([2, 4]))
    def test_reduce_takes_means_of_blocks(self, size: tuple[int, int], factor: int) -> None:
        image = noise(*size)
        before, after = pixels(image), pixels(reduce(image, factor))
        height, width = (-(-side // factor) for side in before.shape[:2])
        assert after.shape == (height, width, 3)
        for y in range(height):
            for x in range(width):
                block = before[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
                np.testing.assert_allclose(after[y, x], block.mean(axis=(0, 1)), rtol=0, atol=1)

    def test_darken_leaves_an_eighth_of_the_light(self) -> None:
        ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2))
        dark = pixels(darken(ramp))[0, :, 1]
        nearest = [min(range(256), key=lambda other: abs(light(other) - light(level) / 8)) for level in range(256)]
        np.testing.assert_allclose(dark, nearest, rtol=0, atol=1)
        assert (dark[0], dark[255]) == (0, 99)

    def test_compress_loses_more_the_lower_the_quality(self) -> None:
        smooth = noise(6, 15).resize((48, 120), Image.Resampling.BICUBIC)
        lost = [float(np.abs(pixels(compress(smooth, quality)) - pixels(smooth)).mean()) for quality in (95, 30, 5)]
        assert 0 < lost[0] < lost[1] < lost[2] < 30
        assert compress(smooth, 30).size == smooth.size

    @given(width=st.integers(10, 60), height=st.integers(10, 120), share=st.sampled_from([0.1, 0.2]), blue=st.integers(0, 255))
    def test_shift_box_moves_by_a_share_and_repeats_the_edge(self, width: int, height: int, share: float, blue: int) -> None:
        y, x = np.mgrid[:height, :width]
        where = Image.fromarray(np.dstack([x, y, np.full_like(x, blue)]).astype(np.uint8))
        seen = np.asarray(shift_box(where, share)).astype(int)
        dx, dy = seen[height // 2, width // 2, :2] - (width // 2, height // 2)
        for row in range(height):
            for column in range(width):
                expected = min(max(column + dx, 0), width - 1), min(max(row + dy, 0), height - 1), blue
                assert tuple(seen[row, column]) == expected
        assert abs(np.hypot(dx / width, dy / height) - share) <= np.hypot(0.5 / width, 0.5 / height)

    def test_shift_box_goes_every_way(self) -> None:
        ways = {tuple(np.sign(moved(seed)).tolist()) for seed in range(60)}
        assert {(-1, -1), (-1, 1), (1, -1), (1, 1)} <= ways

    def test_hide_legs_hides_the_lowest_part_alone(self) -> None:
        image = noise(20, 50)
        seen = pixels(hide_legs(image))
        top = round(50 * (1 - HIDDEN))
        np.testing.assert_array_equal(seen[:top], pixels(image)[:top])
        np.testing.assert_array_equal(seen[top:], np.broadcast_to(WALL, (50 - top, 20, 3)))


def light(level: int) -> float:
    """The share of light that a level of sRGB stands for."""
    return float(level / 255 / 12.92 if level <= 10 else ((level / 255 + 0.055) / 1.055) ** 2.4)


def moved(seed: int) -> NDArray[np.int64]:
    """How far `shift_box` moves a picture, in columns and rows."""
    y, x = np.mgrid[:40, :40]
    where = Image.fromarray(np.dstack([x, y, np.full_like(x, seed)]).astype(np.uint8))
    return np.asarray(np.asarray(shift_box(where, 0.2)).astype(np.int64)[20, 20, :2] - 20)


def one_typo_away(word: str) -> set[str]:
    """Every word that `word` becomes by one typo, and perhaps `word`."""
    splits = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    swapped = {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    dropped = {a + b[1:] for a, b in splits if b}
    doubled = {a + b[0] + b for a, b in splits if b}
    wrong = {a + letter + b[1:] for a, b in splits if b for letter in ascii_letters}
    return swapped | dropped | doubled | wrong


words = st.lists(st.text(ascii_letters, min_size=1, max_size=8), min_size=1, max_size=45).map(" ".join)


class TestCaptions:
    def test_first_words(self) -> None:
        assert first_words("The  man wears a red jacket.", 5) == "The man wears a red"
        assert first_words("A man", 5) == "A man"

    @given(word=st.text(ascii_letters, min_size=2, max_size=9), seed=st.integers(0, 2**32 - 1))
    def test_misspell_makes_one_typo(self, word: str, seed: int) -> None:
        typo = misspell(word, np.random.default_rng(seed))
        assert typo != word
        assert typo in one_typo_away(word)

    def test_misspell_knows_all_four_typos(self) -> None:
        typos = {misspell("cap", np.random.default_rng(seed)) for seed in range(400)}
        assert {"acp", "cpa"} <= typos  # swapped
        assert {"ap", "cp", "ca"} <= typos  # dropped
        assert {"ccap", "caap", "capp"} <= typos  # doubled
        assert len({typo[0] for typo in typos if typo[1:] == "ap"}) > 9  # wrong

    @given(text=words)
    def test_mistype_hits_one_word_of_ten(self, text: str) -> None:
        before, after = text.split(), mistype(text).split()
        wanted = max(1, round(len(before) / 10))
        able = sum(len(word) >= 3 for word in before)
        changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        assert len(changed) == min(wanted, able)
        assert all(len(old) >= 3 and new in one_typo_away(old) for old, new in changed)
        assert mistype(text) == " ".join(after)

    def test_mistype_keeps_what_is_not_letters(self) -> None:
        text = "A man, 30-ish: white (T-shirt) & jeans!"
        assert re.sub("[A-Za-z]", "", mistype(text)) == re.sub("[A-Za-z]", "", text)
        assert mistype("in a 12 é") == "in a 12 é"

    def test_mistype_is_not_always_the_same_word(self) -> None:
        hit = set()
        for number in range(40):
            before = f"jacket trousers sandals {number}".split()
            after = mistype(" ".join(before)).split()
            hit |= {place for place in range(3) if before[place] != after[place]}
        assert hit == {0, 1, 2}

    def test_keywords_are_what_is_worn(self) -> None:
        assert keywords("A man wearing a red jacket and a black cap.") == "red jacket black cap"
        assert "hat" not in keywords("A woman in blue jeans with no hat").split()
        assert keywords("somebody") == "somebody"


@pytest.fixture
def street(tmp_path: Path) -> Dataset:
    """Two pictures of each of eight people, with a caption of its own each, and one picture that is none."""
    colours = ["red", "green", "blue", "black", "white", "brown", "grey", "yellow"]
    records = []
    for number, colour in enumerate(colours):
        for view in range(2):
            path = write_crop(tmp_path / f"{colour}{view}.jpg", seed=2 * number + view)
            caption = Caption(f"a person wearing a {colour} jacket, a black cap and brown shoes {view}")
            records.append(Record(path, path.name, colour, Split.VAL, (caption, Caption("somebody", Origin.DENSE))))
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    records.insert(3, Record(tmp_path / "bad.jpg", "bad.jpg", "red", Split.VAL))
    return Dataset("street", tuple(records))


class Counted:
    """The tiny encoder, counting pictures."""

    def __init__(self, inner: BundleEncoder) -> None:
        self.name, self.digest, self.dim, self.preprocessing = inner.name, inner.digest, inner.dim, inner.preprocessing
        self.calibration, self.embed_texts = inner.calibration, inner.embed_texts
        self.pictures, self._inner = 0, inner

    def embed_images(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        self.pictures += len(pixels)
        return self._inner.embed_images(pixels)


class TestMeasureConditions:
    def test_figures_are_those_of_changing_by_hand(self, tiny_encoder: BundleEncoder, street: Dataset) -> None:
        report = measure_conditions(tiny_encoder, street)
        read = [record for record in street.records if record.name != "bad.jpg"]
        people, texts = [record.identity for record in read], [record.captions[0].text for record in read]

        def ranked(look: Callable[[Image.Image], Image.Image], say: Callable[[str], str]) -> Any:
            seen = np.stack([preprocess(look(read_image(record.path)), tiny_encoder.preprocessing) for record in read])
            said = encode_texts(tiny_encoder, [say(text) for text in texts])
            return rank_queries(said, tiny_encoder.embed_images(seen), people, people)

        plain = ranked(lambda image: image, lambda text: text)
        expected = [(condition, ranked(condition.change, lambda text: text)) for condition in PICTURE_CONDITIONS]
        expected += [(condition, ranked(lambda image: image, condition.change)) for condition in CAPTION_CONDITIONS]
        assert report.plain == summarise(plain, people) == evaluate(tiny_encoder, street).metrics
        for outcome, (condition, per_query) in zip(report.outcomes, expected, strict=True):
            assert (outcome.name, outcome.meaning) == (condition.name, condition.meaning)
            assert outcome.metrics == summarise(per_query, people)
            assert outcome.fall == paired_difference(per_query, plain, people)
            assert outcome.fall.mean == pytest.approx(report.plain.rank1.mean - outcome.metrics.rank1.mean)

    def test_each_vector_is_computed_once(self, tiny_encoder: BundleEncoder, street: Dataset) -> None:
        counted = Counted(tiny_encoder)
        measure_conditions(counted, street)
        assert counted.pictures == 16 * (1 + len(PICTURE_CONDITIONS))

    def test_same_again(self, tiny_encoder: BundleEncoder, street: Dataset) -> None:
        first, second = (measure_conditions(tiny_encoder, street) for _ in range(2))
        assert first.outcomes == second.outcomes

    def test_progress_only_grows_and_ends(self, tiny_encoder: BundleEncoder, street: Dataset) -> None:
        calls: list[tuple[int, int]] = []
        measure_conditions(tiny_encoder, street, on_progress=lambda done, total: calls.append((done, total)))
        assert [done for done, _ in calls] == list(range(1, 17 + 16 * len(PICTURE_CONDITIONS) + 1))
        assert calls[-1][0] == calls[-1][1]

    def test_a_picture_that_goes_away_is_named(self, tiny_encoder: BundleEncoder, street: Dataset) -> None:
        gone = street.records[-1].path
        plain_done = len(street.records)
        with pytest.raises(DatasetError, match=r"what it was.*no such file") as raised:
            measure_conditions(tiny_encoder, street, on_progress=lambda done, _: gone.unlink() if done == plain_done else None)
        assert str(gone) in str(raised.value)

    def test_a_picture_that_cannot_be_changed_stays_plain_and_is_counted(self, tiny_encoder: BundleEncoder, street: Dataset) -> None:
        """A strip too long for JPEG, which PNG holds."""
        strip = street.records[0].path.with_name("strip.png")
        noise(1, 65_536).save(strip)
        long = Record(strip, strip.name, "red", Split.VAL)
        report = measure_conditions(tiny_encoder, Dataset("street", (*street.records, long)))
        assert len(report.split.gallery) == 17
        assert {o.name: o.unchanged for o in report.outcomes if o.unchanged} == {"JPEG 30": 1}
        assert [row["unchanged"] for row in report.to_json()["conditions"]].count(1) == 1

    def test_pictures_are_changed_before_they_are_resized(self, tiny_encoder: BundleEncoder, street: Dataset) -> None:
        paths = [record.path for record in street.records]
        found = list(encode_files(tiny_encoder, paths, change=partial(reduce, factor=4), batch_size=5))
        for path, result in zip(paths, found, strict=True):
            if path.name != "bad.jpg":
                assert isinstance(result, EncodedFile) and (result.width, result.height) == (24, 60)
                seen = preprocess(read_image(path).reduce(4), tiny_encoder.preprocessing)
                np.testing.assert_allclose(result.vector, tiny_encoder.embed_images(seen[None])[0], atol=1e-6)


class TestCommand:
    def test_json_and_table(self, tiny_bundle: Path, tmp_path: Path, street: Dataset) -> None:
        table = tmp_path / "street.csv"
        rows = [f'{record.name},"{record.captions[0].text}",{record.identity}' for record in street.records if record.captions]
        table.write_text("\n".join(["path,caption,id", *rows, "bad.jpg,a person,nobody"]) + "\n")
        arguments = ["evaluate", "--data", str(table), "--model", str(tiny_bundle), "--measure", "conditions"]
        ran = CliRunner().invoke(app, [*arguments, "--json"])
        document = json.loads(ran.stdout)
        assert ran.exit_code == 1
        assert [entry["path"] for entry in document["failed"]] == [str(tmp_path / "bad.jpg")]
        assert [row["name"] for row in document["conditions"]] == [row.name for row in (*PICTURE_CONDITIONS, *CAPTION_CONDITIONS)]
        for row in document["conditions"]:
            assert row["fall"]["low"] <= row["fall"]["mean"] <= row["fall"]["high"]
            assert row["fall"]["mean"] == pytest.approx(document["plain"]["rank1"] - row["rank1"])
            assert row["intervals"]["mAP"][0] <= row["mAP"] <= row["intervals"]["mAP"][1]
        assert (document["queries"], document["gallery"], document["unanswerable"]) == (16, 16, 1)

        shown = CliRunner().invoke(app, arguments).stdout
        assert all(condition.name in shown for condition in (*PICTURE_CONDITIONS, *CAPTION_CONDITIONS))
        assert f"{document['plain']['mAP']:.2f}" in shown
