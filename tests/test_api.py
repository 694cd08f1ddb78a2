"""The public API is these names; whoever changes it changes this test on purpose."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from crops import write_crops

import passerby

PAGE = Path(__file__).parents[1] / "docs" / "search.md"

CALLED = [
    "answer",
    "answers",
    "ask",
    "describe",
    "embed",
    "evaluate",
    "find",
    "index_paths",
    "load_dataset",
    "load_model",
    "parse",
    "remove_paths",
    "search",
]
TYPES = [
    "Answer",
    "Appearance",
    "Box",
    "Caption",
    "Crop",
    "Dataset",
    "Embeddings",
    "Encoder",
    "Evaluation",
    "Failure",
    "Fit",
    "Hit",
    "Index",
    "IndexInfo",
    "IndexReport",
    "IndexedModel",
    "Item",
    "Media",
    "MediaKind",
    "PasserbyError",
    "Person",
    "PersonDescription",
    "Problem",
    "Query",
    "Question",
    "Record",
    "RemovalReport",
    "Split",
]


def test_public_names() -> None:
    assert sorted(passerby.__all__) == TYPES + CALLED
    for name in TYPES + CALLED:
        assert getattr(passerby, name).__name__.removeprefix("passerby.") == name


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        passerby.nothing  # noqa: B018


def test_core_never_loads_torch() -> None:
    core = "passerby, passerby.cli.app, passerby.demo, passerby.find.ingest.run, passerby.measure.evaluation"
    program = f"import sys, {core}; print(sorted({{'torch', 'onnx', 'transformers'}} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_example_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    write_crops(tmp_path / "my-crops", 6)
    model = passerby.load_model("passerby-s")
    with passerby.Index.create(Path("my-index"), model) as index:
        passerby.index_paths(index, model, [Path("my-crops")])
    exec(example, {})
    assert len(capsys.readouterr().out.splitlines()) == 5
