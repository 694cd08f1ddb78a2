"""The centre's side of pushing: who may, what is refused, what is shown of people whose files are elsewhere, what is left of who went."""

from __future__ import annotations

import json
import stat
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from crops import media, random_vectors
from indexing import CountingEncoder
from PIL import Image
from pushing import centre, held_of, token_of
from starlette.testclient import TestClient
from tiny import write_tiny_bundle

from passerby.errors import ConfigError, InputError, ServiceFault
from passerby.find.ingest.run import index_paths
from passerby.find.push.link import Centre as Link
from passerby.find.push.link import Frames, Refusal, read_token
from passerby.find.push.send import push
from passerby.find.push.wire import About, Rows, Told, decode, encode
from passerby.find.removal import remove_from
from passerby.index.info import IndexedModel
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.service import centre as service_centre
from passerby.service.app import create_app
from passerby.service.devices import Devices, standings
from passerby.service.elsewhere import Elsewhere
from passerby.service.service import Service
from passerby.service.tokens import Role
from passerby.types import LATEST, Box, Crop, ModelDigest

ROWS = Rows(16, 0)
OUT_OF_RANGE: tuple[object, ...] = (-1.0, 1e300, 10**400, float("inf"), 11 * 366 * 86400, False, "", [])


@pytest.fixture
def at_centre(tmp_path: Path, encoder: CountingEncoder) -> Iterator[Service]:
    with Index.create(tmp_path / "centre", encoder) as index, centre(index, encoder, tmp_path / "centre" / "service") as service:
        yield service


@pytest.fixture
def pushed(index: Index, encoder: CountingEncoder, at_centre: Service, tmp_path: Path) -> Link:
    """A link to a centre that holds what the device's index holds: three pictures, of which each is told from all others by its bytes."""
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (400, 200, 3), np.uint8)
        (tmp_path / "seen").mkdir(exist_ok=True)
        Image.fromarray(noise).save(tmp_path / "seen" / f"{number}.jpg")
    index_paths(index, encoder, [tmp_path / "seen"])
    link = Link(at_centre.listening.url, token_of(at_centre, "north"))
    push(index, link)
    return link


def asked(service: Service, path: str, token: str = "", **parameters: Any) -> Any:
    with TestClient(create_app(service), base_url="http://localhost", follow_redirects=False) as http:
        return http.get(path, params=parameters, headers={"Authorization": f"Bearer {token}"} if token else {})


def viewer(service: Service) -> str:
    return service.tokens.add("reception", Role.VIEW)


# -- who may -----------------------------------------------------------------------------------------------------------------------------


def test_a_device_may_push_and_nothing_else_and_nobody_else_may(index: Index, at_centre: Service) -> None:
    secret = token_of(at_centre, "north")
    for path in ("/api/v1/search?q=red", "/api/v1/info", "/api/v1/audit", "/api/v1/crops/1-0", "/"):
        assert asked(at_centre, path, secret).status_code == 403
    with TestClient(create_app(at_centre), base_url="http://localhost", follow_redirects=False) as http:
        assert http.post("/login", data={"secret": secret}).status_code == 401
        for token, status in ((None, 401), ("wrong", 401), (viewer(at_centre), 403)):
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            for path in ("push/begin", "push", "push/end"):
                assert http.post(f"/api/v1/{path}", content=b"", headers=headers).status_code == status
    at_centre.tokens.revoke("north")
    with pytest.raises(Refusal, match="ask there for a new one"):
        push_something(index, Link(at_centre.listening.url, secret))


def push_something(index: Index, link: Link) -> None:
    with index.writing():
        index.put(media("/seen/a.jpg", "a"), [Sighting((Crop(Box(1, 2, 3, 4)),), random_vectors(1))])
    push(index, link, pauses=())


@pytest.mark.parametrize("name", ["", "a/b", "..", "north gate", "-x", "ä", "x" * 64])
def test_names_of_devices(name: str, at_centre: Service) -> None:
    with pytest.raises(ConfigError):
        token_of(at_centre, name)


