"""Index jobs by HTTP: a folder is indexed while it is searched, by whom it may, and not by others; also when the service is killed."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest
import schemathesis
from PIL import Image
from processes import children, is_there, until
from serving import Client, Sample, copy_of, indexing_of, serving

from passerby.data.synthetic import demo_people, write_gallery
from passerby.find.watch.state import CameraState, watching_alone, write_state
from passerby.index.open import open_index
from passerby.service.indexing.folders import Indexing
from passerby.service.indexing.job import State
from passerby.service.indexing.jobs import Jobs
from passerby.service.indexing.process import index_command
from passerby.service.tokens import Role, Tokens

SLOW = ("/bin/sh", "-c", 'echo "{\\"files\\": [1, 4]}" >&2; sleep 60')
JOBS = "/api/v1/index/jobs"
SCENES = 32


@dataclass(frozen=True)
class Site:
    """A service whose folder may be indexed."""

    client: Client
    sample: Sample
    folder: str

    def get(self, path: str) -> Any:
        response = self.client.http.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def start(self) -> int:
        response = self.client.http.post(JOBS, json={"folder": self.folder})
        assert response.status_code == 202, response.text
        assert response.headers["location"] == f"{JOBS}/{response.json()['job']}"
        return int(response.json()["job"])


@pytest.fixture(scope="module")
def site(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("indexed")
    own, lobby = copy_of(sample, root), root / "lobby"
    write_gallery(lobby / "new", demo_people(20)[15:], seed=9, views=2)
    (lobby / "new" / "broken & <b>.jpg").write_bytes(b"\xff\xd8\xffnothing")
    with serving(own, root / "service", indexing=indexing_of(own, lobby)) as client:
        yield Site(client, own, next(iter(client.service.jobs.folders)))


@pytest.fixture
def slow(sample: Sample, tmp_path: Path) -> Iterator[tuple[Client, str, dict[str, str]]]:
    """A service with tokens of each role, and a folder that takes a minute."""
    tokens = Tokens(tmp_path / "service")
    secrets = {"view": tokens.add("reception", Role.VIEW), "admin": tokens.add("head office", Role.ADMIN)}
    (tmp_path / "lobby").mkdir()
    with serving(sample, tmp_path / "service", indexing=Indexing((tmp_path / "lobby",), SLOW)) as client:
        yield client, next(iter(client.service.jobs.folders)), secrets


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def form_token(html: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f]+)"', html)
    assert found
    return found[1]


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


# -- what it does ------------------------------------------------------------------------------------------------------------------------


def test_a_folder_is_indexed_and_the_new_people_are_found_without_a_restart(site: Site) -> None:
    before = site.get("/api/v1/info")["people"]
    site.get("/api/v1/search?q=a+coat")
    job = site.start()
    told = events(site.client.http.get(f"{JOBS}/{job}/events").text)
    assert [one["job"] for one in told] == [job] * len(told)
    assert (told[-1]["state"], told[-1]["indexed"], told[-1]["failed"], told[-1]["people"]) == ("done", 10, 1, 10)
    assert told[-1]["said"] == "10 new, 1 failed, 10 people found"
    assert {(one["done"], one["total"]) for one in told} >= {(11, 11)}
    assert site.get("/api/v1/info")["people"] == before + 10
    names = {hit["name"] for hit in site.get("/api/v1/search?q=a+coat&k=100")["hits"]}
    assert len(names & {path.name for path in (site.sample.folder / "lobby" / "new").iterdir()}) > 1
    again = site.start()
    assert events(site.client.http.get(f"{JOBS}/{again}/events").text)[-1]["said"] == "10 unchanged, 1 failed"
    assert [one["job"] for one in site.get(JOBS)["jobs"]][:2] == [again, job]


def test_the_files_that_failed_are_named_by_the_api_and_by_the_page(site: Site) -> None:
    job = site.start()
    site.client.http.get(f"{JOBS}/{job}/events")
    failures = site.get(f"{JOBS}/{job}")["failures"]
    assert [one["name"] for one in failures] == ["new/broken & <b>.jpg"]
    html = site.client.http.get(f"/indexing/{job}").text
    assert '<td class="file">new/broken &amp; &lt;b&gt;.jpg</td>' in html
    assert failures[0]["reason"] in html
    (jobs,) = [one for one in site.client.service.jobs.folders.values()]
    site.client.service.jobs._failures.clear()
    assert site.get(f"{JOBS}/{job}")["failures"] == failures, f"from the index of {jobs.name}, as when the service began anew"


def test_what_is_answered_well_is_as_the_document_says(site: Site) -> None:
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", site.client.http.app, headers={"Host": "localhost"})
    job = 1 + len(site.client.service.jobs.latest())
    for method, path, status in (
        ("GET", "/folders", 200),
        ("POST", "/jobs", 202),
        ("GET", "/jobs", 200),
        ("GET", "/jobs/{job}", 200),
        ("GET", "/jobs/{job}/events", 200),
        ("DELETE", "/jobs/{job}", 200),
    ):
        sent = {"folder": site.folder} if method == "POST" else None
        response = site.client.http.request(method, f"/api/v1/index{path.format(job=job)}", json=sent)
        assert response.status_code == status, response.text
        schema[f"/api/v1/index{path}"][method].validate_response(response)


def test_the_document_shows_what_a_job_looks_like(site: Site) -> None:
    schemas = site.get("/api/v1/openapi.json")["components"]["schemas"]
    names = ("FolderSays", "JobAsked", "JobSays", "JobSaysAll", "FailureSays")
    shown = {
        name: [one for one in schemas[name]["properties"].values() if one.get("examples")] or schemas[name]["examples"] for name in names
    }
    assert all(shown.values())


def test_no_path_of_this_machine_is_told(site: Site) -> None:
    job = site.start()
    told = site.client.http.get(f"{JOBS}/{job}/events").text
    pages = ("/indexing", f"/indexing/{job}", "/cameras", "/api/v1/index/folders", JOBS, f"{JOBS}/{job}")
    assert str(site.sample.folder) not in told + "".join(site.client.http.get(path).text for path in pages)


def test_live_cameras_say_how_they_are(site: Site) -> None:
    with watching_alone(site.sample.index):
        write_state(site.sample.index, CameraState("<gate>", connected=False, since=1.0, error="nobody answers"))
    html = site.client.http.get("/cameras").text
    shutil.rmtree(site.sample.index / "watch")
    assert "&lt;gate&gt;" in html and "<gate>" not in html
    assert "not watched now" in html and "nobody answers" in html


def test_cameras_are_listed_with_whom_they_saw(site: Site) -> None:
    html = site.client.http.get("/cameras").text
    rows = [re.sub(r"<[^>]+>", "|", row).replace("|", " ").split() for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", html)]
    assert 'href="/?camera=north+gate"' in html
    assert rows == [
        ["lobby", "15", "2026-11-27", "14:00", "2026-11-29", "16:26", "none"],
        ["north", "gate", "15", "2026-11-27", "10:09", "2026-11-29", "12:23", "none"],
    ]


def test_who_started_and_cancelled_what_is_in_the_log(slow: tuple[Client, str, dict[str, str]]) -> None:
    client, folder, secrets = slow
    job = client.http.post(JOBS, json={"folder": folder}, headers=bearer(secrets["admin"])).json()["job"]
    client.http.delete(f"{JOBS}/{job}", headers=bearer(secrets["admin"]))
    said = [{name: one[name] for name in ("who", "did", "job", "folder")} for one in client.service.audit.latest(2)]
    assert said == [{"who": "head office", "did": did, "job": job, "folder": "lobby"} for did in ("cancel", "index")]


def test_what_the_log_does_not_take_is_not_begun(slow: tuple[Client, str, dict[str, str]]) -> None:
    client, folder, secrets = slow
    client.service.audit._of(datetime.now(UTC).date()).symlink_to("/dev/full")
    for _ in range(2):
        response = client.http.post(JOBS, json={"folder": folder}, headers=bearer(secrets["admin"]))
        assert (response.status_code, "the log of who asks what" in response.text) == (503, True)
    assert {job.state for job in client.service.jobs.latest()} == {State.CANCELLED}


# -- who may ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/index/folders"),
        ("GET", JOBS),
        ("POST", JOBS),
        *((method, f"{JOBS}/1{rest}") for method, rest in (("GET", ""), ("GET", "/events"), ("DELETE", ""))),
        ("GET", "/indexing"),
        ("GET", "/indexing/1"),
        ("POST", "/indexing"),
        ("POST", "/indexing/1/cancel"),
    ],
)
def test_indexing_is_for_admins_alone(slow: tuple[Client, str, dict[str, str]], method: str, path: str) -> None:
    client, folder, secrets = slow
    client.service.jobs.start(folder, "")

    def status(headers: dict[str, str]) -> int:
        token = client.service.forms.of("")
        sent: dict[str, Any] = {"json": {"folder": folder}} if path == JOBS else {"data": {"folder": folder, "token": token}}
        return client.http.request(method, path, headers=headers, **(sent if method == "POST" else {})).status_code

    assert status(bearer(secrets["view"])) == 403
    assert status({}) in (401, 303), "nobody, who is asked for a token"
    if not path.endswith("/events"):
        assert status(bearer(secrets["admin"])) in (200, 202, 303, 409)
    assert (client.service.jobs.get(1).state is State.CANCELLED) == (method == "DELETE" or "cancel" in path)


def test_who_may_only_look_is_not_shown_the_way_there(slow: tuple[Client, str, dict[str, str]]) -> None:
    client, _, secrets = slow
    shown = {role: 'href="/indexing"' in client.http.get("/", headers=bearer(secret)).text for role, secret in secrets.items()}
    assert shown == {"view": False, "admin": True}
    assert client.http.get("/cameras", headers=bearer(secrets["view"])).status_code == 200


def test_a_cookie_starts_and_cancels_nothing_by_the_api(slow: tuple[Client, str, dict[str, str]]) -> None:
    client, folder, secrets = slow
    cookie = {"Cookie": f"passerby={secrets['admin']}"}
    job = client.service.jobs.start(folder, "")
    assert client.http.get(f"{JOBS}/{job.id}", headers=cookie).status_code == 200
    assert client.http.post(JOBS, json={"folder": folder}, headers=cookie).status_code == 401
    assert client.http.delete(f"{JOBS}/{job.id}", headers=cookie).status_code == 401


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}])
def test_a_page_elsewhere_starts_and_cancels_nothing(site: Site, headers: dict[str, str]) -> None:
    sent = {"folder": site.folder, "token": site.client.service.forms.of("")}
    for method, path in (("POST", "/indexing"), ("POST", "/indexing/1/cancel"), ("POST", JOBS), ("DELETE", f"{JOBS}/1")):
        assert site.client.http.request(method, path, headers=headers, data=sent).status_code == 403


def test_a_form_of_elsewhere_starts_and_cancels_nothing(site: Site) -> None:
    for path in ("/indexing", "/indexing/1/cancel"):
        for token in ("", "0" * 64, site.client.service.forms.of("another")):
            assert site.client.http.post(path, data={"folder": site.folder, "token": token}).status_code == 403


@pytest.mark.parametrize("folder", ["../..", "/etc", "/", "", "0" * 12, "lobby", "%2e%2e", "0" * 11 + "\0"])
def test_only_folders_that_were_allowed_are_indexed(site: Site, folder: str) -> None:
    before = site.client.service.jobs.latest()
    assert site.client.http.post(JOBS, json={"folder": folder}).status_code in (404, 422)
    sent = {"folder": folder, "token": site.client.service.forms.of("")}
    assert site.client.http.post("/indexing", data=sent).status_code in (404, 422)
    assert site.client.service.jobs.latest() == before


def test_a_path_is_no_way_to_name_a_folder(site: Site) -> None:
    path = str(site.sample.folder / "lobby")
    assert site.client.http.post(JOBS, json={"folder": path}).status_code == 422
    assert site.client.http.post(JOBS, json={"folder": site.folder, "path": path}).status_code == 422


def test_without_allowed_folders_nothing_is_indexed(sample: Sample, tmp_path: Path) -> None:
    with serving(sample, tmp_path) as client:
        assert client.http.get("/api/v1/index/folders").json() == {"folders": []}
        refused = client.http.post(JOBS, json={"folder": "0" * 12})
        assert (refused.status_code, refused.json()["do"].endswith("by --allow-index")) == (404, True)
        assert 'href="/indexing"' not in client.http.get("/").text
        assert "--allow-index" in client.http.get("/indexing").text


def test_events_end_when_their_token_is_revoked(slow: tuple[Client, str, dict[str, str]]) -> None:
    client, folder, secrets = slow
    job = client.service.jobs.start(folder, "")
    revoking = Timer(0.5, client.service.tokens.revoke, ["head office"])
    revoking.start()
    told = events(client.http.get(f"{JOBS}/{job.id}/events", headers=bearer(secrets["admin"])).text)
    revoking.join()
    assert told[-1]["state"] == "running"


def test_what_cannot_be_done_is_said_as_a_problem(slow: tuple[Client, str, dict[str, str]]) -> None:
    client, folder, secrets = slow
    admin = bearer(secrets["admin"])
    client.http.post(JOBS, json={"folder": folder}, headers=admin)
    for response, status in (
        (client.http.post(JOBS, json={"folder": folder}, headers=admin), 409),
        (client.http.get(f"{JOBS}/7", headers=admin), 404),
        (client.http.get(f"{JOBS}/7/events", headers=admin), 404),
        (client.http.delete(f"{JOBS}/7", headers=admin), 404),
        (client.http.get(f"{JOBS}/x", headers=admin), 422),
    ):
        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
        assert response.json().keys() >= {"expected", "found", "do"}


# -- when it is killed -------------------------------------------------------------------------------------------------------------------


@contextmanager
def begun(*options: str | Path) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """`passerby serve`, its address, and what it said before."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-P", "-m", "passerby", "serve", "--port", str(port), *map(str, options)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr
        try:
            said = list(iter(service.stderr.readline, f"open http://127.0.0.1:{port}/\n"))
            yield service, f"http://127.0.0.1:{port}{JOBS}", said
        finally:
            service.kill()


