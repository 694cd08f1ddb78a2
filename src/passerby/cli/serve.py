"""Commands that let others search: a service, and who may use it."""

from __future__ import annotations

from pathlib import Path

import click

from passerby.cli import options
from passerby.places import IndexPlace


@click.command(epilog="Example: passerby serve --index my-index")
@options.index_folder
@options.model
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", help="Where to listen. Others than this machine need a token, and TLS.")
@click.option("--port", type=click.IntRange(1, 65535), default=8642, help="Likewise.")
@click.option("--name", multiple=True, metavar="HOST", help="What else browsers call it, such as people.example.org; again for more.")
@click.option("--tls-cert", type=options.PATH, metavar="FILE", help="Its certificate, PEM.")
@click.option("--tls-key", type=options.PATH, metavar="FILE", help="The key of that, PEM.")
@click.option(
    "--behind-proxy",
    multiple=True,
    metavar="ADDRESS",
    help="A proxy that speaks TLS for it, and is believed who the client is; again for more.",
)
@click.option("--keep-audit", type=click.IntRange(min=1), default=90, metavar="DAYS", help="How long the log keeps who asked what.")
def serve(
    *,
    index: IndexPlace | None,
    model: str,
    host: str,
    port: int,
    name: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    behind_proxy: tuple[str, ...],
    keep_audit: int,
) -> int:
    """Serve an index: a page to search with, and an API at /api/v1. Ctrl-C ends it.

    On this machine alone anybody may search, until there is a token; then everybody needs one: passerby token add NAME.
    """
    from passerby.cli.show.console import ALL_DONE, note
    from passerby.extras import needs_extra
    from passerby.index.open import open_index
    from passerby.places import index_folder, service_folder
    from passerby.resolve import load_model

    with needs_extra("serve"):
        from passerby.service.app import listen, run
        from passerby.service.security import Listening
        from passerby.service.service import Service

    listening = Listening(host, port, name, tls_cert, tls_key, behind_proxy)
    folder = index_folder(index)
    with open_index(folder) as opened:
        service = Service.of(opened, load_model(model), listening, service_folder(folder), keep_audit=keep_audit)
        with listen(listening) as listener:
            note(f"open {listening.url}")
            run(service, listener)
    return ALL_DONE


@click.command(epilog="Examples: passerby token add reception; passerby token list; passerby token revoke reception")
@click.argument("action", type=click.Choice(["add", "list", "revoke"]), help="What to do.")
@click.argument("name", required=False, help="Whose it is, for you to know it by.")
@click.option("--role", type=click.Choice(["view", "admin"]), default="view", help="Who is admin may read who asked what, too.")
@options.index_folder
@options.as_json
def token(action: str, name: str | None, *, role: str, index: IndexPlace | None, json: bool) -> int:
    """Say who may use a service: add somebody, list them, revoke one. A service that runs knows it at once.

    The token is shown this once; the index keeps its hash alone.
    """
    from passerby.cli.show.serving import show_added, show_revoked, show_tokens
    from passerby.places import index_folder, service_folder
    from passerby.service.tokens import Role, Tokens

    tokens = Tokens(service_folder(index_folder(index)))
    if action == "list":
        return show_tokens(tokens.all(), as_json=json)
    if not name:
        raise click.BadParameter("expected a name, found none; name the token", param_hint="NAME")
    if action == "add":
        return show_added(name, tokens.add(name, Role(role)), as_json=json)
    return show_revoked(name, tokens.revoke(name), as_json=json)
