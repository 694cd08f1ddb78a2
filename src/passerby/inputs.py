"""What the public functions take, and what they say to anything else. Behind them a path is a ``Path`` and paths are a tuple."""

from __future__ import annotations

import operator
import os
import reprlib
from collections.abc import Callable, Iterable, Mapping
from io import IOBase
from pathlib import Path
from typing import Any, TypeVar

from passerby.errors import InputError

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]
AnyPaths = AnyPath | Iterable[AnyPath]

_T = TypeVar("_T")


def as_path(value: object, expected: str = "a path, a str or a Path") -> Path:
    """The path that a string, bytes or a path object names. Raises ``InputError``."""
    if not isinstance(value, str | bytes | os.PathLike):
        raise wrong(value, expected)
    try:
        name = os.fsencode(value)
    except (TypeError, ValueError) as error:
        raise wrong(value, expected) from error
    if not name or b"\0" in name:
        raise wrong(value, f"{expected}, not empty and without NUL")
    return Path(os.fsdecode(name))


def as_paths(value: object) -> tuple[Path, ...]:
    """The paths of an iterable; one alone is one path. Raises ``InputError``."""
    one = "a path or an iterable of paths, each a str or a Path"
    return tuple(as_path(item, one) for item in as_items(value, str | bytes | os.PathLike, one))


def as_text(value: object, expected: str = "words in a str") -> str:
    """Raises ``InputError`` for what is no text."""
    return require(value, str, expected)


def as_texts(value: object) -> tuple[str, ...]:
    """The texts of an iterable; one alone is one text. Raises ``InputError``."""
    one = "a text or an iterable of texts, each a str"
    return tuple(as_text(item, one) for item in as_items(value, str, one))


def as_integer(value: object, expected: str) -> int:
    """An integer of Python or numpy. Raises ``InputError``."""
    try:
        return operator.index(value if not isinstance(value, bool) else None)  # type: ignore[arg-type]
    except TypeError as error:
        raise wrong(value, expected) from error


def as_function(value: Callable[..., _T], expected: str) -> Callable[..., _T]:
    """Raises ``InputError`` for what cannot be called."""
    if not callable(value):
        raise wrong(value, expected)
    return value


def require(value: object, kind: type[_T], expected: str, do: str = "correct the argument") -> _T:
    """The value, if it is of this kind. Raises ``InputError``."""
    if not isinstance(value, kind):
        raise wrong(value, expected, do)
    return value


def wrong(value: object, expected: str, do: str = "correct the argument") -> InputError:
    """What to say of a value that is not what was expected, in one line."""
    shown = " ".join(reprlib.repr(value).split())
    return InputError(expected=expected, found=shown if value is None else f"{shown} ({type(value).__name__})", do=do)


def as_items(value: object, single: Any, expected: str) -> Iterable[object]:
    """The items of an iterable; one of the ``single`` kind alone is one. Raises ``InputError``."""
    if isinstance(value, single):
        return (value,)
    if isinstance(value, Mapping | bytes | bytearray | memoryview | IOBase):
        raise wrong(value, expected)
    try:
        return tuple(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise wrong(value, expected) from error
