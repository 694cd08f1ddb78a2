"""Videos into an index, end to end: how many times as fast as they play, by two workers of one thread and by one of two, and the memory.

With --hours, one video is looped to a file of so many hours, and resident memory is told as it is read: it must not grow.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import av  # noqa: TID251
from common import Row, options, show

from passerby.detect import videos
from passerby.detect.people import Detecting
from passerby.find.ingest.run import index_paths
from passerby.index.sqlite.index import Index
from passerby.media.video import open_video
from passerby.resolve import DEFAULT_DETECTOR, DEFAULT_MODEL, load_detector, load_model

STREET = Path(os.environ.get("PASSERBY_DATA", "")).parent / "street"
"""Where videos are looked for if none is named."""
EVERY = 600
"""Seconds of a video after which memory is told."""


class Scheduling(NamedTuple):
    """How many frames are looked at at once, and by how many threads each."""

    workers: int
    threads: int


SCHEDULINGS = (Scheduling(2, 1), Scheduling(1, 2))


class Given(NamedTuple):
    """What is measured."""

    model: str
    detector: str
    size: int
    fps: float


def resident() -> float:
    """MiB that this process holds now, as Linux tells."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def watch(path: Path, given: Given, scheduling: Scheduling) -> tuple[Row, list[tuple[int, float]]]:
    """Index a video in this process, which does nothing else; what it took, and MiB of resident memory at seconds of the video."""
    videos.WORKERS, videos.AHEAD = scheduling.workers, 2 * scheduling.workers  # type: ignore[misc]
    encoder = load_model(given.model)
    detecting = Detecting(load_detector(given.detector, threads=scheduling.threads), given.size)
    memory = list[tuple[int, float]]()

    def told(done: int, _total: int) -> None:
        if done >= EVERY * (len(memory) + 1):
            memory.append((done, resident()))

    with TemporaryDirectory() as folder, Index.create(Path(folder), encoder) as index:
        began, cpu = time.perf_counter(), time.process_time()
        report = index_paths(index, encoder, [path], detecting=detecting, fps=given.fps, on_watched=told)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    if report.failed:
        raise SystemExit(f"{path}: {report.failed[0].reason}")
    row: Row = {
        "video": path.name,
        "workers x threads": f"{scheduling.workers} x {scheduling.threads}",
        "x real time": report.watched / took,
        "x real time of a core": report.watched / cpu,
        "tracks": report.tracks,
        "static": report.static,
        "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return row, memory


def alone(path: Path, given: Given, scheduling: Scheduling) -> tuple[Row, list[tuple[int, float]]]:
    """The same in a process of its own, so that memory is that of one run."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(watch, path, given, scheduling).result()


def loop(source: Path, out: Path, hours: float) -> Path:
    """The packets of a video over and over, as a Matroska file of so many hours."""
    length = open_video(source).duration
    if not length:
        raise SystemExit(f"{source} does not say how long it is")
    with av.open(str(out), "w") as written:
        stream = None
        for turn in range(round(hours * 3600 / length)):
            with av.open(str(source)) as read:
                stream = stream or written.add_stream_from_template(read.streams.video[0])
                for packet in read.demux(video=0):
                    if packet.dts is not None and packet.time_base is not None:
                        shift = round(turn * Fraction(length).limit_denominator(1000) / packet.time_base)
                        packet.pts, packet.dts = (packet.dts if packet.pts is None else packet.pts) + shift, packet.dts + shift
                        packet.stream = stream
                        written.mux(packet)
    return out


def speeds(paths: Sequence[Path], given: Given, rounds: int) -> list[Row]:
    """The fastest of a few turns of each video and scheduling, in turns."""
    best: dict[tuple[Path, Scheduling], Row] = {}
    for _ in range(rounds):
        for path in paths:
            for scheduling in SCHEDULINGS:
                row, _ = alone(path, given, scheduling)
                best[path, scheduling] = max(best.get((path, scheduling), row), row, key=lambda one: float(one["x real time"]))
    return list(best.values())


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("videos", type=Path, nargs="*", help="files; without any, those of the folder street beside $PASSERBY_DATA")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--detector", default=DEFAULT_DETECTOR)
    parser.add_argument("--detect-size", type=int, default=0)
    parser.add_argument("--fps", type=float, default=videos.FPS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hours", type=float, default=0.0, help="loop the last video to so many hours, and tell the memory instead")
    asked = parser.parse_args()
    paths = asked.videos or sorted([*STREET.glob("*.avi"), *STREET.glob("*.mp4")])
    if not paths:
        print("video speed: no video is named, and there is no folder street beside $PASSERBY_DATA")
        return
    given = Given(asked.model, asked.detector, asked.detect_size, asked.fps)
    if not asked.hours:
        show("video speed", speeds(paths, given, asked.rounds), as_json=asked.json)
        return
    with TemporaryDirectory() as folder:
        row, memory = alone(loop(paths[-1], Path(folder) / "looped.mkv", asked.hours), given, SCHEDULINGS[0])
    show("memory over hours", [{"minutes": round(at / 60), "MiB": mib} for at, mib in memory], as_json=asked.json)
    show("the whole of it", [row], as_json=asked.json)


if __name__ == "__main__":
    main()
