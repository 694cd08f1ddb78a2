"""Pictures and words of a dataset, made ready once, and the varied batches drawn from them.

Every random choice follows from the run's seed and the step's number, so that a run that was cut off goes on as if it never stopped.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from passerby.errors import DatasetError, ImageError
from passerby.learn.config import Pixels, Words
from passerby.learn.data.augment import Pictures, Variation, draw_variation
from passerby.look_ahead import look_ahead
from passerby.media.photo import read_image
from passerby.model.preprocess import Preprocessing, resize
from passerby.types import Caption, Origin, Record

UInt8 = NDArray[np.uint8]
SIDED = re.compile(r"\b(left|right)\b", re.IGNORECASE)
READ_AHEAD = 256


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
        size = len(records) * p.height * p.width * 3
        say(f"resized pictures of people, {size / 1e6:,.1f} MB, go to {folder} until the run has ended")
        pictures = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (len(records), p.height, p.width, 3))
        for i, picture in enumerate(resized(records, p)):
            pictures[i] = picture
            if (i + 1) % 5000 == 0:
                say(f"{i + 1} of {len(records)} pictures read")
        pictures.flush()
        unfinished.replace(path)
    stored: UInt8 = np.load(path, mmap_mode="c")
    return stored


def pictures_on(device: torch.device, records: Sequence[Record], p: Preprocessing, folder: Path, say: Callable[[str], None]) -> Pictures:
    """All pictures where the model is; otherwise as :func:`store_pictures`."""
    return Pictures(torch.from_numpy(store_pictures(records, p, folder, say)).to(device), p)


def resized(records: Sequence[Record], p: Preprocessing) -> Iterator[UInt8]:
    """The pictures one after another, read ahead, each ``uint8 (height, width, 3)``.

    Raises:
        DatasetError: pictures that cannot be read, all of them named, once the others were looked at too.
    """

    def one(record: Record) -> UInt8 | ImageError:
        try:
            return resize(read_image(record.path), p.height, p.width, p.resample)
        except ImageError as error:
            return error

    unread = []
    for record, picture in zip(records, look_ahead(records, one, READ_AHEAD, os.cpu_count() or 1), strict=True):
        if isinstance(picture, ImageError):
            unread.append(f"{record.name}: {picture.found}")
        elif not unread:
            yield picture
    if unread:
        found = f"{len(unread)} that cannot: {'; '.join(unread)}"
        raise DatasetError(expected="pictures that can be read", found=found, do="mend or remove them")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A caption as token ids.

    Args:
        row: its place among all captions.
        sided: it names left or right.
        swapped: the same caption with the colours of two things exchanged, once for every pair of them before it is cut: false of the
            picture.
        shortened: shorter forms of it.
    """

    ids: list[int]
    row: int
    sided: bool = False
    swapped: tuple[list[int], ...] = ()
    shortened: tuple[list[int], ...] = ()


Sentences = Mapping[Origin, tuple[Sentence, ...]]
"""What is said of a picture, by origin; only origins that there are."""


def captions_by_row(records: Iterable[Record]) -> list[Caption]:
    """All captions, picture by picture and by origin within each, the best first: the order in which rows count them."""
    return [caption for record in records for origin in Origin for caption in record.captions if caption.origin is origin]


def tokenise(
    records: Sequence[Record], tokenizer: Tokenizer, swapped: Mapping[str, Sequence[str]], shortened: Mapping[str, Sequence[str]]
) -> list[Sentences]:
    """The captions of each record. ``tokenizer`` cuts to the longest caption wanted, and does not pad.

    Args:
        swapped, shortened: texts with exchanged colours, and shorter ones, by the caption they are made from.
    """
    captions = dict.fromkeys(c.text for r in records for c in r.captions)
    texts = list({text for caption in captions for text in (caption, *swapped.get(caption, ()), *shortened.get(caption, ()))})
    ids = {text: e.ids for text, e in zip(texts, tokenizer.encode_batch(texts), strict=True)}

    rows = count()

    def sentence(caption: Caption) -> Sentence:
        others = tuple(ids[text] for text in swapped.get(caption.text, ()) if ids[text] != ids[caption.text])
        shorter = tuple(ids[text] for text in shortened.get(caption.text, ()))
        return Sentence(ids[caption.text], next(rows), bool(SIDED.search(caption.text)), others, shorter)

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
    """Which pictures, with a caption each, and some of those captions once more with two colours exchanged.

    Args:
        variation: what is done to each picture.
        ids, mask: int64 (n + m, length): the captions, then the exchanged ones.
        identities: int64 (n,).
        pictures, sentences: int64 (n,), the rows of the pictures and of the captions.
        swapped_from: int64 (m,), which caption each of the exchanged ones was made from.
    """

    variation: Variation
    ids: Tensor
    mask: Tensor
    identities: Tensor
    pictures: Tensor
    sentences: Tensor
    swapped_from: Tensor

    def __len__(self) -> int:
        """Of its pictures."""
        return len(self.identities)


def draw_batch(
    words: Sequence[Sentences],
    identities: NDArray[np.int64],
    chosen: NDArray[np.int64],
    *,
    size: tuple[int, int],
    how_pixels: Pixels,
    how_words: Words,
    swaps: int,
    rng: np.random.Generator,
) -> Batch:
    """The chosen pictures, each to be shifted, mirrored and erased by chance, each with one of its captions, thinned by chance.

    Args:
        size: height and width of the pictures.
        swaps: how many captions at most come with exchanged colours as well; those are not thinned, so that only the colours differ.
    """
    drawn = [_draw_caption(words[n], how_words, rng) for n in chosen]
    swapped_from = [i for i, sentence in enumerate(drawn) if sentence.swapped][:swaps]
    swapped = [drawn[i].swapped[rng.integers(len(drawn[i].swapped))] for i in swapped_from]
    whole = set(swapped_from)
    sentences = [s.ids if i in whole else _shown(s, how_words, rng) for i, s in enumerate(drawn)]
    ids, mask = pad([*sentences, *swapped])
    return Batch(
        draw_variation(how_pixels, size, np.array([not s.sided for s in drawn]), rng),
        ids,
        mask,
        identities=torch.from_numpy(identities[chosen]),
        pictures=torch.from_numpy(chosen),
        sentences=torch.tensor([s.row for s in drawn]),
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


def _shown(sentence: Sentence, how: Words, rng: np.random.Generator) -> list[int]:
    """A caption shortened or thinned, by chance."""
    if sentence.shortened and rng.random() < how.shortened:
        return sentence.shortened[rng.integers(len(sentence.shortened))]
    return _thin(sentence.ids, how.dropout, rng)


def _thin(sentence: list[int], share: float, rng: np.random.Generator) -> list[int]:
    """Leave out a share of the tokens, never the first and the last, which mark the sentence's ends."""
    keep = rng.random(len(sentence)) >= share
    keep[[0, -1]] = True
    return [token for token, kept in zip(sentence, keep, strict=True) if kept]


def pad(sentences: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """Token ids padded to the longest sentence with 0, and the mask: two ``int64 (n, length)``."""
    lengths = np.array([len(sentence) for sentence in sentences])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.zeros(mask.shape, np.int64)
    ids[mask] = np.concatenate(sentences)
    return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))
