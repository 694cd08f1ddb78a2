"""A device's people come to a centre: everybody, once, whatever breaks on the way."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crops import media, random_vectors, write_crops
from indexing import CountingEncoder
from PIL import Image
from pushing import breaking, centre, held_of, token_of

from passerby.errors import ConfigError, IndexFault, ServiceFault
from passerby.find.ingest.run import index_paths
from passerby.find.push.compare import UNKNOWN, read_held
from passerby.find.push.link import Centre, Refusal
from passerby.find.push.send import PushReport, follow, push
from passerby.index.base import Tallied
from passerby.index.open import create_index
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index
from passerby.media.files import read_media
from passerby.service.service import Service
from passerby.types import Box, Crop, MediaKind, Watched


@pytest.fixture
def at_centre(tmp_path: Path, encoder: CountingEncoder) -> Iterator[Service]:
    with Index.create(tmp_path / "centre", encoder) as index, centre(index, encoder, tmp_path / "service") as service:
        yield service


def test_what_a_device_holds_comes_to_the_centre_once(index: Index, encoder: CountingEncoder, at_centre: Service, tmp_path: Path) -> None:
    index_paths(index, encoder, write_crops(tmp_path / "seen", 8), camera="door", offset="90s")
    link = Centre(at_centre.listening.url, token_of(at_centre, "north"))
    first = push(index, link)
    assert (first.media, first.people, first.unchanged, first.thumbnails, first.broken) == (8, 8, 0, 8, 0)
    assert held_of(at_centre.index, "north") == held_of(index)
    assert push(index, link) == PushReport(unchanged=8)
    index_paths(index, encoder, write_crops(tmp_path / "more", 3))
    with index.writing():
        index.forget(tmp_path / "seen" / "000.jpg")
    report = push(index, link)
    assert (report.media, report.people, report.deleted, report.unchanged) == (3, 3, 1, 7)
    assert held_of(at_centre.index, "north") == held_of(index)
    assert [(one.camera.name, one.camera.offset_seconds) for one in at_centre.index.seen_by_cameras()] == [("north/door", 90)]


def test_a_link_that_breaks_at_any_byte_loses_nothing(index: Index, encoder: CountingEncoder, at_centre: Service, tmp_path: Path) -> None:
    index_paths(index, encoder, write_crops(tmp_path / "seen", 40))
    with breaking(at_centre.listening.port, seed=1) as cut:
        link = Centre(cut.url, token_of(at_centre, "north"))
        report = push(index, link, pauses=[0.0] * 50, batch_bytes=6_000)
        assert report.broken > 3
        assert (report.unchanged + report.media) >= 40
    assert held_of(at_centre.index, "north") == held_of(index)


def test_somebody_who_is_larger_than_a_batch_comes_in_parts(index: Index, at_centre: Service) -> None:
    index_video(index, range(300))
    link = Centre(at_centre.listening.url, token_of(at_centre, "north"))
    assert push(index, link, batch_bytes=4_000).people == 300
    assert held_of(at_centre.index, "north") == held_of(index)
    index_video(index, range(300, 320), more=True)
    assert push(index, link, batch_bytes=4_000).people == 20
    assert held_of(at_centre.index, "north") == held_of(index)


def index_video(index: Index, tracks: range, *, more: bool = False) -> None:
    video = replace(media("/recordings/street.mp4", "street"), kind=MediaKind.VIDEO, watched=Watched(float(tracks[-1])))
    people = [Sighting((Crop(Box(1, 2, 30, 60), float(n)),), random_vectors(1, seed=n), n, float(n), n + 1.0) for n in tracks]
    with index.writing():
        (index.put_more if more else index.put)(video, people)


def test_what_a_centre_holds_is_read_whole_or_refused() -> None:
    """A list that unpacks to much more than is unpacked at once, and every part of it that is cut short."""
    lines = [json.dumps([f"/recordings/{n:06}.mp4", n, None]) for n in range(32_000)]
    packed = gzip.compress("".join(f"{line}\n" for line in [*lines, json.dumps({"media": len(lines)})]).encode())
    assert list(read_held(packed)) == [Tallied(f"/recordings/{n:06}.mp4".encode(), n, UNKNOWN) for n in range(32_000)]
    fewer = gzip.compress("".join(f"{line}\n" for line in [*lines[1:], json.dumps({"media": len(lines)})]).encode())
    for cut in (b"", packed[:-40], packed[:-100], packed[: len(packed) // 2], packed[:5], b"other", fewer, gzip.compress(b"[1]\n")):
        with pytest.raises(ServiceFault):
            list(read_held(cut))


def test_names_that_are_no_text_come_as_they_are(index: Index, at_centre: Service) -> None:
    names = [
        b"/seen/\xff.jpg",
        b"/seen/a\nb.jpg",
        "/seen/ä.jpg".encode(),
        b"/seen/\xf0\x9f.jpg",
        b"/seen/a/b.jpg",
        b"/seen/a.jpg",
        b"/seen/a b",
    ]
    with index.writing():
        for name in names:
            index.put(media(os.fsdecode(name), repr(name)), [Sighting((Crop(Box(1, 2, 30, 60)),), random_vectors(1))])
    link = Centre(at_centre.listening.url, token_of(at_centre, "north"))
    assert push(index, link).people == len(names)
    assert held_of(at_centre.index, "north") == held_of(index)
    assert push(index, link) == PushReport(unchanged=len(names))


def test_many_pictures_of_one_photo_fit_into_what_the_centre_takes(
    index: Index, encoder: CountingEncoder, at_centre: Service, tmp_path: Path
) -> None:
    """Pictures that compress badly are larger than all that is stored beside them."""
    noise = np.random.default_rng(0).integers(0, 256, (1600, 1600, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "crowd.jpg")
    crowd = read_media(tmp_path / "crowd.jpg")[0]
    boxes = [Box(x, y, 160, 320) for x in range(0, 1440, 60) for y in range(0, 1280, 90)]
    with index.writing():
        index.put(crowd, [Sighting((Crop(box),), random_vectors(1, encoder.dim, n)) for n, box in enumerate(boxes)])
    report = push(index, Centre(at_centre.listening.url, token_of(at_centre, "north")), pauses=())
    assert (report.people, report.thumbnails, report.media) == (len(boxes), len(boxes), 1)
    assert report.bytes > 6_000_000
    assert held_of(at_centre.index, "north") == held_of(index)


def test_a_device_that_was_restored_from_yesterday(index: Index, encoder: CountingEncoder, at_centre: Service, tmp_path: Path) -> None:
    index_video(index, range(4))
    index_paths(index, encoder, write_crops(tmp_path / "seen", 4))
    link = Centre(at_centre.listening.url, token_of(at_centre, "north"))
    push(index, link)
    with sqlite3.connect(tmp_path / "yesterday.db") as copy:
        index._connections.of_this_thread().backup(copy)
    index_video(index, range(4, 9), more=True)
    index_paths(index, encoder, write_crops(tmp_path / "today", 6))
    push(index, link)
    index.close()
    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.copy(tmp_path / "yesterday.db", restored / "index.db")
    with Index.create(restored, encoder) as again:
        index_video(again, range(20, 28), more=True)
        push(again, link)
        assert held_of(at_centre.index, "north") == held_of(again)


def test_a_push_that_follows_waits_for_its_centre_and_tells_what_is_new(index: Index, at_centre: Service) -> None:
    index_video(index, range(3))
    told: list[PushReport | ServiceFault] = []
    with breaking(at_centre.listening.port, seed=1, mean=1) as cut:

        def on_report(said: PushReport | ServiceFault) -> None:
            told.append(said)
            match len(told):
                case 1:
                    cut.mean = 1e9
                case 2:
                    index_video(index, range(3, 5), more=True)
                case 3:
                    with index.writing():
                        index.forget(Path("/recordings/street.mp4"))
                case _:
                    raise KeyboardInterrupt

        done = follow(index, Centre(cut.url, token_of(at_centre, "north")), on_report, every=0.1)
    away, *pushed = told
    assert isinstance(away, ServiceFault)
    assert [(one.people, one.deleted) for one in pushed if isinstance(one, PushReport)] == [(3, 0), (2, 0), (0, 1)]
    assert (done.people, done.deleted) == (5, 1)
    assert held_of(at_centre.index, "north") == []


def test_one_push_of_an_index_at_a_time(index: Index, at_centre: Service) -> None:
    index_video(index, range(3))
    link = Centre(at_centre.listening.url, token_of(at_centre, "north"))

    def push_again(_done: int, _total: int) -> None:
        for another in (push, follow):
            with pytest.raises(ConfigError, match="no other push"):
                another(index, link, nobody_hears)

    assert push(index, link, push_again).people == 3


def test_one_that_follows_keeps_others_out_until_it_ends(index: Index, at_centre: Service) -> None:
    """Between its rounds too: it would end, as a fault, if somebody else pushed when its next one begins."""
    index_video(index, range(3))
    link = Centre(at_centre.listening.url, token_of(at_centre, "north"))
    told: list[PushReport | ServiceFault] = []

    def on_report(said: PushReport | ServiceFault) -> None:
        told.append(said)
        for another in (push, follow):
            with pytest.raises(ConfigError, match=r"no other push .*one that follows"):
                another(index, link, nobody_hears)
        if len(told) == 2:
            raise KeyboardInterrupt
        index_video(index, range(3, 5), more=True)

    assert follow(index, link, on_report, every=0.01).people == 5
    assert push(index, link) == PushReport(unchanged=1)


def nobody_hears(*_: object) -> None:
    pytest.fail("nothing is to be told")


def test_an_index_that_is_in_no_folder_is_not_pushed(encoder: CountingEncoder) -> None:
    with create_index("memory://", encoder) as memory, pytest.raises(IndexFault, match="in a folder"):
        push(memory, Centre("http://localhost:1", "x"))


def test_a_device_of_an_earlier_version_is_brought_up_to_date(index: Index, at_centre: Service, tmp_path: Path) -> None:
    """Its people have no tokens yet: they get some when it is opened."""
    index_video(index, range(3))
    index._connections.of_this_thread().executescript(
        """DROP TRIGGER thumbnail_of_nobody; DROP TABLE pictures; ALTER TABLE people DROP COLUMN token; PRAGMA user_version = 7"""
    )
    index.close()
    with Index.open(tmp_path / "index") as again:
        assert len({one.tally for one in again.tallies()} - {0}) == 1
        push(again, Centre(at_centre.listening.url, token_of(at_centre, "north")))
        assert held_of(at_centre.index, "north") == held_of(again)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl, which makes a certificate")
def test_the_centre_must_show_a_certificate_that_is_trusted(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    index_video(index, range(3))
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    of = ["-subj", "/CN=centre", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*new, *of], check=True, capture_output=True)
    with (
        Index.create(tmp_path / "centre", encoder) as at_centre,
        centre(at_centre, encoder, tmp_path / "service", certificate, key) as service,
    ):
        url, secret = service.listening.url, token_of(service, "north")
        assert url.startswith("https://127.0.0.1:")
        with pytest.raises(Refusal, match=r"a certificate .* that is trusted here.*: --ca FILE$"):
            push(index, Centre(url, secret))
        with pytest.raises(Refusal, match=r"a certificate .* that is trusted here"):
            push(index, Centre(url.replace("127.0.0.1", "localhost"), secret, certificate))
        assert push(index, Centre(url, secret, certificate)).people == 3
        assert held_of(at_centre, "north") == held_of(index)
    with pytest.raises(ConfigError, match="certificates in PEM"):
        Centre(url, secret, tmp_path / "nowhere.pem")
