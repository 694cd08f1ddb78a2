"""Drawn people: the same every time, in the colours they claim, with captions that are true."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from passerby.data.datasets import load_dataset
from passerby.data.synthetic import (
    DEMO_QUESTIONS,
    PALETTE,
    DrawnPerson,
    Garment,
    Pose,
    captions,
    demo_people,
    draw,
    sample_person,
    swap_colours,
    write_gallery,
)
from passerby.data.synthetic.captions import COLOUR_WORDS, KIND_WORDS, PATTERN_WORDS
from passerby.data.synthetic.gallery import worn
from passerby.data.synthetic.people import BAGS, BUILDS, FACINGS, HAIR_COLOURS, HATS, LOWER, SHOES, SKIN_TONES, UPPER, Facing
from passerby.data.synthetic.surface import hull
from passerby.types import Split

SEEDS = st.integers(0, 2**32 - 1)
FRONT = Pose("front")
MODEST = settings(max_examples=12, deadline=None)


def pixels(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64)


def nearest_colour(colour: NDArray[np.float64]) -> str:
    return min(PALETTE, key=lambda name: float(np.abs(colour - np.array(PALETTE[name])).sum()))


def brighter_half(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    light = colours.sum(axis=1)
    return np.asarray(colours[light >= np.median(light)])


def wearing(person: DrawnPerson, slot: str, garment: Garment) -> DrawnPerson:
    change: dict[str, Any] = {slot: garment}
    return replace(person, **change)


def garment_pixels(person: DrawnPerson, slot: str, seed: int) -> NDArray[np.float64]:
    """(n, 3): where the picture changes as much as it can when only this garment's colour does."""
    garment: Garment = getattr(person, slot)
    other = "white" if sum(PALETTE[garment.colour]) < 330 else "black"
    recoloured = wearing(person, slot, replace(garment, colour=other))
    before, after = pixels(draw(person, seed, 112)), pixels(draw(recoloured, seed, 112))
    change = np.abs(before - after).sum(axis=2)
    return np.asarray(before[change > 0.6 * change.max()])


def plain(kind: str, colour: str, pose: Pose = FRONT) -> DrawnPerson:
    below = None if kind == "dress" else Garment("jeans", "grey")
    under = Garment("shirt", "grey") if kind == "vest" else None
    return DrawnPerson("person", "average", 3, "short", "black", Garment(kind, colour), below, Garment("shoes", "black"), under, pose=pose)


@MODEST
@given(SEEDS)
def test_the_same_seed_draws_the_same_picture(seed: int) -> None:
    first, again = draw(sample_person(seed), seed, 128), draw(sample_person(seed), seed, 128)
    assert first.mode == "RGB"
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != draw(sample_person(seed), seed + 1, 128).tobytes()


def test_another_process_draws_the_same_picture() -> None:
    code = "from passerby.data.synthetic import *; import hashlib; print(hashlib.sha256(draw(sample_person(9), 9).tobytes()).hexdigest())"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout
    assert said.strip() == hashlib.sha256(draw(sample_person(9), 9).tobytes()).hexdigest()


@MODEST
@given(SEEDS, st.sampled_from((32, 64, 150, 256, 384)))
def test_a_picture_is_an_upright_crop_of_the_asked_height(seed: int, height: int) -> None:
    image = draw(sample_person(seed), seed, height)
    assert image.height == height
    assert 1.4 <= image.height / image.width <= 3.2


def test_a_picture_needs_room() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        draw(sample_person(0), 0, 31)


@pytest.mark.parametrize("colour", PALETTE)
def test_a_garment_has_the_colour_of_its_name(colour: str) -> None:
    """In different lights and from all sides, the mean of its brighter half is nearest to the named colour, nearly always."""
    seen = [garment_pixels(plain("coat", colour, Pose(FACINGS[seed % 4])), "upper", seed) for seed in range(6)]
    found = Counter(nearest_colour(brighter_half(part).mean(axis=0)) for part in seen)
    assert found[colour] >= 5, found


@pytest.mark.parametrize(("slot", "kinds"), [("hat", HATS), ("upper", UPPER), ("lower", LOWER), ("shoes", SHOES), ("bag", BAGS)])
@pytest.mark.parametrize("facing", FACINGS)
def test_every_kind_of_garment_can_be_seen_from_everywhere(slot: str, kinds: tuple[str, ...], facing: Facing) -> None:
    for kind in kinds:
        person = plain(kind if slot == "upper" else "t-shirt", "blue", Pose(facing))
        seen = garment_pixels(wearing(person, slot, Garment(kind, "red")), slot, 3)
        assert len(seen) >= 10, (kind, facing, len(seen))


@pytest.mark.parametrize("pattern", ["striped", "checked", "dotted", "logo"])
def test_a_pattern_shows(pattern: str) -> None:
    person = plain("t-shirt", "navy")
    patterned = replace(person, upper=Garment("t-shirt", "navy", pattern))
    change = np.abs(pixels(draw(person, 5)) - pixels(draw(patterned, 5))).sum(axis=2)
    assert (change > 90).sum() > 60


