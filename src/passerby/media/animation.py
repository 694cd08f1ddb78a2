"""Animated pictures as videos: what Pillow opens, it decodes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from passerby.errors import VideoError
from passerby.media.formats import ANIMATED, DECODED, undecoded_format
from passerby.media.frame import Coverage, Frame, Pixels, Timeline, Video, require_size
from passerby.media.photo import decoded, ignore_warnings_of_pillow

_TOLD_BY_MAGIC: Final = tuple(name for name in DECODED if name != "TGA")
_UNSAID: Final = 0.1
"""Seconds that a frame stays which does not say so, as browsers have it."""
_HEADER_BYTES: Final = 32


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its content, still or animated; ``False`` where it cannot be read."""
    ignore_warnings_of_pillow()
    with suppress(Exception), path.open("rb") as file:  # Pillow raises many types
        if undecoded_format(file.read(_HEADER_BYTES)):
            return True
        file.seek(0)
        with Image.open(file, formats=_TOLD_BY_MAGIC):
            return True
    return False


def is_animation(path: Path) -> bool:
    """Whether a picture moves."""
    ignore_warnings_of_pillow()
    with suppress(Exception), Image.open(path, formats=ANIMATED) as image:
        return bool(getattr(image, "is_animated", False))
    return False


def read_facts(path: Path) -> Video:
    """What an animation says of itself, which is neither its length nor when it was made.

    Raises:
        VideoError: no frame is whole, or they are too large.
    """
    first = next(decode(path, Coverage()), None)
    if first is None:
        raise VideoError(expected="a video", found="an animation without a whole frame", do="replace the file")
    with Image.open(path, formats=ANIMATED) as image:
        return Video(path.absolute(), first.width, first.height, None, None, (image.format or "").lower())


def decode(path: Path, coverage: Coverage) -> Generator[Frame]:
    """All frames of an animation that can be decoded, over white where they are transparent. Raises ``VideoError`` for too large ones."""
    with Image.open(path, formats=ANIMATED) as image:
        require_size(image.width, image.height)
        timeline, until = Timeline(0.0, _UNSAID, coverage), 0.0
        for number in range(getattr(image, "n_frames", 1)):
            time = timeline.time(until)
            try:
                image.seek(number)
                picture = decoded(image.copy()).image
            except Exception:  # Pillow raises many types
                coverage.miss(time)
                continue
            until = time + (float(image.info.get("duration") or 0) / 1000 or _UNSAID)
            coverage.reach(time, until, until - time)
            yield Frame(time, picture.width, picture.height, partial(_draw, picture))


def _draw(picture: Image.Image, width: int, height: int) -> Pixels:
    return np.array(picture if (width, height) == picture.size else picture.resize((width, height), Image.Resampling.BOX))
