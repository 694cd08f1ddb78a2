"""How well people are followed through drawn films, end to end: from pixels to tracks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from passerby.data.synthetic.street_film import FilmFrame
from passerby.detect.people import Detecting
from passerby.detect.tracking.colours import worn_colours
from passerby.detect.tracking.tracker import Tracker
from passerby.detect.videos import SIZE, people_in, unsure_too
from passerby.measure.tracking import IdentityScores, Tracked, identity_scores
from passerby.media.frame import Frame, Pixels

LEAST_VISIBLE = 0.1
"""Share of somebody that shows in a frame in which they are to be found."""

Row = tuple[int, int, float, float, float, float]
"""A frame, who, and the edges of a box."""


def film_scores(film: Iterable[FilmFrame], detecting: Detecting) -> IdentityScores:
    """IDF1 of a drawn film, as ``passerby index`` follows people through a video of the same frames.

    Everybody counts who is as high as is asked for and of whom a tenth shows; a box is of the whole person, hidden or not.

    Raises:
        ModelError: from the detector.
    """
    tracker, detector = Tracker(), unsure_too(detecting.detector)
    truth, found = list[Row](), list[Row]()
    people = set[int]()
    for number, moment in enumerate(film):
        for who, passer in moment.people:
            left, top, width, height = passer.box
            if height >= detecting.min_height and passer.visible >= LEAST_VISIBLE:
                truth.append((number, who, left, top, left + width, top + height))
        frame = frame_of(moment)
        seen = people_in(frame, detector, detecting.size or SIZE, detecting.min_height)
        ids = tracker.update(frame.time, seen.boxes, seen.scores, worn_colours(frame.pixels, seen.boxes))
        found += [(number, track, *box) for track, box in zip(ids, seen.boxes.tolist(), strict=True) if track]
        people |= {track.id for track in tracker.closed() if not track.static}
    people |= {track.id for track in tracker.finish() if not track.static}
    return identity_scores(_tracked(truth), _tracked([row for row in found if row[1] in people]))


def frame_of(moment: FilmFrame) -> Frame:
    """A frame of a film as one of a video."""

    def draw(width: int, height: int) -> Pixels:
        return np.asarray(moment.picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))

    return Frame(moment.time, *moment.picture.size, draw)


def _tracked(rows: list[Row]) -> Tracked:
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Tracked(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])
