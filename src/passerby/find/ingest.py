"""From files to people in an index: only what is new or changed is encoded, what is done stays done, and what is away is kept."""

from __future__ import annotations

import stat
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from math import inf
from pathlib import Path
from typing import Final

from passerby.detect.people import Detecting
from passerby.devices import ROOT
from passerby.errors import ImageError, InputError, ModelError, VideoError
from passerby.find.cameras import correct_camera
from passerby.find.photos import AT_ONCE, Looking, SeenFile, Shows, Undetected
from passerby.find.removal import ROWS, batches, forget_all, named_in
from passerby.find.retention import Forgotten, Keeping, forget_older, keep_people
from passerby.find.stages import BATCH, Here, Stages
from passerby.find.video_files import OnWatched, Tally, begun_at, hold, reel_of, seconds_of, why_unwatchable
from passerby.find.videos import FPS, Reel, Watching
from passerby.index.base import Gap, Index, Standing, as_index
from passerby.index.sqlite.vector_file import TAIL
from passerby.inputs import AnyPaths, as_function, as_paths, require, wrong
from passerby.media.clock import KnownBy, as_camera_name, as_zone
from passerby.media.files import read_media
from passerby.media.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_named_like_a_video
from passerby.media.growing import read_video_media
from passerby.media.name_pattern import NamePattern
from passerby.media.photo import read_exif
from passerby.media.scan import Found, Scan, find_file, has_left, is_gone, scan_paths
from passerby.media.taken import Clocks, Taken
from passerby.model.encoder import Encoder, as_encoder
from passerby.progress import PROGRESS
from passerby.types import CROP, Failure, Media, Note

_LONGEST_SETTLED: Final = 1e9

OnProgress = Callable[[int, int], None]
"""Told how many of the new and changed files are done, safely on the disk, and how many there are."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Media that are kept though their files cannot be seen.

    Args:
        count: how many there are below the paths given.
        new: of these, those that were there the last time.
        since: when the first of them could not be seen for the first time, in seconds since 1970; ``None`` if there are none.
        below: the paths given that name them.
        wholly: of these, those of which nothing that was indexed can be seen.
    """

    count: int = 0
    new: int = 0
    since: int | None = None
    below: tuple[Path, ...] = ()
    wholly: tuple[Path, ...] = ()


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
    away: Absence = Absence()
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


