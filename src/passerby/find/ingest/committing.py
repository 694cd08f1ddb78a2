"""What becomes of files, committed batch by batch: people put, crops marked, failures kept."""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from passerby.errors import ModelError, VideoError
from passerby.find.ingest.comparing import dated_video
from passerby.find.ingest.photos import SeenFile, Undetected
from passerby.find.ingest.stages import Stages
from passerby.find.ingest.video_files import Tally, hold, reel_of, seconds_of
from passerby.find.ingest.videos import Reel, Watching
from passerby.find.removal import ROWS, batches
from passerby.index.base import Index
from passerby.index.sqlite.vector_file import TAIL
from passerby.media.scan import Found
from passerby.media.taken import Clocks
from passerby.types import CROP, Failure, Note

OnProgress = Callable[[int, int], None]
"""Told how many of the new and changed files are done, safely on the disk, and how many there are; at most, while they are looked for."""


class Progress:
    """How many of the new, changed and outdated files are done."""

    def __init__(self, told: OnProgress, total: int) -> None:
        self._told, self._total, self._done = told, total, 0

    def heed(self) -> None:
        """Tell again how many are done."""
        self.add(0)

    def add(self, count: int) -> None:
        self._done += count
        self._told(self._done, self._total)


@dataclass(slots=True)
class Done:
    """What became of the files that were encoded.

    Args:
        whole: unchanged files that were taken whole before anybody asked what they show.
        marked: those of them that turned out to be crops.
        unreadable: of the failures, media that cannot be read.
    """

    whole: Set[Path]
    encoded: int = 0
    marked: int = 0
    crops: int = 0
    photos: int = 0
    people: int = 0
    nobody: int = 0
    failed: list[Failure] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def mark(self, index: Index, path: Path) -> None:
        """Keep that a file is a crop; who it shows stays who they are."""
        index.mark(path, CROP)
        self.marked += 1
        self.crops += 1

    def put(self, index: Index, seen: SeenFile) -> None:
        """Hold the people in a file."""
        if seen.media.sought == CROP and seen.media.path in self.whole:
            self.mark(index, seen.media.path)
            return
        index.put(seen.media, seen.people)
        self.encoded += 1
        self.notes += seen.notes
        if seen.media.sought == CROP:
            self.crops += 1
        elif seen.media.sought is not None:
            self.photos += 1
            self.people += len(seen.people)
            self.nobody += not seen.people


def commit(
    index: Index, files: Sequence[Found], results: Generator[SeenFile | Undetected | Failure], size: int, done: Done, progress: Progress
) -> None:
    """Commit what becomes of files, so many together."""
    with closing(results):
        for batch in batches(files, size):
            outcomes = [(file, next(results)) for file in batch]
            with index.writing():
                for file, outcome in outcomes:
                    if isinstance(outcome, SeenFile):
                        done.put(index, outcome)
                    elif isinstance(outcome, Undetected):
                        done.failed.append(outcome.failure)
                    else:
                        _fail(index, file, outcome, done)
            index.settle(TAIL)
            progress.add(len(batch))


def watch(
    index: Index,
    stages: Stages,
    files: Sequence[Found],
    watching: Watching,
    clocks: Clocks,
    done: Done,
    tally: Tally,
    progress: Progress,
) -> None:
    """Look at videos, and commit one after the other."""
    tally.total = seconds_of([file.path for file in files], progress.heed)
    begun = deque[Found]()

    def fail(file: Found, error: VideoError | ModelError) -> None:
        if isinstance(error, ModelError):  # nothing is wrong with the file
            done.failed.append(Failure(file.path, str(error)))
        else:
            with index.writing():
                _fail(index, file, Failure(file.path, str(error)), done)
        progress.add(1)

    def reels() -> Iterator[Reel]:
        for file in files:
            try:
                reel = reel_of(index, file.path, watching, lambda media, video: dated_video(index, media, video, clocks))
            except VideoError as error:
                fail(file, error)
            else:
                begun.append(file)
                yield reel

    for reel, stretches in stages.videos(reels(), watching):
        file = begun.popleft()
        try:
            hold(index, reel, stretches, tally)
        except (ModelError, VideoError) as error:
            fail(file, error)
        else:
            done.encoded += 1
            progress.add(1)


def mark_crops(index: Index, crops: Sequence[Found], done: Done, progress: Progress) -> list[Found]:
    """Keep of files that were taken whole before anybody asked that they are crops; the others, which are to be encoded."""
    for batch in batches([file for file in crops if file.path in done.whole], ROWS):
        with index.writing():
            for file in batch:
                done.mark(index, file.path)
        progress.add(len(batch))
    return [file for file in crops if file.path not in done.whole]


def _fail(index: Index, file: Found, failure: Failure, done: Done) -> None:
    """Remember what could not be used; media that cannot be read are away."""
    done.failed.append(Failure(file.path, failure.reason))
    known = index.standing(file.path)
    if known and known.digest and not _can_be_read(file.path):
        done.unreadable.append(file.path)
    else:
        index.fail(file.path, file.size, file.changed_ns, failure.reason)


def _can_be_read(path: Path) -> bool:
    """Whether there is something to be read; of a pipe or device it is known without waiting for it."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return True
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
    except OSError:
        return False
    return True
