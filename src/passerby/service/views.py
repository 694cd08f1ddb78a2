"""What the page shows, as plain data: every choice is a link to the same question with a change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from passerby.find.answer import Answer
from passerby.find.filter import Filtered
from passerby.media.clock import KnownBy, clock_of, clock_text, minutes_text
from passerby.service.api import in_order
from passerby.service.asking import PARTS, Asked
from passerby.service.chips import COLOURS, Chip, chips, things
from passerby.service.chips import MOST as MOST_CHIPS
from passerby.service.facets import Facets
from passerby.service.service import Found, Seen, shown_name
from passerby.service.timeline import Sight, Timeline, timeline_of
from passerby.types import PROBABLE, Hit, MediaKind, Person

EXAMPLES: Final = (
    "a red jacket and blue jeans",
    "a woman in a white dress with a black bag",
    "yellow t-shirt, shorts, no hat",
    "a man with a backpack",
)
UNLIKELY: Final = 0.05
"""Who is right less surely than this is not shown, unless somebody asks for them."""
PEOPLE: Final = 24
MOST: Final = 96
DAYS: Final = 7

_LIKELY: Final = 0.5
_IN_WORDS: Final = ((0.75, "very likely"), (_LIKELY, "likely"), (0.25, "possibly"), (UNLIKELY, "a long shot"), (0.0, "unlikely"))
_WHERE: Final = {"head": "Head", "upper": "Upper body", "lower": "Legs", "feet": "Feet", "carrying": "Carrying"}
_SAID: Final = {"head": "on the head", "upper": "on the upper body", "lower": "on the legs", "feet": "on the feet", "carrying": "carrying"}
_SEEN: Final = {
    "body": "Body",
    "hair": "Hair",
    "head": "Head",
    "upper": "Upper body",
    "sleeves": "Sleeves",
    "lower": "Legs",
    "feet": "Feet",
    "carried": "Carrying",
}
"""What models tell of somebody, from the whole to what they carry."""


@dataclass(frozen=True, slots=True)
class Link:
    """Something to choose.

    Args:
        count: of how many people; ``None`` where that is not said.
        chosen: whether it is; then the link lets go of it.
        crop: the id of the picture that it is about, if it is about one.
        colour: that it stands for, if it stands for one.
    """

    text: str
    url: str
    count: int | None = None
    chosen: bool = False
    crop: str = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A heading, and what can be chosen below it."""

    title: str
    links: tuple[Link, ...]

    @property
    def chosen(self) -> int:
        return sum(link.chosen for link in self.links)


@dataclass(frozen=True, slots=True)
class ChipLinks:
    """A thing that was understood, and where it can be changed."""

    chip: Chip
    without: str
    opposite: str | None
    in_colour: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Card:
    """Somebody who was found.

    Args:
        percent: how likely they are right; ``None`` where that is not known.
        day: on which they were seen, as a heading where people are in the order of time; empty where they are not, or below the same.
        when: by a clock that goes right; an estimate says so.
    """

    crop: str
    url: str
    like: str
    rank: int
    worth: str
    percent: int | None
    when: str
    camera: str
    fits: tuple[str, ...]
    doubtful: tuple[str, ...]
    alike: int
    away: bool
    day: str


def in_words(probability: float) -> str:
    """How likely, for people, of a probability as it is shown: in whole percent."""
    return next(words for least, words in _IN_WORDS if round(probability, 2) >= least)


def cards(found: Found, asked: Asked) -> list[Card]:
    """Those who were found, in the order that was asked for; in that of time with a heading for each day."""
    hits = in_order(found.answer.people, asked)
    days = (
        [f"{hit.clock:%A}, {hit.clock.day} {hit.clock:%B %Y}" if hit.clock else "Not known when" for hit in hits]
        if asked.order == "time"
        else [""] * len(hits)
    )
    return [_card(found, asked, hit, "" if day == before else day) for hit, day, before in zip(hits, days, ["", *days], strict=False)]


