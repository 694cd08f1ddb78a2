"""What is said of what people wear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from passerby.cli.show.console import (
    ALL_DONE,
    exit_code,
    failures_json,
    note,
    notes_json,
    printable,
    show_failures,
    show_json,
    show_notes,
    show_table,
)
from passerby.types import IMPROBABLE, Failure

if TYPE_CHECKING:
    from passerby.find.describe import Appearance
    from passerby.find.wearers import Census
    from passerby.model.encoder import Encoder


def show_appearances(encoder: Encoder, described: Iterable[Appearance | Failure], *, as_json: bool) -> int:
    """Say what people in pictures wear; returns the exit code."""
    told, failed = [], []
    for one in described:
        if isinstance(one, Failure):
            failed.append(one)
            continue
        told.append(one)
        if not as_json:
            _show_appearance(one)
    if as_json:
        pictures = [_json(one) for one in told]
        show_json({"model": encoder.name, "pictures": pictures, "failed": failures_json(failed)})
    show_notes([said for one in told for said in one.notes])
    show_failures(failed)
    return exit_code(len(told), len(failed))


def _show_appearance(one: Appearance) -> None:
    print(f"{printable(one.path)}: {one.sentence}")  # noqa: T201
    doubts = {name: "not measured" if figure is None else f"often wrong: {figure:.0%}" for name, figure in one.unreliable.items()}
    rows = [
        (part, word, f"{p:.0%}", doubts.get(f"{part}:{word}", ""))
        for part, worn in one.by_part().items()
        for word, p in worn.items()
        if p >= IMPROBABLE
    ]
    if rows:
        with_doubts = any(row[-1] for row in rows)
        show_table(("part", "worn", "probability", "")[: 3 + with_doubts], [row[: 3 + with_doubts] for row in rows])
    if one.unclear:
        print(f"cannot tell: {', '.join(one.unclear)}")  # noqa: T201


def _json(one: Appearance) -> dict[str, Any]:
    return {
        "path": str(one.path),
        "box": one.box and [one.box.x, one.box.y, one.box.width, one.box.height],
        "sentence": one.sentence,
        "worn": one.by_part(),
        "unclear": list(one.unclear),
        "unreliable": dict(one.unreliable),
        "notes": notes_json(one.notes),
    }


def show_wearers(census: Census, *, as_json: bool) -> int:
    """Say how many people of an index probably wear what; returns the exit code."""
    if as_json:
        worn: dict[str, dict[str, Mapping[str, Any]]] = {}
        for one in census.worn:
            part, _, word = one.attribute.partition(":")
            figures = {"probable": one.probable, "expected": one.expected, "doubtful": one.doubtful, "unreliable": one.figure}
            worn.setdefault(part, {})[word] = figures
        show_json({"model": census.model, "known": census.known, "unknown": census.unknown, "worn": worn})
    else:
        parts: dict[str, list[str]] = {}
        for one in sorted(census.worn, key=lambda one: -one.probable):
            part, _, word = one.attribute.partition(":")
            parts.setdefault(part, []).extend([f"{word} {one.probable}{'?' * one.doubtful}"] * bool(one.probable))
        show_table(("part", f"of {census.known} probably"), [(part, ", ".join(words) or "nothing") for part, words in parts.items()])
    if any(one.doubtful and one.probable for one in census.worn):
        note("?: the model is often wrong about it, or that was not measured; the figures are in --json")
    if census.unknown:
        note(f"{census.unknown} more were indexed without what is worn: index again with --rebuild")
    return ALL_DONE
