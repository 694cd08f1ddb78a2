"""What devices pushed is removed at their centre by the paths that answers tell, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from crops import media, random_vectors
from kinds import KINDS

from passerby.devices import path_at_centre
from passerby.errors import QueryError
from passerby.find.removal import RemovalReport, remove_of_devices
from passerby.index.base import Index
from passerby.index.sighting import Sighting
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Crop

NORTH = ("/seen/a.jpg", "/seen/b.jpg", "/seen/[1].jpg", "/seen/1.jpg", "/other/a.jpg", "gate/03:00", "gate/04:00", "yard/03:00")
SOUTH = ("/seen/a.jpg", "gate/03:00")
OWN = (Path("/seen/a.jpg"), Path("gate/03:00"))


@pytest.fixture(params=KINDS)
def at_centre(request: pytest.FixtureRequest, tiny_encoder: BundleEncoder, tmp_path: Path) -> Index:
    """One who is in each file of two devices, and of the centre itself."""
    index = KINDS[request.param](str(tmp_path / "centre"), tiny_encoder)
    request.addfinalizer(index.close)
    pushed = [path_at_centre(device, Path(path)) for device, paths in (("north", NORTH), ("south", SOUTH)) for path in paths]
    with index.writing():
        for number, path in enumerate([*pushed, *OWN]):
            index.put(replace(media(path, str(path)), path=path), [Sighting((Crop(None),), random_vectors(1, seed=number))])
    return index


def left(index: Index, device: str | None) -> set[str]:
    paths = [person.media for person, _ in index.people()]
    return {str(one.own_path) for one in paths if one.pushed_by == device}


@pytest.mark.parametrize(
    ("paths", "gone"),
    [
        ([], set(NORTH)),
        (["/"], set(NORTH)),
        (["/seen/a.jpg"], {"/seen/a.jpg"}),
        (["/seen"], {path for path in NORTH if path.startswith("/seen/")}),
        (["/seen/?.jpg"], {"/seen/a.jpg", "/seen/b.jpg", "/seen/1.jpg"}),
        (["/seen/[1].jpg"], {"/seen/[1].jpg"}),
        (["gate"], {"gate/03:00", "gate/04:00"}),
        (["gate/03:00", "/other/../seen/b.jpg"], {"gate/03:00", "/seen/b.jpg"}),
    ],
)
def test_paths_are_those_of_the_device(at_centre: Index, paths: list[str], gone: set[str]) -> None:
    assert remove_of_devices(at_centre, ["north"], [Path(path) for path in paths]) == RemovalReport(len(gone), ())
    assert left(at_centre, "north") == set(NORTH) - gone
    assert (left(at_centre, "south"), left(at_centre, None)) == (set(SOUTH), set(map(str, OWN)))


def test_no_path_leads_out_of_a_device(at_centre: Index) -> None:
    paths = [Path(path) for path in ("/../south/seen/a.jpg", "../south", "../../seen/a.jpg", "/device:/south", "seen/a.jpg", "/see")]
    report = remove_of_devices(at_centre, ["north"], paths)
    assert [failure.path for failure in report.failed] == paths
    assert "device north pushed" in report.failed[0].reason
    assert (left(at_centre, "north"), left(at_centre, "south")) == (set(NORTH), set(SOUTH))


def test_a_path_is_looked_for_on_each_device(at_centre: Index) -> None:
    report = remove_of_devices(at_centre, ["north", "south", "north"], [Path("/seen/a.jpg"), Path("/seen/b.jpg")])
    assert (report.removed, [failure.path for failure in report.failed]) == (3, [Path("/seen/b.jpg")])
    assert "device south pushed" in report.failed[0].reason


@pytest.mark.parametrize("device", ["west", "", ".", "..", "north/seen", "nort", "north\0"])
def test_a_device_of_which_nothing_is_here_is_named_before_anything_is_deleted(at_centre: Index, device: str) -> None:
    with pytest.raises(QueryError, match="correct --device"):
        remove_of_devices(at_centre, ["north", device])
    assert left(at_centre, "north") == set(NORTH)
