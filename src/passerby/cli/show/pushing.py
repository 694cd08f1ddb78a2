"""What pushing to a centre shows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from passerby.cli.show.console import ALL_DONE, duration_text, local_time, note, show_json, show_table

if TYPE_CHECKING:
    from passerby.errors import PasserbyError
    from passerby.find.push.send import PushReport
    from passerby.service.devices import Standing

_ABOUT_RIGHT: Final = 2.0


def show_push(report: PushReport, *, as_json: bool) -> int:
    """Say what a push did; returns the exit code."""
    if as_json:
        show_json(asdict(report))
    note(_summary(report))
    return ALL_DONE


def show_followed(done: PushReport | PasserbyError) -> None:
    """Say what one of many pushes did, or why it could not."""
    said = f"{done}; it is tried again until it works" if isinstance(done, Exception) else _summary(done)
    note(f"{local_time(int(time.time()))} {said}")


def _summary(report: PushReport) -> str:
    parts = [f"{report.people:,} people in {report.media:,} photos and videos pushed", f"{report.unchanged:,} unchanged"]
    parts += [f"{report.deleted:,} deleted there"] * bool(report.deleted)
    parts += [f"the link broke {report.broken:,} times"] * bool(report.broken)
    return f"{', '.join(parts)} ({report.bytes / 1e6:.1f} MB, {report.thumbnails:,} small pictures)"


def show_devices(standings: Sequence[Standing], *, as_json: bool) -> int:
    """Say which devices push to an index; returns the exit code."""
    if as_json:
        show_json({"devices": [one.to_json() for one in standings]})
        return ALL_DONE
    rows = [
        (
            one.device.name,
            one.people,
            local_time(int(one.device.seen)),
            _clock(one.device.ahead),
            one.device.model,
            "must upgrade" if one.must_upgrade else "",
        )
        for one in standings
    ]
    if rows:
        show_table(("device", "people", "last there", "clock", "model", ""), rows, whole="device")
    else:
        note("no devices: let one in with passerby token add NAME --role device, and there: passerby push --to URL")
    return ALL_DONE


def _clock(ahead: float) -> str:
    return "right" if abs(ahead) < _ABOUT_RIGHT else f"{duration_text(abs(ahead))} {'ahead' if ahead > 0 else 'behind'}"
