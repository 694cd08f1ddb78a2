"""Charts as SVG that a page takes in as it is: drawn by matplotlib, coloured by the page's own style, readable without a picture.

A chart is drawn in stand-in colours that become CSS variables, so one drawing serves light, dark and paper; text stays text.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from passerby.report.distribution import Distribution, percent

_WIDTH: Final = 5.0
"""Inches, as wide as a phone's page: what is legible there is legible everywhere."""
_INK, _FAINT, _GRID, _HEAT = "#010101", "#020202", "#030303", "#040404"
_SERIES: Final = ("#050505", "#060606")
_VARIABLES: Final = {_INK: "ink", _FAINT: "faint", _GRID: "line", _HEAT: "heat", _SERIES[0]: "first", _SERIES[1]: "second"}
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _FAINT,
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _FAINT,
    "ytick.labelcolor": _FAINT,
    "axes.grid.axis": "x",
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}
_LONGEST_LABEL: Final = 24


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing and what it says.

    Args:
        svg: one ``<svg>`` element, safe to put into a page.
        summary: what the drawing shows, in words, for those who do not see it.
        header, rows: the figures, as a table.
    """

    title: str
    svg: str
    summary: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def histogram(
    title: str, unit: str, series: Mapping[str, Distribution], *, logarithmic: bool = False, limits: Mapping[str, float] | None = None
) -> Chart:
    """How values are spread, in percent of all, for one or two datasets over one another.

    Args:
        unit: what the values count or are measured in.
        series: by the dataset's name, with equal edges; at least one.
        limits: names of values to mark, where they are in the range.
    """
    first, *_ = series.values()
    low, high = _range_with_values(list(series.values()))
    edges = np.array(first.edges[low : high + 1])
    with _figure(title, 2.1) as (figure, axes):
        for number, (name, spread) in enumerate(series.items()):
            heights = [percent(count, spread.count) for count in spread.counts[low:high]]
            axes.stairs(heights, edges, fill=number == 0, color=_SERIES[number], alpha=0.85, linewidth=1.8, label=name)
        if logarithmic:
            _logarithmic(axes, edges)
        within = {label: value for label, value in (limits or {}).items() if edges[0] <= value <= edges[-1]}
        for label, value in within.items():
            axes.axvline(value, color=_INK, linewidth=1.2, linestyle=(0, (4, 3)))
            axes.annotate(f" {label}", (value, 1), xycoords=("data", "axes fraction"), va="top", fontsize=8)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xlabel(unit)
        axes.yaxis.set_major_formatter(_percent_ticks())
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.grid(axis="y")
        _legend(figure, series)
        svg = _svg(figure)
    rows = tuple((label, *(f"{getattr(spread, key):,.4g}" for spread in series.values())) for key, label in _STATISTICS.items())
    return Chart(title, svg, _spread_in_words(title, unit, series), (unit, *series), rows)


def bars(title: str, series: Mapping[str, Mapping[str, int]], totals: Mapping[str, int], *, most: int = 20, of: str = "captions") -> Chart:
    """How often each of some names occurs, in percent of a total, the most frequent first.

    Args:
        series: counts by the dataset's name.
        totals: by the dataset's name, what is 100 %.
        of: what the totals count.
    """
    names = _most_frequent(series, totals, most)
    shares = {label: [percent(counts.get(name, 0), totals[label]) for name in names] for label, counts in series.items()}
    with _figure(title, 0.55 + len(names) * (0.17 if len(series) == 1 else 0.24)) as (figure, axes):
        thickness = 0.72 / len(series)
        for number, (label, values) in enumerate(shares.items()):
            places = np.arange(len(names)) + (number - (len(series) - 1) / 2) * thickness
            axes.barh(places, values, thickness * 0.92, color=_SERIES[number], alpha=0.85, label=label)
            for place, value in zip(places, values, strict=True):
                axes.annotate(f" {_share(value)}", (value, place), va="center", fontsize=7, color=_FAINT)
        axes.set_yticks(np.arange(len(names)), [_short(name) for name in names], color=_INK)
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.12, y=0.01)
        axes.xaxis.set_major_formatter(_percent_ticks())
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(f"of {of}")
        axes.grid(axis="x")
        _legend(figure, series)
        svg = _svg(figure)
    rows = tuple(
        (name, *(f"{counts.get(name, 0):,} ({_share(shares[label][n])})" for label, counts in series.items()))
        for n, name in enumerate(names)
    )
    label, values = next(iter(shares.items()))
    said = ", ".join(f"{name} {_share(value)}" for name, value in zip(names[:5], values, strict=False))
    return Chart(title, svg, f"{title}, of {of} in {label}: {said}{' and others' if len(names) > 5 else ''}.", (title, *series), rows)


def heatmap(title: str, rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]], *, note: str) -> Chart:
    """How often a row's name occurs with a column's: the part of the row in percent, as shade and number.

    Args:
        counts: (rows, columns).
        note: what 100 % is.
    """
    table = np.array(counts, np.float64).reshape(len(rows), len(columns))
    shares = np.nan_to_num(100 * table / np.maximum(table.sum(axis=1, keepdims=True), 1))
    with _figure(title, 0.75 + 0.22 * len(rows)) as (figure, axes):
        for (row, column), share in np.ndenumerate(shares):
            axes.add_patch(_cell(column, row, share / 100))
            if share >= 0.5:
                axes.annotate(f"{share:.0f}", (column, row), ha="center", va="center", fontsize=7.5)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xticks(range(len(columns)), [_short(name) for name in columns], rotation=45, ha="left", rotation_mode="anchor", color=_INK)
        axes.set_yticks(range(len(rows)), [_short(name) for name in rows], color=_INK)
        axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
        axes.spines[:].set_visible(False)
        svg = _svg(figure)
    best = [(row, columns[int(shares[n].argmax())], shares[n].max()) for n, row in enumerate(rows[:5]) if shares[n].any()]
    said = "; ".join(f"{row} most often {column} ({share:.0f} %)" for row, column, share in best)
    figures = tuple((name, *(f"{int(value):,}" for value in table[n])) for n, name in enumerate(rows))
    return Chart(title, svg, f"{title}. {note} {said}.", ("", *columns), figures)


def falling(title: str, across: str, up: str, series: Mapping[str, Sequence[tuple[int, int]]]) -> Chart:
    """Counts by rank, both on logarithmic scales: a straight line is Zipf's law."""
    with _figure(title, 2.1) as (figure, axes):
        for number, (name, points) in enumerate(series.items()):
            axes.plot(*zip(*points, strict=True), color=_SERIES[number], linewidth=2, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axis.set_minor_locator(NullLocator())
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.grid(axis="both")
        _legend(figure, series)
        svg = _svg(figure)
    ranks = sorted({rank for points in series.values() for rank, _ in points})
    counts = [dict(points) for points in series.values()]
    rows = tuple((f"{rank:,}", *(f"{known[rank]:,}" if rank in known else "" for known in counts)) for rank in ranks)
    name, points = next(iter(series.items()))
    said = f"{title} in {name}: from {points[0][1]:,} for the first to {points[-1][1]:,} for rank {points[-1][0]:,}."
    return Chart(title, svg, said, (across, *series), rows)


_STATISTICS: Final = {
    "min": "least",
    "p5": "5 % are below",
    "p25": "25 % are below",
    "median": "median",
    "p75": "75 % are below",
    "p95": "95 % are below",
    "max": "most",
    "mean": "mean",
    "std": "standard deviation",
}


@contextmanager
def _figure(title: str, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A drawing with one pair of axes, whose element ids no other title has; a letter that matplotlib cannot measure is the browser's."""
    with mpl.rc_context(_STYLE | {"svg.hashsalt": title}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        figure = Figure((_WIDTH, height), layout="constrained")
        yield figure, figure.subplots()


def _svg(figure: Figure) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', ' aria-hidden="true"', text, count=1)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"font-family: [^;]*; ", "", text)
    return re.sub("|".join(_VARIABLES), lambda found: f"var(--{_VARIABLES[found[0]]})", text)


def _cell(column: int, row: int, share: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, facecolor=_HEAT, alpha=max(0.06, share**0.6), linewidth=0)


def _range_with_values(spreads: Sequence[Distribution]) -> tuple[int, int]:
    """The bins from the first to the last that hold values, and one more at either end."""
    counts = np.sum([spread.counts for spread in spreads], axis=0)
    filled = np.flatnonzero(counts)
    return max(0, int(filled[0]) - 1), min(len(counts), int(filled[-1]) + 2)


def _logarithmic(axes: Axes, edges: NDArray[np.float64]) -> None:
    axes.set_xscale("log")
    decades = [value for power in range(-2, 7) for value in (10.0**power, 2 * 10.0**power, 5 * 10.0**power)]
    ticks = [value for value in decades if edges[0] <= value <= edges[-1]]
    axes.set_xticks(ticks if len(ticks) < 9 else [value for value in ticks if np.log10(value) % 1 == 0], minor=False)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _legend(figure: Figure, series: Mapping[str, object]) -> None:
    if len(series) > 1:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        short = [_short(label) for label in labels]
        figure.legend(handles, short, loc="outside upper left", ncols=len(labels), frameon=False, fontsize=8, labelcolor=_INK)


def _most_frequent(series: Mapping[str, Mapping[str, int]], totals: Mapping[str, int], most: int) -> list[str]:
    shares: dict[str, float] = {}
    for label, counts in series.items():
        for name, count in counts.items():
            shares[name] = shares.get(name, 0) + percent(count, totals[label])
    return sorted(shares, key=lambda name: -shares[name])[:most]


def _percent_ticks() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{value:g} %")


def _share(value: float) -> str:
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.1f} %" if value >= 0.095 or not value else f"{value:.2g} %"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"


def _spread_in_words(title: str, unit: str, series: Mapping[str, Distribution]) -> str:
    said = (
        f"{name}: median {spread.median:,.4g}, nine of ten between {spread.p5:,.4g} and {spread.p95:,.4g}, "
        f"all between {spread.min:,.4g} and {spread.max:,.4g}"
        for name, spread in series.items()
    )
    return f"{title} ({unit}). {'; '.join(said)}."
