"""What every kind of index keeps, whatever it keeps people in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from crops import media, random_vectors, unit, write_crops
from hypothesis import given, settings
from hypothesis import strategies as st
from indexing import NOTHING, DressedEncoder
from kinds import KINDS, Make
from numpy.typing import NDArray

from passerby.errors import IndexFault, InputError
from passerby.find.ingest.run import index_paths
from passerby.find.query import ask
from passerby.find.removal import remove_paths
from passerby.find.search import search
from passerby.index.base import Index, as_index
from passerby.index.info import TO_BE_READ, Expired, Standing
from passerby.index.looked_into import LookedInto
from passerby.index.open import create_index, open_index
from passerby.index.scan import ROUNDING
from passerby.index.score import Weights, weighted_scores
from passerby.index.selection import Selection
from passerby.index.sighting import Sighting
from passerby.index.vectors import VectorTable
from passerby.media.clock import Camera
from passerby.media.signature import LENGTH
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.worn import worn_bytes
from passerby.types import CROP, Box, Crop, Failure, Media, MediaKind, ModelDigest, Person, Sought, Watched

DIM = 16
VECTORS = random_vectors(40)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Make:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def dressed(tiny_encoder: BundleEncoder) -> DressedEncoder:
    return DressedEncoder(tiny_encoder._bundle, threads=1)


@pytest.fixture
def index(make: Make, tmp_path: Path, tiny_encoder: BundleEncoder) -> Iterator[Index]:
    with make(str(tmp_path / "index"), tiny_encoder) as opened:
        yield opened


def seen(*numbers: int, track: int | None = None) -> Sighting:
    """Somebody with a crop for each of some vectors."""
    crops = tuple(Crop(Box(number, 0, 10, 20), None if track is None else float(number), 0.5) for number in numbers)
    times = (None, None) if track is None else (0.0, 60.0)
    return Sighting(crops, VECTORS[list(numbers)], track, *times)


def video(path: str, content: str) -> Media:
    return replace(media(path, content), kind=MediaKind.VIDEO)


def put(index: Index, item: Media, *people: Sighting) -> None:
    with index.writing():
        index.put(item, people)


def paths(index: Index) -> list[str]:
    return [str(person.media.path) for person, _ in index.people()]


# -- who is nearest ---------------------------------------------------------------------------------------------------------------


Held = tuple[Person, Crop, NDArray[np.float32], NDArray[np.uint8]]
"""Somebody's crop, its vector, and what is worn in it."""


def slow_nearest(
    held: list[Held], question: Weights, k: int, passes: Callable[[NDArray[np.float32]], bool]
) -> list[tuple[Person, Crop, float]]:
    """Score every crop in float64, keep each person's best, sort, cut."""
    best: dict[int | None, tuple[Person, Crop, float]] = {}
    for person, crop, vector, worn in held:
        score = slow_score(question, vector, worn)
        if passes(vector) and (person.id not in best or score > best[person.id][2]):
            best[person.id] = person, crop, score
    return sorted(best.values(), key=lambda one: (-one[2], os.fsencode(one[0].media.path), one[0].id))[:k]


