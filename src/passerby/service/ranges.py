"""Parts of a file, as players ask for them: single ranges of bytes, RFC 9110."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from passerby.service.problems import Refused

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def ranged(data: bytes, asked: str | None, media_type: str) -> Response:
    """All of a file, or the range that is asked for. What is no single range is answered with all of it.

    Args:
        asked: the header ``Range``.

    Raises:
        Refused: the range begins after the end.
    """
    stretch = _stretch(asked or "", len(data))
    if stretch is None:
        return Response(data, HTTPStatus.OK, {"Accept-Ranges": "bytes"}, media_type)
    if not stretch:
        found = f"one beyond its {len(data)}"
        raise Refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, expected="a range of its bytes", found=found, do="ask for less")
    headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {stretch.start}-{stretch.stop - 1}/{len(data)}"}
    return Response(data[stretch.start : stretch.stop], HTTPStatus.PARTIAL_CONTENT, headers, media_type)


def _stretch(asked: str, size: int) -> range | None:
    """Which bytes are asked for; ``None`` for all, empty where there are none."""
    match = _RANGE.fullmatch(asked)
    if not match or asked == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)
