"""A small CLIP that learns from a teacher: it comes to say what the teacher says, loads in plain transformers, and survives a kill."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F
from train_small import prepare
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from passerby.data.datasets import load_dataset
from passerby.errors import ConfigError, DatasetError, ModelError
from passerby.learn.config import MODEL, Optimiser, Pixels, Words
from passerby.learn.data.batches import captions_by_row, tokenise
from passerby.learn.distil.config import Distillation, Mimicry, Student, Tower, read_distillation
from passerby.learn.distil.distil import distil
from passerby.learn.distil.student import train_tokenizer, waves
from passerby.learn.distil.teacher import ask_teacher
from passerby.learn.loop.checkpoint import CHECKPOINT
from passerby.learn.models.clip import load_clip
from passerby.learn.models.torch_encoder import load_tokenizer
from passerby.learn.objectives.losses import affinity, distance
from passerby.media.photo import read_image
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.preprocess import preprocess
from passerby.types import Split

SMALL = Student(side=32, patch=8, pieces=600, max_tokens=40, image=Tower(64, 2), text=Tower(64, 2))
CAPTIONS = ["a man in a red jacket and blue jeans", "a woman with a red hat, a blue bag and a red jacket"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen pictures of drawn people to learn from, as many to be judged by."""
    folder = tmp_path_factory.mktemp("distilling")
    prepare(folder)
    return folder / "drawn"


