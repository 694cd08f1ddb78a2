"""Pictures and words of a dataset, made ready once, and the varied batches drawn from them.

Every random choice follows from the run's seed and the step's number, so that a run that was cut off goes on as if it never stopped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from passerby.errors import DatasetError, ImageError
from passerby.learn.config import Pixels, Words
from passerby.model.preprocess import Preprocessing, normalise, read_image, resize
from passerby.types import Caption, Origin, Record

UInt8 = NDArray[np.uint8]
SIDED = re.compile(r"\b(left|right)\b", re.IGNORECASE)
READ_AHEAD = 64


def store_pictures(records: Sequence[Record], p: Preprocessing, folder: Path, say: Callable[[str], None]) -> UInt8:
    """All pictures resized as the model wants them, ``uint8 (n, height, width, 3)``, in a memory-mapped file that later runs find again.

    Raises:
        DatasetError: a picture cannot be read; a training set is mended before training, not during it.
    """
    names = "\n".join(f"{r.path} {r.path.stat().st_mtime_ns}" for r in records)
    key = hashlib.sha256(f"{p.to_json()}\n{names}".encode()).hexdigest()[:16]
    path = folder / f"pictures-{p.height}x{p.width}-{key}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        pictures = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (len(records), p.height, p.width, 3))
        for i, picture in enumerate(resized(records, p)):
            pictures[i] = picture
            if (i + 1) % 5000 == 0:
                say(f"{i + 1} of {len(records)} pictures read")
        pictures.flush()
        unfinished.replace(path)
    stored: UInt8 = np.load(path, mmap_mode="r")
    return stored


def resized(records: Sequence[Record], p: Preprocessing) -> Iterator[UInt8]:
    """The pictures one after another, read ahead, each ``uint8 (height, width, 3)``.

    Raises:
        DatasetError: a picture cannot be read.
    """

    def one(record: Record) -> UInt8:
        try:
            return resize(read_image(record.path), p.height, p.width, p.resample)
        except ImageError as error:
            raise DatasetError(
                expected="pictures that can be read", found=f"{record.name}: {error.found}", do="mend or remove it"
            ) from error

    with ThreadPoolExecutor(max_workers=2) as readers:
        waiting = iter(records)
        pending = [readers.submit(one, r) for r in islice(waiting, READ_AHEAD)]
        while pending:
            yield pending.pop(0).result()
            pending.extend(readers.submit(one, r) for r in islice(waiting, 1))


@dataclass(frozen=True, slots=True)
class Sentence:
    """A caption as token ids.

    Args:
        row: its place among all captions.
        sided: it names left or right.
        swapped: the same caption with the colours of two things exchanged, once for every pair of them before it is cut: false of the
            picture.
    """

    ids: list[int]
    row: int
    sided: bool = False
    swapped: tuple[list[int], ...] = ()


Sentences = Mapping[Origin, tuple[Sentence, ...]]
"""What is said of a picture, by origin; only origins that there are."""


def tokenise(records: Sequence[Record], tokenizer: Tokenizer, swapped: Mapping[str, Sequence[str]]) -> list[Sentences]:
    """The captions of each record. ``tokenizer`` cuts to the longest caption wanted, and does not pad.

    Args:
        swapped: texts with exchanged colours, by the caption they are made from.
    """
    texts = list({text for r in records for c in r.captions for text in (c.text, *swapped.get(c.text, ()))})
    ids = {text: e.ids for text, e in zip(texts, tokenizer.encode_batch(texts), strict=True)}

    rows = count()

    def sentence(caption: Caption) -> Sentence:
        others = tuple(ids[text] for text in swapped.get(caption.text, ()) if ids[text] != ids[caption.text])
        return Sentence(ids[caption.text], next(rows), bool(SIDED.search(caption.text)), others)

    return [
        {
            origin: tuple(sentence(c) for c in record.captions if c.origin is origin)
            for origin in Origin
            if any(c.origin is origin for c in record.captions)
        }
        for record in records
    ]


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures with a caption each, and some of those captions once more with two colours exchanged.

    Args:
        pixels: float32 (n, 3, h, w).
        ids, mask: int64 (n + m, length): the captions, then the exchanged ones.
        identities: int64 (n,).
        pictures, sentences: int64 (n,), the rows of the pictures and of the captions, as they are without variation.
        swapped_from: int64 (m,), which caption each of the exchanged ones was made from.
    """

    pixels: Tensor
    ids: Tensor
    mask: Tensor
    identities: Tensor
    pictures: Tensor
    sentences: Tensor
    swapped_from: Tensor


