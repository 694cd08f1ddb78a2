"""Commands that find people: index, search, and what is beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from passerby.cli import options
from passerby.places import IndexPlace

if TYPE_CHECKING:
    from passerby.detect.people import Detecting
    from passerby.find.stages import Stages
    from passerby.model.encoder import Encoder

_ID = click.IntRange(1, 2**63 - 1)


class Engine(StrEnum):
    LOCAL = "local"
    RAY = "ray"


_keep = click.option(
    "--keep",
    metavar="AGE",
    help="Delete who was last seen longer ago, such as 30d, 12h or 4w, now and in later runs, and read nothing older; all keeps everybody.",
)
_detect_size = click.option(
    "--detect-size",
    type=click.IntRange(0, 4096),
    default=0,
    metavar="PIXELS",
    help="What the longer side of a photo or frame is brought to for the detector; more finds smaller people, and takes longer.",
    show_default="640, and 832 for large photos of small people; 512 for videos, and 832 from 1080p on",
)


@click.command(epilog="Example: passerby index holiday/ crops/ camera3.mp4 more/*.jpg --index my-index")
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
@_keep
@click.option("--name-pattern", metavar="PATTERN", help="How names tell camera and time where EXIF does not: '{camera}_%Y%m%d_%H%M%S'.")
@click.option("--camera", metavar="NAME", help="The camera that took all of these; alone, one whose clock is to be corrected.")
@click.option("--offset", metavar="TIME", help="What to add to that camera's clock, such as '+1h 3m' or '-90s'; all its times follow.")
@click.option(
    "--zone", metavar="ZONE", help="In which clocks tell the time, such as Europe/Berlin or +01:00.", show_default="this machine's"
)
@options.detector
@_detect_size
@click.option("--min-height", type=click.FloatRange(0), default=40, metavar="PIXELS", help="Leave people out that are lower in a photo.")
@click.option("--crops", is_flag=True, help="Each file is a crop of one person; by default a few of each folder are looked at.")
@click.option("--scenes", is_flag=True, help="Each file is a photo with any number of people.")
@click.option("--fps", type=click.FloatRange(0, 60, min_open=True), default=5, metavar="N", help="Frames of a video looked at each second.")
@click.option("--quick", is_flag=True, help="Look at keyframes of videos alone, where they come each second; several times as fast.")
@click.option("--motion", is_flag=True, help="Skip frames of videos in which nothing moved: people are where they were.")
@click.option(
    "--engine",
    type=options.OneOf(Engine),
    default=Engine.LOCAL,
    help="Where pictures are read and encoded: in this process, or by Ray on all cores of this machine or of $RAY_ADDRESS.",
)
@click.option("--progress-lines", is_flag=True, hidden=True)
@options.as_json
def index(
    paths: tuple[Path, ...],
    *,
    index: IndexPlace | None,
    model: str,
    rebuild: bool,
    verify: bool,
    prune: tuple[Path, ...],
    keep: str | None,
    name_pattern: str | None,
    camera: str | None,
    offset: str | None,
    zone: str | None,
    detector: str,
    detect_size: int,
    min_height: float,
    crops: bool,
    scenes: bool,
    fps: float,
    quick: bool,
    motion: bool,
    engine: Engine,
    progress_lines: bool,
    json: bool,
) -> int:
    """Put photos and videos, and the people in them, into an index, or bring it up to date; only new and changed files are read.

    People are found in photos; a crop of one person is taken whole. In videos they are followed from when they come to when they go; this
    needs the extra [video]. Stopped at any moment, the same command goes on, in the middle of a video too. What another detector looked
    at, or this one with other settings, is looked at again; crops are not.

    Files that did not change take another --name-pattern, --camera or --zone without being encoded again. With a --camera, its --offset
    and --zone are kept, and correct what is indexed already; no paths are needed for that.

    People whose files cannot be seen, on a disk that is away for one, are kept and said to be away, until --prune says that they are gone.

    --keep is remembered: it goes by when people were last seen, and keeps whoever has no time. remove --older-than does it once.
    """
    import time

    from passerby.cli.show.finding import show_cameras, show_forgotten, show_index_report
    from passerby.find.cameras import correct_camera
    from passerby.find.ingest import index_paths, prune_paths
    from passerby.find.retention import keep_people
    from passerby.index.open import create_index, open_index
    from passerby.places import index_folder
    from passerby.progress import progress_bars
    from passerby.progress import progress_lines as lines_of_progress
    from passerby.resolve import load_detecting, load_model

    folder = index_folder(index)
    if camera and (offset or zone) and not (paths or prune or rebuild or verify):
        with open_index(folder) as opened:
            correct_camera(opened, camera, offset, zone)
            return show_cameras(opened.seen_by_cameras(), as_json=json)
    if not paths and prune and not (rebuild or verify):
        with open_index(folder) as opened:
            return show_index_report(prune_paths(opened, prune), as_json=json)
    if not paths and keep and not (rebuild or verify):
        with open_index(folder) as opened:
            return show_forgotten(keep_people(opened, keep, time.time()), as_json=json)
    if not paths:
        raise click.BadParameter("expected files, folders or patterns, found none; name some", param_hint="PATH…")
    encoder = load_model(model)
    looking = _looking(detector, detect_size, min_height, crops=crops, scenes=scenes)
    dating: dict[str, Any] = {"name_pattern": name_pattern, "camera": camera, "offset": offset, "zone": zone}
    looking |= {"fps": fps, "quick": quick, "motion": motion}
    progress = lines_of_progress() if progress_lines else progress_bars("indexing", "videos", quiet=json)
    with ExitStack() as stack:
        looks = None if crops else partial(load_detecting, detector, detect_size, min_height)
        stages = stack.enter_context(_on_ray(partial(load_model, model, threads=1), looks)) if engine is Engine.RAY else None
        opened = stack.enter_context(create_index(folder, encoder, rebuild=rebuild))
        told, on_watched = stack.enter_context(progress)
        how: dict[str, Any] = {"verify": verify, "prune": prune, "keep": keep, "on_watched": on_watched, "stages": stages}
        report = index_paths(opened, encoder, paths, told, **how, **dating, **looking)
    return show_index_report(report, as_json=json)


@contextmanager
def _on_ray(load_encoder: Callable[[], Encoder], load_detecting: Callable[[], Detecting] | None) -> Iterator[Stages]:
    """The stages of an index run by Ray, which is there for the time of the block."""
    from passerby.find.archive import OnRay, connected

    with connected():
        yield OnRay(load_encoder, load_detecting)


def _looking(detector: str, size: int, min_height: float, *, crops: bool, scenes: bool) -> dict[str, Any]:
    """How files are looked at, as arguments of `index_paths`."""
    from passerby.find.photos import Shows
    from passerby.resolve import load_detecting

    shows = Shows.said(crops=crops, scenes=scenes)
    return {"shows": shows, "detecting": None if crops else load_detecting(detector, size, min_height)}


@click.command(
    epilog="Examples: passerby watch recordings/ --name-pattern '{camera}_%Y%m%d_%H%M%S'; passerby watch --cameras cameras.toml; "
    "passerby watch rtsp://192.168.1.20:554/stream"
)
@click.argument(
    "sources", nargs=-1, metavar="[SOURCE…]", help="Folders that recorders write to, and addresses of cameras without a password."
)
@click.option(
    "--cameras", type=options.PATH, metavar="FILE", help="A TOML file of cameras that only its owner can read; see docs/video.md."
)
@options.index_folder
@options.model
@options.detector
@_detect_size
@click.option("--min-height", type=click.FloatRange(0), default=40, metavar="PIXELS", help="Leave people out that are lower in a picture.")
@click.option("--fps", type=click.FloatRange(0, 60, min_open=True), default=5, metavar="N", help="Frames looked at each second.")
@click.option("--name-pattern", metavar="PATTERN", help="How names of recordings tell camera and time: '{camera}_%Y%m%d_%H%M%S'.")
@click.option("--zone", metavar="ZONE", help="In which clocks of recorders tell the time.", show_default="this machine's")
@click.option("--pause", type=click.FloatRange(0.1), default=5, metavar="SECONDS", help="Between two looks into the folders.")
@click.option(
    "--settled", type=click.FloatRange(0), default=5, metavar="SECONDS", help="A recording that is still written is read so long after."
)
@_keep
def watch(
    sources: tuple[str, ...],
    *,
    cameras: Path | None,
    index: IndexPlace | None,
    model: str,
    detector: str,
    detect_size: int,
    min_height: float,
    fps: float,
    name_pattern: str | None,
    zone: str | None,
    pause: float,
    settled: float,
    keep: str | None,
) -> int:
    """Index what recorders write into folders, and whom live cameras see, as it comes. Ctrl-C ends it after what is being committed.

    Folders are indexed as `passerby index` does it, again and again. Each camera has a process of its own, which looks at its newest frame,
    and connects again when it was gone; `passerby info --cameras` says how each is doing. Needs the extra [video].

    A live camera cannot be looked at again, so small pictures of people are kept in the index, and deleted with them.
    """
    from signal import SIGINT, SIGTERM

    from passerby.cli.show.console import ALL_DONE, note
    from passerby.find.retention import Minutely
    from passerby.find.watch.loop import WatchSettings, ended_by
    from passerby.find.watch.loop import watch as watch_all
    from passerby.find.watch.sources import read_sources
    from passerby.places import index_folder

    folders, named = read_sources(sources, cameras, fps)
    indexing: dict[str, Any] = {"name_pattern": name_pattern, "zone": zone, "fps": fps}
    models = partial(_models, model, detector, detect_size, min_height)
    settings = WatchSettings(pause, settled, indexing=indexing)
    if keep is not None:
        settings = replace(settings, after_round=Minutely(keep))
    with ended_by(SIGINT, SIGTERM) as ended:
        watch_all(index_folder(index), models, folders, named, note, ended, settings)
    note("ended; what was found until now can be searched")
    return ALL_DONE


def _models(model: str, detector: str, size: int, min_height: float) -> tuple[Encoder, Detecting]:
    """What people are found and encoded with, in whichever process."""
    from passerby.resolve import load_detecting, load_model

    return load_model(model), load_detecting(detector, size, min_height)


def _worn(name: str) -> Callable[[Any], Any]:
    return click.option(name, multiple=True, metavar="LOOKS", help="Who has it there: 'red', 'cap', 'red cap'.")


@click.command(
    epilog='Examples: passerby search "a woman in a white dress with a black bag" --sheet found.png; passerby search --upper red --hat'
)
@click.argument("words", nargs=-1, metavar="[WORDS]", help="What the person wears.")
@click.option("--like", type=options.PATH, metavar="PICTURE", help="Somebody alike, the largest in a photo; alone, or with words.")
@click.option("--box", metavar="X,Y,W,H", help="Who is meant of several people in that photo: left, top, width and height in pixels.")
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
    or leaves it out, whether or not anybody has it. Each may be given several times.

    --camera, --from, --to, --folder and --device select: nobody else is looked at, and how likely somebody is right is said among those
    selected. Times are those of the cameras' clocks, as corrected.

    --with-person ranks by the probability that both are who was described: the product of the two.

    A service says no paths: files have names alone, and pictures come from it. Of a --like picture, only who is meant is sent to it.
    """
    from tempfile import TemporaryDirectory

    from passerby.cli.show.finding import show_answer
    from passerby.find.answer import answer
    from passerby.find.question import Question
    from passerby.find.selection import read_selection_in
    from passerby.find.together import answer_together
    from passerby.index.open import open_index
    from passerby.places import index_folder
    from passerby.resolve import load_detecting, load_model
    from passerby.types import Box
    from passerby.words.filters import read_filters
    from passerby.words.lexicon import Part

    if server:
        options.refuse_ignored(context, "--server", "index", "model", "folder")
    else:
        options.refuse_ignored(context, "a search without --server", "token_file")
    for file, option in ((sheet, "--sheet"), (frames, "--frames")):
        if file:
            _require_sheet(file, option, k)
    at = {Part.HEAD: head, Part.UPPER: upper, Part.LOWER: lower, Part.FEET: feet, Part.CARRIED: carrying}
    filters = read_filters(at, [*["hat"] * hat, *having], without)
    around = Box.read(box) if box else None
    detecting = load_detecting(detector) if like and not box else None
    question = Question(" ".join(words), like, filters, box=around, detecting=detecting)
    if server:
        from passerby.find.remote import ask_server
        from passerby.find.server import Server, read_token

        worn = {"head": head, "upper": upper, "lower": lower, "feet": feet, "carrying": carrying}
        also = {"with": [*["hat"] * hat, *having], "without": without, "camera": camera, "device": device, "from": start, "to": end}
        asked = {"q": question.words, "k": k, "static": static, "all": unfold, **worn, **also}
        with Server(server, read_token(token_file)) as service, TemporaryDirectory(prefix="passerby-") as pictures:
            told = ask_server(service, question, asked, Path(pictures), min_probability=min_probability, sure=sure)
            return show_answer(told, sheet, frames, as_json=json)
    with open_index(index_folder(index)) as opened:
        question = question.among(replace(read_selection_in(opened, camera, start, end, folder, device), static=static))
        how: dict[str, Any] = {"min_probability": min_probability, "sure": sure, "fold": not unfold}
        encoder = load_model(model)
        if with_person is None:
            found = answer(opened, encoder, question, k, **how)
        else:
            found = answer_together(opened, encoder, question, Question(with_person), k, **how)
    return show_answer(found, sheet, frames, as_json=json)


