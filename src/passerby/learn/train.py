"""Training a compact CLIP, from top to bottom.

``train`` reads a config, makes pictures and words ready, and repeats: draw a batch, embed both sides, add up the losses, step. After each
epoch the model is judged on val by the code that serves, and the best is kept. A checkpoint holds all that the next step depends on, and
every random choice follows from the seed and the step, so a run that was killed goes on along the same curve.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from passerby.atomic import replacing
from passerby.data.datasets import load_dataset
from passerby.errors import ConfigError, DatasetError, ModelError
from passerby.learn.config import PLACES, Optimiser, Stage, TrainConfig
from passerby.learn.data.augment import Pictures, vary
from passerby.learn.data.batches import Batch, draw_batch, store_pictures
from passerby.learn.data.resized import FOLDER, end_of_run
from passerby.learn.data.sampler import epoch_batches
from passerby.learn.data.training_set import TrainingSet, drawn_records, training_set
from passerby.learn.loop.allocator import keep_freed_memory
from passerby.learn.loop.checkpoint import Checkpoint, Progress, save
from passerby.learn.models.compact import CompactClip, drop_out
from passerby.learn.models.torch_encoder import TorchEncoder, load_tokenizer
from passerby.learn.objectives.cross_batch_memory import Memory, Pairs
from passerby.learn.objectives.locked import Standing, standing_images, standing_texts
from passerby.learn.objectives.losses import IdentityLoss, captions_alike, pair_losses
from passerby.learn.start import BEST, TOKENIZER, preprocessing_of, starting_model, tokenizer_json
from passerby.measure.evaluation import evaluate
from passerby.measure.split import require_two_people
from passerby.types import Dataset, Origin, Split

ANSWERS = "answers.npz"
"""How the best model answered each caption of val: ``rank`` of the first right picture, int64 (q,), and ``precision``, float64 (q,)."""
TEXT_CHUNKS = {"cpu": 4, "cuda": 1}
"""How many lengths of captions a batch is sorted into: a processor gains by less padding, a GPU by fewer launches."""
AHEAD = 2
"""How many batches are drawn before they are needed."""
LOG_EVERY = 20


@dataclass(frozen=True, slots=True)
class Run:
    """All that the steps of a run share."""

    config: TrainConfig
    training: TrainingSet
    val: Dataset
    tokenizer: Tokenizer
    trained: nn.ModuleDict
    averaged: AveragedModel
    optimiser: torch.optim.Optimizer
    checkpoint: Checkpoint
    progress: Progress
    log: Log

    @property
    def model(self) -> CompactClip:
        model: CompactClip = self.trained["model"]  # type: ignore[assignment]
        return model

    @property
    def judged(self) -> CompactClip:
        """The average of the weights over the steps."""
        model: CompactClip = self.averaged.module  # type: ignore[assignment]
        return model

    @property
    def memory(self) -> Memory:
        memory: Memory = self.trained["memory"]  # type: ignore[assignment]
        return memory

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def out(self) -> Path:
        return Path(self.config.out)


def train(config: TrainConfig, say: Callable[[str], None], *, keep_pictures: bool = False) -> Path:
    """Train to the end of the last stage, from the last checkpoint where there is one.

    Args:
        say: takes one line of text at a time, for people.
        keep_pictures: whether the resized pictures stay when the run has ended.

    Returns:
        The file with the best model's weights, ``best.pt`` in ``config.out``; ``log.jsonl`` beside it tells the story.

    Raises:
        ConfigError: a checkpoint of another config lies in ``config.out``, or captions longer than the text tower takes are wanted.
        DatasetError: the dataset has too little to train on, or a val split that cannot be asked.
    """
    keep_freed_memory()
    torch.manual_seed(config.seed)
    run = begin(config, starting_model(config), tokenizer_json(config), say)
    finish(run, say)
    end_of_run(run.out, say, keep=keep_pictures)
    return run.out / BEST


def begin(config: TrainConfig, model: CompactClip, tokenizer: bytes, say: Callable[[str], None]) -> Run:
    """Everything read and built around a model and its ``tokenizer.json``, the last checkpoint loaded."""
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / TOKENIZER) as file:
        file.write(tokenizer)
    cutting = load_tokenizer(tokenizer, config.words.max_tokens)
    dataset = load_dataset(Path(config.data), {Split.TRAIN, Split.VAL})
    drawn = drawn_records(out, max(stage.drawn for stage in config.stages), config.seed)
    swaps = any(stage.losses.swapped_colours for stage in config.stages)
    training = training_set(dataset, drawn, cutting, captioned_only=config.captioned_only, swaps=swaps, unseen=config.unseen)
    val = Dataset(dataset.name, tuple(r for r in dataset.records if r.split is Split.VAL))
    require_fit(config, training, val, model)
    say(f"{len(training.records)} pictures of {training.people} people; {len(dataset.problems)} problems in the dataset")

    drop_out(model, config.dropout.text, config.dropout.skip)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    identity_loss = IdentityLoss(training.people, model.image_tower.projection.out_features, config.identity_scale)
    memory = Memory(config.memory, model.image_tower.projection.out_features)
    trained = nn.ModuleDict({"model": model.requires_grad_(True), "identity": identity_loss, "memory": memory}).to(device)
    model.image_tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = build_optimiser(model, identity_loss, config.optimiser)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.optimiser.average), use_buffers=True)  # type: ignore[no-untyped-call]
    checkpoint = Checkpoint(out, recipe(config), {"weights": trained, "averaged": averaged, "optimiser": optimiser})
    progress = checkpoint.resume()
    log = Log(out / "log.jsonl", say, progress.step)
    return Run(config, training, val, cutting, trained, averaged, optimiser, checkpoint, progress, log)


def recipe(config: TrainConfig) -> dict[str, Any]:
    """What is done, not where."""
    return {key: value for key, value in asdict(config).items() if key not in PLACES}


def finish(run: Run, say: Callable[[str], None]) -> None:
    """All steps still to come, stage by stage."""
    for stage, first_step, steps in stage_spans(run.config, run.training):
        if run.progress.step < first_step + steps:
            records = run.training.records[: run.training.pictures(stage)]
            preprocessing = preprocessing_of(stage)
            stored = store_pictures(records, preprocessing, run.out / FOLDER, say)
            run_stage(run, stage, first_step, Pictures(torch.from_numpy(stored).to(run.device), preprocessing))


def run_stage(run: Run, stage: Stage, first_step: int, pictures: Pictures) -> None:
    """The epochs of one stage, from wherever the run stands within it."""
    config, training, progress = run.config, run.training, run.progress
    per_epoch = training.pictures(stage) // config.optimiser.batch_size
    steps = total_steps(config, training)
    standing = stand_still(run, stage, pictures)
    if progress.step == first_step:
        run.memory.forget()
    saved = time.monotonic()
    for epoch, step, batch in drawn_ahead(config, training, stage, batches_from(config, training, stage, first_step, progress.step)):
        torch.manual_seed(config.seed * 1_000_003 + step)
        set_rates(run.optimiser, step, steps, config.optimiser)
        losses = take_step(run.trained, run.optimiser, pictures, batch, stage, standing, config.optimiser.clip)
        run.averaged.update_parameters(run.model)
        progress.step = step + 1
        run.log.step(progress.step, steps, len(batch.identities), losses)
        epoch_ends = progress.step == first_step + (epoch + 1) * per_epoch
        if epoch_ends and ((epoch + 1) % config.judge_every == 0 or epoch + 1 == stage.epochs):
            judge(run, stage)
        if epoch_ends or time.monotonic() - saved > config.checkpoint_minutes * 60:
            run.checkpoint.write(progress)
            saved = time.monotonic()


def drawn_ahead(
    config: TrainConfig, training: TrainingSet, stage: Stage, chosen: Iterable[tuple[int, int, NDArray[np.int64]]]
) -> Iterator[tuple[int, int, Batch]]:
    """Epoch, step and batch, the next one drawn while the last one is learnt from."""

    def draw(step: int, pictures: NDArray[np.int64]) -> Batch:
        return draw_batch(
            training.words,
            training.identities,
            pictures,
            size=(stage.height, stage.width),
            how_pixels=config.pixels,
            how_words=config.words,
            swaps=config.words.swaps if stage.losses.swapped_colours else 0,
            rng=np.random.default_rng((config.seed, step)),
        )

    with ThreadPoolExecutor(max_workers=1) as drawing:
        drawn = ((epoch, step, drawing.submit(draw, step, pictures)) for epoch, step, pictures in chosen)
        ahead = deque(islice(drawn, AHEAD))
        while ahead:
            epoch, step, batch = ahead.popleft()
            ahead.extend(islice(drawn, 1))
            yield epoch, step, batch.result()


def batches_from(
    config: TrainConfig, training: TrainingSet, stage: Stage, first_step: int, start: int
) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Epoch within the stage, step within the run and the pictures of each batch that is still to come."""
    pictures = training.pictures(stage)
    per_epoch = pictures // config.optimiser.batch_size
    for epoch in range(stage.epochs):
        first = first_step + epoch * per_epoch
        if start >= first + per_epoch:
            continue
        batches = epoch_batches(
            training.identities[:pictures],
            batch_size=config.optimiser.batch_size,
            pictures_per_identity=config.optimiser.pictures_per_identity,
            seed=config.seed,
            epoch=first,
        )
        for i, chosen in enumerate(batches):
            if first + i >= start:
                yield epoch, first + i, chosen