def asked(url: str, sent: dict[str, Any] | None = None) -> Any:
    data = None if sent is None else json.dumps(sent).encode()
    return json.load(urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": "application/json"})))


def test_a_service_that_is_killed_takes_its_run_along_and_indexing_again_goes_on(tmp_path: Path) -> None:
    """Of an index that it makes itself; nothing that was told to be done is lost."""
    place, scenes = tmp_path / "index", tmp_path / "scenes"
    scenes.mkdir()
    for number in range(SCENES):
        noise = np.random.default_rng(number).integers(0, 255, (360, 480, 3), np.uint8)
        Image.fromarray(noise).save(scenes / f"{number:02}.jpg")
    allowed = ("--allow-index", scenes, "--allow-index", tmp_path / "away")
    with begun("--index", place, *allowed) as (service, url, said):
        assert said == [f"{tmp_path / 'away'}, which --allow-index names, is no folder that can be seen now\n"]
        folder = asked(url.replace("jobs", "folders"))["folders"][0]["folder"]
        asked(url, {"folder": folder})
        done = until(lambda: asked(f"{url}/1")["done"])
        (child,) = children(service.pid)
    until(lambda: not is_there(child))
    with closing(Jobs(place / "service", Indexing((scenes,), index_command(place, "passerby-s")))) as jobs:
        assert [(job.id, job.state) for job in jobs.latest()] == [(1, State.INTERRUPTED)]
        again = jobs.start(folder, "")
        until(lambda: jobs.get(again.id).state.has_ended)
        report = jobs.get(again.id)
    assert report.unchanged >= done
    assert report.unchanged + report.indexed == SCENES
    with open_index(place) as index:
        assert index.info().media == SCENES
