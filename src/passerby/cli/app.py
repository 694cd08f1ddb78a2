"""The command line: one short function per command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import passerby
from passerby.types import Precision, Split

app = typer.Typer(
    name="passerby",
    help="Find people in photos by what they wear.",
    epilog='Start with: passerby index FOLDER, then: passerby search "a person wearing a red jacket"',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PATHS: Any = typer.Argument(metavar="PATH…", help="Files, folders with all below them, or patterns.", show_default=False)
Paths = Annotated[list[Path], _PATHS]
IndexFolder = Annotated[
    Path | None,
    typer.Option("--index", metavar="DIR", envvar="PASSERBY_INDEX", help="The index's folder.", show_default="in your data folder"),
]
Model = Annotated[
    str, typer.Option("--model", metavar="MODEL", help="A bundled model's name, a folder with a bundle or a CLIP, or a CLIP's hub id.")
]
Adapter = Annotated[
    Path | None, typer.Option("--adapter", metavar="ADAPTER", help="What `passerby finetune` made on that model.", show_default="none")
]
InputSize = Annotated[
    str | None,
    typer.Option("--size", metavar="HEIGHTxWIDTH", help="A CLIP's input, such as 384x128.", show_default="the model's own"),
]
Worn = Annotated[
    list[str] | None, typer.Option(metavar="LOOKS", help="Rather who has it there: 'red', 'cap', 'red cap'.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, and nothing else there.")]

KeepPictures = Annotated[
    bool, typer.Option("--keep-pictures", help="Leave the resized pictures of people in the run's folder when it has ended.")
]
Data = Annotated[
    Path, typer.Option("--data", metavar="DATASET", help="A dataset's folder, or a CSV or JSONL table of path, caption, id, split.")
]
Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file; see configs/.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Of the config, such as optimiser.image_rate=2e-4; repeat it.", show_default=False),
]
OutBundle = Annotated[Path, typer.Option("--out", metavar="DIR", help="The bundle's folder; a bundle that is there makes way.")]

DEFAULT_MODEL = "passerby-s"


class Device(StrEnum):
    ORIN = "orin"


class Learns(StrEnum):
    LORA = "lora"
    HEADS = "heads"
    ALL = "all"


class Measure(StrEnum):
    RETRIEVAL = "retrieval"
    CONDITIONS = "conditions"
    GROUPS = "groups"
    BINDING = "binding"
    WORDING = "wording"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"passerby {passerby.__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; what goes wrong is said in one line."""
    from passerby.cli.show.console import INTERRUPTED, NOTHING_DONE, note, open_streams, plain, show_error
    from passerby.errors import PasserbyError

    open_streams()
    try:
        app()
    except (PasserbyError, OSError) as error:
        show_error(plain(error))
        sys.exit(NOTHING_DONE)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            note("passerby: interrupted")
        raise


