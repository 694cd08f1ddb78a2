"""Absence is not deletion: who cannot be seen is kept and said to be away, moved files are recognised, and only --prune deletes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from crops import media, random_vectors, write_crop, write_crops
from indexing import NOTHING, CountingEncoder, away, held

from passerby.cli import app as cli
from passerby.draw.sheet import draw_sheet
from passerby.find.ingest.absence import Absence
from passerby.find.ingest.prune import prune_paths
from passerby.find.ingest.run import index_paths
from passerby.find.query import ask
from passerby.find.removal import remove_paths
from passerby.find.search import look, search
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index
from passerby.types import Crop, MediaKind


@pytest.fixture
def nas(tmp_path: Path, index: Index, encoder: CountingEncoder) -> Path:
    """A folder of four people in the index."""
    write_crops(tmp_path / "nas", 3)
    write_crop(tmp_path / "nas" / "sub" / "003.jpg", 3)
    index_paths(index, encoder, [tmp_path / "nas"])
    return tmp_path / "nas"


def on_another_device(index: Index, folder: Path) -> None:
    """Make the index believe that what is below a folder was seen on a device that is not there."""
    with index.writing():
        for path in index.paths_under(folder):
            index.see(path, path.stat().st_ctime_ns, 1 << 40)


def empty(folder: Path) -> None:
    folder.rename(folder.with_name("off"))
    folder.mkdir()


def with_strays(folder: Path) -> None:
    empty(folder)
    write_crop(folder / "stray.jpg", 50)


def as_a_file(folder: Path) -> None:
    folder.rename(folder.with_name("off"))
    folder.write_bytes(b"")


def as_a_link_to_nothing(folder: Path) -> None:
    folder.rename(folder.with_name("off"))
    folder.symlink_to("nowhere")


def as_folders(folder: Path) -> None:
    folder.rename(folder.with_name("off"))
    for path in folder.with_name("off").rglob("*.jpg"):
        (folder / path.relative_to(folder.with_name("off"))).mkdir(parents=True)


def missing(folder: Path) -> None:
    folder.rename(folder.with_name("off"))


@pytest.mark.parametrize("hide", [empty, with_strays, as_a_file, as_folders, as_a_link_to_nothing, missing])
def test_a_disk_that_is_away_costs_nothing(index: Index, encoder: CountingEncoder, nas: Path, hide: Callable[[Path], None]) -> None:
    before = held(index)
    hide(nas)
    for new in (4, 0):
        report = index_paths(index, encoder, [nas])
        assert report.removed == 0
        assert (report.away.count, report.away.new) == (4, new)
    assert away(index) == set(before)
    if nas.is_dir():
        shutil.rmtree(nas)
    else:
        nas.unlink(missing_ok=True)
    nas.with_name("off").rename(nas)
    encoded = encoder.encoded
    report = index_paths(index, encoder, [nas])
    assert (report.unchanged, encoder.encoded) == (4, encoded)
    assert away(index) == held(index).keys() - before.keys()
    assert all(np.array_equal(held(index)[path], vector) for path, vector in before.items())


def test_since_is_the_first_run_that_could_not_see_them(index: Index, encoder: CountingEncoder, nas: Path) -> None:
    (nas / "000.jpg").unlink()
    began = int(time.time())
    since = index_paths(index, encoder, [nas]).away.since
    assert since is not None
    assert began <= since <= time.time()
    with index.writing():
        index._db.execute("UPDATE media SET away_since = away_since - 86400 WHERE away_since IS NOT NULL")
    (nas / "001.jpg").unlink()
    report = index_paths(index, encoder, [nas])
    assert (report.away.count, report.away.new, report.away.since) == (2, 1, since - 86400)
    assert (index.info().away, index.info().away_since) == (2, since - 86400)


def test_a_pipe_in_the_place_of_a_picture_is_not_waited_for(index: Index, encoder: CountingEncoder, nas: Path) -> None:
    (nas / "000.jpg").unlink()
    os.mkfifo(nas / "000.jpg")
    report = index_paths(index, encoder, [nas])
    assert (report.unchanged, len(report.failed)) == (3, 1)
    assert "pipe" in report.failed[0].reason


def test_files_that_come_back_changed_are_encoded(index: Index, encoder: CountingEncoder, nas: Path) -> None:
    before = held(index)
    missing(nas)
    index_paths(index, encoder, [nas])
    nas.with_name("off").rename(nas)
    write_crop(nas / "000.jpg", 80)
    assert index_paths(index, encoder, [nas]) == replace(NOTHING, indexed=1, unchanged=3)
    assert not np.array_equal(held(index)[nas / "000.jpg"], before[nas / "000.jpg"])
    assert away(index) == set()


@pytest.mark.parametrize("pattern", ["*.jpg", "**/*.jpg", "?0*"])
def test_a_pattern_misses_what_it_found(index: Index, encoder: CountingEncoder, nas: Path, pattern: str) -> None:
    expected = set(nas.glob(pattern))
    missing(nas)
    report = index_paths(index, encoder, [nas / pattern])
    assert away(index) == expected
    assert report.away.below == ((nas / pattern,) if expected else ())


def test_overlapping_paths_count_once(index: Index, encoder: CountingEncoder, nas: Path) -> None:
    shutil.rmtree(nas / "sub")
    (nas / "000.jpg").unlink()
    absence = index_paths(index, encoder, [nas, nas / "sub", nas / "000.jpg", nas / "*"]).away
    assert (absence.count, absence.new) == (2, 2)
    assert absence.wholly == (nas / "sub", nas / "000.jpg")


def test_a_run_that_only_says_who_is_still_away_changes_nothing(index: Index, encoder: CountingEncoder, nas: Path) -> None:
    empty(nas)
    index_paths(index, encoder, [nas])
    stamp = index.stamp()
    index_paths(index, encoder, [nas])
    assert index.stamp() == stamp


# -- moves ------------------------------------------------------------------------------------------------------------------------


def test_a_moved_folder_takes_its_people_along(index: Index, encoder: CountingEncoder, nas: Path, tmp_path: Path) -> None:
    before, encoded = held(index), encoder.encoded
    nas.rename(tmp_path / "new")
    assert index_paths(index, encoder, [tmp_path / "new"]) == replace(NOTHING, indexed=4, recognised=4)
    after = held(index)
    assert encoder.encoded == encoded
    assert after.keys() == {tmp_path / "new" / path.relative_to(nas) for path in before}
    assert all(np.array_equal(after[tmp_path / "new" / path.relative_to(nas)], vector) for path, vector in before.items())
    assert index_paths(index, encoder, [tmp_path]) == replace(NOTHING, unchanged=4)


def test_a_copy_of_a_disk_that_is_away_does_not_take_its_place(index: Index, encoder: CountingEncoder, nas: Path, tmp_path: Path) -> None:
    on_another_device(index, nas)
    nas.rename(tmp_path / "copy")
    nas.mkdir()
    assert index_paths(index, encoder, [tmp_path / "copy"]) == replace(NOTHING, indexed=4, recognised=4)
    assert len(held(index)) == 8
    assert away(index) == {path for path in held(index) if path.is_relative_to(nas)}
    assert encoder.encoded == 4


def test_an_index_of_an_older_version_does_not_know_the_device_and_moves_nobody(
    index: Index, encoder: CountingEncoder, nas: Path, tmp_path: Path
) -> None:
    with index.writing():
        index._db.execute("UPDATE media SET device = NULL")
    nas.rename(tmp_path / "new")
    index_paths(index, encoder, [tmp_path / "new"])
    assert len(held(index)) == 8
    assert len(away(index)) == 4


def test_a_copy_is_no_move(index: Index, encoder: CountingEncoder, nas: Path, tmp_path: Path) -> None:
    shutil.copytree(nas, tmp_path / "copy")
    index_paths(index, encoder, [tmp_path / "copy"])
    assert len(held(index)) == 8
    assert away(index) == set()


def test_of_equal_bytes_each_moves_by_its_name(index: Index, encoder: CountingEncoder, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_crop(tmp_path / "one" / f"{name}.jpg", 1)
    index_paths(index, encoder, [tmp_path])
    ids = {path.name: number for number, path in rows(index)}
    (tmp_path / "two").mkdir()
    for name in ("c", "a"):
        (tmp_path / "one" / f"{name}.jpg").rename(tmp_path / "two" / f"{name}.jpg")
    index_paths(index, encoder, [tmp_path])
    assert {path.name: number for number, path in rows(index)} == ids
    assert {path.relative_to(tmp_path).as_posix() for _, path in rows(index)} == {"one/b.jpg", "two/a.jpg", "two/c.jpg"}


def rows(index: Index) -> list[tuple[int, Path]]:
    return [(number, Path(os.fsdecode(path))) for number, path in index._db.execute("SELECT id, path FROM media ORDER BY path")]


def test_a_move_onto_another_person_replaces_them(index: Index, encoder: CountingEncoder, nas: Path) -> None:
    before = held(index)
    (nas / "000.jpg").rename(nas / "001.jpg")
    assert index_paths(index, encoder, [nas]) == replace(NOTHING, indexed=1, recognised=1, unchanged=2)
    after = held(index)
    assert after.keys() == before.keys() - {nas / "000.jpg"}
    np.testing.assert_array_equal(after[nas / "001.jpg"], before[nas / "000.jpg"])


def test_swapped_and_rotated_names_swap_and_rotate_people(index: Index, encoder: CountingEncoder, nas: Path) -> None:
    before = held(index)
    names = [nas / name for name in ("000.jpg", "001.jpg", "002.jpg", "aside.jpg")]
    for source, target in ((2, 3), (1, 2), (0, 1), (3, 0)):
        names[source].rename(names[target])
    assert index_paths(index, encoder, [nas]).away == Absence()
    after = held(index)
    assert after.keys() == before.keys()
    for target in range(3):
        np.testing.assert_allclose(after[names[target]], before[names[target - 1 if target else 2]], atol=1e-6)


def test_a_file_that_moved_and_changed_is_somebody_new(index: Index, encoder: CountingEncoder, nas: Path) -> None:
    (nas / "000.jpg").unlink()
    write_crop(nas / "new.jpg", 60)
    report = index_paths(index, encoder, [nas])
    assert (report.indexed, report.recognised, report.away.count) == (1, 0, 1)


MOVING = """
import sys
from pathlib import Path
from passerby.index.sqlite.index import Index
from passerby.find.ingest.run import index_paths
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder

bundle, folder, crops = map(Path, sys.argv[1:])
encoder = BundleEncoder(read_bundle(bundle), threads=1)
with Index.create(folder, encoder) as index:
    index_paths(index, encoder, [crops], lambda done, total: print(done, flush=True))
"""


def test_a_kill_in_the_midst_of_moving_loses_nobody(index: Index, encoder: CountingEncoder, tmp_path: Path, tiny_bundle: Path) -> None:
    crops = write_crops(tmp_path / "old", 100)
    index_paths(index, encoder, [tmp_path / "old"])
    before = {path.name: vector for path, vector in held(index).items()}
    (tmp_path / "new").mkdir()
    for path in crops:
        path.rename(tmp_path / "new" / path.name)
    command: list[str | Path] = [sys.executable, "-c", MOVING, tiny_bundle, index.folder, tmp_path / "new"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert {path.name for path in held(index)} == before.keys()
    assert len(held(index)) == 100
    index_paths(index, encoder, [tmp_path / "new"])
    assert encoder.encoded == 100
    after = {path: vector for path, vector in held(index).items()}
    assert after.keys() == {tmp_path / "new" / name for name in before}
    assert all(np.array_equal(before[path.name], vector) for path, vector in after.items())


# -- deletion ---------------------------------------------------------------------------------------------------------------------


def test_pruning_deletes_what_is_gone_below_a_path_and_nothing_else(
    index: Index, encoder: CountingEncoder, nas: Path, tmp_path: Path
) -> None:
    other = write_crop(tmp_path / "other" / "a.jpg", 70)
    index_paths(index, encoder, [other])
    secret = held(index)[nas / "sub" / "003.jpg"]
    other.unlink()
    shutil.rmtree(nas / "sub")
    assert prune_paths(index, [nas]) == replace(NOTHING, unchanged=3, removed=1)
    assert held(index).keys() == {other, *(nas / f"{number:03}.jpg" for number in range(3))}
    content = b"".join(file.read_bytes() for file in index.folder.iterdir())
    assert b"sub/003.jpg" not in content
    assert secret.tobytes() not in content
    assert prune_paths(index, [nas]) == replace(NOTHING, unchanged=3)


@pytest.mark.parametrize(
    "given", ["nas", "nas/", "./nas/../nas", "link", "nas/sub/../sub/003.jpg", "nas/sub/*", "nas/**/*3.jpg", "link/sub"]
)
def test_what_is_pruned_may_be_named_in_any_way(index: Index, nas: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.chdir(nas.parent)
    (nas.parent / "link").symlink_to("nas")
    (nas / "sub" / "003.jpg").unlink()
    assert prune_paths(index, [Path(given)]).removed == 1
    assert len(held(index)) == 3


def test_pruning_the_root_that_is_away(index: Index, nas: Path) -> None:
    missing(nas)
    assert prune_paths(index, [nas]) == replace(NOTHING, removed=4)
    report = prune_paths(index, [nas])
    assert (report.removed, [failure.path for failure in report.failed]) == (0, [nas])


def test_a_live_camera_never_had_files_that_could_be_gone(index: Index, nas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera whose name begins as a folder's, and which has two stretches."""
    monkeypatch.chdir(tmp_path)
    with index.writing():
        for number, hour in enumerate(("03", "04")):
            reel = replace(media(f"gate/2026-11-29T{hour}:00:00.000Z", ""), digest="", kind=MediaKind.CAMERA, camera="gate")
            index.put(reel, [Sighting((Crop(),), random_vectors(2)[number][None])])
    for given in ("gate", "gate/2026-11-29T03:00:00.000Z"):
        report = prune_paths(index, [given])
        assert (report.removed, [str(failure.path) for failure in report.failed]) == (0, ["gate"])
        assert "passerby remove gate" in report.failed[0].reason
    missing(nas)
    assert prune_paths(index, ["gate", nas]).removed == 4, "files are pruned all the same"
    assert len(held(index)) == 2
    assert remove_paths(index, ["gate"]).removed == 2


