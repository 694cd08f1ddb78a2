"""A base as a folder of its own: a CLIP as transformers has it, a compact model as its weights and its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file

from passerby.atomic import replacing_folder
from passerby.errors import ModelError
from passerby.learn.models.base import CARD, Base, Size, files_digest, read_json
from passerby.learn.models.compact import WEIGHTS, build_like
from passerby.model.preprocess import Preprocessing

TOKENIZER: Final = "tokenizer.json"


def save_base(base: Base, folder: Path, made_of: Mapping[str, Any]) -> None:
    """Write a base as a whole or not at all, to be loaded by its folder's name.

    A CLIP's folder loads in plain transformers, at its own square size; the size it was adapted at is in Passerby's card.

    Args:
        made_of: where it comes from; any JSON object.

    Raises:
        ModelError: ``folder`` is there and is no model of Passerby.
    """
    require_vacant(folder)
    card = {
        "preprocessing": base.preprocessing.to_json(),
        "max_tokens": base.max_tokens,
        "temperature": base.temperature,
        "made_of": dict(made_of),
    }
    with replacing_folder(folder) as draft:
        base.model.save(draft)
        for name, content in {**base.files, TOKENIZER: base.tokenizer}.items():
            (draft / name).write_bytes(content)
        (draft / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def load_saved(folder: Path, size: Size | None = None) -> Base:
    """The compact model that :func:`save_base` wrote. Raises ``ModelError`` for anything else."""
    card = read_json(folder / CARD)
    preprocessing = Preprocessing.from_json(card.get("preprocessing"))
    if size is not None:
        preprocessing = replace(preprocessing, height=size.height, width=size.width)
    try:
        weights = load_file(folder / WEIGHTS)
        model = build_like(weights)
        model.load_state_dict(weights)
        tokenizer, max_tokens, temperature = (folder / TOKENIZER).read_bytes(), int(card["max_tokens"]), float(card["temperature"])
    except (SafetensorError, OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            expected=f"a compact model in {folder}",
            found=f"none that can be read ({' '.join(str(error).split())[:200]})",
            do="merge it again",
        ) from None
    return Base(
        name=str(folder),
        digest=files_digest([folder / WEIGHTS]),
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        max_tokens=max_tokens,
        preprocessing=preprocessing,
        temperature=temperature,
    )


def require_vacant(folder: Path) -> None:
    """Raises ``ModelError`` where there is something that Passerby did not make."""
    if folder.exists() and not (folder / CARD).is_file():
        raise ModelError(expected=f"{folder} to be free", found="something that Passerby did not write", do="name another folder")