@app.callback()
def options(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    """Find people in photos by what they wear."""


def _refuse_ignored(context: typer.Context, beside: str, *names: str) -> None:
    """Raises ``ConfigError`` for options that were given and mean nothing beside another."""
    from passerby.errors import ConfigError

    given = [p.opts[0] for p in context.command.params if p.name in names and _was_given(context, p.name)]
    if given:
        raise ConfigError(expected=f"no option that means nothing beside {beside}", found=", ".join(given), do="leave one of them out")


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


@app.command(epilog="Example: passerby index crops/ more/*.jpg --index my-index")
def index(
    paths: Annotated[list[Path] | None, _PATHS] = None,
    *,
    index: IndexFolder = None,
    model: Model = DEFAULT_MODEL,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Forget all that the index holds first.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every file again, whatever its times say, and encode those with other bytes.")
    ] = False,
    prune: Annotated[
        list[Path] | None,
        typer.Option(
            "--prune", metavar="PATH", help="Delete people below it whose files are gone, for good; again for more.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Put pictures of people into an index, or bring it up to date; only new and changed files are read.

    People whose files cannot be seen, on a disk that is away for one, are kept and said to be away, until --prune says that they are gone.
    """
    from passerby.cli.show.finding import show_index_report
    from passerby.find.ingest import index_paths, prune_paths
    from passerby.index.sqlite.index import Index
    from passerby.places import index_folder
    from passerby.progress import progress_bar
    from passerby.resolve import load_model

    folder = index_folder(index)
    if not paths and prune and not (rebuild or verify):
        with Index.open(folder) as opened:
            raise typer.Exit(show_index_report(prune_paths(opened, prune), as_json=json))
    if not paths:
        raise typer.BadParameter("expected files, folders or patterns, found none; name some", param_hint="PATH…")
    encoder = load_model(model)
    with Index.create(folder, encoder, rebuild=rebuild) as opened, progress_bar("indexing", quiet=json) as on_progress:
        report = index_paths(opened, encoder, paths, on_progress, verify=verify, prune=prune or ())
    raise typer.Exit(show_index_report(report, as_json=json))


@app.command(epilog='Example: passerby search "a woman in a white dress with a black bag" --sheet found.png')
def search(
    words: Annotated[list[str] | None, typer.Argument(metavar="WORDS", help="What the person wears.", show_default=False)] = None,
    *,
    like: Annotated[Path | None, typer.Option("--like", metavar="PICTURE", help="Somebody alike; alone, or with words.")] = None,
    head: Worn = None,
    upper: Worn = None,
    lower: Worn = None,
    feet: Worn = None,
    carrying: Worn = None,
    hat: Annotated[bool, typer.Option("--hat", help="Rather who has a hat, cap or beanie.", show_default=False)] = False,
    having: Annotated[
        list[str] | None, typer.Option("--with", metavar="THING", help="Rather who has it: 'red bag'.", show_default=False)
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="THING", help="Rather who does not have it.", show_default=False)
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many people to show.")] = 10,
    min_probability: Annotated[
        float | None,
        typer.Option(
            "--min-probability", metavar="P", min=0, max=1, help="Show only who is right that surely, from 0 to 1.", show_default="all"
        ),
    ] = None,
    sheet: Annotated[Path | None, typer.Option("--sheet", metavar="FILE", help="Draw them to a PNG, JPEG or WebP file.")] = None,
    index: IndexFolder = None,
    model: Model = DEFAULT_MODEL,
    json: Json = False,
) -> None:
    """Find people by what they wear, best first.

    Filters beside the words, or instead of them, prefer: of each thing they keep the quarter of the index that it fits best, or leave it
    out, whether or not anybody has the thing. Each may be given several times.
    """
    from passerby.cli.show.finding import show_hits
    from passerby.find.explain import explain
    from passerby.find.filter import Sieve
    from passerby.find.query import ask
    from passerby.find.search import likely, look
    from passerby.find.search import search as search_index
    from passerby.index.sqlite.index import Index
    from passerby.places import index_folder
    from passerby.resolve import load_model
    from passerby.words.filters import described, read_filters
    from passerby.words.lexicon import Part
    from passerby.words.parser import parse as parse_words
    from passerby.words.spelling import is_english

    if sheet:
        from passerby.atomic import require_file_place
        from passerby.draw.sheet import format_of, require_room

        format_of(sheet, "--sheet")
        require_room(k)
        require_file_place(sheet, "--sheet")
    at = {Part.HEAD: head, Part.UPPER: upper, Part.LOWER: lower, Part.FEET: feet, Part.CARRIED: carrying}
    said = " ".join(words or ())
    filters = read_filters({p: v or () for p, v in at.items()}, [*["hat"] * hat, *(having or ())], without or (), said)
    asked = said or ("" if like else described(filters))
    with Index.open(index_folder(index)) as opened, opened.snapshot():
        encoder = load_model(model)
        opened.require_model(encoder.digest, encoder.name)
        query = ask(encoder, asked, like)
        found = search_index(opened, query, k, Sieve.of(encoder, filters).passes if filters else None)
        hits = look(found if min_probability is None else likely(found, min_probability))
        fits = explain(opened, encoder, ", ".join(filter(None, [said, described(filters)])), hits)
    if sheet and hits:
        from passerby.draw.sheet import write_sheet

        write_sheet(sheet, [(query.text, hits)])
    read = parse_words(said)
    nothing = not read.says_something and not is_english(said)
    raise typer.Exit(
        show_hits(
            query,
            hits,
            fits,
            sheet,
            unlikely=found[len(hits) :],
            filters=[one.asked for one in filters],
            not_understood=read.not_understood,
            foreign=said if nothing else "",
            as_json=json,
        )
    )


@app.command(epilog="Example: passerby info --index my-index --json")
def info(*, index: IndexFolder = None, json: Json = False) -> None:
    """Say what an index holds, which model made it, and which files failed."""
    from passerby.cli.show.finding import show_info
    from passerby.index.sqlite.index import Index
    from passerby.places import index_folder

    with Index.open(index_folder(index)) as opened:
        raise typer.Exit(show_info(opened.info(), opened.failures(), as_json=json))


@app.command(epilog="Example: passerby remove crops/2019 --index my-index")
def remove(paths: Paths, *, index: IndexFolder = None, json: Json = False) -> None:
    """Delete files, and all below folders, from an index for good; the files themselves stay."""
    from passerby.cli.show.finding import show_removal
    from passerby.find.ingest import remove_paths
    from passerby.index.sqlite.index import Index
    from passerby.places import index_folder

    with Index.open(index_folder(index)) as opened:
        report = remove_paths(opened, paths)
    raise typer.Exit(show_removal(report, as_json=json))


@app.command(epilog='Example: passerby parse "red jkt, blue jeans, no hat"')
def parse(words: Annotated[str, typer.Argument(metavar="WORDS", help="A description of a person.")], *, json: Json = False) -> None:
    """Show what a description says: what is worn and carried, in which colours, what is absent, and what was not understood."""
    from passerby.cli.show.words import show_description
    from passerby.words.parser import parse as parse_words

    raise typer.Exit(show_description(words, parse_words(words), as_json=json))


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
    from passerby.atomic import require_file_place
    from passerby.cli.show.finding import show_embeddings
    from passerby.find.embed import embed as embed_all
    from passerby.find.embed import read_texts, write_embeddings
    from passerby.progress import progress_bar
    from passerby.resolve import load_model

    require_file_place(out, "--out")
    sentences = read_texts(texts) if texts else []
    with progress_bar("embedding", quiet=json) as on_progress:
        embeddings = embed_all(load_model(model), paths or [], sentences, on_progress)
    if embeddings.names:
        write_embeddings(embeddings, out)
    raise typer.Exit(show_embeddings(embeddings, out, as_json=json))


@app.command(epilog='Example: passerby attention somebody.jpg "a red jacket and a black cap" --model passerby-s --out attention.png')
def attention(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="A crop of a person.")],
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What the person may wear.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The PNG, JPEG or WebP file to draw.")] = Path("attention.png"),
    model: Model = DEFAULT_MODEL,
    adapter: Adapter = None,
    size: InputSize = None,
    json: Json = False,
) -> None:
    """Draw where a model looks when it compares a picture with words: heat over the crop, and the share of each word.

    passerby-s has no attention in its image tower: what each place adds to the similarity is drawn then, and said so. Needs the extra
    \\[learn].
    """
    from passerby.atomic import require_file_place
    from passerby.cli.show.finding import show_relevance
    from passerby.draw.heatmap import draw_to
    from passerby.draw.sheet import format_of
    from passerby.extras import needs_extra
    from passerby.media.photo import read_image
    from passerby.resolve import load_base

    format_of(out, "--out")
    require_file_place(out, "--out")

    with needs_extra("learn"):
        from passerby.learn.attention import look

    image = read_image(picture)
    relevance = look(load_base(model, adapter=adapter, size=size), image, words)
    draw_to(out, image, relevance)
    raise typer.Exit(show_relevance(relevance, picture, out, as_json=json))


@app.command(epilog="Example: passerby demo --out demo")
def demo(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the gallery, its index and the sheet go.")] = Path("demo"),
    model: Model = DEFAULT_MODEL,
    json: Json = False,
) -> None:
    """Draw a gallery of sample people, index it, ask three questions and draw the answers."""
    from passerby.atomic import require_folder_place
    from passerby.cli.show.finding import show_demo
    from passerby.demo import run_demo
    from passerby.progress import progress_bar
    from passerby.resolve import load_model

    require_folder_place(out, "--out")

    with progress_bar("indexing", quiet=json) as on_progress:
        done = run_demo(load_model(model), out, on_progress)
    raise typer.Exit(show_demo(done, as_json=json))


@app.command(epilog="Example: passerby explore CUHK-PEDES --out look")
def explore(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="A dataset's folder, or a CSV or JSONL table.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where report.html and figures.json go.")],
    compare: Annotated[
        Path | None, typer.Option("--compare", metavar="OTHER", help="Another dataset to lay beside it.", show_default=False)
    ] = None,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Whether the page shows people.")] = True,
    export_prompts: Annotated[
        Path | None,
        typer.Option(
            "--export-prompts", metavar="FILE", help="Write DATASET with its captions as prompts, a table for train.", show_default=False
        ),
    ] = None,
    model: Model = DEFAULT_MODEL,
    json: Json = False,
) -> None:
    """Look at a dataset: its people, pictures and words, and what they mean for training and measuring. Needs the extra \\[report]."""
    from passerby.atomic import require_file_place, require_folder_place
    from passerby.cli.show.exploring import show_report
    from passerby.extras import needs_extra
    from passerby.progress import progress_bar
    from passerby.resolve import load_model

    require_folder_place(out, "--out")
    if export_prompts:
        require_file_place(export_prompts, "--export-prompts")
    with needs_extra("report"):
        from passerby.report.explore import explore_datasets

    with progress_bar("looking", quiet=json) as on_progress:
        paths = [dataset] if compare is None else [dataset, compare]
        report = explore_datasets(paths, load_model(model), out, pictures=pictures, prompts=export_prompts, on_progress=on_progress)
    raise typer.Exit(show_report(report, as_json=json))


@app.command(epilog="Example: passerby evaluate --data CUHK-PEDES --split val --json")
def evaluate(
    *,
    data: Data,
    split: Annotated[Split, typer.Option("--split", help="The part of the dataset to ask about.")] = Split.VAL,
    model: Model = DEFAULT_MODEL,
    adapter: Adapter = None,
    size: InputSize = None,
    prompts: Annotated[
        list[str] | None,
        typer.Option(
            "--prompts", metavar="TEMPLATE", help="What to put captions into, at its {}; several are averaged.", show_default="none"
        ),
    ] = None,
    measure: Annotated[
        Measure, typer.Option("--measure", help="How well, under which conditions, whom, colours, words.")
    ] = Measure.RETRIEVAL,
    json: Json = False,
) -> None:
    """Measure how well a model finds people by their captions: Rank-1/5/10, mAP, mINP, in percent with 95 % intervals.

    Or how much of that is left under hard conditions, which groups of people it finds less well, whether it knows which garment has which
    colour, and what becomes of typos and keywords.
    """
    from passerby.cli.show.measuring import show_binding, show_conditions, show_evaluation, show_groups, show_wording
    from passerby.data.datasets import load_dataset
    from passerby.measure.binding import measure_binding
    from passerby.measure.conditions import measure_conditions
    from passerby.measure.evaluation import evaluate as measure_retrieval
    from passerby.measure.groups import measure_groups
    from passerby.measure.wording import measure_wording
    from passerby.model.prompted import PromptedEncoder
    from passerby.progress import progress_bar
    from passerby.resolve import load_model

    measures: dict[Measure, tuple[Callable[..., Any], Callable[..., int]]] = {
        Measure.RETRIEVAL: (measure_retrieval, show_evaluation),
        Measure.CONDITIONS: (measure_conditions, show_conditions),
        Measure.GROUPS: (measure_groups, show_groups),
        Measure.BINDING: (measure_binding, show_binding),
        Measure.WORDING: (measure_wording, show_wording),
    }
    run, show = measures[measure]
    encoder = load_model(model, adapter=adapter, size=size)
    asked = PromptedEncoder(encoder, prompts) if prompts else encoder
    with progress_bar("reading pictures", quiet=json) as on_progress:
        report = run(asked, load_dataset(data, {split}), on_progress=on_progress)
    raise typer.Exit(show(report, as_json=json))


@app.command(epilog="Example: passerby benchmark --save now.json --compare before.json --picture speed.png")
def benchmark(
    context: typer.Context,
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="MODEL", help="A bundled model's name, or a bundle's folder; again for more.", show_default=DEFAULT_MODEL
        ),
    ] = None,
    clip: Annotated[bool, typer.Option("--clip/--no-clip", help="Whether CLIP B/32 and B/16 are timed beside them.")] = True,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Of every tower.", show_default="one per core")] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How many turns each tower takes at each batch size.")] = 7,
    batch: Annotated[
        list[int] | None, typer.Option("--batch", min=1, help="A batch size besides 1; again for more.", show_default="8 and 32")
    ] = None,
    save: Annotated[Path | None, typer.Option("--save", metavar="FILE", help="Keep the run's JSON.", show_default=False)] = None,
    saved: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Show a run that was kept instead of measuring.", show_default=False)
    ] = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", metavar="FILE", help="A run that was kept, to compare with.", show_default=False)
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="FILE", help="Draw accuracy against latency to a PNG, SVG or PDF file.", show_default=False),
    ] = None,
    predict: Annotated[
        Device | None,
        typer.Option("--predict", help="Say what a device could do at best, from the graphs, instead of measuring.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Measure how fast models are beside CLIP B/32 and B/16, in one run: latency, throughput, load time, memory, energy, size.

    CLIP's towers are made once, with random weights, in your cache folder; that needs the extra \\[learn]. `--picture` needs \\[report].
    """
    from passerby.atomic import require_file_place
    from passerby.benchmark.run import run_benchmark
    from passerby.benchmark.saved import read_run, save_run
    from passerby.benchmark.speed import Plan
    from passerby.cli.show.console import note
    from passerby.cli.show.speed import show_limits, show_speed
    from passerby.extras import needs_extra
    from passerby.progress import progress_bar
    from passerby.resolve import find_bundle

    if predict:
        _refuse_ignored(context, "--predict", "clip", "threads", "rounds", "batch", "save", "saved", "compare", "picture")
    if saved:
        _refuse_ignored(context, "--from", "model", "clip", "threads", "rounds", "batch", "save")
    for place, option in ((save, "--save"), (picture, "--picture")):
        if place:
            require_file_place(place, option)
    if predict:
        with needs_extra("learn"):
            from passerby.benchmark.roofline import DEVICES, limits
        bundles = [find_bundle(name) for name in model or [DEFAULT_MODEL]]
        raise typer.Exit(show_limits(limits(bundles, DEVICES[predict]), as_json=json))
    if picture:
        with needs_extra("report"):
            from passerby.benchmark.chart import draw_run, require_format
        require_format(picture)
    other = read_run(compare) if compare else None
    if saved:
        run = read_run(saved)
    else:
        bundles = [find_bundle(name) for name in model or [DEFAULT_MODEL]]
        with progress_bar("measuring", quiet=json) as on_progress:
            run = run_benchmark(bundles, Plan.of(threads, rounds, batch), note, beside_clip=clip, on_progress=on_progress).to_json()
    if save:
        save_run(run, save)
    if picture:
        draw_run(run, picture)
    raise typer.Exit(show_speed(run, other, as_json=json))


@app.command(epilog="Example: passerby train configs/passerby-s/2-pictures.toml --set optimiser.image_rate=2e-4")
def train(config: Config, *, changes: Changes = None, keep_pictures: KeepPictures = False) -> None:
    """Train a compact CLIP as a config says; an interrupted run goes on where it was. Needs the extra \\[learn]."""
    from passerby.cli.show.console import note
    from passerby.extras import needs_extra

    with needs_extra("learn"):
        from passerby.learn.config import read_config
        from passerby.learn.train import train as train_model

    note(f"the model is {train_model(read_config(config, changes or ()), note, keep_pictures=keep_pictures)}")


@app.command(epilog="Example: passerby distil configs/passerby-clip-tiny/distil.toml")
def distil(config: Config, *, changes: Changes = None, keep_pictures: KeepPictures = False) -> None:
    """Teach a small CLIP what another model knows, as a config says; an interrupted run goes on where it was. Needs the extra \\[learn]."""
    from passerby.cli.show.console import note
    from passerby.extras import needs_extra
    from passerby.resolve import load_model

    with needs_extra("learn"):
        from passerby.learn.distil.config import read_distillation
        from passerby.learn.distil.distil import distil as distil_model

    how = read_distillation(config, changes or ())
    note(f"the model is {distil_model(load_model(how.teacher), how, note, keep_pictures=keep_pictures)}")


@app.command(epilog="Example: passerby finetune --base passerby-s --data my.csv --out adapter")
def finetune(
    *,
    data: Data,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The adapter's or model's folder; checkpoints go to DIR.run.")],
    base: Annotated[str, typer.Option("--base", metavar="MODEL", help="What to adapt, as for --model.")] = DEFAULT_MODEL,
    size: InputSize = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="A TOML file of how to.", show_default="the base's preset")
    ] = None,
    sets: Changes = None,
    learns: Annotated[
        Learns | None,
        typer.Option("--learns", help="LoRA's matrices; or the base's projections, or all of it, into a model.", show_default="lora"),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Of the optimiser.", show_default="preset")] = None,
    rank: Annotated[int | None, typer.Option("--rank", min=1, help="Inner dimension of LoRA's matrices.", show_default="preset")] = None,
    alpha: Annotated[int | None, typer.Option("--alpha", min=1, help="LoRA's scale times its rank.", show_default="twice the rank")] = None,
    dropout: Annotated[float | None, typer.Option("--dropout", min=0, max=0.99, help="Of LoRA's inputs.", show_default="preset")] = None,
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--targets", metavar="NAME", help="q, k, v, out, fc1, fc2, pointwise or projection; repeat it.", show_default="preset"
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of every random choice.", show_default="preset")] = None,
    keep_pictures: KeepPictures = False,
) -> None:
    """Adapt a model to your own pictures by LoRA: a folder of a few MB, kept at its best on val. An interrupted run goes on where it was.
    Needs the extra \\[learn]."""
    from passerby.atomic import require_folder_place
    from passerby.cli.show.console import note
    from passerby.extras import needs_extra
    from passerby.resolve import load_base

    with needs_extra("learn"):
        from passerby.learn.lora.adaptation import adaptation
        from passerby.learn.lora.finetune import finetune as finetune_model

    require_folder_place(out, "--out")
    adapted = load_base(base, size=size)
    changes = {"rank": rank, "alpha": alpha, "dropout": dropout, "targets": targets or None}
    how = adaptation(adapted, config, sets or (), learns=learns and learns.value, steps=steps, seed=seed, **changes)
    made = finetune_model(adapted, data, out, how, note, keep_pictures=keep_pictures)
    note(f"the {'adapter' if how.learns == 'lora' else 'model'} is {made}")


@app.command(epilog="Example: passerby clean adapter runs/passerby-s")
def clean(runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="A run's folder, or the adapter or model it made.")]) -> None:
    """Delete the resized pictures of people that runs keep: interrupted ones, to go on with, and those of --keep-pictures.

    A run that goes on makes them again from the dataset.
    """
    from passerby.cli.show.console import note
    from passerby.learn.data.resized import delete_pictures

    for run in runs:
        note(f"{delete_pictures(run) / 1e6:,.1f} MB of resized pictures deleted from {run}")


