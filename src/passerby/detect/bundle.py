"""A detector's bundle: a manifest, the graph, and a golden picture by which the detector proves itself before it is trusted.

A broken export or driver often finds plausible nonsense, or nothing. The manifest carries who was found in the golden picture when the
bundle was made; the same people must be found again, on this machine, before the first real picture.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from threading import RLock
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from passerby.atomic import replacing_folder
from passerby.detect.boxes import iou
from passerby.detect.detector import Detections
from passerby.detect.grid_detector import GridDetector, digest_at
from passerby.detect.layout import Layout
from passerby.errors import ModelError
from passerby.media.photo import read_image
from passerby.model.manifest import (
    DETECTOR,
    MANIFEST,
    BundleFile,
    file_of,
    mapping,
    read_manifest,
    require_vacant,
    text,
    write_file,
    write_manifest,
    wrong,
)
from passerby.model.onnx import OnnxRuntime, OnnxSession, available_cores, start_session
from passerby.model.session import Runtime, cannot
from passerby.types import ModelDigest

FORMAT: Final = 1
"""The newest."""
FILES: Final = (MANIFEST, "detector.onnx", "golden.png")
"""What a bundle is written as."""
SIZES: Final = (416, 640, 832)
SURE: Final = 0.5
"""Who is found in the golden picture with at least this score must be found again."""
MAX_OFF: Final = 0.1
"""How far such a score may be off, and how far above ``SURE`` somebody else may be found."""
MIN_OVERLAP: Final = 0.8
"""Least intersection over union of a box with the one in the manifest."""
MIN_GOLDEN: Final = 2
"""People that a golden picture shows at least."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectorBundle:
    """What a detector's manifest says.

    Args:
        digest: of the manifest, and through it of every file.
        sizes: of the longer side of pictures that the detector was made for.
        picture: the golden picture's file, a PNG.
        golden: who is found in it at each size.
        card: what the maker says of the detector; free.
    """

    folder: Path
    digest: ModelDigest
    name: str
    model: BundleFile
    layout: Layout
    sizes: tuple[int, ...]
    picture: BundleFile
    golden: Mapping[int, Detections]
    card: Mapping[str, object]

    @property
    def files(self) -> tuple[BundleFile, ...]:
        """All that the manifest names."""
        return self.model, self.picture

    @property
    def towers(self) -> Mapping[str, BundleFile]:
        """The graph, by the name of each size that an engine is built for."""
        return {tower_name(size): self.model for size in self.sizes}


def tower_name(size: int) -> str:
    """What the graph is called for pictures of a size."""
    return f"detector_{size}"


class BundleDetector:
    """A :class:`~passerby.detect.detector.Detector` of a bundle: loaded, checked by digest and self-tested when first used.

    Safe to use from many threads.

    Args:
        threads: of one inference of ONNX Runtime; ``None`` for one per core this process may use.
        threshold: the least score of a detection, instead of the bundle's own.
        runtime: what starts the graph, if not ONNX Runtime. One that takes no other sizes has square canvases of the bundle's: a picture is
            looked at in the least of them that is not smaller than was asked for, or else in the largest.
    """

    def __init__(
        self, bundle: DetectorBundle, threads: int | None = None, *, threshold: float | None = None, runtime: Runtime | None = None
    ) -> None:
        self.runtime = runtime or OnnxRuntime(bundle, threads)
        self._bundle = bundle
        self._threshold = threshold
        self._loading = RLock()

    @property
    def name(self) -> str:
        return self._bundle.name

    @property
    def digest(self) -> ModelDigest:
        return digest_at(self._bundle.digest, self._threshold)

    @property
    def threshold(self) -> float:
        return self._bundle.layout.threshold if self._threshold is None else self._threshold

    def at(self, threshold: float | None) -> BundleDetector:
        """The same detector with another least score, loaded and tested anew."""
        return self if threshold is None else BundleDetector(self._bundle, threshold=threshold, runtime=self.runtime)

    def detect(self, picture: NDArray[np.uint8], size: int) -> Detections:
        """The people in a picture. Raises ``ModelError`` when the detector cannot be trusted."""
        with self._loading:
            detectors = self._proven
        return detectors[nearest(detectors, size)].detect(picture, size)

    def prove(self) -> None:
        """Raises ``ModelError`` unless it finds the golden people, at each size that has a graph of its own."""
        with self._loading:
            _ = self._proven

    @cached_property
    def _proven(self) -> Mapping[int, GridDetector]:
        """By size, where each has a graph of its own, else one for all."""
        bundle = self._bundle
        picture = np.asarray(read_image(bundle.picture.read()))
        one_for_all = self.runtime.any_size
        proven = {}
        for size in bundle.sizes[:1] if one_for_all else bundle.sizes:
            layout = bundle.layout if one_for_all else replace(bundle.layout, side=size)
            detector = GridDetector(bundle.name, bundle.digest, layout, self.runtime.start(tower_name(size)))
            require_same(detector.detect(picture, size), bundle.golden[size])
            proven[size] = detector.at(self._threshold)
        return proven


def nearest(sizes: Collection[int], size: int) -> int:
    """The least of some sizes that is not smaller than another, or else the largest."""
    return min((one for one in sizes if one >= size), default=max(sizes))


def onnx_session(model: bytes, called: str, threads: int | None = None) -> OnnxSession:
    """A graph on ONNX Runtime, on the CPU. Raises ``ModelError`` where it is none."""
    try:
        return OnnxSession(start_session(model, threads or available_cores()))
    except Exception as error:  # ONNX Runtime's errors share no other base
        raise cannot(f"{called} to be an ONNX model", error) from None


