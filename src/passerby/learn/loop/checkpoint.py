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


@dataclass(slots=True)
class Progress:
    """Where a run stands.

    Args:
        waited: judgements in a row that were no better than the best.
    """

    step: int = 0
    best_rank1: float = -1.0
    waited: int = 0


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

    def write(self, progress: Progress) -> None:
        """Raises ``OSError``."""
        states = {name: part.state_dict() for name, part in self.parts.items()}
        save(self.path, {"recipe": dict(self.recipe), **states, "progress": asdict(progress)})

    def resume(self) -> Progress:
        """Load the file, where there is one, into the parts.

        Raises:
            ConfigError: a run with another recipe wrote it.
        """
        if not self.path.exists():
            return Progress()
        state = torch.load(self.path, weights_only=True, map_location="cpu")
        known = state.get("recipe", {})
        if changed := [key for key, value in self.recipe.items() if known.get(key) != value]:
            raise ConfigError(
                expected=f"a checkpoint of this run in {self.folder}",
                found=f"one with another {', '.join(changed)}",
                do="name another folder for this run, or remove that one",
            )
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return Progress(**state["progress"])


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
