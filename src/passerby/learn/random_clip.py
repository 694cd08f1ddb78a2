"""CLIP with random weights, as ONNX towers or as a checkpoint: it takes as long as a trained one and says nothing."""

from __future__ import annotations

import json
import logging
import warnings
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

from passerby.errors import ModelError

OPSET = 18


def image_tower_onnx(config: CLIPVisionConfig, height: int, width: int) -> bytes:
    """A CLIP image tower (Radford et al. 2021) for pictures of one size, which need not be square.

    Args:
        config: its defaults are those of ViT-B/32.
        height, width: multiples of the side of a patch, in pixels.

    Returns:
        ONNX from ``pixel_values`` float32 (n, 3, height, width) to ``image_features`` float32 (n, d).
    """
    torch.manual_seed(0)
    pixels = torch.zeros(2, 3, height, width)
    return _to_onnx(_ImageTower(config, height, width), (pixels,), ["pixel_values"], "image_features", ({0: torch.export.Dim.DYNAMIC},))


def text_tower_onnx(config: CLIPTextConfig) -> bytes:
    """A CLIP text tower: ONNX from ``input_ids`` and ``attention_mask`` int64 (n, L) to ``text_features`` float32 (n, d).

    Args:
        config: its defaults are those of ViT-B/32 and ViT-B/16.
    """
    torch.manual_seed(0)
    ids = torch.ones(2, 9, dtype=torch.int64)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    return _to_onnx(_TextTower(config), (ids, torch.ones_like(ids)), ["input_ids", "attention_mask"], "text_features", (free, free))


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
