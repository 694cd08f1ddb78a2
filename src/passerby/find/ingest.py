"""From files to people in an index: only what is new or changed is encoded, and what is done stays done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from passerby.errors import ImageError
from passerby.find.index import Index, as_index
from passerby.find.scan import Found, Scan, absolute, is_gone, scan_paths
from passerby.find.vectors import drop_vectors, load_vectors
from passerby.inputs import AnyPaths, as_function, as_paths
from passerby.model.encode import Encoded, encode_images
from passerby.model.encoder import Encoder, as_encoder
from passerby.model.media import read_media
from passerby.progress import PROGRESS
from passerby.types import Failure, Media, Note

BATCH: Final = 16
"""Files per transaction, and per run of the image tower: a resumed run makes the same batches as an undisturbed one."""

_CROP_ASPECT: Final = 0.9
_CROP_PIXELS: Final = 2_000_000

OnProgress = Callable[[int, int], None]
"""Told how many of the new and changed files are done, safely on the disk, and how many there are."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a run of indexing did.

    Args:
        indexed: media that are new, or new in content.
        recognised: of these, the moved or copied ones, whose bytes were known and not encoded again.
        unchanged: media that were there before.
        removed: media that are no longer on the disk, deleted from the index.
        failed: files that could not be used, now or in an earlier run that they have not changed since.
        not_crops: of the encoded ones, pictures that do not look like the crop of one person: wide, or large.
        skipped: files in folders that are no pictures by their names.
        notes: what had to be guessed of the encoded ones.
    """

    indexed: int
    recognised: int
    unchanged: int
    removed: int
    failed: tuple[Failure, ...]
    not_crops: int
    skipped: int
    notes: tuple[Note, ...] = ()


def index_paths(index: Index, encoder: Encoder, paths: AnyPaths, on_progress: OnProgress = lambda _done, _total: None) -> IndexReport:
    """Bring an index up to date with files, folders and patterns.

    Every ``BATCH`` files are committed together; stopped at any moment, the next run goes on from there.
    Files are unchanged by size and time, else by content. Media below ``paths`` that are gone are deleted from the index.

    Args:
        paths: several, or one alone.

    Raises:
        InputError: an argument of the wrong kind.
        IndexFault: the index is of another model, or cannot be written.
        ModelError: the image tower cannot be trusted.
    """
    index, encoder, named = as_index(index), as_encoder(encoder), as_paths(paths)
    on_progress = as_function(on_progress, PROGRESS)
    index.require_model(encoder.digest, encoder.name)
    scan = scan_paths(named, leave_out=index.folder)
    todo, unchanged, failed = _compare(index, scan)

    def report_progress(done: int) -> None:
        on_progress(done, len(todo))

    strangers, recognised, touched = _link_known(index, todo, report_progress)
    encoded, not_crops, unusable, notes = _encode(
        index, encoder, strangers, lambda done: report_progress(len(todo) - len(strangers) + done)
    )
    removed = _remove_gone(index, scan)
    missing = [_missing(path) for path in scan.missing if path not in removed]
    with index.snapshot():
        load_vectors(index)
    return IndexReport(
        indexed=recognised + encoded,
        recognised=recognised,
        unchanged=unchanged + touched,
        removed=sum(removed.values()),
        failed=(*missing, *scan.failed, *failed, *unusable),
        not_crops=not_crops,
        skipped=scan.skipped,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """What a deletion did: the number of media deleted, and the paths an index knows nothing of."""

    removed: int
    failed: tuple[Failure, ...]


def remove_paths(index: Index, paths: AnyPaths) -> RemovalReport:
    """Delete files, and all below folders, from an index and from everything derived of it. The files themselves stay.

    Args:
        paths: several, or one alone.

    Raises:
        InputError: an argument of the wrong kind.
        IndexFault: the index cannot be written, or another process holds on to deleted data.
    """
    index = as_index(index)
    removed = 0
    failed = []
    for path in map(absolute, as_paths(paths)):
        known = index.paths_under(path)
        if not known:
            failed.append(Failure(path, f"expected something in the index at {index.folder}, found nothing; check the path"))
        removed += sum(_forget(index, known).values())
    drop_vectors(index.folder)
    index.purge()
    return RemovalReport(removed, tuple(failed))


def looks_like_crop(width: int, height: int) -> bool:
    """Whether a picture of this size in pixels can be the crop of one person: tall, and not a whole photo."""
    return width <= _CROP_ASPECT * height and width * height <= _CROP_PIXELS


def _compare(index: Index, scan: Scan) -> tuple[list[Found], int, list[Failure]]:
    """The files that are new or changed, the number of unchanged ones, and failures that would only repeat themselves."""
    todo, unchanged, failed = [], 0, []
    for file in scan.files.values():
        known = index.standing(file.path)
        if known is None or known.size != file.size:
            todo.append(file)
        elif known.failure is None and known.time_ns == file.modified_ns:
            unchanged += 1
        elif known.failure is not None and known.time_ns == file.changed_ns and not file.named:
            failed.append(Failure(file.path, known.failure))
        else:
            todo.append(file)
    return todo, unchanged, failed


def _link_known(index: Index, todo: Sequence[Found], report_progress: Callable[[int], None]) -> tuple[list[Found], int, int]:
    """Settle files whose bytes are known; the others, the number of moved or copied ones, and of merely touched ones."""
    strangers: list[Found] = []
    moved = touched = 0
    for start in range(0, len(todo), BATCH):
        batch = todo[start : start + BATCH]
        media = {file.path: _read_known_size(index, file) for file in batch}
        settled: set[Path] = set()
        if any(media.values()):
            with index.writing():
                for path, item in media.items():
                    before = index.standing(path)
                    if item and index.link(item):
                        settled.add(path)
                        same = before is not None and before.digest == item.digest
                        touched, moved = touched + same, moved + (not same)
        strangers += [file for file in batch if file.path not in settled]
        if settled:
            report_progress(moved + touched)
    return strangers, moved, touched


def _read_known_size(index: Index, file: Found) -> Media | None:
    """A file's digest, worked out only if some media has its size: no other can have its bytes."""
    if not index.knows_size(file.size):
        return None
    try:
        return read_media(file.path)[0]
    except ImageError:
        return None


