"""What somebody in a picture wears, and how many people of an index wear what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from blobs import blobs, write_blob_bundle
from click.testing import CliRunner, Result
from crops import media
from dressed import COLOURS
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from street import write_people_crops, write_street
from wearing import wearing

import passerby
from passerby.cli.app import app
from passerby.detect.people import Detecting
from passerby.errors import ConfigError, IndexFault, ModelError, QueryError
from passerby.find.answer import find
from passerby.find.describe import Appearance, describe
from passerby.find.ingest.run import index_paths
from passerby.find.question import Question
from passerby.find.wearers import wearers
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index
from passerby.media.picture import AnyPicture
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Box, Crop, MediaKind
from passerby.words.filters import read_filters
from passerby.words.lexicon import Part


def dressed(path: Path, upper: str, lower: str) -> Path:
    pixels = np.repeat([COLOURS[upper], COLOURS[lower]], 32, axis=0)[:, None].repeat(32, axis=1)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def track(number: int, pictures: Sequence[tuple[NDArray[np.float32], NDArray[np.uint8]]], static: bool = False) -> Sighting:
    crops = tuple(Crop(Box(n, 0, 10, 20), float(n), 0.5) for n in range(len(pictures)))
    vectors, worn = (np.stack(rows) for rows in zip(*pictures, strict=True))
    return Sighting(crops, vectors, number, 0.0, 9.0, worn=worn, static=static)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_what_is_worn_is_told(tmp_path: Path, telling: BundleEncoder) -> None:
    told = passerby.describe(telling, dressed(tmp_path / "a.png", "red", "blue"))
    assert isinstance(told, Appearance)
    assert told.sentence == "A person, wearing a red top, blue bottoms."
    assert told.probabilities.keys() == set(telling.attributes)
    assert told.by_part()["upper"]["red"] > 0.8 > told.by_part()["upper"]["blue"]
    assert told.unreliable == {"lower:red": None, "lower:blue": 0.62}


def test_a_picture_is_the_same_in_a_file_and_in_memory(tmp_path: Path, telling: BundleEncoder) -> None:
    path = dressed(tmp_path / "a.png", "red", "black")
    with Image.open(path) as image:
        pictures: list[AnyPicture] = [path, image.copy(), np.asarray(image)]
    told = [describe(telling, one) for one in pictures]
    assert told[0].probabilities == told[1].probabilities == told[2].probabilities
    assert [one.path for one in told] == [path, None, None]


def test_a_part_of_which_nothing_is_probable_is_unclear() -> None:
    told = {"upper:red": 0.2, "lower:red": 0.9, "head:hat": 0.1, "carried:bag": 0.4}
    assert Appearance(None, told).unclear == ("carried", "upper")


@given(st.dictionaries(st.sampled_from(["upper:red", "upper:blue", "head:hat"]), st.floats(0, 1)))
def test_nothing_is_lost_by_part(told: dict[str, float]) -> None:
    by_part = Appearance(None, told).by_part()
    assert {f"{part}:{word}": p for part, worn in by_part.items() for word, p in worn.items()} == told
    assert all(list(worn.values()) == sorted(worn.values(), reverse=True) for worn in by_part.values())


def test_a_model_that_does_not_say_it_is_refused(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    with pytest.raises(ModelError, match="a model that says what is worn"):
        describe(tiny_encoder, dressed(tmp_path / "a.png", "red", "blue"))


class TestOfSeveralPeople:
    LARGE, SMALL = (120, 20, 190, 240), (20, 40, 50, 140)
    """Left, top, right and bottom: one in red over blue, and one in blue."""

    @pytest.fixture
    def photo(self, tmp_path: Path) -> Path:
        return write_street(tmp_path / "street.png", [self.LARGE, self.SMALL])

    def test_the_largest_is_told_of_and_who_that_is(self, photo: Path, telling: BundleEncoder, detecting: Detecting) -> None:
        told = describe(telling, photo, detecting=detecting)
        alone = describe(telling, photo, Box(120, 20, 70, 220))
        assert told.sentence == "A person, wearing a red top, blue bottoms."
        assert (told.probabilities, told.box) == (alone.probabilities, alone.box)
        assert told.box == Box(120, 20, 70, 220)
        assert [one.note for one in told.notes] == ["2 people; the largest was taken, at 120,20,70,220: --box names another"]
        assert alone.notes == ()

    def test_a_box_names_another(self, photo: Path, telling: BundleEncoder, detecting: Detecting) -> None:
        other = describe(telling, photo, Box(20, 40, 30, 100), detecting)
        assert other.sentence.startswith("A person, wearing a blue top")
        assert other.box == Box(20, 40, 30, 100)
        with pytest.raises(QueryError, match="a photo of 400 x 300 pixels"):
            describe(telling, photo, Box(900, 900, 10, 10))

    def test_who_is_asked_for_alike_is_who_is_told_of(self, photo: Path, telling: BundleEncoder, detecting: Detecting) -> None:
        asked = Question(like=photo, detecting=detecting)
        assert asked.picture is not None
        assert describe(telling, asked.picture).probabilities == describe(telling, photo, detecting=detecting).probabilities

    def test_a_crop_stays_whole(self, tmp_path: Path, telling: BundleEncoder, detecting: Detecting) -> None:
        crop = write_people_crops(tmp_path, 1)[0]
        told = describe(telling, crop, detecting=detecting)
        assert (told.box, told.notes) == (None, ())
        assert told.probabilities == describe(telling, crop).probabilities

    def test_a_photo_of_nobody_is_taken_whole_and_that_is_said(self, tmp_path: Path, telling: BundleEncoder, detecting: Detecting) -> None:
        told = describe(telling, write_street(tmp_path / "empty.png", []), detecting=detecting)
        assert told.box is None
        assert [one.note for one in told.notes] == ["nobody was found in it: the whole picture was taken"]

    def test_from_the_command_line(self, tmp_path: Path, telling_bundle: Path) -> None:
        photo, detector = tmp_path / "photo.png", write_blob_bundle(tmp_path / "blobs").folder
        Image.fromarray(blobs([(16, 32), (120, 200), (304, 160)], (640, 480)).picture).save(photo)
        result = run("describe", photo, "--detector", detector, "--model", telling_bundle, "--json")
        (told,) = json.loads(result.stdout)["pictures"]
        assert "A person, wearing a red top, red bottoms." in told["sentence"]
        assert told["box"][2:] == pytest.approx([48, 96], abs=2)
        assert "3 people; the largest was taken, at" in told["notes"][0]["note"]
        assert "3 people; the largest was taken, at" in result.stderr
        result = run("describe", photo, "--box", "400,20,50,100", "--detector", detector, "--model", telling_bundle, "--json")
        (told,) = json.loads(result.stdout)["pictures"]
        assert (told["sentence"], told["box"], told["notes"]) == ("A person.", [400, 20, 50, 100], [])

    def test_a_box_is_in_one_picture(self, photo: Path, telling_bundle: Path) -> None:
        result = run("describe", photo, photo, "--box", "1,2,3,4", "--model", telling_bundle)
        assert "one picture beside --box" in str(result.exception)
        result = run("describe", photo, "--box", "900,900,10,10", "--model", telling_bundle)
        assert result.exit_code == 2
        assert "a photo of 400 x 300 pixels" in result.stderr


class TestDescribe:
    def test_a_sentence_and_a_table(self, tmp_path: Path, telling_bundle: Path) -> None:
        paths = dressed(tmp_path / "a.png", "red", "blue"), dressed(tmp_path / "b.png", "black", "red")
        result = run("describe", *paths, "--model", telling_bundle)
        assert result.exit_code == 0
        assert f"{paths[0]}: A person, wearing a red top, blue bottoms." in result.stdout
        assert f"{paths[1]}: A person, wearing red bottoms." in result.stdout
        assert "cannot tell: upper" in result.stdout
        assert [line.split()[:2] for line in result.stdout.splitlines() if "often wrong: 62%" in line] == [["lower", "blue"]]

    def test_one_document(self, tmp_path: Path, telling_bundle: Path) -> None:
        paths = dressed(tmp_path / "a.png", "red", "blue"), tmp_path / "missing.png"
        result = run("describe", *paths, "--model", telling_bundle, "--json")
        document = json.loads(result.stdout)
        assert result.exit_code == 1
        assert document["model"] == "dressed"
        assert [failure["path"] for failure in document["failed"]] == [str(paths[1])]
        (picture,) = document["pictures"]
        assert picture["path"] == str(paths[0])
        assert picture["worn"]["upper"]["red"] > 0.8
        assert picture.keys() == {"path", "box", "sentence", "worn", "unclear", "unreliable", "notes"}

    def test_no_picture_that_can_be_read(self, tmp_path: Path, telling_bundle: Path) -> None:
        assert run("describe", tmp_path / "missing.png", tmp_path, "--model", telling_bundle).exit_code == 2

    def test_no_text_tower_is_loaded(self, tmp_path: Path, telling_bundle: Path) -> None:
        encoder = BundleEncoder(read_bundle(telling_bundle), threads=1)
        describe(encoder, dressed(tmp_path / "a.png", "red", "blue"))
        assert "_text_tower" not in vars(encoder)


class TestWearers:
    PEOPLE = ({"upper:red": 0.9, "lower:red": 0.2}, {"upper:red": 0.6}, {"upper:red": 0.3}, None)

    def test_people_are_counted(self, tmp_path: Path, telling: BundleEncoder) -> None:
        with wearing(tmp_path, telling, self.PEOPLE) as index:
            census = wearers(index, lambda _: telling)
        counts = {one.attribute: one for one in census.worn}
        assert (census.known, census.unknown) == (3, 1)
        assert tuple(counts) == telling.attributes
        assert (counts["upper:red"].probable, counts["lower:red"].probable) == (2, 0)
        assert counts["upper:red"].expected == pytest.approx(1.8, abs=0.03)
        assert counts["lower:red"].expected == pytest.approx(0.2, abs=0.01)
        assert {one.attribute: one.figure for one in census.worn if one.doubtful} == {"lower:red": None, "lower:blue": 0.62}

    def test_who_is_followed_through_a_video_is_counted_once_and_a_thing_not_at_all(self, tmp_path: Path, telling: BundleEncoder) -> None:
        with wearing(tmp_path / "crops", telling, [*self.PEOPLE, {"lower:blue": 0.9}]) as index:
            found = [(index.vector_of(person), index.worn_of(person)) for person, _ in index.people()]
        with Index.create(tmp_path / "index", telling) as index, index.writing():
            index.put(replace(media("/a.mp4", "a"), kind=MediaKind.VIDEO), [track(1, found[:3]), track(2, found[4:], static=True)])
            index.put(replace(media("/b.mp4", "b"), kind=MediaKind.VIDEO), [track(1, found[3:4])])
        with Index.open(tmp_path / "index") as index:
            census = wearers(index, lambda _: telling)
            counts = {one.attribute: (one.probable, round(one.expected, 1)) for one in census.worn}
            assert (census.known, census.unknown) == (1, 1)
            assert (counts["upper:red"], counts["lower:blue"]) == ((1, 0.9), (0, 0.0))
            filtered = find(index, telling, filters=read_filters({Part.UPPER: ["red"]})).filtered
            assert filtered is not None and filtered.unknown == 1

    def test_pictures_that_are_indexed_are_counted(self, tmp_path: Path, telling: BundleEncoder, telling_bundle: Path) -> None:
        paths = [dressed(tmp_path / f"{n}.png", *both) for n, both in enumerate((("red", "blue"), ("red", "black"), ("black", "red")))]
        with Index.create(tmp_path / "index", telling) as index:
            index_paths(index, telling, paths)
        result = run("info", "--worn", "--index", tmp_path / "index", "--model", telling_bundle, "--json")
        document = json.loads(result.stdout)
        assert result.exit_code == 0
        assert (document["model"], document["known"], document["unknown"]) == ("dressed", 3, 0)
        counts = {f"{part}:{word}": one["probable"] for part, worn in document["worn"].items() for word, one in worn.items()}
        assert counts == {"upper:red": 2, "upper:blue": 0, "lower:red": 1, "lower:blue": 1}

    def test_a_table_by_part(self, tmp_path: Path, telling: BundleEncoder, telling_bundle: Path) -> None:
        wearing(tmp_path, telling, [*self.PEOPLE, {"lower:blue": 0.9}]).close()
        result = run("info", "--worn", "--index", tmp_path, "--model", telling_bundle)
        assert result.exit_code == 0
        assert "of 4 probably" in result.stdout
        rows = [line.split() for line in result.stdout.splitlines()]
        assert ["lower", "blue", "1?"] in rows
        assert ["upper", "red", "2"] in rows
        assert "1 more were indexed without what is worn" in result.stderr

    def test_a_model_that_is_not_there_is_named(self, tmp_path: Path, telling: BundleEncoder) -> None:
        wearing(tmp_path, telling, self.PEOPLE).close()
        result = run("info", "--worn", "--index", tmp_path)
        assert isinstance(result.exception, ModelError)
        assert "the model that made the index, dressed" in str(result.exception)
        assert "--model" in str(result.exception)

    def test_an_index_that_does_not_know_it(self, tmp_path: Path, tiny_encoder: BundleEncoder, telling: BundleEncoder) -> None:
        with wearing(tmp_path / "a", tiny_encoder, [None]) as index:
            with pytest.raises(IndexFault, match="a model that says what is worn"):
                wearers(index, lambda _: tiny_encoder)
            with pytest.raises(IndexFault, match="tiny"):
                wearers(index, lambda _: telling)

    def test_a_model_without_worn_means_nothing(self, tmp_path: Path, telling: BundleEncoder) -> None:
        wearing(tmp_path, telling, self.PEOPLE).close()
        assert run("info", "--index", tmp_path, "--model", "passerby-s").exit_code != 0

    @pytest.mark.parametrize("options", [("--cameras", "--worn"), ("--devices", "--worn"), ("--cameras", "--devices")])
    def test_one_thing_is_told_at_a_time(self, tmp_path: Path, telling: BundleEncoder, options: tuple[str, str]) -> None:
        wearing(tmp_path, telling, self.PEOPLE).close()
        result = run("info", *options, "--index", tmp_path)
        assert isinstance(result.exception, ConfigError)
        assert (
            str(result.exception) == f"expected no option that means nothing beside {options[0]}, found {options[1]}; leave one of them out"
        )
