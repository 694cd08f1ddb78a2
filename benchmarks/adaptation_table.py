"""What `adaptation.py` has measured, as tables and as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mode, multimode
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.atomic import replacing
from passerby.measure.metrics import Estimate, bootstrap

Rows = Sequence[dict[str, Any]]
NAMES: Final = {"frozen": "frozen", "heads": "heads", "lora": "LoRA", "all": "full"}
COLOURS: Final = {"heads": "#d98c1f", "lora": "#2563a8", "all": "#b3352e"}
PLACES: Final = {"there": "held-out source", "elsewhere": "other sources"}
FIGURES: Final = {"hit": "Rank-1", "ap": "mAP"}


class Kind(NamedTuple):
    """What rows of different seeds have in common."""

    base: str
    learns: str
    captions: int
    rank: int
    rate: float
    keep: float


def kinds(rows: Rows) -> Mapping[Kind, Rows]:
    """In the order in which they were measured."""
    grouped: dict[Kind, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(Kind(*(row[field] for field in Kind._fields)), []).append(row)
    return grouped


def frozen_rows(grouped: Mapping[Kind, Rows], base: str) -> Rows:
    return next(rows for kind, rows in grouped.items() if (kind.base, kind.learns) == (base, "frozen"))


def per_query(rows: Rows, place: str, figure: str) -> NDArray[np.float64]:
    """In percent, the mean over seeds: float64 (q,)."""
    mean: NDArray[np.float64] = 100 * np.mean([row[place][figure] for row in rows], axis=0)
    return mean


def difference(rows: Rows, other: Rows, place: str, figure: str) -> Estimate:
    """Of ``rows`` and ``other``, paired by query, with a 95 % interval over people."""
    people = rows[0][place]["people"]
    if any(row[place]["people"] != people for row in [*rows, *other]):
        raise SystemExit("expected rows about the same questions, found others: measure them anew with one dataset")
    change = per_query(rows, place, figure) - per_query(other, place, figure)
    return bootstrap(change[:, None], people, seed=0, resamples=1000)[0]


def tables(rows: Rows, base: str) -> str:
    """Every kind beside its frozen base, then LoRA beside full fine-tuning, as Markdown."""
    grouped = kinds(rows)
    figures = [f"{figure}, {place}" for place in PLACES.values() for figure in FIGURES.values()]
    how, costs = ["rank", "rate", "keep", "captions", "seeds"], ["parameters that learn", "MB", "peak GB", "minutes"]
    lines = [cells(kind, of_kind, frozen_rows(grouped, kind.base)) for kind, of_kind in grouped.items()]
    first = markdown(["base", "learns", *how, *figures, *costs], lines)
    second = markdown(["captions", "keep", *figures], versus_full(grouped, base))
    return f"{first}\n\nLoRA minus full, points:\n\n{second}"


def cells(kind: Kind, rows: Rows, frozen: Rows) -> list[str]:
    figures = []
    for place in PLACES:
        for figure in FIGURES:
            value = f"{per_query(rows, place, figure).mean():.1f}"
            figures.append(value if kind.learns == "frozen" else f"{value} ({signed(difference(rows, frozen, place, figure))})")
    if kind.learns == "frozen":
        return [Path(kind.base).name, NAMES[kind.learns], *[""] * 5, *figures, *[""] * 4]
    how = [str(kind.rank or ""), f"{kind.rate:g}", f"{kind.keep:g}", said(kind.captions), str(len(rows))]
    costs = [f"{rows[0]['trainable']:,}", f"{rows[0]['file_bytes'] / 1e6:.1f}"]
    costs += [f"{max(row['peak_bytes'] for row in rows) / 1e9:.1f}", f"{np.mean([row['minutes'] for row in rows]):.1f}"]
    return [Path(kind.base).name, NAMES[kind.learns], *how, *figures, *costs]


def versus_full(grouped: Mapping[Kind, Rows], base: str) -> Iterator[list[str]]:
    """Each at the rate that it chose, wherever both were measured with as many captions and as much kept."""
    full = {(kind.captions, kind.keep): rows for kind, rows in grouped.items() if (kind.base, kind.learns) == (base, "all")}
    for kind, rows in of_usual_rate(grouped, base, "lora").items():
        other = full.get((kind.captions, kind.keep))
        if other is not None:
            changes = [signed(difference(rows, other, place, figure)) for place in PLACES for figure in FIGURES]
            yield [said(kind.captions), f"{kind.keep:g}", *changes]


def of_usual_rate(grouped: Mapping[Kind, Rows], base: str, learns: str) -> dict[Kind, Rows]:
    """Of a base and what learns of it, what was measured with the rank and the rate that most was measured with."""
    found = {kind: rows for kind, rows in grouped.items() if (kind.base, kind.learns) == (base, learns)}
    usual = multimode((kind.rank, kind.rate) for kind in found)[:1]
    return {kind: rows for kind, rows in found.items() if (kind.rank, kind.rate) in usual}


def signed(estimate: Estimate) -> str:
    return f"{estimate.mean:+.1f} [{estimate.low:+.1f}, {estimate.high:+.1f}]"


def said(captions: int) -> str:
    return f"{captions:,}" if captions else "all"


def markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *lines])


def draw(rows: Rows, base: str, path: Path) -> None:
    """Rank-1 by the number of captions, on the held-out source and on the others, and what is found against what is forgotten; whole or
    not at all."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    grouped = kinds(rows)
    frozen, ways = frozen_rows(grouped, base), {learns: of_usual_rate(grouped, base, learns) for learns in COLOURS}
    keep = mode(kind.keep for kind in grouped)
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}):
        figure = Figure((11, 3.6), layout="constrained")
        axes = figure.subplots(1, 3)
        for place, one in zip(PLACES, axes, strict=False):
            one.axhline(per_query(frozen, place, "hit").mean(), color="#7a828e", linestyle="--", label="frozen")
            for learns, way in ways.items():
                by_captions(one, learns, {kind: r for kind, r in way.items() if kind.keep == keep}, frozen, place)
            one.set_title(PLACES[place], loc="left")
            one.set_ylabel("Rank-1 on val, %")
            one.set_xlabel("captions learned from")
        axes[0].legend()
        for learns in ("lora", "all"):
            trade(axes[2], learns, {kind: r for kind, r in ways[learns].items() if kind.captions == 200}, frozen)
        axes[2].set_title("200 captions, by how much is kept", loc="left")
        axes[2].set_ylabel("held-out source: mAP minus frozen, points")
        axes[2].set_xlabel("other sources: mAP minus frozen, points")
        axes[2].legend()
        for one in axes:
            one.grid(visible=True, color="#e1e4e9")
        with replacing(path) as file:
            figure.savefig(file, format=path.suffix.lower().lstrip("."), dpi=150)


