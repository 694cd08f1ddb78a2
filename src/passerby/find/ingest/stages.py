"""What an index run does with files between reading their names and writing what is in them: in this process, or in many."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from passerby.detect.people import Detecting
from passerby.errors import InputError
from passerby.find.ingest.photos import SeenFile, Undetected, encode_crops, encode_photos
from passerby.find.ingest.videos import Reel, Stretch, Watching, watch
from passerby.media.taken import Clocks
from passerby.model.encoder import Encoder
from passerby.types import Failure, Sought

BATCH: Final = 16
"""Crops per run of the image tower, and per transaction: a resumed run makes the same batches as an undisturbed one."""


@runtime_checkable
class Stages(Protocol):
    """Files to the people in them, one result for each path and in their order; a bad file is a ``Failure``, never raised.

    Raises:
        ModelError: from the encoder.
    """

    def crops(self, paths: Sequence[Path], clocks: Clocks, sought: Sought | None) -> Generator[SeenFile | Failure]:
        """As :func:`passerby.find.ingest.photos.encode_crops`."""
        ...

    def photos(self, paths: Sequence[Path], clocks: Clocks, *, whole: bool) -> Generator[SeenFile | Undetected | Failure]:
        """As :func:`passerby.find.ingest.photos.encode_photos`."""
        ...

    def videos(self, reels: Iterable[Reel], watching: Watching) -> Generator[tuple[Reel, Generator[Stretch]]]:
        """Each video, in their order, and what comes of it, as of :func:`passerby.find.ingest.videos.watch`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Here:
    """The stages in this process.

    Args:
        detecting: how people are looked for in photos; needed for them alone.
    """

    encoder: Encoder
    detecting: Detecting | None = None

    def crops(self, paths: Sequence[Path], clocks: Clocks, sought: Sought | None) -> Generator[SeenFile | Failure]:
        return encode_crops(self.encoder, paths, clocks=clocks, sought=sought, batch_size=BATCH)

    def photos(self, paths: Sequence[Path], clocks: Clocks, *, whole: bool) -> Generator[SeenFile | Undetected | Failure]:
        if self.detecting is None:
            raise InputError(expected="a detector to find people in photos", found="none", do="name one, or take photos whole")
        return encode_photos(self.encoder, paths, self.detecting, clocks=clocks, whole=whole)

    def videos(self, reels: Iterable[Reel], watching: Watching) -> Generator[tuple[Reel, Generator[Stretch]]]:
        for reel in reels:
            yield reel, watch(self.encoder, reel, watching)
