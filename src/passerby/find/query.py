"""A question as one model sees it: words, a picture, or both, as weighted vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from passerby.errors import QueryError
from passerby.find.question import Question
from passerby.index.score import Weights
from passerby.inputs import require, wrong
from passerby.model.calibration import Calibration
from passerby.model.encoder import CountsTokens, Encoder, as_encoder, attributes_of, encode_texts
from passerby.model.preprocess import preprocess
from passerby.types import ROUNDING, ModelDigest, Note, is_tuple_of
from passerby.words.description import PersonDescription
from passerby.words.filters import Filter
from passerby.words.prompts import Prompt, prompts, read

if TYPE_CHECKING:
    from passerby.media.picture import AnyPicture


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
    """A question as vectors of one model, of at least one term.

    Args:
        text: as people read it.
        cut: how many word pieces at the end of one of its sentences were over the model's limit and not read, at most.
        model: which model made the vectors, by digest and name.
        calibration: from a score to a probability; ``None`` where none was measured, as for pictures.
        notes: what had to be guessed of its picture.
        worn: weights of a stored row's bytes of what is worn, float64 (2a,); (0,) for vectors alone.

    Raises:
        InputError: no term, terms of several models, or other weights.
        QueryError: the terms cancel out.
    """

    text: str
    terms: tuple[Term, ...]
    model: ModelDigest
    model_name: str
    cut: int = 0
    calibration: Calibration | None = None
    notes: tuple[Note, ...] = ()
    worn: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        if not is_tuple_of(Term, self.terms) or len({term.vector.shape for term in self.terms}) != 1:
            raise wrong(self.terms, "a tuple of at least one term, with vectors of one length")
        worn = require(self.worn, np.ndarray, "weights of what is worn, float64 (2a,)")
        if worn.dtype != np.float64 or worn.ndim != 1 or not np.all(np.isfinite(worn) & (worn >= 0)):
            raise wrong(worn, "weights of what is worn, float64 (2a,), none negative")
        if not np.linalg.norm(self._sum()) > 1e-6:
            raise QueryError(expected="words and a picture that agree in something", found="opposites", do="ask with one of them")

    @property
    def direction(self) -> NDArray[np.float64]:
        """The normalised weighted mean of the terms, float64 (d,): its cosine with a person's vector is a score without what is worn."""
        return _unit(self._sum())

    @property
    def weights(self) -> Weights:
        """The question as a linear function of a stored row, which is the score."""
        return Weights(self.direction, self.worn)

    def _sum(self) -> NDArray[np.float64]:
        weights = np.array([term.weight for term in self.terms])
        return weights @ np.stack([term.vector for term in self.terms]).astype(np.float64)


def queries(encoder: Encoder, questions: Sequence[Question]) -> list[Query]:
    """Questions as vectors of a model, the words of all in one pass.

    Raises:
        QueryError: what a question affirms and what it denies cancel out.
        ModelError: a tower cannot be trusted.
    """
    in_words = [question for question in questions if question.prompts]
    vectors = dict(zip(map(id, in_words), _unit_sums(encoder, [question.prompts for question in in_words]), strict=True))
    counts = encoder if isinstance(encoder, CountsTokens) else None
    return [_query(encoder, counts, question, vectors.get(id(question))) for question in questions]


def _query(encoder: Encoder, counts: CountsTokens | None, question: Question, words: NDArray[np.float32] | None) -> Query:
    terms = [] if words is None else [Term(1.0, words)]
    if question.picture is not None:
        terms.append(Term(1.0, encoder.embed_images(preprocess(question.picture, encoder.preprocessing)[None])[0]))
    cut = max((counts.tokens_cut(prompt.text) for prompt in question.prompts), default=0) if counts else 0
    calibration = encoder.calibration if question.picture is None else None
    worn = _worn(encoder, question.description, question.filters)
    return Query(question.text, tuple(terms), encoder.digest, encoder.name, cut, calibration, question.notes, worn)


def directions(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float64]:
    """Those of the queries of many descriptions, none empty: float64 (n, d), each of length 1.

    Raises:
        QueryError: what a description affirms and what it denies cancel out.
    """
    sums = _unit_sums(encoder, [prompts(text) for text in texts]).astype(np.float64)
    return np.array([_unit(one) for one in sums]).reshape(sums.shape)


def weights(encoder: Encoder, texts: Sequence[str]) -> list[Weights]:
    """Those of the queries of many descriptions, none empty: as search asks them, so are they measured.

    Raises:
        QueryError: what a description affirms and what it denies cancel out.
    """
    worn = [_worn(encoder, read(text).description) for text in texts]
    return [Weights(*both) for both in zip(directions(encoder, texts), worn, strict=True)]


def _worn(encoder: Encoder, description: PersonDescription, filters: Sequence[Filter] = ()) -> NDArray[np.float64]:
    """What is asked of what is worn, float64 (2a,); (0,) of a model whose calibration fuses nothing."""
    names, fusion = attributes_of(encoder), encoder.calibration.fusion if encoder.calibration else {}
    if not fusion:
        return np.empty(0)
    from passerby.find.weights import shares, worn_weights  # what knows attributes is loaded for models that do
    from passerby.words.attributes import asked

    return worn_weights(shares(asked(description, filters, names), names), names, fusion)


def _unit_sums(encoder: Encoder, asked: Sequence[Sequence[Prompt]]) -> NDArray[np.float32]:
    """The weighted sum of the prompts of each of n questions, float32 (n, d), each of length 1."""
    distinct = list(dict.fromkeys(prompt.text for one in asked for prompt in one))
    row = {text: n for n, text in enumerate(distinct)}
    vectors = encode_texts(encoder, distinct)
    sums = [sum((p.weight * vectors[row[p.text]] for p in one), np.zeros(encoder.dim, np.float32)) for one in asked]
    total = np.array(sums, np.float32).reshape(len(asked), encoder.dim)
    lengths = np.linalg.norm(total, axis=1, keepdims=True)
    if not np.all(lengths > 1e-6):
        raise QueryError(expected="a description that affirms something", found="what cancels out", do="leave out what it denies")
    unit: NDArray[np.float32] = total / lengths
    return unit


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.float64(np.linalg.norm(vector))


def ask(encoder: Encoder, words: str | None = None, like: AnyPicture | None = None) -> Query:
    """A question of words, of a picture of somebody alike, or of both in equal parts, as vectors of a model.

    For one release more: :func:`passerby.find` asks and answers in one act.

    Args:
        like: a file's path, a picture of Pillow's, or an array uint8 (h, w, 3) in RGB or (h, w) in grey.

    Raises:
        InputError: an argument of the wrong kind.
        QueryError: neither says anything.
        ImageError: the picture cannot be read.
    """
    encoder = as_encoder(encoder)
    return queries(encoder, [Question(words, like)])[0]