def test_colours_are_bound_to_their_garments() -> None:
    """Red above blue is not blue above red: the pictures differ just where the garments are."""
    person = plain("jacket", "red")
    person = replace(person, lower=Garment("trousers", "blue"))
    image, swapped = pixels(draw(person, 1)), pixels(draw(swap_colours(person), 1))
    half = len(image) // 2

    def redness(part: NDArray[np.float64]) -> float:
        return float((part[..., 0] - part[..., 2]).mean())

    assert redness(image[:half]) > redness(swapped[:half]) + 15
    assert redness(image[half:]) < redness(swapped[half:]) - 15


@given(SEEDS)
def test_swapping_twice_changes_nothing(seed: int) -> None:
    person = sample_person(seed)
    swapped = swap_colours(person)
    assert swap_colours(swapped) == person
    other = person.lower or person.shoes
    assert swapped.upper.colour == other.colour
    assert Counter(item.colour for item in worn(swapped)) == Counter(item.colour for item in worn(person))


@given(SEEDS)
def test_a_person_changes_with_the_seed_alone(seed: int) -> None:
    assert sample_person(seed) == sample_person(seed)


def test_chance_reaches_everything() -> None:
    people = [sample_person(seed) for seed in range(3000)]
    items = [item for person in people for item in worn(person)]
    assert {item.kind for item in items} == set(KIND_WORDS)
    assert {item.colour for item in items} == set(PALETTE)
    assert {person.pose.facing for person in people} == set(FACINGS)
    assert {person.build for person in people} == set(BUILDS)
    tones = Counter(person.skin for person in people)
    assert len(tones) == len(SKIN_TONES)
    assert min(tones.values()) > 0.7 * len(people) / len(SKIN_TONES)


@pytest.mark.parametrize(
    "change",
    [
        {"lower": None},
        {"under": Garment("shirt", "white")},
        {"upper": Garment("vest", "red")},
        {"hat": Garment("boots", "red")},
        {"presentation": "ghost"},
        {"build": "tiny"},
        {"skin": len(SKIN_TONES)},
        {"hair": "mohawk"},
        {"hair_colour": "blue"},
    ],
)
def test_what_cannot_be_worn_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(plain("t-shirt", "red"), **change)


@pytest.mark.parametrize("words", [("toga", "red", "plain"), ("coat", "mauve", "plain"), ("coat", "red", "paisley")])
def test_words_outside_the_wardrobe_are_refused(words: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="is one of"):
        Garment(*words)


def spoken_of() -> dict[str, str]:
    return {word: kind for kind, words in KIND_WORDS.items() for word in words}


COLOUR_NAMES = {word: name for name in PALETTE for word in COLOUR_WORDS.get(name, (name,))}
PATTERN_NAMES = {word: pattern for pattern, words in PATTERN_WORDS.items() for word in words}


