"""CLIP's towers with random weights, as ONNX: they take as long as trained ones and say nothing."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection

from passerby.errors import ModelError

OPSET = 18


def image_tower_onnx(patch: int, height: int, width: int) -> bytes:
    """The image tower of CLIP ViT-B (Radford et al. 2021) for pictures of one size.

    Args:
        patch: the side of a patch, in pixels, such as 32 or 16.
        height, width: multiples of it.

    Returns:
        ONNX from ``pixel_values`` float32 (n, 3, height, width) to ``image_features`` float32 (n, 512).
    """
    torch.manual_seed(patch)
    pixels = torch.zeros(2, 3, height, width)
    return _to_onnx(_ImageTower(patch, height, width), (pixels,), ["pixel_values"], "image_features", ({0: torch.export.Dim.DYNAMIC},))


def text_tower_onnx() -> bytes:
    """The text tower of CLIP ViT-B: ONNX from ``input_ids`` and ``attention_mask`` int64 (n, L) to ``text_features`` float32 (n, 512)."""
    torch.manual_seed(0)
    ids = torch.ones(2, 9, dtype=torch.int64)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    return _to_onnx(_TextTower(), (ids, torch.ones_like(ids)), ["input_ids", "attention_mask"], "text_features", (free, free))


class _ImageTower(nn.Module):
    def __init__(self, patch: int, height: int, width: int) -> None:
        super().__init__()
        config = CLIPVisionConfig(patch_size=patch, attn_implementation="eager")
        self.clip = CLIPVisionModelWithProjection(config)
        self.clip.vision_model.embeddings = _Embeddings(config.hidden_size, patch, height, width)

    def forward(self, pixel_values: Tensor) -> Any:
        return self.clip(pixel_values=pixel_values).image_embeds


class _Embeddings(nn.Module):
    """The patches of a rectangular picture after a token for the whole, each with a learned position."""

    def __init__(self, channels: int, patch: int, height: int, width: int) -> None:
        super().__init__()
        self.whole = nn.Parameter(torch.randn(channels))
        self.patches = nn.Conv2d(3, channels, patch, patch, bias=False)
        self.positions = nn.Parameter(torch.randn(1 + height // patch * (width // patch), channels))

    def forward(self, pixel_values: Tensor, **_: object) -> Tensor:
        patches = self.patches(pixel_values).flatten(2).transpose(1, 2)
        whole = self.whole.expand(len(pixel_values), 1, -1)
        return torch.cat([whole, patches], dim=1) + self.positions


class _TextTower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.clip = CLIPTextModelWithProjection(CLIPTextConfig(attn_implementation="eager"))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        return self.clip(input_ids=input_ids, attention_mask=attention_mask).text_embeds


def _to_onnx(tower: nn.Module, inputs: tuple[Tensor, ...], input_names: list[str], output_name: str, shapes: Any) -> bytes:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            tower.eval(),
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=input_names,
            output_names=[output_name],
            dynamic_shapes=shapes,
            verbose=False,
        )
    if program is None:
        raise ModelError(expected="torch to export CLIP", found="nothing", do="report it with torch's version")
    return bytes(program.model_proto.SerializeToString())
