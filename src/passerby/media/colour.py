"""Colours as sRGB, whatever profile a picture's file has for them."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image, ImageCms

_SPACES: Final = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
"""The colour space that a profile of a mode must have."""

_SAME: Final = 3
"""A profile that moves no colour by more levels of 255 is sRGB, of which there are many spellings."""


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The colours of a picture, alpha left out, as sRGB in mode RGB.

    A profile for another kind of picture, such as an RGB one in a grey picture, changes nothing.

    Raises:
        ImageCms.PyCMSError: the profile cannot be read, or gives no colours.
    """
    colours = image.convert("L" if image.mode == "LA" else image.mode if image.mode in _SPACES else "RGB")
    transform = _transform(profile, colours.mode)
    return colours.convert("RGB") if transform is None else _applied(colours, transform)


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    source = ImageCms.getOpenProfile(BytesIO(profile))
    if source.profile.xcolor_space.strip() != _SPACES[mode]:
        return None
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    probe = _probe(mode)
    moved = np.abs(np.asarray(_applied(probe, transform), int) - np.asarray(probe.convert("RGB"), int)).max()
    return transform if moved > _SAME else None


def _applied(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    done = ImageCms.applyTransform(image, transform)
    if done is None:
        raise ImageCms.PyCMSError("no picture")
    return done


def _probe(mode: str) -> Image.Image:
    """Colours from all over a mode's space, in one row."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    levels = np.stack(np.meshgrid(*[np.arange(0, 256, 51)] * channels), axis=-1).reshape(1, -1, channels)
    return Image.frombytes(mode, (levels.shape[1], 1), levels.astype(np.uint8).tobytes())
