"""What happens when modules are imported: nothing that another part of the program could notice."""

from __future__ import annotations

import json
import subprocess
import sys

ROOMS = ["words", "model", "media", "detect", "data", "index", "draw", "find", "measure", "service", "demo", "resolve", "types"]

PROGRAM = """
import importlib, json, logging, os, pkgutil, sys, warnings
import numpy, PIL.Image

def state():
    loggers = logging.root.manager.loggerDict
    known = {name: (one.level, len(one.handlers)) for name, one in loggers.items() if isinstance(one, logging.Logger)}
    known = {name: value for name, value in known.items() if value != (0, 0)}
    return [list(map(str, warnings.filters)), known, dict(os.environ), PIL.Image.MAX_IMAGE_PIXELS, os.getcwd()]

def modules(name):
    yield name
    for found in pkgutil.iter_modules(getattr(sys.modules[name], "__path__", ())):
        if found.name != "bundles":
            importlib.import_module(f"{name}.{found.name}")
            yield from modules(f"{name}.{found.name}")

import passerby
before = state()
count = 0
for room in sys.argv[1:]:
    importlib.import_module(f"passerby.{room}")
    count += len(list(modules(f"passerby.{room}")))
print(json.dumps([before, state(), count]))
"""


def test_an_import_changes_no_warnings_no_logging_and_no_environment() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *ROOMS], capture_output=True, text=True, check=True)
    before, after, count = json.loads(done.stdout)
    assert count > 60
    assert after == before