def index_paths(
    index: Index,
    encoder: Encoder,
    paths: AnyPaths,
    on_progress: OnProgress = lambda _done, _total: None,
    *,
    verify: bool = False,
    prune: AnyPaths = (),
    name_pattern: str | None = None,
    camera: str | None = None,
    offset: str | None = None,
    zone: str | None = None,
    detecting: Detecting | None = None,
    shows: Shows = Shows.EITHER,
    fps: float = FPS,
    quick: bool = False,
    motion: bool = False,
    keep: str | None = None,
    settled: float = 0.0,
    on_watched: OnWatched = lambda _done, _total: None,
    stages: Stages | None = None,
) -> IndexReport:
    """Bring an index up to date with files, folders and patterns.

    Every ``BATCH`` crops, ``AT_ONCE`` photos or few seconds of a video are committed together; stopped at any moment, the next run goes on
    from there.
    Files are unchanged by size and times, else by content. A media moves if its bytes are found elsewhere, its file is gone, and the folder
    that held it can be read on the device that it was on; else media whose files cannot be seen are kept, and said to be away.

    Args:
        paths: several, or one alone.
        verify: read every file again, whatever its times say; only other bytes are encoded again.
        name_pattern: of the files' names, which say when and by which camera they were taken, as
            :meth:`passerby.media.name_pattern.NamePattern.of` reads it; EXIF says it better.
        camera: the name of what took all these files.
        offset: what to add to its clock, as for :func:`passerby.find.cameras.correct_camera`.
        zone: in which cameras' clocks tell the time, where neither the file nor the camera says; ``None`` says the machine's. With
            ``camera`` it is that camera's from now on. Where one of these three is given, unchanged files are dated anew by them too.
        prune: where media whose files are gone are deleted from the index when all else is done, as by `prune_paths`.
        detecting: how people are looked for in photos. Where they were looked for otherwise, or not yet, photos are looked at again, and
            crops are left alone. Without it every file is taken whole, as one person.
        shows: what the files show. By default a few files of each folder are looked at: where they are crops, so are all in it, and else
            each file is looked at by itself. Which files are videos, their names say.
        fps, quick, motion: as of :class:`passerby.find.videos.Watching`. Videos that were looked at otherwise are looked at again.
        keep: how long people are kept from when they were last seen, such as ``30d``, in this run and from now on; ``all`` keeps everybody
            again. Files that are older are not read, as of :func:`passerby.find.retention.forget_older`.
        settled: seconds for which nobody may have written a new or changed file; others are left for a later run.
        on_watched: is told of videos.
        stages: where pictures are read, looked at and encoded; by default in this process.

    Raises:
        QueryError: no such age.
        InputError: an argument of the wrong kind, or scenes and nothing to find people with.
        IndexFault: the index is of another model, or cannot be written.
        ModelError: the image tower cannot be trusted.
    """
    index, encoder, named, pruned_below = as_index(index), as_encoder(encoder), as_paths(paths), as_paths(prune)
    verify, on_progress = require(verify, bool, "verify to be True or False"), as_function(on_progress, PROGRESS)
    quick, on_watched = require(quick, bool, "quick to be True or False"), as_function(on_watched, PROGRESS)
    pattern = None if name_pattern is None else NamePattern.of(name_pattern)
    camera, zone = None if camera is None else as_camera_name(camera), None if zone is None else as_zone(zone)
    detecting, motion = _as_detecting(detecting), require(motion, bool, "motion to be True or False")
    watching = None if detecting is None else Watching(detecting, fps, quick, motion)
    looking = Looking(detecting, require(shows, Shows, "what files show, a Shows"), watching)
    stages = Here(encoder, detecting) if stages is None else require(stages, Stages, "stages of an index run, a Stages")  # type: ignore[type-abstract]
    index.require_model(encoder.digest, encoder.name)
    if camera is not None:
        correct_camera(index, camera, offset, zone, new=True)
    elif offset is not None:
        raise InputError(expected="a camera whose clock the offset corrects", found="none", do="name it: --camera NAME")
    clocks = Clocks(pattern, camera, zone, {one.name: one for one in index.cameras()})
    now = int(time.time())
    forgotten = _forget(index) if keep is None else keep_people(index, keep, now)
    settled_before = _settled_before(settled)
    scan = scan_paths(named, leave_out=index.place(), known_below=partial(_own_below, index), suffixes=IMAGE_SUFFIXES | VIDEO_SUFFIXES)
    unread_because = why_unwatchable(watching) if any(map(is_named_like_a_video, scan.files)) else ""
    looking = replace(looking, watching=None if unread_because else watching)
    compared = _compare(index, scan, clocks, looking, Keeping.of(index), verify=verify, settled_before=settled_before)
    _see(index, compared.seen)
    redated, guessed = _date(index, compared.undated, clocks)
    progress = _Progress(on_progress, len(compared.todo) + len(compared.outdated))
    gone: _Gone = {}
    linked = _link_known(index, compared.todo, gone, clocks, looking, progress)
    outdated = [*compared.outdated, *linked.outdated]
    unseen = [*linked.strangers, *outdated]
    videos = [file for file in unseen if is_named_like_a_video(file.path)]
    crops, photos = _part(looking, [file for file in unseen if not is_named_like_a_video(file.path)], compared.folders)
    done = _Done({file.path for file in outdated if (known := index.standing(file.path)) and known.sought is None})
    crops = _mark(index, crops, done, progress)
    sought = CROP if looking.asks else None
    _commit(index, crops, stages.crops([file.path for file in crops], clocks, sought), BATCH, done, progress)
    if looking.detecting is not None:
        people = stages.photos([file.path for file in photos], clocks, whole=looking.shows is Shows.EITHER)
        _commit(index, photos, people, AT_ONCE, done, progress)
    tally = Tally(on_watched)
    if looking.watching is not None:
        _watch(index, stages, videos, looking.watching, clocks, done, tally, progress)
    pruned = prune_paths(index, pruned_below) if pruned_below else None
    removed = forget_all(index, sorted(scan.aliases))
    away = _keep_unseen(index, scan, done.unreadable, now)
    missing = [_missing(path, away) for path in scan.missing]
    _miss(index, [path for paths in gone.values() for path in paths], now)
    index.fold()
    index.settle()
    forgotten = _forget(index, forgotten)
    return IndexReport(
        indexed=linked.moved + done.encoded,
        recognised=linked.moved,
        unchanged=compared.unchanged + linked.same + done.marked,
        removed=removed + (pruned.removed if pruned else 0),
        failed=(
            *missing,
            *scan.failed,
            *compared.failed,
            *(Failure(file.path, unread_because) for file in compared.unread if file.named),
            *done.failed,
            *(pruned.failed if pruned else ()),
        ),
        skipped=scan.skipped,
        away=away,
        notes=(*done.notes, *tally.notes, *guessed),
        suppressed=sum(index.kept_out(path) for path in {file.path for file in (*compared.todo, *photos, *videos)}),
        redated=redated,
        crops=done.crops,
        photos=done.photos,
        people=done.people,
        nobody=done.nobody,
        videos=tally.videos,
        tracks=tally.tracks,
        static=tally.static,
        watched=tally.seconds,
        unread=tuple(file.path for file in compared.unread if not file.named),
        unread_because=unread_because if compared.unread else "",
        forgotten=forgotten,
        too_old=compared.too_old,
        gaps=tuple(tally.gaps),
        unsettled=compared.unsettled,
        still=tally.still,
    )


