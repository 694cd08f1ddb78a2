"""Nothing leaves the machine: commands run as children of strace, which sees what any library asks of the system, in any language.

Whoever asks for a socket, connects one or reads where names are looked up is found out; a pair of sockets within a process, which asyncio
makes, reaches nobody and is not watched. Whatever is written outside a folder of its own, but to devices
and shared memory, is found out too, and what is within is compared.
The environment has nothing but what is named here: no CI, which hides telemetry, and no setting of a hub's client.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
LEARNING = Path(__file__).parent / "support" / "learning.py"
PASSERBY = (sys.executable, "-m", "passerby")

STRACE = ("strace", "--follow-forks", "--seccomp-bpf", "--quiet=all", "--trace=socket,connect,?open,openat,?openat2,?creat")
REACHES_OUT = re.compile(r'\b(?:socket|connect)\(.*|.*"/etc/(?:hosts|resolv\.conf)".*')
OPENS_TO_WRITE = re.compile(r'\b(?:open|openat|openat2|creat)\(.*?"(/[^"]*)".*\b(?:O_WRONLY|O_RDWR|O_CREAT)\b')
FONTS = re.compile(r"home/\.cache/matplotlib/fontlist-v[\d.]+\.json")
"""What matplotlib leaves so as not to look for fonts again: the one cache that README allows these commands."""


def strace_works() -> bool:
    return shutil.which("strace") is not None and subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode == 0


pytestmark = pytest.mark.skipif(not strace_works(), reason="strace is not here, or may not trace; .ci/run sees to it that it does")


@dataclass(frozen=True)
class Watched:
    """A place for children, and what they did there."""

    folder: Path

    def __call__(self, *command: str, **environment: str) -> list[str]:
        """Run a command, which must succeed; what of it reached out or wrote elsewhere."""
        calls = self.folder.with_name(f"{self.folder.name}.strace")
        for name in ("home", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        given = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "USER": "somebody",  # or getpass asks the system's name service
            "PYTHONPATH": str(SOURCE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [*STRACE, f"--output={calls}", *command],
            cwd=self.folder,
            env=given | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return list(self._suspicious(calls.read_text(errors="replace").splitlines()))

    def _suspicious(self, calls: list[str]) -> list[str]:
        written = ((call, match[1]) for call in calls if (match := OPENS_TO_WRITE.search(call)))
        elsewhere = [call for call, path in written if not f"{path}/".startswith(("/dev/", f"{self.folder}/"))]
        return [*filter(REACHES_OUT.search, calls), *elsewhere]

    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "place")


def test_the_watch_sees_a_look_up_a_socket_and_a_file(watched: Watched, tmp_path: Path) -> None:
    assert watched("true") == []
    assert any("/etc/hosts" in call for call in watched("getent", "hosts", "localhost"))
    assert any("AF_INET" in call for call in watched("bash", "-c", "exec 3<>/dev/udp/127.0.0.1/9"))
    assert any("elsewhere" in call for call in watched("touch", str(tmp_path / "elsewhere")))


def test_demo_index_and_search_reach_nobody_and_leave_what_was_asked_for(watched: Watched) -> None:
    assert watched(*PASSERBY, "demo", "--out", "demo") == []
    assert watched(*PASSERBY, "index", "demo/streets", "--index", "index") == []
    assert watched(*PASSERBY, "search", "a red jacket", "--index", "index", "--sheet", "found.png") == []
    assert {path.split("/")[0] for path in watched.files()} == {"demo", "index", "found.png"}


def test_training_adapting_and_exploring_reach_nobody_and_leave_what_was_asked_for(watched: Watched) -> None:
    assert watched(sys.executable, str(LEARNING)) == []
    asked_for = {"drawn", "tokenizer.json", "run", "clip", "adapter", "adapter.run", "merged", "report"}
    assert {path for path in watched.files() if path.split("/")[0] not in asked_for and not FONTS.fullmatch(path)} == set()