@app.command(epilog="Example: passerby merge adapter --out merged")
def merge(
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="What `passerby finetune` made.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The merged model's folder; a model of ours that is there makes way.")],
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="MODEL", help="The adapter's base, if it has another name now.", show_default="its name then"),
    ] = None,
) -> None:
    """Add an adapter to its base for good, refused unless it says the same; a run then costs what the base costs. Needs \\[learn]."""
    from passerby.atomic import require_folder_place
    from passerby.cli.show.console import note
    from passerby.extras import needs_extra
    from passerby.resolve import load_base_of

    require_folder_place(out, "--out")

    with needs_extra("learn"):
        from passerby.learn.lora.adapter import merge as merge_adapter

    difference = merge_adapter(load_base_of(adapter, base), adapter, out)
    note(f"merged into {out}; no feature differs by more than {difference:.1e}")


@app.command(epilog="Example: passerby export runs/passerby-s/3-drawn/model --out passerby-s-float")
def export(
    source: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name, its folder, or a CLIP's hub id.")],
    *,
    out: OutBundle,
    name: Annotated[str | None, typer.Option("--name", help="What the bundle calls itself.", show_default="the name of --out")] = None,
    size: InputSize = None,
) -> None:
    """Turn a model into a float32 bundle, or refuse if ONNX and torch disagree: any CLIP, or what train, distil, finetune or merge made;
    its folder holds all that is needed. Needs the extra \\[learn]."""
    from passerby.cli.show.console import note
    from passerby.extras import needs_extra
    from passerby.model.bundle import require_bundle_place
    from passerby.resolve import load_base

    require_bundle_place(out)
    with needs_extra("learn"):
        from passerby.convert.export import export_base

    bundle = export_base(load_base(source, size=size), name or out.resolve().name, out)
    note(f"exported {bundle.name} ({bundle.digest[:12]}) to {bundle.folder}")


