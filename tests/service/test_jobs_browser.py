"""Indexing from the page in a real browser: with script, which moves; on a phone; and without script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from serving import Sample, copy_of, indexing_of, listening
from visiting import CHROMIUM, chromium, fits, visiting

from passerby.data.synthetic import demo_people, write_gallery
from passerby.service.indexing.folders import Indexing

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here; .ci/run sees to it that it is")

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}
NOTING = """addEventListener("DOMContentLoaded", () => {
    const said = document.querySelector(".said");
    const note = () => { sessionStorage.told = `${sessionStorage.told ?? ""}${said.textContent}\\n`; };
    if (said) new MutationObserver(note).observe(said, { childList: true });
});"""
"""Keeps what the page says on its way, however fast that is over."""


COPIES = 20
PICTURES = 36 * COPIES


@dataclass(frozen=True)
class Site:
    """Where it is, and a folder that may be indexed."""

    address: str
    lobby: Path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture(scope="module")
def site(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("indexed")
    own, lobby = copy_of(sample, root), root / "lobby"
    for picture in write_gallery(lobby, demo_people(24)[15:], seed=9, views=4):  # enough of them for a run that can be watched
        for copy in range(1, COPIES):
            picture.with_stem(f"{picture.stem}-{copy}").write_bytes(picture.read_bytes() + bytes([copy]))
    (lobby / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    with listening(own, root / "service", indexing=after(1, indexing_of(own, lobby))) as address:
        yield Site(address, lobby)


def after(seconds: int, indexing: Indexing) -> Indexing:
    """Indexing that takes its time to begin."""
    return replace(indexing, command=("/bin/sh", "-c", f'sleep {seconds}; exec "$0" "$@"', *indexing.command))


def people(page: Page) -> int:
    said = page.locator(".lead").inner_text()
    return int(re.findall(r"([\d,]+) people", said)[0].replace(",", ""))


def test_a_folder_is_indexed_before_ones_eyes_and_its_people_are_found(browser: Browser, site: Site) -> None:
    with visiting(browser, site.address) as page:
        page.add_init_script(NOTING)
        before = people(page)
        page.get_by_role("link", name="Indexing").click()
        page.get_by_role("button", name="Index", exact=True).click()
        expect(page.get_by_role("progressbar")).to_be_visible()
        expect(page.locator(".outcome")).to_have_text(f"{PICTURES} new, 1 failed, {PICTURES} people found")
        assert re.search(rf"\d+ of {PICTURES + 1} files", page.evaluate("sessionStorage.told")), "it was told on the way"
        expect(page.get_by_role("row", name=re.compile("^broken.jpg expected a picture"))).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        page.get_by_role("link", name="Passerby").click()
        assert people(page) == before + PICTURES


def test_without_script_the_page_is_asked_for_anew(browser: Browser, site: Site) -> None:
    with visiting(browser, site.address, "indexing", java_script_enabled=False) as page:
        page.get_by_role("button", name="Index", exact=True).click()
        for _ in range(200):
            if page.get_by_role("link", name="Refresh").count() == 0:
                break
            page.get_by_role("link", name="Refresh").click()
            page.wait_for_timeout(100)
        expect(page.locator(".state")).to_have_text("done")
        page.get_by_role("link", name="All folders").click()
        expect(page.get_by_role("row")).not_to_have_count(0)


def test_a_job_is_cancelled_on_a_phone(browser: Browser, sample: Sample, site: Site, tmp_path: Path) -> None:
    own = copy_of(sample, tmp_path)
    indexing = after(60, indexing_of(own, site.lobby))
    with listening(own, tmp_path / "service", indexing=indexing) as address, visiting(browser, address, "indexing", **PHONE) as page:
        assert fits(page)
        page.get_by_role("button", name="Index", exact=True).tap()
        expect(page.get_by_role("button", name="Cancel")).to_be_visible()
        assert fits(page)
        page.get_by_role("button", name="Cancel").tap()
        expect(page.locator(".state")).to_have_text("cancelled")
        page.get_by_role("link", name="All folders").tap()
        expect(page.locator(".folders")).to_contain_text("what was done is kept")
        assert fits(page)
        page.get_by_role("link", name="Cameras").tap()
        expect(page.get_by_role("rowheader", name="north gate")).to_be_visible()
        assert fits(page)
