"""The seconds around somebody of an index: the right ones, with the right person to be seen, and only them where that is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from crops import media, random_vectors
from indexing import CountingEncoder
from passers_by import KNOWN, RED, SECONDS, STREET_HEIGHT, STREET_WIDTH, blue_at, put_street, red_at, write_street
from videos import drawn, write_video

from passerby.draw.track import coarse
from passerby.errors import InputError, PasserbyError, QueryError, VideoError
from passerby.find.clip import PersonClip, cut_person
from passerby.index.memory.index import MemoryIndex
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index
from passerby.media.frame import Frame, Pixels
from passerby.media.video import frames
from passerby.types import Box, Crop


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The street's video. Not to be changed."""
    return write_street(tmp_path_factory.mktemp("street") / "street.mp4")


@pytest.fixture
def street(tmp_path: Path, recorded: Path) -> Path:
    path = tmp_path / "street.mp4"
    path.write_bytes(recorded.read_bytes())
    return path


def held(time: float) -> float:
    """The nearest moment from which on, or up to which, an index knows where people are."""
    return min(max(time, KNOWN[0]), KNOWN[-1])


def shown(cut: PersonClip) -> list[tuple[float, Frame]]:
    """Frames by their times in the whole video."""
    with frames(cut.path, None) as found:
        return [(cut.clip.start + frame.time, frame) for frame in found]


def detail(pixels: Pixels) -> float:
    """How much neighbours differ, beside and below."""
    return float(sum(np.abs(np.diff(pixels.astype(int), axis=axis)).mean() for axis in (0, 1)))


def inner(box: Box) -> tuple[slice, slice]:
    """The pixels of a box, without those beside its edge."""
    return slice(int(box.y) + 4, int(box.y + box.height) - 4), slice(max(0, int(box.x) + 4), max(0, int(box.x + box.width) - 4))


def is_outlined(pixels: Pixels, box: Box) -> bool:
    """Whether there is a yellow line above a box; the street is grey on average."""
    red, green, blue = pixels[int(box.y) - 2 : int(box.y), max(0, int(box.x)) : int(box.x + box.width)].mean((0, 1))
    return bool(min(red, green) - blue > 80)


def is_shown(pixels: Pixels, box: Box) -> bool:
    """Whether the stripes of who is in a box can be seen, in a quarter of it or more; a mosaic has an edge here and there."""
    return detail(pixels[inner(box)]) > 10


def likeness(pixels: Pixels, box: Box, colour: tuple[int, int, int]) -> float:
    """The share of a box that has a colour."""
    return float((np.abs(pixels[inner(box)].astype(int) - colour).max(axis=2) < 60).mean())


def test_the_seconds_around_them(tmp_path: Path, index: Index, street: Path) -> None:
    red, _ = put_street(index, street)
    cut = cut_person(index, red, tmp_path / "moment.mp4", before=0.5, after=0.35)
    assert cut.clip.copied
    assert [cut.clip.start, cut.clip.end] == pytest.approx([0, 5.3], abs=1e-3)
    for time, frame in shown(cut):
        assert likeness(frame.pixels, red_at(time), RED) > 0.5 or abs(time - 3) < 0.7
    whole = cut_person(index, red, tmp_path / "moment.mp4")
    assert [whole.clip.start, whole.clip.end] == pytest.approx([0, SECONDS - 0.1], abs=1e-3), "no video is longer than it is"


def test_an_outline_goes_with_them(tmp_path: Path, index: Index, street: Path) -> None:
    red, blue = put_street(index, street)
    for person, at, other in ((red, red_at, blue_at), (blue, blue_at, red_at)):
        cut = cut_person(index, person, tmp_path / "moment.mp4", before=1, after=1, draw=True)
        assert not cut.clip.copied
        assert [cut.clip.start, cut.clip.end] == pytest.approx([0, 5.9], abs=1e-3)
        for time, frame in shown(cut):
            assert (frame.width, frame.height) == (STREET_WIDTH, STREET_HEIGHT)
            assert is_outlined(frame.pixels, at(held(time))) == (abs(time - held(time)) < 0.25), time
            if abs(time - 3) > 1.2:
                assert not is_outlined(frame.pixels, other(time))


