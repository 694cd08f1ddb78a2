"""Descriptions cut down to the little that people in a hurry say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from passerby.words.description import Item, PersonDescription, describe
from passerby.words.parser import parse


def shortened(text: str, seed: int) -> tuple[str, ...]:
    """Shorter sentences of what a description affirms: all that is worn, by its colours alone, some of it, and the person with some of it.

    The first is what search makes of keywords such as *red jacket black cap*. Those that do not differ from another or from the text are
    left out; there is none where nothing is understood.

    Args:
        seed: which things are left out follows from it and the text.
    """
    description = parse(text)
    items = [replace(item, denied_colours=()) for item in description.items if not item.negated]
    if not items:
        return ()
    chance = Random(f"{seed} {text}")
    plain = [Item(item.part, item.thing, item.colours) for item in items]
    short = (
        PersonDescription(tuple(plain)),
        PersonDescription(_some(plain, chance)),
        replace(description, items=_some(items, chance), not_understood=()),
    )
    return tuple(sentence for sentence in dict.fromkeys(map(describe, short)) if sentence != text)


def _some(items: Sequence[Item], chance: Random) -> tuple[Item, ...]:
    """At least one of them, in their order."""
    kept = set(chance.sample(range(len(items)), chance.randint(1, len(items))))
    return tuple(item for place, item in enumerate(items) if place in kept)
