"""Media whose files cannot be seen: absence is not deletion, they are kept and said to be away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from passerby.find.removal import ROWS, batches, forget_all
from passerby.index.base import Index
from passerby.media.scan import Scan, is_gone
from passerby.types import Failure


@dataclass(frozen=True, slots=True)
class Absence:
    """Media that are kept though their files cannot be seen.

    Args:
        count: how many there are below the paths given.
        new: of these, those that were there the last time.
        since: when the first of them could not be seen for the first time, in seconds since 1970; ``None`` if there are none.
        below: the paths given that name them.
        wholly: of these, those of which nothing that was indexed can be seen.
    """

    count: int = 0
    new: int = 0
    since: int | None = None
    below: tuple[Path, ...] = ()
    wholly: tuple[Path, ...] = ()


def keep_unseen(index: Index, scan: Scan, unreadable: Sequence[Path], now: int) -> Absence:
    """Say of media that cannot be seen that they are away; failures of files that are gone say nothing any more."""
    since: dict[Path, int] = {}
    new: list[Path] = []
    over: list[Path] = []
    for path in dict.fromkeys([*scan.unseen, *unreadable]):
        known = index.standing(path)
        if known and known.digest:
            since[path] = known.away_since or now
            new += [path] * (known.away_since is None)
        elif known and is_gone(path):
            over.append(path)
    miss(index, new, now)
    forget_all(index, over)
    there = set(scan.files).difference(unreadable)
    below = [root for root, known in scan.roots.items() if not since.keys().isdisjoint(known)]
    wholly = [root for root in below if there.isdisjoint(scan.roots[root])]
    return Absence(
        len(since), len(new), min(since.values(), default=None), tuple(root.path for root in below), tuple(root.path for root in wholly)
    )


def miss(index: Index, paths: Sequence[Path], now: int) -> None:
    for batch in batches(paths, ROWS):
        with index.writing():
            for path in batch:
                index.miss(path, now)


def missing(path: Path, away: Absence) -> Failure:
    if path in away.below:
        return Failure(path, "expected a file or folder, found nothing; what the index holds of it is kept")
    return Failure(path, "expected a file or folder, found nothing; check the path")
