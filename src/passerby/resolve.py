"""A name to an encoder or a detector; the one file that knows every kind of model."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from passerby.errors import ConfigError, ModelError
from passerby.extras import needs_extra
from passerby.inputs import AnyPath, as_integer, as_path, as_text, wrong
from passerby.model.bundle import Bundle, read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import Encoder
from passerby.model.foreign import refuse_foreign, refuse_pointer
from passerby.model.manifest import DETECTOR, MANIFEST, kind_of
from passerby.model.tensorrt import runtime_here
from passerby.places import expanded

if TYPE_CHECKING:
    from passerby.detect.bundle import DetectorBundle
    from passerby.detect.detector import TunableDetector
    from passerby.detect.grid_detector import GridDetector
    from passerby.detect.people import Detecting
    from passerby.learn.models.base import Base, Size

DEFAULT_MODEL: Final = "passerby-s"
DEFAULT_DETECTOR: Final = "passerby-d"

CLIP_CONFIG: Final = "config.json"
ADAPTER_CONFIG: Final = "adapter_config.json"
SAVED_CARD: Final = "passerby.json"
"""What tells a folder's kind, besides a bundle's manifest; named here too, so that looking at a folder needs no torch."""
RUN_MODEL: Final = "model"
"""The model's folder within a run's."""

_BUNDLES: Final = Path(__file__).parent / "model" / "bundles"
_DETECTORS: Final = Path(__file__).parent / "detect" / "bundles"
_LINEUPS: Final = (0, 12)
"""The first of the drawn people, four at a time, by whom a detector of somebody else's shows how it is fed."""
THREADS: Final = "a number of threads from 1, or None for one per core"
_HUB_ID: Final = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_SIZE: Final = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})")


def load_model(
    name: str | os.PathLike[str] = DEFAULT_MODEL, *, adapter: AnyPath | None = None, size: str | None = None, threads: int | None = None
) -> Encoder:
    """The model of a name; a bundle's towers are loaded when they are first used, as TensorRT engines where those were built here.

    Args:
        name: a bundled model's name, a folder with a bundle, a CLIP or what train, distil, finetune or merge made, or the hub id of a CLIP.
            All but bundles need the extra [learn].
        adapter: a folder that ``passerby finetune`` made on this model; needs the extra [learn].
        size: of the input, as ``384x128``, height first; the model's own by default. A bundle has but one.
        threads: of a bundle's towers; ``None`` for one per core.

    Raises:
        InputError: an argument of the wrong kind.
        ModelError: no such model, naming those there are, or one that cannot be used.
        ConfigError: a size that is none, or too small for the model.
    """
    name = _name(name)
    threads = _as_threads(threads)
    if size is not None:
        parse_size(size)
    if adapter is not None:
        return load_base(name, adapter=adapter, size=size).encoder()
    bundle = _bundle(name)
    if bundle is None:
        return load_base(name, size=size).encoder()
    if size is not None:
        raise ModelError(expected=f"no --size for the bundle {name}", found=size, do="export the model again at that size")
    return BundleEncoder(bundle, runtime=runtime_here(bundle, threads))


def load_detecting(name: str | os.PathLike[str] = DEFAULT_DETECTOR, size: int = 0, min_height: float = 40) -> Detecting:
    """How people are looked for in photos, with the detector of a name.

    Args:
        size, min_height: as of :class:`passerby.detect.people.Detecting`.

    Raises:
        InputError, ModelError: as :func:`load_detector`.
    """
    from passerby.detect.people import Detecting

    return Detecting(load_detector(name, threads=1), size, min_height)


def find_bundle(name: str | os.PathLike[str]) -> Bundle:
    """The bundle of a name, its files unread. Raises ``ModelError`` for any other kind of model, ``InputError`` for what is no name."""
    name = _name(name)
    bundle = _bundle(name)
    if bundle is None:
        raise ModelError(expected=f"a bundle, to use {name!r} without torch", found="a model for torch", do="run `passerby export` on it")
    return bundle


