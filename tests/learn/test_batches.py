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
from torch import Tensor

from passerby.errors import DatasetError
from passerby.learn.config import Pixels, Words
from passerby.learn.data import batches
from passerby.learn.data.augment import Pictures, Variation, coarsened, draw_variation, show, vary
from passerby.learn.data.batches import SIDED, Batch, Sentence, Sentences, draw_batch, pad, store_pictures, tokenise
from passerby.media.photo import read_image
from passerby.model.preprocess import Preprocessing, normalise, resize
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
    return draw_batch(words, n + 100, n, size=(64, 32), how_pixels=how_pixels, how_words=how_words, swaps=swaps, rng=rng)


def pixels(pictures: NDArray[np.uint8], batch: Batch) -> Tensor:
    """What the tower is shown."""
    return vary(Pictures(torch.from_numpy(pictures), PREPROCESSING), batch.pictures, batch.variation)


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
from passerby.learn.data.batches import store_pictures
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


def test_all_broken_pictures_are_named_at_once(tmp_path: Path) -> None:
    records = painted(tmp_path / "people")
    for broken in (1, 3):
        records[broken].path.write_bytes(b"not a picture")
    with pytest.raises(DatasetError, match=r"found 2 that cannot: 1\.png: .*; 3\.png: .*; mend or remove them"):
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
    (words,) = tokenise([record], tokenizer, {}, {})
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
    (words,) = tokenise([record], tokenizer, {captions[0].text: ["a blue jacket and red jeans"]}, {})
    assert [s.swapped for s in words[Origin.OWN]] == [(tokenizer.encode("a blue jacket and red jeans").ids,), ()]


def test_captions_that_differ_only_beyond_the_cut_are_not_exchanged() -> None:
    text, early, late = "a red jacket and blue jeans", "a blue jacket and red jeans", "a red jacket and green jeans"
    record = Record(Path("/a.png"), "a.png", "1", Split.TRAIN, (Caption(text),))
    tokenizer = Tokenizer.from_buffer(tokenizer_json([text, early, late]))
    tokenizer.enable_truncation(5)
    (words,) = tokenise([record], tokenizer, {text: [early, late]}, {})
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
    shown = pixels(pictures, batch)
    assert np.array_equal(shown.numpy(), normalise(pictures, PREPROCESSING))
    assert shown.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(show(Pictures(torch.from_numpy(pictures), PREPROCESSING), slice(1, 3)), shown[1:3])
    assert batch.identities.tolist() == [100, 101, 102, 103]


def test_equal_seeds_draw_equal_batches_and_others_do_not() -> None:
    pictures, words = noise(8), [{Origin.OWN: tuple(Sentence([2, *range(5, 5 + n), 3], 0) for n in (3, 4, 5))}] * 8
    a, b, c = (drawn(pictures, words, Pixels(), Words(), seed) for seed in (1, 1, 2))
    for name in ("ids", "mask", "identities"):
        assert torch.equal(getattr(a, name), getattr(b, name))
    assert torch.equal(pixels(pictures, a), pixels(pictures, b))
    assert not torch.equal(pixels(pictures, a), pixels(pictures, c))


def test_sided_words_are_never_mirrored_and_others_at_their_share() -> None:
    """Pictures are dark on the left and bright on the right; every other one has words that say a side."""
    picture = np.repeat(np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], 64, 0), 3, 2)
    words = [{Origin.OWN: (Sentence([2, 5, 3], n, sided=n % 2 == 0),)} for n in range(600)]
    pictures = np.broadcast_to(picture, (600, 64, 32, 3)).copy()
    shown = pixels(pictures, drawn(pictures, words, replace(STILL, flip=0.5)))
    mirrored = (shown[:, 0, 0, 0] > shown[:, 0, 0, -1]).numpy()
    assert not mirrored[::2].any()
    assert mirrored[1::2].mean() == pytest.approx(0.5, abs=0.1)


