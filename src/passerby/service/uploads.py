"""Pictures that somebody sends: decoded in a child process, one at a time, which is ended when it takes too long. Nothing is kept.

A decoder that a picture breaks, breaks there; a picture that fills the memory, fills a limit.
"""

from __future__ import annotations

import json
import subprocess
import sys
from threading import Lock
from typing import IO, Final

from PIL import Image

from passerby.errors import ImageError, ServiceBusy

SECONDS: Final = 5.0
LARGEST_PIXELS: Final = 25_000_000
FORMATS: Final = ("JPEG", "PNG", "WEBP")
_MEMORY: Final = 2 << 30

_ONE_AT_A_TIME: Final = Lock()


def decode_upload(data: bytes, seconds: float = SECONDS) -> Image.Image:
    """The upright RGB picture of a file's bytes.

    Raises:
        ImageError: not one of ``FORMATS``, over ``LARGEST_PIXELS``, damaged, or not decoded in time.
        ServiceBusy: others took all that time.
    """
    if not _ONE_AT_A_TIME.acquire(timeout=seconds):
        raise ServiceBusy(expected="fewer pictures at once", found="others that are still being decoded", do="send it again in a second")
    try:
        done = _decoded(data, seconds)
    finally:
        _ONE_AT_A_TIME.release()
    head, _, pixels = done.stdout.partition(b"\n")
    try:
        said = json.loads(head)
    except ValueError:
        found = "one that its decoder fails at"
        raise ImageError(expected="a picture that can be decoded", found=found, do="save it as a plain JPEG") from None
    if "size" not in said:
        raise ImageError(**said)
    return Image.frombytes("RGB", tuple(said["size"]), pixels)


def _decoded(data: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-P", "-m", "passerby.service.uploads"]
    try:
        return subprocess.run(command, input=data, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        found = f"one that takes longer than {seconds:g} s"
        raise ImageError(expected="a picture that can be decoded", found=found, do="save it as a plain JPEG") from None


def _decode(source: IO[bytes], target: IO[bytes]) -> None:
    """What the child does: from a file's bytes to a line that says its size, or what is wrong, and its pixels."""
    from io import BytesIO

    from passerby.media.photo import read_image

    data = source.read()
    _limit_memory()
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > LARGEST_PIXELS:
                found, do = f"{image.width} x {image.height}", "scale it down"
                raise ImageError(expected=f"at most {LARGEST_PIXELS // 10**6} megapixels", found=found, do=do)
        picture = read_image(data)
    except ImageError as error:
        target.write(json.dumps({"expected": error.expected, "found": error.found, "do": error.do}).encode() + b"\n")
    except Exception:  # Pillow's errors share no base, and whatever it is, it is no picture to us
        do = "convert it to JPEG or PNG"
        target.write(json.dumps({"expected": "a JPEG, PNG or WebP picture", "found": "something else", "do": do}).encode() + b"\n")
    else:
        target.write(json.dumps({"size": picture.size}).encode() + b"\n" + picture.tobytes())


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY if most == resource.RLIM_INFINITY else min(_MEMORY, most), most))


if __name__ == "__main__":
    _decode(sys.stdin.buffer, sys.stdout.buffer)
