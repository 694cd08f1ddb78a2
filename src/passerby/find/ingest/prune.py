"""Deleting media whose files are gone, where somebody says that they are."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from passerby.devices import ROOT
from passerby.find.ingest.report import IndexReport
from passerby.find.removal import forget_all, named_in
from passerby.index.base import Index, as_index
from passerby.inputs import AnyPaths, as_paths
from passerby.media.scan import find_file
from passerby.types import Failure


def prune_paths(index: Index, paths: AnyPaths) -> IndexReport:
    """Delete from an index what paths name, as for `remove_paths`, and whose files are gone; what is there, or might be, stays.

    Live cameras stay too, and are named as failures: they never had files.

    Raises:
        InputError: an argument of the wrong kind.
        IndexFault: the index cannot be written, or another process holds on to deleted data.
    """
    index = as_index(index)
    known, failed = named_in(index, as_paths(paths))
    failed += _never_files(path for path in known if not path.is_absolute())
    gone, there = [], 0
    for path in known:
        if path.is_relative_to(ROOT) or not path.is_absolute():  # of a device, which says itself when it goes, or of a camera
            continue
        try:
            find_file(path)
            there += 1
        except (FileNotFoundError, NotADirectoryError):
            gone.append(path)
        except OSError as error:
            cause = (error.strerror or type(error).__name__).lower()
            failed.append(
                Failure(path, f"expected a file that is gone, found: {cause}; it is kept, passerby remove deletes it all the same")
            )
    removed = forget_all(index, gone)
    index.fold()
    index.purge()
    return IndexReport(0, 0, there, removed, tuple(failed), 0)


def _never_files(live: Iterable[Path]) -> list[Failure]:
    """What is wrong with pruning stretches of live cameras, once for each camera."""
    return [
        Failure(
            Path(name),
            f"expected files that are gone, found a live camera, which never had any; passerby remove {shlex.quote(name)} deletes it",
        )
        for name in dict.fromkeys(path.parts[0] for path in live)
    ]