def test_pruning_while_indexing_comes_after_moves(index: Index, encoder: CountingEncoder, nas: Path, tmp_path: Path) -> None:
    (nas / "000.jpg").rename(tmp_path / "moved.jpg")
    (nas / "001.jpg").unlink()
    report = index_paths(index, encoder, [tmp_path / "moved.jpg"], prune=[nas])
    assert report == replace(NOTHING, indexed=1, recognised=1, removed=1)
    assert held(index).keys() == {tmp_path / "moved.jpg", nas / "002.jpg", nas / "sub" / "003.jpg"}


def test_removing_deletes_away_or_not(index: Index, nas: Path) -> None:
    (nas / "sub" / "003.jpg").unlink()
    assert remove_paths(index, [nas / "*" / "*.jpg", nas / "00[01].jpg"]).removed == 3
    assert held(index).keys() == {nas / "002.jpg"}


def test_a_failure_of_a_file_that_is_gone_is_forgotten(index: Index, encoder: CountingEncoder, nas: Path) -> None:
    (nas / "bad.jpg").write_bytes(b"bad")
    index_paths(index, encoder, [nas])
    (nas / "bad.jpg").unlink()
    assert index_paths(index, encoder, [nas]) == replace(NOTHING, unchanged=4)
    assert index.failures() == []


