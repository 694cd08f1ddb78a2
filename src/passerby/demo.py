"""The demo: drawn streets with several people in each, indexed and asked three questions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from passerby.data.synthetic import DEMO_QUESTIONS
from passerby.data.synthetic.street_folders import write_demo_streets
from passerby.detect.people import Detecting
from passerby.draw.found import write_found
from passerby.find.answer import Answer, answers
from passerby.find.ingest.photos import Shows
from passerby.find.ingest.report import IndexReport
from passerby.find.ingest.run import index_paths
from passerby.index.open import create_index
from passerby.model.encoder import Encoder

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made and found."""

    gallery: Path
    index: Path
    sheet: Path
    report: IndexReport
    answers: tuple[Answer, ...]


def run_demo(encoder: Encoder, detecting: Detecting, folder: Path, on_progress: Callable[[int, int], None]) -> Demo:
    """Draw the streets, index who is in them, ask ``DEMO_QUESTIONS`` and draw where the answers are; everything lands in ``folder``.

    Raises:
        OSError: the folder cannot be written.
        ModelError: a tower or a detector that cannot be trusted.
    """
    gallery, index, sheet = folder / "streets", folder / "index", folder / "answers.png"
    shutil.rmtree(index, ignore_errors=True)
    write_demo_streets(gallery)
    with create_index(index, encoder) as opened:
        report = index_paths(opened, encoder, [gallery], on_progress, detecting=detecting, shows=Shows.SCENES)
        found = tuple(answers(opened, encoder, DEMO_QUESTIONS, SHOWN))
    write_found(sheet, [answer.section for answer in found])
    return Demo(gallery, index, sheet, report, found)
