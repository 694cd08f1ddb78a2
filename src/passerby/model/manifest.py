"""The manifest of a bundle, whatever kind of model it holds: ``manifest.json`` describes it and names its files by digest.

The digest of a model is the SHA-256 of its manifest's canonical JSON, so it changes with any weight, any preprocessing
and any word of the card.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from passerby.atomic import require_replaceable_place
from passerby.errors import ConfigError, ModelError
from passerby.types import ModelDigest

MANIFEST: Final = "manifest.json"
ENCODER: Final = "encoder"
DETECTOR: Final = "detector"
"""Kinds of models; a manifest that names none is an encoder's."""
_ELSEWHERE: Final = {
    ENCODER: "name a detector; an encoder is for --model where a command has that",
    DETECTOR: "name an encoder; a detector is for --detector where a command has that",
}
USUAL_BESIDE: Final = frozenset({"MODEL_CARD.md", "LICENSE"})
"""Further files that go when their bundle is replaced; any other is somebody's."""
FILE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}(/[A-Za-z0-9_.-]{1,200})*")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_GET_AGAIN: Final = "get the bundle again, or export it again"


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file of a bundle and the SHA-256 it must have."""

    path: Path
    sha256: str

    def read(self) -> bytes:
        """The file's bytes. Raises ``ModelError`` when they are not the manifest's."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise ModelError(expected=f"{self.path} to be readable", found=str(error.strerror).lower(), do=_GET_AGAIN) from None
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256:
            expected = f"{self.path.name} with SHA-256 {self.sha256[:12]}…"
            raise ModelError(expected=expected, found=f"{found[:12]}… in {self.path.parent}", do=_GET_AGAIN)
        return data


class Towered(Protocol):
    """A bundle of any kind: where it lies, the files that its manifest names, and what a runtime starts, by name."""

    @property
    def folder(self) -> Path: ...

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> ModelDigest: ...

    @property
    def files(self) -> Collection[BundleFile]: ...

    @property
    def towers(self) -> Mapping[str, BundleFile]: ...


def manifest_digest(manifest: Mapping[str, object]) -> ModelDigest:
    """SHA-256 of the canonical JSON: ASCII, keys sorted, no spaces."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return ModelDigest(hashlib.sha256(canonical.encode()).hexdigest())


def read_manifest(folder: Path, kind: str, newest: int) -> tuple[dict[str, object], ModelDigest]:
    """What the manifest of a folder says, and its digest.

    Args:
        kind: of model that it must be of.
        newest: format that is known.

    Raises:
        ModelError: no manifest, one that is no JSON object, of another kind, or of a newer format.
    """
    manifest, digest = _read(folder / MANIFEST)
    found = manifest.get("kind", ENCODER)
    if found != kind:
        do = _ELSEWHERE.get(str(found), "upgrade Passerby")
        raise ModelError(expected=f"a bundle of kind {kind}", found=f"{folder}, of kind {found}", do=do)
    version = positive(manifest, "format")
    if version > newest:
        raise ModelError(expected=f"a bundle of format {newest} or older", found=f"format {version}", do="upgrade Passerby")
    return manifest, digest


def kind_of(folder: Path) -> str | None:
    """The kind of model that a folder's manifest names; ``None`` where there is none that can be read."""
    try:
        return str(_read(folder / MANIFEST)[0].get("kind", ENCODER))
    except ModelError:
        return None


def write_manifest(folder: Path, manifest: Mapping[str, object]) -> None:
    """Write a manifest into a bundle that is being made."""
    write_file(folder, MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def _read(path: Path) -> tuple[dict[str, object], ModelDigest]:
    try:
        manifest = json.loads(path.read_bytes(), parse_constant=_finite, parse_float=_finite)
        digest = manifest_digest(manifest)
    except OSError as error:
        found = str(error.strerror).lower()
        raise ModelError(expected=f"a model bundle with {path}", found=found, do="name a bundled model or a bundle's folder") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(expected=f"{path} to be JSON", found=" ".join(str(error).split()), do=_GET_AGAIN) from None
    if not isinstance(manifest, dict):
        raise ModelError(expected=f"{path} to hold a JSON object", found=type(manifest).__name__, do=_GET_AGAIN)
    return manifest, digest


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"{literal} is not a finite number")
    return number


def positive(value: Mapping[str, object], key: str) -> int:
    """An entry that is a positive integer. Raises ``ModelError``."""
    number = value.get(key)
    if type(number) is not int or number < 1:
        raise wrong(f"{key} to be a positive integer", number)
    return number


def text(value: Mapping[str, object], key: str) -> str:
    """An entry that is a text and not empty. Raises ``ModelError``."""
    found = value.get(key)
    if not isinstance(found, str) or not found.strip():
        raise wrong(f"{key} to be a text", found)
    return found


