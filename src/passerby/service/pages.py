"""The page: forms and links first, so that it works without script; the whole question is in its address."""

from __future__ import annotations

import pathlib
import re
from base64 import b64decode
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import anyio.to_thread
from fastapi import APIRouter, Depends, File, Form, Path, Query, Request, UploadFile
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import AfterValidator, StringConstraints
from starlette.responses import HTMLResponse, RedirectResponse, Response

from passerby.errors import PasserbyError
from passerby.service import views
from passerby.service.asking import LONGEST, SOMEBODY, Asked
from passerby.service.problems import Refused, problem, status_of
from passerby.service.requests import Here, Viewer, address_of, bytes_of, is_admin, service_of
from passerby.service.security import COOKIE, LARGEST_UPLOAD, LOGIN, SAFE
from passerby.service.sent import Picture
from passerby.service.service import Client, Found, Service, crop_numbers

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(pathlib.Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
MOST_CROPS: Final = 12
"""Of the people in a picture that was sent, whom one can choose from: the largest."""
Base64 = Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$", max_length=200_000)]
_MONTH: Final = 30 * 24 * 3600
_LOCAL: Final = re.compile(r"/(?!/)[!-\[\]-~]*")
"""A path and what follows it, in the signs that an address has. A browser takes two slashes, or a backslash for one, for another host."""

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
        "path": request.url.path,
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
        around = {**_around(here, asked), "kept": _kept(asked, ("q", "k"))}
        return page(request, "search.html", **around, choices=views.choices(facets, asked), people=facets.people)
    return await _results(request, asked, here, client)


@dataclass(frozen=True, slots=True)
class Given:
    """A picture that a form sent, or one of the crops that an answer gave back.

    Args:
        crops: JPEG in Base64; where there are any, the picture is the one of them that is at ``take``.
    """

    picture: Picture
    crops: tuple[str, ...] = ()
    take: int = 0


async def _given(
    picture: Annotated[UploadFile | None, File()] = None,
    crop: Annotated[list[Base64], Form(max_length=MOST_CROPS)] = [],  # noqa: B006 - what FastAPI takes
    take: Annotated[int, Form(ge=0, le=MOST_CROPS)] = 0,
) -> Given:
    """Raises ``Refused`` for neither, for both, and for more than may be."""
    if (picture is None) == (not crop) or (crop and take >= len(crop)):
        expected, do = "a picture", "send one"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, expected=expected, found="none, or several", do=do)
    if picture is not None:
        return Given(Picture(await bytes_of(picture)))
    return Given(Picture(b64decode(crop[take]), is_crop=True), tuple(crop), take)


@router.post("/", dependencies=[Ours])
async def alike(
    request: Request,
    given: Annotated[Given, Depends(_given)],
    here: Here,
    client: Viewer,
    q: Annotated[str, Form(max_length=LONGEST)] = "",
) -> Response:
    """Who is like somebody in a picture that was sent, with words or without. It is not kept, so this answer has no address; the people
    in it go back to the browser as crops, with which it can ask for another of them."""
    return await _results(request, Asked(q=q), here, client, given)


async def _results(request: Request, asked: Asked, here: Service, client: Client, given: Given | None = None) -> Response:
    facets = await anyio.to_thread.run_sync(here.census.facets)
    choices = views.choices(facets, asked) if given is None else []
    around = {**_around(here, asked), "choices": choices, "people": facets.people}
    if given is not None:
        around["chosen"] = [views.Link("like the picture that was sent", asked.url())]
    wanted = views.asked_of_page(asked, here.engine.encoder.calibration is not None and given is None)
    try:
        if given is not None:
            here.rates.spend("upload", client.key)
        found = await here.find(wanted, client, default_k=views.PEOPLE, picture=given.picture if given else None)
    except PasserbyError as error:
        return page(request, "search.html", status_of(error), **(around | {"problem": problem(error)}))
    return await anyio.to_thread.run_sync(lambda: page(request, "search.html", **(around | _shown(found, asked, wanted, given))))


