"""A pruned vocabulary: the same tokens and vectors for what was kept, shorter pieces for the rest."""

from __future__ import annotations

import json

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from passerby.learn.models import vocabulary
from passerby.learn.models.compact import CompactClip, TextConfig
from passerby.learn.models.vocabulary import needed_pieces, with_pieces

PIECES = [
    "[PAD]",
    "[unused0]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "red",
    "jack",
    "##et",
    "[unused1]",
    "cap",
    "##s",
    *"abcdefghijklmnopqrstuvwxyz",
]
PIECES += [f"##{c}" for c in "abcdefghijklmnopqrtuvwxyz"] + ["zebra", "##bra", "quilt"]
KEPT = ["a red jacket and caps", "quilt"]


def wordpiece() -> bytes:
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)])
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    return tokenizer.to_str().encode()


@pytest.fixture
def model() -> CompactClip:
    torch.manual_seed(0)
    return CompactClip(TextConfig(len(PIECES), width=32, layers=1, feed_forward=32, positions=40), 8).eval()


@pytest.fixture(autouse=True)
def few_common_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "COMMON", 7)


def test_kept_texts_have_the_same_tokens_and_vectors(model: CompactClip) -> None:
    smaller, tokenizer = with_pieces(model, wordpiece(), needed_pieces(wordpiece(), KEPT))
    before, after = Tokenizer.from_buffer(wordpiece()), Tokenizer.from_buffer(tokenizer)
    for text in [*KEPT, "the cat"]:
        a, b = before.encode(text), after.encode(text)
        assert a.tokens == b.tokens
        vectors = [
            m.embed_texts(torch.tensor([e.ids]), torch.ones(1, len(e.ids), dtype=torch.int64)) for m, e in ((model, a), (smaller, b))
        ]
        assert torch.equal(*vectors)


def test_what_nobody_needs_goes_and_is_spelt_with_shorter_pieces(model: CompactClip) -> None:
    smaller, tokenizer = with_pieces(model, wordpiece(), needed_pieces(wordpiece(), KEPT))
    after = Tokenizer.from_buffer(tokenizer)
    assert set(PIECES) - set(after.get_vocab()) == {"[unused0]", "[unused1]", "zebra", "##bra"}
    assert after.encode("zebra").tokens == ["[CLS]", "z", "##e", "##b", "##r", "##a", "[SEP]"]
    assert smaller.text_tower.tokens.weight.shape[0] == smaller.text_tower.config.vocabulary == len(after.get_vocab())
    assert sorted(after.get_vocab().values()) == list(range(len(after.get_vocab())))
    assert model.text_tower.tokens.weight.shape[0] == len(PIECES), "the model itself stays as it was"


def test_special_tokens_keep_their_meaning(model: CompactClip) -> None:
    _, tokenizer = with_pieces(model, wordpiece(), needed_pieces(wordpiece(), KEPT))
    document = json.loads(tokenizer)
    number = document["model"]["vocab"]
    assert {token["content"]: token["id"] for token in document["added_tokens"]} == {
        t: number[t] for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    }
    assert document["padding"]["pad_id"] == number["[PAD]"] == 0
    short, long = Tokenizer.from_buffer(tokenizer).encode_batch(["red", "the red cap"])
    assert short.tokens == ["[CLS]", "red", "[SEP]", "[PAD]", "[PAD]"]
    assert long.ids == [number[t] for t in long.tokens]


def test_where_every_piece_stays_both_are_as_they_were(model: CompactClip) -> None:
    same, tokenizer = with_pieces(model, wordpiece(), range(len(PIECES)))
    assert same is model
    assert tokenizer == wordpiece()
