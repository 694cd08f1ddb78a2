"""Bad pictures and bad indexes: each one clear line and the right exit code, and the rest goes on."""

from __future__ import annotations

import io
import os
import random
import re
import resource
import sqlite3
import struct
import subprocess
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from calling import PASSERBY, call
from crops import write_crop, write_crops
from PIL import Image

from passerby.errors import IndexFault
from passerby.find.ingest.run import index_paths
from passerby.index.sqlite import database
from passerby.index.sqlite.index import Index
from passerby.model.bundle_encoder import BundleEncoder

ONE_LINE = re.compile(r"passerby: error: expected .+, found .+; .+\n")


# -- pictures ---------------------------------------------------------------------------------------------------------------------


def mutated(chance: random.Random) -> bytes:
    """A small JPEG, PNG or GIF with bytes flipped, cut out, put in, or cut off."""
    image = Image.effect_noise((40, 80), 60).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, chance.choice(["JPEG", "PNG", "GIF"]), **({"exif": b"Exif\0\0" + bytes(40)} if chance.random() < 0.2 else {}))
    data = bytearray(buffer.getvalue())
    for _ in range(chance.choice([1, 1, 2, 8, 64])):
        position = chance.randrange(min(len(data), chance.choice([64, 1 << 20])))
        match chance.randrange(4):
            case 0:
                data[position] = chance.randrange(256)
            case 1:
                del data[position : position + chance.randrange(1, 20)]
            case 2:
                data[position:position] = chance.randbytes(chance.randrange(1, 20))
            case _:
                data[position] ^= 1 << chance.randrange(8)
        if not data:
            break
    if chance.random() < 0.3:
        del data[chance.randrange(len(data) + 1) :]
    return bytes(data)


