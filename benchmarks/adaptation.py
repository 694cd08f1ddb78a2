"""What it is worth to adapt a base to a source of pictures that it has never seen, and what that costs elsewhere.

    python benchmarks/adaptation.py --base BUNDLE --data CUHK-PEDES --work DIR
    python benchmarks/adaptation.py --base BUNDLE --work DIR --table --picture adaptation.png

``BUNDLE`` is trained on the other sources alone. It is adapted to people of the source's train split in four ways: not at all (frozen), its
projections (heads), low-rank matrices (LoRA), all of it (full); then asked about the source's val people, and about those of the others.

How: of the source's own captioned training pictures, in an order drawn by the seed, the first ``n`` lend one caption each; "all" takes
every caption of every picture. The number of steps is fixed by ``n``, the last step counts, and no val picture is seen by an adaptation
before it is measured on. Each way may choose from as many rates, once: by mAP after 200 captions of seed 0, asked about the source's
training people who are not among them. A row is measured in a process of its own and is one line of ``DIR/rows.jsonl``; what is there is
left alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from passerby.data.datasets import load_dataset
from passerby.types import Dataset, Origin, Record, Split

if TYPE_CHECKING:
    from passerby.learn.models.base import Base
    from passerby.model.encoder import Encoder

FROZEN: Final = "frozen"
RATES: Final = {"heads": (3e-4, 1e-3, 3e-3), "lora": (3e-4, 1e-3, 3e-3), "all": (3e-5, 1e-4, 3e-4)}
SEEDS: Final = {50: (1, 2, 3), 200: (1, 2, 3), 1000: (1,), 0: (1,)}
"""By the number of captions; 0 are all."""
STEPS: Final = {50: 40, 200: 80, 1000: 200, 0: 200}
RANK: Final = 16
KEEP: Final = 0.5
BATCH: Final = 32


@dataclass(frozen=True, slots=True)
class Way:
    """One adaptation.

    Args:
        learns: as ``Adaptation.learns``, or :data:`FROZEN`.
        captions: 0 are all.
        rate: of every parameter that learns; 0 where none does.
        keep: how much of what was learnt is kept.
        asked: ``val``, or ``train``: of the source's people, those who were not learned from.
    """

    base: str
    learns: str
    captions: int = 0
    seed: int = 0
    rank: int = 0
    rate: float = 0.0
    keep: float = KEEP
    asked: str = "val"

    def __str__(self) -> str:
        rank = f" of rank {self.rank}" if self.rank else ""
        how = f"seed {self.seed}, rate {self.rate:g}, keep {self.keep:g}"
        return f"{Path(self.base).name}: {self.learns}{rank}, {self.captions or 'all'} captions, {how}"


def main() -> None:
    arguments = parser().parse_args()
    rows = arguments.work / "rows.jsonl"
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.table:
        from adaptation_table import draw, tables

        measured = [row for row in read_rows(rows) if row["asked"] == "val"]
        print(tables(measured, arguments.base))
        if arguments.picture:
            draw(measured, arguments.base, arguments.picture)
        return
    if arguments.data is None:
        sys.exit("--data is needed to measure")
    for way in tuning(arguments.base):
        measure_once(way, rows, arguments)
    for way in plan(arguments.base, arguments.tiny, best_rates(read_rows(rows), arguments.base)):
        measure_once(way, rows, arguments)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--base", required=True, metavar="MODEL", help="trained without the source")
    made.add_argument("--work", type=Path, required=True, metavar="DIR", help="where rows are kept, and room to work")
    made.add_argument("--data", type=Path, metavar="DIR", help="a dataset of several sources, each in a folder of its own")
    made.add_argument("--source", default="Market", metavar="FOLDER")
    made.add_argument("--tiny", metavar="MODEL", help="another base, adapted with 200 captions by LoRA")
    made.add_argument("--steps", type=int, metavar="N", help="for a try: so many steps for every row")
    made.add_argument("--table", action="store_true", help="print what was measured, as Markdown")
    made.add_argument("--picture", type=Path, metavar="FILE", help="draw it too")
    return made


def tuning(base: str) -> Iterator[Way]:
    """Every rate that each way may choose from."""
    for learns, rates in RATES.items():
        for rate in rates:
            yield Way(base, learns, 200, 0, RANK if learns == "lora" else 0, rate, asked="train")


def best_rates(rows: Sequence[dict[str, Any]], base: str) -> dict[str, float]:
    """Of each way, the rate with the best mAP among those tried."""
    tried = {
        (row["learns"], row["rate"]): float(np.mean(row["there"]["ap"])) for row in rows if row["base"] == base and row["asked"] == "train"
    }
    return {learns: max(rates, key=lambda rate, learns=learns: tried[learns, rate]) for learns, rates in RATES.items()}  # type: ignore[misc]


def plan(base: str, tiny: str | None, rates: dict[str, float]) -> Iterator[Way]:
    """The rows of the table; of LoRA with 200 captions also those at the rate that ``passerby finetune`` takes unless told otherwise."""
    from passerby.learn.lora.adaptation import RATES as PRESET

    yield Way(base, FROZEN)
    for captions, seeds in SEEDS.items():
        for learns in RATES if captions else ("lora", "all"):
            for seed in seeds:
                yield Way(base, learns, captions, seed, RANK if learns == "lora" else 0, rates[learns])
    if tiny is None:
        print("no --tiny: its rows are left out", file=sys.stderr)
    else:
        yield Way(tiny, FROZEN)
        for seed in SEEDS[200]:
            yield Way(tiny, "lora", 200, seed, RANK, rates["lora"])
    for rank in (4, 32):
        yield Way(base, "lora", 200, 1, rank, rates["lora"])
    for seed in SEEDS[200]:
        yield Way(base, "lora", 200, seed, RANK, PRESET["lora"])
    yield Way(base, "lora", 200, 1, RANK, rates["lora"], keep=1.0)
    yield Way(base, "all", 200, 1, 0, rates["all"], keep=1.0)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Whole lines; one that a power cut left unfinished is measured again."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def measure_once(way: Way, rows: Path, arguments: argparse.Namespace) -> None:
    if any(asdict(way).items() <= row.items() for row in read_rows(rows)):
        return
    print(f"{time.strftime('%H:%M')}  {way}", file=sys.stderr)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        row = alone.submit(measure, way, arguments.data, arguments.source, arguments.work, arguments.steps).result()
    with rows.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    there, elsewhere = (100 * float(np.mean(row[where]["hit"])) if where in row else float("nan") for where in ("there", "elsewhere"))
    print(f"       Rank-1 {there:.2f} there, {elsewhere:.2f} elsewhere; {row['minutes']:.1f} min", file=sys.stderr)


def measure(way: Way, data: Path, source: str, work: Path, steps: int | None) -> dict[str, Any]:
    """Adapt, then ask; in a process that does nothing else."""
    from passerby.benchmark.footprint import peak_bytes

    learned = [] if way.learns == FROZEN else drawn(data, source, way.captions, way.seed)
    with emptied(work / "row") as folder:
        started = time.perf_counter()
        encoder, costs = adapted(way, write_table(folder, learned, every=not way.captions), steps) if learned else frozen(way.base)
        costs |= {"minutes": (time.perf_counter() - started) / 60, "peak_bytes": peak_bytes()}
        people = {record.identity for record in learned}
        return {
            **asdict(way),
            **costs,
            "people": len(people),
            **{place: answers(encoder, records) for place, records in asked(way, data, source, people)},
        }


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """A folder without what a row that was cut off has left; gone afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def drawn(data: Path, source: str, captions: int, seed: int) -> list[Record]:
    """Training pictures of the source with captions of their own."""
    own = [r for r in of_source(data, source, Split.TRAIN) if own_captions(r)]
    order = np.random.default_rng(seed).permutation(len(own))
    return [own[i] for i in order[: captions or len(own)]]


