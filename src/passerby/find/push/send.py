"""A device's push: what the centre does not hold is told to it, over links that break, until it holds what the device holds."""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from pathlib import Path
from typing import Final

from passerby.devices import path_on_device
from passerby.errors import ConfigError, IndexFault, ServiceFault
from passerby.find.push.compare import Difference, difference, read_held
from passerby.find.push.link import BeginAgain, Centre, Unreachable
from passerby.find.push.thumbnails import thumbnails
from passerby.find.push.wire import LARGEST_BATCH, About, Forgotten, Record, Told, encode, stored_bytes
from passerby.index.base import Index, Outgoing, Tallied
from passerby.index.info import Stamp
from passerby.index.sighting import Sighting
from passerby.progress import Progress
from passerby.types import Media

PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between tries that got nowhere, growing; then a push gives up, and one that follows goes on with the last."""
EVERY: Final = 5.0
"""Of a push that follows: seconds at least from the end of one comparison to the next."""
SHARE: Final = 9
"""How many times as long as a comparison took there is none."""
HEARTBEAT: Final = 60.0
"""Seconds at most until a centre is told that the device is there, though it has nothing new."""
_AT_ONCE: Final = 256
_LOCK: Final = "push.lock"


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push did.

    Args:
        media: that the centre was told of; of one that was told in parts, once.
        people: who were told.
        deleted: media that the centre deleted, as the device holds them no more.
        unchanged: media that the centre held already.
        bytes: of what was sent.
        thumbnails: small pictures that went along.
        broken: how often the link broke, or the centre was not there.
        compared: how many seconds it took to find out what is new.
    """

    media: int = 0
    people: int = 0
    deleted: int = 0
    unchanged: int = 0
    bytes: int = 0
    thumbnails: int = 0
    broken: int = 0
    compared: float = field(default=0.0, compare=False)

    def __add__(self, later: PushReport) -> PushReport:
        """Of two pushes one after the other."""
        summed = {one.name: getattr(self, one.name) + getattr(later, one.name) for one in fields(self)}
        return PushReport(**{**summed, "unchanged": later.unchanged})


@dataclass(slots=True)
class _Tally:
    """What was confirmed so far, and of how much."""

    report: PushReport = PushReport()
    told: Progress = lambda _done, _total: None
    total: int = 0
    done: int = 0

    def add(self, records: Sequence[tuple[Record, bool]], size: int) -> None:
        people = [one for record, _ in records if isinstance(record, Told) for one in record.people]
        media = sum(isinstance(record, Told) and last for record, last in records)
        deleted = sum(isinstance(record, Forgotten) for record, _ in records)
        pictures = sum(picture is not None for one in people for picture in one.pictures or ())
        now = self.report
        self.report = replace(
            now,
            media=now.media + media,
            people=now.people + len(people),
            deleted=now.deleted + deleted,
            bytes=now.bytes + size,
            thumbnails=now.thumbnails + pictures,
        )
        self.done += media + deleted
        self.told(self.done, self.total)


def push(
    index: Index,
    centre: Centre,
    on_progress: Progress = lambda _done, _total: None,
    *,
    take_over: bool = False,
    pauses: Sequence[float] = PAUSES,
    batch_bytes: int = LARGEST_BATCH,
    sleep: Callable[[float], None] = time.sleep,
) -> PushReport:
    """Let a centre hold what a device's index holds: people, their stored rows, cameras' clocks, thumbnails; what went goes there.

    What was confirmed is safe at the centre. Killed or cut off at any moment, the next push goes on from what the centre holds.

    Args:
        on_progress: told of media.
        take_over: let this index take the place of another one that pushed under the same name.
        pauses: in seconds, after tries that got nowhere; when they are over, so is the push.
        batch_bytes: of a request, but for somebody who is larger alone.

    Raises:
        ConfigError: another push of this index runs, or one that follows.
        ServiceFault: the centre was not there for long, or refuses.
        IndexFault: the index cannot be read, or is not kept in a folder.
    """
    outgoing = _as_outgoing(index)
    with _alone(index.place()):
        return _push(outgoing, centre, _Tally(told=on_progress), take_over, pauses, batch_bytes, sleep)


def follow(
    index: Index,
    centre: Centre,
    on_report: Callable[[PushReport | ServiceFault], None],
    *,
    take_over: bool = False,
    every: float = EVERY,
) -> PushReport:
    """Push whenever the index has changed, until Ctrl-C; a centre that is away is waited for, however long. No other push runs meanwhile.

    Args:
        on_report: told of each push that did something, of a centre that is away, and of the first push when it is back.
        every: seconds at least from the end of one comparison to the next.

    Returns:
        what all of them did.

    Raises:
        As `push`, but for a centre that is away.
    """
    outgoing, done, away = _as_outgoing(index), PushReport(), 0
    pushed: tuple[Stamp, float] | None = None
    with _alone(index.place()), suppress(KeyboardInterrupt):
        while True:
            stamp, began = outgoing.stamp(), time.monotonic()
            if pushed and pushed[0] == stamp and began - pushed[1] < HEARTBEAT:
                time.sleep(every)
                continue
            try:
                report = _push(outgoing, centre, _Tally(), take_over)
            except (Unreachable, BeginAgain) as error:
                if not away:
                    on_report(error)
                time.sleep(PAUSES[min(away, len(PAUSES) - 1)] * random.uniform(0.5, 1.0))
                away += 1
                continue
            was_away, pushed, away, done = away, (stamp, time.monotonic()), 0, done + report
            if report.bytes or was_away:
                on_report(report)
            time.sleep(max(every, SHARE * report.compared))
    return done


