"""All that the next step of a run depends on, in one file, so that a run that was killed goes on along the same curve."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import torch

from passerby.errors import ConfigError

CHECKPOINT: Final = "checkpoint.pt"
FORMAT: Final = 2
"""Of the file; goes up where an older one can no longer be read."""


@dataclass(slots=True)
class RunState:
    """Where a run is.

    Args:
        step: how many steps are taken.
        best: the best score of a judgement.
        waited: judgements in a row that were no better than the best.
    """

    step: int = 0
    best: float = -1.0
    waited: int = 0

    def is_best(self, score: float) -> bool:
        """Whether a judgement is the best yet; takes it in."""
        if score <= self.best:
            self.waited += 1
            return False
        self.best, self.waited = score, 0
        return True


class Stateful(Protocol):
    """A part of a run that changes with every step, as torch's modules and optimisers are."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> object: ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The checkpoint of a run, which replaces the last one as a whole.

    Args:
        folder: of the run.
        recipe: what a run that goes on from here must have in common with the one that wrote it.
        parts: all that changes with the steps, by name.
    """

    folder: Path
    recipe: Mapping[str, Any]
    parts: Mapping[str, Stateful]

    @property
    def path(self) -> Path:
        return self.folder / CHECKPOINT

    def write(self, run: RunState) -> None:
        """Raises ``OSError``."""
        states = {name: part.state_dict() for name, part in self.parts.items()}
        save(self.path, {"format": FORMAT, "recipe": dict(self.recipe), **states, "run": asdict(run)})

    def resume(self) -> RunState:
        """Load the file, where there is one, into the parts.

        Raises:
            ConfigError: a run with another recipe wrote it, or an earlier version.
        """
        if not self.path.exists():
            return RunState()
        state = torch.load(self.path, weights_only=True, map_location="cpu")
        if state.get("format") != FORMAT:
            raise ConfigError(
                expected=f"a checkpoint of this version in {self.folder}",
                found="one that another version wrote",
                do="finish the run with that version, or name another folder and start anew",
            )
        known = state["recipe"]
        if changed := [key for key, value in self.recipe.items() if known.get(key) != value]:
            raise ConfigError(
                expected=f"a checkpoint of this run in {self.folder}",
                found=f"one with another {', '.join(changed)}",
                do="name another folder for this run, or remove that one",
            )
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return RunState(**state["run"])


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a file whole or not at all. Raises ``OSError``."""
    unfinished = path.with_suffix(".part")
    try:
        with unfinished.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch's own, in which what the disk said is lost
        unfinished.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) else "is the disk full?"
        raise OSError(f"{path} cannot be written: {reason}") from error
    unfinished.replace(path)
