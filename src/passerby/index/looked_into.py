"""In what people were looked for, and what of it could not be read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from passerby.media.clock import Instant, KnownBy, clock_time, minutes_text
from passerby.types import Watched


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a video that could not be read.

    Args:
        path: of the video.
        start, end: in seconds from its start.
        begun: what a clock that goes right showed when the video began; ``None`` where that is not known, or only by the file's own time.
    """

    path: Path
    start: float
    end: float
    begun: datetime | None = None

    @classmethod
    def of(cls, path: Path, watched: Watched | None, instant: Instant | None, offset_seconds: float) -> list[Self]:
        """Those of a video that was begun at an instant, by a clock that is to be corrected by so much."""
        known = instant is not None and instant.known_by is not KnownBy.FILE
        begun = clock_time(instant.at, instant.zone, offset_seconds) if known and instant else None
        return [cls(path, start, end, begun) for start, end in (watched.gaps if watched else ())]

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``; ``from``, ``to`` and ``begun`` are clock times."""
        clock = [self.begun and (self.begun + timedelta(seconds=at)).isoformat(timespec="seconds") for at in (self.start, self.end)]
        begun = self.begun and self.begun.isoformat()
        return {"path": str(self.path), "start": self.start, "end": self.end, "from": clock[0], "to": clock[1], "begun": begun}

    @property
    def text(self) -> str:
        """When, for people: by the clock, else in the video; seconds that were begun."""
        if self.begun is None:
            first, last = minutes_text(self.start), minutes_text(self.end)
        else:
            start, end = (self.begun + timedelta(seconds=at) for at in (self.start, self.end))
            first, last = f"{start:%Y-%m-%d %H:%M:%S}", f"{end:%H:%M:%S}"
        return first if first.endswith(last) else f"{first} to {last}"


@dataclass(frozen=True, slots=True)
class LookedInto:
    """In which photos and videos people were looked for, and whom that misses.

    Args:
        lowest, highest: of the heights below which people are mostly missed, in pixels of each media; 0 without any.
        videos: in how many videos, or stretches of time in them.
        seconds: of these videos.
        broken: frames or stretches of them that could not be read.
        cut_short: how many of them end earlier than they say.
        unfinished: how many of them were not read to their end yet.
        static: things in them that look like people and never move, who are hidden.
        gaps: stretches of them that could not be read, by path and time.
        still: frames of them that were not looked at, as nothing had moved.
    """

    photos: int = 0
    lowest: float = 0.0
    highest: float = 0.0
    videos: int = 0
    seconds: float = 0.0
    broken: int = 0
    cut_short: int = 0
    unfinished: int = 0
    static: int = 0
    gaps: tuple[Gap, ...] = ()
    still: int = 0

    @property
    def is_any(self) -> bool:
        return self.photos > 0 or self.videos > 0

    def watched_json(self) -> dict[str, Any]:
        """How much of videos was looked at, ready for ``json.dumps``."""
        return {
            "count": self.videos,
            "seconds": self.seconds,
            "broken": self.broken,
            "cut_short": self.cut_short,
            "unfinished": self.unfinished,
            "static": self.static,
            "gaps": [gap.to_json() for gap in self.gaps],
            "still": self.still,
        }

    @classmethod
    def of(
        cls, photos: int, heights: Iterable[float], watched: Iterable[tuple[Watched, float, bool]], static: int, gaps: Iterable[Gap]
    ) -> Self:
        """Summed up.

        Args:
            heights: below which people are mostly missed.
            watched: of each video also the seconds that count, and whether it was read to its end.
        """
        heights, watched = list(heights), list(watched)
        return cls(
            photos,
            min(heights, default=0.0),
            max(heights, default=0.0),
            len(watched),
            sum(seconds for _, seconds, _ in watched),
            sum(one.broken for one, _, _ in watched),
            sum(one.cut_short_at is not None for one, _, _ in watched),
            sum(not finished for _, _, finished in watched),
            static,
            tuple(sorted(gaps, key=lambda gap: (os.fsencode(gap.path), gap.start))),
            sum(one.still for one, _, _ in watched),
        )
