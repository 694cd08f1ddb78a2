"""Small pictures that a device pushes: of what was indexed, and of nothing else."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from passers_by import put_street, write_street
from PIL import Image

from passerby.find.push.thumbnails import thumbnails
from passerby.index.sqlite.index import Index


def test_people_of_a_video_that_grows_are_drawn_and_those_of_another_file_are_not(index: Index, tmp_path: Path) -> None:
    video = write_street(tmp_path / "street.mp4")
    put_street(index, video)
    ((red, crops), (_, others)) = index.people()
    drawn = thumbnails(red.media, [*crops, *others])
    assert set(drawn) == {*crops, *others}
    pixels = [Image.open(BytesIO(drawn[crop])).convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) for crop in crops]
    assert all(isinstance(pixel, tuple) and pixel[0] > pixel[2] for pixel in pixels)
    whole = video.read_bytes()
    video.write_bytes(whole + b"more of it")
    assert thumbnails(red.media, crops) == {crop: drawn[crop] for crop in crops}
    video.write_bytes(whole[:-10] + b"other than")
    assert thumbnails(red.media, crops) == {}
    video.write_bytes(whole[:-10])
    assert thumbnails(red.media, crops) == {}
    video.unlink()
    assert thumbnails(red.media, crops) == {}
