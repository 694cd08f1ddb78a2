"""A person detector in torch as a folder: its weights, and what made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from passerby.atomic import replacing_folder
from passerby.errors import ModelError
from passerby.learn.models.base import CARD
from passerby.learn.models.detector import PersonDetector
from passerby.learn.models.model_folder import require_vacant

WEIGHTS: Final = "detector.safetensors"


def save_detector(folder: Path, model: PersonDetector, made_of: Mapping[str, Any]) -> None:
    """Write a detector's weights and card, as a whole or not at all.

    Raises:
        ModelError: ``folder`` is there and is no model of Passerby.
    """
    require_vacant(folder)
    with replacing_folder(folder) as draft:
        (draft / WEIGHTS).write_bytes(save({name: tensor.contiguous() for name, tensor in model.state_dict().items()}))
        (draft / CARD).write_text(json.dumps({"made_of": dict(made_of)}, indent=1) + "\n", encoding="utf-8")


def is_detector(folder: Path) -> bool:
    """Whether :func:`save_detector` wrote this folder."""
    return (folder / WEIGHTS).is_file()


def load_detector_folder(folder: Path) -> PersonDetector:
    """The detector that :func:`save_detector` wrote. Raises ``ModelError`` for anything else."""
    try:
        weights = load_file(folder / WEIGHTS)
        model = PersonDetector(weights["heads.0.box.weight"].shape[1])
        model.load_state_dict(weights)
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        found = f"none that can be read ({' '.join(str(error).split())[:200]})"
        raise ModelError(expected=f"a detector in {folder}", found=found, do="name the folder that `passerby train` made") from None
    return model
