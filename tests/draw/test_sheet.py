from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crops import media, write_crop
from PIL import Image

from passerby.draw.sheet import MOST, draw_sheet, write_sheet
from passerby.errors import QueryError
from passerby.types import Box, Crop, Hit, Person


def hit(path: Path, rank: int = 1, box: Box | None = None) -> Hit:
    return Hit(rank, 0.5, Person(media(path, "x")), crop=Crop(box))


def share_of(sheet: Image.Image, colour: tuple[int, int, int]) -> float:
    """The share of pixels close to a colour."""
    return float(np.mean(np.abs(np.asarray(sheet).astype(int) - colour).max(axis=2) < 12))


def plain(path: Path, colour: str | tuple[int, int, int], size: tuple[int, int] = (40, 80)) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def test_everybody_is_drawn(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 160, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255), (120, 60, 0)]
    hits = [hit(plain(tmp_path / f"{rank}.png", colour), rank) for rank, colour in enumerate(colours, 1)]
    sheet = draw_sheet([("seven people", hits)])
    shares = [share_of(sheet, colour) for colour in colours]
    assert min(shares) > 0.05
    assert max(shares) - min(shares) < 0.001


def test_each_question_has_its_section(tmp_path: Path) -> None:
    red, blue = plain(tmp_path / "red.png", "#ff0000"), plain(tmp_path / "blue.png", "#0000ff")
    pixels = np.asarray(draw_sheet([("red", [hit(red), hit(red, 2)]), ("nobody", []), ("blue", [hit(blue)])])).astype(int)
    red_rows, blue_rows = (np.nonzero((np.abs(pixels - colour).max(axis=2) < 12).any(axis=1))[0] for colour in ((255, 0, 0), (0, 0, 255)))
    assert red_rows.max() < blue_rows.min()


def test_only_the_box_is_drawn(tmp_path: Path) -> None:
    picture = Image.new("RGB", (80, 80), "red")
    picture.paste("blue", (40, 0, 80, 80))
    picture.save(tmp_path / "two.png")
    sheet = draw_sheet([("the right half", [hit(tmp_path / "two.png", box=Box(40, 0, 40, 80))])])
    assert share_of(sheet, (0, 0, 255)) > 0.1
    assert share_of(sheet, (255, 0, 0)) == 0


def test_pictures_keep_their_proportions(tmp_path: Path) -> None:
    pixels = np.asarray(draw_sheet([("wide", [hit(plain(tmp_path / "wide.png", "#ff0000", (300, 100)))])])).astype(int)
    rows, columns = np.nonzero(np.abs(pixels - (255, 0, 0)).max(axis=2) < 12)
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(3, rel=0.1)


def test_a_missing_picture_leaves_a_card(tmp_path: Path) -> None:
    missing, there = hit(tmp_path / "gone.png", 2), hit(write_crop(tmp_path / "a.png", 1), 1)
    assert draw_sheet([("both", [there, missing])]).size == draw_sheet([("both", [there, there])]).size


def test_a_card_tells_the_probability_where_there_is_one(tmp_path: Path) -> None:
    plain_hit = hit(plain(tmp_path / "red.png", "#ff0000"))
    sheets = [
        draw_sheet([("red", [replace(plain_hit, score=s, probability=p)])]).tobytes() for s, p in ((0.5, None), (0.5, 0.7), (0.4, 0.7))
    ]
    assert sheets[0] != sheets[1] == sheets[2]


def test_a_card_tells_how_many_are_alike(tmp_path: Path) -> None:
    """In the middle of its foot, where there is nothing else."""
    path = plain(tmp_path / "a.png", "#00ff00")
    alone, few, many = (np.asarray(draw_sheet([("a", [replace(hit(path), copies=tuple(range(count)))])])) for count in (0, 3, 12))
    rows, columns = np.nonzero((alone != many).any(axis=2))
    assert rows.min() > alone.shape[0] - 100
    assert 60 < columns.min() < columns.max() < 192
    assert (few != many).any()


@pytest.mark.parametrize("title", ["", "word " * 10_000, "x" * 10_000, "two\nlines\n", "красная куртка 😀 红", "\udce9"])
def test_any_title_fits(tmp_path: Path, title: str) -> None:
    card = hit(write_crop(tmp_path / "a.png", 1))
    assert draw_sheet([(title, [card])]).height <= draw_sheet([("a", [card])]).height + 100


@pytest.mark.parametrize("name", ["s.png", "s.JPG", "s.jpeg", "s.webp"])
def test_a_sheet_is_written_whole(tmp_path: Path, name: str) -> None:
    write_sheet(tmp_path / name, [("red", [hit(write_crop(tmp_path / "crops" / "a.png", 1))])])
    with Image.open(tmp_path / name) as sheet:
        sheet.load()
    assert {path.name for path in tmp_path.iterdir()} == {"crops", name}


def test_the_largest_sheet_fits_each_format(tmp_path: Path) -> None:
    hits = [hit(tmp_path / "gone.png", rank) for rank in range(1, MOST + 1)]
    write_sheet(tmp_path / "s.webp", [("word " * 10_000, hits)])
    with pytest.raises(QueryError, match="-k"):
        write_sheet(tmp_path / "s.png", [("red", hits), ("blue", hits[:1])])


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"\.png"):
        write_sheet(tmp_path / "sheet.txt", [("red", [])])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_sheet(tmp_path: Path) -> None:
    target = plain(tmp_path / "s.png", "red")
    before = target.read_bytes()
    (tmp_path / f"s.png-{os.getpid()}.unfinished").mkdir()
    with pytest.raises(OSError, match=r"s\.png"):
        write_sheet(target, [("red", [])])
    assert target.read_bytes() == before
