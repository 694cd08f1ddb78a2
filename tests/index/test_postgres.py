"""What an index in PostgreSQL does beside the contract of all kinds: its faults in plain words, graphs, bytes that go, kills."""

from __future__ import annotations

import json
import random
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from crops import media, random_vectors, unit, write_crops
from hypothesis import given, settings
from hypothesis import strategies as st
from indexing import DressedEncoder
from numpy.typing import NDArray
from postgres import Server, lend, server
from test_contract import CHANGES, change, everything, seen, video

from passerby.cli.app import app
from passerby.errors import IndexFault
from passerby.index.info import IndexedModel
from passerby.index.nearest import HNSW, Nearest
from passerby.index.open import create_index, open_index
from passerby.index.postgres import hnsw, schema, writing
from passerby.index.postgres.address import Address
from passerby.index.postgres.index import Index
from passerby.index.postgres.session import translated
from passerby.index.score import Weights
from passerby.index.selection import Selection
from passerby.index.sighting import Sighting
from passerby.model.bundle_encoder import BundleEncoder
from passerby.places import is_url
from passerby.types import Crop


@pytest.fixture(scope="module")
def dressed(tiny_encoder: BundleEncoder) -> DressedEncoder:
    return DressedEncoder(tiny_encoder._bundle, threads=1)


@pytest.fixture
def index(tiny_encoder: BundleEncoder) -> Iterator[Index]:
    with lend("", tiny_encoder) as opened:
        assert isinstance(opened, Index)
        yield opened


def as_memory_does(dressed: DressedEncoder, changes: list[tuple[Any, ...]]) -> None:
    with lend("", dressed) as one, create_index("memory://", dressed) as other:
        for what in changes:
            with one.writing(), other.writing():
                assert change(one, *what) == change(other, *what)
            one.fold()
            other.fold()
        assert everything(one) == everything(other)


@settings(max_examples=10)
@given(st.lists(CHANGES, min_size=3, max_size=12))
def test_it_does_what_the_shortest_kind_does(dressed: DressedEncoder, changes: list[tuple[Any, ...]]) -> None:
    as_memory_does(dressed, changes)


@pytest.mark.soak
@settings(max_examples=300)
@given(st.lists(CHANGES, min_size=3, max_size=25))
def test_it_does_what_the_shortest_kind_does_for_long(dressed: DressedEncoder, changes: list[tuple[Any, ...]]) -> None:
    as_memory_does(dressed, changes)


@settings(max_examples=6)
@given(st.lists(CHANGES, min_size=3, max_size=12))
def test_changes_of_one_transaction_are_as_those_of_many(dressed: DressedEncoder, changes: list[tuple[Any, ...]]) -> None:
    with lend("", dressed) as one, create_index("memory://", dressed) as other:
        with one.writing(), other.writing():
            assert [change(one, *what) for what in changes] == [change(other, *what) for what in changes]
        assert everything(one) == everything(other)


# -- what is said -----------------------------------------------------------------------------------------------------------------


def said(url: str) -> str:
    with pytest.raises(IndexFault) as caught:
        open_index(url)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql://me:secret@host:port/people", "cannot be read"),
        ("postgresql://me:secret@host/people?schema=No-Such", "schema 'No-Such'"),
        ("postgresql://me:secret@host/people?search=fast", "search=fast"),
        ("postgresql://me:secret@host/people#part", "another form"),
        ("postgresql://me:secret@host/people?sslmode=sometimes", "a URL that says how to get to postgresql://me@host/people"),
        ("postgresql://me:secret@no-such-host.invalid/people", "a PostgreSQL server that answers at postgresql://me@no-such-host.invalid"),
        ("postgresql://me:secret@127.0.0.1:1/people?connect_timeout=2", "found none"),
        ("postgresql://me:2024/secret@host/people", "cannot be read"),
        ("postgresql://me:2024?secret@host/people", "cannot be read"),
        ("postgresql://me:2024?a=secret@host/people", "cannot be read"),
        ("postgresql://me:2024#secret@host/people", "another form"),
        ("postgresql://me:/secret@host/people", "cannot be read"),
        ("postgresql://127.0.0.1:1/people?PASSWORD=secret", "found PASSWORD=; write that name in small letters"),
        ("postgresql://127.0.0.1:1/people?sslcert=/none&SSLPassword=secret", "found none at /none"),
        ("postgresql://127.0.0.1:1/people?SSLPassword=secret&connect_timeout=2", "found SSLPassword="),
        ("postgresql://me:secret@host/people?schema=pg_people", "schema 'pg_people'"),
        (
            "postgresql://me@/people?host=/nowhere&password=secret",
            "a PostgreSQL server that answers at postgresql://me@/people?host=/nowhere,",
        ),
    ],
)
def test_a_wrong_url_is_said_and_never_its_password(url: str, what: str) -> None:
    assert what in said(url)
    assert "secret" not in said(url)


@pytest.mark.parametrize(
    ("name", "value"), [("searhc", "hnsw"), ("lc_messages", "no-such"), ("synchronous_commit", "sometimes"), ("max_connections", "5")]
)
def test_a_setting_that_the_server_does_not_know_is_named(name: str, value: str) -> None:
    assert name in said(server().url(**{name: value}))


@pytest.mark.parametrize("schema", ["order", "user", "end"])
def test_a_schema_may_be_called_as_a_word_of_sql(schema: str, tiny_encoder: BundleEncoder) -> None:
    with create_index(server().url(schema), tiny_encoder) as made, made.writing():
        made.put(media("/a.jpg", "a"), [seen(0)])
    with open_index(server().url(schema)) as index:
        assert index.counts() == (1, 0)
    create_index(server().url(schema), tiny_encoder).close()


def test_where_there_is_no_index_it_is_said_how_to_make_one() -> None:
    url = server().url("nothing_here")
    assert f"found none; make it with: passerby index PATH… --index '{url}'" in said(url)
    assert "a database at" in said(server().url(database="no_such_database"))


def test_nobody_is_dropped_where_there_is_no_model_to_say_whose_vectors_they_are(index: Index) -> None:
    index.session.script("DELETE FROM meta WHERE key = 'model'")
    with pytest.raises(IndexFault, match="found one of no model"), index.writing():
        index.put(media("/a.jpg", "a"), [seen(0)])
    with pytest.raises(IndexFault, match="found one of no model"), index.writing():
        index.put_again(media("/a.jpg", "a"), [seen(0)])


def test_what_another_program_or_a_newer_version_made_is_left_alone(tiny_encoder: BundleEncoder) -> None:
    server().say("CREATE SCHEMA others; CREATE TABLE others.meta (key text);")
    assert "tables of another program in the schema others" in said(server().url("others"))
    create_index(server().url("newer"), tiny_encoder).close()
    server().say("UPDATE newer.meta SET value = '99' WHERE key = 'version';")
    assert f"expected an index of version {len(schema.MIGRATIONS)} or older" in said(server().url("newer"))


def test_an_older_schema_is_brought_up_to_date(tiny_encoder: BundleEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server().url("older")
    with create_index(url, tiny_encoder) as old, old.writing():
        old.add(media("/a.jpg", "a"), random_vectors(1)[0])
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "ALTER TABLE media ADD COLUMN weather text"))
    server().say("CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA older TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA older TO reader;")
    assert "a role that may use the index" in said(server().url("older", user="reader"))
    with open_index(url) as now:
        assert [str(person.media.path) for person, _ in now.people()] == ["/a.jpg"]
        server().say("SELECT weather FROM older.media;")


def test_signatures_of_another_version_are_forgotten_and_a_rebuild_forgets_all(tiny_encoder: BundleEncoder) -> None:
    url = server().url("adopted")
    with Index.create_at(url, tiny_encoder) as first:
        with first.writing():
            for name in ("a", "b"):
                first.add(media(f"/{name}.jpg", name), random_vectors(1)[0], np.ones(128, np.uint8))
        first.fold()
        assert first.info().alike == 1
    server().say("UPDATE adopted.meta SET value = '0' WHERE key = 'signatures';")
    with Index.create_at(url, tiny_encoder) as second:
        assert (second.info().alike, second.info().people) == (0, 2)
        generation = second.stamp().generation
    with Index.create_at(url, tiny_encoder) as third:
        assert third.stamp().generation == generation, "there was nothing to forget"
    with Index.create_at(url, tiny_encoder, rebuild=True) as rebuilt:
        assert (rebuilt.info().people, rebuilt.model) == (0, IndexedModel.of(tiny_encoder))


def test_a_role_may_read_or_write_or_neither(tiny_encoder: BundleEncoder) -> None:
    create_index(server().url("guarded"), tiny_encoder).close()
    server().say("CREATE ROLE stranger LOGIN; CREATE ROLE looker LOGIN;")
    server().say("GRANT USAGE ON SCHEMA guarded TO looker; GRANT SELECT ON ALL TABLES IN SCHEMA guarded TO looker;")
    assert "one without the right" in said(server().url("guarded", user="stranger"))
    assert "one that it refuses" in said(server().url("guarded", user="nobody_of_that_name"))
    with open_index(server().url("guarded", user="looker")) as read_only:
        assert read_only.info().people == 0
        with pytest.raises(IndexFault, match="without the right"), read_only.writing():
            pass


def test_a_server_without_pgvector_is_told_from_others(tiny_encoder: BundleEncoder) -> None:
    server().say("CREATE DATABASE bare;")
    with pytest.raises(IndexFault, match=r"expected pgvector 0\.7 or newer at .*, found a server without it; install it there"):
        create_index(server().url(database="bare", extension_control_path="/nowhere"), tiny_encoder)


def test_first_starts_at_once_in_a_new_database_all_succeed(tiny_encoder: BundleEncoder) -> None:
    server().say("CREATE DATABASE fresh;")
    start = threading.Barrier(8, timeout=60)

    def make(number: int) -> str:
        start.wait()
        with Index.create_at(server().url(f"home_{number % 4}", "fresh"), tiny_encoder) as made:
            return made.stamp().index

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(8)))
    assert (made[:4], len(set(made))) == (made[4:], 4)


def test_a_full_disk_is_said_and_loses_nothing(index: Index) -> None:
    with index.writing():
        index.add(media("/a.jpg", "a"), random_vectors(1)[0])
    index.session.script(
        """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON people EXECUTE FUNCTION full_disk()"""
    )
    with pytest.raises(IndexFault, match=r"expected room for the index at .*No space left"), index.writing():
        index.add(media("/b.jpg", "b"), random_vectors(2)[1])
    index.session.script("DROP TRIGGER full_disk ON people; DROP FUNCTION full_disk")
    assert [str(person.media.path) for person, _ in index.people()] == ["/a.jpg"]


def test_a_certificate_that_cannot_be_trusted_is_refused(tmp_path: Path) -> None:
    for name in ("own", "other"):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        made = ["openssl", "req", "-x509", *key, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem", tmp_path / "own.key")

    def answer(listener: socket.socket) -> None:
        """As a server does until it speaks TLS."""
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(8)
            connection.send(b"S")
            context.wrap_socket(connection, server_side=True).recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
        port, authority = listener.getsockname()[1], tmp_path / "other.pem"
        told = said(f"postgresql://me:secret@localhost:{port}/people?sslmode=verify-full&sslrootcert={authority}")
    assert "expected an encrypted connection that can be trusted" in told
    assert "sslrootcert=FILE in the URL" in told
    assert "secret" not in told
    missing = said(f"postgresql://me:secret@localhost:{port}/people?sslmode=verify-full&sslrootcert={tmp_path}/none.pem")
    assert f"expected the file of sslrootcert, found none at {tmp_path}/none.pem" in missing


def test_a_url_and_a_folder_are_told_apart() -> None:
    assert [is_url(place) for place in ("postgresql:///people", "postgres://h/p", "people", "mysql://h/p", Path("postgresql:///p"))] == [
        True,
        True,
        False,
        False,
        False,
    ]
    one = Address.of("postgresql://me:a%40b@h:5/p?schema=door&search=hnsw&sslmode=require&password=x")
    assert (one.schema, one.way, one.shown) == ("door", HNSW, "postgresql://me@h:5/p?schema=door&search=hnsw&sslmode=require")
    assert one.url == "postgresql://me:a%40b@h:5/p?sslmode=require&password=x"


def test_without_the_driver_the_extra_is_named() -> None:
    asked = "import sys; sys.modules['asyncpg'] = None; from passerby.index.open import open_index; open_index('postgresql:///people')"
    ran = subprocess.run([sys.executable, "-c", asked], check=False, capture_output=True, text=True)
    assert "MissingExtra: expected the packages of the extra [cluster], found no asyncpg" in ran.stderr


def test_shared_sql_is_translated() -> None:
    sql = "SELECT a FROM x CROSS JOIN y ON y.b = ? CROSS JOIN (SELECT 1) AS z WHERE c IN (SELECT value FROM json_each(?)) AND d = ?"
    assert translated(sql) == (
        "SELECT a FROM x JOIN y ON y.b = $1 CROSS JOIN (SELECT 1) AS z"
        " WHERE c = ANY (ARRAY(SELECT json_array_elements_text(CAST($2 AS json))::bigint)) AND d = $3"
    )


# -- by graphs --------------------------------------------------------------------------------------------------------------------


def filled(url: str, encoder: BundleEncoder, count: int) -> NDArray[np.float32]:
    """An index of so many people of ten cameras and two days; their vectors."""
    vectors = random_vectors(count, seed=5)
    with create_index(url, encoder) as index, index.writing():
        for number, vector in enumerate(vectors):
            item = replace(media(f"/{number}.jpg", f"content {number}"), camera=f"c{number % 10}", started_at=43_200.0 * (number % 4))
            index.put(item, [Sighting((Crop(),), vector[None])])
    return vectors


def test_a_graph_finds_nearly_all_and_says_so(tiny_encoder: BundleEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server().url("graphs")
    vectors = filled(url, tiny_encoder, 2000)
    monkeypatch.setattr(hnsw, "CANDIDATES", 40)
    questions = [Weights(one.astype(np.float64)) for one in unit(vectors[:4].astype(np.float64) + random_vectors(4, seed=9) * 0.7)]
    cases = [
        (Selection(), HNSW, 0.95),
        (Selection(cameras=("c3",)), HNSW, 0.9),
        (Selection(start=1.0, end=2.0), "exact", 0),
        (few(), "exact", 1.0),
    ]
    with open_index(f"{url}&search=hnsw") as graph, open_index(url) as exact:
        assert {one.way for one in graph.nearest(questions, 10)} == {"exact"}, "there is no graph yet"
        graph.settle()
        with exact.writing():
            exact.put(replace(media("/new.jpg", "new"), started_at=1e6), [Sighting((Crop(),), vectors[:1])])
        for selection, way, least in cases:
            told, true = graph.nearest(questions, 10, selection=selection), exact.nearest(questions, 10, selection=selection)
            assert ({one.way for one in told}, {one.way for one in true}) == ({way}, {"exact"})
            found = [len(ids_of(some) & ids_of(all_)) for some, all_ in zip(told, true, strict=True)]
            assert sum(found) >= least * sum(len(one.people) for one in true)
            for some, all_ in zip(told, true, strict=True):
                scores = {one.person.id: one.score for one in all_.people}
                assert all(one.score == scores[one.person.id] for one in some.people if one.person.id in scores)
                assert some.crowd.size == all_.crowd.size
                np.testing.assert_allclose(some.crowd.mean, all_.crowd.mean, atol=0.02)
                np.testing.assert_allclose(some.crowd.spread, all_.crowd.spread, atol=0.02)
        only = graph.nearest(questions[:1], 3, lambda table: table.ids == 7)
        assert ([one.person.id for one in only[0].people], only[0].way) == ([7], "exact")


def test_a_graph_of_that_name_elsewhere_is_not_ours(tiny_encoder: BundleEncoder) -> None:
    server().say("CREATE DATABASE elsewhere;")
    with create_index(server().url("own", "elsewhere", search="hnsw"), tiny_encoder) as index:
        assert isinstance(index, Index)
        index.session.script(f"CREATE TABLE public.theirs (id bigint); CREATE INDEX {hnsw._GRAPH} ON public.theirs (id)")
        assert not index._graph.is_there(index.session)
        index.settle()
        assert index._graph.is_there(index.session)


def ids_of(found: Nearest) -> set[int]:
    return {one.person.id or 0 for one in found.people}


def few() -> Selection:
    """A selection of one in a hundred."""
    return Selection(folders=tuple(Path(f"/{number}.jpg") for number in range(0, 2000, 100)))


# -- what is deleted --------------------------------------------------------------------------------------------------------------


def bytes_of(folder: Path, what: bytes) -> list[Path]:
    """The files below a folder that have some bytes in them."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and what in path.read_bytes()]


def test_what_is_deleted_is_in_no_file_of_the_server(tiny_encoder: BundleEncoder) -> None:
    own = server()
    vectors, signature = random_vectors(40, seed=11), np.random.default_rng(11).integers(0, 256, 128, np.uint8)
    with create_index(own.url("wiped"), tiny_encoder) as opened:
        assert isinstance(opened, Index)
        with opened.writing():
            for number, vector in enumerate(vectors):
                item = replace(media(f"/a/somebody {number}.jpg", f"content {number}"), started_at=86_400.0 * (number % 2))
                opened.add(item, vector, signature if number == 4 else None)
        opened.fold()
        own.say("ANALYZE; CHECKPOINT;")
        names = {number: f"somebody {number}.jpg".encode() for number in range(40)}
        marks = [names[4], names[8], signature.tobytes(), *(vectors[number].tobytes() for number in (4, 7, 8))]
        assert all(bytes_of(own.folder, mark) for mark in marks)
        with opened.writing():
            assert opened.forget(Path("/a/somebody 4.jpg")) == 1
            assert opened.suppress(8) == 1  # number 7
        opened.purge()
        assert [bytes_of(own.folder, mark) for mark in (names[4], signature.tobytes(), vectors[4].tobytes(), vectors[7].tobytes())] == [
            []
        ] * 4
        assert bytes_of(own.folder, names[8]) and bytes_of(own.folder, vectors[8].tobytes())
        with opened.writing():
            assert sum(opened.forget(Path(f"/a/somebody {number}.jpg")) for number in range(0, 40, 2)) == 19
        opened.purge()
        assert opened.session.fetch("SELECT to_regclass('vectors_19700101'), to_regclass('crops_19700101')") == [(None, None)]
        assert [bytes_of(own.folder, mark) for mark in (names[8], vectors[8].tobytes())] == [[], []]
        assert len(list(opened.people())) == 19


def test_who_still_reads_keeps_deleted_bytes_and_it_is_said(index: Index) -> None:
    with index.writing():
        index.add(media("/a.jpg", "a"), random_vectors(1)[0])
    with Index(index.address) as other, other.snapshot():
        list(other.people())
        with index.writing():
            index.forget(Path("/a.jpg"))
        with pytest.raises(IndexFault, match="one that still reads deleted data"):
            index.purge(0.2)
    index.purge()


def test_what_is_written_while_more_is_gathered_is_all_or_nothing(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "ROWS", 3)
    vectors = random_vectors(20, seed=2)
    with pytest.raises(ZeroDivisionError), index.writing():
        for number, vector in enumerate(vectors):
            index.add(media(f"/{number}.jpg", str(number)), vector)
        raise ZeroDivisionError
    assert (list(index.people()), len(index.vectors())) == ([], 0)
    with index.writing():
        for number, vector in enumerate([*vectors, *vectors]):
            index.add(media(f"/{number % 20}.jpg", str(number)), vector)
    assert [(person.id, person.media.path.name) for person, _ in index.people()] == [(21 + n, f"{n}.jpg") for n in range(20)]
    np.testing.assert_array_equal([index.vector_of(person) for person, _ in index.people()], vectors)


# -- at once, and when the power goes ---------------------------------------------------------------------------------------------


def test_many_write_and_read_at_once(index: Index) -> None:
    vectors = random_vectors(60, seed=3)

    def write(writer: int) -> None:
        with Index(index.address) as own:
            for number in range(writer, 60, 3):
                with own.writing():
                    own.put(video(f"/{number}.mp4", str(number)), [Sighting((Crop(time=1.0),), vectors[number : number + 1], 1)])

    def read(_: int) -> None:
        for _ in range(10):
            with index.snapshot():
                table = index.vectors()
                assert len(table) == index.counts()[0] == len(list(index.people()))

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda work: work[0](work[1]), [(write, 0), (read, 0), (write, 1), (read, 1), (write, 2)]))
    people = list(index.people())
    assert [person.id for person, _ in people] == list(range(1, 61))
    assert {str(person.media.path) for person, _ in people} == {f"/{number}.mp4" for number in range(60)}


def killed_while_it_is_filled(encoder: BundleEncoder, times: int) -> None:
    own, rng = Server(), random.Random(7)
    vectors = random_vectors(600 * times, seed=1)
    try:
        create_index(own.url(), encoder).close()
        done, killed = 0, 0
        while done < len(vectors):
            timer = threading.Timer(rng.uniform(0.02, 0.4), own.kill)
            if killed < times:
                timer.start()
            try:
                with open_index(own.url()) as index:
                    while done < len(vectors):
                        with index.writing():
                            for number in range(done, min(done + 16, len(vectors))):
                                index.add(media(f"/{number}.jpg", str(number)), vectors[number])
                        done += 16
                        if killed < times and not timer.is_alive():
                            break
            except IndexFault as fault:
                assert "\n" not in str(fault)
            if killed < times:
                timer.join()
                killed += 1
        assert killed == times
        with open_index(own.url()) as index:
            found = [int(person.media.path.stem) for person, _ in index.people()]
            assert sorted(found) == list(range(len(vectors)))
            assert len(index.vectors()) == len(vectors) == index.info().embeddings
    finally:
        own.stop()


def test_nobody_is_lost_or_twice_when_the_server_is_killed(tiny_encoder: BundleEncoder) -> None:
    killed_while_it_is_filled(tiny_encoder, 2)


@pytest.mark.soak
def test_nobody_is_lost_or_twice_when_the_server_is_killed_often(tiny_encoder: BundleEncoder) -> None:
    killed_while_it_is_filled(tiny_encoder, 20)


def test_a_lost_connection_is_made_again(index: Index) -> None:
    with index.writing():
        index.put(media("/a.jpg", "a"), [seen(0)])
    (pid,) = index.session.fetch("SELECT pg_backend_pid()")[0]
    server().say(f"SELECT pg_terminate_backend({pid});")
    with suppress(IndexFault):
        list(index.people())
    assert len(list(index.people())) == 1


def test_the_command_line_takes_a_url(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_crops(tmp_path / "crops", 3)
    monkeypatch.setenv("PASSERBY_INDEX", server().url("by_command"))
    run = CliRunner().invoke
    assert run(app, ["index", str(tmp_path / "crops"), "--crops", "--model", str(tiny_bundle)]).exit_code == 0
    told = json.loads(run(app, ["info", "--json"]).stdout)
    assert (told["people"], told["path"]) == (3, server().url("by_command"))
    like = ["--like", str(tmp_path / "crops" / "000.jpg"), "--box", "0,0,24,60"]
    hits = json.loads(run(app, ["search", *like, "--model", str(tiny_bundle), "--json"]).stdout)
    assert (hits["search"], hits["hits"][0]["path"]) == ("exact", str(tmp_path / "crops" / "000.jpg"))
    assert run(app, ["remove", str(tmp_path / "crops" / "000.jpg")]).exit_code == 0
    assert json.loads(run(app, ["info", "--json"]).stdout)["people"] == 2
