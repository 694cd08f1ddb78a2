"""What keeps a service from whoever should not use it, a test for each promise."""

from __future__ import annotations

import hmac
import json
import os
import re
import stat
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import islice
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit
from struct import pack
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from PIL import Image
from serving import Client, Sample, serving
from starlette.testclient import TestClient

from passerby.errors import ConfigError, ImageError, IndexFault, ModelError, PasserbyError, ServiceBusy, VideoError
from passerby.find.ingest.run import index_paths
from passerby.index.open import create_index
from passerby.service import security, uploads
from passerby.service import tokens as tokens_module
from passerby.service.app import config_of
from passerby.service.audit import Audit
from passerby.service.devices import Devices
from passerby.service.private import changing
from passerby.service.problems import Refused, problem
from passerby.service.security import HEADERS, RATES, FormTokens, Listening, Rates
from passerby.service.tokens import Role, Tokens
from passerby.service.uploads import decode_upload


@pytest.fixture(scope="module")
def client(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(sample, tmp_path_factory.mktemp("open")) as opened:
        yield opened


@pytest.fixture
def guarded(sample: Sample, tmp_path: Path) -> Iterator[tuple[Client, str, str]]:
    """A service that has tokens, one of each role."""
    tokens = Tokens(tmp_path / "service")
    secrets = tokens.add("reception", Role.VIEW), tokens.add("head office", Role.ADMIN)
    with serving(sample, tmp_path / "service") as opened:
        yield opened, *secrets


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else this machine does, a decoder comes to its turn."""
    monkeypatch.setattr(uploads, "PATIENCE", 100)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def endpoints(client: Client) -> Iterator[tuple[str, str]]:
    """Every method and path that is answered."""
    for route in iter_route_contexts(client.http.app._app.routes):  # type: ignore[attr-defined]
        for method in (route.methods or set()) - {"HEAD"}:
            yield method, str(route.path)


def status(client: Client, path: str, secret: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return client.http.get(path, headers=headers).status_code


def jpeg(width: int = 60, height: int = 120, form: str = "JPEG") -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), "#a04030").save(file, form)
    return file.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes and many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    header = pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\0" * (width // 8)) * height, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def slow_jpeg(side: int, scans: int) -> bytes:
    """A JPEG of few bytes that takes its decoder long: each scan goes over every block, and says nothing of any."""

    def segment(marker: int, body: bytes) -> bytes:
        return pack(">BBH", 0xFF, marker, len(body) + 2) + body

    def scan(first: int, last: int, bits: str) -> bytes:
        bits += "1" * (-len(bits) % 8)
        data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
        return segment(0xDA, bytes([1, 1, 0, first, last, 0])) + data

    one_code = bytes([1, *[0] * 15])
    blocks = (side // 8) ** 2
    tables = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC4, b"\x00" + one_code + b"\0") + segment(0xC4, b"\x10" + one_code + b"\xe0")
    frame = segment(0xC2, pack(">BHHBBBB", 8, side, side, 1, 1, 0x11, 0))
    nothing = scan(1, 63, ("0" + "1" * 14) * (blocks // 32767 + 1))
    return b"\xff\xd8" + tables + frame + scan(0, 0, "0" * blocks) + nothing * scans + b"\xff\xd9"


# -- where it listens --------------------------------------------------------------------------------------------------------------------


def test_it_listens_on_this_machine_alone_unless_it_is_said() -> None:
    assert Listening().url == "http://127.0.0.1:8642/"
    assert all(Listening(host).is_loopback and not Listening(host).needs_tokens for host in ("127.0.0.1", "::1", "localhost", "127.1.2.3"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "camera-server"])
def test_an_address_that_others_can_reach_needs_tls_or_a_proxy_and_a_token(host: str, sample: Sample, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which others can reach, and neither; listen on 127"):
        Listening(host)
    with pytest.raises(ConfigError, match="found one of them; name both"):
        Listening(host, certificate=Path("cert.pem"))
    with pytest.raises(ConfigError, match="found 'proxy'; name it by its address"):
        Listening(host, proxies=("proxy",))
    for reachable in (Listening(host, certificate=Path("c"), key=Path("k")), Listening(host, proxies=("10.0.0.1",))):
        assert reachable.needs_tokens
        with pytest.raises(ConfigError, match="make one: passerby token add"), serving(sample, tmp_path, reachable):
            pass
    assert Listening("127.0.0.1", proxies=("127.0.0.1",)).needs_tokens


@pytest.mark.parametrize(
    ("proxies", "came_from", "believed"),
    [(("10.0.0.1",), "10.0.0.1", True), (("10.0.0.1",), "10.0.0.2", False), ((), "127.0.0.1", False)],
)
def test_who_the_client_is_only_a_proxy_that_was_named_may_say(
    sample: Sample, tmp_path: Path, proxies: tuple[str, ...], came_from: str, believed: bool
) -> None:
    secret = Tokens(tmp_path).add("reception", Role.VIEW)
    with serving(sample, tmp_path, Listening(proxies=proxies)) as client:
        config = config_of(client.service)
        config.load()
        http = TestClient(config.loaded_app, base_url="http://localhost", client=(came_from, 5000), follow_redirects=False)
        said = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9", "X-Forwarded-Proto": "https", "Authorization": f"Bearer {secret}"}
        assert http.get("/api/v1/search?q=coat", headers=said).status_code == 200
        assert client.service.audit.latest(1)[0]["address"] == ("203.0.113.9" if believed else came_from)
        form = http.post("/login", data={"secret": secret}, headers=said)
        assert ("; secure" in form.headers["set-cookie"].lower()) == believed


# -- tokens ------------------------------------------------------------------------------------------------------------------------------


def test_of_a_token_only_the_hash_is_kept_in_a_file_of_its_owner(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "service")
    assert not tokens.wanted
    secret = tokens.add("reception", Role.VIEW)
    assert len(secret) == 43
    kept = tmp_path / "service" / "tokens.json"
    assert secret not in kept.read_text()
    assert (mode(kept), mode(kept.parent)) == (0o600, 0o700)
    assert tokens.whose(secret) == tokens.all()[0]
    assert [tokens.whose(wrong) for wrong in ("", "x", secret[:-1], secret + "x", "\ud800")] == [None] * 5


def test_secrets_are_compared_in_constant_time_with_every_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(tmp_path)
    secrets = [tokens.add(name, Role.VIEW) for name in ("a", "b", "c")]
    compared: list[bool] = []

    def watched(one: str, other: str) -> bool:
        compared.append(hmac.compare_digest(one, other))
        return compared[-1]

    monkeypatch.setattr(tokens_module, "compare_digest", watched)
    assert tokens.whose(secrets[0]) is not None
    assert tokens.whose("wrong") is None
    assert compared == [True, False, False, False, False, False]


def test_names_of_tokens(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    tokens.add("reception", Role.VIEW)
    for name, reason in (("reception", "choose another"), ("", "correct the name"), ("a\nb", "correct the name"), ("x" * 81, "80")):
        with pytest.raises(ConfigError, match=reason):
            tokens.add(name, Role.VIEW)
    (tmp_path / "tokens.json").write_text("{")
    with pytest.raises(ConfigError, match="mend the file"):
        tokens.all()


def test_two_that_change_tokens_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each command has its own view of the file; whoever is second waits, and begins with what the first one wrote."""
    tokens = Tokens(tmp_path)
    tokens.add("old", Role.VIEW)
    with ThreadPoolExecutor() as others, changing(tmp_path):
        revoked = others.submit(Tokens(tmp_path).revoke, "old")
        added = [others.submit(Tokens(tmp_path).add, name, Role.VIEW) for name in ("new", "newer")]
        time.sleep(0.05)
        assert not (revoked.done() or any(one.done() for one in added))
    assert revoked.result()
    assert [one.name for one in tokens.all()] in (["new", "newer"], ["newer", "new"])


def test_two_services_that_share_a_folder_lose_no_device(tmp_path: Path) -> None:
    one, other = Devices(tmp_path), Devices(tmp_path)
    with ThreadPoolExecutor() as both:
        list(both.map(lambda n: (one, other)[n % 2].keep(f"device-{n}", seen=float(n)), range(40)))
    assert len(one.all()) == 40


def test_where_there_are_tokens_nobody_passes_without_one(guarded: tuple[Client, str, str]) -> None:
    client, view, _ = guarded
    for path in ("search?q=coat", "people/1", "people/1/photo", "crops/1-0", "info", "audit"):
        assert status(client, f"/api/v1/{path}") == 401
        assert status(client, f"/api/v1/{path}", "wrong") == 401
    response = client.http.get("/api/v1/info")
    assert response.headers["www-authenticate"] == "Bearer"
    assert status(client, "/api/v1/search?q=coat", view) == 200


def test_every_endpoint_needs_a_token_but_those_that_show_nobody(guarded: tuple[Client, str, str]) -> None:
    client, *_ = guarded
    open_to_all = set()
    for method, path in endpoints(client):
        response = client.http.request(method, re.sub(r"\{\w+\}", "1-0" if "crop" in path else "1", path))
        to_login = response.status_code == 303 and response.headers["location"].startswith("/login")
        if not (to_login or response.status_code in (401, 403)):
            open_to_all.add(f"{method} {path}")
    assert open_to_all == {"GET /login", "POST /login", "GET /api/v1/openapi.json"}


def test_a_token_that_was_revoked_is_refused_at_once_and_the_last_one_opens_nothing(guarded: tuple[Client, str, str]) -> None:
    client, view, admin = guarded
    assert status(client, "/api/v1/info", view) == 200
    assert client.service.tokens.revoke("reception")
    assert not client.service.tokens.revoke("reception")
    assert status(client, "/api/v1/info", view) == 401
    assert client.service.tokens.revoke("head office")
    assert status(client, "/api/v1/info", admin) == status(client, "/api/v1/info") == 401


def test_who_asked_what_is_told_to_admins_alone(guarded: tuple[Client, str, str]) -> None:
    client, view, admin = guarded
    assert (status(client, "/api/v1/audit", view), status(client, "/api/v1/audit", admin)) == (403, 200)


# -- requests ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example", "[", "169.254.1.1"])
def test_a_name_that_was_made_to_point_here_is_refused_on_loopback_too(client: Client, host: str) -> None:
    response = client.http.get("/api/v1/info", headers={"Host": host})
    assert (response.status_code, response.json()["expected"]) == (421, "a name of this service")
    assert response.json()["do"].endswith("start it with --name and this one")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8642", "127.0.0.1:8642", "[::1]:8642"])
def test_its_own_names_are_let_pass(client: Client, host: str) -> None:
    assert client.http.get("/api/v1/info", headers={"Host": host}).status_code == 200


def test_names_that_it_was_given(sample: Sample, tmp_path: Path) -> None:
    with serving(sample, tmp_path, Listening(names=("People.example",))) as client:
        assert client.http.get("/api/v1/info", headers={"Host": "people.example:443"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)
def test_what_a_page_elsewhere_makes_a_browser_send_is_refused(client: Client, headers: dict[str, str]) -> None:
    response = client.http.post("/api/v1/describe", files={"picture": jpeg()}, headers=headers)
    assert (response.status_code, response.json()["expected"]) == (403, "a request from a page of this service")


def test_who_is_nobody_learns_nothing_of_forms(guarded: tuple[Client, str, str]) -> None:
    client, _, _ = guarded
    assert client.http.post("/api/v1/describe", files={"picture": jpeg(), "other": jpeg()}).status_code == 401


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}])
def test_what_a_program_or_its_own_page_sends_is_let_pass(client: Client, headers: dict[str, str]) -> None:
    assert client.http.post("/api/v1/describe", headers=headers).status_code == 422, "it lacks its picture, and no more"


