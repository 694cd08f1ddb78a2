"""Commands that find people: search, and what is beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from passerby.cli import options
from passerby.places import IndexPlace

if TYPE_CHECKING:
    from passerby.find.answer import Answer
    from passerby.find.question import Question


def _worn(name: str) -> Callable[[Any], Any]:
    return click.option(name, multiple=True, metavar="LOOKS", help="Who has it there: 'red', 'cap', 'red cap'.")


@click.command(
    epilog='Examples: passerby search "a woman in a white dress with a black bag" --sheet found.png; passerby search --upper red --hat'
)
@click.argument("words", nargs=-1, metavar="[WORDS]", help="What the person wears.")
@click.option("--like", type=options.PATH, metavar="PICTURE", help="Somebody alike, the largest in a photo; alone, or with words.")
@options.box
@_worn("--head")
@_worn("--upper")
@_worn("--lower")
@_worn("--feet")
@_worn("--carrying")
@click.option("--hat", is_flag=True, help="Who has a hat, cap or beanie.")
@click.option("--with", "having", multiple=True, metavar="THING", help="Who has it: 'red bag'.")
@click.option("--without", multiple=True, metavar="THING", help="Who does not have it.")
@click.option("--with-person", metavar="WORDS", help="Who is near somebody who wears this: in the same photo, or moment of a video.")
@click.option(
    "--sure",
    type=click.FloatRange(0, 1),
    default=0.2,
    metavar="P",
    help="How likely what filters name must be, from 0 to 1: less misses fewer people, more shows fewer others.",
)
@click.option("--camera", multiple=True, metavar="NAME", help="Only who was seen by this camera; again for more.")
@click.option("--from", "start", metavar="TIME", help="Only from then on: '2026-11-28 10:00', '10:00', 'yesterday', '2 hours ago'.")
@click.option("--to", "end", metavar="TIME", help="Only before then; a day is part of it.")
@click.option("--folder", multiple=True, type=options.PATH, metavar="DIR", help="Only who is in files below it; again for more.")
@click.option("--device", multiple=True, metavar="NAME", help="Only who was pushed by this device; again for more.")
@click.option("-k", type=click.IntRange(min=1), default=10, help="How many people to show.")
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Show only who is right that surely, from 0 to 1.",
    show_default="all",
)
@click.option("--static", is_flag=True, help="Show also what looks like a person and never moves in a video.")
@click.option("--all", "unfold", is_flag=True, help="Show each of near-copies by itself, not as one place.")
@click.option("--sheet", type=options.PATH, metavar="FILE", help="Draw them to a PNG, JPEG or WebP file.")
@click.option(
    "--frames", type=options.PATH, metavar="FILE", help="Draw the photos and frames they are in, each in its box, to such a file."
)
@click.option("--server", metavar="URL", help="Ask a service there instead of an index here; a token comes from PASSERBY_TOKEN or a file.")
@click.option("--token-file", type=options.PATH, metavar="FILE", help="Your token for it, in a file that nobody else may read.")
@options.detector
@options.index_folder
@options.model
@options.as_json
@click.pass_context
def search(
    context: click.Context,
    words: tuple[str, ...],
    *,
    like: Path | None,
    box: str | None,
    head: tuple[str, ...],
    upper: tuple[str, ...],
    lower: tuple[str, ...],
    feet: tuple[str, ...],
    carrying: tuple[str, ...],
    hat: bool,
    having: tuple[str, ...],
    without: tuple[str, ...],
    with_person: str | None,
    camera: tuple[str, ...],
    start: str | None,
    end: str | None,
    folder: tuple[Path, ...],
    device: tuple[str, ...],
    sure: float,
    k: int,
    min_probability: float | None,
    static: bool,
    unfold: bool,
    sheet: Path | None,
    frames: Path | None,
    server: str | None,
    token_file: Path | None,
    detector: str,
    index: IndexPlace | None,
    model: str,
    json: bool,
) -> int:
    """Find people by what they wear, best first.

    Filters beside the words, or instead of them, keep who probably has a thing, or lacks it; nobody, if nobody does. Of a model that does
    not say what is worn, and of things it does not know, they are relative: each keeps the quarter of the index that the thing fits best,
    or leaves it out, whether or not anybody has it. 'red or blue' is either. Each may be given several times.

    --camera, --from, --to, --folder and --device select: nobody else is looked at, and how likely somebody is right is said among those
    selected. Times are those of the cameras' clocks, as corrected.

    --with-person ranks by the probability that both are who was described: the product of the two.

    A service says no paths: files have names alone, and pictures come from it. Of a --like picture, only who is meant is sent to it. It
    takes no --folder and no --with-person, and shows at most 100 people.
    """
    from passerby.cli.show.finding import show_answer
    from passerby.find.question import Question
    from passerby.resolve import load_detecting
    from passerby.types import Box
    from passerby.words.filters import read_filters
    from passerby.words.lexicon import Part

    _require_options(context, {"--sheet": sheet, "--frames": frames}, like, k, of_server=bool(server))
    worn = {"head": head, "upper": upper, "lower": lower, "feet": feet, "carrying": carrying}
    having = (*["hat"] * hat, *having)
    filters = read_filters(
        {Part.HEAD: head, Part.UPPER: upper, Part.LOWER: lower, Part.FEET: feet, Part.CARRIED: carrying}, having, without
    )
    detecting = load_detecting(detector) if like and not box else None
    question = Question(" ".join(words), like, filters, box=Box.read(box) if box else None, detecting=detecting)
    if server:
        also = {"with": having, "without": without, "camera": camera, "device": device, "from": start, "to": end}
        asked = {"q": question.words, "k": k, "static": static, "all": unfold, **worn, **also}
        with _told_by(server, token_file, question, asked, min_probability=min_probability, sure=sure) as told:
            return show_answer(told, sheet, frames, as_json=json)
    how: dict[str, Any] = {"min_probability": min_probability, "sure": sure, "fold": not unfold, "drawn": (sheet, frames)}
    with _found_in(index, model, question, (camera, start, end, folder, device), with_person, k, static=static, **how) as found:
        return show_answer(found, sheet, frames, as_json=json)


def _require_options(context: click.Context, sheets: dict[str, Path | None], like: Path | None, people: int, *, of_server: bool) -> None:
    """Refuse options that would be ignored, and sheets that cannot be drawn."""
    if of_server:
        options.refuse_ignored(context, "--server", "index", "model")
        _require_service_does(context, people)
    else:
        options.refuse_ignored(context, "a search without --server", "token_file")
    for option, file in sheets.items():
        if file:
            _require_sheet(file, option, like, people)


def _require_service_does(context: click.Context, people: int) -> None:
    """Refuse options that an index here takes, and a service does not."""
    from passerby.errors import ConfigError
    from passerby.find.server import MOST_PEOPLE

    given = context.params
    refused = {
        "--folder, for it takes and tells no paths": bool(given["folder"]),
        "--with-person, for it looks for one person at a time": given["with_person"] is not None,
        f"-k {people}, for it shows at most {MOST_PEOPLE} people": people > MOST_PEOPLE,
    }
    for found in (option for option, is_given in refused.items() if is_given):
        do = "leave that out, or search the index on its own machine"
        raise ConfigError(expected="what a service can be asked, beside --server", found=found, do=do)


@contextmanager
def _told_by(server: str, token_file: Path | None, question: Question, asked: dict[str, Any], **how: Any) -> Iterator[Answer]:
    """What a service answers; its pictures are there for the time of the block."""
    from tempfile import TemporaryDirectory

    from passerby.find.address import read_token
    from passerby.find.remote import ask_server
    from passerby.find.server import Server

    with Server(server, read_token(token_file)) as service, TemporaryDirectory(prefix="passerby-") as pictures:
        yield ask_server(service, question, asked, Path(pictures), **how)


@contextmanager
def _found_in(
    index: IndexPlace | None,
    model: str,
    question: Question,
    among: tuple[Any, ...],
    with_person: str | None,
    k: int,
    *,
    static: bool,
    drawn: Iterable[Path | None],
    **how: Any,
) -> Iterator[Answer]:
    """What an index answers; pictures that it keeps are there for the time of the block.

    Args:
        among: as of :func:`passerby.find.selection.read_selection_in`.
        drawn: files that are to be written, none of them the index's.
    """
    from passerby.find.answer import answer
    from passerby.find.held import require_not_held
    from passerby.find.question import Question
    from passerby.find.selection import read_selection_in
    from passerby.find.together import answer_together
    from passerby.index.open import open_index
    from passerby.places import index_folder
    from passerby.resolve import load_model

    with open_index(index_folder(index)) as opened:
        for file in filter(None, drawn):
            require_not_held(opened, file, "the sheet")
        question = question.among(replace(read_selection_in(opened, *among), static=static))
        encoder = load_model(model)
        if with_person is None:
            yield answer(opened, encoder, question, k, **how)
        else:
            yield answer_together(opened, encoder, question, Question(with_person), k, **how)


def _require_sheet(file: Path, option: str, like: Path | None, people: int) -> None:
    from passerby.atomic import require_file_place
    from passerby.draw.sheet import format_of, require_room

    format_of(file, option)
    require_room(people)
    require_file_place(file, option, like)


@click.command(epilog="Examples: passerby describe somebody.jpg --json; passerby describe street.jpg --box 304,160,48,96")
@click.argument("pictures", nargs=-1, required=True, type=options.PATH, metavar="PICTURE…", help="Somebody, the largest in a photo.")
@options.box
@options.detector
@options.model
@options.as_json
def describe(pictures: tuple[Path, ...], *, box: str | None, detector: str, model: str, json: bool) -> int:
    """Say what somebody in a picture wears: a sentence, and how likely each thing is.

    What it says is what filters and the index go by; what it cannot see in a picture, no search will find.
    """
    from passerby.cli.show.worn import show_appearances
    from passerby.errors import ConfigError
    from passerby.find.describe import describe_files
    from passerby.resolve import load_detecting, load_model
    from passerby.types import Box

    if box and len(pictures) > 1:
        raise ConfigError(expected="one picture beside --box", found=str(len(pictures)), do="describe them one by one")
    encoder = load_model(model)
    around, detecting = (Box.read(box), None) if box else (None, load_detecting(detector))
    return show_appearances(encoder, describe_files(encoder, pictures, around, detecting), as_json=json)


@click.command(
    epilog="Examples: passerby cut --person 17 --out moment.mp4; passerby cut --person 17 --out for-others.mp4 --draw --blur-others"
)
@click.option("--person", type=options.PERSON_ID, metavar="ID", required=True, help="Somebody in a video, as `search --json` names them.")
@click.option("--out", type=options.PATH, metavar="FILE", required=True, help="The .mp4 file; a clip that is there makes way.")
@click.option("--before", type=click.FloatRange(0), default=5, metavar="SECONDS", help="How much to show before they are first seen.")
@click.option("--after", type=click.FloatRange(0), default=5, metavar="SECONDS", help="How much to show after they are last seen.")
@click.option("--draw", is_flag=True, help="Draw an outline around them, moved straight between the places that the index keeps.")
@click.option("--blur-others", is_flag=True, help="Hide all but them in a coarse mosaic, and all when their place is not sure.")
@click.option("--audio", is_flag=True, help="Keep the sound, which is left out otherwise.")
@options.index_folder
@options.as_json
def cut(
    *,
    person: int,
    out: Path,
    before: float,
    after: float,
    draw: bool,
    blur_others: bool,
    audio: bool,
    index: IndexPlace | None,
    json: bool,
) -> int:
    """Cut the seconds around somebody out of a video, as an MP4 file that browsers play.

    The video's own frames are copied where a browser plays them, from a keyframe up to two seconds early; else, and with --draw or
    --blur-others, they are encoded as H.264.

    --blur-others leaves only the person's own box to be recognised, as people whom the detector missed are known to nobody. Within that
    box it hides only the people who were found: whoever stands right behind or before the person and was missed can be seen. Look at
    the clip before you hand it on.
    """
    from passerby.atomic import require_file_place
    from passerby.cli.show.finding import show_clip
    from passerby.find.clip import cut_person
    from passerby.index.open import open_index
    from passerby.places import index_folder

    require_file_place(out, "--out")
    with open_index(index_folder(index)) as opened:
        clip = cut_person(opened, person, out, before=before, after=after, draw=draw, blur_others=blur_others, audio=audio)
    return show_clip(clip, as_json=json)


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

    require_file_place(out, "--out", texts, *paths)
    sentences = read_texts(texts) if texts else []
    with progress_bar("embedding", quiet=json) as on_progress:
        embeddings = embed_all(load_model(model), paths, sentences, on_progress)
    if embeddings.names:
        write_embeddings(embeddings, out)
    return show_embeddings(embeddings, out, as_json=json)


@click.command(epilog="Examples: passerby detect holiday/ --out people --save-crops; passerby detect camera3.mp4 --out people --fps 10")
@click.argument(
    "paths", nargs=-1, required=True, type=options.PATH, metavar="PATH…", help="Photos, videos, folders with all below them, or patterns."
)
@click.option("--out", type=options.PATH, metavar="DIR", required=True, help="The folder to be written; an earlier one makes way.")
@options.detector
@click.option(
    "--detect-size",
    type=click.IntRange(64, 4096),
    metavar="PIXELS",
    help="Of the longer side of a photo or frame when the detector looks; more finds smaller people, and takes longer.",
    show_default="640; 512 for videos, and 832 from 1080p on",
)
@options.min_height
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    metavar="SCORE",
    help="Leave people out of whom the detector is less sure, from 0 to 1; in a video, in every frame.",
    show_default="the detector's own; 0.5 in videos",
)
@options.fps
@options.motion
@click.option("--save-crops", is_flag=True, help="Write a picture of each person, too; of those in videos the best ones, at most four.")
@options.as_json
@click.pass_context
def detect(
    context: click.Context,
    paths: tuple[Path, ...],
    *,
    out: Path,
    detector: str,
    detect_size: int | None,
    min_height: float,
    min_score: float | None,
    fps: float,
    motion: bool,
    save_crops: bool,
    json: bool,
) -> int:
    """Find the people in photos and videos, as boxes, tracks and crops, without an index. Videos need the extra [video].

    Of photos, DIR/boxes.json is in COCO's format: images, and annotations with bbox (left, top, width, height in pixels of the upright
    photo), score and category 1, person.

    In videos people are followed as `passerby index` does it. DIR/tracks/NAME.txt is in the format of the MOT Challenge: frame (from 1, as
    the file has them), track, left, top, width, height, score, and three -1. DIR/tracks.json says of each video how far it was read, and of
    each track when it is seen, and where best.
    """
    from passerby.cli.show.detecting import show_detected
    from passerby.detect.written.folder import detect_into, require_detected_place
    from passerby.progress import progress_bars
    from passerby.resolve import load_detector

    require_detected_place(out)
    looking = load_detector(detector, threads=1, threshold=min_score)
    how: dict[str, Any] = {"size": detect_size, "min_height": min_height, "min_score": min_score, "fps": fps, "motion": motion}
    with progress_bars("detecting", "videos", quiet=json) as (on_progress, on_watched):
        found = detect_into(out, looking, paths, **how, save_crops=save_crops, on_progress=on_progress, on_watched=on_watched)
    if not found.videos:
        options.note_ignored(context, "photos alone", "fps", "motion")
    return show_detected(found, out, as_json=json)


@click.command(epilog="Example: passerby demo --out demo")
@click.option("--out", type=options.PATH, metavar="DIR", default="demo", help="Where the streets, their index and the sheet go.")
@options.model
@options.as_json
def demo(*, out: Path, model: str, json: bool) -> int:
    """Draw streets with people, index who is in them, ask three questions and draw where the answers are."""
    from passerby.atomic import require_folder_place
    from passerby.cli.show.finding import show_demo
    from passerby.demo import run_demo
    from passerby.progress import progress_bar
    from passerby.resolve import load_detecting, load_model

    require_folder_place(out, "--out")

    with progress_bar("indexing", quiet=json) as on_progress:
        done = run_demo(load_model(model), load_detecting(), out, on_progress)
    return show_demo(done, as_json=json)
