"""The page: forms and links first, so that it works without script; the whole question is in its address."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, Depends, Form, Query, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from passerby.errors import PasserbyError
from passerby.service import views
from passerby.service.api import PersonId
from passerby.service.asking import LONGEST, Asked
from passerby.service.problems import problem, status_of
from passerby.service.requests import Here, Upload, Viewer, address_of, is_admin, service_of
from passerby.service.security import COOKIE
from passerby.service.service import Client, Found, Service

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_MONTH: Final = 30 * 24 * 3600

router = APIRouter(include_in_schema=False)


def page(request: Request, template: str, status: int = HTTPStatus.OK, **shown: Any) -> HTMLResponse:
    """A page of a template; words and names in it are escaped."""
    here = service_of(request)
    cookie = request.cookies.get(COOKIE, "")
    always = {
        "form_token": here.forms.of(cookie),
        "logged_in": here.needs_tokens and bool(cookie),
        "can_index": bool(here.jobs.folders) and is_admin(request),
        "asked": Asked(),
    }
    return HTMLResponse(_TEMPLATES.get_template(template).render({**always, **shown}), status)


async def form_of(request: Request, token: Annotated[str, Form()] = "") -> None:
    """Raises ``Refused`` for a form that this service did not give out."""
    service_of(request).forms.require(token, request.cookies.get(COOKIE, ""))


Ours = Depends(form_of)


@router.get("/")
async def search(request: Request, asked: Annotated[Asked, Query()], here: Here, client: Viewer) -> Response:
    """The box, and who was found for what is in it."""
    if not asked.asks_something:
        facets = await anyio.to_thread.run_sync(here.census.facets)
        return page(request, "search.html", **_around(here, asked), choices=views.choices(facets, asked), people=facets.people)
    return await _results(request, asked, here, client)


@router.post("/", dependencies=[Ours])
async def alike(
    request: Request, picture: Upload, here: Here, client: Viewer, q: Annotated[str, Form(max_length=LONGEST)] = ""
) -> Response:
    """Who is like somebody in a picture that was sent, with words or without. It is not kept, so this answer has no address."""
    return await _results(request, Asked(q=q), here, client, picture)


async def _results(request: Request, asked: Asked, here: Service, client: Client, upload: bytes | None = None) -> Response:
    facets = await anyio.to_thread.run_sync(here.census.facets)
    choices = views.choices(facets, asked) if upload is None else []
    chosen = list(views.chosen(asked)) if upload is None else [views.Link("like the picture that was sent", asked.url())]
    around = {**_around(here, asked), "choices": choices, "people": facets.people, "chosen": chosen}
    wanted = views.asked_of_page(asked, here.engine.encoder.calibration is not None and upload is None)
    try:
        if upload is not None:
            here.rates.spend("upload", client.key)
        found = await here.find(wanted, client, default_k=views.PEOPLE, upload=upload)
    except PasserbyError as error:
        return page(request, "search.html", status_of(error), **(around | {"problem": problem(error)}))
    return page(request, "search.html", **(around | _shown(found, asked, wanted, uploaded=upload is not None)))


def _around(here: Service, asked: Asked) -> dict[str, Any]:
    model = here.engine.encoder.name
    kept = [(name, value) for name, value in asked.parameters() if name not in ("q", "min_probability", "from", "to", "k")]
    return {
        "asked": asked,
        "kept": kept,
        "examples": views.EXAMPLES,
        "model": model,
        "chosen": [],
        "problem": None,
        "found": None,
        "uploaded": False,
    }


def _shown(found: Found, asked: Asked, wanted: Asked, *, uploaded: bool) -> dict[str, Any]:
    answer, least = found.answer, wanted.min_probability
    more = min((asked.k or views.PEOPLE) * 2, views.MOST)
    return {
        "found": found,
        "uploaded": uploaded,
        "chips": views.understood(answer, asked),
        "cards": views.cards(found, asked),
        "notes": list(views.notes(answer)),
        "looked_at": views.looked_at(answer),
        "nobody": views.nobody(answer),
        "unlikely": len(answer.unlikely),
        "least": None if least is None else round(100 * least),
        "everybody": asked.url(min_probability=0),
        "by_match": asked.url(order="match"),
        "by_time": asked.url(order="time"),
        "more": asked.url(k=more) if len(answer.people) == (asked.k or views.PEOPLE) < views.MOST and not uploaded else "",
    }


@router.get("/people/{person}")
def person(request: Request, person: PersonId, asked: Annotated[Asked, Query()], here: Here, client: Viewer) -> Response:
    """Somebody: the photo they are in, when and where, what they wear, and who is beside them."""
    seen = here.look_at(person, client)
    beside = [(crop, asked.url(f"/people/{crop.partition('-')[0]}")) for crop in seen.beside]
    return page(
        request,
        "person.html",
        seen=seen,
        asked=asked,
        name=views.name_of(seen),
        when=views.when(seen),
        wears=views.wears(seen),
        beside=beside,
        back=asked.url() if asked.asks_something else "",
        like=Asked(like=f"{person}-0").url(),
    )


@router.get("/login")
def login(request: Request) -> Response:
    """Where a token is asked for."""
    return page(request, "login.html", problem=None)


@router.post("/login", dependencies=[Ours])
def log_in(request: Request, here: Here, secret: Annotated[str, Form(max_length=200)]) -> Response:
    """Keep a token in a cookie that no script and no other site can use."""
    try:
        here.log_in(secret.strip(), address_of(request))
    except PasserbyError as error:
        return page(request, "login.html", status_of(error), problem=problem(error))
    response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, secret.strip(), max_age=_MONTH, httponly=True, samesite="strict", secure=secure)
    return response


@router.post("/logout", dependencies=[Ours])
def log_out() -> Response:
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def failed(request: Request, error: PasserbyError) -> Response:
    """A page that says what is wrong; who is not let in is asked for a token."""
    status = status_of(error)
    if status is HTTPStatus.UNAUTHORIZED:
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    return page(request, "problem.html", status, problem=problem(error))
