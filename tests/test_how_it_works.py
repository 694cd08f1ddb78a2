"""docs/how-it-works.md: its examples run, and what it quotes is in the files it names."""

from __future__ import annotations

import doctest
import importlib.util
import re
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-it-works.md"
TEXT = PAGE.read_text(encoding="utf-8")

CODE = re.compile(r"^```python( learn)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(
    r"^\[`(?P<file>[^`]+)`\]\((?P<link>[^)]+)\)\n\n(?:```python\n(?P<code>.*?)^```$|(?P<table>(?:\|[^\n]*\n)+))", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\]\(([^)#:]+)\)")

QUOTES = [(match["file"], match["link"], match["code"] or match["table"]) for match in QUOTED.finditer(TEXT)]


@pytest.mark.parametrize(("file", "link", "quote"), QUOTES, ids=lambda value: str(value).strip().splitlines()[0][:40])
def test_what_is_quoted_stands_in_its_file(file: str, link: str, quote: str) -> None:
    assert (PAGE.parent / link).resolve() == ROOT / file
    source = (ROOT / file).read_text(encoding="utf-8")
    assert not missing(quote, source), f"{file} has no longer: {missing(quote, source)}"


def test_all_other_code_is_run() -> None:
    quoted = {code for _, _, code in QUOTES}
    for learn, code in CODE.findall(TEXT):
        if code not in quoted:
            assert code.startswith(">>>"), f"neither run nor marked as a quote: {code}"
            assert learn or not re.search(r"torch|passerby\.(learn|deploy)|load_base", code), f"not marked as needing torch: {code}"


def test_examples_that_need_no_torch() -> None:
    run_examples(with_torch=False)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="the examples need the extra [learn]")
def test_all_examples() -> None:
    run_examples(with_torch=True)


@pytest.mark.parametrize("link", sorted(set(LINK.findall(TEXT))))
def test_links_lead_somewhere(link: str) -> None:
    assert (PAGE.parent / link).exists()


@pytest.mark.parametrize(
    ("quote", "lines"),
    [
        ("a = 1\nb = 2\n", []),
        ("a = 1\n...\nc = 3\n", []),
        ("b = 2\n    c = 3\n", ["b = 2", "    c = 3"]),
        ("a = 1\nc = 3\n", ["a = 1", "c = 3"]),
        ("c = 3\n...\na = 1\n", ["a = 1"]),
    ],
)
def test_a_quote_keeps_its_lines_together_in_order_and_in_shape(quote: str, lines: list[str]) -> None:
    assert missing(quote, "def f():\n    a = 1\n    b = 2\n\n    c = 3\n") == lines


def missing(quote: str, source: str) -> list[str]:
    """The first part of a quote that does not stand in the source, further down than the parts before it; parts are divided by ``...``."""
    lines, start = source.splitlines(), 0
    for part in re.split(r"^\s*\.\.\.\n", quote, flags=re.MULTILINE):
        wanted = dedent(part).splitlines()
        found = (i for i in range(start, len(lines)) if dedent("\n".join(lines[i : i + len(wanted)])).splitlines() == wanted)
        place = next(found, None)
        if place is None:
            return wanted
        start = place + len(wanted)
    return []


def run_examples(*, with_torch: bool) -> None:
    """Run the page's examples from top to bottom; each may use what those before it made."""
    names: dict[str, object] = {}
    runner = doctest.DocTestRunner()
    for match in CODE.finditer(TEXT):
        learn, code = match.groups()
        if code.startswith(">>>") and (with_torch or not learn):
            line = TEXT.count("\n", 0, match.start(2))
            examples = doctest.DocTestParser().get_doctest(code, {}, PAGE.name, str(PAGE), line)
            examples.globs = names
            runner.run(examples, clear_globs=False)
    assert runner.tries
    assert not runner.failures