def _card(found: Found, asked: Asked, hit: Hit, day: str) -> Card:
    crop, media = found.crop(hit), hit.person.media
    return Card(
        crop,
        asked.url(page_of(crop)),
        Asked(like=crop).url(),
        hit.rank,
        "alike" if hit.probability is None else in_words(hit.probability),
        None if hit.probability is None else round(100 * hit.probability),
        _when(hit),
        media.camera or (f"device {media.pushed_by}" if media.pushed_by else ""),
        tuple(fit.phrase for fit in hit.fits if fit.fits),
        tuple(fit.phrase for fit in hit.fits if fit.doubtful),
        hit.alike,
        media.away_since is not None,
        day,
    )


def timeline(shown: Sequence[Card], found: Found) -> Timeline | None:
    """Where and when those were seen who are shown."""
    clocks = {hit.rank: hit.clock for hit in found.answer.people}
    return timeline_of([Sight(clocks[one.rank], one.camera, _said(one), one.url, (one.percent or 0) >= 100 * _LIKELY) for one in shown])


def _said(card: Card) -> str:
    likely = card.worth if card.percent is None else f"{card.worth}, {card.percent} %"
    return f"Person {card.rank}, {card.camera or 'camera not known'}, {card.when}: {likely}"


def _when(hit: Hit) -> str:
    if hit.clock is not None and hit.person.media.known_by == KnownBy.FILE:
        return f"about {hit.clock:%Y-%m-%d %H:%M}, by the file's date"
    return clock_of(hit)


def when(seen: Seen) -> str:
    """When somebody was seen, for people."""
    if seen.clock is None:
        return ""
    if seen.person.media.known_by == KnownBy.FILE:
        return f"about {seen.clock:%Y-%m-%d %H:%M}, by when its file was last changed"
    return clock_text(seen.clock.timestamp(), seen.person.media.zone)


def understood(answer: Answer, asked: Asked) -> list[ChipLinks]:
    """The things of the words, each with where it is taken away, denied or in another colour."""
    if not asked.q.strip():
        return []
    found = chips(answer.question.description)
    return [
        ChipLinks(
            chip,
            asked.url(q=chip.without),
            None if chip.opposite is None else asked.url(q=chip.opposite),
            tuple((colour, asked.url(q=words)) for colour, words in chip.in_colour),
        )
        for chip in found
    ]


def chosen(asked: Asked) -> Iterator[Link]:
    """All that narrows a question beside its words, each with where it is let go of."""
    if asked.like:
        yield Link("like this person", asked.url(like=None), crop=asked.like)
    for name, said in _SAID.items():
        for value in getattr(asked, name):
            yield Link(
                f"{value} {said}" if name != "carrying" else f"{said} {value}", asked.url(**{name: _less(getattr(asked, name), value)})
            )
    for name, said in (("having", "with"), ("without", "without"), ("camera", "camera"), ("device", "device")):
        for value in getattr(asked, name):
            yield Link(f"{said} {value}", asked.url(**{name: _less(getattr(asked, name), value)}))
    yield from _chosen_time(asked)
    if asked.unfold:
        yield Link("copies one by one", asked.url(unfold=False))


def _chosen_time(asked: Asked) -> Iterator[Link]:
    """A day or an hour as one, any other times one by one."""
    start, end = asked.start, asked.end
    if start and end in (start, _end_of_hour(start)):
        yield Link(start if start == end else f"{start} to {end[11:16]}", asked.url(start=None, end=None))
        return
    for name, said in (("start", "from"), ("end", "to")):
        if value := getattr(asked, name):
            yield Link(f"{said} {value}", asked.url(**{name: None}))


