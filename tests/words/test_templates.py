"""Descriptions in several wordings say the same, and what was exported is a dataset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from calling import Ran, call
from click.testing import CliRunner
from crops import write_crop
from hypothesis import given
from hypothesis import strategies as st

from passerby.cli.app import app
from passerby.data.datasets import load_dataset
from passerby.errors import DatasetError
from passerby.report.prompts import export_prompts
from passerby.words.description import PersonDescription
from passerby.words.lexicon import Part
from passerby.words.parser import parse
from passerby.words.prompts import Wording, reworded, wordings

CHALLENGE = [json.loads(line) for line in (Path(__file__).parent / "challenge.jsonl").read_text(encoding="utf-8").splitlines()]
SEEN = [row["text"] for row in CHALLENGE if not row.get("held_out")]


def affirmed(description: PersonDescription) -> set[tuple[str, tuple[str, ...], str | None]]:
    return {(item.thing, item.colours, item.pattern) for item in description.items if not item.negated}


@given(st.sampled_from(SEEN), st.sampled_from(wordings()))
def test_every_wording_says_what_was_affirmed(text: str, wording: Wording) -> None:
    description = parse(text)
    again = parse(wording(description))
    assert affirmed(again) == affirmed(description)
    assert (again.gender, again.age) == (description.gender, description.age)
    assert not any(item.negated for item in again.items)


def test_a_wording_leaves_out_what_nothing_is_said_of() -> None:
    first = wordings()[0]
    assert first(parse("a young man, red jacket, jeans, a black bag, no hat")) == (
        "A photo of a young man wearing a red jacket and jeans, carrying a black bag."
    )
    assert first(parse("a black bag")) == "A photo of a person, carrying a black bag."
    assert first(PersonDescription()) == "A photo of a person."


def test_a_seed_draws_a_wording() -> None:
    description = parse("a man in a red jacket")
    drawn = {reworded(description, str(seed)) for seed in range(60)}
    assert drawn == {wording(description) for wording in wordings()}
    assert reworded(description, "7") == reworded(description, "7")


def dataset(folder: Path) -> Path:
    folder.mkdir()
    captions = ["red jkt, no hat", "un manteau", "red jkt, no hat"]
    rows = [{"path": f"p/{n}.jpg", "id": "ann", "split": "train", "caption": text} for n, text in enumerate(captions)]
    rows.append({"path": "p/0.jpg", "id": "ann", "split": "train", "caption": "a woman with a bag"})
    (folder / "p").mkdir()
    for seed in range(3):
        write_crop(folder / "p" / f"{seed}.jpg", seed)
    (folder / "captions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder / "captions.jsonl"


def test_what_was_exported_is_a_dataset_with_the_same_people(tmp_path: Path) -> None:
    table = dataset(tmp_path / "set")
    original = load_dataset(table)
    exported = export_prompts(original, tmp_path / "set" / "prompts.jsonl")
    again = load_dataset(exported.file)
    assert (exported.prompts, exported.as_written) == (3, 1)
    assert not again.problems
    assert [(r.path, r.identity, r.split) for r in again.records] == [(r.path, r.identity, r.split) for r in original.records]
    for record, before in zip(again.records, original.records, strict=True):
        for caption, written in zip(record.captions, before.captions, strict=True):
            assert affirmed(parse(caption.text)) == affirmed(parse(written.text))
    assert again.records[1].captions[0].text == "un manteau"


def test_the_same_seed_makes_the_same_file(tmp_path: Path) -> None:
    data = load_dataset(dataset(tmp_path / "set"))
    one, other = (export_prompts(data, tmp_path / "set" / f"{n}.jsonl").file.read_bytes() for n in range(2))
    assert one == other


class TestPlace:
    @pytest.mark.parametrize("place", ["set/captions.jsonl", "link.jsonl", "hard.jsonl", "set/../set/captions.jsonl"])
    def test_the_captions_themselves_are_not_overwritten(self, tmp_path: Path, tiny_bundle: Path, place: str) -> None:
        table = dataset(tmp_path / "set")
        (tmp_path / "link.jsonl").symlink_to(table)
        (tmp_path / "hard.jsonl").hardlink_to(table)
        before = table.read_bytes()
        for named in (table, table.parent):
            ran = explore(named, tmp_path / place, tmp_path / "out", tiny_bundle)
            assert ran.code == 2
            assert "the dataset's own table" in ran.err
        assert table.read_bytes() == before
        assert not (tmp_path / "out").exists(), "refused before the work"

    def test_an_earlier_export_makes_way_and_nothing_else(self, tmp_path: Path, tiny_bundle: Path) -> None:
        table, out = dataset(tmp_path / "set"), tmp_path / "prompts.jsonl"
        for _ in range(2):
            assert explore(table, out, tmp_path / "out", tiny_bundle).code == 0
        (tmp_path / "other.jsonl").write_text("".join(table.read_text().splitlines(keepends=True)[:1]))
        (tmp_path / "notes.jsonl").write_bytes(b"\xff no table")
        for name in ("other.jsonl", "notes.jsonl"):
            before = (tmp_path / name).read_bytes()
            ran = explore(table, tmp_path / name, tmp_path / "out", tiny_bundle)
            assert ran.code == 2
            assert f"{name}, which holds something else; name another file" in ran.err
            assert (tmp_path / name).read_bytes() == before
        again = explore(out, out, tmp_path / "out", tiny_bundle)
        assert (again.code, "the dataset's own table" in again.err) == (2, True), "an export is somebody's table once it is explored"

    def test_a_folder_that_is_found_by_its_one_table_gets_no_second_one(self, tmp_path: Path, tiny_bundle: Path) -> None:
        folder = dataset(tmp_path / "set").parent
        ran = explore(folder, folder / "prompts.jsonl", tmp_path / "out", tiny_bundle)
        assert ran.code == 2
        advised = tmp_path / "set-prompts.jsonl"
        assert f"name a file in {tmp_path}, such as {advised}" in ran.err
        assert len(load_dataset(folder).records) == 3
        assert explore(folder, advised, tmp_path / "out", tiny_bundle).code == 0
        assert len(load_dataset(advised).records) == len(load_dataset(folder).records) == 3

    def test_a_dataset_that_is_not_there_is_said(self, tmp_path: Path, tiny_bundle: Path) -> None:
        ran = explore(tmp_path / "nowhere", tmp_path / "prompts.jsonl", tmp_path / "out", tiny_bundle)
        assert (ran.code, "a folder of CUHK-PEDES" in ran.err) == (2, True)


def explore(data: Path, prompts: Path, out: Path, model: Path) -> Ran:
    return call("explore", data, "--out", out, "--export-prompts", prompts, "--model", model, "--no-pictures", "--json")


@pytest.mark.parametrize("name", ["set/prompts.csv", "elsewhere/prompts.jsonl"])
def test_a_place_that_training_could_not_read_is_refused(tmp_path: Path, name: str) -> None:
    data = load_dataset(dataset(tmp_path / "set"))
    with pytest.raises(DatasetError, match=r"a \.jsonl file in a folder that holds"):
        export_prompts(data, tmp_path / name)


def test_command(tmp_path: Path, tiny_bundle: Path) -> None:
    table, out = dataset(tmp_path / "set"), tmp_path / "set" / "prompts.jsonl"
    arguments = ["explore", str(table), "--out", str(tmp_path / "out"), "--export-prompts", str(out), "--model", str(tiny_bundle), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["prompts"] == {"file": str(out), "prompts": 3, "as_written": 1}
    assert Part.UPPER in {item.part for item in parse(json.loads(out.read_text().splitlines()[0])["caption"]).items}
