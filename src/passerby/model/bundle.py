"""A bundle: the folder a model ships in. ``manifest.json`` describes it and names its files by digest.

The digest of a model is the SHA-256 of its manifest's canonical JSON, so it changes with any weight, any preprocessing
and any word of the card.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from passerby.atomic import replacing_folder, require_folder_place
from passerby.errors import ModelError
from passerby.model.calibration import Calibration
from passerby.model.preprocess import Preprocessing
from passerby.model.selftest import SelfTest
from passerby.types import ModelDigest

FORMAT: Final = 2
"""The newest: one that names attributes. A bundle without any is written in format 1, which older versions read."""
MANIFEST: Final = "manifest.json"
IMAGE_TOWER: Final = "image_tower"
TEXT_TOWER: Final = "text_tower"
TOWERS: Final = (IMAGE_TOWER, TEXT_TOWER)
_GET_AGAIN: Final = "get the bundle again, or export it again"
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}(/[A-Za-z0-9_.-]{1,200})*")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


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


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """What a manifest says.

    Args:
        digest: of the manifest, and through it of every file.
        dim: length of a vector.
        attributes: names of what the image tower says of what is worn, in the order of its columns; none in format 1.
        max_tokens: of a text, special tokens included; longer texts are cut.
        calibration: from a score to a probability; ``None`` for a model that was not calibrated.
        card: what the maker says of the model; free.
    """

    folder: Path
    digest: ModelDigest
    name: str
    dim: int
    attributes: tuple[str, ...]
    preprocessing: Preprocessing
    image_tower: BundleFile
    text_tower: BundleFile
    tokenizer: BundleFile
    max_tokens: int
    self_test: SelfTest
    calibration: Calibration | None
    card: Mapping[str, object]

    @property
    def towers(self) -> Mapping[str, BundleFile]:
        """Both towers' files by their names, ``TOWERS``."""
        return {IMAGE_TOWER: self.image_tower, TEXT_TOWER: self.text_tower}


def read_bundle(folder: Path) -> Bundle:
    """Read and validate a bundle's manifest; its files must exist, and are checked by digest when they are read.

    Raises:
        ModelError: no manifest, a malformed one, one of a newer format, a missing file, or a path that leaves the folder.
    """
    manifest, digest = _read_manifest(folder / MANIFEST)
    _require_known_format(manifest)
    dim, attributes = _positive(manifest, "dim"), _attributes(manifest)
    tokenizer = _object(manifest, "tokenizer")
    calibration = None if manifest.get("calibration") is None else Calibration.from_json(manifest["calibration"])
    if calibration and (unknown := set(calibration.wears) - set(attributes)):
        raise _wrong("calibration of attributes that the model has", sorted(unknown))
    if calibration and calibration.fusion and not attributes:
        raise _wrong("attributes, for its calibration weighs some", None)
    return Bundle(
        folder=folder,
        digest=digest,
        name=_text(manifest, "name"),
        dim=dim,
        attributes=attributes,
        preprocessing=Preprocessing.from_json(manifest.get("preprocessing")),
        image_tower=_file(folder, _object(manifest, "image_tower")),
        text_tower=_file(folder, _object(manifest, "text_tower")),
        tokenizer=_file(folder, tokenizer),
        max_tokens=_positive(tokenizer, "max_tokens"),
        self_test=SelfTest.from_json(manifest.get("self_test"), dim, len(attributes)),
        calibration=calibration,
        card=_object(manifest, "card"),
    )


