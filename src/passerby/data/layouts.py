"""Where a dataset keeps its pictures and words: the official layouts of the field, and plain tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from passerby.data.pictures import Pictures
from passerby.data.raw import RawRecord, read_json
from passerby.data.tables import NAMED_SUFFIXES, SUFFIXES, read_table
from passerby.data.text import require_text
from passerby.errors import DatasetError
from passerby.types import Problem, Split

IMAGES = "imgs"
MORE_CAPTIONS = "more-captions.json"
UNLABELLED = "unlabelled.json"

UNDERSTOOD = (
    "a folder of CUHK-PEDES (reid_raw.json or caption_all.json, imgs/), of ICFG-PEDES (ICFG-PEDES.json, imgs/) or of RSTPReid "
    "(data_captions.json, imgs/), or a table with path, caption[, id, split] in text (.csv, .tsv, .txt) or JSON (.jsonl, .json), "
    "or a folder that holds exactly one .csv or .jsonl file"
)

_PATH_KEYS = {
    "reid_raw.json": "file_path",
    "ICFG-PEDES.json": "file_path",
    "ICFG_PEDES.json": "file_path",
    "data_captions.json": "img_path",
    "caption_all.json": "file_path",
}
"""The annotation file of each official layout, and its key for a record's picture. ICFG-PEDES goes about under two spellings."""
_WITHOUT_SPLITS = "caption_all.json"
"""As the authors of CUHK-PEDES hand it out; who also has ``reid_raw.json``, which tells the splits, means that."""


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset as it lies on disk, nothing checked yet.

    Args:
        name: the dataset's name.
        file: the table or the annotation file.
        pictures: where its pictures are.
        records: its records, in its order.
        problems: what could not be read as a record at all.
        more_captions: the file of the second source of words, where there is one.
    """

    name: str
    file: Path
    pictures: Pictures
    records: tuple[RawRecord, ...]
    problems: tuple[Problem, ...] = ()
    more_captions: Path | None = None

    @property
    def is_table(self) -> bool:
        """Whether it is no official layout."""
        return self.pictures.folder == self.file.parent.resolve()


def read_source(path: Path) -> Source:
    """Finds out which layout `path` is in, and reads it.

    Raises:
        DatasetError: no such path, a layout that is not understood or not unambiguous, or an annotation file that cannot be read.
    """
    try:
        file = _annotation_file(path)
        return _read_official(file) if is_official(file, path) else _read_table(file, confined=path.is_dir())
    except (OSError, RuntimeError) as error:
        raise _unseen(path, error) from error


def annotation_file(path: Path) -> Path:
    """The table or annotation file by which a dataset is found. Raises ``DatasetError`` where that is not one file."""
    try:
        return _annotation_file(path)
    except OSError as error:
        raise _unseen(path, error) from error


def _unseen(path: Path, error: Exception) -> DatasetError:
    return DatasetError(expected=UNDERSTOOD, found=f"{path}: {error}", do="check the path and its permissions")


def _annotation_file(path: Path) -> Path:
    if path.is_file():
        require_text(path)
        candidates = [path] if path.suffix.lower() in NAMED_SUFFIXES else []
    else:
        official = [path / name for name in _PATH_KEYS if (path / name).is_file()]
        candidates = [file for file in official if file.name != _WITHOUT_SPLITS] or official
        candidates = candidates or sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    if len(candidates) != 1:
        found = " and ".join(file.name for file in candidates) or "none of these"
        raise DatasetError(expected=UNDERSTOOD, found=f"{found} at {path}", do="name one dataset")
    return candidates[0]


def is_official(file: Path, path: Path) -> bool:
    """Whether an annotation file is that of a layout: found in its folder, or itself named where it has pictures beside it."""
    return file.name in _PATH_KEYS and (file != path or (file.parent / IMAGES).is_dir())


def _read_table(file: Path, confined: bool) -> Source:
    folder = file.parent.resolve()
    table = read_table(file)
    return Source(folder.name, file, Pictures(folder, confined), table.records, table.problems)


def _read_official(file: Path) -> Source:
    folder, images = file.parent.resolve(), (file.parent / IMAGES).resolve()
    if not images.is_dir():
        raise DatasetError(expected=f"a folder {IMAGES}/ beside {file}", found="none", do="unpack the pictures there")
    more_captions, unlabelled = folder / MORE_CAPTIONS, folder / UNLABELLED
    has_more = file.name == "reid_raw.json" and more_captions.is_file()
    items = list(_read_records(file, _PATH_KEYS[file.name]))
    if has_more and unlabelled.is_file():
        items += _read_records(unlabelled, "file_path", split=Split.TRAIN, captions=[])
    records = tuple(item for item in items if isinstance(item, RawRecord))
    problems = tuple(item for item in items if isinstance(item, Problem))
    return Source(folder.name, file, Pictures(images, confined=True), records, problems, more_captions if has_more else None)


def _read_records(file: Path, path_key: str, **same_for_all: object) -> Iterator[RawRecord | Problem]:
    items = read_json(file)
    if not isinstance(items, list):
        raise DatasetError(expected=f"a list of records in {file}", found=type(items).__name__, do="unpack or download the file again")
    nobody_set_apart = not any(isinstance(item, dict) and "split" in item for item in items)
    default = {"split": Split.VAL} if nobody_set_apart else {}
    for number, item in enumerate(items, start=1):
        place = f"{file.name} record {number}"
        if isinstance(item, dict):
            fields = default | item | same_for_all
            yield RawRecord(place, fields.get(path_key), fields.get("id"), fields.get("split"), fields.get("captions"))
        else:
            yield Problem(place, f"is not an object but {type(item).__name__}")
