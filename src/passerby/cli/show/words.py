"""What a sentence was understood as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from passerby.cli.show.console import ALL_DONE, NOTHING_DONE, note, printable, show_json, show_table

if TYPE_CHECKING:
    from passerby.words.description import Item, PersonDescription


def show_description(text: str, description: PersonDescription, *, as_json: bool) -> int:
    """Say what was understood of a sentence, and what was not; returns the exit code."""
    from passerby.words.normalise import plain
    from passerby.words.prompts import prompts

    understood = description.says_something
    if as_json:
        asked = [asdict(prompt) for prompt in prompts(text)] if text.strip() else []
        show_json({"query": text, "read": plain(text), **_json(description), "prompts": asked})
        return ALL_DONE if understood else NOTHING_DONE
    person = {"gender": description.gender, "age": description.age}
    several = {"hair": description.hair, "activity": description.activities}
    rows = [
        *(("person", name, value, "") for name, value in person.items() if value),
        *(("person", name, ", ".join(values), "") for name, values in several.items() if values),
        *((item.part, item.thing, ", ".join(item.colours), _looks(item)) for item in description.items),
    ]
    if rows:
        show_table(("part", "thing", "colours", "and"), rows)
    if understood:
        show_table(("weight", "what a model is asked"), [(f"{prompt.weight:+.2g}", prompt.text) for prompt in prompts(text)])
    if description.slips:
        note(f"misspelt: {', '.join(f'{written} read as {meant}' for written, meant in description.slips)}")
    if description.not_understood:
        show_not_understood(description.not_understood)
    if not understood:
        note(f"nothing understood in {printable(text)!r}: expected what a person wears, such as 'red jacket, no hat'")
    return ALL_DONE if understood else NOTHING_DONE


def show_not_understood(words: Sequence[str]) -> None:
    """Name the words that say nothing known."""
    note(f"not understood: {' '.join(words)}")


def _looks(item: Item) -> str:
    said = [item.shade, item.pattern, item.length, item.material, item.side, *item.details]
    said += [f"not {colour}" for colour in item.denied_colours]
    doubts = ["absent"] * item.negated + ["uncertain"] * item.uncertain
    return ", ".join([*(look for look in said if look), *doubts])


def _json(description: PersonDescription) -> dict[str, Any]:
    document = asdict(description)
    for item in document["items"]:
        item["span"] = item.pop("thing_span")
        del item["denied_spans"]
    return document
