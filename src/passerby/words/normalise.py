"""Text as a person sees it: what looks the same becomes the same."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_AMPERSANDS: Final = re.compile(r"&(?:amp;|#0*38;|#x0*26;)+", re.IGNORECASE)
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_DASH: Final = re.compile(r"[^\S\n]*[—―⸺⸻]+[^\S\n]*")
_ALIKE: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‛ʼʹʻʽ′´", "'"),
        **dict.fromkeys("“”„‟″«»‹›", '"'),
        **dict.fromkeys("‐‑‒–−⁃﹘", "-"),
        **dict.fromkeys("،、", ","),
        **dict.fromkeys("\r\v\f\x85\u2028\u2029", "\n"),
        **dict.fromkeys("®™℠\u034f\u115f\u1160\u17b4\u17b5\u3164"),
        **dict.fromkeys([*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]),
        "。": ".",
        "؛": ";",
        "؟": "?",
        "⁄": "/",
    }
)


def plain(text: str) -> str:
    """A text with one character for each that looks the same, and none that cannot be seen.

    HTML entities are resolved; compatibility forms such as full-width letters, ligatures and unbreakable spaces become the usual ones
    (NFKC); curly quotes and dashes of all sorts become those of ASCII; marks that are not seen vanish, control characters become spaces.
    Idempotent; printable ASCII without entities stays as it is.
    """
    while (not text.isascii() or not text.isprintable() or "&" in text) and (simpler := _simpler(text)) != text:
        text = simpler
    return text


def _simpler(text: str) -> str:
    text = _ENTITY.sub(lambda match: _character(match[0]), _AMPERSANDS.sub("&", text))
    text = _DASH.sub(" - ", text.replace("\r\n", "\n").translate(_ALIKE))
    return unicodedata.normalize("NFKC", "".join(map(_seen, text)))


def _character(entity: str) -> str:
    import html
    from html.entities import html5

    return html.unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity


def _seen(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    return " " if category in ("Cc", "Zs") and character != "\n" else character
