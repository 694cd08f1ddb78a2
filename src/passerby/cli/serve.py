"""Commands that let others search: a service, and who may use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from passerby.cli import options
from passerby.places import IndexPlace


@click.command(epilog="Example: passerby serve --index my-index")
@options.index_folder
@options.model
@options.detector
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
@click.option(
    "--allow-index",
    multiple=True,
    type=options.PATH,
    metavar="FOLDER",
    help="A folder that may be indexed from the page and by the API; again for more.",
)
@click.option("--create", is_flag=True, help="Make the index where there is none, to be filled by devices: passerby push.")
@click.option(
    "--devices",
    type=options.PATH,
    metavar="FILE",
    help="Which devices may be asked for the photos that people are in, and where they are, TOML; see docs/devices.md.",
)
@click.option("--keep-audit", type=click.IntRange(1, 36_500), default=90, metavar="DAYS", help="How long the log keeps who asked what.")
def serve(
    *,
    index: IndexPlace | None,
    model: str,
    detector: str,
    host: str,
    port: int,
    name: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    behind_proxy: tuple[str, ...],
    allow_index: tuple[Path, ...],
    create: bool,
    devices: Path | None,
    keep_audit: int,
) -> int:
    """Serve an index: a page to search with, and an API at /api/v1. Ctrl-C ends it.

    On this machine alone anybody may search, until there is a token; then everybody needs one: passerby token add NAME.
    """
    from passerby.cli.show.console import ALL_DONE, note
    from passerby.cli.show.serving import show_kept
    from passerby.extras import needs_extra
    from passerby.places import index_folder
    from passerby.resolve import load_detecting, load_model

    with needs_extra("serve"):
        from passerby.service.app import listen, run
        from passerby.service.indexing.folders import Indexing
        from passerby.service.indexing.process import index_command
        from passerby.service.open import open_service
        from passerby.service.security import Listening

    listening = Listening(host, port, name, tls_cert, tls_key, behind_proxy)
    folder, encoder = index_folder(index), load_model(model)
    for missing in (one for one in allow_index if not one.is_dir()):
        note(f"{missing}, which --allow-index names, is no folder that can be seen now")
    indexing, detecting = Indexing(allow_index, index_command(folder, model)), load_detecting(detector)
    how: dict[str, Any] = {"indexing": indexing, "detecting": detecting, "devices": devices, "keep_audit": keep_audit}
    with open_service(folder, encoder, listening, make=create or bool(allow_index), **how) as service:
        show_kept(folder, service.tokens.folder, guarded=service.needs_tokens)
        with listen(listening) as listener:
            note(f"open {listening.url}")
            run(service, listener)
    return ALL_DONE


@click.command(
    epilog="Examples: passerby token add reception; passerby token add north-gate --role device; passerby token revoke reception"
)
@click.argument("action", type=click.Choice(["add", "list", "revoke"]), help="What to do.")
@click.argument("name", required=False, help="Whose it is, for you to know it by.")
@click.option(
    "--role",
    type=click.Choice(["view", "admin", "device"]),
    default="view",
    help="Who is admin may index, and read who asked what, too; a device may push what it finds, under this name, and nothing else.",
)
@options.index_folder
@options.as_json
def token(action: str, name: str | None, *, role: str, index: IndexPlace | None, json: bool) -> int:
    """Say who may use a service: add somebody, list them, revoke one. A service that runs knows it at once.

    The token is shown this once; its hash alone is kept, in the folder that list names. Run this as the user whom the service runs as.
    """
    from passerby.cli.show.serving import show_added, show_revoked, show_tokens
    from passerby.index.local import service_folder
    from passerby.places import index_folder
    from passerby.service.tokens import Role, Tokens

    tokens = Tokens(service_folder(index_folder(index)))
    if action == "list":
        return show_tokens(tokens.all(), tokens.folder, as_json=json)
    if not name:
        raise click.BadParameter("expected a name, found none; name the token", param_hint="NAME")
    if action == "add":
        return show_added(name, tokens.add(name, Role(role)), tokens.folder, as_json=json)
    return show_revoked(name, tokens.revoke(name), as_json=json)


@click.command(
    epilog="Examples: passerby push --to https://people.example.org --token-file centre.token; "
    "PASSERBY_TOKEN=… passerby push --to https://10.0.0.2:8642 --ca centre.pem --follow"
)
@click.option("--to", "url", metavar="URL", required=True, help="The address of the centre: a passerby serve on another machine.")
@click.option("--follow", is_flag=True, help="Go on, and push whatever is new, until Ctrl-C; a centre that is away is waited for.")
@click.option(
    "--token-file",
    type=options.PATH,
    metavar="FILE",
    help="A file of mode 0600 with the token that passerby token add NAME --role device showed at the centre.",
    show_default="what PASSERBY_TOKEN holds",
)
@click.option(
    "--ca", type=options.PATH, metavar="FILE", help="Who signs the centre's certificate, PEM.", show_default="whom this machine trusts"
)
@click.option("--take-over", is_flag=True, help="Let this index take the place of another one that pushed under the same name.")
@options.index_folder
@options.as_json
def push(*, url: str, follow: bool, token_file: Path | None, ca: Path | None, take_over: bool, index: Path | None, json: bool) -> int:
    """Push what this device found to a centre, where everything is searched: people, their stored rows, times, and small pictures.

    The centre holds then what this index holds, and nothing twice: what was deleted here is deleted there. Links may break, and either
    side may be killed: what was confirmed is safe, and the next push goes on from there. The photos and videos stay here.
    """
    from passerby.cli.show.pushing import show_followed, show_push
    from passerby.find.push.link import Centre, read_token
    from passerby.find.push.send import follow as follow_index
    from passerby.find.push.send import push as push_index
    from passerby.index.open import open_index
    from passerby.places import index_folder
    from passerby.progress import progress_bar

    centre = Centre(url, read_token(token_file), ca)
    with open_index(index_folder(index)) as opened:
        if follow:
            report = follow_index(opened, centre, show_followed, take_over=take_over)
        else:
            with progress_bar("pushing", quiet=json) as on_progress:
                report = push_index(opened, centre, on_progress, take_over=take_over)
    return show_push(report, as_json=json)
