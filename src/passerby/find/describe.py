"""What somebody in a picture wears, by the model's word: search read backwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from passerby.errors import ModelError
from passerby.find.worn import likelihoods, probabilities, unreliable
from passerby.inputs import wrong
from passerby.model.encoder import Encoder, as_encoder, attributes_of, see
from passerby.model.preprocess import preprocess
from passerby.types import IMPROBABLE, PROBABLE, Box, Failure, Note
from passerby.words.appearance import appearance
from passerby.words.description import PersonDescription
from passerby.words.description import describe as sentence_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from passerby.detect.people import Detecting
    from passerby.media.picture import AnyPicture

ALWAYS: Final = ("body", "hair", "upper", "lower", "feet")
"""Parts of which everybody has something to be told; of others there may be nothing."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """What somebody in a picture wears.

    Args:
        path: the picture's file; ``None`` where it has none.
        probabilities: of each attribute that the model knows, as ``upper:red``, how likely it is worn, in [0, 1].
        unreliable: attributes that the model is often wrong about, each with its figure, the area under the ROC curve, or ``None`` where
            that was not measured.
        notes: what had to be guessed of the picture, and who of the people in it was taken.
        box: around them, in pixels of the picture when it is upright; ``None`` for all of it.
        description: what is probable, as the words of a question are read.
        sentence: the description in words.
        unclear: parts of which the model cannot tell what is worn: nothing is probable, though something is there or may be.
    """

    path: Path | None
    probabilities: Mapping[str, float]
    unreliable: Mapping[str, float | None] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    box: Box | None = None
    description: PersonDescription = field(init=False)
    sentence: str = field(init=False)
    unclear: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        for one, is_one in ((self.probabilities, _is_likelihood), (self.unreliable, _is_figure)):
            if not isinstance(one, Mapping) or not all(map(is_one, one.items())):
                raise wrong(one, "probabilities by attribute, a mapping of str to float", "correct the value")
        object.__setattr__(self, "description", appearance(self.probabilities))
        object.__setattr__(self, "sentence", sentence_of(self.description))
        object.__setattr__(self, "unclear", tuple(_unclear(self.by_part())))

    def by_part(self) -> dict[str, dict[str, float]]:
        """The probabilities by part and what is worn there, the likeliest first."""
        found: dict[str, dict[str, float]] = {}
        for name, p in sorted(self.probabilities.items(), key=lambda one: -one[1]):
            part, _, word = name.partition(":")
            found.setdefault(part, {})[word] = p
        return found


@dataclass(frozen=True, slots=True)
class _Read:
    """What is known of somebody's picture: as of :class:`Appearance`."""

    path: Path | None = None
    notes: tuple[Note, ...] = ()
    box: Box | None = None


def describe(encoder: Encoder, picture: AnyPicture, box: Box | None = None, detecting: Detecting | None = None) -> Appearance:
    """Say what somebody in a picture wears, each thing with its probability.

    Args:
        picture: a file's path, a picture of Pillow's, or an array uint8 (h, w, 3) in RGB or (h, w) in grey.
        box: around whom it is meant, in pixels of the picture when it is upright.
        detecting: how somebody is found in it, the largest of several; without it, and without a box, the whole picture is meant.

    Raises:
        InputError: an argument of the wrong kind.
        ModelError: a model that does not say what is worn, or cannot be trusted; or the detector fails.
        ImageError: the picture cannot be read.
        QueryError: a box outside of the picture.
    """
    encoder = _as_telling(encoder)
    read, image = _read(picture, box, detecting)
    return _told(encoder, see(encoder, preprocess(image, encoder.preprocessing)[None]).log_odds[0], read)


def describe_files(
    encoder: Encoder, paths: Iterable[Path], box: Box | None = None, detecting: Detecting | None = None
) -> Iterator[Appearance | Failure]:
    """What somebody in each of some pictures wears, in their order; raises ``ModelError`` before the first as :func:`describe` does.

    Args:
        box, detecting: as of :func:`describe`, for each of them.
    """
    return _each(_as_telling(encoder), paths, box, detecting)


def describe_stored(encoder: Encoder, worn: NDArray[np.uint8]) -> Appearance | None:
    """What somebody wears by what an index keeps of them; ``None`` where it is not known.

    Args:
        worn: uint8 (2a,), as :meth:`passerby.index.base.Index.worn_of` gives it.
    """
    names = attributes_of(encoder)
    if not names or len(worn) != 2 * len(names) or not worn.any():
        return None
    return _with_probabilities(encoder, names, likelihoods(encoder, names, worn[None])[0].tolist(), _Read())


def _each(encoder: Encoder, paths: Iterable[Path], box: Box | None, detecting: Detecting | None) -> Iterator[Appearance | Failure]:
    from passerby.model.encode import Failed, Loaded, encode

    def load(path: Path) -> Loaded[_Read]:
        return Loaded(*_read(path.absolute(), box, detecting))

    with closing(encode(encoder, paths, load)) as results:
        for one in results:
            if isinstance(one, Failed):
                yield Failure(one.item.absolute(), one.reason)
            elif one.worn is not None:
                yield _told(encoder, one.worn, one.known)


def _read(picture: AnyPicture, box: Box | None, detecting: Detecting | None) -> tuple[_Read, Image]:
    """What is to be said of a picture, and that of who is meant by it."""
    from passerby.find.like import person_in
    from passerby.media.picture import as_picture

    read, path = as_picture(picture)
    meant = person_in(read.image, box, detecting)
    notes = (*read.notes, *filter(None, [meant.choice]))
    return _Read(path if path.exists() else None, tuple(Note(path, note) for note in notes), meant.box), meant.image


def _as_telling(encoder: Encoder) -> Encoder:
    encoder = as_encoder(encoder)
    if not attributes_of(encoder):
        raise ModelError(
            expected="a model that says what is worn, a bundle that was trained with attributes",
            found=f"{encoder.name}, which compares pictures with words and no more",
            do="name one with --model, search with words, or teach it by `passerby finetune --attributes`",
        )
    return encoder


def _told(encoder: Encoder, log_odds: NDArray[np.float32], read: _Read) -> Appearance:
    names = attributes_of(encoder)
    return _with_probabilities(encoder, names, probabilities(encoder, names, log_odds[None])[0].tolist(), read)


def _with_probabilities(encoder: Encoder, names: Sequence[str], likely: Sequence[float], read: _Read) -> Appearance:
    return Appearance(read.path, dict(zip(names, likely, strict=True)), unreliable(encoder, names), read.notes, read.box)


def _is_likelihood(named: tuple[object, object]) -> bool:
    name, p = named
    return isinstance(name, str) and isinstance(p, float) and 0 <= p <= 1


def _is_figure(named: tuple[object, object]) -> bool:
    name, figure = named
    return _is_likelihood(named) if figure is not None else isinstance(name, str)


def _unclear(by_part: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for part, worn in by_part.items():
        if max(worn.values()) < PROBABLE and (part in ALWAYS or max(worn.values()) >= IMPROBABLE):
            yield part
