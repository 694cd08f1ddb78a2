"""A model's name to an encoder; the one file that knows every kind of model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from passerby.errors import ModelError
from passerby.model.bundle import MANIFEST, Bundle, read_bundle
from passerby.model.encoder import Encoder
from passerby.model.onnx import OnnxEncoder

DEFAULT_MODEL: Final = "passerby-s"

_BUNDLES: Final = Path(__file__).parent / "model" / "bundles"
_HUB_ID: Final = re.compile(r"[\w-][\w.-]*/[\w.-]+")


def load_model(name: str = DEFAULT_MODEL) -> Encoder:
    """The model of a name; its towers are loaded when they are first used.

    Args:
        name: a bundled model's name, or a bundle's folder.

    Raises:
        ModelError: no such model, naming those there are, or a bundle that cannot be used.
    """
    return OnnxEncoder(find_bundle(name))


def find_bundle(name: str) -> Bundle:
    """The bundle of a name, as for :func:`load_model`, with its files unread. Raises ``ModelError``."""
    if name in bundled_models():
        return read_bundle(_BUNDLES / name)
    if Path(name).is_dir():
        return read_bundle(Path(name))
    raise _unknown(name)


def bundled_models() -> list[str]:
    """Names of the models that are installed with Passerby, sorted."""
    return sorted(manifest.parent.name for manifest in _BUNDLES.glob(f"*/{MANIFEST}"))


def _unknown(name: str) -> ModelError:
    expected = f"a bundled model ({', '.join(bundled_models()) or 'none is installed'}) or a bundle's folder"
    if _HUB_ID.fullmatch(name):
        return ModelError(
            expected=expected, found=f"the hub id {name!r}", do="wait for the [learn] extra of a later version to load CLIP from a hub"
        )
    return ModelError(expected=expected, found=repr(name), do="correct the name")
