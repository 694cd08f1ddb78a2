"""What is said of an index: what was put into it, deleted from it, and is in it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from passerby.cli.show.console import (
    ALL_DONE,
    LISTED,
    SOME_FAILED,
    duration_text,
    exit_code,
    failures_json,
    listed,
    local_second,
    local_time,
    note,
    notes_json,
    show_failures,
    show_json,
    show_notes,
    show_table,
)
from passerby.cli.show.videos import note_unread, show_gaps
from passerby.types import utc

if TYPE_CHECKING:
    from passerby.find.copying import CopyReport
    from passerby.find.ingest.absence import Absence
    from passerby.find.ingest.amend import Amended
    from passerby.find.ingest.report import IndexReport
    from passerby.find.removal import RemovalReport
    from passerby.find.retention import Forgotten
    from passerby.find.watch.state import LiveState
    from passerby.index.info import IndexInfo, SeenBy
    from passerby.types import Failure


def show_index_report(report: IndexReport, *, as_json: bool) -> int:
    """Say what indexing did; returns the exit code."""
    if as_json:
        show_json(_report_json(report))
    return _say_report(report)


def show_amended(amended: Amended, *, as_json: bool) -> int:
    """Say what was done to an index without looking at files, as far as it was asked for; returns the exit code."""
    if as_json:
        show_json(_amended_json(amended))
    elif amended.cameras is not None:
        _show_camera_table(amended.cameras)
    if amended.forgotten is not None:
        _note_forgotten(amended.forgotten)
    elif amended.kept_for is not None:
        note("everybody is kept from now on, whenever they were seen; index again to let older files in")
    code = ALL_DONE if amended.pruned is None else _say_report(amended.pruned)
    did_more = amended.cameras is not None or amended.kept_for is not None
    return SOME_FAILED if code and did_more else code


def _amended_json(amended: Amended) -> dict[str, Any]:
    return {
        **({} if amended.pruned is None else _report_json(amended.pruned)),
        **({} if amended.kept_for is None else _forgotten_json(amended.forgotten)),
        **({} if amended.cameras is None else _cameras_json(amended.cameras)),
    }


def _report_json(report: IndexReport) -> dict[str, Any]:
    counts = {
        key: getattr(report, key)
        for key in ("indexed", "recognised", "unchanged", "removed", "skipped", "crops", "photos", "people", "nobody", "videos")
    }
    return {
        **counts,
        "tracks": report.tracks,
        "static": report.static,
        "watched": report.watched,
        "still": report.still,
        "unread": list(map(str, report.unread)),
        "suppressed": report.suppressed,
        "redated": report.redated,
        "forgotten": report.forgotten and report.forgotten.to_json(),
        "too_old": report.too_old,
        "gaps": [gap.to_json() for gap in report.gaps],
        **_away_json(report.away),
        "failed": failures_json(report.failed),
        "notes": notes_json(report.notes),
    }


def _say_report(report: IndexReport) -> int:
    """What indexing did, for people; the exit code."""
    recognised = f" ({report.recognised} moved or copied)" if report.recognised else ""
    skipped = f"; {report.skipped} other files skipped" if report.skipped else ""
    summary = f"{report.indexed} indexed{recognised}, {report.unchanged} unchanged, {report.removed} removed, {len(report.failed)} failed"
    note(summary + skipped)
    if report.crops or report.photos:
        note(_shown(report))
    if report.watched:
        static = f"; hidden, as they never move: {report.static:,}" if report.static else ""
        still = f"; frames skipped, as nothing moved: {report.still:,}" if report.still else ""
        note(f"{duration_text(report.watched)} of video with {report.tracks:,} people{static}{still}")
    note_unread(report.unread, report.unread_because)
    if report.redated:
        note(f"{report.redated} of the unchanged ones have another time or camera now")
    if report.suppressed:
        note(f"{report.suppressed} left out, as they were removed: passerby remove --forget-suppression ID lets them in again")
    if report.forgotten:
        _note_forgotten(report.forgotten)
    if report.too_old:
        note(f"{report.too_old:,} files are older than that and were not read: passerby index --keep all lets them in again")
    show_notes(report.notes)
    show_gaps(report.gaps)
    _note_absence(report.away)
    show_failures(report.failed)
    done = report.indexed + report.unchanged + report.removed + report.away.count + report.too_old
    if not done and not report.failed:
        note("nothing done: expected pictures or videos, found none; name files, or folders that hold some")
    return exit_code(done, len(report.failed) + len(report.away.wholly) + report.away.new)


def _shown(report: IndexReport) -> str:
    """What the files of a run show."""
    crops = f"{report.crops:,} crops" if report.crops else ""
    nobody = f", nobody in {report.nobody:,} of them" if report.nobody else ""
    photos = f"{report.photos:,} photos of scenes with {report.people:,} people{nobody}" if report.photos else ""
    return f"{', '.join(filter(None, (crops, photos)))} (--crops and --scenes decide otherwise)"


def show_removal(report: RemovalReport, devices: Sequence[str], *, as_json: bool) -> int:
    """Say what was deleted from an index, and which devices had pushed it; returns the exit code."""
    if as_json:
        people = {key: list(getattr(report, key)) for key in ("suppressed", "let_in", "unknown")}
        show_json({"removed": report.removed, **people, "failed": failures_json(report.failed)})
    note(f"{report.removed} removed from the index")
    for device in devices if report.removed else ():
        note(f"what device {device} still holds comes back with its next push; passerby token revoke {device} keeps it out")
    for person in report.suppressed:
        note(f"person {person} is kept out from now on: passerby remove --forget-suppression {person} lets them in again")
    for person in report.let_in:
        note(f"person {person} is let in again when their picture is next indexed")
    for person in report.unknown:
        note(f"person {person}: expected somebody in the index, or kept out of it, found nobody; check the ID")
    show_failures(report.failed)
    wrong = len(report.failed) + len(report.unknown)
    return exit_code(report.removed + len(report.let_in), wrong) if wrong else ALL_DONE


def show_forgotten(forgotten: Forgotten, *, dry_run: bool, as_json: bool) -> int:
    """Say who was deleted as they were last seen too long ago, or would be; returns the exit code."""
    if as_json:
        show_json(_forgotten_json(forgotten, dry_run=dry_run))
    _note_forgotten(forgotten, dry_run=dry_run)
    return ALL_DONE


def _forgotten_json(forgotten: Forgotten | None, *, dry_run: bool = False) -> dict[str, Any]:
    return {"forgotten": forgotten and forgotten.to_json(), "dry_run": dry_run}


def _note_forgotten(forgotten: Forgotten, *, dry_run: bool = False) -> None:
    from passerby.media.clock import clock_text

    would = "would be " if dry_run else ""
    guessed = f" ({forgotten.estimated:,} of them by when their file was last changed)" if forgotten.estimated else ""
    media = f" and {forgotten.media:,} files in which nothing is later" if forgotten.media else ""
    note(f"{would}deleted, as last seen before {clock_text(forgotten.before, None)}: {forgotten.people:,} people{guessed}{media}")
    if forgotten.undated:
        note(f"kept, as it is not known when they were seen: {forgotten.undated:,} people")


def show_copy(report: CopyReport, *, as_json: bool) -> int:
    """Say what was copied of an index; returns the exit code."""
    if as_json:
        show_json(asdict(report))
        return ALL_DONE
    before = f", {report.before:,} of them by runs that were stopped" if report.before else ""
    note(f"{report.people:,} people in {report.media:,} photos and videos copied{before}")
    note(f"with them {report.failures:,} files that failed, and {report.suppressed:,} people who are kept out")
    return ALL_DONE


def show_cameras(cameras: Sequence[SeenBy], live: Sequence[LiveState] = (), *, as_json: bool) -> int:
    """Say which cameras an index knows, and how those that are watched are doing; returns the exit code."""
    if as_json:
        show_json(_cameras_json(cameras, live))
        return ALL_DONE
    if cameras or not live:
        _show_camera_table(cameras)
    if live:
        header = ("live camera", "state", "since", "last frame", "last person", "lag", "dropped", "reconnects", "error")
        show_table(header, [_live_row(one) for one in live], whole="live camera")
    if not cameras and not live:
        note("no cameras: name them with passerby index PATH… --camera NAME, or --name-pattern")
    return ALL_DONE


def _show_camera_table(cameras: Sequence[SeenBy]) -> None:
    from passerby.media.clock import correction_text

    rows = [
        (
            one.camera.name,
            one.people,
            *map(_minute, (one.first, one.last)),
            correction_text(one.camera.offset_seconds),
            one.camera.zone or "",
        )
        for one in cameras
    ]
    show_table(("camera", "people", "first", "last", "offset", "zone"), rows, whole="camera")


def _live_row(one: LiveState) -> tuple[object, ...]:
    state = one.state
    times = ("" if at is None else local_second(at) for at in (state.since, state.last_frame, state.last_person))
    lag = "" if state.lag is None else f"{state.lag:.1f} s"
    return state.name, one.said, *times, lag, state.dropped, state.reconnects, state.error or ""


def _cameras_json(cameras: Sequence[SeenBy], live: Sequence[LiveState] = ()) -> dict[str, Any]:
    return {"cameras": [_camera_json(one) for one in cameras], "live": [one.to_json() for one in live]}


def _camera_json(one: SeenBy) -> dict[str, Any]:
    return {
        "name": one.camera.name,
        "people": one.people,
        "first": one.first and one.first.isoformat(timespec="seconds"),
        "last": one.last and one.last.isoformat(timespec="seconds"),
        "offset_seconds": one.camera.offset_seconds,
        "zone": one.camera.zone,
    }


def _minute(clock: datetime | None) -> str:
    return "" if clock is None else f"{clock:%Y-%m-%d %H:%M %z}"


def show_info(info: IndexInfo, failures: Sequence[Failure], *, as_json: bool) -> int:
    """Say what an index holds; returns the exit code."""
    from passerby.find.retention import bound_at
    from passerby.media.clock import age_text, clock_iso, clock_text

    kept_from = bound_at(info.kept_from, info.kept_for, time.time())
    model = info.model and {"name": info.model.name, "digest": info.model.digest, "dim": info.model.dim}
    facts = {
        "path": str(info.folder),
        "people": info.people,
        "media": info.media,
        "embeddings": info.embeddings,
        "alike": info.alike,
        "unworn": info.unworn,
        "photos": info.looked_into.photos,
        "videos": info.looked_into.watched_json(),
        "model": model,
        "bytes": info.bytes,
        "created": info.created,
        "away": info.away,
        "away_since": utc(info.away_since),
        "kept_from": None if kept_from is None else clock_iso(kept_from, None),
        "kept_for": info.kept_for,
    }
    if as_json:
        show_json({**facts, "failed": failures_json(failures)})
        return ALL_DONE
    away = info.away_since and f"{info.away} since {local_time(info.away_since)}"
    del facts["away_since"], facts["unworn"], facts["kept_from"], facts["kept_for"]
    looked = info.looked_into
    shown = {
        **facts,
        "videos": f"{looked.videos:,} ({duration_text(looked.seconds)})" if looked.videos else "none",
        "away": away or "none",
        "model": f"{info.model.name} ({info.model.digest})" if info.model else "none yet",
        "bytes": f"{info.bytes:,}",
    }
    kept = [] if info.kept_for is None else [("kept for", age_text(info.kept_for))]
    kept += [] if kept_from is None else [("kept from", clock_text(kept_from, None))]
    show_table(("", ""), [*shown.items(), *kept, ("failed files", len(failures))])
    if info.unworn:
        again = f"passerby index PATH… --index {shlex.quote(str(info.folder))} --rebuild"
        note(f"of {info.unworn} pictures it is not known what is worn in them: they were indexed before; index again: {again}")
    show_gaps(looked.gaps)
    show_failures(failures)
    return ALL_DONE


def _note_absence(away: Absence) -> None:
    """Say how many people are kept whose files cannot be seen, since when, and what can be done."""
    if away.since is None:
        return
    newly = f", {away.new} of them newly" if 0 < away.new < away.count else ""
    wholly = f" (nothing that was indexed below {listed(away.wholly)} can be seen)" if away.wholly else ""
    below = "" if away.wholly == away.below else f" below {listed(away.below)}"
    prune = " ".join(f"--prune {shlex.quote(str(path))}" for path in away.below[:LISTED]) or "--prune PATH"
    note(f"{away.count} away since {local_time(away.since)}{newly}{below}{wholly}: they are kept")
    note(f"index again when their files can be seen again or, if they are gone for good: passerby index {prune}")


def _away_json(away: Absence) -> dict[str, Any]:
    return {"away": away.count, "newly_away": away.new, "away_since": utc(away.since)}
