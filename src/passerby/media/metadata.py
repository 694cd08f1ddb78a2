"""What stands around a picture's pixels in its file, and how to read the pixels when that is damaged."""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final

Kept = frozenset[str]
"""Which metadata stays: ``"exif"`` says which way is up, ``"icc"`` what the colours mean."""

ALL: Final[Kept] = frozenset({"exif", "icc"})

_LESS_AND_LESS: Final[tuple[Kept, ...]] = (ALL, frozenset({"exif"}), frozenset({"icc"}), frozenset())
_ENDINGS: Final = 8
_FILLED: Final = 512
_BLANK: Final = bytes(64)
"""Pixels hardly ever end so."""
_JPEG_END: Final = b"\xff\xd9"
_START_OF_SCAN: Final = 0xDA
_RESTARTS: Final = 0xDD
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")
_JPEG2000_PROFILE: Final = b"colr\x02"
_PNG_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_PNG_KEPT: Final = {b"eXIf": "exif", b"iCCP": "icc"}
_WEBP_PIXELS: Final = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
_WEBP_KEPT: Final = {b"EXIF": "exif", b"ICCP": "icc"}
_WEBP_FLAGS: Final = {"exif": 0x08, "icc": 0x20}
_WEBP_PIXEL_FLAGS: Final = 0x12
_TIFF_PIXELS: Final = frozenset(
    {254, *range(256, 260), 262, 266, 273, *range(277, 280), 284, 292, 293, 317, 320, *range(322, 326), 332, 338, 339, 347}
    | {*range(512, 522), *range(529, 533)}
)
_TIFF_KEPT: Final = {274: "exif", 34675: "icc"}


def without_metadata(data: bytes) -> Iterator[tuple[bytes, Kept]]:
    """The same pixels with less and less metadata around them, and what is kept of it; each differs from the one before.

    Lengths are trusted: where one leads astray, the rest of the file stays as it is. Nothing for formats without metadata of note.
    """
    if data[4:8] == b"ftyp":
        yield data.replace(b"Exif", b"none"), ALL  # becomes an item of unknown type: an AVIF says elsewhere which way is up
        return
    strip = next((strip for start, strip in _STRIPS if data.startswith(start)), None)
    if strip is None:
        return
    before = data
    for kept in _LESS_AND_LESS:
        try:
            bare = strip(data, kept)
        except (struct.error, IndexError, ValueError):  # what is kept is damaged
            continue
        if bare != before:
            yield bare, kept
        before = bare


def jpeg2000_profile(data: bytes) -> bytes | None:
    """The colour profile in a JPEG 2000's header, which Pillow does not read."""
    at = data.find(_JPEG2000_PROFILE, 0, data.find(b"jp2c"))
    return data[at + 7 : at - 4 + int.from_bytes(data[at - 4 : at])] if at > 4 else None


def is_blank_at_end(data: bytes) -> bool:
    """Whether a JPEG goes over into zeros, as on a disk that lost the rest, without having ended."""
    return data.endswith(_BLANK) and not data.rstrip(b"\0").endswith(_JPEG_END)


def ended_jpegs(data: bytes) -> Iterator[bytes]:
    """A JPEG that lacks its end marker, ended in several ways; nothing where it lacks scans.

    All its pixels are there if every ending gives the same picture: what is missing would be read from the ending.
    """
    cut = data.rstrip(b"\0") if data.endswith(_BLANK) else data
    cut = cut.rstrip(b"\xff")
    if _has_all_scans(cut):
        yield cut + _JPEG_END
        for seed in range(_ENDINGS):
            yield cut + _filling(cut, random.Random(seed)) + _JPEG_END


def _filling(cut: bytes, chance: random.Random) -> bytes:
    """Bits that a JPEG might go on with, and each restart marker when it is due."""
    bits = [chance.randbytes(_FILLED).replace(b"\xff", b"\0") for _ in range(8)]
    if not any(marker == _RESTARTS for marker, _, _ in _jpeg_segments(cut)):
        return b"".join(bits)
    passed = _RESTART.findall(cut, cut.rfind(bytes([0xFF, _START_OF_SCAN])))
    due = passed[-1][1] + 1 if passed else 0xD0
    return b"".join(some + bytes([0xFF, 0xD0 + (due + number) % 8]) for number, some in enumerate(bits))


