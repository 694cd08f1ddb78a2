"""Near-copies are known by their signatures, and nobody else is taken for one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from near_copies import CHANGES, in_uniform, shifted, signature_of
from numpy.typing import NDArray

from passerby.data.synthetic import draw, sample_person
from passerby.media.signature import LENGTH, MOST_UNLIKE, VERSION, alike, outlines, signature, unlikeness

PICTURES = [draw(sample_person(seed), seed, 192) for seed in range(16)]
SIGNATURES = np.stack([signature_of(picture) for picture in PICTURES])


def slow_smooth(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """A cell at a time: along each row, then along each column, where there are more than two cells."""
    for turned in (True, False):
        lines = plane if turned else plane.T
        if lines.shape[1] > 2:
            last = lines.shape[1] - 1
            mixed = [[0.3 * line[max(n - 1, 0)] + line[n] + 0.3 * line[min(n + 1, last)] for n in range(last + 1)] for line in lines]
            lines = np.array(mixed) / 1.6
        plane = lines if turned else lines.T
    return plane


def slow_unlikeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Ridge regression of the difference on slopes, contrast and brightness, a plane at a time and a row at a time."""
    columns, difference, contrast = [], [], []
    for begin, rows, width, neutral in ((0, 16, 6, 0), (96, 8, 2, 128), (112, 8, 2, 128)):
        first, second = (
            slow_smooth(np.asarray(s[begin : begin + rows * width], float).reshape(rows, width) - neutral) for s in (one, other)
        )
        middle = (first + second) / 2
        across = np.stack([np.gradient(row) for row in middle]) * width * 0.03
        down = np.stack([np.gradient(column) for column in middle.T], axis=1) * rows * 0.012
        brighter = np.full_like(middle, 0 if neutral else 5)
        weight = np.ones((rows, width))
        weight[[0, -1]] *= 0.7
        if width > 2:
            weight[:, [0, -1]] *= 0.5
        weight /= np.sqrt(np.sum(weight**2))
        columns.append(np.stack([(part * weight).ravel() for part in (across, down, 0.05 * middle, brighter)], axis=1))
        difference.append(((second - first) * weight).ravel())
        contrast.append(((middle - middle.mean()) * weight).ravel())
    design, wanted = np.vstack([*columns, np.eye(4)]), np.concatenate([*difference, np.zeros(4)])
    amounts, *_ = np.linalg.lstsq(design, wanted, rcond=None)
    return float(np.linalg.norm((wanted - design @ amounts)[:LENGTH]) / np.linalg.norm(np.concatenate(contrast)))


def test_the_tangent_distance_is_that_of_a_slow_reference() -> None:
    one, other = (np.array(places) for places in zip(*combinations(range(8), 2), strict=True))
    expected = [slow_unlikeness(SIGNATURES[i], SIGNATURES[j]) for i, j in zip(one, other, strict=True)]
    np.testing.assert_allclose(unlikeness(SIGNATURES[one], SIGNATURES[other]), expected, rtol=1e-9)


@pytest.mark.parametrize("change", CHANGES)
def test_copies_are_known(change: str) -> None:
    copies = np.stack([signature_of(CHANGES[change](picture)) for picture in PICTURES])
    assert alike(SIGNATURES, copies).all()


def test_people_in_one_uniform_are_no_copies_of_each_other() -> None:
    """Nor is one person of themselves at another moment."""
    people = [in_uniform(seed) for seed in range(20)]
    shots = np.stack([signature_of(draw(person, seed, 128)) for seed, person in enumerate([*people, *people[:5]])])
    one, other = np.triu_indices(len(shots), 1)
    assert not alike(shots[one], shots[other]).any()
    assert unlikeness(shots[one], shots[other]).min() > 1.25 * MOST_UNLIKE


def test_other_colours_of_equal_brightness_are_no_copies() -> None:
    """In the middle of the picture only, so that it is no matter of its exposure."""
    grey = np.full((192, 96, 3), (128, 128, 128), np.uint8)
    grey[:40] = 40
    red, blue = grey.copy(), grey.copy()
    red[60:120], blue[60:120] = (200, 98, 98), (110, 122, 226)
    signatures = np.stack([signature(pixels) for pixels in (red, blue)])
    np.testing.assert_allclose(signatures[0, :96].astype(int), signatures[1, :96], atol=2)
    assert not alike(signatures[:1], signatures[1:]).any()


def test_a_crop_is_too_far_from_itself_moved_by_a_third() -> None:
    moved = np.stack([signature_of(shifted(picture, 40, 0)) for picture in PICTURES])
    assert not alike(SIGNATURES, moved).any()


@given(seed=st.integers(0, 2**32 - 1), noise=st.floats(0, 30))
def test_it_is_symmetric_and_everybody_is_alike_themselves(seed: int, noise: float) -> None:
    generator = np.random.default_rng(seed)
    other = np.clip(SIGNATURES + generator.normal(0, noise, SIGNATURES.shape), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(unlikeness(SIGNATURES, other), unlikeness(other, SIGNATURES))
    np.testing.assert_array_equal(alike(SIGNATURES, other), alike(other, SIGNATURES))
    assert alike(other, other).all()


def test_pictures_of_one_colour_are_copies_only_of_the_same_colour() -> None:
    even = np.stack([signature(np.full((60, 24, 3), level, np.uint8)) for level in (0, 90, 100, 255)])
    one, other = (places.ravel() for places in np.indices((4, 4)))
    np.testing.assert_array_equal(alike(even[one], even[other]), one == other)


@given(shape=st.tuples(st.integers(1, 40), st.integers(1, 40)), seed=st.integers(0, 99))
def test_crops_of_any_size_have_a_signature_and_outlines_within_one(shape: tuple[int, int], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    found = signature(pixels)
    assert found.shape == (LENGTH,)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, signature(np.asfortranarray(pixels)))
    assert np.all(np.abs(outlines(found[None])) <= 1 + 1e-9)


def test_a_version_has_the_same_signatures_for_ever() -> None:
    """Whoever changes them raises the version: those in an index could not be compared any more."""
    assert VERSION == 1
    down, across = np.indices((192, 96))
    found = signature(np.stack([down, 2 * across, 255 - down], axis=2).astype(np.uint8)).astype(int)
    np.testing.assert_allclose(found[:6], [40, 57, 76, 95, 114, 131], atol=1)
    np.testing.assert_allclose(found[[96, 97, 110, 111, 112, 113, 126, 127]], [227, 201, 119, 93, 92, 59, 186, 154], atol=1)


def test_no_pairs_are_no_copies() -> None:
    none = np.empty((0, LENGTH), np.uint8)
    assert alike(none, none).shape == (0,)
