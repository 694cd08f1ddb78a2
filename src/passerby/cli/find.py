"""Commands that find people: index, search, and what is beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from passerby.cli import options

_ID = click.IntRange(1, 2**63 - 1)


@click.command(epilog="Example: passerby index crops/ more/*.jpg --index my-index")
@click.argument("paths", nargs=-1, type=options.PATH, metavar="[PATH…]", help="Files, folders with all below them, or patterns.")
@options.index_folder
@options.model
@click.option("--rebuild", is_flag=True, help="Forget all that the index holds first, so that every picture is encoded again.")
@click.option("--verify", is_flag=True, help="Read every file again, whatever its times say, and encode those with other bytes.")
@click.option(
    "--prune",
    multiple=True,
    type=options.PATH,
    metavar="PATH",
    help="Delete people below it whose files are gone, for good; again for more.",
)
@options.as_json
def index(
    paths: tuple[Path, ...], *, index: Path | None, model: str, rebuild: bool, verify: bool, prune: tuple[Path, ...], json: bool
) -> int:
    """Put pictures of people into an index, or bring it up to date; only new and changed files are read.

    People whose files cannot be seen, on a disk that is away for one, are kept and said to be away, until --prune says that they are gone.
    """
    from passerby.cli.show.finding import show_index_report
    from passerby.find.ingest import index_paths, prune_paths
    from passerby.index.open import create_index, open_index
    from passerby.places import index_folder
    from passerby.progress import progress_bar
    from passerby.resolve import load_model

    folder = index_folder(index)
    if not paths and prune and not (rebuild or verify):
        with open_index(folder) as opened:
            return show_index_report(prune_paths(opened, prune), as_json=json)
    if not paths:
        raise click.BadParameter("expected files, folders or patterns, found none; name some", param_hint="PATH…")
    encoder = load_model(model)
    with create_index(folder, encoder, rebuild=rebuild) as opened, progress_bar("indexing", quiet=json) as on_progress:
        report = index_paths(opened, encoder, paths, on_progress, verify=verify, prune=prune)
    return show_index_report(report, as_json=json)


def _worn(name: str) -> Callable[[Any], Any]:
    return click.option(name, multiple=True, metavar="LOOKS", help="Rather who has it there: 'red', 'cap', 'red cap'.")


@click.command(epilog='Example: passerby search "a woman in a white dress with a black bag" --sheet found.png')
@click.argument("words", nargs=-1, metavar="[WORDS]", help="What the person wears.")
@click.option("--like", type=options.PATH, metavar="PICTURE", help="Somebody alike; alone, or with words.")
@_worn("--head")
@_worn("--upper")
@_worn("--lower")
@_worn("--feet")
@_worn("--carrying")
@click.option("--hat", is_flag=True, help="Rather who has a hat, cap or beanie.")
@click.option("--with", "having", multiple=True, metavar="THING", help="Rather who has it: 'red bag'.")
@click.option("--without", multiple=True, metavar="THING", help="Rather who does not have it.")
@click.option("-k", type=click.IntRange(min=1), default=10, help="How many people to show.")
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Show only who is right that surely, from 0 to 1.",
    show_default="all",
)
@click.option("--sheet", type=options.PATH, metavar="FILE", help="Draw them to a PNG, JPEG or WebP file.")
@options.index_folder
@options.model
@options.as_json
def search(
    words: tuple[str, ...],
    *,
    like: Path | None,
    head: tuple[str, ...],
    upper: tuple[str, ...],
    lower: tuple[str, ...],
    feet: tuple[str, ...],
    carrying: tuple[str, ...],
    hat: bool,
    having: tuple[str, ...],
    without: tuple[str, ...],
    k: int,
    min_probability: float | None,
    sheet: Path | None,
    index: Path | None,
    model: str,
    json: bool,
) -> int:
    """Find people by what they wear, best first.

    Filters beside the words, or instead of them, prefer: of each thing they keep the quarter of the index that it fits best, or leave it
    out, whether or not anybody has the thing. Each may be given several times.
    """
    from passerby.cli.show.finding import show_answer
    from passerby.find.answer import answer
    from passerby.find.question import Question
    from passerby.index.open import open_index
    from passerby.places import index_folder
    from passerby.resolve import load_model
    from passerby.words.filters import read_filters
    from passerby.words.lexicon import Part

    if sheet:
        _require_sheet(sheet, k)
    at = {Part.HEAD: head, Part.UPPER: upper, Part.LOWER: lower, Part.FEET: feet, Part.CARRIED: carrying}
    question = Question(" ".join(words), like, read_filters(at, [*["hat"] * hat, *having], without))
    with open_index(index_folder(index)) as opened:
        found = answer(opened, load_model(model), question, k, min_probability=min_probability)
    return show_answer(found, sheet, as_json=json)


def _require_sheet(sheet: Path, people: int) -> None:
    from passerby.atomic import require_file_place
    from passerby.draw.sheet import format_of, require_room

    format_of(sheet, "--sheet")
    require_room(people)
    require_file_place(sheet, "--sheet")


@click.command(epilog="Example: passerby info --index my-index --json")
@options.index_folder
@options.as_json
def info(*, index: Path | None, json: bool) -> int:
    """Say what an index holds, which model made it, and which files failed."""
    from passerby.cli.show.finding import show_info
    from passerby.index.open import open_index
    from passerby.places import index_folder

    with open_index(index_folder(index)) as opened:
        return show_info(opened.info(), opened.failures(), as_json=json)


@click.command(epilog="Example: passerby remove crops/2019 --index my-index")
@click.argument("paths", nargs=-1, type=options.PATH, metavar="[PATH…]", help="Files, folders with all below them, or patterns.")
@click.option(
    "--person",
    multiple=True,
    type=_ID,
    metavar="ID",
    help="Delete a person, as `search --json` names them; the next `index` leaves them out.",
)
@click.option(
    "--forget-suppression",
    multiple=True,
    type=_ID,
    metavar="ID",
    help="Let a removed person in again when they are next indexed.",
)
@options.index_folder
@options.as_json
def remove(paths: tuple[Path, ...], *, person: tuple[int, ...], forget_suppression: tuple[int, ...], index: Path | None, json: bool) -> int:
    """Delete files, all below folders, and single people from an index for good; the files themselves stay."""
    from passerby.cli.show.finding import show_removal
    from passerby.find.removal import remove_from
    from passerby.index.open import open_index
    from passerby.places import index_folder

    if not (paths or person or forget_suppression):
        raise click.BadParameter("expected files, folders, patterns or --person, found none; name some", param_hint="PATH…")
    with open_index(index_folder(index)) as opened:
        report = remove_from(opened, paths, person, forget_suppression)
    return show_removal(report, as_json=json)


@click.command(epilog='Example: passerby parse "red jkt, blue jeans, no hat"')
@click.argument("words", metavar="WORDS", help="A description of a person.")
@options.as_json
def parse(words: str, *, json: bool) -> int:
    """Show what a description says: what is worn and carried, in which colours, what is absent, and what was not understood."""
    from passerby.cli.show.words import show_description
    from passerby.words.parser import parse as parse_words

    return show_description(words, parse_words(words), as_json=json)


@click.command(epilog="Example: passerby embed crops/ --out vectors.npz --texts sentences.txt")
@click.argument("paths", nargs=-1, type=options.PATH, metavar="[PATH…]", help="Files, folders or patterns.")
@click.option("--out", type=options.PATH, metavar="FILE", required=True, help="The .npz file: vectors (n, d) float32 and names (n).")
@click.option("--texts", type=options.PATH, metavar="FILE", help="A UTF-8 file with one text per line.")
@options.model
@options.as_json
def embed(paths: tuple[Path, ...], *, out: Path, texts: Path | None, model: str, json: bool) -> int:
    """Write the vectors of pictures and texts for other tools."""
    from passerby.atomic import require_file_place
    from passerby.cli.show.finding import show_embeddings
    from passerby.find.embed import embed as embed_all
    from passerby.find.embed import read_texts, write_embeddings
    from passerby.progress import progress_bar
    from passerby.resolve import load_model

    require_file_place(out, "--out")
    sentences = read_texts(texts) if texts else []
    with progress_bar("embedding", quiet=json) as on_progress:
        embeddings = embed_all(load_model(model), paths, sentences, on_progress)
    if embeddings.names:
        write_embeddings(embeddings, out)
    return show_embeddings(embeddings, out, as_json=json)


@click.command(epilog="Example: passerby demo --out demo")
@click.option("--out", type=options.PATH, metavar="DIR", default="demo", help="Where the gallery, its index and the sheet go.")
@options.model
@options.as_json
def demo(*, out: Path, model: str, json: bool) -> int:
    """Draw a gallery of sample people, index it, ask three questions and draw the answers."""
    from passerby.atomic import require_folder_place
    from passerby.cli.show.finding import show_demo
    from passerby.demo import run_demo
    from passerby.progress import progress_bar
    from passerby.resolve import load_model

    require_folder_place(out, "--out")

    with progress_bar("indexing", quiet=json) as on_progress:
        done = run_demo(load_model(model), out, on_progress)
    return show_demo(done, as_json=json)
