"""Where a service of Passerby is, and the token that it is asked with: TLS is checked, and the token is never where others can read it."""

from __future__ import annotations

import ipaddress
import os
import ssl
import stat
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

from passerby.errors import ConfigError

TOKEN: Final = "PASSERBY_TOKEN"
"""The variable of the environment that a token is in, so that no list of processes shows it."""
_API: Final = "/api/v1"


def read_token(file: Path | None = None) -> str | None:
    """The token to be let in with: that in a file, else that in ``$PASSERBY_TOKEN``; ``None`` without either.

    Raises:
        ConfigError: the file cannot be read, or others can read it, or what it holds is no token.
    """
    token = os.environ.get(TOKEN, "") if file is None else _read_own(file)
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token or (file is not None and not token):
        found = "something else" if token else "none"
        raise ConfigError(expected=f"a token in {file or TOKEN}", found=found, do="write nothing but the token there")
    return token or None


def _read_own(file: Path) -> str:
    """Raises ``ConfigError`` for a file that others can read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077:
                found, do = f"one that others may use (mode {mode:04o})", f"chmod 600 {file}"
                raise ConfigError(expected=f"a token's file of yours alone at {file}", found=found, do=do)
            return opened.read(4096)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise ConfigError(expected=f"a token's file at {file}", found=found, do="correct --token-file") from None


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service is.

    Args:
        url: without a slash at its end.
        api: the path that its API is below.
        context: how its certificate is checked; ``None`` without TLS.
    """

    url: str
    host: str
    port: int | None
    api: str
    context: ssl.SSLContext | None

    @classmethod
    def read(cls, url: str, *, with_token: bool, certificates: Path | None = None, said_by: str = "the address") -> Self:
        """That of a URL.

        Args:
            certificates: a PEM file of who signs its certificate, where that is nobody whom this machine trusts.
            said_by: what is to be corrected where it is none.

        Raises:
            ConfigError: no such URL, one with a secret in it, or a token that would be sent to another machine for all to read.
        """
        parts = _split(url, said_by)
        host, has_tls = str(parts.hostname), parts.scheme == "https"
        if with_token and not has_tls and not _is_loopback(host):
            found = f"{url}, where everybody on the way can read it"
            raise ConfigError(expected="https:// for a token that is sent to another machine", found=found, do="name it with https://")
        context = _context(certificates) if has_tls else None
        return cls(url.rstrip("/"), host, parts.port, parts.path.rstrip("/") + _API, context)

    def connection(self, seconds: float) -> HTTPConnection:
        """A connection that is not open yet.

        Args:
            seconds: for which an answer is waited for.
        """
        if self.context is None:
            return HTTPConnection(self.host, self.port, timeout=seconds)
        return HTTPSConnection(self.host, self.port, timeout=seconds, context=self.context)


def _split(url: str, said_by: str) -> SplitResult:
    expected = "a service's address, such as https://people.example.org"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for one that is no number
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        is_one = False
    if not is_one:
        raise ConfigError(expected=expected, found=repr(url[:200]), do=f"correct {said_by}")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(expected=expected, found="one with more in it", do=f"leave that out; a token goes into {TOKEN} or a file")
    return parts


def _context(certificates: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=certificates)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise ConfigError(expected=f"certificates in PEM at {certificates}", found=found, do="correct the file") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
