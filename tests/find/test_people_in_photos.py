"""Photos with any number of people, on their way into an index and out of it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from indexing import NOTHING, CountingEncoder, held
from numpy.typing import NDArray
from PIL import Image
from street import ColourDetector, FindsEverything, street, write_people_crops, write_street

from passerby.detect.detector import Detections
from passerby.detect.people import MOST, Detecting
from passerby.errors import InputError, QueryError
from passerby.find.answer import find
from passerby.find.ingest.photos import FEW, MORE, Shows, folders_of_crops, sample
from passerby.find.ingest.run import index_paths
from passerby.find.question import Question
from passerby.find.removal import remove_from, remove_paths
from passerby.index.sqlite.index import Index
from passerby.media.cut import cut_out
from passerby.model.preprocess import preprocess
from passerby.types import CROP, Box

THREE = [(20, 60, 70, 200), (120, 80, 160, 190), (300, 100, 350, 260)]


@pytest.fixture
def detector() -> ColourDetector:
    return ColourDetector()


@pytest.fixture
def detecting(detector: ColourDetector) -> Detecting:
    return Detecting(detector)


def boxes(index: Index, path: Path) -> list[Box | None]:
    """Where in a photo people are, from left to right."""
    found = [crops[0].box for person, crops in index.people() if person.media.path == path]
    return sorted(found, key=lambda box: box.x if box else -1)


def sides(box: Box) -> tuple[float, ...]:
    return box.x, box.y, box.x + box.width, box.y + box.height


def is_near(box: Box | None, expected: tuple[int, ...], off: float = 2) -> bool:
    return box is not None and bool(np.all(np.abs(np.array(sides(box)) - expected) <= off))


def test_a_photo_becomes_the_people_in_it(index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path) -> None:
    path = write_street(tmp_path / "photos" / "a.png", THREE)
    report = index_paths(index, encoder, [path], detecting=detecting)
    assert report == replace(NOTHING, indexed=1, photos=1, people=3)
    for box, expected in zip(boxes(index, path), THREE, strict=True):
        assert is_near(box, expected)
    image = Image.open(path)
    for person, (crop,) in index.people():
        assert crop.box is not None and crop.quality is not None and 0 < crop.quality <= 1
        (vector,) = encoder.embed_images(preprocess(cut_out(image, crop.box), encoder.preprocessing)[None])
        np.testing.assert_allclose(index.vector_of(person), vector, atol=1e-5)
        assert person.media.sought is not None and person.media.sought.detector == detecting.detector.digest


def test_boxes_are_those_of_the_upright_photo(index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    path = tmp_path / "photos" / "turned.png"
    path.parent.mkdir()
    street((400, 300), THREE).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    index_paths(index, encoder, [path], detecting=detecting)
    for box, expected in zip(boxes(index, path), THREE, strict=True):
        assert is_near(box, expected)


def test_a_second_run_looks_at_nothing(index: Index, encoder: CountingEncoder, detector: ColourDetector, tmp_path: Path) -> None:
    write_street(tmp_path / "photos" / "a.png", THREE)
    write_street(tmp_path / "photos" / "nobody.png", [])
    index_paths(index, encoder, [tmp_path / "photos"], detecting=Detecting(detector))
    stamp, looked = index.stamp(), detector.looked
    assert index_paths(index, encoder, [tmp_path / "photos"], detecting=Detecting(detector)) == replace(NOTHING, unchanged=2)
    assert (index.stamp(), detector.looked) == (stamp, looked)


def test_nobody_is_no_failure_and_an_answer_says_who_is_too_small(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path
) -> None:
    write_street(tmp_path / "photos" / "nobody.png", [])
    write_street(tmp_path / "photos" / "far.png", [(10, 10, 20, 49)])
    report = index_paths(index, encoder, [tmp_path / "photos"], detecting=detecting)
    assert report == replace(NOTHING, indexed=2, photos=2, nobody=2)
    looked = find(index, encoder, "a red jacket").looked_into
    assert (looked.photos, looked.lowest, looked.highest) == (2, 40, 40)
    write_street(tmp_path / "photos" / "large.png", [], (1600, 1200))
    index_paths(index, encoder, [tmp_path / "photos"], detecting=detecting)
    looked = find(index, encoder, "a red jacket").looked_into
    assert (looked.photos, looked.lowest, looked.highest) == (3, 40, 45 * 1600 / 640)


def test_a_folder_of_crops_costs_a_few_looks(index: Index, encoder: CountingEncoder, detector: ColourDetector, tmp_path: Path) -> None:
    write_people_crops(tmp_path / "crops", 120)
    report = index_paths(index, encoder, [tmp_path / "crops"], detecting=Detecting(detector))
    assert report == replace(NOTHING, indexed=120, crops=120)
    assert detector.looked == FEW
    assert all(crops[0].box is None and person.media.sought == CROP for person, crops in index.people())
    (other,) = write_people_crops(tmp_path / "other", 1, seed=1)
    other.rename(tmp_path / "crops" / "new.png")
    assert index_paths(index, encoder, [tmp_path / "crops"], detecting=Detecting(detector)).crops == 1
    assert detector.looked == FEW


def test_where_a_few_files_do_not_agree_more_are_looked_at(tmp_path: Path, detector: ColourDetector) -> None:
    paths = write_people_crops(tmp_path / "crops", 42)
    write_street(sample(paths)[1], THREE)
    assert folders_of_crops(Detecting(detector), paths, {}) == {tmp_path / "crops"}
    assert detector.looked == FEW + MORE
    for path in paths[::3]:
        write_street(path, THREE)
    assert folders_of_crops(Detecting(detector), paths, {}) == set()
    assert folders_of_crops(Detecting(detector), paths, {tmp_path / "crops": True}) == {tmp_path / "crops"}


class Blind(ColourDetector):
    """Sees nobody."""

    def detect(self, picture: NDArray[np.uint8], size: int) -> Detections:
        return super().detect(np.zeros_like(picture), size)


def test_crops_of_people_whom_the_detector_does_not_see_are_kept(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    """Whoever is in an index of crops stays there, whichever detector joins; photos show nobody to it."""
    crops = [*write_people_crops(tmp_path / "crops", 9), *write_people_crops(tmp_path / "few", 2, seed=1)]
    photo = write_street(tmp_path / "photos" / "a.png", THREE)
    index_paths(index, encoder, [tmp_path])
    before = [one for one in index.people() if one[0].media.path in crops]
    report = index_paths(index, encoder, [tmp_path], detecting=Detecting(Blind()))
    assert (report.crops, report.photos, report.nobody) == (11, 1, 1)
    assert [(person.id, shown) for person, shown in index.people()] == [(person.id, shown) for person, shown in before]
    assert boxes(index, photo) == []


def test_a_mixed_folder_is_looked_at_file_by_file(index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path) -> None:
    write_people_crops(tmp_path / "mixed", 5)
    for n in range(5):
        write_street(tmp_path / "mixed" / f"street{n}.png", [*THREE, (200, 10 + n, 230, 80)])
    report = index_paths(index, encoder, [tmp_path / "mixed"], detecting=detecting)
    assert report == replace(NOTHING, indexed=10, crops=5, photos=5, people=20)


@pytest.mark.parametrize(("size", "person"), [((1080, 1440), (400, 300, 700, 1300)), ((300, 400), (20, 200, 80, 390))])
def test_a_portrait_photo_is_no_crop(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path, size: tuple[int, int], person: tuple[int, int, int, int]
) -> None:
    path = write_street(tmp_path / "a.png", [person], size)
    assert index_paths(index, encoder, [path], detecting=detecting).people == 1
    assert is_near(boxes(index, path)[0], person, off=4)


def test_what_files_show_can_be_said(index: Index, encoder: CountingEncoder, detector: ColourDetector, tmp_path: Path) -> None:
    path = write_street(tmp_path / "photos" / "a.png", THREE)
    crops = write_people_crops(tmp_path / "crops", 6)
    said = index_paths(index, encoder, [path], shows=Shows.CROPS)
    assert said == replace(NOTHING, indexed=1, crops=1) and boxes(index, path) == [None]
    assert index_paths(index, encoder, [path], detecting=Detecting(detector)) == replace(NOTHING, unchanged=1)
    scenes = index_paths(index, encoder, [path, *crops], detecting=Detecting(detector), shows=Shows.SCENES)
    assert scenes == replace(NOTHING, indexed=7, photos=7, people=9)
    assert None not in boxes(index, crops[0])
    again = index_paths(index, encoder, [path, *crops], shows=Shows.CROPS)
    assert again == replace(NOTHING, indexed=7, crops=7) and boxes(index, path) == [None]
    with pytest.raises(InputError, match="a detector"):
        index_paths(index, encoder, [path], shows=Shows.SCENES)


def test_an_index_without_a_detector_is_brought_up_to_date_when_one_joins(
    index: Index, encoder: CountingEncoder, detector: ColourDetector, tmp_path: Path
) -> None:
    write_people_crops(tmp_path / "crops", 20)
    for n in range(6):
        write_street(tmp_path / "photos" / f"{n}.png", [*THREE, (200, 10 + n, 230, 80)])
    assert index_paths(index, encoder, [tmp_path]) == replace(NOTHING, indexed=26)
    before, encoder.encoded = held(index), 0
    ids = {person.media.path: person.id for person, _ in index.people()}
    report = index_paths(index, encoder, [tmp_path], detecting=Detecting(detector))
    assert report == replace(NOTHING, indexed=6, unchanged=20, crops=20, photos=6, people=24)
    assert encoder.encoded == 24
    after = {person.media.path: person.id for person, _ in index.people()}
    for path in (tmp_path / "crops").iterdir():
        assert after[path] == ids[path]
        np.testing.assert_array_equal(held(index)[path], before[path])
    looked = detector.looked
    assert index_paths(index, encoder, [tmp_path], detecting=Detecting(detector)) == replace(NOTHING, unchanged=26)
    assert index_paths(index, encoder, [tmp_path], verify=True, detecting=Detecting(detector)) == replace(NOTHING, unchanged=26)
    assert detector.looked == looked


@pytest.mark.parametrize(
    "other", [Detecting(ColourDetector("other")), Detecting(ColourDetector(), 320), Detecting(ColourDetector(), 0, 100)]
)
def test_photos_are_looked_at_again_by_another_detector_or_other_settings(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path, other: Detecting
) -> None:
    crops = write_people_crops(tmp_path / "crops", 6)
    path = write_street(tmp_path / "photos" / "a.png", [*THREE, (200, 10, 230, 80)])
    index_paths(index, encoder, [tmp_path], detecting=detecting)
    encoder.encoded = 0
    report = index_paths(index, encoder, [tmp_path], detecting=other)
    people = 3 if other.min_height == 100 else 4
    assert report == replace(NOTHING, indexed=1, unchanged=len(crops), photos=1, people=people)
    assert encoder.encoded == people == len(boxes(index, path))


def test_a_changed_photo_shows_its_new_people_alone(index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path) -> None:
    path = write_street(tmp_path / "a.png", THREE)
    index_paths(index, encoder, [path], detecting=detecting)
    write_street(path, [(200, 50, 260, 250)])
    assert index_paths(index, encoder, [path], detecting=detecting).people == 1
    assert len(boxes(index, path)) == 1 and is_near(boxes(index, path)[0], (200, 50, 260, 250))
    path.write_bytes(path.read_bytes()[:900])
    report = index_paths(index, encoder, [path], detecting=detecting)
    assert len(report.failed) == 1 and boxes(index, path) == []


def test_a_copied_and_a_moved_photo_keep_their_people_unseen(
    index: Index, encoder: CountingEncoder, detector: ColourDetector, tmp_path: Path
) -> None:
    path, nobody = write_street(tmp_path / "a.png", THREE), write_street(tmp_path / "nobody.png", [])
    index_paths(index, encoder, [tmp_path], detecting=Detecting(detector))
    looked = detector.looked
    (tmp_path / "copy.png").write_bytes(path.read_bytes())
    path.rename(tmp_path / "moved.png")
    nobody.rename(tmp_path / "none.png")
    report = index_paths(index, encoder, [tmp_path], detecting=Detecting(detector))
    assert (report.recognised, report.failed, detector.looked) == (3, (), looked)
    assert boxes(index, tmp_path / "copy.png") == boxes(index, tmp_path / "moved.png")
    assert len(boxes(index, tmp_path / "copy.png")) == 3
    assert index.looked_into().photos == 3


def test_a_detector_that_fails_on_a_photo_loses_nothing(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    good = [write_street(tmp_path / f"{n}.png", [*THREE, (200, 10 + n, 230, 80)]) for n in range(3)]
    odd = write_street(tmp_path / "odd.png", THREE, (417, 300))
    index_paths(index, encoder, [odd], detecting=Detecting(ColourDetector()))
    report = index_paths(index, encoder, [tmp_path], detecting=Detecting(ColourDetector("failing", fails_on=417)))
    assert (report.indexed, report.people) == (3, 12)
    assert [(one.path, "another detector" in one.reason) for one in report.failed] == [(odd, True)]
    assert len(boxes(index, odd)) == 3 and all(len(boxes(index, path)) == 4 for path in good)
    mended = index_paths(index, encoder, [tmp_path], detecting=Detecting(ColourDetector("failing")))
    assert (mended.indexed, mended.unchanged, mended.failed) == (1, 3, ())


def test_a_detector_that_finds_everything_is_cut_short_and_said(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    path = write_street(tmp_path / "a.png", [], (1500, 1500))
    report = index_paths(index, encoder, [path], detecting=Detecting(FindsEverything()))
    assert report.people == MOST
    assert [note.note for note in report.notes if "more than" in note.note] == [
        f"more than {MOST} people were found: the surest {MOST} were taken"
    ]


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (31, 17)])
def test_photos_of_any_shape(index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path, size: tuple[int, int]) -> None:
    write_street(tmp_path / "a.png", [], size)
    report = index_paths(index, encoder, [tmp_path / "a.png"], detecting=detecting)
    assert report == replace(NOTHING, indexed=1, photos=1, nobody=1)


def test_who_was_removed_stays_out_when_another_detector_draws_other_boxes(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path
) -> None:
    path = write_street(tmp_path / "a.png", THREE)
    index_paths(index, encoder, [path], detecting=detecting)
    (gone,) = [person.id for person, (crop,) in index.people() if is_near(crop.box, THREE[1])]
    assert gone is not None
    remove_from(index, [], [gone])
    assert len(boxes(index, path)) == 2
    report = index_paths(index, encoder, [path], detecting=Detecting(ColourDetector("larger", grow=4)))
    assert report.suppressed == 1
    assert [is_near(box, side, off=6) for box, side in zip(boxes(index, path), (THREE[0], THREE[2]), strict=True)] == [True, True]
    index_paths(index, encoder, [path], shows=Shows.CROPS)
    assert boxes(index, path) == []
    remove_from(index, [], [], [gone])
    index_paths(index, encoder, [path], detecting=detecting, shows=Shows.SCENES)
    assert len(boxes(index, path)) == 3


def test_a_path_removes_all_people_of_a_photo(index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path) -> None:
    path = write_street(tmp_path / "a.png", THREE)
    index_paths(index, encoder, [path], detecting=detecting)
    assert remove_paths(index, [path]).removed == 1
    assert index.info().people == index.info().media == 0


def test_people_of_one_photo_are_several_people_in_an_answer(
    index: Index, encoder: CountingEncoder, detecting: Detecting, tmp_path: Path
) -> None:
    path = write_street(tmp_path / "a.png", THREE)
    index_paths(index, encoder, [path], detecting=detecting)
    hits = find(index, encoder, "a red jacket").to_json()["hits"]
    assert len(hits) == 3 and len({hit["person"] for hit in hits}) == 3
    assert {hit["path"] for hit in hits} == {str(path)}
    for hit in hits:
        x, y, width, height = hit["box"]
        assert any(is_near(Box(x, y, width, height), one) for one in THREE) and 0 < hit["quality"] <= 1


class TestLike:
    def test_the_largest_person_is_asked_for_and_said(self, tmp_path: Path, detecting: Detecting) -> None:
        path = write_street(tmp_path / "a.png", THREE)
        question = Question(like=path, detecting=detecting)
        assert question.picture is not None and question.picture.height == pytest.approx(160 * 1.1, abs=3)
        assert ["3 people; the largest was taken" in note.note for note in question.notes] == [True]

    def test_a_box_names_another(self, index: Index, encoder: CountingEncoder, tmp_path: Path, detecting: Detecting) -> None:
        path = write_street(tmp_path / "a.png", THREE)
        index_paths(index, encoder, [path], detecting=detecting)
        for box in boxes(index, path):
            found = find(index, encoder, like=path, box=box, k=1)
            assert found.people[0].crop.box == box and found.people[0].score == pytest.approx(1, abs=1e-5)
            assert not found.question.notes

    def test_a_crop_is_taken_whole_and_nobody_is_said(self, tmp_path: Path, detecting: Detecting) -> None:
        (crop,) = write_people_crops(tmp_path, 1)
        question = Question(like=crop, detecting=detecting)
        assert question.picture is not None and question.picture.size == (50, 120) and not question.notes
        nobody = Question(like=write_street(tmp_path / "b.png", []), detecting=detecting)
        assert ["nobody was found" in note.note for note in nobody.notes] == [True]

    def test_a_box_is_read_as_it_is_shown(self) -> None:
        assert Box.read("1,2.5,3,4") == Box.read(Box(1, 2.5, 3, 4).text) == Box(1, 2.5, 3, 4)

    @pytest.mark.parametrize("text", ["", "1,2,3", "1,2,0,5", "a,b,c,d", "1,2,3,nan", "1,2,3,4,5"])
    def test_what_is_no_box_is_refused(self, text: str) -> None:
        with pytest.raises(InputError, match="left,top,width,height"):
            Box.read(text)

    def test_a_box_outside_of_the_photo_or_without_one_is_refused(self, tmp_path: Path) -> None:
        path = write_street(tmp_path / "a.png", THREE)
        with pytest.raises(QueryError, match="400 x 300"):
            Question(like=path, box=Box(400, 0, 10, 10))
        with pytest.raises(QueryError, match="a picture"):
            Question("a red jacket", box=Box(0, 0, 10, 10))