@app.command(epilog="Example: passerby quantize passerby-s-float --data CUHK-PEDES --precision int8 --out passerby-s")
def quantize(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The float32 bundle's folder.")],
    *,
    data: Data,
    out: OutBundle,
    precision: Annotated[Precision, typer.Option("--precision", help="FP16 for GPUs, INT8 for everything.")] = Precision.INT8,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="BUNDLE", help="The float bundle whose Rank-1 must be kept.", show_default="BUNDLE itself"),
    ] = None,
    add: Annotated[
        list[Path] | None,
        typer.Option("--add", metavar="FILE", exists=True, dir_okay=False, help="A file to put into the bundle, such as its card."),
    ] = None,
) -> None:
    """Turn a float32 bundle into FP16 or INT8, calibrated on train, or refuse if val does not show that Rank-1 stays.

    If Rank-1 falls by more than half a point, each layer's damage is measured and the fewest that save it stay in float. Needs the
    extra \\[learn].
    """
    from passerby.cli.show.console import note
    from passerby.extras import needs_extra
    from passerby.model.bundle import read_bundle, require_bundle_place

    require_bundle_place(out)
    with needs_extra("learn"):
        from passerby.convert.quantize import quantize as quantize_bundle

    from passerby.data.datasets import load_dataset

    dataset = load_dataset(data, {Split.TRAIN, Split.VAL})
    files = {path.name: path for path in add or ()}
    kept = read_bundle(against) if against else None
    small = quantize_bundle(read_bundle(bundle), dataset, out, files, note, precision=precision, against=kept)
    note(f"{small.name} ({small.digest[:12]}) in {precision.upper()} is at {small.folder}")


