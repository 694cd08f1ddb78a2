"""How a centre keeps what a device tells: under the device's name and nobody else's, through the methods that every index has."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from passerby.devices import folder_of, path_at_centre
from passerby.errors import IndexFault, InputError, OtherModel
from passerby.find.push.wire import Forgotten, Record, Told
from passerby.find.retention import Keeping
from passerby.index.base import Index
from passerby.media.clock import Camera, as_camera_name
from passerby.model.encoder import Encoder
from passerby.types import Media, MediaKind

_LEVEL = 6


class OutOfStep(IndexFault):
    """A device that tells what goes on from something else than the centre holds: it must compare again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a batch: media that were put or deleted, people that were put."""

    media: int = 0
    people: int = 0
    forgotten: int = 0


def is_of(index: Index, encoder: Encoder) -> bool:
    """Whether no other model made an index; on another machine it may be made anew at any time."""
    try:
        index.require_model(encoder.digest, encoder.name)
    except OtherModel:
        return False
    return True


def standing(index: Index, device: str) -> bytes:
    """What a centre holds of a device, as lines of JSON, compressed: path, tally and facts of each media, by path; then how many."""
    packer = zlib.compressobj(_LEVEL, wbits=31)
    start = len(os.fspath(folder_of(device)))
    lines, packed = 0, bytearray()
    for path, tally, facts in index.seen_under(folder_of(device)):
        packed += packer.compress(json.dumps([os.fspath(path)[start:], tally, facts]).encode() + b"\n")
        lines += 1
    packed += packer.compress(json.dumps({"media": lines}).encode() + b"\n")
    return bytes(packed + packer.flush())


def receive(index: Index, device: str, records: Iterable[Record], encoder: Encoder) -> Kept:
    """Keep the records of a batch, whose vectors are of ``encoder``, all or none.

    Raises:
        InputError: a record that no device says.
        OutOfStep: people are told who come after others than are there, or another model made the index by now.
        IndexFault: the index cannot be written.
    """
    told = list(records)
    kept = Kept()
    with index.writing():
        if not is_of(index, encoder):
            raise OutOfStep(expected="an index of the centre's model", found="one that another made since", do="begin again")
        keeping = Keeping.of(index)
        for record in told:
            match record:
                case Forgotten(path):
                    kept = replace(kept, forgotten=kept.forgotten + index.forget(path_at_centre(device, path)))
                case Told():
                    _put(index, device, record, keeping)
                    kept = replace(kept, media=kept.media + 1, people=kept.people + len(record.people))
    return kept


def _put(index: Index, device: str, told: Told, keeping: Keeping) -> None:
    media = _media_of(device, told)
    people = keeping.people(media, told.people)
    if told.whole:
        index.put(media, people)
    else:
        there = index.standing(media.path)
        if there is None or there.changed_ns != told.since:
            raise OutOfStep(expected="what goes on from what is here", found="what goes on from something else", do="compare again")
        index.put_more(media, people)
    if told.media.away_since is not None:
        index.miss(media.path, told.media.away_since)


def _media_of(device: str, told: Told) -> Media:
    """A media as a centre holds it: what a file was last seen with says here what is held of it.

    Its digest is one of this device alone, so that nobody's rows stand for those of another device, whatever it says of its files.
    """
    media = told.media
    digest = hashlib.sha256(f"{device}\0{media.digest}".encode()).hexdigest() if media.digest else ""
    if not media.digest and media.kind is not MediaKind.CAMERA:
        raise InputError(expected="the digest of a file", found="none", do="push with the same version of Passerby as the centre's")
    return replace(
        media,
        path=path_at_centre(device, media.path),
        digest=digest,
        changed_ns=told.tally,
        device=told.facts,
        away_since=None,
        camera=None if media.camera is None else camera_at_centre(device, media.camera),
    )


def correct(index: Index, device: str, cameras: Iterable[Camera]) -> None:
    """Keep how the clocks of a device's cameras go. Raises ``IndexFault``."""
    known = {one.name: one for one in index.cameras()}
    here = [Camera(camera_at_centre(device, one.name), one.offset_seconds) for one in cameras]
    if changed := [one for one in here if known.get(one.name, Camera(one.name)) != one]:
        with index.writing():
            for camera in changed:
                index.correct(camera)


def camera_at_centre(device: str, camera: str) -> str:
    """What a device's camera is called, as another device may have one of the same name."""
    return as_camera_name(f"{device}/{camera}")