def _require_sheet(file: Path, option: str, people: int) -> None:
    from passerby.atomic import require_file_place
    from passerby.draw.sheet import format_of, require_room

    format_of(file, option)
    require_room(people)
    require_file_place(file, option)


@click.command(epilog="Examples: passerby info --index my-index --json; passerby info --worn")
@click.option("--cameras", is_flag=True, help="Say which cameras it knows instead: whom each saw, when, and how its clock is corrected.")
@click.option("--devices", is_flag=True, help="Say which devices push to it instead: when each was there, and which must upgrade.")
@click.option("--worn", is_flag=True, help="Say instead how many people probably wear and carry what.")
@click.option(
    "--model", metavar="MODEL", help="The model that made the index, to name what is worn.", show_default="the one the index names"
)
@options.index_folder
@options.as_json
@click.pass_context
def info(
    context: click.Context, *, cameras: bool, devices: bool, worn: bool, model: str | None, index: IndexPlace | None, json: bool
) -> int:
    """Say what an index holds, which model made it, and which files failed; or its cameras, its devices, or what people in it wear."""
    from passerby.cli.show.finding import show_cameras, show_info
    from passerby.find.watch.state import live_cameras
    from passerby.index.open import open_index
    from passerby.places import index_folder, service_folder

    if not worn:
        options.refuse_ignored(context, "info without --worn", "model")
    folder = index_folder(index)
    with open_index(folder) as opened:
        if cameras:
            return show_cameras(opened.seen_by_cameras(), live_cameras(opened), as_json=json)
        if devices:
            from passerby.cli.show.pushing import show_devices
            from passerby.service.devices import standings

            return show_devices(standings(opened, service_folder(folder)), as_json=json)
        if not worn:
            return show_info(opened.info(), opened.failures(), as_json=json)
        from passerby.cli.show.worn import show_wearers
        from passerby.find.wearers import wearers
        from passerby.resolve import load_model

        return show_wearers(wearers(opened, lambda name: load_model(model or name)), as_json=json)


