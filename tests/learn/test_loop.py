"""The loop by itself, as whatever learns would use it: here a line through points."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from passerby.errors import ConfigError, ModelError
from passerby.learn.loop.run import Losses, Run, Span, begin, take_steps
from passerby.learn.loop.schedule import Schedule, adamw

STEPS = 12


def line(folder: Path, *, seed: int = 1) -> tuple[nn.Linear, Run]:
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    run = begin(
        folder,
        seed=seed,
        schedule=Schedule(STEPS, 0.1, 1.0),
        learns=list(model.parameters()),
        clip=1.0,
        optimiser=adamw((parameter, 0.1, 0.0) for parameter in model.parameters()),
        parts={"weights": model},
        recipe={"seed": seed},
        checkpoint_minutes=0.0,
        say=lambda _: None,
    )
    return model, run


def learn(model: nn.Linear, run: Run, span: Span, judged: list[int], points: Callable[[int], Tensor] | None = None) -> None:
    """Points on a line of slope 2, with luck that a step alone decides."""

    def batches() -> Iterator[Tensor]:
        yield from (points(step) if points else torch.full((4, 1), float(step % 3)) for step in range(run.state.step, span.end))

    def gradients(x: Tensor) -> Losses:
        off = (model(x) - 2 * x - 0.1 * torch.randn_like(x)).square().mean()
        off.backward()
        return Losses(off.detach(), {"off": off})

    take_steps(
        run,
        span,
        batches(),
        gradients=gradients,
        judge=lambda: judged.append(run.state.step),
        name=lambda x: f"{len(x)} points",
    )


def test_val_is_asked_every_so_many_steps_of_a_span_and_at_its_end(tmp_path: Path) -> None:
    judged: list[int] = []
    model, run = line(tmp_path)
    learn(model, run, Span(0, 5, 2), judged)
    learn(model, run, Span(5, 7, 3), judged)
    assert judged == [2, 4, 5, 8, 11, 12]


def test_a_run_that_goes_on_ends_where_an_undisturbed_one_does(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    whole, run = line(tmp_path / "a")
    learn(whole, run, Span(0, STEPS, 4), [])
    learn(*line(tmp_path / "b"), Span(0, 7, 4), [])
    again, run = line(tmp_path / "b")
    assert run.state.step == 7
    learn(again, run, Span(0, STEPS, 4), [])
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
    with pytest.raises(ConfigError, match="another seed"):
        line(tmp_path / "b", seed=2)


def test_a_loss_that_is_not_finite_names_the_step_and_the_batch_and_changes_nothing(tmp_path: Path) -> None:
    model, run = line(tmp_path)
    learn(model, run, Span(0, 3, 3), [])
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(ModelError, match=r"at step 4, found off nan on 4 points; lower the rates"):
        learn(model, run, Span(0, STEPS, 3), [], lambda _: torch.full((4, 1), torch.nan))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert line(tmp_path)[1].state.step == 3


def test_a_checkpoint_that_does_not_fit_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    _, run = line(tmp_path)
    run.checkpoint.write(run.state)
    wider = replace(run.checkpoint, parts={**run.checkpoint.parts, "weights": nn.Linear(2, 1)})
    with pytest.raises(ConfigError, match=r"one of a model of this shape, found .*; name another folder"):
        wider.resume()
    whole = run.checkpoint.path.read_bytes()
    for damaged in (b"", b"not a checkpoint", whole[: len(whole) // 2]):
        run.checkpoint.path.write_bytes(damaged)
        with pytest.raises(ConfigError, match=r"one that can be read, found .*; name another folder"):
            line(tmp_path)


def test_the_best_judgement_is_remembered_with_how_many_came_after_it(tmp_path: Path) -> None:
    _, run = line(tmp_path)
    assert [run.state.is_best(score) for score in (3.0, 3.0, 2.0, 4.0)] == [True, False, False, True]
    assert [run.state.is_best(score) for score in (1.0, 4.0)] == [False, False]
    run.checkpoint.write(run.state)
    _, again = line(tmp_path)
    assert (again.state.best, again.state.waited) == (4.0, 2)


def test_the_log_tells_a_judgement_of_any_kind(tmp_path: Path) -> None:
    _, run = line(tmp_path)
    run.log.judged(3, {"ap50": 61.5}, "AP50 61.50")
    row = json.loads((tmp_path / "log.jsonl").read_text())
    assert (row["step"], row["val"]) == (3, {"ap50": 61.5})