def _as_outgoing(index: object) -> Outgoing:
    if not isinstance(index, Outgoing):
        raise IndexFault(expected="the index of a device, in a folder", found="one of another kind", do="name its folder with --index")
    return index


@contextmanager
def _alone(folder: Path | None) -> Iterator[None]:
    """Keep other pushes of the same index out. Raises ``ConfigError`` where there is one; none stays behind when it is killed."""
    if folder is None:
        yield
        return
    file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            do = "let that one end; one that follows pushes whatever is new"
            raise ConfigError(expected=f"no other push of the index at {folder}", found="one that runs", do=do) from None
        yield
    finally:
        os.close(file)


def _push(
    index: Outgoing,
    centre: Centre,
    tally: _Tally,
    take_over: bool,
    pauses: Sequence[float] = (),
    batch_bytes: int = LARGEST_BATCH,
    sleep: Callable[[float], None] = time.sleep,
) -> PushReport:
    """Push, and again where the link breaks: at once while it gets on, then after pauses."""
    tries = 0
    while True:
        before = tally.report.bytes
        try:
            _round(index, centre, tally, take_over, batch_bytes)
            return tally.report
        except (Unreachable, BeginAgain):
            tries = 0 if tally.report.bytes > before else tries + 1
            tally.report = replace(tally.report, broken=tally.report.broken + 1)
            if tries > len(pauses):
                raise
            if pauses:
                sleep(pauses[max(0, tries - 1)] * random.uniform(0.5, 1.0))


def _round(index: Outgoing, centre: Centre, tally: _Tally, take_over: bool, batch_bytes: int) -> None:
    began = time.monotonic()
    session, held = centre.begin(_about(index, take_over).to_json())
    found = difference(index, read_held(held))
    tally.total = tally.done + len(found.changed) + len(found.gone)
    tally.report = replace(tally.report, unchanged=found.same, compared=time.monotonic() - began)
    records = chain(((Forgotten(path), True) for path in found.gone), _changed(index, found, batch_bytes))
    for batch in _batches(records, batch_bytes):
        body = b"".join(data for _, _, data in batch)
        centre.send(session, body)
        tally.add([(record, last) for record, last, _ in batch], len(body))
    centre.end(session)


def _about(index: Outgoing, take_over: bool) -> About:
    model = index.model
    if model is None:
        raise IndexFault(expected="an index with people to push", found="an empty one", do="index something first: passerby index PATH…")
    return About(model, index.stamp().index, take_over, time.time(), tuple(index.cameras()))


def _changed(index: Outgoing, found: Difference, batch_bytes: int) -> Iterator[tuple[Record, bool]]:
    """Media that differ, each in parts that fit a batch; and of each part whether it is the last."""
    for held in found.changed:
        yield from _parts(index, held, batch_bytes)


def _parts(index: Outgoing, held: Tallied, batch_bytes: int) -> Iterator[tuple[Told, bool]]:
    path, since, more = path_on_device(Path(os.fsdecode(held.path))), held.tally, True
    while more:
        with index.snapshot():
            grown = index.grown(path, since)
            if grown is None:  # it went since they were compared; the next push says so
                return
            people, more = _some(grown.people, batch_bytes // 2)
            media, facts, whole = grown.media, grown.facts, grown.whole
        since = 0 if whole else since
        runs = list(_runs(_with_thumbnails(media, people), batch_bytes // 2)) or [[]]
        for number, run in enumerate(runs, 1):
            tally = run[-1][1] if run else since
            yield Told(media, facts, whole, since, tally, tuple(one for one, _ in run)), number == len(runs) and not more
            since, whole = tally, False


def _runs(people: Sequence[tuple[Sighting, int]], most: int) -> Iterator[list[tuple[Sighting, int]]]:
    """The same people in runs of so many bytes, of at least one."""
    run, size = list[tuple[Sighting, int]](), 0
    for one in people:
        if run and size + stored_bytes(one[0]) > most:
            yield run
            run, size = [], 0
        run.append(one)
        size += stored_bytes(one[0])
    if run:
        yield run


def _some(people: Iterator[tuple[Sighting, int]], most: int) -> tuple[list[tuple[Sighting, int]], bool]:
    """As many people as fit, at least one, and whether there are more."""
    taken, size = list[tuple[Sighting, int]](), 0
    for one in people:
        if taken and (size > most or len(taken) == _AT_ONCE):
            return taken, True
        taken.append(one)
        size += one[0].vectors.nbytes
    return taken, False


def _with_thumbnails(media: Media, people: Sequence[tuple[Sighting, int]]) -> list[tuple[Sighting, int]]:
    drawn = thumbnails(media, [crop for one, _ in people for crop in one.crops]) if people else {}
    return [(replace(one, pictures=tuple(drawn.get(crop) for crop in one.crops)), tally) for one, tally in people]


def _batches(records: Iterator[tuple[Record, bool]], most: int) -> Iterator[list[tuple[Record, bool, bytes]]]:
    batch, size = list[tuple[Record, bool, bytes]](), 0
    for record, last in records:
        data = encode(record)
        if batch and size + len(data) > most:
            yield batch
            batch, size = [], 0
        batch.append((record, last, data))
        size += len(data)
    if batch:
        yield batch
