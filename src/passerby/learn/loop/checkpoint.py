"""All that the next step of a run depends on, in one file, so that a run that was killed goes on along the same curve."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final, Protocol

import torch

from passerby.errors import ConfigError

CHECKPOINT: Final = "checkpoint.pt"
FORMAT: Final = 3
"""Of the file; goes up where an older one can no longer be read."""


DIFFERS: Final[Mapping[str, str]] = {"data": "on other data", "input": "at another size", "start": "from another start"}
"""What is said of a recipe in which one of these differs."""


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
            ConfigError: a run with another recipe or model wrote it, or an earlier version; or it is damaged.
        """
        if not self.path.exists():
            return RunState()
        try:
            state = torch.load(self.path, weights_only=True, map_location="cpu")
        except (RuntimeError, EOFError, UnpicklingError) as error:  # what torch says of a damaged file depends on where the damage is
            raise self._refused("one that can be read", " ".join(str(error).split())[:100]) from None
        if state.get("format") != FORMAT:
            raise self._refused("one of this version", "one that another version wrote")
        known = state["recipe"]
        if changed := [key for key, value in self.recipe.items() if known.get(key) != value]:
            others = ", ".join(key for key in changed if key not in DIFFERS)
            told = [*(DIFFERS[key] for key in changed if key in DIFFERS), *([f"with another {others}"] if others else [])]
            raise self._refused("one of this run", f"one {', '.join(told)}")
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
        except (RuntimeError, ValueError) as error:
            raise self._refused("one of a model of this shape", " ".join(str(error).split())[:100]) from None
        return RunState(**state["run"])

    def _refused(self, expected: str, found: str) -> ConfigError:
        return ConfigError(
            expected=f"a checkpoint in {self.folder}, {expected}",
            found=found,
            do="name another folder for this run, or remove that one",
        )


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
