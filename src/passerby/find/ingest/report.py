"""What a run of indexing did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from passerby.find.ingest.absence import Absence
from passerby.find.retention import Forgotten
from passerby.index.looked_into import Gap
from passerby.types import Failure, Note


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a run of indexing did.

    Args:
        indexed: media that are new, or new in content.
        recognised: of these, the moved or copied ones, whose bytes were known and not encoded again.
        unchanged: media that were there before.
        removed: media deleted from the index: pruned, or a second path of a file that stands there by another.
        failed: files that could not be used, now or in an earlier run that they have not changed since.
        skipped: files in folders that are no pictures by their names.
        away: media that cannot be seen.
        notes: what had to be guessed of the encoded ones.
        suppressed: people of new and changed files who were left out, as they had been removed.
        redated: of the unchanged ones, media of which it is now known otherwise when or by which camera they were taken.
        crops: media that are taken for crops of one person, by a look or as was said, from this run on.
        photos: media in which people were looked for in this run.
        people: who was found in them.
        nobody: photos in which nobody was found.
        videos: those that were read to their end in this run.
        tracks: who was found in them in this run, each from when they come to when they go.
        static: things in them that look like people and never move.
        watched: seconds of video that were looked at in this run.
        unread: videos in folders that were not read, as something is missing here.
        unread_because: what that is, in one line.
        forgotten: who was deleted as the index keeps nobody who was last seen that long ago; ``None`` where it keeps everybody.
        too_old: files that were not read for that.
        gaps: stretches of these videos that could not be read.
        unsettled: new and changed files that were left for a later run, as somebody may still write them.
        still: frames of them that were not looked at, as nothing had moved.
    """

    indexed: int
    recognised: int
    unchanged: int
    removed: int
    failed: tuple[Failure, ...]
    skipped: int
    away: Absence = field(default_factory=Absence)
    notes: tuple[Note, ...] = ()
    suppressed: int = 0
    redated: int = 0
    crops: int = 0
    photos: int = 0
    people: int = 0
    nobody: int = 0
    videos: int = 0
    tracks: int = 0
    static: int = 0
    watched: float = 0.0
    unread: tuple[Path, ...] = ()
    unread_because: str = ""
    forgotten: Forgotten | None = None
    too_old: int = 0
    gaps: tuple[Gap, ...] = ()
    unsettled: int = 0
    still: int = 0
