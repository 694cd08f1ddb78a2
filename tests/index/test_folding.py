"""Near-copies count once: in the crowd of a question and in its answer, for every kind of index."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from click.testing import CliRunner
from crops import media, random_vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from near_copies import anyhow, signature_of
from numpy.typing import NDArray
from PIL import Image

from passerby.cli.app import app
from passerby.data.synthetic import captions, draw, sample_person
from passerby.errors import InputError
from passerby.find.answer import find
from passerby.find.ingest.prune import prune_paths
from passerby.find.ingest.run import index_paths
from passerby.find.query import ask
from passerby.find.removal import remove_paths
from passerby.find.search import search
from passerby.index.base import Index
from passerby.index.open import create_index, open_index
from passerby.index.score import Weights
from passerby.index.sighting import Sighting
from passerby.index.vectors import VectorTable
from passerby.media.signature import alike
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import Encoder
from passerby.resolve import load_model
from passerby.types import Box, Crop, MediaKind

DIM = 16
VECTORS = random_vectors(60, DIM)
PEOPLE = np.stack([signature_of(draw(sample_person(seed), seed, 96)) for seed in range(4)]).astype(np.float64)
DIRECTIONS = random_vectors(2, DIM, seed=5).astype(np.float64)
QUESTIONS = [Weights(direction) for direction in DIRECTIONS]


def looks(seed: int, count: int) -> NDArray[np.uint8]:
    """Signatures of people, of near-copies of them, and of pictures between two, some of them copies of both."""
    rng = np.random.default_rng(seed)
    one, other = PEOPLE[rng.integers(2, size=count)], PEOPLE[rng.integers(4, size=count)]
    part = rng.choice([0, 0.1, 0.2, 0.3, 0.5], size=(count, 1))
    return np.clip(one + part * (other - one) + rng.normal(size=one.shape), 0, 255).astype(np.uint8)


# -- by a slow and obvious reference ----------------------------------------------------------------------------------------------


@dataclass
class Slow:
    """Pictures of one person each, by their number: the run that put it and the bytes of its file."""

    signatures: NDArray[np.uint8]
    held: dict[int, tuple[int, int]] = field(default_factory=dict)
    run: int = 0

    def groups(self) -> list[set[int]]:
        groups = {number: {number} for number in self.held}
        for one, other in combinations(self.held, 2):
            if alike(self.signatures[[one]], self.signatures[[other]])[0]:
                joined = groups[one] | groups[other]
                for number in joined:
                    groups[number] = joined
        return list({id(group): group for group in groups.values()}.values())

    def counting(self, among: set[int]) -> dict[int, set[int]]:
        """Of each group who counts of those who pass, and the others of them."""
        some = [group & among for group in self.groups() if group & among]
        firsts = [min(group, key=lambda number: (self.held[number][0], -self.held[number][1], number)) for group in some]
        return {first: group - {first} for first, group in zip(firsts, some, strict=True)}

    def nearest(self, direction: NDArray[np.float64], k: int, among: set[int]) -> list[tuple[int, set[int]]]:
        counting = self.counting(among)
        scores = {number: float(np.sum(VECTORS[number].astype(np.float64) * direction)) for number in counting}
        return [(number, counting[number]) for number in sorted(counting, key=lambda number: -scores[number])][:k]


@pytest.mark.parametrize("place", ["", "memory://"], ids=["sqlite", "memory"])
@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), runs=st.lists(st.integers(0, 9), min_size=1, max_size=4), k=st.integers(1, 30))
def test_runs_and_deletions_leave_who_a_slow_reference_counts(
    tiny_encoder: BundleEncoder, place: str, seed: int, runs: list[int], k: int
) -> None:
    rng = np.random.default_rng(seed)
    slow = Slow(looks(seed, sum(runs)))
    with TemporaryDirectory() as folder, create_index(place or folder, tiny_encoder) as index:
        for count in runs:
            gone = [number for number in slow.held if rng.random() < 0.2]
            new = range(sum(runs[: slow.run]), sum(runs[: slow.run]) + count)
            with index.writing():
                for number in gone:
                    index.forget(path_of(number))
                    del slow.held[number]
                for number in new:
                    size = int(rng.integers(1, 4))
                    index.add(replace(media(path_of(number), str(number)), size=size), VECTORS[number], slow.signatures[number])
                    slow.held[number] = slow.run, size
            index.fold()
            slow.run += 1
            assert_is(index, slow, k, set(slow.held))
            assert_is(index, slow, k, {number for number in slow.held if number % 3})
        assert index.info().alike == len(slow.held) - len(slow.groups())


def path_of(number: int) -> Path:
    return Path(f"/{number:03}.jpg")


def assert_is(index: Index, slow: Slow, k: int, among: set[int]) -> None:
    def passes(_: VectorTable) -> NDArray[np.bool_]:
        return np.isin(sorted(slow.held), sorted(among))

    number_of = {person.id: int(person.media.path.stem) for person, _ in index.people()}
    for direction, found in zip(DIRECTIONS, index.nearest(QUESTIONS, k, passes), strict=True):
        told = [(number_of[one.person.id], {number_of[copy] for copy in one.copies}) for one in found.people]
        assert told == slow.nearest(direction, k, among)
        crowd = [float(np.sum(VECTORS[number].astype(np.float64) * direction)) for number in slow.counting(set(slow.held))]
        assert found.crowd.size.tolist() == [len(crowd)]
        np.testing.assert_allclose(found.crowd.mean, np.mean(crowd) if crowd else 0, atol=2e-3)
    for folded, unfolded in zip(
        index.nearest(QUESTIONS, k, passes), index.nearest(QUESTIONS, len(among) + 1, passes, fold=False), strict=True
    ):
        assert len(unfolded.people) == len(among)
        assert not any(one.copies for one in unfolded.people)
        assert folded.crowd.spread.tolist() == unfolded.crowd.spread.tolist()


# -- what is not said by that -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["", "memory://"], ids=["sqlite", "memory"])
def index(request: pytest.FixtureRequest, tmp_path: Path, tiny_encoder: BundleEncoder) -> Iterator[Index]:
    with create_index(request.param or tmp_path / "index", tiny_encoder) as opened:
        yield opened


def places(index: Index, *, fold: bool = True) -> list[tuple[str, int]]:
    (found,) = index.nearest(QUESTIONS[:1], 50, fold=fold)
    return sorted((one.person.media.path.name, len(one.copies)) for one in found.people)


def test_equal_bytes_share_a_place(index: Index) -> None:
    with index.writing():
        for path in ("/a.jpg", "/copy/a2.jpg", "/copy/a3.jpg"):
            index.add(media(path, "a"), VECTORS[0])
        index.add(media("/b.jpg", "b"), VECTORS[1])
    assert places(index) == [("a.jpg", 2), ("b.jpg", 0)]
    assert places(index, fold=False) == [("a.jpg", 0), ("a2.jpg", 0), ("a3.jpg", 0), ("b.jpg", 0)]


def test_two_tracks_at_one_place_and_moment_are_one_person(index: Index) -> None:
    """And another place, or another moment, another one."""
    places_of = {1: (0.0, 5.0), 2: (1.0, 5.5), 3: (1.0, 9.0), 4: (300.0, 5.0)}
    people = [
        Sighting((Crop(Box(x, 0, 10, 20), at),), VECTORS[[track]], track, at, at, noise(track)) for track, (x, at) in places_of.items()
    ]
    with index.writing():
        index.put(replace(media("/a.mp4", "a"), kind=MediaKind.VIDEO), people[:3])
    index.fold()
    with index.writing():
        index.put(replace(media("/a.mp4", "longer"), kind=MediaKind.VIDEO), people)
    index.fold()
    assert places(index) == [("a.mp4", 0), ("a.mp4", 0), ("a.mp4", 1)]


def noise(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (1, 128), np.uint8)


def test_signatures_fit_their_crops() -> None:
    with pytest.raises(InputError, match="one for each crop"):
        Sighting((Crop(),), VECTORS[:1], signatures=np.zeros((2, 128), np.uint8))


# -- from files to answers --------------------------------------------------------------------------------------------------------

DRAWN_FROM = 9_000_000


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_model("passerby-s")


def write_people(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        picture = draw(sample_person(DRAWN_FROM + number), DRAWN_FROM + number, 192)
        picture.save(folder / f"{number:03}.jpg", quality=90)


def write_copies(folder: Path, of: Path, numbers: Sequence[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with Image.open(of) as picture:
        picture.load()
    for number in numbers:
        (folder / f"{number:03}.jpg").write_bytes(anyhow(picture, np.random.default_rng(number)))


@dataclass(frozen=True)
class Gallery:
    """Drawn people in an index, and a question whose first hit is one of them."""

    index: Index
    folder: Path
    number: int
    words: str

    @property
    def picture(self) -> Path:
        return self.folder / "people" / f"{self.number:03}.jpg"


@pytest.fixture(scope="module")
def gallery(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    folder = tmp_path_factory.mktemp("gallery")
    write_people(folder / "people", 30)
    with create_index(str(folder / "index"), encoder) as opened:
        index_paths(opened, encoder, [folder / "people"])
        for number in range(30):
            words = captions(sample_person(DRAWN_FROM + number), DRAWN_FROM + number)[0]
            if find(opened, encoder, words, 1).people[0].person.media.path.stem == f"{number:03}":
                yield Gallery(opened, folder, number, words)
                return
    pytest.fail("nobody is found first")


def test_copies_that_are_added_later_change_no_probability_and_take_no_place(gallery: Gallery, encoder: Encoder) -> None:
    before = find(gallery.index, encoder, gallery.words, 8)
    assert gallery.index.info().alike == 0
    assert [hit.alike for hit in before.people] == [0] * 8
    copies = gallery.folder / "copies"
    for start, end in ((0, 3), (3, 10), (10, 30), (30, 100)):
        write_copies(copies, gallery.picture, range(start, end))
        index_paths(gallery.index, encoder, [copies])
        after = find(gallery.index, encoder, gallery.words, 8)
        assert [hit.person.id for hit in after.people] == [hit.person.id for hit in before.people]
        assert [hit.probability for hit in after.people] == pytest.approx([hit.probability for hit in before.people], abs=0.05)
        assert after.people[0].alike >= 0.97 * end
        assert [hit.alike for hit in after.people[1:]] == [0] * 7
    unfolded = find(gallery.index, encoder, gallery.words, 200, fold=False)
    assert len(unfolded.people) == 130
    of_all = {hit.person.id: hit for hit in unfolded.people}
    assert {*after.people[0].copies} < of_all.keys()
    assert all((of_all[hit.person.id].score, of_all[hit.person.id].probability) == (hit.score, hit.probability) for hit in after.people)
    assert search(gallery.index, ask(encoder, gallery.words), 8) == [replace(hit, fits=(), clock=None) for hit in after.people]


def test_where_the_first_is_gone_another_counts(encoder: Encoder, tmp_path: Path) -> None:
    write_people(tmp_path / "people", 3)
    original = tmp_path / "people" / "001.jpg"
    write_copies(tmp_path / "copies", original, range(4))
    with create_index(str(tmp_path / "index"), encoder) as index:
        index_paths(index, encoder, [tmp_path / "people"])
        index_paths(index, encoder, [tmp_path / "copies"])
        assert shown(index, encoder) == [("000.jpg", 0), ("001.jpg", 4), ("002.jpg", 0)]
        original.unlink()
        prune_paths(index, original)
        largest = max((tmp_path / "copies").iterdir(), key=lambda path: path.stat().st_size)
        assert sorted(shown(index, encoder)) == sorted([("000.jpg", 0), (largest.name, 3), ("002.jpg", 0)])
        remove_paths(index, [path for path in (tmp_path / "copies").iterdir() if path != largest])
        assert sorted(shown(index, encoder)) == sorted([("000.jpg", 0), (largest.name, 0), ("002.jpg", 0)])


def shown(index: Index, encoder: Encoder) -> list[tuple[str, int]]:
    return sorted((hit.person.media.path.name, hit.alike) for hit in search(index, ask(encoder, "a man"), 20))


def test_the_next_run_folds_what_a_killed_one_did_not(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    """And keeps nothing waiting; where signatures are of another version they are forgotten."""
    with create_index(tmp_path, tiny_encoder) as index:
        with index.writing():
            for number in range(3):
                index.add(media(path_of(number), str(number)), VECTORS[number], noise(0)[0])
        assert index.info().alike == 0
    with create_index(tmp_path, tiny_encoder) as index:
        index_paths(index, tiny_encoder, [])
        assert (index.info().alike, places(index)) == (2, [("000.jpg", 2)])
    db = sqlite3.connect(tmp_path / "index.db")
    assert db.execute("SELECT count(*) FROM unfolded").fetchone() == (0,)
    db.execute("UPDATE meta SET value = 0 WHERE key = 'signatures'")
    db.commit()
    db.close()
    with create_index(tmp_path, tiny_encoder) as index:
        assert index.info().alike == 0
        with index.writing():
            index.add(media(path_of(0), "0 again"), VECTORS[0], noise(0)[0])
            index.add(media(path_of(3), "3"), VECTORS[3], noise(0)[0])
        index.fold()
        assert index.info().alike == 1


def test_another_that_writes_while_copies_are_looked_for_is_not_overlooked(
    tmp_path: Path, tiny_encoder: BundleEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from passerby.index.sql import folding

    look: Callable[[sqlite3.Connection], folding.Copies] = folding.found
    with create_index(tmp_path, tiny_encoder) as index, open_index(tmp_path) as other:

        def interrupted(db: sqlite3.Connection) -> folding.Copies:
            found = look(db)
            if other.info().people == 1:
                add(other, 0)
                add(other, 1)
            return found

        monkeypatch.setattr(folding, "found", interrupted)
        add(index, 2)
        index.fold()
        assert index.info().alike == 2


def add(index: Index, number: int) -> None:
    with index.writing():
        index.add(media(path_of(number), str(number)), VECTORS[number], noise(0)[0])


def test_signatures_of_the_removed_are_nowhere(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    with create_index(tmp_path, tiny_encoder) as index:
        for number in range(3):
            with index.writing():
                index.add(media(path_of(number), str(number)), VECTORS[number], noise(number)[0])
        index.fold()
        remove_paths(index, path_of(1))
        files = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        assert [noise(number).tobytes() in files for number in range(3)] == [True, False, True]


def test_commands_say_how_many_are_alike_and_show_each_with_all(tmp_path: Path, tiny_bundle: Path) -> None:
    write_people(tmp_path / "people", 2)
    write_copies(tmp_path / "people" / "more", tmp_path / "people" / "001.jpg", range(2))
    there = ["--index", str(tmp_path / "index")]
    model = ["--model", str(tiny_bundle)]

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments, *there], terminal_width=200)
        assert done.exit_code == 0, done.output
        return done.stdout

    run("index", str(tmp_path / "people"), "--crops", *model)
    assert json.loads(run("info", "--json"))["alike"] == 2
    assert sorted(hit["alike"] for hit in json.loads(run("search", "a man", *model, "--json"))["hits"]) == [0, 2]
    assert [hit["alike"] for hit in json.loads(run("search", "a man", *model, "--json", "--all"))["hits"]] == [0] * 4
    assert "+2 alike" in run("search", "a man", *model)
    assert "alike" not in run("search", "a man", *model, "--all")
