"""Whatever happens to files between two runs, an index believes what is there, keeps what is not, and loses nobody."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from crops import write_crop
from hypothesis import given, settings
from hypothesis import strategies as st
from indexing import away, held
from numpy.typing import NDArray

from passerby.find.ingest.run import index_paths
from passerby.index.sqlite.index import Index
from passerby.media.encode_files import EncodedFile, encode_files
from passerby.model.bundle_encoder import BundleEncoder

PATHS = st.sampled_from(["a.jpg", "b.jpg", "c.jpg", "x/a.jpg", "x/d.jpg", "y/a.jpg"])
CHANGES = st.one_of(
    st.tuples(st.just("write"), PATHS, st.integers(0, 4)),
    st.tuples(st.sampled_from(["move", "copy", "link"]), PATHS, PATHS),
    st.tuples(st.sampled_from(["delete", "touch"]), PATHS, st.none()),
    st.tuples(st.just("rename"), st.sampled_from(["x", "y"]), st.sampled_from(["x", "y", "z"])),
)


@cache
def content(seed: int) -> bytes:
    """A picture; all are of one size."""
    with tempfile.TemporaryDirectory() as folder:
        return write_crop(Path(folder) / "a.jpg", seed).read_bytes().ljust(5_000, b" ")


def change(root: Path, kind: str, one: str, other: str | int | None) -> None:
    source = root / one
    if isinstance(other, int):
        source.parent.mkdir(exist_ok=True)
        source.write_bytes(content(other))
        os.utime(source, ns=(1, 1))
        return
    if not source.exists():
        return
    if other is None:
        source.unlink() if kind == "delete" else source.chmod(0o600)
        return
    target = root / other
    if source == target or (kind in {"copy", "link", "rename"} and target.exists()):
        return
    target.parent.mkdir(exist_ok=True)
    does: dict[str, Callable[[Path, Path], object]] = {"copy": shutil.copy2, "link": os.link, "move": os.replace, "rename": os.rename}
    does[kind](source, target)


@settings(max_examples=30)
@given(st.lists(st.lists(CHANGES, min_size=1, max_size=4), min_size=2, max_size=4))
def test_an_index_follows_its_files(tiny_encoder: BundleEncoder, runs: list[list[tuple[str, str, str | int | None]]]) -> None:
    with tempfile.TemporaryDirectory() as made, Index.create(Path(made) / "index", tiny_encoder) as index:
        root = Path(made).resolve() / "root"
        root.mkdir()
        vectors = {content(seed): vector_of(tiny_encoder, Path(made), seed) for seed in range(5)}
        before: dict[Path, NDArray[np.float32]] = {}
        for changes in runs:
            for one in changes:
                change(root, *one)
            index_paths(index, tiny_encoder, [root])
            after, there = held(index), sorted(root.rglob("*.jpg"))
            assert {path.stat().st_ino for path in there} == {path.stat().st_ino for path in after if path.exists()}
            assert len({path.stat().st_ino for path in there}) == sum(path.exists() for path in after)
            assert away(index) == {path for path in after if not path.exists()}
            for path in after:
                if path.exists():
                    np.testing.assert_allclose(after[path], vectors[path.read_bytes()], atol=1e-6)
            for path, vector in before.items():
                assert path.exists() or any(np.allclose(vector, other, atol=1e-6) for other in after.values())
            before = after


def vector_of(encoder: BundleEncoder, folder: Path, seed: int) -> NDArray[np.float32]:
    path = folder / f"{seed}.jpg"
    path.write_bytes(content(seed))
    (encoded,) = encode_files(encoder, [path])
    assert isinstance(encoded, EncodedFile)
    return encoded.vector
