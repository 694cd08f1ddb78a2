"""The stages of an index run on many processes or machines, by Ray Data; the one file that imports Ray.

Files travel as names, in the batches that one process would make of them, so that vectors are those of
:class:`~passerby.find.ingest.stages.Here` to the bit; what comes back is ready for the index, which the process that asks alone writes to.
Every actor loads the models once.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from passerby.detect.people import Detecting
from passerby.errors import ConfigError, ModelError, PasserbyError, VideoError
from passerby.extras import needs_extra
from passerby.find.ingest.photos import AT_ONCE, SeenFile, Undetected
from passerby.find.ingest.stages import BATCH, Here
from passerby.find.ingest.videos import Reel, Stretch, Watching, watch
from passerby.media.taken import Clocks
from passerby.model.encoder import Encoder
from passerby.types import Failure, Sought

LoadEncoder = Callable[[], Encoder]
LoadDetecting = Callable[[], Detecting] | None

_WORK: Final = "work"
_STORE: Final = 256 << 20
"""Bytes of shared memory that a Ray of our own takes: results are vectors, and small."""

_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",
}
"""Set before Ray is imported: nothing is reported to anybody, it does not advise, nor call what may go wrong one day an error, and SIGTERM
does not end the process at once."""

_LONGEST_TMP: Final = 23
"""Bytes of a folder in which a Ray of our own fits: a socket's path has 107, and what Ray and we put behind it takes 84."""

_PATIENCE: Final = 5.0
"""Seconds to reach a cluster's address."""

