"""What every request passes before it is looked at, and what every response carries."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from passerby.errors import ConfigError, PasserbyError
from passerby.service.problems import Refused

LARGEST_UPLOAD: Final = 10_000_000
_ROOM_FOR_A_FORM: Final = 65_536
"""Bytes around a picture, and of a body that is no picture and nothing that devices push: those are read as a whole, JSON and forms."""
_LARGE: Final = ("multipart/form-data", "application/octet-stream")
_DIGITS: Final = 20
"""Of a length, at most; zeros in front count."""
COOKIE: Final = "passerby"
API: Final = "/api/"
STATIC: Final = "/static/"
LOGIN: Final = "/login"
SAFE: Final = ("GET", "HEAD", "OPTIONS")
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self' data:",
        "media-src 'self'",
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a service listens, and who may reach it.

    Args:
        host: an address or a name.
        names: what else a browser may call it.
        certificate, key: PEM files of TLS; both or neither.
        proxies: addresses of proxies that speak TLS for it and are believed who the client is.

    Raises:
        ConfigError: an address that others can reach without TLS or a proxy, one of the two files, or a proxy that is no address.
    """

    host: str = "127.0.0.1"
    port: int = 8642
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    proxies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ConfigError(expected="--tls-cert and --tls-key", found="one of them", do="name both")
        for proxy in self.proxies:
            if not _is_address(proxy):
                raise ConfigError(expected="the address of a proxy for --behind-proxy", found=repr(proxy), do="name it by its address")
        if not (self.is_loopback or self.certificate or self.proxies):
            found = f"{self.host}, which others can reach, and neither"
            do = "listen on 127.0.0.1, name --tls-cert and --tls-key, or say by --behind-proxy ADDRESS which proxy speaks TLS for it"
            raise ConfigError(expected="an address of this machine alone, TLS, or a proxy", found=found, do=do)

    @property
    def is_loopback(self) -> bool:
        return self.host == "localhost" or (_is_address(self.host) and ipaddress.ip_address(self.host).is_loopback)

    @property
    def needs_tokens(self) -> bool:
        """Whether nobody is let in without a token: others can reach it, by itself or by a proxy."""
        return not self.is_loopback or bool(self.proxies)

    @property
    def hosts(self) -> frozenset[str]:
        """What browsers may call it."""
        wild = _is_address(self.host) and ipaddress.ip_address(self.host).is_unspecified
        return frozenset(name.lower() for name in (*LOOPBACK, *self.names, *([] if wild else [self.host])))

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}/"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Guard:
    """The outermost layer: what is asked of a request before any of its body is read; and headers on all that goes.

    It is asked by which name the service was called, how large the body is and, of who sends something, from where and who it is.
    ``HEAD`` is answered as ``GET`` is; whoever sends the answer leaves its body out.

    Args:
        hosts: names by which it may be called. A page elsewhere whose name was made to point here calls it by another.
        let_in: raises ``Refused`` for who may send nothing.
        answer: to a request that is refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str],
        let_in: Callable[[Request], object],
        answer: Callable[[Request, PasserbyError], Response],
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._let_in = let_in
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "app": self._app, "method": "GET" if scope["method"] == "HEAD" else scope["method"]}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith(STATIC) else "no-store")
            await send(message)

        request = Request(scope)
        try:
            require_host(request.headers, self._hosts)
            require_size(request.headers)
            if request.method not in SAFE:
                require_same_origin(request.headers)
                self._let_in(request)
        except PasserbyError as error:
            await self._answer(request, error)(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)


def require_host(headers: Headers, hosts: Collection[str]) -> None:
    """Raises ``Refused`` unless the service is called by one of its names."""
    called = headers.get("host", "")
    if _parts(f"//{called}").hostname not in hosts:
        do = "open it by a name it knows, or start it with --name and this one"
        raise Refused(HTTPStatus.MISDIRECTED_REQUEST, expected="a name of this service", found=repr(called[:100]), do=do)


def require_size(headers: Headers) -> None:
    """Raises ``Refused`` for a body that is too large, or does not say how large it is."""
    if "transfer-encoding" in headers:
        found = "one that does not say it"
        raise Refused(HTTPStatus.LENGTH_REQUIRED, expected="a body that says its length", found=found, do="send Content-Length")
    kind, length = headers.get("content-type", "").partition(";")[0].strip().lower(), headers.get("content-length", "0")
    most = (LARGEST_UPLOAD if kind in _LARGE else 0) + _ROOM_FOR_A_FORM
    is_number = length.isascii() and length.isdigit() and len(length) <= _DIGITS
    if not is_number or int(length) > most:
        expected, do = (f"at most {LARGEST_UPLOAD // 10**6} MB", "make the picture smaller")
        if kind not in _LARGE:
            expected, do = f"at most {most} bytes of this Content-Type", "send no more than is asked for"
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, expected=expected, found=f"{length[:_DIGITS]} bytes", do=do)


def require_same_origin(headers: Headers) -> None:
    """Raises ``Refused`` for what a page elsewhere makes a browser send. Programs, which send neither header, pass."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    elsewhere = site not in ("same-origin", "none") if site else bool(origin) and _parts(str(origin)).netloc != headers.get("host")
    if elsewhere:
        found = f"one from {site or origin!r}"
        raise Refused(HTTPStatus.FORBIDDEN, expected="a request from a page of this service", found=found, do="send it from there")


def _parts(url: str) -> SplitResult:
    """The parts of an address; of what is none, those of an empty one."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


@dataclass(frozen=True, slots=True)
class FormTokens:
    """Proof that a form was given out by this service, to whoever has this cookie; valid until it ends."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def of(self, cookie: str) -> str:
        return hmac.new(self.key, cookie.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def require(self, given: str, cookie: str) -> None:
        """Raises ``Refused`` for a form of somebody else."""
        if not hmac.compare_digest(self.of(cookie).encode(), given.encode("utf-8", "replace")):
            found = "one of another time or place"
            raise Refused(
                HTTPStatus.FORBIDDEN, expected="a form of this service", found=found, do="open the page again, and send it from there"
            )


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds."""

    count: int
    seconds: float


RATES: Final = {"login": Rate(5, 60), "search": Rate(10, 1), "upload": Rate(2, 1), "clip": Rate(6, 10)}
"""Of clips, those that have to be cut."""


class Rates:
    """How often each client does what; safe to use from many threads.

    Args:
        rates: by what is done; what is not named is not limited.
        clients: of how many it is remembered, those who came last.
    """

    def __init__(self, rates: Mapping[str, Rate] = RATES, clients: int = 10_000) -> None:
        self._rates = rates
        self._clients = clients
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def spend(self, what: str, client: str, now: float | None = None) -> None:
        """Raises ``Refused`` for who does it too often.

        Args:
            now: in seconds of a clock that never goes back.
        """
        if (rate := self._rates.get(what)) is None:
            return
        now = time.monotonic() if now is None else now
        with self._lock:
            left, since = self._left.pop((what, client), (float(rate.count), now))
            left = min(rate.count, left + (now - since) * rate.count / rate.seconds)
            self._left[what, client] = (left - 1 if left >= 1 else left), now
            while len(self._left) > self._clients:
                self._left.popitem(last=False)
        if left < 1:
            wait = max(1, round((1 - left) * rate.seconds / rate.count))
            expected, found = f"at most {rate.count} in {rate.seconds:g} s", "more"
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, expected=expected, found=found, do=f"try again in {wait} s", wait=wait)


def bearer(headers: Headers) -> str | None:
    """The secret that a program sends; ``None`` without one."""
    kind, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None
