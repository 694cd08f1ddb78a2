"""What a dataset's files hold before it is checked: JSON, records, and what their fields may be."""

from __future__ import annotations

import json
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from passerby.errors import DatasetError
from passerby.types import Caption, Split

SPLITS: Final = {
    **dict.fromkeys(("train", "training"), Split.TRAIN.value),
    **dict.fromkeys(("val", "valid", "validation", "dev"), Split.VAL.value),
    **dict.fromkeys(("test", "testing"), Split.TEST.value),
}
"""What people call the splits, in any case."""

_NOBODY: Final = frozenset({"", "nan", "null", "none", "n/a", "#n/a"})
"""What programs write where there is no id; as one, it would make one person of all who have none."""


def read_json(file: Path) -> object:
    """The JSON value in `file` (UTF-8, with or without byte order mark). Raises DatasetError where there is none."""
    try:
        value: object = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            expected=f"JSON in {file}", found=f"{error}", do="mend it there, check its permissions, or unpack the file again"
        ) from error
    return value


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record as it stands in a file: any JSON value may stand in any field.

    Args:
        place: where in which file; names the record where its path cannot.
        path: of the picture, as `pictures.Pictures.locator` takes it.
        identity: who it is.
        split: a name among ``SPLITS``.
        captions: a list of strings.
    """

    place: str
    path: object
    identity: object
    split: object
    captions: object

    @property
    def label(self) -> str:
        """What a person looks for to find this record."""
        return self.path if isinstance(self.path, str) and self.path.strip() else self.place


def read_split(value: object) -> Split:
    """Raises ValueError for a name that is none of the splits."""
    if value is None or value == "":
        raise ValueError("has no split")
    try:
        return Split(SPLITS[str(value).strip().casefold()])
    except KeyError:
        raise ValueError(f"has an unknown split {reprlib.repr(value)} (known: {', '.join(Split)})") from None


def read_path(value: object) -> str:
    """Raises ValueError for anything that no file can be called."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"has no path, found {reprlib.repr(value)}")
    if not _is_unicode(value) or "\0" in value:
        raise ValueError(f"has a path that is not text: {reprlib.repr(value)}")
    return value


def read_identity(value: object) -> str:
    """Raises ValueError for anything but a whole number, kept as it is written, or a string with something in it."""
    if value is None or (isinstance(value, str) and value.strip().casefold() in _NOBODY):
        raise ValueError("has no id")
    whole = isinstance(value, int | str) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not _is_unicode(str(value)):
        raise ValueError(f"has an id that is neither a whole number nor text: {reprlib.repr(value)}")
    return str(value).strip()


def read_captions(value: object) -> tuple[tuple[Caption, ...], tuple[str, ...]]:
    """The captions that can be used, and what is wrong with the others."""
    if value is None:
        return (), ()
    if not isinstance(value, list):
        return (), (f"has captions that are not a list but {type(value).__name__}",)
    captions, faults = [], []
    for number, text in enumerate(value, start=1):
        try:
            captions.append(Caption(read_text(text)))
        except ValueError as error:
            faults.append(f"has a caption ({number} of {len(value)}) that {error}")
    return tuple(captions), tuple(faults)


def read_text(value: object) -> str:
    """Words without white space around them. Raises ValueError where there are none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise ValueError("is empty")
    if not isinstance(value, str):
        raise ValueError(f"is not text but {type(value).__name__}")
    if not _is_unicode(value):
        raise ValueError("is not valid Unicode")
    return value.strip()


def _is_unicode(text: str) -> bool:
    """JSON can carry half of a surrogate pair, which nothing downstream can write or tokenise."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
