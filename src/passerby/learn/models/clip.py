"""Any CLIP that ``transformers.CLIPModel`` reads, for pictures of any shape: Radford et al., "Learning Transferable Visual Models From
Natural Language Supervision" (ICML 2021).

People are tall and CLIP's input is square. A tower for another shape keeps the same patches; only its table of positions is
interpolated, once, when it is loaded (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, section 3.2). What is saved keeps
the table of the checkpoint. Pictures are squashed to the input, where CLIP's own recipe cuts out their middle square: of somebody who
stands that would leave the waist.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPModel, CLIPTokenizer
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from passerby.errors import ModelError
from passerby.learn.models.attribute_head import STRIPES, AttributeHead, read_head, save_head, striped_means
from passerby.learn.models.base import CARD, Base, Size, files_digest, made_of_in, read_json
from passerby.learn.models.dual_encoder import DualEncoder, PoolingTower, Seen
from passerby.model.preprocess import Preprocessing, Resample
from passerby.places import expanded

disable_progress_bar()
set_verbosity_error()  # what is wrong with a checkpoint is said by an error of ours

CONFIG: Final = "config.json"
WEIGHTS: Final = "*.safetensors"
PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt")
FILES: Final = ("*.json", "merges.txt", WEIGHTS)
"""What of a checkpoint's files is needed."""
HEAD: Final = "attributes.safetensors"
"""The file of a head for attributes, beside the weights, which transformers does not read."""
RESAMPLE: Final[Mapping[int, Resample]] = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of the filters, as checkpoints name them."""


class Clip(DualEncoder):
    """A ``CLIPModel`` for pictures of one size.

    Args:
        clip: becomes part of this module; its image tower then takes pictures of this size alone.
        size: multiples of its patches' side.

    Raises:
        ModelError: a size that patches do not fill.
    """

    architecture = "clip"

    def __init__(self, clip: CLIPModel, size: Size) -> None:
        super().__init__()
        square = clip.vision_model.embeddings
        self._square = (square,)  # in a tuple, so that it is no second owner of the parameters that it shares
        clip.vision_model.embeddings = RectangularEmbeddings(square, size)
        self.clip = clip
        self.worn: AttributeHead | None = None

    @property
    def dim(self) -> int:
        return int(self.clip.config.projection_dim)

    @property
    def image_tower(self) -> ClipImageTower:  # type: ignore[override]
        return ClipImageTower(self.clip, self.worn)

    @property
    def text_tower(self) -> ClipTextTower:  # type: ignore[override]
        return ClipTextTower(self.clip)

    @property
    def adaptable(self) -> nn.Module:
        """The ``CLIPModel`` itself, so that PEFT alone can load the adapter too."""
        inner: nn.Module = self.clip
        return inner

    def exportable(self) -> Clip:
        """Itself, its attention in plain products."""
        self.clip.set_attn_implementation("eager")
        return self

    def recompute_in_backward(self) -> None:
        self.clip.gradient_checkpointing_enable({"use_reentrant": False})

    def save(self, folder: Path) -> None:
        """Write the weights and ``config.json`` as any ``CLIPModel`` has them, with the table of positions of the checkpoint; and the head
        for attributes beside them.

        Raises ``OSError``.
        """
        tower = self.clip.vision_model
        rectangular, tower.embeddings = tower.embeddings, self._square[0]
        try:
            self.clip.save_pretrained(folder)
        except SafetensorError as error:
            raise OSError(f"the weights cannot be written to {folder}: {error}") from error
        finally:
            tower.embeddings = rectangular
        if self.worn is not None:
            save_head(folder / HEAD, self.worn, self.attributes)

    def set_head(self, head: AttributeHead) -> None:
        self.worn = head


class RectangularEmbeddings(nn.Module):
    """Patches and positions for pictures of one size; what they are made of is shared with the square embeddings, but for the positions,
    which follow from the square ones and do not learn."""

    positions: Tensor

    def __init__(self, square: nn.Module, size: Size) -> None:
        super().__init__()
        self.class_embedding: nn.Parameter = square.class_embedding  # type: ignore[assignment]
        self.patch_embedding: nn.Conv2d = square.patch_embedding  # type: ignore[assignment]
        (side, _), table = self.patch_embedding.kernel_size, square.position_embedding.weight  # type: ignore[union-attr]
        if size.height % side or size.width % side:
            fitting = " x ".join(str(max(1, round(pixels / side)) * side) for pixels in size)
            raise ModelError(
                expected=f"a height and width that patches of {side} pixels fill",
                found=f"{size.height} x {size.width}",
                do=f"try {fitting}",
            )
        self.grid = Size(size.height // side, size.width // side)
        self.register_buffer("positions", interpolated(table.detach(), self.grid), persistent=False)  # type: ignore[operator]

    def forward(self, pixel_values: Tensor, **_: object) -> Tensor:
        """``float32 (n, 3, h, w)`` to ``(n, 1 + patches, width)``; whether to interpolate, which CLIP's tower says too, is settled."""
        patches = self.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(pixel_values), 1, -1)
        return torch.cat([first, patches], dim=1) + self.positions


