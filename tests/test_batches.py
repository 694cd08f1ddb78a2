"""Pictures stored once and batches drawn by chance: repeatable, and never a mirrored person whose words say left or right."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from small_clip import tokenizer_json
from tokenizers import Tokenizer

from passerby.errors import DatasetError
from passerby.learn import batches
from passerby.learn.batches import SIDED, Batch, Sentence, Sentences, draw_batch, pad, store_pictures, tokenise
from passerby.learn.config import Pixels, Words
from passerby.model.preprocess import Preprocessing, normalise, read_image, resize
from passerby.types import Caption, Origin, Record, Split

PREPROCESSING = Preprocessing(64, 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
STILL = Pixels(padding=0, flip=0.0, erasing=0.0)
PLAIN = Words(dropout=0.0, dense=0.0, paraphrase=0.0)
OWN = {Origin.OWN: (Sentence([2, 5, 3], 0),)}


def painted(folder: Path, count: int = 5) -> list[Record]:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for n in range(count):
        path = folder / f"{n}.png"
        Image.fromarray(rng.integers(0, 256, (70, 40, 3), np.uint8)).save(path)
        records.append(Record(path, path.name, str(n // 2), Split.TRAIN, (Caption(f"person {n}"),)))
    return records


def drawn(
    pictures: NDArray[np.uint8],
    words: Sequence[Sentences],
    how_pixels: Pixels = STILL,
    how_words: Words = PLAIN,
    seed: int = 0,
    swaps: int = 0,
) -> Batch:
    """A batch of all pictures in their order."""
    n = np.arange(len(pictures))
    rng = np.random.default_rng(seed)
    return draw_batch(
        pictures, words, n + 100, n, how_pixels=how_pixels, how_words=how_words, swaps=swaps, preprocessing=PREPROCESSING, rng=rng
    )


def noise(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, 64, 32, 3), np.uint8)


# Stored pictures


def test_stored_pictures_are_the_runtimes_and_are_found_again(tmp_path: Path) -> None:
    records = painted(tmp_path / "people")
    stored = store_pictures(records, PREPROCESSING, tmp_path / "cache", print)
    assert np.array_equal(stored, np.stack([resize(read_image(r.path), 64, 32, "bicubic") for r in records]))
    (cache,) = (tmp_path / "cache").iterdir()
    written = cache.stat().st_mtime_ns, cache.stat().st_ino
    again = store_pictures(records, PREPROCESSING, tmp_path / "cache", print)
    assert np.array_equal(again, stored)
    assert (cache.stat().st_mtime_ns, cache.stat().st_ino) == written


def test_another_size_order_or_edition_of_a_picture_is_stored_anew(tmp_path: Path) -> None:
    records = painted(tmp_path / "people")
    first = store_pictures(records, PREPROCESSING, tmp_path / "cache", print)
    assert store_pictures(records, replace(PREPROCESSING, height=32), tmp_path / "cache", print).shape == (5, 32, 32, 3)
    assert np.array_equal(store_pictures(records[::-1], PREPROCESSING, tmp_path / "cache", print), first[::-1])
    Image.new("RGB", (40, 70), "red").save(records[2].path)
    os.utime(records[2].path, ns=(1, 1))
    changed = store_pictures(records, PREPROCESSING, tmp_path / "cache", print)
    assert np.array_equal(np.delete(changed, 2, 0), np.delete(first, 2, 0))
    assert (changed[2] == (255, 0, 0)).all()


def test_a_killed_reading_is_done_again_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Killed when half of the pictures are in the unfinished file: the third record is a pipe that nobody ever writes to."""
    records = painted(tmp_path / "people")
    blocked = tmp_path / "people" / "2.png"
    content = blocked.read_bytes()
    blocked.unlink()
    os.mkfifo(blocked)
    code = f"""
from pathlib import Path
import numpy as np
from passerby.learn.batches import store_pictures
from passerby.model.preprocess import Preprocessing
from passerby.types import Record, Split
records = [Record(Path({str(tmp_path)!r}) / "people" / f"{{n}}.png", str(n), str(n), Split.TRAIN) for n in range(5)]
print("started", flush=True)
store_pictures(records, Preprocessing(64, 32, (0.5,) * 3, (0.5,) * 3), Path({str(tmp_path)!r}) / "cache", print)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "started\n"
        while not list((tmp_path / "cache").glob("*.part")):
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert [p.suffix for p in (tmp_path / "cache").iterdir()] == [".part"]
    modified = blocked.stat().st_mtime_ns
    blocked.unlink()
    blocked.write_bytes(content)
    os.utime(blocked, ns=(modified, modified))

    stored = store_pictures(records, PREPROCESSING, tmp_path / "cache", print)
    assert np.array_equal(stored, np.stack([resize(read_image(r.path), 64, 32, "bicubic") for r in records]))
    assert [p.suffix for p in (tmp_path / "cache").iterdir()] == [".npy"]


def test_more_pictures_than_are_read_ahead_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "READ_AHEAD", 3)
    records = painted(tmp_path / "people", 11)
    stored = store_pictures(records, PREPROCESSING, tmp_path / "cache", print)
    assert np.array_equal(stored, np.stack([resize(read_image(r.path), 64, 32, "bicubic") for r in records]))


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    records = painted(tmp_path / "people")
    records[3].path.write_bytes(b"not a picture")
    with pytest.raises(DatasetError, match=r"3\.png"):
        store_pictures(records, PREPROCESSING, tmp_path / "cache", print)
    assert not list((tmp_path / "cache").glob("*.npy"))


# Words


def test_tokenise_sorts_captions_by_origin_and_finds_sides() -> None:
    captions = (
        Caption("a red bag on the left shoulder"),
        Caption("a red bag"),
        Caption("her Right hand", Origin.DENSE),
        Caption("copyright and cleft lefty", Origin.PARAPHRASE),
    )
    record = Record(Path("/a.png"), "a.png", "1", Split.TRAIN, captions)
    tokenizer = Tokenizer.from_buffer(tokenizer_json([c.text for c in captions]))
    (words,) = tokenise([record], tokenizer, {})
    ids = {c.text: tokenizer.encode(c.text).ids for c in captions}
    assert words == {
        Origin.OWN: (Sentence(ids[captions[0].text], 0, sided=True), Sentence(ids[captions[1].text], 1)),
        Origin.DENSE: (Sentence(ids[captions[2].text], 3, sided=True),),
        Origin.PARAPHRASE: (Sentence(ids[captions[3].text], 2),),
    }


@pytest.mark.parametrize("text", ["left", "a bag in his LEFT hand.", "right-handed", "to the right, a bag"])
def test_sides_are_found(text: str) -> None:
    assert SIDED.search(text)


def test_pad_fills_up_with_zeros() -> None:
    ids, mask = pad([[2, 5, 3], [2, 3], [2, 9, 9, 9, 3]])
    assert ids.tolist() == [[2, 5, 3, 0, 0], [2, 3, 0, 0, 0], [2, 9, 9, 9, 3]]
    assert mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"own", "paraphrase", "dense"}, {"own": 0.5, "paraphrase": 0.3, "dense": 0.2}),
        ({"own", "dense"}, {"own": 0.8, "dense": 0.2}),
        ({"own", "paraphrase"}, {"own": 0.7, "paraphrase": 0.3}),
        ({"paraphrase", "dense"}, {"paraphrase": 0.8, "dense": 0.2}),
        ({"dense"}, {"dense": 1.0}),
    ],
    ids=lambda value: "+".join(sorted(value)) if isinstance(value, set) else "",
)
def test_words_come_from_their_origins_at_the_configured_shares(has: set[str], expected: dict[str, float]) -> None:
    token = {"own": 10, "paraphrase": 11, "dense": 12}
    record = {Origin(o): (Sentence([2, token[o], 3], 0),) for o in has}
    draws = 2000
    batch = drawn(np.broadcast_to(noise(1), (draws, 64, 32, 3)), [record] * draws, how_words=Words(dropout=0.0, dense=0.2, paraphrase=0.3))
    shares = {o: float((batch.ids[:, 1] == token[o]).float().mean()) for o in has}
    assert shares == pytest.approx(expected, abs=0.04)


def test_every_caption_of_an_origin_is_drawn() -> None:
    record = {Origin.OWN: tuple(Sentence([2, 10 + i, 3], i) for i in range(3))}
    batch = drawn(np.broadcast_to(noise(1), (300, 64, 32, 3)), [record] * 300)
    assert np.bincount(batch.ids[:, 1].numpy(), minlength=13)[10:].min() > 60


def test_exchanged_colours_come_with_their_whole_captions_up_to_the_number_wanted() -> None:
    plain, coloured = Sentence([2, *range(10, 30), 3], 0), Sentence([2, 7, 8, 3], 1, swapped=([2, 8, 7, 3], [2, 9, 9, 3]))
    words: Sequence[Sentences] = [{Origin.OWN: (coloured if n % 2 else plain,)} for n in range(40)]
    batch = drawn(noise(40), words, how_words=replace(PLAIN, dropout=0.5), swaps=15)
    assert batch.swapped_from.tolist() == list(range(1, 30, 2))
    captions, exchanged = batch.ids[:40], batch.ids[40:]
    assert all(captions[n, :4].tolist() == [2, 7, 8, 3] for n in batch.swapped_from), "not thinned, so that only the colours differ"
    assert {tuple(row[:4].tolist()) for row in exchanged} == {(2, 8, 7, 3), (2, 9, 9, 3)}
    assert len(exchanged) == 15
    assert len(drawn(noise(40), words).ids) == 40


def test_tokenise_puts_exchanged_captions_beside_their_own() -> None:
    captions = (Caption("a red jacket and blue jeans"), Caption("a red jacket"))
    record = Record(Path("/a.png"), "a.png", "1", Split.TRAIN, captions)
    tokenizer = Tokenizer.from_buffer(tokenizer_json([c.text for c in captions]))
    (words,) = tokenise([record], tokenizer, {captions[0].text: ["a blue jacket and red jeans"]})
    assert [s.swapped for s in words[Origin.OWN]] == [(tokenizer.encode("a blue jacket and red jeans").ids,), ()]


def test_captions_that_differ_only_beyond_the_cut_are_not_exchanged() -> None:
    text, early, late = "a red jacket and blue jeans", "a blue jacket and red jeans", "a red jacket and green jeans"
    record = Record(Path("/a.png"), "a.png", "1", Split.TRAIN, (Caption(text),))
    tokenizer = Tokenizer.from_buffer(tokenizer_json([text, early, late]))
    tokenizer.enable_truncation(5)
    (words,) = tokenise([record], tokenizer, {text: [early, late]})
    assert [s.swapped for s in words[Origin.OWN]] == [(tokenizer.encode(early).ids,)]


def test_dropout_leaves_the_ends_and_the_order() -> None:
    sentence = [2, *range(10, 40), 3]
    batch = drawn(
        np.broadcast_to(noise(1), (300, 64, 32, 3)),
        [{Origin.OWN: (Sentence(sentence, 0),)}] * 300,
        how_words=replace(PLAIN, dropout=0.25),
    )
    kept = [[int(i) for i, m in zip(ids, mask, strict=True) if m] for ids, mask in zip(batch.ids, batch.mask, strict=True)]
    assert all(k[0] == 2 and k[-1] == 3 and k[1:-1] == sorted(set(k[1:-1])) for k in kept)
    assert np.mean([len(k) - 2 for k in kept]) == pytest.approx(0.75 * 30, abs=0.6)


# Pixels


def test_nothing_varied_is_what_the_runtime_sees() -> None:
    pictures = noise(4)
    batch = drawn(pictures, [OWN] * 4)
    assert np.array_equal(batch.pixels.numpy(), normalise(pictures, PREPROCESSING))
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)
    assert batch.identities.tolist() == [100, 101, 102, 103]


def test_equal_seeds_draw_equal_batches_and_others_do_not() -> None:
    pictures, words = noise(8), [{Origin.OWN: tuple(Sentence([2, *range(5, 5 + n), 3], 0) for n in (3, 4, 5))}] * 8
    a, b, c = (drawn(pictures, words, Pixels(), Words(), seed) for seed in (1, 1, 2))
    for name in ("pixels", "ids", "mask", "identities"):
        assert torch.equal(getattr(a, name), getattr(b, name))
    assert not torch.equal(a.pixels, c.pixels)


def test_sided_words_are_never_mirrored_and_others_at_their_share() -> None:
    """Pictures are dark on the left and bright on the right; every other one has words that say a side."""
    picture = np.repeat(np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], 64, 0), 3, 2)
    words = [{Origin.OWN: (Sentence([2, 5, 3], n, sided=n % 2 == 0),)} for n in range(600)]
    batch = drawn(np.broadcast_to(picture, (600, 64, 32, 3)), words, replace(STILL, flip=0.5))
    mirrored = (batch.pixels[:, 0, 0, 0] > batch.pixels[:, 0, 0, -1]).numpy()
    assert not mirrored[::2].any()
    assert mirrored[1::2].mean() == pytest.approx(0.5, abs=0.1)


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_a_shift_moves_every_row_and_column_alike_and_repeats_the_edge(seed: int, padding: int) -> None:
    y, x = np.mgrid[:64, :32].astype(np.uint8)
    moved = batches._shift(np.stack([y, x, x], -1), padding, np.random.default_rng(seed))
    rows, columns = moved[:, 0, 0].astype(int), moved[0, :, 1].astype(int)
    assert (moved[..., 0] == rows[:, None]).all()
    assert (moved[..., 1] == columns).all()
    for line, size in ((rows, 64), (columns, 32)):
        offsets = line - np.arange(size)
        offset = offsets[size // 2]
        assert abs(offset) <= padding
        assert (line == np.clip(np.arange(size) + offset, 0, size - 1)).all()


@given(st.integers(0, 2**32), st.sampled_from([(64, 32), (32, 32), (256, 16), (3, 5)]))
def test_erasing_covers_one_rectangle_of_one_colour(seed: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 256, (*size, 3), np.uint8)
    after = before.copy()
    batches._erase(after, rng)
    changed = (before != after).any(-1)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    if len(rows):
        patch = after[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert (patch == patch[0, 0]).all()
        assert patch.shape[0] * patch.shape[1] <= 0.25 * size[0] * size[1] + max(size)


def test_erasing_leaves_the_stored_pictures_alone() -> None:
    pictures = noise(8)
    before = pictures.copy()
    drawn(pictures, [OWN] * 8, Pixels(padding=0, flip=1.0, erasing=1.0))
    assert np.array_equal(pictures, before)
