"""Small pictures that come with people, and what a media was last seen with: kept by every kind of index, and gone with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from crops import media, random_vectors
from kinds import KINDS

from passerby.index.sighting import Sighting
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Box, Crop

VECTORS = random_vectors(4)


def somebody(number: int, picture: bytes | None) -> Sighting:
    return Sighting((Crop(Box(number, 0, 10, 20)), Crop(Box(number, 0, 10, 21))), VECTORS[2 * number :][:2], thumbnails=(picture, None))


@pytest.mark.parametrize("kind", KINDS)
def test_small_pictures_go_with_their_people(kind: str, tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    with KINDS[kind](str(tmp_path / "index"), tiny_encoder) as index:
        photo = replace(media("/device:/north/a.jpg", "a"), changed_ns=2**40, device=2**62)
        with index.writing():
            index.put(photo, [somebody(0, b"small"), somebody(1, None)])
            index.put(replace(photo, path=Path("/b.jpg"), changed_ns=None, device=None), [])
        pictures = {person.id: [index.thumbnail_of(person, crop) for crop in crops] for person, crops in index.people()}
        assert pictures == {1: [b"small", None], 2: [None, None]}
        assert index.seen_under(Path("/device:/north")) == [(photo.path, 2**40, 2**62)]
        assert index.seen_under(Path("/device:/nort")) == []
        assert [path for path, *_ in index.seen_under(Path("/"))] == [Path("/b.jpg"), photo.path]
        with index.writing():
            index.put(photo, [somebody(0, b"newer"), somebody(1, None)])
        ((person, (crop, _)), _) = index.people()
        assert index.thumbnail_of(person, crop) == b"newer"
        with index.writing():
            index.forget(photo.path)
            index.put(photo, [somebody(0, None)])
        ((person, (crop, _)),) = index.people()
        assert index.thumbnail_of(person, crop) is None
