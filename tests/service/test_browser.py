"""The page in a real browser, as people use it: with a mouse, by keyboard alone, on a phone, without script.

Whatever a page says of its policy, or asks of anybody else, fails the test.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect
from serving import Sample, listening
from street import ColourDetector, street
from visiting import CHROMIUM, PATIENCE, chromium
from walkers import write_walkers

from passerby.detect.people import Detecting
from passerby.find.ingest.run import index_paths
from passerby.index.open import create_index, open_index
from passerby.service.tokens import Role, Tokens

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here; .ci/run sees to it that it is")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture(scope="module")
def address(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a service of the sample and a video: people of one colour walk by a camera called street."""
    folder = tmp_path_factory.mktemp("browsed")
    video = write_walkers(folder / "street_20261128_120000.mp4", seconds=6)
    shutil.copytree(sample.index, folder / "index")
    detecting = Detecting(ColourDetector())
    with open_index(folder / "index") as index:
        index_paths(index, sample.encoder, [video], name_pattern="{camera}_%Y%m%d_%H%M%S", zone="UTC", detecting=detecting)
    with listening(replace(sample, index=folder / "index"), folder / "service", detecting) as url:
        yield url


@dataclass
class Visitor:
    """A page of its own, which notes what should not be."""

    page: Page
    address: str
    wrong: list[str] = field(default_factory=list)

    def answered(self, status: int) -> None:
        """A page that says what is wrong is a message to the browser, too."""
        if status >= 400:
            self.page.wait_for_load_state()
            self.wrong = [one for one in self.wrong if f"the server responded with a status of {status}" not in one]

    def asks(self, request: Request) -> None:
        if not request.url.startswith(self.address):
            self.wrong.append(f"asked {request.url}")

    def fits(self) -> None:
        """Nothing is wider than the screen."""
        size = self.page.viewport_size
        assert size
        assert self.page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.fixture
