"""Drawn films: people walk through a street, and where they are is known of each frame."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from passerby.data.synthetic import DrawnPerson
from passerby.data.synthetic.street_film import FilmFrame, film_street
from passerby.measure.films import film_scores
from passerby.resolve import load_detecting

SIZE = (192, 144)


@pytest.fixture(scope="module")
def film() -> list[FilmFrame]:
    return list(film_street(1, SIZE, 4, seconds=3, smallest=30, place="square"))


def test_the_same_seed_is_the_same_film(film: list[FilmFrame]) -> None:
    again = next(film_street(1, SIZE, 4, seconds=3, smallest=30, place="square"))
    assert np.array_equal(np.asarray(again.picture), np.asarray(film[0].picture)) and again.people == film[0].people
    other = next(film_street(2, SIZE, 4, seconds=3, smallest=30, place="square"))
    assert not np.array_equal(np.asarray(other.picture), np.asarray(film[0].picture))


def test_people_keep_their_number_and_clothes_and_walk_on(film: list[FilmFrame]) -> None:
    assert [moment.time for moment in film] == pytest.approx(np.arange(15) / 5)
    ways: dict[int, list[float]] = {}
    clothes: dict[int, DrawnPerson] = {}
    for early, late in pairwise(film):
        before, after = dict(early.people), dict(late.people)
        for who in before.keys() & after.keys():
            clothes.setdefault(who, after[who].person)
            assert after[who].person is before[who].person is clothes[who]
            (x, _, width, _), (x_then, _, width_then, _) = after[who].box, before[who].box
            if x > 0 and x + width < SIZE[0] and x_then > 0 and x_then + width_then < SIZE[0]:
                ways.setdefault(who, []).append(x + width / 2 - x_then - width_then / 2)
    sideways = {who: np.mean(steps) for who, steps in ways.items() if clothes[who].pose.facing in ("left", "right") and len(steps) > 2}
    assert sideways
    for who, step in sideways.items():
        assert step < 0 if clothes[who].pose.facing == "left" else step > 0


def test_boxes_hold_what_differs_from_the_street_without_people(film: list[FilmFrame]) -> None:
    """Of somebody who is there now and was elsewhere long before or after, most of what changed lies within both boxes."""
    first, last = film[0], film[-1]
    changed = np.abs(np.asarray(first.picture, np.int16) - np.asarray(last.picture)).max(axis=2) > 60
    held = np.zeros_like(changed)
    for moment in (first, last):
        for _, passer in moment.people:
            x, y, width, height = passer.box
            held[y : y + height, x : x + width] = True
    assert changed.any() and changed[held].sum() > 0.8 * changed.sum()


@pytest.mark.parametrize(("seconds", "rate", "people"), [(0, 5, 3), (1, 0, 3), (1, 5, 0)])
def test_films_that_cannot_be_are_refused(seconds: float, rate: float, people: int) -> None:
    with pytest.raises(ValueError, match="film"):
        next(film_street(1, SIZE, people, seconds=seconds, rate=rate))


def test_people_of_a_drawn_film_are_found_and_followed() -> None:
    film = film_street(2, (416, 312), 3, seconds=4, smallest=90, place="square")
    assert film_scores(film, load_detecting()).idf1 >= 75


@pytest.mark.soak
def test_people_of_crowded_drawn_films_are_found_and_followed() -> None:
    films = (film_street(seed, smallest=90, place=place) for seed, place in enumerate(("street", "square", "shops", "park"), 1))
    assert np.mean([film_scores(film, load_detecting()).idf1 for film in films]) >= 75
