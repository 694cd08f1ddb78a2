"""Optional parts of the install: a command that needs one says which."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from passerby.errors import MissingExtra


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Import inside; a package that is not installed becomes a ``MissingExtra`` that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "passerby":
            raise
        raise MissingExtra(
            expected=f"the packages of the extra [{extra}]", found=f"no {error.name}", do=how_to_install(extra, _origin())
        ) from None


def how_to_install(extra: str, origin: str | None) -> str:
    """What installs an extra from where Passerby itself came from; never by its name alone, which may be another's on an index.

    Args:
        origin: ``direct_url.json`` of the installed package, which pip writes where it installs from a folder, a file or a repository.
    """
    said = json.loads(origin) if origin else {}
    url = said.get("url", "")
    if vcs := said.get("vcs_info"):
        at = f"@{vcs['commit_id']}" if "commit_id" in vcs else ""
        return f"pip install 'passerby[{extra}] @ {vcs['vcs']}+{url}{at}'"
    source = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else Path(__file__).parents[2]
    if not (source.is_file() or (source / "pyproject.toml").is_file()):
        return f"in the folder of Passerby's source: pip install '.[{extra}]'"
    editable = said.get("dir_info", {}).get("editable", not url)
    return f"pip install {'-e ' * editable}{shlex.quote(f'{source}[{extra}]')}"


def _origin() -> str | None:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution("passerby").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