@click.command(epilog="Example: passerby describe somebody.jpg --json")
@click.argument("pictures", nargs=-1, required=True, type=options.PATH, metavar="PICTURE…", help="Pictures of one person each.")
@options.model
@options.as_json
def describe(pictures: tuple[Path, ...], *, model: str, json: bool) -> int:
    """Say what somebody in a picture wears: a sentence, and how likely each thing is.

    What it says is what filters and the index go by; what it cannot see in a picture, no search will find.
    """
    from passerby.cli.show.worn import show_appearances
    from passerby.find.describe import describe_files
    from passerby.resolve import load_model

    encoder = load_model(model)
    return show_appearances(encoder, describe_files(encoder, pictures), as_json=json)


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
@click.option("--older-than", metavar="AGE", help="Delete who was last seen longer ago, such as 30d, 12h or 4w; older files stay out.")
@click.option("--dry-run", is_flag=True, help="With --older-than: say how many that are, and delete nobody.")
@options.index_folder
@options.as_json
@click.pass_context
def remove(
    context: click.Context,
    paths: tuple[Path, ...],
    *,
    person: tuple[int, ...],
    forget_suppression: tuple[int, ...],
    older_than: str | None,
    dry_run: bool,
    index: IndexPlace | None,
    json: bool,
) -> int:
    """Delete files, all below folders, single people, or whoever was seen too long ago from an index for good; the files stay."""
    import time

    from passerby.cli.show.finding import show_forgotten, show_removal
    from passerby.find.moment import read_age
    from passerby.find.removal import remove_from
    from passerby.find.retention import forget_older
    from passerby.index.open import open_index
    from passerby.places import index_folder

    if older_than:
        if paths or person or forget_suppression:
            raise click.BadParameter("expected it alone, found paths or people beside it; run two commands", param_hint="--older-than")
        with open_index(index_folder(index)) as opened:
            found = forget_older(opened, time.time() - read_age(older_than), dry_run=dry_run)
        return show_forgotten(found, dry_run=dry_run, as_json=json)
    options.refuse_ignored(context, "remove without --older-than", "dry_run")
    if not (paths or person or forget_suppression):
        raise click.BadParameter("expected files, folders, patterns, --person or --older-than, found none; name some", param_hint="PATH…")
    with open_index(index_folder(index)) as opened:
        report = remove_from(opened, paths, person, forget_suppression)
    return show_removal(report, as_json=json)


