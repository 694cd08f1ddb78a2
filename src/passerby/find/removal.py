"""From an index, for good: what paths name, and single people."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from passerby.devices import folder_of, is_device_name, path_at_centre
from passerby.errors import QueryError
from passerby.index.base import Index, as_index
from passerby.inputs import AnyPaths, as_paths
from passerby.media.scan import Root, absolute
from passerby.types import Failure

ROWS: Final = 512
"""Rows per transaction where nothing is read or encoded."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """What a deletion did.

    Args:
        removed: how many media and people were deleted.
        failed: paths that an index knows nothing of.
        suppressed: people who were deleted and are kept out from now on, by their ids.
        let_in: people who are not kept out any more.
        unknown: ids of nobody in the index, or of nobody who was kept out.
    """

    removed: int
    failed: tuple[Failure, ...]
    suppressed: tuple[int, ...] = ()
    let_in: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()


def remove_paths(index: Index, paths: AnyPaths) -> RemovalReport:
    """Delete files, all below folders, and what patterns match, from an index and from everything derived of it. The files themselves stay.

    Args:
        paths: several, or one alone.

    Raises:
        InputError: an argument of the wrong kind.
        IndexFault: the index cannot be written, or another process holds on to deleted data.
    """
    return remove_from(as_index(index), as_paths(paths))


def remove_from(index: Index, paths: Iterable[Path], people: Sequence[int] = (), forgiven: Sequence[int] = ()) -> RemovalReport:
    """Delete what paths name, as `remove_paths`, and people with everybody who is in their place in copies of their media.

    Such people are kept out from now on, whenever and from wherever their media are indexed: by salted digests, which say of nobody who it
    is.

    Args:
        people: their ids.
        forgiven: ids of people who are kept out and shall be no longer; they come back when their media are indexed again.

    Raises:
        IndexFault: the index cannot be written, or another process holds on to deleted data.
    """
    known, failed = named_in(index, paths)
    with index.writing() if people or forgiven else nullcontext():
        let_in = [person for person in dict.fromkeys(forgiven) if index.unsuppress(person)]
        deleted = {person: index.suppress(person) for person in dict.fromkeys(people)}
    removed = _forgotten(index, known) + sum(deleted.values())
    suppressed = [person for person, count in deleted.items() if count]
    unknown = [*set(forgiven).difference(let_in), *set(people).difference(suppressed)]
    return RemovalReport(removed, tuple(failed), tuple(suppressed), tuple(let_in), tuple(sorted(unknown)))


def remove_of_devices(index: Index, devices: Iterable[str], paths: Sequence[Path] = ()) -> RemovalReport:
    """Delete what devices pushed: all of it, or what paths name. What a device still holds comes back with its next push.

    Args:
        devices: by name.
        paths: as answers tell them: absolute on each device, or below the name of a live camera there; patterns too.

    Raises:
        QueryError: a device of which nothing is here; nothing is deleted then.
        IndexFault: the index cannot be written, or another process holds on to deleted data.
    """
    known, failed = dict[Path, None](), []
    for device, there in {name: _pushed_by(index, name) for name in devices}.items():
        for path in paths:
            named = _known_by(index, _on_device(device, path))
            known |= dict.fromkeys(named)
            if not named:
                reason = f"expected something that device {device} pushed, found nothing; take a path of `search --json`"
                failed.append(Failure(path, reason))
        known |= dict.fromkeys(() if paths else there)
    return RemovalReport(_forgotten(index, list(known)), tuple(failed))


def _pushed_by(index: Index, device: str) -> list[Path]:
    there = index.paths_under(folder_of(device)) if is_device_name(device) else []
    if not there:
        do = "correct --device: passerby info --devices lists them"
        raise QueryError(expected=f"something that device {device!r} pushed", found="nothing", do=do)
    return there


def _on_device(device: str, path: Path) -> Path:
    """The path that a path of a device has at its centre; ``..`` leads out neither of the device nor of its live cameras."""
    whole = absolute(Path("/", path))
    return path_at_centre(device, whole if path.is_absolute() else whole.relative_to("/"))


def named_in(index: Index, paths: Iterable[Path]) -> tuple[list[Path], list[Failure]]:
    """The known paths that files, folders, patterns and live cameras' names name, and failures for those that name none."""
    named: dict[Path, None] = {}
    failed = []
    for path in paths:
        known = _known_by(index, absolute(path)) or _known_by(index, Path(os.path.realpath(path))) or index.paths_under(path)
        if not known:
            failed.append(Failure(absolute(path), f"expected something in the index{_at(index.place())}, found nothing; check the path"))
        named |= dict.fromkeys(known)
    return list(named), failed


def _at(place: Path | None) -> str:
    return "" if place is None else f" at {place}"


def _known_by(index: Index, path: Path) -> list[Path]:
    root = Root.of(path, is_there=lambda named: bool(index.paths_under(named)))
    return [known for known in index.paths_under(root.base) if root.names(known)]


def _forgotten(index: Index, paths: Sequence[Path]) -> int:
    """Delete media and failures, and what is derived of them; how many media were there."""
    removed = forget_all(index, paths)
    index.fold()
    index.purge()
    return removed


def forget_all(index: Index, paths: Sequence[Path]) -> int:
    """Delete media and failures; how many media were there."""
    removed = 0
    for batch in batches(paths, ROWS):
        with index.writing():
            removed += sum(map(index.forget, batch))
    return removed


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Items in runs of a size, the last one of what is left."""
    return (items[start : start + size] for start in range(0, len(items), size))
