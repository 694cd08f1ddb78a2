"""A second source of words for the training pictures of CUHK-PEDES, gathered from public re-annotations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from passerby.data.raw import read_json, read_text
from passerby.errors import DatasetError
from passerby.types import Caption, Origin, Problem, Record

_UNKNOWN_WORD = re.compile(r"\s*\[UNK\]")


@dataclass(frozen=True, slots=True)
class MoreCaptions:
    """Captions by the name of a picture, captions by identity, and entries that could not be read."""

    images: dict[str, tuple[Caption, ...]]
    identities: dict[str, tuple[Caption, ...]]
    problems: tuple[Problem, ...]

    def problems_beside(self, names: set[str], identities: set[str]) -> Iterator[Problem]:
        """The entries that are about nobody among the training pictures `names` and people `identities`."""
        for name in self.images:
            if name not in names:
                yield Problem(name, "has more captions but is no training picture")
        for identity in self.identities:
            if identity not in identities:
                yield Problem(f"identity {identity}", "has more captions but is nobody in the training pictures")

    def added_to(self, records: Iterable[Record]) -> Iterator[Record]:
        """The records with the words about the picture itself and then those about its person after what they have already."""
        for record in records:
            more = self.images.get(record.name, ()) + self.identities.get(record.identity, ())
            yield replace(record, captions=record.captions + more) if more else record


def read_more_captions(file: Path) -> MoreCaptions:
    """Reads ``{"images": {path: {"captions": [text]}}, "identities": {id: {"caption": text, "dense": text}}}``.

    An image's captions are its own, an identity's ``caption`` is a paraphrase and ``dense`` a machine's description; other keys are
    ignored. ``[UNK]``, left by a foreign vocabulary, is taken out of the text around it.

    Raises:
        DatasetError: no JSON object with objects ``images`` and ``identities``.
    """
    content = read_json(file)
    images, identities = (content.get(key) if isinstance(content, dict) else None for key in ("images", "identities"))
    if not isinstance(images, dict) or not isinstance(identities, dict):
        raise DatasetError(expected=f"an object with objects images and identities in {file}", found="none", do="take it away or repair it")
    problems: list[Problem] = []
    return MoreCaptions(
        {name: tuple(_captions(name, _of_image(entry), problems)) for name, entry in images.items()},
        {identity: tuple(_captions(f"identity {identity}", _of_identity(entry), problems)) for identity, entry in identities.items()},
        tuple(problems),
    )


def _of_image(entry: object) -> list[tuple[object, Origin]]:
    captions = entry.get("captions") if isinstance(entry, dict) else None
    return [(text, Origin.OWN) for text in captions] if isinstance(captions, list) else [(captions, Origin.OWN)]


def _of_identity(entry: object) -> list[tuple[object, Origin]]:
    texts = entry if isinstance(entry, dict) else {}
    found: list[tuple[object, Origin]] = [
        (texts[key], origin) for key, origin in (("caption", Origin.PARAPHRASE), ("dense", Origin.DENSE)) if key in texts
    ]
    return found or [(None, Origin.PARAPHRASE)]


def _captions(label: str, texts: Iterable[tuple[object, Origin]], problems: list[Problem]) -> Iterator[Caption]:
    for text, origin in texts:
        try:
            yield Caption(read_text(_UNKNOWN_WORD.sub("", text) if isinstance(text, str) else text), origin)
        except ValueError as error:
            problems.append(Problem(label, f"has one of more captions that {error}"))