def draw_batch(
    pictures: UInt8,
    words: Sequence[Sentences],
    identities: NDArray[np.int64],
    chosen: NDArray[np.int64],
    *,
    how_pixels: Pixels,
    how_words: Words,
    swaps: int,
    preprocessing: Preprocessing,
    rng: np.random.Generator,
) -> Batch:
    """The chosen pictures, each cropped, mirrored and erased by chance, each with one of its captions, thinned by chance.

    Args:
        swaps: how many captions at most come with exchanged colours as well; those are not thinned, so that only the colours differ.
    """
    pixels = np.empty((len(chosen), *pictures.shape[1:]), np.uint8)
    sentences: list[list[int]] = []
    swapped: list[list[int]] = []
    swapped_from: list[int] = []
    rows: list[int] = []
    for i, n in enumerate(chosen):
        sentence = _draw_caption(words[n], how_words, rng)
        rows.append(sentence.row)
        pixels[i] = _vary(pictures[n], how_pixels, may_flip=not sentence.sided, rng=rng)
        if sentence.swapped and len(swapped) < swaps:
            sentences.append(sentence.ids)
            swapped.append(sentence.swapped[rng.integers(len(sentence.swapped))])
            swapped_from.append(i)
        else:
            sentences.append(_thin(sentence.ids, how_words.dropout, rng))
    ids, mask = pad([*sentences, *swapped])
    normal = torch.from_numpy(normalise(pixels, preprocessing)).contiguous(memory_format=torch.channels_last)
    return Batch(
        normal,
        ids,
        mask,
        identities=torch.from_numpy(identities[chosen]),
        pictures=torch.from_numpy(chosen),
        sentences=torch.tensor(rows),
        swapped_from=torch.tensor(swapped_from, dtype=torch.int64),
    )


def _draw_caption(sentences: Sentences, how: Words, rng: np.random.Generator) -> Sentence:
    """Dense and paraphrased words at their configured shares, a picture's own words otherwise; what is missing falls to what is there."""
    luck = rng.random()
    if luck < how.dense:
        wished = Origin.DENSE
    elif luck < how.dense + how.paraphrase:
        wished = Origin.PARAPHRASE
    else:
        wished = Origin.OWN
    drawn = sentences[next(o for o in (wished, Origin.OWN, Origin.PARAPHRASE, Origin.DENSE) if o in sentences)]
    return drawn[rng.integers(len(drawn))]


def _thin(sentence: list[int], share: float, rng: np.random.Generator) -> list[int]:
    """Leave out a share of the tokens, never the first and the last, which mark the sentence's ends."""
    keep = rng.random(len(sentence)) >= share
    keep[[0, -1]] = True
    return [token for token, kept in zip(sentence, keep, strict=True) if kept]


def _vary(picture: UInt8, how: Pixels, *, may_flip: bool, rng: np.random.Generator) -> UInt8:
    varied = _shift(picture, how.padding, rng)
    if rng.random() < how.flip and may_flip:
        varied = varied[:, ::-1]
    if rng.random() < how.erasing:
        _erase(varied, rng)
    return varied


def _shift(picture: UInt8, padding: int, rng: np.random.Generator) -> UInt8:
    """Move the picture by up to ``padding`` pixels each way; its edge is repeated where nothing is left."""
    height, width = picture.shape[:2]
    down, right = rng.integers(-padding, padding + 1, 2)
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    shifted: UInt8 = picture[rows[:, None], columns]
    return shifted


def _erase(crop: UInt8, rng: np.random.Generator) -> None:
    """Cover a rectangle of 2 to 20 % of the picture with one colour, in place."""
    height, width = crop.shape[:2]
    area = rng.uniform(0.02, 0.2) * height * width
    shape = rng.uniform(0.5, 2.0)
    rows = min(height, max(1, round((area * shape) ** 0.5)))
    columns = min(width, max(1, round((area / shape) ** 0.5)))
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    crop[top : top + rows, left : left + columns] = rng.integers(0, 256, 3)


def pad(sentences: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """Token ids padded to the longest sentence with 0, and the mask: two ``int64 (n, length)``."""
    ids = torch.zeros((len(sentences), max(map(len, sentences))), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, sentence in enumerate(sentences):
        ids[row, : len(sentence)] = torch.tensor(sentence)
        mask[row, : len(sentence)] = 1
    return ids, mask
