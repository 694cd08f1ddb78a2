"""Size on disk of the core in a fresh virtual environment, and of its largest parts."""

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


def install(environment: Path) -> Path:
    """Install the core of this checkout, compiled; returns its site-packages."""
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--compile", CHECKOUT], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    return packages


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--parts", type=int, default=10, help="how many of the largest parts to show")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        packages = install(Path(folder) / "venv")
        parts = sorted(((megabytes(part), part.name) for part in packages.iterdir()), reverse=True)
        total = megabytes(Path(folder))
    rows: list[Row] = [{"part": name, "MB": size} for size, name in [(total, "everything"), *parts[: given.parts]]]
    show("install size", rows, as_json=given.json)


if __name__ == "__main__":
    main()
