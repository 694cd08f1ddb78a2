"""The seconds around somebody in a video, as a video of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Final

from passerby.draw.track import Pixels, Track, alone, outlined
from passerby.errors import InputError, QueryError
from passerby.find.held import require_not_held
from passerby.index.base import Index
from passerby.media.clip import Change, Clip, cut, require_name
from passerby.media.shown import require_unchanged
from passerby.types import Crop, MediaKind, Person

AROUND: Final = 5.0
"""Seconds before and after somebody."""


@dataclass(frozen=True, slots=True)
class PersonClip:
    """A clip of somebody.

    Args:
        path: where it was written.
        person: of whom.
        clip: what is in it.
        silent: sound was wanted, and there is none that could be kept.
    """

    path: Path
    person: Person
    clip: Clip
    silent: bool

    def to_json(self) -> dict[str, Any]:
        """Ready for ``json.dumps``."""
        person, clip = self.person, self.clip
        told = {"start": clip.start, "end": clip.end, "frames": clip.frames, "copied": clip.copied, "sound": clip.sound}
        seen = {"person": person.id, "path": str(person.media.path), "first": person.first, "last": person.last}
        return {**seen, "out": str(self.path), **told}


def cut_person(
    index: Index,
    person: int,
    out: Path,
    *,
    before: float = AROUND,
    after: float = AROUND,
    draw: bool = False,
    blur_others: bool = False,
    audio: bool = False,
) -> PersonClip:
    """Write the seconds around somebody of an index as an MP4 file, as :func:`passerby.media.clip.cut` does.

    Args:
        person: their id.
        before, after: how many seconds to show before they are first seen, and after they are last seen.
        draw: an outline around them, where the index knows their place or the places before and after.
        blur_others: leave only them recognisable, as :func:`passerby.draw.track.alone` does.
        audio: keep the sound; not beside ``blur_others``, which hides nobody's voice.

    Raises:
        InputError: seconds below 0, sound beside hidden people, or a name for ``out`` that no clip can have.
        QueryError: nobody has this id, they are seen in no video, it is not known when, or where if that is asked for; or ``out`` is a
            file that the index holds.
        VideoError: the video is not there, is another than was indexed, or cannot be read.
        MissingExtra: PyAV is not installed.
        IndexFault: the index cannot be read.
        OSError: the file cannot be written.
    """
    for seconds in (before, after):
        if not 0 <= seconds < inf:
            raise InputError(expected="at least 0 seconds before and after", found=repr(seconds), do="correct the number")
    if blur_others and audio:
        raise InputError(expected="sound, or others hidden", found="both, though voices are not hidden", do="leave one of them out")
    with index.snapshot():
        somebody, crops = _in_video(index, person)
        require_name(out, somebody.media.path)
        require_not_held(index, out, "the clip")
        others = _others(index, somebody) if blur_others else []
    first, last = _seen(somebody, crops)
    change = _change(_track(somebody, crops), others, draw, blur_others) if draw or blur_others else None
    require_unchanged(somebody.media)
    clip = cut(somebody.media.path, first - before, last + after, out, change=change, audio=audio)
    return PersonClip(out, somebody, clip, silent=audio and not clip.sound)


def _in_video(index: Index, person: int) -> tuple[Person, tuple[Crop, ...]]:
    found = next(index.people([person]), None)
    if found is None:
        raise QueryError(expected="somebody in the index", found=f"nobody with the id {person}", do="take an id of `search --json`")
    media = found[0].media
    if media.kind is not MediaKind.VIDEO:
        where = f"person {person} in a {media.kind}, {media.path}"
        raise QueryError(expected="somebody in a video", found=where, do="there is no video to cut; name somebody else")
    return found


def _seen(person: Person, crops: Sequence[Crop]) -> tuple[float, float]:
    times = [time for time in (person.first, person.last, *(crop.time for crop in crops)) if time is not None]
    if not times:
        raise QueryError(expected="somebody of whom it is known when they are seen", found="no times", do="index the video again")
    return min(times), max(times)


def _track(person: Person, crops: Sequence[Crop]) -> Track:
    places = [(crop.time, crop.box) for crop in crops if crop.time is not None and crop.box is not None]
    if not places:
        do = "index the video again, or leave out --draw and --blur-others"
        raise QueryError(expected="somebody of whom it is known where they are", found="no boxes", do=do)
    return Track.of(places, person.first, person.last)


def _others(index: Index, somebody: Person) -> list[Track]:
    """Where everybody else in the same video is, of whom that is known."""
    path = somebody.media.path
    beside = ((one, crops) for one, crops in index.people() if one.media.path == path and one.id != somebody.id)
    return [_track(one, crops) for one, crops in beside if any(crop.time is not None and crop.box for crop in crops)]


def _change(track: Track, others: Sequence[Track], draw: bool, blur_others: bool) -> Change:
    def change(time: float, pixels: Pixels) -> Pixels:
        shown = alone(pixels, track, others, time) if blur_others else pixels
        return outlined(shown, track, time) if draw else shown

    return change
