"""A tower on whatever runs it: named arrays in, named arrays out. ONNX Runtime and TensorRT are two kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from passerby.errors import ModelError

Arrays = Mapping[str, NDArray[Any]]
Dtypes = Mapping[str, str]
"""numpy's name of each array's type, such as ``float32``."""


class Session(Protocol):
    """One tower, loaded. Safe to use from many threads."""

    @property
    def inputs(self) -> Dtypes: ...

    @property
    def outputs(self) -> Dtypes: ...

    def run(self, inputs: Arrays, outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The outputs that are asked for, by name; all inputs are given, each with n rows. Raises whatever the runtime raises."""
        ...


class Runtime(Protocol):
    """What starts the towers of one bundle."""

    @property
    def name(self) -> str:
        """As people call it, such as ``ONNX Runtime``."""
        ...

    @property
    def any_size(self) -> bool:
        """Whether a tower takes inputs of any size that its graph allows, not only of those it was built for."""
        ...

    def start(self, tower: str) -> Session:
        """A tower by its name in the bundle. Raises ``ModelError`` unless its file is the bundle's, by digest, and can be run here."""
        ...


def require_interface(session: Session, inputs: Dtypes, outputs: Dtypes) -> None:
    """Raises ``ModelError`` unless a tower takes these inputs and no other, and gives these outputs, and maybe others."""
    if session.inputs != inputs or not outputs.items() <= session.outputs.items():
        expected = f"a tower from {_listed(inputs)} to {_listed(outputs)}"
        found = f"one from {_listed(session.inputs)} to {_listed(session.outputs)}"
        raise ModelError(expected=expected, found=found, do="export the model again")


def cannot(expected: str, error: Exception) -> ModelError:
    """What to raise where a runtime raised an error of its own, which share no base."""
    return ModelError(expected=expected, found=" ".join(str(error).split())[:200], do="get the bundle again, or export it again")


def _listed(dtypes: Dtypes) -> str:
    return ", ".join(f"{name} ({dtype})" for name, dtype in sorted(dtypes.items())) or "nothing"
