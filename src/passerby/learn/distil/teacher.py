"""What a teacher says of all that a student will learn from, asked once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from passerby.atomic import replacing
from passerby.learn.data.batches import captions_by_row, resized
from passerby.model.encoder import Encoder, encode_texts
from passerby.model.preprocess import normalise
from passerby.types import Record

PICTURES = 32
SAY_EVERY = 160 * PICTURES


class Answers(NamedTuple):
    """The teacher's vectors of unit length: ``images`` float32 (n, d), one for each picture, ``texts`` float32 (m, d), one for each
    caption, in the order of their rows."""

    images: Tensor
    texts: Tensor


def ask_teacher(teacher: Encoder, records: Sequence[Record], folder: Path, say: Callable[[str], None]) -> Answers:
    """The teacher's answers to all pictures and captions, from a file in ``folder`` where it was asked before.

    A picture's vector is the mean of it and its mirror image, brought to length 1.

    Raises:
        DatasetError: a picture cannot be read.
    """
    texts = [caption.text for caption in captions_by_row(records)]
    asked = "\n".join([teacher.digest, *(f"{r.path} {r.path.stat().st_mtime_ns}" for r in records), *texts])
    path = folder / f"teacher-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        said = _of_texts(teacher, texts, say)
        seen = np.concatenate(list(_of_pictures(teacher, records, say)))
        with replacing(path) as file:
            np.savez(file, images=seen.astype(np.float16), texts=said.astype(np.float16))
    with np.load(path) as kept:
        return Answers(*(torch.nn.functional.normalize(torch.from_numpy(kept[name]).float(), dim=-1) for name in Answers._fields))


def _of_texts(teacher: Encoder, texts: Sequence[str], say: Callable[[str], None]) -> NDArray[np.float32]:
    """Each different text is asked once, with others of its length."""
    different = sorted(set(texts), key=len)
    say(f"the teacher reads {len(different)} captions")
    vectors = encode_texts(teacher, different)
    row = {text: i for i, text in enumerate(different)}
    said: NDArray[np.float32] = vectors[[row[text] for text in texts]]
    return said


def _of_pictures(teacher: Encoder, records: Sequence[Record], say: Callable[[str], None]) -> Iterator[NDArray[np.float32]]:
    say(f"the teacher looks at {len(records)} pictures")
    pictures = resized(records, teacher.preprocessing)
    for first in range(0, len(records), PICTURES):
        if first and first % SAY_EVERY == 0:
            say(f"{first} of {len(records)} pictures looked at")
        batch = list(islice(pictures, PICTURES))
        pixels = normalise(np.stack(batch), teacher.preprocessing)
        yield teacher.embed_images(pixels) + teacher.embed_images(np.ascontiguousarray(pixels[..., ::-1]))
