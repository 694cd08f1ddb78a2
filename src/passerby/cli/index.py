"""Commands that fill an index, say what it holds, and delete from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from passerby.cli import options
from passerby.places import IndexPlace

if TYPE_CHECKING:
    from passerby.detect.people import Detecting
    from passerby.find.ingest.stages import Stages
    from passerby.model.encoder import Encoder


_READING: Final = ("name_pattern", "detector", "detect_size", "min_height", "crops", "scenes", "fps", "quick", "motion", "engine")
"""Options of index that say how files are read."""


class Engine(StrEnum):
    LOCAL = "local"
    RAY = "ray"


_keep = click.option(
    "--keep",
    metavar="AGE",
    help="Delete who was last seen longer ago, such as 30d, 12h or 4w, now and in later runs, and read nothing older; all keeps everybody.",
)
_paths = click.argument("paths", nargs=-1, type=options.PATH, metavar="[PATH…]", help="Files, folders with all below them, or patterns.")
_detect_size = click.option(
    "--detect-size",
    type=click.IntRange(0, 4096),
    default=0,
    metavar="PIXELS",
    help="What the longer side of a photo or frame is brought to for the detector; more finds smaller people, and takes longer.",
    show_default="640, and 832 for large photos of small people; 512 for videos, and 832 from 1080p on",
)
_name_pattern = click.option(
    "--name-pattern", metavar="PATTERN", help="How names tell camera and time where files do not: '{camera}_%Y%m%d_%H%M%S'."
)
_zone = click.option(
    "--zone", metavar="ZONE", help="In which clocks tell the time, such as Europe/Berlin or +01:00.", show_default="this machine's"
)


@click.command(epilog="Example: passerby index holiday/ crops/ camera3.mp4 more/*.jpg --index my-index")
@_paths
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
@_name_pattern
@click.option("--camera", metavar="NAME", help="The camera that took all of these; alone, one whose clock is to be corrected.")
@click.option("--offset", metavar="TIME", help="What to add to that camera's clock, such as '+1h 3m' or '-90s'; all its times follow.")
@_zone
@options.detector
@_detect_size
@options.min_height
@click.option("--crops", is_flag=True, help="Each file is a crop of one person; by default a few of each folder are looked at.")
@click.option("--scenes", is_flag=True, help="Each file is a photo with any number of people.")
@options.fps
@click.option("--quick", is_flag=True, help="Look at keyframes of videos alone, where they come each second; several times as fast.")
@options.motion
@click.option(
    "--engine",
    type=options.OneOf(Engine),
    default="local",
    help="Where pictures are read and encoded: in this process, or by Ray on all cores of this machine or of $RAY_ADDRESS.",
)
@click.option("--progress-lines", is_flag=True, hidden=True, help="Say how far it is as lines for programs.")
@options.as_json
@click.pass_context
def index(
    context: click.Context,
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
    and --zone are kept, and correct what is indexed already. That, --keep and --prune need no paths.

    People whose files cannot be seen, on a disk that is away for one, are kept and said to be away, until --prune says that they are gone.

    --keep is remembered: it goes by when people were last seen, and keeps whoever has no time. remove --older-than does it once.
    """
    from passerby.cli.show.indexing import show_index_report
    from passerby.find.ingest.run import index_paths
    from passerby.index.open import create_index
    from passerby.places import index_folder
    from passerby.progress import progress_bars
    from passerby.progress import progress_lines as lines_of_progress
    from passerby.resolve import load_detecting, load_model

    folder = index_folder(index)
    dating: dict[str, Any] = {"name_pattern": name_pattern, "camera": camera, "offset": offset, "zone": zone}
    if not (paths or rebuild or verify) and (prune or keep is not None or _corrects(camera, offset, zone)):
        return _amend(context, folder, prune, keep, camera, offset, zone, as_json=json)
    if not paths:
        raise click.BadParameter("expected files, folders or patterns, found none; name some", param_hint="PATH…")
    encoder, looking = load_model(model), _looking(detector, detect_size, min_height, crops=crops, scenes=scenes)
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


def _corrects(camera: str | None, offset: str | None, zone: str | None) -> bool:
    """Whether a camera's clock is corrected."""
    return camera is not None and (offset is not None or zone is not None)


def _amend(
    context: click.Context,
    folder: IndexPlace,
    prune: tuple[Path, ...],
    keep: str | None,
    camera: str | None,
    offset: str | None,
    zone: str | None,
    *,
    as_json: bool,
) -> int:
    """What is done to an index without looking at files."""
    from passerby.cli.show.indexing import show_amended
    from passerby.find.ingest.amend import amend_index
    from passerby.index.open import open_index

    options.refuse_ignored(context, "index without PATH…", *_READING)
    if not _corrects(camera, offset, zone):
        beside = "index without PATH…, where --camera goes with its --offset or --zone"
        options.refuse_ignored(context, beside, "camera", "offset", "zone")
    with open_index(folder) as opened:
        amended = amend_index(opened, camera=camera, offset=offset, zone=zone, keep=keep, prune=prune)
    return show_amended(amended, as_json=as_json)


@contextmanager
def _on_ray(load_encoder: Callable[[], Encoder], load_detecting: Callable[[], Detecting] | None) -> Iterator[Stages]:
    """The stages of an index run by Ray, which is there for the time of the block."""
    from passerby.find.ingest.archive import OnRay, connected

    with connected():
        yield OnRay(load_encoder, load_detecting)


