"""Pictures that are there twice: byte for byte, or nearly; above all under two names, and on both sides of a split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.report.distribution import percent
from passerby.types import Record, Split

MOST_BITS: Final = 7
"""Of 128 gradient bits, how many near duplicates differ in at most. With 8 bands of 16 bits one band is equal then: whatever the bits,
comparing pictures that share a band finds every pair."""

MOST_COLOUR: Final = 20
"""Of 255 levels, how far the mean colours of near duplicates are apart at most, anywhere: the same shape in another colour is another
person here."""

LEAST_CONTRAST: Final = 0.02
"""An even picture has no gradients to compare."""

SHOWN: Final = 24
"""Pairs that are named of each kind."""

_BITS_SET: Final = np.array([value.bit_count() for value in range(1 << 16)], np.uint8)
_SPLITS: Final = tuple(Split)
_NOBODY: Final = np.iinfo(np.int64).max

Places = NDArray[np.intp]
Scored = tuple[int, int, int]
"""Differing bits, and two contents."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records that show the same.

    Args:
        bits: in which their gradients differ; 0 for equal bytes.
    """

    first: str
    second: str
    identities: tuple[str, str]
    splits: tuple[str, str]
    bits: int


@dataclass(frozen=True, slots=True)
class Copies:
    """Pictures of which there is another copy.

    Args:
        pictures, percent: with a copy anywhere, and their part of the pictures.
        across_identities, across_identities_percent: with a copy under another identity.
        across_splits, across_splits_percent: with a copy in another split.
        other_identity_within: by split, pictures with a copy under another identity in the same split.
        other_split: by split, pictures with a copy in another split.
        identity_pairs, split_pairs: some of those pairs, the most alike first.
    """

    pictures: int
    percent: float
    across_identities: int
    across_identities_percent: float
    across_splits: int
    across_splits_percent: float
    other_identity_within: Mapping[str, int]
    other_split: Mapping[str, int]
    identity_pairs: tuple[Pair, ...]
    split_pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Equal files, and pictures that look the same though their bytes differ."""

    exact: Copies
    near: Copies


def duplicates_of(records: Sequence[Record], rows: NDArray[Any]) -> Duplicates:
    """Find the duplicates among measured pictures.

    Pictures of equal bytes are one content; contents are compared with contents. So time grows with the pairs of contents that share a
    band, and memory with the pictures alone.

    Args:
        rows: of `passerby.report.images.ROW`.
    """
    gallery = _Gallery([records[place] for place in rows["record"]], rows["digest"])
    looks = rows[gallery.examples]
    return Duplicates(exact=_exact(gallery), near=_near(gallery, looks))


def near_pairs(looks: NDArray[Any]) -> Iterator[tuple[Places, Places]]:
    """Pairs of places (i, j) that differ in at most ``MOST_BITS`` and ``MOST_COLOUR``, in blocks of no more pairs than there are places.

    Every such pair comes at least once, in either order.

    Args:
        looks: rows of `passerby.report.images.ROW`.
    """
    textured = np.flatnonzero(looks["contrast"] >= LEAST_CONTRAST)
    gradients, colours = looks["gradients"][textured], looks["colours"][textured].astype(np.int16)
    for band in range(gradients.shape[1]):
        for one, other in _sharing(gradients[:, band]):
            alike = differing_bits(gradients[one], gradients[other]) <= MOST_BITS
            first, second = one[alike], other[alike]
            close = np.abs(colours[first] - colours[second]).max(axis=1, initial=0) <= MOST_COLOUR
            if close.any():
                yield textured[first[close]], textured[second[close]]


def differing_bits(a: NDArray[np.uint16], b: NDArray[np.uint16]) -> NDArray[np.intp]:
    """The Hamming distances (n,) of bits packed in uint16 (n, m)."""
    distances: NDArray[np.intp] = _BITS_SET[a ^ b].sum(axis=1, dtype=np.intp)
    return distances


def _sharing(keys: NDArray[Any]) -> Iterator[tuple[Places, Places]]:
    """All pairs of places with equal keys: neighbours in sorted order first, then those two apart, and so on."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first, apart = np.arange(len(keys)), 0
    while len(first):
        apart += 1
        first = first[first + apart < len(keys)]
        first = first[ordered[first] == ordered[first + apart]]
        yield order[first], order[first + apart]


class _People:
    """Whom the copies of contents show: the lowest and highest number of an identity, by content and split, int64 (m, splits)."""

    def __init__(self, contents: int) -> None:
        self.lowest = np.full((contents, len(_SPLITS)), _NOBODY, np.int64)
        self.highest = np.full((contents, len(_SPLITS)), -1, np.int64)

    def join(self, contents: Places, other: _People, others: Places) -> None:
        """Add to each of some contents whom another content shows."""
        np.minimum.at(self.lowest, contents, other.lowest[others])
        np.maximum.at(self.highest, contents, other.highest[others])

    def differ(self, first: Places, second: Places) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether contents, pair by pair, show different people between them, and stand in different splits."""
        lowest = np.minimum(self.lowest[first], self.lowest[second]).min(axis=1)
        highest = np.maximum(self.highest[first], self.highest[second])
        return lowest != highest.max(axis=1), (highest >= 0).sum(axis=1) > 1


