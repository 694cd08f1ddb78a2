"""The resized pictures that a run keeps beside its checkpoints while it learns: pictures of people, to be gone when they are not needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from passerby.errors import ConfigError
from passerby.learn.config import MODEL

FOLDER: Final = "pictures"
_FILES: Final = ("pictures-*.npy", "pictures-*.part")


def pictures_of(run: Path) -> list[Path]:
    """The files of resized pictures in a run's folder; of an adapter or model named, in that of the run which made it."""
    folder = _run_of(run) / FOLDER
    return sorted(path for pattern in _FILES for path in folder.glob(pattern))


def _run_of(made: Path) -> Path:
    beside = made.with_name(f"{made.name}.run")
    if beside.is_dir():
        return beside
    return made.parent if made.name == MODEL else made


def delete_pictures(run: Path) -> int:
    """Delete a run's resized pictures for good; a run that goes on makes them again. Returns their size in bytes.

    Raises:
        ConfigError: no such folder.
        OSError: a file cannot be deleted.
    """
    files = pictures_of(run)
    if not files and not run.is_dir():
        raise ConfigError(expected="the folder of a run, or what it made", found=f"no folder {run}", do="correct the name")
    size = sum(path.stat().st_size for path in files)
    for path in files:
        path.unlink()
    if files and not any(files[0].parent.iterdir()):
        files[0].parent.rmdir()
    return size


def end_of_run(run: Path, say: Callable[[str], None], *, keep: bool) -> None:
    """Delete a finished run's resized pictures, or say where they are kept."""
    if not keep:
        delete_pictures(run)
    elif files := pictures_of(run):
        size = sum(path.stat().st_size for path in files)
        say(f"resized pictures of people, {size / 1e6:,.1f} MB, are kept in {files[0].parent}; passerby clean {run} deletes them")