@app.command(epilog="Example: passerby build-engine passerby-s-fp16 --data CUHK-PEDES")
def build_engine(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A bundled model's name, or a bundle's folder.")],
    *,
    data: Annotated[Path | None, typer.Option("--data", metavar="DATASET", help="Whose val split shows that Rank-1 stays.")] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="BUNDLE", help="The model whose Rank-1 must be kept.", show_default="BUNDLE itself"),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only check the graphs, which needs no GPU.")] = False,
) -> None:
    """Build TensorRT engines of a bundle for this machine's GPU, or refuse if they do not give what the bundle gives.

    Every command uses them from then on. Needs the extra \\[trt] and, but for --check, TensorRT.
    """
    from passerby.cli.show.console import note
    from passerby.extras import needs_extra
    from passerby.resolve import find_bundle

    if check:
        _refuse_ignored(context, "--check", "data", "against")
    if not data:
        _refuse_ignored(context, "no --data", "against")
    with needs_extra("trt"):
        from passerby.convert.engine import build_engines, typed_towers

    from passerby.data.datasets import load_dataset

    found = find_bundle(bundle)
    if check:
        typed_towers(found)
        note(f"{found.name}: both towers hold what a strongly typed network demands")
        return
    val = load_dataset(data, {Split.VAL}) if data else None
    for path in build_engines(found, note, val=val, against=find_bundle(against) if against else None):
        note(f"built {path}")


@app.command(epilog="Example: passerby calibrate passerby-s-int8 --data CUHK-PEDES --out passerby-s")
def calibrate(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's folder.")],
    *,
    data: Data,
    out: OutBundle,
    json: Json = False,
) -> None:
    """Let a bundle say how likely its hits are right: fitted on one half of val's people, checked on the other."""
    from passerby.cli.show.measuring import show_calibration
    from passerby.data.datasets import load_dataset
    from passerby.measure.calibration import calibrate as calibrate_model
    from passerby.model.bundle import read_bundle, require_bundle_place, write_calibrated
    from passerby.model.bundle_encoder import BundleEncoder
    from passerby.progress import progress_bar

    require_bundle_place(out)
    original = read_bundle(bundle)
    with progress_bar("reading pictures", quiet=json) as on_progress:
        calibrated = calibrate_model(BundleEncoder(original), load_dataset(data, {Split.VAL}), on_progress=on_progress)
    written = write_calibrated(original, calibrated.calibration, out)
    raise typer.Exit(show_calibration(calibrated, written, as_json=json))


if __name__ == "__main__":
    main()