class _Gallery:
    """Pictures, and the contents that they are copies of.

    Args:
        digests: of each picture.
    """

    def __init__(self, shown: Sequence[Record], digests: NDArray[np.uint64]) -> None:
        self.shown = shown
        _, self.examples, self.content, self.copies = np.unique(digests, return_index=True, return_inverse=True, return_counts=True)
        self.split = np.array([_SPLITS.index(record.split) for record in shown], np.intp)
        numbers = {identity: number for number, identity in enumerate(dict.fromkeys(record.identity for record in shown))}
        self.identity = np.array([numbers[record.identity] for record in shown], np.int64)
        self.people = _People(len(self.examples))
        np.minimum.at(self.people.lowest, (self.content, self.split), self.identity)
        np.maximum.at(self.people.highest, (self.content, self.split), self.identity)

    def copies_of(self, has_copy: NDArray[np.bool_], copies: _People, identity_pairs: list[Scored], split_pairs: list[Scored]) -> Copies:
        """The figures of the pictures, by what is known of their contents.

        Args:
            has_copy: bool (m,), contents.
            copies: whom the copies of each content show.
            identity_pairs, split_pairs: contents to show.
        """
        somebody = copies.highest[self.content] >= 0
        other = somebody & (
            (copies.lowest[self.content] != self.identity[:, None]) | (copies.highest[self.content] != self.identity[:, None])
        )
        own_split = self.split[:, None] == np.arange(len(_SPLITS))
        elsewhere = (somebody & ~own_split).any(axis=1)
        pictures, across_identities, across_splits = (int(marks.sum()) for marks in (has_copy[self.content], other.any(axis=1), elsewhere))
        total = len(self.shown)
        return Copies(
            pictures=pictures,
            percent=percent(pictures, total),
            across_identities=across_identities,
            across_identities_percent=percent(across_identities, total),
            across_splits=across_splits,
            across_splits_percent=percent(across_splits, total),
            other_identity_within=self._by_split((other & own_split).any(axis=1)),
            other_split=self._by_split(elsewhere),
            identity_pairs=self._pairs(identity_pairs, lambda a, b: a.identity != b.identity),
            split_pairs=self._pairs(split_pairs, lambda a, b: a.split is not b.split),
        )

    def _by_split(self, marked: NDArray[np.bool_]) -> dict[str, int]:
        return {split.value: int(marked[self.split == n].sum()) for n, split in enumerate(_SPLITS) if np.any(self.split == n)}

    def _pairs(self, scored: list[Scored], differ: Callable[[Record, Record], bool]) -> tuple[Pair, ...]:
        return tuple(self._pair(*pair, differ) for pair in scored)

    def _pair(self, bits: int, a: int, b: int, differ: Callable[[Record, Record], bool]) -> Pair:
        first, second = next(
            (self.shown[i], self.shown[j])
            for i, j in product(np.flatnonzero(self.content == a).tolist(), np.flatnonzero(self.content == b).tolist())
            if differ(self.shown[i], self.shown[j])
        )
        return Pair(first.name, second.name, (first.identity, second.identity), (first.split.value, second.split.value), bits)


def _exact(gallery: _Gallery) -> Copies:
    contents = np.arange(len(gallery.copies))
    among_people, among_splits = gallery.people.differ(contents, contents)
    return gallery.copies_of(
        gallery.copies > 1,
        gallery.people,
        [(0, int(n), int(n)) for n in np.flatnonzero(among_people)[:SHOWN]],
        [(0, int(n), int(n)) for n in np.flatnonzero(among_splits)[:SHOWN]],
    )


def _near(gallery: _Gallery, looks: NDArray[Any]) -> Copies:
    copies = _People(len(looks))
    identity_pairs: list[Scored] = []
    split_pairs: list[Scored] = []
    for first, second in near_pairs(looks):
        copies.join(first, gallery.people, second)
        copies.join(second, gallery.people, first)
        among_people, among_splits = gallery.people.differ(first, second)
        identity_pairs = _closest(identity_pairs, first[among_people], second[among_people], looks)
        split_pairs = _closest(split_pairs, first[among_splits], second[among_splits], looks)
    return gallery.copies_of(copies.highest.max(axis=1, initial=-1) >= 0, copies, identity_pairs, split_pairs)


def _closest(kept: list[Scored], first: Places, second: Places, looks: NDArray[Any]) -> list[Scored]:
    """The ``SHOWN`` pairs that are most alike, of those kept and new ones."""
    bits = differing_bits(looks["gradients"][first], looks["gradients"][second])
    best = np.argsort(bits, kind="stable")[:SHOWN]
    new = {(int(bits[n]), int(min(first[n], second[n])), int(max(first[n], second[n]))) for n in best}
    return sorted(new.union(kept))[:SHOWN]
