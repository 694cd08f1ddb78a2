"""CLIP's towers with random weights: they take as long as trained ones and say nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection


def image_tower(config: CLIPVisionConfig, height: int, width: int) -> nn.Module:
    """A CLIP image tower (Radford et al. 2021) for pictures of one size, which need not be square: float32 (n, 3, height, width) to (n, d).

    Args:
        config: its defaults are those of ViT-B/32.
        height, width: multiples of the side of a patch, in pixels.
    """
    return _random(_ImageTower(config, height, width))


def text_tower(config: CLIPTextConfig) -> nn.Module:
    """A CLIP text tower: token ids and their mask, int64 (n, L), to float32 (n, d).

    Args:
        config: its defaults are those of ViT-B/32 and ViT-B/16.
    """
    return _random(_TextTower(config))


def _random(tower: nn.Module) -> nn.Module:
    """Every parameter drawn anew, biases too: where two are alike, an export holds one of them only."""
    torch.manual_seed(0)
    for parameter in tower.parameters():
        nn.init.normal_(parameter, std=0.02)
    return tower.eval()


class _ImageTower(nn.Module):
    def __init__(self, config: CLIPVisionConfig, height: int, width: int) -> None:
        super().__init__()
        self.clip = CLIPVisionModelWithProjection._from_config(config, attn_implementation="eager")
        self.clip.vision_model.embeddings = _Embeddings(config.hidden_size, config.patch_size, height, width)

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
    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.clip = CLIPTextModelWithProjection._from_config(config, attn_implementation="eager")

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        return self.clip(input_ids=input_ids, attention_mask=attention_mask).text_embeds
