"""What devices push to: each under its own name, one session at a time, checked before anything of it is kept."""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import Final

from passerby.devices import path_at_centre
from passerby.errors import IndexFault
from passerby.find.push.receive import Kept, OutOfStep, correct, is_of, receive, standing
from passerby.find.push.wire import About, Forgotten, Record, Rows, decode
from passerby.index.base import Index
from passerby.model.encoder import Encoder, attributes_of
from passerby.service.devices import Devices
from passerby.service.problems import Refused

_SHARE: Final = 9
"""How many times as long as folding took it is not done again."""
_PATIENCE: Final = 2.0
"""Seconds for which searches that hold on to what was deleted are waited for."""


@dataclass(slots=True)
class Centre:
    """What devices push to: an index, and who was there."""

    index: Index
    encoder: Encoder
    devices: Devices
    _sessions: dict[str, str] = field(default_factory=dict)
    _locks: defaultdict[str, Lock] = field(default_factory=lambda: defaultdict(Lock))
    _tending: Lock = field(default_factory=Lock)
    _not_before: float = 0.0
    _is_left: bool = True
    """Whether something may be left of what went; of what went before it began that is not known."""
    _is_held: bool = False
    """Whether somebody held on to it the last time."""

    def begin(self, device: str, about: About) -> tuple[str, bytes]:
        """Begin a session of a device, which ends one that it had: what of that is still under way is not kept.

        Returns:
            the session, and what the index holds of the device.

        Raises:
            Refused: it is of another model, another index took its name, or the index is of another model than the centre.
        """
        with self._locks[device]:
            self._sessions.pop(device, None)
            now, wanted = time.time(), self.encoder.digest
            self.devices.keep(device, model=about.model.name, digest=about.model.digest, seen=now, ahead=round(about.now - now, 3))
            if about.model.digest != wanted:
                raise Refused(
                    HTTPStatus.CONFLICT,
                    expected=f"an index made by this centre's model, {self.encoder.name} ({wanted[:12]})",
                    found=f"one made by {about.model.name} ({about.model.digest[:12]})",
                    do="upgrade the device, and index again there: passerby index PATH… --rebuild",
                )
            if not is_of(self.index, self.encoder):
                raise Refused(
                    HTTPStatus.CONFLICT,
                    expected="the index that this centre opened",
                    found="one that another model made since",
                    do="have the centre started anew",
                )
            held = standing(self.index, device)
            known = self.devices.get(device).index
            if known not in ("", about.index) and not about.take_over:
                raise Refused(
                    HTTPStatus.CONFLICT,
                    expected=f"the index that device {device} pushed before",
                    found="another one, whose push would delete what is here of that",
                    do="bring back that index, push under another name, or let this one take its place: passerby push --to URL --take-over",
                )
            self.devices.keep(device, index=about.index)
            correct(self.index, device, about.cameras)
            self._sessions[device] = session = secrets.token_urlsafe(16)
            return session, held

    def take(self, device: str, session: str, batch: bytes) -> Kept:
        """Keep a batch of a device's session; it is safe when this ends.

        Raises:
            OutOfStep: the session is over, goes on from something else, or another model made the index by now.
            InputError: no batch of this version.
            IndexFault: the index cannot be written.
        """
        rows = Rows(self.encoder.dim, 2 * len(attributes_of(self.encoder)))
        records = list(decode(batch, rows))
        with self._locks[device]:
            self._require(device, session)
            deletes = self._deletes(device, records)
            kept = receive(self.index, device, records, self.encoder)
            if deletes:
                self._is_left = True
            return kept

    def end(self, device: str, session: str) -> None:
        """End a session: what came is made ready for searches, and nothing is left of what went, once nobody reads it."""
        with self._locks[device]:
            self._require(device, session)
        with self._tending:
            if (began := time.monotonic()) >= self._not_before:
                self.index.fold()
                self.index.settle()
                self._not_before = time.monotonic() + _SHARE * (time.monotonic() - began)
            self._purge()

    def _deletes(self, device: str, records: Sequence[Record]) -> bool:
        """Whether records take anything away: a media, or people of one that is told anew."""
        told = (one if isinstance(one, Forgotten) else one.media for one in records if isinstance(one, Forgotten) or one.whole)
        return any(self.index.standing(path_at_centre(device, one.path)) is not None for one in told)

    def _purge(self) -> None:
        """Searches may hold on to what was deleted for a moment; what is left then goes with the next session."""
        if not self._is_left:
            return
        self._is_left = False
        try:
            self.index.purge(0 if self._is_held else _PATIENCE)
        except IndexFault:
            self._is_left = True
        self._is_held = self._is_left

    def _require(self, device: str, session: str) -> None:
        if not session or self._sessions.get(device) != session:
            raise OutOfStep(expected="a session of this device", found="one that is over", do="begin again")
