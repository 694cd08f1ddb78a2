"""Benchmark runs that were kept, and what changed between two of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from passerby.atomic import replacing
from passerby.benchmark.speed import FORMAT
from passerby.errors import ConfigError

_RATES: Final = {"image_tower": "images_per_second", "text_tower": "texts_per_second"}

_Shape = Any
"""A type, a list of one shape, or a mapping with a shape for each of its keys."""
_NUMBER: Final = int | float
_RATIO: Final[dict[str, _Shape]] = {"median": _NUMBER, "low": _NUMBER, "high": _NUMBER}
_TOWER: Final[dict[str, _Shape]] = {
    "times_reference": dict,
    "latency_ms": {"p50": _NUMBER, "p90": _NUMBER, "p99": _NUMBER},
    "load_seconds": _NUMBER,
    "peak_memory_bytes": _NUMBER | None,
    "parameters": _NUMBER | None,
    "macs": _NUMBER | None,
    "bytes": _NUMBER,
}
_RUN: Final[dict[str, _Shape]] = {
    "models": [
        {
            "name": str,
            "speed_only": bool,
            "rank1": _NUMBER | None,
            "bytes": _NUMBER,
            "image_tower": {"height": int, "width": int, "images_per_second": dict, "joules_per_image": _NUMBER | None, **_TOWER},
            "text_tower": {"tokens": int, "texts_per_second": dict, "joules_per_text": _NUMBER | None, **_TOWER},
        }
    ],
    "reference": str | None,
    "threads": int,
    "machine": {"processor": str, "cores": int, "onnxruntime": str},
    "energy": str,
    "warnings": [str],
    "protocol": str,
}
"""What is read of a run."""


@dataclass(frozen=True, slots=True)
class Change:
    """A tower at one batch size in two runs.

    Args:
        before, after: inputs per second.
        change: of inputs per second, as a part of ``before``.
        relative: of the ratio to the reference, which a busier machine hardly moves; ``None`` without the same reference in both.
    """

    model: str
    tower: str
    batch: int
    before: float
    after: float
    change: float
    relative: float | None


def save_run(run: Mapping[str, Any], path: Path) -> None:
    """Keep a run's document, as a whole or not at all. Raises ``OSError``."""
    with replacing(path) as file:
        file.write(json.dumps(run, indent=1).encode() + b"\n")


def read_run(path: Path) -> dict[str, Any]:
    """A run that was kept.

    Raises:
        ConfigError: a file that holds none.
    """
    try:
        run = json.loads(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, str(error.strerror).lower()) from None
    except (ValueError, RecursionError):
        raise _unreadable(path, "no JSON") from None
    if not isinstance(run, dict) or run.get("format") != FORMAT:
        raise _unreadable(path, "something else, or a run of another version")
    if not _fits(run, _RUN) or not _is_measured(run):
        raise _unreadable(path, "a run that lacks some of its figures")
    return run


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What is in both runs, by model, tower and batch size, in the order of the later run."""
    return list(_changes(before, after))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    earlier = _by_name(before)
    same_reference = after["reference"] is not None and before["reference"] == after["reference"]
    for called, model in _by_name(after).items():
        for tower, key in _RATES.items() if called in earlier else ():
            old, new = earlier[called][tower], model[tower]
            for n in (n for n in new[key] if n in old[key]):
                relative = new["times_reference"][n]["median"] / old["times_reference"][n]["median"] - 1 if same_reference else None
                yield Change(model["name"], tower, int(n), old[key][n], new[key][n], new[key][n] / old[key][n] - 1, relative)


def _by_name(run: Mapping[str, Any]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Models by their names and how many of that name came before: once several could share one."""
    named: dict[tuple[str, int], Mapping[str, Any]] = {}
    for model in run["models"]:
        number = sum(name == model["name"] for name, _ in named)
        named[model["name"], number] = model
    return named


def _fits(value: object, shape: _Shape) -> bool:
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(key in value and _fits(value[key], inner) for key, inner in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(item, shape[0]) for item in value)
    return isinstance(value, shape)


def _is_measured(run: Mapping[str, Any]) -> bool:
    """Whether there are models, all with the rates of the same batches, and with their ratios where there is a reference."""
    for tower, key in _RATES.items():
        towers = [model[tower] for model in run["models"]]
        batches = {n for each in towers for n in each[key]}
        figures = {key: dict.fromkeys(batches, _NUMBER), "times_reference": dict.fromkeys(batches if run["reference"] else (), _RATIO)}
        if not batches or not all(n.isdecimal() for n in batches):
            return False
        if not all(_fits(each, figures) and min(each[key].values()) > 0 for each in towers):
            return False
    return True


def _unreadable(path: Path, found: str) -> ConfigError:
    return ConfigError(
        expected=f"{path} to be a run that `passerby benchmark --save` kept", found=found, do="name another file, or measure again"
    )
