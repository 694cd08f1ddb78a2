from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from crops import media
from numpy.typing import NDArray
from PIL import Image

from passerby.draw.frames import draw_frames, frame, write_frames
from passerby.errors import QueryError
from passerby.media.photo import read_image
from passerby.types import Box, Crop, Hit, Person

FRAME = (0xE0, 0x21, 0x4B)


def hit(path: Path, rank: int, box: Box | None) -> Hit:
    return Hit(rank, 0.5, Person(media(path, "x"), rank), crop=Crop(box))


def near(image: Image.Image, colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Which pixels are close to a colour."""
    close: NDArray[np.bool_] = np.abs(np.asarray(image).astype(int) - colour).max(axis=2) < 12
    return close


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (1120, 840), "#0000ff").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_frame_is_around_the_person_and_the_photo_is_whole(photo: Path) -> None:
    rows, columns = np.nonzero(near(frame(read_image(photo), [hit(photo, 1, Box(200, 300, 400, 240))]), FRAME))
    assert (columns.min(), columns.max(), rows.max()) == pytest.approx((100, 299, 269), abs=2)
    assert rows.min() == pytest.approx(150 - 22, abs=2)  # with the rank above it
    assert near(frame(read_image(photo), []), (0, 0, 255)).all()


def test_each_photo_is_drawn_once_with_everybody_in_it(photo: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 900), "#00ff00").save(tmp_path / "other.png")
    hits = [hit(photo, 1, Box(0, 0, 100, 200)), hit(tmp_path / "other.png", 2, None), hit(photo, 3, Box(700, 100, 100, 300))]
    sheet = draw_frames([("somebody", hits)])
    assert np.mean(near(sheet, (0, 0, 255))) * sheet.width * sheet.height == pytest.approx(560 * 420, rel=0.05)
    assert near(sheet, (0, 255, 0)).any()


def test_a_photo_that_is_gone_leaves_its_place(tmp_path: Path) -> None:
    drawn = draw_frames([("gone", [hit(tmp_path / "gone.png", 1, None)])])
    assert not near(drawn, FRAME).any()


def test_the_format_is_that_of_the_name(photo: Path, tmp_path: Path) -> None:
    write_frames(tmp_path / "out.webp", [("somebody", [hit(photo, 1, None)])])
    with Image.open(tmp_path / "out.webp") as drawn:
        assert drawn.format == "WEBP"
    with pytest.raises(QueryError, match="--frames"):
        write_frames(tmp_path / "out.txt", [])
