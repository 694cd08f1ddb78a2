"""The C allocator, told how training uses it."""

from __future__ import annotations

import ctypes
import sys

MMAP_MAX, TRIM_THRESHOLD, TOP_PAD, ARENA_MAX = -4, -1, -2, -8
"""Numbers of glibc's ``mallopt`` parameters, from its ``malloc.h``."""
NEVER = -1
STEP = 100_000_000


def keep_freed_memory() -> None:
    """Let this process keep the memory it frees, where the C library is glibc; elsewhere nothing changes.

    Every training step frees and takes the same gigabytes. By default glibc hands large blocks back to the system, which has to fill them
    with zeros again, page by page: a third of a step's time.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, NEVER), (TOP_PAD, STEP), (ARENA_MAX, 1)):
            mallopt(parameter, value)
