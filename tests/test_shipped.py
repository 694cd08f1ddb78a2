"""The model that ships inside the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import run, without_activation_pairs

from passerby.data.synthetic import DEMO_QUESTIONS, demo_people, draw
from passerby.learn.models.from_bundle import load_compact
from passerby.learn.models.torch_encoder import TorchEncoder, load_tokenizer
from passerby.model.bundle import Bundle, read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.encoder import unit_vectors
from passerby.model.preprocess import preprocess
from passerby.model.tokenizer import Tokenizer
from passerby.resolve import DEFAULT_MODEL, bundled_models, load_model

FOLDER = Path(__file__).parent.parent / "src/passerby/model/bundles" / DEFAULT_MODEL


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(FOLDER)


def test_it_is_the_default_and_proves_itself() -> None:
    assert DEFAULT_MODEL in bundled_models()
    model = load_model()
    pixels = np.stack([preprocess(draw(person, 0), model.preprocessing) for person in demo_people()[:3]])
    scores = model.embed_texts(DEMO_QUESTIONS) @ model.embed_images(pixels).T
    assert scores.argmax(axis=1).tolist() == [0, 1, 2], "each question is answered by its own of the three people"


def test_it_is_small_and_says_what_it_is() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 30_000_000
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(f"## {part}" in card for part in ("Data and their terms", "Recipe", "Figures", "Limits", "Use", "Licence"))
    assert "NonCommercial" in (FOLDER / "LICENSE").read_text(encoding="utf-8")


def test_its_card_names_the_figures_of_its_manifest(bundle: Bundle) -> None:
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    for name, figure in (("Rank-1", "rank1"), ("mAP", "mAP")):
        assert f"| {name} | {bundle.card['val'][figure]:.2f} |" in card  # type: ignore[index]


def test_it_comes_back_into_torch_as_the_weights_of_record(bundle: Bundle) -> None:
    torch_encoder = TorchEncoder(load_compact(bundle), load_tokenizer(bundle.tokenizer.read(), bundle.max_tokens), bundle.preprocessing)
    pixels = np.stack([preprocess(draw(person, 1), bundle.preprocessing) for person in demo_people()[:4]])
    tokens = Tokenizer(bundle.tokenizer.read(), bundle.max_tokens)(DEMO_QUESTIONS)
    images, worn = run(without_activation_pairs(onnx.load_from_string(bundle.image_tower.read())), {"pixel_values": pixels})
    feed = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
    (words,) = run(without_activation_pairs(onnx.load_from_string(bundle.text_tower.read())), feed)
    for found, expected in ((torch_encoder.embed_images(pixels), images), (torch_encoder.embed_texts(DEMO_QUESTIONS), words)):
        assert np.einsum("nd,nd->n", found, unit_vectors(expected, found.shape)).min() >= 0.9999
    assert np.abs(torch_encoder.see(pixels).log_odds - worn).max() < 0.05


def test_more_threads_change_nothing_that_matters(bundle: Bundle) -> None:
    one, two = (BundleEncoder(bundle, threads=n).embed_texts(DEMO_QUESTIONS) for n in (1, 2))
    assert np.einsum("nd,nd->n", one, two).min() > 0.9999


def test_it_names_no_folder_of_its_maker() -> None:
    for file in FOLDER.iterdir():
        assert b"site-packages" not in file.read_bytes()
        assert b"src/passerby" not in file.read_bytes()
