"""What is said where an extra is missing is true for how Passerby was installed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from passerby.errors import MissingExtra
from passerby.extras import how_to_install, needs_extra

ROOT = Path(__file__).parents[1]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "a clone"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    return folder


def test_from_a_clone(source: Path) -> None:
    editable = {"url": source.as_uri(), "dir_info": {"editable": True}}
    assert how_to_install("learn", json.dumps(editable)) == f"pip install -e '{source}[learn]'"
    copied = {"url": source.as_uri(), "dir_info": {}}
    assert how_to_install("learn", json.dumps(copied)) == f"pip install '{source}[learn]'"


def test_from_a_wheel(source: Path) -> None:
    wheel = source / "passerby-0.1.0-py3-none-any.whl"
    origin = json.dumps({"url": wheel.as_uri(), "archive_info": {}})
    assert how_to_install("trt", origin) == "in the folder of Passerby's source: pip install '.[trt]'", "the wheel is not there any more"
    wheel.touch()
    assert how_to_install("trt", origin) == f"pip install '{wheel}[trt]'"


def test_from_a_repository() -> None:
    origin = {"url": "https://example.org/passerby.git", "vcs_info": {"vcs": "git", "commit_id": "4f2d"}}
    assert how_to_install("learn", json.dumps(origin)) == "pip install 'passerby[learn] @ git+https://example.org/passerby.git@4f2d'"


def test_from_a_folder_that_is_gone(tmp_path: Path) -> None:
    origin = json.dumps({"url": (tmp_path / "gone").as_uri(), "dir_info": {"editable": True}})
    assert how_to_install("report", origin) == "in the folder of Passerby's source: pip install '.[report]'"


def test_run_from_its_source_without_an_install() -> None:
    assert how_to_install("learn", None) == f"pip install -e '{ROOT}[learn]'"


def test_a_missing_package_says_so() -> None:
    with pytest.raises(MissingExtra, match=r"no not_a_package; .*pip install .*\[learn\]'"), needs_extra("learn"):
        import not_a_package  # type: ignore[import-not-found]  # noqa: F401


def test_nothing_advises_a_name_on_an_index() -> None:
    """A package called passerby on an index may be anybody's."""
    written = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("scripts/*"), *ROOT.glob("src/passerby/**/*.py"), ROOT / "Makefile"]
    advice = re.compile(r"pip install (-\S+ )*['\"]?passerby\b(?!-)")
    assert [str(path) for path in written if path.name != "extras.py" and path.is_file() and advice.search(path.read_text("utf-8"))] == []
