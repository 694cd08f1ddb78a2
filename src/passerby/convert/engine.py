"""A bundle to TensorRT engines for the GPU of this machine, through the gates.

What calls TensorRT here has not run on a device yet: ``_build_plan`` and ``_timing_cache``; docs/jetson.md says how to find out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnx

from passerby.atomic import replacing
from passerby.convert.gates import WORN_FIGURE, drawn_inputs, measure_parity, require_parity, require_rank1, require_worn
from passerby.convert.graph import read_tower
from passerby.convert.strongly_typed import for_tensorrt
from passerby.detect.bundle import BundleDetector, DetectorBundle, tower_name
from passerby.errors import GateRefused, ModelError
from passerby.measure.evaluation import evaluate
from passerby.model.bundle import Bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.engine_file import Stamp, read_engine, write_engine
from passerby.model.manifest import Towered
from passerby.model.session import Runtime
from passerby.model.tensorrt import BATCHES, TensorRt, logger, stamp_here
from passerby.places import engines_folder
from passerby.progress import Say
from passerby.types import Dataset

WORKSPACE = 1 << 30
"""Bytes that a kernel may use besides its inputs and outputs."""

Shapes = Mapping[str, tuple[int, ...]]
"""Of each input, without the batch."""


class Typed(NamedTuple):
    """A tower as TensorRT takes it, the shapes of its inputs, words filled up to the longest text, and the batches it is built for."""

    graph: onnx.ModelProto
    shapes: Shapes
    batches: tuple[int, ...] = BATCHES


def build_engines(bundle: Bundle, say: Say, *, val: Dataset | None = None, against: Bundle | None = None) -> list[Path]:
    """Engines of both towers for this GPU and TensorRT, kept where every command finds them.

    Those that are there and fit are not built again; they are judged where there is ``val``.

    Args:
        say: takes one line of text at a time, for people.
        val: the records by which Rank-1 is judged, and the AUC of attributes; without them the engines must give the very vectors and
            log-odds that the bundle gives.
        against: the model whose Rank-1 must be kept; ``bundle`` otherwise.

    Returns:
        The engines' files.

    Raises:
        ModelError: no GPU, a GPU without room, a graph that TensorRT does not take, or engines that fail their self-test.
        MissingExtra: TensorRT is not installed.
        GateRefused: the engines lost too much; they are not kept.
        OSError: no space for the engines.
    """
    towers = typed_towers(bundle)
    return _build(bundle, towers, say, lambda engines: _judge(bundle, engines, say, val, against), judge_kept=val is not None)


def build_detector_engines(bundle: DetectorBundle, say: Say) -> list[Path]:
    """Engines of a detector for this GPU and TensorRT, one for each of its sizes, kept where every command finds them.

    Args:
        say: takes one line of text at a time, for people.

    Returns:
        The engines' files; those that are there and fit are left as they are.

    Raises:
        ModelError: no GPU, a GPU without room, a graph that TensorRT does not take, or engines that do not find the golden people.
        MissingExtra: TensorRT is not installed.
        OSError: no space for the engines.
    """
    return _build(bundle, typed_detector(bundle), say, lambda engines: BundleDetector(bundle, runtime=engines).prove())


def _build(
    bundle: Towered, towers: Mapping[str, Typed], say: Say, judge: Callable[[Runtime], None], *, judge_kept: bool = False
) -> list[Path]:
    """Engines of a bundle's towers, kept when ``judge`` raises nothing of them; also those that are there if ``judge_kept``."""
    folder = engines_folder()
    stamps = [stamp_here(bundle, tower) for tower in towers]
    paths = [stamp.path(folder) for stamp in stamps]
    if all(_fits(stamp, folder, say) for stamp in stamps):
        if judge_kept:
            _judge_kept(TensorRt(bundle, folder), paths, judge, say)
        for path in paths:
            say(f"already there: {path}")
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder) as draft:
        for stamp in stamps:
            say(f"building the {stamp.tower.replace('_', ' ')} for {stamp.gpu} with TensorRT {stamp.tensorrt}; this takes minutes")
            write_engine(Path(draft), stamp, _build_plan(towers[stamp.tower], folder / _timing_name(stamp), say))
        judge(TensorRt(bundle, Path(draft)))
        for path in paths:
            (Path(draft) / path.name).replace(path)
            say(f"built {path}")
    return paths


def _judge_kept(engines: Runtime, paths: Sequence[Path], judge: Callable[[Runtime], None], say: Say) -> None:
    """Remove engines that do not pass their gate: every command would use them."""
    try:
        judge(engines)
    except GateRefused:
        for path in paths:
            path.unlink(missing_ok=True)
            say(f"removed {path}")
        raise