def test_only_they_can_be_recognised(tmp_path: Path, index: Index, street: Path) -> None:
    red, _ = put_street(index, street)
    cut = cut_person(index, red, tmp_path / "moment.mp4", before=1, after=1, blur_others=True)
    assert not cut.clip.copied
    with frames(street, None) as found:
        original = {round(frame.time * 10): frame.pixels for frame in found}
    seen = []
    for time, frame in shown(cut):
        pixels = frame.pixels
        beside = original[round(time * 10)]
        box = red_at(held(time))
        around = np.ones(pixels.shape[:2], np.bool_)
        around[int(box.y) - 4 : int(box.y + box.height) + 4, int(box.x) - 4 : int(box.x + box.width) + 4] = False
        mosaic = coarse(beside).astype(int)
        assert np.abs(pixels.astype(int) - mosaic)[around].mean() < 12, "as coarse as a mosaic of twelve blocks"
        assert detail(pixels[: int(box.y) - 4]) < detail(beside[: int(box.y) - 4]) / 6
        assert is_shown(beside, blue_at(time))
        assert not is_shown(pixels, blue_at(time))
        if is_shown(pixels, box):
            seen.append(time)
            assert np.abs(pixels.astype(int) - beside)[inner(box)].mean() < 12 or abs(time - 3) < 1
    sure = [number / 10 for number in range(8, 53) if abs(number / 10 - 3) > 1.3]
    assert set(np.round(sure, 1)) <= set(np.round(seen, 1)), "they themselves are seen where nobody else is near"
    assert 3.0 not in np.round(seen, 1), "who stands before them is hidden"
    assert [min(seen), max(seen)] == pytest.approx([0.8, 5.2])


def test_who_was_not_found_or_was_removed_is_hidden_as_well(tmp_path: Path, index: Index, street: Path) -> None:
    red, blue = put_street(index, street)
    with index.writing():
        index.suppress(blue)
    cut = cut_person(index, red, tmp_path / "moment.mp4", before=0, after=0, blur_others=True)
    for time, frame in shown(cut):
        assert not is_shown(frame.pixels, blue_at(time)) or abs(time - 3) < 1


