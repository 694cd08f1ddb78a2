"""What this machine's processor computes exactly."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")
_X86: Final = frozenset({"x86_64", "amd64", "i386", "i686", "x86"})
_VNNI: Final = frozenset({"avx512_vnni", "avx_vnni"})


def saturates_int8(machine: str | None = None, cpuinfo: Path = CPUINFO) -> bool:
    """Whether products of 8-bit activations and 8-bit weights lose their highest values here.

    Before VNNI, x86 adds two such products in 16 bits, which can be too few. An x86 processor that does not say it has VNNI counts as one
    without: a slower answer is better than a wrong one.

    Args:
        machine: the processor's kind as ``platform.machine`` gives it.
        cpuinfo: where Linux tells what the processor can do.
    """
    if (machine or platform.machine()).lower() not in _X86:
        return False
    try:
        told = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return not any(_VNNI & set(line.split()) for line in told.splitlines() if line.startswith("flags"))
