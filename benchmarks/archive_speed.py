"""Pictures per second indexed by Ray Data beside one process, in one run: past the start, from the first commit to the last."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from common import options, show
from synthetic import write_pictures

from passerby.find.ingest.archive import OnRay, connected
from passerby.find.ingest.run import index_paths
from passerby.find.ingest.stages import Here, Stages
from passerby.index.open import create_index
from passerby.model.encoder import Encoder
from passerby.resolve import load_model


def rate(encoder: Encoder, stages: Stages, paths: list[Path]) -> tuple[float, float]:
    """Pictures a second past the start, and how many seconds that took."""
    told, started = list[tuple[float, int]](), time.perf_counter()
    with TemporaryDirectory() as folder, create_index(Path(folder) / "index", encoder) as index:
        index_paths(index, encoder, paths, lambda done, _: told.append((time.perf_counter(), done)), stages=stages)
    (first, before), (last, after) = told[0], told[-1]
    return (after - before) / (last - first), first - started


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--images", type=Path, help="a folder of JPEG crops to index instead of synthetic pictures")
    parser.add_argument("--count", type=int, default=4096, help="pictures indexed")
    given = parser.parse_args()
    encoder = load_model()
    with TemporaryDirectory() as made:
        if not given.images:
            write_pictures(Path(made), given.count)
        paths = sorted((given.images or Path(made)).rglob("*.jpg"))[: given.count]
        here, _ = rate(encoder, Here(encoder), paths)
        with connected():
            ray, start = rate(encoder, OnRay(partial(load_model, threads=1)), paths)
    row: dict[str, str | int | float] = {
        "pictures": len(paths),
        "Ray / one process": ray / here,
        "one process /s": here,
        "Ray /s": ray,
        "Ray starts in s": start,
    }
    show("archive speed", [row], as_json=given.json)


if __name__ == "__main__":
    main()
