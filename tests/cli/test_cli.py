"""The command line as people meet it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from calling import PASSERBY, Ran, call, call_apart
from crops import write_crop, write_crops
from indexing import DressedEncoder
from PIL import Image
from tiny import write_tiny_bundle

from passerby import resolve
from passerby.cli import options
from passerby.index.sqlite.index import Index
from passerby.model.bundle_encoder import BundleEncoder


@dataclass(frozen=True)
class Passerby:
    """Runs the program in a folder with the tiny model."""

    folder: Path
    model: Path

    def __call__(self, *arguments: str | Path, model: bool = True, environment: dict[str, str] | None = None) -> Ran:
        return call(*arguments, *(("--model", self.model) if model else ()), folder=self.folder, environment=environment)


@pytest.fixture
def passerby(tmp_path: Path, tiny_bundle: Path) -> Passerby:
    write_crops(tmp_path / "crops", 4)
    return Passerby(tmp_path, tiny_bundle)


@pytest.fixture
def indexed(passerby: Passerby) -> Passerby:
    assert passerby("index", "crops", "--index", "index").code == 0
    return passerby


def test_index_reports_in_json_and_nothing_else(passerby: Passerby) -> None:
    (passerby.folder / "crops" / "bad.jpg").write_bytes(b"bad")
    ran = passerby("index", "crops", "--index", "index", "--json")
    assert ran.code == 1
    assert ran.document["indexed"] == 4
    assert ran.document["unchanged"] == ran.document["removed"] == 0
    (failed,) = ran.document["failed"]
    assert failed["path"] == str(passerby.folder / "crops" / "bad.jpg")
    assert "picture" in failed["reason"]
    assert "bad.jpg" in ran.err


def test_index_speaks_to_people_on_standard_error(passerby: Passerby) -> None:
    ran = passerby("index", "crops", "--index", "index", "--crops")
    assert ran.code == 0
    assert ran.out == ""
    assert "4 indexed, 0 unchanged, 0 removed, 0 failed\n4 crops" in ran.err


@pytest.mark.parametrize("given", ["empty", "missing", "crops/bad.jpg"])
def test_indexing_nothing_says_why(passerby: Passerby, given: str) -> None:
    (passerby.folder / "empty").mkdir()
    (passerby.folder / "crops" / "bad.jpg").write_bytes(b"")
    ran = passerby("index", given, "--index", "index")
    assert ran.code == 2
    assert re.search("expected .*, found", ran.err)


def test_search_prints_a_ranked_table(indexed: Passerby) -> None:
    ran = indexed("search", "a", "red", "jacket", "--index", "index", "-k", "3")
    assert ran.code == 0
    assert ran.err == ""
    rows = [line.split() for line in ran.out.splitlines() if re.match(r"\s*\d", line)]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert [row[1] for row in rows] == sorted((row[1] for row in rows), key=float, reverse=True)
    assert all(Path(row[2]).is_file() for row in rows)


def test_a_text_search_loads_nothing_that_it_does_not_use(indexed: Passerby) -> None:
    never = ["PIL", "html", "importlib.resources", "onnx", "passerby.model.encode", "passerby.media.photo", "rapidfuzz", "rich", "torch"]
    program = "import sys; from passerby.cli.app import app; app(standalone_mode=False); print(sorted(sys.modules), file=sys.stderr)"
    words = ["search", "a red jacket", "--index", "index", "--model", str(indexed.model), "--json"]
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=indexed.folder, capture_output=True, text=True, check=True)
    assert "'onnxruntime'" in done.stderr
    assert [name for name in never if f"'{name}'" in done.stderr] == []


def test_search_in_json(indexed: Passerby) -> None:
    ran = indexed("search", "a red jacket", "--index", "index", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.document["query"] == "a red jacket"
    assert [hit["rank"] for hit in ran.document["hits"]] == [1, 2, 3, 4]
    assert {hit["path"] for hit in ran.document["hits"]} == {str(path) for path in (indexed.folder / "crops").iterdir()}


def test_search_says_when_it_understands_nothing(indexed: Passerby) -> None:
    ran = indexed("search", "eine Frau in roter Jacke", "--index", "index", "--json")
    assert ran.code == 0
    assert ran.document["hits"]
    assert "nothing understood in 'eine Frau in roter Jacke'" in ran.err
    assert "understood" not in indexed("search", "a red jacket", "--index", "index", "--json").err


def test_search_says_what_it_did_not_understand_as_parse_does(indexed: Passerby) -> None:
    words = "a zorbish red jacket 👕"
    found = indexed("search", words, "--index", "index", "--json")
    assert found.document["not_understood"] == indexed("parse", words, "--json", model=False).document["not_understood"]
    assert found.err == "not understood: zorbish 👕\n"
    assert indexed("search", words, "--index", "index").err == found.err
    assert indexed("search", "a red jacket", "--index", "index", "--json").document["not_understood"] == []


@pytest.mark.parametrize("option", ["--sheet", "--frames"])
def test_a_picture_of_the_index_never_makes_way_for_a_sheet(indexed: Passerby, option: str) -> None:
    (indexed.folder / "linked").symlink_to("crops")
    before = {path: path.read_bytes() for path in (indexed.folder / "crops").iterdir()}
    for name in ("crops/000.jpg", "linked/000.jpg"):
        ran = indexed("search", "a red jacket", "--index", "index", option, name)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert "expected a file of its own for the sheet, found one that the index holds, " in ran.err
    assert {path: path.read_bytes() for path in (indexed.folder / "crops").iterdir()} == before


def test_search_draws_a_sheet(indexed: Passerby) -> None:
    ran = indexed("search", "red", "--index", "index", "--sheet", "found.png", "--json")
    assert len(ran.document["hits"]) == 4
    assert "found.png" in ran.err
    with Image.open(indexed.folder / "found.png") as sheet:
        assert sheet.width > 400


def test_search_by_picture(indexed: Passerby) -> None:
    ran = indexed("search", "--like", "crops/002.jpg", "--index", "index", "--json")
    assert ran.document["hits"][0]["path"] == str(indexed.folder / "crops" / "002.jpg")
    assert indexed("search", "red", "--like", "crops/002.jpg", "--index", "index").code == 0
    refused = indexed("search", "--like", "crops/missing.jpg", "--index", "index")
    assert refused.code == 2
    assert refused.err.count("\n") == 1


@pytest.fixture
def people(passerby: Passerby) -> Path:
    """A table of two pictures, each with a caption, of each of twelve people, all of val."""
    colours = ("red", "black", "brown", "white", "yellow")
    pictures = write_crops(passerby.folder / "people", 24)
    rows = [f"people/{p.name},a {colours[i % 5]} jacket and a {colours[i % 3]} cap,p{i // 2},val" for i, p in enumerate(pictures)]
    table = passerby.folder / "people.csv"
    table.write_text("\n".join(["path,caption,id,split", *rows]))
    return table


@pytest.fixture
def calibrated(passerby: Passerby, people: Path) -> Passerby:
    """Runs the program with the tiny model after the program calibrated it, and with an index that this model made."""
    ran = passerby("calibrate", passerby.model, "--data", people, "--out", "calibrated", "--json", model=False)
    assert ran.code == 0
    assert ran.document["galleries"].keys() == {"12"}
    assert (ran.document["queries"], ran.document["failed"]) == (12, [])
    made = Passerby(passerby.folder, passerby.folder / "calibrated")
    assert made("index", "crops", "--index", "index").code == 0
    return made


def test_a_calibrated_model_says_how_sure_it_is(calibrated: Passerby) -> None:
    ran = calibrated("search", "a red jacket", "--index", "index")
    assert re.search(r"rank +score +probability +path", ran.out)
    assert len(re.findall(r"^ *\d +-?\d\.\d+ +\d+% +/", ran.out, re.MULTILINE)) == 4
    document = calibrated("search", "a red jacket", "--index", "index", "--json").document
    probabilities = [hit["probability"] for hit in document["hits"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < probabilities[-1] <= probabilities[0] < 1


def test_no_one_matching_is_an_answer(calibrated: Passerby) -> None:
    ran = calibrated("search", "red", "--index", "index", "--min-probability", "1", "--sheet", "found.png")
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(r"no one here matches: the likeliest has a probability of \d+\.\d%\n", ran.out)
    assert not (calibrated.folder / "found.png").exists()
    ran = calibrated("search", "red", "--index", "index", "--min-probability", "1", "--json")
    assert (ran.code, ran.document["hits"]) == (0, [])
    assert "no one here matches" in ran.err
    assert len(calibrated("search", "red", "--index", "index", "--min-probability", "0", "--json").document["hits"]) == 4


def test_a_probability_that_nobody_knows_is_refused(calibrated: Passerby) -> None:
    by_picture = calibrated("search", "--like", "crops/002.jpg", "--index", "index", "--min-probability", "0.5")
    assert (by_picture.code, by_picture.out, by_picture.err.count("\n")) == (2, "", 1)
    assert "leave out --min-probability" in by_picture.err
    document = calibrated("search", "--like", "crops/002.jpg", "--index", "index", "--json").document
    assert {hit["probability"] for hit in document["hits"]} == {None}


def test_calibrating_shows_a_table(passerby: Passerby, people: Path) -> None:
    people.write_text(f"{people.read_text()}\npeople/none.jpg,a cap,p1,val\n")
    ran = passerby("calibrate", passerby.model, "--data", people, "--out", "calibrated", model=False)
    assert ran.code == 1
    assert "fitted on 6 people, checked on 6 others with 12 captions" in ran.out
    assert "caution: fitted on 6 people and checked on 6: too few" in ran.out
    assert re.search(r"gallery .*calibration error +Brier skill +AUROC", ran.out)
    assert "none.jpg" in ran.err
    assert (passerby.folder / "calibrated" / "LICENSE").exists()


def test_a_long_question_says_how_much_was_not_read(indexed: Passerby) -> None:
    ran = indexed("search", "woman " * 10_000, "--index", "index", "--json")
    assert ran.code == 0
    assert len(ran.document["hits"]) == 4
    assert re.search(r"last 99\d\d word pieces", ran.err)


def test_an_empty_index_says_so(passerby: Passerby) -> None:
    (passerby.folder / "empty").mkdir()
    passerby("index", "empty", "--index", "index")
    ran = passerby("search", "red", "--index", "index", "--json")
    assert ran.code == 2
    assert ran.document["hits"] == []
    assert "nobody found" in ran.err


def test_info_names_the_model_and_the_failures(indexed: Passerby) -> None:
    (indexed.folder / "crops" / "bad.jpg").write_bytes(b"bad")
    indexed("index", "crops", "--index", "index")
    ran = indexed("info", "--index", "index", "--json", model=False)
    assert ran.code == 0
    assert (ran.document["people"], ran.document["media"], ran.document["embeddings"]) == (4, 4, 4)
    assert ran.document["model"]["name"] == "tiny"
    assert len(ran.document["model"]["digest"]) == 64
    assert ran.document["path"] == str(indexed.folder / "index")
    assert [Path(failure["path"]).name for failure in ran.document["failed"]] == ["bad.jpg"]
    assert ran.document["unworn"] == 0
    table = indexed("info", "--index", "index", model=False)
    assert ran.document["model"]["digest"] in table.out
    assert "worn" not in table.out + table.err


def test_info_says_what_indexing_again_would_bring(indexed: Passerby, tiny_encoder: BundleEncoder) -> None:
    with Index.create(indexed.folder / "index", DressedEncoder(tiny_encoder._bundle)):
        pass
    assert indexed("info", "--index", "index", "--json", model=False).document["unworn"] == 4
    said = " ".join(indexed("info", "--index", "index", model=False).err.split())
    assert "of 4 pictures it is not known what is worn" in said
    assert f"passerby index PATH… --index {indexed.folder / 'index'} --rebuild" in said


def test_remove(indexed: Passerby) -> None:
    ran = indexed("remove", "crops/000.jpg", "crops/none.jpg", "--index", "index", "--json", model=False)
    assert (ran.code, ran.document["removed"]) == (1, 1)
    assert ran.document["failed"][0]["path"] == str(indexed.folder / "crops" / "none.jpg")
    assert indexed("remove", "crops", "--index", "index", model=False).code == 0
    assert indexed("remove", "crops", "--index", "index", model=False).code == 2
    assert indexed("info", "--index", "index", "--json", model=False).document["people"] == 0


def test_embed(passerby: Passerby) -> None:
    (passerby.folder / "texts.txt").write_text("red\nblue\n", "utf-8")
    ran = passerby("embed", "crops", "missing.jpg", "--texts", "texts.txt", "--out", "v.npz", "--json")
    assert (ran.code, ran.document["embedded"]) == (1, 6)
    with np.load(passerby.folder / "v.npz") as made:
        assert made["vectors"].shape == (6, 16)
        assert list(made["names"][-2:]) == ["red", "blue"]
    nothing = passerby("embed", "missing.jpg", "--out", "none.npz")
    assert nothing.code == 2
    assert not (passerby.folder / "none.npz").exists()


def test_another_model_is_refused_with_a_command_that_works(indexed: Passerby) -> None:
    other = Passerby(indexed.folder, write_tiny_bundle(indexed.folder / "other", seed=5).folder)
    for refused in (other("search", "red", "--index", "index"), other("index", "crops", "--index", "index")):
        assert refused.code == 2
        assert refused.err.count("\n") == 1
        assert "passerby index PATH… --index" in refused.err
        assert "--rebuild" in refused.err
    assert other("index", "crops", "--index", "index", "--rebuild").code == 0
    assert other("search", "red", "--index", "index").code == 0
    assert indexed("search", "red", "--index", "index").code == 2


def test_where_the_index_is(passerby: Passerby) -> None:
    home = {"HOME": str(passerby.folder / "home"), "XDG_DATA_HOME": str(passerby.folder / "data")}
    assert passerby("index", "crops", environment={**home, "PASSERBY_INDEX": "mine"}).code == 0
    assert (passerby.folder / "mine" / "index.db").exists()
    assert passerby("index", "crops", environment=home).code == 0
    assert list(passerby.folder.glob("data/**/index.db")) or list(passerby.folder.glob("home/**/index.db"))


def test_names_that_are_no_text_are_shown_on_one_line_and_survive_json(passerby: Passerby) -> None:
    odd = [os.fsdecode(b"caf\xe9.jpg"), "two\nlines.jpg", "\x1b[31mred.jpg"]
    for seed, name in enumerate(odd):
        write_crop(passerby.folder / "odd" / "crop.jpg", seed + 10).rename(passerby.folder / "odd" / name)
    assert passerby("index", "odd", "--index", "index").code == 0
    asked = ("search", "red", "--index", "index", "--json", "--model", passerby.model)
    shown = call_apart(*asked, folder=passerby.folder, environment={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"})
    assert {Path(hit["path"]).name for hit in shown.document["hits"]} == set(odd)
    table = passerby("search", "red", "--index", "index")
    assert table.code == 0
    assert "\x1b" not in table.out
    assert len([line for line in table.out.splitlines() if "jpg" in line]) == 3


@pytest.mark.parametrize("words", ["", "  "])
def test_an_empty_question_is_one_line(indexed: Passerby, words: str) -> None:
    ran = indexed("search", words, "--index", "index", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(r"passerby: error: expected .*, found .*; .*\n", ran.err)


def test_what_the_system_refuses_is_one_line(indexed: Passerby) -> None:
    ran = indexed("search", "red", "--index", "index", "--sheet", "no/such/folder/s.png")
    assert ran.code == 2
    assert re.fullmatch(r"passerby: error: .*no/such/folder.*\n", ran.err)


def test_ctrl_c_ends_quietly(passerby: Passerby) -> None:
    """Also where the tests run in the background, whose children a shell makes deaf to Ctrl-C."""
    write_crops(passerby.folder / "many", 400)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*PASSERBY, "index", "many", "--index", "index", "--model", passerby.model], cwd=passerby.folder, stderr=subprocess.PIPE
        )
    finally:
        signal.signal(signal.SIGINT, before)
    while not (passerby.folder / "index" / "index.db").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_help_shows_every_command_and_imports_little(passerby: Passerby) -> None:
    ran = passerby("--help", model=False)
    assert ran.code == 0
    assert all(re.search(rf"\b{command}\b", ran.out) for command in ("index", "search", "info", "remove", "embed"))
    assert passerby(model=False).out.strip() == ran.out.strip()
    traced = subprocess.run([sys.executable, "-X", "importtime", "-m", "passerby", "--help"], capture_output=True, text=True, check=True)
    imported = {line.rsplit("|", 1)[-1].strip() for line in traced.stderr.splitlines()}
    assert not imported & {"numpy", "PIL", "onnxruntime", "sqlite3", "tokenizers", "numkong", "torch"}


def test_index_and_search_load_no_torch(indexed: Passerby) -> None:
    for arguments in (("index", "crops"), ("search", "red")):
        command = [sys.executable, "-X", "importtime", "-m", "passerby", *arguments, "--index", "index", "--model", str(indexed.model)]
        traced = subprocess.run(command, cwd=indexed.folder, capture_output=True, text=True, check=True)
        imported = {line.rsplit("|", 1)[-1].strip() for line in traced.stderr.splitlines()}
        assert "onnxruntime" in imported or arguments[0] == "index"
        assert "torch" not in imported


def test_the_default_model_is_the_loader_s() -> None:
    assert options.DEFAULT_MODEL == resolve.DEFAULT_MODEL


def test_parse_shows_what_was_understood_and_what_was_not(passerby: Passerby) -> None:
    document = passerby("parse", "a man in a red jkt, blue jeans and a frobnicated hat, no bag", "--json", model=False).document
    assert document["gender"] == "male"
    assert [(item["part"], item["thing"], item["colours"], item["negated"]) for item in document["items"]] == [
        ("upper", "jacket", ["red"], False),
        ("lower", "jeans", ["blue"], False),
        ("head", "hat", [], False),
        ("carried", "bag", [], True),
    ]
    assert document["not_understood"] == ["frobnicated"]
    shown = passerby("parse", "no bag but a striped shirt, xyzzy", model=False)
    assert shown.code == 0
    assert re.search(r"carried +bag +absent", shown.out)
    assert re.search(r"upper +shirt +striped", shown.out)
    assert "not understood: xyzzy" in shown.err


@pytest.mark.parametrize("words", ["", "xyzzy", "<b>", "\udcff"])
def test_parse_says_when_nothing_was_understood(passerby: Passerby, words: str) -> None:
    ran = passerby("parse", words, model=False)
    assert (ran.code, ran.out) == (2, "")
    assert "expected what a person wears" in ran.err
    assert "Traceback" not in ran.err


def test_what_a_command_reads_never_makes_way_for_what_it_writes(indexed: Passerby) -> None:
    (indexed.folder / "texts.txt").write_text("red\n", "utf-8")
    (indexed.folder / "table.jsonl").write_text("{}\n", "utf-8")
    like = Path(shutil.copy(indexed.folder / "crops" / "000.jpg", indexed.folder / "like.jpg"))
    before = {path: path.read_bytes() for path in indexed.folder.iterdir() if path.is_file()}
    for arguments in (
        ("search", "--like", like, "--index", "index", "--sheet", "like.jpg"),
        ("search", "--like", like, "--index", "index", "--frames", "like.jpg"),
        ("embed", "--texts", "texts.txt", "--out", "texts.txt"),
        ("embed", "like.jpg", "--out", like),
        ("attention", "like.jpg", "a red jacket", "--out", like),
        ("explore", "look.jsonl", "--compare", "table.jsonl", "--out", "look", "--export-prompts", "table.jsonl"),
    ):
        ran = indexed(*map(str, arguments))
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert f"expected a file of its own for {arguments[-2]}, found one that is read, " in ran.err
    assert {path: path.read_bytes() for path in indexed.folder.iterdir() if path.is_file()} == before