def stand_still(run: Run, stage: Stage, pictures: Pictures) -> Standing:
    """What the tower that does not learn in a stage says of everything in it."""
    with autocast(run.device):
        if stage.learns == "images":
            return standing_texts(run.model, run.training.words[: len(pictures.pixels)], run.training.identities)
        if stage.learns == "words":
            return standing_images(run.model, pictures, run.training.identities)
    return Standing()


def take_step(
    trained: nn.ModuleDict,
    optimiser: torch.optim.Optimizer,
    pictures: Pictures,
    batch: Batch,
    stage: Stage,
    standing: Standing,
    clip: float,
) -> dict[str, float]:
    """Forward in the precision of the device, losses in float32, backward, clip, step; returns each loss as weighted."""
    model: CompactClip = trained["model"]  # type: ignore[assignment]
    memory: Memory = trained["memory"]  # type: ignore[assignment]
    weights = stage.losses
    trained.train()
    device = next(model.parameters()).device
    optimiser.zero_grad(set_to_none=True)
    images, texts, swapped = embed_batch(model, pictures, batch, standing)
    identities = batch.identities.to(device)
    pairs = Pairs(images, texts, identities)
    recent_images, recent_texts = memory.candidates(pairs)
    candidates = standing.images or recent_images, standing.texts or recent_texts
    parts = pair_losses(weights, pairs, *candidates, swapped, batch.swapped_from.to(device))
    alike = captions_alike(texts, identities, recent_texts, weights.captions_alike_temperature)
    parts["captions_alike"] = weights.captions_alike * alike
    parts["identity"] = weights.identity * trained["identity"](torch.cat([images, texts]), torch.cat([identities, identities]))
    total: Tensor = sum(parts.values(), torch.zeros((), device=device))
    total.backward()  # type: ignore[no-untyped-call]
    if not nn.utils.clip_grad_norm_(trained.parameters(), clip).isfinite():
        raise ModelError(
            expected="finite gradients",
            found=", ".join(f"{name} {float(part.detach()):.3g}" for name, part in parts.items()),
            do="lower the rates and start from the last checkpoint",
        )
    optimiser.step()
    memory.remember(pairs)
    return {name: float(part.detach()) for name, part in parts.items() if getattr(weights, name)}


