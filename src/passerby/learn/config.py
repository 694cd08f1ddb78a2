"""What a training run is made of: one small typed TOML file, every key checked before anything starts."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

from passerby.errors import ConfigError
from passerby.places import expanded

MODEL: Final = "model"
"""The model's folder within the folder of a run of ``passerby train`` or ``passerby distil``."""
PLACES = ("data", "out", "start", "crops", "taught_by")
"""Keys of a config that say where things are, not what is done."""
RUNNING = ("chunk", "checkpoint_minutes", "patience")
"""Keys that say how long a run goes on and in which pieces: it learns the same by other ones, but for the luck of dropout."""
LEARNS = ("both", "images", "words", "attributes")
SMALLEST_SIDE = 32
"""Pixels; the image tower halves a picture five times."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Temperatures, and the weight of each loss in the sum; 0 leaves a loss out.

    SDM is mode-seeking: towers that do not know each other yet learn by InfoNCE first.

    Args:
        attributes: of what captions say is worn, for a model that says it too; a tower that stands still does not learn it. In
            ``finetune`` it holds the model to what it said of the same pictures before.
        attributes_unsaid: how much an attribute that no caption of a picture mentions counts as one that is not worn; with 0 it counts as
            unknown.
        told: in a stage that learns words alone, of saying of a caption, shortened or not, what :class:`Told` makes of it.
        told_finds: the same of finding the pictures that this finds.
        told_temperature: of ``told_finds``.
    """

    sdm: float = 1.0
    sdm_temperature: float = 0.02
    info_nce: float = 1.0
    info_nce_temperature: float = 0.05
    captions_alike: float = 0.0
    captions_alike_temperature: float = 0.05
    identity: float = 0.5
    swapped_colours: float = 0.0
    swapped_colours_temperature: float = 0.05
    attributes: float = 0.0
    attributes_unsaid: float = 0.1
    told: float = 0.0
    told_finds: float = 0.0
    told_temperature: float = 0.05

    def __post_init__(self) -> None:
        values = dataclasses.asdict(self)
        temperatures = [value for name, value in values.items() if name.endswith("temperature")]
        require(min(temperatures) > 0, "temperatures above 0", self)
        require(min(values.values()) >= 0, "weights of losses from 0", self)

    def require_alone(self, where: str) -> None:
        """Raises ``ConfigError`` for other losses than that of attributes."""
        paired = self.sdm, self.info_nce, self.captions_alike, self.identity, self.swapped_colours, self.told, self.told_finds
        require(not any(paired), f"losses of 0 but for that of attributes, {where}", self)


@dataclass(frozen=True, slots=True)
class Stage:
    """Some epochs at one input size: small pictures teach first, large ones refine (progressive resolution).

    Args:
        learns: both towers, or the one for ``images`` or ``words`` alone. The other stands still then: it embeds all that there is once,
            and whatever the learning one sees is held against all of it. A step takes half the time and tells a person from everybody.
            With ``attributes`` both stand still and the head for attributes learns alone, from what the image tower pools of each
            picture once, unvaried; val then judges by the AUC of attributes.
        drawn: how many drawn people join the dataset's, with two pictures each.
    """

    height: int
    width: int
    epochs: int
    learns: str = "both"
    drawn: int = 0
    losses: Losses = field(default_factory=Losses)

    def __post_init__(self) -> None:
        require(min(self.height, self.width) >= SMALLEST_SIDE, f"height and width from {SMALLEST_SIDE}", self)
        require(self.learns in LEARNS, f"learns as one of {', '.join(LEARNS)}", self)
        require(self.epochs >= 1 and self.drawn >= 0, "epochs from 1 and drawn people from 0", self)
        if self.learns == "attributes":
            self.losses.require_alone("in a stage that learns attributes")
        if self.learns != "words":
            require(not self.losses.told and not self.losses.told_finds, "told and told_finds of 0 where not words learn alone", self)


