"""A detector whose answers lie on grids, such as ``passerby-d`` and those of the YOLOX family, whatever runs it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.detect.boxes import Boxes, suppress
from passerby.detect.detector import Detections, everyone
from passerby.detect.grid import cells, decode
from passerby.detect.layout import Layout
from passerby.detect.letterbox import letterbox
from passerby.errors import ModelError
from passerby.model.manifest import manifest_digest
from passerby.model.session import Session, cannot, require_interface
from passerby.types import ModelDigest

CANDIDATES: Final = 3000
"""At most so many cells of one picture, the surest, are looked at: a detector that finds people everywhere takes no minutes."""


class GridDetector:
    """A :class:`~passerby.detect.detector.Detector` on a session. Safe to use from many threads.

    Args:
        digest: of the graph and of ``layout``.
        session: runs the graph.

    Raises:
        ModelError: the graph takes or gives something else than the layout says.
    """

    def __init__(self, name: str, digest: ModelDigest, layout: Layout, session: Session) -> None:
        require_interface(session, {layout.input: "float32"}, {layout.output: "float32"})
        self.name = name
        self.digest = digest
        self._layout = layout
        self._session = session

    def detect(self, picture: NDArray[np.uint8], size: int) -> Detections:
        """The people in a picture; a graph of one size is given that size."""
        layout = self._layout
        canvas, scale = letterbox(picture, layout.side or size, multiple=layout.strides[-1], square=layout.side is not None)
        boxes, scores = read(self._run(canvas), layout, *canvas.shape[:2])
        height, width = picture.shape[:2]
        unscaled: Boxes = np.divide(boxes, np.tile(np.array(scale, np.float32), 2))
        return everyone(unscaled, scores, width, height)

    def at(self, threshold: float | None) -> GridDetector:
        """The same detector with another least score, or, with ``None``, its own. Raises ``ModelError`` for one beyond 0 and 1."""
        if threshold is None:
            return self
        layout = replace(self._layout, threshold=threshold)
        return GridDetector(self.name, digest_at(self.digest, threshold), layout, self._session)

    def _run(self, canvas: NDArray[np.uint8]) -> NDArray[Any]:
        layout = self._layout
        try:
            return self._session.run({layout.input: layout.planes(canvas)}, [layout.output])[layout.output]
        except ModelError:
            raise
        except Exception as error:  # runtimes raise many types
            raise cannot(f"{self.name} to run", error) from None


def digest_at(digest: ModelDigest, threshold: float | None) -> ModelDigest:
    """Of a detector with another least score than its own."""
    return digest if threshold is None else manifest_digest({"detector": digest, "threshold": threshold})


def read(answer: NDArray[Any], layout: Layout, height: int, width: int) -> tuple[Boxes, NDArray[np.float32]]:
    """Boxes float32 (n, 4) in pixels of a canvas, and their scores float32 (n,), the surest first and none twice.

    Args:
        answer: float32 (1, a, c), as the graph gave it.
        height, width: of the canvas.

    Raises:
        ModelError: it has another shape, is not finite, or has scores beyond 0 and 1.
    """
    grid = cells(height, width, layout.strides)
    if answer.ndim != 3 or answer.shape[:2] != (1, len(grid)) or answer.shape[2] < layout.columns:
        expected = f"an answer of shape (1, {len(grid)}, {layout.columns} or more) for a canvas of {width} x {height}"
        raise _untrustworthy(expected, f"shape {answer.shape}")
    raw = answer[0]
    scores = layout.scores(raw)
    if not np.isfinite(scores).all() or not np.isfinite(raw[:, :4]).all():
        raise _untrustworthy("finite boxes and scores", "NaN or infinite ones")
    if scores.size and not -_SLACK <= scores.min() <= scores.max() <= 1 + _SLACK:
        raise _untrustworthy("scores in [0, 1]", f"{scores.min():.3g} to {scores.max():.3g}")
    best = np.argsort(-scores, kind="stable")[:CANDIDATES]
    best = best[scores[best] >= layout.threshold]
    boxes = _centred(raw[best]) if layout.decoded else decode(raw[best], grid[best])
    if not (np.abs(boxes) <= _FARTHEST).all():
        raise _untrustworthy(f"boxes within {_FARTHEST:.0e} pixels", "boxes beyond")
    stay = suppress(boxes, scores[best], layout.overlap)
    return boxes[stay], scores[best][stay].clip(0, 1)


_FARTHEST: Final = 1e9
"""Pixels from a canvas that a box may reach; a damaged model may say anything, and areas are to stay numbers."""
_SLACK: Final = 1e-3
"""How far rounding may take a score beyond 0 and 1."""


def _centred(raw: NDArray[np.float32]) -> Boxes:
    """Boxes of centres, widths and heights in pixels."""
    half = raw[:, 2:4].clip(min=0) / 2
    with np.errstate(over="ignore"):
        return np.concatenate([raw[:, :2] - half, raw[:, :2] + half], axis=1)


def _untrustworthy(expected: str, found: str) -> ModelError:
    return ModelError(expected=expected, found=found, do="do not trust this detector here: get it again, or update the driver")
