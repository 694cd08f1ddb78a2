"""What files are beside what an index knows of them: unchanged, new, changed or moved, or dated otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from math import inf
from pathlib import Path

from passerby.errors import ImageError, VideoError
from passerby.find.ingest.left_alone import Memory, Settled
from passerby.find.ingest.photos import Looking
from passerby.find.ingest.stages import BATCH
from passerby.find.ingest.video_files import begun_at, facts_of
from passerby.find.removal import ROWS, batches
from passerby.find.retention import Keeping
from passerby.index.base import Index
from passerby.index.info import Standing
from passerby.media.clock import KnownBy
from passerby.media.files import read_media
from passerby.media.formats import is_named_like_a_video
from passerby.media.frame import Video
from passerby.media.growing import read_video_media
from passerby.media.photo import read_exif
from passerby.media.scan import Found, Scan, has_left, is_gone, same_file
from passerby.media.taken import Clocks, Taken
from passerby.types import CROP, Failure, Media, Note


@dataclass(slots=True)
class Compared:
    """What files are beside what an index knows of them.

    Args:
        todo: files to be read.
        seen: unchanged files with something new to keep.
        undated: those that may be dated otherwise, and whether their EXIF is to be looked at.
        outdated: unchanged files in which people were not looked for as in this run.
        unchanged: how many others are unchanged.
        failed: failures that would only repeat.
        folders: those with known files of which it was asked what they show: whether all are crops.
        unread: new and changed videos, where these cannot be read.
        too_old: new files that are too old to be kept, as of `Memory`.
        unsettled: new and changed files that somebody may still write, likewise.
        dated: unchanged files that need not be looked at again for when they were taken, likewise.
    """

    todo: list[Found] = field(default_factory=list)
    seen: list[Found] = field(default_factory=list)
    undated: list[tuple[Found, bool]] = field(default_factory=list)
    outdated: list[Found] = field(default_factory=list)
    unchanged: int = 0
    failed: list[Failure] = field(default_factory=list)
    folders: dict[Path, bool] = field(default_factory=dict)
    unread: list[Found] = field(default_factory=list)
    too_old: dict[Found, float] = field(default_factory=dict)
    unsettled: dict[Found, float] = field(default_factory=dict)
    dated: dict[Found, Standing] = field(default_factory=dict)

    def waits_for(self, file: Found, memory: Memory, settled: Settled, now: float) -> bool:
        """Whether a new or changed file may still be written, and is left for a later run."""
        since = memory.unsettled.get(file, now)
        if settled.holds(file, since):
            return False
        self.unsettled[file] = since
        return True

    def leaves_out(self, file: Found, memory: Memory, clocks: Clocks, keeping: Keeping) -> bool:
        """Whether a new file is too old to be kept, as it says itself or by its name."""
        if keeping.bound is None:
            return False
        bound = memory.too_old.get(file, inf)
        if bound > keeping.bound:
            if not keeping.leaves_out(*_lasting(clocks, file)):
                return False
            bound = keeping.bound
        self.too_old[file] = bound
        return True

    def add_unchanged(self, file: Found, known: Standing, memory: Memory, clocks: Clocks, looking: Looking) -> None:
        """Take a file that can be used and holds what it did."""
        is_video = is_named_like_a_video(file.path)
        if looking.is_current(file.path, known.sought):
            self.unchanged += 1
        else:
            self.outdated.append(file)
        if (known.changed_ns, known.device, known.away_since) != (file.changed_ns, file.device, None):
            self.seen.append(file)
        if not _may_be_dated_otherwise(clocks, file, known) or (is_video and looking.watching is None):
            return
        if memory.dated.get(file) == known:
            self.dated[file] = known
        else:
            self.undated.append((file, is_video or known.known_by in (None, KnownBy.EXIF)))


def compare(
    index: Index,
    scan: Scan,
    clocks: Clocks,
    looking: Looking,
    keeping: Keeping,
    memory: Memory,
    settled: Settled,
    heed: Callable[[], None],
    *,
    verify: bool,
) -> Compared:
    """Hold all files of a scan against an index.

    Args:
        memory: of the runs before; of this one afterwards.
        heed: is called every ``BATCH`` files.
    """
    memory.date_by(clocks)
    found, now = Compared(), time.monotonic()
    for number, (file, known) in enumerate(_known(index, scan, file) for file in scan.files.values()):
        if number % BATCH == 0:
            heed()
        is_video = is_named_like_a_video(file.path)
        if known is not None and known.sought is not None and not is_video:
            folder = file.path.parent
            found.folders[folder] = found.folders.get(folder, True) and known.sought == CROP
        new = found.unread if is_video and looking.watching is None else found.todo
        if known is None or verify or _has_changed(known, file):
            is_left = found.waits_for(file, memory, settled, now) or (known is None and found.leaves_out(file, memory, clocks, keeping))
            if not is_left:
                new.append(file)
        elif known.failure is None:
            found.add_unchanged(file, known, memory, clocks, looking)
        elif file.named:
            new.append(file)
        else:
            found.failed.append(Failure(file.path, known.failure))
    memory.unsettled, memory.too_old, memory.dated = found.unsettled, found.too_old, found.dated
    return found


def _may_be_dated_otherwise(clocks: Clocks, file: Found, known: Standing) -> bool:
    """Whether what a run says of clocks may change when or by which camera an unchanged file was taken; of earlier versions' files nothing
    is known."""
    if known.known_by is None or not clocks.is_given:
        return known.known_by is None
    found = clocks.taken(file.path, file.modified_ns)
    by_name = found.instant is not None and found.instant.known_by is KnownBy.NAME
    if known.known_by == KnownBy.EXIF or (known.known_by in (KnownBy.CONTAINER, KnownBy.FILE) and not by_name):
        return (found.camera, clocks.zone_of(found.camera)) != (known.camera, known.zone)
    return not _is_dated(known, found)


def _is_dated(known: Standing, found: Taken) -> bool:
    instant = None if known.started_at is None or known.known_by is None else (known.started_at, known.zone, known.known_by)
    return (known.camera, instant) == (found.camera, found.instant and (found.instant.at, found.instant.zone, found.instant.known_by))


def date_anew(
    index: Index, files: Sequence[tuple[Found, bool]], clocks: Clocks, dated: dict[Found, Standing], heed: Callable[[], None]
) -> tuple[int, list[Note]]:
    """Date unchanged files anew; how many are dated otherwise than before, and what had to be guessed of them.

    Args:
        files: each with whether to look at what it says itself.
        dated: takes those that say what they said before, as of `Memory`.
        heed: is called before each file.
    """
    changed, notes = 0, list[Note]()
    for batch in batches(files, ROWS):
        others = list[tuple[Found, Taken]]()
        for file, by_content in batch:
            heed()
            found, known = taken_of(clocks, file, by_content=by_content), index.standing(file.path)
            if known and _is_dated(known, found):
                dated[file] = known
            elif known:
                others.append((file, found))
        if others:
            with index.writing():
                for file, found in others:
                    index.date(file.path, found.camera, found.instant)
                    notes += [Note(file.path, note) for note in found.notes]
        changed += len(others)
    return changed, notes


def taken_of(clocks: Clocks, file: Found, *, by_content: bool) -> Taken:
    if not by_content:
        return clocks.taken(file.path, file.modified_ns)
    if is_named_like_a_video(file.path):
        return clocks.taken(file.path, file.modified_ns, begun_at=begun_at(facts_of(file.path), file.modified_ns))
    return clocks.taken(file.path, file.modified_ns, read_exif(file.path))


def _lasting(clocks: Clocks, file: Found) -> tuple[Taken, float]:
    """When a file was taken, and for how many seconds; a video that does not say it, as while it is written, ended when last changed."""
    if not is_named_like_a_video(file.path):
        return taken_of(clocks, file, by_content=True), 0.0
    video = facts_of(file.path)
    taken = clocks.taken(file.path, file.modified_ns, begun_at=begun_at(video, file.modified_ns))
    if video is not None and video.duration is not None:
        return taken, video.duration
    return taken, max(0.0, file.modified_ns / 1e9 - taken.instant.at) if taken.instant else 0.0


def _has_changed(known: Standing, file: Found) -> bool:
    """Whether a file may hold other bytes than it did; an older version did not keep the status change time."""
    if known.failure is not None:
        return (known.size, known.time_ns) != (file.size, file.changed_ns)
    return (known.size, known.time_ns, known.changed_ns or file.changed_ns) != (file.size, file.modified_ns, file.changed_ns)


def _known(index: Index, scan: Scan, file: Found) -> tuple[Found, Standing | None]:
    """What is known of a file; by the path it has in the index, where that is one that was not named: a link's other end, or a mount's."""
    known = index.standing(file.path)
    if known is not None:
        return file, known
    others = (path for path in index.with_size_and_time(file.size, file.modified_ns) if path not in scan.files)
    found = same_file(file, others)
    return (found, index.standing(found.path)) if found else (file, None)


def see(index: Index, files: Sequence[Found]) -> None:
    for batch in batches(files, ROWS):
        with index.writing():
            for file in batch:
                index.see(file.path, file.changed_ns, file.device)


Gone = dict[str, dict[Path, bool]]
"""Of each digest that was met, the paths that held it and are gone, and whether files have left them and can be recognised elsewhere."""


@dataclass(slots=True)
class Linked:
    """Files whose bytes are known, and others.

    Args:
        strangers: those whose bytes are not known.
        outdated: those in which people were not looked for as in this run.
        moved, same: how many of the others are moved or copied, and whose bytes are as they were.
    """

    strangers: list[Found] = field(default_factory=list)
    outdated: list[Found] = field(default_factory=list)
    moved: int = 0
    same: int = 0


def link_known(index: Index, todo: Sequence[Found], gone: Gone, clocks: Clocks, looking: Looking, done: Callable[[int], None]) -> Linked:
    """Settle files whose bytes are known.

    Args:
        done: is told how many more are; 0 at first, and after each that was read.
    """
    linked = Linked()
    done(0)
    for batch in batches(todo, BATCH):
        read = list[Media | None]()
        for file in batch:
            read.append(_read_known_size(index, file, clocks))
            done(0)
        same = {item.path for item in read if item and _is_current(index.standing(item.path), item)}
        moved = set[Path]()
        changed = [item for item in read if item and item.path not in same]
        if changed:
            with index.writing():
                for item in changed:
                    before = index.standing(item.path)
                    is_same = before is not None and before.digest == item.digest
                    if not is_same:
                        _move_to(index, item, gone)
                    if index.link(as_known(index, item, clocks)):
                        (same if is_same else moved).add(item.path)
        outdated = {path for path in same | moved if (known := index.standing(path)) and not looking.is_current(path, known.sought)}
        linked.strangers += [file for file in batch if file.path not in same | moved]
        linked.outdated += [file for file in batch if file.path in outdated]
        linked.same += len(same - outdated)
        linked.moved += len(moved - outdated)
        done(len((same | moved) - outdated))
    return linked


def _move_to(index: Index, item: Media, gone: Gone) -> None:
    """Let a media of the same bytes move to where a file was found, one of its name first, if one has left its place."""
    if item.digest not in gone:
        gone[item.digest] = {path: has_left(path, device) for path, device in index.with_digest(item.digest) if is_gone(path)}
    left = [path for path, has in gone[item.digest].items() if has]
    if left:
        source = min(left, key=lambda path: path.name != item.path.name)
        del gone[item.digest][source]
        index.move(source, item.path)


def _is_current(known: Standing | None, item: Media) -> bool:
    now = Standing(item.size, item.modified_ns, item.digest, None, item.changed_ns, item.device, None)
    taken = replace(now, camera=item.camera, started_at=item.started_at, zone=item.zone, known_by=item.known_by)
    return known is not None and known == replace(taken, sought=known.sought)


def as_known(index: Index, item: Media, clocks: Clocks) -> Media:
    """A media whose bytes its path has held: what was told of its camera and its clock stays, where this run says nothing of them."""
    known = index.standing(item.path)
    if clocks.is_given or known is None or known.digest != item.digest or known.known_by is None:
        return item
    kept = replace(item, camera=known.camera, zone=known.zone)
    return kept if known.known_by == KnownBy.FILE else replace(kept, started_at=known.started_at, known_by=known.known_by)


def _read_known_size(index: Index, file: Found, clocks: Clocks) -> Media | None:
    """A file's digest, worked out only if some media has its size: no other can have its bytes; and when it was taken."""
    if not index.knows_size(file.size):
        return None
    try:
        if is_named_like_a_video(file.path):
            return dated_video(index, read_video_media(file.path), facts_of(file.path), clocks)
        media, data = read_media(file.path)
    except (ImageError, VideoError):
        return None
    return as_known(index, clocks.date(media, read_exif(BytesIO(data)))[0], clocks)


def dated_video(index: Index, media: Media, video: Video | None, clocks: Clocks) -> Media:
    """A video, saying when it was begun and by which camera."""
    return as_known(index, clocks.date(media, None, begun_at=begun_at(video, media.modified_ns))[0], clocks)
