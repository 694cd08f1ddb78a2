"""From files to people in an index: only what is new or changed is encoded, what is done stays done, and what is away is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Final

from passerby.detect.people import Detecting
from passerby.detect.videos import FPS
from passerby.devices import ROOT
from passerby.errors import InputError
from passerby.find.cameras import correct_camera
from passerby.find.ingest.absence import keep_unseen, miss, missing
from passerby.find.ingest.committing import Done, OnProgress, Progress, commit, mark_crops, watch
from passerby.find.ingest.comparing import Gone, compare, date_anew, link_known, see
from passerby.find.ingest.left_alone import Memory, Settled
from passerby.find.ingest.photos import AT_ONCE, Looking, Shows
from passerby.find.ingest.prune import prune_paths
from passerby.find.ingest.report import IndexReport
from passerby.find.ingest.stages import BATCH, Here, Stages
from passerby.find.ingest.video_files import OnWatched, Tally, why_unwatchable
from passerby.find.ingest.videos import Watching
from passerby.find.removal import forget_all
from passerby.find.retention import Forgotten, Keeping, forget_expired, keep_people, read_keep
from passerby.index.base import Index, as_index
from passerby.inputs import AnyPaths, as_function, as_paths, require, wrong
from passerby.media.clock import as_camera_name, as_zone
from passerby.media.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_named_like_a_video
from passerby.media.name_pattern import NamePattern
from passerby.media.scan import Found, scan_paths
from passerby.media.taken import Clocks
from passerby.model.encoder import Encoder, as_encoder
from passerby.progress import PROGRESS
from passerby.types import CROP, Failure

_LONGEST_SETTLED: Final = 1e9


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
    memory: Memory | None = None,
    on_watched: OnWatched = lambda _done, _total: None,
    stages: Stages | None = None,
    fold: bool = True,
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
        fps, quick, motion: as of :class:`passerby.find.ingest.videos.Watching`. Videos that were looked at otherwise are looked at again.
        keep: how long people are kept from when they were last seen, such as ``30d``, in this run and from now on; ``all`` keeps everybody
            again. Files that are older are not read.
        settled: seconds for which nobody may have written a new or changed file; others are left for a later run.
        memory: of runs before in this process with the same arguments, and for those after. A file whose time is ahead of this machine's
            clock is settled only by it.
        on_watched: is told of videos.
        stages: where pictures are read, looked at and encoded; by default in this process.
        fold: whether it is worked out in the end which of the new crops count once, which takes the longer the more people there are;
            else each counts by itself until the next run that does, or until ``index.fold()``.

    Raises:
        QueryError: no such age.
        InputError: an argument of the wrong kind, or scenes and nothing to find people with.
        IndexFault: the index is of another model, or cannot be written.
        ModelError: the image tower cannot be trusted.
    """
    index, encoder, named, pruned_below = as_index(index), as_encoder(encoder), as_paths(paths), as_paths(prune)
    verify, fold = require(verify, bool, "verify to be True or False"), require(fold, bool, "fold to be True or False")
    quick, motion = require(quick, bool, "quick to be True or False"), require(motion, bool, "motion to be True or False")
    detecting, on_progress, on_watched = _as_detecting(detecting), as_function(on_progress, PROGRESS), as_function(on_watched, PROGRESS)
    pattern, kept_for = None if name_pattern is None else NamePattern.of(name_pattern), None if keep is None else read_keep(keep)
    camera, zone = None if camera is None else as_camera_name(camera), None if zone is None else as_zone(zone)
    watching = None if detecting is None else Watching(detecting, fps, quick, motion)
    looking = Looking(detecting, require(shows, Shows, "what files show, a Shows"), watching)
    stages = Here(encoder, detecting) if stages is None else require(stages, Stages, "stages of an index run, a Stages")  # type: ignore[type-abstract]
    index.require_model(encoder.digest, encoder.name)
    _correct_clock(index, camera, offset, zone)
    clocks = Clocks(pattern, camera, zone, {one.name: one for one in index.cameras()})
    now = int(time.time())
    forgotten = keep_people(index, kept_for, now)
    settled_by, memory = _settled(settled), Memory() if memory is None else require(memory, Memory, "what runs remember, a Memory")
    scan = scan_paths(named, leave_out=index.place(), known_below=partial(_own_below, index), suffixes=IMAGE_SUFFIXES | VIDEO_SUFFIXES)
    unread_because = why_unwatchable(watching) if any(map(is_named_like_a_video, scan.files)) else ""
    looking = replace(looking, watching=None if unread_because else watching)
    progress = Progress(on_progress, len(scan.files))
    compared = compare(index, scan, clocks, looking, Keeping.of(index), memory, settled_by, progress.heed, verify=verify)
    see(index, compared.seen)
    redated, guessed = date_anew(index, compared.undated, clocks, memory.dated, progress.heed)
    progress = Progress(on_progress, len(compared.todo) + len(compared.outdated))
    gone: Gone = {}
    linked = link_known(index, compared.todo, gone, clocks, looking, progress.add)
    outdated = [*compared.outdated, *linked.outdated]
    unseen = [*linked.strangers, *outdated]
    videos = [file for file in unseen if is_named_like_a_video(file.path)]
    crops, photos = _part(looking, [file for file in unseen if not is_named_like_a_video(file.path)], compared.folders)
    done = Done({file.path for file in outdated if (known := index.standing(file.path)) and known.sought is None})
    crops = mark_crops(index, crops, done, progress)
    sought = CROP if looking.asks else None
    commit(index, crops, stages.crops([file.path for file in crops], clocks, sought), BATCH, done, progress)
    if looking.detecting is not None:
        people = stages.photos([file.path for file in photos], clocks, whole=looking.shows is Shows.EITHER)
        commit(index, photos, people, AT_ONCE, done, progress)
    tally = Tally(on_watched)
    if looking.watching is not None:
        watch(index, stages, videos, looking.watching, clocks, done, tally, progress)
    pruned = prune_paths(index, pruned_below) if pruned_below else None
    removed = forget_all(index, sorted(scan.aliases))
    away = keep_unseen(index, scan, done.unreadable, now)
    missing_paths = [missing(path, away) for path in scan.missing]
    miss(index, [path for paths in gone.values() for path in paths], now)
    if fold:
        index.fold()
    index.settle()
    forgotten = _forget_again(index, forgotten)
    _remember_forgotten(index, memory, videos, done.failed, forgotten)
    return IndexReport(
        indexed=linked.moved + done.encoded,
        recognised=linked.moved,
        unchanged=compared.unchanged + linked.same + done.marked,
        removed=removed + (pruned.removed if pruned else 0),
        failed=(
            *missing_paths,
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
        too_old=len(compared.too_old),
        gaps=tuple(tally.gaps),
        unsettled=len(compared.unsettled),
        still=tally.still,
    )


def _forget_again(index: Index, before: Forgotten | None) -> Forgotten | None:
    """Delete whom the index keeps no longer by now; with those of the run who were deleted before."""
    later = forget_expired(index, time.time())
    return before.followed_by(later) if before and later else later


def _correct_clock(index: Index, camera: str | None, offset: str | None, zone: str | None) -> None:
    if camera is not None:
        correct_camera(index, camera, offset, zone, new=True)
    elif offset is not None:
        raise InputError(expected="a camera whose clock the offset corrects", found="none", do="name it: --camera NAME")


def _remember_forgotten(
    index: Index, memory: Memory, videos: Sequence[Found], failed: Sequence[Failure], forgotten: Forgotten | None
) -> None:
    """Remember that videos are too old that were looked at and are not there: they say that they are longer than they are."""
    if forgotten is not None:
        not_seen = {failure.path for failure in failed}
        gone = {file: forgotten.before for file in videos if file.path not in not_seen and index.standing(file.path) is None}
        memory.too_old = memory.too_old | gone


def _settled(settled: object) -> Settled:
    """Until when a file must have become what it is, so that nobody wrote it for so many seconds."""
    if isinstance(settled, bool) or not isinstance(settled, int | float) or not 0 <= settled <= _LONGEST_SETTLED:
        raise wrong(settled, f"settled to be seconds from 0 to {_LONGEST_SETTLED:g}")
    return Settled(time.time() - settled, time.monotonic() - settled) if settled else Settled(inf, inf)


def _own_below(index: Index, path: Path) -> list[Path]:
    """What an index knows below a path of this machine; what devices pushed lies below no path of it."""
    return [known for known in index.paths_under(path) if not known.is_relative_to(ROOT)]


def _as_detecting(value: object) -> Detecting | None:
    return None if value is None else require(value, Detecting, "how people are looked for, a Detecting", "make it: Detecting(detector)")


def _part(looking: Looking, files: Sequence[Found], folders: Mapping[Path, bool]) -> tuple[list[Found], list[Found]]:
    """Files that are taken whole, as crops, and those in which people are looked for."""
    whole = looking.crops([file.path for file in files], folders)
    return [file for file in files if file.path in whole], [file for file in files if file.path not in whole]
