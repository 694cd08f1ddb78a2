"""A centre whose index is in PostgreSQL holds what devices push, as one in a folder does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from crops import write_crops
from indexing import CountingEncoder
from kinds import KINDS
from postgres import lend, server
from pushing import centre, held_of, token_of
from tiny import write_tiny_bundle

from passerby.errors import IndexFault, ServiceFault
from passerby.find.ingest.run import index_paths
from passerby.find.push.link import Centre
from passerby.find.push.receive import is_of
from passerby.find.push.send import PushReport, push
from passerby.find.removal import remove_from
from passerby.index.open import create_index
from passerby.index.postgres.index import Index as AtServer
from passerby.index.sqlite.index import Index
from passerby.model.bundle import read_bundle
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


def test_tables_are_written_anew_where_somebody_went_and_only_then(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    encoder = CountingEncoder(tiny_encoder._bundle, threads=1)
    one, other, third = write_crops(tmp_path / "seen", 3)
    with (
        Index.create(tmp_path / "device", encoder) as index,
        lend("", tiny_encoder) as held,
        centre(held, encoder, tmp_path / "service") as service,
    ):
        assert isinstance(held, AtServer)
        link = Centre(service.listening.url, token_of(service, "north"))

        def is_purged() -> bool:
            before = file_of_people(held)
            push(index, link)
            return file_of_people(held) != before

        index_paths(index, encoder, [one])
        push(index, link)
        assert not is_purged()
        index_paths(index, encoder, [other])
        assert not is_purged()
        remove_from(index, [one])
        assert is_purged()
        shutil.copy(third, other)
        index_paths(index, encoder, [other])
        assert is_purged()
        assert not is_purged()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_nothing_of_a_model_comes_into_an_index_that_another_made_meanwhile(kind: str, tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    """As when it is made anew on another machine while a centre runs."""
    encoder = CountingEncoder(tiny_encoder._bundle, threads=1)
    other = BundleEncoder(read_bundle(write_tiny_bundle(tmp_path / "newer", name="newer", seed=5).folder), threads=1)
    with (
        Index.create(tmp_path / "device", encoder) as index,
        KINDS[kind](str(tmp_path / "centre"), tiny_encoder) as held,
        centre(held, encoder, tmp_path / "service") as service,
    ):
        link = Centre(service.listening.url, token_of(service, "north"))
        index_paths(index, encoder, write_crops(tmp_path / "seen", 2))
        push(index, link)
        place = server().url(held.address.schema) if isinstance(held, AtServer) else tmp_path / "centre"
        create_index(place, other, rebuild=True).close()
        with pytest.raises(
            ServiceFault,
            match=r"^expected the index that this centre opened, .* made since; have the centre started anew$",
        ):
            push(index, link, pauses=())
        assert held_of(held, "north") == []


def test_an_index_that_cannot_be_read_is_not_taken_for_another_models(tiny_encoder: BundleEncoder, tmp_path: Path) -> None:
    """A device would give up for good what it should try again."""
    with Index.create(tmp_path / "centre", CountingEncoder(tiny_encoder._bundle, threads=1)) as index:
        assert is_of(index, tiny_encoder)
    with pytest.raises(IndexFault, match="found a closed one"):
        is_of(index, tiny_encoder)


def file_of_people(index: AtServer) -> int:
    """Another one after they were written anew."""
    found: int = index.session.fetch("SELECT pg_relation_filenode('people')")[0][0]
    return found
