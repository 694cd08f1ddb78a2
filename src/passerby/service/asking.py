"""A question as a URL has it: the same parameters for the page and for programs, by the names of `passerby search`'s options."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from passerby.find.filter import SURE
from passerby.find.question import Question
from passerby.find.selection import read_selection_in
from passerby.find.server import MOST_PEOPLE
from passerby.index.base import Index
from passerby.words.filters import read_filters
from passerby.words.lexicon import Part

if TYPE_CHECKING:
    from PIL.Image import Image

CROP_ID: Final = r"^[0-9]{1,18}-[0-9]{1,3}$"
SOMEBODY: Final = r"^[0-9]{1,18}(-[0-9]{1,3})?$"
"""The id of a person, or of a crop of them."""
LONGEST: Final = 2000
_MOST: Final = 20

PARTS: Final = {Part.HEAD: "head", Part.UPPER: "upper", Part.LOWER: "lower", Part.FEET: "feet", Part.CARRIED: "carrying"}
"""The parameter for what is worn at each part."""


def _none_if_empty(value: Any) -> Any:
    """What a form sends for a field that was left empty."""
    return None if value == "" else value


def _without_empty(values: Any) -> Any:
    return [value for value in values if value != ""] if isinstance(values, list) else values


Word = Annotated[str, Field(max_length=200)]
Words = Annotated[list[Word], Field(max_length=_MOST), BeforeValidator(_without_empty)]
Time = Annotated[str | None, Field(max_length=100), BeforeValidator(_none_if_empty)]


class Asked(BaseModel):
    """What is asked, and how the answer is to be shown."""

    model_config = ConfigDict(populate_by_name=True)

    q: str = Field(default="", max_length=LONGEST, description="What the person wears.", examples=["a red jacket, no hat"])
    like: Annotated[str | None, Field(pattern=CROP_ID), BeforeValidator(_none_if_empty)] = Field(
        default=None, description="Somebody alike: the id of a crop. Alone, or with words."
    )
    head: Words = Field(default=[], description="Who has it there: 'red', 'cap', 'red cap'.")
    upper: Words = Field(default=[], description="Likewise.", examples=[["red"]])
    lower: Words = Field(default=[], description="Likewise.")
    feet: Words = Field(default=[], description="Likewise.")
    carrying: Words = Field(default=[], description="Likewise.")
    hat: bool = Field(default=False, description="Who has a hat, cap or beanie: 'with' a hat, in short.")
    having: Words = Field(default=[], alias="with", description="Who has it: 'red bag'.")
    without: Words = Field(default=[], description="Who does not have it.")
    camera: Words = Field(default=[], description="Only who was seen by one of these cameras.")
    device: Words = Field(default=[], description="Only who was pushed by one of these devices.")
    start: Time = Field(default=None, alias="from", description="Only from then on: '2026-11-28 10:00', 'yesterday', '2 hours ago'.")
    end: Time = Field(default=None, alias="to", description="Only before then; a day is part of it.")
    sure: float = Field(default=SURE, ge=0, le=1, description="How likely what filters name must be.")
    min_probability: Annotated[float | None, Field(ge=0, le=1), BeforeValidator(_none_if_empty)] = Field(
        default=None, description="Only who is right that surely. Words alone give a probability."
    )
    k: Annotated[int | None, Field(ge=1, le=MOST_PEOPLE), BeforeValidator(_none_if_empty)] = Field(
        default=None, description="How many people at most; 10 by default."
    )
    static: bool = Field(default=False, description="Show also what looks like a person and never moves in a video.")
    unfold: bool = Field(default=False, alias="all", description="Show each of near-copies by itself, not as one place.")
    order: Literal["match", "time"] = Field(default="match", description="Best first, or in the order in which they were seen.")

    @model_validator(mode="after")
    def _hat_is_a_thing(self) -> Self:
        if self.hat:
            self.hat, self.having = False, ["hat", *self.having]
        return self

    @property
    def asks_something(self) -> bool:
        """Whether there is a question at all."""
        return bool(self.q.strip() or self.like or any(self.at().values()) or self.having or self.without)

    def at(self) -> dict[Part, list[str]]:
        """What is to be worn where."""
        return {part: getattr(self, name) for part, name in PARTS.items()}

    def parameters(self) -> list[tuple[str, str]]:
        """Its parameters, but for those that say what goes without saying."""
        said = self.model_dump(by_alias=True, exclude_defaults=True)
        pairs = [(name, one) for name, value in said.items() for one in (value if isinstance(value, list) else [value])]
        return [
            (name, {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value))
            for name, value in pairs
        ]

    def url(self, path: str = "/", /, **changes: Any) -> str:
        """The address of the same question, or of one with changes."""
        query = urlencode(self.model_copy(update=changes).parameters())
        return f"{path}?{query}" if query else path

    def question(self, index: Index, like: Image | None = None) -> Question:
        """The question that is asked of an index.

        Args:
            like: a picture of somebody alike.

        Raises:
            QueryError, InputError: it cannot be asked.
            ImageError: the picture cannot be used.
        """
        question = Question(self.q, like, read_filters(self.at(), self.having, self.without))
        selected = read_selection_in(index, self.camera, self.start, self.end, (), self.device)
        return question.among(replace(selected, static=self.static))


class AskedByProgram(Asked):
    """The same; a parameter that is not known is refused, for its effect would be missed."""

    model_config = ConfigDict(populate_by_name=True, extra="forbid")
