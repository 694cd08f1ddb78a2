"""What this machine keeps for an index in PostgreSQL is in one folder, however its URL is written; what was kept before is not lost."""

from __future__ import annotations

import hashlib
from itertools import combinations
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from passerby.errors import ConfigError, IndexFault
from passerby.index.local import local_folder, service_folder
from passerby.service.tokens import Role, Tokens

SAME = [
    (
        "postgresql://db.example.org/people",
        "postgres://me:secret@DB.example.org:5432/people?schema=passerby",
        "postgresql://db.example.org./people?search=hnsw&sslmode=require",
        "postgresql:///people?host=db.example.org",
        "postgresql://me@/people?host=db.example.org&port=5432",
        "postgresql://db.example.org?dbname=people",
        "postgresql://people@db.example.org",
    ),
    ("postgresql://db:5433/people?schema=door", "postgresql:///people?schema=door&port=5433&host=db"),
    (
        "postgresql:///people",
        "postgresql://me@/people?host=/var/run/postgresql",
        "postgresql://%2Frun%2Fpostgresql/people",
        "postgresql://localhost:5432/people",
        "postgresql://127.0.0.1/people",
        "postgresql://[::1]/people",
    ),
    ("postgresql:///people?host=/srv/Sockets&port=5433", "postgresql://%2Fsrv%2FSockets:5433/people", "postgresql:///people?port=5433&host=/srv/Sockets/"),
    ("postgresql://[FE80::1]/people", "postgresql://[fe80::1]:5432/people"),
    ("postgresql://a,b/people", "postgresql:///people?host=B,a&port=5432"),
    ("postgresql://db/my%20people", "postgresql://db/my people"),
]  # fmt: skip
OTHERS = [
    "postgresql://db/people",
    "postgresql://db/others",
    "postgresql://db/People",
    "postgresql://db:5433/people",
    "postgresql://db/people?schema=door",
    "postgresql://other/people",
    "postgresql:///people",
    "postgresql:///people?host=/srv/sockets",
    "postgresql:///people?host=/srv/Sockets",
    "postgresql://db,other/people",
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "passerby"


def earlier_folder(home: Path, url: str) -> Path:
    """Where earlier versions kept what belongs to an index."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    written = parts.hostname or asked.get("host"), parts.port or asked.get("port"), parts.path, asked.get("schema")
    return home / f"index-{hashlib.sha256(repr(written).encode()).hexdigest()[:16]}"


@pytest.mark.parametrize("urls", SAME, ids=lambda urls: str(urls[0]))
def test_one_index_has_one_folder_however_its_url_is_written(urls: tuple[str, ...]) -> None:
    assert len({local_folder(url) for url in urls}) == 1


def test_different_indexes_have_different_folders() -> None:
    assert len({local_folder(url) for url in OTHERS}) == len(OTHERS)


@pytest.mark.parametrize("urls", SAME, ids=lambda urls: str(urls[0]))
def test_tokens_of_earlier_versions_count_by_the_same_url(home: Path, urls: tuple[str, ...]) -> None:
    for url in urls:
        Tokens(tokens := earlier_folder(home, url) / "service").add("reception", Role.VIEW)
        assert service_folder(url) == tokens
        (tokens / "tokens.json").unlink()


@pytest.mark.parametrize(
    "urls",
    [
        ("postgresql://db/people", "postgresql://me@db:5432/people", "postgresql:///people?host=db&schema=passerby", "postgresql:///people?host=db&port=5432"),
        ("postgresql://localhost/people", "postgresql:///people", "postgresql:///people?host=/run/postgresql", "postgresql://%2Ftmp/people?schema=passerby"),
        ("postgresql://%2Fsrv%2Fpg:5433/people?schema=door", "postgresql:///people?host=/srv/pg&port=5433&schema=door"),
    ],
)  # fmt: skip
def test_tokens_of_earlier_versions_count_by_any_url(home: Path, urls: tuple[str, ...]) -> None:
    for first in urls:
        for url in urls:
            (earlier_folder(home, url) / "watch").mkdir(parents=True, exist_ok=True)
        Tokens(tokens := earlier_folder(home, first) / "service").add("reception", Role.VIEW)
        assert {service_folder(url) for url in urls} == {tokens}
        (tokens / "tokens.json").unlink()


def test_the_log_of_an_earlier_version_is_gone_on_with(home: Path) -> None:
    (earlier_folder(home, "postgresql://db/people") / "watch").mkdir(parents=True)
    (log := earlier_folder(home, "postgresql://db:5432/people") / "service" / "audit").mkdir(parents=True)
    assert service_folder("postgresql://db/people") == log.parent


def test_tokens_in_two_folders_are_an_error_that_names_both(home: Path) -> None:
    urls = "postgresql://me:secret@db/people", "postgresql://db:5432/people", "postgresql://db/people?schema=passerby"
    folders = [earlier_folder(home, url) for url in urls]
    for one, other in combinations(folders, 2):
        for folder in (one, other):
            Tokens(folder / "service").add("reception", Role.VIEW)
        for url in urls:
            with pytest.raises(ConfigError, match="delete the others") as caught:
                local_folder(url)
            assert all(str(folder / "service" / "tokens.json") in caught.value.found for folder in (one, other))
            assert "secret" not in str(caught.value)
        for folder in (one, other):
            (folder / "service" / "tokens.json").unlink()


@pytest.mark.parametrize("url", ["postgresql://db:port/people", "postgresql://db:99999/people", "postgresql://db/people#part"])
def test_a_url_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(IndexFault, match="the URL of an index in PostgreSQL"):
        local_folder(url)


def test_a_port_that_is_none_is_for_the_driver_to_refuse() -> None:
    assert local_folder("postgresql:///people?host=db&port=port") != local_folder("postgresql:///people?host=db")
