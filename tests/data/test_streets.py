"""Drawn streets: the same every time, with boxes and shares that a slow reference finds too."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from passerby.data.synthetic import (
    DEMO_QUESTIONS,
    DrawnPerson,
    Garment,
    Passer,
    captions,
    demo_people,
    demo_streets,
    draw_street,
    sample_person,
    write_scenes,
)
from passerby.data.synthetic.canvas import Canvas
from passerby.data.synthetic.figure import Figure
from passerby.data.synthetic.painting import paint
from passerby.data.synthetic.settings import DAYLIGHTS, SETTINGS
from passerby.data.synthetic.sketch import SUPERSAMPLING, Sketch, paint_shapes
from passerby.data.synthetic.street_folders import DEMO_CROWDS
from passerby.data.synthetic.street_plan import Plan, Standing, plan_street
from passerby.data.synthetic.worn import of_drawn
from passerby.words.attributes import said
from passerby.words.parser import parse

SMALL = (160, 120)
Mask = NDArray[np.float64]


def alone(plan: Plan, standing: Standing, figure: Figure) -> Mask:
    """How far somebody covers each pixel of a canvas three times as wide and high as the picture, which is its middle."""
    width, height = plan.camera.width, plan.camera.height
    scale = standing.tall * plan.camera.focal / standing.away
    column, row = plan.camera.pixel((standing.right, 0.0, standing.away))
    origin = (column + width, row - scale + height)
    canvas = Canvas(3 * width, 3 * height, scale=scale, origin=origin, light=plan.light, tilt=0.0, keystone=0.04)
    paint(canvas, figure)
    return np.asarray(canvas.finish()[1][..., 0], dtype=np.float64)


def middle(mask: Mask) -> Mask:
    height, width = (side // 3 for side in mask.shape)
    return mask[height : 2 * height, width : 2 * width]


def without_suitcase(figure: Figure) -> Figure:
    bag = figure.person.bag
    return replace(figure, person=replace(figure.person, bag=None)) if bag and bag.kind == "suitcase" else figure


def thing_mask(sketch: Sketch, size: tuple[int, int]) -> Mask:
    image = Image.new("L", (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING))
    paint_shapes(image, sketch, ink=255)
    return np.asarray(image.reduce(SUPERSAMPLING), dtype=np.float64) / 255


def slowly(plan: Plan, size: tuple[int, int]) -> Iterator[tuple[DrawnPerson, tuple[int, int, int, int], float]]:
    """Everybody of a plan as ``Passer`` tells them: each mask alone, over the whole picture."""
    hiding = [(away, thing_mask(sketch, size)) for away, sketch in plan.things]
    hiding += [(standing.away, middle(alone(plan, standing, figure))) for standing, figure in plan.people]
    for standing, figure in plan.people:
        whole = alone(plan, standing, without_suitcase(figure))
        shown = middle(whole).copy()
        for away, mask in hiding:
            if away < standing.away:
                shown *= 1 - mask
        rows, columns = np.nonzero(middle(whole) >= 0.5)
        if len(rows):
            left, top = int(columns.min()), int(rows.min())
            box = (left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
            yield standing.person, box, float(shown.sum() / whole.sum())


def found(passers: tuple[Passer, ...]) -> list[tuple[DrawnPerson, tuple[int, int, int, int], object]]:
    return [(one.person, one.box, pytest.approx(one.visible, abs=1e-4)) for one in passers]


@pytest.mark.parametrize("place", SETTINGS)
def test_boxes_and_shares_are_those_of_masks(place: str) -> None:
    arguments = (len(place), SMALL, 7)
    street = draw_street(*arguments, place=place)
    assert list(slowly(plan_street(*arguments, place=place), SMALL)) == found(street.people)


def test_people_are_hidden_in_part_and_cut_and_of_all_sizes() -> None:
    """Over some streets; so the test above has seen them all."""
    passers = [one for seed in range(5) for one in draw_street(seed, SMALL, 7).people]
    assert any(0.1 < one.visible < 0.6 for one in passers)
    assert sum(one.visible > 0.95 for one in passers) > len(passers) / 3
    assert any(one.box[1] + one.box[3] == SMALL[1] for one in passers), "cut by the lower border"
    heights = sorted(one.box[3] for one in passers)
    assert heights[0] < 30 and heights[-1] > 90


def test_a_box_is_where_the_picture_shows_somebody() -> None:
    """Other colours for one of the people change the picture in their box, nearly all of it, and nowhere else."""
    crowd = [sample_person(seed) for seed in range(3)]
    for number in range(len(crowd)):
        pictures = []
        for colour in ("white", "black"):
            dressed = replace(crowd[number], upper=Garment("coat", colour), under=None, lower=Garment("trousers", colour), bag=None)
            street = draw_street(
                3, (320, 240), [*crowd[:number], dressed, *crowd[number + 1 :]], smallest=60, place="square", daylight="sun"
            )
            pictures.append(np.asarray(street.picture, dtype=np.float64))
        [(left, top, width, height)] = [one.box for one in street.people if one.person is dressed]
        rows, columns = np.nonzero(np.abs(pictures[0] - pictures[1]).sum(axis=2) > 60)
        assert left - 3 <= columns.min() and columns.max() < left + width + 3
        assert top - 3 <= rows.min() and rows.max() < top + height + 3
        assert rows.max() - rows.min() > 0.6 * height


def test_the_same_seed_draws_the_same_street() -> None:
    first, again, other = (draw_street(seed, SMALL, 3) for seed in (5, 5, 6))
    assert (first.picture.tobytes(), first.people) == (again.picture.tobytes(), again.people)
    assert first.picture.tobytes() != other.picture.tobytes()


@pytest.mark.parametrize("daylight", DAYLIGHTS)
def test_nobody_is_in_an_empty_street(daylight: str) -> None:
    street = draw_street(1, (200, 150), 0, place="street", daylight=daylight)
    assert street.people == ()
    assert street.picture.size == (200, 150)
    assert street.picture.mode == "RGB"


def test_night_is_darker_than_day() -> None:
    day, night = (np.asarray(draw_street(4, SMALL, 0, place="park", daylight=light).picture).mean() for light in ("sun", "night"))
    assert night < 0.7 * day


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 64"):
        draw_street(0, (63, 200))
    with pytest.raises(ValueError, match="0 people or more; found -1"):
        draw_street(0, SMALL, -1)
    with pytest.raises(ValueError, match="at least 1 pixel high; found 0"):
        draw_street(0, SMALL, smallest=0)
    with pytest.raises(ValueError, match=r"a place is one of street, .*; found 'moon'"):
        draw_street(0, SMALL, place="moon")
    with pytest.raises(ValueError, match=r"a daylight is one of sun, .*; found 'noon'"):
        draw_street(0, SMALL, daylight="noon")


@pytest.mark.parametrize("seed", range(6))
def test_everybody_is_found_by_what_is_said_of_them(seed: int) -> None:
    for standing, _ in plan_street(seed, SMALL, 6).people:
        truth = of_drawn(standing.person)
        told = [(name, yes) for caption in captions(standing.person, seed) for name, yes in said(parse(caption)).items()]
        assert sum(yes and truth.get(name, False) for name, yes in told) >= 3
        assert all(truth.get(name, yes) == yes for name, yes in told)


def test_scenes_are_pictures_and_a_table_of_exact_boxes(tmp_path: Path) -> None:
    pictures = write_scenes(tmp_path, 0, 6, size=SMALL)
    again = write_scenes(tmp_path / "again", 0, 6, size=SMALL)
    assert [one.read_bytes() for one in pictures] == [one.read_bytes() for one in again]
    rows = json.loads((tmp_path / "boxes.json").read_bytes())
    assert [tmp_path / row["image"] for row in rows] == list(pictures)
    boxes = 0
    for row in rows:
        assert set(row) == {"image", "width", "height", "boxes_xyxy", "ignore_xyxy", "source", "split", "labels"}
        assert (row["source"], row["split"], row["labels"]) == ("drawn", "train", "exact")
        with Image.open(tmp_path / row["image"]) as image:
            assert image.size == (row["width"], row["height"]) == SMALL
        for left, top, right, bottom in row["boxes_xyxy"] + row["ignore_xyxy"]:
            assert 0 <= left < right <= SMALL[0] and 0 <= top < bottom <= SMALL[1]
        boxes += len(row["boxes_xyxy"])
    assert boxes >= 12
    assert any(row["ignore_xyxy"] for row in rows)
    assert any(not row["boxes_xyxy"] and not row["ignore_xyxy"] for row in rows), "a street without anybody"


def test_the_demos_streets_show_its_people_well() -> None:
    """The three streets with the answers and those who come close; the others are checked by who is in them, since drawing takes long."""
    people = list(demo_people())
    assert sorted(chain(*DEMO_CROWDS)) == list(range(len(people)))
    for answer, (_, street) in enumerate(islice(demo_streets(), len(DEMO_QUESTIONS))):
        assert sorted(people.index(one.person) for one in street.people) == sorted(DEMO_CROWDS[answer])
        assert min(one.visible for one in street.people) > 0.9
        assert min(one.box[3] for one in street.people) > 100
        [asked] = [one for one in street.people if one.person == people[answer]]
        assert asked.visible > 0.95 and asked.box[3] > 170