def _has_all_scans(data: bytes) -> bool:
    """Whether some scan gives the last bit of each coefficient of each component."""
    components = b""
    given: dict[int, set[int]] = {}
    for marker, start, end in _jpeg_segments(data):
        segment = data[start:end]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            components = segment[10::3]
        elif marker == _START_OF_SCAN:
            first, last, bits = segment[-3:]
            if bits & 15 == 0:
                for component in segment[5 : 5 + 2 * segment[4] : 2]:
                    given.setdefault(component, set()).update(range(first, last + 1))
    return bool(components) and all(len(given.get(component, ())) == 64 for component in components)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Each marker that has a segment, with where that starts and ends."""
    at = 2
    while (at := data.find(b"\xff", at)) != -1 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD9:
            at += 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
            yield marker, at, min(end, len(data))
            at = end


def _bare_jpeg(data: bytes, kept: Kept) -> bytes:
    parts, at = [data[:2]], 2
    for marker, start, end in _jpeg_segments(data):
        if marker == _START_OF_SCAN:
            break
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or _is_kept_in_jpeg(marker, data[start + 4 : end], kept):
            parts.append(data[start:end])
        at = end
    return b"".join(parts) + data[at:]


def _is_kept_in_jpeg(marker: int, body: bytes, kept: Kept) -> bool:
    match marker:
        case 0xE0:
            return body.startswith(b"JFIF\0") and len(body) >= 14
        case 0xE1:
            return "exif" in kept and body.startswith(b"Exif\0\0")
        case 0xE2:
            return "icc" in kept and body.startswith(b"ICC_PROFILE\0")
        case 0xEE:
            return body.startswith(b"Adobe") and len(body) >= 12
    return False


def _bare_png(data: bytes, kept: Kept) -> bytes:
    parts, at, kind = [data[:8]], 8, b""
    while at + 12 <= len(data) and kind != b"IEND":
        kind, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4])
        if _PNG_KEPT.get(kind) in kept and zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise ValueError("damaged")
        if kind in _PNG_PIXELS or _PNG_KEPT.get(kind) in kept:
            parts.append(data[at:end])
        at = end
    return b"".join(parts) + data[at:]


def _bare_webp(data: bytes, kept: Kept) -> bytes:
    parts, at = [], 12
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        chunk = data[at : at + 8 + size]
        if kind == b"VP8X":
            flags = chunk[8] & _WEBP_PIXEL_FLAGS | sum(_WEBP_FLAGS[what] for what in kept if chunk[8] & _WEBP_FLAGS[what])
            chunk = chunk[:8] + bytes([flags]) + chunk[9:]
        if _WEBP_KEPT.get(kind) in kept and len(chunk) < 8 + size:
            raise ValueError("cut")
        if kind in _WEBP_PIXELS or _WEBP_KEPT.get(kind) in kept:
            parts.append(chunk + b"\0" * (len(chunk) % 2))
        at += 8 + size + size % 2
    body = b"".join(parts)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _bare_gif(data: bytes, kept: Kept) -> bytes:  # noqa: ARG001 - a GIF has neither
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    parts = [data[:at]]
    while data[at : at + 1] == b"\x21":
        end = at + 2
        while end < len(data) and data[end]:
            end += 1 + data[end]
        if data[at + 1] == 0xF9:
            parts.append(data[at : end + 1])
        at = end + 1
    return b"".join(parts) + data[at:]


def _bare_tiff(data: bytes, kept: Kept) -> bytes:
    """The first page alone; its directory is written over where it stands, so that all else keeps its place."""
    order = "<" if data[:1] == b"I" else ">"
    big = b"\x2b" in data[2:4]
    count_format, entry_size, offset_format, offset_at = ("Q", 20, "Q", 8) if big else ("H", 12, "I", 4)
    (start,) = struct.unpack_from(order + offset_format, data, offset_at)
    (count,) = struct.unpack_from(order + count_format, data, start)
    first = start + struct.calcsize(order + count_format)
    if first + count * entry_size > len(data):
        raise ValueError("a directory longer than its file")
    entries = [data[at : at + entry_size] for at in range(first, first + count * entry_size, entry_size)]
    tags = [struct.unpack_from(order + "H", entry)[0] for entry in entries]
    few = [entry for tag, entry in zip(tags, entries, strict=True) if tag in _TIFF_PIXELS or _TIFF_KEPT.get(tag) in kept]
    directory = struct.pack(order + count_format, len(few)) + b"".join(few) + struct.pack(order + offset_format, 0)
    return data[:start] + directory + data[start + len(directory) :]


_STRIPS: Final = (
    (b"\xff\xd8\xff", _bare_jpeg),
    (b"\x89PNG", _bare_png),
    (b"RIFF", _bare_webp),
    (b"GIF8", _bare_gif),
    (b"II", _bare_tiff),
    (b"MM", _bare_tiff),
)
