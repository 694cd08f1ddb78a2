"""How a base is adapted: a preset for each base, and what a config file or the command line changes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from passerby.errors import ConfigError
from passerby.learn.config import Losses, Optimiser, Pixels, Words, build, changed, read_toml, require
from passerby.learn.models.base import Base

PRECISIONS: Final = ("auto", "float32", "bfloat16", "float16")
RATES: Final[Mapping[str, float]] = {"lora": 3e-4, "heads": 1e-3, "all": 3e-5, "attributes": 5e-4}
"""What may learn, and how fast where nothing else is said: what starts as nothing goes further a step than what was learnt at length."""


def at_rate(optimiser: Optimiser, rate: float) -> Optimiser:
    """The same with one rate for everything that learns."""
    return replace(optimiser, image_rate=rate, text_rate=rate, head_rate=rate)


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank matrices beside frozen weights: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (ICLR 2022).

    Args:
        rank: inner dimension of the matrices.
        alpha: what they add is scaled by ``alpha / rank``.
        dropout: share of their input that is left out while training.
        targets: which layers of both towers get them, by the names in :data:`passerby.learn.lora.lora.TARGETS`.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: tuple[str, ...] = ("q", "k", "v", "out")

    def __post_init__(self) -> None:
        require(self.rank >= 1 and self.alpha >= 1, "rank and alpha from 1", self)
        require(0 <= self.dropout < 1, "dropout from 0, below 1", self)
        require(bool(self.targets), "at least one target", self)


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A run of ``passerby finetune``.

    Args:
        learns: ``lora``, low-rank matrices beside frozen weights, which end as an adapter; or weights of the base itself, and a model of
            its own is what comes out: ``heads``, the projections into the shared space, or ``all``; or with ``attributes`` a head that
            says what is worn, for a base that does not say it, from what its image tower pools of each picture once, unvaried: vectors
            stay as they are, and val judges by the AUC of attributes.
        steps: of the optimiser.
        judge_every: steps between two judgements on val; the last one is always judged.
        patience: so many judgements in a row that are no better than the best end the run; 0 lets it go on.
        chunk: pictures or captions that are in a tower at once while gradients are taken; the batch may be as large as one likes.
        keep: how much of what was learnt is kept. With 1 it is all of it; with 0.5 weights end halfway between the base and where steps led
            them, which forgets less.
        drawn: how many drawn people attributes are learnt from beside the dataset's, with two pictures each.
        head_dropout: share of what the head for attributes reads that is left out while it learns.
        checkpointing: whether a CLIP computes what lies within a layer once more instead of keeping it; less memory, more time.
        precision: what towers compute in: ``bfloat16``, ``float16``, ``float32``, or what the machine is good at. Losses are in float32.
    """

    learns: str = "lora"
    lora: Lora = field(default_factory=Lora)
    steps: int = 200
    judge_every: int = 25
    patience: int = 4
    chunk: int = 16
    keep: float = 1.0
    drawn: int = 0
    head_dropout: float = 0.0
    checkpointing: bool = False
    precision: str = "auto"
    seed: int = 1
    checkpoint_minutes: float = 5.0
    losses: Losses = field(default_factory=lambda: Losses(identity=0.0, attributes=1.0))
    words: Words = field(default_factory=Words)
    pixels: Pixels = field(default_factory=Pixels)
    optimiser: Optimiser = field(
        default_factory=lambda: at_rate(Optimiser(weight_decay=0.01, warm_up=0.1, frozen_text_layers=0), RATES["lora"])
    )

    def __post_init__(self) -> None:
        require(self.learns in RATES, f"learns as one of {', '.join(RATES)}", self)
        require(min(self.steps, self.judge_every, self.chunk) >= 1, "steps, judge_every and chunk from 1", self)
        require(self.patience >= 0 and self.seed >= 0, "patience and seed from 0", self)
        require(0 < self.keep <= 1, "keep above 0, up to 1", self.keep)
        require(self.precision in PRECISIONS, f"precision as one of {', '.join(PRECISIONS)}", self)
        require(self.drawn >= 0 and 0 <= self.head_dropout < 1, "drawn people from 0, head_dropout from 0, below 1", self)
        if self.learns == "attributes":
            self.losses.require_alone("where attributes learn")
            require(self.losses.attributes > 0, "losses.attributes above 0 where attributes learn", self.losses)
            require(self.keep == 1, "keep of 1 where attributes learn: the base says nothing of them", self.keep)
        else:
            require(self.drawn == 0, "drawn of 0 where something else than attributes learns", self.drawn)
        require(self.losses.identity == 0, "losses.identity of 0: its prototypes are no part of an adapter", self)
        require(not self.losses.told and not self.losses.told_finds, "losses.told and told_finds of 0: `passerby train` tells", self)
        require(self.optimiser.average == 0, "optimiser.average of 0: keep says how much stays", self.optimiser)
        require(self.optimiser.frozen_text_layers == 0, "optimiser.frozen_text_layers of 0: learns and lora.targets say what does", self)


