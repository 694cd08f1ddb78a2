"""Every kind of index, by what makes one."""

from __future__ import annotations

from collections.abc import Callable

from postgres import lend

from passerby.index.base import Index
from passerby.index.open import create_index
from passerby.model.bundle_encoder import BundleEncoder

Make = Callable[[str, BundleEncoder], Index]
KINDS: dict[str, Make] = {
    "sqlite": create_index,
    "memory": lambda _, encoder: create_index("memory://", encoder),
    "postgres": lend,
}