def _around(here: Service, asked: Asked) -> dict[str, Any]:
    model = here.engine.encoder.name
    return {
        "asked": asked,
        "kept": _kept(asked, ("q", "k", "min_probability", "from", "to")),
        "examples": [views.Link(words, asked.url(q=words)) for words in views.EXAMPLES],
        "model": model,
        "chosen": list(views.chosen(asked)),
        "problem": None,
        "found": None,
        "uploaded": False,
        "crops": (),
        "take": 0,
        "most_crops": MOST_CROPS,
        "largest": LARGEST_UPLOAD,
    }


def _kept(asked: Asked, fields: tuple[str, ...]) -> list[tuple[str, str]]:
    """What another question takes over from this one: all but what has a field on the page."""
    return [(name, value) for name, value in asked.parameters() if name not in fields]


def _shown(found: Found, asked: Asked, wanted: Asked, given: Given | None) -> dict[str, Any]:
    answer, least = found.answer, wanted.min_probability
    cards = views.cards(found, asked)
    more = min((asked.k or views.PEOPLE) * 2, views.MOST)
    return {
        "found": found,
        "uploaded": given is not None,
        "crops": given.crops or (found.sent.crops(MOST_CROPS) if found.sent else ()) if given else (),
        "take": given.take if given else 0,
        "chips": views.understood(answer, asked),
        "cards": cards,
        "timeline": views.timeline(cards, found),
        "notes": list(views.notes(answer)),
        "looked_at": views.looked_at(answer),
        "nobody": views.nobody(answer),
        "unlikely": len(answer.unlikely),
        "least": None if least is None else round(100 * least),
        "folded": asked.url(unfold=True) if any(card.alike for card in cards) else "",
        "everybody": asked.url(min_probability=0),
        "by_match": asked.url(order="match"),
        "by_time": asked.url(order="time"),
        "more": asked.url(k=more) if len(answer.people) == (asked.k or views.PEOPLE) < views.MOST and given is None else "",
    }


SomebodyId = Annotated[str, Path(pattern=SOMEBODY)]


@router.get("/people/{somebody}")
def person(request: Request, somebody: SomebodyId, asked: Annotated[Asked, Query()], here: Here, client: Viewer) -> Response:
    """Somebody: the photo or the clip they are in, when and where, what they wear, all crops of them, and with whom they are."""
    id, number = crop_numbers(somebody)
    seen = here.look_at(id, client, number)
    return page(request, "person.html", asked=asked, back=asked.url() if asked.asks_something else "", **views.somebody(seen, asked))


def _local(address: str) -> str:
    """An address below this service as it is; in place of any other, the first page."""
    return address if _LOCAL.fullmatch(address) else "/"


Next = Annotated[str, AfterValidator(_local)]
"""What was asked for before a token was."""


@router.get(LOGIN)
def login(request: Request, next: Next = "/") -> Response:
    """Where a token is asked for."""
    return page(request, "login.html", problem=None, next=next)


@router.post(LOGIN)
def log_in(request: Request, here: Here, secret: Annotated[str, Form(max_length=200)], next: Annotated[Next, Form()] = "/") -> Response:
    """Keep a token in a cookie that no script can use, and with which pages elsewhere can only link here. The form counts for whatever
    cookie there is: that it came from here, the guard has seen."""
    try:
        here.log_in(secret.strip(), address_of(request))
    except PasserbyError as error:
        return page(request, "login.html", status_of(error), problem=problem(error), next=next)
    response = RedirectResponse(next, HTTPStatus.SEE_OTHER)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, secret.strip(), max_age=_MONTH, httponly=True, samesite="lax", secure=secure)
    return response


@router.post("/logout", dependencies=[Ours])
def log_out() -> Response:
    response = RedirectResponse(LOGIN, HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return response


def failed(request: Request, error: PasserbyError) -> Response:
    """A page that says what is wrong; who is not let in is asked for a token, and led back then."""
    status = status_of(error)
    if status is HTTPStatus.UNAUTHORIZED:
        return RedirectResponse(_to_login(request), HTTPStatus.SEE_OTHER)
    return page(request, "problem.html", status, problem=problem(error))


def _to_login(request: Request) -> str:
    url = request.url
    asked = f"{url.path}?{url.query}" if url.query else url.path
    return LOGIN if request.method not in SAFE or asked == "/" else f"{LOGIN}?{urlencode({'next': asked})}"