@click.command(
    "copy-index",
    epilog="Examples: passerby copy-index my-index postgresql://me@db.example.org/people; passerby copy-index postgresql:///people mine",
)
@click.argument("source", type=options.INDEX, metavar="FROM", help="An index: its folder, or its URL.")
@click.argument("target", type=options.INDEX, metavar="TO", help="An empty one, or none yet.")
@options.as_json
def copy_index(*, source: IndexPlace, target: IndexPlace, json: bool) -> int:
    """Copy an index to another place or kind, from a folder into PostgreSQL or back. FROM stays as it is.

    No picture is read and nothing is encoded again. People keep their ids; who is kept out, cameras' clocks, and files that failed go
    with them. Stopped at any moment, the same command goes on.
    """
    from passerby.cli.show.finding import show_copy
    from passerby.find.copying import copy_between
    from passerby.places import index_folder
    from passerby.progress import progress_bar

    with progress_bar("copying", quiet=json) as on_progress:
        report = copy_between(index_folder(source), index_folder(target), on_progress)
    return show_copy(report, as_json=json)


@click.command(
    epilog="Examples: passerby cut --person 17 --out moment.mp4; passerby cut --person 17 --out for-others.mp4 --draw --blur-others"
)
@click.option("--person", type=_ID, metavar="ID", required=True, help="Somebody in a video, as `search --json` names them.")
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

    require_file_place(out, "--out")
    sentences = read_texts(texts) if texts else []
    with progress_bar("embedding", quiet=json) as on_progress:
        embeddings = embed_all(load_model(model), paths, sentences, on_progress)
    if embeddings.names:
        write_embeddings(embeddings, out)
    return show_embeddings(embeddings, out, as_json=json)