@dataclass(frozen=True, slots=True)
class Words:
    """Which words a picture is shown with.

    Args:
        max_tokens: longer captions are cut.
        dropout: share of a caption's tokens that are left out.
        dense: share of the draws that take a dense description, where there is one.
        paraphrase: the same for a paraphrase, where the picture also has words of its own.
        shortened: share of the captions that are cut down to what is worn, to some of it, or to the person with some of it
            (:func:`~passerby.words.shortened.shortened`); of these no token is left out.
        swaps: how many captions of a batch at most are also shown with the colours of two things exchanged, where that loss has a weight.
    """

    max_tokens: int = 64
    dropout: float = 0.08
    dense: float = 0.1
    paraphrase: float = 0.1
    shortened: float = 0.0
    swaps: int = 32

    def __post_init__(self) -> None:
        require(self.max_tokens >= 3, "max_tokens from 3: both ends of a sentence and a word", self)
        require(self.swaps >= 0, "swaps from 0", self)
        require(0 <= self.dropout < 1, "dropout from 0, below 1", self)
        require(0 <= self.shortened <= 1, "shortened from 0 to 1", self)
        require(min(self.dense, self.paraphrase) >= 0 and self.dense + self.paraphrase <= 1, "shares that sum to at most 1", self)


@dataclass(frozen=True, slots=True)
class Told:
    """What the text tower is told to say of a caption, whole or shortened: what it said of the whole one before it learnt, with others.

    Args:
        person: how much the mean of what it said of the person's other captions counts beside the 1 of that.
        pictures: the same of the mean of the person's pictures, as they differ from the mean of all, of length 1.
    """

    person: float = 0.3
    pictures: float = 0.0

    def __post_init__(self) -> None:
        require(min(self.person, self.pictures) >= 0, "person and pictures from 0", self)


@dataclass(frozen=True, slots=True)
class Pixels:
    """How a picture is varied.

    Args:
        padding: how many pixels a picture is shifted at most, each way.
        flip: share of pictures mirrored, unless their words say left or right.
        erasing: share of pictures that lose a rectangle (Zhong et al., "Random Erasing", AAAI 2020).
        light: by what share at most a picture gets brighter or darker.
        coarse: share of pictures seen at a half or a quarter of their resolution, as from afar.
        hidden: share of pictures whose lowest part is hidden, as by a car or a counter.
    """

    padding: int = 8
    flip: float = 0.5
    erasing: float = 0.4
    light: float = 0.0
    coarse: float = 0.0
    hidden: float = 0.0

    def __post_init__(self) -> None:
        require(self.padding >= 0, "padding from 0", self)
        shares = self.flip, self.erasing, self.coarse, self.hidden
        require(all(0 <= share <= 1 for share in shares) and 0 <= self.light < 1, "shares from 0 to 1", self)


@dataclass(frozen=True, slots=True)
class Dropout:
    """What the towers do without at each step, so that none of it is leant on.

    Args:
        text: share of what each half of a text layer adds.
        skip: chance that the image tower's last residual block is skipped, growing evenly from 0 at the first.
        attributes: share of what the head for attributes reads.
    """

    text: float = 0.0
    skip: float = 0.0
    attributes: float = 0.0

    def __post_init__(self) -> None:
        require(all(0 <= share < 1 for share in (self.text, self.skip, self.attributes)), "shares from 0, below 1", self)


@dataclass(frozen=True, slots=True)
class Unseen:
    """What a run is to know nothing of, so that it can be asked about it afterwards.

    Args:
        sources: folders below the dataset's pictures, such as those of one set of cameras; their pictures are left out.
        words: captions that say one of them, or its plural, are left out, and with them the pictures that have no others.
    """

    sources: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Steps:
    """AdamW with linear warm-up, a plateau where wanted, then a cosine to zero.

    Args:
        warm_up: share of all steps.
        decay: share of all steps, the last ones, in which the rates fall to zero; with 0 they never do.
        average: how much of the average of the weights over the steps stays at each step; that average is judged and kept. With 0 it is
            the last step's weights.
        clip: largest norm of the gradient.
    """

    weight_decay: float = 0.02
    warm_up: float = 0.05
    decay: float = 1.0
    average: float = 0.0
    clip: float = 5.0
    batch_size: int = 128

    def require_steps(self, *rates: float, smallest_batch: int) -> None:
        """Raises ``ConfigError`` for steps that cannot be taken at these rates."""
        require(min(*rates, self.weight_decay) >= 0, "rates and decay from 0", self)
        require(0 <= self.warm_up <= 1 and 0 <= self.decay <= 1, "warm_up and decay from 0 to 1", self)
        require(0 <= self.average < 1, "average from 0, below 1", self)
        require(self.clip > 0, "clip above 0", self)
        require(self.batch_size >= smallest_batch, f"batch_size from {smallest_batch}", self)