def _looking(detector: str, size: int, min_height: float, *, crops: bool, scenes: bool) -> dict[str, Any]:
    """How files are looked at, as arguments of `index_paths`."""
    from passerby.find.ingest.photos import Shows
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
@options.min_height
@options.fps
@_name_pattern
@_zone
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

    Without --keep people are kept as long as the index remembers; who is older goes once a minute, and before anything is read.
    """
    from signal import SIGINT, SIGTERM

    from passerby.cli.show.console import ALL_DONE, note
    from passerby.find.retention import read_keep
    from passerby.find.watch.loop import WatchSettings, ended_by
    from passerby.find.watch.loop import watch as watch_all
    from passerby.find.watch.sources import read_sources
    from passerby.places import index_folder

    folders, named = read_sources(sources, cameras, fps)
    indexing: dict[str, Any] = {"name_pattern": name_pattern, "zone": zone, "fps": fps}
    models = partial(_models, model, detector, detect_size, min_height)
    settings = WatchSettings(pause, settled, indexing=indexing, keep=None if keep is None else read_keep(keep))
    with ended_by(SIGINT, SIGTERM) as ended:
        watch_all(index_folder(index), models, folders, named, note, ended, settings)
    note("ended; what was found until now can be searched")
    return ALL_DONE


def _models(model: str, detector: str, size: int, min_height: float) -> tuple[Encoder, Detecting]:
    """What people are found and encoded with, in whichever process."""
    from passerby.resolve import load_detecting, load_model

    return load_model(model), load_detecting(detector, size, min_height)


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
    from passerby.cli.show.indexing import show_cameras, show_info
    from passerby.find.watch.state import live_cameras
    from passerby.index.local import service_folder
    from passerby.index.open import open_index
    from passerby.places import index_folder

    if cameras or devices:
        options.refuse_ignored(context, "--cameras" if cameras else "--devices", *["devices"] * cameras, "worn", "model")
    if not worn:
        options.refuse_ignored(context, "info without --worn", "model")
    with open_index(index_folder(index)) as opened:
        if cameras:
            return show_cameras(opened.seen_by_cameras(), live_cameras(opened), as_json=json)
        if devices:
            from passerby.cli.show.pushing import show_devices
            from passerby.service.devices import standings

            return show_devices(standings(opened, service_folder(index_folder(index))), as_json=json)
        if not worn:
            return show_info(opened.info(), opened.failures(), as_json=json)
        from passerby.cli.show.worn import show_wearers
        from passerby.find.wearers import wearers
        from passerby.resolve import load_model

        return show_wearers(wearers(opened, lambda name: load_model(model or name)), as_json=json)


@click.command(epilog="Examples: passerby remove crops/2019 --index my-index; passerby remove --device north-gate /srv/recordings")
@_paths
@click.option(
    "--person",
    multiple=True,
    type=options.PERSON_ID,
    metavar="ID",
    help="Delete a person, as `search --json` names them; the next `index` leaves them out.",
)
@click.option(
    "--forget-suppression",
    multiple=True,
    type=options.PERSON_ID,
    metavar="ID",
    help="Let a removed person in again when they are next indexed.",
)
@click.option(
    "--device", multiple=True, metavar="NAME", help="Delete what this device pushed; with paths, what they name on it; again for more."
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
    device: tuple[str, ...],
    older_than: str | None,
    dry_run: bool,
    index: IndexPlace | None,
    json: bool,
) -> int:
    """Delete files, all below folders, single people, or whoever was seen too long ago from an index for good; the files stay.

    At a centre, files of devices are named with --device, as `search --json` names them. The device pushes again what it still holds.
    """
    import time

    from passerby.cli.show.indexing import show_forgotten, show_removal
    from passerby.find.moment import read_age
    from passerby.find.removal import remove_from, remove_of_devices
    from passerby.find.retention import forget_older
    from passerby.index.open import open_index
    from passerby.places import index_folder

    if older_than:
        if paths or person or forget_suppression or device:
            raise click.BadParameter("expected it alone, found more to remove beside it; run two commands", param_hint="--older-than")
        with open_index(index_folder(index)) as opened:
            found = forget_older(opened, time.time() - read_age(older_than), dry_run=dry_run)
        return show_forgotten(found, dry_run=dry_run, as_json=json)
    options.refuse_ignored(context, "remove without --older-than", "dry_run")
    if device:
        options.refuse_ignored(context, "remove --device", "person", "forget_suppression")
    if not (paths or person or forget_suppression or device):
        raise click.BadParameter("expected paths, --person, --device or --older-than, found none; name some", param_hint="PATH…")
    with open_index(index_folder(index)) as opened:
        report = remove_of_devices(opened, device, paths) if device else remove_from(opened, paths, person, forget_suppression)
    return show_removal(report, device, as_json=json)


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
    from passerby.cli.show.indexing import show_copy
    from passerby.find.copying import copy_between
    from passerby.places import index_folder
    from passerby.progress import progress_bar

    with progress_bar("copying", quiet=json) as on_progress:
        report = copy_between(index_folder(source), index_folder(target), on_progress)
    return show_copy(report, as_json=json)
