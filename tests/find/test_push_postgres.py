"""A centre whose index is in PostgreSQL holds what devices push, as one in a folder does."""

from __future__ import annotations

from pathlib import Path

import pytest
from crops import write_crops
from indexing import CountingEncoder
from postgres import lend
from pushing import centre, held_of, token_of

from passerby.errors import IndexFault
from passerby.find.ingest.run import index_paths
from passerby.find.push.link import Centre
from passerby.find.push.send import PushReport, push
from passerby.index.sqlite.index import Index
from passerby.model.bundle_encoder import BundleEncoder


def test_a_centre_in_postgres_holds_and_shows_what_a_device_pushes(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    encoder = CountingEncoder(tiny_encoder._bundle, threads=1)
    with (
        Index.create(tmp_path / "device", encoder) as index,
        lend("", tiny_encoder) as held,
        centre(held, encoder, tmp_path / "service") as service,
    ):
        index_paths(index, encoder, write_crops(tmp_path / "seen", 4), camera="door", offset="90s")
        link = Centre(service.listening.url, token_of(service, "north"))
        assert push(index, link).thumbnails == 4
        assert held_of(held, "north") == held_of(index)
        assert push(index, link) == PushReport(unchanged=4)
        shown = [crop.kept() if crop.kept else b"" for _, (crop, *_) in held.people()]
        assert [jpeg[:2] for jpeg in shown] == [b"\xff\xd8"] * 4
        with pytest.raises(IndexFault, match="the index of a device, in a folder"):
            push(held, link)
