"""``passerby evaluate --detector``: what it shows, as JSON and for people, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from scenes import entry, write_scenes
from square_detector import SQUARES, write_square_detector

from passerby.cli.app import app
from passerby.errors import ConfigError, DatasetError, PasserbyError

UNSEEN = [40, 3, 50, 23]
"""Not on the detector's grid: white, but not found."""


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector, and ten scenes in which it finds two of three; a test split, and one that another detector labelled."""
    folder = tmp_path_factory.mktemp("detector")
    write_square_detector(folder / "squares")
    scenes = [entry(f"{number}.png", [*SQUARES, UNSEEN], source="streets" if number % 2 else "shops") for number in range(10)]
    others = [entry("test.png", SQUARES, split="test"), entry("teachers.png", SQUARES, labels="teachers")]
    write_scenes(folder / "scenes", [*scenes, *others])
    return folder


def on(folder: Path) -> tuple[object, ...]:
    return "--detector", folder / "squares", "--data", folder / "scenes", "--detect-size", 96


def test_json_has_every_figure(folder: Path) -> None:
    result = evaluate(*on(folder), "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (document["pictures"], document["people"], document["untrusted_labels"]) == (10, 30, 1)
    assert (document["AP50"], document["recall"], document["precision"]) == pytest.approx((200 / 3, 200 / 3, 100))
    assert document["intervals"].keys() == {"AP50", "precision", "recall"}
    assert [group["name"] for group in document["groups"]] == []
    assert [(one["from"], one["to"], one["people"]) for one in document["by_height"]][:2] == [(0, 24, 10), (24, 40, 20)]
    assert document["by_height"][-1]["to"] is None
    assert (document["detector"], document["detect_size"], document["threshold"]) == ("squares", 96, 0.25)


def test_people_read_tables(folder: Path) -> None:
    result = evaluate(*on(folder))
    assert result.exit_code == 0
    for said in ("squares at 96 pixels", "66.67", "too few", "90 and more", "threshold is 0.25", "95 % intervals"):
        assert said in result.stdout
    assert "1 scenes" in result.stderr and "labelled" in result.stderr


def test_the_test_split_is_read_when_it_is_named(folder: Path) -> None:
    result = evaluate(*on(folder), "--split", "test", "--json")
    document = json.loads(result.stdout)
    assert (document["pictures"], document["AP50"]) == (1, 100) and "2 people" in document["caution"]


def test_average_precision_counts_who_is_below_the_threshold(folder: Path, tmp_path: Path) -> None:
    """A square of 24 pixels has a score of 0.21."""
    write_scenes(tmp_path, [entry("a.png", [[0, 0, 24, 24]])])
    document = json.loads(evaluate("--detector", folder / "squares", "--data", tmp_path, "--detect-size", 96, "--json").stdout)
    assert (document["AP50"], document["recall"], document["precision"]) == (100, 0, None)
    assert 0.01 < document["best_threshold"] < document["threshold"] == 0.25


def test_a_picture_that_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    write_scenes(tmp_path, [entry("a.png", SQUARES), entry("b.png", SQUARES)])
    (tmp_path / "b.png").write_bytes(b"?")
    result = evaluate("--detector", folder / "squares", "--data", tmp_path, "--json")
    assert result.exit_code == 1 and [Path(one["path"]).name for one in json.loads(result.stdout)["failed"]] == ["b.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "passerby-s"), "beside --detector, found --model"),
        (("--measure", "groups", "--prompts", "{}"), "found --prompts, --measure"),
        (("--split", "train"), "scenes of train"),
    ],
)
def test_what_means_nothing_is_refused(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    result = evaluate(*on(folder), *arguments)
    assert isinstance(result.exception, PasserbyError) and said in str(result.exception) and not result.stdout


def test_a_detectors_size_means_nothing_to_captions(folder: Path) -> None:
    result = evaluate("--data", folder, "--detect-size", 96)
    assert isinstance(result.exception, ConfigError) and "without --detector" in str(result.exception)


@pytest.mark.parametrize("content", ["{}", "[{}]", "nonsense"])
def test_damaged_scenes_are_one_line(folder: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "boxes.json").write_text(content)
    result = evaluate("--detector", folder / "squares", "--data", tmp_path)
    assert isinstance(result.exception, DatasetError) and "\n" not in str(result.exception)
