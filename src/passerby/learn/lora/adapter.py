"""An adapter as a folder: PEFT's two files, and a card that names the base by digest, so that it is never put on another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from passerby.atomic import replacing_folder
from passerby.errors import GateRefused, ModelError
from passerby.learn.models.base import ADAPTER_CONFIG, CARD, Base, Size, read_json
from passerby.learn.models.model_folder import require_vacant, save_base
from passerby.model.preprocess import Preprocessing, normalise
from passerby.model.selftest import TEXTS, golden_images

WEIGHTS: Final = "adapter_model.safetensors"
MAX_DIFFERENCE: Final = 1e-5
"""Between a feature before and after a merge."""


@dataclass(frozen=True, slots=True)
class Card:
    """What an adapter says of itself.

    Args:
        base_name, base_digest: the base it was trained on.
        preprocessing: the input it was trained with.
        trained: how, and what it was worth on val; free.
    """

    base_name: str
    base_digest: str
    preprocessing: Preprocessing
    trained: Mapping[str, Any]

    @property
    def size(self) -> Size:
        return Size(self.preprocessing.height, self.preprocessing.width)


def read_card(folder: Path) -> Card:
    """Raises ``ModelError`` for a folder that is no adapter of Passerby."""
    if not (folder / ADAPTER_CONFIG).is_file() or not (folder / CARD).is_file():
        missing = next(name for name in (ADAPTER_CONFIG, CARD) if not (folder / name).is_file())
        raise ModelError(expected=f"an adapter in {folder}", found=f"no {missing}", do="name a folder that `passerby finetune` made")
    stated = read_json(folder / CARD)
    try:
        base = stated["base"]
        return Card(str(base["name"]), str(base["digest"]), Preprocessing.from_json(stated["preprocessing"]), stated.get("trained", {}))
    except (KeyError, TypeError) as error:
        raise ModelError(
            expected=f"base and preprocessing in {folder / CARD}", found=f"none that can be read ({error!r})", do="train the adapter again"
        ) from None


def write_adapter(folder: Path, base: Base, config: LoraConfig, weights: Mapping[str, Tensor], trained: Mapping[str, Any]) -> None:
    """Write an adapter as a whole or not at all; one that is there makes way.

    Args:
        weights: as :func:`adapter_weights` gives them.
        trained: any JSON object.

    Raises:
        ModelError: ``folder`` is there and is no adapter.
    """
    require_vacant(folder, base.folder, adapter=True)
    card = {
        "base": {"name": base.name, "digest": base.digest},
        "preprocessing": base.preprocessing.to_json(),
        "trained": dict(trained),
    }
    with replacing_folder(folder) as draft:
        stated = {key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()}
        (draft / ADAPTER_CONFIG).write_text(json.dumps(stated, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        (draft / WEIGHTS).write_bytes(save({name: tensor.contiguous() for name, tensor in weights.items()}, metadata={"format": "pt"}))
        (draft / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def adapter_weights(adapted: PeftModel) -> dict[str, Tensor]:
    """The adapter's own tensors by PEFT's names for files, on the processor."""
    return {name: tensor.detach().cpu() for name, tensor in get_peft_model_state_dict(adapted).items()}


def attach(base: Base, folder: Path) -> Base:
    """A base with an adapter in its place; the base itself is used up.

    Raises:
        ModelError: an adapter of another base, or whose files cannot be used.
    """
    adapted, _, _ = _attach(base, folder)
    return adapted


def merge(base: Base, folder: Path, out: Path) -> float:
    """Add an adapter to its base's weights, prove that nothing changed by that, and write the model to a folder.

    Returns:
        the largest difference of a feature, before and after, over the golden inputs.

    Raises:
        ModelError: an adapter of another base, or whose files cannot be used; or the base, the adapter or no model of ours lies at ``out``.
        GateRefused: a feature that differs by more than ``MAX_DIFFERENCE``; nothing is written.
    """
    require_vacant(out, base.folder, folder)
    adapted, peft_model, card = _attach(base, folder)
    before = _golden_vectors(adapted)
    peft_model.merge_and_unload()
    difference = float(np.abs(_golden_vectors(adapted) - before).max())
    if not difference <= MAX_DIFFERENCE:
        raise GateRefused(
            expected=f"features that a merge changes by at most {MAX_DIFFERENCE}",
            found=f"{difference:.2g}",
            do="report it with peft's version",
        )
    save_base(adapted, out, made_of={"base": {"name": base.name, "digest": base.digest}, "adapter": folder.name, **card.trained})
    return difference


def _attach(base: Base, folder: Path) -> tuple[Base, PeftModel, Card]:
    card = read_card(folder)
    if card.base_digest != base.digest:
        raise ModelError(
            expected=f"the base of {folder}: {card.base_name} ({card.base_digest[:12]})",
            found=f"{base.name} ({base.digest[:12]})",
            do="name that base, or train an adapter on this one",
        )
    peft_model = _untrained(base, folder)
    weights = _read_weights(folder)
    expected = adapter_weights(peft_model)
    if differing := [name for name in expected.keys() | weights.keys() if _shape(expected, name) != _shape(weights, name)]:
        raise ModelError(
            expected=f"the weights that {folder / ADAPTER_CONFIG} names", found=f"another {min(differing)}", do="train the adapter again"
        )
    set_peft_model_state_dict(peft_model, weights)
    base.model.eval().requires_grad_(False)
    return replace(base, name=f"{base.name} with {folder.name}", made_of=card.trained), peft_model, card


def _shape(weights: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(weights[name].shape) if name in weights else None


def _untrained(base: Base, folder: Path) -> PeftModel:
    """The base with matrices in place as an adapter's config says, but not yet the adapter's."""
    try:
        config = LoraConfig.from_pretrained(str(folder))
        config.base_model_name_or_path = None
        return get_peft_model(base.model.adaptable, config)
    except Exception as error:  # PEFT raises what its parts raise
        raise ModelError(
            expected=f"{folder / ADAPTER_CONFIG} as PEFT wrote it", found=_one_line(error), do="train the adapter again"
        ) from None


def _read_weights(folder: Path) -> dict[str, Tensor]:
    try:
        weights: dict[str, Tensor] = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ModelError(expected=f"whole weights in {folder / WEIGHTS}", found=_one_line(error), do="train the adapter again") from None
    return weights


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _golden_vectors(base: Base) -> NDArray[np.float32]:
    """Of the golden pictures and texts: their vectors, and the probabilities of attributes, one after the other: float32."""
    encoder, p = base.encoder(), base.preprocessing
    pixels = normalise(golden_images(p.height, p.width), p)
    seen = encoder.see(pixels)
    probabilities = 1 / (1 + np.exp(-seen.log_odds))
    return np.concatenate([part.ravel() for part in (seen.vectors, probabilities, encoder.embed_texts(TEXTS))])
