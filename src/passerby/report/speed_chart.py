"""A picture of models: accuracy against latency, with size as area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from passerby.atomic import replacing
from passerby.errors import ConfigError

FORMATS: Final = ("png", "svg", "pdf")

_KNOWN, _UNKNOWN, _INK, _FAINT = "#2563a8", "#9aa3ae", "#1b1f26", "#7a828e"
_LARGEST: Final = 2600
"""Area of the largest model's disc, in square points."""
_STYLE: Final[Any] = {
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "axes.axisbelow": True,
    "grid.color": "#e1e4e9",
    "text.parse_math": False,
}


@dataclass(frozen=True, slots=True)
class _Point:
    """A model: the median latency of one picture, Rank-1 in percent where it is known, and bytes on disk."""

    name: str
    milliseconds: float
    rank1: float | None
    bytes: int


def require_format(path: Path) -> None:
    """Raises ``ConfigError`` unless the name ends in a format that can be drawn."""
    if path.suffix.lower().lstrip(".") not in FORMATS:
        endings = ", ".join(f".{ending}" for ending in FORMATS)
        raise ConfigError(expected=f"a picture that ends in {endings}", found=repr(path.name), do="correct --picture")


def draw_run(run: Mapping[str, Any], path: Path) -> None:
    """Draw a benchmark's models to a PNG, SVG or PDF file, whole or not at all; those of unknown accuracy stand in a strip of their own.

    Args:
        run: the document of a run, as ``SpeedReport.to_json`` gives it.

    Raises:
        ConfigError: the name ends in none of these.
        OSError: the file cannot be written.
    """
    require_format(path)
    points = [_Point(m["name"], m["image_tower"]["latency_ms"]["p50"], m["rank1"], m["bytes"]) for m in run["models"]]
    title = f"{run['machine']['processor']}, {run['threads']} threads"
    with mpl.rc_context(_STYLE):
        figure = Figure((8, 5), layout="constrained")
        known, unknown = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1.4))
        largest = max(point.bytes for point in points)
        for point in points:
            _draw(unknown if point.rank1 is None else known, point, largest)
        known.set_title(title, loc="left", fontsize=10)
        known.set_ylabel("Rank-1 on val, %")
        known.set_ylim(0, max([point.rank1 or 0 for point in points] + [10]) * 1.4)
        known.grid(visible=True)
        unknown.set_ylabel("speed\nonly")
        unknown.set_ylim(-1, 1)
        unknown.set_yticks([])
        unknown.grid(visible=True, axis="x")
        _latency_axis(unknown, points)
        with replacing(path) as file:
            figure.savefig(file, format=path.suffix.lower().lstrip("."), dpi=150)


def _draw(axes: Axes, point: _Point, largest: int) -> None:
    colour = _UNKNOWN if point.rank1 is None else _KNOWN
    height = point.rank1 or 0.0
    axes.scatter([point.milliseconds], [height], s=max(12, _LARGEST * point.bytes / largest), color=colour, alpha=0.45, linewidth=0)
    axes.scatter([point.milliseconds], [height], s=9, color=colour, linewidth=0)
    label = f"{point.name}\n{point.bytes / 1e6:.0f} MB, {point.milliseconds:.3g} ms"
    axes.annotate(label, (point.milliseconds, height), (0, 9), textcoords="offset points", ha="center", va="bottom", fontsize=8, color=_INK)


def _latency_axis(axes: Axes, points: Sequence[_Point]) -> None:
    latencies = [point.milliseconds for point in points]
    axes.set_xscale("log")
    axes.set_xlim(min(latencies) / 2.2, max(latencies) * 2.2)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    axes.set_xlabel("latency of one picture (median), ms; a disc's area is the model's size on disk")
