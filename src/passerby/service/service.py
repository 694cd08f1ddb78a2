"""What a service does for whoever asks, by whichever way: search, look at somebody, describe a picture; and what it keeps of that."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.datastructures import Headers

from passerby.errors import ConfigError
from passerby.find.answer import Answer
from passerby.find.describe import Appearance, describe, describe_stored
from passerby.index.base import Index
from passerby.index.score import Weights
from passerby.index.selection import Selection
from passerby.media.photo import read_image
from passerby.model.encoder import Encoder
from passerby.service.asking import Asked
from passerby.service.audit import DAYS, Audit
from passerby.service.centre import Centre
from passerby.service.devices import Devices
from passerby.service.elsewhere import Elsewhere
from passerby.service.engine import Ask, Engine
from passerby.service.facets import Census
from passerby.service.pictures import Crops, crop_image, crop_of, photo_jpeg, somebody, thumbnail
from passerby.service.problems import Refused
from passerby.service.security import COOKIE, FormTokens, Listening, Rates, bearer
from passerby.service.tokens import Role, Token, Tokens
from passerby.service.uploads import decode_upload
from passerby.service.when import offsets_of, seen_at
from passerby.types import Crop, Hit, Person

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN_BESIDE = 50


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks.

    Args:
        name: of their token; empty where none is needed.
        address: where they come from.
    """

    name: str
    role: Role
    address: str

    @property
    def key(self) -> str:
        """Who shares a rate: those of one token or, without one, of one address."""
        return self.name or self.address


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody in an index, as they are shown.

    Args:
        clock: when their first crop was taken; ``None`` where that is not known.
        beside: the crops of others in the same photo, by id.
        device_away: whether their photo is on a device that cannot be asked for it now, so that there is but a small picture.
    """

    person: Person
    crops: tuple[Crop, ...]
    clock: datetime | None
    wears: Appearance | None
    beside: tuple[str, ...]
    device_away: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """An answer, with the id of the crop of each who was found."""

    answer: Answer
    crops: dict[int, str]

    def crop(self, hit: Hit) -> str:
        return self.crops.get(hit.rank, f"{hit.person.id}-0")

    def to_json(self, hits: Sequence[Hit]) -> dict[str, Any]:
        """As the command line prints it; crops have ids where that has paths."""
        said = [{**hit.to_json(), "crop": self.crop(hit), "name": shown_name(hit.person)} for hit in hits]
        for one in said:
            del one["path"]
        return {**self.answer.to_json(), "hits": said}


@dataclass(frozen=True, slots=True)
class Service:
    """An index that is asked by others, and what guards it."""

    engine: Engine
    listening: Listening
    tokens: Tokens
    audit: Audit
    census: Census
    centre: Centre
    elsewhere: Elsewhere
    rates: Rates = field(default_factory=Rates)
    forms: FormTokens = field(default_factory=FormTokens)
    crops: Crops = field(default_factory=Crops)

    @classmethod
    def of(
        cls, index: Index, encoder: Encoder, listening: Listening, folder: Path, *, keep_audit: int = DAYS, devices: Path | None = None
    ) -> Service:
        """The service of an index.

        Args:
            folder: where its tokens are, and its log goes.
            keep_audit: for how many days the log keeps who asked what.
            devices: a file that says which devices may be asked for frames, and where they are.

        Raises:
            IndexFault: the index is of another model.
            ConfigError: a token is needed, as others can reach it, and there is none.
            OSError: the folder cannot be written.
        """
        index.require_model(encoder.digest, encoder.name)
        tokens = Tokens(folder)
        if listening.needs_tokens and not tokens.all():
            do = "make one: passerby token add NAME"
            raise ConfigError(expected="a token, as others can reach the service", found="none", do=do)
        audit = Audit(folder / "audit", keep_audit)
        engine = Engine(index, encoder)
        return cls(
            engine,
            listening,
            tokens,
            audit,
            Census(index, engine.encoder),
            Centre(index, encoder, Devices(folder)),
            Elsewhere.read(devices),
        )

    @property
    def index(self) -> Index:
        return self.engine.index

    @property
    def needs_tokens(self) -> bool:
        return self.listening.needs_tokens or self.tokens.wanted

    def client(self, headers: Headers, cookies: dict[str, str], address: str, *, cookie_counts: bool = True) -> Client:
        """Who sends a request.

        Raises:
            Refused: nobody who is let in.
        """
        if not self.needs_tokens:
            return Client("", Role.ADMIN, address)
        secret = bearer(headers) or (cookies.get(COOKIE) if cookie_counts else None)
        token = self.tokens.whose(secret) if secret else None
        if token is None:
            found, do = "one that is not valid" if secret else "none", "send Authorization: Bearer TOKEN, or log in"
            raise Refused(HTTPStatus.UNAUTHORIZED, expected="a token", found=found, do=do)
        return Client(token.name, token.role, address)

    def log_in(self, secret: str, address: str) -> Token:
        """The token of a secret. Raises ``Refused`` for none, and for who tries too often."""
        self.rates.spend("login", address)
        token = self.tokens.whose(secret)
        self.audit.append({"who": token.name if token else None, "address": address, "did": "log in", "let_in": token is not None})
        if token is None or token.role is Role.DEVICE:
            found = "one that is not valid" if token is None else "one of a device, which may not search"
            raise Refused(HTTPStatus.UNAUTHORIZED, expected="a token", found=found, do="check it, or ask for a new one")
        return token

    async def find(self, asked: Asked, client: Client, *, default_k: int, upload: bytes | None = None) -> Found:
        """Who is found for a question, which is kept in the log.

        Args:
            upload: a picture of somebody alike, instead of a crop of the index.

        Raises:
            Refused: too often, or alike to nobody in the index.
            ServiceBusy, QueryError, InputError, ImageError, IndexFault: as its name says.
        """
        self.rates.spend("search", client.key)
        ask = await anyio.to_thread.run_sync(self._read, asked, default_k, upload)
        answer = await asyncio.wrap_future(self.engine.ask(ask))
        return await anyio.to_thread.run_sync(self._keep, asked, client, upload, answer)

    def _read(self, asked: Asked, default_k: int, upload: bytes | None) -> Ask:
        like = decode_upload(upload) if upload is not None else self._alike(asked.like) if asked.like else None
        question = asked.question(self.index, like)
        return Ask(question, asked.k or default_k, asked.min_probability, asked.sure, fold=not asked.unfold)

    def _alike(self, crop: str) -> Image:
        person, one = crop_of(self.index, *crop_numbers(crop))
        return crop_image(person.media, one) if person.media.pushed_by is None else read_image(thumbnail(self.index, person, one))

    def crop_jpeg(self, crop: str) -> bytes:
        """The picture of somebody by a crop's id. Raises ``Refused`` where it cannot be shown."""
        person, one = crop_of(self.index, *crop_numbers(crop))
        return self.crops.jpeg(person.media, one) if person.media.pushed_by is None else thumbnail(self.index, person, one)

    def photo_jpeg(self, id: int, client: Client) -> bytes:
        """The whole photo that somebody is in, which is kept in the log; of a device that is away, their small picture.

        Raises ``Refused`` where it cannot be shown.
        """
        person, crops = somebody(self.index, id)
        self.audit.append({"who": client.name, "address": client.address, "did": "photo", "shown": [id]})
        if person.media.pushed_by is None:
            return photo_jpeg(person.media, crops[0])
        return self.elsewhere.frame(person, crops[0]) or thumbnail(self.index, person, crops[0])

    def _keep(self, asked: Asked, client: Client, upload: bytes | None, answer: Answer) -> Found:
        said: dict[str, Any] = dict[str, Any](asked.model_dump(by_alias=True, exclude_defaults=True))
        if upload is not None:
            said["picture"] = hashlib.sha256(upload).hexdigest()
        shown = [hit.person.id for hit in answer.people]
        self.audit.append({"who": client.name, "address": client.address, "did": "search", "asked": said, "shown": shown})
        known = dict(self._crops_of([hit.person.id for hit in answer.people if hit.person.id is not None]))
        numbers = {hit.rank: _number(hit.crop, known.get(hit.person.id or 0, ())) for hit in answer.people}
        return Found(answer, {hit.rank: f"{hit.person.id}-{numbers[hit.rank]}" for hit in answer.people})

    def _crops_of(self, people: list[int]) -> list[tuple[int, tuple[Crop, ...]]]:
        return [(person.id or 0, crops) for person, crops in self.index.people(people)]

    def describe(self, upload: bytes, client: Client) -> Appearance:
        """What somebody in a picture wears, which is kept in the log. Raises ``ImageError``, and ``ModelError`` of a model that does not
        say it."""
        found = describe(self.engine.encoder, decode_upload(upload))
        digest = hashlib.sha256(upload).hexdigest()
        self.audit.append({"who": client.name, "address": client.address, "did": "describe", "picture": digest})
        return found

    def look_at(self, id: int, client: Client) -> Seen:
        """Somebody in the index, which is kept in the log. Raises ``Refused`` where there is nobody of this id."""
        with self.index.snapshot():
            person, crops = somebody(self.index, id)
            wears = describe_stored(self.engine.encoder, self.index.worn_of(person))
            found = Seen(person, crops, seen_at(person, crops[0], offsets_of(self.index)), wears, tuple(self._beside(person, crops)))
        self.audit.append({"who": client.name, "address": client.address, "did": "look", "shown": [id]})
        if person.media.pushed_by is None:
            return found
        return replace(found, device_away=self.elsewhere.frame(person, crops[0]) is None)

    def _beside(self, person: Person, crops: tuple[Crop, ...]) -> list[str]:
        """The crops of the others in somebody's photo. A picture that is of one person whole shows nobody else."""
        if crops[0].box is None:
            return []
        here = Selection(folders=(person.media.path,))
        (nearest,) = self.index.nearest([Weights(self.index.vector_of(person).astype("float64"))], SHOWN_BESIDE, selection=here, fold=False)
        return [f"{one.person.id}-0" for one in nearest.people if one.person.id != person.id]

    def close(self) -> None:
        self.engine.close()


def shown_name(person: Person) -> str:
    """The name of somebody's file, without its folder; of bytes that are no UTF-8, what can be shown."""
    return os.fsencode(person.media.path.name).decode("utf-8", "replace")


def crop_numbers(crop: str) -> tuple[int, int]:
    """The person of a crop's id, and which of their crops it is."""
    person, _, number = crop.partition("-")
    return int(person), int(number)


def _number(crop: Crop, crops: tuple[Crop, ...]) -> int:
    return crops.index(crop) if crop in crops else 0
