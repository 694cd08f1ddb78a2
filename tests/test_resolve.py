from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from clip_folder import write_clip

from passerby import resolve
from passerby.errors import MissingExtra, ModelError
from passerby.model.bundle import read_bundle
from passerby.model.manifest import MANIFEST


@pytest.fixture
def shelf(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of bundled models that holds one, ``tiny``, and a folder that is none."""
    shutil.copytree(tiny_bundle, tmp_path / "bundles" / "tiny")
    (tmp_path / "bundles" / "draft").mkdir()
    monkeypatch.setattr(resolve, "_BUNDLES", tmp_path / "bundles")
    return tmp_path / "bundles"


class TestLoadModel:
    @pytest.mark.usefixtures("shelf")
    def test_bundled_name(self, tiny_bundle: Path) -> None:
        assert resolve.bundled_models() == ["tiny"]
        assert resolve.load_model("tiny").digest == read_bundle(tiny_bundle).digest

    def test_folder(self, tiny_bundle: Path) -> None:
        assert resolve.load_model(str(tiny_bundle)).embed_texts(["a hat"]).shape == (1, 16)

    @pytest.mark.usefixtures("shelf")
    def test_a_bundled_name_goes_before_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "tiny").mkdir()
        monkeypatch.chdir(tmp_path)
        assert resolve.load_model("tiny").name == "tiny"
        with pytest.raises(ModelError, match=MANIFEST):
            resolve.load_model("./tiny")

    @pytest.mark.usefixtures("shelf")
    @pytest.mark.parametrize("name", ["", "tinny", "draft", "/absent/folder", "../tiny", "a\0b", "tiny/"])
    def test_unknown_names_are_told_what_exists(self, name: str) -> None:
        with pytest.raises(ModelError, match=r"bundled model"):
            resolve.load_model(name)

    def test_a_runs_config_and_its_folder_are_told_which_folder_is_the_model(self, tmp_path: Path) -> None:
        (tmp_path / "configs").mkdir()
        config, model = tmp_path / "configs" / "mine.toml", tmp_path / "run" / "model"
        config.write_text('data = "d"\nout = "../run"\n')
        with pytest.raises(ModelError, match=rf"found the config of a training run, {config}; name what its run leaves, {model}$"):
            resolve.load_model(str(config))
        for other in (b"out = 3", b"a = 'b'", b"\xff\x00"):
            (tmp_path / "other.toml").write_bytes(other)
            with pytest.raises(ModelError, match=r"found the config .*; name what its run leaves, the folder model in its out$"):
                resolve.load_model(str(tmp_path / "other.toml"))
        model.mkdir(parents=True)
        (model / "passerby.json").write_text("{}")
        with pytest.raises(ModelError, match=rf"found the run that made one; name {model}$"):
            resolve.load_model(str(tmp_path / "run"))

    @pytest.mark.usefixtures("shelf")
    def test_what_only_torch_can_load_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "passerby.learn.models.clip", raising=False)
        monkeypatch.setitem(sys.modules, "transformers", None)
        with pytest.raises(MissingExtra, match=r"no transformers; .*pip install .*\[learn\]'"):
            resolve.load_model("openai/clip-vit-base-patch32")

    def test_a_bundled_clip_goes_by_its_name(self, shelf: Path) -> None:
        write_clip(shelf / "a-clip")
        assert (resolve.bundled_models(), resolve.bundled_clips()) == (["tiny"], ["a-clip"])
        assert resolve.load_base("a-clip").name == resolve.load_model("a-clip").name == "a-clip"
        assert resolve.load_base("a-clip", size="64x32").preprocessing.height == 64
        with pytest.raises(ModelError, match=r"bundled model \(tiny, a-clip\)"):
            resolve.load_model("another")

    def test_broken_bundled_model(self, shelf: Path) -> None:
        (shelf / "tiny" / "image_tower.onnx").unlink()
        with pytest.raises(ModelError, match=r"image_tower\.onnx to exist"):
            resolve.load_model("tiny")


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    ("files", "named", "found", "do"),
    [
        ({"modules.json": "[]", "config.json": "{}", "model.safetensors": ""}, "", "sentence-transformers", "CLIP"),
        ({"config_sentence_transformers.json": "{}"}, "", "sentence-transformers", "CLIP"),
        ({"modules.json": "[]", "0_CLIPModel/config.json": "{}"}, "", "sentence-transformers", "{folder}/0_CLIPModel"),
        ({"open_clip_config.json": "{}", "open_clip_model.safetensors": ""}, "", "open_clip", "transformers"),
        ({"open_clip_pytorch_model.bin": ""}, "", "open_clip", "transformers"),
        ({"model_index.json": "{}", "unet/config.json": "{}"}, "", "diffusers", "CLIP"),
        ({"index.db": ""}, "", "index of people", "--index"),
        ({"config.json": "{}", "model.safetensors": POINTER}, "", "Git LFS pointer", "git lfs pull"),
        ({"config.json": POINTER}, "", "Git LFS pointer", "git lfs pull"),
        ({"manifest.json": "{}", "image_tower.onnx": POINTER}, "", "Git LFS pointer", "git lfs pull"),
        ({"image_tower.onnx": POINTER}, "image_tower.onnx", "Git LFS pointer", "git lfs pull"),
        ({"model.gguf": "GGUF"}, "", "GGUF", "transformers"),
        ({"model.gguf": "GGUF"}, "model.gguf", "GGUF", "transformers"),
        ({"model.pt": ""}, "", "pickled", "transformers"),
        ({"model.pth": ""}, "model.pth", "pickled", "transformers"),
        ({"bundle.tar.gz": ""}, "bundle.tar.gz", "archive", "unpack"),
        ({"bundle.zip": ""}, "", "archive", "unpack"),
        ({"model.safetensors": ""}, "", "without the config.json", "config.json included"),
        ({"model.safetensors": "", "config.json": "{}"}, "model.safetensors", "weights alone", "folder"),
        ({"image_tower.onnx": "", "text_tower.onnx": ""}, "", "without the manifest.json", "passerby export"),
        ({"image_tower.onnx": "", "manifest.json": "{}"}, "image_tower.onnx", "ONNX file alone", "folder"),
        ({"manifest.json": "{}"}, "manifest.json", "one file of a model", "{folder}"),
        ({"run.toml": ""}, "run.toml", "training run", "the folder model in its out"),
        ({"a.engine": ""}, "a.engine", "TensorRT engine", "bundle"),
        ({"notes.txt": ""}, "notes.txt", "a file", "folder"),
        ({"one/manifest.json": "{}", "two/config.json": "{}"}, "", "folders of models", "{folder}/one, {folder}/two"),
        ({}, "", "empty folder", "correct the name"),
    ],
)
def test_models_of_other_programs_are_known_by_name(tmp_path: Path, files: dict[str, str], named: str, found: str, do: str) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    with pytest.raises(ModelError) as refused:
        resolve.load_model(str(tmp_path / named))
    assert found in refused.value.found
    assert do.format(folder=tmp_path) in refused.value.do


def test_a_clip_that_other_programs_load_too_is_a_clip(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip")
    (tmp_path / "clip" / "open_clip_config.json").write_text("{}")
    (tmp_path / "clip" / "pytorch_model.bin").write_text(POINTER)
    assert resolve.load_model(str(tmp_path / "clip")).embed_texts(["a hat"]).shape[0] == 1


def test_encoding_words_needs_no_torch_and_no_image_tower(tiny_bundle: Path) -> None:
    program = f"""
import sys
from passerby.resolve import load_model
encoder = load_model({str(tiny_bundle)!r})
assert not {{"onnxruntime", "tokenizers"}} & set(sys.modules), "loaded before they are needed"
assert encoder.embed_texts(["a red jacket"]).shape == (1, 16)
assert not {{"torch", "transformers", "onnx"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
