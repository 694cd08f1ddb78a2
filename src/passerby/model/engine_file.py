"""An engine's file: which model it is of, which TensorRT and which GPU it was built for, and the plan itself.

A plan that another TensorRT or another GPU made may load and give nonsense, so a file is named by all three and says them again inside;
one that is not of this model, this TensorRT and this GPU is never handed to TensorRT.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from passerby.atomic import replacing
from passerby.errors import ModelError
from passerby.types import ModelDigest

_MAGIC: Final = b"passerby engine 1\n"
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
        ModelError: no file, something else than an engine, an engine of another model, tower, TensorRT or GPU, or a damaged one.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(expected=f"an engine at {path}", found=str(error.strerror).lower(), do=_BUILD) from None
    try:
        if not data.startswith(_MAGIC):
            raise ValueError
        header, _, plan = data.removeprefix(_MAGIC).partition(b"\n")
        found = json.loads(header)
        digest = found.pop("sha256")
        found = Stamp(**found)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(expected=f"{path} to be an engine", found="something else", do=_BUILD) from None
    if found != stamp:
        raise _foreign(path, found, stamp)
    if hashlib.sha256(plan).hexdigest() != digest:
        raise ModelError(expected=f"{path} to be whole", found="a damaged plan", do=_BUILD)
    return plan


def _foreign(path: Path, found: Stamp, stamp: Stamp) -> ModelError:
    wanted, there = asdict(stamp), asdict(found)
    field = next(name for name in wanted if wanted[name] != there[name])
    return ModelError(expected=f"{path} to be for {field} {wanted[field]}", found=f"one for {there[field]}", do=_BUILD)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-").lower()
