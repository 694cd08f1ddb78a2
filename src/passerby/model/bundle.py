"""An encoder's bundle: the folder that a pair of towers ships in, as its manifest describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from passerby.atomic import replacing_folder
from passerby.errors import ModelError
from passerby.model.calibration import Calibration
from passerby.model.manifest import (
    ENCODER,
    MANIFEST,
    BundleFile,
    file_of,
    further_files,
    mapping,
    may_be_added,
    positive,
    read_manifest,
    require_vacant,
    text,
    write_file,
    write_manifest,
    wrong,
)
from passerby.model.preprocess import Preprocessing
from passerby.model.selftest import SelfTest
from passerby.types import ModelDigest

FORMAT: Final = 2
"""The newest: one that names attributes. A bundle without any is written in format 1, which older versions read."""
IMAGE_TOWER: Final = "image_tower"
TEXT_TOWER: Final = "text_tower"
TOWERS: Final = (IMAGE_TOWER, TEXT_TOWER)
FILES: Final = (MANIFEST, "image_tower.onnx", "text_tower.onnx", "tokenizer.json")
"""What a bundle is written as."""


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
    def files(self) -> tuple[BundleFile, ...]:
        """All that the manifest names."""
        return self.image_tower, self.text_tower, self.tokenizer

    @property
    def towers(self) -> Mapping[str, BundleFile]:
        """Both towers' files by their names, ``TOWERS``."""
        return {IMAGE_TOWER: self.image_tower, TEXT_TOWER: self.text_tower}


def read_bundle(folder: Path) -> Bundle:
    """Read and validate a bundle's manifest; its files must exist, and are checked by digest when they are read.

    Raises:
        ModelError: no manifest, a malformed one, one of a newer format, a missing file, or a path that leaves the folder.
    """
    manifest, digest = read_manifest(folder, ENCODER, FORMAT)
    dim, attributes = positive(manifest, "dim"), _attributes(manifest)
    tokenizer = mapping(manifest, "tokenizer")
    calibration = None if manifest.get("calibration") is None else Calibration.from_json(manifest["calibration"])
    if calibration and (unknown := set(calibration.wears) - set(attributes)):
        raise wrong("calibration of attributes that the model has", sorted(unknown))
    if calibration and calibration.fusion and not attributes:
        raise wrong("attributes, for its calibration weighs some", None)
    return Bundle(
        folder=folder,
        digest=digest,
        name=text(manifest, "name"),
        dim=dim,
        attributes=attributes,
        preprocessing=Preprocessing.from_json(manifest.get("preprocessing")),
        image_tower=file_of(folder, mapping(manifest, "image_tower")),
        text_tower=file_of(folder, mapping(manifest, "text_tower")),
        tokenizer=file_of(folder, tokenizer),
        max_tokens=positive(tokenizer, "max_tokens"),
        self_test=SelfTest.from_json(manifest.get("self_test"), dim, len(attributes)),
        calibration=calibration,
        card=mapping(manifest, "card"),
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
        ModelError: ``folder`` exists and may not be replaced, has further files that the new bundle has not, or the manifest would not be
            valid.
    """
    require_vacant(folder, read_bundle, replace=replace, kept=extra_files or ())
    with replacing_folder(folder) as draft:
        for file_name, content in (extra_files or {}).items():
            write_file(draft, file_name, content)
        manifest = {
            "format": FORMAT if attributes else 1,
            "name": name,
            "dim": dim,
            **({"attributes": list(attributes)} if attributes else {}),
            "preprocessing": preprocessing.to_json(),
            "image_tower": write_file(draft, "image_tower.onnx", image_tower),
            "text_tower": write_file(draft, "text_tower.onnx", text_tower),
            "tokenizer": write_file(draft, "tokenizer.json", tokenizer) | {"max_tokens": max_tokens},
            "self_test": self_test.to_json(),
            "calibration": calibration and calibration.to_json(),
            "card": dict(card),
        }
        write_manifest(draft, manifest)
        read_bundle(draft)
    return read_bundle(folder)


def write_calibrated(bundle: Bundle, calibration: Calibration, folder: Path) -> Bundle:
    """Write a bundle like another, its further files included, with a new calibration; a bundle that is at ``folder`` makes way.

    Raises:
        ModelError: ``folder`` is something else than a bundle, or a file of the bundle is not its manifest's, or as
            :func:`files_beside` says.
    """
    image_tower, text_tower, tokenizer = (file.read() for file in bundle.files)
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
        extra_files=files_beside(bundle),
        replace=True,
    )


def files_beside(bundle: Bundle) -> dict[str, Path]:
    """The further files of a bundle, by name. Raises ``ModelError`` for what a bundle that is written cannot hold, such as a folder."""
    further = further_files(bundle)
    for name, path in further.items():
        if not path.is_file() or not may_be_added(name, FILES):
            expected = f"{bundle.folder} to hold files alone, with names of letters, digits and _ . -"
            raise ModelError(expected=expected, found=repr(name), do="move it elsewhere, or rename it")
    return further


def _attributes(manifest: Mapping[str, object]) -> tuple[str, ...]:
    """The names of attributes, which format 2 must have."""
    if manifest["format"] == 1:
        return ()
    names = manifest.get("attributes")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise wrong("attributes to be a list of names", names)
    if len(set(names)) != len(names):
        raise wrong("attributes that are named once", names)
    return tuple(names)
