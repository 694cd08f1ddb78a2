"""What looks the same is read as the same."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from passerby.words.normalise import plain
from passerby.words.parser import parse
from passerby.words.prompts import prompts

AS_SEEN = "a man who isn't in a red t-shirt"


@pytest.mark.parametrize(
    "written",
    [
        "a man who isn’t in a red t-shirt",
        "a man who isnʼt in a red t‑shirt",
        "a man who isn&#39;t in a red t&#x2d;shirt",
        "a man who isn&amp;apos;t in a red t-shirt",
        "ａ ｍａｎ ｗｈｏ ｉｓｎ＇ｔ ｉｎ ａ ｒｅｄ ｔ－ｓｈｉｒｔ",
        "a man\u00a0who isn't\u2003in a&nbsp;red t-shirt",
        "a ma\u00adn who is\u200bn't in a r\u200ded t-\u2060shirt\ufeff",
        "\u202aa man who isn't in a red t-shirt\u202c",
        "a\tman\twho isn't in a\x00red t-shirt",
        "a man who isn't in a r\ufe0fed t-shirt",
        "𝐚 𝐦𝐚𝐧 𝐰𝐡𝐨 𝐢𝐬𝐧'𝐭 𝐢𝐧 𝐚 𝐫𝐞𝐝 𝐭-𝐬𝐡𝐢𝐫𝐭",
    ],
)
def test_other_keyboards(written: str) -> None:
    assert plain(written) == AS_SEEN
    assert parse(written) == parse(AS_SEEN)
    assert prompts(written) == prompts(AS_SEEN)


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("décolleté", "de\u0301collete\u0301"),
        ("ofﬁce waﬄe", "office waffle"),
        ("hat … bag", "hat ... bag"),
        ("“red hat”", '"red hat"'),
        ("red hat—blue bag", "red hat - blue bag"),
        ("red hat — blue bag", "red hat – blue bag"),
        ("red hat\r\nblue bag", "red hat\nblue bag"),
        ("red hat\u2028blue bag", "red hat\nblue bag"),
        ("hat &amp; bag", "hat & bag"),
        ("hat &notaname; bag", "hat &notaname; bag"),
        ("\ud800 hat", "\ufffd hat"),
    ],
)
def test_pairs_that_look_the_same(written: str, seen: str) -> None:
    assert plain(written) == plain(seen)


@given(st.text() | st.text("&#;amp38xXltnbsNotINT ＆；\u0338<­"))
@example("&amp;#38;amp;lt;")
@example("&#xff06;lt；")
def test_once_is_enough(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@given(st.text(string.ascii_letters + string.digits + string.punctuation.replace("&", "") + " "))
@example("jacket&jeans; t-shirt&not red")
def test_captions_in_ascii_stay_as_they_are(text: str) -> None:
    assert plain(text) == text


@given(st.text(max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    parse(text)
    assert all(prompt.text for prompt in prompts(text))


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("red jacket 👕", ("👕",)),
        ("👩‍👧 in a red jacket", ("👩👧",)),
        ("a rеd jacket", ("rеd",)),
        ("красная куртка", ("красная", "куртка")),
        ("מעיל red jacket", ("מעיל",)),
        ("red jacket €5", ("€", "5")),
        ("x̂y red jacket", ("x̂y",)),
        ("red jacket •  blue jeans ¡", ()),
        ("**red** _jacket_", ()),
        ('"RED JACKET"', ()),
        ("red jacket™", ()),
    ],
)
def test_what_says_nothing_known_is_named(text: str, lost: tuple[str, ...]) -> None:
    assert parse(text).not_understood == lost
