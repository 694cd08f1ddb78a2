"""What a service says when it does not do what was asked: RFC 9457, with the three parts of every error of Passerby."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import JSONResponse

from passerby.errors import ImageError, IndexFault, InputError, PasserbyError, QueryError, ServiceBusy, ServiceRefused
from passerby.service.asking import Asked

PROBLEM: Final = "application/problem+json"

_PARAMETERS: Final = sorted({field.alias or name for name, field in Asked.model_fields.items()} | {"box"})
_OPTION: Final = re.compile(rf"(?<!\S)--?({'|'.join(_PARAMETERS).replace('_', '-')})(?![\w-])")
"""An option of `passerby search` that here is a parameter of that name."""

_OF_THE_REQUEST: Final = (ServiceRefused, ServiceBusy, QueryError, InputError, ImageError)
"""What is wrong with what was asked or sent, or when. Other errors are the operator's, and name their files, hosts and commands."""


class Refused(ServiceRefused):
    """A request that is not let pass.

    Args:
        status: of HTTP.
        wait: after how many seconds it may be tried again; ``None`` for never.
    """

    def __init__(self, status: HTTPStatus, *, expected: str, found: str, do: str, wait: int | None = None) -> None:
        super().__init__(expected=expected, found=found, do=do)
        self.status = status
        self.wait = wait


def status_of(error: PasserbyError) -> HTTPStatus:
    """What HTTP calls an error."""
    match error:
        case Refused():
            return error.status
        case QueryError() | InputError() | ImageError():
            return HTTPStatus.BAD_REQUEST
        case ServiceBusy() | IndexFault():
            return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _parameter(option: re.Match[str]) -> str:
    return option[1].replace("-", "_")


def problem(error: PasserbyError) -> dict[str, Any]:
    """An error as a problem document. What is wrong with a question names parameters; commands stay as they are typed."""
    status = status_of(error)
    told = error if isinstance(error, _OF_THE_REQUEST) else _for_the_log(error)
    parts: dict[str, str] = {part: getattr(told, part) for part in ("expected", "found", "do")}
    if isinstance(error, QueryError | InputError):
        parts = {part: _OPTION.sub(_parameter, said) for part, said in parts.items()}
    detail = "expected {expected}, found {found}; {do}".format(**parts)
    return {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail, **parts}


def _for_the_log(error: PasserbyError) -> PasserbyError:
    """Tell the log of the service of an error; what is told of it outside."""
    logging.getLogger("passerby").warning("passerby: warning: %s", error)
    found, do = "a fault that the log of the service tells", "try again in a moment, or tell whoever runs the service"
    return PasserbyError(expected="an answer", found=found, do=do)


def problem_response(error: PasserbyError) -> JSONResponse:
    """The same as a response, which says when to come again and how to be let in."""
    said = problem(error)
    headers = {}
    wait = error.wait if isinstance(error, Refused) else 1 if isinstance(error, ServiceBusy) else None
    if wait is not None:
        headers["Retry-After"] = str(wait)
    if said["status"] == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(said, said["status"], headers, PROBLEM)