def slow_score(question: Weights, vector: NDArray[np.float32], worn: NDArray[np.uint8]) -> float:
    cosine = np.sum(vector.astype(np.float64) * question.vector)
    return float(cosine - np.sum(worn.astype(np.float64) * question.worn) if question.worn.size else cosine)


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    crops=st.lists(st.integers(1, 4), max_size=40),
    spread=st.sampled_from([0.0, 1e-6, 1e-3, 1.0]),
    k=st.integers(1, 60),
    half=st.booleans(),
    known=st.sampled_from([0, 0.8, 1]),
    weighs=st.sampled_from([(0.0, 0.0), (0.0, 1e-5), (1e-3, 0.01), (0.1, 10.0)]),
)
def test_the_nearest_are_those_of_a_slow_exact_search(
    dressed: DressedEncoder,
    make: Make,
    seed: int,
    crops: list[int],
    spread: float,
    k: int,
    half: bool,
    known: float,
    weighs: tuple[float, float],
) -> None:
    """People of several crops, several in a media, some of them alike to the bit, and two questions at once, of what is worn or not."""
    rng = np.random.default_rng(seed)
    directions = unit(rng.normal(size=(2, DIM))).astype(np.float64)
    questions = [
        Weights(direction, np.float64(weight) * rng.integers(0, 2, 6 if weight else 0))
        for direction, weight in zip(directions, weighs, strict=True)
    ]
    side = rng.normal(size=DIM)
    with TemporaryDirectory() as folder, make(folder, dressed) as index:
        with index.writing():
            for place in rng.permutation(len(crops) // 3 + 1).tolist():
                there = crops[place * 3 : place * 3 + 3]
                people = [
                    Sighting(
                        tuple(Crop(Box(n, c, 1, 2), 1.0 * c) for c in range(count)),
                        unit(directions[0] + spread * rng.normal(size=(count, DIM))),
                        n,
                        worn=rng.integers(0, 256, (count, 6), np.uint8) if rng.random() < known else None,
                    )
                    for n, count in enumerate(there)
                ]
                index.put(video(f"/{place}.mp4", str(place)), people)

        def passes(table: VectorTable) -> NDArray[np.bool_]:
            vectors = table.spread(len(table)).reshape(len(table), DIM)
            return np.asarray(vectors.astype(np.float64) @ side > 0)

        held = [
            (person, crop, index.vector_of(person, crop), index.worn_of(person, crop)) for person, crops in index.people() for crop in crops
        ]
        answers = index.nearest(questions, k, passes if half else None)
        for answer, question in zip(answers, questions, strict=True):
            expected = slow_nearest(
                held, question, k, lambda vector: not half or bool(vector.astype(np.float16).astype(np.float64) @ side > 0)
            )
            assert [(found.person, found.crop, found.score) for found in answer.people] == expected


def dress(index: Index) -> NDArray[np.uint8]:
    """Fill an index with people of a crop each, every tenth without what is worn; what each has on, uint8 (40, 6)."""
    worn = worn_bytes(np.random.default_rng(2).normal(size=(len(VECTORS), 3), scale=4).astype(np.float32))
    worn[::10] = 0
    with index.writing():
        for number, vector in enumerate(VECTORS):
            index.add(media(f"/{number}.jpg", str(number)), vector, worn=None if number % 10 == 0 else worn[number])
    return worn


def test_what_is_worn_counts_in_the_crowd_too(make: Make, tmp_path: Path, dressed: DressedEncoder) -> None:
    with make(str(tmp_path / "index"), dressed) as index:
        worn = dress(index)
        plain, asking = Weights(VECTORS[0].astype(np.float64)), Weights(VECTORS[1].astype(np.float64), np.array([0, 0.01, 0, 0, 0, 0.02]))
        for question, answer in zip((plain, asking), index.nearest([plain, asking], 3), strict=True):
            scores = weighted_scores([question], VECTORS, worn)[0]
            np.testing.assert_allclose((answer.crowd.mean, answer.crowd.spread), [[scores.mean()], [scores.std()]], atol=2 * ROUNDING)
        assert index.nearest([plain, asking], 3)[0].people == index.nearest([plain], 3)[0].people


def test_what_is_worn_is_read_by_column_and_by_crop(make: Make, tmp_path: Path, dressed: DressedEncoder) -> None:
    with make(str(tmp_path / "index"), dressed) as index:
        worn = dress(index)
        with index.snapshot():
            np.testing.assert_array_equal(index.vectors().worn([5, 0, 2]), worn[:, [5, 0, 2]])
        np.testing.assert_array_equal([index.worn_of(person, crop) for person, (crop,) in index.people()], worn)
        assert index.info().unworn == 4
        with index.writing():
            index.forget(Path("/3.jpg"))
            index.forget(Path("/10.jpg"))
        with index.snapshot():
            np.testing.assert_array_equal(index.vectors().worn([1]), np.delete(worn, [3, 10], axis=0)[:, [1]])
        assert index.info().unworn == 3
        with pytest.raises(IndexFault, match="gone"):
            index.worn_of(Person(media("/3.jpg", "3"), 4))


def test_bytes_of_other_attributes_are_refused(index: Index, make: Make, tmp_path: Path, dressed: DressedEncoder) -> None:
    with make(str(tmp_path / "other"), dressed) as other:
        for there, width in ((index, 6), (other, 4)):
            with pytest.raises(InputError, match="what is worn"), there.writing():
                there.add(media("/a.jpg", "a"), VECTORS[0], worn=np.ones(width, np.uint8))
            assert paths(there) == []
    wrong: list[Any] = [np.ones((2, 6), np.uint8), np.ones((1, 6), np.int8), np.ones(6, np.uint8)]
    for worn in wrong:
        with pytest.raises(InputError, match="one for each crop"):
            Sighting((Crop(),), VECTORS[:1], worn=worn)


def test_an_index_without_attributes_knows_nothing_of_what_is_worn(index: Index) -> None:
    put(index, media("/a.jpg", "a"), seen(0))
    ((person, _),) = index.people()
    assert (index.worn_of(person).shape, index.info().unworn) == ((0,), 0)
    plain = Weights(VECTORS[1].astype(np.float64))
    assert index.nearest([plain._replace(worn=np.ones(6))], 1)[0].people == index.nearest([plain], 1)[0].people
    with index.snapshot():
        assert index.vectors().worn([]).shape == (1, 0)


def test_indexed_pictures_carry_what_is_worn(make: Make, tmp_path: Path, dressed: DressedEncoder) -> None:
    with make(str(tmp_path / "index"), dressed) as index:
        index_paths(index, dressed, write_crops(tmp_path / "crops", 5))
        worn = [worn_bytes(8 * index.vector_of(person)[None, :3])[0] for person, _ in index.people()]
        with index.snapshot():
            np.testing.assert_array_equal(index.vectors().worn(range(6)), worn)


def test_an_empty_index_has_nobody(index: Index) -> None:
    (answer,) = index.nearest([Weights(np.eye(DIM)[0])], 3)
    assert (answer.people, answer.crowd.size.tolist(), list(index.people())) == ((), [0], [])
    assert (len(index.sample(5)), len(index.vectors())) == (0, 0)
    assert index.nearest([], 3) == []


def test_a_sample_is_of_everybody_s_vectors(index: Index) -> None:
    with index.writing():
        for number, vector in enumerate(VECTORS):
            index.add(media(f"/{number}.jpg", str(number)), vector)
    everybody = VECTORS.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(index.sample(100), everybody)
    some = index.sample(10)
    assert len(some) == 10
    assert {row.tobytes() for row in some} < {row.tobytes() for row in everybody}


# -- what is held -----------------------------------------------------------------------------------------------------------------


def test_what_was_put_is_there(index: Index) -> None:
    item = replace(video("/a.mp4", "a"), camera="door", started_at=1.5, zone="Europe/Berlin", known_by="container")
    put(index, item, seen(0, 1, track=4), seen(2, track=7))
    (one, crops), (two, _) = index.people()
    assert (one, two) == (Person(item, 1, 4, 0.0, 60.0), Person(item, 2, 7, 0.0, 60.0))
    assert crops == (Crop(Box(0, 0, 10, 20), 0.0, 0.5), Crop(Box(1, 0, 10, 20), 1.0, 0.5))
    np.testing.assert_array_equal(index.vector_of(one, crops[1]), VECTORS[1])
    np.testing.assert_array_equal(index.vector_of(one), VECTORS[0])
    assert [person.id for person, _ in index.people([2, 9])] == [2]
    assert (index.info().people, index.info().media, index.info().embeddings) == (2, 1, 3)
    for gone in (replace(one, id=9), replace(one, id=None)):
        with pytest.raises(IndexFault, match="gone"):
            index.vector_of(gone)
    with pytest.raises(IndexFault, match="gone"):
        index.vector_of(two, crops[0])


def test_a_whole_picture_is_a_person_of_one_crop(index: Index) -> None:
    with index.writing():
        index.add(media("/a.jpg", "a"), VECTORS[0])
    assert list(index.people()) == [(Person(media("/a.jpg", "a"), 1), (Crop(),))]


def test_putting_again_replaces_and_gives_no_id_twice(index: Index) -> None:
    """A recording grows: other bytes, the same people and more."""
    put(index, video("/a.mp4", "short"), seen(0, 1, track=1))
    put(index, video("/a.mp4", "longer"), seen(0, 1, 5, track=1), seen(2, track=2))
    assert [person.id for person, _ in index.people()] == [2, 3]
    assert index.info().embeddings == 4
    put(index, video("/a.mp4", "longest"))
    put(index, video("/b.mp4", "b"), seen(3, track=1))
    assert [(person.id, str(person.media.path)) for person, _ in index.people()] == [(4, "/b.mp4")]
    assert index.standing(Path("/a.mp4")) == Standing(7, 1_000, video("/a.mp4", "longest").digest, None)


def test_other_vectors_at_the_same_time_of_a_grown_recording_are_believed(index: Index) -> None:
    put(index, video("/a.mp4", "short"), Sighting((Crop(time=1.0),), VECTORS[:1], 1))
    put(index, video("/a.mp4", "longer"), Sighting((Crop(time=1.0),), VECTORS[1:2], 1))
    ((person, _),) = index.people()
    np.testing.assert_array_equal(index.vector_of(person), VECTORS[1])


def test_a_camera_has_no_bytes(index: Index) -> None:
    camera = Media(Path("door"), 0, 0, "", kind=MediaKind.CAMERA)
    put(index, camera, seen(0, track=1))
    put(index, replace(camera, path=Path("gate")), seen(1, track=1))
    assert paths(index) == ["door", "gate"]
    with index.writing():
        assert not index.link(replace(camera, path=Path("yard")))


def test_equal_bytes_are_linked_with_all_their_people(index: Index) -> None:
    for item in (media("/a.jpg", "a"), video("/b.mp4", "b")):
        put(index, item, seen(0), seen(1, 2))
        copy = replace(item, path=Path(f"{item.path}.copy"))
        with index.writing():
            assert index.link(copy)
            assert not index.link(media("/x.jpg", "unknown"))
        assert index.with_digest(item.digest) == [(item.path, None), (copy.path, None)]
        ids = [person.id for person, _ in index.people() if person.media.path == item.path]
        with index.writing():
            assert index.link(replace(item, modified_ns=5))
        assert [person.id for person, _ in index.people() if person.media.path == item.path] == ids
        of_copy = [(crops, index.vector_of(person).tobytes()) for person, crops in index.people() if person.media == copy]
        assert of_copy == [(seen(0).crops, VECTORS[0].tobytes()), (seen(1, 2).crops, VECTORS[1].tobytes())]
        with index.writing():
            assert index.forget(item.path) == 1
            assert index.forget(item.path) == 0
        assert len(of_copy) == sum(person.media == copy for person, _ in index.people())


def test_a_picture_of_nobody_is_known_too(index: Index) -> None:
    put(index, media("/a.jpg", "a"))
    with index.writing():
        assert index.link(media("/b.jpg", "a"))
    assert paths(index) == []
    assert [str(path) for path, _ in index.with_digest(media("", "a").digest)] == ["/a.jpg", "/b.jpg"]


def test_a_media_moves_with_its_people(index: Index) -> None:
    put(index, media("/a.jpg", "a"), seen(0), seen(1))
    put(index, media("/b.jpg", "b"), seen(2))
    with index.writing():
        index.move(Path("/a.jpg"), Path("/b.jpg"))
    assert [(person.id, str(person.media.path)) for person, _ in index.people()] == [(1, "/b.jpg"), (2, "/b.jpg")]
    assert index.standing(Path("/a.jpg")) is None


def test_absence_and_failures_are_remembered(index: Index) -> None:
    path = Path("/a/b.jpg")
    put(index, media(path, "fine"), seen(0))
    with index.writing():
        index.miss(path, 7)
        index.miss(path, 9)
        index.miss(Path("/nowhere.jpg"), 9)
    assert (index.info().away, index.info().away_since) == (1, 7)
    with index.writing():
        index.see(path, 3, 4)
    assert index.standing(path) == Standing(4, 1_000, media(path, "fine").digest, None, 3, 4, None)
    assert index.knows_size(4)
    assert not index.knows_size(5)
    assert index.with_size_and_time(4, 1_000) == [path]
    with index.writing():
        index.fail(path, 7, 8, "broken")
        index.fail(Path("/a-b.jpg"), 7, 8, "broken")
    assert index.failures() == [Failure(Path("/a-b.jpg"), "broken"), Failure(path, "broken")]
    assert index.standing(path) == Standing(7, 8, None, "broken")
    assert index.paths_under(Path("/a")) == [path]
    assert paths(index) == []


def test_a_transaction_is_all_or_nothing(index: Index) -> None:
    put(index, media("/a.jpg", "a"), seen(0))
    with pytest.raises(ZeroDivisionError), index.writing():
        index.forget(Path("/a.jpg"))
        index.add(media("/b.jpg", "b"), VECTORS[0])
        raise ZeroDivisionError
    assert paths(index) == ["/a.jpg"]


def test_crops_know_their_place_among_those_of_their_person(index: Index) -> None:
    crops = Crop(time=1.0), Crop(time=2.0), Crop(time=3.0)
    put(index, video("/a.mp4", "a"), Sighting(crops, VECTORS[:3], 1))
    assert [[crop.number for crop in of] for _, of in index.people()] == [[0, 1, 2]]
    for number, vector in enumerate(VECTORS[:3]):
        (found,) = index.nearest([Weights(vector.astype(np.float64))], 1)
        assert (found.people[0].crop, found.people[0].crop.number) == (crops[number], number)


def test_another_model_is_refused(index: Index, tiny_encoder: BundleEncoder) -> None:
    index.require_model(tiny_encoder.digest, tiny_encoder.name)
    with pytest.raises(IndexFault, match="other"):
        index.require_model(type(tiny_encoder.digest)("f" * 64), "other")


# -- who is kept out --------------------------------------------------------------------------------------------------------------


DETECTOR = ModelDigest("d" * 64)


def test_how_people_were_looked_for_is_known_of_a_media(index: Index) -> None:
    sought = Sought(DETECTOR, 640, 40.0, 45.5)
    put(index, replace(media("/a.jpg", "a"), sought=sought), seen(0), seen(30))
    put(index, replace(media("/b/nobody.jpg", "b"), sought=replace(sought, smallest=90.0)))
    put(index, replace(media("/crop.jpg", "c"), sought=CROP), Sighting.whole(VECTORS[1]))
    put(index, media("/unasked.jpg", "d"), Sighting.whole(VECTORS[2]))
    known = [index.standing(Path(path)) for path in ("/a.jpg", "/b/nobody.jpg", "/crop.jpg", "/unasked.jpg")]
    assert [one and one.sought for one in known] == [sought, replace(sought, smallest=90.0), CROP, None]
    assert {person.media.sought for person, _ in index.people()} == {sought, CROP, None}
    assert index.looked_into() == index.info().looked_into == LookedInto(2, 45.5, 90.0)
    assert index.looked_into(Selection(folders=(Path("/b"),))) == LookedInto(1, 90.0, 90.0)
    assert index.looked_into(Selection(folders=(Path("/c"),))) == LookedInto()


WATCHED = Watched(60.0, 2, 50.0, clock_reset=True)


def watched(path: str, content: str, started_at: float | None = None) -> Media:
    sought = Sought(DETECTOR, 416, 40.0, 83.0, 5.0, quick=True)
    return replace(video(path, content), sought=sought, watched=WATCHED, started_at=started_at)


def test_a_video_is_held_in_parts_and_where_to_go_on(index: Index) -> None:
    film = watched("/a.mp4", "a")
    put(index, replace(film, watched=Watched(20.0)), seen(0, 1, track=1))
    assert index.left_off(film.path) is None
    with index.writing():
        index.leave_off(film.path, "at 20")
    assert index.left_off(film.path) == "at 20"
    known = index.standing(film.path)
    assert known is not None and (known.changed_ns, known.sought) == (TO_BE_READ, film.sought)
    assert index.looked_into() == LookedInto(0, 83.0, 83.0, videos=1, seconds=20.0, unfinished=1)
    with index.writing():
        assert not index.link(replace(film, path=Path("/copy.mp4")))
        index.put_more(film, [seen(2, track=2)])
    assert index.left_off(film.path) is None
    assert [person.track for person, _ in index.people()] == [1, 2]
    assert {person.media for person, _ in index.people()} == {film}
    assert index.looked_into() == index.info().looked_into == LookedInto(0, 83.0, 83.0, 1, 60.0, 2, 1)
    with index.writing():
        assert index.link(replace(film, path=Path("/copy.mp4"), sought=None, watched=None))
    assert {person.media.watched for person, _ in index.people()} == {WATCHED}
    with index.writing():
        index.leave_off(film.path, "again")
        index.move(film.path, Path("/moved.mp4"))
    assert (index.left_off(film.path), index.left_off(Path("/moved.mp4"))) == (None, "again")
    with index.writing():
        index.put(replace(film, path=Path("/moved.mp4")), [])
    assert index.left_off(Path("/moved.mp4")) is None
    assert paths(index) == ["/copy.mp4", "/copy.mp4"]


def test_who_is_put_again_by_their_track_keeps_their_id(index: Index) -> None:
    film = watched("/a.mp4", "a")
    put(index, film, seen(0, track=1), seen(1, 2, track=2), seen(3, track=3))
    put(index, watched("/b.mp4", "b"), seen(4, track=2))
    longer = replace(seen(1, 5, track=2), last=70.0, static=True)
    with index.writing():
        index.put_again(watched("/a.mp4", "longer"), [seen(6, track=4), longer], [3, 9])
    found = {(person.id, person.track): (person.last, person.static, crops) for person, crops in index.people()}
    assert list(found) == [(1, 1), (2, 2), (4, 2), (5, 4)]
    assert found[2, 2] == (70.0, True, longer.crops)
    ((again, crops),) = index.people([2])
    assert all((index.vector_of(again, crop) == vector).all() for crop, vector in zip(crops, longer.vectors, strict=True))
    assert again.media.digest == watched("/a.mp4", "longer").digest
    (best,) = index.nearest([Weights(VECTORS[2].astype(np.float64))], 9, selection=Selection(static=True), fold=False)
    assert all(found.score < 0.999 for found in best.people) and len(best.people) == 4


def test_from_where_a_video_that_grows_is_read_on(index: Index) -> None:
    film = watched("/a.mp4", "a")
    put(index, film, seen(0, track=1), seen(1, track=2))
    with index.writing():
        index.rest(film.path, "at 57")
    assert (index.rests(film.path), index.left_off(film.path), index.looked_into().unfinished) == ("at 57", None, 0)
    with index.writing():
        index.leave_off(film.path, "at 20")
    assert (index.rests(film.path), index.left_off(film.path)) == (None, "at 20")
    for act in (index.drop, lambda people: [*map(index.suppress, people)]):
        put(index, film, seen(0, track=1), seen(1, track=2))
        with index.writing():
            index.rest(film.path, "at 57")
            act([max(person.id or 0 for person, _ in index.people())])
        assert index.rests(film.path) is None, "it says where they went"
    with index.writing():
        index.rest(film.path, "at 57")
        assert index.unsuppress(6)
    assert (index.rests(film.path), index.left_off(film.path)) == (None, None)


def test_who_is_followed_further_stays_the_same_person(index: Index) -> None:
    camera = replace(watched("gate/1", ""), digest="", kind=MediaKind.CAMERA)
    put(index, camera, seen(0, track=1), seen(1, 2, track=2))
    before = {person.track: person.id for person, _ in index.people()}
    further = replace(seen(2, 3, track=2), first=1.0, last=90.0, static=True)
    with index.writing():
        index.put_again(camera, [further, seen(4, track=3)])
    after = {person.track: (person, crops) for person, crops in index.people()}
    assert [(track, person.id) for track, (person, _) in after.items()][:2] == [(1, before[1]), (2, before[2])] and 3 in after
    person, crops = after[2]
    assert (person.first, person.last, person.static, crops) == (1.0, 90.0, True, further.crops)
    assert [index.vector_of(person, crop).tolist() for crop in crops] == VECTORS[[2, 3]].tolist()
    assert len(index.vectors()) == index.info().embeddings == 4
    with index.writing():
        index.suppress(before[2] or 0)
        index.put_again(camera, [further])
    assert [person.track for person, _ in index.people()] == [1, 3]
    assert index.looked_into().seconds == WATCHED.seconds


def test_a_part_of_a_video_that_is_not_kept_leaves_all_as_it_was(index: Index) -> None:
    film = watched("/a.mp4", "a")
    put(index, film, seen(0, track=1))
    with index.writing():
        index.leave_off(film.path, "first")
    with pytest.raises(KeyboardInterrupt), index.writing():
        index.put_more(film, [seen(1, track=2)])
        index.leave_off(film.path, "second")
        raise KeyboardInterrupt
    assert (index.left_off(film.path), len(list(index.people()))) == ("first", 1)
    with index.writing():
        index.forget(film.path)
    assert index.left_off(film.path) is None


def test_who_is_kept_out_of_a_video_stays_out_of_its_other_parts(index: Index) -> None:
    film = watched("/a.mp4", "a")
    put(index, film, seen(0, track=1), seen(1, track=2))
    with index.writing():
        assert index.suppress(2) == 1
        index.put(film, [seen(0, track=1)])
        index.put_more(film, [seen(1, track=2), seen(2, track=3)])
    assert [person.track for person, _ in index.people()] == [1, 3]


def test_things_are_hidden_unless_asked_for(index: Index) -> None:
    put(index, watched("/a.mp4", "a", 1000.0), seen(0, track=1), replace(seen(1, track=2), static=True))
    put(index, watched("/b.mp4", "b", 2000.0), seen(2, track=1))
    question = [Weights(VECTORS[1].astype(np.float64))]
    for selection, tracks in (
        (Selection(), [(0, 1), (2, 1)]),
        (Selection(static=True), [(1, 2), (0, 1), (2, 1)]),
        (Selection(folders=(Path("/a.mp4"),)), [(0, 1)]),
        (Selection(folders=(Path("/a.mp4"),), static=True), [(1, 2), (0, 1)]),
        (Selection(end=1500.0), [(0, 1)]),
        (Selection(folders=(Path("/b.mp4"),)), [(2, 1)]),
    ):
        (found,) = index.nearest(question, 9, selection=selection)
        crops = {(int(one.crop.box.x), one.person.track) for one in found.people if one.crop.box}
        assert crops == set(tracks)
        assert found.people[0].person.static == ((1, 2) in tracks)
        assert index.selected(selection).people == len(tracks) == len(index.sample(9, selection))
        hidden = index.looked_into(selection).static
        assert hidden == (not selection.static and selection.folders != (Path("/b.mp4"),))


def test_who_is_near_somebody_is_in_the_same_photo_or_moment(index: Index) -> None:
    put(index, media("/a.jpg", "a"), seen(0), seen(1), seen(2))
    put(index, media("/b.jpg", "b"), seen(3))
    times = [(0.0, 5.0), (8.0, 9.0), (8.1, 9.0), (3.0, 20.0)]
    put(index, watched("/a.mp4", "a"), *(replace(seen(n, track=n), first=first, last=last) for n, (first, last) in enumerate(times, 4)))
    assert index.beside([1, 4, 99], 3.0) == [(1, 2), (1, 3)]
    assert index.beside([5, 6], 3.0) == [(5, 6), (5, 8), (6, 5), (6, 7), (6, 8)]
    assert index.beside([], 3.0) == []


def test_everybody_has_one_portrait_and_things_have_none(index: Index) -> None:
    assert index.portraits().tolist() == []
    put(index, media("/a.jpg", "a"), seen(0), seen(1))
    put(index, media("/copy.jpg", "a"), seen(0))
    assert index.portraits().tolist() == [0, 1]
    put(index, watched("/a.mp4", "a"), seen(2, 3, track=1), replace(seen(4, track=2), static=True), seen(5, 6, 7, track=3))
    vectors = np.concatenate([np.asarray(part) for part in index.vectors().parts])
    np.testing.assert_array_equal(vectors[index.portraits()], VECTORS[[0, 1, 2, 5]].astype(np.float16))


def test_of_a_stretch_of_time_what_was_watched_of_it_counts(index: Index) -> None:
    put(index, replace(watched("/a.mp4", "a", 1000.0), camera="gate"), seen(0, track=1))
    put(index, watched("/b.mp4", "b", 1050.0))
    put(index, watched("/undated.mp4", "c"))
    for start, end, seconds in ((None, 1010.0, [10.0]), (1040.0, 1055.0, [15.0, 5.0]), (1061.0, None, [49.0]), (2000.0, None, [])):
        looked = index.looked_into(Selection(start=start, end=end))
        assert (looked.videos, looked.seconds) == (len(seconds), sum(seconds))
    assert (index.looked_into().videos, index.looked_into().seconds) == (3, 180.0)
    assert index.looked_into(Selection(cameras=("gate",))).seconds == 60.0
    with index.writing():
        index.correct(Camera("gate", 1000.0))
    assert index.looked_into(Selection(start=2010.0, end=2050.0)).seconds == 40.0


def test_what_could_not_be_read_of_videos_is_told_by_their_clock(index: Index) -> None:
    """Also only that of a stretch of time; by a corrected clock, and without one where only the file's time is known."""
    gaps = ((10.0, 17.5), (50.0, 52.0))
    gate = replace(watched("/gate.mp4", "a", 1000.0), camera="gate", zone="+01:00", known_by="name", watched=Watched(60.0, gaps=gaps))
    put(index, gate)
    put(index, replace(watched("/film.mp4", "b", 5000.0), known_by="file", watched=Watched(60.0, gaps=((3.0, 3.2),))))
    with index.writing():
        index.correct(Camera("gate", 100.0, "+01:00"))
    film, *of_gate = index.looked_into().gaps
    assert (film.path, film.start, film.end, film.begun, film.text) == (Path("/film.mp4"), 3.0, 3.2, None, "0:03")
    assert [gap.text for gap in of_gate] == ["1970-01-01 01:18:30 to 01:18:37", "1970-01-01 01:19:10 to 01:19:12"]
    told = of_gate[0].to_json()
    assert told.pop("begun") == "1970-01-01T01:18:20+01:00"
    assert told == {"path": "/gate.mp4", "start": 10.0, "end": 17.5, "from": "1970-01-01T01:18:30+01:00", "to": "1970-01-01T01:18:37+01:00"}
    assert index.looked_into(Selection(start=1140.0, end=2000.0)).gaps == (of_gate[1],)
    assert index.looked_into(Selection(start=1161.0, end=2000.0)).gaps == ()
    with index.writing():
        assert index.link(replace(gate, path=Path("/copy.mp4"), watched=None))
    assert len(index.looked_into().gaps) == 5


def test_a_mark_says_how_people_were_looked_for_and_keeps_them(index: Index) -> None:
    put(index, media("/a.jpg", "a"), Sighting.whole(VECTORS[0]))
    before = list(index.people())
    with index.writing():
        index.mark(Path("/a.jpg"), CROP)
    ((person, crops),) = index.people()
    assert (person, crops) == (replace(before[0][0], media=replace(before[0][0].media, sought=CROP)), before[0][1])


def test_a_link_keeps_how_people_were_looked_for_in_the_same_bytes(index: Index) -> None:
    nobody = replace(media("/a.jpg", "a"), sought=Sought(DETECTOR, 640, 40.0, 45.0))
    put(index, nobody)
    with index.writing():
        assert index.link(replace(media("/b.jpg", "a"), changed_ns=3))
        assert index.link(replace(media("/a.jpg", "a"), changed_ns=4))
        index.move(Path("/a.jpg"), Path("/c.jpg"))
    for path in ("/b.jpg", "/c.jpg"):
        known = index.standing(Path(path))
        assert known is not None and known.sought == nobody.sought


def at(*boxes: Box | None) -> list[Sighting]:
    """Somebody at each of some places."""
    return [Sighting((Crop(box),), VECTORS[n : n + 1]) for n, box in enumerate(boxes)]


@pytest.mark.parametrize(
    ("removed", "then", "left"),
    [
        (Box(0, 0, 10, 20), [Box(0, 0, 11, 21), Box(50, 0, 10, 20)], [1]),
        (Box(0, 0, 10, 20), [Box(1, 0, 10, 20), Box(0, 0, 10, 20)], [0]),  # who is exactly there, not who is near
        (Box(0, 0, 10, 20), [Box(2, 0, 10, 20), Box(1, 0, 10, 20)], [0]),  # the nearer one
        (Box(0, 0, 10, 20), [Box(8, 0, 10, 20)], [0]),
        (Box(0, 0, 10, 20), [None], []),  # a whole picture shows them too
        (None, [Box(0, 0, 10, 20), Box(50, 0, 10, 20)], []),
        (Box(0, 0, 10, 20), [], []),
        (None, [], []),
    ],
)
def test_who_was_removed_is_known_by_the_boxes_of_another_detector(
    index: Index, removed: Box | None, then: list[Box | None], left: list[int]
) -> None:
    put(index, media("/a.jpg", "a"), *at(removed, *[Box(200, 0, 10, 20)] * (removed is not None)))
    with index.writing():
        assert index.suppress(1) == 1
        index.put(media("/a.jpg", "a"), at(*then))
    assert [crops[0].box for _, crops in index.people()] == [then[n] for n in left]
    assert index.kept_out(Path("/a.jpg")) == 1


def test_people_who_overlap_in_a_photo_are_several_in_an_answer(index: Index) -> None:
    """As much as detectors leave of each other: a box that shares more is the same person's."""
    rng = np.random.default_rng(3)
    boxes = [Box(29 * n, 0, 100, 200) for n in range(4)]
    signatures = rng.integers(0, 256, (4, LENGTH), np.uint8)
    people = [Sighting((Crop(box),), VECTORS[n : n + 1], signatures=signatures[n : n + 1]) for n, box in enumerate(boxes)]
    put(index, media("/a.jpg", "a"), *people)
    index.fold()
    (found,) = index.nearest([Weights(VECTORS[0].astype(np.float64))], 10)
    assert len(found.people) == 4 and index.info().alike == 0


def test_who_is_suppressed_stays_out_of_copies_and_comes_back_when_let_in(index: Index) -> None:
    item = media("/a.jpg", "a")
    put(index, item, seen(0), seen(1))
    with index.writing():
        index.link(replace(item, path=Path("/b.jpg")))
        assert index.suppress(1) == 2
        assert index.suppress(1) == 0
    assert [(person.id, str(person.media.path)) for person, _ in index.people()] == [(2, "/a.jpg"), (4, "/b.jpg")]
    put(index, item, seen(0), seen(1))
    put(index, replace(item, path=Path("/c.jpg")), seen(0), seen(1))
    assert [crops for _, crops in index.people()] == [seen(1).crops] * 3
    assert [index.kept_out(Path(path)) for path in ("/a.jpg", "/b.jpg", "/d.jpg")] == [1, 1, 0]
    with index.writing():
        assert not index.unsuppress(2)
        assert index.unsuppress(1)
        assert not index.unsuppress(1)
    assert index.kept_out(item.path) == 0
    assert len(paths(index)) == 3
    known = index.standing(Path("/a.jpg"))
    assert known is not None
    assert known.changed_ns == TO_BE_READ
    with index.writing():
        assert not index.link(item)
    put(index, item, seen(0), seen(1))
    with index.writing():
        assert index.link(replace(item, path=Path("/b.jpg")))
    back = [str(person.media.path) for person, crops in index.people() if crops == seen(0).crops]
    assert back == ["/a.jpg", "/b.jpg"]


def test_who_is_suppressed_while_another_is_let_in_stays_out(index: Index) -> None:
    item = media("/a.jpg", "a")
    put(index, item, seen(0), seen(1))
    put(index, replace(item, path=Path("/b.jpg")), seen(0), seen(1))
    with index.writing():
        assert index.suppress(1) == 2
        assert index.unsuppress(1)
        assert index.suppress(2) == 2
    put(index, item, seen(0), seen(1))
    assert [crops for _, crops in index.people()] == [seen(0).crops]


def test_a_track_stays_out_of_a_recording_that_grows_and_of_its_copies(index: Index) -> None:
    put(index, video("/a.mp4", "short"), seen(0, track=1), seen(1, track=2))
    with index.writing():
        assert index.suppress(1) == 1
    put(index, video("/a.mp4", "longer"), seen(0, 2, track=1), seen(1, track=2))
    put(index, video("/b.mp4", "short"), seen(0, track=1), seen(1, track=2))
    assert [person.track for person, _ in index.people()] == [2, 2]


# -- who was seen too long ago ------------------------------------------------------------------------------------------------------


def test_who_was_seen_too_long_ago_is_named_by_the_clock_that_goes_right(index: Index) -> None:
    """A video that is partly older keeps whom it shows later; so does one that is to be read on, unless its file is away."""
    put(index, replace(media("/old.jpg", "old"), started_at=90.0, known_by="file"), seen(0))
    put(index, replace(media("/slow.jpg", "slow"), camera="slow", started_at=90.0, known_by="exif"), seen(1))
    put(index, media("/undated.jpg", "undated"), seen(2))
    put(index, replace(media("/nobody.jpg", "nobody"), started_at=99.0))
    early, late = replace(seen(3, track=1), last=20.0), replace(seen(4, track=2), first=10.0, last=60.0)
    film = watched("/film.mp4", "film", 60.0)
    put(index, film, early, late)
    put(index, replace(watched("/read-on.mp4", "read on", 60.0), watched=Watched(10.0)), replace(seen(5, track=1), last=9.0))
    with index.writing():
        index.leave_off(Path("/read-on.mp4"), "at 10")
        index.correct(Camera("slow", 20.0))
    assert index.expired(100.0) == Expired((1, 4, 6), (Path("/nobody.jpg"), Path("/old.jpg")), 1, 1)
    assert index.expired(121.0).media == (Path("/film.mp4"), Path("/nobody.jpg"), Path("/old.jpg"), Path("/slow.jpg"))
    with index.writing():
        index.miss(Path("/read-on.mp4"), 7)
    assert Path("/read-on.mp4") in index.expired(100.0).media
    with index.writing():
        index.drop(index.expired(100.0).people)
        index.drop([99])
    assert [(str(person.media.path), person.id) for person, _ in index.people()] == [
        ("/slow.jpg", 2),
        ("/undated.jpg", 3),
        ("/film.mp4", 5),
    ]
    assert index.expired(100.0).people == () and index.standing(film.path) is not None
    put(index, film, early, late)
    assert [person.id for person, _ in index.people()] == [2, 3, 7, 8], "who was dropped may come back"


def test_from_when_on_people_are_kept_is_remembered(index: Index) -> None:
    assert index.kept_from() is index.info().kept_from is None
    for bound in (100.5, 99.0):
        with index.writing():
            index.keep_from(bound)
        assert index.kept_from() == index.info().kept_from == bound
    with index.writing():
        index.keep_from(None)
    assert index.kept_from() is None


def test_how_long_people_are_kept_is_remembered_beside_that(index: Index) -> None:
    assert index.kept_for() is index.info().kept_for is None
    with index.writing():
        index.keep_from(7.5)
        index.keep_for(86400.0)
    with index.writing():
        index.keep_for(0.25)
    assert (index.kept_for(), index.info().kept_for, index.kept_from()) == (0.25, 0.25, 7.5)
    with index.writing():
        index.keep_for(None)
    assert (index.kept_for(), index.kept_from()) == (None, 7.5)


# -- every kind does the same -----------------------------------------------------------------------------------------------------

FILES = st.sampled_from([Path("/a.jpg"), Path("/b.jpg"), Path("/v/a.mp4"), Path("/v/b.mp4")])
CONTENTS = st.sampled_from(["one", "two", "three"])
CHANGES = st.one_of(
    st.tuples(st.just("put"), FILES, CONTENTS, st.lists(st.integers(0, 3), max_size=3, unique=True)),
    st.tuples(st.just("put_again"), FILES, CONTENTS, st.lists(st.integers(0, 3), max_size=3, unique=True), st.lists(st.integers(0, 3))),
    st.tuples(st.just("link"), FILES, CONTENTS),
    st.tuples(st.just("move"), FILES, FILES),
    st.tuples(st.sampled_from(["forget", "fail", "miss", "see"]), FILES),
    st.tuples(st.sampled_from(["suppress", "suppress", "unsuppress"]), st.integers(1, 9)),
    st.tuples(st.just("drop"), st.lists(st.integers(1, 9), max_size=3)),
)


def item_of(path: Path, content: str) -> Media:
    return video(str(path), content) if path.suffix == ".mp4" else media(path, content)


def change(index: Index, kind: str, *what: Any) -> object:
    """Do something to an index; what it says of it."""
    arguments: dict[str, Callable[..., tuple[Any, ...]]] = {
        "put": lambda path, content, numbers: (item_of(path, content), [one_of(path, content, number) for number in numbers]),
        "put_again": lambda path, content, numbers, gone: (*arguments["put"](path, content, numbers), gone),
        "link": lambda path, content: (item_of(path, content),),
        "fail": lambda path: (path, 3, 4, "broken"),
        "see": lambda path: (path, 3, 4),
        "miss": lambda path: (path, 5),
    }
    made = arguments.get(kind)
    return getattr(index, kind)(*(made(*what) if made else what))


def one_of(path: Path, content: str, number: int) -> Sighting:
    """Equal contents show equal people, who wear the same, and some people look like others; of one it is not known what is worn."""
    somebody = seen(len(content) + number, track=number if path.suffix == ".mp4" else None)
    return replace(
        somebody,
        signatures=None if number == 3 else SIGNATURES[[(len(content) + number) % 4]],
        worn=None if number == 2 else np.full((1, 6), len(content) + number, np.uint8),
    )


SIGNATURES = np.random.default_rng(7).integers(0, 256, (4, 128), np.uint8)
ASKED = [Weights(VECTORS[0].astype(np.float64)), Weights(VECTORS[1].astype(np.float64), np.array([0, 0, 0.02, 0, 0, 0.01]))]


def everything(index: Index) -> object:
    index.fold()
    paths = [Path("/a.jpg"), Path("/b.jpg"), Path("/v/a.mp4"), Path("/v/b.mp4")]
    return (
        [(person, crops, [index.vector_of(person, crop).tobytes() for crop in crops]) for person, crops in index.people()],
        [index.worn_of(person, crop).tobytes() for person, crops in index.people() for crop in crops],
        [(index.standing(path), index.kept_out(path)) for path in paths],
        [index.with_digest(media("", content).digest) for content in ("one", "two", "three")],
        (index.paths_under(Path("/v")), index.failures(), index.info().people, index.info().media, index.info().alike),
        [
            (answer.crowd.size.tolist(), [(found.person.id, found.copies) for found in answer.people])
            for fold in (True, False)
            for answer in index.nearest(ASKED, 4, fold=fold)
        ],
    )


@settings(max_examples=60)
@given(st.lists(CHANGES, max_size=12))
def test_every_kind_does_the_same(dressed: DressedEncoder, changes: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder, create_index(folder, dressed) as one, create_index("memory://", dressed) as other:
        for what in changes:
            with one.writing(), other.writing():
                assert change(one, *what) == change(other, *what)
            assert everything(one) == everything(other)


# -- by its name, and as others use it --------------------------------------------------------------------------------------------


def test_it_is_an_index(index: Index) -> None:
    assert as_index(index) is index
    with pytest.raises(InputError, match="expected an open index"):
        as_index(VECTORS)
    index.close()
    for use in (index.info, lambda: paths(index), lambda: index.nearest([Weights(np.eye(DIM)[0])], 1)):
        with pytest.raises(IndexFault, match="closed"):
            use()


def test_pictures_are_indexed_searched_and_removed(index: Index, tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    crops = write_crops(tmp_path / "crops", 5)
    assert index_paths(index, tiny_encoder, [tmp_path / "crops"]) == replace(NOTHING, indexed=5)
    assert index_paths(index, tiny_encoder, [tmp_path / "crops"]) == replace(NOTHING, unchanged=5)
    crops[0].rename(crops[0].with_name("moved.jpg"))
    assert index_paths(index, tiny_encoder, [tmp_path / "crops"]) == replace(NOTHING, indexed=1, recognised=1, unchanged=4)
    hit = search(index, ask(tiny_encoder, like=crops[3]))[0]
    assert (hit.person.media.path, hit.crop) == (crops[3], Crop())
    assert remove_paths(index, [tmp_path / "crops"]).removed == 5
    assert "found nothing; check the path" in remove_paths(index, [tmp_path / "crops"]).failed[0].reason


@pytest.mark.parametrize("place", ["mysql://host/people", Path("postgresql://host/people"), b"ftp://x"])
def test_a_url_of_no_known_kind_is_no_folder(
    place: str, tiny_encoder: BundleEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IndexFault, match=r"expected an index's folder, found .+ URL"):
        open_index(place)
    with pytest.raises(IndexFault, match=r"expected an index's folder, found .+ URL"):
        create_index(place, tiny_encoder)
    assert list(tmp_path.iterdir()) == []