def visit(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """A visitor, as the test's parameter says."""
    context = browser.new_context(**getattr(request, "param", {}))
    context.set_default_timeout(PATIENCE)
    visitor = Visitor(context.new_page(), address)
    visitor.page.on("console", lambda message: visitor.wrong.append(f"{message.type}: {message.text}"))
    visitor.page.on("pageerror", lambda error: visitor.wrong.append(str(error)))
    visitor.page.on("request", visitor.asks)
    visitor.page.goto(address)
    # Typed in before the page has put the cursor there, the browser says that it could not.
    expect(visitor.page.locator("#q")).to_be_focused()
    yield visitor
    context.close()
    assert visitor.wrong == []


def press_play(page: Page, press: Callable[[float, float], None]) -> None:
    """The browser draws its button at the lower left of the frame, when that is there."""
    page.wait_for_load_state()
    page.locator("#clip").scroll_into_view_if_needed()
    box = page.locator("#clip").bounding_box()
    assert box
    press(box["x"] + 25, box["y"] + box["height"] - 48)


def require_playing(page: Page) -> None:
    """The clip that a page shows goes on."""
    clip, patience = page.locator("#clip"), time.monotonic() + PATIENCE / 1000
    while (state := clip.evaluate("clip => [clip.readyState, clip.currentTime > 0.1, clip.error?.message]"))[:2] != [4, True]:
        assert time.monotonic() < patience, state
        page.wait_for_timeout(50)


def found(page: Page) -> int:
    return page.locator(".card").count()


def test_a_journey(visit: Visitor, sample: Sample) -> None:
    """From an example to a changed chip, to a filter, to a hit, to people like them, and back; then with a picture."""
    page = visit.page
    page.get_by_role("link", name="a red jacket and blue jeans").click()
    expect(page.locator(".card").first).to_be_visible()
    expect(page.locator(".card img").first).to_have_js_property("complete", True)
    assert page.locator(".card img").first.evaluate("image => image.naturalWidth") > 50
    page.locator("summary", has_text="red jacket").click()
    page.get_by_role("link", name="yellow").first.click()
    expect(page.locator("summary", has_text="yellow jacket")).to_be_visible()
    expect(page.locator("#q")).to_have_value(re.compile("yellow jacket"))
    page.get_by_role("link", name=re.compile("^north gate")).click()
    expect(page.locator("a.chip.on")).to_have_text(re.compile("camera north gate"))
    assert "camera=north+gate" in page.url
    before = found(page)
    page.locator("#cut").fill("0.95")
    page.wait_for_url(re.compile("min_probability=0.95"))
    assert found(page) < before
    page.get_by_role("link", name="Show the unlikely all the same").click()
    page.locator(".card .who").first.click()
    expect(page.get_by_role("link", name="More like this")).to_be_visible()
    page.get_by_role("link", name="Back to the answers").click()
    page.locator(".card .like").first.click()
    expect(page.locator("a.chip.on")).to_have_text(re.compile("like this person"))
    page.set_input_files("input[name=picture]", str(sorted((sample.folder / "seen").iterdir())[2]))
    expect(page.locator("#found")).to_have_text("24 people")


def test_from_words_to_a_clip(visit: Visitor) -> None:
    """Words, a chip changed, the timeline, a hit, its clip, another picture of them, and whom they were seen with."""
    page = visit.page
    page.locator("#q").fill("a red jacket")
    page.keyboard.press("Enter")
    page.locator("summary", has_text="red jacket").click()
    page.get_by_role("link", name="blue").first.click()
    expect(page.locator("summary", has_text="blue jacket")).to_be_visible()
    page.get_by_role("link", name=re.compile("^street")).click()
    page.goto(page.url + "&min_probability=0")
    expect(page.get_by_role("rowheader", name="street")).to_be_visible()
    page.locator(".timeline").get_by_role("link", name=re.compile("^Person 1, street, 2026-11-28 12:00:0")).click()
    press_play(page, page.mouse.click)
    require_playing(page)
    assert page.locator("#clip").evaluate("clip => [clip.videoWidth, clip.videoHeight]") == [192, 96]
    page.get_by_role("link", name="This person at").last.click()
    expect(page.locator("a[aria-current=true] img")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Somebody beside them")).first.click()
    expect(page.locator("#clip")).to_be_visible()
    page.get_by_role("link", name="More like this").click()
    expect(page.locator("a.chip.on")).to_have_text(re.compile("like this person"))


@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True)
def test_without_script(visit: Visitor) -> None:
    page = visit.page
    page.locator("#q").fill("a red jacket, no hat")
    page.get_by_role("button", name="Search").click()
    assert found(page) > 0
    page.locator("summary", has_text="no hat").click()
    page.get_by_role("link", name="Must have it").click()
    expect(page.locator("summary", has_text=re.compile("^hat"))).to_be_visible()
    page.get_by_role("link", name=re.compile("^2026-11-28")).click()
    page.get_by_role("textbox", name="To").fill("2026-11-28 12:00")
    page.get_by_role("button", name="Apply").first.click()
    assert "to=2026-11-28+12%3A00" in page.url
    page.get_by_role("link", name="By time").click()
    times = page.locator(".card time").all_inner_texts()
    assert times == sorted(times)
    page.locator(".card .who").first.click()
    expect(page.get_by_role("link", name="More like this")).to_be_visible()
    page.goto(f"{visit.address}?q=a+red+jacket&camera=street&min_probability=0")
    page.locator(".timeline a").first.click()
    press_play(page, page.mouse.click)
    require_playing(page)


@pytest.mark.parametrize(
    "visit", [{"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}], indirect=True
)
def test_on_a_phone(visit: Visitor) -> None:
    page = visit.page
    visit.fits()
    page.get_by_role("link", name="a red jacket and blue jeans").tap()
    expect(page.locator(".card").first).to_be_visible()
    visit.fits()
    expect(page.locator(".timeline[open]")).to_have_count(0)
    first = page.locator(".card .who").first.bounding_box()
    assert first
    assert first["y"] < 844 / 2, "people begin in the upper half of the screen"
    expect(page.get_by_role("link", name=re.compile("^lobby"))).to_be_hidden()
    page.locator("#filters > summary").tap()
    page.get_by_role("link", name=re.compile("^lobby")).tap()
    page.locator("summary", has_text="red jacket").tap()
    box = page.locator("details[open].chip .menu").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    page.locator(".card .who").first.tap()
    expect(page.locator("figure img")).to_be_visible()
    visit.fits()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 26)"
    page.goto(f"{visit.address}?q=a+red+jacket&camera=street&min_probability=0")
    visit.fits()
    page.locator(".card .who").first.tap()
    press_play(page, page.touchscreen.tap)
    require_playing(page)
    visit.fits()


def test_by_keyboard_alone(visit: Visitor) -> None:
    page = visit.page
    page.keyboard.type("a red jacket")
    page.keyboard.press("Enter")
    expect(page.locator(".card").first).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".who").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".who").nth(0)).to_be_focused()
    page.keyboard.press("s")
    expect(page.locator("a.chip.on")).to_have_text(re.compile("like this person"))
    page.wait_for_load_state()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("figure img")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("s")
    expect(page.locator("a.chip.on")).to_have_text(re.compile("like this person"))
    page.goto(f"{visit.address}?q=a+red+jacket&camera=street&min_probability=0")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#clip")).to_be_visible()
    while not page.evaluate("document.activeElement.id == 'clip'"):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    require_playing(page)


def test_a_picture_that_is_dropped_or_pasted(visit: Visitor, sample: Sample) -> None:
    page = visit.page
    data = list(sorted((sample.folder / "seen").iterdir())[2].read_bytes())
    for event, key in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.goto(visit.address)
        page.evaluate(
            """([event, key, data]) => {
                const given = new DataTransfer();
                given.items.add(new File([new Uint8Array(data)], "somebody.jpg", { type: "image/jpeg" }));
                const kind = event === "drop" ? DragEvent : ClipboardEvent;
                document.dispatchEvent(new kind(event, { [key]: given, bubbles: true, cancelable: true }));
            }""",
            [event, key, data],
        )
        expect(page.locator("#found")).to_have_text("24 people")


