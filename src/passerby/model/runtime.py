"""The one door to ONNX Runtime. Whatever needs it comes through here; the linter refuses another import."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["InferenceSession", "onnxruntime"]


def onnxruntime() -> Any:
    """ONNX Runtime, loaded with its telemetry off, which its packages for Linux (1.32) have on.

    Those read ``ORT_DISABLE_TELEMETRY`` while they are loaded; afterwards is too late. A value of the user's own stays.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime
