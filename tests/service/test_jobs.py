"""Index runs that a service is asked for: whose turn it is, what becomes of each, and what is kept of it."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import is_there, until

from passerby.errors import ConfigError, ServiceBusy
from passerby.service.indexing.folders import Indexing, failures_below, named_folders
from passerby.service.indexing.job import Job, Pace, State
from passerby.service.indexing.jobs import KEPT, WAITING, Jobs
from passerby.service.indexing.process import index_command
from passerby.service.indexing.words import said
from passerby.service.problems import Refused
from passerby.types import Failure

SLOW = ("/bin/sh", "-c", 'echo "{\\"files\\": [1, 4]}" >&2; sleep 60 & echo $! > "$0/child"; wait')
DONE = ("/bin/sh", "-c", 'echo "{\\"indexed\\": 2, \\"unchanged\\": 1, \\"people\\": 3, \\"failed\\": []}"')


def folders(folder: Path, count: int) -> tuple[Path, ...]:
    made = tuple(folder / f"folder {number}" for number in range(count))
    for one in made:
        one.mkdir()
    return made


def jobs_of(tmp_path: Path, command: tuple[str, ...], count: int = 1) -> tuple[Jobs, list[str]]:
    jobs = Jobs(tmp_path / "service", Indexing(folders(tmp_path, count), command))
    return jobs, list(jobs.folders)


def ended(jobs: Jobs, job: Job) -> Job:
    until(lambda: jobs.get(job.id).state.has_ended)
    return jobs.get(job.id)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Jobs, list[str]]]:
    """Jobs that take a minute."""
    jobs, ids = jobs_of(tmp_path, SLOW, WAITING + 2)
    with closing(jobs):
        yield jobs, ids


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("expected the index at $0 to be free, found it locked", "expected the index at index to be free, found it locked"),
        ("expected pictures in $1, found none", "expected pictures in folder 0, found none"),
        ("expected /opt/anna maria/model/manifest.json, found none", "it could not be done, and the log of the service tells why"),
        ("expected postgresql://anna@db.example/people, found none", "it could not be done, and the log of the service tells why"),
    ],
)
def test_why_a_run_failed_is_told_without_where_anything_is(
    says: str, told: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = f'echo "passerby: error: {says}" >&2; exit 2'
    jobs, (id,) = jobs_of(tmp_path, ("/bin/sh", "-c", script, "/srv/anna maria/secret project/index"))
    with closing(jobs):
        assert ended(jobs, jobs.start(id, "")).problem == told
    assert "anna" not in (tmp_path / "service" / "jobs.json").read_text()
    assert ("anna" in capfd.readouterr().err) == told.startswith("it could not be done")


def test_one_runs_at_a_time_and_the_others_wait_for_their_turn(slow: tuple[Jobs, list[str]]) -> None:
    jobs, ids = slow
    first, second, third = (jobs.start(id, "reception") for id in ids[:3])
    until(lambda: jobs.get(first.id).done == 1)
    assert [job.state for job in jobs.latest()] == [State.WAITING, State.WAITING, State.RUNNING]
    assert (jobs.get(first.id).total, jobs.get(first.id).who, jobs.get(first.id).share) == (4, "reception", 0.25)
    jobs.cancel(first.id)
    until(lambda: jobs.get(second.id).done == 1)
    assert [jobs.get(job.id).state for job in (first, second, third)] == [State.CANCELLED, State.RUNNING, State.WAITING]


def test_a_folder_that_is_being_indexed_or_waits_is_not_taken_again(slow: tuple[Jobs, list[str]]) -> None:
    jobs, ids = slow
    for id in (ids[0], ids[1]):
        jobs.start(id, "")
        with pytest.raises(Refused, match="wait for it, or cancel it") as refused:
            jobs.start(id, "")
        assert refused.value.status == 409


def test_as_many_as_may_wait_do_and_no_more(slow: tuple[Jobs, list[str]]) -> None:
    jobs, ids = slow
    first = jobs.start(ids[0], "")
    until(lambda: jobs.get(first.id).state is State.RUNNING)
    for id in ids[1 : WAITING + 1]:
        jobs.start(id, "")
    with pytest.raises(ServiceBusy, match="when one of them is done"):
        jobs.start(ids[-1], "")


def test_what_is_cancelled_ends_with_all_that_it_started(slow: tuple[Jobs, list[str]]) -> None:
    jobs, ids = slow
    job, waiting = jobs.start(ids[0], ""), jobs.start(ids[1], "")
    child = jobs.folders[ids[0]].path / "child"
    until(lambda: child.exists() and child.read_text().endswith("\n"))
    assert jobs.cancel(waiting.id).state is State.CANCELLED
    assert jobs.cancel(job.id).state is State.CANCELLED
    until(lambda: not is_there(int(child.read_text())))
    again = jobs.start(ids[0], "")
    until(lambda: jobs.get(again.id).state is State.RUNNING)
    assert jobs.get(job.id) == jobs.cancel(job.id), "one that has ended stays as it is"
    assert jobs.get(waiting.id).began is None


def test_a_service_that_ends_interrupts_what_runs_and_what_waits(tmp_path: Path) -> None:
    jobs, ids = jobs_of(tmp_path, SLOW, 2)
    for id in ids:
        jobs.start(id, "")
    child = jobs.folders[ids[0]].path / "child"
    until(lambda: child.exists() and child.read_text().endswith("\n"))
    jobs.close()
    assert [job.state for job in jobs.latest()] == [State.INTERRUPTED] * 2
    until(lambda: not is_there(int(child.read_text())))
    with pytest.raises(ServiceBusy):
        jobs.start(ids[0], "")


def test_what_ran_when_the_service_was_killed_is_said_to_be_interrupted_and_numbers_go_on(tmp_path: Path) -> None:
    jobs, ids = jobs_of(tmp_path, DONE)
    with closing(jobs):
        done = ended(jobs, jobs.start(ids[0], "reception"))
    file = tmp_path / "service" / "jobs.json"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
    kept = json.loads(file.read_text())
    file.write_text(json.dumps([*kept, {**kept[0], "id": 2, "state": "running", "ended": None}, {**kept[0], "id": 3, "state": "waiting"}]))
    with closing(Jobs(tmp_path / "service", Indexing((tmp_path / "folder 0",), DONE))) as anew:
        assert anew.get(1) == done
        assert [anew.get(id).state for id in (2, 3)] == [State.INTERRUPTED] * 2
        assert anew.start(ids[0], "").id == 4
        assert ended(anew, anew.get(4)).state is State.DONE


def test_records_that_cannot_be_read_are_said_to_be(tmp_path: Path) -> None:
    for text in ("{", "[1]", '[{"id": 1}]', '[{"state": "lost"}]'):
        (tmp_path / "jobs.json").write_text(text)
        with pytest.raises(ConfigError, match="delete the file"):
            Jobs(tmp_path)


def test_the_oldest_records_are_forgotten(tmp_path: Path) -> None:
    jobs, ids = jobs_of(tmp_path, DONE)
    with closing(jobs):
        first = ended(jobs, jobs.start(ids[0], ""))
    file = tmp_path / "service" / "jobs.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps([{**kept[0], "id": id} for id in range(1, KEPT + 1)]))
    with closing(Jobs(tmp_path / "service", Indexing((tmp_path / "folder 0",), DONE))) as anew:
        last = anew.start(ids[0], "")
        assert (len(anew.latest()), anew.latest()[0].id) == (KEPT, last.id)
        with pytest.raises(Refused, match="none of id 1"):
            anew.get(first.id)


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file gets its bytes onto the disk."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        yield


def test_a_full_disk_ends_no_run_and_keeps_none_from_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate = 'while [ ! -e "$0/go" ]; do sleep 0.02; done; echo "{\\"indexed\\": 1}"'
    jobs, ids = jobs_of(tmp_path, ("/bin/sh", "-c", gate), 3)
    with closing(jobs):
        first, second = jobs.start(ids[0], ""), jobs.start(ids[1], "")
        until(lambda: jobs.get(first.id).state is State.RUNNING)
        with full_disk(monkeypatch):
            (jobs.folders[ids[0]].path / "go").touch()
            assert ended(jobs, first).state is State.DONE
            until(lambda: jobs.get(second.id).state is State.RUNNING)
            assert jobs.cancel(second.id).state is State.CANCELLED, "without its record too"
        assert "index job 1 is done, which is not kept: [Errno 28]" in caplog.text
        (jobs.folders[ids[1]].path / "go").touch()
        again = jobs.start(ids[1], "")
        assert ended(jobs, again).state is State.DONE
    kept = json.loads((tmp_path / "service" / "jobs.json").read_text())
    assert [one["state"] for one in kept] == ["done", "cancelled", "done"], "what could not be kept is, with the next"


def test_what_cannot_be_recorded_is_not_started_and_can_be_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, ids = jobs_of(tmp_path, DONE)
    with closing(jobs):
        with full_disk(monkeypatch), pytest.raises(ServiceBusy, match="the list of index runs to be writable, found no space left"):
            jobs.start(ids[0], "")
        assert jobs.latest() == []
        assert ended(jobs, jobs.start(ids[0], "")).state is State.DONE


def test_a_service_that_ends_on_a_full_disk_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, ids = jobs_of(tmp_path, SLOW)
    jobs.start(ids[0], "")
    child = jobs.folders[ids[0]].path / "child"
    until(lambda: child.exists() and child.read_text().endswith("\n"))
    with full_disk(monkeypatch):
        jobs.close()
    until(lambda: not is_there(int(child.read_text())))


def test_many_short_runs_do_not_push_out_the_one_that_goes_on(slow: tuple[Jobs, list[str]]) -> None:
    jobs, ids = slow
    running = jobs.start(ids[0], "")
    until(lambda: jobs.get(running.id).done == 1)
    for _ in range(KEPT + 1):
        last = jobs.cancel(jobs.start(ids[1], "").id)
    assert (len(jobs.latest()), jobs.latest()[0].id) == (KEPT, last.id)
    assert jobs.get(running.id).state is State.RUNNING
    with pytest.raises(Refused, match=f"job {running.id}, which is running"):
        jobs.start(ids[0], "")


def test_a_run_that_is_cancelled_and_forgotten_before_it_has_ended_keeps_none_from_its_turn(slow: tuple[Jobs, list[str]]) -> None:
    jobs, ids = slow
    first = jobs.start(ids[0], "")
    until(lambda: jobs.get(first.id).done == 1)
    with jobs._changed:  # so long nobody hears that it was ended
        jobs.cancel(first.id)
        for _ in range(KEPT):
            jobs.cancel(jobs.start(ids[1], "").id)
        with pytest.raises(Refused, match=f"none of id {first.id}"):
            jobs.get(first.id)
    last = jobs.start(ids[1], "")
    until(lambda: jobs.get(last.id).state is State.RUNNING)


@pytest.mark.parametrize(
    ("script", "state", "problem"),
    [
        ("echo '{\"indexed\": 1}'", State.DONE, ""),
        ('echo \'{"indexed": 1, "failed": [{"path": "x", "reason": "y"}]}\'; exit 1', State.DONE, ""),
        ('echo \'{"failed": [{"path": "x", "reason": "y"}]}\'; exit 2', State.FAILED, "its one file could not be used"),
        ("echo '{\"failed\": []}'; exit 2", State.FAILED, "expected pictures or videos, found none; put some there"),
        ('echo "a note" >&2; echo "passerby: error: expected $0/x" >&2; exit 2', State.FAILED, "expected folder 0/x"),
        ("echo '{'; exit 0", State.FAILED, "it broke with exit code 0; the log of the service may tell more"),
        ("kill -SEGV $$", State.FAILED, "it broke with SIGSEGV; the log of the service may tell more"),
        ("echo Traceback >&2; echo '{\"x\": 1}' >&2; echo 3 >&2; exit 7", State.FAILED, "it broke with exit code 7"),
    ],
)
def test_how_a_run_ends(script: str, state: State, problem: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    jobs, ids = jobs_of(tmp_path, ("/bin/sh", "-c", script))
    with closing(jobs):
        job = ended(jobs, jobs.start(ids[0], ""))
    assert job.state is state
    assert job.problem.startswith(problem)
    assert bool(job.problem) == bool(problem)
    assert ("Traceback" in capfd.readouterr().err) == ("Traceback" in script), "the log tells what broke"


def test_a_folder_that_is_not_there_and_a_command_that_is_not(tmp_path: Path) -> None:
    jobs, ids = jobs_of(tmp_path, ("/nothing/here",), 2)
    jobs.folders[ids[0]].path.rmdir()
    with closing(jobs):
        assert "see whether its disk is there" in ended(jobs, jobs.start(ids[0], "")).problem
        assert ended(jobs, jobs.start(ids[1], "")).problem == "it could not begin: no such file or directory"


def test_more_lines_than_a_pipe_holds_and_a_report_as_large_are_read(tmp_path: Path) -> None:
    large = '{\\"indexed\\": 1, \\"x\\": \\"$(yes x | head -n 100000 | tr -d "\\n")\\"}'
    script = f'yes "a line that says something" | head -n 50000 >&2; echo "{large}"'
    jobs, ids = jobs_of(tmp_path, ("/bin/sh", "-c", script))
    with closing(jobs):
        assert ended(jobs, jobs.start(ids[0], "")).indexed == 1


def test_folders_have_ids_that_stay_and_names_that_tell_them_apart(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "lobby", tmp_path / "b" / "lobby", tmp_path / "yard", tmp_path / "yard"]
    named = named_folders(paths)
    assert [one.name for one in named] == ["a/lobby", "b/lobby", "yard"]
    assert len({one.id for one in named}) == 3
    assert {one.id for one in named_folders(paths[::-1])} == {one.id for one in named}
    assert named_folders([Path(os.fsdecode(b"/x/\xff"))])[0].name == "\N{REPLACEMENT CHARACTER}"


def test_failures_are_named_from_their_folder_on(tmp_path: Path) -> None:
    (folder,) = named_folders([tmp_path / "lobby"])
    failures = [
        Failure(tmp_path / "lobby" / "monday" / "a.jpg", f"found nothing at {tmp_path}/lobby/monday"),
        Failure(tmp_path / "lobby", "gone"),
        Failure(tmp_path / "lobby 2" / "b.jpg", "of another"),
    ]
    assert failures_below(folder, failures) == [("monday/a.jpg", "found nothing at lobby/monday"), ("lobby", "gone")]


@given(rate=st.floats(0.1, 1e4), steps=st.lists(st.floats(0.01, 5), min_size=1, max_size=30))
def test_what_goes_on_evenly_has_one_pace(rate: float, steps: list[float]) -> None:
    pace, now = Pace(), 100.0
    assert pace.told(0, now) is None
    for step in steps:
        now += step
        told = pace.told(round((now - 100) * rate * 1e6), now)
    assert told == pytest.approx(rate * 1e6, rel=1e-3)


def test_the_pace_is_that_of_late() -> None:
    pace = Pace(10)
    for second in range(100):
        told = pace.told(min(second, 50) * 10, float(second))
    assert told == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "waits for its turn"),
        ({"state": State.RUNNING}, "looking at what is new"),
        ({"state": State.RUNNING, "done": 1, "total": 1200}, "1 of 1,200 files"),
        ({"state": State.RUNNING, "done": 200, "total": 1200, "per_second": 10.0}, "200 of 1,200 files, 10 a second, 2 min left"),
        ({"state": State.RUNNING, "done": 4, "total": 4, "per_second": 0.5}, "4 of 4 files, 0.5 a second"),
        (
            {"state": State.RUNNING, "total": 1, "watched": 60, "to_watch": 600, "per_second": 4.0},
            "1.0 of 10.0 min of video, 4.0 times as fast as it plays, 2 min left",
        ),
        ({"state": State.DONE}, "nothing is new"),
        ({"state": State.DONE, "indexed": 3, "failed": 1, "people": 1}, "3 new, 1 failed, 1 person found"),
        ({"state": State.FAILED, "problem": "why"}, "why"),
        ({"state": State.CANCELLED, "done": 3, "total": 9}, "cancelled after 3 of 9 files; what was done is kept"),
        ({"state": State.INTERRUPTED}, "interrupted, as the service ended; index again, and it goes on from there"),
    ],
)
def test_a_job_in_words(changes: dict[str, object], words: str) -> None:
    assert said(replace(Job(1, "0" * 12, "lobby", "", 0.0), **changes)) == words  # type: ignore[arg-type]


def test_an_index_that_the_environment_names_is_on_no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://passerby:secret@db.example.org/people"
    assert url in index_command(url, "passerby-s")
    monkeypatch.setenv("PASSERBY_INDEX", url)
    assert not any("secret" in part for part in index_command(url, "passerby-s"))
