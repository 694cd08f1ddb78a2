"""How people were looked for in a media, and how much of it was watched, as its row has it."""

from __future__ import annotations

import json
from typing import Final

from passerby.types import ModelDigest, Sought, Watched

SOUGHT: Final = "detector, detect_size, min_height, smallest, fps, quick, motion"
WATCHED: Final = "seconds, broken, cut_short_at, clock_reset, gaps, still"


def sought_row(sought: Sought | None) -> tuple[str | None, int, float, float, float, bool, bool]:
    """How people were looked for as a row has it: no digest of a crop."""
    if sought is None:
        return None, 0, 0.0, 0.0, 0.0, False, False
    return sought.detector or "", sought.size, sought.min_height, sought.smallest, sought.fps, sought.quick, sought.motion


def sought_of(detector: str | None, size: int, min_height: float, smallest: float, fps: float, quick: int, motion: int) -> Sought | None:
    """The same, read back."""
    return (
        None
        if detector is None
        else Sought(ModelDigest(detector) if detector else None, size, min_height, smallest, fps, bool(quick), bool(motion))
    )


def watched_row(watched: Watched | None) -> tuple[float | None, int, float | None, bool, str | None, int]:
    """How much of a video was looked at as a row has it."""
    if watched is None:
        return None, 0, None, False, None, 0
    gaps = json.dumps(watched.gaps) if watched.gaps else None
    return watched.seconds, watched.broken, watched.cut_short_at, watched.clock_reset, gaps, watched.still


def watched_of(
    seconds: float | None, broken: int, cut_short_at: float | None, clock_reset: int, gaps: str | None, still: int
) -> Watched | None:
    """The same, read back."""
    if seconds is None:
        return None
    return Watched(seconds, broken, cut_short_at, bool(clock_reset), tuple((start, end) for start, end in json.loads(gaps or "[]")), still)
