"""What of a request the endpoints need: the service, who asks, and a picture that was sent."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final, cast

from fastapi import Depends, File, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from passerby.service.asking import AskedByProgram
from passerby.service.problems import Refused
from passerby.service.security import API, LARGEST_UPLOAD, LOGIN, SAFE
from passerby.service.service import Client, Service
from passerby.service.tokens import Role


def service_of(request: Request) -> Service:
    return cast(Service, request.app.state.service)


async def _here(request: Request) -> Service:
    """Asynchronous, as are the others below: what takes no time needs no thread."""
    return service_of(request)


def client_of(request: Request) -> Client:
    """Who asks. What a program changes or sends is not let in by a cookie, which a browser sends by itself. Raises ``Refused``."""
    cookie_counts = request.method in SAFE or not request.url.path.startswith(API)
    return service_of(request).client(request.headers, request.cookies, address_of(request), cookie_counts=cookie_counts)


def require_somebody(request: Request) -> None:
    """Raises ``Refused`` for who sends something and is nobody who is let in, but for the form by which one is."""
    if request.url.path != LOGIN:
        client_of(request)


async def _viewer(request: Request) -> Client:
    client = client_of(request)
    if client.role is Role.DEVICE:
        raise _other_role("a token that may search", client)
    request.state.client = client
    return client


async def _device(request: Request) -> Client:
    """Which device pushes: that of the token's name, and no other."""
    client = client_of(request)
    if client.role is not Role.DEVICE:
        raise _other_role("a token of role device", client)
    return client


def _other_role(expected: str, client: Client) -> Refused:
    found = f"one of role {client.role}" if client.name else "none"
    return Refused(HTTPStatus.FORBIDDEN, expected=expected, found=found, do="ask with another token")


async def _admin(client: Annotated[Client, Depends(_viewer)]) -> Client:
    return _as_admin(client)


def is_admin(request: Request) -> bool:
    """Whether who asks was let in, as an admin."""
    client: Client | None = getattr(request.state, "client", None)
    return client is not None and client.role is Role.ADMIN


def require_admin(request: Request) -> Client:
    """Who asks, once more: tokens are revoked while an answer goes on. Raises ``Refused`` for who is no admin now."""
    return _as_admin(service_of(request).client(request.headers, request.cookies, address_of(request)))


def _as_admin(client: Client) -> Client:
    if client.role is not Role.ADMIN:
        raise _other_role("a token of role admin", client)
    return client


_ASKED: Final = AskedByProgram.model_json_schema(by_alias=True)["properties"]
_SEVERAL: Final = frozenset(name for name, schema in _ASKED.items() if schema.get("type") == "array")
ASKED_IN_QUERY: Final[dict[str, Any]] = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "description": schema["description"], "schema": schema}
        for name, schema in _ASKED.items()
    ]
}
"""The parameters of a question, for the OpenAPI document."""


async def _asked(request: Request) -> AskedByProgram:
    """The question in an address. FastAPI would read it too, field by field, and take a tenth of the whole request for it."""
    given = request.query_params
    said = {name: given.getlist(name) if name in _SEVERAL else given[name] for name in given}
    try:
        return AskedByProgram.model_validate(said, by_alias=True, by_name=False)
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("query", *one["loc"])} for one in error.errors()]) from None


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


async def _upload(picture: Annotated[UploadFile, File(description="A JPEG, PNG or WebP picture of at most 10 MB.")]) -> bytes:
    return await bytes_of(picture)


async def bytes_of(picture: UploadFile) -> bytes:
    """The bytes of a picture that was sent. Raises ``Refused`` for more than may be."""
    data = await picture.read(LARGEST_UPLOAD + 1)
    if len(data) > LARGEST_UPLOAD:
        expected, found = f"at most {LARGEST_UPLOAD // 10**6} MB", "more"
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, expected=expected, found=found, do="make the picture smaller")
    return data


def only_fields(*known: str) -> Any:
    """A dependency that lets a form with these fields pass, and no others, for their effect would be missed."""

    async def require(request: Request, client: Viewer) -> None:  # noqa: ARG001 - who asks is looked at first
        for name, value in (await request.form()).items():
            if name not in known:
                unknown = {"type": "extra_forbidden", "loc": ("body", name), "msg": "Extra inputs are not permitted", "input": value}
                raise RequestValidationError([unknown])

    return Depends(require)


AskedInQuery = Annotated[AskedByProgram, Depends(_asked)]
Here = Annotated[Service, Depends(_here)]
Viewer = Annotated[Client, Depends(_viewer)]
Admin = Annotated[Client, Depends(_admin)]
Device = Annotated[Client, Depends(_device)]
Upload = Annotated[bytes, Depends(_upload)]
