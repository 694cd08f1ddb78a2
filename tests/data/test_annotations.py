"""What annotators ticked, and what is drawn, as attributes by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerby.data.annotations import MARKET, VIPER, of_market, of_viper, read_annotations
from passerby.data.synthetic import DrawnPerson, Garment, Pose, captions, sample_person
from passerby.data.synthetic.worn import of_drawn
from passerby.errors import DatasetError
from passerby.words.attributes import NAMES, said
from passerby.words.parser import parse

TICKED = {
    **{"age": 2, "backpack": 1, "bag": 1, "handbag": 1, "clothes": 2, "down": 2, "up": 2, "hair": 1, "hat": 1, "gender": 1},
    **{"downblack": 1, "downblue": 2, "downbrown": 1, "downgray": 1, "downgreen": 1, "downpink": 1, "downpurple": 1, "downwhite": 1},
    **{"downyellow": 1, "upblack": 1, "upblue": 1, "upgreen": 1, "upgray": 1, "uppurple": 1, "upred": 2, "upwhite": 1, "upyellow": 1},
}


def has(found: dict[str, bool]) -> set[str]:
    return {name for name, yes in found.items() if yes}


def test_market() -> None:
    found = of_market(TICKED)
    assert has(found) == {"body:man", "body:young", "hair:short", "lower:blue", "lower:short", "lower:shorts", "sleeves:short", "upper:red"}
    lacked = found.keys() - has(found)
    assert {"head:hat", "head:cap", "carried:backpack", "carried:bag", "body:woman", "upper:blue", "lower:black", "lower:skirt"} <= lacked
    assert not {"lower:grey", "lower:purple", "lower:green", "lower:navy blue", "upper:purple", "upper:maroon"} & found.keys(), (
        "close to what was ticked"
    )


def test_market_in_trousers_with_a_bag() -> None:
    found = of_market(TICKED | {"down": 1, "bag": 2})
    assert {"lower:pants", "carried:bag"} <= has(found)
    assert not found["lower:shorts"] and not found["lower:short"]
    assert "carried:handbag" not in found


def test_viper() -> None:
    found = of_viper(["upperBodyGrey", "lowerBodyJeans", "lowerBodyBlue", "hairShort", "personalMale", "carryingBackpack", "hairYellow"])
    assert has(found) == {
        *("upper:grey", "lower:jeans", "lower:pants", "lower:blue", "hair:short", "hair:blonde", "body:man", "carried:backpack"),
        "carried:bag",
    }
    assert not any(found[name] for name in ("head:hat", "head:cap", "body:woman", "upper:red", "lower:black", "hair:long", "lower:shorts"))
    assert not {"upper:blue", "upper:white", "feet:black", "feet:sandal", "carried:handbag"} & found.keys()
    assert not of_viper(["carryingNothing"])["carried:handbag"]


def test_files_are_read_by_the_pictures_names(tmp_path: Path) -> None:
    assert read_annotations(tmp_path) == read_annotations(tmp_path / "table.csv") == {}
    (tmp_path / MARKET).write_text(json.dumps([{"file_path": "Market/0002_c1.jpg", "attributes": TICKED}]))
    (tmp_path / VIPER).write_text(json.dumps([{"file_path": "cam_a/000_45.jpg", "attributes": ["personalMale"]}]))
    found = read_annotations(tmp_path)
    assert read_annotations(tmp_path / "table.csv") == found, "they lie beside a table"
    assert set(found) == {"Market/0002_c1", "cam_a/000_45"}
    assert found["Market/0002_c1"] == of_market(TICKED)


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"file_path": "a.jpg"}]', '[{"file_path": "a.jpg", "attributes": ["up"]}]', "no"])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MARKET).write_text(content)
    with pytest.raises(DatasetError, match=MARKET):
        read_annotations(tmp_path)


@given(st.integers(0, 100_000))
def test_captions_of_drawn_people_say_nothing_else(seed: int) -> None:
    person = sample_person(seed)
    drawn = of_drawn(person)
    for caption in captions(person, seed, 2):
        for name, yes in said(parse(caption)).items():
            assert drawn.get(name, yes) == yes, f"{name} of {caption!r}"


def test_drawn() -> None:
    person = DrawnPerson(
        *("woman", "average", 3, "long", "blonde", Garment("t-shirt", "red"), Garment("jeans", "navy"), Garment("sandals", "brown")),
        hat=Garment("cap", "blue"),
        pose=Pose("back"),
    )
    found = of_drawn(person)
    assert has(found) == {
        *("body:woman", "hair:long", "hair:blonde", "upper:red", "upper:t-shirt", "upper:shirt", "sleeves:short", "lower:jeans"),
        *("lower:pants", "lower:navy blue", "lower:blue", "feet:sandal", "feet:shoe", "feet:brown", "head:cap", "head:hat", "head:blue"),
    }
    assert {"head:beanie", "head:glasses", "hair:black", "carried:bag", "carried:backpack", "upper:white", "upper:jacket"} <= found.keys()
    assert {"body:man", "body:dress", "lower:skirt", "lower:red", "upper:striped", "feet:boot", "sleeves:long"} <= found.keys()
    assert not {"lower:black", "upper:maroon", "upper:pink", "feet:flip flops"} & found.keys(), "people might say so"


def test_most_of_the_list_is_known_of_everybody_drawn() -> None:
    known = [len(of_drawn(sample_person(seed))) for seed in range(40)]
    assert min(known) > len(NAMES) / 3
    assert sum(known) / 40 > len(NAMES) * 0.6
