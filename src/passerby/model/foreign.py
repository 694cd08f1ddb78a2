"""Files and folders that are models of other programs, or pieces of one: what they are and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from passerby.errors import ModelError

EXPECTED: Final = "a folder with a bundle (manifest.json) or a CLIP (config.json)"
OWN: Final = ("manifest.json", "config.json", "passerby.json")
"""What tells that a folder is a model that may be loaded."""

_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_TORCH: Final = ("*.pt", "*.pth", "*.ckpt", "*.bin", "*.pkl")
_ARCHIVES: Final = ("*.zip", "*.tar", "*.tar.*", "*.tgz", "*.7z")
_CLIP: Final = "name a CLIP's folder as transformers saves it, with config.json and *.safetensors"


class _Sign(NamedTuple):
    """Files of which one is there, what it means, and what to do; ``{}`` stands for the file or folder that was named."""

    files: tuple[str, ...]
    found: str
    do: str


_FOLDERS: Final = (
    _Sign(("index.db",), "an index of people", "name it with --index, and the model with --model"),
    _Sign(("0_CLIPModel/config.json",), "a CLIP in the folder structure of sentence-transformers", "name the folder in it: {}/0_CLIPModel"),
    _Sign(("modules.json", "config_sentence_transformers.json"), "a text model of sentence-transformers, which sees no pictures", _CLIP),
    _Sign(("model_index.json",), "a diffusers pipeline, which draws pictures instead of finding them", _CLIP),
)
"""Folders that are of another kind, whatever else they hold."""

_UNFINISHED: Final = (
    _Sign(
        ("open_clip_config.json", "open_clip_*"),
        "a CLIP saved by open_clip",
        "get the same model as transformers saves it (most have a second folder or hub id for it), or convert it with transformers",
    ),
    _Sign(("*.gguf",), "a GGUF file, which is for llama.cpp", _CLIP),
    _Sign(("*.onnx",), "ONNX files without the manifest.json that says what they are", "make a bundle of the model: passerby export"),
    _Sign(("*.engine", "*.plan"), "TensorRT engines alone", "name their bundle: engines that were built for it are found by themselves"),
    _Sign(("*.safetensors",), "weights without the config.json that says what they are", "get the whole folder, config.json included"),
    _Sign(_TORCH, "weights pickled by torch, which are never loaded: reading them can run code", _CLIP),
    _Sign(_ARCHIVES, "an archive", "unpack it, and name the folder with the model in it"),
)
"""Folders that hold none of ``OWN``."""

_FILES: Final = (
    _Sign(OWN, "one file of a model", "name its folder: {parent}"),
    _Sign(("*.onnx",), "an ONNX file alone", "name the folder of its bundle, which has a manifest.json; passerby export makes one"),
    _Sign(("*.engine", "*.plan"), "a TensorRT engine", "name its bundle: engines that were built for it are found by themselves"),
    _Sign(("*.safetensors",), "weights alone", "name the folder that has their config.json"),
    *(sign for sign in _UNFINISHED if sign.files in (("*.gguf",), _TORCH, _ARCHIVES)),
    _Sign(("*",), "a file", "name the folder of a model"),
)


def refuse_foreign(path: Path) -> None:
    """Say what a file or folder is that no model can be loaded from; nothing happens for what may be one, or is not there.

    Raises:
        ModelError: it is a file, an empty folder, of another kind, or a piece of a model.
    """
    if path.is_dir():
        needed = ("*.json", "model*.safetensors") if (path / "config.json").exists() else ("*.json", "*.safetensors", "*.onnx")
        for file in filter(_is_pointer, (file for pattern in needed for file in sorted(path.glob(pattern)))):
            raise _of_pointer(file, path)
        _refuse(path, _FOLDERS, lambda pattern: any(path.glob(pattern)))
        if not any((path / name).exists() for name in OWN):
            _refuse(path, _UNFINISHED, lambda pattern: any(path.glob(pattern)))
            _refuse_bare(path)
    elif path.is_file():
        refuse_pointer(path)
        _refuse(path, _FILES, path.match)


def refuse_pointer(path: Path) -> None:
    """Raises ``ModelError`` for a file that only says where Git LFS has its contents."""
    if _is_pointer(path):
        raise _of_pointer(path, path.parent)


def _refuse(path: Path, signs: Iterable[_Sign], has: Callable[[str], bool]) -> None:
    for sign in signs:
        if any(map(has, sign.files)):
            raise ModelError(expected=EXPECTED, found=f"{sign.found}, {path}", do=sign.do.format(path, parent=path.parent))


def _refuse_bare(path: Path) -> None:
    """A folder with nothing that is known in it, but perhaps in the next."""
    within = sorted({found.parent for name in OWN for found in path.glob(f"*/{name}")})
    if within:
        names = ", ".join(map(str, within[:5]))
        raise ModelError(expected=EXPECTED, found=f"folders of models in {path}", do=f"name one of them: {names}")
    if not any(path.iterdir()):
        raise ModelError(expected=EXPECTED, found=f"an empty folder, {path}", do="correct the name, or get the model again")


def _of_pointer(file: Path, folder: Path) -> ModelError:
    return ModelError(
        expected=f"the contents of {file}",
        found="a Git LFS pointer, which only says where they are",
        do=f"fetch them with `git lfs pull` in {folder}, or download the file itself",
    )


def _is_pointer(path: Path) -> bool:
    try:
        if path.stat().st_size > 1024:
            return False
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except OSError:
        return False