def mapping(value: Mapping[str, object], key: str) -> Mapping[str, object]:
    """An entry that is an object. Raises ``ModelError``."""
    inner = value.get(key)
    if not isinstance(inner, dict):
        raise wrong(f"{key} to be an object", inner)
    return inner


def wrong(expected: str, found: object) -> ModelError:
    """What to raise of a manifest's entry."""
    return ModelError(expected=f"{expected} in the manifest", found=repr(found)[:80], do=_GET_AGAIN)


def file_of(folder: Path, entry: Mapping[str, object]) -> BundleFile:
    """The file that an entry names. Raises ``ModelError`` where it lies outside the folder or is not there."""
    name, sha256 = text(entry, "file"), text(entry, "sha256")
    if not FILE_NAME.fullmatch(name) or ".." in name.split("/"):
        raise wrong("a file named by a plain path below the bundle's folder", name)
    if not _SHA256.fullmatch(sha256):
        raise wrong("a SHA-256 of 64 hexadecimal digits", sha256)
    path = folder / name
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise wrong("files that lie below the bundle's folder", f"{name}, a link out of it")
    if not path.is_file():
        raise ModelError(expected=f"{path} to exist", found="no such file", do=_GET_AGAIN)
    return BundleFile(path, sha256)


def require_bundle_place(folder: Path, read: Callable[[Path], Towered], kept: Collection[str] = ()) -> None:
    """Find out before the work whether a bundle can be written in the end, one of its kind that is there making way.

    Args:
        read: of a bundle of that kind.
        kept: names of further files that the bundle will have.

    Raises:
        ModelError: something else is there, or a bundle with files that would be lost.
        ConfigError: a folder there cannot make way, or the one it is to be in cannot be written to.
    """
    require_vacant(folder, read, replace=True, kept=kept)
    require_replaceable_place(folder, "--out")


def require_vacant(folder: Path, read: Callable[[Path], Towered], *, replace: bool, kept: Collection[str] = ()) -> None:
    """Raises ``ModelError`` where something is at a bundle's place, but for a bundle that may be replaced; see the function above."""
    if not os.path.lexists(folder):
        return
    try:
        bundle = read(folder)
    except ModelError:
        found = "something that is not a bundle of the same kind, or a damaged one"
        raise ModelError(expected=f"{folder} to be free", found=found, do="name another folder") from None
    if not replace:
        raise ModelError(expected=f"{folder} to be free", found="a bundle", do="name another folder, or ask to replace it")
    if lost := sorted(further_files(bundle).keys() - USUAL_BESIDE - set(kept)):
        found = f"{lost[0]!r} in it" + (f" and {len(lost) - 1} more" if lost[1:] else "")
        do = "name another folder, or move elsewhere what is no part of the bundle"
        raise ModelError(expected=f"{folder} to hold a bundle alone, which makes way", found=found, do=do)


def further_files(bundle: Towered) -> dict[str, Path]:
    """Whatever lies in a bundle's folder besides what its manifest names, folders included, by its name below the bundle's."""
    own = {bundle.folder / MANIFEST, *(file.path for file in bundle.files)}
    own |= {folder for path in own for folder in path.parents}
    return {str(path.relative_to(bundle.folder)): path for path in sorted(bundle.folder.rglob("*")) if path not in own}


def added_files(paths: Sequence[Path], own: Collection[str]) -> dict[str, Path]:
    """Files to be put into a bundle, by name.

    Args:
        own: names of the files that any bundle of its kind has.

    Raises:
        ConfigError: a name that a bundle cannot hold or has itself, or that two of the files have.
    """
    files: dict[str, Path] = {}
    for path in paths:
        if not may_be_added(path.name, own):
            expected = f"a name for --add of letters, digits and _ . - that is none of {', '.join(own)}"
            raise ConfigError(expected=expected, found=repr(path.name), do="rename the file")
        if path.name in files:
            raise ConfigError(expected="files of different names for --add", found=f"{files[path.name]} and {path}", do="rename one")
        files[path.name] = path
    return files


def may_be_added(name: str, own: Collection[str]) -> bool:
    """Whether a file of this name can lie in a bundle beside the bundle's own."""
    return _is_plain(name) and name not in own


def _is_plain(name: str) -> bool:
    return FILE_NAME.fullmatch(name) is not None and "/" not in name


def write_file(folder: Path, name: str, content: Path | bytes) -> dict[str, object]:
    """Put a file into a bundle that is being made; what its manifest says of it. Raises ``ValueError`` for an odd name."""
    if not _is_plain(name):
        raise ValueError(f"a bundle's file needs a plain name, found {name!r}")
    data = content if isinstance(content, bytes) else content.read_bytes()
    with (folder / name).open("xb") as file:
        file.write(data)
    return {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
