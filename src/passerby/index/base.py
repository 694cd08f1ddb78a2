"""What an index is, whatever keeps it: the Protocols of all kinds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from passerby.index.info import Expired, IndexedModel, IndexInfo, SeenBy, Selected, Stamp, Standing
from passerby.index.looked_into import LookedInto
from passerby.index.nearest import Nearest, Passes
from passerby.index.region import Suppression
from passerby.index.score import Weights
from passerby.index.selection import EVERYBODY, Selection
from passerby.index.sighting import Sighting
from passerby.index.vectors import VectorTable
from passerby.inputs import require
from passerby.media.clock import Camera, Instant
from passerby.types import Crop, Failure, Media, ModelDigest, Person, Sought

PATIENCE: Final = 30.0
"""Seconds for which a purge waits for others, where nothing else is said."""


@runtime_checkable
class Index(Protocol):
    """Media, the people in them with a vector for each crop, and what could not be used; all of one model.

    What changes it stands inside of ``writing``, but for ``fold``, ``settle`` and ``purge``. Methods raise ``IndexFault`` where it cannot
    be read or written. All paths are absolute; orders by path are those of their bytes.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def close(self) -> None:
        """End it for every thread."""
        ...

    def place(self) -> Path | None:
        """The folder that it lives in, in which nobody looks for pictures; ``None`` if in none."""
        ...

    def local_folder(self) -> Path | None:
        """The folder in which this machine keeps what belongs to it, such as how live cameras are doing; ``None`` if in none."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """One transaction, all or nothing: what it holds is safe when it ends."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Everything read inside is of one moment, whatever others write; one inside of another is the same."""
        ...

    def require_model(self, digest: ModelDigest, name: str) -> None:
        """Refuse vectors of a model other than the one that made this index. Raises ``OtherModel``."""
        ...

    def attributes(self) -> int | None:
        """Of how many it has room to say whether they are worn; ``None`` until something was indexed."""
        ...

    def put(self, media: Media, people: Sequence[Sighting]) -> None:
        """Hold a media and the people in it, in place of what its path held. People who are kept out stay out."""
        ...

    def put_more(self, media: Media, people: Sequence[Sighting]) -> None:
        """Hold a media and people in it beside those whom its path holds. People who are kept out stay out."""
        ...

    def put_again(self, media: Media, people: Sequence[Sighting], gone: Collection[int] = ()) -> None:
        """As ``put_more``; who is of a track that its path holds takes the place of who was there, and keeps their id.

        Args:
            gone: tracks that there are no more.
        """
        ...

    def leave_off(self, path: Path, checkpoint: str) -> None:
        """Remember of a media that it is to be read on, and from where; until it is put again."""
        ...

    def left_off(self, path: Path) -> str | None:
        """From where a media is to be read on; ``None`` for one that was read to its end."""
        ...

    def rest(self, path: Path, checkpoint: str) -> None:
        """Remember from where a media that was read to its end is to be read on, should it grow; until it is put again, or somebody in it
        is deleted."""
        ...

    def rests(self, path: Path) -> str | None:
        """From where a media that was read to its end is to be read on, should it grow; ``None`` says from its start."""
        ...

    def add(
        self,
        media: Media,
        vector: NDArray[np.float32],
        signature: NDArray[np.uint8] | None = None,
        worn: NDArray[np.uint8] | None = None,
    ) -> None:
        """Hold one person, the whole of a photo: as ``put`` of a single crop."""
        ...

    def link(self, media: Media) -> bool:
        """Hold the people that another media of the same bytes holds, or this one held, as they were found there; whether there is any
        such media."""
        ...

    def move(self, source: Path, target: Path) -> None:
        """Give a media another path, in place of what that path held."""
        ...

    def see(self, path: Path, changed_ns: int, device: int) -> None:
        """Remember that a media is there, with the bytes it had."""
        ...

    def date(self, path: Path, camera: str | None, instant: Instant | None) -> None:
        """Remember by which camera and when a media was taken, as the camera's clock had it."""
        ...

    def mark(self, path: Path, sought: Sought) -> None:
        """Remember how people were looked for in a media, whose people stay."""
        ...

    def correct(self, camera: Camera) -> None:
        """Remember a camera's clock. Times that it told in another zone, by EXIF or by names, are read again in this one."""
        ...

    def miss(self, path: Path, since: int) -> None:
        """Remember that a media cannot be seen, since a time in seconds since 1970, unless it is known to be away for longer."""
        ...

    def fail(self, path: Path, size: int, changed_ns: int, reason: str) -> None:
        """Remember that a file could not be used, in place of what its path held."""
        ...

    def forget(self, path: Path) -> int:
        """Delete a file and its people; the number of media deleted, 0 or 1."""
        ...

    def suppress(self, person: int) -> int:
        """Delete a person, in copies of their media too, and keep them out from now on; the number of people deleted.

        In photos another detector's box of them is known too, as :func:`kept_out` has it.
        """
        ...

    def unsuppress(self, person: int) -> bool:
        """Let a person in again when their media is next indexed; whether they were kept out."""
        ...

    def drop(self, people: Sequence[int]) -> None:
        """Delete people, who may come back when their media are indexed anew."""
        ...

    def keep_from(self, bound: float | None) -> None:
        """Remember from when on people are kept, in seconds since 1970; ``None`` says from ever."""
        ...

    def kept_from(self) -> float | None:
        """From when on people are kept; ``None`` if from ever."""
        ...

    def keep_for(self, seconds: float | None) -> None:
        """Remember how long people are kept from when they were last seen; ``None`` says for ever."""
        ...

    def kept_for(self) -> float | None:
        """How long people are kept, in seconds; ``None`` if for ever."""
        ...

    def expired(self, bound: float) -> Expired:
        """Who was last seen before an instant, in seconds since 1970."""
        ...

    def kept_out(self, path: Path) -> int:
        """How many people of the media at a path are kept out."""
        ...

    def fold(self) -> None:
        """After a run of writing: work out which of the new crops are near-copies, or of one moment, and count once.

        Of such crops that counts which an earlier run put, then that of the larger file, then that which was put first. So what is added
        later changes nothing. Until then new crops count by themselves, and so do those that lost one of them.
        """
        ...

    def settle(self, least: int = 1) -> None:
        """After writing: make ready for searches, where at least so many embeddings were added."""
        ...

    def purge(self, patience: float = PATIENCE) -> None:
        """After a deletion: leave nothing of it anywhere.

        Args:
            patience: for how many seconds those who still read what was deleted are waited for. Others can write meanwhile.

        Raises:
            IndexFault: they read it still; what is left goes with the next purge.
        """
        ...

    def standing(self, path: Path) -> Standing | None:
        """What is known of a file; ``None`` for a new one."""
        ...

    def knows_size(self, size: int) -> bool:
        """Whether some media has this many bytes."""
        ...

    def with_digest(self, digest: str) -> list[tuple[Path, int | None]]:
        """The media with these bytes, by path, each with its device."""
        ...

    def with_size_and_time(self, size: int, modified_ns: int) -> list[Path]:
        """The media of this size and modification time, by path."""
        ...

    def paths_under(self, path: Path) -> list[Path]:
        """Media and failures at a path or, were it a folder, below it, by path."""
        ...

    def seen_under(self, path: Path) -> list[tuple[Path, int | None, int | None]]:
        """Media at a path or below it, by path, each with the ``changed_ns`` and the ``device`` that it was last seen with."""
        known = ((one, self.standing(one)) for one in self.paths_under(path))
        return [(one, there.changed_ns, there.device) for one, there in known if there and there.digest is not None]

    def failures(self) -> list[Failure]:
        """Files that could not be used, by path."""
        ...

    def people(self, ids: Iterable[int] | None = None) -> Iterator[tuple[Person, tuple[Crop, ...]]]:
        """People with these ids, or all, by id, each with their crops."""
        ...

    def beside(self, people: Sequence[int], seconds: float) -> list[tuple[int, int]]:
        """Who is in the same photo as each of some people or, in the same video, seen at the same time or at most so many seconds before or
        after: pairs of ids, rising."""
        ...

    def nearest(
        self,
        questions: Sequence[Weights],
        k: int,
        passes: Passes | None = None,
        *,
        selection: Selection = EVERYBODY,
        fold: bool = True,
    ) -> list[Nearest]:
        """For each question the ``k`` best people, by their best crop, exactly; people of equal score are in the order of their paths.

        The crowd is of one crop of each group of near-copies. Where it is not known what is worn, that part of the score is 0.

        Args:
            passes: whose crops may be an answer, of everybody's, also of those who are not selected; by default all.
            selection: who is searched at all, and the crowd; the rest is as if it were not there.
            fold: give those whose crops are near-copies, or of equal bytes, one place, by the crop that counts of those that may be an
                answer; else each has a place of their own.

        Raises:
            QueryError: a camera is selected that is not known.
        """
        ...

    def vectors(self) -> VectorTable:
        """The vectors of everybody, to be scanned; call it inside of a snapshot."""
        ...

    def portraits(self) -> NDArray[np.intp]:
        """Which rows of ``vectors`` are the first crop of somebody, not of a thing: intp (n,), rising; call it inside of a snapshot."""
        ...

    def sample(self, count: int, selection: Selection = EVERYBODY) -> NDArray[np.float32]:
        """At most ``count`` vectors of those selected, chosen by nothing that tells people apart: float32 (m, d)."""
        ...

    def selected(self, selection: Selection) -> Selected:
        """How many people are selected. Raises ``QueryError`` for a camera that is not known."""
        ...

    def looked_into(self, selection: Selection = EVERYBODY) -> LookedInto:
        """In which media people were looked for, of those selected. Raises ``QueryError`` for a camera that is not known."""
        ...

    def cameras(self) -> list[Camera]:
        """All cameras that are known, by name."""
        ...

    def seen_by_cameras(self) -> list[SeenBy]:
        """The same, with what each has seen, but for those that saw nobody and are not corrected."""
        ...

    def zones(self, cameras: Sequence[str] = ()) -> set[str | None]:
        """In which the times of these cameras' media, or of all, were told."""
        ...

    def vector_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.float32]:
        """The vector of somebody's crop, or of their first, float32 (d,). Raises ``IndexFault`` if they are gone."""
        ...

    def worn_of(self, person: Person, crop: Crop | None = None) -> NDArray[np.uint8]:
        """What is worn in somebody's crop, or in their first, uint8 (2a,); zeros if not known. Raises ``IndexFault`` if they are gone."""
        ...

    def counts(self) -> tuple[int, int]:
        """How many people there are, and how many media that are away; call it inside of a snapshot."""
        ...

    def info(self) -> IndexInfo: ...