def write_bundle(
    folder: Path,
    *,
    name: str,
    dim: int,
    preprocessing: Preprocessing,
    image_tower: Path | bytes,
    text_tower: Path | bytes,
    tokenizer: Path | bytes,
    max_tokens: int,
    self_test: SelfTest,
    card: Mapping[str, object],
    attributes: Sequence[str] = (),
    calibration: Calibration | None = None,
    extra_files: Mapping[str, Path | bytes] | None = None,
    replace: bool = False,
) -> Bundle:
    """Write a bundle as a whole or not at all: it is made beside ``folder`` and renamed when it is complete.

    Args:
        image_tower, text_tower: ONNX. ``pixel_values`` float32 (n, 3, h, w) to ``image_features`` float32 (n, dim);
            ``input_ids`` and ``attention_mask`` int64 (n, L) to ``text_features`` float32 (n, dim). With attributes the image tower
            gives ``worn`` float32 (n, a) too, their log-odds.
        tokenizer: a ``tokenizer.json`` of the ``tokenizers`` library.
        max_tokens: of a text, special tokens included.
        self_test: as :func:`passerby.model.selftest.measure` gives it.
        card: any JSON object: data, recipe, figures, limits.
        attributes: names of the columns of ``worn``.
        calibration: of these very towers, as :func:`passerby.measure.calibration.calibrate` fits it.
        extra_files: files to put beside the manifest, by name, such as ``MODEL_CARD.md``.
        replace: whether an existing bundle at ``folder`` makes way.

    Raises:
        ModelError: ``folder`` exists and may not be replaced, or the manifest would not be valid.
    """
    _require_vacant(folder, replace)
    with replacing_folder(folder) as draft:
        for file_name, content in (extra_files or {}).items():
            _write_file(draft, file_name, content)
        manifest = {
            "format": FORMAT if attributes else 1,
            "name": name,
            "dim": dim,
            **({"attributes": list(attributes)} if attributes else {}),
            "preprocessing": preprocessing.to_json(),
            "image_tower": _write_file(draft, "image_tower.onnx", image_tower),
            "text_tower": _write_file(draft, "text_tower.onnx", text_tower),
            "tokenizer": _write_file(draft, "tokenizer.json", tokenizer) | {"max_tokens": max_tokens},
            "self_test": self_test.to_json(),
            "calibration": calibration and calibration.to_json(),
            "card": dict(card),
        }
        _write_file(draft, MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        read_bundle(draft)
    return read_bundle(folder)


def write_calibrated(bundle: Bundle, calibration: Calibration, folder: Path) -> Bundle:
    """Write a bundle like another, its further files included, with a new calibration; a bundle that is at ``folder`` makes way.

    Raises:
        ModelError: ``folder`` is something else than a bundle, or a file of the bundle is not its manifest's or has an odd name.
    """
    parts = (bundle.image_tower, bundle.text_tower, bundle.tokenizer)
    own = {bundle.folder / MANIFEST, *(part.path for part in parts)}
    further = {path.name: path for path in bundle.folder.iterdir() if path.is_file() and path not in own}
    for name in further:
        if not _FILE_NAME.fullmatch(name):
            raise ModelError(expected=f"plain file names in {bundle.folder}", found=repr(name), do="rename or remove it")
    image_tower, text_tower, tokenizer = (part.read() for part in parts)
    return write_bundle(
        folder,
        name=bundle.name,
        dim=bundle.dim,
        preprocessing=bundle.preprocessing,
        image_tower=image_tower,
        text_tower=text_tower,
        tokenizer=tokenizer,
        max_tokens=bundle.max_tokens,
        self_test=bundle.self_test,
        card=bundle.card,
        attributes=bundle.attributes,
        calibration=calibration,
        extra_files=further,
        replace=True,
    )


def manifest_digest(manifest: Mapping[str, object]) -> ModelDigest:
    """SHA-256 of the canonical JSON: ASCII, keys sorted, no spaces."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return ModelDigest(hashlib.sha256(canonical.encode()).hexdigest())


def _read_manifest(path: Path) -> tuple[dict[str, object], ModelDigest]:
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


def _require_known_format(manifest: Mapping[str, object]) -> None:
    found = _positive(manifest, "format")
    if found > FORMAT:
        raise ModelError(expected=f"a bundle of format {FORMAT} or older", found=f"format {found}", do="upgrade Passerby")


def _attributes(manifest: Mapping[str, object]) -> tuple[str, ...]:
    """The names of attributes, which format 2 must have."""
    if manifest["format"] == 1:
        return ()
    names = manifest.get("attributes")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise _wrong("attributes to be a list of names", names)
    if len(set(names)) != len(names):
        raise _wrong("attributes that are named once", names)
    return tuple(names)


def _positive(value: Mapping[str, object], key: str) -> int:
    number = value.get(key)
    if type(number) is not int or number < 1:
        raise _wrong(f"{key} to be a positive integer", number)
    return number


def _text(value: Mapping[str, object], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text.strip():
        raise _wrong(f"{key} to be a text", text)
    return text


def _object(value: Mapping[str, object], key: str) -> Mapping[str, object]:
    inner = value.get(key)
    if not isinstance(inner, dict):
        raise _wrong(f"{key} to be an object", inner)
    return inner


def _wrong(expected: str, found: object) -> ModelError:
    return ModelError(expected=f"{expected} in the manifest", found=repr(found)[:80], do=_GET_AGAIN)


def _file(folder: Path, entry: Mapping[str, object]) -> BundleFile:
    name, sha256 = _text(entry, "file"), _text(entry, "sha256")
    if not _FILE_NAME.fullmatch(name) or ".." in name.split("/"):
        raise _wrong("a file named by a plain path below the bundle's folder", name)
    if not _SHA256.fullmatch(sha256):
        raise _wrong("a SHA-256 of 64 hexadecimal digits", sha256)
    path = folder / name
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise _wrong("files that lie below the bundle's folder", f"{name}, a link out of it")
    if not path.is_file():
        raise ModelError(expected=f"{path} to exist", found="no such file", do=_GET_AGAIN)
    return BundleFile(path, sha256)


def require_bundle_place(folder: Path) -> None:
    """Find out before the work whether a bundle can be written in the end, one that is there making way.

    Raises:
        ModelError: something else is there.
        ConfigError: the folder it is to be in cannot be written to.
    """
    _require_vacant(folder, replace=True)
    require_folder_place(folder.absolute().parent, "--out")


def _require_vacant(folder: Path, replace: bool) -> None:
    if not os.path.lexists(folder):
        return
    if not (folder / MANIFEST).is_file():
        raise ModelError(expected=f"{folder} to be free", found="something that is not a bundle", do="name another folder")
    if not replace:
        raise ModelError(expected=f"{folder} to be free", found="a bundle", do="name another folder, or ask to replace it")


def _write_file(folder: Path, name: str, content: Path | bytes) -> dict[str, object]:
    if not _FILE_NAME.fullmatch(name) or "/" in name:
        raise ValueError(f"a bundle's file needs a plain name, found {name!r}")
    data = content if isinstance(content, bytes) else content.read_bytes()
    with (folder / name).open("xb") as file:
        file.write(data)
    return {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