Work = Callable[[Here], Generator[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class OnRay:
    """The stages on a pool of actors, one for each core of the Ray that is connected to; one that dies is started again and asked again.

    Args:
        load_encoder, load_detecting: what every actor calls once; picklable. They must make the same on every machine.
        cores: actors; ``None`` for one for each core of the cluster.
    """

    load_encoder: LoadEncoder
    load_detecting: LoadDetecting = None
    cores: int | None = None

    def crops(self, paths: Sequence[Path], clocks: Clocks, sought: Sought | None) -> Generator[SeenFile | Failure]:
        return self._spread([partial(_crops, paths=some, clocks=clocks, sought=sought) for some in _batches(paths, BATCH)])

    def photos(self, paths: Sequence[Path], clocks: Clocks, *, whole: bool) -> Generator[SeenFile | Undetected | Failure]:
        return self._spread([partial(_photos, paths=some, clocks=clocks, whole=whole) for some in _batches(paths, AT_ONCE)])

    def videos(self, reels: Iterable[Reel], watching: Watching) -> Generator[tuple[Reel, Generator[Stretch]]]:
        """Each video is looked at by one actor, and comes when it is done with all of it."""
        begun = list(reels)
        how = partial(_video, fps=watching.fps, quick=watching.quick, motion=watching.motion)
        done = self._spread([partial(how, reel=reel) for reel in begun])
        yield from ((reel, _stretches(*given)) for reel, given in zip(begun, done, strict=True))

    def _spread(self, work: Sequence[Work]) -> Generator[Any]:
        """What each piece of work gives, in their order."""
        if not work:
            return
        import ray

        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cores = self.cores or max(int(resources.get("CPU", 1)), 1)
        actors = min(cores, len(work))
        loads = self.load_encoder, self.load_detecting
        found = ray.data.from_items([{_WORK: pickle.dumps((loads, one))} for one in work], override_num_blocks=len(work)).map(
            _Actor,  # type: ignore[arg-type]  # a class is called once an actor
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_cpus=1,
            num_gpus=resources.get("GPU", 0) / cores or None,
        )
        with closing(cast(Generator[dict[str, bytes]], iter(found.iter_rows()))) as rows:
            for row in rows:
                done = pickle.loads(row[_WORK])
                if isinstance(done, ModelError):
                    raise done
                yield from done


class _Actor:
    """A process that loads the models with its first piece of work."""

    def __init__(self) -> None:
        self._stages: Here | None = None

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        return {_WORK: pickle.dumps(self._done(*pickle.loads(row[_WORK])))}

    def _done(self, loads: tuple[LoadEncoder, LoadDetecting], work: Work) -> list[Any] | ModelError:
        load_encoder, load_detecting = loads
        try:
            self._stages = self._stages or Here(load_encoder(), load_detecting() if load_detecting else None)
            return list(work(self._stages))
        except ModelError as error:
            return error


def _crops(stages: Here, *, paths: Sequence[Path], clocks: Clocks, sought: Sought | None) -> Generator[Any]:
    return stages.crops(paths, clocks, sought)


def _photos(stages: Here, *, paths: Sequence[Path], clocks: Clocks, whole: bool) -> Generator[Any]:
    return stages.photos(paths, clocks, whole=whole)


def _video(stages: Here, *, reel: Reel, fps: float, quick: bool, motion: bool) -> Generator[tuple[list[Stretch], PasserbyError | None]]:
    """All that came of a video, and why there is no more if so."""
    stretches = list[Stretch]()
    try:
        if stages.detecting is None:
            raise ModelError(expected="a detector to find people in videos", found="none", do="name one")
        stretches.extend(watch(stages.encoder, reel, Watching(stages.detecting, fps, quick, motion)))
    except (ModelError, VideoError) as error:
        yield stretches, error
    else:
        yield stretches, None


def _stretches(stretches: Sequence[Stretch], error: PasserbyError | None) -> Generator[Stretch]:
    yield from stretches
    if error is not None:
        raise error


def _batches(paths: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    return (paths[start : start + size] for start in range(0, len(paths), size))


@contextmanager
def connected() -> Iterator[None]:
    """Ray for the time of the block: the cluster that ``$RAY_ADDRESS`` names, or one of this machine's cores, which it alone can reach.

    Raises:
        MissingExtra: without the extra [cluster].
        ConfigError: no Ray at that address.
    """
    os.environ.update(_QUIET)
    with needs_extra("cluster"):
        import ray
        import ray.data
    with _settings(os.environ.get("RAY_ADDRESS")) as settings:
        try:
            _connect(settings)
            context = ray.data.DataContext.get_current()
            context.execution_options.preserve_order = True
            context.enable_progress_bars = False
            context.print_on_execution_start = False
            logging.getLogger("ray.data").setLevel(logging.ERROR)
            yield
        finally:
            ray.shutdown()


@contextmanager
def _settings(address: str | None) -> Iterator[dict[str, Any]]:
    """What Ray is started with; one of our own in a folder for this user alone, which is gone after the block with all that Ray left."""
    if address and address != "local":
        yield {"address": address}
        return
    place = tempfile.gettempdir()
    place = place if len(os.fsencode(place)) <= _LONGEST_TMP else "/tmp"
    with tempfile.TemporaryDirectory(prefix="passerby-", dir=place, ignore_cleanup_errors=True) as private:
        own = {"_node_ip_address": "127.0.0.1", "include_dashboard": False, "object_store_memory": _STORE}
        yield {"address": "local", "_temp_dir": f"{private}/r", **own}  # a folder of its own, as Ray opens it to everybody


def _connect(settings: dict[str, Any]) -> None:
    """Raises ``ConfigError`` where no Ray answers or starts."""
    import ray

    address = settings["address"]
    try:
        _require_listener(address)
        with _unheard(), _same_sigterm():
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **settings)
    except Exception as error:  # Ray raises just that where its processes do not start in time
        found = (getattr(error, "strerror", None) or " ".join(str(error).split())).lower()
        mine = address == "local"
        do = "try again when it is less busy, or without --engine ray" if mine else "start it, or correct RAY_ADDRESS"
        raise ConfigError(expected=f"Ray at {'this machine' if mine else address}", found=found, do=do) from error


@contextmanager
def _unheard() -> Iterator[None]:
    """Standard error goes nowhere during the block: the first that Ray's native code says there is how much it will say."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _same_sigterm() -> Iterator[None]:
    """SIGTERM does after the block what it did before: Ray would end the process with a code of its own."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _require_listener(address: str) -> None:
    """Raises ``OSError`` soon where nobody listens at ``host:port``: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), _PATIENCE).close()