@dataclass(frozen=True, slots=True)
class Optimiser(Steps):
    """How fast each part of a CLIP learns.

    Args:
        frozen_text_layers: how many of the text tower's first layers stay as they are; its embeddings always do.
    """

    image_rate: float = 3e-4
    text_rate: float = 1e-4
    head_rate: float = 1e-3
    pictures_per_identity: int = 1
    frozen_text_layers: int = 2

    def __post_init__(self) -> None:
        self.require_steps(self.image_rate, self.text_rate, self.head_rate, smallest_batch=2)
        require(self.pictures_per_identity >= 1, "pictures_per_identity from 1", self)
        require(self.frozen_text_layers >= 0, "frozen_text_layers from 0", self)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A run of ``passerby train``.

    Args:
        data: dataset folder, as ``load_dataset`` reads it; relative to the file that names it.
        out: folder for checkpoints, the log and the best model; relative in the same way.
        start: the folder of a bundle or of the model of another run to continue from, with its vocabulary; empty for the pretrained
            towers.
        attributes: whether the image tower also learns to say what is worn, by the loss of that name; what the model of ``start`` says
            of the same attributes it goes on from.
        captioned_only: use only pictures that have words of their own; a smaller set to screen ideas on.
        identity_scale: of the cosines in the identity loss.
        memory: how many pairs of earlier steps each batch is compared with too; 0 while the towers change fast.
        judge_every: epochs of a stage between two judgements on val; the last one is always judged.
        checkpoint_minutes: how much work a power cut may cost.
    """

    data: str
    out: str
    stages: tuple[Stage, ...]
    start: str = ""
    seed: int = 1
    attributes: bool = False
    captioned_only: bool = False
    identity_scale: float = 16.0
    memory: int = 0
    judge_every: int = 1
    checkpoint_minutes: float = 10.0
    unseen: Unseen = field(default_factory=Unseen)
    words: Words = field(default_factory=Words)
    told: Told = field(default_factory=Told)
    pixels: Pixels = field(default_factory=Pixels)
    dropout: Dropout = field(default_factory=Dropout)
    optimiser: Optimiser = field(default_factory=Optimiser)

    def __post_init__(self) -> None:
        require(bool(self.stages), "at least one [[stages]] table", self.stages)
        taught = any(stage.losses.attributes and stage.learns != "words" for stage in self.stages)
        require(
            taught or not self.attributes, "losses.attributes above 0 in a stage that learns images, with attributes = true", self.stages
        )
        later = [stage.losses for stage in self.stages[1:]]
        require(not any(one.told or one.told_finds for one in later), "told and told_finds in the first stage alone: `start` tells", later)
        if any(stage.learns == "attributes" for stage in self.stages):
            require(self.attributes and len(self.stages) == 1, "attributes = true and one stage, where one learns attributes", self.stages)
        require(self.seed >= 0 and self.memory >= 0 and self.judge_every >= 1, "seed and memory from 0, judge_every from 1", self)


C = TypeVar("C")


def read_config(path: Path, changes: Sequence[str] = ()) -> TrainConfig:
    """How to train, as :func:`read_run` reads it."""
    return read_run(TrainConfig, path, changes)


def read_run(kind: type[C], path: Path, changes: Sequence[str] = ()) -> C:
    """Read a TOML file, its paths made absolute.

    Args:
        changes: as :func:`changed` takes them; paths in them are relative to the current folder.

    Raises:
        ConfigError: the file cannot be read, or a key is unknown, missing, of the wrong type or out of range.
    """
    table = absolute(read_toml(path), path.resolve().parent)
    built: C = build(kind, absolute(changed(table, changes), Path.cwd()), "")
    return built


def absolute(table: dict[str, Any], here: Path) -> dict[str, Any]:
    """The same table with its relative places below a folder."""
    places = {key: table[key] for key in PLACES if isinstance(table.get(key), str) and table[key]}
    return {**table, **{key: str(here / expanded(Path(place))) for key, place in places.items()}}


def changed(table: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """A table with other values.

    Args:
        changes: such as ``optimiser.image_rate=2e-4`` or ``stages.0.epochs=1``: a key, within tables and from 0 within lists of them, and
            its value as TOML has it; what is no TOML is text.

    Raises:
        ConfigError: what is no change, or leads into something that is no table.
    """
    for change in changes:
        key, equals, value = change.partition("=")
        path = key.strip().split(".")
        if not equals or not all(path):
            raise ConfigError(expected="KEY=VALUE, such as optimiser.image_rate=2e-4", found=repr(change), do="correct --set")
        table = _put(table, path, _parsed(value.strip()), "")
    return table


def _put(place: Any, path: Sequence[str], value: object, where: str) -> Any:
    """A copy of a place with the value at the end of the path from it."""
    if not path:
        return value
    first, *rest = path
    below = f"{where}.{first}".strip(".")
    if isinstance(place, dict):
        return {**place, first: _put(place.get(first, {}), rest, value, below)}
    if not isinstance(place, list):
        raise ConfigError(expected=f"{where} to be a table, for --set {below}", found=repr(place), do="correct --set")
    if not first.isdecimal() or int(first) >= len(place):
        numbers = ", ".join(f"{where}.{i}" for i in range(len(place)))
        raise ConfigError(expected=f"one of {numbers or f'no {where}'}", found=repr(below), do="correct --set")
    return [_put(old, rest, value, below) if i == int(first) else old for i, old in enumerate(place)]


def _parsed(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's keys. Raises ``ConfigError``."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(expected="a TOML file", found=f"{path}: {error}", do="see configs/ for examples") from error


def recipe(config: Any) -> dict[str, Any]:
    """What a run does, not where: the keys and values of its config."""
    return {key: value for key, value in dataclasses.asdict(config).items() if key not in PLACES}


def comparable(config: Any) -> dict[str, Any]:
    """What two runs must have in common for one to go on from the other's checkpoint, as far as their config says it."""
    return {key: value for key, value in recipe(config).items() if key not in RUNNING}


