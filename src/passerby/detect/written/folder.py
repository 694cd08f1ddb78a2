"""People in photos and videos into a folder: ``boxes.json``, ``tracks.json`` with ``tracks``, and ``crops`` where they are wanted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

from PIL.Image import Image

from passerby.atomic import replacing_folder, require_replaceable_place
from passerby.detect.detector import Detector
from passerby.detect.people import Detecting
from passerby.detect.photos import MIN_HEIGHT, SIZE, Photo, detect_photos
from passerby.detect.videos import FPS
from passerby.detect.written.coco import coco
from passerby.detect.written.crops import CROPS, write_crop
from passerby.detect.written.films import TRACKS, Film, Following, write_films
from passerby.errors import ConfigError
from passerby.media.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_named_like_a_video
from passerby.media.scan import scan_paths
from passerby.media.video import why_no_video
from passerby.progress import Progress
from passerby.types import Failure, Note

OF_PHOTOS: Final = "boxes.json"
OF_VIDEOS: Final = "tracks.json"
_DESCRIPTION: Final = "People found by passerby detect"
_START: Final = json.dumps({"info": {"description": _DESCRIPTION}}).rstrip("}").encode()


class _NothingSeen(Exception):
    """Nothing could be looked at, so that nothing is to be written."""


@dataclass(frozen=True, slots=True)
class Detected:
    """What was written.

    Args:
        photos: that were looked at.
        people: in all of them.
        videos: files that are videos by their names, whether or not they could be looked at.
        films: those that were looked at.
        skipped: the number of files that are no pictures or videos by their names.
        unread: videos in folders that were not read, as something is missing here.
        unread_because: what that is, in one line.
    """

    photos: int
    people: int
    videos: int
    films: tuple[Film, ...]
    skipped: int
    failed: tuple[Failure, ...]
    notes: tuple[Note, ...]
    unread: tuple[Path, ...] = ()
    unread_because: str = ""


def detect_into(
    folder: Path,
    detector: Detector,
    paths: Iterable[Path],
    *,
    size: int | None = None,
    min_height: float = MIN_HEIGHT,
    min_score: float | None = None,
    fps: float = FPS,
    motion: bool = False,
    save_crops: bool = False,
    on_progress: Progress = lambda _done, _total: None,
    on_watched: Progress = lambda _done, _total: None,
) -> Detected:
    """Find the people in files, the pictures and videos in folders and what patterns name, and write them into a folder.

    It is written as a whole or not at all: what an earlier call wrote there makes way, also where a link leads to it; nothing is written
    where nothing could be looked at. Which files are videos, their names say.

    Args:
        size: what the longer side of a photo or frame is brought to, in pixels; by default ``SIZE`` of photos, and of videos what
            :func:`~passerby.detect.videos.size_for` says.
        min_height: people of fewer pixels of the photo or frame are left out.
        min_score, fps, motion: as of :class:`~passerby.detect.written.films.Following`. Of whom it is sure in a photo, the detector says.
        save_crops: whether to write each person's crop, and the best ones of each track, as JPEGs that the documents name.
        on_watched: is told of videos, in seconds.

    Raises:
        ConfigError: something else is at the folder, or it cannot be written.
        InputError: a size, a height or a number of frames that cannot be.
        ModelError: the detector cannot be trusted.
        OSError: no space.
    """
    folder = folder.resolve()
    require_detected_place(folder)
    following = Following(Detecting(detector, size or 0, min_height), fps, motion, min_score, save_crops)
    sources = _sources(paths, folder)
    size_of_photos = size or SIZE
    photos, films, failed = dict[int, Photo](), list[Film](), list(sources.failed)
    with suppress(_NothingSeen), replacing_folder(folder) as draft:
        if save_crops:
            (draft / CROPS).mkdir()
        cut = partial(_cut, draft) if save_crops else None
        of_photos = detect_photos(detector, sources.photos, size=size_of_photos, min_height=min_height, cut=cut)
        of_videos = write_films(draft, sources.watched, following, on_watched)
        for number, outcome in enumerate(chain(of_photos, of_videos), 1):
            if isinstance(outcome, Photo):
                photos[number] = outcome
            elif isinstance(outcome, Film):
                films.append(outcome)
            else:
                failed.append(outcome)
            on_progress(number, len(sources.photos) + len(sources.watched))
        if not photos and not films:
            raise _NothingSeen
        made = {"description": _DESCRIPTION, "detector": detector.name, "digest": detector.digest}
        if photos:
            _write(draft / OF_PHOTOS, {"info": {**made, "size": size_of_photos, "min_height": min_height}, **coco(photos)})
        if films:
            how = {"size": size, "min_height": min_height, "min_score": min_score, "fps": fps, "motion": motion}
            _write(draft / OF_VIDEOS, {"info": {**made, **how}, "videos": [film.to_json() for film in films]})
    seen: list[Photo | Film] = [*photos.values(), *films]
    return Detected(
        photos=len(photos),
        people=sum(len(photo.people) for photo in photos.values()),
        videos=len(sources.videos),
        films=tuple(films),
        skipped=sources.skipped,
        failed=tuple(failed),
        notes=tuple(note for one in seen for note in one.notes),
        unread=sources.unread,
        unread_because=sources.unread_because,
    )


@dataclass(frozen=True, slots=True)
class _Sources:
    """Files that are named, by what they are; the rest as of :class:`Detected`."""

    photos: list[Path]
    videos: list[Path]
    skipped: int
    failed: list[Failure]
    unread: tuple[Path, ...]
    unread_because: str

    @property
    def watched(self) -> list[Path]:
        """Videos that can be looked at here."""
        return [] if self.unread_because else self.videos


def _sources(paths: Iterable[Path], leave_out: Path) -> _Sources:
    scan = scan_paths(paths, leave_out=leave_out, suffixes=IMAGE_SUFFIXES | VIDEO_SUFFIXES)
    failed = [Failure(path, "expected a file or folder, found nothing; check the path") for path in scan.missing] + scan.failed
    photos = [path for path in scan.files if not is_named_like_a_video(path)]
    videos = [path for path in scan.files if is_named_like_a_video(path)]
    unread_because = why_no_video() if videos else ""
    unread = videos if unread_because else []
    failed += [Failure(path, unread_because) for path in unread if scan.files[path].named]
    in_folders = tuple(path for path in unread if not scan.files[path].named)
    return _Sources(photos, videos, scan.skipped, failed, in_folders, unread_because)


def _cut(folder: Path, photo: int, person: int, crop: Image) -> str:
    """Write a crop by its photo's id and its own number."""
    return write_crop(folder, f"{photo + 1:06}_{person + 1:03}", crop)


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document) + "\n", "utf-8")


def require_detected_place(folder: Path) -> None:
    """Find out before the work whether a folder can be written in the end, one that was written so before making way.

    Raises:
        ConfigError: something else is there, it cannot make way, or it cannot be written.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise _taken(folder, "a file")
    require_replaceable_place(folder.resolve(), "--out")
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if others := sorted(there - {OF_PHOTOS, OF_VIDEOS, TRACKS, CROPS}):
        raise _taken(folder, ", ".join(others[:3]))
    documents = sorted(there & {OF_PHOTOS, OF_VIDEOS})
    if strange := [name for name in documents if not _is_written(folder / name)]:
        raise _taken(folder, f"a {strange[0]} of another program")
    if there and not documents:
        raise _taken(folder, ", ".join(sorted(there)))


def _taken(folder: Path, found: str) -> ConfigError:
    expected = f"{folder} to be new, or what an earlier detect wrote and nothing else"
    return ConfigError(expected=expected, found=found, do="name another folder with --out")


def _is_written(document: Path) -> bool:
    """Whether a file begins as one of :func:`detect_into`."""
    try:
        with document.open("rb") as file:
            return file.read(len(_START)) == _START
    except OSError:
        return False
