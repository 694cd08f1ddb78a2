"""`passerby serve` and `passerby token`, as a stranger meets them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from postgres import server
from serving import Sample

from passerby.cli.app import app
from passerby.errors import IndexFault
from passerby.index.open import create_index
from passerby.model.bundle_encoder import BundleEncoder


@pytest.fixture
def taken() -> Iterator[str]:
    """A port where no service can listen, so that `serve` ends when all is made and said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield str(listener.getsockname()[1])


def passerby(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    return done.exit_code, done.stdout, done.stderr


def test_tokens_are_added_listed_and_revoked(tmp_path: Path) -> None:
    code, secret, said = passerby("token", "add", "reception", "--index", tmp_path)
    assert (code, len(secret.strip())) == (0, 43)
    assert "shown this once" in said
    code, out, _ = passerby("token", "add", "office", "--role", "admin", "--index", tmp_path, "--json")
    assert (code, set(json.loads(out))) == (0, {"name", "token"})
    code, out, _ = passerby("token", "list", "--index", tmp_path, "--json")
    assert [(one["name"], one["role"]) for one in json.loads(out)["tokens"]] == [("reception", "view"), ("office", "admin")]
    assert secret.strip() not in passerby("token", "list", "--index", tmp_path)[1]
    assert passerby("token", "revoke", "reception", "--index", tmp_path)[0] == 0
    code, _, said = passerby("token", "revoke", "reception", "--index", tmp_path)
    assert (code, "found none of the name 'reception'" in said) == (2, True)
    assert passerby("token", "add", "--index", tmp_path)[0] != 0


def test_where_tokens_are_is_said(tmp_path: Path) -> None:
    folder = str(tmp_path / "service")
    assert folder in passerby("token", "list", "--index", tmp_path)[2]
    assert folder in passerby("token", "add", "reception", "--index", tmp_path)[2]
    assert folder in passerby("token", "list", "--index", tmp_path)[2]
    assert json.loads(passerby("token", "list", "--index", tmp_path, "--json")[1])["folder"] == folder


def test_tokens_of_an_index_in_postgres_count_however_its_url_is_written(
    tmp_path: Path, tiny_bundle: Path, tiny_encoder: BundleEncoder, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    postgres = server()
    short = f"postgresql://postgres@{quote(str(postgres.folder), safe='')}/postgres"
    long = f"postgresql:///postgres?schema=passerby&port=5432&user=postgres&host={postgres.folder}/"
    create_index(short, tiny_encoder).close()
    serve = "serve", "--model", tiny_bundle, "--port", taken, "--index"
    assert "so anybody on this machine may search" in passerby(*serve, long)[2]
    assert passerby("token", "add", "reception", "--index", short)[0] == 0
    said = passerby(*serve, long)[2]
    (tokens,) = tmp_path.glob("passerby/*/service/tokens.json")
    assert f"are in {tokens.parent}\n" in said, "and not that there are none"
    assert json.loads(passerby("token", "list", "--index", long, "--json")[1])["tokens"][0]["name"] == "reception"


def test_what_a_service_makes_is_for_its_owner_alone(tmp_path: Path, tiny_bundle: Path, taken: str) -> None:
    for how in ("--create", f"--allow-index={tmp_path}"):
        index = tmp_path / how[2:6] / "index"
        passerby("serve", how, "--index", index, "--model", tiny_bundle, "--port", taken)
        assert (index / "index.db").exists() and (index / "service" / "audit").exists()
        assert {one.stat().st_mode & 0o777 for one in (index.parent, index, *index.rglob("*")) if one.is_dir()} == {0o700}


def test_a_folder_that_is_there_stays_whose_it_is_and_service_in_it_is_for_its_owner(tmp_path: Path, tiny_bundle: Path, taken: str) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index").chmod(0o770)
    passerby("serve", "--create", "--index", tmp_path / "index", "--model", tiny_bundle, "--port", taken)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("index", "index/service")] == [0o770, 0o700]


def test_a_token_before_there_is_an_index_makes_no_folder_for_others(tmp_path: Path) -> None:
    passerby("token", "add", "north-gate", "--role", "device", "--index", tmp_path / "centre")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("centre", "centre/service")] == [0o700, 0o700]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, tiny_bundle: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IndexFault, match=r"expected an index's folder, found .*index, a file|expected a folder"):
        app(["serve", "--create", "--index", str(tmp_path / "file" / "index"), "--model", str(tiny_bundle)], standalone_mode=False)


def test_a_revoked_token_stays_so_whatever_other_commands_do_at_the_same_time(tmp_path: Path) -> None:
    for _ in range(3):
        passerby("token", "add", "old", "--index", tmp_path)
        command = [sys.executable, "-m", "passerby", "token"]
        both = [
            subprocess.Popen([*command, *what, "--index", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for what in (("add", "new"), ("revoke", "old"))
        ]
        assert [one.communicate(timeout=60) and one.returncode for one in both] == [0, 0]
        assert passerby("token", "revoke", "new", "--index", tmp_path)[0] == 0
        assert json.loads(passerby("token", "list", "--index", tmp_path, "--json")[1])["tokens"] == []


def test_a_log_is_kept_for_days_that_there_are(tmp_path: Path) -> None:
    code, _, said = passerby("serve", "--index", tmp_path, "--keep-audit", "1000000")
    assert (code, "1<=x<=36500" in said) == (2, True)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(sample: Sample, ending: signal.Signals) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "passerby", "serve", "--index", str(sample.index), "--port", str(port)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}
    ) as served:
        assert served.stderr is not None
        said = served.stderr.readline()
        assert re.search(rf"open http://127\.0\.0\.1:{port}/", said), said
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/search?q=a+red+jacket&k=2", timeout=20) as response:
            found = json.load(response)
        taken = subprocess.run(command, capture_output=True, text=True, check=False)
        served.send_signal(ending)
        out, rest = served.communicate(timeout=20)
    assert len(found["hits"]) == 2
    assert (served.returncode, out, rest) == (0, "", "")
    assert taken.returncode == 2
    assert "found address already in use; name another --host or --port" in " ".join(taken.stderr.split())


def test_others_are_let_in_by_nothing_less_than_tls_and_a_token(sample: Sample, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "passerby", "serve", "--index", str(sample.index), "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "listen on 127.0.0.1, name --tls-cert and --tls-key" in " ".join(done.stderr.split())
    done = subprocess.run([*command, "--behind-proxy", "10.0.0.1"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "make one: passerby token add NAME" in " ".join(done.stderr.split())
