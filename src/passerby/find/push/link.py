"""The links between devices and their centre: HTTP, with TLS checked and the token never where others could read it."""

from __future__ import annotations

import ipaddress
import json
import os
import ssl
import stat
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from passerby.errors import ConfigError, ServiceFault
from passerby.types import Crop

TOKEN: Final = "PASSERBY_TOKEN"
"""The variable of the environment that a token is in, so that no list of processes shows it."""
SESSION: Final = "Passerby-Session"
OUT_OF_STEP: Final = "out-of-step"
_SECONDS: Final = 60.0
_PATH: Final = "/push"
_LARGEST: Final = 1 << 28


class Unreachable(ServiceFault):
    """A centre that cannot be reached now, or not well."""


class BeginAgain(ServiceFault):
    """A centre that holds something else than was thought."""


class Refusal(ServiceFault):
    """A centre that does not take what it is told."""


def read_token(file: Path | None = None) -> str:
    """The token of a device: that in a file of its owner alone, else that in ``$PASSERBY_TOKEN``. Raises ``ConfigError`` without one."""
    token = (os.environ.get(TOKEN, "") if file is None else _read_own(file)).strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        do = f"make one at the centre with passerby token add NAME --role device, and put it into {TOKEN} or a file"
        raise ConfigError(expected=f"a token in {file or TOKEN}", found="something else" if token else "none", do=do)
    return token


def _read_own(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077:
                found = f"one that others may use (mode {mode:04o})"
                raise ConfigError(expected=f"a token's file of yours alone at {file}", found=found, do=f"chmod 600 {file}")
            return opened.read(4096)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise ConfigError(expected=f"a token's file at {file}", found=found, do="correct --token-file") from None


class _Link:
    """HTTP to a service on another machine.

    Args:
        certificates: a PEM file of who signs its certificate, where that is nobody whom this machine trusts.
        seconds: how long an answer may take.

    Raises:
        ConfigError: no such URL, one with a secret in it, or a token that would be sent to another machine for all to read.
    """

    def __init__(self, url: str, token: str, certificates: Path | None = None, seconds: float = _SECONDS) -> None:
        self._parts = _read_url(url)
        self.url, self._token, self._seconds = url.rstrip("/"), token, seconds
        if self._parts.scheme == "http" and not _is_loopback(str(self._parts.hostname)):
            found = f"{url}, where everybody on the way can read it"
            raise ConfigError(expected="https:// for a token that is sent to another machine", found=found, do="name it with https://")
        self._context = _context(certificates) if self._parts.scheme == "https" else None

    def _ask(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[HTTPResponse, bytes]:
        """What a service answers to a request, by a connection of its own: what is done between two may take longer than a server waits."""
        connection = self._connection()
        sent = {"Authorization": f"Bearer {self._token}", "Content-Length": str(len(body)), "Connection": "close", **headers}
        try:
            connection.request("POST", f"{self._parts.path.rstrip('/')}/api/v1{path}", body, sent)
            response = connection.getresponse()
            data = response.read(_LARGEST)
            if response.getheader("content-length") != str(len(data)):
                raise HTTPException("an answer that was cut short")
        except ssl.SSLCertVerificationError as error:
            do = "check the address, or name the file of who signed it"
            raise Refusal(expected=f"a certificate of {self.url} that is trusted here", found=error.verify_message, do=do) from None
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
                do = "check the address; http:// is without"
                raise Refusal(expected=f"TLS at {self.url}", found="something else", do=do) from None
            found = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
            raise Unreachable(expected=f"a service at {self.url}", found=found, do="nothing is lost: try again later") from None
        finally:
            connection.close()
        if response.status == HTTPStatus.OK:
            return response, data
        raise self._refused(response, data)

    def _connection(self) -> HTTPConnection:
        host, port = str(self._parts.hostname), self._parts.port
        if self._context is None:
            return HTTPConnection(host, port, timeout=self._seconds)
        return HTTPSConnection(host, port, timeout=self._seconds, context=self._context)

    def _refused(self, response: HTTPResponse, data: bytes) -> ServiceFault:
        said = _problem(data)
        parts = {part: str(said.get(part, "")) for part in ("expected", "found", "do")}
        if not all(parts.values()):
            found = f"{response.status} {response.reason}"[:200]
            parts = {"expected": f"a service of Passerby at {self.url}", "found": found, "do": "check the address"}
        if response.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT) or response.status >= 500:
            return Unreachable(**parts)
        if response.status == HTTPStatus.CONFLICT and said.get("type") == OUT_OF_STEP:
            return BeginAgain(**parts)
        if response.status == HTTPStatus.UNAUTHORIZED:
            return Refusal(expected=f"a token that {self.url} lets in", found="one that it does not know", do="ask there for a new one")
        return Refusal(**parts)


class Centre(_Link):
    """A centre, as a device pushes to it."""

    def begin(self, about: Mapping[str, Any]) -> tuple[str, bytes]:
        """Begin to push: the session, and what the centre holds of this device. Raises ``ServiceFault``."""
        response, data = self._ask(f"{_PATH}/begin", json.dumps(about).encode(), {"Content-Type": "application/json"})
        session = response.getheader(SESSION)
        if session is None:
            raise Refusal(expected=f"a centre at {self.url}", found="a service that is none", do="upgrade Passerby there")
        return session, data

    def send(self, session: str, batch: bytes) -> None:
        """Push a batch; when this returns it is safe at the centre. Raises ``ServiceFault``."""
        self._ask(_PATH, batch, {"Content-Type": "application/octet-stream", SESSION: session})

    def end(self, session: str) -> None:
        """Say that all was pushed. Raises ``ServiceFault``."""
        self._ask(f"{_PATH}/end", b"", {SESSION: session})


class Frames(_Link):
    """A device, as its centre asks it for frames."""

    def frame(self, path: Path, track: int | None, crop: Crop) -> bytes:
        """The photo or frame that a crop is a part of, as JPEG. Raises ``ServiceFault``."""
        box = crop.box and [crop.box.x, crop.box.y, crop.box.width, crop.box.height]
        asked = {"path": str(path), "track": track, "box": box, "time": crop.time}
        return self._ask("/frame", json.dumps(asked).encode(), {"Content-Type": "application/json"})[1]


def _problem(data: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        said = json.loads(data)
        if isinstance(said, dict):
            return said
    return {}


def _read_url(url: str) -> SplitResult:
    expected = "a service's address, such as https://people.example.org"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for one that is no number
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        is_one = False
    if not is_one:
        raise ConfigError(expected=expected, found=repr(url[:200]), do="correct the address")
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