def test_one_device_changes_nothing_of_another(index: Index, at_centre: Service, tmp_path: Path, encoder: CountingEncoder) -> None:
    push_something(index, Link(at_centre.listening.url, token_of(at_centre, "north")))
    other = random_vectors(1, seed=9)
    with Index.create(tmp_path / "other", encoder) as south:
        with south.writing():
            south.put(media("/seen/a.jpg", "a"), [Sighting((Crop(Box(1, 2, 3, 4)),), other)])
        link = Link(at_centre.listening.url, token_of(at_centre, "south"))
        push(south, link)
        assert held_of(at_centre.index, "north") == held_of(index)
        assert held_of(at_centre.index, "south") == held_of(south)
        with south.writing():
            south.forget(Path("/seen/a.jpg"))
        push(south, link)
    assert held_of(at_centre.index, "north") == held_of(index)
    assert held_of(at_centre.index, "south") == []


# -- what is refused ---------------------------------------------------------------------------------------------------------------------


def test_a_device_of_another_model_is_told_which_one_the_centre_has(at_centre: Service, tmp_path: Path) -> None:
    other = BundleEncoder(read_bundle(write_tiny_bundle(tmp_path / "other", name="older", seed=5).folder), threads=1)
    with (
        Index.create(tmp_path / "old", other) as old,
        pytest.raises(Refusal, match=r"made by this centre's model, tiny .*upgrade the device.*: passerby index PATH… --rebuild$"),
    ):
        push_something(old, Link(at_centre.listening.url, token_of(at_centre, "north")))
    (stands,) = standings(at_centre.index, tmp_path / "centre" / "service")
    assert (stands.device.name, stands.device.model, stands.must_upgrade, stands.people) == ("north", "older", True, 0)


def test_another_index_under_the_same_name_takes_over_only_when_it_is_said(
    index: Index, at_centre: Service, tmp_path: Path, encoder: CountingEncoder
) -> None:
    link = Link(at_centre.listening.url, token_of(at_centre, "north"))
    push_something(index, link)
    with Index.create(tmp_path / "new", encoder) as new:
        with pytest.raises(Refusal, match=r"would delete what is here .*: passerby push --to URL --take-over$"):
            push(new, link)
        assert held_of(at_centre.index, "north") == held_of(index)
        push(new, link, take_over=True)
        assert held_of(at_centre.index, "north") == []


def told(**changes: Any) -> Told:
    crop = Sighting((Crop(Box(1.0, 2.0, 3.0, 4.0), None, 0.5),), random_vectors(1))
    return replace(Told(media("/seen/a.jpg", "a"), 1, True, 0, 7, (crop,)), **changes)


def test_a_record_comes_back_as_it_was() -> None:
    (back,) = decode(encode(told()), ROWS)
    assert isinstance(back, Told)
    assert encode(back) == encode(told())


def framed(said: object, stored: bytes = b"") -> bytes:
    text = json.dumps(said).encode()
    return struct.pack(">II", len(text), len(stored)) + text + stored


def spoiled(**changes: Any) -> bytes:
    """A record of which something is changed behind its back: of the media, or of the person where its name is that of a part of it."""
    data = encode(told())
    head, _ = struct.unpack_from(">II", data)
    said = json.loads(data[8 : 8 + head])
    for name, value in changes.items():
        part = said["media"] if name in said["media"] else said["people"][0] if name in said["people"][0] else said
        part[name] = value
    return framed(said, data[8 + head :])


