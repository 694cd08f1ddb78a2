"""Films of streets: people who walk by, and the exact truth of each frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from passerby.data.synthetic.figure import Figure, another_stride
from passerby.data.synthetic.people import FACINGS, DrawnPerson, Pose, pick, sample_person
from passerby.data.synthetic.picture import stream
from passerby.data.synthetic.street import Passer, as_taken, compose, empty_street, ground_shade, paint_person
from passerby.data.synthetic.street_plan import SMALLEST, Plan, Standing, plan_street

_STRIDES = 4
_STRIDE_SECONDS = 0.3
_WAYS = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "front": (0.0, -1.0), "back": (0.0, 1.0)}
"""To the right and away, as somebody goes who is seen from that side."""
_BESIDE = 2.0
"""Metres from the picture's edge within which somebody is painted."""
_WALKERS, _WALKS, _FRAMES = 1_000, 10_000, 100_000
"""Where the streams of chance of people, of their ways and of frames begin."""
_NEAREST = 0.7
"""Share of the distance of the nearest people at first, up to which others come."""


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """One frame of a film, and who is in it.

    Args:
        time: in seconds.
        picture: RGB.
        people: everybody with a box, farthest first, by the number of their own that they have throughout the film.
    """

    time: float
    picture: Image.Image
    people: tuple[tuple[int, Passer], ...]


@dataclass(frozen=True, slots=True)
class _Walk:
    """Somebody who passes a place at a second and goes straight on.

    Args:
        standing: who, and the place.
        strides: how they look, one after another.
        right, away: metres a second.
    """

    standing: Standing
    strides: tuple[Figure, ...]
    passes: float
    right: float
    away: float

    def at(self, time: float) -> tuple[Standing, Figure]:
        """Where they are at a second, and how they look."""
        since, start = time - self.passes, self.standing
        there = replace(start, right=start.right + self.right * since, away=start.away + self.away * since)
        return there, self.strides[int(time / _STRIDE_SECONDS) % _STRIDES]


def film_street(
    seed: int,
    size: tuple[int, int] = (768, 576),
    people: int = 12,
    *,
    seconds: float = 20.0,
    rate: float = 5.0,
    smallest: int = SMALLEST,
    place: str | None = None,
    daylight: str | None = None,
) -> Iterator[FilmFrame]:
    """A street of :func:`passerby.data.synthetic.street.draw_street` through which people walk, each on a straight way of their own.

    They come into the picture, pass before and behind each other and things, and leave it for good.

    Args:
        people: how many there are in all.
        rate: frames a second.

    Raises:
        ValueError: as ``draw_street``; for a length or a rate that is not above 0.
    """
    if not seconds > 0 or not rate > 0:
        raise ValueError(f"a film has a length and a rate above 0; found {seconds} s and {rate} frames a second")
    if people < 1:
        raise ValueError(f"somebody walks through a film; found {people} people")
    crowd = [_walker(seed, number) for number in range(people)]
    plan = plan_street(seed, size, crowd, smallest=smallest, place=place, daylight=daylight)
    numbers = {id(person): number for number, person in enumerate(crowd)}
    walks = [_walk(standing, figure, stream(seed, _WALKS + numbers[id(standing.person)]), seconds) for standing, figure in plan.people]
    nearest, farthest = _NEAREST * min(walk.standing.away for walk in walks), max(walk.standing.away for walk in walks)
    backdrop = empty_street(plan, stream(seed, 12))
    for number in range(round(seconds * rate)):
        time = number / rate
        places = [(standing, figure) for standing, figure in (walk.at(time) for walk in walks) if nearest <= standing.away <= farthest]
        present = [paint_person(plan, *one) for one in places if _is_near(plan, one[0])]
        scene = backdrop * ground_shade(plan, present)
        seen = tuple((numbers[id(passer.person)], passer) for passer in compose(scene, plan, present))
        yield FilmFrame(time, as_taken(scene, plan, stream(seed, _FRAMES + number)), seen)


def _walker(seed: int, number: int) -> DrawnPerson:
    rng = stream(seed, _WALKERS + number)
    person = sample_person(int(rng.integers(2**31)))
    return replace(person, pose=Pose(pick(rng, FACINGS, (12, 8, 40, 40)), walking=True))


def _walk(standing: Standing, figure: Figure, rng: np.random.Generator, seconds: float) -> _Walk:
    """At a pace of chance; they pass their place at any second of the film."""
    right, away = _WAYS[standing.person.pose.facing]
    pace, drift = 0.9 + 0.6 * float(rng.random()), 0.2 * (float(rng.random()) - 0.5)
    strides = tuple(another_stride(figure, rng) for _ in range(_STRIDES))
    return _Walk(standing, strides, seconds * float(rng.random()), pace * right + drift * away, pace * away + drift * right)


def _is_near(plan: Plan, standing: Standing) -> bool:
    """Whether somebody is in the picture, or so near to it that their shade may be."""
    left, right = plan.camera.ends(standing.away)
    return left - _BESIDE < standing.right < right + _BESIDE
