"""How a detector's graph is fed, and how what it gives is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from passerby.detect.grid import STRIDES
from passerby.errors import ModelError

Colours = Literal["RGB", "BGR"]

_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
_STD: Final = np.array([0.229, 0.224, 0.225], np.float32)
"""ImageNet's, of pixels in [0, 1], in the order of RGB."""
_SIDES: Final = 4
"""Columns of what a graph gives before those that a score is made of: where a box is."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a detector of the grid kind is fed and read; the defaults are those of ``passerby-d``.

    The graph takes float32 (1, 3, h, w), a picture at the top left of its canvas, and gives float32 (1, a, c): a row for each cell of
    each grid, as :mod:`passerby.detect.grid` has them.

    Args:
        input, output: names in the graph.
        colours: the order of the channels.
        normalised: whether it takes pixels less ImageNet's mean over its deviation, as YOLOX did until 2021; else 0 to 255 as they are.
        strides: pixels between the cells of each grid, finest first.
        score: columns whose product says how sure it is, from 0 to 1.
        decoded: whether boxes come as centre, width and height in pixels; else as the grid has them.
        side: of its square canvas, where the graph takes no other; ``None`` where its sides are any multiples of the largest stride.
        threshold: the least score of a detection.
        overlap: a detection goes that overlaps a better one by more, by intersection over union.

    Raises:
        ModelError: values of other kinds, or that cannot be.
    """

    input: str = "pixels"
    output: str = "people"
    colours: Colours = "RGB"
    normalised: bool = False
    strides: tuple[int, ...] = STRIDES
    score: tuple[int, ...] = (4,)
    decoded: bool = False
    side: int | None = None
    threshold: float = 0.25
    overlap: float = 0.55

    def __post_init__(self) -> None:
        names = self.input, self.output
        _require(all(isinstance(name, str) and name for name in names), "names of an input and an output", names)
        _require(self.colours in get_args(Colours), f"colours to be one of {', '.join(get_args(Colours))}", self.colours)
        _require(all(type(flag) is bool for flag in (self.normalised, self.decoded)), "true or false", (self.normalised, self.decoded))
        rising = _integers(self.strides, 1, 1024) and all(coarse % fine == 0 for fine, coarse in pairwise(self.strides))
        _require(rising, "strides, each a multiple of the one before", self.strides)
        _require(_integers(self.score, _SIDES, 10_000), "columns of the score", self.score)
        fits = self.side is None or (_integers((self.side,), 1, 8192) and self.side % self.strides[-1] == 0)
        _require(fits, "a side that is a multiple of the largest stride", self.side)
        shares = self.threshold, self.overlap
        _require(all(type(share) in (int, float) and 0 <= share <= 1 for share in shares), "a threshold and an overlap in [0, 1]", shares)

    @classmethod
    def from_json(cls, value: object) -> Layout:
        """The inverse of :meth:`to_json`. Raises ``ModelError`` for anything else; keys it does not know are refused."""
        _require(isinstance(value, Mapping), "a layout to be an object", value)
        assert isinstance(value, Mapping)
        values: dict[str, Any] = {key: tuple(entry) if isinstance(entry, list) else entry for key, entry in value.items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise _unusable("a layout of known keys", error) from None

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"strides": list(self.strides), "score": list(self.score)}

    def planes(self, canvas: NDArray[np.uint8]) -> NDArray[np.float32]:
        """A canvas uint8 (h, w, 3), RGB, as the graph takes it: float32 (1, 3, h, w)."""
        pixels = (canvas / np.float32(255) - _MEAN) / _STD if self.normalised else canvas
        ordered = pixels[..., ::-1] if self.colours == "BGR" else pixels
        return np.ascontiguousarray(ordered.transpose(2, 0, 1)[None], np.float32)

    def scores(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """How sure the detector is of each row of what the graph gave, float32 (a, c)."""
        product: NDArray[np.float32] = raw[:, list(self.score)].prod(axis=1)
        return product

    @property
    def columns(self) -> int:
        """The least number of columns that the graph must give."""
        return max(self.score) + 1


def _integers(values: object, least: int, most: int) -> bool:
    return isinstance(values, tuple) and len(values) > 0 and all(type(value) is int and least <= value <= most for value in values)


def _require(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise _unusable(expected, repr(found)[:80])


def _unusable(expected: str, found: object) -> ModelError:
    return ModelError(expected=f"{expected} in a detector's layout", found=str(found), do="correct the manifest, or get the bundle again")
