"""Where a model looks: equal to a slow reference, adds up, and lies on what the words name for towers that have learnt it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from adapting import compact_base
from calling import call
from clip_folder import PATCH, SIDE, clip_model, clip_tokenizer, write_clip
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from small_clip import settle, small_clip, tokenizer_json
from torch import Tensor
from torch.nn import functional as F

from passerby.data.synthetic import sample_person
from passerby.data.synthetic.picture import draw
from passerby.draw.heatmap import Relevance, Word, draw_relevance, draw_to
from passerby.errors import QueryError
from passerby.learn.attention import OF_CLIP, OF_COMPACT, look, parts_of_clip, parts_of_compact, propagated, shares
from passerby.learn.models.base import Size
from passerby.learn.models.clip import Clip, load_clip
from passerby.learn.models.compact import fold_batch_norm, generalised_means
from passerby.model.preprocess import preprocess

TEXT = "a red hat, and  a Brown bag"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("attention") / "clip")


@pytest.fixture(scope="module")
def person() -> Image.Image:
    return draw(sample_person(3), 3, 128)


def test_relevance_is_what_a_slow_loop_over_heads_and_tokens_finds() -> None:
    generator = torch.Generator().manual_seed(0)
    attentions = [torch.rand((1, 2, 4, 4), generator=generator).softmax(-1) for _ in range(3)]
    gradients = [torch.randn((1, 2, 4, 4), generator=generator) for _ in range(3)]
    relevance = np.eye(4)
    for attention, gradient in zip(attentions, gradients, strict=True):
        step = np.zeros((4, 4))
        for i in range(4):
            for j in range(4):
                for head in range(2):
                    step[i, j] += max(0.0, float(attention[0, head, i, j]) * float(gradient[0, head, i, j])) / 2
        relevance = relevance + np.array([[sum(step[i, k] * relevance[k, j] for k in range(4)) for j in range(4)] for i in range(4)])
    np.testing.assert_allclose(propagated(attentions, gradients), relevance, rtol=1e-5)


@given(hnp.arrays(np.float32, (3, 2), elements=st.floats(-5, 5, width=32)))
def test_shares_add_up_to_one_unless_nothing_speaks_for_the_pair(parts: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    found = shares(parts)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1 if parts.max() > 0 else 0, abs=1e-5)
    assert np.all((found > 0) <= (parts > 0))


class TestOfAClip:
    @pytest.mark.parametrize("size", [None, Size(64, 32)])
    def test_places_cover_the_picture_and_words_the_text(self, folder: Path, person: Image.Image, size: Size | None) -> None:
        found = look(load_clip(str(folder), size), person, TEXT)
        assert found.places.shape == ((64 // PATCH if size else SIDE // PATCH), SIDE // PATCH)
        assert found.places.sum() == pytest.approx(1, abs=1e-5)
        assert [word.text for word in found.words] == ["a", "red", "hat,", "and", "a", "Brown", "bag"]
        assert sum(word.share for word in found.words) == pytest.approx(1, abs=1e-5)
        assert found.method == OF_CLIP

    def test_the_similarity_is_the_models_own(self, folder: Path, person: Image.Image) -> None:
        base = load_clip(str(folder))
        encoder = base.encoder()
        expected = encoder.embed_images(preprocess(person, base.preprocessing)[None]) @ encoder.embed_texts([TEXT]).T
        assert look(load_clip(str(folder)), person, TEXT).similarity == pytest.approx(float(expected[0, 0]), abs=1e-5)

    def test_words_beyond_what_is_read_are_left_out(self, folder: Path, person: Image.Image) -> None:
        assert 0 < len(look(load_clip(str(folder)), person, "hat " * 200).words) < 77

    def test_no_words_are_refused(self, folder: Path, person: Image.Image) -> None:
        with pytest.raises(QueryError, match="words to look for"):
            look(load_clip(str(folder)), person, "  ")


@pytest.fixture(scope="module")
def learnt() -> Clip:
    """One layer each, on noise in which one patch is red or blue: which word names it is all that there is to learn."""
    torch.manual_seed(0)
    clip = clip_model(layers=1)
    optimiser = torch.optim.Adam(clip.parameters(), 3e-3)
    for step in range(150):
        pixels, _, colours = marked(32, step)
        ids = torch.stack([word_ids(c) for c in range(2)])
        images = F.normalize(clip.visual_projection(clip.vision_model(pixel_values=pixels).pooler_output), dim=-1)
        texts = F.normalize(clip.text_projection(clip.text_model(input_ids=ids).pooler_output), dim=-1)
        loss = F.cross_entropy(images @ texts.T / 0.1, colours)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert float(loss.detach()) < 0.05
    return Clip(clip.eval(), Size(SIDE, SIDE))


class TestTowersThatHaveLearnt:
    def test_look_at_what_the_word_names(self, learnt: Clip) -> None:
        pixels, patches, colours = marked(24, 1_000_000)
        found = [
            parts_of_clip(learnt, pixels[i : i + 1], word_ids(int(colours[i]))[None]).places.flatten().argmax() for i in range(len(pixels))
        ]
        assert np.mean(np.array(found) == patches.numpy()) > 0.9

    def test_what_counts_most_is_missed_most(self, learnt: Clip) -> None:
        pixels, _, colours = marked(24, 2_000_000)
        losses = []
        for i in range(len(pixels)):
            one, ids = pixels[i : i + 1], word_ids(int(colours[i]))[None]
            whole = parts_of_clip(learnt, one, ids)
            order = whole.places.flatten().argsort()
            losses.append([whole.similarity - parts_of_clip(learnt, without(one, int(patch)), ids).similarity for patch in order[[0, -1]]])
        least, most = np.mean(losses, axis=0)
        assert most > 0.2
        assert abs(least) < most / 4


def marked(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures of faint noise, the patch of each that has a colour, and which: 0 is red, 1 is blue."""
    generator = torch.Generator().manual_seed(seed)
    pixels = 0.1 * torch.randn((n, 3, SIDE, SIDE), generator=generator)
    side = SIDE // PATCH
    patches, colours = torch.randint(side * side, (n,), generator=generator), torch.randint(2, (n,), generator=generator)
    for picture, patch, colour in zip(pixels, patches.tolist(), colours.tolist(), strict=True):
        top, left = PATCH * (patch // side), PATCH * (patch % side)
        picture[2 * colour, top : top + PATCH, left : left + PATCH] += 2
    return pixels, patches, colours


def without(pixels: Tensor, patch: int) -> Tensor:
    top, left = PATCH * (patch // (SIDE // PATCH)), PATCH * (patch % (SIDE // PATCH))
    bare = pixels.clone()
    bare[:, :, top : top + PATCH, left : left + PATCH] = 0
    return bare


def word_ids(colour: int) -> Tensor:
    return torch.tensor(clip_tokenizer()(["red", "hat"][colour], padding="max_length", max_length=5).input_ids)


@pytest.fixture(scope="module")
def base_tokenizer() -> bytes:
    return tokenizer_json([TEXT])


class TestOfACompactModel:
    def test_it_says_that_there_is_no_attention(self, base_tokenizer: bytes, person: Image.Image) -> None:
        found = look(compact_base(base_tokenizer), person, TEXT)
        assert found.method == OF_COMPACT
        assert "convolutional" in found.method
        assert found.places.shape == (2, 1)
        assert [word.text for word in found.words] == TEXT.split()

    def test_places_and_tokens_add_up_to_what_the_pooled_bring(self, base_tokenizer: bytes) -> None:
        """In closed form: a generalised mean ``g`` of cubes' mean ``m`` is ``(m + epsilon) ** (1 / 3)``, and brings ``m / g ** 2``."""
        pixels, ids = torch.randn(4, 3, 96, 64), torch.tensor([[2, 5, 7, 6, 3]])
        unfolded = small_clip(base_tokenizer)
        settle(unfolded, pixels)
        model, pixels = fold_batch_norm(unfolded).requires_grad_(True), pixels[:1]
        parts = parts_of_compact(model, pixels, ids)
        assert parts.places.shape == (3, 2)
        tower, words = model.image_tower, model.text_tower
        with torch.no_grad():
            image, text = tower(pixels)[0], words(ids, torch.ones_like(ids))[0]
            assert parts.similarity == pytest.approx(float(F.cosine_similarity(image, text, dim=0)), abs=1e-5)
            pooled = generalised_means(tower.head(tower.blocks(tower.stem(pixels))), tower.stripes)[0]
            of_places = tower.projection.weight @ ((pooled**3 - 1e-6) / pooled**2) @ text
            of_tokens = (text - words.mean_projection.bias - words.max_projection.bias) @ image
        lengths = float(image.norm() * text.norm())
        assert float(parts.places.sum()) == pytest.approx(float(of_places) / lengths, abs=1e-4)
        assert float(parts.tokens.sum()) == pytest.approx(float(of_tokens) / lengths, abs=1e-4)


class TestDrawing:
    def relevance(self, places: list[list[float]], *words: Word) -> Relevance:
        return Relevance("tiny", OF_CLIP, 0.31, np.array(places, np.float32), words or (Word("red", 0.75), Word("hat", 0.25)))

    def test_heat_lies_where_the_share_is(self) -> None:
        picture = Image.new("RGB", (64, 128), "#808080")
        sheet = np.asarray(draw_relevance(picture, self.relevance([[0, 0], [0, 1], [0, 0], [0, 0]]))).astype(int)
        right_card = sheet[-620:, sheet.shape[1] // 2 :]
        rows, columns = np.nonzero(right_card[..., 0] - right_card[..., 2] > 120)
        height, width = right_card.shape[:2]
        assert len(rows) > 1000
        assert 0.1 < rows.mean() / height < 0.5
        assert columns.mean() > width / 2

    def test_nothing_is_hot_where_nothing_speaks_for_the_words(self) -> None:
        sheet = np.asarray(draw_relevance(Image.new("RGB", (64, 128)), self.relevance([[0.0]], Word("red", 0.0)))).astype(int)
        assert (sheet[..., 0] - sheet[..., 2]).max() < 60

    def test_many_and_long_words_stay_on_the_sheet(self) -> None:
        words = [Word("x" * 500, 0.5), *(Word("jacket", 0.5 / 60) for _ in range(60))]
        sheet = draw_relevance(Image.new("RGB", (300, 20)), self.relevance([[1.0]], *words))
        assert sheet.width < 700
        assert sheet.height < 2000

    def test_another_ending_is_refused_and_writes_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(QueryError, match="correct --out"):
            draw_to(tmp_path / "a.gif", Image.new("RGB", (4, 4)), self.relevance([[1.0]]))
        assert not list(tmp_path.iterdir())


def test_the_command_draws_and_prints_one_document(folder: Path, person: Image.Image, tmp_path: Path) -> None:
    person.save(tmp_path / "somebody.png")
    ran = call("attention", "somebody.png", TEXT, "--model", folder, "--json", folder=tmp_path)
    assert ran.code == 0, ran.err
    document = ran.document
    assert {"similarity", "words", "places", "method", "model", "out"} <= document.keys()
    with Image.open(tmp_path / document["out"]) as drawn:
        assert drawn.format == "PNG"
