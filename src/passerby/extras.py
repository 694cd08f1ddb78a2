"""Optional parts of the install: a command that needs one says which."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from passerby.errors import MissingExtra


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Import inside; a package that is not installed becomes a ``MissingExtra`` that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "passerby":
            raise
        raise MissingExtra(
            expected=f"the packages of the extra [{extra}]", found=f"no {error.name}", do=f"pip install 'passerby[{extra}]'"
        ) from None
