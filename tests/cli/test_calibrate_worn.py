"""`passerby calibrate` of a model that says what is worn, and what evaluating and searching with it then say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dressed import NAMES, dressed_people, write_dressed_bundle

from passerby.cli.app import app
from passerby.data.annotations import VIPER
from passerby.errors import ModelError
from passerby.model.bundle import read_bundle
from passerby.model.manifest import MANIFEST


def passerby(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, and people whose upper colours annotators of PETA ticked."""
    made = tmp_path_factory.mktemp("calibrate")
    write_dressed_bundle(made / "bundle")
    records = dressed_people(made / "people").records
    ticked = [
        {"file_path": record.name, "attributes": [f"upperBody{record.captions[0].text.split()[4].capitalize()}"]} for record in records
    ]
    (made / "people" / VIPER).write_text(json.dumps(ticked))
    assert passerby("calibrate", made / "bundle", "--data", made / "people", "--out", made / "out", "--json").exit_code == 0
    return made


def test_the_manifest_holds_what_was_fitted_and_json_says_all(folder: Path) -> None:
    ran = passerby("calibrate", folder / "bundle", "--data", folder / "people", "--out", folder / "again", "--json")
    document = json.loads(ran.stdout)
    calibration = json.loads((folder / "again" / MANIFEST).read_text())["calibration"]
    assert document["weights"] == calibration["fusion"] and set(calibration["fusion"]) == {"colour"}
    assert set(document["wears"]) == set(calibration["wears"]) == set(NAMES)
    assert [calibration["wears"][name]["annotated"] for name in NAMES] == [True, True, False, False]
    assert all(document["wears"][name]["auc"]["mean"] == 100 for name in NAMES)
    assert document["fusion"].keys() == {"sentences", "keywords", "protocol"}
    assert document["alone"].keys() == {"ece", "brier_skill", "auroc"}


def test_a_table_of_kinds_one_of_words_and_one_of_annotated_attributes_are_shown(folder: Path) -> None:
    ran = passerby("calibrate", folder / "bundle", "--data", folder / "people", "--out", folder / "again")
    assert ran.exit_code == 0
    for shown in ("cosine per nat", "with attributes: Rank-1", "sentences", "keywords", "upper:red", "2 attributes by captions and 0 by"):
        assert shown in ran.stdout
    assert "lower:red" not in ran.stdout


def test_evaluating_says_which_part_is_by_what_is_worn(folder: Path) -> None:
    shown = passerby("evaluate", "--data", folder / "people", "--model", folder / "out")
    assert ("by what is worn" in shown.stdout) == any(read_bundle(folder / "out").calibration.fusion.values())  # type: ignore[union-attr]
    document = json.loads(passerby("evaluate", "--data", folder / "people", "--model", folder / "bundle", "--json").stdout)
    assert "gain_by_worn" not in document["as_asked"]


def test_a_calibration_of_attributes_that_a_model_lacks_is_refused(folder: Path, tmp_path: Path) -> None:
    manifest = json.loads((folder / "out" / MANIFEST).read_text())
    manifest["calibration"]["wears"]["head:hat"] = manifest["calibration"]["wears"]["upper:red"]
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for file in (folder / "out").iterdir():
        (bundle / file.name).write_bytes(file.read_bytes())
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="calibration of attributes that the model has"):
        read_bundle(bundle)
