"""A page in a real browser, which notes what should not be: messages of its policy, faults, and requests to anybody else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
PATIENCE = 120_000
"""Milliseconds that a machine which is busy with everything else may take for a step."""
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]


@contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """A browser that keeps what it keeps in a folder, not in the home of whoever runs the tests."""
    expect.set_options(timeout=PATIENCE)
    named = {name: str(home / name) for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, env={**os.environ, "HOME": str(home), **named})
        yield opened
        opened.close()


@contextmanager
def visiting(browser: Browser, address: str, path: str = "", **like: Any) -> Iterator[Page]:
    """A page of its own, of a service at an address.

    Args:
        like: what the browser is like, as of Playwright's ``new_context``.
    """
    wrong: list[str] = []
    context = browser.new_context(**like)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.extend([] if request.url.startswith(address) else [f"asked {request.url}"]))
    page.goto(f"{address}{path}")
    yield page
    context.close()
    assert wrong == []


def fits(page: Page) -> bool:
    """Whether nothing is wider than the screen."""
    size = page.viewport_size
    assert size
    return bool(page.evaluate("document.documentElement.scrollWidth") <= size["width"])