def embed_batch(model: CompactClip, pictures: Pictures, batch: Batch, standing: Standing) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, captions and exchanged captions as unit vectors; what the standing tower says of pictures or captions is looked up."""
    device = pictures.pixels.device
    ids, mask, pairs = batch.ids, batch.mask, len(batch.identities)
    with autocast(device):
        if standing.images:
            images = standing.images.embeddings[batch.pictures]
        else:
            images = model.image_tower(vary(pictures, batch.pictures, batch.variation))
        if standing.texts:
            texts = standing.texts.embeddings[batch.sentences]
            with torch.no_grad():
                swapped = embed_by_length(model.text_tower, ids[pairs:], mask[pairs:], model.dim)
        else:
            texts, swapped = embed_by_length(model.text_tower, ids, mask, model.dim).tensor_split([pairs])
    images, texts, swapped = (F.normalize(embedded.float(), dim=-1) for embedded in (images, texts, swapped))
    return images, texts, swapped


def precision(device: torch.device) -> torch.dtype:
    """What the towers compute in: bfloat16 where the processor does, else float32; emulated, bfloat16 takes twenty times as long."""
    return torch.bfloat16 if device.type == "cuda" or torch.cpu.get_capabilities().get("avx512_bf16") else torch.float32


def autocast(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, precision(device), enabled=precision(device) is not torch.float32)


def embed_by_length(tower: nn.Module, ids: Tensor, mask: Tensor, dim: int) -> Tensor:
    """A text tower over captions of like length together, each chunk padded to its own longest, in the order given: ``(n, dim)``."""
    device = next(tower.parameters()).device
    if not len(ids):
        return torch.zeros((0, dim), device=device)
    lengths = mask.sum(dim=1)
    order = lengths.argsort()
    embedded = []
    for rows in order.chunk(TEXT_CHUNKS[device.type]):
        longest = int(lengths[rows].max())
        embedded.append(tower(ids[rows, :longest].to(device), mask[rows, :longest].to(device)))
    return torch.cat(embedded)[order.argsort().to(device)]


def judge(run: Run, stage: Stage) -> None:
    """Evaluate on val; keep the weights where they are the best yet. Without a val split the latest are kept."""
    preprocessing = preprocessing_of(stage)
    if run.val.records:
        evaluation = evaluate(TorchEncoder(run.judged, run.tokenizer, preprocessing, precision(run.device)), run.val)
        run.log.epoch(run.progress.step, evaluation.to_json())
        if evaluation.metrics.rank1.mean <= run.progress.best_rank1:
            return
        run.progress.best_rank1 = evaluation.metrics.rank1.mean
        with replacing(run.out / ANSWERS) as file:
            np.savez(file, rank=evaluation.per_query.first_hit_rank, precision=evaluation.per_query.average_precision)
    save(run.out / BEST, {"model": run.judged.state_dict(), "preprocessing": preprocessing.to_json()})


def require_fit(config: TrainConfig, training: TrainingSet, val: Dataset, model: CompactClip) -> None:
    """Refuse before the first step what would fail after hours."""
    fewest = min(training.pictures(stage) for stage in config.stages)
    if fewest < config.optimiser.batch_size:
        raise DatasetError(
            expected=f"pictures for a batch of {config.optimiser.batch_size}", found=f"{fewest}", do="lower batch_size or add pictures"
        )
    require_questions(val)
    if config.words.max_tokens > (positions := model.text_tower.config.positions):
        raise ConfigError(expected=f"words.max_tokens up to {positions}", found=f"{config.words.max_tokens}", do="lower it")


def require_questions(val: Dataset) -> None:
    """Raises ``DatasetError`` for a val split with pictures and no captions to ask for them by, or of one person alone."""
    if val.records and not any(c.origin is Origin.OWN for r in val.records for c in r.captions):
        raise DatasetError(expected="captions in the val split", found="pictures alone", do="caption them, or leave val out")
    if val.records:
        require_two_people(val.records, f"the val split of {val.name}")


def build_optimiser(model: CompactClip, identity_loss: IdentityLoss, how: Optimiser) -> torch.optim.Optimizer:
    """AdamW with a rate for each tower and one for what starts untrained; gains and offsets do not decay."""
    text = model.text_tower
    for frozen in (text.tokens, text.positions, text.norm, *text.layers[: how.frozen_text_layers]):
        frozen.requires_grad_(False)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in [*model.named_parameters(), *identity_loss.named_parameters()]:
        if parameter.requires_grad:
            decay = how.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((_rate(name, how), decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": parameters, "lr": rate, "peak": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()],
        fused=True,
    )


def _rate(name: str, how: Optimiser) -> float:
    if "projection" in name or "neck" in name or name == "prototypes":
        return how.head_rate
    return how.image_rate if name.startswith("image_tower") else how.text_rate


def set_rates(optimiser: torch.optim.Optimizer, step: int, steps: int, how: Optimiser) -> None:
    """Linear warm-up to each group's peak, which holds until the last ``decay`` of the steps; there half a cosine to zero."""
    rising, falling = max(1, round(how.warm_up * steps)), round(how.decay * steps)
    past_peak = max(0, step - max(rising, steps - falling))
    share = (step + 1) / rising if step < rising else 0.5 * (1 + math.cos(math.pi * past_peak / max(1, min(falling, steps - rising))))
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * share


