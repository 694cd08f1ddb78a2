"""A service is asked as an index is: the same people, table and JSON; and what cannot be asked is said plainly."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from serving import Sample, copy_of, listening

from passerby.cli.app import app
from passerby.devices import path_at_centre
from passerby.errors import ConfigError, ServiceFault
from passerby.find.address import read_token
from passerby.find.server import Server
from passerby.index.open import open_index
from passerby.index.sighting import Sighting
from passerby.service.tokens import Role, Tokens
from passerby.types import Box, Crop, Media, MediaKind, ModelDigest, Sought, Watched


@pytest.fixture(scope="module")
def sample(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """With a video and a photo that are away, a live camera, and what a device pushed: all that an answer can say something of."""
    richer = copy_of(sample, tmp_path_factory.mktemp("richer"))
    vectors = np.random.default_rng(22).standard_normal((5, sample.encoder.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    watched = Watched(90.0, broken=2, cut_short_at=80.0, gaps=((10.25, 20.5), (30.0, 30.5)), still=7)
    sought = Sought(ModelDigest("d" * 64), 640, 40.0, 45.5)
    photo = Media(Path("/far/away/photo.jpg"), 1, 1, "a" * 64, away_since=1_700_000_000, sought=replace(sought, smallest=60.0))
    of_video: Any = {"kind": MediaKind.VIDEO, "watched": watched, "sought": sought, "started_at": 1_795_860_000.5, "zone": "Europe/Rome"}
    media = (
        photo,
        replace(photo, path=Path("/far/away/street.mp4"), digest="b" * 64, camera="yard", known_by="name", **of_video),
        Media(Path("gate/2026-11-29T03:00:00.000Z"), 0, 1, "", kind=MediaKind.CAMERA, camera="gate", started_at=1.796e9, known_by="live"),
        Media(path_at_centre("north", Path("/own/pushed.mp4")), 1, 1, "c" * 64, camera="north/hall", known_by="file", **of_video),
    )
    with open_index(richer.index) as index, index.writing():
        for number, one in enumerate(media):
            crop = Crop(Box(3, 4, 50, 100), None if one.kind is MediaKind.PHOTO else 12.5, 0.75)
            moving = Sighting((crop,), vectors[[number]]) if one is photo else Sighting((crop,), vectors[[number]], 4, 11.0, 15.5)
            never = Sighting((replace(crop, time=1.0),), vectors[[4]], 9, 0.0, 90.0, static=True)
            index.put(one, [moving, never] if one.watched else [moving])
            if one.away_since:
                index.miss(one.path, one.away_since)
    return richer


@pytest.fixture(scope="module")
def url(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with listening(sample, tmp_path_factory.mktemp("remote")) as found:
        yield found


def search(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["search", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def name_alone(said: dict[str, Any]) -> dict[str, Any]:
    return {**said, "path": Path(said["path"]).name}


def words_of(table: str) -> list[str]:
    return [word for word in table.split() if not word.startswith("─")]


@pytest.mark.parametrize(
    "arguments",
    [
        ["a red jacket, no hat"],
        ["a red jacket", "zorbly", "-k", "3", "--min-probability", "0.3"],
        ["a red jacket", "--min-probability", "1"],
        ["--upper", "red", "--without", "hat", "--all", "--sure", "0.4"],
        ["--hat", "--upper", "purple", "--sure", "0.99"],
        ["a coat", "--camera", "lobby", "--from", "2026-11-28", "--to", "2026-11-28 18:00", "--static"],
        ["a coat", "--camera", "lobby", "--from", "2030-01-01"],
        ["a coat", "-k", "100"],
        ["a coat", "-k", "100", "--static", "--device", "north", "--from", "2026-11-28 12:00"],
    ],
    ids=" ".join,
)
def test_the_same_is_shown_as_of_an_index_here(url: str, sample: Sample, arguments: list[str]) -> None:
    here, there = (search(*arguments, "--json", *place) for place in (["--index", sample.index], ["--server", url]))
    mine, others = json.loads(here[1]), json.loads(there[1])
    mine["videos"]["gaps"] = list(map(name_alone, mine["videos"]["gaps"]))
    crops = [hit.pop("crop") for hit in others["hits"]]
    assert (there[0], others) == (here[0], {**mine, "hits": [name_alone(hit) for hit in mine["hits"]]})
    assert there[2] == here[2]
    assert all(crop.startswith(f"{hit['person']}-") for crop, hit in zip(crops, others["hits"], strict=True))
    table, told = (search(*arguments, *place)[1] for place in (["--index", sample.index], ["--server", url]))
    assert words_of(told) == [Path(word).name if word.startswith(("/", "gate/")) else word for word in words_of(table)]


def test_no_path_leaves_the_service(url: str, sample: Sample) -> None:
    with open_index(sample.index) as index:
        people = [person for person, _ in index.people()]
    with Server(url) as server:
        found = server.get("search", {"q": "coat", "k": 100, "static": True})
        told = json.dumps([found, server.get("info", {}), *(server.get(f"people/{person.id}", {}) for person in people)])
    assert {gap["name"] for gap in found["videos"]["gaps"]} == {"pushed.mp4", "street.mp4"}
    assert not [person for person in people if f"{person.media.own_path.parent}/" in told]


def test_somebody_alike_is_looked_for_as_here_and_nothing_else_of_the_picture_is_sent(url: str, sample: Sample) -> None:
    for also in (["--box", "20,10,90,230"], []):
        like = ["--like", sample.street, *also, "-k", 4, "--json"]
        here, there = (json.loads(search("a coat", *like, *place)[1]) for place in (["--index", sample.index], ["--server", url]))
        assert there["query"] == here["query"] == "a coat + like street.png"
        assert [(hit["person"], hit["score"]) for hit in there["hits"]] == [(hit["person"], hit["score"]) for hit in here["hits"]]


def test_sheets_are_drawn_of_the_services_pictures(url: str, sample: Sample, tmp_path: Path) -> None:
    drawn = []
    for name, place in (("here", ["--index", sample.index]), ("there", ["--server", url])):
        sheet, frames = tmp_path / f"{name}.png", tmp_path / f"{name}-frames.png"
        code, _, said = search("a red jacket", "-k", 3, "--sheet", sheet, "--frames", frames, *place)
        assert (code, said.count("drawn:")) == (0, 2)
        drawn.append([Image.open(file).convert("L").resize((60, 40)) for file in (sheet, frames)])
    for mine, other in zip(*drawn, strict=True):
        apart = [abs(int(a) - int(b)) for a, b in zip(mine.tobytes(), other.tobytes(), strict=True)]
        assert sum(apart) / len(apart) < 5, "they look alike"


# -- tokens ------------------------------------------------------------------------------------------------------------------------------


def test_a_token_comes_from_the_environment_or_a_file_of_its_owner(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Tokens(tmp_path / "service").add("me", Role.VIEW)
    file = tmp_path / "token"
    file.write_text(f"{secret}\n")
    file.chmod(0o600)
    with listening(sample, tmp_path / "service") as url:
        assert "found none; set PASSERBY_TOKEN" in asked(url)
        assert search("coat", "--server", url, "--token-file", file)[0] == 0
        monkeypatch.setenv("PASSERBY_TOKEN", secret)
        assert search("coat", "--server", url)[0] == 0
        monkeypatch.setenv("PASSERBY_TOKEN", "x" * 43)
        assert "found one that it does not know; set" in asked(url)


def test_a_tokens_file_is_refused_unless_it_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PASSERBY_TOKEN", raising=False)
    assert read_token() is None
    file = tmp_path / "token"
    assert "no such file or directory; correct --token-file" in told(lambda: read_token(file))
    for text in ("", "two words", "a\r\nX-Header: b", "ü"):
        file.write_text(text)
        file.chmod(0o600)
        assert "write nothing but the token there" in told(lambda: read_token(file))
    file.chmod(0o640)
    assert f"others may use (mode 0640); chmod 600 {file}" in told(lambda: read_token(file))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8642", "correct --server"),
        ("ftp://localhost", "correct --server"),
        ("http://", "correct --server"),
        ("http://localhost:x", "correct --server"),
        ("http://local host", "correct --server"),
        ("https://me:secret@people.example", "a token goes into PASSERBY_TOKEN or a file"),
        ("https://people.example/?token=secret", "a token goes into PASSERBY_TOKEN or a file"),
        ("http://people.example", "name it with https://"),
    ],
)
def test_addresses_that_are_none_or_would_give_a_token_away(url: str, said: str) -> None:
    assert said in told(lambda: Server(url, "secret"))


def test_options_that_mean_nothing_beside_a_server_are_refused(tmp_path: Path) -> None:
    for arguments in (["--model", "x"], ["--index", str(tmp_path)]):
        done = CliRunner().invoke(app, ["search", "coat", "--server", "http://localhost:1", *arguments])
        assert isinstance(done.exception, ConfigError)
        assert "beside --server" in str(done.exception)
    assert isinstance(CliRunner().invoke(app, ["search", "coat", "--token-file", "x"]).exception, ConfigError)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--folder", "/seen"], "found --folder, for it takes and tells no paths; leave that out"),
        (["--with-person", "a child in yellow"], "found --with-person, for it looks for one person at a time; leave that out"),
        (["-k", "101"], "found -k 101, for it shows at most 100 people; leave that out"),
    ],
)
def test_what_a_service_does_not_do_is_said_before_it_is_asked(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["search", "coat", "--server", "http://localhost:1", *arguments])
    assert isinstance(done.exception, ConfigError)
    assert said in str(done.exception)


# -- what is not there, or something else ------------------------------------------------------------------------------------------------


def told(act: Callable[[], object]) -> str:
    with pytest.raises((ServiceFault, ConfigError)) as raised:
        act()
    return str(raised.value)


@contextmanager
def answering(status: int, kind: str, body: str = "", context: ssl.SSLContext | None = None, **headers: str) -> Iterator[str]:
    """The address of a server that answers everything with this, and ends each connection after it without a word."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

        do_POST = do_GET  # noqa: N815

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked(url: str) -> str:
    """What is said of a service that is asked."""
    done = CliRunner().invoke(app, ["search", "coat", "--server", url])
    assert isinstance(done.exception, ServiceFault), done.exception
    return str(done.exception)