def typed_towers(bundle: Bundle) -> dict[str, Typed]:
    """Both towers as a strongly typed network demands them; needs no GPU.

    Raises:
        ModelError: a graph that does not hold that, or that takes what the other tower or another model takes.
    """
    p = bundle.preprocessing
    words = dict.fromkeys(("input_ids", "attention_mask"), (bundle.max_tokens,))
    towers = {
        "image_tower": Typed(for_tensorrt(read_tower(bundle.image_tower)), {"pixel_values": (3, p.height, p.width)}),
        "text_tower": Typed(for_tensorrt(read_tower(bundle.text_tower)), words),
    }
    for name, tower in towers.items():
        found = {value.name for value in tower.graph.graph.input}
        if found != tower.shapes.keys():
            expected = f"the {name.replace('_', ' ')} of {bundle.name} to read {', '.join(tower.shapes)}"
            raise ModelError(expected=expected, found=", ".join(sorted(found)), do="export the model again")
    return towers


def typed_detector(bundle: DetectorBundle) -> dict[str, Typed]:
    """A detector's graph as a strongly typed network demands it, once for each of its sizes, for one picture; needs no GPU.

    Raises:
        ModelError: it does not hold that, or takes something else than its layout says.
    """
    graph, source = read_tower(bundle.model), bundle.layout.input
    if (found := [value.name for value in graph.graph.input]) != [source]:
        raise ModelError(expected=f"{bundle.name} to read {source}", found=", ".join(found), do="export the detector again")
    towers = {}
    for size in bundle.sizes:
        shape = 3, size, size
        towers[tower_name(size)] = Typed(for_tensorrt(_with_size(graph, shape)), {source: shape}, (1,))
    return towers


def _with_size(model: onnx.ModelProto, shape: tuple[int, ...]) -> onnx.ModelProto:
    """A copy whose input has this shape without the batch, and whose output what follows from it."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for dim, length in zip(fixed.graph.input[0].type.tensor_type.shape.dim[1:], shape, strict=True):
        dim.dim_value = length
    for value in fixed.graph.output:
        value.type.tensor_type.shape.dim[1].dim_param = "rows"
    return fixed


def _fits(stamp: Stamp, folder: Path, say: Say) -> bool:
    """Whether there is an engine of this stamp; one that is not is told and built anew."""
    if not stamp.path(folder).exists():
        return False
    try:
        read_engine(stamp.path(folder), stamp)
    except ModelError as error:
        say(f"building again: {error}")
        return False
    return True


def _judge(bundle: Bundle, runtime: Runtime, say: Say, val: Dataset | None, against: Bundle | None) -> None:
    """The gates, on the device: Rank-1 and attributes where there is a dataset, the very same vectors where there is none."""
    reference, engines = BundleEncoder(bundle), BundleEncoder(bundle, runtime=runtime)
    pixels, texts = drawn_inputs(bundle.preprocessing)
    if val is None:
        require_parity(reference, engines, pixels, texts)
        return
    parity = measure_parity(reference, engines, pixels, texts)
    say(f"least cosine with ONNX Runtime: {parity.images:.5f} for pictures, {parity.texts:.5f} for words")
    before = evaluate(BundleEncoder(against or bundle), val)
    if before.split.caution:
        say(f"caution: {before.split.caution}")
    after = evaluate(engines, val)
    change = require_rank1(before, after)
    say(f"val Rank-1 changes by {change.mean:+.2f} points (95 % interval {change.low:+.2f} to {change.high:+.2f})")
    if (worn := require_worn(before, after, bundle.attributes)) is not None:
        say(f"{WORN_FIGURE} changes by {worn.mean:+.2f} points (95 % interval {worn.low:+.2f} to {worn.high:+.2f})")


def _build_plan(tower: Typed, timing: Path, say: Say) -> bytes:
    """A plan with one profile for each batch size, fixed but for the batch."""
    import tensorrt as trt

    builder = trt.Builder(logger())
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger())
    if not parser.parse(tower.graph.SerializeToString()):
        errors = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise ModelError(expected="a graph that TensorRT takes", found=errors[:300], do="report it with TensorRT's version")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    config.clear_flag(trt.BuilderFlag.TF32)
    for batch in tower.batches:
        profile = builder.create_optimization_profile()
        for name, shape in tower.shapes.items():
            profile.set_shape(name, (batch, *shape), (batch, *shape), (batch, *shape))
        config.add_optimization_profile(profile)
    _timing_cache(config, timing)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelError(
            expected="TensorRT to build an engine", found="errors it logged above", do="free the GPU of other work and try again"
        )
    _keep_timings(config, timing, say)
    return bytes(plan)


def _timing_cache(config: Any, path: Path) -> None:
    """Let the builder know what earlier builds measured on this GPU."""
    cache = config.create_timing_cache(path.read_bytes() if path.exists() else b"")
    config.set_timing_cache(cache, False)


def _keep_timings(config: Any, path: Path, say: Say) -> None:
    """Make the next build quicker, where there is room for that."""
    try:
        with replacing(path) as file:
            file.write(memoryview(config.get_timing_cache().serialize()))
    except OSError as error:
        say(f"the next build will measure again: {error}")


def _timing_name(stamp: Stamp) -> str:
    return stamp.path(Path()).stem.split("-trt")[-1] + ".timings"
