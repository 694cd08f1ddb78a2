from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from passerby.media.encode_files import EncodedFile, encode_files
from passerby.media.files import MAX_FILE_BYTES
from passerby.media.photo import read_image
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.preprocess import preprocess
from passerby.types import Failure


class Wrapped:
    """The tiny encoder, with something that happens before each batch of pictures."""

    def __init__(self, inner: BundleEncoder, before: Callable[[], None]) -> None:
        self.name, self.digest, self.dim, self.preprocessing = inner.name, inner.digest, inner.dim, inner.preprocessing
        self.calibration = inner.calibration
        self.embed_texts = inner.embed_texts
        self._inner, self._before = inner, before

    def embed_images(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        self._before()
        return self._inner.embed_images(pixels)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Nine small pictures of noise, each unlike the others, and of different sizes."""
    folder, noise = tmp_path_factory.mktemp("people"), np.random.default_rng(3)
    paths = [folder / f"{number}.png" for number in range(9)]
    for number, path in enumerate(paths):
        Image.fromarray(noise.integers(0, 256, (20 + number, 9 + number, 3), np.uint8)).save(path)
    return paths


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("broken") / "not a picture.jpg"
    path.write_bytes(b"nothing")
    return path


def readers_alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("passerby-read")]


class TestEncodeFiles:
    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(order=st.lists(st.integers(0, 9), max_size=25), sizes=st.tuples(st.integers(1, 7), st.integers(1, 3)))
    def test_one_result_for_each_path_in_order(
        self, tiny_encoder: BundleEncoder, people: list[Path], broken: Path, order: list[int], sizes: tuple[int, int]
    ) -> None:
        paths, (batch_size, readers) = [[*people, broken][choice] for choice in order], sizes
        results = list(encode_files(tiny_encoder, iter(paths), batch_size=batch_size, readers=readers))
        assert len(results) == len(paths)
        for path, result in zip(paths, results, strict=True):
            if path == broken:
                assert isinstance(result, Failure) and result.path == path
            else:
                assert isinstance(result, EncodedFile) and result.media.path == path
                np.testing.assert_allclose(result.vector, one_by_one(tiny_encoder, path), atol=1e-5)

    def test_says_what_was_read(self, tiny_encoder: BundleEncoder, people: list[Path]) -> None:
        (result,) = encode_files(tiny_encoder, people[4:5])
        assert isinstance(result, EncodedFile)
        assert (result.width, result.height) == (13, 24)
        assert result.vector.shape == (16,) and result.vector.dtype == np.float32
        status, data = people[4].stat(), people[4].read_bytes()
        found = result.media
        assert (found.size, found.modified_ns, found.digest) == (len(data), status.st_mtime_ns, hashlib.sha256(data).hexdigest())

    def test_relative_paths_become_absolute(self, tiny_encoder: BundleEncoder, people: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(people[0].parent)
        good, bad = encode_files(tiny_encoder, [Path("0.png"), Path("none.png")])
        assert isinstance(good, EncodedFile) and good.media.path == people[0]
        assert isinstance(bad, Failure) and bad.path == people[0].parent / "none.png"

    def test_reads_at_most_two_batches_ahead(self, tiny_encoder: BundleEncoder, people: list[Path]) -> None:
        drawn = 0

        def endless() -> Iterator[Path]:
            nonlocal drawn
            while True:
                drawn += 1
                yield people[drawn % len(people)]

        results = encode_files(tiny_encoder, endless(), batch_size=4)
        for seen in range(1, 41):
            next(results)
            assert drawn <= seen + 3 * 4
        results.close()

    def test_reads_while_the_model_runs(self, tiny_encoder: BundleEncoder, people: list[Path]) -> None:
        """The third picture is read during the first inference, which waits for it."""
        read = threading.Event()

        class Watched(type(Path())):  # type: ignore[misc]
            def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
                read.set()
                return super().stat(follow_symlinks=follow_symlinks)  # type: ignore[no-any-return]

        overlapped = []
        encoder = Wrapped(tiny_encoder, lambda: overlapped.append(read.wait(timeout=20)))
        assert len(list(encode_files(encoder, [*people[:2], Watched(people[2])], batch_size=1))) == 3
        assert overlapped == [True] * 3

    def test_closing_ends_the_threads(self, tiny_encoder: BundleEncoder, people: list[Path]) -> None:
        results = encode_files(tiny_encoder, people * 20, batch_size=2)
        next(results)
        assert readers_alive()
        results.close()
        assert not readers_alive()

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_an_error_of_the_model_ends_the_threads(
        self, tiny_encoder: BundleEncoder, people: list[Path], error: type[BaseException]
    ) -> None:
        def fail() -> None:
            raise error

        with pytest.raises(error):
            list(encode_files(Wrapped(tiny_encoder, fail), people * 20))
        assert not readers_alive()

    def test_an_error_of_the_paths_ends_the_threads(self, tiny_encoder: BundleEncoder, people: list[Path]) -> None:
        def failing() -> Iterator[Path]:
            yield from people
            raise OSError("the folder went away")

        with pytest.raises(OSError, match="went away"):
            list(encode_files(tiny_encoder, failing(), batch_size=2))
        assert not readers_alive()

    def test_a_batch_needs_a_size(self, tiny_encoder: BundleEncoder, people: list[Path]) -> None:
        with pytest.raises(ValueError, match="at least one"):
            list(encode_files(tiny_encoder, people, batch_size=0))


def absent(path: Path) -> None:
    assert not path.exists()


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path)


def unreadable(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path.touch(mode=0)


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, MAX_FILE_BYTES + 1)


class TestBadFiles:
    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (absent, "no such file"),
            (Path.touch, "an empty file"),
            (Path.mkdir, "a folder"),
            (os.mkfifo, "a named pipe"),
            (lambda path: path.symlink_to("/dev/zero"), "a device"),
            (dangling, "no such file"),
            (loop, "symbolic links"),
            (unreadable, "permission denied"),
            (huge, "200 MB"),
        ],
    )
    def test_is_named_with_its_reason(
        self, tiny_encoder: BundleEncoder, people: list[Path], tmp_path: Path, make: Callable[[Path], None], words: str
    ) -> None:
        path = tmp_path / "two\nlines \udcff.jpg"
        make(path)
        before, failure, after = encode_files(tiny_encoder, [people[0], path, people[1]])
        assert isinstance(before, EncodedFile) and isinstance(after, EncodedFile)
        assert isinstance(failure, Failure) and failure.path == path
        assert words in failure.reason and len(failure.reason.splitlines()) == 1

    def test_impossible_name(self, tiny_encoder: BundleEncoder) -> None:
        (failure,) = encode_files(tiny_encoder, [Path("/tmp/a\0b.jpg")])
        assert isinstance(failure, Failure) and "null" in failure.reason

    def test_unusual_names_are_no_failure(self, tiny_encoder: BundleEncoder, people: list[Path], tmp_path: Path) -> None:
        path = tmp_path / "two\nlines \udcff.png"
        path.write_bytes(people[0].read_bytes())
        (result,) = encode_files(tiny_encoder, [path])
        assert isinstance(result, EncodedFile) and result.media.path == path


def one_by_one(encoder: BundleEncoder, path: Path) -> NDArray[np.float32]:
    """The obvious way to a picture's vector."""
    (vector,) = encoder.embed_images(preprocess(read_image(path), encoder.preprocessing)[None])
    return np.asarray(vector)
