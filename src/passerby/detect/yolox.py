"""A detector of the YOLOX family from an ONNX file of somebody else: how it is fed and read is learnt from the graph and by trying.

Ge et al., "YOLOX: Exceeding YOLO Series in 2021" (arXiv:2107.08430); its class 0, as COCO has it, is the person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.detect.boxes import Boxes, iou
from passerby.detect.bundle import onnx_session
from passerby.detect.detector import Detections
from passerby.detect.free_sides import with_free_sides
from passerby.detect.grid import STRIDES, cells
from passerby.detect.grid_detector import GridDetector
from passerby.detect.layout import Colours, Layout
from passerby.detect.letterbox import GREY
from passerby.errors import ModelError
from passerby.model.manifest import DETECTOR, manifest_digest
from passerby.model.onnx import OnnxSession
from passerby.model.session import Dtypes, Session
from passerby.types import ModelDigest

SIZE: Final = 416
"""Of the longer side of pictures while trying."""
MIN_FOUND: Final = 0.5
"""Share of the people in the pictures to try it on that it must find."""
MIN_OVERLAP: Final = 0.5
"""Intersection over union of a box and the person whom it finds, at least."""
_ALL_STRIDES: Final = (STRIDES, (*STRIDES, 64))
_SCORE: Final = (4, 5)
"""That there is something, and that it is a person."""
_FEEDS: Final[tuple[tuple[bool, Colours], ...]] = tuple(product((False, True), ("BGR", "RGB")))
"""Whether normalised, and the order of channels; YOLOX's releases since 2021 first."""
_PROBE: Final = (256, 384)
_DO: Final = "name a detector of the YOLOX family, exported to ONNX in float32 without non-maximum suppression"


class Sample(NamedTuple):
    """A picture to try a detector on, uint8 (h, w, 3) in RGB, and the people in it, float32 (n, 4)."""

    picture: NDArray[np.uint8]
    boxes: Boxes


def load_yolox(path: Path, samples: Sequence[Sample], threads: int | None = None) -> GridDetector:
    """The detector of a YOLOX file.

    Its sides are left open where its graph allows it, whatever size it was exported at; the order of its channels and whether it wants
    normalised pixels is what finds the people best.

    Args:
        samples: pictures in which a person detector finds most people.
        threads: of one inference; ``None`` for one per core this process may use.

    Raises:
        ModelError: it cannot be read, is no such file, or finds too few of the people.
    """
    try:
        model = path.read_bytes()
    except OSError as error:
        raise ModelError(expected=f"{path} to be readable", found=str(error.strerror).lower(), do="check its permissions") from None
    session, layout = _start(model, path, threads)
    tries = [replace(layout, normalised=normalised, colours=colours) for normalised, colours in _FEEDS]
    trusts = [_trust(GridDetector(path.name, ModelDigest(""), one, session), samples) for one in tries]
    best = max(range(len(tries)), key=lambda number: trusts[number].sum())
    people = len(trusts[best])
    found = int((trusts[best] > 0).sum())
    if found < MIN_FOUND * people:
        expected = f"{path} to find most of {people} drawn people, as a YOLOX whose class 0 is the person does"
        raise ModelError(expected=expected, found=f"{found} of them", do=_DO)
    digest = _digest(model, tries[best])
    return GridDetector(path.name, digest, tries[best], session)


def _digest(model: bytes, layout: Layout) -> ModelDigest:
    sha256 = hashlib.sha256(model).hexdigest()
    return manifest_digest({"kind": DETECTOR, "model": {"sha256": sha256}, "layout": layout.to_json()})


def _trust(detector: GridDetector, samples: Sequence[Sample]) -> NDArray[np.float32]:
    """How sure a detector is of each person of some pictures, float32 (n,); 0 of those it does not find."""
    return np.concatenate([_found(detector.detect(sample.picture, SIZE), sample.boxes) for sample in samples])


def _found(detections: Detections, boxes: Boxes) -> NDArray[np.float32]:
    claims = iou(boxes, detections.boxes) >= MIN_OVERLAP
    trust: NDArray[np.float32] = np.where(claims, detections.scores[None], np.float32(0)).max(axis=1, initial=0)
    return trust


def _start(model: bytes, path: Path, threads: int | None) -> tuple[Session, Layout]:
    """The graph with open sides if it works with them, else as it is, and its layout but for how it is fed."""
    closed = onnx_session(model, str(path), threads)
    dtypes = {*closed.inputs.values(), *closed.outputs.values()}
    if (len(closed.inputs), len(closed.outputs), dtypes) != (1, 1, {"float32"}):
        raise _foreign(path, closed)
    names = *closed.inputs, *closed.outputs
    opened = onnx_session(with_free_sides(model), str(path), threads)
    if layout := _layout(opened, names, *_PROBE):
        return opened, layout
    side = closed.shapes[names[0]][-1]
    if isinstance(side, int) and (layout := _layout(closed, names, side, side)):
        return closed, replace(layout, side=side)
    raise _foreign(path, closed)


def _layout(session: Session, names: tuple[str, ...], height: int, width: int) -> Layout | None:
    """What a graph gives for a canvas of this size, where that is what a YOLOX gives."""
    source, target = names
    try:
        answer = session.run({source: np.full((1, 3, height, width), GREY, np.float32)}, [target])[target]
    except Exception:  # runtimes raise many types; a graph that was exported for one size cannot run at another
        return None
    for strides in _ALL_STRIDES:
        if height % strides[-1] or width % strides[-1]:
            continue
        grid = cells(height, width, strides)
        if answer.ndim == 3 and answer.shape[:2] == (1, len(grid)) and answer.shape[2] > max(_SCORE):
            return Layout(source, target, strides=strides, score=_SCORE, decoded=_is_decoded(answer[0], grid))
    return None


def _is_decoded(raw: NDArray[np.float32], grid: NDArray[np.float32]) -> bool:
    """Whether centres lie at their cells on the canvas, rather than each within its cell."""
    centres, at = raw[:, :2], grid[:, :2] * grid[:, 2:]
    return bool(np.abs(centres - at).mean() < np.abs(centres).mean())


def _foreign(path: Path, session: OnnxSession) -> ModelError:
    expected = f"{path} to lead from a picture, float32 (1, 3, h, w), to a row for each cell, float32 (1, a, 5 + classes)"
    found = f"a graph from {_listed(session, session.inputs)} to {_listed(session, session.outputs)}"
    return ModelError(expected=expected, found=found, do=_DO)


def _listed(session: OnnxSession, dtypes: Dtypes) -> str:
    return ", ".join(f"{name} {dtype} {session.shapes[name]}" for name, dtype in dtypes.items()) or "nothing"
