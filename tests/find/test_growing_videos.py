"""Videos that are being written: each run reads on from where the last one was, and people whom it found stay who they are."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from indexing import CountingEncoder
from street import ColourDetector
from walkers import PASSING, everybody, write_walkers

from passerby.detect.people import Detecting
from passerby.find.ingest import videos
from passerby.find.ingest.run import index_paths
from passerby.find.removal import remove_from
from passerby.index.sqlite.index import Index

LONG = (PASSING[0], PASSING[2], (8.5, 12.0, lambda t: 120 - 20 * (t - 8.5), 50, 1))
SECONDS, FPS = 12.0, 3.0


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videos, "STRETCH", 1.7)


def write_recording(path: Path) -> Path:
    codec, container = ("mpeg2video", {}) if path.suffix == ".ts" else ("libx264", {"live": "1"})
    return write_walkers(path, LONG, SECONDS, codec=codec, container=container, keyframes=20)


@pytest.fixture(scope="module", params=["ts"])
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recording(tmp_path_factory.mktemp("recording") / f"film.{request.param}")


def calm(path: Path, encoder: CountingEncoder, film: Path) -> list[tuple[object, ...]]:
    """What an undisturbed run gives of a film."""
    with Index.create(path, encoder) as index:
        index_paths(index, encoder, [film], detecting=Detecting(ColourDetector(), min_height=20), fps=FPS)
        return everybody(index)


def ids(index: Index) -> dict[int | None, int | None]:
    return {person.track: person.id for person, _ in index.people()}


def growing(film: Path, recording: Path, seed: int) -> Iterator[None]:
    """A film that is written in parts of any size."""
    whole = recording.read_bytes()
    ends = sorted(random.Random(seed).sample(range(len(whole) // 5, len(whole)), 4))
    for end in (*ends, len(whole)):
        film.write_bytes(whole[:end])
        yield


SOAKED = [pytest.param(kind, seed, marks=pytest.mark.soak) for kind in ("ts", "mkv") for seed in range(3, 20)]


@pytest.mark.parametrize(("recording", "seed"), [("ts", 1), ("mkv", 2), *SOAKED], indirect=["recording"])
def test_a_video_that_grows_is_read_on_and_people_keep_their_ids(
    index: Index, encoder: CountingEncoder, detecting: Detecting, recording: Path, tmp_path: Path, seed: int
) -> None:
    expected = calm(tmp_path / "calm", encoder, recording)
    film, detector = tmp_path / recording.name, detecting.detector
    assert isinstance(detector, ColourDetector)
    known: dict[int | None, int | None] = {}
    for _ in growing(film, recording, seed):
        report = index_paths(index, encoder, [film], detecting=detecting, fps=FPS)
        assert (report.videos, report.failed) == (1, ())
        now = ids(index)
        assert all(now[track] == known[track] for track in now.keys() & known.keys())
        known = now
    assert everybody(index) == expected and len(known) == 3
    assert detector.looked < 3 * SECONDS * FPS, "each run begins near where the last one ended"
    assert index_paths(index, encoder, [film], detecting=detecting, fps=FPS).unchanged == 1


def test_stopped_while_it_reads_on_it_ends_as_if_undisturbed(
    index: Index, encoder: CountingEncoder, detecting: Detecting, recording: Path, tmp_path: Path
) -> None:
    expected, film, known = calm(tmp_path / "calm", encoder, recording), tmp_path / recording.name, dict[int | None, int | None]()

    def stop(_done: int, _total: int) -> None:
        left.pop()
        if not left:
            raise KeyboardInterrupt

    for _ in growing(film, recording, 3):
        left = [None] * 3
        with pytest.raises(KeyboardInterrupt):
            index_paths(index, encoder, [film], detecting=detecting, fps=FPS, on_watched=stop)
        known |= ids(index)
    index_paths(index, encoder, [film], detecting=detecting, fps=FPS)
    assert everybody(index) == expected
    assert all(ids(index)[track] == known[track] for track in ids(index).keys() & known.keys())


def rewritten(film: Path, _whole: bytes) -> None:
    """A recorder that completes what the file begins with in the end."""
    write_walkers(film, LONG[1:], SECONDS, codec="mpeg2video")


def longer_and_other_settings(film: Path, whole: bytes) -> None:
    film.write_bytes(whole)


@pytest.mark.parametrize(("change", "fps"), [(rewritten, FPS), (longer_and_other_settings, 2)])
def test_what_did_not_only_grow_is_read_from_its_start(
    index: Index, encoder: CountingEncoder, recording: Path, tmp_path: Path, change: Callable[[Path, bytes], None], fps: float
) -> None:
    film, whole = tmp_path / recording.name, recording.read_bytes()
    film.write_bytes(whole[: len(whole) // 2])
    index_paths(index, encoder, [film], detecting=Detecting(ColourDetector(), min_height=20), fps=FPS)
    assert index.rests(film) is not None
    change(film, whole)
    detector = ColourDetector()
    index_paths(index, encoder, [film], detecting=Detecting(detector, min_height=20), fps=fps)
    assert detector.looked == SECONDS * fps
    with Index.create(tmp_path / "calm", encoder) as other:
        index_paths(other, encoder, [film], detecting=Detecting(ColourDetector(), min_height=20), fps=fps)
        assert everybody(index) == everybody(other)


def test_who_was_removed_stays_out_of_what_is_added(
    index: Index, encoder: CountingEncoder, detecting: Detecting, recording: Path, tmp_path: Path
) -> None:
    film, whole = tmp_path / recording.name, recording.read_bytes()
    film.write_bytes(whole[: len(whole) // 2])
    index_paths(index, encoder, [film], detecting=detecting, fps=FPS)
    removed = ids(index)[1] or pytest.fail()
    remove_from(index, [], [removed])
    assert index.rests(film) is None, "it says where they went"
    film.write_bytes(whole)
    index_paths(index, encoder, [film], detecting=detecting, fps=FPS)
    assert set(ids(index)) == {2, 3}
    remove_from(index, [], [], [removed])
    index_paths(index, encoder, [film], detecting=detecting, fps=FPS)
    assert set(ids(index)) == {1, 2, 3}
