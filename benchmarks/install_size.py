"""Size on disk of the core in a fresh virtual environment, or of what an extra adds to it, and of the largest parts."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

from common import Row, options, show

CHECKOUT = Path(__file__).resolve().parent.parent


def megabytes(path: Path) -> float:
    """Disk space of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_blocks * 512 for file in files) / 1e6


def install(environment: Path, extra: str = "") -> dict[str, float]:
    """Install the core of this checkout, compiled, with an extra or without; the megabytes of each part."""
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    what = f"{CHECKOUT}[{extra}]" if extra else CHECKOUT
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--compile", what], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    return {"everything": megabytes(environment), **{part.name: megabytes(part) for part in packages.iterdir()}}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--extra", help="which one is looked at, such as serve")
    parser.add_argument("--parts", type=int, default=10, help="how many of the largest parts to show")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        sizes = install(Path(folder) / "core")
        if given.extra:
            core, sizes = sizes, install(Path(folder) / "extra", given.extra)
            sizes = {part: size - core.get(part, 0.0) for part, size in sizes.items()}
    largest = sorted(sizes.items(), key=lambda one: -one[1])[: given.parts + 1]
    rows: list[Row] = [{"part": name, "MB": size} for name, size in largest]
    show(f"size of {given.extra} beyond the core" if given.extra else "install size", rows, as_json=given.json)


if __name__ == "__main__":
    main()
