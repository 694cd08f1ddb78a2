"""CLIP with random weights, as towers or as a checkpoint: it takes as long as a trained one and says nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor, nn
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)


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


def write_random_clip(folder: Path, patch: int) -> None:
    """A checkpoint of the hub's shape and size (ViT-B) that knows nothing: to see what a machine can hold.

    Its tokenizer has letters alone, so that captions fill all 77 tokens, which those of a real one seldom do.
    """
    torch.manual_seed(0)
    text = CLIPTextConfig()
    config = CLIPConfig(text_config=text.to_dict(), vision_config=CLIPVisionConfig(patch_size=patch).to_dict(), projection_dim=512)
    letters = [letter + end for letter in sorted(ByteLevel.alphabet()) for end in ("", "</w>")]
    vocabulary = {piece: i for i, piece in enumerate(letters)}
    vocabulary |= {"<|startoftext|>": text.bos_token_id, "<|endoftext|>": text.eos_token_id}
    model = CLIPModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:  # gains of one and biases of zero are all alike, which no trained model's are
                parameter.add_(0.02 * torch.randn(parameter.shape))
    model.save_pretrained(folder)
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    stated = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(stated), encoding="utf-8")