def load_detector(
    name: str | os.PathLike[str] = DEFAULT_DETECTOR, *, threads: int | None = None, threshold: float | None = None
) -> TunableDetector:
    """The person detector of a name; that of a bundle is loaded when it is first used.

    Args:
        name: a bundled detector's name, a folder with a detector's bundle, or an ONNX file of the YOLOX family.
        threads: of one picture; ``None`` for one per core. Pictures that several threads bring at once are faster with one.
        threshold: the least score of a detection, from 0 to 1; ``None`` for the detector's own. To measure average precision take 0.01.

    Raises:
        InputError: an argument of the wrong kind.
        ModelError: no such detector, or one that cannot be used.
    """
    name = _name(name)
    threads = _as_threads(threads)
    path = _installed(name) or Path(name)
    try:
        if name and path.is_dir():
            return _of_bundle(path, threads, threshold)
        if path.is_file():
            return _load_foreign_detector(path, threads).at(threshold)
    except OSError as error:
        raise _unseen("a detector", name, error) from error
    known = ", ".join(bundled_detectors()) or "none is installed"
    raise ModelError(
        expected=f"a bundled detector ({known}), a folder with a detector's bundle, or a YOLOX .onnx file",
        found=repr(name),
        do="correct the name",
    )


def _of_bundle(folder: Path, threads: int | None, threshold: float | None) -> TunableDetector:
    from passerby.detect.bundle import BundleDetector, read_detector_bundle

    bundle = read_detector_bundle(folder)
    return BundleDetector(bundle, threshold=threshold, runtime=runtime_here(bundle, threads))


def _load_foreign_detector(path: Path, threads: int | None) -> GridDetector:
    from passerby.data.synthetic.lineup import lineup
    from passerby.data.synthetic.people import sample_person
    from passerby.detect.yolox import Sample, load_yolox

    refuse_pointer(path)
    if path.suffix.lower() != ".onnx":
        do = "export it to ONNX with YOLOX's tools/export_onnx.py, or name the folder of a bundle"
        raise ModelError(expected="a folder with a detector's bundle, or a YOLOX .onnx file", found=f"another file, {path}", do=do)
    samples = [Sample(*lineup([sample_person(first + place) for place in range(4)], first)) for first in _LINEUPS]
    return load_yolox(path, samples, threads)


def find_detector_bundle(name: str | os.PathLike[str]) -> DetectorBundle | None:
    """The detector's bundle of a name, its files unread; ``None`` for a name of anything else. Raises ``ModelError`` for a damaged one."""
    name = _name(name)
    return require_detector_bundle(name) if kind_of(_installed(name) or Path(name)) == DETECTOR else None


def require_detector_bundle(name: str | os.PathLike[str]) -> DetectorBundle:
    """The detector's bundle of a name, its files unread. Raises ``ModelError`` for a name of anything else."""
    from passerby.detect.bundle import read_detector_bundle

    name = _name(name)
    return read_detector_bundle(_installed(name) or Path(name))


def load_base(name: str | os.PathLike[str] = DEFAULT_MODEL, *, adapter: AnyPath | None = None, size: str | None = None) -> Base:
    """The model of a name in torch, to be adapted, or with an adapter in place. Needs the extra [learn].

    With an adapter its input has the size that the adapter was trained with, unless another is named.

    Arguments and errors as for :func:`load_model`; ``ModelError`` for an adapter of another model, too.
    """
    name = _name(name)
    if adapter is not None:
        adapter = _adapter(adapter)
    with needs_extra("learn"):
        from passerby.learn.lora.adapter import attach, read_card
        from passerby.learn.models.base import Size

    named = None if size is None else Size(*parse_size(size))
    if adapter is None:
        return _load_base(name, named)
    return attach(_load_base(name, named or read_card(adapter).size), adapter)


def load_base_of(adapter: Path, name: str | None = None) -> Base:
    """The model that an adapter was trained on, by the name it had then or by another. Needs the extra [learn]; errors as above."""
    with needs_extra("learn"):
        from passerby.learn.lora.adapter import read_card

    card = read_card(adapter)
    return _load_base(name or card.base_name, card.size)


