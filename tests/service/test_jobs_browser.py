"""Indexing from the page in a real browser: with script, which moves; on a phone; and without script."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from serving import Sample, copy_of, indexing_of, listening
from visiting import CHROMIUM, PATIENCE, chromium, fits, visiting

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


PICTURES = 36


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
    assert len(write_gallery(lobby, demo_people(24)[15:], seed=9, views=4)) == PICTURES
    (lobby / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    with listening(own, root / "service", indexing=told_slowly(0.1, indexing_of(own, lobby))) as address:
        yield Site(address, lobby)


def told_slowly(seconds: float, indexing: Indexing) -> Indexing:
    """Indexing that can be watched on any machine: each line of its progress takes its time to arrive."""
    slowly = f"while read -r line; do printf '%s\\n' \"$line\" >&2; sleep {seconds}; done"
    return replace(indexing, command=("/bin/bash", "-o", "pipefail", "-c", f'{{ "$0" "$@" 2>&1 >&3 | {slowly}; }} 3>&1', *indexing.command))


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
        ends = time.monotonic() + PATIENCE / 1000
        while page.get_by_role("link", name="Refresh").count() and time.monotonic() < ends:
            page.get_by_role("link", name="Refresh").click()
            page.wait_for_timeout(100)
        expect(page.locator(".state")).to_have_text("done")
        page.get_by_role("link", name="All folders").click()
        expect(page.get_by_role("row")).not_to_have_count(0)


def test_a_job_is_cancelled_on_a_phone(browser: Browser, sample: Sample, site: Site, tmp_path: Path) -> None:
    own = copy_of(sample, tmp_path)
    indexing = told_slowly(60, indexing_of(own, site.lobby))
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
