"""Clumsy words against the same figures made by hand, on a real, tiny encoder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from crops import write_crop

from passerby.cli.app import app
from passerby.data.datasets import load_dataset
from passerby.find.query import ask
from passerby.measure.evaluation import evaluate
from passerby.measure.metrics import rank_queries, summarise
from passerby.measure.split import embed_split
from passerby.measure.wording import WORDINGS, described_keywords, measure_wording
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Split

TEXTS = ("A man in a red jacket and a hat.", "A woman wearing blue jeans with no bag.", "green shirt black trousers", "somebody")


@pytest.fixture
def street(tmp_path: Path) -> Path:
    rows = []
    for number in range(12):
        write_crop(tmp_path / f"{number}.png", number)
        rows.append({"path": f"{number}.png", "id": str(number // 2), "split": "val", "caption": TEXTS[number % 4]})
    (tmp_path / "street.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tmp_path / "street.jsonl"


def test_figures_are_those_of_asking_one_by_one(tiny_encoder: BundleEncoder, street: Path) -> None:
    dataset = load_dataset(street, {Split.VAL})
    report = measure_wording(tiny_encoder, dataset)
    assert report.wordings[0].plain == evaluate(tiny_encoder, dataset).metrics
    split = embed_split(tiny_encoder, dataset)
    people = [record.identity for record in split.gallery]
    for (_, _, reworded), found in zip(WORDINGS, report.wordings, strict=True):
        directions = np.array([ask(tiny_encoder, reworded(query.text)).direction for query in split.queries], np.float32)
        slow = rank_queries(directions, split.images, [query.record.identity for query in split.queries], people)
        assert found.asked == summarise(slow, split.asked)
        assert found.gain.mean == pytest.approx(found.asked.rank1.mean - found.plain.rank1.mean)


def test_keywords_become_a_sentence() -> None:
    assert described_keywords(TEXTS[0]) == "A person, wearing a red jacket, a hat."


def test_command(tiny_bundle: Path, street: Path) -> None:
    arguments = ["evaluate", "--data", str(street), "--model", str(tiny_bundle), "--measure", "wording"]
    document = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert [row["name"] for row in document["wordings"]] == [name for name, _, _ in WORDINGS]
    shown = CliRunner().invoke(app, arguments).stdout
    assert "as search asks" in shown and "keywords" in shown