def test_a_form_counts_for_the_cookie_it_was_made_for_and_until_the_service_ends() -> None:
    forms = FormTokens()
    forms.require(forms.of("cookie"), "cookie")
    for given, cookie in ((forms.of("cookie"), "other"), (FormTokens().of("cookie"), "cookie"), ("", "cookie"), ("ü", "cookie")):
        with pytest.raises(Refused, match="open the page again"):
            forms.require(given, cookie)


@pytest.mark.parametrize("path", ["/api/v1/info", "/api/v1/crops/1-0", "/api/v1/nothing", "/api/v1/search?k=0", "/api/v1/openapi.json"])
@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_response_carries_the_headers_and_none_lets_other_origins_read_it(client: Client, path: str, host: str) -> None:
    response = client.http.get(path, headers={"Host": host, "Origin": "http://evil.example"})
    assert {name: response.headers[name] for name in HEADERS} == HEADERS
    assert response.headers["cache-control"] == "no-store"
    policy = response.headers["content-security-policy"]
    assert ("unsafe-" in policy, "frame-ancestors 'none'" in policy, "default-src 'none'" in policy) == (False, True, True)
    assert (response.headers["x-content-type-options"], response.headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_what_changes_anything_takes_more_than_the_cookie_that_a_link_from_elsewhere_carries(guarded: tuple[Client, str, str]) -> None:
    """A page elsewhere can make a browser get a page with it; whatever is not got needs a form of this service, or a token of its own."""
    client, _, admin = guarded
    for method, path in endpoints(client):
        if method == "GET" or path == "/login":
            continue
        response = client.http.request(method, re.sub(r"\{\w+\}", "1", path), headers={"Cookie": f"passerby={admin}"})
        assert response.status_code == (401 if path.startswith("/api/") else 403), (method, path)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        assert client.http.post("/login", data={"secret": admin}, headers=headers).status_code == 403


def test_a_cookie_does_not_let_a_program_send_anything(guarded: tuple[Client, str, str]) -> None:
    client, view, _ = guarded
    cookie = {"Cookie": f"passerby={view}"}
    assert client.http.get("/api/v1/info", headers=cookie).status_code == 200
    assert client.http.post("/api/v1/describe", files={"picture": jpeg()}, headers=cookie).status_code == 401


# -- what is shown -----------------------------------------------------------------------------------------------------------------------


def test_only_the_bytes_that_were_indexed_are_shown(sample: Sample, tmp_path: Path) -> None:
    """Not what lies at a path now, by a link or otherwise, and nothing of who was removed."""
    crops = tmp_path / "crops"
    crops.mkdir()
    for width, name in enumerate(("kept", "changed", "linked", "gone"), 60):
        (crops / f"{name}.png").write_bytes(jpeg(width, 120, "PNG"))
    (tmp_path / "private.png").write_bytes(jpeg(99, 99, "PNG"))
    with create_index(tmp_path / "index", sample.encoder) as index:
        index_paths(index, sample.encoder, [crops])
        people = {person.media.path.stem: person.id for person, _ in index.people()}
    (crops / "changed.png").write_bytes(jpeg(99, 99, "PNG"))
    (crops / "linked.png").unlink()
    (crops / "linked.png").symlink_to(tmp_path / "private.png")
    (crops / "gone.png").unlink()
    with serving(Sample(tmp_path, tmp_path / "index", sample.encoder, sample.street), tmp_path / "service") as client:
        for name, shown in (("kept", 200), ("changed", 410), ("linked", 410), ("gone", 410)):
            for path in (f"crops/{people[name]}-0", f"people/{people[name]}/photo", f"search?like={people[name]}-0"):
                assert client.http.get(f"/api/v1/{path}").status_code == shown, (name, path)
        with client.service.index.writing():
            client.service.index.suppress(people["kept"] or 0)
        assert client.http.get(f"/api/v1/crops/{people['kept']}-0").status_code == 404


def test_an_error_does_not_say_where_anything_is(
    guarded: tuple[Client, str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, view, _ = guarded
    (tmp_path / "service" / "tokens.json").write_text("{")
    told = client.http.get("/api/v1/info", headers={"Authorization": f"Bearer {view}"})
    assert (told.status_code, told.json()["found"]) == (500, "a fault that the log of the service tells")
    assert str(tmp_path.parent) not in told.text
    assert f"expected tokens in {tmp_path / 'service' / 'tokens.json'}" in caplog.text


@pytest.mark.parametrize("kind", [IndexFault, ConfigError, ModelError, VideoError, PasserbyError])
def test_what_is_the_operators_is_told_to_the_log_alone(kind: type[PasserbyError], caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the words, and however the places in them are written."""
    at = ("/srv/anna maria/secret project/index", "'~anna/x' of anna@db.example", "see archive/anna maria/log")
    told = str(problem(kind(expected=at[0], found=at[1], do=at[2])))
    assert [word for word in ("anna", "secret", "archive", "db.example") if word in told] == []
    assert all(one in caplog.text for one in at)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/..%5capp.py",
        "/api/v1/crops/..%2f..%2fetc%2fpasswd",
        "/api/v1/crops/%2fetc%2fpasswd/photo",
        "/api/v1/people/-1",
        "/people/..%2f1",
        "/people/1-0-0",
    ],
)
def test_a_path_is_no_way_to_ask_for_anything(client: Client, path: str) -> None:
    response = client.http.get(path)
    assert response.status_code in (404, 422)
    assert "root:" not in response.text
    assert "import" not in response.text


# -- what is sent ------------------------------------------------------------------------------------------------------------------------


def test_an_upload_is_of_three_formats(client: Client) -> None:
    for form in ("PNG", "WEBP"):
        assert client.http.post("/api/v1/describe", files={"picture": jpeg(form=form)}).status_code == 200
    for data in (jpeg(form="GIF"), b"", b"\xff\xd8\xff\xe0nothing"):
        response = client.http.post("/api/v1/describe", files={"picture": data})
        assert response.status_code == 400, response.text


def test_an_upload_is_of_ten_megabytes_at_most(client: Client) -> None:
    for size, expected in ((10_000_001, 413), (10_100_000, 413), (9_999_999, 400)):
        response = client.http.post("/api/v1/describe", files={"picture": b"\0" * size})
        assert response.status_code == expected, response.text
    for length in ("99999999", "0" * 20 + "99999999", "9" * 5000, "-1", "1e3", "\u0661"):
        response = client.http.post("/api/v1/describe", content=b"x", headers=[(b"content-length", length.encode())])
        assert response.status_code == 413, length
    response = client.http.post("/api/v1/describe", content=iter([b"x"]))
    assert response.status_code == 411


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (
            {"headers": {"Content-Length": "99999999", "Content-Type": "multipart/form-data"}, "content": b"x"},
            413,
            "make the picture smaller",
        ),
        ({"content": iter([b"x"])}, 411, "a body that says its length"),
        ({"headers": {"Origin": "http://evil.example"}}, 403, "a request from a page of this service"),
        ({"headers": {"Host": "evil.example"}}, 421, "open it by a name it knows"),
    ],
)
def test_what_the_guard_refuses_is_a_page_to_people_and_a_problem_to_programs(
    client: Client, sent: dict[str, Any], status: int, said: str
) -> None:
    page = client.http.post("/", **sent)
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert (said in page.text, "Start again" in page.text) == (True, True)
    assert {name: page.headers[name] for name in HEADERS} == HEADERS
    told = client.http.post("/api/v1/describe", **sent | ({"content": iter([b"x"])} if status == 411 else {}))
    assert (told.status_code, told.headers["content-type"], said in told.text) == (status, "application/problem+json", True)


@pytest.mark.parametrize(
    ("path", "status"), [("/api/v1/index/jobs", 401), ("/api/v1/push", 401), ("/", 303), ("/indexing", 303), ("/api/v1/nothing", 401)]
)
def test_of_who_is_not_let_in_nothing_is_read(guarded: tuple[Client, str, str], path: str, status: int) -> None:
    client, *_ = guarded

    def body() -> Iterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    response = client.http.post(path, content=body(), headers={"Content-Length": "9600", "Content-Type": "application/json"})
    assert response.status_code == status


@pytest.mark.parametrize("kind", ["application/json", "application/problem+json", "application/x-www-form-urlencoded", "text/plain", None])
def test_what_is_read_as_a_whole_is_of_some_kilobytes(client: Client, kind: str | None) -> None:
    for path in ("/api/v1/index/jobs", "/api/v1/frame", "/login"):
        response = client.http.post(path, content=b"[]," * 30_000, headers={"Content-Type": kind} if kind else {})
        assert (response.status_code, "at most 65536 bytes" in response.text) == (413, True)


def test_an_upload_is_of_25_megapixels_at_most_however_few_bytes_it_has() -> None:
    data = bomb(12_000, 12_000)
    assert len(data) < 50_000
    with pytest.raises(ImageError, match="at most 25 megapixels, found 12000 x 12000"):
        decode_upload(data)
    assert decode_upload(bomb(5_000, 5_000)).size == (5_000, 5_000)


def test_a_picture_that_takes_too_much_of_the_processor_is_refused() -> None:
    """However long the machine lets its decoder wait."""
    with pytest.raises(ImageError, match=r"takes longer than 1 s; save it as a plain JPEG"):
        decode_upload(slow_jpeg(4096, scans=10_000), seconds=1)


def test_a_decoder_that_gets_no_time_is_ended_and_not_the_pictures_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path / 'pid'}\nexec sleep 60\n")
    slow.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(slow))
    monkeypatch.setattr(uploads, "PATIENCE", 0.5)
    began = time.monotonic()
    with pytest.raises(ServiceBusy, match="found one that is busy; send it again"):
        decode_upload(jpeg(), seconds=1)
    assert time.monotonic() - began < 5
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
    monkeypatch.setattr(sys, "executable", "/nowhere")
    with pytest.raises(ServiceBusy, match="can start a decoder"):
        decode_upload(jpeg())


def test_pictures_are_decoded_one_at_a_time_and_who_waits_too_long_is_told_so() -> None:
    with uploads._ONE_AT_A_TIME, pytest.raises(ServiceBusy, match="send it again"):
        decode_upload(jpeg(), seconds=0)
    assert decode_upload(jpeg()).size == (60, 120)


def test_pictures_that_wait_leave_threads_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with ThreadPoolExecutor(20) as threads:
        with uploads._ONE_AT_A_TIME:
            sent = [threads.submit(decode_upload, jpeg(), 30) for _ in range(20)]
            refused = list(islice(as_completed(sent, 20), 12))
            assert not any(one.done() for one in sent if one not in refused)
        assert {type(one.exception()) for one in refused} == {ServiceBusy}
        assert {type(one.exception()) for one in sent if one not in refused} == {ImageError}, "their turn came"


def test_a_decoder_that_breaks_leaves_no_picture_of_its_memory_on_the_disk() -> None:
    code = """
from resource import RLIMIT_CORE, getrlimit, setrlimit
from passerby.service import uploads
_, most = getrlimit(RLIMIT_CORE)
setrlimit(RLIMIT_CORE, (most, most))
uploads._limit(5)
print(getrlimit(RLIMIT_CORE)[0])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "0\n"


def test_a_decoder_that_breaks_breaks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ImageError, match="its decoder fails at"):
        decode_upload(jpeg())


def test_nothing_of_an_upload_is_kept(sample: Sample, tmp_path: Path) -> None:
    marked = jpeg() + b"a mark that is nowhere else"
    with serving(sample, tmp_path) as client:
        assert client.http.post("/api/v1/similar", files={"picture": ("secret name.jpg", marked)}).status_code == 200
    kept = b"".join(path.read_bytes() for folder in (tmp_path, sample.index) for path in folder.rglob("*") if path.is_file())
    assert b"a mark" not in kept
    assert b"secret name" not in kept


def test_no_environment_makes_it_tell_others_of_requests(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI starts an exporter where these are set, or fails where it has none."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example:4318")
    with serving(sample, tmp_path) as client:
        assert client.http.get("/api/v1/info").status_code == 200
        assert not client.http.app._app._native_telemetry.enabled()  # type: ignore[attr-defined]


# -- how often ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "count", "seconds"), [("login", 5, 60), ("search", 10, 1), ("upload", 2, 1)])
def test_how_often_each_client_does_what(what: str, count: int, seconds: float) -> None:
    rates = Rates()
    assert (RATES[what].count, RATES[what].seconds) == (count, seconds)
    for _ in range(count):
        rates.spend(what, "one", now=100.0)
    with pytest.raises(Refused, match=f"at most {count} in {seconds:g} s, found more; try again in") as refused:
        rates.spend(what, "one", now=100.0)
    assert refused.value.wait
    rates.spend(what, "another", now=100.0)
    rates.spend(what, "one", now=100.0 + seconds / count + 1e-6)
    with pytest.raises(Refused):
        rates.spend(what, "one", now=100.0 + seconds / count + 1e-6)


def test_who_searches_too_often_is_told_to_wait(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "time", SimpleNamespace(monotonic=lambda: 100.0))
    with serving(sample, tmp_path, limited=True) as client:
        responses = [client.http.get("/api/v1/search?q=coat") for _ in range(14)]
    assert [response.status_code for response in responses] == [200] * 10 + [429] * 4
    assert responses[-1].headers["retry-after"] == "1"


def test_who_sends_pictures_too_often_is_told_to_wait(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "time", SimpleNamespace(monotonic=lambda: 100.0))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    for path in ("/api/v1/describe", "/api/v1/similar"):
        with serving(sample, tmp_path, limited=True) as client:
            assert [client.http.post(path, files={"picture": jpeg()}).status_code for _ in range(4)] == [400, 400, 429, 429]


def test_of_many_clients_only_the_last_are_remembered() -> None:
    rates = Rates(clients=3)
    for number in range(10):
        rates.spend("search", str(number), now=1.0)
    assert len(rates._left) == 3


# -- the log -----------------------------------------------------------------------------------------------------------------------------


def test_the_log_says_who_asked_what_and_whom_they_were_shown(guarded: tuple[Client, str, str], tmp_path: Path) -> None:
    client, view, admin = guarded
    headers = {"Authorization": f"Bearer {view}"}
    found = client.http.get("/api/v1/search", params={"q": 'a coat\n{"who": "x"}', "upper": "red", "k": 3}, headers=headers).json()
    client.http.get("/api/v1/people/2/photo", headers=headers)
    client.http.post("/api/v1/similar?k=1", files={"picture": jpeg()}, headers=headers)
    entries = client.http.get("/api/v1/audit", headers={"Authorization": f"Bearer {admin}"}).json()["entries"]
    upload, photo, search = entries
    assert search["asked"] == {"q": 'a coat\n{"who": "x"}', "upper": ["red"], "k": 3}
    assert (search["who"], search["did"], search["shown"]) == ("reception", "search", [hit["person"] for hit in found["hits"]])
    assert (photo["did"], photo["shown"]) == ("photo", [2])
    assert len(upload["asked"]["picture"]) == 64
    files = list((tmp_path / "service" / "audit").iterdir())
    assert [mode(files[0]), mode(files[0].parent)] == [0o600, 0o700]
    assert len(files[0].read_text().splitlines()) == 3
    assert view not in files[0].read_text()


def test_all_that_a_service_keeps_is_its_owners_alone_whatever_the_umask(sample: Sample, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Tokens(tmp_path / "service").add("reception", Role.VIEW)
        with serving(sample, tmp_path / "service") as client:
            client.http.post("/login", data={"secret": "x" * 43})
    finally:
        os.umask(before)
    kept = [tmp_path / "service", *(tmp_path / "service").rglob("*")]
    assert {path.is_dir(): mode(path) for path in kept} == {True: 0o700, False: 0o600}
    assert len(kept) == 6


def test_the_log_is_only_ever_appended_to(tmp_path: Path) -> None:
    log = Audit(tmp_path / "audit")
    log.append({"n": 1})
    (file,) = (tmp_path / "audit").iterdir()
    before = file.read_bytes()
    calls: list[int] = []
    original = os.open

    def watched(path: Any, flags: int, *rest: Any) -> int:
        calls.append(flags)
        return original(path, flags, *rest)

    os.open = watched  # type: ignore[assignment]
    try:
        Audit(tmp_path / "audit").append({"n": 2})
    finally:
        os.open = original
    assert all(flags & os.O_APPEND and not flags & os.O_TRUNC for flags in calls)
    assert file.read_bytes().startswith(before)
    assert [entry["n"] for entry in log.latest(10)] == [2, 1]
    assert [entry["n"] for entry in log.latest(1)] == [2]


def test_the_log_forgets_whole_days_after_their_time(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    log = Audit(tmp_path, days=3)
    for ago in range(1, 6):
        (tmp_path / f"{today - timedelta(days=ago)}.jsonl").write_text(json.dumps({"ago": ago}) + "\n")
    log.append({"ago": 0})
    assert [entry["ago"] for entry in log.latest(10)] == [0, 1, 2]


def test_a_line_that_was_cut_short_hides_no_other(tmp_path: Path) -> None:
    log = Audit(tmp_path)
    log.append({"n": 1})
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text() + '{"n": 2, "cu')
    log.append({"n": 3})
    assert [entry["n"] for entry in log.latest(5)] == [3, 1]


def test_a_full_disk_lets_nobody_search_unseen_and_is_no_fault(sample: Sample, tmp_path: Path) -> None:
    with serving(sample, tmp_path) as client:
        client.service.audit._of(datetime.now(UTC).date()).symlink_to("/dev/full")
        responses = [client.http.get(path) for path in ("/api/v1/search?q=coat", "/?q=coat", "/people/1")]
    assert [response.status_code for response in responses] == [503, 503, 503]
    assert "no space left on device; have whoever runs it look at the disk" in responses[0].json()["detail"]
    assert responses[0].headers["retry-after"] == "1"
    assert str(tmp_path) not in responses[0].text


def test_an_entry_that_a_disk_takes_in_part_counts_as_not_written(tmp_path: Path) -> None:
    log = Audit(tmp_path)
    log.append({"n": 1})
    before = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (log._of(log._today).stat().st_size + 20, before[1]))
    try:
        with pytest.raises(ServiceBusy, match="the log of who asks what to be writable, found file too large"):
            log.append({"n": 2})
    finally:
        setrlimit(RLIMIT_FSIZE, before)
    log.append({"n": 3})
    assert [entry["n"] for entry in log.latest(5)] == [3, 1]


def test_a_day_is_forgotten_when_that_can_be_done_again(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    log = Audit(tmp_path, days=1)
    old = tmp_path / f"{today - timedelta(days=3)}.jsonl"
    old.mkdir()
    with pytest.raises(ServiceBusy):
        log.append({"n": 1})
    old.rmdir()
    old.write_text("{}\n")
    log.append({"n": 2})
    assert not old.exists()


def test_the_last_entries_of_a_long_log_are_found_without_reading_all_of_it(tmp_path: Path) -> None:
    log = Audit(tmp_path)
    lines = [json.dumps({"n": number, "asked": "x" * (number * 37 % 9000)}) for number in range(3000)]
    log._of(datetime.now(UTC).date()).write_text("\n".join(lines) + "\n")
    (tmp_path / "2026-01-01.jsonl").write_text(json.dumps({"n": -1, "asked": "y" * 200_000}) + "\n")
    assert [entry["n"] for entry in log.latest(4000)] == list(range(2999, -2, -1))
    tracemalloc.start()
    assert [entry["n"] for entry in log.latest(2)] == [2999, 2998]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000