def test_people_of_another_video_hide_nobody(tmp_path: Path, index: Index, street: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(street.read_bytes() + bytes(8))
    red, _ = put_street(index, street)
    put_street(index, other)
    time, frame = shown(cut_person(index, red, tmp_path / "moment.mp4", before=0, after=0, blur_others=True))[0]
    assert is_shown(frame.pixels, red_at(time))


def test_hidden_and_outlined(tmp_path: Path, index: Index, street: Path) -> None:
    red, _ = put_street(index, street)
    cut = cut_person(index, red, tmp_path / "moment.mp4", before=0, after=0, draw=True, blur_others=True)
    time, frame = shown(cut)[0]
    assert is_outlined(frame.pixels, red_at(time))
    assert is_shown(frame.pixels, red_at(time))


def test_an_index_in_memory_does_the_same(tmp_path: Path, encoder: CountingEncoder, street: Path) -> None:
    with MemoryIndex(encoder) as opened:
        red, _ = put_street(opened, street)
        assert cut_person(opened, red, tmp_path / "moment.mp4", before=0, after=0, draw=True).clip.frames == 41


def test_sound(tmp_path: Path, index: Index) -> None:
    red, _ = put_street(index, write_street(tmp_path / "loud.mp4", sound=True))
    cut = cut_person(index, red, tmp_path / "moment.mp4", before=0, after=0, audio=True)
    assert (cut.clip.sound, cut.silent) == (True, False)
    assert not cut_person(index, red, tmp_path / "moment.mp4", before=0, after=0).clip.sound
    with pytest.raises(InputError, match="expected sound, or others hidden, found both, though voices are not hidden; leave one"):
        cut_person(index, red, tmp_path / "moment.mp4", audio=True, blur_others=True)


def test_sound_that_is_not_there_is_missed(tmp_path: Path, index: Index, street: Path) -> None:
    red, _ = put_street(index, street)
    assert cut_person(index, red, tmp_path / "moment.mp4", before=0, after=0, audio=True).silent


# -- what cannot be cut -------------------------------------------------------------------------------------------------------------


def test_who_is_in_no_video(tmp_path: Path, index: Index) -> None:
    with index.writing():
        index.add(media(tmp_path / "photo.jpg", "a"), random_vectors(1)[0])
    (person,) = [person for person, _ in index.people()]
    with pytest.raises(QueryError, match=r"expected somebody in a video, found person 1 in a photo, .*photo.jpg; there is no video to cut"):
        cut_person(index, person.id or 0, tmp_path / "moment.mp4")


def test_an_id_of_nobody(tmp_path: Path, index: Index) -> None:
    with pytest.raises(QueryError, match="expected somebody in the index, found nobody with the id 7; take an id of `search --json`"):
        cut_person(index, 7, tmp_path / "moment.mp4")


def test_who_is_nowhere_is_neither_outlined_nor_alone(tmp_path: Path, index: Index, street: Path) -> None:
    lost, blue = put_street(index, street, (None, blue_at))
    for how in ({"draw": True}, {"blur_others": True}):
        with pytest.raises(QueryError, match="of whom it is known where they are, found no boxes"):
            cut_person(index, lost, tmp_path / "moment.mp4", **how)
    assert cut_person(index, lost, tmp_path / "moment.mp4").clip.copied
    assert cut_person(index, blue, tmp_path / "moment.mp4", blur_others=True).clip.frames == 60, "others without a place are hidden anyway"


def test_who_is_seen_at_no_known_time(tmp_path: Path, index: Index, street: Path) -> None:
    red, _ = put_street(index, street)
    video = next(person.media for person, _ in index.people([red]))
    with index.writing():
        index.put(video, [Sighting((Crop(red_at(0)),), random_vectors(1), 3)])
    (person,) = [person for person, _ in index.people()]
    with pytest.raises(QueryError, match="known when they are seen, found no times"):
        cut_person(index, person.id or 0, tmp_path / "moment.mp4")


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_seconds_that_cannot_be(tmp_path: Path, index: Index, street: Path, seconds: float) -> None:
    red, _ = put_street(index, street)
    for how in ({"before": seconds}, {"after": seconds}):
        with pytest.raises(InputError, match="at least 0 seconds before and after"):
            cut_person(index, red, tmp_path / "moment.mp4", **how)  # type: ignore[arg-type]


def test_another_video_at_its_place_is_refused(tmp_path: Path, index: Index, street: Path) -> None:
    red, _ = put_street(index, street)
    out = tmp_path / "moment.mp4"
    kept = street.read_bytes()
    os.utime(street, (1, 1))
    assert cut_person(index, red, out).clip.copied, "of the same bytes, whatever its time"
    out.unlink()
    for data in (kept + b"\0", kept[:-1] + b"\0", write_video(tmp_path / "other.mp4", pictures=[drawn(3)]).read_bytes()):
        street.write_bytes(data)
        with pytest.raises(
            VideoError, match=r"expected the video that was indexed, found another one at .*street.mp4, or one that was added"
        ):
            cut_person(index, red, out)
    street.unlink()
    with pytest.raises(VideoError, match="found no such file"):
        cut_person(index, red, out)
    assert not out.exists()


def test_a_recording_never_makes_way(tmp_path: Path, index: Index, street: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(street.read_bytes() + bytes(8))
    red, _ = put_street(index, street)
    put_street(index, other)
    before = street.read_bytes(), other.read_bytes()
    (tmp_path / "linked").symlink_to(tmp_path)
    (tmp_path / "link.mp4").symlink_to(other)
    (tmp_path / "hard.mp4").hardlink_to(other)
    named = ["street.mp4", "other.mp4", "x/../other.mp4", "linked/street.mp4", "linked/other.mp4", "link.mp4", "hard.mp4"]
    for out in (tmp_path / name for name in named):
        with pytest.raises(
            PasserbyError, match=r"expected a file of its own for the clip, found (the video itself|one that the index holds)"
        ):
            cut_person(index, red, out)
    assert (street.read_bytes(), other.read_bytes()) == before


def test_a_recording_never_makes_way_that_was_indexed_through_a_link_or_has_grown_since(tmp_path: Path, index: Index, street: Path) -> None:
    red, _ = put_street(index, street)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "linked").symlink_to("recordings")
    other = tmp_path / "recordings" / "other.mp4"
    other.write_bytes(street.read_bytes() + bytes(8))
    put_street(index, tmp_path / "linked" / "other.mp4")
    for grown in (False, True):
        if grown:
            other.write_bytes(other.read_bytes() + bytes(8))
        with pytest.raises(QueryError, match=r"one that the index holds, .*linked/other\.mp4"):
            cut_person(index, red, other)
