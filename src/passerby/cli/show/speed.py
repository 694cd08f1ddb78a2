"""What a benchmark showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from passerby.benchmark.saved import Change, changes
from passerby.cli.show.console import ALL_DONE, console_on, note, printable, show_json, show_table

if TYPE_CHECKING:
    from passerby.benchmark.roofline import DeviceLimits, ModelLimits, SearchLimit, TowerLimit

_TOWERS: Final = (("image_tower", "image"), ("text_tower", "text"))


def show_speed(run: Mapping[str, Any], other: Mapping[str, Any] | None, *, as_json: bool) -> int:
    """Say how fast models are; returns the exit code.

    Args:
        run: the document of a run, new or kept.
        other: a kept run to compare with.
    """
    found = None if other is None else changes(other, run)
    if as_json:
        show_json({**run, **({} if found is None else {"changes": [asdict(change) for change in found]})})
    else:
        for tower, what in _TOWERS:
            _show_rates(run, tower, what)
            _show_sizes(run, tower, what)
        machine = run["machine"]
        where = f"{machine['processor']}, {machine['cores']} cores, {run['threads']} threads, ONNX Runtime {machine['onnxruntime']}"
        _say(f"{where}; energy: {run['energy']}; ratios are to {run['reference'] or 'nothing'}")
        _say(run["protocol"])
        if found is not None:
            _show_changes(found)
    if other is not None and other["machine"] != run["machine"]:
        note("the other run was on another machine or with other software: only the change beside the reference compares")
    for warning in run["warnings"]:
        note(f"do not trust these figures: {warning}")
    return ALL_DONE


def show_limits(limits: DeviceLimits, *, as_json: bool) -> int:
    """Say what models could do at best on a device; returns the exit code."""
    if as_json:
        show_json(limits.to_json())
        return ALL_DONE
    watts = [mode.watts for mode in limits.device.modes]
    for model in limits.models:
        _say(f"{model.name} on {limits.device.name}, at best: texts of {model.tokens} tokens, vectors of {model.dim}")
        _show_tower_limits(model, watts)
        _show_search_limits(model, watts)
        fit = ", ".join(f"{people:,} in {precision}" for precision, people in model.people_that_fit.items())
        _say(f"people that fit in memory: {fit}")
    return ALL_DONE


def _show_tower_limits(model: ModelLimits, watts: Sequence[int]) -> None:
    rows: dict[tuple[str, str, int], list[TowerLimit]] = {}
    for limit in model.towers:
        rows.setdefault((limit.tower.replace("_", " "), limit.precision, limit.batch), []).append(limit)
    cells = [(*key, *(cell for limit in row for cell in _tower_cells(limit))) for key, row in rows.items()]
    header = ("tower", "precision", "batch", *(name for w in watts for name in (f"/s at {w} W", "mJ each", "binds")))
    show_table(header, cells)


def _tower_cells(limit: TowerLimit) -> tuple[str, str, str]:
    return f"{limit.per_second:,.0f}", f"{1000 * limit.joules:.2g}", f"{limit.binds} {limit.share:.0%}"


def _show_search_limits(model: ModelLimits, watts: Sequence[int]) -> None:
    rows: dict[tuple[str, str], list[SearchLimit]] = {}
    for limit in model.search:
        rows.setdefault((f"{limit.people:,}", limit.precision), []).append(limit)
    cells = [(*key, *(cell for limit in row for cell in _search_cells(limit))) for key, row in rows.items()]
    header = ("people", "precision", *(name for w in watts for name in (f"search ms at {w} W", "query ms", "mJ a query", "binds")))
    show_table(header, cells)


def _search_cells(limit: SearchLimit) -> tuple[str, str, str, str]:
    return _short(limit.milliseconds), _short(limit.query_milliseconds), _short(1000 * limit.joules), limit.binds


def _show_rates(run: Mapping[str, Any], tower: str, what: str) -> None:
    batches = list(run["models"][0][tower][f"{what}s_per_second"])
    reference = run["reference"]
    header = [f"{what} tower", "input", *(f"{what}s/s at {n}" for n in batches)]
    header += [f"ratio at {n}" for n in batches if reference]
    header += ["p50 ms", "p90 ms", "p99 ms"]
    rows = []
    for model in run["models"]:
        speed = model[tower]
        given = f"{speed['height']}x{speed['width']}" if tower == "image_tower" else f"{speed['tokens']} tokens"
        ratios = [speed["times_reference"].get(n) for n in batches if reference]
        rows.append(
            (
                _name(model),
                given,
                *(_short(speed[f"{what}s_per_second"][n]) for n in batches),
                *(
                    "" if ratio is None else f"{_short(ratio['median'])} ({_short(ratio['low'])} to {_short(ratio['high'])})"
                    for ratio in ratios
                ),
                *(f"{speed['latency_ms'][p]:.2f}" for p in ("p50", "p90", "p99")),
            )
        )
    show_table(header, rows)


def _show_sizes(run: Mapping[str, Any], tower: str, what: str) -> None:
    figures = {
        "load s": ("load_seconds", 1.0),
        "peak memory MB": ("peak_memory_bytes", 1e6),
        "M parameters": ("parameters", 1e6),
        "GMACs": ("macs", 1e9),
        "file MB": ("bytes", 1e6),
        f"J an {what}" if what == "image" else f"J a {what}": (f"joules_per_{what}", 1.0),
    }
    rows = [(_name(model), *(_over(model[tower][key], unit) for key, unit in figures.values())) for model in run["models"]]
    show_table((f"{what} tower", *figures), rows)


def _over(value: float | None, unit: float) -> str:
    return "" if value is None else _short(value / unit)


def _show_changes(changes: Sequence[Change]) -> None:
    rows = [
        (
            change.model,
            change.tower.replace("_", " "),
            change.batch,
            _short(change.before),
            _short(change.after),
            f"{change.change:+.1%}",
            "" if change.relative is None else f"{change.relative:+.1%}",
        )
        for change in changes
    ]
    show_table(("against the other run", "tower", "batch", "then /s", "now /s", "change", "change beside the reference"), rows)


def _name(model: Mapping[str, Any]) -> str:
    return f"{model['name']} (speed only)" if model["speed_only"] else str(model["name"])


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _say(text: str) -> None:
    console_on(stderr=False).print(printable(text), highlight=False)