@click.command(
    epilog="Examples: passerby detect holiday/ --out people --save-crops; passerby detect street.jpg --out people --detector yolox_s.onnx"
)
@click.argument(
    "paths", nargs=-1, required=True, type=options.PATH, metavar="PATH…", help="Photos, folders with all below them, or patterns."
)
@click.option("--out", type=options.PATH, metavar="DIR", required=True, help="Where boxes.json goes; what detect wrote there makes way.")
@options.detector
@click.option(
    "--detect-size",
    type=click.IntRange(64, 4096),
    default=640,
    metavar="PIXELS",
    help="Of a photo's longer side when the detector looks; more finds smaller people, and takes longer.",
)
@click.option(
    "--min-height", type=click.FloatRange(0), default=40, metavar="PIXELS", help="Leave people out that are less high in the photo."
)
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    metavar="SCORE",
    help="Leave people out of whom the detector is less sure, from 0 to 1.",
    show_default="the detector's own",
)
@click.option("--save-crops", is_flag=True, help="Write a picture of each person, too.")
@options.as_json
def detect(
    paths: tuple[Path, ...],
    *,
    out: Path,
    detector: str,
    detect_size: int,
    min_height: float,
    min_score: float | None,
    save_crops: bool,
    json: bool,
) -> int:
    """Find the people in photos, as boxes and crops, without an index.

    DIR/boxes.json is in COCO's format: images, and annotations with bbox (left, top, width, height in pixels of the upright photo), score
    and category 1, person.
    """
    from passerby.cli.show.detecting import show_detected
    from passerby.detect.coco import detect_into, require_detected_place
    from passerby.progress import progress_bar
    from passerby.resolve import load_detector

    require_detected_place(out)
    looking = load_detector(detector, threads=1, threshold=min_score)
    with progress_bar("detecting", quiet=json) as on_progress:
        found = detect_into(out, looking, paths, size=detect_size, min_height=min_height, save_crops=save_crops, on_progress=on_progress)
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