def choices(facets: Facets, asked: Asked) -> list[Choice]:
    """What can be chosen: cameras, devices, days and, of a day, hours; and what is worn."""
    found = []
    if facets.cameras:
        found.append(Choice("Camera", tuple(_toggle(asked, "camera", name, count) for name, count in facets.cameras)))
    if facets.devices:
        found.append(Choice("Device", tuple(_toggle(asked, "device", name, count) for name, count in facets.devices)))
    if days := facets.days[:DAYS]:
        found.append(Choice("Day", tuple(_day(asked, day, count) for day, count in days)))
    day = (asked.start or "")[:10]
    if hours := facets.hours_of(day):
        found.append(Choice(f"Hour of {day}", tuple(_hour(asked, day, hour, count) for hour, count in hours)))
    parts = [name for name in PARTS.values() if name in facets.worn]
    found += [Choice(_WHERE[name], tuple(_toggle(asked, name, word, count) for word, count in facets.worn[name])) for name in parts]
    return found


def _toggle(asked: Asked, name: str, value: str, count: int) -> Link:
    values = getattr(asked, name)
    is_on = value in values
    colour = value if value in COLOURS and name in _WHERE else ""
    return Link(value, asked.url(**{name: _less(values, value) if is_on else [*values, value]}), count, is_on, colour=colour)


def _day(asked: Asked, day: str, count: int) -> Link:
    is_on = (asked.start or "")[:10] == day
    return Link(day, asked.url(start=None, end=None) if is_on else asked.url(start=day, end=day), count, is_on)


def _hour(asked: Asked, day: str, hour: int, count: int) -> Link:
    start = f"{day} {hour:02}:00"
    is_on = asked.start == start
    url = asked.url(start=day, end=day) if is_on else asked.url(start=start, end=_end_of_hour(start))
    return Link(f"{hour:02}:00", url, count, is_on)


def _end_of_hour(start: str) -> str:
    """Before the next, which may begin twice on the day on which clocks are put back."""
    return f"{start[:-2]}59:59.999"


def _less(values: Sequence[str], value: str) -> list[str]:
    return [one for one in values if one != value]


def notes(answer: Answer) -> Iterator[str]:
    """What to bear in mind with an answer, in sentences."""
    question, filtered = answer.question, answer.filtered
    for written, read in question.description.slips:
        yield f"“{written}” was read as “{read}”."
    if question.foreign:
        yield "Nothing of the words was understood. The model is asked them as they stand, and reads English."
    elif question.not_understood:
        yield f"Not understood: {', '.join(question.not_understood)}."
    if answer.cut:
        yield "The description is long; its end was not read."
    if (understood := things(question.description)) > MOST_CHIPS:
        yield f"{understood} things were understood; the first {MOST_CHIPS} can be changed by a click."
    if answer.undated:
        yield f"{answer.undated} people were left out, as it is not known when they were seen."
    if answer.reindex:
        yield "This index does not know what is worn; index again with --rebuild, and filters and fits are surer."
    if filtered:
        yield from _notes_of_filters(filtered)
    yield from (f"{note.note}.".capitalize() for note in question.notes)


def _notes_of_filters(filtered: Filtered) -> Iterator[str]:
    if filtered.relative:
        yield f"{', '.join(map(_plain, filtered.relative))}: the quarter of the index that this fits best, or all but that quarter."
    if filtered.partly:
        yield f"{', '.join(map(_plain, filtered.partly))}: the model has no name for a part of this; whoever has the rest passes."
    named = [(name.replace(":", " "), figure) for name, figure in filtered.unreliable]
    often = ", ".join(name for name, figure in named if figure is not None)
    unknown = ", ".join(name for name, figure in named if figure is None)
    if often:
        yield f"The model is often wrong about {often}."
    if unknown:
        yield f"How often the model is right about {unknown} was not measured."
    if filtered.unknown:
        yield f"Of {filtered.unknown} pictures it is not known what is worn; they pass no filter."


def looked_at(answer: Answer) -> str:
    """Who was looked at, in a few words."""
    said = f"{answer.looked_at:,} {'person' if answer.looked_at == 1 else 'people'} looked at"
    return f"{said}; {answer.away} files cannot be seen now" if answer.away else said


