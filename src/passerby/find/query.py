"""A question: words, a picture, or both, as weighted vectors of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from passerby.errors import QueryError
from passerby.inputs import as_text, require, wrong
from passerby.media.picture import AnyPicture, as_picture
from passerby.model.calibration import Calibration
from passerby.model.encode import encode_texts
from passerby.model.encoder import CountsTokens, Encoder, as_encoder
from passerby.model.preprocess import preprocess
from passerby.types import ROUNDING, ModelDigest, Note, is_tuple_of
from passerby.words.normalise import plain
from passerby.words.prompts import prompts


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A part of a question.

    Args:
        vector: float32 (d,), of length 1.

    Raises:
        InputError: a weight that is no finite number, or another vector.
    """

    weight: float
    vector: NDArray[np.float32]

    def __post_init__(self) -> None:
        if not isinstance(self.weight, float) or not np.isfinite(self.weight):
            raise wrong(self.weight, "a weight, a finite float")
        vector = require(self.vector, np.ndarray, "a vector float32 (d,)")
        if vector.dtype != np.float32 or vector.ndim != 1 or not abs(np.linalg.norm(vector) - 1) < ROUNDING:
            raise wrong(vector, "a vector float32 (d,) of length 1")


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A question of at least one term.

    Args:
        text: as people read it.
        cut: how many word pieces at the end of one of its sentences were over the model's limit and not read, at most.
        model: which model made the vectors, by digest and name.
        calibration: from a score to a probability; ``None`` where none was measured, as for pictures.
        notes: what had to be guessed of its picture.

    Raises:
        InputError: no term, or terms of several models.
        QueryError: the terms cancel out.
    """

    text: str
    terms: tuple[Term, ...]
    model: ModelDigest
    model_name: str
    cut: int = 0
    calibration: Calibration | None = None
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if not is_tuple_of(Term, self.terms) or len({term.vector.shape for term in self.terms}) != 1:
            raise wrong(self.terms, "a tuple of at least one term, with vectors of one length")
        if not np.linalg.norm(self._sum()) > 1e-6:
            raise QueryError(expected="words and a picture that agree in something", found="opposites", do="ask with one of them")

    @property
    def direction(self) -> NDArray[np.float64]:
        """The normalised weighted mean of the terms, float64 (d,): the score of a person is its cosine with their vector."""
        total = self._sum()
        return total / np.float64(np.linalg.norm(total))

    def _sum(self) -> NDArray[np.float64]:
        weights = np.array([term.weight for term in self.terms])
        return weights @ np.stack([term.vector for term in self.terms]).astype(np.float64)


def directions(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """What :func:`ask` makes of many descriptions, none empty: float32 (n, d), each of length 1.

    Raises:
        QueryError: what a description affirms and what it denies cancel out.
    """
    asked = [prompts(text) for text in texts]
    distinct = list(dict.fromkeys(prompt.text for one in asked for prompt in one))
    row = {text: n for n, text in enumerate(distinct)}
    vectors = encode_texts(encoder, distinct)
    sums = [sum((p.weight * vectors[row[p.text]] for p in one), np.zeros(encoder.dim, np.float32)) for one in asked]
    total = np.array(sums, np.float32).reshape(len(texts), encoder.dim)
    lengths = np.linalg.norm(total, axis=1, keepdims=True)
    if not np.all(lengths > 1e-6):
        raise QueryError(expected="a description that affirms something", found="what cancels out", do="leave out what it denies")
    unit: NDArray[np.float32] = total / lengths
    return unit


def ask(encoder: Encoder, words: str | None = None, like: AnyPicture | None = None) -> Query:
    """Make a question of words, of a picture of somebody alike, or of both in equal parts.

    Words become the sentences of :func:`passerby.words.prompts.prompts`: slips mended, keywords asked as a sentence too, what is denied
    counted against whoever has it.

    Args:
        like: a file's path, a picture of Pillow's, or an array uint8 (h, w, 3) in RGB or (h, w) in grey.

    Raises:
        InputError: an argument of the wrong kind.
        QueryError: neither says anything.
        ImageError: the picture cannot be read.
    """
    encoder = as_encoder(encoder)
    words = "" if words is None else as_text(words, "a description, a str").strip()
    says_something = bool(plain(words).strip())
    if not says_something and like is None:
        raise QueryError(expected="a description", found="an empty one", do='say what the person wears, for example "a red jacket"')
    notes: tuple[Note, ...] = ()
    terms, named = [], words
    if says_something:
        terms.append(Term(1.0, directions(encoder, [words])[0]))
    if like is not None:
        picture, path = as_picture(like)
        notes = tuple(Note(path, note) for note in picture.notes)
        named = " + ".join(filter(None, (words, f"like {path.name}")))
        terms.append(Term(1.0, encoder.embed_images(preprocess(picture.image, encoder.preprocessing)[None])[0]))
    cut = _most_cut(encoder, words) if words and isinstance(encoder, CountsTokens) else 0
    calibration = encoder.calibration if like is None else None
    return Query(named, tuple(terms), encoder.digest, encoder.name, cut, calibration, notes)


def _most_cut(encoder: CountsTokens, words: str) -> int:
    return max(encoder.tokens_cut(prompt.text) for prompt in prompts(words))
