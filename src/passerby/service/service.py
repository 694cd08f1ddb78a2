"""What a service does for whoever asks, by whichever way: search, look at somebody, describe a picture; and what it keeps of that."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread
from starlette.datastructures import Headers

from passerby.detect.people import Detecting
from passerby.errors import ConfigError, ServiceBusy
from passerby.find.answer import Answer
from passerby.find.describe import Appearance, describe, describe_stored
from passerby.index.base import Index
from passerby.model.encoder import Encoder, attributes_of
from passerby.service.asking import Asked
from passerby.service.audit import DAYS, Audit
from passerby.service.centre import Centre
from passerby.service.clips import Clips
from passerby.service.devices import Devices
from passerby.service.elsewhere import Elsewhere
from passerby.service.engine import Ask, Engine
from passerby.service.facets import Census
from passerby.service.indexing.folders import NO_INDEXING, Indexing, failures_below
from passerby.service.indexing.job import Job
from passerby.service.indexing.jobs import Jobs
from passerby.service.pictures import Crops, crop_at, crop_image, crop_of, photo_jpeg, somebody
from passerby.service.private import private_folder
from passerby.service.problems import Refused
from passerby.service.security import COOKIE, FormTokens, Listening, Rates, bearer
from passerby.service.sent import Picture, Sent, look_at
from passerby.service.tokens import Role, Token, Tokens
from passerby.service.when import offsets_of, seen_at
from passerby.types import Crop, Hit, MediaKind, Person

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN_BESIDE: Final = 50


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
class Beside:
    """Somebody who is seen together with somebody else.

    Args:
        crop: the id of a crop of them.
        seconds: for how long, in a video; ``None`` in a photo.
    """

    crop: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody in an index, as they are shown.

    Args:
        number: which of their crops is shown.
        clock: when that was taken; ``None`` where that is not known.
        beside: others in the same photo, or at the same time in the same video.
        device_away: whether their photo is on a device that cannot be asked for it now, so that there is but a small picture.
    """

    person: Person
    crops: tuple[Crop, ...]
    number: int
    clock: datetime | None
    wears: Appearance | None
    beside: tuple[Beside, ...]
    device_away: bool = False

    @property
    def crop(self) -> Crop:
        return self.crops[self.number]

    @property
    def has_clip(self) -> bool:
        """Whether the seconds around them can be shown: they are in a video on this machine."""
        media = self.person.media
        return media.kind is MediaKind.VIDEO and media.pushed_by is None and self.crop.time is not None


@dataclass(frozen=True, slots=True)
class Found:
    """An answer.

    Args:
        sent: the picture that was sent with the question.
    """

    answer: Answer
    sent: Sent | None = None

    def crop(self, hit: Hit) -> str:
        """The id of the crop of somebody that fits best."""
        return f"{hit.person.id}-{hit.crop.number}"

    def to_json(self, hits: Sequence[Hit]) -> dict[str, Any]:
        """As the command line prints it; files have names where that has paths, and crops ids."""
        said = self.answer.summary()
        gaps = [_named(gap.to_json(), gap.path) for gap in self.answer.looked_into.gaps]
        of_hits = [{**_named(hit.to_json(), hit.person.media.path), "crop": self.crop(hit)} for hit in hits]
        return {**said, "videos": {**said["videos"], "gaps": gaps}, "hits": of_hits}


