"""The links between devices and their centre: HTTP, with TLS checked and the token never where others could read it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Final

from passerby.errors import ConfigError, ServiceFault
from passerby.find import address
from passerby.find.address import TOKEN, Address
from passerby.types import Crop

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
    """The token of a device, as :func:`passerby.find.address.read_token` reads it. Raises ``ConfigError`` without one, too."""
    token = address.read_token(file)
    if token is None:
        do = f"make one at the centre with passerby token add NAME --role device, and put it into {TOKEN} or a file"
        raise ConfigError(expected=f"a token in {TOKEN}", found="none", do=do)
    return token


class _Link:
    """HTTP to a service on another machine.

    Args:
        certificates: a PEM file of who signs its certificate, where that is nobody whom this machine trusts.
        seconds: how long an answer may take.

    Raises:
        ConfigError: no such URL, one with a secret in it, or a token that would be sent to another machine for all to read.
    """

    def __init__(self, url: str, token: str, certificates: Path | None = None, seconds: float = _SECONDS) -> None:
        self._address = Address.read(url, certificates=certificates, with_token=True)
        self.url, self._token, self._seconds = self._address.url, token, seconds

    def _ask(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[HTTPResponse, bytes]:
        """What a service answers to a request, by a connection of its own: what is done between two may take longer than a server waits."""
        connection = self._address.connection(self._seconds)
        sent = {"Authorization": f"Bearer {self._token}", "Content-Length": str(len(body)), "Connection": "close", **headers}
        try:
            connection.request("POST", f"{self._address.api}{path}", body, sent)
            response = connection.getresponse()
            data = response.read(_LARGEST)
            if response.getheader("content-length") != str(len(data)):
                raise HTTPException("an answer that was cut short")
        except ssl.SSLCertVerificationError as error:
            do = "check the address, or name the file of who signed it: --ca FILE"
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
