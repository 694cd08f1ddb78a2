"""The photo of the best answer with a frame, and the best crops beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from crops import media
from PIL import Image

from passerby.draw.found import BESIDE, draw_found, write_found
from passerby.draw.frames import FRAME
from passerby.errors import QueryError
from passerby.types import Box, Crop, Hit, Person

RED = np.array(tuple(bytes.fromhex(FRAME[1:])))


def hit(path: Path, rank: int) -> Hit:
    return Hit(rank, 0.5, Person(media(path, "x"), rank), crop=Crop(Box(100 * rank, 100, 80, 200)))


def test_the_best_is_framed_in_their_photo_and_the_others_stand_beside(tmp_path: Path) -> None:
    Image.new("RGB", (800, 600), "#0000ff").save(tmp_path / "photo.png")
    hits = [hit(tmp_path / "photo.png", rank) for rank in range(1, 7)]

    many, few, none = (draw_found([("a red jacket", some)]) for some in (hits, hits[:1], []))

    assert many.size == draw_found([("a red jacket", hits[:BESIDE])]).size
    assert many.size == few.size
    assert none.height < few.height
    framed = (np.abs(np.asarray(few).astype(int) - RED).max(axis=2) < 12).any(axis=0)
    assert framed[: few.width // 2].any()
    assert not framed[few.width // 2 :].any()


def test_a_photo_that_is_gone_leaves_its_place_empty_and_a_wrong_name_is_refused(tmp_path: Path) -> None:
    assert draw_found([("nobody's", [hit(tmp_path / "gone.png", 1)])]).height > 400
    with pytest.raises(QueryError, match="ends in"):
        write_found(tmp_path / "found.txt", [])
