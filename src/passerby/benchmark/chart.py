"""A picture of models: accuracy against latency, with size as area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from passerby.atomic import replacing
from passerby.errors import ConfigError

FORMATS: Final = ("png", "svg", "pdf")

_KNOWN, _UNKNOWN, _INK, _FAINT = "#2563a8", "#9aa3ae", "#1b1f26", "#7a828e"
_ROOM, _ROW = 3.2, 0.5
"""Heights in inches: of the part with accuracies, and of a row of the strip below."""
_LARGEST: Final = 950
"""Area of the largest model's disc, in square points."""
_LIFT: Final = 8.0
"""How much higher or lower than its disc a label stands by turns, in points."""
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
    known = sorted((point for point in points if point.rank1 is not None), key=lambda point: point.milliseconds)
    unknown = sorted((point for point in points if point.rank1 is None), key=lambda point: -point.milliseconds)
    with mpl.rc_context(_STYLE):
        strip = _ROW * max(1, len(unknown))
        figure = Figure((8, _ROOM + strip + 0.8), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(_ROOM, strip))
        _latency_axis(below, points)
        largest = max(point.bytes for point in points)
        for place, point in enumerate(known):
            _draw(above, point, point.rank1 or 0.0, largest, _KNOWN, lift=-_LIFT if place % 2 else _LIFT)
        for row, point in enumerate(unknown):
            _draw(below, point, row, largest, _UNKNOWN)
        above.set_title(title, loc="left", fontsize=10)
        above.set_ylabel("Rank-1 on val, %")
        above.set_ylim(0, max([point.rank1 or 0.0 for point in known], default=10) * 1.3)
        above.grid(visible=True)
        below.set_ylabel("speed only")
        below.set_ylim(-0.6, max(1, len(unknown)) - 0.4)
        below.set_yticks([])
        below.grid(visible=True, axis="x")
        with replacing(path) as file:
            figure.savefig(file, format=path.suffix.lower().lstrip("."), dpi=150)


def _draw(axes: Axes, point: _Point, height: float, largest: int, colour: str, lift: float = 0.0) -> None:
    """A disc and its label beside it, so many typographic points higher: labels of models that are about as good do not meet then."""
    area = max(12.0, _LARGEST * point.bytes / largest)
    axes.scatter([point.milliseconds], [height], s=area, color=colour, alpha=0.45, linewidth=0)
    axes.scatter([point.milliseconds], [height], s=9, color=colour, linewidth=0)
    label = f"{point.name}: {point.milliseconds:.3g} ms, {point.bytes / 1e6:.0f} MB"
    middle = float(np.sqrt(np.prod(axes.get_xlim())))
    beside, side = (area**0.5 / 2 + 4, "left") if point.milliseconds < middle else (-(area**0.5) / 2 - 4, "right")
    axes.annotate(
        label, (point.milliseconds, height), (beside, lift), textcoords="offset points", ha=side, va="center", fontsize=8, color=_INK
    )


def _latency_axis(axes: Axes, points: Sequence[_Point]) -> None:
    latencies = [point.milliseconds for point in points]
    axes.set_xscale("log")
    axes.set_xlim(min(latencies) / 2.2, max(latencies) * 2.2)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    axes.set_xlabel("latency of one picture (median), ms; a disc's area is the model's size on disk")
