"""A service of Passerby at a URL, as a program reaches it: TLS is checked, and no redirection is followed."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from types import TracebackType
from typing import Any, Final, NoReturn, Self
from urllib.parse import urlencode
from uuid import uuid4

from passerby.errors import ServiceFault
from passerby.find.address import TOKEN, Address

SECONDS: Final = 30.0
MOST_PEOPLE: Final = 100
"""Whom a service shows in one answer."""
_LARGEST: Final = 1 << 26

Parameters = Mapping[str, str | float | bool | Sequence[str] | None]
"""Of a request, by name; ``None`` and an empty sequence say nothing."""


class Server:
    """A service at a URL, and the token that it is asked with. Close it, or use it in a ``with``.

    Raises:
        ConfigError: no such URL, one with a secret in it, or a token that would be sent to another machine for all to read.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        address = Address.read(url, with_token=bool(token), said_by="--server")
        self.url, self._token, self._base = address.url, token, address.api
        self._connection = address.connection(SECONDS)

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
            found = f"one that does not know {self._base}/{path}"
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
            return self._exchange(method, f"{self._base}/{target}", body or None, sent)
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

    def _exchange(self, *request: Any) -> tuple[HTTPResponse, bytes]:
        """A response and its body; asked again where the connection is an old one that the service has ended, as it does of idle ones."""
        is_old = self._connection.sock is not None
        try:
            self._connection.request(*request)
            response = self._connection.getresponse()
        except ConnectionError:
            if not is_old:
                raise
            self._connection.close()
            return self._exchange(*request)
        return response, response.read(_LARGEST)

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
