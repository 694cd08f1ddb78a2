"""A base as a folder of its own: a CLIP as transformers has it, a compact model as its weights and its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file

from passerby.atomic import replacing_folder
from passerby.errors import ModelError
from passerby.learn.config import MODEL
from passerby.learn.models.attribute_head import names_in
from passerby.learn.models.base import ADAPTER_CONFIG, CARD, Base, Size, files_digest, made_of_in, read_json
from passerby.learn.models.compact import WEIGHTS, CompactClip, at_size, build_like
from passerby.learn.models.dual_encoder import DualEncoder
from passerby.model.preprocess import Preprocessing

TOKENIZER: Final = "tokenizer.json"


def save_base(base: Base, folder: Path, made_of: Mapping[str, Any]) -> None:
    """Write a base to be loaded by its folder's name; otherwise as :func:`save_model`."""
    save_model(
        folder,
        base.model,
        tokenizer=base.tokenizer,
        max_tokens=base.max_tokens,
        preprocessing=base.preprocessing,
        temperature=base.temperature,
        files=base.files,
        made_of=made_of,
    )


def save_model(
    folder: Path,
    model: DualEncoder,
    *,
    tokenizer: bytes,
    max_tokens: int,
    preprocessing: Preprocessing,
    temperature: float,
    made_of: Mapping[str, Any],
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write a model, and all that using, adapting or exporting it needs, as a whole or not at all.

    A CLIP's folder loads in plain transformers, at its own square size; the size it was adapted at is in Passerby's card.

    Args:
        tokenizer: a ``tokenizer.json``.
        temperature: what cosines were divided by when it learnt.
        made_of: where it comes from: ``recipe``, ``val`` and ``step`` of its training, what it was adapted from; any JSON object.
        files: what else belongs into the folder, by name.

    Raises:
        ModelError: ``folder`` is there and is no model of Passerby.
    """
    require_vacant(folder)
    card = {
        "preprocessing": preprocessing.to_json(),
        "max_tokens": max_tokens,
        "temperature": temperature,
        "made_of": dict(made_of),
    }
    with replacing_folder(folder) as draft:
        model.save(draft)
        for name, content in {**files, TOKENIZER: tokenizer}.items():
            (draft / name).write_bytes(content)
        (draft / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def load_saved(folder: Path, size: Size | None = None) -> Base:
    """The compact model that :func:`save_model` wrote. Raises ``ModelError`` for anything else, ``ConfigError`` for a size too small."""
    model, card = read_compact(folder), read_json(folder / CARD)
    preprocessing = at_size(Preprocessing.from_json(card.get("preprocessing")), size)
    try:
        tokenizer, max_tokens, temperature = (folder / TOKENIZER).read_bytes(), int(card["max_tokens"]), float(card["temperature"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(folder, error) from None
    return Base(
        name=str(folder),
        digest=files_digest([folder / WEIGHTS]),
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        max_tokens=max_tokens,
        preprocessing=preprocessing,
        temperature=temperature,
        made_of=made_of_in(card),
        folder=folder,
    )


def read_compact(folder: Path) -> CompactClip:
    """Its towers alone, as they were saved. Raises ``ModelError``."""
    if not (folder / CARD).exists():
        within = (folder / MODEL / CARD).exists()
        raise ModelError(
            expected=f"a model in {folder}",
            found=f"no {CARD}",
            do=f"name {folder / MODEL}" if within else "name a bundle, or a folder that `passerby` train, finetune, merge or distil made",
        )
    try:
        weights = load_file(folder / WEIGHTS)
        model = build_like(weights, names_in(folder / WEIGHTS))
        model.load_state_dict(weights)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise _unreadable(folder, error) from None
    return model


def _unreadable(folder: Path, error: Exception) -> ModelError:
    return ModelError(
        expected=f"a compact model in {folder}",
        found=f"none that can be read ({' '.join(str(error).split())[:200]})",
        do="name another, or make this one again",
    )


def require_vacant(folder: Path, *needed: Path | None, adapter: bool = False) -> None:
    """Find out whether a model, or an ``adapter``, may take the place of what a folder holds.

    Args:
        needed: what the model is made of; none of it may lie there.

    Raises:
        ModelError: something that Passerby did not make or that is needed, an adapter in a model's place or a model in an adapter's.
    """
    if not folder.exists():
        return
    place = folder.resolve()
    if found := next((path for path in needed if path and path.resolve().is_relative_to(place)), None):
        found_there = f"{found}, which this is made of"
    elif not (folder / CARD).is_file():
        found_there = "something that Passerby did not write"
    elif (folder / ADAPTER_CONFIG).is_file() != adapter:
        found_there = "a model" if adapter else "an adapter"
    else:
        return
    raise ModelError(expected=f"{folder} to be free", found=found_there, do="name another folder")
