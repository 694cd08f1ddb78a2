"""The API for programs, ``/api/v1``; its OpenAPI document is at ``/api/v1/openapi.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, FastAPI, Form, Header, Path, Query, Response
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse

import passerby
from passerby.find.describe import Appearance
from passerby.service.asking import CROP_ID, Asked, AskedByProgram
from passerby.service.clips import MEDIA_TYPE
from passerby.service.pictures import crop_of, somebody
from passerby.service.problems import PROBLEM
from passerby.service.ranges import ranged
from passerby.service.requests import ASKED_IN_QUERY, Admin, AskedInQuery, Here, Upload, Viewer, only_fields
from passerby.service.schemas import AnswerSays, AuditSays, DescribedSays, InfoSays, PersonSays, ProblemSays, SimilarSays
from passerby.service.sent import Picture, Sent
from passerby.service.service import Found, Seen, crop_numbers, shown_name
from passerby.types import Box, Hit

PREFIX: Final = "/api/v1"
PEOPLE: Final = 10
_JPEG: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}}
_VIDEO: Final = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
_MP4: Final[dict[int | str, dict[str, Any]]] = {200: _VIDEO, 206: {"description": "The range that was asked for.", **_VIDEO}}
_PROBLEMS: Final = {
    "400": "What is asked cannot be asked.",
    "401": "A token is needed.",
    "403": "The token's role does not allow it, or a page elsewhere sent it.",
    "404": "Nobody and nothing of this id.",
    "409": "It is being done already.",
    "410": "The file is not there any more, or not as it was indexed.",
    "411": "The length of the body is not said.",
    "413": "Too large.",
    "416": "A range that begins after the end.",
    "421": "Called by a name that is not the service's.",
    "422": "A parameter that cannot be.",
    "429": "Too often.",
    "500": "The model does not do this, or something broke.",
    "503": "Too many ask, or the index cannot be read or the log not be written; come again.",
}

router = APIRouter(prefix=PREFIX)

PersonId = Annotated[int, Path(ge=1, le=2**63 - 1, description="A person's id, as search gives it.", examples=[14])]
CropId = Annotated[str, Path(pattern=CROP_ID, description="A crop's id, as search gives it.", examples=["14-0"])]
Around = Annotated[
    str, Form(max_length=100, description="Around whom it is meant, as left,top,width,height in pixels; else the largest person.")
]


@router.get("/search", response_model=AnswerSays, openapi_extra=ASKED_IN_QUERY)
async def search(asked: AskedInQuery, here: Here, client: Viewer) -> Response:
    """Find people by what they wear, best first."""
    return JSONResponse(_told(await here.find(asked, client, default_k=PEOPLE), asked))


@router.post("/similar", response_model=SimilarSays, dependencies=[only_fields("picture", "box")])
async def similar(
    asked: Annotated[AskedByProgram, Query()],
    picture: Upload,
    here: Here,
    client: Viewer,
    box: Around = "",
) -> dict[str, Any]:
    """Find people like somebody in a picture, alone or with words and filters. The picture is not kept."""
    here.rates.spend("upload", client.key)
    found = await here.find(asked, client, default_k=PEOPLE, picture=_picture(picture, box))
    return {**_told(found, asked), "picture": found.sent and _sent(found.sent)}


@router.post("/describe", response_model=DescribedSays, dependencies=[only_fields("picture", "box")])
async def describe(picture: Upload, here: Here, client: Viewer, box: Around = "") -> dict[str, Any]:
    """Say what somebody in a picture wears. The picture is not kept."""
    here.rates.spend("upload", client.key)
    appearance, sent = await anyio.to_thread.run_sync(here.describe, _picture(picture, box), client)
    return {**_appearance(appearance), "picture": _sent(sent)}


@router.get("/people/{person}", response_model=PersonSays)
def person(person: PersonId, here: Here, client: Viewer) -> dict[str, Any]:
    """Say what the index holds of somebody."""
    return _person(here.look_at(person, client))


@router.get("/people/{person}/photo", response_class=Response, responses=_JPEG)
def photo(person: PersonId, here: Here, client: Viewer) -> Response:
    """The whole photo that somebody is in, with a frame around them: drawn anew, without anything else that its file holds."""
    who, crops = somebody(here.index, person)
    return Response(here.photo_jpeg(who, crops[0], client), media_type="image/jpeg")


@router.get("/crops/{crop}", response_class=Response, responses=_JPEG)
def crop(crop: CropId, here: Here, client: Viewer) -> Response:  # noqa: ARG001 - who asks must be somebody
    """The picture of somebody: at most 320 x 640 pixels, drawn anew."""
    return Response(here.crop_jpeg(crop), media_type="image/jpeg")


@router.get("/crops/{crop}/photo", response_class=Response, responses=_JPEG)
def photo_of_crop(crop: CropId, here: Here, client: Viewer) -> Response:
    """The whole photo or frame that a crop is of, with a frame around it: drawn anew, without anything else that its file holds."""
    return Response(here.photo_jpeg(*crop_of(here.index, *crop_numbers(crop)), client), media_type="image/jpeg")


@router.get("/crops/{crop}/clip", response_class=Response, responses=_MP4)
def clip(
    crop: CropId,
    here: Here,
    client: Viewer,
    range: Annotated[str | None, Header(description="A range of bytes, as players ask for it.", examples=["bytes=0-"])] = None,
    if_range: Annotated[str | None, Header(description="With it all is sent: clips have no version.")] = None,
) -> Response:
    """The seconds around somebody in a video, as an MP4 that browsers play: at most 30, without sound."""
    return ranged(here.clip(crop, client), None if if_range else range, MEDIA_TYPE)


@router.get("/info", response_model=InfoSays)
def info(here: Here, client: Viewer) -> dict[str, Any]:  # noqa: ARG001 - who asks must be somebody
    """Say what the index holds, which model made it, and which cameras it knows."""
    found = here.index.info()
    names = ("people", "media", "embeddings", "alike", "unworn", "away", "failures", "created")
    model = found.model and {"name": found.model.name, "digest": found.model.digest, "dim": found.model.dim}
    cameras = [{"name": one.camera.name, "people": one.people} for one in here.index.seen_by_cameras()]
    return {"version": passerby.__version__, **{name: getattr(found, name) for name in names}, "model": model, "cameras": cameras}


@router.get("/audit", response_model=AuditSays)
def audit(
    here: Here,
    client: Admin,  # noqa: ARG001 - who asks must be an admin
    count: Annotated[int, Query(ge=1, le=10_000, description="How many entries at most.")] = 100,
) -> dict[str, Any]:
    """Say who asked what, the newest first. For tokens of role admin."""
    return {"entries": here.audit.latest(count)}


def in_order(people: Sequence[Hit], asked: Asked) -> list[Hit]:
    """Those who were found, in the order that was asked for; those of no known time come last in time."""
    if asked.order == "match":
        return list(people)
    return sorted(people, key=lambda hit: (hit.clock is None, hit.clock and hit.clock.timestamp()))


def _told(found: Found, asked: Asked) -> dict[str, Any]:
    return found.to_json(in_order(found.answer.people, asked))


def _appearance(appearance: Appearance) -> dict[str, Any]:
    names = ("sentence", "unclear", "probabilities", "unreliable")
    return {name: getattr(appearance, name) for name in names}


def _person(seen: Seen) -> dict[str, Any]:
    person = seen.person
    crops = [
        {"id": f"{person.id}-{number}", "box": _box(one.box), "time": one.time, "quality": one.quality}
        for number, one in enumerate(seen.crops)
    ]
    return {
        "person": person.id,
        "name": shown_name(person.media.path),
        "camera": person.media.camera,
        "device": person.media.pushed_by,
        "device_away": seen.device_away,
        "clock": seen.clock and seen.clock.isoformat(timespec="seconds"),
        "time_known_by": person.media.known_by,
        "first": person.first,
        "last": person.last,
        "crops": crops,
        "wears": seen.wears and _appearance(seen.wears),
        "beside": [one.crop for one in seen.beside],
    }


def _picture(data: bytes, box: str) -> Picture:
    return Picture(data, Box.read(box) if box else None)


def _sent(sent: Sent) -> dict[str, Any]:
    return {"taken": _box(sent.taken), "people": [_box(one) for one in sent.people]}


def _box(box: Box | None) -> list[float] | None:
    return None if box is None else [box.x, box.y, box.width, box.height]


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: that of the endpoints, and the problems that each may answer with."""
    if app.openapi_schema is None:
        made = get_openapi(title="Passerby", version=passerby.__version__, description="Find people by what they wear.", routes=app.routes)
        schemas = made["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{}, {"token": []}]
        schemas["Problem"] = ProblemSays.model_json_schema()
        content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for operations in made["paths"].values():
            for operation in operations.values():
                said = {status: {"description": text, "content": content} for status, text in _PROBLEMS.items()}
                operation["responses"] = {**operation["responses"], **said}
        app.openapi_schema = made
    return app.openapi_schema
