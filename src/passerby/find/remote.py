"""Answers of a service as those of an index on this machine: the same people, read back from what its API says of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from passerby.devices import folder_of, path_at_centre
from passerby.errors import ServiceFault
from passerby.find.answer import Answer
from passerby.find.filter import Filtered
from passerby.find.question import Question
from passerby.find.search import likely
from passerby.find.server import Parameters, Server
from passerby.index.looked_into import Gap, LookedInto
from passerby.index.selection import EVERYBODY, Selection
from passerby.types import Box, Crop, Fit, Hit, Media, MediaKind, Person

if TYPE_CHECKING:
    from PIL.Image import Image

_LARGEST: Final = (2000, 2000)
"""Pixels of a picture that is sent: a model looks at far fewer, and a service takes 10 MB."""
_NO_DIGEST: Final = "0" * 64
"""Of a file whose bytes stay with the service."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RemoteAnswer(Answer):
    """An answer of a service; files have names where they have paths in one of an index.

    Args:
        server: where pictures come from.
        crops: the id of the best crop of each who was found, by rank.
        folder: in which pictures lie while they are drawn.
    """

    server: Server
    crops: dict[int, str]
    folder: Path

    def to_json(self) -> dict[str, Any]:
        document = Answer.to_json(self)
        return document | {"hits": [{**hit, "crop": self.crops[hit["rank"]]} for hit in document["hits"]]}

    @property
    def section(self) -> tuple[str, Sequence[Hit]]:
        return self._drawn("crops", lambda hit: f"crops/{self.crops[hit.rank]}")

    @property
    def photos(self) -> tuple[str, Sequence[Hit]]:
        return self._drawn("photos", lambda hit: f"people/{hit.person.id}/photo")

    def _drawn(self, kind: str, place: Callable[[Hit], str]) -> tuple[str, Sequence[Hit]]:
        """Those who were found, each whole in a picture that the service drew."""
        hits = []
        for hit in self.people:
            file = self.folder / kind / str(hit.rank) / _file_name(hit.person.media.path)
            if (picture := self.server.picture(place(hit))) is not None:
                file.parent.mkdir(parents=True)
                file.write_bytes(picture)
            media = replace(hit.person.media, path=file, kind=MediaKind.PHOTO)
            hits.append(replace(hit, person=replace(hit.person, media=media), crop=replace(hit.crop, box=None)))
        return self.question.text, hits


def ask_server(
    server: Server, question: Question, asked: Parameters, folder: Path, *, min_probability: float | None, sure: float
) -> RemoteAnswer:
    """The answer of a service to a question.

    Args:
        question: read here; of its picture, whoever it is of is sent, and nothing else.
        asked: the same for the service: parameters of ``/api/v1/search``.
        folder: where pictures may lie while they are drawn.
        min_probability: people who are less likely to be right are left out, and counted.
        sure: how sure its filters are.

    Raises:
        ServiceFault: it cannot be asked, refuses, or answers what cannot be read.
        QueryError: there is no probability to go by.
    """
    asked = {**asked, "sure": sure}
    said = server.get("search", asked) if question.picture is None else server.send("similar", asked, _png(question.picture))
    try:
        found = RemoteAnswer(
            question.among(_selection(said["selection"])),
            tuple(_hit(hit) for hit in said["hits"]),
            cut=said["cut"],
            looked_at=said["looked_at"],
            away=said["away"],
            undated=said["undated"],
            filtered=_filtered(said, question, sure) if question.filters else None,
            reindex=said["reindex"],
            looked_into=_looked_into(said),
            way=said["search"],
            server=server,
            crops={hit["rank"]: str(hit["crop"]) for hit in said["hits"]},
            folder=folder,
        )
    except (KeyError, TypeError, ValueError) as error:
        lacks = f"an answer that cannot be read ({type(error).__name__}: {error})"[:200]
        do = "let both be of one version of Passerby"
        raise ServiceFault(expected=f"a service of this version at {server.url}", found=lacks, do=do) from None
    if min_probability is None:
        return found
    people = tuple(likely(found.people, min_probability))
    return replace(found, people=people, unlikely=found.people[len(people) :])


def _png(picture: Image) -> bytes:
    file, small = BytesIO(), picture.copy()
    small.thumbnail(_LARGEST)
    small.save(file, "PNG")
    return file.getvalue()


def _hit(said: dict[str, Any]) -> Hit:
    clock = said["clock"] and datetime.fromisoformat(said["clock"])
    media = Media(
        _path(said["name"], said["device"]),
        0,
        0,
        _NO_DIGEST,
        kind=MediaKind.PHOTO if said["time"] is None else MediaKind.VIDEO,
        away_since=said["away"] and int(datetime.fromisoformat(said["away"]).timestamp()),
        camera=said["camera"],
        zone=said["clock"] and _zone(said["clock"]),
        known_by=said["time_known_by"],
    )
    return Hit(
        said["rank"],
        said["score"],
        Person(media, said["person"], said["track"], said["first"], said["last"], said["static"]),
        said["probability"],
        Crop(said["box"] and Box(*said["box"]), said["time"], said["quality"]),
        tuple(Fit(**fit) for fit in said["phrases"]),
        tuple(said["copies"]),
        clock,
    )


def _selection(said: dict[str, Any] | None) -> Selection:
    if said is None:
        return EVERYBODY
    start, end = said["from"], said["to"]
    first, last = (at and datetime.fromisoformat(at).timestamp() for at in (start, end))
    devices = tuple(map(folder_of, said["devices"]))
    return Selection(tuple(said["cameras"]), first, last, devices, zone=_zone(start or end) if start or end else None)


def _filtered(said: dict[str, Any], question: Question, sure: float) -> Filtered:
    likeliest, unreliable = said["likeliest"], said["unreliable"]
    relative = tuple(one.asked for one in question.filters if one.asked not in likeliest) if said["relative"] else ()
    partly = tuple(said.get("partly", ()))
    return Filtered(np.empty(0, np.bool_), relative, partly, (*likeliest.items(),), (*unreliable.items(),), said["unworn"], sure)


def _looked_into(said: dict[str, Any]) -> LookedInto:
    lowest, highest = said["smallest"] or (0.0, 0.0)
    watched = said["videos"]
    return LookedInto(
        photos=said["photos"],
        lowest=lowest,
        highest=highest,
        videos=watched["count"],
        seconds=watched["seconds"],
        broken=watched["broken"],
        cut_short=watched["cut_short"],
        unfinished=watched["unfinished"],
        static=watched["static"],
        gaps=tuple(map(_gap, watched["gaps"])),
        still=watched["still"],
    )


def _gap(said: dict[str, Any]) -> Gap:
    return Gap(Path(said["name"]), said["start"], said["end"], said["begun"] and datetime.fromisoformat(said["begun"]))


def _path(name: str, device: str | None) -> Path:
    """By which a file is known here, as if it were in no folder."""
    return Path(name) if device is None else path_at_centre(device, Path(name))


def _zone(clock: str) -> str:
    """The offset that a time ends with."""
    return clock[-6:]


def _file_name(path: Path) -> str:
    """A name of a file as it can be one here, too."""
    return re.sub(r"[^\w. -]|^\.", "_", path.name)[-100:] or "_"
