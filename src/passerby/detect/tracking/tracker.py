"""People over time: which boxes of successive frames show the same person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.detect.tracking.assignment import assign
from passerby.detect.tracking.association import AssociationSettings, Seen, gains
from passerby.detect.tracking.colours import Colours, mixed
from passerby.detect.tracking.motion import BoxEdges, Motion
from passerby.detect.tracking.static import StaticSettings, is_static
from passerby.detect.tracking.trajectory import Trajectory
from passerby.errors import InputError

STEP_GAIN = 0.2
"""How soon a changed rate of frames is believed."""
LAST_TIME = 1e12
"""In seconds; what is later is no time."""


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """When a track begins, is a person, and ends.

    Args:
        least: The least score of a box that is looked at.
        sure: The least score that one box of a person has: what was never seen surely is nobody.
        evidence: The least sum of scores of all boxes of a person: two sure ones, or one and several unsure ones.
        shortest: Seconds from the first box of a person to the last, at least: what breaks off where people hide each other is shorter.
        patience: Seconds without a box after which a person's track ends,
        patience_steps: but never before so many frames' time; what is no person yet ends then already.
        association: When two boxes are one person.
        static: What is taken for a thing.
    """

    least: float = 0.1
    sure: float = 0.5
    evidence: float = 1.0
    shortest: float = 0.45
    patience: float = 3.0
    patience_steps: float = 2.5
    association: AssociationSettings = field(default_factory=AssociationSettings)
    static: StaticSettings = field(default_factory=StaticSettings)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A person, or what was taken for one, from the first to the last box.

    Args:
        id: From 1, ascending by the first box; never used twice by one tracker.
        trajectory: Its boxes over time.
        static: Whether it is a thing that looks like a person, by :func:`passerby.detect.tracking.static.is_static`.
    """

    id: int
    trajectory: Trajectory
    static: bool

    @property
    def first(self) -> float:
        """The second of the first box."""
        return self.trajectory.points[0][0]

    @property
    def last(self) -> float:
        """The second of the last box."""
        return self.trajectory.points[-1][0]


@dataclass(slots=True)
class _Open:
    """A track that goes on, and where its person goes.

    Args:
        best, total: The best score of its boxes, and the sum of all.
        colours: What the person wears, as far as it was surely seen.
    """

    id: int
    motion: Motion
    trajectory: Trajectory = field(default_factory=Trajectory)
    best: float = 0.0
    total: float = 0.0
    colours: list[float] = field(default_factory=list)

    def add(self, time: float, box: BoxEdges, score: float, colours: list[float], sure: float) -> None:
        if not self.colours:
            self.colours = colours
        elif score >= sure:
            self.colours = mixed(self.colours, colours)
        self.trajectory.add(time, box, score)
        self.best, self.total = max(self.best, score), self.total + score

    @property
    def last_score(self) -> float:
        return self.trajectory.points[-1][-1]


