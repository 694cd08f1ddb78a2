"""What every training repeats, whatever learns: take gradients, step, judge now and then, and lose nothing to a power cut.

Every random choice follows from the run's seed and the step, and a checkpoint holds all else that the next step depends on, so a run that
was killed goes on along the same curve.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from passerby.errors import ModelError
from passerby.learn.loop.checkpoint import Checkpoint, RunState, Stateful
from passerby.learn.loop.log import Log
from passerby.learn.loop.schedule import Schedule, set_rates

ALREADY_FINISHED: Final = "already finished at step {step}: nothing learnt"
"""What a run says that has no step left."""
SEEDS_APART = 1_000_003
"""Between the seeds of one run's steps and those of the next seed's."""

B = TypeVar("B", bound=Sized)


class Losses(NamedTuple):
    """What a step wants to lower, by ``total``'s gradient, and the ``parts`` of it that are told."""

    total: Tensor
    parts: Mapping[str, Tensor]


class Span(NamedTuple):
    """Some steps of a run: ``steps`` of them from ``first``; val judges after every ``judge_every`` of them, and after the last."""

    first: int
    steps: int
    judge_every: int

    @property
    def end(self) -> int:
        return self.first + self.steps

    def judged_after(self, taken: int) -> bool:
        """Whether val is asked once so many steps of the run are taken."""
        return taken == self.end or (taken - self.first) % self.judge_every == 0


@dataclass(frozen=True, slots=True)
class Run:
    """A training under way.

    Args:
        folder: of its checkpoint and its log.
        learns: the parameters whose gradients are clipped together.
        clip: largest norm of that gradient.
        scaler: of the loss, enabled where towers compute in float16.
    """

    folder: Path
    seed: int
    schedule: Schedule
    learns: Sequence[nn.Parameter]
    clip: float
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    checkpoint: Checkpoint
    checkpoint_minutes: float
    state: RunState
    log: Log


def begin(
    folder: Path,
    *,
    seed: int,
    schedule: Schedule,
    learns: Sequence[nn.Parameter],
    clip: float,
    optimiser: torch.optim.Optimizer,
    parts: Mapping[str, Stateful],
    recipe: Mapping[str, Any],
    checkpoint_minutes: float,
    say: Callable[[str], None],
    scaler: torch.amp.GradScaler | None = None,
) -> Run:
    """A run from its last checkpoint, or from its first step where there is none.

    Args:
        parts: what changes with the steps besides the optimiser, by name; loaded in place.
        recipe: what the checkpoint must have been written with.
        say: takes one line of text at a time, for people.

    Raises:
        ConfigError: another recipe's checkpoint lies in the folder, or one of another version.
    """
    scaler = scaler or torch.amp.GradScaler(enabled=False)
    checkpoint = Checkpoint(folder, recipe, {**parts, "optimiser": optimiser, "scaler": scaler})
    state = checkpoint.resume()
    log = Log(folder / "log.jsonl", say, state.step)
    return Run(folder, seed, schedule, learns, clip, optimiser, scaler, checkpoint, checkpoint_minutes, state, log)


def take_steps(
    run: Run,
    span: Span,
    batches: Iterable[B],
    *,
    gradients: Callable[[B], Losses],
    judge: Callable[[], None],
    name: Callable[[B], str],
) -> None:
    """The steps of a span, from wherever the run stands within it, one for each batch.

    Args:
        gradients: adds a batch's gradients to the parameters, of what the scaler makes of the loss.
        judge: asks val, and keeps what learns where it is the best yet.
        name: what a batch is called where its loss is not finite.
    """
    saved, spent, first = time.monotonic(), 0.0, run.state.step
    for batch in batches:
        torch.manual_seed(run.seed * SEEDS_APART + run.state.step)
        set_rates(run.optimiser, run.schedule.share(run.state.step))
        started = time.monotonic()
        losses = take_step(run, batch, gradients, name)
        spent += time.monotonic() - started
        run.state.step += 1
        run.log.step(run.state.step, run.schedule.steps, len(batch), losses)
        judged = span.judged_after(run.state.step)
        if judged:
            judge()
        if judged or time.monotonic() - saved > run.checkpoint_minutes * 60:
            run.checkpoint.write(run.state)
            saved = time.monotonic()
    if taken := run.state.step - first:
        run.log.say(f"{taken} steps, {spent / taken:.1f} s each")


def take_step(run: Run, batch: B, gradients: Callable[[B], Losses], name: Callable[[B], str]) -> dict[str, float]:
    """Take a batch's gradients, clip, step; returns each part of the loss.

    Raises:
        ModelError: a loss or a gradient that is not finite, naming the batch; no weight is changed then.
    """
    run.optimiser.zero_grad(set_to_none=True)
    losses = gradients(batch)
    finite = bool(losses.total.isfinite())
    if finite:
        run.scaler.unscale_(run.optimiser)
        norm = nn.utils.clip_grad_norm_(run.learns, run.clip)
        # in float16 a step that overflows is left out, and the scale is lowered
        finite = run.scaler.is_enabled() or bool(norm.isfinite())
    told = {part: float(value.detach()) for part, value in losses.parts.items()}
    if not finite:
        raise ModelError(
            expected=f"a finite loss and gradient at step {run.state.step + 1}",
            found=f"{', '.join(f'{part} {value:.3g}' for part, value in told.items())} on {name(batch)}",
            do=f"lower the rates and name another folder; {run.folder} keeps the last checkpoint",
        )
    run.scaler.step(run.optimiser)
    run.scaler.update()
    return told