# -- what is shown ----------------------------------------------------------------------------------------------------------------


def test_a_hit_says_whether_its_file_is_away_at_this_moment(index: Index, encoder: CountingEncoder, nas: Path) -> None:
    hits = search(index, ask(encoder, "a red jacket"))
    assert {hit.person.media.away_since for hit in look(hits)} == {None}
    (nas / "000.jpg").unlink()
    assert {hit.person.media.path for hit in look(hits) if hit.person.media.away_since} == {nas / "000.jpg"}
    index_paths(index, encoder, [nas])
    with index.writing():
        index._db.execute("UPDATE media SET away_since = 1000 WHERE away_since IS NOT NULL")
    hits = search(index, ask(encoder, "a red jacket"))
    assert [hit.person.media.away_since for hit in look(hits) if hit.person.media.away_since] == [1000]
    write_crop(nas / "000.jpg", 0)
    assert {hit.person.media.away_since for hit in look(hits)} == {None}


@pytest.mark.usefixtures("nas")
def test_the_sheet_says_who_is_away(index: Index, encoder: CountingEncoder) -> None:
    hits = search(index, ask(encoder, "a red jacket"), 1)
    hits[0].person.media.path.unlink()
    unread, said = draw_sheet([("who", hits)]), draw_sheet([("who", look(hits))])
    assert unread.size == said.size
    assert not np.array_equal(np.asarray(unread), np.asarray(said))


def passerby(*arguments: str | Path) -> tuple[int, Any, str]:
    """The exit code, the document on standard output, and what is said on standard error."""
    done = CliRunner().invoke(cli.app, [*map(str, arguments), "--index", "index", "--json"])
    return done.exit_code, json.loads(done.stdout), done.stderr


