"""Drawn people in uniform, and what befalls a picture on its way through other people's programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from passerby.data.synthetic import DrawnPerson, Garment, sample_person
from passerby.media.signature import signature
from passerby.model.preprocess import resize

Change = Callable[[Image.Image], Image.Image]


def in_uniform(seed: int) -> DrawnPerson:
    """Somebody of their own, in the clothes of all the others."""
    navy = Garment("jacket", "navy")
    person = replace(sample_person(seed), upper=navy, under=None, lower=Garment("trousers", "navy"), bag=None)
    return replace(person, shoes=Garment("shoes", "black"), hat=Garment("cap", "navy"))


def signature_of(image: Image.Image) -> NDArray[np.uint8]:
    return signature(resize(image, 192, 96, "bicubic"))


def as_file(image: Image.Image, kind: str, quality: int) -> bytes:
    file = BytesIO()
    image.save(file, kind, quality=quality)
    return file.getvalue()


def encoded(image: Image.Image, kind: str, quality: int) -> Image.Image:
    return Image.open(BytesIO(as_file(image, kind, quality))).convert("RGB")


def trimmed(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Without pixels at its edges, counted as if it had 128 × 384, and stretched to its size."""
    (width, height), (x, y) = image.size, (image.width / 128, image.height / 384)
    return image.resize(image.size, Image.Resampling.BICUBIC, box=(left * x, top * y, width - right * x, height - bottom * y))


def shifted(image: Image.Image, right: int, down: int) -> Image.Image:
    """What a window sees that is moved by pixels of 128 × 384."""
    return trimmed(image, max(right, 0), max(down, 0), max(-right, 0), max(-down, 0))


def resized(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def brighter(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


def blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(image.height / 384))


def anyhow(image: Image.Image, rng: np.random.Generator) -> bytes:
    """A file of it, moved, brighter or darker, resized and re-encoded, all by chance."""
    right, down = rng.integers(-4, 5, 2).tolist()
    changed = resized(brighter(shifted(image, right, down), rng.uniform(0.95, 1.05)), rng.uniform(0.5, 1.5))
    return as_file(changed, "JPEG" if rng.random() < 0.7 else "WEBP", int(rng.integers(30, 96)))


CHANGES: Final[dict[str, Change]] = {
    **{f"JPEG {quality}": lambda image, q=quality: encoded(image, "JPEG", q) for quality in (30, 50, 75, 95)},  # type: ignore[misc]
    **{f"WebP {quality}": lambda image, q=quality: encoded(image, "WEBP", q) for quality in (30, 80)},  # type: ignore[misc]
    "right 2": lambda image: shifted(image, 2, 0),
    "left 4, down 4": lambda image: shifted(image, -4, 4),
    "right 4, up 4": lambda image: shifted(image, 4, -4),
    "half": lambda image: resized(image, 0.5),
    "double": lambda image: resized(image, 2),
    "darker": lambda image: brighter(image, 0.95),
    "brighter": lambda image: brighter(image, 1.05),
    "blurred": blurred,
    "right 4, down 4, brighter, JPEG 30": lambda image: encoded(brighter(shifted(image, 4, 4), 1.05), "JPEG", 30),
}