@pytest.mark.parametrize(
    "batch",
    [
        b"x",
        b"\0" * 9,
        encode(told())[:-1],
        encode(told()) + b"\0",
        framed([]),
        framed({"forget": "relative.jpg"}),
        framed({"forget": "/a/../../etc/passwd"}),
        framed({"forget": "/"}),
        framed({"forget": "/a\0b"}),
        framed({"forget": "/a", "more": 1}),
        framed({"forget": "/a"}, b"more"),
        spoiled(path="/x/../y"),
        spoiled(path="/" + "x" * 5000),
        spoiled(size=-1),
        spoiled(size=2**63),
        spoiled(size=1.5),
        spoiled(tally=True),
        spoiled(digest="0"),
        spoiled(kind="film"),
        spoiled(camera="a\nb"),
        spoiled(zone="nowhere else", started_at=1.0, known_by="exif"),
        spoiled(started_at=1.0),
        spoiled(known_by="exif"),
        spoiled(known_by="rumour", started_at=1.0),
        spoiled(track=-1),
        spoiled(first=5.0, last=1.0),
        spoiled(first=float("nan")),
        spoiled(crops=[]),
        spoiled(crops=[[[0, 0, -1, 5], None, None]]),
        spoiled(crops=[[[0, 0, float("inf"), 5], None, None]]),
        spoiled(signed=True),
        spoiled(thumbnails=[10]),
        spoiled(people=[]),
        spoiled(unknown=1),
        *(spoiled(crops=[[[1, 2, 3, 4], time, 0.5]]) for time in OUT_OF_RANGE),
        *(spoiled(first=first) for first in OUT_OF_RANGE),
        *(spoiled(first=0.0, last=last) for last in OUT_OF_RANGE),
        *(spoiled(crops=[[[1, 2, 3, 4], None, quality]]) for quality in (10**400, True, "", float("inf"))),
        *(spoiled(crops=[[[x, 2, 3, 4], None, 0.5]]) for x in (10**400, -(10**400), True)),
        *(spoiled(crops=[[[1, 2, 3, height], None, 0.5]]) for height in (10**400, True)),
        *(spoiled(watched=[1.0, 0, cut, False, [], 0]) for cut in OUT_OF_RANGE),
        *(spoiled(watched=[seconds, 0, None, False, [], 0]) for seconds in OUT_OF_RANGE),
        *(spoiled(watched=[1.0, 0, None, False, [[0.0, end]], 0]) for end in OUT_OF_RANGE),
        *(spoiled(sought=[None, 0, *numbers, False, False]) for numbers in ([10**400, 0, 0], [0, 10**400, 0], [0, 0, 10**400])),
        spoiled(away_since=2**62),
        *(spoiled(zone=zone, started_at=1.0, known_by="exif") for zone in ("Nowhere/Else", "Z", 1)),
        *(spoiled(started_at=at, known_by="exif") for at in (1e300, 10**400, LATEST, True)),
        spoiled(started_at=LATEST - 5, known_by="exif", crops=[[[1, 2, 3, 4], 5.0, 0.5]]),
        spoiled(started_at=LATEST - 5, known_by="exif", first=1.0, last=5.0),
        encode(told(people=(replace(told().people[0], vectors=np.full((1, 16), np.nan, np.float32)),))),
        encode(told(people=(replace(told().people[0], vectors=random_vectors(1) * np.float32(2)),))),
        encode(told(people=(replace(told().people[0], vectors=random_vectors(1, 8)),))),
        encode(told(people=(replace(told().people[0], pictures=(b"GIF89a",)),))),
    ],
)
def test_what_no_device_says_is_refused_whole(batch: bytes) -> None:
    with pytest.raises(InputError):
        list(decode(encode(told()) + batch, ROWS))


def test_a_batch_that_is_refused_changes_nothing_and_is_no_fault_of_the_centre(at_centre: Service) -> None:
    link = Link(at_centre.listening.url, token_of(at_centre, "north"))
    model = IndexedModel("tiny", at_centre.engine.encoder.digest, 16)
    session, _ = link.begin(About(model, "an index", False, 0.0, ()).to_json())
    far = spoiled(started_at=1.0, known_by="exif", crops=[[[1, 2, 3, 4], 1e300, 0.5]])
    for batch in (encode(told()) + b"x", encode(told()) + far, b"x" * 100):
        with pytest.raises(Refusal, match="push with the same version"):
            link.send(session, batch)
    assert held_of(at_centre.index, "north") == []
    with pytest.raises(ServiceFault):
        link.send(session, b"x" * 11_000_000)
    said = About(model, "an index", False, 0.0, ()).to_json()
    for about in ({}, {"format": 9}, said | {"index": ""}, said | {"now": 10**400}, {"format": 1, "model": 1}):
        with pytest.raises(Refusal):
            link.begin(about)


def test_what_goes_on_from_something_else_is_not_kept(at_centre: Service) -> None:
    link = Link(at_centre.listening.url, token_of(at_centre, "north"))
    model = IndexedModel("tiny", ModelDigest(at_centre.engine.encoder.digest), 16)
    session, _ = link.begin(About(model, "an index", False, 0.0, ()).to_json())
    for batch in (encode(told(whole=False, since=3)),):
        with pytest.raises(ServiceFault, match="compare again"):
            link.send(session, batch)
    link.begin(About(model, "an index", False, 0.0, ()).to_json())
    with pytest.raises(ServiceFault, match="begin again"):
        link.send(session, encode(told()))
    assert held_of(at_centre.index, "north") == []


