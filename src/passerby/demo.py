"""The demo: a gallery of drawn people, indexed and asked three questions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from passerby.data.synthetic import DEMO_QUESTIONS, demo_people, write_gallery
from passerby.draw.sheet import write_sheet
from passerby.find.answer import Answer, answers
from passerby.find.ingest import IndexReport, index_paths
from passerby.index.open import create_index
from passerby.model.encoder import Encoder

SEED = 7
VIEWS = 2
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made and found."""

    gallery: Path
    index: Path
    sheet: Path
    report: IndexReport
    answers: tuple[Answer, ...]


def run_demo(encoder: Encoder, folder: Path, on_progress: Callable[[int, int], None]) -> Demo:
    """Draw the gallery, index it, ask ``DEMO_QUESTIONS`` and draw the answers on one sheet; everything lands in ``folder``.

    Raises:
        OSError: the folder cannot be written.
        ModelError: a tower that cannot be trusted.
    """
    gallery, index, sheet = folder / "gallery", folder / "index", folder / "answers.png"
    shutil.rmtree(index, ignore_errors=True)
    write_gallery(gallery, demo_people(), SEED, views=VIEWS)
    with create_index(index, encoder) as opened:
        report = index_paths(opened, encoder, [gallery], on_progress)
        found = tuple(answers(opened, encoder, DEMO_QUESTIONS, SHOWN))
    write_sheet(sheet, [answer.section for answer in found])
    return Demo(gallery, index, sheet, report, found)