def _encode(
    index: Index, encoder: Encoder, files: Sequence[Found], report_progress: Callable[[int], None]
) -> tuple[int, int, list[Failure], list[Note]]:
    """Encode and commit; the number encoded, how many of them do not look like crops, the failures, and the guesses."""
    not_crops = 0
    failed: list[Failure] = []
    notes: list[Note] = []
    results = encode_images(encoder, (file.path for file in files), batch_size=BATCH)
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        outcomes = [(file, next(results)) for file in batch]
        with index.writing():
            for file, outcome in outcomes:
                if isinstance(outcome, Encoded):
                    index.add(outcome.media, outcome.vector)
                    not_crops += not looks_like_crop(outcome.width, outcome.height)
                    notes += outcome.notes
                else:
                    index.fail(file.path, file.size, file.changed_ns, outcome.reason)
                    failed.append(Failure(file.path, outcome.reason))
        report_progress(start + len(batch))
    return len(files) - len(failed), not_crops, failed, notes


def _remove_gone(index: Index, scan: Scan) -> dict[Path, int]:
    """Delete what is no longer on the disk; each path with the number of media it held."""
    known = [path for folder in scan.folders for path in index.paths_under(folder)]
    known += [path for path in scan.missing if index.standing(path)]
    gone = [path for path in dict.fromkeys(known) if path not in scan.files and is_gone(path)]
    return _forget(index, gone)


def _forget(index: Index, paths: Sequence[Path]) -> dict[Path, int]:
    removed: dict[Path, int] = {}
    for start in range(0, len(paths), BATCH):
        with index.writing():
            removed |= {path: index.forget(path) for path in paths[start : start + BATCH]}
    return removed


def _missing(path: Path) -> Failure:
    return Failure(path, "expected a file or folder, found nothing; check the path")
