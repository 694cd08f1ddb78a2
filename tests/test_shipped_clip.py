"""The CLIP that ships inside the package."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer
from wearing import wearing

from passerby.data.synthetic import DEMO_QUESTIONS, demo_people, draw
from passerby.errors import ModelError
from passerby.find.answer import find
from passerby.find.describe import describe
from passerby.model.preprocess import preprocess
from passerby.resolve import find_bundle, load_base, load_model
from passerby.words.filters import read_filters

NAME = "passerby-clip-tiny"
TEACHER = "bb0de4e4d705"
"""The third edition of passerby-s, before it said what is worn."""
FOLDER = Path(__file__).parents[1] / "src/passerby/model/bundles" / NAME


def test_it_is_a_clip_for_plain_transformers() -> None:
    clip, report = CLIPModel.from_pretrained(FOLDER, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert sum(p.numel() for p in clip.parameters()) <= 15e6
    positions = clip.vision_model.embeddings.position_embedding.num_embeddings
    assert positions == 1 + (clip.config.vision_config.image_size // clip.config.vision_config.patch_size) ** 2
    tokenizer = CLIPTokenizer.from_pretrained(FOLDER)
    assert tokenizer.eos_token_id == clip.config.text_config.eos_token_id == len(tokenizer) - 1
    tokens = tokenizer(list(DEMO_QUESTIONS), padding=True, return_tensors="pt")
    with torch.inference_mode():
        said = torch.nn.functional.normalize(clip.eval().get_text_features(**tokens).pooler_output, dim=-1).numpy()
    np.testing.assert_allclose(load_model(NAME).embed_texts(DEMO_QUESTIONS), said, atol=1e-5)


def test_it_agrees_with_its_teacher_about_drawn_people() -> None:
    teacher, student = load_model(), load_model(NAME)
    people = [draw(person, 0) for person in demo_people()]
    pictures = [model.embed_images(np.stack([preprocess(one, model.preprocessing) for one in people])) for model in (teacher, student)]
    words = [model.embed_texts(DEMO_QUESTIONS) for model in (teacher, student)]
    for both in (pictures, words):
        assert np.einsum("nd,nd->n", *both).mean() > 0.5


def test_it_does_not_say_what_is_worn_so_filters_are_relative(tmp_path: Path) -> None:
    clip = load_model(NAME)
    with wearing(tmp_path, clip, [None] * 40) as index:
        given = find(index, clip, "a man", 40, filters=read_filters({}, ["hat"]))
    assert (len(given.people), given.to_json()["relative"], given.reindex) == (10, True, False)
    assert all(fit.above is not None for hit in given.people for fit in hit.fits)
    with pytest.raises(ModelError, match=f"{NAME}, which compares pictures with words"):
        describe(clip, Image.new("RGB", (64, 128)))


def test_it_is_named_by_its_name_and_small() -> None:
    assert load_base(NAME).name == NAME
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 30_000_000


def test_its_card_names_the_figures_and_the_teacher() -> None:
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "FIGURE" not in card
    assert all(f"## {part}" in card for part in ("Data and their terms", "Recipe", "Figures", "Limits", "Use", "Licence"))
    assert "NonCommercial" in (FOLDER / "LICENSE").read_text(encoding="utf-8")
    made_of = json.loads((FOLDER / "passerby.json").read_text(encoding="utf-8"))["made_of"]
    assert made_of["teacher"]["digest"].startswith(TEACHER)
    assert TEACHER in (find_bundle("passerby-s").folder / "MODEL_CARD.md").read_text(encoding="utf-8")