def test_a_picture_that_is_too_large_is_not_sent(visit: Visitor, sample: Sample, tmp_path: Path) -> None:
    page = visit.page
    (tmp_path / "large.jpg").write_bytes(bytes(10_000_001))
    page.set_input_files("input[name=picture]", str(tmp_path / "large.jpg"))
    expect(page.get_by_role("alert")).to_have_text("That picture is larger than 10 MB; make it smaller.")
    page.set_input_files("input[name=picture]", str(sorted((sample.folder / "seen").iterdir())[2]))
    expect(page.locator("#found")).to_have_text("24 people")


@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True)
def test_a_picture_that_is_too_large_gets_a_page_that_says_so(visit: Visitor, tmp_path: Path) -> None:
    page = visit.page
    (tmp_path / "large.jpg").write_bytes(bytes(10_100_000))
    page.set_input_files("input[name=picture]", str(tmp_path / "large.jpg"))
    page.get_by_role("button", name="Find people like this").click()
    expect(page.locator(".problem")).to_contain_text("make the picture smaller")
    visit.answered(413)
    page.get_by_role("link", name="Start again").click()
    expect(page.get_by_role("heading", name="Whom are you looking for?")).to_be_visible()


def test_a_link_from_elsewhere_leads_to_its_answer(browser: Browser, sample: Sample, tmp_path: Path) -> None:
    """Of webmail or a chat, for who is not logged in, who is, and whose token counts no more."""
    tokens = Tokens(tmp_path / "service")
    secrets = [tokens.add(name, Role.VIEW) for name in ("reception", "later")]
    with listening(sample, tmp_path / "service") as url:
        context = browser.new_context()
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        mail = f'<a href="{url}?q=a+red+jacket&camera=lobby">look at this</a>'
        page.route("http://mail.example/", lambda route: route.fulfill(content_type="text/html", body=mail))
        for secret in (secrets[0], None, secrets[1]):
            page.goto("http://mail.example/")
            page.get_by_role("link", name="look at this").click()
            if secret:
                page.get_by_label("Token").fill(secret)
                page.get_by_role("button", name="Log in").click()
            expect(page.locator("#q")).to_have_value("a red jacket")
            expect(page.locator(".card").first).to_be_visible()
            assert page.url == f"{url}?q=a+red+jacket&camera=lobby"
            if secret is None:
                tokens.revoke("reception")
        context.close()


# -- for everybody -----------------------------------------------------------------------------------------------------------------------

PAGES = (
    "",
    "?q=a+red+jacket,+no+hat,+with+a+zorbly",
    "?q=a+person&min_probability=0&order=time",
    "?q=a+green+raincoat&min_probability=0.95&camera=lobby",
    "?q=coat&camera=moon",
    "people/1?q=coat",
    "people/31",
    "people/33?q=a+red+jacket",
    "login",
    "nothing",
)


def require_no_barrier(page: Page, visit: Visitor | None = None) -> None:
    """What axe-core finds wrong with a page, by any of its rules, fails the test: in the light, in the dark, and on a phone.

    Of its rules only that of contrast can tell light from dark.
    """
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    for width, scheme, rules in ((1280, "light", {}), (1280, "dark", {"runOnly": ["color-contrast"]}), (390, "light", {})):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert page.evaluate(VIOLATIONS, rules) == [], (page.url, width, scheme)
        if visit:
            visit.fits()


VIOLATIONS = "rules => axe.run(rules).then(found => found.violations.map(one => [one.id, one.nodes.map(node => node.html)]))"


def test_no_page_has_a_barrier(visit: Visitor, tmp_path: Path) -> None:
    page = visit.page
    for path in PAGES:
        response = page.goto(visit.address + path)
        assert response
        visit.answered(response.status)
        require_no_barrier(page, visit)
    street((400, 300), [(20, 40, 50, 140), (120, 20, 190, 240)]).save(tmp_path / "two.png")
    page.goto(visit.address)
    page.set_input_files("input[name=picture]", str(tmp_path / "two.png"))
    expect(page.locator(".sent")).to_contain_text("The largest was taken")
    require_no_barrier(page, visit)
    page.get_by_role("button", name="Take person 2 of the picture").click()
    expect(page.get_by_role("img", name="Person 2 of the picture, who was taken")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    require_no_barrier(page, visit)


def test_an_empty_index_says_so(browser: Browser, sample: Sample, tmp_path: Path) -> None:
    with (
        create_index(tmp_path / "index", sample.encoder),
        listening(replace(sample, index=tmp_path / "index"), tmp_path / "service") as url,
    ):
        page = browser.new_page()
        for path in ("", "?q=a+red+jacket"):
            page.goto(url + path)
            require_no_barrier(page)
        expect(page.locator(".nobody")).to_have_text("Nobody is in this index yet.")
        page.evaluate("document.documentElement.removeAttribute('lang')")
        with pytest.raises(AssertionError, match="html-has-lang"):
            require_no_barrier(page)
        page.close()