def interpolated(table: Tensor, grid: Size) -> Tensor:
    """A square table of positions, ``(1 + s * s, width)`` with the class token's first, for another grid: ``(1 + h * w, width)``."""
    side = math.isqrt(len(table) - 1)
    if grid == (side, side):
        return table.clone()
    square = table[1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    stretched = F.interpolate(square, size=tuple(grid), mode="bicubic", align_corners=False)
    return torch.cat([table[:1], stretched.flatten(2)[0].T])


class ClipImageTower(PoolingTower):
    """A view of a ``CLIPModel`` and of a head for attributes, made when it is asked for.

    A head reads the class token and the means of the patches' tokens over the whole picture and each of four stripes, all as the last layer
    norm leaves them.
    """

    def __init__(self, clip: CLIPModel, worn: AttributeHead | None = None) -> None:
        super().__init__()
        self.vision_model = clip.vision_model
        self.projection = clip.visual_projection
        self.worn = worn
        self.training = clip.training

    def forward(self, pixels: Tensor) -> Tensor | Seen:
        seen = self.vision_model(pixel_values=pixels)
        vectors: Tensor = self.projection(seen.pooler_output)
        return vectors if self.worn is None else Seen(vectors, self.worn(self._means(seen.last_hidden_state)))

    @property
    def pooled(self) -> int:
        return (2 + STRIPES) * int(self.projection.in_features)

    def pool(self, pixels: Tensor) -> Tensor:
        return self._means(self.vision_model(pixel_values=pixels).last_hidden_state)

    def _means(self, tokens: Tensor) -> Tensor:
        tokens = self.vision_model.post_layernorm(tokens).float()
        places = tokens[:, 1:].transpose(1, 2).reshape(-1, tokens.shape[2], *self.vision_model.embeddings.grid)
        return torch.cat([tokens[:, 0], striped_means(places, STRIPES)], dim=1)


class ClipTextTower(nn.Module):
    """``int64 (n, length)`` token ids and their mask to ``float32 (n, dim)``, not yet of unit length; a view as the image tower's is."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.text_model = clip.text_model
        self.projection = clip.text_projection
        self.training = clip.training

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        projected: Tensor = self.projection(self.text_model(input_ids=ids, attention_mask=mask).pooler_output)
        return projected


def load_clip(name: str, size: Size | None = None) -> Base:
    """A CLIP with its preprocessing, its tokenizer and its temperature, all from the checkpoint.

    Args:
        name: a hub id, looked for in the cache first, or a folder.
        size: of the input; what a folder of Passerby was made for, or else the checkpoint's own square.

    Raises:
        ModelError: neither there nor on the hub; another kind of model; weights that are missing, damaged or pickled; a size that
            patches do not fill.
    """
    folder = checkpoint_folder(name)
    require_clip(folder)
    clip = read_weights(folder)
    preprocessing = read_preprocessing(folder, size, Size(clip.config.vision_config.image_size, clip.config.vision_config.image_size))
    model = Clip(clip, Size(preprocessing.height, preprocessing.width))
    if (folder / HEAD).exists():
        model.worn, names = read_head(folder / HEAD, model.image_tower.pooled)
        model.attributes = tuple(names)
    return Base(
        name=name,
        digest=files_digest([folder / CONFIG, *folder.glob(WEIGHTS)]),
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer_of(folder),
        max_tokens=int(clip.config.text_config.max_position_embeddings),
        preprocessing=preprocessing,
        temperature=math.exp(-float(clip.logit_scale)),
        files=further_files(folder),
        made_of=made_of_in(read_json(folder / CARD)) if (folder / CARD).exists() else {},
        folder=folder,
    )


def checkpoint_folder(name: str) -> Path:
    """Where a checkpoint's files are: the folder of this name, or the hub's snapshot, downloaded if it is not in the cache.

    The hub is not told a name that begins with a folder of this machine: it is likelier a slip in a path.

    Raises:
        ModelError: the hub cannot be reached or has no such model; says what to download and where to put it.
    """
    from huggingface_hub import constants, snapshot_download

    if Path(name).is_dir():
        return Path(name)
    cache = expanded(Path(constants.HF_HUB_CACHE))
    beside = Path(name).parent.is_dir()
    for offline in (True,) if beside else (True, False):
        try:
            folder = Path(snapshot_download(name, cache_dir=cache, allow_patterns=list(FILES), local_files_only=offline))
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            continue
        if any(folder.glob(WEIGHTS)) or not offline:
            return folder
    raise ModelError(
        expected=f"a folder {name!r}, or {name} in the hub's cache or on the hub",
        found=f"a folder {Path(name).parent} without it, so the hub was not asked" if beside else f"none ({reason})",
        do=f"where there is a network: hf download {name} {' '.join(f'--include {p!r}' for p in FILES)} --local-dir FOLDER; "
        "copy FOLDER here and name it instead",
    )


def require_clip(folder: Path) -> None:
    """Refuse by its files what is not a CLIP, and weights that could run code."""
    config = read_json(folder / CONFIG)
    kind = config.get("model_type")
    if kind != "clip":
        raise ModelError(
            expected=f"a CLIP in {folder} (model_type 'clip')",
            found=f"model_type {kind!r}",
            do="name a model that transformers.CLIPModel reads, such as openai/clip-vit-base-patch32",
        )
    if not any(folder.glob(WEIGHTS)):
        pickled = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        raise ModelError(
            expected=f"weights as safetensors in {folder}",
            found=f"{pickled[0]}, a pickle, which can run any code when it is read" if pickled else "none",
            do="convert them where they are trusted: https://huggingface.co/spaces/safetensors/convert"
            if pickled
            else "get the checkpoint again with its *.safetensors",
        )


def read_weights(folder: Path) -> CLIPModel:
    """The ``CLIPModel`` in float32. Raises ``ModelError`` for weights that are damaged, missing or of other shapes than its config's."""
    try:
        clip, report = CLIPModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            expected=f"whole weights in {folder}", found=" ".join(str(error).split())[:200], do="get the checkpoint again"
        ) from None
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            expected=f"all the weights of a CLIP in {folder}",
            found=f"no {missing[0]} ({len(missing)} missing)",
            do="get the checkpoint again",
        )
    return clip