@pytest.mark.usefixtures("index")
def test_the_command_line_says_who_is_away_and_what_to_do(nas: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(nas.parent)
    model = ("--model", tiny_bundle)
    missing(nas)
    code, document, said = passerby("index", "nas", *model)
    assert (code, document["away"], document["newly_away"], document["removed"]) == (1, 4, 4, 0)
    assert "4 away since 20" in said
    assert f"passerby index --prune {nas}" in said
    code, document, said = passerby("index", "nas", *model)
    assert (code, document["away"], document["newly_away"]) == (1, 4, 0)
    assert passerby("info")[1]["away"] == 4
    hits = passerby("search", "red", *model)[1]["hits"]
    assert [hit["away"] for hit in hits] == [document["away_since"]] * 4
    nas.with_name("off").rename(nas)
    (nas / "000.jpg").unlink()
    shown = CliRunner().invoke(cli.app, ["search", "red", "--index", "index", *map(str, model)]).stdout
    (row,) = [line for line in shown.splitlines() if "since 20" in line]
    assert "000.jpg" in row
    assert "None" not in shown
    assert passerby("index", "nas", *model)[0] == 0
    (nas / "001.jpg").unlink()
    assert passerby("index", "nas", *model)[0] == 1
    assert passerby("index", "nas", *model)[0] == 0
    code, document, _ = passerby("index", "--prune", "nas")
    assert (code, document["removed"], document["unchanged"]) == (0, 2, 2)
    code, document, _ = passerby("index", "nas", *model)
    assert (code, document["away"], document["away_since"]) == (0, 0, None)


def test_indexing_needs_something_to_index(nas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(nas.parent)
    for arguments in ([], ["--rebuild", "--prune", "nas"], ["--verify", "--prune", "nas"]):
        done = CliRunner().invoke(cli.app, ["index", *arguments, "--index", "index"])
        assert (done.exit_code, "expected files" in done.stderr) == (2, True)
    with Index.open(Path("index")) as opened:
        assert opened.info().people == 4


def test_what_may_not_be_read_is_away_and_not_pruned(
    index: Index, nas: Path, tmp_path: Path, tiny_bundle: Path, ordinary: Sequence[str]
) -> None:
    def run(*arguments: str | Path) -> tuple[int, Any]:
        command: list[str | Path] = [*ordinary, sys.executable, "-m", "passerby", "index", *arguments, "--index", "index", "--json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
        return done.returncode, json.loads(done.stdout)

    before = held(index)
    (nas / "sub").chmod(0)
    (nas / "000.jpg").chmod(0)
    try:
        code, document = run("nas", "--model", tiny_bundle)
        assert (code, document["away"], document["newly_away"], document["unchanged"]) == (1, 2, 2, 2)
        assert {Path(failure["path"]).name for failure in document["failed"]} == {"sub", "000.jpg"}
        assert away(index) == {nas / "000.jpg", nas / "sub" / "003.jpg"}
        code, document = run("--prune", "nas")
        assert (code, document["removed"], [Path(failure["path"]).name for failure in document["failed"]]) == (1, 0, ["003.jpg"])
    finally:
        (nas / "sub").chmod(0o755)
        (nas / "000.jpg").chmod(0o644)
    code, document = run("nas", "--model", tiny_bundle)
    assert (code, document["indexed"], document["unchanged"], document["away"]) == (0, 0, 4, 0)
    assert all(np.array_equal(held(index)[path], vector) for path, vector in before.items())


@pytest.fixture
def mounted() -> Iterator[Callable[[Path], None]]:
    """Mounts an empty file system on a folder until the test ends."""
    places: list[Path] = []

    def mount(place: Path) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "none", place], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("needs the right to mount")
        places.append(place)

    if not shutil.which("mount") or os.geteuid() != 0:
        pytest.skip("needs the right to mount")
    yield mount
    for place in places:
        subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)


def test_a_real_mount_that_goes_and_comes_back_under_another_number(
    index: Index, encoder: CountingEncoder, tmp_path: Path, mounted: Callable[[Path], None]
) -> None:
    disk, place = tmp_path / "disk", tmp_path / "place"
    place.mkdir()
    mounted(place)
    write_crops(place, 4)
    index_paths(index, encoder, [place])
    disk.mkdir()
    for path in place.iterdir():
        shutil.copy2(path, disk)
    subprocess.run(["umount", place], check=True)
    report = index_paths(index, encoder, [place, disk])
    assert (report.recognised, report.away.count, report.away.wholly) == (4, 4, (place,))
    assert away(index) == {path for path in held(index) if path.parent == place}
    mounted(place)
    for path in disk.iterdir():
        shutil.copy2(path, place)
    report = index_paths(index, encoder, [place])
    assert (report.unchanged, report.away) == (4, Absence())
    assert encoder.encoded == 4
    for path in place.iterdir():
        path.rename(place / f"new-{path.name}")
    assert index_paths(index, encoder, [place]) == replace(NOTHING, indexed=4, recognised=4)
    assert len(held(index)) == 8