def _load_base(name: str, size: Size | None) -> Base:
    with needs_extra("learn"):
        from passerby.learn.models.from_bundle import load_base as load_bundle
        from passerby.learn.models.model_folder import load_saved

    bundle = _bundle(name)
    if bundle is not None:
        return load_bundle(bundle, size)
    folder = Path(name)
    if (folder / SAVED_CARD).exists() and not (folder / CLIP_CONFIG).exists():
        return load_saved(folder, size)
    with needs_extra("learn"):
        from passerby.learn.models.clip import load_clip

    return replace(load_clip(str(_BUNDLES / name), size), name=name) if name in bundled_clips() else load_clip(name, size)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from ``384x128``. Raises ``ConfigError``, and ``InputError`` for what is no text."""
    found = _SIZE.fullmatch(as_text(text, "a size as a str, such as '384x128'"))
    if found is None:
        raise ConfigError(expected="a size as HEIGHTxWIDTH in pixels, such as 384x128", found=repr(text), do="correct --size")
    return int(found[1]), int(found[2])


def bundled_models() -> list[str]:
    """Names of the bundles that are installed with Passerby, sorted."""
    return sorted(manifest.parent.name for manifest in _BUNDLES.glob(f"*/{MANIFEST}"))


def bundled_detectors() -> list[str]:
    """Names of the detectors that are installed with Passerby, sorted."""
    return sorted(manifest.parent.name for manifest in _DETECTORS.glob(f"*/{MANIFEST}"))


def bundled_clips() -> list[str]:
    """Names of the CLIPs that are installed with Passerby as transformers reads them, sorted; they need the extra [learn]."""
    return sorted(config.parent.name for config in _BUNDLES.glob(f"*/{CLIP_CONFIG}"))


def _installed(name: str) -> Path | None:
    """The folder of a bundle that is installed with Passerby, of whichever kind."""
    rooms = (_BUNDLES, bundled_models()), (_DETECTORS, bundled_detectors())
    return next((folder / name for folder, names in rooms if name in names), None)


def _as_threads(threads: object) -> int | None:
    if threads is None:
        return None
    if (count := as_integer(threads, THREADS)) < 1:
        raise wrong(threads, THREADS)
    return count


def _name(name: object) -> str:
    """As it is written: ./passerby-s is a folder, passerby-s a bundled model."""
    return name if isinstance(name, str) else str(as_path(name, "a model's name or folder, a str or a Path"))


def _adapter(folder: object) -> Path:
    path = as_path(folder, "an adapter's folder, a str or a Path")
    if not os.path.isfile(path / ADAPTER_CONFIG):  # noqa: PTH113 - Path.is_file() raises where permission is missing
        raise ModelError(expected=f"an adapter in {path}", found=f"no {ADAPTER_CONFIG}", do="name a folder that `passerby finetune` made")
    return path


def _bundle(name: str) -> Bundle | None:
    """The bundle of a name; ``None`` for what only torch can load."""
    try:
        return _find(name)
    except OSError as error:
        raise _unseen("a model", name, error) from error


def _unseen(what: str, name: str, error: OSError) -> ModelError:
    return ModelError(expected=f"{what} at {name}", found=error.strerror or str(error), do="check the path and its permissions")


def _find(name: str) -> Bundle | None:
    if name in bundled_clips():
        return None
    if installed := _installed(name):
        return read_bundle(installed)
    folder = Path(name)
    if folder.suffix == ".toml" and folder.is_file():
        raise ModelError(expected="the folder of a model", found=f"the config of a training run, {folder}", do=_model_of_config(folder))
    if (folder / RUN_MODEL / SAVED_CARD).exists():
        raise ModelError(expected=f"a model in {folder}", found="the run that made one", do=f"name {folder / RUN_MODEL}")
    if (folder / ADAPTER_CONFIG).exists():
        raise ModelError(expected=f"a model in {folder}", found="an adapter", do=f"name its base with --model, and --adapter {folder}")
    refuse_foreign(folder)
    if folder.is_dir():
        torch_alone = any((folder / name).exists() for name in (CLIP_CONFIG, SAVED_CARD)) and not (folder / MANIFEST).exists()
        return None if torch_alone else read_bundle(folder)
    if _HUB_ID.fullmatch(name):
        return None
    known = ", ".join([*bundled_models(), *bundled_clips()]) or "none is installed"
    raise ModelError(
        expected=f"a bundled model ({known}), a folder with a bundle or a CLIP, or a hub id",
        found=repr(name),
        do="correct the name",
    )


def _model_of_config(file: Path) -> str:
    """What to name instead of a config: what its run leaves, as far as it says where."""
    try:
        out = tomllib.loads(file.read_text(encoding="utf-8"))["out"]
        return f"name what its run leaves, {os.path.normpath(file.parent / expanded(Path(out)) / RUN_MODEL)}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"name what its run leaves, the folder {RUN_MODEL} in its out"
