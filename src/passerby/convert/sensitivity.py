"""Which layers must stay in float so that a model of lower precision keeps its Rank-1: as few as can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Protocol, TypeVar

from passerby.convert.gates import Verdict
from passerby.errors import GateRefused
from passerby.progress import Say

Layer = str
Holds = Callable[[frozenset[Layer]], bool]
"""Whether the gate holds with these layers in float."""


class Judged(Protocol):
    """A conversion that the gate has an opinion of."""

    @property
    def verdict(self) -> Verdict: ...


A = TypeVar("A", bound=Judged)


def lightest(
    costs: Mapping[Layer, float], attempt: Callable[[frozenset[Layer]], A | None], gate: str, say: Say
) -> tuple[A, dict[Layer, float]]:
    """What passes the gate with the fewest layers in float, and what each of those costs alone, worst first.

    Args:
        costs: of each layer when it alone has the lower precision.
        attempt: converts all but some layers; ``None`` where that breaks the model.
        gate: what must hold, for the refusal.

    Raises:
        GateRefused: the gate holds with every layer in float at best.
    """
    passed: dict[frozenset[Layer], A] = {}

    def holds(keep: frozenset[Layer]) -> bool:
        tried = attempt(keep)
        if tried is None or tried.verdict is not Verdict.KEPT:
            return False
        passed[keep] = tried
        return True

    kept = fewest_to_float(costs, holds)
    if kept is None or len(kept) == len(costs):
        found, do = "more until every layer is in float", "calibrate on other pictures, or ship the float model"
        raise GateRefused(expected=gate, found=found, do=do)
    say(f"{len(kept)} of {len(costs)} layers stay in float: {', '.join(kept)}")
    return passed[frozenset(kept)], {layer: costs[layer] for layer in kept}


def fewest_to_float(damage: Mapping[Layer, float], holds: Holds) -> list[Layer] | None:
    """The layers to leave in float so that the gate holds, worst first; none of them can be given up again.

    Layers are taken by falling damage, and bisection finds how many: the gate is asked about log2 of the layers' number of times. Then each
    of them is tried in the lower precision after all, the least harmful first. Where every layer adds its own damage, no smaller set holds.

    Args:
        damage: of each layer when it alone has the lower precision.

    Returns:
        ``None`` where the gate does not even hold with every layer in float.
    """
    holds = cache(holds)
    worst_first = sorted(damage, key=lambda layer: -damage[layer])
    count = _least(len(worst_first), lambda n: holds(frozenset(worst_first[:n])))
    if count is None:
        return None
    kept = worst_first[:count]
    for layer in reversed(worst_first[: max(count - 1, 0)]):
        if holds(frozenset(kept) - {layer}):
            kept.remove(layer)
    return kept


def _least(highest: int, holds: Callable[[int], bool]) -> int | None:
    """The least number from 0 to ``highest`` that holds, were all above it to hold too; ``None`` where the highest does not."""
    if not holds(highest):
        return None
    low = 0
    while low < highest:
        middle = (low + highest) // 2
        if holds(middle):
            highest = middle
        else:
            low = middle + 1
    return highest


def damages(layers: Sequence[Layer], measure: Callable[[Layer], float], say: Say, figure: str = "mAP") -> dict[Layer, float]:
    """What ``measure`` gives for each layer, in points of a figure; told as it is found."""
    found = {}
    for number, layer in enumerate(layers, start=1):
        found[layer] = measure(layer)
        say(f"{number} of {len(layers)}: {layer} alone costs {found[layer]:.2f} points of {figure}")
    return found
