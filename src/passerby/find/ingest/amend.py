"""What is done to an index without looking at files: a camera's clock is corrected, and who is too old or gone is deleted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from passerby.find.cameras import correct_camera
from passerby.find.ingest.prune import prune_paths
from passerby.find.ingest.report import IndexReport
from passerby.find.retention import Forgotten, keep_people, read_keep
from passerby.index.base import Index
from passerby.index.info import SeenBy


@dataclass(frozen=True, slots=True)
class Amended:
    """What was done to an index without looking at files; ``None`` is what was not asked for.

    Args:
        cameras: what all cameras have seen, by their clocks as they are corrected now.
        kept_for: how long people are kept, in seconds; infinity says for ever.
        forgotten: who was deleted by that; nobody where people are kept for ever.
        pruned: whose files are gone.
    """

    cameras: tuple[SeenBy, ...] | None = None
    kept_for: float | None = None
    forgotten: Forgotten | None = None
    pruned: IndexReport | None = None


def amend_index(
    index: Index,
    *,
    camera: str | None = None,
    offset: str | None = None,
    zone: str | None = None,
    keep: str | None = None,
    prune: Sequence[Path] = (),
) -> Amended:
    """Do all that is said, in the order in which a run of indexing does it: people are too old by clocks that were corrected.

    Args:
        camera, offset, zone: as of :func:`passerby.find.cameras.correct_camera`.
        keep: how long people are kept from now on, as of :func:`passerby.find.retention.read_keep`.
        prune: as of :func:`passerby.find.ingest.prune.prune_paths`.

    Raises:
        QueryError: no such age, or the index knows no such camera.
        InputError: an offset or a zone that cannot be read.
        IndexFault: the index cannot be written, or another process holds on to deleted data.
    """
    kept_for = None if keep is None else read_keep(keep)
    if camera is not None:
        correct_camera(index, camera, offset, zone)
    forgotten = None if kept_for is None else keep_people(index, kept_for, time.time())
    pruned = prune_paths(index, prune) if prune else None
    cameras = None if camera is None else tuple(index.seen_by_cameras())
    return Amended(cameras, kept_for, forgotten, pruned)
