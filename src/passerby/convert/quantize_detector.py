"""A detector in lower precision, behind the gate that its AP50 must pass.

The last convolutions, which say where people are and how sure that is, stay in float: 256 steps are too few for both at once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple, overload

import numpy as np
import onnx
from numpy.typing import NDArray

from passerby.convert.gates import MAX_AP50_LOSS, Verdict, judge, refusal
from passerby.convert.graph import Feed, layers, read_tower
from passerby.convert.quantize import convert_tower, require_float
from passerby.convert.sensitivity import Layer, damages, lightest
from passerby.data.scenes import Scene, trusted
from passerby.detect.bundle import BundleDetector, DetectorBundle, write_detector_bundle
from passerby.detect.layout import Layout
from passerby.detect.letterbox import letterbox
from passerby.errors import DatasetError, ImageError, ModelError
from passerby.measure.detector import DetectionEvaluation, ap50_change, evaluate_detector
from passerby.measure.metrics import Estimate
from passerby.media.photo import read_image
from passerby.progress import Say
from passerby.types import Precision, Split

PICTURES: Final = 64
"""Of train that activations are measured on."""
FEWEST: Final = 30
"""Pictures with people of val that the damage of a single layer is measured on, at least; every fourth otherwise."""


class Attempt(NamedTuple):
    """A conversion as val sees it; ``change`` is that of AP50, in points."""

    graph: onnx.ModelProto
    after: DetectionEvaluation
    change: Estimate

    @property
    def verdict(self) -> Verdict:
        return judge(self.change, MAX_AP50_LOSS)


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """What is converted, how, and what it is measured against.

    Args:
        bundle: in float32.
        graph: its own.
        last: weights of the layers that stay in float in any case.
        before: of the detector whose AP50 must be kept.
        work: a folder for drafts.
    """

    bundle: DetectorBundle
    graph: onnx.ModelProto
    last: frozenset[Layer]
    precision: Precision
    feeds: Sequence[Feed]
    before: DetectionEvaluation
    work: Path

    @property
    def layers(self) -> list[Layer]:
        """Those that may be converted, by the names of their weights."""
        return [name for name in dict.fromkeys(node.input[1] for node in layers(self.graph)) if name not in self.last]

    def attempt(self, keep: Collection[Layer] = ()) -> Attempt | None:
        """The detector in the lower precision but for these layers, as val sees it; ``None`` where it is broken by it."""
        graph = convert_tower(self.graph, self.feeds, self.precision, self.last | set(keep))
        after = self._look(graph, self.before.scenes)
        return None if after is None else Attempt(graph, after, ap50_change(self.before, after))

    def damage(self, layer: Layer, some: DetectionEvaluation) -> float:
        """Points of AP50 that the scenes of ``some`` lose when this layer alone has the lower precision; all if it breaks the detector."""
        graph = convert_tower(self.graph, self.feeds, self.precision, {name for name in (*self.last, *self.layers) if name != layer})
        after = self._look(graph, some.scenes)
        return some.figures.ap50.mean - (after.figures.ap50.mean if after else 0)

    def _look(self, graph: onnx.ModelProto, scenes: Sequence[Scene]) -> DetectionEvaluation | None:
        try:
            return evaluate_detector(BundleDetector(_write(self.bundle, graph, self.work / "draft", {}, {})), scenes, self.before.size)
        except ModelError:
            return None


def quantize_detector(
    bundle: DetectorBundle,
    scenes: Sequence[Scene],
    out: Path,
    extra_files: Mapping[str, Path],
    say: Say,
    *,
    precision: Precision = Precision.INT8,
    against: DetectorBundle | None = None,
) -> DetectorBundle:
    """Convert a detector, calibrated on train, and write the bundle if val shows that it lost at most a point of AP50.

    Where AP50 certainly fell by more, each layer's damage is measured, and the fewest layers that save it stay in float. It is judged at
    the middle one of the bundle's sizes, on scenes that people labelled.

    Args:
        scenes: of the train and the val split.
        extra_files: what to put beside the manifest, such as the model card.
        against: the float detector whose AP50 must be kept; ``bundle`` itself by default.

    Raises:
        DatasetError: one of the two splits is missing, or cannot be used.
        GateRefused: AP50 fell, or may have fallen, by more than the gate allows; nothing is written.
        ModelError: ``bundle`` is not in float32, or is not what its manifest says.
    """
    train, val = (_split(scenes, split) for split in (Split.TRAIN, Split.VAL))
    graph = require_float(read_tower(bundle.model))
    size = bundle.sizes[len(bundle.sizes) // 2]
    before = evaluate_detector(BundleDetector(against or bundle), trusted(val), size)
    say(f"float32: val AP50 {before.figures.ap50.mean:.2f} at {size} pixels, {before.milliseconds:.1f} ms a picture")
    if before.caution:
        say(f"caution: {before.caution}")
    feeds = Canvases(_read(train, say), bundle.layout, size)
    say(f"calibrating on {len(feeds)} training pictures")
    with tempfile.TemporaryDirectory() as work:
        conversion = Conversion(bundle, graph, last_layers(graph), precision, feeds, before, Path(work))
        done, costs = _convert(conversion, say)
    card = {**bundle.card, "val": _figures(done.after), "quantization": _report(conversion, done, costs)}
    return _write(bundle, done.graph, out, card, extra_files)


def last_layers(graph: onnx.ModelProto) -> frozenset[Layer]:
    """Weights of the layers from which an output is reached with no other layer in between."""
    makers = {output: node for node in graph.graph.node for output in node.output}
    weights = {node.output[0]: node.input[1] for node in layers(graph)}
    found, waiting, seen = set(), [output.name for output in graph.graph.output], set[str]()
    while waiting:
        name = waiting.pop()
        if name in weights:
            found.add(weights[name])
        elif name in makers and name not in seen:
            waiting += makers[name].input
        seen.add(name)
    return frozenset(found)


class Canvases(Sequence[Feed]):
    """Pictures as a detector's graph takes them, made when they are asked for: as floats they are four times as large.

    Args:
        pictures: uint8 (h, w, 3) each, RGB.
        size: of the longer side.
    """

    def __init__(self, pictures: Sequence[NDArray[np.uint8]], layout: Layout, size: int) -> None:
        square, multiple = layout.side is not None, layout.strides[-1]
        self._canvases = [letterbox(picture, layout.side or size, multiple=multiple, square=square).canvas for picture in pictures]
        self._layout = layout

    def __len__(self) -> int:
        return len(self._canvases)

    @overload
    def __getitem__(self, index: int) -> Feed: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Feed]: ...
    def __getitem__(self, index: int | slice) -> Feed | Sequence[Feed]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return {self._layout.input: self._layout.planes(self._canvases[index])}


def _convert(conversion: Conversion, say: Say) -> tuple[Attempt, dict[Layer, float]]:
    """What passes the gate, and the layers that had to stay in float for it, besides the last."""
    first = conversion.attempt()
    say(_told(first, f"{conversion.precision.upper()} but for the last {len(conversion.last)} layers"))
    if first is not None and first.verdict is Verdict.KEPT:
        return first, {}
    if first is not None and first.verdict is Verdict.UNDECIDED:
        raise refusal(first.change, first.verdict, len(conversion.before.scenes), "AP50", "pictures", MAX_AP50_LOSS)
    return _search(conversion, say)


def _search(conversion: Conversion, say: Say) -> tuple[Attempt, dict[Layer, float]]:
    """What passes the gate with the fewest layers in float, and what each of those costs alone, worst first."""
    peopled = [scene for scene in conversion.before.scenes if len(scene.boxes)]
    some = evaluate_detector(BundleDetector(conversion.bundle), peopled[:: max(min(len(peopled) // FEWEST, 4), 1)], conversion.before.size)
    say(f"measuring what each of {len(conversion.layers)} layers costs alone, on {len(some.scenes)} pictures")
    costs = damages(conversion.layers, lambda layer: conversion.damage(layer, some), say, "AP50")

    def attempt(keep: frozenset[Layer]) -> Attempt | None:
        tried = conversion.attempt(keep)
        say(_told(tried, f"{conversion.precision.upper()} with {len(keep)} more layers in float"))
        return tried

    gate = f"AP50 to fall by at most {MAX_AP50_LOSS} points with some layers in {conversion.precision.upper()}"
    return lightest(costs, attempt, gate, say)


def _told(attempt: Attempt | None, what: str) -> str:
    if attempt is None:
        return f"{what}: it no longer finds who is in the golden picture"
    change, after = attempt.change, attempt.after
    told = f"val AP50 {after.figures.ap50.mean:.2f}, {change.mean:+.2f} points (95 % interval {change.low:+.2f} to {change.high:+.2f})"
    return f"{what}: {told}, {after.milliseconds:.1f} ms a picture"


def _report(conversion: Conversion, done: Attempt, costs: Mapping[Layer, float]) -> dict[str, object]:
    return {
        "precision": conversion.precision.value,
        "ap50_change": asdict(done.change),
        "float32": _figures(conversion.before),
        "float_layers": [*sorted(conversion.last), *costs],
        "alone_costs_AP50": {layer: round(cost, 2) for layer, cost in costs.items()},
    }


def _figures(evaluation: DetectionEvaluation) -> dict[str, float]:
    figures = evaluation.figures
    return {"AP50": round(figures.ap50.mean, 2), "recall": round(figures.recall.mean, 2), "detect_size": evaluation.size}


def _write(
    original: DetectorBundle, graph: onnx.ModelProto, folder: Path, card: Mapping[str, object], extra_files: Mapping[str, Path]
) -> DetectorBundle:
    """A bundle like the original, with another graph that answers for itself in its self-test."""
    return write_detector_bundle(
        folder,
        name=original.name,
        model=graph.SerializeToString(),
        golden=np.asarray(read_image(original.picture.read())),
        card=card,
        layout=original.layout,
        sizes=original.sizes,
        extra_files=extra_files,
        replace=True,
    )


def _read(scenes: Sequence[Scene], say: Say) -> list[NDArray[np.uint8]]:
    """At most ``PICTURES`` of them, evenly chosen; one that cannot be read is named and left out."""
    chosen = [scenes[i] for i in np.linspace(0, len(scenes) - 1, min(PICTURES, len(scenes))).round().astype(int)]
    pictures = []
    for scene in chosen:
        try:
            pictures.append(np.asarray(read_image(scene.path)))
        except ImageError as error:
            say(f"left out {scene.path}: {error.found}")
    if not pictures:
        raise DatasetError(
            expected="training pictures to calibrate on", found=f"none of {len(chosen)} that can be read", do="put them back"
        )
    return pictures


def _split(scenes: Sequence[Scene], split: Split) -> list[Scene]:
    chosen = [scene for scene in scenes if scene.split is split]
    if not chosen:
        do = "name a dataset with both: calibration needs train, and without val nothing shows that a conversion is safe"
        raise DatasetError(expected=f"scenes of the {split} split", found="none", do=do)
    return chosen