def how(dataset: Path, out: str, **changes: object) -> Distillation:
    """Four steps in an epoch, two epochs; a checkpoint after each step."""
    given: dict[str, object] = {
        "epochs": 2,
        "drawn": 1,
        "checkpoint_minutes": 0.0,
        "student": SMALL,
        "words": Words(max_tokens=40),
        "pixels": Pixels(padding=2),
        "optimiser": Optimiser(image_rate=2e-3, text_rate=2e-3, batch_size=4, frozen_text_layers=0),
    }
    return Distillation(data=str(dataset), out=str(dataset.parent / out), **(given | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def undisturbed(dataset: Path, tiny_encoder: BundleEncoder) -> Path:
    return distil(tiny_encoder, how(dataset, "undisturbed"), lambda _: None)


def log(student: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (student.parent / "log.jsonl").read_text().splitlines()]


class TestTheStudentsFolder:
    def test_loads_in_plain_transformers_and_says_the_same_there(self, dataset: Path, undisturbed: Path) -> None:
        clip = CLIPModel.from_pretrained(undisturbed, dtype=torch.float32).eval()
        path = next(dataset.glob("val/*.jpg"))
        with Image.open(path) as picture:
            pixels = CLIPImageProcessor.from_pretrained(undisturbed)(picture, return_tensors="np")["pixel_values"]
        base = load_clip(str(undisturbed))
        np.testing.assert_allclose(pixels[0], preprocess(read_image(path), base.preprocessing), atol=0.02)
        tokens = CLIPTokenizer.from_pretrained(undisturbed)(CAPTIONS, padding=True, return_tensors="pt")
        with torch.inference_mode():
            seen = F.normalize(clip.get_image_features(pixel_values=torch.from_numpy(pixels)).pooler_output, dim=-1)
            said = F.normalize(clip.get_text_features(**tokens).pooler_output, dim=-1)
        np.testing.assert_allclose(base.encoder().embed_images(pixels), seen.numpy(), atol=1e-5)
        np.testing.assert_allclose(base.encoder().embed_texts(CAPTIONS), said.numpy(), atol=1e-5)

    def test_is_square_in_float16_with_an_end_of_its_own(self, undisturbed: Path) -> None:
        config = json.loads((undisturbed / "config.json").read_text())
        assert config["vision_config"]["image_size"] == SMALL.side
        assert config["text_config"]["eos_token_id"] == config["text_config"]["vocab_size"] - 1 != 2
        halved = CLIPModel.from_pretrained(undisturbed, dtype="auto")
        assert {p.dtype for p in halved.parameters()} == {torch.float16}
        weights = (undisturbed / "model.safetensors").stat().st_size
        assert weights < 2.1 * sum(p.numel() for p in halved.parameters()) + 20_000

    def test_is_the_best_on_val_and_names_its_teacher(self, undisturbed: Path, tiny_encoder: BundleEncoder) -> None:
        judged = [row["val"] for row in log(undisturbed) if "val" in row]
        assert len(judged) == 2
        made_of = json.loads((undisturbed / "passerby.json").read_text())["made_of"]
        assert made_of["teacher"] == {"name": tiny_encoder.name, "digest": tiny_encoder.digest}
        assert made_of["val"]["rank1"] == max(report["rank1"] for report in judged)  # type: ignore[index]


def test_the_student_comes_to_say_what_the_teacher_says(dataset: Path, tiny_encoder: BundleEncoder) -> None:
    plain = how(dataset, "longer", epochs=30, drawn=0, judge_every=30, pixels=Pixels(padding=0, flip=0.0, erasing=0.0))
    student = load_clip(str(distil(tiny_encoder, plain, lambda _: None))).encoder()
    records = load_dataset(dataset, {Split.TRAIN}).records
    answers = ask_teacher(tiny_encoder, records, dataset.parent / "longer", lambda _: None)
    pictures = np.stack([preprocess(read_image(r.path), student.preprocessing) for r in records])
    texts = [caption.text for caption in captions_by_row(records)]
    of_pictures = (student.embed_images(pictures) * answers.images.numpy()).sum(axis=1).mean()
    of_texts = (student.embed_texts(texts) * answers.texts.numpy()).sum(axis=1).mean()
    assert of_pictures > 0.9
    assert of_texts > 0.9


class TestInterruption:
    def test_a_run_that_is_interrupted_ends_as_an_undisturbed_one(
        self, dataset: Path, undisturbed: Path, tiny_encoder: BundleEncoder
    ) -> None:
        def interrupt(line: str) -> None:
            if line.startswith("step 4  val"):
                raise KeyboardInterrupt

        config = how(dataset, "interrupted")
        with pytest.raises(KeyboardInterrupt):
            distil(tiny_encoder, config, interrupt)
        assert not (dataset.parent / "interrupted" / MODEL).exists()
        again = distil(tiny_encoder, config, lambda _: None)
        state, expected = (torch.load(s.parent / CHECKPOINT, weights_only=True) for s in (again, undisturbed))
        assert state["run"] == expected["run"]
        for name, weight in expected["weights"].items():
            assert torch.equal(state["weights"][name], weight)
        assert (again / "model.safetensors").read_bytes() == (undisturbed / "model.safetensors").read_bytes()

    @pytest.mark.usefixtures("undisturbed")
    def test_the_teacher_is_asked_once(self, dataset: Path, tiny_encoder: BundleEncoder) -> None:
        said: list[str] = []
        distil(tiny_encoder, how(dataset, "undisturbed"), said.append)
        assert not any("teacher" in line for line in said)

    @pytest.mark.usefixtures("undisturbed")
    def test_a_checkpoint_of_another_run_is_refused_by_what_differs(self, dataset: Path, tiny_encoder: BundleEncoder) -> None:
        with pytest.raises(ConfigError, match="another seed, mimicry"):
            distil(tiny_encoder, how(dataset, "undisturbed", seed=2, mimicry=Mimicry(others=3)), lambda _: None)


class TestTokenizer:
    @settings(max_examples=50)
    @given(st.text(max_size=60))
    def test_spells_any_text_and_ends_it_once(self, text: str) -> None:
        ids = TOKENIZER(text.encode("utf-8", "replace").decode()).input_ids
        assert ids[0] == TOKENIZER.bos_token_id
        end = TOKENIZER.eos_token_id
        assert end == len(TOKENIZER) - 1
        if "<|" not in text:
            assert ids.index(end) == len(ids) - 1

    def test_merges_what_is_common(self) -> None:
        assert TOKENIZER.tokenize("A RED jacket") == ["a</w>", "red</w>", "jacket</w>"]
        assert len(TOKENIZER) <= SMALL.pieces

    def test_pieces_are_at_most_those_wanted(self) -> None:
        assert len(train_tokenizer(CAPTIONS, Student(pieces=520))) == 520


TOKENIZER = train_tokenizer(CAPTIONS * 3, SMALL)


def test_rows_count_captions_in_the_order_of_captions_by_row(dataset: Path) -> None:
    records = load_dataset(dataset, {Split.TRAIN}).records
    tokenizer = load_tokenizer(TOKENIZER.backend_tokenizer.to_str().encode(), 40)
    words = tokenise(records, tokenizer, {}, {})
    by_row = {s.row: s.ids for said in words for group in said.values() for s in group}
    assert [by_row[row] for row in sorted(by_row)] == [tokenizer.encode(c.text).ids for c in captions_by_row(records)]


def test_a_teachers_answer_to_a_picture_is_the_same_as_to_its_mirror_image(dataset: Path, tiny_encoder: BundleEncoder) -> None:
    records = load_dataset(dataset, {Split.TRAIN}).records[:3]
    answers = ask_teacher(tiny_encoder, records, dataset.parent, lambda _: None)
    p = tiny_encoder.preprocessing
    pixels = np.stack([preprocess(read_image(r.path), p) for r in records])
    both = tiny_encoder.embed_images(pixels) + tiny_encoder.embed_images(np.ascontiguousarray(pixels[:, :, :, ::-1]))
    np.testing.assert_allclose(answers.images, both / np.linalg.norm(both, axis=1, keepdims=True), atol=1e-3)
    texts = [c.text for c in captions_by_row(records)]
    np.testing.assert_allclose(answers.texts, tiny_encoder.embed_texts(texts), atol=1e-3)


class TestLosses:
    def test_both_are_zero_for_a_student_that_says_the_same(self) -> None:
        x, y = F.normalize(torch.randn(5, 8), dim=-1), F.normalize(torch.randn(7, 8), dim=-1)
        assert distance(x, x) == pytest.approx(0, abs=1e-6)
        assert affinity(x, y, x, y, 0.05) == pytest.approx(0, abs=1e-5)

    def test_affinity_is_the_divergence_of_two_softmaxes(self) -> None:
        x, y, tx, ty = (F.normalize(torch.randn(n, 8), dim=-1) for n in (5, 7, 5, 7))
        total = 0.0
        for i in range(5):
            wanted = torch.softmax(torch.stack([tx[i] @ ty[j] / 0.1 for j in range(7)]), 0)
            found = torch.softmax(torch.stack([x[i] @ y[j] / 0.1 for j in range(7)]), 0)
            total += float((wanted * (wanted / found).log()).sum())
        assert float(affinity(x, y, tx, ty, 0.1)) == pytest.approx(total / 5, rel=1e-4)

    def test_affinity_does_not_change_when_both_spaces_turn(self) -> None:
        x, y, tx, ty = (F.normalize(torch.randn(n, 8), dim=-1) for n in (5, 7, 5, 7))
        turn = torch.linalg.qr(torch.randn(8, 8))[0]
        assert float(affinity(x @ turn, y @ turn, tx, ty, 0.1)) == pytest.approx(float(affinity(x, y, tx, ty, 0.1)), rel=1e-3)


def test_positions_tell_every_patch_from_every_other() -> None:
    table = waves(7, 64)
    assert table.shape == (49, 64)
    assert torch.cdist(table, table).fill_diagonal_(1).min() > 0.1


class TestConfig:
    def test_the_shipped_config_reads_and_makes_at_most_15_million_parameters(self) -> None:
        config = read_distillation(Path(__file__).parents[2] / "configs" / "passerby-clip-tiny" / "distil.toml")
        assert Path(config.data).is_absolute()
        image, text = config.student.image, config.student.text
        layers = sum(12 * tower.width**2 * tower.layers for tower in (image, text))
        assert layers + config.student.pieces * text.width < 14e6

    def test_keys_are_set_beside_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "c.toml").write_text('data = "d"\nout = "o"\n')
        read = read_distillation(tmp_path / "c.toml", ["student.image.layers=3", "teacher=passerby-clip-tiny"])
        assert (read.student.image.layers, read.teacher, read.data) == (3, "passerby-clip-tiny", str(tmp_path / "d"))

    @pytest.mark.parametrize(
        ("table", "reason"),
        [
            ("[student]\nside = 100", "a side that whole patches fill"),
            ("[student]\npieces = 100", "pieces from 514"),
            ("[student]\nimage = { width = 100 }", "a width that is a multiple of 64"),
            ("[mimicry]\ntemperature = 0", "a temperature above 0"),
            ("[words]\nmax_tokens = 78", "words.max_tokens up to 77"),
            ("[optimiser]\nfrozen_text_layers = 0\naverage = 0.9", "average of 0"),
            ("[nonsense]", "keys of"),
        ],
    )
    def test_says_what_is_wrong(self, tmp_path: Path, table: str, reason: str) -> None:
        (tmp_path / "c.toml").write_text(f'data = "d"\nout = "o"\n{table}\n')
        with pytest.raises(ConfigError, match=reason):
            read_distillation(tmp_path / "c.toml")


def test_too_few_pictures_and_another_folder_are_refused(dataset: Path, tiny_encoder: BundleEncoder) -> None:
    with pytest.raises(DatasetError, match="pictures for a batch of 100"):
        distil(tiny_encoder, how(dataset, "few", optimiser=Optimiser(batch_size=100, frozen_text_layers=0)), lambda _: None)
    (dataset.parent / "taken" / MODEL).mkdir(parents=True)
    with pytest.raises(ModelError, match="to be free"):
        distil(tiny_encoder, how(dataset, "taken"), lambda _: None)
