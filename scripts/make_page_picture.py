#!/usr/bin/env python3
"""Make docs/page.png, the README's picture of the page: drawn people, indexed, served, and asked for in Chromium.

python scripts/make_page_picture.py
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import sync_playwright

from passerby.data.synthetic import demo_people, write_gallery

PASSERBY = (sys.executable, "-m", "passerby")
QUESTION = "?q=a+red+jacket,+no+hat"
OUT = Path(__file__).parents[1] / "docs" / "page.png"
PATIENCE = 600_000
"""Milliseconds that a busy machine may take for a step."""


def index_drawn(folder: Path) -> Path:
    """An index of people at two cameras, on three days."""
    seen = folder / "seen"
    for number, picture in enumerate(write_gallery(folder / "drawn", demo_people(30), seed=7, views=2)):
        camera, hour = ("north gate", 9) if number % 2 else ("lobby", 14)
        seen.mkdir(exist_ok=True)
        picture.rename(seen / f"{camera}_202611{27 + number % 3}_{hour + number % 4:02}{number % 60:02}00.jpg")
    pattern = ("--name-pattern", "{camera}_%Y%m%d_%H%M%S", "--zone", "UTC")
    subprocess.run([*PASSERBY, "index", seen, "--index", folder / "index", *pattern], check=True)
    return folder / "index"


@contextmanager
def served(index: Path, port: str = "8649") -> Iterator[str]:
    """The address of a service of an index."""
    with subprocess.Popen([*PASSERBY, "serve", "--index", index, "--port", port], stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr
        try:
            yield next(line for line in service.stderr if line.startswith("open ")).split()[1]
        finally:
            service.terminate()


def main() -> None:
    with TemporaryDirectory() as folder, served(index_drawn(Path(folder))) as address, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        page = browser.new_page(viewport={"width": 1080, "height": 864})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{address}{QUESTION}")
        picture = Image.open(io.BytesIO(page.screenshot()))
        browser.close()
    picture.convert("RGB").quantize(255).save(OUT, optimize=True)


if __name__ == "__main__":
    main()
