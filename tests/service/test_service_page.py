"""The page as it is sent: what is in it, what is escaped, and what its forms do."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import Client, Sample, serving

from passerby.find.ingest.run import index_paths
from passerby.index.open import create_index
from passerby.service.asking import LONGEST, Asked
from passerby.service.chips import COLOURS, MOST, chips
from passerby.service.security import Listening
from passerby.service.tokens import Role, Tokens
from passerby.service.views import in_words
from passerby.words.parser import parse


@pytest.fixture(scope="module")
def client(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(sample, tmp_path_factory.mktemp("page")) as opened:
        yield opened


def page(client: Client, path: str, status: int = 200) -> str:
    response = client.http.get(path)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return response.text


def links(html: str, text: str) -> list[str]:
    """Where links go that say something."""
    found = re.findall(r'<a [^>]*?href="([^"]*)"[^>]*>(.*?)</a>', html, re.DOTALL)
    return [unescape(url) for url, inside in found if text in " ".join(re.sub(r"<[^>]*>", " ", inside).split())]


def asked(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


def form_token(html: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f]{64})"', html)
    assert found
    return found[1]


def test_the_first_page_asks_and_offers(client: Client) -> None:
    html = page(client, "/")
    assert "32 people are in this index" in html
    for example in links(html, "a red jacket"):
        assert "people looked at" in page(client, example)
    assert asked(links(html, "lobby")[0]) == {"camera": ["lobby"]}


def test_answers_say_how_likely_when_where_and_what_fits(client: Client) -> None:
    html = page(client, "/?q=a+red+jacket,+no+hat")
    found = client.http.get("/api/v1/search?q=a+red+jacket,+no+hat&min_probability=0.05&k=24").json()["hits"]
    shown = re.findall(r'<img src="/api/v1/crops/([^"]*)"', html)
    assert shown == [hit["crop"] for hit in found]
    assert f"{found[0]['probability']:.0%}".replace("%", " %") in html
    assert found[0]["clock"][:10] in html
    likely = in_words(found[0]["probability"])
    assert all(text in html for text in (f"<b>{likely}</b>", "red jacket, no hat", "north gate", "32 people looked at"))


def test_what_is_chosen_before_any_words_is_shown_and_kept(client: Client) -> None:
    html = page(client, "/?camera=lobby&from=2026-11-28&to=2026-11-28")
    kept = {"camera": ["lobby"], "from": ["2026-11-28"], "to": ["2026-11-28"]}
    assert [asked(url) for url in links(html, "camera lobby") + links(html, "2026-11-28 ×")] == [
        {"from": ["2026-11-28"], "to": ["2026-11-28"]},
        {"camera": ["lobby"]},
    ]
    assert len(re.findall('aria-current="true"', html)) == 2
    assert asked(links(html, "a red jacket")[0]) == {"q": ["a red jacket and blue jeans"], **kept}
    form = html[html.index('<form id="ask"') : html.index("</form>")]
    assert {name: [value] for name, value in re.findall(r'type="hidden" name="(.*?)" value="(.*?)"', form)} == kept


def test_what_was_understood_can_be_changed(client: Client) -> None:
    html = page(client, "/?q=a+red+jacket,+no+hat&camera=lobby")
    (blue,), (denied,) = links(html, "blue")[:1], links(html, "Must not have it")
    assert asked(blue) == {"q": ["A person, wearing a blue jacket, without a hat"], "camera": ["lobby"]}
    assert asked(denied)["q"] == ["A person, without a red jacket, without a hat"]
    assert [asked(url)["q"] for url in links(html, "Take it away")] == [["A person, without a hat"], ["A person, wearing a red jacket"]]
    assert asked(links(html, "camera lobby")[0]) == {"q": ["a red jacket, no hat"]}


THINGS = (
    "red jacket",
    "blue jeans",
    "a black bag",
    "no hat",
    "dark blue coat",
    "a woman",
    "a young man",
    "white shoes",
    "jacket that is not red",
)


@given(st.lists(st.sampled_from(THINGS), min_size=1, max_size=4, unique=True))
def test_a_chip_changes_its_thing_and_no_other(things: list[str]) -> None:
    said = parse(", ".join(things))
    for chip in chips(said):
        without = parse(chip.without)
        assert len(without.items) + bool(without.gender) + bool(without.age) + 1 == len(said.items) + bool(said.gender) + bool(said.age)
        for colour, words in chip.in_colour:
            changed = parse(words)
            assert len(changed.items) == len(said.items)
            assert all(one.colours == (colour,) for one in changed.items if one not in said.items)
        if chip.opposite is not None:
            opposite = parse(chip.opposite)
            assert sum(one.negated for one in opposite.items) in {sum(one.negated for one in said.items) + step for step in (-1, 1)}


def test_a_long_description_offers_changes_of_its_first_things_and_says_so(client: Client) -> None:
    words = "red jacket, blue hat, black bag, white shoes, " * 50
    html = page(client, f"/?{urlencode({'q': words[:LONGEST]})}")
    assert len(links(html, "Take it away")) == MOST
    assert "things were understood; the first 12 can be changed by a click." in html
    assert len(html) < 1_500_000
    assert "can be changed by a click" not in page(client, "/?q=a+red+jacket,+no+hat")


asks = st.builds(
    Asked,
    q=st.text(max_size=20),
    upper=st.lists(st.text(min_size=1, max_size=5), max_size=2),
    having=st.lists(st.sampled_from(["bag", "red & blue", "a=b"]), max_size=2),
    camera=st.lists(st.sampled_from(["lobby", "ü/?#"]), max_size=2),
    start=st.sampled_from([None, "yesterday 18:00"]),
    min_probability=st.sampled_from([None, 0.0, 0.25]),
    unfold=st.booleans(),
    order=st.sampled_from(["match", "time"]),
    like=st.sampled_from([None, "14-0"]),
)


@given(asks)
def test_the_whole_question_lives_in_its_address(one: Asked) -> None:
    query = parse_qs(urlsplit(one.url()).query, keep_blank_values=True)
    lists = {"head", "upper", "lower", "feet", "carrying", "with", "without", "camera"}
    again = Asked.model_validate({name: values if name in lists else values[0] for name, values in query.items()})
    assert again == one


def test_nobody_likely_is_said_rather_than_shown(client: Client) -> None:
    html = page(client, "/?q=a+green+raincoat+and+a+stroller&min_probability=0.95")
    assert "Nobody here is likely. The likeliest has" in html
    assert "<img" not in html
    best = client.http.get("/api/v1/search?q=a+red+jacket").json()["hits"][0]["probability"]
    assert best > 0.5
    assert f"Nobody here is that likely. The likeliest has {best:.0%}".replace("%", " %") in page(
        client, "/?q=a+red+jacket&min_probability=1"
    )
    (everybody,) = links(html, "Show the unlikely all the same")
    assert page(client, everybody).count("<img") == 24


def test_filters_days_and_hours_narrow_and_let_go(client: Client) -> None:
    html = page(client, "/?upper=red")
    (day,) = links(html, "2026-11-28")[:1]
    of_day = page(client, day)
    (hour,) = [url for url in links(of_day, "10:00 ") if "10" in url][:1]
    of_hour = page(client, hour)
    assert asked(hour) == {"upper": ["red"], "from": ["2026-11-28 10:00"], "to": ["2026-11-28 10:59:59.999"]}
    assert asked(links(of_hour, "2026-11-28 10:00 to 10:59")[0]) == {"upper": ["red"]}
    counts = [int(re.search(r"(\d+) (?:people|person) looked at", one)[1]) for one in (html, of_day, of_hour)]  # type: ignore[index]
    assert counts[0] > counts[1] > counts[2] > 0
    assert counts[1] == int(re.search(r"2026-11-28 <span class=\"count\">(\d+)", html)[1])  # type: ignore[index]
    assert asked(links(html, "red ")[0]) == {}


def test_in_the_order_of_time_each_day_has_a_heading(client: Client) -> None:
    html = page(client, "/?q=a+person&min_probability=0&order=time&k=40")
    days = ["Friday, 27 November 2026", "Saturday, 28 November 2026", "Sunday, 29 November 2026", "Not known when"]
    assert re.findall(r'<li class="day"><h2>(.*?)</h2>', html) == days
    assert 'class="day"' not in page(client, "/?q=a+person&min_probability=0")


def test_more_are_shown_on_demand(client: Client) -> None:
    html = page(client, "/?q=a+person&min_probability=0")
    assert html.count("<img") == 24
    (more,) = links(html, "Show more")
    assert page(client, more).count("<img") == 32


def test_a_hit_opens_with_its_photo_and_who_is_beside_them(client: Client, sample: Sample) -> None:
    person = next(person.id for person, _ in client.service.index.people() if person.media.path == sample.street)
    html = page(client, f"/people/{person}?q=red+coat&camera=lobby")
    assert f'src="/api/v1/crops/{person}-0/photo"' in html
    assert "Others in this photo" in html
    assert asked(links(html, "Back to the answers")[0]) == {"q": ["red coat"], "camera": ["lobby"]}
    (like,) = links(html, "More like this")
    assert f'src="/api/v1/crops/{person}-0"' in page(client, like)


def test_a_picture_that_is_sent_finds_people_like_it(client: Client, sample: Sample) -> None:
    token = form_token(page(client, "/"))
    picture = sorted((sample.folder / "seen").iterdir())[3].read_bytes()
    response = client.http.post("/", data={"token": token, "q": "a coat"}, files={"picture": picture})
    assert response.status_code == 200
    assert response.text.count("<img") == 24
    assert links(response.text, "like the picture that was sent") == ["/?q=a+coat"]
    for data in ({}, {"token": "0" * 64}):
        assert client.http.post("/", data=data, files={"picture": picture}).status_code == 403
    wrong = client.http.post("/", data={"token": token}, files={"picture": b"GIF89a"})
    assert (wrong.status_code, "found something else" in wrong.text) == (400, True)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/?q=coat&camera=moon", 400, "found no camera &#39;moon&#39;"),
        ("/?upper=zorbly", 400, "correct the filter"),
        ("/?k=0", 422, "correct k"),
        ("/?like=x", 422, "correct like"),
        ("/people/999", 404, "There is nothing here"),
        ("/people/999", 404, "nobody of id 999"),
        ("/nothing", 404, "start at /"),
    ],
)
def test_what_is_wrong_is_said_on_a_page(client: Client, path: str, status: int, said: str) -> None:
    html = page(client, path, status)
    assert said in html
    assert "What to do" in html


NASTY = "<script>alert(1)</script>\"'&{{7*7}}"


def test_words_are_escaped_everywhere(client: Client) -> None:
    for path in ("/?q={}", "/?q=red&camera={}", "/?upper={}", "/?q=red&from={}", "/people/1?q={}", "/{}"):
        html = client.http.get(path.format(NASTY.replace("&", "%26").replace("#", "%23"))).text
        assert "<script>alert" not in html
        assert "{{7*7}}" in unescape(html).replace("%7B%7B7*7%7D%7D", "{{7*7}}")


def test_names_of_files_and_cameras_are_escaped_and_may_be_of_any_bytes(sample: Sample, tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    for name, picture in zip(("<b>bold.jpg", os.fsdecode(b"\xff\xfe.jpg")), (sample.folder / "seen").iterdir(), strict=False):
        (crops / name).write_bytes(picture.read_bytes())
    with create_index(tmp_path / "index", sample.encoder) as index:
        index_paths(index, sample.encoder, [crops], camera="<i>door</i>")
    with serving(replace(sample, index=tmp_path / "index"), tmp_path / "service") as client:
        for path in ("/", "/?q=coat&min_probability=0", "/people/1", "/people/2"):
            html = page(client, path)
            assert "<b>bold" not in html
            assert "<i>door" not in html
        for path in ("search?q=coat", "people/1", "people/2", "info"):
            assert client.http.get(f"/api/v1/{path}").status_code == 200


def test_copies_are_shown_once_and_each_on_demand(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "crops").mkdir()
    picture = sorted((sample.folder / "seen").iterdir())[0].read_bytes()
    for number in range(2):
        (tmp_path / "crops" / f"{number}.jpg").write_bytes(picture + bytes(number))
    with create_index(tmp_path / "index", sample.encoder) as index:
        index_paths(index, sample.encoder, [tmp_path / "crops"])
    with serving(replace(sample, index=tmp_path / "index"), tmp_path / "service") as client:
        html = page(client, "/?q=coat&min_probability=0")
        assert (html.count("<img"), html.count("+1 alike")) == (1, 1)
        (each,) = links(html, "Show each of them")
        html = page(client, each)
        assert html.count("<img") == 2
        assert asked(links(html, "copies one by one")[0]) == {"q": ["coat"], "min_probability": ["0.0"]}


# -- logging in --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(sample: Sample, tmp_path: Path) -> Iterator[tuple[Client, str]]:
    secret = Tokens(tmp_path / "service").add("reception", Role.VIEW)
    with serving(sample, tmp_path / "service") as opened:
        yield opened, secret


def test_who_has_no_token_is_asked_for_one_and_let_in_with_it(guarded: tuple[Client, str]) -> None:
    client, secret = guarded
    response = client.http.get("/")
    assert (response.status_code, response.headers["location"]) == (303, "/login")
    refused = client.http.post("/login", data={"secret": "wrong"})
    assert (refused.status_code, "That token is not let in" in refused.text) == (401, True)
    response = client.http.post("/login", data={"secret": secret})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    cookie = response.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/"))
    assert "secure" not in cookie
    html = page(client, "/")
    assert client.http.post("/logout", data={"token": client.service.forms.of("")}).status_code == 403, "a form from before the log in"
    assert client.http.post("/logout", data={"token": form_token(html)}).headers["location"] == "/login"
    assert client.http.get("/").status_code == 303


@pytest.mark.parametrize("asked", ["/?q=a+red+jacket%2C+no+hat&camera=north+gate", "/people/1?q=%C3%A4%20%26%20%22b%22", "/cameras"])
def test_who_logs_in_is_led_to_what_they_asked_for(guarded: tuple[Client, str], asked: str) -> None:
    """Also where the first token is wrong, and where a cookie is there that counts no more."""
    client, secret = guarded
    client.http.cookies.set("passerby", "revoked")
    to_login = client.http.get(asked)
    assert to_login.status_code == 303
    html = page(client, to_login.headers["location"])
    for tried, status in (("wrong", 401), (secret, 303)):
        response = client.http.post(
            "/login", data={"next": unescape(html.partition('name="next" value="')[2].partition('"')[0]), "secret": tried}
        )
        assert response.status_code == status
        html = response.text
    assert response.headers["location"] == asked
    assert client.http.get(asked).status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "/\t/evil.example",
        "/\r\nX: y",
        "evil",
        "javascript:alert(1)",
        "",
    ],
)
def test_who_logs_in_is_led_nowhere_else(guarded: tuple[Client, str], elsewhere: str) -> None:
    client, secret = guarded
    assert 'name="next" value="/"' in client.http.get("/login", params={"next": elsewhere}).text
    response = client.http.post("/login", data={"secret": secret, "next": elsewhere})
    assert (response.status_code, response.headers["location"]) == (303, "/")


def test_under_tls_the_cookie_is_sent_by_tls_alone(guarded: tuple[Client, str]) -> None:
    client, secret = guarded
    client.http.base_url = client.http.base_url.copy_with(scheme="https")
    assert "; secure" in client.http.post("/login", data={"secret": secret}).headers["set-cookie"].lower()


def test_who_guesses_tokens_is_told_to_wait(sample: Sample, tmp_path: Path) -> None:
    Tokens(tmp_path).add("reception", Role.VIEW)
    with serving(sample, tmp_path, Listening(), limited=True) as client:
        codes = [client.http.post("/login", data={"secret": "wrong"}).status_code for _ in range(7)]
    assert codes == [401] * 5 + [429] * 2


def test_every_colour_has_its_look() -> None:
    css = (Path(__file__).parents[2] / "src/passerby/service/static/page.css").read_text()
    assert [colour for colour in COLOURS if f".c-{colour} {{" not in css] == []


def test_the_script_is_small_and_nothing_comes_from_elsewhere() -> None:
    room = Path(__file__).parents[2] / "src/passerby/service"
    assert sum(len(gzip.compress(script.read_bytes())) for script in room.glob("static/*.js")) <= 20_000
    for file in (*room.glob("templates/*"), *room.glob("static/*")):
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.|style=|<style|onclick|javascript:", text), file
