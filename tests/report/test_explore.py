"""The look at a dataset: its figures beside slow references, its page, and bad input."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from crops import write_crop
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from passerby.cli.app import app
from passerby.data.datasets import load_dataset
from passerby.errors import DatasetError
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import CountsTokens
from passerby.report.attributes import attributes_of
from passerby.report.distribution import distribution
from passerby.report.duplicates import MOST_BITS, MOST_COLOUR, differing_bits, near_pairs
from passerby.report.explore import explore, explore_datasets
from passerby.report.findings import RULES, Weight, findings_of
from passerby.report.images import ROW
from passerby.report.shape import camera_of
from passerby.report.typos import typos_in
from passerby.report.words import clip_pieces, words_of
from passerby.resolve import load_model
from passerby.types import Caption, Record, Split


def record(text: str | Sequence[str], name: str = "a.jpg", identity: str = "ann", split: Split = Split.TRAIN) -> Record:
    texts = [text] if isinstance(text, str) else text
    return Record(Path("/") / name, name, identity, split, tuple(map(Caption, texts)))


def write_dataset(folder: Path, rows: Sequence[dict[str, str]], *, crops: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, row in enumerate(rows):
        if crops and not (folder / row["path"]).exists():
            write_crop(folder / row["path"], seed)
    (folder / "captions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


ROWS = [
    {"path": "1.jpg", "id": "ann", "split": "train", "caption": "A woman in a red jacket with a black bag."},
    {"path": "2.jpg", "id": "ann", "split": "train", "caption": "A man in a green jacket, no hat, on the left."},
    {"path": "3.jpg", "id": "bob", "split": "val", "caption": "A man wearing blue jeans and a white shirt."},
    {"path": "4.jpg", "id": "cem", "split": "val", "caption": "A man wearing blue jeans and a white shirt."},
]


class TestWords:
    def test_a_clip_cuts_what_is_longer_than_77(self) -> None:
        words = words_of([record("red " * 90 + "shoes"), record("a red jacket")])
        assert (words.captions, words.clip.captions) == (2, 1)
        assert words.clip.tokens_lost == 90 + 1 + 2 - 77
        assert words.clip.items_lost == {"feet": 1}

    def test_what_a_model_cuts_is_counted_by_its_own_tokens(self) -> None:
        small = load_model("passerby-s")
        assert isinstance(small, CountsTokens)
        words = words_of([record("a red jacket " + "zorblyqwx " * 40 + "shoes")], small)
        assert words.model is not None
        assert words.model.items_lost == {"feet": 1}

    def test_the_pieces_of_a_sentence(self) -> None:
        assert [piece[0] for piece in clip_pieces("A man's t-shirt, No. 7!")] == [
            "A",
            "man",
            "'s",
            "t",
            "-",
            "shirt",
            ",",
            "No",
            ".",
            "7",
            "!",
        ]

    def test_the_rank1_that_shared_captions_allow(self) -> None:
        people = [
            record("A man.", identity="a"),
            record("a man", identity="b"),
            record("a man", identity="b"),
            record("a dog", identity="c"),
        ]
        shared = words_of(people).shared
        assert (shared.captions, shared.lowest_rank1_bound) == (3, 75.0)
        assert [(example.people, example.captions) for example in shared.examples] == [(2, 3)]

    def test_captions_that_differ_in_a_number_or_a_vowel_sign_are_not_the_same(self) -> None:
        texts = {"jersey number 7": "a", "jersey number 23": "b", "लाल": "c", "लील": "d"}
        assert words_of([record(text, identity=identity) for text, identity in texts.items()]).shared.captions == 0

    def test_sides_and_scripts(self) -> None:
        words = words_of([record(["A bag in his left hand", "红色外套", "12345", "a leftover"])])
        assert (words.sides.captions, words.script.not_latin, words.script.without_letters) == (1, 1, 1)

    def test_no_captions(self) -> None:
        words = words_of([record([])])
        assert (words.captions, words.length, words.clip.percent, words.shared.lowest_rank1_bound) == (0, None, 0.0, 100.0)

    def test_a_rare_word_beside_a_frequent_one_is_a_slip(self) -> None:
        typos = typos_in(Counter({"jacket": 500, "jacet": 2, "jackets": 3, "packet": 4, "shirt": 300, "skirt": 200}))
        assert [(typo.word, typo.meant) for typo in typos.examples] == [("jacet", "jacket")]


class TestAttributes:
    def test_each_thing_once_a_caption(self) -> None:
        found = attributes_of([record(["A man in a dark blue shirt and jeans, with a bag.", "a blue shirt over a white shirt, no hat"])])
        assert found.garments == {"shirt": 2, "jeans": 1}
        assert found.carried == {"bag": 1}
        assert found.colours["blue"] == 2
        assert found.negated == {"hat": 1}
        assert "hat" in found.never_garments
        assert "shirt" not in found.never_garments
        row = found.colour_of.rows.index("shirt")
        assert dict(zip(found.colour_of.columns, found.colour_of.counts[row], strict=True)) == {"blue": 2, "white": 1}

    def test_contradictions_of_one_person(self) -> None:
        people = [
            record("A woman in a red jacket.", "1.jpg"),
            record("A man in a green jacket.", "2.jpg"),
            record("A man in navy jeans.", "3.jpg", "bob"),
            record("A man in dark blue jeans.", "4.jpg", "bob"),
        ]
        found = attributes_of(people)
        assert (found.gender_contradictions.people, found.gender_contradictions.of_people) == (1, 2)
        assert (found.colour_contradictions.people, found.colour_contradictions.of_people) == (1, 2)
        assert found.colour_contradictions.between == {"green / red": 1}
        (case,) = found.colour_contradictions.examples
        assert (case.identity, case.about, case.first.record, case.second.record) == ("ann", "jacket", "1.jpg", "2.jpg")

    def test_of_two_shirts_nobody_knows_which(self) -> None:
        found = attributes_of([record(["a red shirt under a blue shirt", "a green shirt"])])
        assert found.colour_contradictions.of_people == 0

    def test_what_is_not_understood(self) -> None:
        found = attributes_of([record(["12 34", "un manteau rouge", "a red coat"])])
        assert (found.not_understood, found.not_understood_examples) == (2, ("12 34", "un manteau rouge"))

    def test_lift_is_1_for_what_has_nothing_to_do_with_each_other(self) -> None:
        texts = ["jacket, hat", "jacket, hat", "jacket, jeans", "jacket, jeans"]
        pairs = {(pair.first, pair.second): pair.lift for pair in attributes_of([record(texts)]).together}
        assert pairs == {("hat", "jacket"): 1.0, ("jacket", "jeans"): 1.0}


bits = st.lists(st.integers(0, 3), min_size=8, max_size=8)


class TestDuplicates:
    @given(st.lists(st.tuples(bits, st.integers(0, 40)), max_size=12))
    def test_the_pairs_are_those_of_comparing_all_with_all(self, pictures: list[tuple[list[int], int]]) -> None:
        looks = np.zeros(len(pictures), ROW)
        looks["contrast"] = 1
        for place, (gradients, colour) in enumerate(pictures):
            looks["gradients"][place], looks["colours"][place] = gradients, colour
        found = {(min(a, b), max(a, b)) for first, second in near_pairs(looks) for a, b in zip(first, second, strict=True)}
        slow = {
            (a, b)
            for b in range(len(looks))
            for a in range(b)
            if differing_bits(looks["gradients"][a : a + 1], looks["gradients"][b : b + 1])[0] <= MOST_BITS
            and np.abs(looks["colours"][a].astype(int) - looks["colours"][b]).max() <= MOST_COLOUR
        }
        assert found == slow

    def test_copies_are_found_across_people_and_splits(self, tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
        folder = write_dataset(tmp_path, ROWS)
        picture = Image.effect_mandelbrot((96, 192), (-2, -1.5, 1, 1.5), 60).convert("RGB")
        picture.save(folder / "1.jpg", quality=95)
        picture.save(folder / "3.jpg", quality=60)
        (folder / "4.jpg").write_bytes((folder / "2.jpg").read_bytes())
        duplicates = explore(load_dataset(folder), tiny_encoder).duplicates
        assert (duplicates.exact.pictures, duplicates.exact.across_identities, duplicates.exact.across_splits) == (2, 2, 2)
        assert [(pair.first, pair.second) for pair in duplicates.exact.split_pairs] == [("2.jpg", "4.jpg")]
        assert [{pair.first, pair.second} for pair in duplicates.near.split_pairs] == [{"1.jpg", "3.jpg"}]
        assert duplicates.near.other_split == {"train": 1, "val": 1}


class TestShape:
    @pytest.mark.parametrize(
        ("name", "camera"),
        [
            ("0042_c3s1_001051_00.jpg", "3"),
            ("0000_c14_0031.jpg", "14"),
            ("test/0000_000_01_0303morning_0015_0.jpg", "1"),
            ("cam_a/001_45.bmp", None),
        ],
    )
    def test_cameras_by_the_names_of_files(self, name: str, camera: str | None) -> None:
        assert camera_of(name) == camera

    @given(st.lists(st.floats(-10, 200), min_size=1, max_size=30))
    def test_a_distribution_counts_every_value_once(self, values: list[float]) -> None:
        spread = distribution(values, np.arange(0, 101, 10.0))
        assert spread is not None
        assert sum(spread.counts) == spread.count == len(values)
        assert spread.min <= spread.median <= spread.max


class TestFindings:
    def test_they_say_what_the_figures_carry(self, tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
        figures = explore(load_dataset(write_dataset(tmp_path, ROWS)), tiny_encoder)
        found = findings_of(figures)
        assert [finding.weight for finding in found] == sorted((f.weight for f in found), key=list(Weight).index)
        said = {finding.says for finding in found}
        assert "Captions that other people have as well, word for word: 2 (50.00 %)." in said
        assert "People whose captions contradict each other in words of gender: 1 of 1 (100.0 %)." in said
        assert not any("byte-for-byte" in text for text in said)
        for finding in found:
            numbers = [f"{value:,}" for value in finding.evidence.values() if isinstance(value, int)]
            assert all(number in finding.says + finding.means for number in numbers)

    def test_every_rule_names_figures_that_there_are(self, tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
        figures = explore(load_dataset(write_dataset(tmp_path, ROWS)), tiny_encoder)
        for rule in RULES:
            for name in re.findall(r"\{([a-z0-9_.]+)", rule.says + rule.means):
                value: Any = figures
                for step in name.split("."):
                    value = getattr(value, step)
                assert isinstance(value, int | float | str), name


class TestPage:
    def test_it_stands_alone_and_escapes(self, tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
        hostile = "<script>alert(1)</script> & a red jacket, left"
        folder = write_dataset(tmp_path / "set", [{**ROWS[0], "caption": hostile}, *ROWS[1:]])
        report = explore_datasets([folder], tiny_encoder, tmp_path / "out")
        page = report.page.read_text()
        assert "<script" not in page
        assert "&lt;script&gt;" in page
        assert not re.findall(r"(?:src|href)=\"(?!#|data:)", page)
        assert "@import" not in page and "url(" not in re.sub(r"url\(#[^)]*\)", "", page)
        assert page.count('role="img" aria-label="') == page.count("<svg")
        assert "data:image/jpeg" in page
        assert json.loads(report.figures.read_text()) == json.loads(json.dumps(report.document))

    def test_people_can_be_left_out(self, tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
        report = explore_datasets([write_dataset(tmp_path / "set", ROWS)], tiny_encoder, tmp_path / "out", pictures=False)
        assert "data:" not in report.page.read_text()

    def test_the_other_dataset_is_read_before_the_first_is_looked_at(self, tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
        looked: list[int] = []
        with pytest.raises(DatasetError, match="not-there"):
            explore_datasets(
                [write_dataset(tmp_path / "set", ROWS), tmp_path / "not-there"],
                tiny_encoder,
                tmp_path / "out",
                on_progress=lambda done, _: looked.append(done),
            )
        assert looked == []

    def test_two_datasets_side_by_side(self, tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
        one, other = write_dataset(tmp_path / "a" / "set", ROWS), write_dataset(tmp_path / "b" / "set", ROWS[2:])
        report = explore_datasets([one, other], tiny_encoder, tmp_path / "out")
        assert [look["dataset"] for look in report.document["datasets"]] == ["set", "set (2)"]
        assert "set (2): val" in report.page.read_text()


class TestCommand:
    def run(self, *arguments: str, model: Path) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["explore", *arguments, "--model", str(model)])
        return result.exit_code, result.stdout

    def test_json_and_exit_codes(self, tmp_path: Path, tiny_bundle: Path) -> None:
        folder = write_dataset(tmp_path / "set", ROWS)
        code, out = self.run(str(folder), "--out", str(tmp_path / "out"), "--json", model=tiny_bundle)
        document = json.loads(out)
        assert code == 0
        assert document["datasets"][0]["shape"]["total"]["images"] == 4
        assert Path(document["page"]).exists()

    def test_a_picture_of_0_bytes_is_named(self, tmp_path: Path, tiny_bundle: Path) -> None:
        folder = write_dataset(tmp_path / "set", ROWS)
        (folder / "1.jpg").write_bytes(b"not a picture")
        code, out = self.run(str(folder), "--out", str(tmp_path / "out"), "--json", model=tiny_bundle)
        (look,) = json.loads(out)["datasets"]
        assert code == 1
        assert [Path(failure["path"]).name for failure in look["failed"]] == ["1.jpg"]
        assert look["images"]["unreadable"] == 1

    def test_odd_words(self, tmp_path: Path, tiny_bundle: Path) -> None:
        texts = ["12", "<b>", "红色外套", "a " * 5000]
        rows = [{"path": f"{n}.jpg", "id": "ann", "split": "train", "caption": text} for n, text in enumerate(texts)]
        code, out = self.run(str(write_dataset(tmp_path / "set", rows)), "--out", str(tmp_path / "out"), model=tiny_bundle)
        assert code == 0
        assert "4 images of 1 people with 4 captions" in out

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
        (tmp_path / "out").write_text("a file")
        with pytest.raises(OSError, match="out"):
            explore_datasets([write_dataset(tmp_path / "set", ROWS)], tiny_encoder, tmp_path / "out")


@pytest.mark.realdata
def test_cuhk_pedes(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    place = os.environ.get("PASSERBY_DATA")
    if not place:
        pytest.skip("PASSERBY_DATA names no folder of CUHK-PEDES")
    (look,) = explore_datasets([Path(place)], tiny_encoder, tmp_path).document["datasets"]
    assert look["shape"]["splits"]["val"]["images"] == 3078