def of_source(data: Path, source: str, split: Split) -> list[Record]:
    return [record for record in load_dataset(data, {split}).records if record.name.startswith(f"{source}/")]


def own_captions(record: Record) -> list[str]:
    return [caption.text for caption in record.captions if caption.origin is Origin.OWN]


def write_table(folder: Path, records: Sequence[Record], *, every: bool) -> Path:
    """A dataset as a user would have it: crops, and a table with the first caption of each, or every one."""
    table = folder / "captions.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "caption", "id", "split"])
        for record in records:
            (folder / record.name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(record.path, folder / record.name)
            for caption in own_captions(record)[: None if every else 1]:
                writer.writerow([record.name, caption, record.identity, "train"])
    return table


def adapted(way: Way, table: Path, steps: int | None) -> tuple[Encoder, dict[str, Any]]:
    """What ``passerby finetune`` makes of the table, and what that took."""
    from passerby.learn.lora.adaptation import adaptation, at_rate
    from passerby.learn.lora.finetune import finetune
    from passerby.resolve import load_base

    base, out = load_base(way.base), table.parent / "adapted"
    said: list[str] = []
    how = adaptation(
        base,
        learns=way.learns,
        rank=way.rank or None,
        steps=steps or STEPS[way.captions],
        seed=way.seed,
        keep=way.keep,
        chunk=BATCH,
        patience=0,
    )
    optimiser = at_rate(replace(how.optimiser, batch_size=BATCH), way.rate)
    finetune(base, table, out, replace(how, optimiser=optimiser, judge_every=how.steps), said.append)
    learning = next(line for line in said if "parameters learn" in line)
    costs = {
        "trainable": int(learning.split(" of ")[0].replace(",", "")),
        "file_bytes": sum(path.stat().st_size for path in out.glob("*.safetensors")),
        "steps": how.steps,
    }
    return as_asked(load_base(way.base, adapter=out) if way.learns == "lora" else load_base(str(out))), costs


def frozen(base: str) -> tuple[Encoder, dict[str, Any]]:
    from passerby.resolve import load_base

    return as_asked(load_base(base)), {"trainable": 0, "file_bytes": 0, "steps": 0}


def as_asked(base: Base) -> Encoder:
    """On the device and in the precision that it learns in, which saves half the time."""
    import torch

    from passerby.learn.loop.device import precision

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base.model.to(device)
    return base.encoder(precision(device))


def asked(way: Way, data: Path, source: str, learned: set[str]) -> Iterator[tuple[str, list[Record]]]:
    """The people to ask about, there and, unless rates are being chosen, elsewhere."""
    if way.asked == "train":
        yield "there", [r for r in of_source(data, source, Split.TRAIN) if r.identity not in learned and own_captions(r)]
        return
    there = of_source(data, source, Split.VAL)
    names = {record.name for record in there}
    yield "there", there
    yield "elsewhere", [record for record in load_dataset(data, {Split.VAL}).records if record.name not in names]


def answers(encoder: Encoder, records: Sequence[Record]) -> dict[str, list[Any]]:
    """Of each caption: whom it describes, whether the first picture is of them, and the average precision."""
    from passerby.measure.evaluation import evaluate

    found = evaluate(encoder, Dataset("asked", tuple(records)))
    hit, precision = found.per_query.hits_within(1), found.per_query.average_precision
    return {"people": list(found.split.asked), "hit": hit.astype(int).tolist(), "ap": precision.round(5).tolist()}


if __name__ == "__main__":
    main()