def either(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


PHRASE = re.compile(rf"\b({either(COLOUR_NAMES)}) (?:({either(PATTERN_NAMES)}) )?({either(spoken_of())})(?! (?:{either(spoken_of())}))\b")
HAIR = re.compile(rf"\b({either(HAIR_COLOURS)}) hair\b")


@settings(max_examples=300, deadline=None)
@given(SEEDS)
def test_captions_say_nothing_untrue(seed: int) -> None:
    person = sample_person(seed)
    worn_kinds = {(item.colour, item.kind) for item in worn(person)}
    patterns = {(item.kind, item.pattern) for item in worn(person)}
    for caption in captions(person, seed, 4):
        text = caption.lower()
        for colour, pattern, kind in PHRASE.findall(text):
            assert (COLOUR_NAMES[colour], spoken_of()[kind]) in worn_kinds, caption
            assert not pattern or (spoken_of()[kind], PATTERN_NAMES[pattern]) in patterns, caption
        for colour in HAIR.findall(text):
            assert colour == person.hair_colour, caption
        rest = HAIR.sub("", PHRASE.sub("", text))
        assert not re.search(rf"\b({either(COLOUR_NAMES)}|{either(PATTERN_NAMES)}|{either(spoken_of())})\b", rest), caption
        assert ("beard" in text) <= person.beard
        assert ("glasses" in text) <= person.glasses
        assert ("walking" in text) <= person.pose.walking
        assert ("behind" in text or "away" in text) <= (person.pose.facing == "back")
        assert ("side." in text and "seen" in text) <= (person.pose.facing in ("left", "right") or person.bag is not None)
        assert ("logo" in text) <= any(item.pattern == "logo" for item in worn(person))
        assert not re.search(r"\b(left|right)\b", text), "a mirrored picture must keep its words"
        for word in ("man", "woman", "boy", "girl"):
            assert bool(re.search(rf"\b{word}\b", text)) <= (person.presentation == word), caption


@given(SEEDS, st.integers(1, 5))
def test_captions_are_as_many_as_asked_and_all_different(seed: int, count: int) -> None:
    person = sample_person(seed)
    said = captions(person, seed, count)
    assert len(set(said)) == count
    assert said == captions(person, seed, count)


def test_captions_are_not_asked_for_without_end() -> None:
    assert len(captions(plain("t-shirt", "black"), 0, 32)) == 32
    with pytest.raises(ValueError, match="0 to 32"):
        captions(plain("t-shirt", "black"), 0, 33)


def test_wording_varies() -> None:
    said = [caption for seed in range(400) for caption in captions(sample_person(seed), seed)]
    assert len({" ".join(caption.split()[:3]) for caption in said}) > 60
    keywords = sum("wear" not in caption and "." not in caption for caption in said)
    assert 0.08 < keywords / len(said) < 0.25
    names_upper = sum(
        any(word in caption.lower() for word in KIND_WORDS[sample_person(i // 2).upper.kind]) for i, caption in enumerate(said)
    )
    assert names_upper == len(said)


def test_a_beard_and_a_logo_are_not_seen_from_behind() -> None:
    person = replace(plain("t-shirt", "red"), upper=Garment("t-shirt", "red", "logo"), beard=True, glasses=True, presentation="man")
    from_front = " ".join(captions(person, 0, 20))
    from_behind = " ".join(captions(replace(person, pose=Pose("back")), 0, 20))
    for word in ("beard", "glasses", "logo"):
        assert word in from_front
        assert word not in from_behind


def test_a_gallery_is_a_dataset(tmp_path: Path) -> None:
    people = demo_people()[:5]
    pictures = write_gallery(tmp_path / "gallery", people, 7, views=2, height=64, split=Split.TRAIN)
    dataset = load_dataset(tmp_path / "gallery" / "captions.jsonl")
    assert not dataset.problems
    assert [record.path for record in dataset.records] == [path.resolve() for path in pictures]
    assert [len(record.captions) for record in dataset.records] == [2] * 10
    assert Counter(record.identity for record in dataset.records) == {f"{place:05d}": 2 for place in range(5)}
    assert {record.split for record in dataset.records} == {Split.TRAIN}
    for path in pictures:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.height) == ("JPEG", "RGB", 64)
    assert sorted(path.name for path in (tmp_path / "gallery").iterdir()) == sorted([*(path.name for path in pictures), "captions.jsonl"])


def test_a_gallery_is_the_same_every_time(tmp_path: Path) -> None:
    def content(folder: Path) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}

    people = [sample_person(seed) for seed in range(3)]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_gallery(tmp_path / name, people, seed, height=48)
    write_gallery(tmp_path / "a", people, 1, height=48)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert not set(content(tmp_path / "a").values()) & set(content(tmp_path / "c").values())


def test_views_of_a_person_keep_their_clothes_and_change_the_rest(tmp_path: Path) -> None:
    person = replace(demo_people()[0], bag=Garment("backpack", "green"))
    pictures = write_gallery(tmp_path, [person], 3, views=4, height=64)
    assert len({path.read_bytes() for path in pictures}) == 4
    rows = [json.loads(line) for line in (tmp_path / "captions.jsonl").read_text().splitlines()]
    for row in rows:
        for colour, _, kind in PHRASE.findall(row["caption"].lower()):
            assert (COLOUR_NAMES[colour], spoken_of()[kind]) in {(item.colour, item.kind) for item in worn(person)}


def test_each_demo_question_has_one_answer_among_near_misses() -> None:
    people = demo_people()
    assert len(people) == 60
    assert len(set(people)) == 60
    assert demo_people(20) == people[:20]
    for place, question in enumerate(DEMO_QUESTIONS):
        asked = {(COLOUR_NAMES[colour], spoken_of()[kind]) for colour, _, kind in PHRASE.findall(question)}
        assert len(asked) >= 2
        shares = [len(asked & {(item.colour, item.kind) for item in worn(person)}) for person in people]
        assert [i for i, share in enumerate(shares) if share == len(asked)] == [place]
        assert sum(0 < share < len(asked) for share in shares) >= 2, "near misses"


def test_a_demo_without_its_answers_is_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        demo_people(5)


@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=3, max_size=12, unique=True))
def test_a_hull_holds_all_points_and_turns_one_way(points: list[tuple[int, int]]) -> None:
    edge = hull(np.array(points, dtype=np.float64))
    following = np.roll(edge, -1, axis=0)
    for x, y in points:
        cross = (following[:, 0] - edge[:, 0]) * (y - edge[:, 1]) - (following[:, 1] - edge[:, 1]) * (x - edge[:, 0])
        assert (cross >= -1e-9).all()
    assert {tuple(corner) for corner in edge.tolist()} <= {(float(x), float(y)) for x, y in points}
