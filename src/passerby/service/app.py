"""The application: which endpoints there are, what errors become, and the guard around all of it."""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

import passerby
from passerby.errors import ConfigError, PasserbyError
from passerby.service import api, pages, push
from passerby.service.indexing import api as indexing_api
from passerby.service.indexing import pages as indexing_pages
from passerby.service.problems import Refused, problem_response
from passerby.service.requests import require_somebody
from passerby.service.security import API, Guard, Listening
from passerby.service.service import Service

STATIC: Final = Path(__file__).parent / "static"
NO_TELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI would tell whoever an environment variable names of every request, the words of a question with it."""
_ENDING: Final = 3
"""Seconds that requests have to end when the service does."""


def create_app(service: Service) -> ASGIApp:
    """The application of a service, guard included."""
    app = FastAPI(
        title="Passerby",
        version=passerby.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{api.PREFIX}/openapi.json",
        telemetry=NO_TELEMETRY,
    )
    app.state.service = service
    for router in (api.router, indexing_api.router, push.router, pages.router, indexing_pages.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.openapi = partial(api.document, app)  # type: ignore[method-assign]
    for kind, handler in (
        (PasserbyError, _failed),
        (RequestValidationError, _invalid),
        (HTTPException, _unanswered),
        (Exception, _broken),
    ):
        app.add_exception_handler(kind, handler)
    return Guard(app, service.listening.hosts, require_somebody, _answer)


def listen(listening: Listening) -> socket.socket:
    """Begin to listen: who comes from now on waits until it is served. Raises ``ConfigError`` where that cannot be."""
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    try:
        return socket.create_server((listening.host, listening.port), family=family)
    except OSError as error:
        found = (error.strerror or str(error)).partition(" (")[0].lower()
        raise ConfigError(expected=f"{listening.url} to be free to listen at", found=found, do="name another --host or --port") from None


def run(service: Service, listener: socket.socket) -> None:
    """Serve until a signal ends it; then answer what was asked, and end."""
    try:
        with suppress(KeyboardInterrupt):  # which uvicorn raises again, after it has ended well
            uvicorn.Server(config_of(service)).run(sockets=[listener])
    finally:
        service.close()


def config_of(service: Service) -> uvicorn.Config:
    """How it is served: by which certificate, and which proxies are believed who the client is."""
    listening = service.listening
    return uvicorn.Config(
        create_app(service),
        ssl_certfile=listening.certificate,
        ssl_keyfile=listening.key,
        proxy_headers=bool(listening.proxies),
        forwarded_allow_ips=list(listening.proxies),
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_ENDING,
    )


def _answer(request: Request, error: PasserbyError) -> Response:
    """A problem document for programs, a page for people."""
    return problem_response(error) if request.url.path.startswith(API) else pages.failed(request, error)


async def _failed(request: Request, error: Any) -> Response:
    return _answer(request, error)


async def _invalid(request: Request, error: Any) -> Response:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        name, said, found = "the body", "JSON", f"something else from character {first['loc'][-1]} on"
    else:
        name = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        said, found = first["msg"].removeprefix("Value error, "), repr(first.get("input"))[:200]
    refused = Refused(HTTPStatus.UNPROCESSABLE_ENTITY, expected=f"{name}: {said}", found=found, do=f"correct {name}")
    return _answer(request, refused)


async def _unanswered(request: Request, error: Any) -> Response:
    status, asked = HTTPStatus(error.status_code), f"{request.method} {request.url.path[:200]}"
    match status:
        case HTTPStatus.BAD_REQUEST:
            expected, found, do = "a body of its Content-Type", str(error.detail).rstrip("."), "send it again, whole"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            expected, found, do = f"{error.headers['Allow']} there", asked, "ask in that way"
        case _:
            expected, found, do = "something that is here", asked, "start at /"
    response = _answer(request, Refused(status, expected=expected, found=found, do=do))
    response.headers.update(error.headers or {})
    return response


async def _broken(request: Request, _error: Any) -> Response:
    found = "a fault of ours, which the log of the service tells"
    return _answer(request, Refused(HTTPStatus.INTERNAL_SERVER_ERROR, expected="an answer", found=found, do="try again, or report it"))
