"""A small CLIP that knows nothing yet: a tokenizer of the words it will read, and two transformers with random weights."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from passerby.learn.distil.config import HEAD_WIDTH, Distillation, Student
from passerby.learn.models.base import Base, Size
from passerby.learn.models.clip import Clip
from passerby.learn.models.model_folder import TOKENIZER
from passerby.model.preprocess import Preprocessing
from passerby.types import ModelDigest

MEAN: Final = (0.5, 0.5, 0.5)
"""Also the standard deviation."""
BICUBIC: Final = 3
WORD_END: Final = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"
POSITIONS: Final = 0.5
"""Largest entry of the first table of positions: as large as what patches of a normalised picture are embedded to."""


def train_tokenizer(texts: Iterable[str], how: Student) -> CLIPTokenizer:
    """A CLIP tokenizer whose merges are those that these texts need most; the mark of a text's end is the last of its pieces.

    Byte-pair encoding: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units" (ACL 2016). Every byte is a piece,
    so there is no text that it cannot spell.
    """
    letters = sorted(ByteLevel.alphabet())
    bytes_alone = [*letters, *(letter + WORD_END for letter in letters)]
    learning = _tokenizer(bytes_alone, [], how).backend_tokenizer
    trainer = BpeTrainer(
        vocab_size=how.pieces,
        special_tokens=bytes_alone,  # numbered here, or the trainer numbers those at a word's end as it happens to meet them
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    learning.train_from_iterator(texts, trainer)
    merges = [(first, second) for first, second in json.loads(learning.to_str())["model"]["merges"]]
    room = how.pieces - len(bytes_alone) - 2
    return _tokenizer(bytes_alone, merges[:room], how)


def _tokenizer(alphabet: list[str], merges: list[tuple[str, str]], how: Student) -> CLIPTokenizer:
    merged = [first + second for first, second in merges]
    pieces = dict.fromkeys([*alphabet, *merged, START, END])
    return CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges, model_max_length=how.max_tokens)


def build_student(how: Student, tokenizer: CLIPTokenizer, dim: int, temperature: float) -> CLIPModel:
    """Towers into a space of ``dim`` dimensions, initialised as CLIP is; torch's random state decides the weights."""
    text = {
        **_tower(how.text.width, how.text.layers),
        "vocab_size": len(tokenizer),
        "max_position_embeddings": how.max_tokens,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {**_tower(how.image.width, how.image.layers), "image_size": how.side, "patch_size": how.patch}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=dim, logit_scale_init_value=-math.log(temperature))
    clip = CLIPModel(config)
    clip.logit_scale.requires_grad_(False)
    with torch.no_grad():
        table = clip.vision_model.embeddings.position_embedding.weight
        table[1:] = POSITIONS * waves(how.side // how.patch, how.image.width)
    return clip


def _tower(width: int, layers: int) -> dict[str, object]:
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // HEAD_WIDTH,
        "hidden_act": "gelu",
    }


def waves(side: int, width: int) -> Tensor:
    """Where each patch is, as sines and cosines of its row and column: ``float32 (side * side, width)``.

    A table of positions that starts so is learnt in fewer epochs: Beyer et al., "Better plain ViT baselines for ImageNet-1k" (2022).
    """
    frequencies = 10_000 ** -torch.linspace(0, 1, width // 4)
    row, column = (at.flatten()[:, None] * frequencies for at in torch.meshgrid(*[torch.arange(side).float()] * 2, indexing="ij"))
    return torch.cat([row.sin(), row.cos(), column.sin(), column.cos()], dim=1)


def preprocessing_of(how: Student) -> Preprocessing:
    return Preprocessing(how.side, how.side, MEAN, MEAN)


def as_base(clip: CLIPModel, tokenizer: CLIPTokenizer, how: Distillation) -> Base:
    """The student, which becomes part of it, to be judged or saved; with all the files from which plain transformers reads a CLIP."""
    student = how.student
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    files["preprocessor_config.json"] = (json.dumps(_image_processor(student), indent=1) + "\n").encode()
    return Base(
        name="student",
        digest=ModelDigest(""),
        model=Clip(clip, Size(student.side, student.side)),
        tokenizer=files.pop(TOKENIZER),
        max_tokens=student.max_tokens,
        preprocessing=preprocessing_of(student),
        temperature=how.mimicry.temperature,
        files=files,
    )


def _image_processor(how: Student) -> dict[str, object]:
    """For transformers' own image processor: pictures are squashed, not cut."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"height": how.side, "width": how.side},
        "resample": BICUBIC,
        "do_center_crop": False,
        "do_rescale": True,
        "do_normalize": True,
        "do_convert_rgb": True,
        "image_mean": list(MEAN),
        "image_std": list(MEAN),
    }
