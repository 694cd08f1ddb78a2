"""Watching as a process of its own, with a small model and a detector of colours, as cameras' processes load them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from signal import SIGINT, SIGTERM

from street import ColourDetector

from passerby.detect.people import Detecting
from passerby.find.watch.loop import WatchSettings, ended_by, watch
from passerby.find.watch.sources import read_sources
from passerby.media.camera import Pace
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import Encoder
from passerby.places import IndexPlace, is_url
from passerby.resolve import load_detecting, load_model

QUICK = Pace(patience=2.0, timeout=1.0, pause=0.2, longest_pause=0.8)


def small_models(bundle: Path) -> tuple[BundleEncoder, Detecting]:
    return BundleEncoder(read_bundle(bundle), threads=1), Detecting(ColourDetector(), min_height=20)


def shipped_models() -> tuple[Encoder, Detecting]:
    return load_model(), load_detecting()


def run(index: str, bundle: str, cameras: str, pace: dict[str, float], *sources: str) -> None:
    """Watch until SIGTERM, without a bundle with the shipped models; what is said is printed."""
    settings = WatchSettings(pause=0.3, settled=0.5, pace=Pace(**pace))
    folders, named = read_sources(sources, Path(cameras) if cameras else None)
    models = partial(small_models, Path(bundle)) if bundle else shipped_models
    with ended_by(SIGINT, SIGTERM) as ended:
        watch(index if is_url(index) else Path(index), models, folders, named, partial(print, flush=True), ended, settings)
    print("ended", flush=True)


@contextmanager
def watching(
    index: IndexPlace, bundle: Path | str, *sources: str | Path, cameras: Path | str = "", pace: Pace = QUICK, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """A process that watches, which is gone in the end."""
    arguments = json.dumps([str(index), str(bundle), str(cameras), asdict(pace), *map(str, sources)])
    paths = os.pathsep.join(sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", f"from watching import run; run(*{arguments})"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def write_cameras(file: Path, *tables: str) -> Path:
    file.write_text("\n".join(f"[[camera]]\n{table}" for table in tables))
    file.chmod(0o600)
    return file
