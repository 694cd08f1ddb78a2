"""Exchanged colours that the words alone do not give away."""

from __future__ import annotations

from collections import Counter

from passerby.words.believable import believable_swaps
from passerby.words.swaps import colour_swaps

COLOURS = ("red", "blue", "black", "white")


def captions() -> list[str]:
    """Blue jeans are ten times as common as jeans of any other colour; a number keeps each text apart from all others."""
    worn = [(a, b) for a in COLOURS for b in COLOURS for _ in range(40 if b == "blue" else 4) if a != b]
    return [f"person {n} wears a {top} jacket and {jeans} jeans" for n, (top, jeans) in enumerate(worn)]


def jeans(text: str) -> str:
    return text.split()[-2]


def test_what_is_rare_to_wear_is_rarely_shown() -> None:
    """Among the kept pairs of a caption and its exchange, jeans of each colour are about as often true as false."""
    texts = captions()
    kept = believable_swaps(texts, seed=0)
    true = Counter(jeans(text) for text, swapped in kept.items() for _ in swapped)
    false = Counter(jeans(swap) for swapped in kept.values() for swap in swapped)
    assert sum(true.values()) > 30
    assert 0.6 < true["blue"] / false["blue"] < 1.7
    shown_all = Counter(jeans(swap.text) for text in texts for swap in colour_swaps(text))
    assert Counter(map(jeans, texts))["blue"] / shown_all["blue"] > 5, "which would have told them apart"


def test_the_same_seed_keeps_the_same_and_every_text_has_an_entry() -> None:
    texts = [*captions(), "nobody"]
    assert believable_swaps(texts, seed=1) == believable_swaps(reversed(texts), seed=1)
    assert believable_swaps(texts, seed=1) != believable_swaps(texts, seed=2)
    assert believable_swaps(texts, seed=1)["nobody"] == []