# -- tokens and addresses ----------------------------------------------------------------------------------------------------------------


def test_a_token_is_read_from_the_environment_or_a_file_of_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_token(file)
    file.chmod(0o600)
    assert read_token(file) == "secret"
    monkeypatch.delenv("PASSERBY_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="role device"):
        read_token()
    monkeypatch.setenv("PASSERBY_TOKEN", "another")
    assert read_token() == "another"


@pytest.mark.parametrize(
    "url", ["http://10.0.0.2:8642", "ftp://localhost", "https://a:b@example.org", "localhost:8642", "https://x/?q=1", ""]
)
def test_a_token_is_not_sent_where_others_could_read_it(url: str) -> None:
    with pytest.raises(ConfigError):
        Link(url, "secret")


# -- pictures ----------------------------------------------------------------------------------------------------------------------------


def test_small_pictures_are_shown_and_a_device_that_cannot_be_asked_is_away(pushed: Link, at_centre: Service) -> None:
    token = viewer(at_centre)
    assert pushed
    (hit, *_) = asked(at_centre, "/api/v1/search", token, q="red", device="north").json()["hits"]
    assert (hit["device"], hit["away"], hit["name"] in {"0.jpg", "1.jpg", "2.jpg"}) == ("north", None, True)
    small = asked(at_centre, f"/api/v1/crops/{hit['crop']}", token)
    assert (small.status_code, Image.open(BytesIO(small.content)).size) == (200, (160, 320))
    assert asked(at_centre, f"/api/v1/people/{hit['person']}/photo", token).content == small.content
    assert asked(at_centre, f"/api/v1/people/{hit['person']}", token).json()["device_away"]
    page = asked(at_centre, f"/people/{hit['person']}", token).text
    assert "north, which is away" in page
    assert asked(at_centre, f"/api/v1/crops/{hit['crop']}").status_code == 401
    assert asked(at_centre, "/api/v1/search", token, like=hit["crop"]).status_code == 200
    refused = asked(at_centre, "/api/v1/search", token, q="red", device="south")
    assert (refused.status_code, refused.json()["found"]) == (400, "no device 'south'")


def test_frames_are_asked_of_devices_that_the_operator_named(
    index: Index, encoder: CountingEncoder, pushed: Link, at_centre: Service, tmp_path: Path
) -> None:
    token = viewer(at_centre)
    assert pushed
    with centre(index, encoder, tmp_path / "device") as device:
        secret = tmp_path / "north.token"
        secret.write_text(viewer(device))
        secret.chmod(0o600)
        (tmp_path / "devices.toml").write_text(f'[north]\nurl = "{device.listening.url}"\ntoken_file = "north.token"\n')
        here = replace(at_centre, elsewhere=Elsewhere.read(tmp_path / "devices.toml"))
        person = next(here.index.people())[0]
        photo = asked(here, f"/api/v1/people/{person.id}/photo", token)
        assert Image.open(BytesIO(photo.content)).size == (200, 400)
        assert not asked(here, f"/api/v1/people/{person.id}", token).json()["device_away"]
        link = Frames(device.listening.url, read_token(secret))
        for path, box in (("/etc/passwd", None), (str(person.media.own_path), Box(1, 1, 5, 5))):
            with pytest.raises(Refusal, match="somebody in the index"):
                link.frame(Path(path), None, Crop(box))
    away = replace(at_centre, elsewhere=Elsewhere.read(tmp_path / "devices.toml"))
    assert Image.open(BytesIO(asked(away, f"/api/v1/people/{person.id}/photo", token).content)).size == (160, 320)


def test_a_file_of_devices_that_says_something_else(tmp_path: Path) -> None:
    file = tmp_path / "devices.toml"
    for text in (
        "[",
        "north = 1",
        "[north]\nurl = 'https://x'",
        "[north]\nurl='https://x'\ntoken_file='t'\nmore=1",
        "['a/b']\nurl='https://x'",
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"correct --devices|token's file"):
            Elsewhere.read(file)


def bytes_below(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("by", ["device", "centre"])
def test_nothing_is_left_of_somebody_who_was_removed(by: str, index: Index, pushed: Link, at_centre: Service) -> None:
    folder = at_centre.index.place()
    assert folder is not None
    person, (crop,) = next(at_centre.index.people())
    picture = (crop.kept() if crop.kept else b"")[1000:]  # behind the tables that every JPEG has
    traces = [at_centre.index.vector_of(person).tobytes(), *(picture[start : start + 32] for start in range(0, len(picture) - 32, 32))]
    assert len(traces) > 100
    assert sum(trace in bytes_below(folder) for trace in traces) > 0.95 * len(traces)  # pages of the database part a few
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in folder.iterdir() if file.is_file())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    if by == "device":
        remove_from(index, [person.media.own_path])
    else:
        remove_from(at_centre.index, [], [person.id or 0])
    push(index, pushed)
    held = held_of(at_centre.index, "north")
    assert len(held) == 2
    left = bytes_below(folder)
    assert not any(trace in left for trace in traces)
    if by == "centre":
        push(index, pushed)
        assert held_of(at_centre.index, "north") == held
        remove_from(at_centre.index, [], [], [person.id or 0])
        push(index, pushed)
        assert held_of(at_centre.index, "north") == held_of(index)


def log_of(index: Index) -> int:
    return (index.folder / "index.db-wal").stat().st_size


def test_nothing_is_left_once_whoever_read_for_long_is_gone_and_meanwhile_no_device_waits(
    index: Index, pushed: Link, at_centre: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_centre, "_PATIENCE", 0.3)
    assert isinstance(at_centre.index, Index)
    folder = at_centre.index.folder
    person, _ = next(at_centre.index.people())
    trace = at_centre.index.vector_of(person).tobytes()
    with Index.open(folder) as reader, reader.snapshot():
        reader.stamp()
        remove_from(index, [person.media.own_path])
        began = time.monotonic()
        for _ in range(4):
            push(index, pushed)
        assert time.monotonic() - began < 3, "the first waits for a moment, the others do not"
        assert len(held_of(at_centre.index, "north")) == 2
        assert trace in bytes_below(folder)
    push(index, pushed)
    assert trace not in bytes_below(folder)


def test_a_session_that_deletes_nothing_leaves_the_log_to_others(
    index: Index, pushed: Link, at_centre: Service, encoder: CountingEncoder, tmp_path: Path
) -> None:
    assert isinstance(at_centre.index, Index)
    assert log_of(at_centre.index) == 0, "the first session of a service leaves nothing of those before"
    Image.fromarray(np.random.default_rng(5).integers(0, 256, (400, 200, 3), np.uint8)).save(tmp_path / "seen" / "5.jpg")
    index_paths(index, encoder, [tmp_path / "seen"])
    push(index, pushed)
    assert len(held_of(at_centre.index, "north")) == 4
    assert log_of(at_centre.index) > 0
    person, _ = next(index.people())
    with index.writing():
        index.put(person.media, [])
    push(index, pushed)
    assert log_of(at_centre.index) == 0, "somebody went from a media that stays"


def test_what_a_centre_indexes_itself_leaves_what_devices_pushed_alone(
    pushed: Link, at_centre: Service, encoder: CountingEncoder, tmp_path: Path
) -> None:
    assert pushed
    before = held_of(at_centre.index, "north")
    seen = tmp_path / "seen"
    report = index_paths(at_centre.index, encoder, [seen], prune=["/"])
    assert (report.indexed, report.recognised, report.removed, report.away.count) == (3, 0, 0, 0)
    assert held_of(at_centre.index, "north") == before
    assert len(held_of(at_centre.index)) == 3


def test_devices_are_remembered_in_a_file_of_the_owner(tmp_path: Path) -> None:
    devices = Devices(tmp_path / "service")
    devices.keep("north", index="x", seen=5.0)
    devices.keep("north", ahead=1.0)
    assert (devices.get("north").index, devices.get("north").ahead, devices.get("south").index) == ("x", 1.0, "")
    assert stat.S_IMODE((tmp_path / "service" / "devices.json").stat().st_mode) == 0o600
    (tmp_path / "service" / "devices.json").write_text("{")
    with pytest.raises(ConfigError, match="mend the file"):
        devices.all()