class Tracker:
    """Online multi-object tracking of boxes, for any rate of frames and one that changes.

    Unsure boxes, mostly of people half hidden, continue tracks too (Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every
    Detection Box", ECCV 2022), but in one assignment with the sure ones, in which they are worth less: so no sure box is given to the wrong
    one of two people because the other's was unsure. Tracks that are people already come first. Its memory does not grow with time.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self._settings = settings or TrackerSettings()
        self._open: list[_Open] = []
        self._ended: list[_Open] = []
        self._next_id = 1
        self._time: float | None = None
        self._step: float | None = None

    def update(
        self, time: float, boxes: NDArray[np.floating], scores: NDArray[np.floating], colours: Colours | None = None
    ) -> list[int | None]:
        """Takes the people of one frame; says of which track each is.

        A time before that of the last frame ends all tracks: the clock was set, or this is another video.

        Args:
            time: Seconds.
            boxes: (n, 4), edges x1, y1, x2, y2 in pixels.
            scores: (n,), in 0 to 1.
            colours: (n, 6), as :func:`passerby.detect.tracking.colours.worn_colours` tells them; without them, all wear the same.

        Returns:
            An id for each box, or None for a box without area or with a score too low. A track that is no person yet has an id too; it is
            never among those that ended if it does not become one.

        Raises:
            InputError: a time, box or score that is not finite, or shapes that do not fit. The tracker stays as it was.
        """
        frame = _checked(time, boxes, scores, colours)
        self._end_the_lost(frame.time)
        left = np.flatnonzero((frame.boxes[:, 2:] > frame.boxes[:, :2]).all(axis=1) & (frame.scores >= self._settings.least))
        people = [one for one in self._open if self._is_person(one)]
        others = [one for one in self._open if not self._is_person(one)]
        for tracks in (people, others):
            left = self._associate(frame, tracks, left)
        for box in left:
            self._begin(frame, box)
        return frame.ids

    def present(self) -> list[Track]:
        """People who may still be seen again, as far as they were followed."""
        return [self._track(one) for one in self._open if self._is_person(one)]

    def present_ids(self) -> frozenset[int]:
        """Ids of all tracks that may go on, also of those that are no person yet."""
        return frozenset(one.id for one in self._open)

    def closed(self) -> list[Track]:
        """People who ended since this was last asked, in the order of their ids."""
        ended, self._ended = self._ended, []
        return [self._track(one) for one in sorted(ended, key=lambda one: one.id)]

    def finish(self) -> list[Track]:
        """Ends all tracks, as at the end of a video; returns people as :meth:`closed` does."""
        self._end(self._open)
        self._time = self._step = None
        return self.closed()

    def state(self) -> dict[str, Any]:
        """All that the tracker knows, as plain JSON: with :meth:`from_state` it goes on as if nothing had happened."""
        return {
            "open": [_state(one) for one in self._open],
            "ended": [_state(one) for one in self._ended],
            "next_id": self._next_id,
            "time": self._time,
            "step": self._step,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], settings: TrackerSettings | None = None) -> Tracker:
        """A tracker as it was when :meth:`state` was asked; settings are not part of a state."""
        tracker = cls(settings)
        tracker._open = [_from_state(one) for one in state["open"]]
        tracker._ended = [_from_state(one) for one in state["ended"]]
        tracker._next_id, tracker._time, tracker._step = state["next_id"], state["time"], state["step"]
        return tracker

    def _associate(self, frame: _Frame, tracks: Sequence[_Open], among: NDArray[np.intp]) -> NDArray[np.intp]:
        """Continues tracks by some boxes of a frame; returns the boxes that are left."""
        seen = [Seen(one.motion.at(frame.time), one.last_score, one.colours) for one in tracks]
        settings = self._settings
        gain = gains(seen, frame.boxes[among], frame.scores[among], frame.colours[among], settings.sure, settings.association)
        rows, columns = assign(gain)
        for row, box in zip(rows, among[columns], strict=True):
            tracks[row].motion = tracks[row].motion.seen(frame.time, frame.edges(box))
            self._add(tracks[row], frame, box)
        return np.delete(among, columns)

    def _begin(self, frame: _Frame, box: np.intp) -> None:
        one = _Open(self._next_id, Motion.first(frame.time, frame.edges(box)))
        self._next_id += 1
        self._open.append(one)
        self._add(one, frame, box)

    def _add(self, one: _Open, frame: _Frame, box: np.intp) -> None:
        one.add(frame.time, frame.edges(box), float(frame.scores[box]), frame.colours[box].tolist(), self._settings.sure)
        frame.ids[box] = one.id

    def _end_the_lost(self, time: float) -> None:
        """Lets time pass to the next frame."""
        if self._time is not None and time < self._time:
            self._end(self._open)
            self._step = None
        elif self._time is not None:
            step = time - self._time
            self._step = step if self._step is None else self._step + STEP_GAIN * (step - self._step)
            self._end([one for one in self._open if self._is_lost(one, time, self._time, self._step)])
        self._time = time

    def _end(self, tracks: Sequence[_Open]) -> None:
        gone = {one.id for one in tracks}
        self._ended += [one for one in tracks if self._is_person(one)]
        self._open = [one for one in self._open if one.id not in gone]

    def _is_person(self, one: _Open) -> bool:
        seen, settings = one.trajectory, self._settings
        lasted = seen.points[-1][0] - seen.points[0][0]
        return seen.seen > 1 and lasted >= settings.shortest and one.best >= settings.sure and one.total >= settings.evidence

    def _is_lost(self, one: _Open, time: float, last: float, step: float) -> bool:
        """Whether a track ends for want of boxes; who was in the ``last`` frame is waited for like a person."""
        waits = self._settings.patience if one.motion.time == last or self._is_person(one) else 0.0
        return time - one.motion.time > max(waits, self._settings.patience_steps * step)

    def _track(self, one: _Open) -> Track:
        trajectory = replace(one.trajectory, points=list(one.trajectory.points))
        return Track(one.id, trajectory, is_static(trajectory, self._settings.static))


@dataclass(slots=True)
class _Frame:
    """Boxes of one frame, and the tracks that they were found to be of."""

    time: float
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    colours: Colours
    ids: list[int | None] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = [None] * len(self.boxes)

    def edges(self, box: np.intp) -> BoxEdges:
        x1, y1, x2, y2 = self.boxes[box].tolist()
        return x1, y1, x2, y2


def _checked(time: float, boxes: NDArray[np.floating], scores: NDArray[np.floating], colours: Colours | None) -> _Frame:
    with np.errstate(over="ignore"):
        edges, marks = np.asarray(boxes, np.float32), np.asarray(scores, np.float32)
    if edges.size == 0 and marks.size == 0:
        edges, marks = edges.reshape(0, 4), marks.reshape(0)
    worn = np.zeros((len(marks), 6), np.float32) if colours is None else np.asarray(colours, np.float32)
    if edges.ndim != 2 or edges.shape[1] != 4 or marks.shape != edges.shape[:1] or worn.shape != (len(marks), 6):
        raise InputError(
            expected="boxes of shape (n, 4), scores of shape (n,) and colours of shape (n, 6)",
            found=f"{edges.shape}, {marks.shape} and {worn.shape}",
            do="give one score for each box, and six numbers of its colours",
        )
    if not all(np.isfinite(given).all() for given in (edges, marks, worn)):
        raise InputError(
            expected="boxes, scores and colours of finite numbers", found="others", do="leave out what the detector could not tell"
        )
    if not abs(time) < LAST_TIME:
        raise InputError(expected=f"a time in seconds, below {LAST_TIME:g}", found=str(time), do="leave out frames without a time")
    return _Frame(float(time), edges.astype(np.float64), marks.astype(np.float64), worn)


def _state(one: _Open) -> dict[str, Any]:
    followed = one.trajectory
    return {
        "id": one.id,
        "best": one.best,
        "total": one.total,
        "colours": one.colours,
        "motion": asdict(one.motion),
        "trajectory": {"seen": followed.seen, "stride": followed.stride, "points": list(followed.points)},
    }


def _from_state(state: Mapping[str, Any]) -> _Open:
    followed = state["trajectory"]
    trajectory = Trajectory(followed["seen"], followed["stride"], [(t, x1, y1, x2, y2, s) for t, x1, y1, x2, y2, s in followed["points"]])
    return _Open(**{**state, "motion": Motion.from_state(state["motion"]), "trajectory": trajectory})
