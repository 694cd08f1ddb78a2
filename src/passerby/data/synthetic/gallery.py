"""Folders of drawn people with captions: the demo's gallery, and practice for training."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import numpy as np

from passerby.atomic import replacing
from passerby.data.synthetic.captions import captions
from passerby.data.synthetic.people import DrawnPerson, Garment, Pose, sample_person, sample_pose
from passerby.data.synthetic.picture import draw
from passerby.types import Split

DEMO_QUESTIONS = (
    "a person wearing a red jacket, a black cap and brown shoes",
    "a woman in a yellow dress with a blue handbag",
    "a man with a green backpack, a white t-shirt and beige shorts",
)
"""Each is answered by exactly one of the demo's people, in their order from the first; others come close."""

_ASKED = frozenset({("jacket", "red"), ("dress", "yellow"), ("backpack", "green")})


def demo_people(total: int = 60) -> tuple[DrawnPerson, ...]:
    """The people of the demo: the answers to ``DEMO_QUESTIONS`` first, then their near misses, then passers-by.

    Nobody among the passers-by wears what a question asks for first.

    Raises:
        ValueError: for fewer people than the answers and their near misses.
    """
    if total < len(_SCRIPTED):
        raise ValueError(f"the demo has at least {len(_SCRIPTED)} people; found {total}")
    passers_by = (person for person in map(sample_person, count()) if not _ASKED & {(item.kind, item.colour) for item in worn(person)})
    return (*_SCRIPTED, *islice(passers_by, total - len(_SCRIPTED)))


def worn(person: DrawnPerson) -> tuple[Garment, ...]:
    """Everything that a person wears or carries."""
    items = (person.hat, person.upper, person.under, person.lower, person.shoes, person.bag)
    return tuple(item for item in items if item is not None)


def write_gallery(
    folder: Path, people: Sequence[DrawnPerson], seed: int, *, views: int = 3, height: int = 256, split: Split = Split.VAL
) -> tuple[Path, ...]:
    """Writes JPEG pictures of people, and ``captions.jsonl`` with a row ``{path, caption, id, split}`` for each of two captions a picture.

    Each file is written whole or not at all; the table comes last, so a table stands for a complete gallery.

    Args:
        folder: made if it does not exist.
        people: an identity each; ids and file names count from 0.
        seed: 0 or more; the same arguments write the same files.
        views: pictures of each person: first in their own pose, then in others; each with its own place, light and camera.
        height: pixels of each picture.

    Returns:
        The pictures' paths, person by person.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures, rows = [], []
    for number, (name, seen) in enumerate(gallery_views(people, seed, views=views)):
        identity, view = divmod(number, views)
        shot = _mixed(seed, identity, view)
        with replacing(folder / name) as file:
            draw(seen, shot, height).save(file, "JPEG", quality=90)
        pictures.append(folder / name)
        rows += [{"path": name, "caption": caption, "id": f"{identity:05d}", "split": str(split)} for caption in captions(seen, shot)]
    with replacing(folder / "captions.jsonl") as file:
        file.writelines(f"{json.dumps(row)}\n".encode() for row in rows)
    return tuple(pictures)


def gallery_views(people: Sequence[DrawnPerson], seed: int, *, views: int = 3) -> Iterator[tuple[str, DrawnPerson]]:
    """Each picture of the gallery that :func:`write_gallery` writes: the file's name, and the person as they are seen in it."""
    for identity, person in enumerate(people):
        for view, seen in enumerate(_views(person, views, (seed, identity))):
            yield f"{identity:05d}-{view}.jpg", seen


def _views(person: DrawnPerson, views: int, seeds: tuple[int, int]) -> Iterable[DrawnPerson]:
    rng = np.random.Generator(np.random.PCG64([*seeds, 0x56]))
    yield from islice((person, *(replace(person, pose=sample_pose(rng)) for _ in range(1, views))), views)


def _mixed(seed: int, identity: int, view: int) -> int:
    """One seed of its own for every picture of a gallery."""
    return int(np.random.SeedSequence([seed, identity, view]).generate_state(1)[0])


def _scripted(
    presentation: str,
    upper: tuple[str, ...],
    lower: tuple[str, ...] | None,
    shoes: tuple[str, ...],
    *,
    hat: tuple[str, ...] | None = None,
    bag: tuple[str, ...] | None = None,
    hair: str = "short",
    hair_colour: str = "brown",
    skin: int = 2,
    build: str = "average",
) -> DrawnPerson:
    below, on_head, carried = (None if words is None else Garment(*words) for words in (lower, hat, bag))
    pose = Pose("front", walking=True)
    return DrawnPerson(
        presentation, build, skin, hair, hair_colour, Garment(*upper), below, Garment(*shoes), hat=on_head, bag=carried, pose=pose
    )


_SCRIPTED = (
    _scripted("man", ("jacket", "red"), ("jeans", "blue"), ("shoes", "brown"), hat=("cap", "black"), skin=3, hair_colour="black"),
    _scripted("woman", ("dress", "yellow"), None, ("sandals", "brown"), bag=("handbag", "blue"), hair="long", skin=5, hair_colour="black"),
    _scripted(
        "man", ("t-shirt", "white"), ("shorts", "beige"), ("sneakers", "grey"), bag=("backpack", "green"), skin=1, hair_colour="blonde"
    ),
    _scripted("man", ("jacket", "blue"), ("trousers", "beige"), ("shoes", "brown"), hat=("cap", "red"), skin=6, hair_colour="black"),
    _scripted("woman", ("jacket", "black"), ("jeans", "light blue"), ("shoes", "brown"), hat=("cap", "red"), hair="ponytail", skin=1),
    _scripted("man", ("shirt", "red"), ("trousers", "black"), ("shoes", "brown"), skin=4, hair_colour="black", build="broad"),
    _scripted("woman", ("jacket", "red"), ("jeans", "blue"), ("sneakers", "white"), hair="bob", skin=2),
    _scripted("man", ("coat", "brown"), ("trousers", "black"), ("shoes", "black"), hat=("cap", "black"), skin=0, hair_colour="grey"),
    _scripted("boy", ("hoodie", "red"), ("jeans", "navy"), ("sneakers", "black"), hat=("beanie", "black"), skin=7, hair_colour="black"),
    _scripted("woman", ("dress", "blue"), None, ("shoes", "black"), bag=("handbag", "yellow"), hair="long", skin=3),
    _scripted("woman", ("dress", "yellow"), None, ("boots", "black"), bag=("backpack", "brown"), hair="bun", skin=0, hair_colour="red"),
    _scripted("woman", ("dress", "white"), None, ("sandals", "beige"), bag=("handbag", "blue"), hair="curly", skin=7, hair_colour="black"),
    _scripted("girl", ("t-shirt", "yellow"), ("skirt", "blue"), ("sneakers", "white"), hair="ponytail", skin=6, hair_colour="black"),
    _scripted(
        "man", ("t-shirt", "green"), ("shorts", "beige"), ("sneakers", "white"), bag=("backpack", "white"), skin=4, hair_colour="black"
    ),
    _scripted("man", ("t-shirt", "white"), ("trousers", "green"), ("sneakers", "black"), bag=("backpack", "black"), skin=2, build="large"),
)