def by_captions(axes: Any, learns: str, grouped: Mapping[Kind, Rows], frozen: Rows, place: str) -> None:
    """A way's Rank-1 by captions, with the interval of its difference to frozen."""
    drawn = sorted(grouped.items(), key=lambda item: item[0].captions or math.inf)
    heights = [per_query(rows, place, "hit").mean() for _, rows in drawn]
    changes = [difference(rows, frozen, place, "hit") for _, rows in drawn]
    spread = [[c.mean - c.low for c in changes], [c.high - c.mean for c in changes]]
    axes.errorbar(
        [said(kind.captions) for kind, _ in drawn], heights, spread, marker="o", capsize=3, color=COLOURS[learns], label=NAMES[learns]
    )


def trade(axes: Any, learns: str, grouped: Mapping[Kind, Rows], frozen: Rows) -> None:
    """From the base, at 0, along what is found there and forgotten elsewhere the more of what was learnt is kept."""
    drawn = sorted(grouped.items(), key=lambda item: item[0].keep)
    across, up = ([0.0, *(difference(rows, frozen, place, "ap").mean for _, rows in drawn)] for place in ("elsewhere", "there"))
    axes.plot(across, up, marker="o", color=COLOURS[learns], label=NAMES[learns])
    for (kind, _), x, y in zip(drawn, across[1:], up[1:], strict=True):
        axes.annotate(f"{kind.keep:g}", (x, y), xytext=(4, 4), textcoords="offset points", color=COLOURS[learns])
