"""The command line: one short function per command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="passerby",
    help="Find people in photos and video by what they wear.",
    epilog='Start with: passerby index FOLDER, then: passerby search "a person wearing a red jacket"',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Paths = Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files, folders with all below them, or patterns.")]
IndexFolder = Annotated[
    Path | None,
    typer.Option("--index", metavar="DIR", envvar="PASSERBY_INDEX", help="The index's folder.", show_default="in your data folder"),
]
Model = Annotated[str, typer.Option("--model", metavar="MODEL", help="A bundled model's name, or a bundle's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, and nothing else there.")]

DEFAULT_MODEL = "passerby-s"


def main() -> None:
    """Run the command line; what goes wrong is said in one line."""
    from passerby.errors import PasserbyError
    from passerby.terminal import NOTHING_DONE, show_error

    try:
        app()
    except (PasserbyError, OSError) as error:
        show_error(error)
        sys.exit(NOTHING_DONE)


@app.command(epilog="Example: passerby index crops/ more/*.jpg --index my-index")
def index(
    paths: Paths,
    *,
    index: IndexFolder = None,
    model: Model = DEFAULT_MODEL,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Forget all that the index holds first.")] = False,
    json: Json = False,
) -> None:
    """Put pictures of people into an index, or bring it up to date; only new and changed files are read."""
    from passerby.find.index import Index, default_folder
    from passerby.find.ingest import index_paths
    from passerby.progress import progress_bar
    from passerby.resolve import load_model
    from passerby.terminal import show_index_report

    encoder = load_model(model)
    with Index.create(index or default_folder(), encoder, rebuild=rebuild) as opened, progress_bar("indexing", quiet=json) as on_progress:
        report = index_paths(opened, encoder, paths, on_progress)
    raise typer.Exit(show_index_report(report, as_json=json))


@app.command(epilog='Example: passerby search "a woman in a white dress with a black bag" --sheet found.png')
def search(
    words: Annotated[list[str] | None, typer.Argument(metavar="WORDS", help="What the person wears.", show_default=False)] = None,
    *,
    like: Annotated[Path | None, typer.Option("--like", metavar="PICTURE", help="Somebody alike; alone, or with words.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many people to show.")] = 10,
    sheet: Annotated[Path | None, typer.Option("--sheet", metavar="FILE", help="Draw them to a PNG, JPEG or WebP file.")] = None,
    index: IndexFolder = None,
    model: Model = DEFAULT_MODEL,
    json: Json = False,
) -> None:
    """Find people by what they wear, best first."""
    from passerby.find.index import Index, default_folder
    from passerby.find.query import ask
    from passerby.find.search import search as search_index
    from passerby.resolve import load_model
    from passerby.terminal import show_hits

    with Index.open(index or default_folder()) as opened:
        encoder = load_model(model)
        opened.require_model(encoder.digest, encoder.name)
        query = ask(encoder, " ".join(words or ()), like)
        hits = search_index(opened, query, k)
    if sheet and hits:
        from passerby.find.sheet import write_sheet

        write_sheet(sheet, [(query.text, hits)])
    raise typer.Exit(show_hits(query, hits, sheet, as_json=json))


@app.command(epilog="Example: passerby info --index my-index --json")
def info(*, index: IndexFolder = None, json: Json = False) -> None:
    """Say what an index holds, which model made it, and which files failed."""
    from passerby.find.index import Index, default_folder
    from passerby.terminal import show_info

    with Index.open(index or default_folder()) as opened:
        raise typer.Exit(show_info(opened.info(), opened.failures(), as_json=json))


@app.command(epilog="Example: passerby remove crops/2019 --index my-index")
def remove(paths: Paths, *, index: IndexFolder = None, json: Json = False) -> None:
    """Delete files, and all below folders, from an index for good; the files themselves stay."""
    from passerby.find.index import Index, default_folder
    from passerby.find.ingest import remove_paths
    from passerby.terminal import show_removal

    with Index.open(index or default_folder()) as opened:
        report = remove_paths(opened, paths)
    raise typer.Exit(show_removal(report, as_json=json))


@app.command(epilog="Example: passerby embed crops/ --out vectors.npz --texts sentences.txt")
def embed(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The .npz file: vectors (n, d) float32 and names (n).")],
    paths: Annotated[list[Path] | None, typer.Argument(metavar="PATH…", help="Files, folders or patterns.", show_default=False)] = None,
    texts: Annotated[Path | None, typer.Option("--texts", metavar="FILE", help="A UTF-8 file with one text per line.")] = None,
    model: Model = DEFAULT_MODEL,
    json: Json = False,
) -> None:
    """Write the vectors of pictures and texts for other tools."""
    from passerby.find.embed import embed as embed_all
    from passerby.find.embed import read_texts, write_embeddings
    from passerby.progress import progress_bar
    from passerby.resolve import load_model
    from passerby.terminal import show_embeddings

    sentences = read_texts(texts) if texts else []
    with progress_bar("embedding", quiet=json) as on_progress:
        embeddings = embed_all(load_model(model), paths or [], sentences, on_progress)
    if embeddings.names:
        write_embeddings(embeddings, out)
    raise typer.Exit(show_embeddings(embeddings, out, as_json=json))


if __name__ == "__main__":
    main()
