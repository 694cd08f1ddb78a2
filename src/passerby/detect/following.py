"""Everybody in a video, frame after frame: who is who, and the best pictures of each; stops after any frame and goes on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from passerby.detect.boxes import box_of
from passerby.detect.detector import Detections
from passerby.detect.quality import qualities, sharpened, sharpness
from passerby.detect.tracking.best_crops import BestCrop, BestCrops
from passerby.detect.tracking.colours import worn_colours
from passerby.detect.tracking.motion import BoxEdges
from passerby.detect.tracking.tracker import Track, Tracker, TrackerSettings
from passerby.media.cut import cut_out
from passerby.media.frame import Frame, Pixels
from passerby.types import Box

Prepare = Callable[[Image.Image], Pixels]
"""Makes of somebody's picture what is kept of it: as few pixels as are needed."""


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """Somebody and the best crops of them, the best first."""

    track: Track
    crops: tuple[BestCrop[Pixels], ...] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What came of a frame.

    Args:
        ids: of which track each of its people is, as :meth:`passerby.detect.tracking.tracker.Tracker.update` says.
        ended: whose tracks ended.
    """

    ids: list[int | None]
    ended: list[Followed]


class Follower:
    """Follows everybody through a video.

    Args:
        prepare: what is kept of each crop.
        settings: who is a person.
    """

    def __init__(self, prepare: Prepare, settings: TrackerSettings | None = None) -> None:
        self._prepare = prepare
        self._tracker = Tracker(settings)
        self._best: BestCrops[Pixels] = BestCrops()

    def see(self, frame: Frame, found: Detections) -> Moment:
        """Takes the people of the next frame."""
        ids = self._tracker.update(frame.time, found.boxes, found.scores, worn_colours(frame.pixels, found.boxes))
        free = qualities(found.boxes, found.scores, frame.width, frame.height)
        for track, row, quality in zip(ids, found.boxes, free.tolist(), strict=True):
            if track is not None and self._best.wants(track, frame.time, quality):
                box = box_of(row)
                image = cut_out(Image.fromarray(frame.pixels), box)
                worth = sharpened(quality, sharpness(image))
                self._best.offer(track, BestCrop(frame.time, _edges(box), worth, self._prepare(image)))
        ended = self._taken(self._tracker.closed())
        self._best.forget_all_but(self._tracker.present_ids())
        return Moment(ids, ended)

    def present(self) -> list[Followed]:
        """Everybody who may still be seen again, as far as they were followed."""
        return [Followed(track, self._best.held(track.id)) for track in self._tracker.present()]

    def finish(self) -> list[Followed]:
        """Ends all tracks, as at the end of a video."""
        return self._taken(self._tracker.finish())

    def state(self) -> dict[str, Any]:
        """All that is known, as plain JSON, without pictures."""
        return {"tracker": self._tracker.state(), "crops": self._best.state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], prepare: Prepare, frames_at: Callable[[Sequence[float]], Iterable[Frame]]) -> Follower:
        """As it was when :meth:`state` was asked; ``frames_at`` gives the frames of rising seconds again."""
        held: dict[float, list[BoxEdges]] = {}
        for crops in state["crops"].values():
            for time, (left, top, right, bottom), _ in crops:
                held.setdefault(time, []).append((left, top, right, bottom))
        pictures: dict[tuple[float, BoxEdges], Pixels] = {}
        times = sorted(held)
        for time, frame in zip(times, frames_at(times), strict=True):
            image = Image.fromarray(frame.pixels)
            pictures |= {(time, edges): prepare(cut_out(image, box_between(*edges))) for edges in held[time]}
        follower = cls(prepare)
        follower._tracker = Tracker.from_state(state["tracker"])
        follower._best = BestCrops.from_state(state["crops"], lambda time, edges: pictures[time, edges])
        return follower

    def _taken(self, tracks: list[Track]) -> list[Followed]:
        return [Followed(track, self._best.take(track.id)) for track in tracks]


def box_between(left: float, top: float, right: float, bottom: float) -> Box:
    """The box of four edges."""
    return Box(left, top, right - left, bottom - top)


def _edges(box: Box) -> BoxEdges:
    return box.x, box.y, box.x + box.width, box.y + box.height
