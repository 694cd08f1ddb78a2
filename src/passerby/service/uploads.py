"""Pictures that somebody sends: decoded in a child process, one at a time, which is ended when it takes too long. Nothing is kept.

A decoder that a picture breaks, breaks there; a picture that fills the memory, fills a limit. What a picture takes is the processor's time:
where other work makes a decoder wait, the service is busy and the picture as good as any.
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import IO, Final

from PIL import Image

from passerby.errors import ImageError, ServiceBusy

SECONDS: Final = 5
"""Of the processor that a picture may take, and that others are waited for."""
PATIENCE: Final = 3
"""Times that long is waited by the clock for a decoder."""
LARGEST_PIXELS: Final = 25_000_000
FORMATS: Final = ("JPEG", "PNG", "WEBP")
_MEMORY: Final = 2 << 30

_FEW: Final = BoundedSemaphore(8)
"""Pictures that are here at once: each holds a thread, which others need to be answered."""
_ONE_AT_A_TIME: Final = BoundedSemaphore(1)


def decode_upload(data: bytes, seconds: int = SECONDS) -> Image.Image:
    """The upright RGB picture of a file's bytes.

    Raises:
        ImageError: not one of ``FORMATS``, over ``LARGEST_PIXELS``, damaged, or one that takes more of the processor than ``seconds``.
        ServiceBusy: too many others are here, they took all that time, or the machine has no time for a decoder.
    """
    with _held(_FEW, 0), _held(_ONE_AT_A_TIME, seconds):
        head, _, pixels = _decoded(data, seconds).partition(b"\n")
    try:
        said = json.loads(head)
    except ValueError:
        raise _undecodable("one that its decoder fails at") from None
    if "size" not in said:
        raise ImageError(**said)
    return Image.frombytes("RGB", tuple(said["size"]), pixels)


@contextmanager
def _held(place: BoundedSemaphore, seconds: float) -> Iterator[None]:
    if not place.acquire(timeout=seconds):
        raise _busy("fewer pictures at once", "others that are still being decoded")
    try:
        yield
    finally:
        place.release()


def _decoded(data: bytes, seconds: int) -> bytes:
    """What the child says of a file's bytes."""
    command = [sys.executable, "-P", "-m", "passerby.service.uploads", str(seconds)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=PATIENCE * seconds, check=False)
    except subprocess.TimeoutExpired:
        raise _busy("a machine with time to decode a picture", "one that is busy") from None
    except OSError as error:
        raise _busy("a machine that can start a decoder", error.strerror or "one that cannot") from None
    if sys.platform != "win32" and done.returncode == -signal.SIGXCPU:
        raise _undecodable(f"one that takes longer than {seconds} s")
    return done.stdout


def _busy(expected: str, found: str) -> ServiceBusy:
    return ServiceBusy(expected=expected, found=found, do="send it again in a second")


def _undecodable(found: str) -> ImageError:
    return ImageError(expected="a picture that can be decoded", found=found, do="save it as a plain JPEG")


def _decode(source: IO[bytes], target: IO[bytes], seconds: int) -> None:
    """What the child does: from a file's bytes to a line that says its size, or what is wrong, and its pixels."""
    from io import BytesIO

    from passerby.media.photo import read_image

    data = source.read()
    _limit(seconds)
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


def _limit(seconds: int) -> None:
    """From here on, so much of the processor and of memory; and where it breaks, no picture of it all on the disk."""
    if sys.platform != "win32":
        import resource

        limits = (
            (resource.RLIMIT_CPU, math.ceil(time.process_time()) + seconds),
            (resource.RLIMIT_AS, _MEMORY),
            (resource.RLIMIT_CORE, 0),
        )
        for limit, wanted in limits:
            _, most = resource.getrlimit(limit)
            resource.setrlimit(limit, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


if __name__ == "__main__":
    _decode(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
