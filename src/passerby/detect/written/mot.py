"""Boxes of tracks as the MOT Challenge has them, which tracking tools read.

The format is that of Leal-Taixé et al., "MOTChallenge 2015: Towards a Benchmark for Multi-Target Tracking" (arXiv 1504.01942): a line for
each box, of the frame's number from 1, the track's, left, top, width and height in pixels, the score, and -1 for each of the three
coordinates of a place in the world.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from passerby.detect.detector import Detections


def lines(frame: int, tracks: Sequence[int | None], found: Detections) -> Iterator[str]:
    """A line for each box of a frame that is of a track."""
    for track, (left, top, right, bottom), score in zip(tracks, found.boxes.tolist(), found.scores.tolist(), strict=True):
        if track is not None:
            yield f"{frame},{track},{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f},{score:.4f},-1,-1,-1\n"


def lines_of(written: Iterable[str], tracks: Collection[int]) -> Iterator[str]:
    """Those lines that are of some tracks."""
    return (line for line in written if int(line.split(",", 2)[1]) in tracks)
