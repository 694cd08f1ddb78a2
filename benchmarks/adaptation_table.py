"""What `adaptation.py` has measured, as tables and as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerby.atomic import replacing
from passerby.measure.metrics import Estimate, bootstrap

Rows = Sequence[dict[str, Any]]
NAMES: Final = {"frozen": "frozen", "heads": "heads", "lora": "LoRA", "all": "full"}
PLACES: Final = {"there": "held-out source", "elsewhere": "other sources"}
FIGURES: Final = {"hit": "Rank-1", "ap": "mAP"}


class Kind(NamedTuple):
    """What rows of different seeds have in common."""

    base: str
    learns: str
    captions: int
    rank: int

    @property
    def name(self) -> str:
        return f"{NAMES[self.learns]}, rank {self.rank}" if self.rank else NAMES[self.learns]


def kinds(rows: Rows) -> dict[Kind, list[dict[str, Any]]]:
    """In the order in which they were measured."""
    grouped: dict[Kind, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(Kind(row["base"], row["learns"], row["captions"], row["rank"]), []).append(row)
    return grouped


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
    header = ["base", "learns", "captions", "seeds", *(f"{f}, {p}" for p in PLACES.values() for f in FIGURES.values())]
    header += ["parameters that learn", "MB", "peak GB", "minutes"]
    lines = [cells(kind, of_kind, grouped[Kind(kind.base, "frozen", 0, 0)]) for kind, of_kind in grouped.items()]
    first = markdown(header, lines)
    compared = [versus_full(grouped, base, captions) for captions in sorted({k.captions for k in grouped}, key=lambda n: n or 1e9)]
    second = markdown(
        ["captions", *(f"{f}, {p}" for p in PLACES.values() for f in FIGURES.values())], [line for line in compared if line is not None]
    )
    return f"{first}\n\nLoRA minus full, points:\n\n{second}"


def cells(kind: Kind, rows: Rows, frozen: Rows) -> list[str]:
    figures = []
    for place in PLACES:
        for figure in FIGURES:
            value = f"{per_query(rows, place, figure).mean():.1f}"
            figures.append(value if kind.learns == "frozen" else f"{value} ({signed(difference(rows, frozen, place, figure))})")
    captions = "" if kind.learns == "frozen" else said(kind.captions)
    costs = [f"{rows[0]['trainable']:,}", f"{rows[0]['file_bytes'] / 1e6:.1f}"]
    costs += [f"{max(row['peak_bytes'] for row in rows) / 1e9:.1f}", f"{np.mean([row['minutes'] for row in rows]):.1f}"]
    return [Path(kind.base).name, kind.name, captions, str(len(rows)), *figures, *(costs if kind.learns != "frozen" else [""] * 4)]


def versus_full(grouped: dict[Kind, list[dict[str, Any]]], base: str, captions: int) -> list[str] | None:
    lora = next((rows for kind, rows in grouped.items() if kind[:3] == (base, "lora", captions) and kind.rank == main_rank(grouped)), None)
    full = grouped.get(Kind(base, "all", captions, 0))
    if lora is None or full is None:
        return None
    return [said(captions), *(signed(difference(lora, full, place, figure)) for place in PLACES for figure in FIGURES)]


def main_rank(kinds: Iterable[Kind]) -> int:
    """The rank that was measured with the most numbers of captions."""
    ranks = [kind.rank for kind in kinds if kind.rank]
    return max(ranks, key=ranks.count, default=0)


def signed(estimate: Estimate) -> str:
    return f"{estimate.mean:+.1f} [{estimate.low:+.1f}, {estimate.high:+.1f}]"


def said(captions: int) -> str:
    return f"{captions:,}" if captions else "all"


def markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *lines])


def draw(rows: Rows, base: str, path: Path) -> None:
    """Rank-1 by the number of captions, on the held-out source and on the others, and by LoRA's rank; whole or not at all."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    grouped = {kind: of_kind for kind, of_kind in kinds(rows).items() if kind.base == base}
    frozen = grouped[Kind(base, "frozen", 0, 0)]
    rank = main_rank(grouped)
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}):
        figure = Figure((11, 3.6), layout="constrained")
        axes = figure.subplots(1, 3)
        for place, one in zip(PLACES, axes, strict=False):
            one.axhline(per_query(frozen, place, "hit").mean(), color="#7a828e", linestyle="--", label="frozen")
            for (learns, name), colour in zip(list(NAMES.items())[1:], ("#d98c1f", "#2563a8", "#b3352e"), strict=True):
                line(one, {k: r for k, r in grouped.items() if k.learns == learns and k.rank in (0, rank)}, frozen, place, name, colour)
            one.set_title(PLACES[place], loc="left")
            one.set_ylabel("Rank-1 on val, %")
            one.set_xlabel("captions learned from")
            one.grid(visible=True, color="#e1e4e9")
        axes[0].legend()
        by_rank(axes[2], {k: r for k, r in grouped.items() if k.learns == "lora" and k.captions == 200}, frozen)
        with replacing(path) as file:
            figure.savefig(file, format=path.suffix.lower().lstrip("."), dpi=150)


def line(axes: Any, grouped: dict[Kind, list[dict[str, Any]]], frozen: Rows, place: str, name: str, colour: str) -> None:
    """A way's Rank-1 by captions, with the interval of its difference to frozen."""
    drawn = sorted(grouped.items(), key=lambda item: item[0].captions or 1e9)
    heights = [per_query(rows, place, "hit").mean() for _, rows in drawn]
    changes = [difference(rows, frozen, place, "hit") for _, rows in drawn]
    spread = [[c.mean - c.low for c in changes], [c.high - c.mean for c in changes]]
    axes.errorbar([said(kind.captions) for kind, _ in drawn], heights, spread, marker="o", capsize=3, color=colour, label=name)


def by_rank(axes: Any, grouped: dict[Kind, list[dict[str, Any]]], frozen: Rows) -> None:
    """What LoRA changes at each rank, with 200 captions."""
    drawn = sorted(grouped.items(), key=lambda item: item[0].rank)
    for place, colour in zip(PLACES, ("#2563a8", "#7a828e"), strict=True):
        changes = [difference(rows, frozen, place, "hit") for _, rows in drawn]
        spread = [[c.mean - c.low for c in changes], [c.high - c.mean for c in changes]]
        axes.errorbar(
            [str(kind.rank) for kind, _ in drawn],
            [c.mean for c in changes],
            spread,
            marker="o",
            capsize=3,
            color=colour,
            label=PLACES[place],
        )
    axes.axhline(0, color="#1b1f26", linewidth=0.8)
    axes.set_title("LoRA, 200 captions", loc="left")
    axes.set_xlabel("rank")
    axes.set_ylabel("Rank-1 minus frozen, points")
    axes.legend()
