"""`passerby cut` as people meet it: whole processes, a real video, an index that holds two people of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from calling import Ran, call, call_apart
from click.testing import CliRunner
from crops import media, random_vectors
from passers_by import put_street, write_street

from passerby.cli.app import app, load
from passerby.find.clip import AROUND
from passerby.index.sqlite.index import Index
from passerby.media.video import frames


@dataclass(frozen=True)
class Cut:
    """Runs `passerby cut` in a folder with a video and its index."""

    folder: Path
    red: int

    def __call__(self, *arguments: str | Path | int, before: Sequence[str] = ()) -> Ran:
        asked = ("cut", *arguments, "--index", "index")
        return call_apart(*asked, folder=self.folder, before=before) if before else call(*asked, folder=self.folder)


@pytest.fixture
def cut(tmp_path: Path, index: Index) -> Cut:
    red, _ = put_street(index, write_street(tmp_path / "street.mp4"))
    return Cut(tmp_path, red)


def test_a_moment_is_cut_and_said(cut: Cut) -> None:
    ran = cut("--person", cut.red, "--out", "moment.mp4", "--after", "0")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines() == [f"0.00 to 5.00 s of {cut.folder / 'street.mp4'}, 51 frames copied, written to moment.mp4"]
    with frames(cut.folder / "moment.mp4", None) as found:
        assert len(list(found)) == 51


def test_one_json_document(cut: Cut) -> None:
    ran = cut("--person", cut.red, "--out", "moment.mp4", "--before", "0", "--after", "0", "--draw", "--audio", "--json")
    assert ran.code == 0
    assert ran.document == {
        "person": cut.red,
        "path": str(cut.folder / "street.mp4"),
        "first": 1.0,
        "last": 5.0,
        "out": "moment.mp4",
        "start": 1.0,
        "end": 5.0,
        "frames": 41,
        "copied": False,
        "sound": False,
    }
    assert "without sound: the video has none that browsers play" in ran.err


def test_others_are_hidden(cut: Cut) -> None:
    cut("--person", cut.red, "--out", "plain.mp4", "--draw")
    ran = cut("--person", cut.red, "--out", "hidden.mp4", "--blur-others")
    assert "60 frames encoded, written to hidden.mp4" in ran.err
    assert (cut.folder / "hidden.mp4").stat().st_size < (cut.folder / "plain.mp4").stat().st_size / 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--person", "99", "--out", "moment.mp4"], "expected somebody in the index, found nobody with the id 99; take an id of `search"),
        (["--person", "1", "--out", "moment.avi"], "expected a clip's name that ends in .mp4, found 'moment.avi'; correct the name"),
        (["--person", "1", "--out", "index"], "expected a file's name for --out, found a folder, index; name a file in it"),
        (["--person", "1", "--out", "no/moment.mp4"], "expected a place where no/moment.mp4 can be written, found no folder no; correct"),
        (["--person", "1", "--out", "street.mp4"], "expected a file of its own for the clip, found the video itself; name another file"),
        (["--person", "1", "--out", "moment.mp4", "--audio", "--blur-others"], "found both, though voices are not hidden; leave one"),
    ],
)
def test_what_cannot_be_cut_is_said_in_a_line(cut: Cut, arguments: Sequence[str], said: str) -> None:
    before = (cut.folder / "street.mp4").read_bytes()
    ran = cut(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("passerby: error: expected ")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert sorted(path.name for path in cut.folder.iterdir()) == ["index", "street.mp4"]
    assert (cut.folder / "street.mp4").read_bytes() == before


def test_a_person_of_a_photo_and_a_video_that_is_gone(cut: Cut, index: Index) -> None:
    with index.writing():
        index.add(media(cut.folder / "photo.jpg", "a"), random_vectors(1)[0])
    somebody = max(person.id or 0 for person, _ in index.people())
    ran = cut("--person", somebody, "--out", "moment.mp4")
    assert ran.code == 2
    assert f"found person {somebody} in a photo, {cut.folder / 'photo.jpg'}; there is no video to cut; name somebody else" in ran.err
    (cut.folder / "street.mp4").unlink()
    ran = cut("--person", cut.red, "--out", "moment.mp4")
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert "no such file or directory" in ran.err


def test_a_place_that_may_not_be_written(cut: Cut, ordinary: Sequence[str]) -> None:
    (cut.folder / "locked").mkdir()
    (cut.folder / "locked").chmod(0o555)
    ran = cut("--person", cut.red, "--out", "locked/moment.mp4", before=ordinary)
    assert ran.code == 2
    assert "found locked: permission denied; correct --out, or make the folder" in ran.err


def test_its_help_says_whom_it_does_not_hide() -> None:
    said = " ".join(CliRunner().invoke(app, ["cut", "--help"]).stdout.split())
    assert "hides only the people who were found" in said
    assert "Look at the clip before you hand it on." in said


def test_defaults_are_those_of_the_function() -> None:
    defaults = {option.name: option.default for option in load("cut").params}
    assert (defaults["before"], defaults["after"]) == (AROUND, AROUND)
