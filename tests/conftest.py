from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from indexing import CountingEncoder
from tiny import write_tiny_bundle
from wearing import write_telling_bundle

from passerby.index.sqlite.index import Index
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder

if TYPE_CHECKING:
    from serving import Sample
    from small_clip import Exported

    from passerby.detect.people import Detecting

settings.register_profile(
    "passerby",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # which says how busy the machine is
    derandomize="CI" in os.environ,  # new examples are looked for at people's desks
)
settings.load_profile("passerby")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browsers come first: started late in a long run, Chromium and its driver have been seen to spin for minutes."""
    items.sort(key=lambda item: not item.path.stem.endswith("_browser"))


def pytest_sessionfinish() -> None:
    if "postgres" in sys.modules:
        import postgres

        postgres.stop()


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real bundle of random weights: pictures 3 x 32 x 16, vectors of 16. Not to be changed."""
    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny").folder


@pytest.fixture(scope="session")
def tiny_encoder(tiny_bundle: Path) -> BundleEncoder:
    return BundleEncoder(read_bundle(tiny_bundle), threads=1)


@pytest.fixture
def encoder(tiny_encoder: BundleEncoder) -> CountingEncoder:
    """The tiny bundle's, which counts the pictures it encodes."""
    return CountingEncoder(tiny_encoder._bundle, threads=1)


@pytest.fixture
def index(tmp_path: Path, encoder: CountingEncoder) -> Iterator[Index]:
    """An empty one of that encoder, in a folder."""
    with Index.create(tmp_path / "index", encoder) as opened:
        yield opened


@pytest.fixture
def detecting() -> Detecting:
    """Finds drawn people by their colours, from 20 pixels on."""
    from street import ColourDetector

    from passerby.detect.people import Detecting

    return Detecting(ColourDetector(), min_height=20)


@pytest.fixture(scope="session")
def telling_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real bundle that tells red and blue above and below, and calls blue below often wrong. Not to be changed."""
    return write_telling_bundle(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def telling(telling_bundle: Path) -> BundleEncoder:
    return BundleEncoder(read_bundle(telling_bundle), threads=1)


@pytest.fixture(scope="session")
def exported_clip(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A small compact model that knows drawn people, and the float32 bundle exported from it. Not to be changed."""
    from small_clip import exported

    return exported(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def exported_worn(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The same with a head that knows three attributes. Not to be changed."""
    from small_clip import WORN, exported

    return exported(tmp_path_factory.mktemp("worn"), WORN)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Drawn people in an index of the bundled model, to be served. Not to be changed."""
    from serving import write_sample

    return write_sample(tmp_path_factory.mktemp("sample"))


WITHOUT_POWER = ["setpriv", "--inh-caps=-dac_override,-dac_read_search", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture
def ordinary() -> Sequence[str]:
    """What to put before a command so that permissions count for it."""
    if os.geteuid() != 0:
        return ()
    if not shutil.which("setpriv") or subprocess.run([*WITHOUT_POWER, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs setpriv, or a user other than root")
    return WITHOUT_POWER
