"""What commands that look at videos say of those that they could not read, or not all of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from passerby.cli.show.console import listed, note, show_table

if TYPE_CHECKING:
    from passerby.index.looked_into import Gap


def note_unread(videos: Sequence[Path], because: str) -> None:
    """One line that names videos in folders that were not read, as something is missing here."""
    if videos:
        note(f"{len(videos)} videos not read ({listed([Path(path.name) for path in videos])}): {because}")


def show_gaps(gaps: Sequence[Gap]) -> None:
    """A table of what could not be read of videos."""
    if gaps:
        show_table(("could not be read", "video"), [(gap.text, gap.path) for gap in gaps], whole="video", stderr=True)
