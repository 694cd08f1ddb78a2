"""What the command that detects shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from passerby.cli.show.console import duration_text, exit_code, failures_json, note, notes_json, show_failures, show_json, show_notes
from passerby.cli.show.videos import note_unread, show_gaps
from passerby.index.looked_into import Gap

if TYPE_CHECKING:
    from passerby.detect.written.folder import Detected


def show_detected(detected: Detected, out: Path, *, as_json: bool) -> int:
    """Say who was found and where it is written; returns the exit code."""
    films = detected.films
    tracks = [track for film in films for track in film.tracks]
    static, watched = sum(track.static for track in tracks), sum(film.watched.seconds for film in films)
    still = sum(film.watched.still for film in films)
    gaps = [gap for film in films for gap in Gap.of(film.video.path, film.watched, None, 0.0)]
    if as_json:
        document = {
            "photos": detected.photos,
            "people": detected.people,
            "videos": len(films),
            "tracks": len(tracks) - static,
            "static": static,
            "watched": watched,
            "still": still,
            "skipped": detected.skipped,
            "out": str(out),
            "unread": list(map(str, detected.unread)),
            "gaps": [{"path": str(gap.path), "start": gap.start, "end": gap.end} for gap in gaps],
            "failed": failures_json(detected.failed),
            "notes": notes_json(detected.notes),
        }
        show_json(document)
    skipped = f"; {detected.skipped} other files skipped" if detected.skipped else ""
    in_photos = f"{detected.people} people in {detected.photos} photos" if detected.photos else ""
    in_videos = f"{len(tracks) - static} people in {duration_text(watched)} of video" if films else ""
    if in_photos or in_videos:
        note(f"{', '.join(filter(None, (in_photos, in_videos)))}, written to {out}{skipped}")
    else:
        note(f"nothing written: expected photos or videos that can be read, found none; name some{skipped}")
    if static:
        note(f"things that look like people and never move, in tracks.json alone: {static:,}")
    if still:
        note(f"frames skipped, as nothing moved: {still:,}")
    note_unread(detected.unread, detected.unread_because)
    show_notes(detected.notes)
    show_gaps(gaps)
    show_failures(detected.failed)
    return exit_code(detected.photos + len(films), len(detected.failed))