def prune_paths(index: Index, paths: AnyPaths) -> IndexReport:
    """Delete from an index what paths name, as for `remove_paths`, and whose files are gone; what is there, or might be, stays.

    Raises:
        InputError: an argument of the wrong kind.
        IndexFault: the index cannot be written, or another process holds on to deleted data.
    """
    index = as_index(index)
    known, failed = named_in(index, as_paths(paths))
    gone, there = [], 0
    for path in known:
        if path.is_relative_to(ROOT):  # its file is on a device, which says itself when it goes
            continue
        try:
            find_file(path)
            there += 1
        except (FileNotFoundError, NotADirectoryError):
            gone.append(path)
        except OSError as error:
            cause = (error.strerror or type(error).__name__).lower()
            failed.append(
                Failure(path, f"expected a file that is gone, found: {cause}; it is kept, passerby remove deletes it all the same")
            )
    removed = forget_all(index, gone)
    index.fold()
    index.purge()
    return IndexReport(0, 0, there, removed, tuple(failed), 0)


def _forget(index: Index, before: Forgotten | None = None) -> Forgotten | None:
    """Delete whom the index does not keep so long, if there is such a bound; with those of the run who were deleted before."""
    bound = index.kept_from()
    if bound is None:
        return None
    now = forget_older(index, bound)
    if before is None:
        return now
    return before.followed_by(now)


def _settled_before(settled: object) -> float:
    """When a file must have been written last, in seconds since 1970, so that nobody did for so many seconds."""
    if isinstance(settled, bool) or not isinstance(settled, int | float) or not 0 <= settled <= _LONGEST_SETTLED:
        raise wrong(settled, f"settled to be seconds from 0 to {_LONGEST_SETTLED:g}")
    return time.time() - settled if settled else inf


def _own_below(index: Index, path: Path) -> list[Path]:
    """What an index knows below a path of this machine; what devices pushed lies below no path of it."""
    return [known for known in index.paths_under(path) if not known.is_relative_to(ROOT)]


def _as_detecting(value: object) -> Detecting | None:
    return None if value is None else require(value, Detecting, "how people are looked for, a Detecting", "make it: Detecting(detector)")


class _Progress:
    """How many of the new, changed and outdated files are done."""

    def __init__(self, told: OnProgress, total: int) -> None:
        self._told, self._total, self._done = told, total, 0

    def add(self, count: int) -> None:
        if count:
            self._done += count
            self._told(self._done, self._total)


