"""What a tower is calibrated on: training pictures and their words, one input a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.convert.graph import Feed
from passerby.errors import DatasetError, ImageError
from passerby.media.photo import read_image
from passerby.model.bundle import Bundle
from passerby.model.preprocess import Preprocessing, normalise, resize
from passerby.model.tokenizer import Tokenizer
from passerby.types import Record

PICTURES = 256
LEAST_SPREAD = 1.0
"""Grey levels by which a pixel differs from picture to picture, on average; below it the pictures are one."""


class Samples(NamedTuple):
    images: list[Feed]
    texts: list[Feed]


def training_samples(records: Sequence[Record], bundle: Bundle, say: Callable[[str], None]) -> Samples:
    """Inputs for both towers from at most ``PICTURES`` captioned records, evenly chosen.

    A picture that cannot be read is named and left out.

    Raises:
        DatasetError: no picture can be read, or all are alike: a range measured on them would cut everything else.
    """
    chosen = _evenly([r for r in records if r.captions], PICTURES)
    pictures = _read(chosen, bundle.preprocessing, say)
    if not pictures:
        raise DatasetError(
            expected="training pictures to calibrate on", found=f"none of {len(chosen)} that can be read", do="check the dataset's paths"
        )
    spread = float(np.stack(pictures).std(axis=0).mean())
    if not spread >= LEAST_SPREAD:
        raise DatasetError(
            expected="training pictures that differ",
            found=f"{len(pictures)} that are all alike ({spread:.1f} grey levels apart)",
            do="name the dataset that the model was trained on",
        )
    images: list[Feed] = [{"pixel_values": normalise(picture[None], bundle.preprocessing)} for picture in pictures]
    return Samples(images, list(_text_feeds(chosen, Tokenizer(bundle.tokenizer.read(), bundle.max_tokens))))


def _read(records: Sequence[Record], p: Preprocessing, say: Callable[[str], None]) -> list[NDArray[np.uint8]]:
    pictures = []
    for record in records:
        try:
            pictures.append(resize(read_image(record.path), p.height, p.width, p.resample))
        except ImageError as error:
            say(f"left out {record.name}: {error.found}")
    return pictures


def _text_feeds(records: Sequence[Record], tokenizer: Tokenizer) -> Iterator[Feed]:
    """One sentence at a time, so that no range is widened by padding."""
    for record in records:
        for caption in record.captions[:2]:
            tokens = tokenizer([caption.text])
            yield {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}


def _evenly(records: Sequence[Record], count: int) -> list[Record]:
    chosen = np.linspace(0, len(records) - 1, min(count, len(records))).round().astype(int)
    return [records[i] for i in chosen]
