"""Files and folders that are there as a whole or not at all."""

import errno
import sys
from pathlib import Path

import pytest

from passerby import atomic
from passerby.atomic import replacing, replacing_folder, require_file_place, require_replaceable_place
from passerby.errors import ConfigError


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_said_with_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="kept"), replacing(path) as file:
        file.write(b"new")
        full()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_said_with_the_folder_and_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "file").write_bytes(b"old")
    with pytest.raises(OSError, match="kept"), replacing_folder(folder) as draft:
        (draft / "file").write_bytes(b"new")
        full()
    assert (folder / "file").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(("place", "found"), [(".", "the current folder"), ("..", "one above it"), ("/proc", "a disk"), ("file", "a file")])
def test_what_cannot_make_way_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, found: str) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").touch()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ConfigError, match=f"expected a folder for --out that can make way for a new one, found .*{found}"):
        require_replaceable_place(Path(place), "--out")
    require_replaceable_place(Path("new"), "--out")
    require_replaceable_place(tmp_path / "beside", "--out")


def test_what_is_read_never_makes_way(tmp_path: Path) -> None:
    read = tmp_path / "read.png"
    read.touch()
    (tmp_path / "linked").symlink_to(tmp_path)
    (tmp_path / "hard.png").hardlink_to(read)
    for name in ("read.png", "linked/read.png", "hard.png"):
        with pytest.raises(ConfigError, match="expected a file of its own for --out, found one that is read"):
            require_file_place(tmp_path / name, "--out", None, tmp_path / "absent.png", read)
    require_file_place(tmp_path / "new.png", "--out", None, tmp_path / "new.png", read)


def test_another_fault_keeps_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), replacing(tmp_path / "kept"):
        (tmp_path / "elsewhere").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is a moment between two renames")
def test_a_folder_that_makes_way_is_there_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, there, rename = tmp_path / "kept", list[bool](), Path.rename

    def watched(path: Path, target: Path) -> Path:
        moved = rename(path, target)
        there.append(folder.exists())
        return moved

    monkeypatch.setattr(Path, "rename", watched)
    for content in (b"old", b"new"):
        with replacing_folder(folder) as draft:
            (draft / "file").write_bytes(content)
    assert all(there)
    assert (folder / "file").read_bytes() == b"new" and list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("stopped_at", [1, 2])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_an_interruption_between_two_renames_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException], stopped_at: int
) -> None:
    """As where a system cannot exchange two folders at once."""
    folder, renames, rename = tmp_path / "kept", list[int](), Path.rename
    with replacing_folder(folder) as draft:
        (draft / "file").write_bytes(b"old")

    def stopping(path: Path, target: Path) -> Path:
        renames.append(1)
        if len(renames) == stopped_at:
            raise stop
        return rename(path, target)

    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    monkeypatch.setattr(Path, "rename", stopping)
    with pytest.raises(stop), replacing_folder(folder) as draft:
        (draft / "file").write_bytes(b"new")
    assert (folder / "file").read_bytes() == b"old" and list(tmp_path.iterdir()) == [folder]
