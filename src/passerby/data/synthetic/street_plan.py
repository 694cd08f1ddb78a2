"""Streets before they are painted: the place, who stands where in it, and what stands between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from passerby.data.synthetic.canvas import Light
from passerby.data.synthetic.figure import Figure, pose_figure
from passerby.data.synthetic.people import DrawnPerson, pick, sample_person
from passerby.data.synthetic.picture import INSIDE, stream
from passerby.data.synthetic.settings import DAYLIGHTS, SETTINGS, Daylight, Ground
from passerby.data.synthetic.sketch import Camera, Sketch
from passerby.data.synthetic.surface import View
from passerby.data.synthetic.things import THINGS, Thing

SMALLEST = 25
"""Pixels of the height of grown people who stand farthest away, where nothing else is asked for."""
_GROWN = 1.7
_ELBOW_ROOM = 0.34
_TRIES = 40
_HEIGHTS = {"man": 1.76, "woman": 1.65, "person": 1.7, "boy": 1.3, "girl": 1.26}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands: metres to the right of the camera and away from it, and their height in metres."""

    person: DrawnPerson
    right: float
    away: float
    tall: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A street before it is painted: the place without anybody, then people and things with their distance, farthest first."""

    camera: Camera
    light: Light
    daylight: Daylight
    inside: bool
    backdrop: Sketch
    things: tuple[tuple[float, Sketch], ...]
    people: tuple[tuple[Standing, Figure], ...]


def plan_street(
    seed: int,
    size: tuple[int, int],
    people: int | Sequence[DrawnPerson],
    *,
    smallest: int = SMALLEST,
    place: str | None = None,
    daylight: str | None = None,
) -> Plan:
    """What :func:`draw_street` paints, from the same arguments."""
    if min(size) < 64:
        raise ValueError(f"a street is at least 64 pixels wide and high; found {size[0]} x {size[1]}")
    if isinstance(people, int) and people < 0:
        raise ValueError(f"a street has 0 people or more; found {people}")
    if smallest < 1:
        raise ValueError(f"people are at least 1 pixel high; found {smallest}")
    for what, name, known in (("a place", place, SETTINGS), ("a daylight", daylight, DAYLIGHTS)):
        if name is not None and name not in known:
            raise ValueError(f"{what} is one of {', '.join(known)}; found {name!r}")
    rng = stream(seed, 10)
    setting = SETTINGS[place or pick(rng, tuple(SETTINGS))]
    time = DAYLIGHTS[daylight or pick(rng, tuple(DAYLIGHTS), (34, 30, 12, 12, 12))]
    weather = INSIDE if setting.inside else time.weather
    camera = _camera(rng, size, setting.inside)
    backdrop = Sketch(camera)
    ground = setting.sketch(backdrop, rng, time)
    near, far = _depth(camera, ground, smallest)
    crowd = [sample_person(int(rng.integers(2**31))) for _ in range(people)] if isinstance(people, int) else list(people)
    standing = _stand(rng, camera, ground, (near, far), crowd, together=isinstance(people, int))
    things = _strew(rng, camera, ground, (near, far), standing, setting.things)
    light = Light((rng.random() - 0.5) * 2.0, weather.ambient, weather.direct)
    farthest_first = sorted(standing, key=lambda one: -one.away)
    figures = [_figure(one, camera, rng) for one in farthest_first]
    return Plan(camera, light, time, setting.inside, backdrop, tuple(things), tuple(zip(farthest_first, figures, strict=True)))


def _camera(rng: np.random.Generator, size: tuple[int, int], inside: bool) -> Camera:
    width, height = size
    return Camera(
        width,
        height,
        horizon=height * (0.22 + 0.2 * float(rng.random())),
        middle=width * (0.35 + 0.3 * float(rng.random())),
        focal=max(size) * (0.75 + 0.4 * float(rng.random())),
        rise=1.5 + (1.4 if inside else 2.6) * float(rng.random()) ** 1.5,
    )


def _depth(camera: Camera, ground: Ground, smallest: int) -> tuple[float, float]:
    """Metres to the nearest people, who may be cut by the lower border, and to the farthest."""
    near = max(camera.focal * _GROWN / (0.92 * camera.height), camera.distance(1.12 * camera.height))
    return near, max(min(ground.far, camera.focal * _GROWN / smallest), near)


def _stand(
    rng: np.random.Generator, camera: Camera, ground: Ground, depth: tuple[float, float], crowd: Sequence[DrawnPerson], *, together: bool
) -> list[Standing]:
    """Everybody in a place of their own, some of them beside the one before."""
    standing: list[Standing] = []
    for person in crowd:
        tall = _HEIGHTS[person.presentation] * (0.95 + 0.1 * float(rng.random()))
        beside = standing[-1] if together and standing and rng.random() < 0.3 else None
        for _ in range(_TRIES):
            if beside is None:
                right, away = _spot(rng, camera, ground, depth)
            else:
                right = beside.right + (0.68 + 0.2 * float(rng.random())) * (1 if rng.random() < 0.5 else -1)
                right = min(max(right, ground.left), ground.right)
                away = max(depth[0], beside.away + 0.5 * (float(rng.random()) - 0.5))
            if not any(_meet(right, away, other.right, other.away, _ELBOW_ROOM * 2, _ELBOW_ROOM * 2) for other in standing):
                break
        seen = person if beside is None else replace(person, pose=beside.person.pose)
        standing.append(Standing(seen, right, away, tall))
    return standing


def _spot(rng: np.random.Generator, camera: Camera, ground: Ground, depth: tuple[float, float]) -> tuple[float, float]:
    """A place on the ground, as likely at any size at which somebody is seen there."""
    near, far = depth
    away = near * (far / near) ** float(rng.random())
    left, right = camera.ends(away)
    left, right = max(left + 0.05, ground.left), min(right - 0.05, ground.right)
    if left > right:
        left = right = min(max((left + right) / 2, ground.left), ground.right)
    return left + (right - left) * float(rng.random()), away


def _meet(right: float, away: float, other_right: float, other_away: float, wide: float, deep: float) -> bool:
    return abs(right - other_right) < wide and abs(away - other_away) < deep


def _strew(
    rng: np.random.Generator, camera: Camera, ground: Ground, depth: tuple[float, float], people: Sequence[Standing], names: Sequence[str]
) -> list[tuple[float, Sketch]]:
    """Things where nobody stands, each with its distance, farthest first."""
    taken = [(one.right, one.away, _ELBOW_ROOM, _ELBOW_ROOM) for one in people]
    strewn = []
    for _ in range(int(rng.integers(2, 10))):
        name = pick(rng, names)
        thing = THINGS[name]
        for _ in range(6):
            right, away = _spot(rng, camera, ground, (max(depth[0], 4.5) + thing.deep, max(depth[1], 12) + thing.deep))
            free = not any(_meet(right, away, x, z, wide + thing.wide, deep + thing.deep) for x, z, wide, deep in taken)
            if free and away < ground.far and _belongs(thing, name.startswith("car"), right, away, ground):
                taken.append((right, away, thing.wide, thing.deep))
                sketch = Sketch(camera)
                thing.sketch(sketch, rng, right, away)
                strewn.append((away, sketch))
                break
    return sorted(strewn, key=lambda one: -one[0])


def _belongs(thing: Thing, car: bool, right: float, away: float, ground: Ground) -> bool:
    """Whether a car is on the road, and anything else off it."""
    if ground.road is None:
        return not car
    left, end, near, far = ground.road
    if car:
        return left + thing.wide <= right <= end - thing.wide and near + thing.deep <= away <= far - thing.deep
    return not (left - thing.wide < right < end + thing.wide and near - thing.deep < away < far + thing.deep)


def _figure(standing: Standing, camera: Camera, rng: np.random.Generator) -> Figure:
    """A figure that is seen from where the camera hangs."""
    figure = pose_figure(standing.person, rng)
    pitch = min(max(math.atan2(camera.rise - 0.55 * standing.tall, standing.away), 0.04), 0.4)
    return replace(figure, view=View(figure.view.yaw, pitch), gaze=View(figure.gaze.yaw, pitch))
