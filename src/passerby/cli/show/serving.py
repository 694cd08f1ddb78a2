"""What the commands of a service show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from passerby.cli.show.console import ALL_DONE, NOTHING_DONE, console_on, note, show_json, show_table
from passerby.places import IndexPlace, is_url

if TYPE_CHECKING:
    from pathlib import Path

    from passerby.service.tokens import Token


def show_kept(index: IndexPlace, folder: Path, *, guarded: bool) -> None:
    """Say where the service of an index keeps its tokens, unless that is in the index's folder, and whether there are any."""
    if is_url(index):
        note(f"tokens, log and jobs are in {folder}{'' if guarded else '; there are no tokens, so anybody on this machine may search'}")


def show_added(name: str, secret: str, folder: Path, *, as_json: bool) -> int:
    """Show a new token, whose hash is in a folder; returns the exit code."""
    note(f"the token of {name}, shown this once; its hash is in {folder}:")
    if as_json:
        show_json({"name": name, "token": secret})
    else:
        console_on(stderr=False).print(secret, highlight=False, soft_wrap=True)
    return ALL_DONE


def show_tokens(tokens: Sequence[Token], folder: Path, *, as_json: bool) -> int:
    """Show who may use a service, and in which folder that is kept; returns the exit code."""
    if as_json:
        said = [{"name": one.name, "role": one.role, "created": one.created} for one in tokens]
        show_json({"tokens": said, "folder": str(folder)})
    elif tokens:
        show_table(("name", "role", "created"), [(one.name, one.role, one.created) for one in tokens])
        note(f"in {folder}")
    else:
        note(f"no tokens in {folder}: make one with passerby token add NAME")
    return ALL_DONE


def show_revoked(name: str, revoked: bool, *, as_json: bool) -> int:
    """Say whether a token is valid no more; returns the exit code."""
    if as_json:
        show_json({"revoked": [name] if revoked else []})
    note(
        f"{name} is let in no more"
        if revoked
        else f"nothing done: expected a token, found none of the name {name!r}; see passerby token list"
    )
    return ALL_DONE if revoked else NOTHING_DONE
