"""Whether something moves in a video, by small grey pictures of its frames."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from passerby.media.frame import Frame

SIDE: Final = 96
"""Pixels of the longer side of the small picture: somebody of the least height that is found is ten high in it."""
DIFFERENCE: Final = 8
"""Of 255 shades of grey, by which one pixel of it must differ: more than what cameras and codecs do to a still scene."""
LONGEST: Final = 5.0
"""Seconds after which a frame is looked at in any case."""

_LUMA: Final = np.array([299, 587, 114], np.uint32)


def small_grey(frame: Frame) -> NDArray[np.int16]:
    """A frame as a small grey picture, int16 (h, w) of 0 to 255."""
    return (frame.shrunk(SIDE) @ _LUMA // 1000).astype(np.int16)


class Motion:
    """Compares each frame with the last one that was looked at, so that slow changes add up.

    Args:
        looked_at: the frame that was looked at last, if any.
    """

    def __init__(self, looked_at: Frame | None = None) -> None:
        self._time = looked_at.time if looked_at else None
        self._grey = small_grey(looked_at) if looked_at else None

    @property
    def since(self) -> float | None:
        """The second of the frame that was looked at last."""
        return self._time

    def is_seen(self, frame: Frame) -> bool:
        """Whether something moved since the last frame that was looked at, or that is long ago; then this one is looked at."""
        grey = small_grey(frame)
        recent = self._time is not None and frame.time - self._time < LONGEST
        if recent and self._grey is not None and self._grey.shape == grey.shape and np.abs(grey - self._grey).max() < DIFFERENCE:
            return False
        self._time, self._grey = frame.time, grey
        return True
