"""The API says what the command line says, shows pictures by ids alone, and says in three parts what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from PIL import Image
from serving import Client, Sample, listening, serving

from passerby.cli.app import app
from passerby.errors import QueryError
from passerby.find.answer import find
from passerby.index.open import open_index
from passerby.index.sqlite.index import Index
from passerby.service.chips import COLOURS
from passerby.service.problems import Refused, problem

WORDS = "a red jacket, no hat"


@pytest.fixture(scope="module")
def client(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(sample, tmp_path_factory.mktemp("service")) as opened:
        yield opened


def get(client: Client, path: str, **parameters: Any) -> Any:
    response = client.http.get(f"/api/v1/{path}", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def refused(client: Client, path: str, **parameters: Any) -> tuple[int, str]:
    response = client.http.get(f"/api/v1/{path}", params=parameters)
    assert response.headers["content-type"] == "application/problem+json"
    said = response.json()
    assert set(said) == {"type", "title", "status", "detail", "expected", "found", "do"}
    return response.status_code, said["detail"]


def cli(sample: Sample, *arguments: str) -> Any:
    done = CliRunner().invoke(app, ["search", "--json", "--index", str(sample.index), *arguments])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def without_places(found: Any) -> Any:
    """An answer but for what the two say differently: paths here, ids there."""
    return {**found, "hits": [{key: value for key, value in hit.items() if key not in ("path", "name", "crop")} for hit in found["hits"]]}


def test_a_description_that_nobody_can_fit_is_answered(client: Client) -> None:
    """However much of it nobody wears: each thing takes something off the score."""
    words = ", ".join(f"{colour} {thing}" for thing in ("jacket", "hat", "bag", "coat", "dress", "scarf") for colour in COLOURS)
    hits = get(client, "search", q=words, k=5)["hits"]
    assert len(hits) == 5
    assert hits[-1]["score"] < -1


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"camera": "lobby"},
        {"from": "2026-11-28"},
        {"to": "2026-11-28 10:00"},
        {"like": "1-0"},
        {"device": "north"},
        {"upper": "red"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/v1/search"])
def test_the_thread_on_which_all_wait_reads_no_index(path: str, parameters: dict[str, str], sample: Sample, tmp_path: Path) -> None:
    with serving(sample, tmp_path) as client:
        assert client.http.get(path, params={"q": WORDS, **parameters}).status_code in (200, 400)  # of a device that pushed nobody
        index = client.service.index
        assert isinstance(index, Index)
        threads = {thread.name for thread in index._connections._open or ()} - {"MainThread", "passerby answers"}
        assert all(name.startswith(("AnyIO worker", "passerby counts")) for name in threads), threads


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ([WORDS], {"q": WORDS}),
        ([WORDS, "-k", "3", "--min-probability", "0.3"], {"q": WORDS, "k": 3, "min_probability": 0.3}),
        (["--hat", "--with", "jacket", "--sure", "0.05"], {"hat": "true", "with": "jacket", "sure": 0.05}),
        (["--upper", "red", "--without", "hat", "--all"], {"upper": "red", "without": "hat", "all": True}),
        (["a coat", "--camera", "lobby", "--from", "2026-11-28"], {"q": "a coat", "camera": "lobby", "from": "2026-11-28"}),
    ],
)
def test_search_answers_what_the_command_line_prints(
    client: Client, sample: Sample, arguments: list[str], parameters: dict[str, Any]
) -> None:
    here, there = get(client, "search", **parameters), cli(sample, *arguments)
    assert without_places(here) == without_places(there)
    assert [hit["name"] for hit in here["hits"]] == [Path(hit["path"]).name for hit in there["hits"]]
    assert here["hits"]


def test_no_answer_has_a_path_in_it(client: Client, sample: Sample) -> None:
    for path in ("search?q=coat", "people/1", "info", "audit"):
        assert str(sample.folder) not in client.http.get(f"/api/v1/{path}").text


def test_in_the_order_of_time(client: Client) -> None:
    clocks = [hit["clock"] for hit in get(client, "search", q="coat", order="time", k=20)["hits"]]
    assert clocks == sorted(clocks, key=lambda clock: (clock is None, clock))
    assert len(set(clocks)) > 5


def test_like_somebody_of_the_index_finds_them_first(client: Client, sample: Sample) -> None:
    crop = get(client, "search", q="a red jacket")["hits"][0]
    found = get(client, "search", like=crop["crop"])
    assert found["hits"][0]["person"] == crop["person"]
    with open_index(sample.index) as index:
        there = find(index, sample.encoder, like=sample.folder / "seen" / crop["name"])
    assert [(hit["person"], hit["score"]) for hit in found["hits"]] == [(hit.person.id, hit.score) for hit in there.people]


def test_like_somebody_in_a_picture_that_is_sent(client: Client, sample: Sample) -> None:
    picture = sorted((sample.folder / "seen").iterdir())[3]
    response = client.http.post("/api/v1/similar?k=4&q=a+coat", files={"picture": picture.read_bytes()})
    with open_index(sample.index) as index:
        there = find(index, sample.encoder, "a coat", 4, like=picture)
    assert [(hit["person"], hit["score"]) for hit in response.json()["hits"]] == [(hit.person.id, hit.score) for hit in there.people]


def test_describe(client: Client, sample: Sample) -> None:
    picture = sorted((sample.folder / "seen").iterdir())[3]
    box = "5,17,94,176"
    said = client.http.post("/api/v1/describe", files={"picture": picture.read_bytes()}, data={"box": box}).json()
    done = CliRunner().invoke(app, ["describe", str(picture), "--box", box, "--json"])
    (there,) = json.loads(done.stdout)["pictures"]
    assert (said["sentence"], said["picture"]["taken"]) == (there["sentence"], there["box"])
    assert said["probabilities"] == {f"{part}:{word}": p for part, worn in there["worn"].items() for word, p in worn.items()}


def test_a_person_and_who_is_beside_them(client: Client, sample: Sample) -> None:
    with open_index(sample.index) as index:
        two = [person for person, _ in index.people() if person.media.path == sample.street]
    first, second = (get(client, f"people/{person.id}") for person in two)
    assert (first["name"], first["crops"][0]["box"]) == ("street.png", [20, 10, 90, 230])
    assert (first["beside"], second["beside"]) == ([f"{two[1].id}-0"], [f"{two[0].id}-0"])
    assert first["wears"]["sentence"]
    alone = get(client, "people/1")
    assert alone["beside"] == []
    assert (alone["camera"], alone["clock"][:10], alone["time_known_by"]) == ("lobby", "2026-11-27", "name")


def test_pictures_are_drawn_anew_and_small(client: Client, sample: Sample) -> None:
    with open_index(sample.index) as index:
        person = next(person.id for person, _ in index.people() if person.media.path == sample.street)
    crop, photo = client.http.get(f"/api/v1/crops/{person}-0"), client.http.get(f"/api/v1/people/{person}/photo")
    sizes = []
    for response in (crop, photo):
        assert response.headers["content-type"] == "image/jpeg"
        with Image.open(BytesIO(response.content)) as image:
            assert not image.getexif()
            sizes.append(image.size)
    assert sizes == [(90, 230), (300, 250)]
    assert client.http.get(f"/api/v1/crops/{person}-0").content == crop.content


def test_info(client: Client) -> None:
    said = get(client, "info")
    assert (said["people"], said["model"]["name"]) == (32, "passerby-s")
    assert [camera["name"] for camera in said["cameras"]] == ["lobby", "north gate"]


@pytest.mark.parametrize(
    ("path", "parameters", "status", "said"),
    [
        ("search", {}, 400, "expected a description, found an empty one"),
        ("search", {"q": "coat", "camera": "moon"}, 400, "found no camera 'moon'; correct camera"),
        ("search", {"q": "coat", "from": "soon"}, 400, "expected a time such as"),
        ("search", {"upper": "red", "without": "upper"}, 400, "found upper red beside without upper"),
        ("search", {"like": "1-0", "min_probability": 0.5}, 400, "leave out min_probability"),
        ("search", {"q": "coat", "k": 0}, 422, "expected k: Input should be greater than or equal to 1, found '0'; correct k"),
        ("search", {"q": "coat", "k": 101}, 422, "less than or equal to 100"),
        ("search", {"q": "coat", "hat": "false", "without": "hat", "with": "hat"}, 400, "found with hat beside without hat"),
        ("search", {"hat": "true", "without": "hat"}, 400, "found with hat beside without hat"),
        ("search", {"q": "coat", "nonsense": 1}, 422, "correct nonsense"),
        ("search", {"q": "coat", "folder": "/"}, 422, "correct folder"),
        ("search", {"q": "coat", "with_person": "a child"}, 422, "correct with_person"),
        ("search", {"like": "../../etc/passwd"}, 422, "correct like"),
        ("search", {"like": "999-0"}, 404, "found nobody of id 999; search again"),
        ("people/999", {}, 404, "found nobody of id 999; search again"),
        ("crops/1-7", {}, 404, "found no crop 7 of person 1"),
        ("crops/..%2f..%2fetc%2fpasswd", {}, 404, "start at /"),
        ("nothing", {}, 404, "found GET /api/v1/nothing"),
    ],
)
def test_what_is_wrong_is_said_in_three_parts(client: Client, path: str, parameters: dict[str, Any], status: int, said: str) -> None:
    found, detail = refused(client, path, **parameters)
    assert (found, said in detail) == (status, True), detail


@pytest.mark.parametrize(
    ("path", "field"),
    [("similar", "q"), ("similar", "min_probability"), ("similar", "pictures"), ("describe", "q"), ("describe", "k"), ("describe", "")],
)
def test_a_field_that_is_not_known_is_refused_as_a_parameter_is(client: Client, sample: Sample, path: str, field: str) -> None:
    picture = ("picture", ("a.png", sample.street.read_bytes()))
    for other in ((field, (None, "red")), (field, ("b.png", sample.street.read_bytes()))):
        refused = client.http.post(f"/api/v1/{path}", files=[picture, other])
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json"), refused.text
        assert refused.json()["do"] == f"correct {field or 'the request'}"
    assert client.http.post(f"/api/v1/{path}", files=[picture]).status_code == 200


def test_parameters_are_named_as_here_and_commands_as_they_are_typed() -> None:
    question = QueryError(expected="--min-probability beside --with red", found="-k 3 and --box", do="--to: passerby serve --model M")
    said = problem(question)
    assert [said["expected"], said["found"]] == ["min_probability beside with red", "k 3 and box"]
    assert said["do"] == "to: passerby serve --model M"
    command = Refused(HTTPStatus.CONFLICT, expected="a", found="b", do="passerby push --to URL --take-over")
    assert problem(command)["do"] == command.do


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "describe", ("multipart/form-data; boundary=x", b"--y"), 400, "expected a body of its Content-Type"),
        ("POST", "describe", ("multipart/form-data", b"--x"), 400, "found Missing boundary in multipart; send it again, whole"),
        (
            "POST",
            "index/jobs",
            ("application/json", b'{"folder": '),
            422,
            "expected the body: JSON, found something else from character 11 on",
        ),
        ("POST", "index/jobs", ("application/json", b"[" * 20_000), 400, "expected a body of its Content-Type"),
        ("PUT", "search", ("text/plain", b""), 405, "expected GET there, found PUT /api/v1/search; ask in that way"),
    ],
)
def test_what_cannot_be_read_is_said_plainly(
    client: Client, method: str, path: str, body: tuple[str, bytes], status: int, said: str
) -> None:
    response = client.http.request(method, f"/api/v1/{path}", headers={"Content-Type": body[0]}, content=body[1])
    assert (response.status_code, said in response.json()["detail"]) == (status, True), response.text


def test_head_is_answered_as_get_is_without_a_body(sample: Sample, tmp_path: Path) -> None:
    with listening(sample, tmp_path) as url:
        for path, status in (
            ("", 200),
            ("api/v1/search?q=coat", 200),
            ("static/page.css", 200),
            ("nothing", 404),
            ("api/v1/describe", 405),
        ):
            host = urlsplit(url).netloc
            connection = HTTPConnection(host, timeout=20)
            answers = []
            for method in ("HEAD", "GET"):
                connection.request(method, f"/{path}")
                response = connection.getresponse()
                answers.append((response.status, response.getheader("content-type"), len(response.read())))
            connection.close()
            assert answers[0] == (status, answers[1][1], 0), path
            assert answers[1][0] == status


def test_what_broke_is_said_without_its_inside(sample: Sample, tmp_path: Path) -> None:
    with serving(sample, tmp_path) as other:
        del other.service.audit._lock
        response = other.http.get("/api/v1/search?q=coat")
    assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
    assert "a fault of ours" in response.json()["detail"]
    assert str(tmp_path) not in response.text


def test_too_many_are_told_when_to_come_again(sample: Sample, tmp_path: Path) -> None:
    with serving(sample, tmp_path) as other:
        other.service.engine.close()
        response = other.http.get("/api/v1/search?q=coat")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
