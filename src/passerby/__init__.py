"""Find people in photos by what they wear.

The names below are the public API. They are loaded when they are first used, so that ``import passerby`` is quick.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from passerby.data.datasets import load_dataset
    from passerby.errors import PasserbyError
    from passerby.find.index import Index
    from passerby.find.ingest import index_paths
    from passerby.find.query import ask
    from passerby.find.search import search
    from passerby.measure.evaluate import evaluate
    from passerby.resolve import load_model

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime reads it when loaded; it would keep an id in the user's cache

__all__ = ["Index", "PasserbyError", "ask", "evaluate", "index_paths", "load_dataset", "load_model", "search"]

_HOMES = {
    "Index": "passerby.find.index",
    "PasserbyError": "passerby.errors",
    "ask": "passerby.find.query",
    "evaluate": "passerby.measure.evaluate",
    "index_paths": "passerby.find.ingest",
    "load_dataset": "passerby.data.datasets",
    "load_model": "passerby.resolve",
    "search": "passerby.find.search",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'passerby' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