@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.soak)])
def test_damaged_pictures_are_indexed_or_named(tmp_path: Path, tiny_encoder: BundleEncoder, count: int) -> None:
    chance = random.Random(count)
    crops = tmp_path / "crops"
    crops.mkdir()
    for number in range(count):
        (crops / f"{number:04}.jpg").write_bytes(mutated(chance))
    with Index.create(tmp_path / "index", tiny_encoder) as index:
        report = index_paths(index, tiny_encoder, [crops])
        info = index.info()
    assert report.indexed + len(report.failed) == count
    assert (info.media, info.failures) == (report.indexed, len(report.failed))
    assert report.indexed > 0.1 * count
    assert len(report.failed) > 0.1 * count
    assert all("\n" not in failure.reason for failure in report.failed)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that says it is this large, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def write_bad_pictures(folder: Path) -> set[str]:
    """Among good pictures, one of each kind that cannot be used; returns their names."""
    good = write_crops(folder, 3)[0].read_bytes()
    bad = {
        "text.jpg": b"not an image",
        "empty.jpg": b"",
        "truncated.jpg": good[: len(good) // 2],
        "bomb.png": png_of_size(30_000, 30_000),
        "photo.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
        "two\nlines.jpg": b"no",
        os.fsdecode(b"caf\xe9.jpg"): b"no",
    }
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    (folder / "dangling.jpg").symlink_to("nowhere")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "round").symlink_to(folder)
    write_crop(folder / "pixel.png", 1, (1, 1))
    frames = [Image.new("RGB", (20, 40), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    return {*bad, "dangling.jpg", "loop.jpg", "pipe.jpg"}


def test_one_bad_file_never_stops_a_run(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    bad = write_bad_pictures(tmp_path / "crops")
    with Index.create(tmp_path / "index", tiny_encoder) as index:
        for _ in range(2):
            report = index_paths(index, tiny_encoder, [tmp_path / "crops"])
            assert {failure.path.name for failure in report.failed} == bad
            assert report.indexed + report.unchanged == 5
        reasons = {failure.path.name: failure.reason for failure in report.failed}
    assert all(re.fullmatch("expected .+, found.+; .+", reason) for reason in reasons.values())
    assert "HEIC" in reasons["photo.heic"]
    assert "pipe" in reasons["pipe.jpg"]


def test_a_folder_may_change_while_it_is_read(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    crops = write_crops(tmp_path / "crops", 100)

    def meddle(done: int, _total: int) -> None:
        if done == 16:
            for path in crops[80:90]:
                path.unlink()
            for path in crops[90:]:
                path.write_bytes(b"no picture any more")
            write_crops(tmp_path / "crops" / "new", 3)

    with Index.create(tmp_path / "index", tiny_encoder) as index:
        report = index_paths(index, tiny_encoder, [tmp_path / "crops"], meddle)
        assert (report.indexed, len(report.failed)) == (80, 20)
        report = index_paths(index, tiny_encoder, [tmp_path / "crops"])
        assert (report.indexed, report.unchanged, len(report.failed)) == (3, 80, 10)


# -- indexes ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path, tiny_encoder: BundleEncoder) -> Path:
    with Index.create(tmp_path / "index", tiny_encoder) as opened:
        index_paths(opened, tiny_encoder, write_crops(tmp_path / "crops", 40))
    return tmp_path / "index"


def run(folder: Path, *arguments: str | Path, before: Callable[[], None] | None = None, within: Sequence[str] = ()) -> tuple[int, str]:
    if not before and not within:
        ran = call(*arguments, folder=folder)
        return ran.code, ran.err
    command = [*within, *PASSERBY, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, preexec_fn=before, timeout=60, check=False)
    return done.returncode, done.stderr.decode()


def test_an_index_that_is_a_file(tmp_path: Path, tiny_bundle: Path) -> None:
    write_crops(tmp_path / "crops", 1)
    (tmp_path / "file").write_text("precious")
    for place in ("file", "file/below"):
        code, err = run(tmp_path, "index", "crops", "--index", place, "--model", tiny_bundle)
        assert (code, bool(ONE_LINE.fullmatch(err))) == (2, True), err
        code, err = run(tmp_path, "search", "red", "--index", place, "--model", tiny_bundle)
        assert (code, bool(ONE_LINE.fullmatch(err))) == (2, True), err
    assert (tmp_path / "file").read_text() == "precious"


def test_an_index_of_a_newer_version(index: Path, tiny_encoder: BundleEncoder) -> None:
    with sqlite3.connect(index / "index.db") as db:
        db.execute(f"PRAGMA user_version = {database.SCHEMA_VERSION + 1}")
    db.close()
    before = (index / "index.db").read_bytes()
    for opening in (
        partial(Index.open, index),
        partial(Index.create, index, tiny_encoder),
        partial(Index.create, index, tiny_encoder, rebuild=True),
    ):
        with pytest.raises(IndexFault, match="newer"):
            opening()
    assert (index / "index.db").read_bytes() == before


def test_a_database_of_another_program(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    with sqlite3.connect(tmp_path / "index.db") as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    for opening in (partial(Index.open, tmp_path), partial(Index.create, tmp_path, tiny_encoder)):
        with pytest.raises(IndexFault, match="another program"):
            opening()


@pytest.mark.parametrize("kept", [600, 4_096, 16_384, 40_000, 60_000])
def test_a_half_written_index(index: Path, tiny_bundle: Path, kept: int) -> None:
    data = (index / "index.db").read_bytes()
    assert len(data) > kept
    (index / "index.db").write_bytes(data[:kept])
    remove_vectors(index)
    code, err = run(index.parent, "search", "red", "--index", index, "--model", tiny_bundle)
    assert (code, bool(ONE_LINE.fullmatch(err))) == (2, True), err
    code, err = run(index.parent, "index", "crops", "--index", index, "--model", tiny_bundle)
    assert (code, bool(ONE_LINE.fullmatch(err))) == (2, True), err


def test_an_index_of_noise(index: Path) -> None:
    (index / "index.db").write_bytes(random.Random(0).randbytes(100_000))
    with pytest.raises(IndexFault, match="damaged"):
        Index.open(index)


def remove_vectors(index: Path) -> None:
    """Leave the database alone in an index's folder."""
    for path in index.glob("vectors*"):
        path.unlink()


def test_a_read_only_index_is_searched_and_not_written(index: Path, tiny_bundle: Path, ordinary: Sequence[str]) -> None:
    command = partial(run, index.parent, within=ordinary)
    for derived in (True, False):
        if not derived:
            remove_vectors(index)
        (index / "index.db").chmod(0o444)
        index.chmod(0o555)
        try:
            assert command("search", "a red jacket", "--index", index, "--model", tiny_bundle) == (0, "")
            assert command("info", "--index", index) == (0, "")
            for arguments in (("index", "crops", "--model", tiny_bundle), ("remove", "crops")):
                code, err = command(*arguments, "--index", index)
                assert (code, bool(ONE_LINE.fullmatch(err))) == (2, True), err
        finally:
            index.chmod(0o755)
            (index / "index.db").chmod(0o644)


def test_files_and_folders_without_permission(tmp_path: Path, tiny_bundle: Path, ordinary: Sequence[str]) -> None:
    shut, inside = write_crop(tmp_path / "crops" / "shut.jpg", 1), write_crop(tmp_path / "crops" / "closed" / "a.jpg", 2)
    write_crop(tmp_path / "crops" / "open.jpg", 3)
    command = partial(run, tmp_path, "index", "crops", "--index", "index", "--model", tiny_bundle, within=ordinary)
    assert command()[0] == 0
    write_crop(shut, 4)
    shut.chmod(0)
    inside.parent.chmod(0)
    try:
        code, err = command()
        assert code == 1
        assert "1 unchanged, 0 removed, 2 failed" in err
    finally:
        inside.parent.chmod(0o755)
        shut.chmod(0o644)
    code, err = command()
    assert code == 0
    assert "1 indexed, 2 unchanged, 0 removed, 0 failed" in err


def test_a_full_disk_loses_nothing(index: Path, tiny_bundle: Path) -> None:
    write_crops(index.parent / "more", 400)
    for number in range(40):
        (index.parent / "more" / f"{number:03}.jpg").unlink()
    room = (index / "index.db").stat().st_size + 200_000
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (room, room))
    command = partial(run, index.parent, "index", "crops", "more", "--index", index, "--model", tiny_bundle)
    code, err = command(before=limit)
    assert (code, bool(ONE_LINE.fullmatch(err))) == (2, True), err
    with Index.open(index) as opened:
        assert 40 <= opened.info().media < 400
    assert command()[0] == 0
    with Index.open(index) as opened:
        assert opened.info().media == 400
