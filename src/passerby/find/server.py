"""A service of Passerby at a URL, as a program reaches it: TLS is checked, and no redirection is followed."""

from __future__ import annotations

import ipaddress
import json
import os
import ssl
import stat
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn, Self
from urllib.parse import SplitResult, urlencode, urlsplit
from uuid import uuid4

from passerby.errors import ConfigError, ServiceFault

TOKEN: Final = "PASSERBY_TOKEN"
"""The variable of the environment that a token is in, so that no list of processes shows it."""
SECONDS: Final = 30.0
_API: Final = "/api/v1"
_LARGEST: Final = 1 << 26

Parameters = Mapping[str, str | float | bool | Sequence[str] | None]
"""Of a request, by name; ``None`` and an empty sequence say nothing."""


def read_token(file: Path | None = None) -> str | None:
    """The token to be let in with: that in a file, else that in ``$PASSERBY_TOKEN``; ``None`` without either.

    Raises:
        ConfigError: the file cannot be read, or others can read it, or what it holds is no token.
    """
    token = os.environ.get(TOKEN, "") if file is None else _read_own(file)
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token or (file is not None and not token):
        raise ConfigError(expected=f"a token in {file or TOKEN}", found="something else", do="write nothing but the token there")
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


class Server:
    """A service at a URL, and the token that it is asked with. Close it, or use it in a ``with``.

    Raises:
        ConfigError: no such URL, one with a secret in it, or a token that would be sent to another machine for all to read.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = _read_url(url)
        if token and parts.scheme == "http" and not _is_loopback(str(parts.hostname)):
            found = f"{url}, where everybody on the way can read it"
            raise ConfigError(expected="https:// for a token that is sent to another machine", found=found, do="name it with https://")
        self.url = url.rstrip("/")
        self._token = token
        self._base = parts.path.rstrip("/") + _API
        self._connection = _connection(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def get(self, path: str, parameters: Parameters) -> dict[str, Any]:
        """The document at a path of the API. Raises ``ServiceFault``."""
        return self._document(path, "GET", _with_query(path, parameters))

    def send(self, path: str, parameters: Parameters, picture: bytes) -> dict[str, Any]:
        """The document that answers a PNG picture. Raises ``ServiceFault``."""
        boundary = uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="picture"; filename="picture.png"\r\nContent-Type: image/png\r\n\r\n'
        body = head.encode() + picture + f"\r\n--{boundary}--\r\n".encode()
        form = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self._document(path, "POST", _with_query(path, parameters), body, form)

    def picture(self, path: str) -> bytes | None:
        """The picture at a path of the API; ``None`` where the service has none to show. Raises ``ServiceFault``."""
        response, data = self._ask("GET", path)
        if response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return None
        if response.status != HTTPStatus.OK:
            self._refuse(response, data)
        return data

    def _document(self, path: str, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        response, data = self._ask(method, target, body, headers)
        if response.status == HTTPStatus.NOT_FOUND and _problem(response, data):
            found = f"one that does not know {_API}/{path}"
            raise ServiceFault(expected=f"a service of this version at {self.url}", found=found, do="upgrade Passerby there")
        document = _json(response, data, "application/json")
        if response.status != HTTPStatus.OK or document is None:
            self._refuse(response, data)
        return document

    def _ask(self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> tuple[HTTPResponse, bytes]:
        sent = {"Accept": "application/json, image/jpeg", "Connection": "keep-alive", **(headers or {})}
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        try:
            self._connection.request(method, f"{self._base}/{target}", body or None, sent)
            response = self._connection.getresponse()
            return response, response.read(_LARGEST)
        except ssl.SSLCertVerificationError as error:
            do = "check the address, or name the file of who signed it with SSL_CERT_FILE"
            raise ServiceFault(expected=f"a certificate of {self.url} that is trusted here", found=error.verify_message, do=do) from None
        except ssl.SSLError as error:
            found = f"something else ({str(error.reason).lower().replace('_', ' ')})"
            raise ServiceFault(expected=f"TLS at {self.url}", found=found, do="check the address; http:// is without") from None
        except TimeoutError:
            found, do = f"no answer within {SECONDS:.0f} s", "try again later, or check the address"
            raise ServiceFault(expected=f"a service at {self.url}", found=found, do=do) from None
        except OSError as error:
            found = f"none ({(error.strerror or str(error)).lower()})"
            do = "check the address, and that it runs there: passerby serve"
            raise ServiceFault(expected=f"a service at {self.url}", found=found, do=do) from None
        except (HTTPException, ValueError):  # as what came is no HTTP
            self._is_another("does not speak HTTP")

    def _refuse(self, response: HTTPResponse, data: bytes) -> NoReturn:
        """Raise ``ServiceFault`` for what came instead of an answer."""
        if said := _problem(response, data):
            if response.status == HTTPStatus.UNAUTHORIZED:
                expected, found = f"a token that {self.url} lets in", "one that it does not know" if self._token else "none"
                raise ServiceFault(expected=expected, found=found, do=f"set {TOKEN}, or name its file with --token-file")
            raise ServiceFault(**said)
        if location := response.getheader("location"):
            raise ServiceFault(expected=f"a service at {self.url}", found=f"one that sends on to {location[:200]}", do="name that address")
        self._is_another(f"answers {response.status} {response.reason}, {response.getheader('content-type', 'of no type')}"[:200])

    def _is_another(self, does: str) -> NoReturn:
        found = f"another kind of server, which {does}"
        raise ServiceFault(expected=f"a service of Passerby at {self.url}", found=found, do="check the address")


def _read_url(url: str) -> SplitResult:
    expected = "a service's address, such as https://people.example.org"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for one that is no number
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        is_one = False
    if not is_one:
        raise ConfigError(expected=expected, found=repr(url[:200]), do="correct --server")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(expected=expected, found="one with more in it", do=f"leave that out; a token goes into {TOKEN} or a file")
    return parts


def _connection(parts: SplitResult) -> HTTPConnection:
    host = str(parts.hostname)
    if parts.scheme == "http":
        return HTTPConnection(host, parts.port, timeout=SECONDS)
    return HTTPSConnection(host, parts.port, timeout=SECONDS, context=ssl.create_default_context())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _with_query(path: str, parameters: Parameters) -> str:
    said = {name: str(value).lower() if isinstance(value, bool) else value for name, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(said, doseq=True)}"


def _json(response: HTTPResponse, data: bytes, kind: str) -> dict[str, Any] | None:
    """The object of a response of this type; ``None`` for anything else."""
    if response.getheader("content-type", "").partition(";")[0] != kind:
        return None
    try:
        document = json.loads(data)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _problem(response: HTTPResponse, data: bytes) -> dict[str, str] | None:
    """What a service of Passerby says is wrong; ``None`` for what another one says."""
    said = _json(response, data, "application/problem+json") or {}
    parts = {part: said[part] for part in ("expected", "found", "do") if isinstance(said.get(part), str)}
    return parts if len(parts) == 3 else None
