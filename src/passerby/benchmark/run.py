"""Who is timed in `passerby benchmark`: bundles, and the CLIPs they are measured beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from passerby.benchmark.energy import find_meter
from passerby.benchmark.reference import Reference, references
from passerby.benchmark.speed import Contender, Plan, SpeedReport, Tower, measure_speed
from passerby.errors import ConfigError, MissingExtra
from passerby.extras import needs_extra
from passerby.model.bundle import Bundle
from passerby.model.manifest import BundleFile
from passerby.model.tokenizer import Tokenizer, Tokens
from passerby.places import reference_folder
from passerby.progress import Progress

SENTENCE: Final = (
    "The woman has long dark hair and wears a red jacket over a white shirt, blue jeans and brown shoes, and she carries a black bag."
)
"""A text of usual length: captions of CUHK-PEDES have 23.5 words on average (Li et al. 2017)."""
_END_OF_TEXT: Final = 49407
"""CLIP's last token."""


def run_benchmark(
    bundles: Sequence[Bundle],
    plan: Plan,
    say: Callable[[str], None],
    *,
    beside_clip: bool = True,
    cache: Path | None = None,
    on_progress: Progress | None = None,
) -> SpeedReport:
    """Time bundles, and CLIP beside them, as :func:`contenders` and :func:`~passerby.benchmark.speed.measure_speed` say; with energy where
    the machine tells."""
    return measure_speed(contenders(bundles, say, beside_clip=beside_clip, cache=cache), plan, meter=find_meter(), on_progress=on_progress)


def contenders(
    bundles: Sequence[Bundle], say: Callable[[str], None], *, beside_clip: bool = True, cache: Path | None = None
) -> list[Contender]:
    """The bundles in their order, then the reference CLIPs, which are left out, and that said, where they can be neither made nor kept.

    No two have the same name: a bundle that is there twice is one, and bundles that share a name go by those of their folders.

    Args:
        bundles: at least one; the references take the first one's picture size and length of text.
        say: told what is missing or being made.
        beside_clip: whether there are references.
        cache: the folder of the reference towers; the user's cache unless named.

    Raises:
        ModelError: a bundle whose files are not its manifest's, or a damaged file of a reference.
    """
    different = list({bundle.digest: bundle for bundle in bundles}.values())
    own = [_bundle(bundle, name, say) for bundle, name in zip(different, _distinct_names(different), strict=True)]
    if not beside_clip:
        return own
    try:
        with needs_extra("learn"):
            rivals = references(*own[0].size, own[0].tokens, cache or reference_folder(), say)
    except (MissingExtra, ConfigError, OSError) as error:
        say(f"without CLIP beside it, which has to be made once: {error}")
        return own
    texts = {rival.tokens: _kept_tower(rival.text_tower, _clip_text(rival.tokens), say) for rival in rivals}
    return [*own, *(_reference(rival, texts[rival.tokens], say) for rival in rivals)]


def usual_text(bundle: Bundle) -> Tokens:
    """``SENTENCE`` as a bundle reads it. Raises ``ModelError`` for a tokenizer that is not the manifest's."""
    return Tokenizer(bundle.tokenizer.read(), bundle.max_tokens)([SENTENCE])


def _distinct_names(bundles: Sequence[Bundle]) -> list[str]:
    """The names of different bundles; those that share one go by their folders', and by their digests where these are shared too."""
    names = [bundle.name for bundle in bundles]
    folders = [bundle.folder.resolve().name if names.count(bundle.name) > 1 else bundle.name for bundle in bundles]
    digests = [f"{bundle.name} ({bundle.digest[:12]})" for bundle in bundles]
    return [digest if folders.count(folder) > 1 else folder for folder, digest in zip(folders, digests, strict=True)]


def _bundle(bundle: Bundle, name: str, say: Callable[[str], None]) -> Contender:
    size = bundle.preprocessing.height, bundle.preprocessing.width
    tokens = usual_text(bundle)
    text = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
    return Contender(
        name=name,
        size=size,
        tokens=tokens.input_ids.shape[1],
        image_tower=_tower(_checked(bundle.image_tower), _picture(*size), say),
        text_tower=_tower(_checked(bundle.text_tower), text, say),
        bytes=sum(path.stat().st_size for path in bundle.folder.rglob("*") if path.is_file()),
        rank1=_rank1(bundle.card),
    )


def _reference(rival: Reference, text_tower: Tower, say: Callable[[str], None]) -> Contender:
    image_tower = _kept_tower(rival.image_tower, _picture(rival.height, rival.width), say)
    size = sum(tower.path.stat().st_size for tower in (image_tower, text_tower))
    return Contender(rival.name, (rival.height, rival.width), rival.tokens, image_tower, text_tower, size, speed_only=True)


def _kept_tower(path: Path, inputs: Mapping[str, NDArray[Any]], say: Callable[[str], None]) -> Tower:
    """A tower of the cache."""
    return _tower(path, inputs, say, mend=f"delete {path}, which is then made again")


def _tower(path: Path, inputs: Mapping[str, NDArray[Any]], say: Callable[[str], None], *, mend: str = "export the model again") -> Tower:
    """A tower and, where `onnx` is installed, what it costs."""
    try:
        with needs_extra("learn"):
            from passerby.benchmark.costs import tower_cost
    except MissingExtra as error:
        say(f"parameters and multiplications of {path.name} are not counted: {error}")
        return Tower(path, inputs, mend=mend)
    cost = tower_cost(path, tokens=inputs["input_ids"].shape[1] if "input_ids" in inputs else 1, mend=mend)
    return Tower(path, inputs, cost.parameters, cost.macs, mend)


def _checked(file: BundleFile) -> Path:
    file.read()
    return file.path


def _picture(height: int, width: int) -> dict[str, NDArray[Any]]:
    return {"pixel_values": np.random.default_rng(0).standard_normal((1, 3, height, width), np.float32)}


def _clip_text(tokens: int) -> dict[str, NDArray[Any]]:
    ids = np.random.default_rng(0).integers(1, _END_OF_TEXT - 1, (1, tokens))
    ids[0, -1] = _END_OF_TEXT
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def _rank1(card: Mapping[str, object]) -> float | None:
    val = card.get("val")
    rank1 = val.get("rank1") if isinstance(val, Mapping) else None
    return float(rank1) if isinstance(rank1, int | float) else None
