"""An engine's file: which model it is of, which TensorRT and which GPU it was built for, and the plan itself.

A plan that another TensorRT or another GPU made may load and give nonsense, so a file is named by all three and says them again inside;
one that is not of this model, this TensorRT and this GPU is never handed to TensorRT.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from passerby.atomic import replacing
from passerby.errors import ModelError
from passerby.types import ModelDigest

_MAGIC: Final = b"passerby engine 1\n"
_LONGEST: Final = 10_000
"""Bytes of a header."""
_BUILD: Final = "build it here with passerby build-engine"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an engine is of and for.

    Args:
        model: the bundle's digest.
        tower: its name in the bundle.
        tensorrt: its full version.
        gpu: its name, compute capability and number of multiprocessors.
    """

    model: ModelDigest
    tower: str
    tensorrt: str
    gpu: str

    def path(self, folder: Path) -> Path:
        return folder / f"{self.tower}-{self.model[:16]}-trt{_plain(self.tensorrt)}-{_plain(self.gpu)}.engine"


def has_engines(model: ModelDigest, folder: Path) -> bool:
    """Whether engines of this model were built, for whatever TensorRT and GPU. Raises ``OSError`` where that cannot be seen."""
    try:
        return any(path.match(f"*-{model[:16]}-*.engine") for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False


def write_engine(folder: Path, stamp: Stamp, plan: bytes) -> Path:
    """Write an engine as a whole or not at all, over one of the same stamp. Raises ``OSError``, as when no space is left."""
    folder.mkdir(parents=True, exist_ok=True)
    path = stamp.path(folder)
    header = json.dumps(asdict(stamp) | {"sha256": hashlib.sha256(plan).hexdigest()}).encode()
    with replacing(path) as file:
        file.write(_MAGIC + header + b"\n" + plan)
    return path


def read_engine(path: Path, stamp: Stamp) -> bytes:
    """The plan of an engine with exactly this stamp.

    Raises:
        ModelError: as :func:`require_engine`, and for a damaged one.
    """
    with _opened(path) as file:
        digest = _digest(file, path, stamp)
        plan = file.read()
    if hashlib.sha256(plan).hexdigest() != digest:
        raise ModelError(expected=f"{path} to be whole", found="a damaged plan", do=_BUILD)
    return plan


def require_engine(path: Path, stamp: Stamp) -> None:
    """Make sure that there is an engine with exactly this stamp; its plan is not read.

    Raises:
        ModelError: no file, something else than an engine, or an engine of another model, tower, TensorRT or GPU.
    """
    with _opened(path) as file:
        _digest(file, path, stamp)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise ModelError(expected=f"an engine at {path}", found=str(error.strerror).lower(), do=_BUILD) from None


def _digest(file: IO[bytes], path: Path, stamp: Stamp) -> str:
    """The SHA-256 that an engine's plan must have, which is what follows in its file."""
    try:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError
        header = json.loads(file.readline(_LONGEST))
        digest = str(header.pop("sha256"))
        found = Stamp(**header)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(expected=f"{path} to be an engine", found="something else", do=_BUILD) from None
    if found != stamp:
        raise _foreign(path, found, stamp)
    return digest


def _foreign(path: Path, found: Stamp, stamp: Stamp) -> ModelError:
    wanted, there = asdict(stamp), asdict(found)
    field = next(name for name in wanted if wanted[name] != there[name])
    return ModelError(expected=f"{path} to be for {field} {wanted[field]}", found=f"one for {there[field]}", do=_BUILD)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-").lower()
