"""The order of an epoch: every picture at most once, full batches, pictures of a person side by side."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from passerby.learn.data.sampler import epoch_batches

Identities = NDArray[np.int64]
identities = st.lists(st.integers(0, 9), min_size=0, max_size=80).map(lambda values: np.array(values, np.int64))
batch_sizes = st.integers(1, 20)
together = st.integers(1, 5)
seeds = st.integers(0, 2**32)


def row(people: Identities, batch_size: int, pictures_per_identity: int, seed: int = 1, epoch: int = 0) -> list[int]:
    batches = epoch_batches(people, batch_size=batch_size, pictures_per_identity=pictures_per_identity, seed=seed, epoch=epoch)
    assert all(batch.shape == (batch_size,) and batch.dtype == np.int64 for batch in batches)
    return [int(n) for batch in batches for n in batch]


@given(identities, batch_sizes, together, seeds)
def test_every_picture_comes_once_but_for_an_incomplete_batch(people: Identities, batch_size: int, k: int, seed: int) -> None:
    chosen = row(people, batch_size, k, seed)
    assert len(set(chosen)) == len(chosen) == len(people) - len(people) % batch_size
    assert set(chosen) <= set(range(len(people)))


@given(identities, together, seeds)
def test_people_come_in_groups_of_the_size_asked_for(people: Identities, k: int, seed: int) -> None:
    """A person of m pictures comes as floor(m / k) groups of k and one of the rest; groups of one person may meet by chance."""
    runs = [(int(person), len(list(run))) for person, run in groupby(people[row(people, 1, k, seed)])]
    for person in set(people.tolist()):
        pictures = int((people == person).sum())
        lengths = [length for who, length in runs if who == person]
        assert sum(lengths) == pictures
        assert len(lengths) <= -(-pictures // k)
        assert sum(length % k for length in lengths) % k == pictures % k
        assert sum(length % k != 0 for length in lengths) <= 1


@given(identities, batch_sizes, together, seeds)
def test_equal_arguments_give_equal_batches(people: Identities, batch_size: int, k: int, seed: int) -> None:
    assert row(people, batch_size, k, seed, 3) == row(people.copy(), batch_size, k, seed, 3)


def test_epochs_and_seeds_differ_in_order_and_in_what_is_left_out() -> None:
    people = np.repeat(np.arange(50), 2)
    rows = [row(people, 30, 2, seed, epoch) for seed in (1, 2) for epoch in range(3)]
    assert len({tuple(r) for r in rows}) == 6
    assert len({frozenset(r) for r in rows}) == 6


def test_one_picture_of_a_person_at_a_time_mixes_people() -> None:
    """With k = 1 the pictures of a person are spread out, so a batch holds few doubles; with k = 4 they stand together."""
    people = np.repeat(np.arange(100), 4)
    meetings = {k: int((np.diff(people[row(people, 10, k)]) == 0).sum()) for k in (1, 4)}
    assert meetings[1] < 30
    assert meetings[4] >= 300


def test_fewer_pictures_than_a_batch_give_none() -> None:
    assert row(np.arange(7), 8, 1) == []
    assert row(np.array([], np.int64), 8, 2) == []
