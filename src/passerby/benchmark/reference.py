"""The CLIPs a model's speed is measured beside: made once from their configs with random weights, kept as ONNX in the user's cache.

Weights decide what a tower says and not how long it takes, so these towers are for timing only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from passerby.atomic import replacing

CONTEXT: Final = 77
"""Tokens of a text as CLIP is run: every text is padded to them."""
NATIVE: Final = 224
"""Height and width of the pictures CLIP was trained on."""
PATCHES: Final = (32, 16)


@dataclass(frozen=True, slots=True)
class Reference:
    """A CLIP for timing.

    Args:
        name: such as ``clip-vit-b32@224``.
        height, width: of a picture, in pixels.
        tokens: of a text.
        image_tower, text_tower: ONNX files with the inputs and outputs of a bundle's.
    """

    name: str
    height: int
    width: int
    tokens: int
    image_tower: Path
    text_tower: Path


def references(height: int, width: int, tokens: int, cache: Path, say: Callable[[str], None]) -> list[Reference]:
    """CLIP B/32 and B/16 as they are run, and both at a model's own picture size and length of text; what is not cached is made.

    A size that is no multiple of the patches is rounded up to one.

    Args:
        height, width: of the model's pictures, in pixels.
        tokens: of the model's texts.
        cache: the towers' folder.
        say: told what is being made, which takes a minute each.

    Raises:
        ModelError: torch does not export it.
        ModuleNotFoundError: a tower has to be made and the packages of the extra [learn] are not installed.
        OSError: the cache cannot be written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    text_tower = _cached(cache / "clip-text.onnx", say, _text_tower)
    made: dict[str, Reference] = {}
    for size, length in (((NATIVE, NATIVE), CONTEXT), ((height, width), min(tokens, CONTEXT))):
        for patch in PATCHES:
            tall, wide = (math.ceil(side / patch) * patch for side in size)
            name = f"clip-vit-b{patch}@{tall if tall == wide else f'{tall}x{wide}'}"
            image_tower = _cached(cache / f"{name}.onnx", say, partial(_image_tower, patch, tall, wide))
            made.setdefault(name, Reference(name, tall, wide, length, image_tower, text_tower))
    return list(made.values())


def _cached(path: Path, say: Callable[[str], None], make: Callable[[], bytes]) -> Path:
    if not path.is_file():
        say(f"making {path.name} once, with random weights, in {path.parent}")
        tower = make()
        with replacing(path) as file:
            file.write(tower)
    return path


def _image_tower(patch: int, height: int, width: int) -> bytes:
    from transformers import CLIPVisionConfig

    from passerby.convert.export import image_tower_onnx
    from passerby.learn.models.random_clip import image_tower

    tower = image_tower(CLIPVisionConfig(patch_size=patch), height, width)
    return bytes(image_tower_onnx(tower, height, width).graph.SerializeToString())


def _text_tower() -> bytes:
    from transformers import CLIPTextConfig

    from passerby.convert.export import text_tower_onnx
    from passerby.learn.models.random_clip import text_tower

    return bytes(text_tower_onnx(text_tower(CLIPTextConfig())).graph.SerializeToString())
