"""Commands that train: from scratch, from a teacher, or on top of a model that is there."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import click

from passerby.cli import options


class Learns(StrEnum):
    LORA = "lora"
    HEADS = "heads"
    ALL = "all"
    ATTRIBUTES = "attributes"


@click.command(epilog="Example: passerby train configs/passerby-s/2-pictures.toml --set optimiser.image_rate=2e-4")
@options.config
@options.changes
@options.keep_pictures
def train(config: Path, *, changes: tuple[str, ...], keep_pictures: bool) -> None:
    """Train a compact CLIP, or a person detector, as a config says; an interrupted run goes on where it was. Needs the extra [learn]."""
    from passerby.cli.show.console import note
    from passerby.extras import needs_extra

    with needs_extra("learn"):
        from passerby.learn.config import read_config
        from passerby.learn.detection.config import is_detection, read_detection
        from passerby.learn.detection.train import train_detector
        from passerby.learn.train import train as train_model

    if is_detection(config):
        made = train_detector(read_detection(config, changes), note)
    else:
        made = train_model(read_config(config, changes), note, keep_pictures=keep_pictures)
    note(f"the model is {made}")


@click.command(epilog="Example: passerby distil configs/passerby-clip-tiny/distil.toml")
@options.config
@options.changes
@options.keep_pictures
def distil(config: Path, *, changes: tuple[str, ...], keep_pictures: bool) -> None:
    """Teach a small CLIP what another model knows, as a config says; an interrupted run goes on where it was. Needs the extra [learn]."""
    from passerby.cli.show.console import note
    from passerby.extras import needs_extra
    from passerby.resolve import load_model

    with needs_extra("learn"):
        from passerby.learn.distil.config import read_distillation
        from passerby.learn.distil.distil import distil as distil_model

    how = read_distillation(config, changes)
    note(f"the model is {distil_model(load_model(how.teacher), how, note, keep_pictures=keep_pictures)}")


@click.command(epilog="Example: passerby finetune --base passerby-s --data my.csv --out adapter")
@options.data
@click.option(
    "--out",
    type=options.PATH,
    metavar="DIR",
    required=True,
    help="The adapter's or model's folder, where one may make way; checkpoints go to DIR.run.",
)
@click.option("--base", metavar="MODEL", default=options.DEFAULT_MODEL, help="What to adapt, as for --model.")
@options.input_size
@click.option("--config", type=options.PATH, metavar="FILE", help="A TOML file of how to.", show_default="the base's preset")
@options.changes
@click.option(
    "--learns",
    type=options.OneOf(Learns),
    help="LoRA's matrices; or the base's projections, all of it, or a head that says what is worn, into a model.",
    show_default="lora",
)
@click.option("--attributes", is_flag=True, help="The same as --learns attributes: filters of a CLIP become probabilities.")
@click.option("--steps", type=click.IntRange(min=1), help="Of the optimiser.", show_default="preset")
@click.option("--rank", type=click.IntRange(min=1), help="Inner dimension of LoRA's matrices.", show_default="preset")
@click.option("--alpha", type=click.IntRange(min=1), help="LoRA's scale times its rank.", show_default="twice the rank")
@click.option("--dropout", type=click.FloatRange(0, 0.99), help="Of LoRA's inputs.", show_default="preset")
@click.option(
    "--targets",
    multiple=True,
    metavar="NAME",
    help="q, k, v, out, fc1, fc2, pointwise or projection; repeat it.",
    show_default="preset",
)
@click.option("--seed", type=click.IntRange(min=0), help="Of every random choice.", show_default="preset")
@options.keep_pictures
@click.pass_context
def finetune(
    context: click.Context,
    *,
    data: Path,
    out: Path,
    base: str,
    size: str | None,
    config: Path | None,
    changes: tuple[str, ...],
    learns: Learns | None,
    attributes: bool,
    steps: int | None,
    rank: int | None,
    alpha: int | None,
    dropout: float | None,
    targets: tuple[str, ...],
    seed: int | None,
    keep_pictures: bool,
) -> int:
    """Adapt a model to your own pictures by LoRA: a folder of a few MB, kept at its best on val. An interrupted run goes on where it was.
    Needs the extra [learn].

    With --attributes the base stays as it is and learns to say what is worn as well, which makes a model's folder:

    passerby finetune --attributes --base passerby-clip-tiny --data my.csv --out worn
    """
    from passerby.atomic import require_replaceable_place
    from passerby.cli.show.console import note
    from passerby.cli.show.learning import show_finetuned
    from passerby.extras import needs_extra
    from passerby.resolve import load_base

    with needs_extra("learn"):
        from passerby.learn.lora.adaptation import adaptation
        from passerby.learn.lora.finetune import finetune as finetune_model

    if attributes:
        options.refuse_ignored(context, "--attributes", "learns")
        learns = Learns.ATTRIBUTES
    require_replaceable_place(out, "--out")
    adapted = load_base(base, size=size)
    lora = {"rank": rank, "alpha": alpha, "dropout": dropout, "targets": list(targets) or None}
    how = adaptation(adapted, config, changes, learns=learns and learns.value, steps=steps, seed=seed, **lora)
    made = finetune_model(adapted, data, out, how, note, keep_pictures=keep_pictures)
    return show_finetuned(made, "adapter" if how.learns == "lora" else "model")


@click.command(epilog="Example: passerby merge adapter --out merged")
@click.argument("adapter", type=options.PATH, metavar="ADAPTER", help="What `passerby finetune` made.")
@click.option(
    "--out", type=options.PATH, metavar="DIR", required=True, help="The merged model's folder; a model of ours that is there makes way."
)
@click.option("--base", metavar="MODEL", help="The adapter's base, if it has another name now.", show_default="its name then")
def merge(adapter: Path, *, out: Path, base: str | None) -> None:
    """Add an adapter to its base for good, refused unless it says the same; a run then costs what the base costs. Needs [learn]."""
    from passerby.atomic import require_replaceable_place
    from passerby.cli.show.console import note
    from passerby.extras import needs_extra
    from passerby.resolve import load_base_of

    require_replaceable_place(out, "--out")

    with needs_extra("learn"):
        from passerby.learn.lora.adapter import merge as merge_adapter

    difference = merge_adapter(load_base_of(adapter, base), adapter, out)
    note(f"merged into {out}; no feature differs by more than {difference:.1e}")


@click.command(epilog="Example: passerby clean adapter runs/passerby-s")
@click.argument("runs", nargs=-1, required=True, type=options.PATH, metavar="RUN…", help="A run's folder, or the adapter or model it made.")
def clean(runs: tuple[Path, ...]) -> None:
    """Delete the resized pictures of people that runs keep: interrupted ones, to go on with, and those of --keep-pictures.

    A run that goes on makes them again from the dataset.
    """
    from passerby.cli.show.console import note
    from passerby.learn.data.resized import delete_pictures

    for run in runs:
        note(f"{delete_pictures(run) / 1e6:,.1f} MB of resized pictures deleted from {run}")
