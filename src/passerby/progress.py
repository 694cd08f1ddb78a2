"""The progress bar of long work: how much is done, how fast, and how long it takes still."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Final

Progress = Callable[[int, int], None]
"""Is told how much is done, and of how much."""
Say = Callable[[str], None]
"""Takes one line of text at a time, for people."""

FILES: Final = "files"
SECONDS: Final = "seconds"
"""What progress is told of: files, and seconds of video."""

PROGRESS = "on_progress to be a function of two numbers, how much is done and of how much"


@contextmanager
def progress_bar(label: str, *, quiet: bool = False) -> Iterator[Progress]:
    """Show a bar on standard error, if that is a terminal, until the block ends.

    Yields:
        a function to be told how much is done, and of how much.
    """
    with progress_bars(label, quiet=quiet) as (on_progress, _):
        yield on_progress


@contextmanager
def progress_bars(label: str, label_of_videos: str = "", *, quiet: bool = False) -> Iterator[tuple[Progress, Progress]]:
    """Show a bar, and one of videos once something is told of them, on standard error, if that is a terminal, until the block ends.

    Yields:
        functions to be told how much is done, and of how much: the second one in seconds of video.
    """
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class DoneColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            if task.fields["of_videos"]:
                return Text(f"{task.completed / 60:.1f}/{(task.total or 0) / 60:.1f} min")
            return Text(f"{task.completed:.0f}/{'?' if task.total is None else f'{task.total:.0f}'}")

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:.1f} × real time" if task.fields["of_videos"] else f"{speed:.1f}/s")

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DoneColumn(), RateColumn(), TimeRemainingColumn(compact=True))
    with Bars(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task(label, total=None, of_videos=False)
        videos = progress.add_task(label_of_videos, total=None, visible=False, of_videos=True)
        yield (
            lambda done, total: progress.update(task, completed=done, total=total),
            lambda done, total: progress.update(videos, completed=done, total=total, visible=True),
        )


@contextmanager
def progress_lines() -> Iterator[tuple[Progress, Progress]]:
    """Tell progress as lines of JSON on standard error, such as ``{"files": [3, 10]}``, for a program that runs this one.

    When standard input ends, that program is gone, and this process ends at once.

    Yields:
        functions to be told how much is done, and of how much: in files, and in seconds of video.
    """
    Thread(target=_end_with_input, daemon=True).start()
    yield _line_of(FILES), _line_of(SECONDS)


def _line_of(unit: str) -> Progress:
    def tell(done: int, total: int) -> None:
        with suppress(OSError):  # nobody reads any more
            print(json.dumps({unit: [done, total]}), file=sys.stderr, flush=True)  # noqa: T201

    return tell


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(130)
