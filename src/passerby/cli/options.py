"""Options and arguments that several commands have, and the kinds of their values."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from passerby.places import is_url

DEFAULT_MODEL: Final = "passerby-s"
DEFAULT_DETECTOR: Final = "passerby-d"

Member = TypeVar("Member", bound=StrEnum)


class OneOf(click.Choice[Member]):
    """A member of an enumeration, by its value."""

    def normalize_choice(self, choice: object, ctx: click.Context | None) -> str:
        return super().normalize_choice(str(choice), ctx)


class _APath(click.Path):
    """A path; a variable that was empty when a script named it is not the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("expected a path, found an empty one; name it", param, ctx)
        return super().convert(value, param, ctx)


class _AnIndex(_APath):
    """A folder as a path, or a URL as it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if is_url(value) else super().convert(value, param, ctx)


PATH: Final = _APath(path_type=Path)
PERSON_ID: Final = click.IntRange(1, 2**63 - 1)
INDEX: Final = _AnIndex(path_type=Path)

index_folder = click.option(
    "--index",
    type=INDEX,
    metavar="DIR",
    envvar="PASSERBY_INDEX",
    show_envvar=True,
    help="The index's folder, or its URL: postgresql://user@host/database.",
    show_default="in your data folder",
)
model = click.option(
    "--model",
    metavar="MODEL",
    default=DEFAULT_MODEL,
    help="A bundled model's name, a folder with a bundle or a CLIP, or a CLIP's hub id.",
)
detector = click.option(
    "--detector",
    metavar="DETECTOR",
    default=DEFAULT_DETECTOR,
    help="Who finds people in photos: a bundled detector's name, a folder with a detector's bundle, or a YOLOX .onnx file.",
)
box = click.option("--box", metavar="X,Y,W,H", help="Who is meant of several people in that photo: left, top, width and height in pixels.")
detect_size = click.option(
    "--detect-size",
    type=click.IntRange(64, 4096),
    default=640,
    metavar="PIXELS",
    help="Of a photo's longer side when the detector looks; more finds smaller people, and takes longer.",
)
min_height = click.option(
    "--min-height", type=click.FloatRange(0), default=40, metavar="PIXELS", help="Leave people out that are lower in their picture."
)
fps = click.option(
    "--fps", type=click.FloatRange(0, 60, min_open=True), default=5, metavar="N", help="Frames of a video looked at each second."
)
motion = click.option("--motion", is_flag=True, help="Skip frames of videos in which nothing moved: people are where they were.")
adapter = click.option("--adapter", type=PATH, metavar="ADAPTER", help="What `passerby finetune` made on that model.", show_default="none")
input_size = click.option(
    "--size", metavar="HEIGHTxWIDTH", help="The input of a model that torch runs, such as 384x128.", show_default="the model's own"
)
as_json = click.option("--json", is_flag=True, help="Print one JSON document on standard output, and nothing else there.")
keep_pictures = click.option(
    "--keep-pictures", is_flag=True, help="Leave the resized pictures of people in the run's folder when it has ended."
)
data = click.option(
    "--data",
    type=PATH,
    metavar="DATASET",
    required=True,
    help="A dataset's folder, or a CSV or JSONL table of path, caption, id, split.",
)
changes = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of the config, such as optimiser.image_rate=2e-4; repeat it.",
)
config = click.argument("config", type=PATH, metavar="CONFIG", help="A TOML file; see configs/.")
out_bundle = click.option(
    "--out", type=PATH, metavar="DIR", required=True, help="The bundle's folder; a bundle that is there alone makes way."
)


def refuse_ignored(context: click.Context, beside: str, *names: str) -> None:
    """Raises ``ConfigError`` for options that were given and mean nothing beside another."""
    from passerby.errors import ConfigError

    if given := _given(context, names):
        raise ConfigError(expected=f"no option that means nothing beside {beside}", found=", ".join(given), do="leave one of them out")


def note_ignored(context: click.Context, beside: str, *names: str) -> None:
    """Say which options were given and mean nothing beside something else."""
    from passerby.cli.show.console import note

    if given := _given(context, names):
        note(f"ignored, as they mean nothing beside {beside}: {', '.join(given)}")


def _given(context: click.Context, names: Collection[str]) -> list[str]:
    """Those of some options that were given, as they are written."""
    return [p.opts[0] for p in context.command.params if p.name in names and _was_given(context, p.name)]


def _was_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
