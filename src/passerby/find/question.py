"""A question: words, a picture of somebody alike, filters; read once, and the same for every model."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from passerby.errors import QueryError
from passerby.index.selection import EVERYBODY, Selection
from passerby.inputs import as_items, as_text, require, wrong
from passerby.types import Box, Note, is_tuple_of
from passerby.words.description import PersonDescription
from passerby.words.filters import Filter, described, require_agreement
from passerby.words.normalise import plain
from passerby.words.prompts import Phrase, Prompt, phrases_of, prompts_of, read
from passerby.words.spelling import is_english

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from passerby.detect.people import Detecting
    from passerby.media.picture import AnyPicture


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Who is looked for: words, a picture of somebody alike, filters, or several of them; what it says is read here and nowhere else.

    Words become the sentences of :func:`passerby.words.prompts.prompts`: slips mended, keywords asked as a sentence too, what is denied
    counted against whoever has it. Filters without words or a picture are asked in words as well.

    Args:
        words: a description.
        like: a file's path, a picture of Pillow's, or an array uint8 (h, w, 3) in RGB or (h, w) in grey.
        filters: what somebody must have or must not, as :func:`passerby.words.filters.read_filters` makes them.
        selection: who is asked about at all: everybody, or those of some cameras, times or folders.
        box: around whom the picture is meant, in pixels of it when it is upright.
        detecting: how somebody is found in the picture; without it, and without a box, the whole picture is meant.
        text: the question as people read it.
        picture: upright RGB, of one person; ``None`` without one.
        prompts: what a model is asked, with its weights; empty for a picture alone.
        description: what the words say, or the filters where there are neither words nor a picture.
        phrases: the things that words and filters name, to hold pictures against one by one.
        not_understood: words that say nothing known.
        foreign: whether nothing of the words was understood, not even that they are English.
        notes: what had to be guessed of the picture, and who of the people in it was taken.

    Raises:
        InputError: an argument of the wrong kind.
        QueryError: nothing is asked, or filters contradict the words.
        ImageError: the picture cannot be read.
    """

    words: str | None = None
    like: AnyPicture | None = None
    filters: tuple[Filter, ...] = ()
    selection: Selection = EVERYBODY
    box: Box | None = None
    detecting: Detecting | None = None
    text: str = field(init=False)
    picture: Image | None = field(init=False)
    prompts: tuple[Prompt, ...] = field(init=False)
    description: PersonDescription = field(init=False)
    phrases: tuple[Phrase, ...] = field(init=False)
    not_understood: tuple[str, ...] = field(init=False)
    foreign: bool = field(init=False)
    notes: tuple[Note, ...] = field(init=False)

    def __post_init__(self) -> None:
        said = "" if self.words is None else as_text(self.words, "a description, a str").strip()
        if not is_tuple_of(Filter, self.filters):
            raise wrong(self.filters, "a tuple of filters")
        require(self.selection, Selection, "a selection, as read_selection makes it")
        if self.box is not None:
            require(self.box, Box, "a Box")
        if self.detecting is not None:
            _require_detecting(self.detecting)
        asked = said or ("" if self.like is not None else described(self.filters))
        says_something = bool(plain(asked).strip())
        if not says_something and self.like is None:
            raise QueryError(expected="a description", found="an empty one", do='say what the person wears, for example "a red jacket"')
        reading = read(asked)
        items = reading.description.items if said else ()
        require_agreement(self.filters, said, items)
        if self.box is not None and self.like is None:
            raise QueryError(expected="a picture that the box is in", found="none", do="name it: --like PICTURE")
        image, path, notes = _read_picture(self.like, self.box, self.detecting) if self.like is not None else _NO_PICTURE
        self._set(
            text=" + ".join(filter(None, (asked, f"like {path.name}" if path else ""))),
            picture=image,
            prompts=prompts_of(reading) if says_something else (),
            description=reading.description,
            phrases=phrases_of((*items, *(one.item for one in self.filters))),
            not_understood=reading.description.not_understood if said else (),
            foreign=bool(said) and not reading.description.says_something and not is_english(said),
            notes=tuple(Note(path, note) for note in notes) if path else (),
        )

    def among(self, selection: Selection) -> Question:
        """The same, asked of those selected, without reading it again. Raises ``InputError``."""
        asked = copy(self)
        asked._set(selection=require(selection, Selection, "a selection, as read_selection makes it"))
        return asked

    def _set(self, **read: object) -> None:
        for name, value in read.items():
            object.__setattr__(self, name, value)


def _require_detecting(value: object) -> None:
    from passerby.detect.people import Detecting

    require(value, Detecting, "how people are looked for, a Detecting")


_PictureRead = tuple["Image | None", "Path | None", tuple[str, ...]]
_NO_PICTURE: Final[_PictureRead] = (None, None, ())


def _read_picture(like: AnyPicture, box: Box | None, detecting: Detecting | None) -> _PictureRead:
    """The picture of one person, its file, and what is to be said of it."""
    from passerby.media.picture import as_picture  # what decodes pictures is loaded for a picture alone

    picture, path = as_picture(like)
    if box is None and detecting is None:
        return picture.image, path, picture.notes
    from passerby.find.like import person_in

    meant = person_in(picture.image, box, detecting)
    return meant.image, path, (*picture.notes, *filter(None, [meant.choice]))


def as_questions(values: object) -> list[Question]:
    """Questions, those made that are words alone; one alone is one. Raises ``InputError`` and ``QueryError``."""
    return [as_question(value) for value in as_items(values, Question | str, "questions or words, an iterable of them")]


def as_question(value: object) -> Question:
    """A question, or the one that words alone make. Raises ``InputError`` and ``QueryError``."""
    if isinstance(value, Question):
        return value
    if not isinstance(value, str):
        raise wrong(value, "a question or words, a str", 'ask it: Question("a red jacket")')
    return Question(value)
