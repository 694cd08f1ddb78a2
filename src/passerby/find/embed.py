"""Vectors for other tools: pictures and texts to a ``.npz`` file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from passerby.atomic import replacing
from passerby.errors import InputError, QueryError
from passerby.inputs import AnyPaths, as_function, as_paths, as_texts, require
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.media.scan import scan_paths
from passerby.model.encoder import Encoder, as_encoder, encode_texts
from passerby.progress import PROGRESS
from passerby.types import Failure, Note


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Pictures, then texts, in the order they were given; what was given twice is there twice.

    Args:
        vectors: float32 (n, d), each of length 1.
        names: n paths or texts.
        failed: pictures that could not be used.
        notes: what had to be guessed of the others.
    """

    vectors: NDArray[np.float32]
    names: tuple[str, ...]
    failed: tuple[Failure, ...]
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        vectors = require(self.vectors, np.ndarray, "vectors, an array")
        if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != len(require(self.names, tuple, "a tuple of names")):
            raise InputError(
                expected=f"vectors float32 ({len(self.names)}, d), one for each name",
                found=f"{vectors.dtype} {vectors.shape}",
                do="correct the value",
            )


def embed(
    encoder: Encoder,
    paths: AnyPaths,
    texts: str | Iterable[str] = (),
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Embeddings:
    """Encode files, the pictures in folders, and texts.

    Args:
        paths, texts: several, or one alone.

    Raises:
        InputError: an argument of the wrong kind.
        ModelError: a tower cannot be trusted.
    """
    encoder, sentences = as_encoder(encoder), as_texts(texts)
    on_progress = as_function(on_progress, PROGRESS)
    scans = [scan_paths([path]) for path in as_paths(paths)]
    files = [path for scan in scans for path in scan.files]
    failed = [Failure(path, "expected a file or folder, found nothing; check the path") for scan in scans for path in scan.missing]
    failed += [failure for scan in scans for failure in scan.failed]
    pictures: list[EncodedFile] = []
    for done, outcome in enumerate(encode_files(encoder, files), 1):
        if isinstance(outcome, EncodedFile):
            pictures.append(outcome)
        else:
            failed.append(outcome)
        on_progress(done, len(files))
    vectors = [np.empty((0, encoder.dim), np.float32), *(picture.vector[None] for picture in pictures), encode_texts(encoder, sentences)]
    names = (*(str(picture.media.path) for picture in pictures), *sentences)
    return Embeddings(np.concatenate(vectors), names, tuple(failed), tuple(note for picture in pictures for note in picture.notes))


def read_texts(path: Path) -> list[str]:
    """The lines of a UTF-8 file that hold words.

    Raises:
        QueryError: it cannot be read.
    """
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise QueryError(expected="a UTF-8 file with one text per line", found=f"{path}: {error}", do="correct --texts") from error


def write_embeddings(embeddings: Embeddings, path: Path) -> None:
    """Write ``vectors`` float32 (n, d) and ``names`` (n,) to an ``.npz`` file, whole or not at all. Raises ``OSError``."""
    with replacing(path) as file:
        np.savez(file, vectors=embeddings.vectors, names=np.array(embeddings.names, dtype=np.str_))
