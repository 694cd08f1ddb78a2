"""Files that an index run leaves alone, and what the next run in the same process remembers of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from passerby.index.info import Standing
from passerby.media.scan import Found
from passerby.media.taken import Clocks


@dataclass(frozen=True, slots=True)
class Settled:
    """Until when a file must have become what it is, so that nobody writes it any more: either is enough.

    A clock that is ahead, as a recorder's may be, says of files that they were written only just, or are not written yet; so it is enough
    that they were seen as they are.

    Args:
        written: when it was written last, in seconds since 1970, by the clock of whoever keeps it.
        seen: when it was first seen as it is, by ``time.monotonic``.
    """

    written: float
    seen: float

    def holds(self, file: Found, since: float) -> bool:
        """Whether a file that has been seen as it is since then is settled."""
        return file.modified_ns < self.written * 1e9 or since < self.seen


@dataclass(slots=True)
class Memory:
    """What runs in one process remember of files that they left alone, so that none is opened again while nothing changes.

    It holds no files but those that were there in the last run.

    Args:
        clocks: by which files were dated; once others are known, all are looked at again.
        unsettled: since when each file that somebody may still write has been seen as it is, by ``time.monotonic``.
        too_old: from when on people were kept when each file was too old for it.
        dated: what was known of each unchanged file that was looked at again for when it was taken, and says what it said before.
    """

    clocks: Clocks = field(default_factory=Clocks)
    unsettled: dict[Found, float] = field(default_factory=dict)
    too_old: dict[Found, float] = field(default_factory=dict)
    dated: dict[Found, Standing] = field(default_factory=dict)

    def date_by(self, clocks: Clocks) -> None:
        """Forget what was found by other clocks."""
        if clocks != self.clocks:
            self.clocks, self.too_old, self.dated = clocks, {}, {}