def slowly_varied(picture: NDArray[np.uint8], how: Variation, i: int) -> NDArray[np.float32]:
    """One picture, pixel by pixel: float32 (h, w, 3) in 0 to 255."""
    height, width = picture.shape[:2]
    down, right = how.shift[i].tolist()
    top, left, bottom, last = how.erased[i].tolist()
    varied = np.empty((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            across = width - 1 - x if how.mirrored[i] else x
            seen = picture[min(max(y - down, 0), height - 1), min(max(across - right, 0), width - 1)]
            lit = np.minimum(seen * how.light[i].numpy(), np.float32(255))
            varied[y, x] = how.colour[i].numpy() if top <= y < bottom and left <= x < last else lit
    return varied


@given(st.integers(0, 2**32), st.integers(0, 12), st.sampled_from([(12, 8), (8, 8), (20, 3), (3, 5)]))
def test_pictures_are_varied_at_once_as_they_would_be_one_by_one(seed: int, padding: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (5, *size, 3), np.uint8)
    before = pictures.copy()
    rows = rng.integers(0, 5, 7)
    how = draw_variation(Pixels(padding, flip=0.5, erasing=0.5, light=0.4), size, rng.random(7) < 0.7, rng)
    preprocessing = replace(PREPROCESSING, height=size[0], width=size[1])
    shown = vary(Pictures(torch.from_numpy(pictures), preprocessing), torch.from_numpy(rows), how)
    slowly = np.stack([slowly_varied(pictures[row], how, i) for i, row in enumerate(rows)])
    assert np.allclose(shown.permute(0, 2, 3, 1), (slowly / 255 - 0.5) / 0.5, atol=1e-5)
    assert np.array_equal(pictures, before), "the stored pictures are left alone"


@given(st.integers(0, 2**32), st.integers(0, 12), st.sampled_from([(64, 32), (32, 32), (256, 16), (3, 5)]))
def test_what_is_drawn_stays_within_its_bounds(seed: int, padding: int, size: tuple[int, int]) -> None:
    height, width = size
    how = draw_variation(Pixels(padding, 0.5, 0.5, 0.3), size, np.array([True, False] * 10), np.random.default_rng(seed))
    top, left, bottom, right = how.erased.T
    assert how.shift.abs().max() <= padding
    assert not how.mirrored[1::2].any()
    assert ((how.light >= 0.7) & (how.light <= 1.3)).all()
    assert ((top >= 0) & (left >= 0) & (bottom <= height) & (right <= width)).all()
    assert ((bottom - top) * (right - left) <= 0.2 * height * width + max(size)).all()


def test_coarse_pictures_are_those_that_were_small() -> None:
    """Beside Pillow, which makes them smaller and larger again one by one."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (6, 32, 16, 3), np.uint8)
    coarseness = torch.tensor([1, 2, 4, 4, 2, 1])
    shown = coarsened(torch.from_numpy(pictures).float(), coarseness).numpy()
    for picture, factor, seen in zip(pictures, coarseness.tolist(), shown, strict=True):
        image = Image.fromarray(picture)
        slowly = image.reduce(factor).resize(image.size, Image.Resampling.BILINEAR) if factor > 1 else image
        assert np.abs(seen - np.asarray(slowly, np.float32)).max() <= 1.5


def test_coarse_and_hidden_pictures_are_drawn_at_their_shares() -> None:
    how = draw_variation(Pixels(erasing=0.0, coarse=0.3, hidden=0.2), (64, 32), np.ones(2000, bool), np.random.default_rng(0))
    assert [float((how.coarseness == factor).float().mean()) for factor in (1, 2, 4)] == pytest.approx([0.7, 0.15, 0.15], abs=0.03)
    top, left, bottom, right = how.erased[how.erased[:, 2] > how.erased[:, 0]].T
    assert len(top) / 2000 == pytest.approx(0.2, abs=0.03)
    assert ((left == 0) & (right == 32) & (bottom == 64) & (top >= 32)).all()


def test_erasing_happens_at_its_share() -> None:
    how = draw_variation(Pixels(erasing=0.3), (64, 32), np.ones(1000, bool), np.random.default_rng(0))
    erased = (how.erased[:, 2] > how.erased[:, 0]) & (how.erased[:, 3] > how.erased[:, 1])
    assert float(erased.float().mean()) == pytest.approx(0.3, abs=0.05)


def test_captions_are_shortened_at_their_share() -> None:
    words = {Origin.OWN: (Sentence([2, 5, 6, 7, 3], 0, shortened=([2, 5, 3], [2, 6, 3])),)}
    how = replace(PLAIN, shortened=0.5)
    seen = [tuple(drawn(noise(1), [words], how_words=how, seed=seed).ids[0].tolist()) for seed in range(200)]
    assert set(seen) == {(2, 5, 6, 7, 3), (2, 5, 3), (2, 6, 3)}
    assert 70 < seen.count((2, 5, 6, 7, 3)) < 130
    assert drawn(noise(1), [OWN], how_words=replace(PLAIN, shortened=1.0)).ids.tolist() == [[2, 5, 3]]
