"""Clips of somebody in a video, as browsers play them: cut when they are asked for, and kept in memory alone."""

from __future__ import annotations

import shutil
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import BoundedSemaphore, Lock
from typing import Final

from passerby.errors import ServiceBusy
from passerby.find.clip import AROUND
from passerby.media.clip import cut
from passerby.media.shown import require_unchanged
from passerby.service.pictures import gone
from passerby.service.private import private_folder
from passerby.service.problems import Refused
from passerby.types import Crop, Media, MediaKind, Person

MEDIA_TYPE: Final = "video/mp4"
LONGEST: Final = 30.0
"""Seconds of a clip: of who is seen for longer it shows those around the crop."""
KEPT: Final = 48 << 20
"""Bytes of clips that are kept in memory, those that were shown last; one that is larger is kept alone."""
WAITING: Final = 4
"""Clips that are being cut or wait for it; who comes when so many do is told to come again."""

_Key = tuple[str, str, float, float]


class Clips:
    """The clips of an index.

    Args:
        folder: where a clip lies while it is cut, for its owner alone; what a service that was killed left there is deleted.
        kept: bytes that are kept in memory.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._folder = private_folder(folder)
        self._kept = kept
        self._known: OrderedDict[_Key, bytes] = OrderedDict()
        self._lock, self._cutting, self._room = Lock(), Lock(), BoundedSemaphore(WAITING)

    def mp4(self, person: Person, crop: Crop, spend: Callable[[], None]) -> bytes:
        """The seconds around a crop of somebody, as an MP4 file without sound that browsers play.

        Args:
            spend: called before one is cut; what it raises ends it.

        Raises:
            Refused: it is no video, or its file is not there, or not as it was indexed.
            ServiceBusy: too many wait for theirs.
        """
        start, end = moments(person, crop)
        key = person.media.digest, str(person.media.path), start, end
        if (known := self._recall(key)) is not None:
            return known
        if not self._room.acquire(blocking=False):
            raise ServiceBusy(expected="fewer clips at once", found=f"{WAITING} that are being cut", do="ask again in a second")
        try:
            with self._cutting:
                if (known := self._recall(key)) is None:
                    spend()
                    kept = self._known
                    known = self._cut(person.media, start, end)
                    self._remember(kept, key, known)
                return known
        finally:
            self._room.release()

    def forget(self) -> None:
        """Keep nothing of what was shown, nor of what is being cut."""
        with self._lock:
            self._known = OrderedDict()

    def _cut(self, media: Media, start: float, end: float) -> bytes:
        with gone(), TemporaryDirectory(dir=self._folder) as folder:
            require_unchanged(media)
            draft = Path(folder) / "clip.mp4"
            cut(media.path, start, end, draft)
            return draft.read_bytes()

    def _recall(self, key: _Key) -> bytes | None:
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def _remember(self, kept: OrderedDict[_Key, bytes], key: _Key, clip: bytes) -> None:
        with self._lock:
            kept[key] = clip
            while len(kept) > 1 and sum(map(len, kept.values())) > self._kept:
                kept.popitem(last=False)


def moments(person: Person, crop: Crop) -> tuple[float, float]:
    """From when to when somebody's clip is, in seconds since the video's start.

    All that they are seen in and ``AROUND`` seconds before and after, but no more than ``LONGEST`` around the crop. Raises ``Refused`` for
    who is in no video.
    """
    if person.media.kind is not MediaKind.VIDEO or crop.time is None:
        found = f"person {person.id}, who is seen in a {person.media.kind}"
        raise Refused(HTTPStatus.NOT_FOUND, expected="somebody in a video", found=found, do="look at the photo")
    first = crop.time if person.first is None else min(person.first, crop.time)
    last = crop.time if person.last is None else max(person.last, crop.time)
    half = LONGEST / 2
    return max(0.0, first - AROUND, crop.time - half), min(last + AROUND, crop.time + half)
