"""Times and cameras in the names of files, by patterns such as ``{camera}_%Y%m%d_%H%M%S``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Final

from passerby.errors import InputError
from passerby.inputs import as_text
from passerby.media.clock import as_camera_name, read_offset, require_wall

_DIGITS: Final = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"\d{2}",
    "d": r"\d{2}",
    "H": r"\d{2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
    "f": r"\d{1,9}",
    "s": r"\d{10}",
}
_DIRECTIVES: Final = _DIGITS | {"z": r"Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d"}
_PIECE: Final = re.compile(r"%(?P<directive>.?)|\{(?P<field>[^}]*)\}?|(?P<literal>[^%{]+)", re.DOTALL)
_CAMERA: Final = r"(?P<camera>[^/]+)"
_CAMERA_AT_END: Final = r"(?P<camera>[^/]+?)(?:\.[^./]*)?$"
_EXAMPLE: Final = "'{camera}_%Y%m%d_%H%M%S'"
_DO: Final = "correct the pattern"


@dataclass(frozen=True, slots=True)
class Named:
    """What a file's name says.

    Args:
        wall: by the camera's clock, naive; ``None`` where the pattern asks for no time.
        zone: ``+01:00`` or the like where the name gives it, else ``None``.
        camera: ``None`` where the pattern asks for none.
    """

    wall: datetime | None
    zone: str | None
    camera: str | None


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A pattern that files' names are looked through for; made by :meth:`of`.

    Args:
        text: as it was given.
        folders: how many folders above a file it looks at.
    """

    text: str
    folders: int
    _expression: re.Pattern[str]

    @classmethod
    def of(cls, text: str) -> NamePattern:
        """Read a pattern.

        It may stand anywhere in a file's name, and stands for what it says but for these: ``{camera}``, the camera's name;
        ``%Y %m %d %H %M %S``, with as many digits as ``2026 11 28 18 02 05`` (``%y`` for ``26``); ``%f``, a fraction of a second;
        ``%s``, seconds since 1970, of ten digits; ``%z``, an offset such as ``+01:00``, or ``Z``; ``%%``, a ``%``. A number it begins or
        ends with is a whole one. With ``/`` in it the folders above the file are looked at too, as many as it names.

        Raises:
            InputError: no such pattern; one that asks for nothing, or twice for the same; or a time without year, month, day and hour.
        """
        text = unicodedata.normalize("NFC", as_text(text, f"a pattern of names such as {_EXAMPLE}"))
        pieces = list(_PIECE.finditer(text))
        asked = [_asked(piece, text) for piece in pieces if piece["literal"] is None and piece[0] != "%%"]
        _require_sense(asked, text)
        expression = "".join(map(_expression, pieces))
        if asked[-1] == "camera" and expression.endswith(_CAMERA):
            expression = expression.removesuffix(_CAMERA) + _CAMERA_AT_END
        before = r"(?<!\d)" if pieces[0]["directive"] in _DIGITS else ""
        after = r"(?!\d)" if pieces[-1]["directive"] in _DIGITS else ""
        return cls(text, text.count("/"), re.compile(before + expression + after, re.ASCII))

    def read(self, path: PurePath) -> Named | None:
        """What a file's name says; ``None`` where it does not fit the pattern, or is of no day that there is."""
        name = unicodedata.normalize("NFC", "/".join(path.parts[-self.folders - 1 :]))
        for match in self._expression.finditer(name):
            found = match.groupdict()
            with suppress(ValueError):
                return Named(*_time(found), as_camera_name(found["camera"]) if "camera" in found else None)
        return None


def _asked(piece: re.Match[str], text: str) -> str:
    """The directive or field that a piece of a pattern is."""
    if piece["field"] == "camera" and piece[0].endswith("}"):
        return "camera"
    if piece["directive"] in _DIRECTIVES:
        return piece["directive"]
    raise InputError(expected=f"{{camera}}, %% or one of %{' %'.join(_DIRECTIVES)}", found=f"{piece[0]!r} in {text!r}", do=_DO)


def _require_sense(asked: list[str], text: str) -> None:
    if not asked:
        raise InputError(expected=f"a pattern with a time or a camera, such as {_EXAMPLE}", found=repr(text), do=_DO)
    if len(set(asked)) < len(asked) or {"y", "Y"} <= {*asked}:
        raise InputError(expected="each part of a time, and a camera, once", found=repr(text), do=_DO)
    time = {*asked} - {"camera"}
    if time and "s" not in time and not ({"m", "d", "H"} <= time and time & {"y", "Y"}):
        raise InputError(expected="a time with year, month, day and hour: %Y, %m, %d and %H, or %s", found=repr(text), do=_DO)


def _expression(piece: re.Match[str]) -> str:
    if piece["literal"] is not None:
        return re.escape(piece["literal"])
    if piece["field"] is not None:
        return _CAMERA
    directive = piece["directive"]
    return "%" if directive == "%" else f"(?P<{directive}>{_DIRECTIVES[directive]})"


def _time(found: Mapping[str, str]) -> tuple[datetime | None, str | None]:
    """The wall time in what was found, and its zone. Raises ``ValueError`` for one that cannot be."""
    fraction = timedelta(microseconds=int(found.get("f", "0")[:6].ljust(6, "0")))
    if "s" in found:
        return datetime.fromtimestamp(int(found["s"]), UTC).replace(tzinfo=None) + fraction, "+00:00"
    if "H" not in found:
        return None, None
    year = int(found["Y"]) if "Y" in found else 2000 + int(found["y"])
    month, day, hour, minute, second = (int(found.get(part, "0")) for part in ("m", "d", "H", "M", "S"))
    wall = datetime(year, month, day, hour, minute, second) + fraction
    return require_wall(wall), read_offset(found.get("z", ""))
