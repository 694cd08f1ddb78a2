"""What of a request the endpoints need: the service, who asks, and a picture that was sent."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, cast

from fastapi import Depends, File, Request, UploadFile

from passerby.service.problems import Refused
from passerby.service.security import API, LARGEST_UPLOAD, SAFE
from passerby.service.service import Client, Service
from passerby.service.tokens import Role


def service_of(request: Request) -> Service:
    return cast(Service, request.app.state.service)


async def _here(request: Request) -> Service:
    """Asynchronous, as are the others below: what takes no time needs no thread."""
    return service_of(request)


async def _viewer(request: Request) -> Client:
    """Who asks. What a program changes or sends is not let in by a cookie, which a browser sends by itself."""
    cookie_counts = request.method in SAFE or not request.url.path.startswith(API)
    client = service_of(request).client(request.headers, request.cookies, address_of(request), cookie_counts=cookie_counts)
    if client.role is Role.DEVICE:
        raise _other_role("a token that may search", client)
    return client


async def _device(request: Request) -> Client:
    """Which device pushes: that of the token's name, and no other."""
    client = service_of(request).client(request.headers, {}, address_of(request), cookie_counts=False)
    if client.role is not Role.DEVICE:
        raise _other_role("a token of role device", client)
    return client


def _other_role(expected: str, client: Client) -> Refused:
    found = f"one of role {client.role}" if client.name else "none"
    return Refused(HTTPStatus.FORBIDDEN, expected=expected, found=found, do="ask with another token")


async def _admin(client: Annotated[Client, Depends(_viewer)]) -> Client:
    if client.role is not Role.ADMIN:
        raise _other_role("a token of role admin", client)
    return client


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


async def _upload(picture: Annotated[UploadFile, File(description="A JPEG, PNG or WebP picture of at most 10 MB.")]) -> bytes:
    """The bytes of a picture that was sent. Raises ``Refused`` for more than may be."""
    data = await picture.read(LARGEST_UPLOAD + 1)
    if len(data) > LARGEST_UPLOAD:
        expected, found = f"at most {LARGEST_UPLOAD // 10**6} MB", "more"
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, expected=expected, found=found, do="make the picture smaller")
    return data


Here = Annotated[Service, Depends(_here)]
Viewer = Annotated[Client, Depends(_viewer)]
Admin = Annotated[Client, Depends(_admin)]
Device = Annotated[Client, Depends(_device)]
Upload = Annotated[bytes, Depends(_upload)]
