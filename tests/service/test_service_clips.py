"""The seconds around somebody in a video: played by ranges, made for browsers, of nobody who is gone, and nowhere on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import av  # noqa: TID251
import pytest
from crops import random_vectors
from hypothesis import given
from hypothesis import strategies as st
from passers_by import put_street, red_at, write_street
from serving import Client, Sample, serving

from passerby.errors import ServiceBusy
from passerby.index.base import Index
from passerby.index.open import create_index
from passerby.index.sighting import Sighting
from passerby.service import clips, security
from passerby.service.clips import LONGEST, Clips, moments
from passerby.service.problems import Refused
from passerby.service.ranges import ranged
from passerby.service.security import Listening, Rates
from passerby.service.tokens import Role, Tokens
from passerby.types import Crop, Media, MediaKind, Person


@dataclass
class Street:
    """A service of two people who pass each other in a video."""

    client: Client
    video: Path
    red: int
    blue: int
    folder: Path

    def clip(self, part: str = "", *, number: int = 0, if_range: str = "") -> tuple[int, bytes]:
        headers = {name: value for name, value in (("Range", part), ("If-Range", if_range)) if value}
        response = self.client.http.get(f"/api/v1/crops/{self.red}-{number}/clip", headers=headers)
        return response.status_code, response.content


def serve_street(sample: Sample, folder: Path, codec: str = "libx264", *, limited: bool = False) -> Iterator[Street]:
    video = write_street(folder / "street.mp4", codec=codec)
    with create_index(folder / "index", sample.encoder) as index:
        red, blue = put_street(index, video, dim=sample.encoder.dim)
    shown = Sample(folder, folder / "index", sample.encoder, sample.street)
    with serving(shown, folder / "service", limited=limited) as client:
        yield Street(client, video, red, blue, folder)


@pytest.fixture
def street(sample: Sample, tmp_path: Path) -> Iterator[Street]:
    yield from serve_street(sample, tmp_path)


def codec_and_times(clip: bytes) -> tuple[str, list[float]]:
    with av.open(BytesIO(clip), "r") as opened:
        assert not opened.streams.audio
        stream = opened.streams.video[0]
        return stream.codec_context.name, [float(frame.time or 0) for frame in opened.decode(stream)]


def test_a_clip_is_of_the_seconds_around_somebody(street: Street) -> None:
    status, clip = street.clip()
    codec, times = codec_and_times(clip)
    assert (status, codec) == (200, "h264")
    assert times[0] == 0
    assert times[-1] == pytest.approx(5.9, abs=0.05)


def test_what_no_browser_plays_is_encoded(sample: Sample, tmp_path: Path) -> None:
    for street in serve_street(sample, tmp_path, "mpeg4"):
        assert codec_and_times(street.clip()[1])[0] == "h264"


def test_a_clip_comes_by_ranges(street: Street) -> None:
    whole = street.clip()[1]
    response = street.client.http.get(f"/api/v1/crops/{street.red}-0/clip", headers={"Range": "bytes=100-299"})
    assert (response.status_code, response.content) == (206, whole[100:300])
    assert response.headers["content-range"] == f"bytes 100-299/{len(whole)}"
    assert (response.headers["accept-ranges"], response.headers["content-type"]) == ("bytes", "video/mp4")
    assert response.headers["cache-control"] == "no-store"
    assert street.clip("bytes=0-") == (206, whole)
    assert street.clip("bytes=0-99", if_range="x") == (200, whole)
    assert street.clip(f"bytes={len(whole)}-")[0] == 416


@given(st.binary(min_size=1, max_size=20), st.none() | st.integers(0, 30), st.none() | st.integers(0, 30))
def test_a_range_is_the_bytes_that_it_names(data: bytes, first: int | None, last: int | None) -> None:
    asked = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    if first is None:
        wanted = data if last is None else data[-last:] if last else b""
    else:
        wanted = data[first : len(data) if last is None else last + 1]
    if first is not None and last is not None and last < first:
        assert ranged(data, asked, "x/y").status_code == 200
    elif not wanted:
        with pytest.raises(Refused):
            ranged(data, asked, "x/y")
    else:
        assert ranged(data, asked, "x/y").body == wanted


@pytest.mark.parametrize("asked", [None, "", "bytes=-", "bytes=0-1,3-4", "items=0-1", "bytes=a-b", "bytes=" + "9" * 50 + "-", "bytes=²-"])
def test_what_is_no_range_is_answered_with_all(asked: str | None) -> None:
    assert ranged(b"all of it", asked, "x/y").body == b"all of it"


def test_only_who_is_in_the_index_is_shown_and_only_the_video_that_was_indexed(street: Street) -> None:
    assert street.clip()[0] == 200
    assert street.client.http.get("/api/v1/crops/999-0/clip").status_code == 404
    assert street.clip(number=9)[0] == 404
    with street.client.service.index.writing():
        street.client.service.index.suppress(street.red)
    assert street.clip()[0] == 404, "though it is kept in memory"
    street.client.service.clips._known.clear()
    street.video.write_bytes(street.video.read_bytes() + b"more")
    assert street.client.http.get(f"/api/v1/crops/{street.blue}-0/clip").status_code == 410


def test_who_is_in_a_photo_has_no_clip(sample: Sample, tmp_path: Path) -> None:
    with serving(sample, tmp_path) as client:
        assert client.http.get("/api/v1/crops/1-0/clip").json()["found"] == "person 1, who is seen in a photo"


def test_clips_are_nowhere_on_disk(street: Street) -> None:
    clip = street.clip()[1]
    files = [path for path in street.folder.rglob("*") if path.is_file() and path != street.video]
    assert not [path for path in files if clip[1000:1100] in path.read_bytes()]
    drafts = street.folder / "service" / "clips"
    assert (list(drafts.iterdir()), drafts.stat().st_mode & 0o777) == ([], 0o700)


def test_what_a_service_that_was_killed_left_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "clips" / "draft").mkdir(parents=True)
    (tmp_path / "clips" / "draft" / "clip.mp4").write_bytes(b"somebody")
    Clips(tmp_path / "clips")
    assert list((tmp_path / "clips").iterdir()) == []


def test_the_log_says_whose_clips_were_shown_to_whom(street: Street) -> None:
    street.clip()
    street.clip("bytes=0-9")
    entries = street.client.http.get("/api/v1/audit").json()["entries"]
    assert [(entry["did"], entry["shown"]) for entry in entries] == [("clip", [street.red])] * 2


def test_who_wants_many_clips_is_told_to_wait_and_one_that_is_kept_is_not_cut_again(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "time", SimpleNamespace(monotonic=lambda: 100.0))
    for street in serve_street(sample, tmp_path, limited=True):
        codes = [street.clip()[0] for _ in range(10)]
        street.client.service.clips._known.clear()
        assert codes == [200] * 10
        later = []
        for _ in range(8):
            street.client.service.clips._known.clear()
            later.append(street.clip()[0])
        assert later == [200] * 5 + [429] * 3


def test_how_often_clips_are_cut() -> None:
    rates = Rates()
    for _ in range(6):
        rates.spend("clip", "one", now=1.0)
    with pytest.raises(Refused, match="at most 6 in 10 s"):
        rates.spend("clip", "one", now=1.0)


def a_person(first: float | None, last: float | None, kind: MediaKind = MediaKind.VIDEO, name: str = "v.mp4") -> Person:
    return Person(Media(Path(f"/{name}"), 1, 1, "0" * 64, kind=kind), 1, 0, first, last)


@given(st.floats(0, 1000), st.floats(0, 1000), st.floats(0, 1))
def test_a_clip_is_around_its_crop_and_not_long(first: float, seconds: float, share: float) -> None:
    crop = Crop(time=first + share * seconds)
    start, end = moments(a_person(first, first + seconds), crop)
    assert 0 <= start <= (crop.time or 0) < end
    assert end - start <= LONGEST + 1e-6
    assert start <= first or start > (crop.time or 0) - LONGEST
    with pytest.raises(Refused, match="somebody in a video"):
        moments(a_person(None, None, MediaKind.PHOTO), Crop())


def test_memory_is_bounded_and_few_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Clips(tmp_path / "clips", kept=100)
    going, wait = Event(), Event()

    def free() -> None:
        pass

    def slow(_media: Media, start: float, _end: float) -> bytes:
        going.set()
        wait.wait(10)
        return bytes(60 if start else 200)

    monkeypatch.setattr(kept, "_cut", slow)
    ask = [Thread(target=kept.mp4, args=(a_person(n * 50.0, n * 50.0), Crop(time=n * 50.0), free)) for n in range(clips.WAITING)]
    for thread in ask:
        thread.start()
    going.wait(10)
    while kept._room.acquire(blocking=False):  # until all of them wait
        kept._room.release()
    with pytest.raises(ServiceBusy, match="4 that are being cut"):
        kept.mp4(a_person(990.0, 990.0), Crop(time=990.0), free)
    wait.set()
    for thread in ask:
        thread.join()
    assert [len(one) for one in kept._known.values()] in ([60], [200])


def test_a_hit_of_a_video_opens_with_its_clip_all_its_pictures_and_who_is_there_with_them(street: Street) -> None:
    html = street.client.http.get(f"/people/{street.red}-2?q=red").text
    assert f'<video id="clip" src="/api/v1/crops/{street.red}-2/clip" poster="/api/v1/crops/{street.red}-2/photo" controls' in html
    assert [f'src="/api/v1/crops/{street.red}-{number}"' in html for number in range(4)] == [True] * 4
    assert f'<a href="/people/{street.red}-2?q=red" aria-current="true">' in html
    assert f'<a href="/people/{street.blue}?q=red">' in html
    assert all(said in html for said in ("at 0:03", "0:01 to 0:05", "for 4 s", f'href="/?like={street.red}-2"'))


def test_with_whom_is_who_is_seen_at_the_same_time(sample: Sample, tmp_path: Path) -> None:
    video = write_street(tmp_path / "street.mp4")
    with create_index(tmp_path / "index", sample.encoder) as index:
        red, blue = put_street(index, video, dim=sample.encoder.dim)
        later = put_later(index, sample.encoder.dim)
    with serving(Sample(tmp_path, tmp_path / "index", sample.encoder, sample.street), tmp_path / "service") as client:
        beside = {person: client.http.get(f"/api/v1/people/{person}").json()["beside"] for person in (red, blue, later)}
    assert beside == {red: [f"{blue}-0"], blue: [f"{red}-0"], later: []}


def put_later(index: Index, dim: int) -> int:
    """Somebody who comes when both are gone."""
    media = next(person.media for person, _ in index.people())
    before = {person.id for person, _ in index.people()}
    with index.writing():
        index.put_more(media, [Sighting((Crop(red_at(5.5), 5.5),), random_vectors(1, dim=dim), 7, 5.5, 5.8)])
    (new,) = {person.id for person, _ in index.people()} - before
    return new or 0


def test_listening_elsewhere_lets_nobody_see_clips_without_a_token(sample: Sample, tmp_path: Path) -> None:
    secret = Tokens(tmp_path).add("reception", Role.VIEW)
    with serving(sample, tmp_path, Listening()) as client:
        for path in ("crops/1-0/clip", "crops/1-0/photo"):
            assert client.http.get(f"/api/v1/{path}").status_code == 401
        assert client.http.get("/api/v1/crops/1-0/photo", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