def nobody(answer: Answer) -> str:
    """Why there is nobody to show; empty where there is somebody."""
    if answer.people:
        return ""
    if answer.unlikely:
        best = answer.unlikely[0].probability or 0
        return f"Nobody here is {'that ' if best >= _LIKELY else ''}likely. The likeliest has {100 * best:.0f} %."
    if not answer.looked_at and answer.question.selection.is_everybody:
        return "Nobody is in this index yet."
    if not answer.looked_at:
        return "Nobody is there to be looked at: choose more cameras, or a longer time."
    if answer.filtered:
        return "Nobody passes all filters. Let go of one."
    return "Nobody was found."


def _plain(option: str) -> str:
    return option.removeprefix("--")


def asked_of_page(asked: Asked, calibrated: bool) -> Asked:
    """The question as the page asks it: the unlikely are left out, where it is known how likely somebody is."""
    if asked.like is not None or not calibrated:
        return asked.model_copy(update={"min_probability": None})
    return asked if asked.min_probability is not None else asked.model_copy(update={"min_probability": UNLIKELY})


@dataclass(frozen=True, slots=True)
class Wears:
    """Something that somebody probably wears.

    Args:
        doubt: why not to rely on it; empty where that is no question.
    """

    where: str
    what: str
    percent: int
    doubt: str


def wears(seen: Seen) -> list[Wears]:
    """What somebody probably wears, from the whole to what they carry, the likeliest there first."""
    if seen.wears is None:
        return []
    doubts = {name: "not measured" if figure is None else "often wrong" for name, figure in seen.wears.unreliable.items()}
    named = [(name.partition(":"), p, doubts.get(name, "")) for name, p in seen.wears.probabilities.items() if p >= PROBABLE]
    order = [*_SEEN, *(where for (where, _, _), _, _ in named)]
    named.sort(key=lambda one: (order.index(one[0][0]), -one[1]))
    return [Wears(_SEEN.get(where, where), what, round(100 * p), doubt) for (where, _, what), p, doubt in named]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of somebody.

    Args:
        said: what there is to know of it.
        chosen: whether it is the one that is shown large.
    """

    crop: str
    url: str
    said: str
    chosen: bool = False


def somebody(seen: Seen, asked: Asked) -> dict[str, Any]:
    """What the page of a person shows."""
    crop = f"{seen.person.id}-{seen.number}"
    crops = [f"{seen.person.id}-{number}" for number in range(len(seen.crops))]
    return {
        "person": seen.person.id,
        "crop": crop,
        "sentence": seen.wears.sentence if seen.wears else f"Somebody in {shown_name(seen.person.media.path)}",
        "unclear": [_SEEN.get(where, where).lower() for where in seen.wears.unclear] if seen.wears else [],
        "wears": wears(seen),
        "name": shown_name(seen.person.media.path),
        "camera": seen.person.media.camera,
        "device": seen.person.media.pushed_by,
        "device_away": seen.device_away,
        "when": when(seen),
        "at": "" if seen.crop.time is None else minutes_text(seen.crop.time),
        "during": _during(seen.person),
        "is_video": seen.person.media.kind is MediaKind.VIDEO and seen.crop.time is not None,
        "has_clip": seen.has_clip,
        "pictures": [
            Picture(one, asked.url(page_of(one)), "" if of.time is None else minutes_text(of.time), one == crop)
            for one, of in zip(crops, seen.crops, strict=True)
        ],
        "beside": [Picture(one.crop, asked.url(page_of(one.crop)), _together(one.seconds)) for one in seen.beside],
        "like": Asked(like=crop).url(),
    }


def page_of(crop: str) -> str:
    """Where the page of a crop's person is, with this crop shown."""
    return f"/people/{crop.removesuffix('-0')}"


def _during(person: Person) -> str:
    if person.first is None or person.last is None:
        return ""
    first, last = minutes_text(person.first), minutes_text(person.last)
    return f"{first} to {last}" if first != last else first


def _together(seconds: float | None) -> str:
    return "" if seconds is None else f"for {seconds:.0f} s" if seconds >= 1 else "for a moment"
