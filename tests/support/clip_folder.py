"""A small ``CLIPModel`` of random weights, written as any checkpoint of the hub is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

DIM, SIDE, PATCH, MAX_TOKENS = 24, 32, 8, 77
MEAN, STD = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]


def clip_tokenizer() -> CLIPTokenizer:
    """Letters, and a few pairs of them that are merged."""
    letters = sorted(ByteLevel.alphabet())
    merges = [("a", "t"), ("r", "e"), ("re", "d</w>"), ("h", "at</w>")]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "at", "at</w>", "re", "red</w>", "hat</w>"]
    merges.insert(3, ("a", "t</w>"))
    vocabulary = {piece: i for i, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges)


def clip_model(seed: int = 0, layers: int = 2, **changes: Any) -> CLIPModel:
    torch.manual_seed(seed)
    tokenizer = clip_tokenizer()
    common = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": layers, "num_attention_heads": 2}
    text = {
        **common,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": MAX_TOKENS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **changes,
    }
    vision = {**common, "image_size": SIDE, "patch_size": PATCH}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=DIM, logit_scale_init_value=4.0))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model.eval()


def write_clip(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Config, weights, tokenizer and preprocessor."""

    clip_model(seed, **changes).save_pretrained(folder)
    clip_tokenizer().save_pretrained(folder)
    stated = {"crop_size": SIDE, "size": SIDE, "image_mean": MEAN, "image_std": STD, "resample": 3, "do_center_crop": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(stated))
    return folder
