"""The command line's door: which commands there are, and how each of them ends."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

import click

import passerby
from passerby.cli.show.console import INTERRUPTED, NOTHING_DONE, TERMINATED, note, open_streams, plain, show_error
from passerby.errors import PasserbyError

COMMANDS: Final[Mapping[str, Mapping[str, str]]] = {
    "index": {
        "index": "Put photos and videos, and the people in them, into an index, or bring it up to date",
        "watch": "Index what recorders write into folders, and whom live cameras see, as it comes",
        "info": "Say what an index holds, which model made it, and which files failed",
        "remove": "Delete files, all below folders, single people, or whoever was seen too long ago from an index for good",
        "copy-index": "Copy an index to another place or kind",
    },
    "find": {
        "search": "Find people by what they wear, best first",
        "cut": "Cut the seconds around somebody out of a video",
        "describe": "Say what somebody in a picture wears",
        "parse": "Show what a description says",
        "detect": "Find the people in photos and videos, as boxes, tracks and crops",
        "embed": "Write the vectors of pictures and texts for other tools",
        "demo": "Draw streets with people, index who is in them, ask three questions and draw where the answers are",
    },
    "serve": {
        "serve": "Serve an index: a page to search with, and an API",
        "token": "Say who may use a service",
        "push": "Push what this device found to a centre",
    },
    "measure": {
        "explore": "Look at a dataset: its people, pictures and words",
        "evaluate": "Measure how well a model finds people by their captions",
        "benchmark": "Measure how fast models are beside CLIP B/32 and B/16, in one run",
        "attention": "Draw where a model looks when it compares a picture with words",
    },
    "learn": {
        "train": "Train a compact CLIP, or a person detector, as a config says",
        "distil": "Teach a small CLIP what another model knows, as a config says",
        "finetune": "Adapt a model to your own pictures by LoRA",
        "merge": "Add an adapter to its base for good",
        "clean": "Delete the resized pictures of people that runs keep",
    },
    "convert": {
        "export": "Turn a model into a float32 bundle",
        "quantize": "Turn a float32 bundle into FP16 or INT8",
        "build-engine": "Build TensorRT engines of a bundle for this machine's GPU",
        "calibrate": "Let a bundle say how likely its hits are right",
    },
}
"""Of each module in ``passerby.cli``, its commands, and the start of what each says of itself."""


class Program(click.Group):
    """A group whose commands are imported when they run; until then each is but a name."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(commands=[click.Command(name) for commands in COMMANDS.values() for name in commands], **attributes)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for room, commands in COMMANDS.items():
            with formatter.section(f"Commands to {room}"):
                formatter.write_dl(list(commands.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and load(str(found.name)), rest


def load(name: str) -> click.Command:
    """The command of a name, imported."""
    room = next(room for room, commands in COMMANDS.items() if name in commands)
    command: click.Command = getattr(import_module(f"passerby.cli.{room}"), name.replace("-", "_"))
    return command


def _show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"passerby {passerby.__version__}")
        context.exit()


@click.group(
    cls=Program,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    epilog='Start with: passerby index FOLDER, then: passerby search "a person wearing a red jacket"',
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version and exit.")
@click.pass_context
def app(context: click.Context) -> None:
    """Find people in photos by what they wear."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit(NOTHING_DONE)


@app.result_callback()
@click.pass_context
def leave(context: click.Context, code: int | None) -> None:
    """End with the code that a command returned."""
    context.exit(code or 0)


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what cleans up after Ctrl-C does so after it as well."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM raise ``Terminated``, once, where nobody else has said what it does."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # `timeout` sends it twice, and cleaning up takes its time
        raise Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def main() -> None:
    """Run the command line; what goes wrong is said in one line."""
    open_streams()
    try:
        with _terminable():
            sys.exit(app(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as abort:
        terminated = isinstance(abort.__cause__, Terminated)
        note(f"passerby: {'terminated' if terminated else 'interrupted'}")
        sys.exit(TERMINATED if terminated else INTERRUPTED)
    except (PasserbyError, OSError) as error:
        show_error(plain(error))
        sys.exit(NOTHING_DONE)


if __name__ == "__main__":
    main()
