"""A description as a sentence for a CLIP, in one of several wordings, which ``templates.toml`` holds."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random

from passerby.words.attributes import Part, PersonDescription, item_phrase, person_phrase


@dataclass(frozen=True, slots=True)
class Wording:
    """Templates with a place for the person, or for things that are worn or carried."""

    person: str
    worn: str
    carried: str

    def __call__(self, description: PersonDescription) -> str:
        """A sentence of what a description affirms."""
        affirmed = [item for item in description.items if not item.negated]
        worn = [item_phrase(item) for item in affirmed if item.part is not Part.CARRIED]
        carried = [item_phrase(item) for item in affirmed if item.part is Part.CARRIED]
        person = " ".join([person_phrase(description), *description.activities])
        sentence = self.person.format(person=person) + _clause(self.worn, worn) + _clause(self.carried, carried)
        return f"{sentence[0].upper()}{sentence[1:]}."


@cache
def wordings() -> tuple[Wording, ...]:
    """All wordings, read on the first call."""
    table = tomllib.loads(files("passerby.words").joinpath("templates.toml").read_text(encoding="utf-8"))
    return tuple(Wording(**entry) for entry in table["wordings"])


def reworded(description: PersonDescription, seed: str) -> str:
    """A sentence of what a description affirms, its wording drawn by a seed."""
    return Random(seed).choice(wordings())(description)


def _clause(template: str, phrases: Sequence[str]) -> str:
    *first, last = phrases or [""]
    return template.format(things=f"{', '.join(first)} and {last}" if first else last) if last else ""
