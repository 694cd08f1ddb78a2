"""Of a picture with several people the largest is meant, it is shown who was taken, and another can be; nothing of it stays here."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving import Client, Sample, serving
from street import ColourDetector, street

from passerby.data.synthetic import demo_streets
from passerby.detect.people import Detecting
from passerby.resolve import load_detecting

SMALL, LARGE, TALL = (20, 40, 50, 140), (120, 20, 190, 240), (280, 60, 330, 220)
"""Left, top, right and bottom of three people, of whom the second is the largest."""


@pytest.fixture(scope="module")
def client(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(sample, tmp_path_factory.mktemp("sent"), detecting=Detecting(ColourDetector())) as opened:
        yield opened


def png(*people: tuple[int, int, int, int]) -> bytes:
    target = BytesIO()
    street((400, 300), people).save(target, "PNG")
    return target.getvalue()


def similar(client: Client, picture: bytes, status: int = 200, **data: str) -> dict:  # type: ignore[type-arg]
    response = client.http.post("/api/v1/similar?k=5", files={"picture": picture}, data=data)
    assert response.status_code == status, response.text
    return dict(response.json())


def box(sides: tuple[int, int, int, int]) -> list[float]:
    left, top, right, bottom = sides
    return [left, top, right - left, bottom - top]


def test_programs_get_the_largest_person_or_the_one_of_a_box(client: Client) -> None:
    picture = png(SMALL, LARGE, TALL)
    found = similar(client, picture)
    assert found["picture"] == {"taken": box(LARGE), "people": [box(LARGE), box(TALL), box(SMALL)]}
    other = similar(client, picture, box=",".join(map(str, box(SMALL))))
    assert other["picture"] == {"taken": box(SMALL), "people": []}
    assert [hit["score"] for hit in other["hits"]] != [hit["score"] for hit in found["hits"]]
    assert similar(client, picture, 400, box="900,900,10,10")["do"] == "correct box: left,top,width,height"
    assert similar(client, picture, 400, box="one")["status"] == 400


def test_who_is_described_is_the_largest_person_or_the_one_of_a_box(client: Client) -> None:
    def described(status: int = 200, **data: str) -> dict[str, Any]:
        response = client.http.post("/api/v1/describe", files={"picture": png(SMALL, LARGE, TALL)}, data=data)
        assert response.status_code == status, response.text
        return dict(response.json())

    largest, other = described(), described(box=",".join(map(str, box(SMALL))))
    assert largest["picture"] == {"taken": box(LARGE), "people": [box(LARGE), box(TALL), box(SMALL)]}
    assert other["picture"] == {"taken": box(SMALL), "people": []}
    assert described(box=",".join(map(str, box(LARGE))))["probabilities"] == largest["probabilities"] != other["probabilities"]
    assert described(400, box="900,900,10,10")["do"] == "correct box: left,top,width,height"


def test_a_picture_without_people_is_taken_whole(client: Client) -> None:
    assert similar(client, png())["picture"] == {"taken": None, "people": []}


def page(client: Client, **sent: object) -> str:
    token = re.search(r'name="token" value="([0-9a-f]{64})"', client.http.get("/").text)
    assert token
    data = {"token": token[1], **{name: value for name, value in sent.items() if name != "picture"}}
    files = {"picture": sent["picture"]} if "picture" in sent else {"nothing": b""}
    response = client.http.post("/", data=data, files=files)  # type: ignore[arg-type]
    return response.text if response.status_code == 200 else f"{response.status_code} {response.text}"


def crops(html: str) -> list[str]:
    return [unescape(one) for one in re.findall(r'<input type="hidden" name="crop" value="([^"]*)">', html)]


def shown(html: str) -> list[str]:
    return re.findall(r'<img src="/api/v1/crops/([^"]*)"', html)


def test_the_page_shows_whom_it_took_and_takes_another(client: Client) -> None:
    html = page(client, picture=png(SMALL, LARGE, TALL), q="a coat")
    assert "3 people are in the picture. The largest was taken; take another:" in html
    found = crops(html)
    sizes = [Image.open(BytesIO(b64decode(one))).size for one in found]
    for (width, height), (left, top, right, bottom) in zip(sizes, (LARGE, TALL, SMALL), strict=True):
        assert (right - left, bottom - top) < (width, height) < ((right - left) * 1.15, (bottom - top) * 1.15)
    assert 'alt="Person 1 of the picture, who was taken"' in html
    assert re.findall(r'name="take" value="(\d)"', html) == ["1", "2"]
    again = page(client, crop=found, take="2", q="a coat")
    assert "This one was taken; take another:" in again
    assert crops(again) == found
    assert re.findall(r'name="take" value="(\d)"', again) == ["0", "1"]
    assert "coat" in again[again.index("understood") : again.index("understood") + 400]
    assert shown(again) != shown(html)


def test_of_one_person_and_of_nobody_there_is_no_choice(client: Client) -> None:
    html = page(client, picture=png(LARGE))
    assert ("One person was found in the picture." in html, 'name="take"' in html) == (True, False)
    assert "the picture" not in re.sub("like the picture that was sent|picture of", "", page(client, picture=png())).split("Filters")[0]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"crop": ["AAAA"], "take": "1"},
        {"crop": ["AAAA"], "take": "-1"},
        {"crop": ['" onerror="'], "take": "0"},
        {"crop": ["AAAA"] * 13, "take": "0"},
        {"crop": ["A" * 200_004], "take": "0"},
        {"crop": ["AAAA"], "take": "0", "picture": b"x"},
    ],
)
def test_what_no_page_sends_is_refused(client: Client, sent: dict[str, object]) -> None:
    assert page(client, **sent).startswith("422 ")


def test_what_comes_back_is_decoded_with_the_same_care(client: Client) -> None:
    assert page(client, crop=["AAAA"], take="0").startswith("400 ")


def test_nothing_of_a_picture_stays(sample: Sample, tmp_path: Path) -> None:
    with serving(sample, tmp_path, detecting=Detecting(ColourDetector())) as client:
        found = b64decode(crops(page(client, picture=png(SMALL, LARGE)))[0])
    kept = b"".join(path.read_bytes() for folder in (tmp_path, sample.index) for path in folder.rglob("*") if path.is_file())
    assert found[300:400] not in kept


def test_the_shipped_detector_finds_people_in_a_picture_that_is_sent(sample: Sample, tmp_path: Path) -> None:
    target = BytesIO()
    next(demo_streets())[1].picture.save(target, "PNG")
    with serving(sample, tmp_path, detecting=load_detecting()) as client:
        found = similar(client, target.getvalue())["picture"]
    areas = np.array(found["people"])[:, 2:].prod(axis=1)
    assert found["taken"] == found["people"][0]
    assert list(areas) == sorted(areas, reverse=True)
