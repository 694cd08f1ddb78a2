"""The exceptions of Passerby: one tree, each message in three parts."""

from __future__ import annotations

from functools import partial


class PasserbyError(Exception):
    """What was expected, what was found, and what to do about it.

    The parts are kept apart so that a table can show ``found`` alone and a person reads all three in one line.
    """

    def __init__(self, *, expected: str, found: str, do: str) -> None:
        super().__init__(expected, found, do)
        self.expected = expected
        self.found = found
        self.do = do

    def __reduce__(self) -> tuple[object, ...]:
        """So that it survives the way from one process to another."""
        return partial(type(self), expected=self.expected, found=self.found, do=self.do), ()

    def __str__(self) -> str:
        return f"expected {self.expected}, found {self.found}; {self.do}"


class ImageError(PasserbyError):
    """A file that cannot be read as a picture."""


class VideoError(PasserbyError):
    """A file that cannot be read as a video."""


class DatasetError(PasserbyError):
    """A dataset that cannot be read at all; single bad records are reported as problems instead."""


class ModelError(PasserbyError):
    """A bundle, tower or model name that cannot be used."""


class IndexFault(PasserbyError):
    """An index that cannot be opened, written or searched with this model."""


class OtherModel(IndexFault):
    """An index that another model made."""


class InputError(PasserbyError, ValueError):
    """An argument of the wrong kind, or a value that cannot be; a ``ValueError`` too."""


class QueryError(PasserbyError):
    """A question that cannot be asked."""


class ConfigError(PasserbyError):
    """A configuration file, option or environment that cannot be used."""


class GateRefused(PasserbyError):
    """A converted model that lost more than its gate allows."""


class ServiceBusy(PasserbyError):
    """A service that cannot take another question now."""


class ServiceRefused(PasserbyError):
    """A request that a service does not let pass: of nobody it knows, from elsewhere, too large or too often."""


class ServiceFault(PasserbyError):
    """A service elsewhere that cannot be asked, or does not do what is asked of it."""


class MissingExtra(PasserbyError):
    """A command whose optional packages are not installed."""