class Tallied(NamedTuple):
    """What tells whether another index holds the same of a media.

    Args:
        path: as :func:`passerby.devices.path_as_told` says it, as the bytes that it is sorted by.
        tally: of its people, a number that is equal only for equal people: it grows by a random number with each that comes, from 0.
        facts: a number that is another for other facts of the media itself.
    """

    path: bytes
    tally: int
    facts: int


@dataclass(frozen=True, slots=True)
class Grown:
    """A media, and who came to it since its people had a tally.

    Args:
        facts: as of `Tallied`.
        whole: whether they never had that tally: then these are all of its people.
        people: each with the tally up to them, in the order in which they came.
    """

    media: Media
    facts: int
    whole: bool
    people: Iterator[tuple[Sighting, int]]


@runtime_checkable
class Outgoing(Index, Protocol):
    """An index whose people can be told to another one."""

    @property
    def model(self) -> IndexedModel | None: ...

    def stamp(self) -> Stamp: ...

    def tallies(self) -> Iterator[Tallied]:
        """What tells all media apart, by path; inside of a snapshot."""
        ...

    def grown(self, path: Path, tally: int) -> Grown | None:
        """Who came to a media since a tally; ``None`` if it is there no more. Inside of a snapshot."""
        ...


@runtime_checkable
class Copyable(Index, Protocol):
    """An index of which another can be made as it is."""

    def model_of_all(self) -> IndexedModel | None:
        """The model that made it; ``None`` until something was indexed."""
        ...

    def stamp(self) -> Stamp: ...

    def sightings(self, after: int, count: int) -> list[tuple[Media, Sighting]]:
        """So many people with larger ids, by id, as they were put; of a person without signatures in all crops there are none."""
        ...

    def media_after(self, path: bytes, count: int) -> list[Media]:
        """So many media with larger paths, by path."""
        ...

    def suppression(self) -> Suppression: ...

    def keep_out(self, suppression: Suppression) -> None:
        """Inside of ``writing``: keep others out instead of those who are."""
        ...

    def copied(self) -> tuple[str, int]:
        """What it becomes a copy of, empty for nothing, and the largest id of a person that was ever given."""
        ...

    def copy_from(self, origin: str) -> None:
        """Inside of ``writing``: remember what it becomes a copy of; empty once it is one."""
        ...


def as_index(value: object) -> Index:
    """The value, if it is an index. Raises ``InputError``."""
    return require(value, Index, "an open index", "open it: Index.open(folder)")  # type: ignore[type-abstract]
