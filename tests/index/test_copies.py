"""Copies count once: leaders, who counts of them, and moments, each against a slow and obvious one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from near_copies import shifted, signature_of
from numpy.typing import NDArray

from passerby.data.synthetic import draw, sample_person
from passerby.index import copies
from passerby.index.copies import MOMENT, OVERLAP, counted, leaders, same_moment
from passerby.media.signature import LENGTH, alike

PEOPLE = np.stack([signature_of(draw(sample_person(seed), seed, 96)) for seed in range(6)]).astype(np.float64)
SEEDS = st.integers(0, 2**32 - 1)


def gallery(seed: int, size: int) -> NDArray[np.uint8]:
    """People, equal and nearly equal pictures of them, and pictures between those of two, some of them copies of either."""
    generator = np.random.default_rng(seed)
    one, other = PEOPLE[generator.integers(3, size=size)], PEOPLE[generator.integers(6, size=size)]
    part = generator.choice([0, 0.05, 0.1, 0.2, 0.3], size=(size, 1))
    mixed = one + part * (other - one) + generator.choice([0, 1, 4], size=(size, 1)) * generator.normal(size=one.shape)
    return np.clip(mixed, 0, 255).astype(np.uint8)


def slow_leaders(pairs: list[tuple[int, int]], size: int) -> list[int]:
    groups = [{row} for row in range(size)]
    for one, other in pairs:
        joined = groups[one] | groups[other]
        for row in joined:
            groups[row] = joined
    return [min(group) for group in groups]


def slow_pairs(signatures: NDArray[np.uint8]) -> list[tuple[int, int]]:
    return [(i, j) for i, j in combinations(range(len(signatures)), 2) if alike(signatures[[i]], signatures[[j]])[0]]


@given(seed=SEEDS, size=st.integers(0, 25))
def test_leaders_are_those_of_a_slow_reference(seed: int, size: int) -> None:
    signatures = gallery(seed, size)
    assert leaders(signatures).tolist() == slow_leaders(slow_pairs(signatures), size)


@given(seed=SEEDS, size=st.integers(1, 120), since=st.integers(0, 120))
def test_a_gallery_that_grows_has_the_leaders_of_one_that_was_there_at_once(seed: int, size: int, since: int) -> None:
    signatures = gallery(seed, size)
    before = leaders(signatures[:since])
    known = np.stack([np.arange(len(before)), before])
    np.testing.assert_array_equal(leaders(signatures, [known], np.arange(size) >= since), leaders(signatures))


@given(seed=SEEDS, size=st.integers(1, 120))
def test_groups_do_not_depend_on_the_order(seed: int, size: int) -> None:
    signatures, order = gallery(seed, size), np.random.default_rng(seed).permutation(size)
    found, shuffled = leaders(signatures), leaders(signatures[order])
    together = found[order, None] == found[order]
    np.testing.assert_array_equal(shuffled[:, None] == shuffled, together)


def test_nor_on_how_many_pairs_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    signatures = gallery(0, 200)
    expected = leaders(signatures)
    monkeypatch.setattr(copies, "_BLOCK", 7)
    np.testing.assert_array_equal(leaders(signatures), expected)
    assert 3 <= len(np.unique(expected)) < 200


@given(seed=SEEDS, size=st.integers(2, 30))
def test_links_join_what_does_not_look_alike(seed: int, size: int) -> None:
    generator = np.random.default_rng(seed)
    links = generator.integers(size, size=(2, 2, 3))
    signatures = gallery(seed, size)
    pairs = [*slow_pairs(signatures), *((int(i), int(j)) for link in links for i, j in link.T)]
    assert leaders(signatures, list(links)).tolist() == slow_leaders(pairs, size)


def test_three_hundred_copies_count_once() -> None:
    picture = draw(sample_person(3), 3, 192)
    moves = [(right, down) for right in range(-4, 5) for down in range(-4, 5)]
    some = np.stack([signature_of(shifted(picture, *move)) for move in moves])
    burst = np.concatenate([some, some[:, :], some[::-1], some[:57]])
    everybody = np.concatenate([PEOPLE.astype(np.uint8)[:3], burst, PEOPLE.astype(np.uint8)[4:]])
    assert leaders(everybody).tolist() == [0, 1, 2, *[3] * 300, 303, 304]


def test_a_gallery_of_nobody_and_of_empty_walls() -> None:
    assert leaders(np.empty((0, LENGTH), np.uint8)).shape == (0,)
    walls = np.repeat(np.array([[90], [90], [200]], np.uint8), LENGTH, axis=1)
    assert leaders(walls).tolist() == [0, 0, 2]


@given(seed=SEEDS, size=st.integers(0, 30))
def test_whoever_may_be_an_answer_counts_once(seed: int, size: int) -> None:
    """By the picture of most detail, also where the leader of all may not be one."""
    generator = np.random.default_rng(seed)
    led = np.minimum(generator.integers(8, size=size), np.arange(size))
    detail, among = generator.integers(3, size=size), np.flatnonzero(generator.random(size) < 0.6)
    groups: dict[int, list[int]] = {}
    for row in among.tolist():
        groups.setdefault(int(led[row]), []).append(row)
    expected = sorted(max(group, key=lambda row: (detail[row], -row)) for group in groups.values())
    assert counted(led, among, detail).tolist() == expected


def slow_overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Whole pixels that both boxes cover, of those that one does."""
    covered = np.zeros((2, 40, 40), np.bool_)
    for plane, (x, y, width, height) in zip(covered, (one.astype(int), other.astype(int)), strict=True):
        plane[y : y + height, x : x + width] = True
    return float(np.sum(covered[0] & covered[1]) / np.sum(covered[0] | covered[1]))


@given(seed=SEEDS, size=st.integers(0, 20))
def test_one_moment_of_one_media_is_that_of_a_slow_reference(seed: int, size: int) -> None:
    generator = np.random.default_rng(seed)
    media, times = generator.integers(3, size=size), generator.integers(8, size=size) / 2.0
    boxes = np.column_stack([generator.integers(0, 6, (size, 2)), generator.integers(4, 20, (size, 2))]).astype(np.float64)
    expected = {
        (i, j)
        for i, j in combinations(range(size), 2)
        if media[i] == media[j] and abs(times[i] - times[j]) <= MOMENT and slow_overlap(boxes[i], boxes[j]) >= OVERLAP
    }
    found = same_moment(media, times, boxes)
    assert {(min(pair), max(pair)) for pair in found.T.tolist()} == expected
    assert found.shape == (2, len(expected))
