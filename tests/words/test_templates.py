"""Descriptions in several wordings say the same, and what was exported is a dataset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
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
