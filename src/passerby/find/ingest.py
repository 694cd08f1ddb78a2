"""From files to people in an index: only what is new or changed is encoded, what is done stays done, and what is away is kept."""

from __future__ import annotations

import stat
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Final

from passerby.detect.people import Detecting
from passerby.devices import ROOT
from passerby.errors import InputError, ModelError, VideoError
from passerby.find.cameras import correct_camera
from passerby.find.comparing import Gone, compare, date_anew, dated_video, link_known, see
from passerby.find.photos import AT_ONCE, Looking, SeenFile, Shows, Undetected
from passerby.find.removal import ROWS, batches, forget_all, named_in
from passerby.find.retention import Forgotten, Keeping, forget_older, keep_people
from passerby.find.stages import BATCH, Here, Stages
from passerby.find.video_files import OnWatched, Tally, hold, reel_of, seconds_of, why_unwatchable
from passerby.find.videos import FPS, Reel, Watching
from passerby.index.base import Index, as_index
from passerby.index.looked_into import Gap
from passerby.index.sqlite.vector_file import TAIL
from passerby.inputs import AnyPaths, as_function, as_paths, require, wrong
from passerby.media.clock import as_camera_name, as_zone
from passerby.media.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_named_like_a_video
from passerby.media.name_pattern import NamePattern
from passerby.media.scan import Found, Scan, find_file, is_gone, scan_paths
from passerby.media.taken import Clocks
from passerby.model.encoder import Encoder, as_encoder
from passerby.progress import PROGRESS
from passerby.types import CROP, Failure, Note

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
    compared = compare(index, scan, clocks, looking, Keeping.of(index), verify=verify, settled_before=settled_before)
    see(index, compared.seen)
    redated, guessed = date_anew(index, compared.undated, clocks)
    progress = _Progress(on_progress, len(compared.todo) + len(compared.outdated))
    gone: Gone = {}
    linked = link_known(index, compared.todo, gone, clocks, looking, progress.add)
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
                reel = reel_of(index, file.path, watching, lambda media: dated_video(index, media, clocks))
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
