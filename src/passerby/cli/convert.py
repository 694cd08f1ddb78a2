"""Commands that make models small and fast, each behind the gate that its result must pass."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from passerby.cli import options
from passerby.types import Precision, Split

if TYPE_CHECKING:
    from passerby.detect.bundle import DetectorBundle
    from passerby.model.bundle import Bundle


@click.command(epilog="Example: passerby export runs/passerby-s/3-drawn/model --out passerby-s-float")
@click.argument("source", metavar="MODEL", help="A model's name, its folder, or a CLIP's hub id.")
@options.out_bundle
@click.option("--name", metavar="NAME", help="What the bundle calls itself.", show_default="the name of --out")
@options.input_size
@click.pass_context
def export(context: click.Context, source: str, *, out: Path, name: str | None, size: str | None) -> None:
    """Turn a model into a float32 bundle, or refuse if ONNX and torch disagree: any CLIP, a person detector, or what train, distil,
    finetune or merge made; its folder holds all that is needed. Needs the extra [learn]."""
    from passerby.cli.show.console import note
    from passerby.detect.bundle import read_detector_bundle
    from passerby.extras import needs_extra
    from passerby.model.bundle import read_bundle
    from passerby.model.manifest import require_bundle_place
    from passerby.resolve import load_base

    with needs_extra("learn"):
        from passerby.convert.export import export_base
        from passerby.convert.export_detector import export_detector
        from passerby.learn.detection.folder import is_detector

    called = name or out.resolve().name
    if is_detector(Path(source)):
        options.refuse_ignored(context, "a detector", "size")
        require_bundle_place(out, read_detector_bundle)
        bundle: Bundle | DetectorBundle = export_detector(Path(source), called, out)
    else:
        require_bundle_place(out, read_bundle)
        bundle = export_base(load_base(source, size=size), called, out)
    note(f"exported {bundle.name} ({bundle.digest[:12]}) to {bundle.folder}")


@click.command(epilog="Example: passerby quantize passerby-s-float --data CUHK-PEDES --precision int8 --out passerby-s")
@click.argument("bundle", metavar="BUNDLE", help="A bundled model's name, or a bundle's folder; in float32.")
@options.data
@options.out_bundle
@click.option("--precision", type=options.OneOf(Precision), default="int8", help="FP16 for GPUs, INT8 for everything.")
@click.option(
    "--against",
    metavar="BUNDLE",
    help="The float bundle whose Rank-1, or AP50, must be kept.",
    show_default="BUNDLE itself",
)
@click.option(
    "--add",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file to put into the bundle, such as its card.",
)
def quantize(bundle: str, *, data: Path, out: Path, precision: Precision, against: str | None, add: tuple[Path, ...]) -> None:
    """Turn a float32 bundle into FP16 or INT8, calibrated on train, or refuse if val does not show that Rank-1 stays.

    If Rank-1 falls by more than half a point, each layer's damage is measured and the fewest that save it stay in float. Of a detector's
    bundle AP50 must stay, within a point; DATASET has scenes then. A calibration is not kept: the new towers need one of their own. Needs
    the extra [learn].
    """
    from passerby.cli.show.console import note
    from passerby.resolve import find_detector_bundle

    if detector := find_detector_bundle(bundle):
        small: Bundle | DetectorBundle = _quantize_detector(detector, data, out, precision, against, add)
    else:
        small = _quantize_encoder(bundle, data, out, precision, against, add)
    note(f"{small.name} ({small.digest[:12]}) in {precision.upper()} is at {small.folder}")


def _quantize_encoder(name: str, data: Path, out: Path, precision: Precision, against: str | None, add: Sequence[Path]) -> Bundle:
    from passerby.cli.show.console import note
    from passerby.extras import needs_extra
    from passerby.model.bundle import FILES, read_bundle
    from passerby.model.manifest import added_files, require_bundle_place
    from passerby.resolve import find_bundle

    files = added_files(add, FILES)
    require_bundle_place(out, read_bundle, files)
    with needs_extra("learn"):
        from passerby.convert.quantize import quantize as quantize_bundle

    from passerby.data.datasets import load_dataset

    bundle, kept = find_bundle(name), find_bundle(against) if against else None
    dataset = load_dataset(data, {Split.TRAIN, Split.VAL})
    small = quantize_bundle(bundle, dataset, out, files, note, precision=precision, against=kept)
    if bundle.calibration is not None:
        again = shlex.join(["passerby", "calibrate", str(out), "--data", str(data), "--out", str(out)])
        note(f"the calibration of {bundle.name} does not hold for the new towers and is left out; to fit one: {again}")
    return small


def _quantize_detector(
    bundle: DetectorBundle, data: Path, out: Path, precision: Precision, against: str | None, add: Sequence[Path]
) -> DetectorBundle:
    from passerby.cli.show.console import note
    from passerby.detect.bundle import FILES, read_detector_bundle
    from passerby.extras import needs_extra
    from passerby.model.manifest import added_files, require_bundle_place
    from passerby.resolve import require_detector_bundle

    files = added_files(add, FILES)
    require_bundle_place(out, read_detector_bundle, files)
    with needs_extra("learn"):
        from passerby.convert.quantize_detector import quantize_detector

    from passerby.data.scenes import load_scenes

    kept = require_detector_bundle(against) if against else None
    scenes = load_scenes(data, {Split.TRAIN, Split.VAL})
    return quantize_detector(bundle, scenes, out, files, note, precision=precision, against=kept)


@click.command(epilog="Example: passerby build-engine passerby-s-fp16 --data CUHK-PEDES")
@click.argument("bundle", metavar="BUNDLE", help="A bundled model's or detector's name, or a bundle's folder.")
@click.option("--data", type=options.PATH, metavar="DATASET", help="Whose val split shows that Rank-1 stays.")
@click.option("--against", metavar="BUNDLE", help="The model whose Rank-1 must be kept.", show_default="BUNDLE itself")
@click.option("--check", is_flag=True, help="Only check the graphs, which needs no GPU.")
@click.pass_context
def build_engine(context: click.Context, bundle: str, *, data: Path | None, against: str | None, check: bool) -> None:
    """Build TensorRT engines of a bundle for this machine's GPU, or refuse if they do not give what the bundle gives.

    Engines that are there and fit are not built again; with --data they are judged, and removed if they fail.

    A detector has one for each of its sizes, and must find the people of its golden picture with each.

    Every command uses them from then on. Needs the extra [trt] and, but for --check, TensorRT.
    """
    from passerby.cli.show.console import note
    from passerby.data.datasets import load_dataset
    from passerby.extras import needs_extra
    from passerby.resolve import find_bundle, find_detector_bundle

    if check:
        options.refuse_ignored(context, "--check", "data", "against")
    if not data:
        options.refuse_ignored(context, "no --data", "against")
    with needs_extra("trt"):
        from passerby.convert.engine import build_engines, typed_towers

    if detector := find_detector_bundle(bundle):
        options.refuse_ignored(context, "a detector", "data", "against")
        _build_of_detector(detector, check)
        return
    found = find_bundle(bundle)
    if check:
        typed_towers(found)
        note(f"{found.name}: both towers hold what a strongly typed network demands")
        return
    kept = find_bundle(against) if against else None
    build_engines(found, note, val=load_dataset(data, {Split.VAL}) if data else None, against=kept)


def _build_of_detector(bundle: DetectorBundle, check: bool) -> None:
    from passerby.cli.show.console import note
    from passerby.convert.engine import build_detector_engines, typed_detector

    if check:
        typed_detector(bundle)
        note(f"{bundle.name}: its graph holds what a strongly typed network demands, at {', '.join(map(str, bundle.sizes))} pixels")
        return
    build_detector_engines(bundle, note)


@click.command(epilog="Example: passerby calibrate passerby-s-int8 --data CUHK-PEDES --out passerby-s")
@click.argument("bundle", metavar="BUNDLE", help="A bundled model's name, or a bundle's folder.")
@options.data
@options.out_bundle
@options.as_json
def calibrate(bundle: str, *, data: Path, out: Path, json: bool) -> int:
    """Let a bundle say how likely its hits are right: fitted on one half of val's people, checked on the other.

    A model that says what is worn also learns how much that counts, and how likely each attribute is worn: by what annotators ticked
    where DATASET has their files, or else by captions.
    """
    from passerby.cli.show.measuring import show_calibration
    from passerby.data.annotations import read_annotations
    from passerby.data.datasets import load_dataset
    from passerby.measure.calibration import calibrate as calibrate_model
    from passerby.model.bundle import files_beside, read_bundle, write_calibrated
    from passerby.model.bundle_encoder import BundleEncoder
    from passerby.model.manifest import require_bundle_place
    from passerby.progress import progress_bar
    from passerby.resolve import find_bundle

    original = find_bundle(bundle)
    require_bundle_place(out, read_bundle, files_beside(original))
    with progress_bar("reading pictures", quiet=json) as on_progress:
        encoder, dataset = BundleEncoder(original), load_dataset(data, {Split.VAL})
        annotations = read_annotations(data) if original.attributes else None
        calibrated = calibrate_model(encoder, dataset, annotations=annotations, on_progress=on_progress)
    written = write_calibrated(original, calibrated.calibration, out)
    return show_calibration(calibrated, written, as_json=json)