def read_detector_bundle(folder: Path) -> DetectorBundle:
    """Read and validate a detector's manifest; its files must exist, and are checked by digest when they are read.

    Raises:
        ModelError: no manifest, a malformed one, one of another kind or a newer format, a missing file, or a path that leaves the folder.
    """
    manifest, digest = read_manifest(folder, DETECTOR, FORMAT)
    self_test = mapping(manifest, "self_test")
    found = mapping(self_test, "found")
    sizes = manifest.get("sizes")
    if not isinstance(sizes, list) or not sizes or not all(type(size) is int and 0 < size <= 8192 for size in sizes):
        raise wrong("sizes to be a list of pixels", sizes)
    return DetectorBundle(
        folder=folder,
        digest=digest,
        name=text(manifest, "name"),
        model=file_of(folder, mapping(manifest, "model")),
        layout=Layout.from_json(manifest.get("layout")),
        sizes=tuple(sizes),
        picture=file_of(folder, mapping(self_test, "picture")),
        golden={size: _golden(mapping(found, str(size))) for size in sizes},
        card=mapping(manifest, "card"),
    )


def write_detector_bundle(
    folder: Path,
    *,
    name: str,
    model: Path | bytes,
    golden: NDArray[np.uint8],
    card: Mapping[str, object],
    layout: Layout | None = None,
    sizes: tuple[int, ...] = SIZES,
    extra_files: Mapping[str, Path | bytes] | None = None,
    replace: bool = False,
) -> DetectorBundle:
    """Write a detector's bundle as a whole or not at all: it is made beside ``folder`` and renamed when it is complete.

    Args:
        model: ONNX; takes and gives what ``layout`` says.
        golden: uint8 (h, w, 3), RGB, a picture of at least two people whom this detector, which is known to be good, surely finds at
            each of ``sizes``; they are looked for now, and become what the bundle must find wherever it is used.
        card: any JSON object: data, recipe, figures, limits.
        layout: that of ``passerby-d`` by default.
        sizes: of the longer side of pictures that the detector was made for.
        extra_files: files to put beside the manifest, by name, such as ``MODEL_CARD.md``.
        replace: whether an existing bundle at ``folder`` makes way.

    Raises:
        ModelError: ``folder`` exists and may not be replaced, has further files that the new bundle has not, the detector does not surely
            find two people, or the manifest would not be valid.
    """
    require_vacant(folder, read_detector_bundle, replace=replace, kept=extra_files or ())
    layout = layout or Layout()
    data = model if isinstance(model, bytes) else model.read_bytes()
    detector = GridDetector(name, ModelDigest(""), layout, onnx_session(data, name))
    found = {size: detector.detect(golden, size) for size in sizes}
    for people in found.values():
        _require_golden(people)
    with replacing_folder(folder) as draft:
        for file_name, content in (extra_files or {}).items():
            write_file(draft, file_name, content)
        manifest = {
            "kind": DETECTOR,
            "format": FORMAT,
            "name": name,
            "model": write_file(draft, "detector.onnx", data),
            "layout": layout.to_json(),
            "sizes": list(sizes),
            "self_test": {
                "picture": write_file(draft, "golden.png", _png(golden)),
                "found": {str(size): _found_json(people) for size, people in found.items()},
            },
            "card": dict(card),
        }
        write_manifest(draft, manifest)
        read_detector_bundle(draft)
    return read_detector_bundle(folder)


def require_same(found: Detections, golden: Detections) -> None:
    """Raises ``ModelError`` unless the golden picture's people were found again, and nobody else surely."""
    overlap = iou(golden.boxes, found.boxes)
    near = np.abs(golden.scores[:, None] - found.scores[None]) <= MAX_OFF
    again = (overlap * near).max(axis=1, initial=0)[golden.scores >= SURE] >= MIN_OVERLAP
    if not again.all():
        raise _broken(f"the {again.size} people of the golden picture to be found again", f"{int(again.sum())} of them")
    known = overlap.max(axis=0, initial=0)[found.scores >= SURE + MAX_OFF] >= MIN_OVERLAP
    if not known.all():
        raise _broken("nobody else in the golden picture", f"{int((~known).sum())} more")


def _golden(self_test: Mapping[str, object]) -> Detections:
    try:
        boxes = np.array(self_test["boxes"], np.float32)
        scores = np.array(self_test["scores"], np.float32)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise wrong("self_test with boxes and scores", dict(self_test)) from None
    if scores.ndim != 1 or boxes.shape != (len(scores), 4) or not np.isfinite(boxes).all() or not np.isfinite(scores).all():
        raise wrong("a self_test box of four finite numbers for each score", boxes.shape)
    golden = Detections(boxes, scores)
    _require_golden(golden)
    return golden


def _require_golden(found: Detections) -> None:
    sure = int((found.scores >= SURE).sum())
    if sure < MIN_GOLDEN:
        do = "take another golden picture, or train the detector better"
        raise ModelError(expected=f"a golden picture with {MIN_GOLDEN} people found with a score of {SURE}", found=str(sure), do=do)


def _found_json(found: Detections) -> dict[str, object]:
    """Boxes to a hundredth of a pixel, scores to four decimals."""
    return {
        "boxes": [[round(float(side), 2) for side in box] for box in found.boxes],
        "scores": [round(float(score), 4) for score in found.scores],
    }


def _png(picture: NDArray[np.uint8]) -> bytes:
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def _broken(expected: str, found: str) -> ModelError:
    return ModelError(expected=expected, found=found, do="do not trust this detector here: get the bundle again, or update the driver")