@dataclass(slots=True)
class _Compared:
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
        too_old: how many new files are too old to be kept.
        unsettled: new and changed files that were written a moment ago.
    """

    todo: list[Found] = field(default_factory=list)
    seen: list[Found] = field(default_factory=list)
    undated: list[tuple[Found, bool]] = field(default_factory=list)
    outdated: list[Found] = field(default_factory=list)
    unchanged: int = 0
    failed: list[Failure] = field(default_factory=list)
    folders: dict[Path, bool] = field(default_factory=dict)
    unread: list[Found] = field(default_factory=list)
    too_old: int = 0
    unsettled: int = 0

    def add(self, file: Found, to: list[Found], settled_before: float) -> None:
        """Take a new or changed file, unless somebody may still write it."""
        if file.modified_ns >= settled_before * 1e9:
            self.unsettled += 1
        else:
            to.append(file)


def _compare(
    index: Index, scan: Scan, clocks: Clocks, looking: Looking, keeping: Keeping, *, verify: bool, settled_before: float
) -> _Compared:
    found = _Compared()
    for file, known in (_known(index, scan, file) for file in scan.files.values()):
        is_video = is_named_like_a_video(file.path)
        if known is not None and known.sought is not None and not is_video:
            folder = file.path.parent
            found.folders[folder] = found.folders.get(folder, True) and known.sought == CROP
        new = found.unread if is_video and looking.watching is None else found.todo
        if known is None and keeping.bound is not None and keeping.leaves_out(file, _taken(clocks, file, by_content=True)):
            found.too_old += 1
        elif known is None or verify or _has_changed(known, file):
            found.add(file, new, settled_before)
        elif known.failure is None:
            if looking.is_current(file.path, known.sought):
                found.unchanged += 1
            else:
                found.outdated.append(file)
            if (known.changed_ns, known.device, known.away_since) != (file.changed_ns, file.device, None):
                found.seen.append(file)
            if _may_be_dated_otherwise(clocks, file, known) and not (is_video and looking.watching is None):
                found.undated.append((file, is_video or known.known_by in (None, KnownBy.EXIF)))
        elif file.named:
            new.append(file)
        else:
            found.failed.append(Failure(file.path, known.failure))
    return found


def _part(looking: Looking, files: Sequence[Found], folders: Mapping[Path, bool]) -> tuple[list[Found], list[Found]]:
    """Files that are taken whole, as crops, and those in which people are looked for."""
    whole = looking.crops([file.path for file in files], folders)
    return [file for file in files if file.path in whole], [file for file in files if file.path not in whole]


def _mark(index: Index, crops: Sequence[Found], done: _Done, progress: _Progress) -> list[Found]:
    """Keep of files that were taken whole before anybody asked that they are crops; the others, which are to be encoded."""
    for batch in batches([file for file in crops if file.path in done.whole], ROWS):
        with index.writing():
            for file in batch:
                done.mark(index, file.path)
        progress.add(len(batch))
    return [file for file in crops if file.path not in done.whole]


def _may_be_dated_otherwise(clocks: Clocks, file: Found, known: Standing) -> bool:
    """Whether what a run says of clocks may change when or by which camera an unchanged file was taken; of earlier versions' files nothing
    is known."""
    if known.known_by is None or not clocks.is_given:
        return known.known_by is None
    found = clocks.taken(file.path, file.modified_ns)
    by_name = found.instant is not None and found.instant.known_by is KnownBy.NAME
    if known.known_by == KnownBy.EXIF or (known.known_by == KnownBy.CONTAINER and not by_name):
        return (found.camera, clocks.zone_of(found.camera)) != (known.camera, known.zone)
    return not _is_dated(known, found)


def _is_dated(known: Standing, found: Taken) -> bool:
    instant = None if known.started_at is None or known.known_by is None else (known.started_at, known.zone, known.known_by)
    return (known.camera, instant) == (found.camera, found.instant and (found.instant.at, found.instant.zone, found.instant.known_by))


def _date(index: Index, files: Sequence[tuple[Found, bool]], clocks: Clocks) -> tuple[int, list[Note]]:
    """Date unchanged files anew; how many are dated otherwise than before, and what had to be guessed of them.

    Args:
        files: each with whether to look at what it says itself.
    """
    changed, notes = 0, list[Note]()
    for batch in batches(files, ROWS):
        read = [(file, _taken(clocks, file, by_content=by_content)) for file, by_content in batch]
        others = [(file, found) for file, found in read if (known := index.standing(file.path)) and not _is_dated(known, found)]
        if others:
            with index.writing():
                for file, found in others:
                    index.date(file.path, found.camera, found.instant)
                    notes += [Note(file.path, note) for note in found.notes]
        changed += len(others)
    return changed, notes


def _taken(clocks: Clocks, file: Found, *, by_content: bool) -> Taken:
    if not by_content:
        return clocks.taken(file.path, file.modified_ns)
    if is_named_like_a_video(file.path):
        return clocks.taken(file.path, file.modified_ns, begun_at=begun_at(file.path))
    return clocks.taken(file.path, file.modified_ns, read_exif(file.path))


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
    for path in index.with_size_and_time(file.size, file.modified_ns):
        if path not in scan.files:
            try:
                found = find_file(path)
            except OSError:
                continue
            if found.identity == file.identity:
                return found, index.standing(path)
    return file, None


def _see(index: Index, files: Sequence[Found]) -> None:
    for batch in batches(files, ROWS):
        with index.writing():
            for file in batch:
                index.see(file.path, file.changed_ns, file.device)


_Gone = dict[str, dict[Path, bool]]
"""Of each digest that was met, the paths that held it and are gone, and whether files have left them and can be recognised elsewhere."""


@dataclass(slots=True)
class _Linked:
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


def _link_known(index: Index, todo: Sequence[Found], gone: _Gone, clocks: Clocks, looking: Looking, progress: _Progress) -> _Linked:
    """Settle files whose bytes are known."""
    linked = _Linked()
    for batch in batches(todo, BATCH):
        read = [_read_known_size(index, file, clocks) for file in batch]
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
                    if index.link(_as_known(index, item, clocks)):
                        (same if is_same else moved).add(item.path)
        outdated = {path for path in same | moved if (known := index.standing(path)) and not looking.is_current(path, known.sought)}
        linked.strangers += [file for file in batch if file.path not in same | moved]
        linked.outdated += [file for file in batch if file.path in outdated]
        linked.same += len(same - outdated)
        linked.moved += len(moved - outdated)
        progress.add(len((same | moved) - outdated))
    return linked


def _move_to(index: Index, item: Media, gone: _Gone) -> None:
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


def _as_known(index: Index, item: Media, clocks: Clocks) -> Media:
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
            return _dated_video(index, read_video_media(file.path), clocks)
        media, data = read_media(file.path)
    except (ImageError, VideoError):
        return None
    return _as_known(index, clocks.date(media, read_exif(BytesIO(data)))[0], clocks)


def _dated_video(index: Index, media: Media, clocks: Clocks) -> Media:
    return _as_known(index, clocks.date(media, None, begun_at=begun_at(media.path))[0], clocks)


@dataclass(slots=True)
class _Done:
    """What became of the files that were encoded.

    Args:
        whole: unchanged files that were taken whole before anybody asked what they show.
        marked: those of them that turned out to be crops.
        unreadable: of the failures, media that cannot be read.
    """

    whole: Set[Path]
    encoded: int = 0
    marked: int = 0
    crops: int = 0
    photos: int = 0
    people: int = 0
    nobody: int = 0
    failed: list[Failure] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def mark(self, index: Index, path: Path) -> None:
        """Keep that a file is a crop; who it shows stays who they are."""
        index.mark(path, CROP)
        self.marked += 1
        self.crops += 1

    def put(self, index: Index, seen: SeenFile) -> None:
        """Hold the people in a file."""
        if seen.media.sought == CROP and seen.media.path in self.whole:
            self.mark(index, seen.media.path)
            return
        index.put(seen.media, seen.people)
        self.encoded += 1
        self.notes += seen.notes
        if seen.media.sought == CROP:
            self.crops += 1
        elif seen.media.sought is not None:
            self.photos += 1
            self.people += len(seen.people)
            self.nobody += not seen.people


def _commit(
    index: Index, files: Sequence[Found], results: Generator[SeenFile | Undetected | Failure], size: int, done: _Done, progress: _Progress
) -> None:
    """Commit what becomes of files, so many together."""
    with closing(results):
        for batch in batches(files, size):
            outcomes = [(file, next(results)) for file in batch]
            with index.writing():
                for file, outcome in outcomes:
                    if isinstance(outcome, SeenFile):
                        done.put(index, outcome)
                    elif isinstance(outcome, Undetected):
                        done.failed.append(outcome.failure)
                    else:
                        _fail(index, file, outcome, done)
            index.settle(TAIL)
            progress.add(len(batch))


def _watch(
    index: Index,
    stages: Stages,
    files: Sequence[Found],
    watching: Watching,
    clocks: Clocks,
    done: _Done,
    tally: Tally,
    progress: _Progress,
) -> None:
    """Look at videos, and commit one after the other."""
    tally.total = seconds_of([file.path for file in files])
    begun = deque[Found]()

    def fail(file: Found, error: VideoError | ModelError) -> None:
        if isinstance(error, ModelError):  # nothing is wrong with the file
            done.failed.append(Failure(file.path, str(error)))
        else:
            with index.writing():
                _fail(index, file, Failure(file.path, str(error)), done)
        progress.add(1)

    def reels() -> Iterator[Reel]:
        for file in files:
            try:
                reel = reel_of(index, file.path, watching, lambda media: _dated_video(index, media, clocks))
            except VideoError as error:
                fail(file, error)
            else:
                begun.append(file)
                yield reel

    for reel, stretches in stages.videos(reels(), watching):
        file = begun.popleft()
        try:
            hold(index, reel, stretches, tally)
        except (ModelError, VideoError) as error:
            fail(file, error)
        else:
            done.encoded += 1
            progress.add(1)


def _fail(index: Index, file: Found, failure: Failure, done: _Done) -> None:
    """Remember what could not be used; media that cannot be read are away."""
    done.failed.append(Failure(file.path, failure.reason))
    known = index.standing(file.path)
    if known and known.digest and not _can_be_read(file.path):
        done.unreadable.append(file.path)
    else:
        index.fail(file.path, file.size, file.changed_ns, failure.reason)


def _can_be_read(path: Path) -> bool:
    """Whether there is something to be read; of a pipe or device it is known without waiting for it."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return True
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
    except OSError:
        return False
    return True


