"""Commands that look at models and data: how good, how fast, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from passerby.cli import options
from passerby.types import Split

if TYPE_CHECKING:
    from passerby.benchmark.speed import Plan
    from passerby.model.bundle import Bundle
    from passerby.model.encoder import Encoder


class Device(StrEnum):
    ORIN = "orin"


class Measure(StrEnum):
    RETRIEVAL = "retrieval"
    CONDITIONS = "conditions"
    GROUPS = "groups"
    BINDING = "binding"
    WORDING = "wording"


@click.command(epilog="Example: passerby explore CUHK-PEDES --out look")
@click.argument("dataset", type=options.PATH, metavar="DATASET", help="A dataset's folder, or a CSV or JSONL table.")
@click.option("--out", type=options.PATH, metavar="DIR", required=True, help="Where report.html and figures.json go.")
@click.option("--compare", type=options.PATH, metavar="OTHER", help="Another dataset to lay beside it.")
@click.option("--pictures/--no-pictures", default=True, help="Whether the page shows people.")
@click.option(
    "--export-prompts", type=options.PATH, metavar="FILE", help="Write DATASET with all its captions as prompts, a table for train."
)
@options.model
@options.as_json
def explore(dataset: Path, *, out: Path, compare: Path | None, pictures: bool, export_prompts: Path | None, model: str, json: bool) -> int:
    """Look at a dataset: its people, pictures and words, and what they mean for training and measuring. Needs the extra [report]."""
    from passerby.atomic import require_file_place, require_folder_place
    from passerby.cli.show.exploring import show_report
    from passerby.extras import needs_extra
    from passerby.progress import progress_bar
    from passerby.resolve import load_model

    require_folder_place(out, "--out")
    if export_prompts:
        require_file_place(export_prompts, "--export-prompts", compare)
    with needs_extra("report"):
        from passerby.report.explore import explore_datasets

    with progress_bar("looking", quiet=json) as on_progress:
        paths = [dataset] if compare is None else [dataset, compare]
        report = explore_datasets(paths, load_model(model), out, pictures=pictures, prompts=export_prompts, on_progress=on_progress)
    return show_report(report, as_json=json)


@click.command(epilog="Example: passerby evaluate --data CUHK-PEDES --split val --json")
@options.data
@click.option("--split", type=options.OneOf(Split), default="val", help="The part of the dataset to ask about.")
@options.model
@options.adapter
@options.input_size
@click.option(
    "--prompts",
    multiple=True,
    metavar="TEMPLATE",
    help="What to put captions into, at its {}; several are averaged.",
    show_default="none",
)
@click.option(
    "--measure",
    type=options.OneOf(Measure),
    default="retrieval",
    help="How well, under which conditions, whom, colours, words.",
)
@click.option(
    "--detector",
    metavar="DETECTOR",
    help="Measure a person detector instead: a bundled one, a bundle's folder or a YOLOX .onnx file; DATASET has scenes then.",
    show_default="none",
)
@options.detect_size
@options.as_json
@click.pass_context
def evaluate(
    context: click.Context,
    *,
    data: Path,
    split: Split,
    model: str,
    adapter: Path | None,
    size: str | None,
    prompts: tuple[str, ...],
    measure: Measure,
    detector: str | None,
    detect_size: int,
    json: bool,
) -> int:
    """Measure how well a model finds people by their captions: Rank-1/5/10, mAP, mINP, in percent with 95 % intervals.

    Or how much of that is left under hard conditions, which groups of people it finds less well, whether it knows which garment has which
    colour, and what becomes of typos and keywords.

    With --detector, how well a detector finds everybody in scenes, a folder with boxes.json or COCO's instances_*.json: AP50, precision,
    and recall by height.
    """
    if detector is not None:
        options.refuse_ignored(context, "--detector", "model", "adapter", "size", "prompts", "measure")
        return _evaluate_detector(detector, data, split, detect_size, as_json=json)
    options.refuse_ignored(context, "captions, without --detector", "detect_size")
    from passerby.model.prompted import PromptedEncoder
    from passerby.resolve import load_model

    encoder = load_model(model, adapter=adapter, size=size)
    return _evaluate_encoder(PromptedEncoder(encoder, prompts) if prompts else encoder, data, split, measure, as_json=json)


def _evaluate_encoder(encoder: Encoder, data: Path, split: Split, measure: Measure, *, as_json: bool) -> int:
    from passerby.cli.show.measuring import show_binding, show_conditions, show_evaluation, show_groups, show_wording
    from passerby.data.datasets import load_dataset
    from passerby.measure.binding import measure_binding
    from passerby.measure.conditions import measure_conditions
    from passerby.measure.evaluation import evaluate as measure_retrieval
    from passerby.measure.groups import measure_groups
    from passerby.measure.wording import measure_wording
    from passerby.progress import progress_bar

    measures: dict[Measure, tuple[Callable[..., Any], Callable[..., int]]] = {
        Measure.RETRIEVAL: (measure_retrieval, show_evaluation),
        Measure.CONDITIONS: (measure_conditions, show_conditions),
        Measure.GROUPS: (measure_groups, show_groups),
        Measure.BINDING: (measure_binding, show_binding),
        Measure.WORDING: (measure_wording, show_wording),
    }
    run, show = measures[measure]
    with progress_bar("reading pictures", quiet=as_json) as on_progress:
        report = run(encoder, load_dataset(data, {split}), on_progress=on_progress)
    return show(report, as_json=as_json)


def _evaluate_detector(name: str, data: Path, split: Split, size: int, *, as_json: bool) -> int:
    from passerby.cli.show.measuring import show_detection
    from passerby.data.scenes import load_scenes, trusted
    from passerby.measure.detector import evaluate_detector
    from passerby.progress import progress_bar
    from passerby.resolve import load_detector

    detector, scenes = load_detector(name), load_scenes(data, {split})
    with progress_bar("looking", quiet=as_json) as on_progress:
        evaluation = evaluate_detector(detector, judged := trusted(scenes), size, on_progress=on_progress)
    return show_detection(evaluation, len(scenes) - len(judged), as_json=as_json)


@click.command(epilog="Example: passerby benchmark --save now.json --compare before.json --picture speed.png")
@click.option(
    "--model",
    multiple=True,
    metavar="MODEL",
    help="A bundled model's name, or a bundle's folder; again for more.",
    show_default=options.DEFAULT_MODEL,
)
@click.option("--clip/--no-clip", default=True, help="Whether CLIP B/32 and B/16 are timed beside them.")
@click.option("--threads", type=click.IntRange(1, 256), help="Of every tower.", show_default="one per core")
@click.option("--rounds", type=click.IntRange(min=1), default=7, help="How many turns each tower takes at each batch size.")
@click.option("--batch", multiple=True, type=click.IntRange(min=1), help="A batch size besides 1; again for more.", show_default="8 and 32")
@click.option("--save", type=options.PATH, metavar="FILE", help="Keep the run's JSON.")
@click.option("--from", "saved", type=options.PATH, metavar="FILE", help="Show a run that was kept instead of measuring.")
@click.option("--compare", type=options.PATH, metavar="FILE", help="A run that was kept, to compare with.")
@click.option("--picture", type=options.PATH, metavar="FILE", help="Draw accuracy against latency to a PNG, SVG or PDF file.")
@click.option(
    "--predict",
    type=options.OneOf(Device),
    help="Say what a device could do at best, from the graphs, instead of measuring.",
)
@options.as_json
@click.pass_context
def benchmark(
    context: click.Context,
    *,
    model: tuple[str, ...],
    clip: bool,
    threads: int | None,
    rounds: int,
    batch: tuple[int, ...],
    save: Path | None,
    saved: Path | None,
    compare: Path | None,
    picture: Path | None,
    predict: Device | None,
    json: bool,
) -> int:
    """Measure how fast models are beside CLIP B/32 and B/16, in one run: latency, throughput, load time, memory, energy, size.

    CLIP's towers are made once, with random weights, in your cache folder; that needs the extra [learn]. `--picture` needs [report].
    """
    from passerby.atomic import require_file_place
    from passerby.benchmark.saved import read_run, save_run
    from passerby.benchmark.speed import Plan
    from passerby.cli.show.speed import show_speed

    if predict:
        options.refuse_ignored(context, "--predict", "clip", "threads", "rounds", "batch", "save", "saved", "compare", "picture")
        return _predict(predict, model, as_json=json)
    if saved:
        options.refuse_ignored(context, "--from", "model", "clip", "threads", "rounds", "batch", "save")
    for place, option in ((save, "--save"), (picture, "--picture")):
        if place:
            require_file_place(place, option)
    draw = _drawing_to(picture) if picture else None
    other = read_run(compare) if compare else None
    run = read_run(saved) if saved else _measure(model, Plan.of(threads, rounds, batch), beside_clip=clip, quiet=json)
    if save:
        save_run(run, save)
    if draw:
        draw(run)
    return show_speed(run, other, as_json=json)


def _measure(models: Sequence[str], plan: Plan, *, beside_clip: bool, quiet: bool) -> dict[str, Any]:
    """The document of a run."""
    from passerby.benchmark.run import run_benchmark
    from passerby.cli.show.console import note
    from passerby.progress import progress_bar

    bundles = _bundles(models)
    with progress_bar("measuring", quiet=quiet) as on_progress:
        return run_benchmark(bundles, plan, note, beside_clip=beside_clip, on_progress=on_progress).to_json()


def _predict(device: Device, models: Sequence[str], *, as_json: bool) -> int:
    from passerby.cli.show.speed import show_limits
    from passerby.extras import needs_extra

    with needs_extra("learn"):
        from passerby.benchmark.roofline import DEVICES, limits
    return show_limits(limits(_bundles(models), DEVICES[device]), as_json=as_json)


def _drawing_to(picture: Path) -> Callable[[dict[str, Any]], None]:
    """What draws a run to a file, once it is known that it can."""
    from passerby.extras import needs_extra

    with needs_extra("report"):
        from passerby.benchmark.chart import draw_run, require_format
    require_format(picture)
    return partial(draw_run, path=picture)


def _bundles(models: Sequence[str]) -> list[Bundle]:
    from passerby.resolve import find_bundle

    return [find_bundle(name) for name in models or [options.DEFAULT_MODEL]]


@click.command(epilog='Example: passerby attention somebody.jpg "a red jacket and a black cap" --model passerby-s --out attention.png')
@click.argument("picture", type=options.PATH, metavar="PICTURE", help="A crop of a person.")
@click.argument("words", metavar="WORDS", help="What the person may wear.")
@click.option("--out", type=options.PATH, metavar="FILE", default="attention.png", help="The PNG, JPEG or WebP file to draw.")
@options.model
@options.adapter
@options.input_size
@options.as_json
def attention(picture: Path, words: str, *, out: Path, model: str, adapter: Path | None, size: str | None, json: bool) -> int:
    """Draw where a model looks when it compares a picture with words: heat over the crop, and the share of each word.

    passerby-s has no attention in its image tower: what each place adds to the similarity is drawn then, and said so. Needs the extra
    [learn].
    """
    from passerby.atomic import require_file_place
    from passerby.cli.show.finding import show_relevance
    from passerby.draw.heatmap import draw_to
    from passerby.draw.sheet import format_of
    from passerby.extras import needs_extra
    from passerby.media.photo import read_image
    from passerby.resolve import load_base

    format_of(out, "--out")
    require_file_place(out, "--out", picture)

    with needs_extra("learn"):
        from passerby.learn.attention import look

    image = read_image(picture)
    relevance = look(load_base(model, adapter=adapter, size=size), image, words)
    draw_to(out, image, relevance)
    return show_relevance(relevance, picture, out, as_json=json)