def require(holds: bool, expected: str, found: object) -> None:
    """Raises ``ConfigError`` unless ``holds``."""
    if not holds:
        raise ConfigError(expected=expected, found=repr(found), do="see configs/ for examples")


def build(kind: type[Any], table: object, where: str) -> Any:
    """A dataclass from a table, by the types of its fields. Raises ``ConfigError``."""
    if not isinstance(table, dict):
        raise ConfigError(expected=f"a table [{where}]", found=repr(table), do="write its keys below that heading")
    hints = get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    if unknown := sorted(table.keys() - fields.keys()):
        raise ConfigError(
            expected=f"keys of [{where or 'top level'}]: {', '.join(fields)}", found=repr(unknown[0]), do="correct or remove it"
        )
    values = {name: _value(hints[name], value, f"{where}.{name}".strip(".")) for name, value in table.items()}
    for name, f in fields.items():
        if name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ConfigError(expected=f"a key {name!r} in [{where or 'top level'}]", found="none", do="add it")
    return kind(**values)


def _value(hint: Any, value: object, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return build(hint, value, where)  # type: ignore[arg-type]
    if hint == tuple[Stage, ...]:
        if not isinstance(value, list):
            raise ConfigError(expected=f"[[{where}]] tables", found=repr(value), do="see configs/ for examples")
        return tuple(build(Stage, item, where) for item in value)
    if hint == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(expected=f"{where} as a list of names", found=repr(value), do="correct the value")
        return tuple(value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ConfigError(expected=f"{where} as {hint.__name__}", found=repr(value), do="correct the value")
    return value