_CLIP: Final = Adaptation()
_OURS: Final = replace(
    _CLIP,
    lora=Lora(dropout=0.0),
    steps=100,
    chunk=32,
    keep=0.5,
    losses=replace(_CLIP.losses, sdm=0.0),
    optimiser=replace(_CLIP.optimiser, batch_size=32),
)
"""For some hundred captions, chosen with passerby-s (docs/adapting.md)."""
PRESETS: Final[Mapping[str, Adaptation]] = {
    "passerby-s": replace(_OURS, lora=replace(_OURS.lora, targets=("q", "k", "v", "out", "pointwise", "projection"))),
    "passerby-clip-tiny": _OURS,
    "clip-vit-base-patch32": _CLIP,
    "clip-vit-base-patch16": replace(_CLIP, checkpointing=True),
    "clip-vit-large-patch14": replace(_CLIP, lora=Lora(rank=8, alpha=16), chunk=8, checkpointing=True),
}
"""By the last part of a base's name."""
OF_ARCHITECTURE: Final[Mapping[str, Adaptation]] = {"compact": PRESETS["passerby-s"], "clip": _CLIP}
"""Of bases without one of their own."""


def preset(base: Base, learns: str = "lora") -> Adaptation:
    """The base's own preset, or its kind's; the temperature and the longest caption are the base's, the rates those of what learns."""
    found = PRESETS.get(Path(base.name).name, OF_ARCHITECTURE[base.model.architecture])
    adapted = replace(
        found,
        optimiser=at_rate(found.optimiser, RATES.get(learns, 0.0)),
        losses=replace(found.losses, info_nce_temperature=base.temperature),
        words=replace(found.words, max_tokens=base.max_tokens),
    )
    return of_attributes(adapted) if learns == "attributes" else replace(adapted, learns=learns)


def of_attributes(how: Adaptation) -> Adaptation:
    """The same for a head for attributes alone, as ``passerby-s`` learnt its own (``configs/passerby-s/4-worn.toml``)."""
    losses = replace(how.losses, sdm=0.0, info_nce=0.0, captions_alike=0.0, swapped_colours=0.0, attributes=1.0, attributes_unsaid=1.0)
    optimiser = replace(how.optimiser, batch_size=256, weight_decay=0.1, warm_up=0.0)
    longer = replace(how, steps=400, judge_every=50, keep=1.0, losses=losses, optimiser=optimiser)
    return replace(longer, learns="attributes", drawn=1000, head_dropout=0.5)


def adaptation(base: Base, config: Path | None = None, sets: Sequence[str] = (), **changes: object) -> Adaptation:
    """The base's preset with what a TOML file says, then with these changes.

    Args:
        config: with keys of :class:`Adaptation`, all optional.
        sets: changes of the file's keys, as :func:`~passerby.learn.config.changed` takes them.
        changes: keys of :class:`Lora` or of :class:`Adaptation`; ``None`` changes nothing. Wherever a rank is said and no alpha, that is
            twice the rank.

    Raises:
        ConfigError: a file that cannot be read, a key that is unknown or has a wrong value, or one of LoRA's where LoRA does not learn.
    """
    said = changed(read_toml(config) if config else {}, sets)
    learns = str(changes.get("learns") or said.get("learns", "lora"))
    given = {key: value for key, value in changes.items() if value is not None}
    of_lora = {f.name: given.pop(f.name) for f in dataclasses.fields(Lora) if f.name in given}
    said = _merged(said, {**given, "lora": of_lora} if of_lora else given)
    if "lora" in said and learns != "lora":
        found = ", ".join(said["lora"]) if isinstance(said["lora"], dict) else "lora"
        raise ConfigError(expected=f"nothing of LoRA with learns = {learns}", found=found, do="leave it out, or let LoRA learn")
    built: Adaptation = build(Adaptation, _merged(dataclasses.asdict(preset(base, learns)), _with_alpha(said)), "")
    return built


def _with_alpha(said: dict[str, Any]) -> dict[str, Any]:
    """The same with twice the rank as alpha, where a rank is said and no alpha."""
    lora = said.get("lora")
    if not isinstance(lora, dict) or "alpha" in lora or type(lora.get("rank")) is not int:
        return said
    return {**said, "lora": {**lora, "alpha": 2 * lora["rank"]}}


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The keys of both, the new ones' values first, tables within tables likewise; tuples as TOML has them, as lists."""
    both = {key: list(value) if isinstance(value, tuple) else value for key, value in {**old, **new}.items()}
    return {
        key: _merged(old[key], value) if isinstance(value, dict) and isinstance(old.get(key), dict) else value
        for key, value in both.items()
    }