def _keep_unseen(index: Index, scan: Scan, unreadable: Sequence[Path], now: int) -> Absence:
    """Say of media that cannot be seen that they are away; failures of files that are gone say nothing any more."""
    since: dict[Path, int] = {}
    new: list[Path] = []
    over: list[Path] = []
    for path in dict.fromkeys([*scan.unseen, *unreadable]):
        known = index.standing(path)
        if known and known.digest:
            since[path] = known.away_since or now
            new += [path] * (known.away_since is None)
        elif known and is_gone(path):
            over.append(path)
    _miss(index, new, now)
    forget_all(index, over)
    there = set(scan.files).difference(unreadable)
    below = [root for root, known in scan.roots.items() if not since.keys().isdisjoint(known)]
    wholly = [root for root in below if there.isdisjoint(scan.roots[root])]
    return Absence(
        len(since), len(new), min(since.values(), default=None), tuple(root.path for root in below), tuple(root.path for root in wholly)
    )


def _miss(index: Index, paths: Sequence[Path], now: int) -> None:
    for batch in batches(paths, ROWS):
        with index.writing():
            for path in batch:
                index.miss(path, now)


def _missing(path: Path, away: Absence) -> Failure:
    if path in away.below:
        return Failure(path, "expected a file or folder, found nothing; what the index holds of it is kept")
    return Failure(path, "expected a file or folder, found nothing; check the path")
