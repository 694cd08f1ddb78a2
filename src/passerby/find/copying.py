"""An index as another of any kind: nothing is encoded again, people keep their ids, and who is kept out stays out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from passerby.errors import IndexFault
from passerby.index.base import Copyable
from passerby.index.info import TO_BE_READ
from passerby.index.open import create_index_of, open_index
from passerby.inputs import AnyPath, as_function, wrong
from passerby.progress import PROGRESS, Progress
from passerby.types import Media

ROWS: Final = 16_384
"""People, or media, that are copied in one transaction."""


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did.

    Args:
        people: who were copied, with those of earlier runs that were stopped.
        before: who were there from such runs.
        media: photos, videos and cameras.
        failures: files that could not be used.
        suppressed: people who are kept out.
    """

    people: int
    before: int
    media: int
    failures: int
    suppressed: int


def copy_between(source: AnyPath, target: AnyPath, on_progress: Progress = lambda _done, _total: None) -> CopyReport:
    """As `copy_index`, of indexes by their folders or URLs; the target is made where there is none.

    Raises:
        InputError: an argument of the wrong kind.
        IndexFault: as of `copy_index`.
    """
    with open_index(source) as origin:
        if not isinstance(origin, Copyable):
            raise wrong(source, "an index in a folder or in PostgreSQL")
        model = origin.model_of_all()
        if model is None:
            raise IndexFault(expected="an index with people in it to copy", found="an empty one", do="index something into it first")
        with create_index_of(target, model) as copy:
            return copy_index(origin, copy, on_progress)


def copy_index(source: Copyable, target: Copyable, on_progress: Progress = lambda _done, _total: None) -> CopyReport:
    """Make an empty index hold what another holds. Stopped at any moment, the next run goes on from there.

    What the other is given meanwhile is not copied.

    Args:
        on_progress: is told of people.

    Raises:
        InputError: an argument of the wrong kind.
        IndexFault: the target holds something else, or the source changed since a copy was begun, or one cannot be read or written.
    """
    for index in (source, target):
        if not isinstance(index, Copyable):
            raise wrong(index, "an open index in a folder or in PostgreSQL", "open it: passerby.open_index(place)")
    on_progress = as_function(on_progress, PROGRESS)
    with source.snapshot():
        model, stamp = source.model_of_all(), source.stamp()
        if model is not None:
            target.require_model(model.digest, model.name)
        _begin(target, f"{stamp.index} {stamp.generation}")
        before = target.info().people
        shown = set[Path]()
        people = _copy_people(source, target, shown, on_progress)
        media = _copy_media(source, target, shown)
        failures = _copy_failures(source, target)
        kept_out = source.suppression()
        with target.writing():
            target.keep_out(kept_out)
            target.keep_from(source.kept_from())
            target.keep_for(source.kept_for())
            target.copy_from("")
    target.fold()
    target.settle()
    return CopyReport(before + people, before, media, failures, len({person for _, person in kept_out.removed.values()}))


def _begin(target: Copyable, origin: str) -> None:
    """Go on with a copy that was begun, or begin one into an empty index."""
    begun, newest = target.copied()
    if begun == origin:
        return
    if begun or newest or target.suppression().removed or next(iter(target.media_after(b"", 1)), None):
        found = "one that became a copy of another, or of what it was before" if begun else "one that holds something"
        raise IndexFault(expected="an empty index to copy into", found=found, do="name another, or delete that one first")
    with target.writing():
        target.copy_from(origin)


def _copy_people(source: Copyable, target: Copyable, shown: set[Path], on_progress: Progress) -> int:
    """Cameras, and everybody with their media, whose paths are added to those that were shown; how many people."""
    _, newest = target.copied()
    done, total = target.counts()[0], source.counts()[0]
    copied = 0
    on_progress(done, total)
    if not newest:
        with target.writing():
            for camera in source.cameras():
                target.correct(camera)
    while page := source.sightings(newest, ROWS):
        with target.writing():
            for media, one in page:
                target.put_more(media, [one])
                shown.add(media.path)
        newest = page[-1][1].id or 0
        copied += len(page)
        on_progress(done + copied, total)
    return copied


def _copy_media(source: Copyable, target: Copyable, shown: set[Path]) -> int:
    """Those that were not shown, and of all what is known beside their people; how many there are."""
    count = 0
    for page in _media(source):
        with target.writing():
            for media in page:
                if media.path not in shown:
                    target.put_more(media, [])
            for media in page:
                if media.changed_ns == TO_BE_READ and (checkpoint := source.left_off(media.path)) is not None:
                    target.leave_off(media.path, checkpoint)
                if media.changed_ns != TO_BE_READ and (checkpoint := source.rests(media.path)) is not None:
                    target.rest(media.path, checkpoint)
                if media.away_since is not None:
                    target.miss(media.path, media.away_since)
        count += len(page)
    return count


def _media(source: Copyable) -> Iterator[list[Media]]:
    last = b""
    while page := source.media_after(last, ROWS):
        yield page
        last = os.fsencode(page[-1].path)


def _copy_failures(source: Copyable, target: Copyable) -> int:
    failures = source.failures()
    with target.writing():
        for failure in failures:
            known = source.standing(failure.path)
            if known is not None:
                target.fail(failure.path, known.size, known.time_ns, failure.reason)
    return len(failures)
