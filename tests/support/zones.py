"""Zones with all that clocks do, and a machine that stands in one of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",  # half an hour
    "Asia/Kathmandu",  # three quarters
    "Australia/Lord_Howe",  # its summer is half an hour long
    "America/Havana",  # midnight comes twice
    "Pacific/Apia",  # left out 2011-12-30
]


@contextmanager
def machine_in(zone: str) -> Iterator[None]:
    """Let the machine's clock be in a zone, none of them at UTC; skips where the system has no zones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        try:
            if time.localtime(1_795_858_933).tm_gmtoff == 0:
                pytest.skip("needs the system's time zones, such as Debian's tzdata")
            yield
        finally:
            patch.undo()
            time.tzset()
