"""The ways by which devices push, for Passerby alone: a session begins, takes batches, and ends."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from passerby.find.push.compare import UNKNOWN
from passerby.find.push.link import OUT_OF_STEP, SESSION
from passerby.find.push.receive import OutOfStep
from passerby.find.push.wire import About
from passerby.index.base import Index, Outgoing
from passerby.service.pictures import photo_jpeg
from passerby.service.problems import Refused, problem
from passerby.service.requests import Device, Here, Viewer
from passerby.types import Crop, Media


async def _body(request: Request) -> bytes:
    """All that was sent, which the guard has bounded. Raises ``Refused`` where the link broke before."""
    try:
        return await request.body()
    except ClientDisconnect:
        found = "a link that broke"
        raise Refused(HTTPStatus.BAD_REQUEST, expected="a whole request", found=found, do="send it again") from None


class AskedFrame(BaseModel):
    """Somebody, as a centre knows them."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, max_length=4096)
    track: int | None
    box: Annotated[list[float], Field(min_length=4, max_length=4)] | None
    time: float | None


Body = Annotated[bytes, Depends(_body)]

router = APIRouter(prefix="/api/v1", include_in_schema=False)


@router.post("/push/begin")
async def begin(body: Body, here: Here, device: Device) -> Response:
    """Begin to push: what the centre holds of the device that asks."""
    about = About.read(body)
    session, held = await anyio.to_thread.run_sync(here.centre.begin, device.name, about)
    return Response(held, media_type="application/gzip", headers={SESSION: session})


@router.post("/push")
async def push(request: Request, body: Body, here: Here, device: Device) -> Response:
    """Keep a batch of people, or none of it."""
    session = request.headers.get(SESSION, "")
    try:
        kept = await anyio.to_thread.run_sync(here.centre.take, device.name, session, body)
    except OutOfStep as error:
        return _out_of_step(error)
    here.audit.append({"who": device.name, "address": device.address, "did": "push", "people": kept.people, "deleted": kept.forgotten})
    return JSONResponse({"media": kept.media, "people": kept.people, "deleted": kept.forgotten})


@router.post("/push/end")
async def end(request: Request, here: Here, device: Device) -> Response:
    """End a push."""
    try:
        await anyio.to_thread.run_sync(here.centre.end, device.name, request.headers.get(SESSION, ""))
    except OutOfStep as error:
        return _out_of_step(error)
    return JSONResponse({})


@router.post("/frame")
def frame(asked: AskedFrame, here: Here, client: Viewer) -> Response:
    """The photo or frame that somebody is in, for a centre to which this device pushed them; only what is indexed is shown."""
    media, crop = _indexed(here.index, asked)
    here.audit.append({"who": client.name, "address": client.address, "did": "frame"})
    return Response(photo_jpeg(media, crop), media_type="image/jpeg")


def _indexed(index: Index, asked: AskedFrame) -> tuple[Media, Crop]:
    """What is asked for, if the index holds just that. Raises ``Refused``."""
    if isinstance(index, Outgoing):
        with index.snapshot():
            grown = index.grown(Path(asked.path), UNKNOWN)
            for one, _ in grown.people if grown else ():
                for crop in one.crops if one.track == asked.track else ():
                    box = crop.box and [crop.box.x, crop.box.y, crop.box.width, crop.box.height]
                    if grown and (box, crop.time) == (asked.box, asked.time):
                        return grown.media, crop
    raise Refused(HTTPStatus.NOT_FOUND, expected="somebody in the index", found="nobody there", do="push again")


def _out_of_step(error: OutOfStep) -> Response:
    refused = Refused(HTTPStatus.CONFLICT, expected=error.expected, found=error.found, do=error.do)
    return JSONResponse({**problem(refused), "type": OUT_OF_STEP}, refused.status)