def stage_spans(config: TrainConfig, training: TrainingSet) -> Iterator[tuple[Stage, int, int]]:
    """Each stage with its first step and its number of steps."""
    first = 0
    for stage in config.stages:
        steps = stage.epochs * (training.pictures(stage) // config.optimiser.batch_size)
        yield stage, first, steps
        first += steps


def total_steps(config: TrainConfig, training: TrainingSet) -> int:
    return sum(steps for _, _, steps in stage_spans(config, training))


class Log:
    """One JSON line for every few steps and for every epoch, with the minutes that the run took so far, and the same in words.

    Args:
        start: the step the run goes on from; lines of later steps, which it will take again, are dropped.
    """

    def __init__(self, path: Path, say: Callable[[str], None], start: int) -> None:
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= start]
        with replacing(path) as file:
            file.writelines(kept)
        self._path = path
        self._say = say
        self._since = time.monotonic()
        self._began = self._since - 60 * (json.loads(kept[-1]).get("minutes", 0.0) if kept else 0.0)
        self._pairs = 0

    def step(self, step: int, steps: int, pairs: int, losses: dict[str, float]) -> None:
        self._pairs += pairs
        if step % LOG_EVERY:
            return
        rate = self._pairs / (time.monotonic() - self._since)
        self._since, self._pairs = time.monotonic(), 0
        self._write({"step": step, "of": steps, "pairs_per_second": round(rate, 1), **{k: round(v, 4) for k, v in losses.items()}})
        told = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self._say(f"step {step}/{steps}  {told}  {rate:.0f} pairs/s  {(steps - step) * pairs / rate / 60:.0f} min left")

    def epoch(self, step: int, report: dict[str, Any]) -> None:
        self._write({"step": step, "val": report})
        self._say(f"step {step}  val Rank-1 {report['rank1']:.2f}  mAP {report['mAP']:.2f}")
        self._since, self._pairs = time.monotonic(), 0

    def _write(self, row: dict[str, Any]) -> None:
        minutes = round((time.monotonic() - self._began) / 60, 2)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**row, "minutes": minutes}) + "\n")