def read_preprocessing(folder: Path, size: Size | None, square: Size) -> Preprocessing:
    """What the checkpoint says of mean, deviation and filter, at the size that is asked for, recorded by Passerby, or native."""
    card = folder / CARD
    if card.exists():
        recorded = Preprocessing.from_json(read_json(card).get("preprocessing"))
        square = Size(recorded.height, recorded.width)
    height, width = size or square
    stated = _image_processor(folder)
    try:
        mean, std = (tuple(float(x) for x in stated[key]) for key in ("image_mean", "image_std"))
        return Preprocessing(height, width, mean, std, RESAMPLE[stated.get("resample", 3)])  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            expected=f"image_mean, image_std and a bilinear or bicubic resample in {folder}",
            found=f"a preprocessor with another {error}",
            do="get its preprocessor_config.json again",
        ) from None


def _image_processor(folder: Path) -> dict[str, Any]:
    """The image half of ``preprocessor_config.json``, or of ``processor_config.json``, where newer checkpoints have it."""
    newer = folder / "processor_config.json"
    if newer.exists() and isinstance(inner := read_json(newer).get("image_processor"), dict):
        return inner
    return read_json(folder / "preprocessor_config.json")


def tokenizer_of(folder: Path) -> bytes:
    """The checkpoint's ``tokenizer.json``, made of ``vocab.json`` and ``merges.txt`` where it has only these."""
    if (folder / "tokenizer.json").exists():
        return (folder / "tokenizer.json").read_bytes()
    if not (folder / "vocab.json").exists() or not (folder / "merges.txt").exists():
        raise ModelError(
            expected=f"tokenizer.json, or vocab.json and merges.txt, in {folder}", found="neither", do="get the checkpoint again with them"
        )
    made: str = CLIPTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer.to_str()
    return made.encode()


def further_files(folder: Path) -> dict[str, bytes]:
    """The small files of a checkpoint, but for what :meth:`Clip.save` and the tokenizer write anew, by name."""
    own = {CONFIG, CARD, "tokenizer.json"}
    small = [*folder.glob("*.json"), *folder.glob("merges.txt")]
    return {path.name: path.read_bytes() for path in small if path.name not in own and not path.name.endswith(".index.json")}
