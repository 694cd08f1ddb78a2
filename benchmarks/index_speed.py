"""Pictures per second indexed end to end (read, decoded, encoded, committed) and through the image tower alone, in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common import options, show
from numpy.typing import NDArray
from synthetic import write_pictures

from passerby.find.ingest.run import index_paths
from passerby.find.ingest.stages import BATCH
from passerby.index.sqlite.index import Index
from passerby.media.photo import read_image
from passerby.model.encoder import Encoder
from passerby.model.preprocess import preprocess
from passerby.resolve import DEFAULT_MODEL, load_model


def index_all(encoder: Encoder, paths: list[Path]) -> None:
    with TemporaryDirectory() as folder, Index.create(Path(folder), encoder) as index:
        report = index_paths(index, encoder, paths)
    if report.failed:
        raise SystemExit(f"{report.failed[0].path}: {report.failed[0].reason}")


def encode_all(encoder: Encoder, batch: NDArray[np.float32], count: int) -> None:
    """The tower's share of `index_all`: as many pictures, in as large batches, ready in memory."""
    for start in range(0, count, BATCH):
        encoder.embed_images(batch[: count - start])


def seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--images", type=Path, help="a folder of JPEG crops to index instead of synthetic pictures")
    parser.add_argument("--count", type=int, default=512, help="pictures indexed")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each, of which the median is shown")
    given = parser.parse_args()
    encoder = load_model(given.model)
    with TemporaryDirectory() as made:
        if not given.images:
            write_pictures(Path(made), given.count)
        paths = sorted((given.images or Path(made)).rglob("*.jpg"))[: given.count]
        batch = np.stack([preprocess(read_image(path), encoder.preprocessing) for path in paths[:BATCH]])
        encoder.embed_images(batch)
        turns = [
            (seconds(lambda: index_all(encoder, paths)), seconds(lambda: encode_all(encoder, batch, len(paths))))
            for _ in range(given.rounds)
        ]
    show(
        "index speed",
        [
            {
                "pictures": len(paths),
                "end to end / tower": statistics.median(tower / whole for whole, tower in turns),
                "end to end /s": len(paths) / statistics.median(whole for whole, _ in turns),
                "tower alone /s": len(paths) / statistics.median(tower for _, tower in turns),
            }
        ],
        as_json=given.json,
    )


if __name__ == "__main__":
    main()