@dataclass(frozen=True, slots=True)
class Service:
    """An index that is asked by others, and what guards it."""

    engine: Engine
    listening: Listening
    tokens: Tokens
    audit: Audit
    census: Census
    clips: Clips
    jobs: Jobs
    centre: Centre
    elsewhere: Elsewhere
    detecting: Detecting | None = None
    rates: Rates = field(default_factory=Rates)
    forms: FormTokens = field(default_factory=FormTokens)
    crops: Crops = field(default_factory=Crops)

    @classmethod
    def of(
        cls,
        index: Index,
        encoder: Encoder,
        listening: Listening,
        folder: Path,
        *,
        keep_audit: int = DAYS,
        detecting: Detecting | None = None,
        indexing: Indexing = NO_INDEXING,
        devices: Path | None = None,
    ) -> Service:
        """The service of an index.

        Args:
            folder: where its tokens are, its log goes, and clips lie while they are cut; made, for its owner alone.
            keep_audit: for how many days the log keeps who asked what.
            detecting: how somebody is found in a picture that is sent; without it the whole picture is meant.
            indexing: what may be indexed from outside, and how.
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
            raise ConfigError(expected="a token, as others can reach the service", found=f"none in {folder}", do=do)
        audit = Audit(private_folder(folder) / "audit", keep_audit)
        clips, crops = Clips(folder / "clips"), Crops()

        centre, elsewhere = Centre(index, encoder, Devices(folder)), Elsewhere.read(devices)

        def forget() -> None:
            crops.forget()
            clips.forget()
            elsewhere.forget()

        engine = Engine(index, encoder, on_gone=forget)
        census, jobs = Census(index, engine.encoder), Jobs(folder, indexing)
        return cls(engine, listening, tokens, audit, census, clips, jobs, centre, elsewhere, detecting, crops=crops)

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

    async def find(self, asked: Asked, client: Client, *, default_k: int, picture: Picture | None = None) -> Found:
        """Who is found for a question, which is kept in the log.

        Args:
            picture: of somebody alike, instead of a crop of the index.

        Raises:
            Refused: too often, or alike to nobody in the index.
            ServiceBusy, QueryError, InputError, ImageError, IndexFault, ModelError: as its name says.
        """
        self.rates.spend("search", client.key)
        sent = None if picture is None else await anyio.to_thread.run_sync(look_at, picture, self.detecting)
        takes_time = sent is not None or asked.like or asked.start or asked.end or asked.device
        ask = await anyio.to_thread.run_sync(self._read, asked, default_k, sent) if takes_time else self._read(asked, default_k, sent)
        found = await asyncio.wrap_future(self.engine.ask(ask, partial(self._keep, asked, client, picture)))
        return replace(found, sent=sent)

    def _read(self, asked: Asked, default_k: int, sent: Sent | None) -> Ask:
        like = sent.person if sent else self._alike(asked.like) if asked.like else None
        question = asked.question(self.index, like)
        return Ask(question, asked.k or default_k, asked.min_probability, asked.sure, fold=not asked.unfold)

    def _alike(self, crop: str) -> Image:
        person, one = crop_of(self.index, *crop_numbers(crop))
        return crop_image(person.media, one)

    def crop_jpeg(self, crop: str) -> bytes:
        """The picture of somebody by a crop's id. Raises ``Refused`` where it cannot be shown."""
        person, one = crop_of(self.index, *crop_numbers(crop))
        return self.crops.jpeg(person.media, one)

    def photo_jpeg(self, person: Person, crop: Crop, client: Client) -> bytes:
        """The whole photo or frame that a crop is of, which is kept in the log; of a device that is away, their small picture.

        Raises ``Refused`` where it cannot be shown.
        """
        self.audit.append({"who": client.name, "address": client.address, "did": "photo", "shown": [person.id]})
        if person.media.pushed_by is None:
            return photo_jpeg(person.media, crop)
        return self.elsewhere.frame(person, crop) or self.crops.jpeg(person.media, crop)

    def _keep(self, asked: Asked, client: Client, picture: Picture | None, answer: Answer) -> Found:
        said: dict[str, Any] = dict[str, Any](asked.model_dump(by_alias=True, exclude_defaults=True))
        if picture is not None:
            said["picture"] = hashlib.sha256(picture.data).hexdigest()
        shown = [hit.person.id for hit in answer.people]
        self.audit.append({"who": client.name, "address": client.address, "did": "search", "asked": said, "shown": shown})
        return Found(answer)

    def describe(self, picture: Picture, client: Client) -> tuple[Appearance, Sent]:
        """What somebody in a picture wears, which is kept in the log, and who of the people in it that is.

        Raises:
            ImageError, QueryError, ServiceBusy, ModelError: as :func:`look_at` does.
            Refused: the model does not say it.
        """
        if not attributes_of(self.engine.encoder):
            expected, instead = "a model that says what is worn", "one that compares pictures with words and no more"
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, expected=expected, found=instead, do="search with words or a picture")
        sent = look_at(picture, self.detecting)
        found = describe(self.engine.encoder, sent.person)
        digest = hashlib.sha256(picture.data).hexdigest()
        self.audit.append({"who": client.name, "address": client.address, "did": "describe", "picture": digest})
        return found, sent

    def look_at(self, id: int, client: Client, number: int = 0) -> Seen:
        """Somebody in the index, which is kept in the log.

        Args:
            number: which of their crops is shown.

        Raises:
            Refused: there is nobody of this id, or no such crop.
        """
        with self.index.snapshot():
            person, crops = somebody(self.index, id)
            crop = crop_at(person, crops, number)
            wears = describe_stored(self.engine.encoder, self.index.worn_of(person))
            clock = seen_at(person, crop, offsets_of(self.index))
            found = Seen(person, crops, number, clock, wears, tuple(self._beside(person, crop)))
        self.audit.append({"who": client.name, "address": client.address, "did": "look", "shown": [id]})
        if person.media.pushed_by is None:
            return found
        return replace(found, device_away=self.elsewhere.frame(person, crop) is None)

    def clip(self, crop: str, client: Client) -> bytes:
        """The seconds around a crop of somebody in a video, as MP4, which is kept in the log. Raises as :meth:`Clips.mp4` does, and
        ``Refused`` for who wants too many."""
        person, one = crop_of(self.index, *crop_numbers(crop))
        clip = self.clips.mp4(person, one, partial(self.rates.spend, "clip", client.key))
        self.audit.append({"who": client.name, "address": client.address, "did": "clip", "shown": [person.id]})
        return clip

    def _beside(self, person: Person, crop: Crop) -> list[Beside]:
        """The others in somebody's photo or, of a video or a live camera, at the same time, the longest first. A picture that is of one
        person whole shows nobody else."""
        if crop.box is None:
            return []
        near = self.index.beside([person.id or 0], seconds=0)
        others = [one for one, _ in self.index.people([other for _, other in near]) if not one.static]
        beside = [Beside(f"{one.id}-0", _together(person, one)) for one in others]
        return sorted(beside, key=lambda one: -(one.seconds or 0))[:SHOWN_BESIDE]

    def start_job(self, folder: str, client: Client) -> Job:
        """Let a folder be indexed, which is kept in the log; what cannot be is not done.

        Raises as :meth:`passerby.service.indexing.jobs.Jobs.start` does.
        """
        job = self.jobs.start(folder, client.name)
        try:
            self.audit.append({"who": client.name, "address": client.address, "did": "index", "job": job.id, "folder": job.name})
        except ServiceBusy:
            self.jobs.cancel(job.id)
            raise
        return job

    def cancel_job(self, id: int, client: Client) -> Job:
        """Let a job go no further, which is kept in the log. Raises as :meth:`passerby.service.indexing.jobs.Jobs.cancel` does."""
        job = self.jobs.cancel(id)
        self.audit.append({"who": client.name, "address": client.address, "did": "cancel", "job": job.id, "folder": job.name})
        return job

    def failures_of(self, job: Job) -> list[tuple[str, str]]:
        """The files that a job could not use, by their names below its folder, and why: while it runs, and when the service began anew,
        those that the index knows of."""
        folder = self.jobs.folders.get(job.folder)
        if folder is None:
            return []
        told = self.jobs.failures(job)
        return failures_below(folder, self.index.failures() if told is None else told)

    def close(self) -> None:
        self.jobs.close()
        self.census.close()
        self.engine.close()


def shown_name(path: Path) -> str:
    """The name of a file, without its folder; of bytes that are no UTF-8, what can be shown."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def _named(said: dict[str, Any], path: Path) -> dict[str, Any]:
    """What is said of a file, with its name where that has its path."""
    del said["path"]
    return {**said, "name": shown_name(path)}


def crop_numbers(crop: str) -> tuple[int, int]:
    """The person of a crop's id, and which of their crops it is; of a person's id the first."""
    person, _, number = crop.partition("-")
    return int(person), int(number or 0)


def _together(one: Person, other: Person) -> float | None:
    """For how many seconds two people who are seen at the same time are; ``None`` where that is not known, as in a photo."""
    if one.first is None or one.last is None or other.first is None or other.last is None:
        return None
    return min(one.last, other.last) - max(one.first, other.first)
