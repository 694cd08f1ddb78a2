"""What any kind of model promises: whoever trains, adapts, exports or saves one asks for no more."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from adapting import clip_base, compact_base
from clip_folder import write_clip
from small_clip import tokenizer_json
from torch import Tensor

from passerby.learn.lora.adaptation import OF_ARCHITECTURE, preset
from passerby.learn.models.attribute_head import STRIPES
from passerby.learn.models.base import Base
from passerby.learn.models.batch_norm import unfold_batch_norm
from passerby.learn.models.model_folder import save_base
from passerby.resolve import load_base

TEXTS = ["a man in a red jacket", "a woman with a hat"]


@pytest.fixture(params=["compact", "clip"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    return compact_base(tokenizer_json(TEXTS)) if request.param == "compact" else clip_base(write_clip(tmp_path / "clip"))


def seen_and_said(base: Base) -> tuple[Tensor, Tensor]:
    p = base.preprocessing
    pixels = torch.rand((3, 3, p.height, p.width), generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[2, 4, 5, 3], [2, 6, 3, 0]])
    with torch.no_grad():
        return base.model.embed_images(pixels), base.model.embed_texts(ids, (ids > 0).long())


def test_both_towers_give_unit_vectors_of_its_size(base: Base) -> None:
    for vectors in seen_and_said(base):
        assert vectors.shape[1] == base.model.dim
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))


def test_what_is_exported_says_the_same(base: Base) -> None:
    if base.model.architecture == "compact":  # with batch norms, as it is trained
        tower = base.model.image_tower
        base.model.image_tower = unfold_batch_norm(tower, torch.rand(8, 3, 64, 32), STRIPES)  # type: ignore[arg-type]
    before = seen_and_said(base)
    exported = base.model.exportable()
    assert not any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in exported.modules())
    for a, b in zip(before, seen_and_said(replace(base, model=exported)), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_a_saved_one_comes_back_the_same(base: Base, tmp_path: Path) -> None:
    before = seen_and_said(base)
    save_base(base, tmp_path / "saved", made_of={})
    again = load_base(str(tmp_path / "saved"))
    assert again.model.architecture == base.model.architecture
    for a, b in zip(before, seen_and_said(again), strict=True):
        assert torch.equal(a, b)


def test_what_peft_adapts_is_part_of_it_and_both_towers_are_in_it(base: Base) -> None:
    inner = {id(p) for p in base.model.adaptable.parameters()}
    for tower in (base.model.image_tower, base.model.text_tower):
        assert all(id(p) in inner for p in tower.parameters())


def test_placing_and_recomputing_change_nothing_it_says(base: Base) -> None:
    before = seen_and_said(base)
    base.model.recompute_in_backward()
    base.model.place(torch.device("cpu"))
    for a, b in zip(before, seen_and_said(base), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_every_kind_has_a_preset(base: Base) -> None:
    assert base.model.architecture in OF_ARCHITECTURE
    assert preset(base).lora.targets


def test_nobody_asks_of_what_kind_a_model_is() -> None:
    source = Path(__file__).parents[2] / "src" / "passerby"
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
                assert not {"CompactClip", "Clip"} & {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}, path
