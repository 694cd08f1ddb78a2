"""What the command that detects shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from passerby.cli.show.console import exit_code, failures_json, note, notes_json, show_failures, show_json, show_notes

if TYPE_CHECKING:
    from passerby.detect.coco import Detected


def show_detected(detected: Detected, out: Path, *, as_json: bool) -> int:
    """Say who was found and where it is written; returns the exit code."""
    if as_json:
        counts = {"photos": detected.photos, "people": detected.people, "skipped": detected.skipped}
        document = {**counts, "out": str(out), "failed": failures_json(detected.failed), "notes": notes_json(detected.notes)}
        show_json(document)
    skipped = f"; {detected.skipped} other files skipped" if detected.skipped else ""
    if detected.photos:
        note(f"{detected.people} people in {detected.photos} photos, written to {out}{skipped}")
    else:
        note(f"nothing written: expected photos that can be read, found none; name some{skipped}")
    show_notes(detected.notes)
    show_failures(detected.failed)
    return exit_code(detected.photos, len(detected.failed))
