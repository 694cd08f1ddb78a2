"""Who may use a service: tokens, of which only the hashes are kept."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hmac import compare_digest
from pathlib import Path
from typing import Final

from passerby.devices import is_device_name
from passerby.errors import ConfigError
from passerby.index.local import TOKENS
from passerby.service.private import changing, write_private

_BYTES: Final = 32
_LONGEST_NAME: Final = 80


class Role(StrEnum):
    """What a token lets its holder do."""

    VIEW = "view"
    """Search, and look at who is found."""
    ADMIN = "admin"
    """That, and index, and read who asked what."""
    DEVICE = "device"
    """Push what a device found, under the token's name, and nothing else."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token.

    Args:
        sha256: of the secret, 64 hexadecimal digits. The secret is 32 random bytes: nobody can try them all, and no salt is needed.
        created: UTC, ISO 8601.
    """

    name: str
    role: Role
    sha256: str
    created: str


class Tokens:
    """The tokens in a folder; what is changed in it counts from the next look on.

    Args:
        folder: made, for its owner alone, when the first token is added.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / TOKENS

    @property
    def wanted(self) -> bool:
        """Whether a token was ever added: from then on everybody needs one, also when the last was revoked."""
        return self._file.exists()

    def all(self) -> tuple[Token, ...]:
        """Those that are valid, in the order in which they were added. Raises ``ConfigError`` for a file that cannot be read."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            return tuple(Token(one["name"], Role(one["role"]), one["sha256"], one["created"]) for one in kept)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError) as error:
            found = str(error) or type(error).__name__
            raise ConfigError(expected=f"tokens in {self._file}", found=found, do="mend the file, or delete it and add tokens") from error

    def add(self, name: str, role: Role) -> str:
        """The secret of a new token, which is told this once.

        Raises:
            ConfigError: no name, or one that a token has.
            OSError: the file cannot be written.
        """
        if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            raise ConfigError(expected=f"a token's name of 1 to {_LONGEST_NAME} characters", found=repr(name), do="correct the name")
        if role is Role.DEVICE and not is_device_name(name):
            do = "choose another"
            raise ConfigError(expected="a device's name of 1 to 63 letters, digits, dots, dashes and underscores", found=repr(name), do=do)
        with changing(self._file.parent):
            known = self.all()
            if any(one.name == name for one in known):
                raise ConfigError(expected="a name that no token has", found=repr(name), do="choose another, or revoke that one first")
            secret = secrets.token_urlsafe(_BYTES)
            self._write((*known, Token(name, role, _hashed(secret), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))))
        return secret

    def revoke(self, name: str) -> bool:
        """Let a token be valid no more; whether there was one of this name. Raises as :meth:`add` does."""
        if not self.wanted:
            return False
        with changing(self._file.parent):
            known = self.all()
            left = tuple(one for one in known if one.name != name)
            if len(left) < len(known):
                self._write(left)
        return len(left) < len(known)

    def whose(self, secret: str) -> Token | None:
        """The token of a secret; ``None`` if it is none. It takes as long whichever it is."""
        hashed = _hashed(secret)
        found = [one for one in self.all() if compare_digest(one.sha256, hashed)]
        return found[0] if found else None

    def _write(self, tokens: Sequence[Token]) -> None:
        write_private(self._file, json.dumps([asdict(one) for one in tokens], indent=1).encode())


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
