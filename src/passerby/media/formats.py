"""Which formats of pictures and videos there are: the one table of their names, their suffixes and who decodes them."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

DECODED: Final = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TGA": (".tga",),
}
"""Formats that are read, by Pillow's name. TGA is told by no magic number, so it is asked last."""

NOT_DECODED: Final = {"HEIC": (".heic", ".heif", ".hif"), "JPEG XL": (".jxl",)}
"""Formats that a folder's pictures may well be in, and that are refused with advice."""

IMAGE_SUFFIXES: Final = frozenset(suffix for table in (DECODED, NOT_DECODED) for suffixes in table.values() for suffix in suffixes)
"""What a folder's files must end with to be taken for pictures; a file that is named itself may end with anything."""

ANIMATED: Final = ("GIF", "WEBP", "PNG", "AVIF")
"""Formats whose pictures may move; such a file is a photo of its first frame, and a video too."""

VIDEOS: Final = {
    "mov": (".mp4", ".mov", ".m4v", ".3gp", ".3g2"),
    "matroska": (".mkv", ".webm"),
    "avi": (".avi", ".divx"),
    "mpegts": (".ts", ".mts", ".m2ts"),
    "mpeg": (".mpg", ".mpeg", ".vob"),
    "asf": (".wmv", ".asf"),
    "flv": (".flv",),
    "ogg": (".ogv",),
    "dv": (".dv",),
    "mxf": (".mxf",),
    "h264": (".h264", ".264"),
    "hevc": (".h265", ".265", ".hevc"),
}
"""Containers that are read, by FFmpeg's name. No others are tried: some are lists that open other files, or text that is drawn."""

VIDEO_SUFFIXES: Final = frozenset(suffix for suffixes in VIDEOS.values() for suffix in suffixes)
"""What a folder's files must end with to be taken for videos; what a file is, its content says (``passerby.media.video.is_video``)."""


def is_named_like_a_video(path: PurePath) -> bool:
    """Whether a file's name ends like a video's."""
    return path.suffix.lower() in VIDEO_SUFFIXES


_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
_JPEG_XL: Final = (b"\xff\x0a", b"\0\0\0\x0cJXL ")
_MAGIC: Final = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JPEG2000": (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n"),
}


def undecoded_format(data: bytes) -> str | None:
    """Which of ``NOT_DECODED`` a file is, by its first bytes."""
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return "HEIC"
    return "JPEG XL" if data.startswith(_JPEG_XL) else None


def claimed_format(data: bytes) -> str | None:
    """Which of ``DECODED`` a file's first bytes say it is, where they say so plainly."""
    return next((name for name, magic in _MAGIC.items() if data.startswith(magic)), None)
