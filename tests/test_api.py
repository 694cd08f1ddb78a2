"""The public API is these names; whoever changes it changes this test on purpose."""

import subprocess
import sys

import pytest

import passerby

PUBLIC = ["Index", "PasserbyError", "ask", "evaluate", "index_paths", "load_dataset", "load_model", "search"]


def test_public_names() -> None:
    assert sorted(passerby.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(passerby, name).__name__ == name


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        passerby.nothing  # noqa: B018


@pytest.mark.parametrize("module", ["passerby", "passerby.cli", "passerby.demo", "passerby.find.ingest", "passerby.measure.evaluate"])
def test_core_never_loads_torch(module: str) -> None:
    program = f"import sys, {module}; print(sorted({{'torch', 'onnx', 'transformers'}} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
