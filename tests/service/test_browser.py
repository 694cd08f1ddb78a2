"""The page in a real browser, as people use it: with a mouse, by keyboard alone, on a phone, without script.

Whatever a page says of its policy, or asks of anybody else, fails the test.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright
from serving import Sample, listening

CHROMIUM = shutil.which("chromium")
PATIENCE = 30_000
"""Milliseconds that a busy machine may take for a step."""
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here; .ci/run sees to it that it is")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with listening(sample, tmp_path_factory.mktemp("browsed")) as url:
        yield url


@dataclass
class Visitor:
    """A page of its own, which notes what should not be."""

    page: Page
    address: str
    wrong: list[str] = field(default_factory=list)

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


@pytest.mark.parametrize(
    "visit", [{"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}], indirect=True
)
def test_on_a_phone(visit: Visitor) -> None:
    page = visit.page
    visit.fits()
    page.get_by_role("link", name="a red jacket and blue jeans").tap()
    expect(page.locator(".card").first).to_be_visible()
    visit.fits()
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


def test_by_keyboard_alone(visit: Visitor) -> None:
    page = visit.page
    page.keyboard.type("a red jacket")
    page.keyboard.press("Enter")
    expect(page.locator(".card").first).to_be_visible()
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
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("figure img")).to_be_visible()


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
