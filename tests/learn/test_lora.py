"""Adapters in place: which layers get them, that they start as nothing, and that batch norms stand still."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from adapting import CLIP_LORA, COMPACT_LORA, clip_base, compact_base
from clip_folder import write_clip
from small_clip import small_clip, tokenizer_json
from torch import Tensor, nn

from passerby.errors import ConfigError
from passerby.learn.lora.adaptation import PRESETS, RATES, Adaptation, Lora, adaptation, preset
from passerby.learn.lora.lora import TARGETS, adapt, share, start_learning, target_layers
from passerby.learn.models.base import Base
from passerby.learn.objectives.gradcache import cached_backward
from passerby.model.selftest import TEXTS
from passerby.resolve import parse_size

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("clip-*/lora.toml"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("lora") / "tiny-clip")


@pytest.fixture
def clip(folder: Path) -> Base:
    return clip_base(folder)


@pytest.fixture
def compact() -> Base:
    return compact_base(tokenizer_json(TEXTS))


LAYERS = {  # two layers in each tower of the CLIP, two in the compact text tower, sixteen blocks in its image tower
    "q": (4, 2),
    "k": (4, 2),
    "v": (4, 2),
    "out": (4, 2),
    "fc1": (4, 2),
    "fc2": (4, 2),
    "pointwise": (0, 15 + 16 + 1),
    "projection": (2, 3),
}


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_means_its_layers_of_both_towers(clip: Base, compact: Base, target: str) -> None:
    for base, count in zip((clip, compact), LAYERS[target], strict=True):
        if not count:
            with pytest.raises(ConfigError, match=f"{target!r}, which matches no layer"):
                target_layers(base.model, (target,))
        else:
            assert len(target_layers(base.model, (target, target))) == count


@pytest.mark.parametrize("target", ["banana", "", "q_proj", "depthwise"])
def test_an_unknown_target_is_told_those_there_are(clip: Base, target: str) -> None:
    with pytest.raises(ConfigError, match="expected targets out of q, k, v, out, fc1, fc2, projection"):
        adapt(clip, Lora(targets=("q", target)))


@pytest.mark.parametrize("which", ["clip", "compact"])
def test_an_untrained_adapter_changes_nothing_and_is_all_that_learns(which: str, request: pytest.FixtureRequest) -> None:
    base: Base = request.getfixturevalue(which)
    pixels = np.random.default_rng(0).normal(size=(2, 3, 64, 32)).astype(np.float32)
    before = base.encoder().embed_images(pixels), base.encoder().embed_texts(TEXTS)
    total = sum(p.numel() for p in base.model.parameters())
    lora = CLIP_LORA if which == "clip" else COMPACT_LORA
    adapted = adapt(base, lora)
    np.testing.assert_array_equal(base.encoder().embed_images(pixels), before[0])
    np.testing.assert_array_equal(base.encoder().embed_texts(TEXTS), before[1])
    learning = {name: p for name, p in adapted.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in learning)
    assert share(adapted).total == total + share(adapted).trainable
    assert share(adapted).trainable == sum(p.numel() for p in learning.values())
    assert str(share(adapted)).endswith("%)")


def test_batch_norms_stand_still_while_everything_else_learns() -> None:
    model = small_clip(tokenizer_json(TEXTS))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    start_learning(model)
    model.image_tower(torch.randn(2, 3, 64, 32))
    assert before
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    modes = {type(module).__name__: module.training for module in model.modules()}
    assert not modes["BatchNorm2d"] and not modes["BatchNorm1d"] and modes["Dropout"] and modes["ConvNorm"]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_cached_gradients_of_a_clip_with_dropout_are_the_plain_ones(folder: Path, checkpointing: bool) -> None:
    """In float32, within 1e-5, the same values left out of LoRA's inputs both times."""
    pixels = torch.randn(6, 3, 64, 32, generator=torch.Generator().manual_seed(0))

    def gradients(cached: bool) -> list[Tensor]:
        torch.manual_seed(1)
        base = clip_base(folder)
        adapted = adapt(base, Lora(rank=4, alpha=8, dropout=0.5))
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.1)
        if checkpointing and cached:
            base.model.clip.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[union-attr, operator]
        start_learning(base.model)
        chunks: list[Callable[[], Tensor]] = [lambda rows=rows: base.model.embed_images(rows) for rows in torch.split(pixels, 2)]  # type: ignore[misc]
        torch.manual_seed(2)
        if cached:
            cached_backward(chunks, contrast, torch.device("cpu"))
        else:
            contrast(torch.cat([chunk() for chunk in chunks])).backward()  # type: ignore[no-untyped-call]
        return [p.grad for p in base.model.parameters() if p.grad is not None]

    plain, cached = gradients(False), gradients(True)
    assert len(plain) == len(cached) == 2 * 4 * 2, "A and B of q, k, v and out in both layers"
    assert max(float(a.abs().max()) for a in plain) > 1e-3
    for a, b in zip(plain, cached, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def contrast(embeddings: Tensor) -> Tensor:
    return nn.functional.cross_entropy(embeddings @ embeddings.T / 0.5, torch.tensor([1, 0, 3, 2, 5, 4]))


class TestPresets:
    def test_temperature_and_length_are_the_bases(self, clip: Base, compact: Base) -> None:
        assert preset(clip).losses.info_nce_temperature == clip.temperature
        assert (preset(clip).words.max_tokens, preset(compact).words.max_tokens) == (77, 40)
        assert "pointwise" in preset(compact).lora.targets

    @pytest.mark.parametrize("name", PRESETS)
    def test_by_the_last_part_of_the_name(self, clip: Base, name: str) -> None:
        from dataclasses import replace

        found = preset(replace(clip, name=f"somewhere/{name}"))
        assert (found.lora, found.chunk, found.checkpointing) == (PRESETS[name].lora, PRESETS[name].chunk, PRESETS[name].checkpointing)

    def test_a_file_changes_the_preset_and_options_change_both(self, clip: Base, tmp_path: Path) -> None:
        file = tmp_path / "how.toml"
        file.write_text('steps = 9\nlora = { rank = 2, targets = ["fc1"] }\noptimiser = { image_rate = 1 }\n')
        made = adaptation(clip, file, steps=None, rank=8, seed=3)
        assert made.lora == Lora(rank=8, alpha=16, dropout=0.05, targets=("fc1",))
        assert (made.steps, made.seed, made.optimiser.image_rate) == (9, 3, 1.0)
        assert made.optimiser.text_rate == Adaptation().optimiser.text_rate
        assert adaptation(clip) == preset(clip)
        assert adaptation(clip, rank=8, alpha=3).lora.alpha == 3
        assert adaptation(clip, file, ["lora.rank=5", "optimiser.clip=2"], seed=3).lora.rank == 5
        with pytest.raises(ConfigError, match=r"keys of \[lora\]: rank, alpha, dropout, targets, found 'rnk'"):
            adaptation(clip, None, ["lora.rnk=5"])

    def test_an_alpha_that_is_said_stands_and_any_rank_alone_doubles(self, clip: Base, tmp_path: Path) -> None:
        file = tmp_path / "how.toml"
        file.write_text("lora = { rank = 2, alpha = 5 }\n")

        def alpha(*given: object, **changes: object) -> int:
            return adaptation(clip, *given, **changes).lora.alpha  # type: ignore[arg-type]

        assert alpha(None, ["lora.alpha=4"], rank=4) == 4
        assert alpha(None, ["lora.alpha=4", "lora.rank=3"]) == 4
        assert alpha(file, (), rank=8) == 5
        assert alpha(file, (), alpha=7) == 7
        assert alpha(None, ["lora.rank=3"]) == 6
        file.write_text("lora = { rank = 3 }\n")
        assert alpha(file) == 6
        assert alpha(file, (), rank=9) == 18

    @pytest.mark.parametrize("learns", RATES)
    def test_what_learns_has_a_rate_of_its_own_unless_the_file_says_another(self, clip: Base, tmp_path: Path, learns: str) -> None:
        file = tmp_path / "how.toml"
        file.write_text(f'learns = "{learns}"\noptimiser = {{ text_rate = 0.5 }}\n')
        made = adaptation(clip, file)
        assert made.learns == learns
        assert (made.optimiser.image_rate, made.optimiser.head_rate, made.optimiser.text_rate) == (RATES[learns], RATES[learns], 0.5)
        assert adaptation(clip, learns=learns).optimiser == preset(clip, learns).optimiser

    @pytest.mark.parametrize("learns", ["heads", "all"])
    def test_what_is_of_lora_is_refused_where_lora_does_not_learn(self, clip: Base, learns: str) -> None:
        with pytest.raises(ConfigError, match=f"nothing of LoRA with learns = {learns}, found rank, targets;"):
            adaptation(clip, learns=learns, rank=8, targets=["q"])
        with pytest.raises(ConfigError, match=f"nothing of LoRA with learns = {learns}, found rank;"):
            adaptation(clip, None, ["lora.rank=4"], learns=learns)
        assert adaptation(clip, learns=learns, rank=None).learns == learns

    def test_there_are_committed_recipes(self) -> None:
        assert len(CONFIGS) == 2

    @pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.parent.name)
    def test_committed_recipes_are_read(self, clip: Base, file: Path) -> None:
        assert adaptation(clip, file).steps == 2660
        recipe = tomllib.loads((file.parent / "recipe.toml").read_text())
        assert recipe.keys() == {"model", "size", "prompt"}
        side = int(recipe["model"][-2:])
        assert all(pixels % side == 0 for pixels in parse_size(recipe["size"]))
        assert "{}" in recipe["prompt"]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("rank = 4", "rank"),
            ("lora = 4", "lora"),
            ("lora = { targets = [1] }", "list of names"),
            ("lora = { targets = [] }", "at least one target"),
            ("lora = { rank = 0 }", "rank and alpha from 1"),
            ("steps = 0", "from 1"),
            ('learns = "tails"', "learns as one of lora, heads, all"),
            ('precision = "int4"', "precision"),
            ("losses = { identity = 1.0 }", "identity"),
            ("optimiser = { frozen_text_layers = 2 }", "frozen_text_layers"),
            ("optimiser = { average = 0.9 }", "keep"),
            ("keep = 0", "found 0"),
            ("steps = ", "TOML"),
        ],
    )
    def test_a_file_that_cannot_be_followed(self, clip: Base, tmp_path: Path, text: str, said: str) -> None:
        file = tmp_path / "how.toml"
        file.write_text(text)
        with pytest.raises(ConfigError, match=said):
            adaptation(clip, file)
