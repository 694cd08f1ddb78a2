"""A live camera into an index: people are followed from frame to frame, and can be searched for while they are still there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from math import inf
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from passerby.detect.following import Followed, Follower
from passerby.detect.videos import people_in, unsure_too
from passerby.errors import IndexFault
from passerby.find.ingest.videos import Watching, prepare, sightings
from passerby.find.watch.state import read_state, stopped, write_state
from passerby.index.base import Index
from passerby.index.sighting import Sighting
from passerby.index.sqlite.vector_file import TAIL
from passerby.media.camera import LiveCamera
from passerby.media.clock import KnownBy
from passerby.media.frame import Frame, Pixels, Video
from passerby.model.encoder import Encoder
from passerby.types import Media, MediaKind, Watched

PICTURE: Final = (320, 640)
"""Width and height of a kept crop, at most: a live camera cannot show it again."""
_QUALITY: Final = 88
REEL: Final = 3600.0
"""Seconds of a camera that are one media, so that what is deleted by its time goes by the hour."""
COMMIT: Final = 1.5
"""Seconds after which who came, and whom a better crop was found of, is committed."""
COVERED: Final = 15.0
"""Seconds after which it is committed that nobody else came."""
_SAY: Final = 2.0
"""Seconds between two times that it is said how the camera is doing."""
_TICK: Final = 0.2
_MOST_HELD: Final = 100
_MOST_REELS: Final = 3
"""How many people of how many stretches are held while the index cannot be written."""


def watch_live(
    index: Index, folder: Path, encoder: Encoder, watching: Watching, camera: LiveCamera, name: str, go_on: Callable[[], bool]
) -> None:
    """Follow everybody whom a live camera sees into an index, until told to end; what was seen until then is committed.

    An index that cannot be written for a while, as where the disk is full, is tried again, and people are held until then.

    Args:
        folder: the index's, in which it is said how the camera is doing.
        watching: how frames are looked at; its ``fps`` are the camera's.
        name: of the camera.
        go_on: is asked several times a second.

    Raises:
        ModelError: from the detector or the encoder.
        IndexFault: the index is of another model.
    """
    detecting = replace(watching.detecting, detector=unsure_too(watching.detecting.detector))
    watching, teller = replace(watching, detecting=detecting), _Teller(folder, name, camera)
    zone = next((known.zone for known in index.cameras() if known.name == name), None)
    reels: list[_Reel] = []
    try:
        while go_on():
            frame = camera.take(_TICK)
            now = next((reel for reel in reels if not reel.finished), None)
            if now and (not camera.is_connected or (frame and now.ends_before(frame))):
                now.finish()
                now = None
            if frame:
                if now is None:
                    now = _Reel.begin(index, encoder, watching, name, zone, frame)
                    reels.append(now)
                now.see(frame)
            for reel in reels:
                reel.commit()
            reels = [reel for reel in reels if not (reel.finished and reel.fault is None)][-_MOST_REELS:]
            teller.tell(reels)
    finally:
        for reel in reels:
            reel.finish()
        teller.tell(reels)


@dataclass(slots=True, eq=False)
class _Reel:
    """A stretch of a camera, one media; and the people in it.

    Args:
        epoch: what makes seconds since 1970 of the frames' times.
        start: the time of its first frame.
        until: that of its last one so far.
        held: people whose track ended and who are not committed yet.
        known: of people who are there still what was committed of them.
        committed: when, and when anything was.
        last_person, lag: as of `CameraState`.
        fault: why the last commit was none.
        finished: whether nothing more comes; it is kept until it is committed.
    """

    index: Index
    encoder: Encoder
    watching: Watching
    media: Media
    epoch: float
    start: float
    size: tuple[int, int]
    follower: Follower = field(default_factory=lambda: Follower(_shown))
    until: float = 0.0
    held: list[Followed] = field(default_factory=list)
    known: dict[int | None, Sighting] = field(default_factory=dict)
    committed: float = -inf
    tried: float = -inf
    last_person: float | None = None
    lag: float | None = None
    fault: IndexFault | None = None
    finished: bool = False

    @classmethod
    def begin(cls, index: Index, encoder: Encoder, watching: Watching, name: str, zone: str | None, frame: Frame) -> _Reel:
        epoch = time.time() - time.monotonic()
        began = frame.time + epoch
        path = Path(name, f"{datetime.fromtimestamp(began, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z")
        sought = watching.sought_in(Video(path, frame.width, frame.height, None, watching.fps, ""))
        media = Media(
            path,
            0,
            round(began * 1e9),
            "",
            kind=MediaKind.CAMERA,
            camera=name,
            started_at=began,
            zone=zone,
            known_by=KnownBy.LIVE.value,
            sought=sought,
        )
        return cls(index, encoder, watching, media, epoch, frame.time, (frame.width, frame.height), committed=frame.time)

    def ends_before(self, frame: Frame) -> bool:
        """Whether a frame is of the next stretch: after an hour, or where the camera was set to another size."""
        return frame.time - self.start >= REEL or (frame.width, frame.height) != self.size

    def see(self, frame: Frame) -> None:
        here = replace(frame, time=frame.time - self.start)
        detecting = self.watching.detecting
        size = self.watching.size_of(Video(self.media.path, frame.width, frame.height, None, None, ""))
        self.held += self.follower.see(here, people_in(here, detecting.detector, size, detecting.min_height)).ended
        self.until = here.time

    def finish(self) -> None:
        """End it with all tracks in it; where they cannot be committed, they wait for the next `commit`."""
        self.finished = True
        self.held += self.follower.finish()
        self._commit([])

    def commit(self) -> None:
        """Commit who came, who went and who is seen better than before, if it is time."""
        now = time.monotonic()
        if now - self.tried < COMMIT:
            return
        self.tried = now
        present = [one for one in self.follower.present() if one.crops and self._is_news(one)]
        if present or self.held or self.fault or now - self.committed >= COVERED:
            self._commit(present)

    def _is_news(self, one: Followed) -> bool:
        known = self.known.get(one.track.id)
        return known is None or _times(known) != [crop.time for crop in one.crops] or one.track.last - (known.last or 0.0) >= COVERED

    def _commit(self, present: Sequence[Followed]) -> None:
        self.held = self.held[-_MOST_HELD:]
        people = list(self._sightings([*self.held, *present]))
        media = replace(self.media, watched=Watched(self.until))
        try:
            with self.index.writing():
                self.index.require_model(self.encoder.digest, self.encoder.name)
                self.index.put_again(media, people)
            self.index.settle(TAIL)
        except IndexFault as error:
            self.fault = error
            return
        self._note(people)
        there, gone = {one.track.id for one in present}, {one.track.id for one in self.held}
        self.known |= {one.track: one for one in people if one.track in there}
        self.known = {track: one for track, one in self.known.items() if track not in gone}
        self.held, self.committed, self.fault = [], time.monotonic(), None

    def _note(self, people: Sequence[Sighting]) -> None:
        """When people were seen who can be searched for now, and how long that took."""
        began, now = self.start + self.epoch, time.time()
        if people:
            self.last_person = began + max(one.last or 0.0 for one in people)
        if new := [one for one in people if one.track not in self.known]:
            self.lag = now - began - max(one.first or 0.0 for one in new)

    def _sightings(self, followed: Sequence[Followed]) -> Iterator[Sighting]:
        """People with the vectors of their crops and the pictures; whose crops are those that were committed are not encoded again."""
        fresh = []
        for one in followed:
            known = self.known.get(one.track.id)
            if known is not None and _times(known) == [crop.time for crop in one.crops]:
                yield replace(known, last=one.track.last, static=one.track.static)
            elif one.crops:
                fresh.append(one)
        cut = partial(prepare, p=self.encoder.preprocessing)
        small = [
            replace(one, crops=tuple(replace(crop, picture=cut(Image.fromarray(crop.picture))) for crop in one.crops)) for one in fresh
        ]
        for one, sighting in zip(fresh, sightings(self.encoder, small), strict=True):
            yield replace(sighting, pictures=tuple(_jpeg(crop.picture) for crop in one.crops))


def _times(known: Sighting) -> list[float | None]:
    return [crop.time for crop in known.crops]


def _shown(image: Image.Image) -> Pixels:
    """What is kept of a crop: as many pixels as people look at."""
    small = ImageOps.contain(image, PICTURE, Image.Resampling.LANCZOS) if image.width > PICTURE[0] or image.height > PICTURE[1] else image
    return np.asarray(small)


def _jpeg(picture: Pixels) -> bytes:
    target = BytesIO()
    Image.fromarray(picture).save(target, "JPEG", quality=_QUALITY)
    return target.getvalue()


class _Teller:
    """Says how a camera is doing, when that changes and every few seconds."""

    def __init__(self, folder: Path, name: str, camera: LiveCamera) -> None:
        self._folder, self._camera = folder, camera
        self._said = self._before = stopped(read_state(folder, name), None)
        self._at = -inf

    def tell(self, reels: Sequence[_Reel]) -> None:
        camera, before, first = self._camera, self._said, self._before
        connected, reel = camera.is_connected, reels[-1] if reels else None
        fault = (reel and reel.fault) or (None if connected else camera.error)
        now = replace(
            before,
            connected=connected,
            since=before.since if connected == before.connected else time.time(),
            last_frame=before.last_frame if camera.last_frame == -inf else camera.last_frame + time.time() - time.monotonic(),
            last_person=(reel and reel.last_person) or before.last_person,
            lag=(reel and reel.lag) or before.lag,
            dropped=first.dropped + camera.dropped,
            reconnects=first.reconnects + max(0, camera.connections - (first.last_frame is None)),
            error=None if fault is None else str(fault),
        )
        is_other = (now.connected, now.error) != (before.connected, before.error)
        if is_other or time.monotonic() - self._at >= _SAY:
            write_state(self._folder, now)
            self._at = time.monotonic()
        self._said = now
