"""Where a model computes, and in what."""

from __future__ import annotations

import torch


def best_device() -> torch.device:
    """A GPU where torch has one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision(device: torch.device) -> torch.dtype:
    """What the towers compute in: bfloat16 where the processor does, else float32; emulated, bfloat16 takes twenty times as long."""
    return torch.bfloat16 if device.type == "cuda" or torch.cpu.get_capabilities().get("avx512_bf16") else torch.float32


def autocast(device: torch.device, dtype: torch.dtype | None = None) -> torch.autocast:
    """Mixed precision within the block: in ``dtype``, or in what the device is good at."""
    dtype = dtype or precision(device)
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)
