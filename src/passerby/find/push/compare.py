"""What a device has to tell a centre: the difference of two lists of media, each by path."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from passerby.devices import ROOT
from passerby.errors import ServiceFault
from passerby.index.base import Outgoing, Tallied

_AT_ONCE: Final = 1 << 20
UNKNOWN: Final = -1
"""The tally of a media that a centre does not hold: nobody ever had it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be told.

    Args:
        changed: media of the device that the centre does not hold so, and what it holds of them, ``UNKNOWN`` where nothing.
        gone: media that the centre holds, and the device no more.
        same: how many others there are.
    """

    changed: tuple[Tallied, ...]
    gone: tuple[Path, ...]
    same: int


def difference(index: Outgoing, held: Iterable[Tallied]) -> Difference:
    """Compare what a device holds with what a centre holds, both by path; in the memory is what differs alone."""
    changed, gone, same = [], [], 0
    with index.snapshot():
        for own, there in _joined(_own(index), held):
            if own is None and there is not None:
                gone.append(Path(os.fsdecode(there.path)))
            elif own is not None and own == there:
                same += 1
            elif own is not None:
                changed.append(there or Tallied(own.path, UNKNOWN, UNKNOWN))
    return Difference(tuple(changed), tuple(gone), same)


def _own(index: Outgoing) -> Iterator[Tallied]:
    """What a device holds, but for what other devices pushed to it."""
    theirs = os.fsencode(f"{ROOT}/")
    return (one for one in index.tallies() if not one.path.startswith(theirs))


def _joined(own: Iterable[Tallied], held: Iterable[Tallied]) -> Iterator[tuple[Tallied | None, Tallied | None]]:
    """Pairs of equal paths, and those of which there is one alone."""
    mine, theirs = iter(own), iter(held)
    one, other = next(mine, None), next(theirs, None)
    while one is not None or other is not None:
        key, its = (item and item.path for item in (one, other))
        first = key is not None and (its is None or key <= its)
        second = its is not None and (key is None or its <= key)
        yield one if first else None, other if second else None
        one = next(mine, None) if first else one
        other = next(theirs, None) if second else other


def read_held(packed: bytes) -> Iterator[Tallied]:
    """What a centre says that it holds. Raises ``ServiceFault`` for what is cut short, or says something else."""
    unpacker, rest, count = zlib.decompressobj(wbits=31), b"", 0
    try:
        while data := unpacker.decompress(packed, _AT_ONCE):
            packed = unpacker.unconsumed_tail
            *lines, rest = (rest + data).split(b"\n")
            for said in map(json.loads, lines):
                if isinstance(said, dict):
                    if said["media"] != count:
                        break
                    return
                path, tally, facts = said
                yield Tallied(os.fsencode(path), UNKNOWN if tally is None else tally, UNKNOWN if facts is None else facts)
                count += 1
    except (ValueError, KeyError, TypeError, zlib.error):
        pass
    raise ServiceFault(expected="what the centre holds of this device", found="something else, or a part of it", do="try again")
