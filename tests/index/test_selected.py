"""What every kind of index makes of cameras, times and folders: who is selected, who they stand out of, and clocks that are corrected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from crops import media, random_vectors, unit
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import KINDS, Make
from numpy.typing import NDArray

from passerby.errors import QueryError
from passerby.index.base import Index
from passerby.index.info import Selected
from passerby.index.score import Weights
from passerby.index.selection import EVERYBODY, Selection
from passerby.index.sighting import Sighting
from passerby.index.vectors import VectorTable
from passerby.media.clock import Camera, Instant, KnownBy, clock_iso
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.calibration import Calibration, Crowd
from passerby.types import Crop, Media, MediaKind

DIM = 16
CAMERAS = (Camera("back", 90.5), Camera("front"), Camera("yard", -3600.0, "Europe/Berlin"))
OFFSETS = {camera.name: camera.offset_seconds for camera in CAMERAS}
FOLDERS = [Path("/", *parts) for parts in (("a",), ("a", "b"), ("a", "b", "c"), ("a0",), ("\udcff", "b"), ("ä", "b"), ())]
TIMES = st.none() | st.integers(-8000, 8000).map(lambda quarter: quarter / 4)
SELECTIONS = st.builds(
    Selection,
    st.lists(st.sampled_from(sorted(OFFSETS)), max_size=2, unique=True).map(tuple),
    TIMES,
    st.none() | st.integers(8001, 16000).map(lambda quarter: quarter / 4),
    st.lists(st.sampled_from(FOLDERS), max_size=2).map(tuple),
)
SEEN = st.tuples(
    st.sampled_from(FOLDERS),
    st.none() | st.sampled_from(sorted(OFFSETS)),
    st.none() | st.integers(-30000, 30000).map(lambda at: at / 4),
    st.lists(st.none() | st.integers(0, 9000).map(lambda time: time / 4), min_size=1, max_size=3),
)
CALIBRATION = Calibration(0.0, 0.25, -3.0, 5.0, 1.0, -0.5, {})


@pytest.fixture(params=KINDS)
def index(request: pytest.FixtureRequest, tmp_path: Path, tiny_encoder: BundleEncoder) -> Iterator[Index]:
    with KINDS[request.param](str(tmp_path / "index"), tiny_encoder) as opened:
        yield opened


def photo(path: str, content: str, camera: str | None = None, at: float | None = None, zone: str | None = None) -> Media:
    return replace(media(path, content), camera=camera, started_at=at, zone=zone, known_by=None if at is None else "exif")


def found(index: Index, selection: Selection = EVERYBODY) -> set[str]:
    (answer,) = index.nearest([Weights(np.eye(DIM)[0])], 1000, selection=selection, fold=False)
    return {str(one.person.media.path) for one in answer.people}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@settings(max_examples=40)
@given(people=st.lists(SEEN, max_size=10), selection=SELECTIONS, half=st.booleans(), k=st.integers(1, 12))
def test_a_selection_is_a_slow_look_at_everybody(
    tiny_encoder: BundleEncoder,
    make: Make,
    people: list[tuple[Path, str | None, float | None, list[float | None]]],
    selection: Selection,
    half: bool,
    k: int,
) -> None:
    """Also of several crops, of which only those in the time count, and with a filter that everybody is held against."""
    vectors = iter(random_vectors(40))
    direction = np.eye(DIM)[:1]
    with TemporaryDirectory() as folder, make(folder, tiny_encoder) as index:
        expected, undated, seen = dict[int, float](), set[int](), set[int]()
        with index.writing():
            for camera in CAMERAS:
                index.correct(camera)
            for number, (place, camera_name, at, times) in enumerate(people, 1):
                is_video = any(time is not None for time in times)
                item = replace(
                    photo(str(place / f"{number}.x"), str(number), camera_name, at), kind=MediaKind.VIDEO if is_video else MediaKind.PHOTO
                )
                crops = tuple(Crop(time=time) for time in times) if is_video else (Crop(),)
                own = np.stack([next(vectors) for _ in crops])
                index.put(item, [Sighting(crops, own, number if is_video else None)])
                offset = OFFSETS.get(camera_name or "", 0.0)
                for crop, vector in zip(crops, own, strict=True):
                    score = float(vector.astype(np.float64) @ direction[0])
                    if selection.matches(item.path, camera_name, None if at is None else at + (crop.time or 0.0), offset):
                        seen.add(number)
                        if not half or score > 0:
                            expected[number] = max(score, expected.get(number, -1.0))
                    elif at is None and replace(selection, start=None, end=None).matches(item.path, camera_name, None):
                        undated.add(number)

        def passes(table: VectorTable) -> NDArray[np.bool_]:
            assert len(table) == len(index.vectors())
            return np.asarray(table.scores(direction)[0] > 0)

        (answer,) = index.nearest([Weights(direction[0])], k, passes if half else None, selection=selection)
        best = sorted(expected, key=lambda number: -expected[number])[:k]
        assert [one.person.id for one in answer.people] == best
        np.testing.assert_allclose([one.score for one in answer.people], [expected[number] for number in best], atol=1e-12)
        assert index.selected(selection) == Selected(len(seen), len(undated))


@pytest.mark.parametrize("share", [1, 100])
def test_the_crowd_is_of_those_selected_and_a_sample_of_them_says_nearly_the_same(index: Index, share: int) -> None:
    """A kind that cannot scan calibrates by a sample: also where one in a hundred is selected, and they are unlike the others."""
    rng = np.random.default_rng(5)
    vectors = unit(rng.normal(size=(2000, DIM)) * np.linspace(0.2, 2, DIM) + 0.5)
    vectors[::100] = unit(vectors[::100].astype(np.float64) + 0.4)
    with index.writing():
        for number, vector in enumerate(vectors):
            index.add(photo(f"/{number}.jpg", str(number), "front" if number % share == 0 else "back"), vector)
    selection = EVERYBODY if share == 1 else Selection(("front",))
    those = vectors[::share].astype(np.float64)
    sample = index.sample(1000, selection).astype(np.float64)
    assert len(sample) == min(len(those), 1000)
    assert {row.tobytes() for row in sample} <= {row.astype(np.float16).astype(np.float64).tobytes() for row in those}
    directions = np.concatenate([vectors[:3], random_vectors(1, seed=9)]).astype(np.float64)
    for direction, answer in zip(directions, index.nearest([Weights(one) for one in directions], 10, selection=selection), strict=True):
        scan = Crowd.of(those @ direction)
        crowd = Crowd.of(sample @ direction)._replace(size=np.array([float(index.selected(selection).people)]))
        worth = np.array([one.score for one in answer.people])
        expected = CALIBRATION.probability(worth, scan)
        np.testing.assert_allclose(CALIBRATION.probability(worth, answer.crowd), expected, atol=0.002)
        np.testing.assert_allclose(CALIBRATION.probability(worth, crowd), expected, atol=0.02)


def test_equal_bytes_in_two_folders_are_selected_each_by_itself(index: Index) -> None:
    with index.writing():
        for folder in ("a", "b", "ab"):
            index.add(photo(f"/{folder}/x.jpg", "same"), random_vectors(1)[0])
    assert found(index, Selection(folders=(Path("/a"),))) == {"/a/x.jpg"}
    assert found(index) == {"/a/x.jpg", "/b/x.jpg", "/ab/x.jpg"}


def test_nobody_selected_is_an_empty_answer(index: Index) -> None:
    with index.writing():
        index.add(photo("/a.jpg", "a", "front"), random_vectors(1)[0])
    nobody = Selection(start=0.0)
    (answer,) = index.nearest([Weights(np.eye(DIM)[0])], 3, selection=nobody)
    assert (answer.people, answer.crowd.size.tolist(), len(index.sample(3, nobody))) == ((), [0], 0)
    assert index.selected(nobody) == Selected(0, 1)
    for ask in (lambda one: index.nearest([Weights(np.eye(DIM)[0])], 3, selection=one), lambda one: index.sample(3, one), index.selected):
        with pytest.raises(QueryError, match="a camera of this index: front, found no camera 'back'"):
            ask(Selection(("back",)))


# -- cameras ----------------------------------------------------------------------------------------------------------------------


def test_an_offset_that_is_corrected_moves_whom_a_time_selects(index: Index) -> None:
    at = 1_795_858_933.0
    with index.writing():
        index.add(photo("/a.jpg", "a", "front", at, "Europe/Berlin"), random_vectors(1)[0])
        index.add(photo("/b.jpg", "b", None, at, "Europe/Berlin"), random_vectors(2)[1])
    window = Selection(start=at - 10, end=at + 10)
    assert found(index, window) == {"/a.jpg", "/b.jpg"}
    with index.writing():
        index.correct(Camera("front", 3780.0))
    assert found(index, window) == {"/b.jpg"}
    assert found(index, Selection(start=at + 3780, end=at + 3781)) == {"/a.jpg"}
    assert index.zones(["front"]) == {"Europe/Berlin"}
    (seen,) = index.seen_by_cameras()
    assert (seen.camera, seen.people, seen.first, seen.last) == (Camera("front", 3780.0), 1, seen.last, seen.first)
    assert seen.first is not None and seen.first.isoformat() == clock_iso(at, "Europe/Berlin", 3780.0)
    known = index.standing(Path("/a.jpg"))
    assert known is not None and known.started_at == at


def test_a_zone_that_is_corrected_keeps_what_the_clock_showed(index: Index) -> None:
    """But for what an offset in the picture says, and for a file's time, which is an instant; on the night of a clock change too."""
    shown = 1_792_886_400.0  # 2026-10-25 02:00 in Berlin's summer
    told = {
        "/exif": Instant(shown, None, KnownBy.EXIF),
        "/name": Instant(shown, "Europe/Berlin", KnownBy.NAME),
        "/own": Instant(shown, "+05:30", KnownBy.EXIF),
        "/file": Instant(shown, None, KnownBy.FILE),
    }
    with index.writing():
        index.correct(Camera("front", zone="Europe/Berlin"))
        for path, instant in told.items():
            index.add(photo(path, path), random_vectors(1)[0])
            index.date(Path(path), "front", replace(instant, zone=instant.zone or "Europe/Berlin"))
        index.add(photo("/other", "other", "back", shown, "Europe/Berlin"), random_vectors(1)[0])
    with index.writing():
        index.correct(Camera("front", zone="+01:00"))
    now = {str(person.media.path): person.media for person, _ in index.people()}
    iso = {path: clock_iso(one.started_at or 0.0, one.zone) for path, one in now.items()}
    assert iso == {
        "/exif": "2026-10-25T02:00:00+01:00",
        "/name": "2026-10-25T02:00:00+01:00",
        "/own": "2026-10-25T05:30:00+05:30",
        "/file": "2026-10-25T01:00:00+01:00",
        "/other": "2026-10-25T02:00:00+02:00",
    }


def test_cameras_are_known_from_their_first_picture_on(index: Index) -> None:
    with index.writing():
        index.add(photo("/b.jpg", "b", "yard"), random_vectors(1)[0])
        index.add(photo("/a.jpg", "a"), random_vectors(1)[0])
        index.date(Path("/a.jpg"), "door", Instant(5.0, None, KnownBy.FILE))
    assert index.cameras() == [Camera("door"), Camera("yard")]
    assert (index.zones(), index.zones(["yard"]), index.zones(["nobody"])) == ({None}, set(), set())
    assert [(one.camera.name, one.people, one.first is None) for one in index.seen_by_cameras()] == [("door", 1, False), ("yard", 1, True)]
    with pytest.raises(ZeroDivisionError), index.writing():
        index.correct(Camera("door", 5.0))
        raise ZeroDivisionError
    assert index.cameras() == [Camera("door"), Camera("yard")]
