"""`passerby push` and `passerby info --devices`, as a stranger meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pushing import centre, token_of
from serving import Sample

from passerby.cli.app import app
from passerby.errors import ConfigError, QueryError, ServiceFault
from passerby.index.open import create_index


def passerby(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env=environment)


def test_a_sample_is_pushed_and_searched_at_the_centre(sample: Sample, tmp_path: Path) -> None:
    index, at_centre = tmp_path / "device", tmp_path / "centre"
    shutil.copytree(sample.index, index)
    with create_index(at_centre, sample.encoder) as opened, centre(opened, sample.encoder, at_centre / "service") as service:
        secret, url = token_of(service, "north-gate"), service.listening.url
        done = passerby("push", "--to", url, "--index", index, "--json", PASSERBY_TOKEN=secret)
        report = json.loads(done.stdout)
        assert (done.exit_code, report["people"], report["media"], report["broken"]) == (0, 32, 31, 0)
        again = passerby("push", "--to", url, "--index", index, PASSERBY_TOKEN=secret)
        assert (again.exit_code, again.stdout) == (0, "")
        assert "0 people in 0 photos and videos pushed, 31 unchanged" in again.stderr
        refused = passerby("push", "--to", url, "--index", index, PASSERBY_TOKEN="wrong")
        assert isinstance(refused.exception, ServiceFault)
    own = json.loads(passerby("search", "a red jacket", "--index", index, "--json").stdout)
    there = json.loads(passerby("search", "a red jacket", "--index", at_centre, "--device", "north-gate", "--json").stdout)
    assert [(hit["path"], hit["box"], hit["score"], hit["clock"]) for hit in there["hits"]] == [
        (hit["path"], hit["box"], hit["score"], hit["clock"]) for hit in own["hits"]
    ]
    assert {hit["device"] for hit in there["hits"]} == {"north-gate"}
    assert {hit["device"] for hit in own["hits"]} == {None}
    assert there["selection"] | {"devices": ["north-gate"], "folders": []} == there["selection"]
    table = passerby("search", "a red jacket", "--index", at_centre, "-k", "2").stdout
    assert "north-gate/" in table
    (device,) = json.loads(passerby("info", "--devices", "--index", at_centre, "--json").stdout)["devices"]
    assert (device["name"], device["people"], device["model"], device["must_upgrade"]) == ("north-gate", 32, "passerby-s", False)
    assert "north-gate" in passerby("info", "--devices", "--index", at_centre).stdout
    within = passerby("search", "red", "--index", at_centre, "--device", "north-gate", "--folder", sample.street.parent, "--json")
    assert {hit["path"] for hit in json.loads(within.stdout)["hits"]} == {str(sample.street)}


def test_what_a_device_pushed_is_removed_by_the_paths_that_answers_tell(sample: Sample, tmp_path: Path) -> None:
    at_centre = tmp_path / "centre"
    shutil.copytree(sample.index, tmp_path / "device")

    def remove(*arguments: str | Path) -> Result:
        return passerby("remove", "--index", at_centre, *arguments)

    def held() -> int:
        return int(json.loads(passerby("info", "--index", at_centre, "--json").stdout)["people"])

    with create_index(at_centre, sample.encoder) as opened, centre(opened, sample.encoder, at_centre / "service") as service:
        pushing = ("push", "--to", service.listening.url, "--index", tmp_path / "device")
        secret = token_of(service, "north-gate")
        assert passerby(*pushing, PASSERBY_TOKEN=secret).exit_code == 0
        hit = json.loads(passerby("search", "a red jacket", "--index", at_centre, "--json").stdout)["hits"][0]
        one = remove("--device", hit["device"], hit["path"], "/nowhere", "--json")
        assert (one.exit_code, json.loads(one.stdout)["removed"], held()) == (1, 1, 31)
        assert json.loads(one.stdout)["failed"][0]["path"] == "/nowhere"
        assert "north-gate still holds comes back with its next push; passerby token revoke north-gate" in one.stderr
        assert passerby(*pushing, PASSERBY_TOKEN=secret).exit_code == 0
        assert held() == 32, "as it was said"
        for alone in (("--person", "1"), ("--forget-suppression", "1"), ("--older-than", "1d"), ("--dry-run",)):
            assert remove("--device", "north-gate", *alone).exception, alone
        assert isinstance(remove("--device", "south-gate").exception, QueryError)
        assert held() == 32
        service.tokens.revoke("north-gate")
        everything = remove("--device", "north-gate")
        assert (everything.exit_code, held()) == (0, 0)
        assert "31 removed" in everything.stderr
        assert isinstance(remove("--device", "north-gate").exception, QueryError)


@pytest.mark.parametrize("arguments", [(), ("--token-file", "nowhere")])
def test_without_a_token_nothing_is_pushed(arguments: tuple[str, ...], sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PASSERBY_TOKEN", raising=False)
    done = passerby("push", "--to", "http://localhost:1", "--index", sample.index, *arguments)
    assert isinstance(done.exception, ConfigError)