PROBLEM = json.dumps({"expected": "fewer questions", "found": "many", "do": "ask again in a second"})


@pytest.mark.parametrize(
    ("status", "kind", "body", "said"),
    [
        (200, "text/html", "<p>hello", "found another kind of server, which answers 200 OK, text/html; check the address"),
        (404, "application/json", "{}", "found another kind of server, which answers 404"),
        (200, "application/json", "[1]", "found another kind of server"),
        (200, "application/json", "{", "found another kind of server"),
        (404, "application/problem+json", PROBLEM, "found one that does not know /api/v1/search; upgrade Passerby there"),
        (503, "application/problem+json", PROBLEM, "expected fewer questions, found many; ask again in a second"),
        (200, "application/json", '{"hits": []}', "(KeyError: 'selection'); let both be of one version"),
        (200, "application/json", '{"selection": null, "hits": [{"clock": 7}]}', "cannot be read"),
    ],
)
def test_what_answers_and_is_no_service_of_this_version(status: int, kind: str, body: str, said: str) -> None:
    with answering(status, kind, body) as url:
        assert said in asked(url)


def test_no_redirection_is_followed() -> None:
    with answering(302, "text/html", Location="https://elsewhere.example/") as url:
        assert "found one that sends on to https://elsewhere.example/; name that address" in asked(url)


def test_a_connection_that_the_service_has_ended_is_made_anew() -> None:
    """As it ends those that are idle, while sheets are drawn."""
    with answering(200, "application/json", '{"version": "1"}') as url, Server(url) as server:
        assert [server.get("info", {}) for _ in range(3)] == [{"version": "1"}] * 3


def test_nothing_there_or_nothing_that_speaks_http(url: str) -> None:
    assert "found none (connection refused); check the address, and that it runs there: passerby serve" in asked("http://127.0.0.1:9")
    assert "expected TLS at https" in asked(url.replace("http://", "https://"))


def test_a_certificate_that_nobody_here_trusts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl, which makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with answering(503, "application/problem+json", PROBLEM, context) as url:
        assert "found self-signed certificate; check the address, or name the file of who signed it with SSL_CERT_FILE" in asked(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert "ask again in a second" in asked(url), "one that is trusted is let pass"
