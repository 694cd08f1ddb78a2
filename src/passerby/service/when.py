"""When people were seen, by clocks that go right."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from passerby.index.base import Index
from passerby.media.clock import clock_time
from passerby.types import Crop, Person


def offsets_of(index: Index) -> dict[str, float]:
    """What each camera's clock is corrected by, in seconds."""
    return {camera.name: camera.offset_seconds for camera in index.cameras()}


def seen_at(person: Person, crop: Crop, offsets: Mapping[str, float]) -> datetime | None:
    """What a clock that goes right showed when the picture of somebody was taken; ``None`` where that is not known."""
    media = person.media
    if media.started_at is None:
        return None
    return clock_time(media.started_at + (crop.time or 0.0), media.zone, offsets.get(media.camera or "", 0.0))
