"""Training a compact CLIP, from top to bottom.

``train`` reads a config, makes pictures and words ready, and repeats: draw a batch, embed both sides, add up the losses, step
(``passerby.learn.loop.run``). Every so many epochs the model is judged on val by the code that serves, and the best becomes a folder that
``--model`` takes. A run that was killed goes on along the same curve.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from passerby.atomic import require_replaceable_place
from passerby.data.datasets import load_dataset
from passerby.errors import ConfigError
from passerby.learn.config import MODEL, Optimiser, Stage, TrainConfig, comparable, recipe
from passerby.learn.data.augment import Pictures, vary
from passerby.learn.data.batches import Batch, pictures_on
from passerby.learn.data.labels import training_labels
from passerby.learn.data.resized import FOLDER, end_of_run
from passerby.learn.data.stream import Stream, batches_of
from passerby.learn.data.training_set import (
    TrainingSet,
    digest_of,
    drawn_records,
    lines_of,
    require_batch,
    training_set,
    val_of,
    words_to_read,
)
from passerby.learn.judge import AUC, RANK1, figures, judge, save_answers
from passerby.learn.loop.allocator import keep_freed_memory
from passerby.learn.loop.average import averaged_over_steps
from passerby.learn.loop.device import autocast, best_device, precision
from passerby.learn.loop.run import ALREADY_FINISHED, Losses, Run, Span, begin, take_steps
from passerby.learn.loop.schedule import Schedule, adamw
from passerby.learn.models.by_length import embed_by_length
from passerby.learn.models.compact import CompactClip, drop_out
from passerby.learn.models.dual_encoder import Seen, with_attributes
from passerby.learn.models.model_folder import require_vacant, save_model
from passerby.learn.models.torch_encoder import TorchEncoder, load_tokenizer
from passerby.learn.models.vocabulary import needed_pieces, with_pieces
from passerby.learn.objectives.cross_batch_memory import Memory, Pairs
from passerby.learn.objectives.head import begin_with_shares, head_gradients, labels_for
from passerby.learn.objectives.locked import Locked, locked_images, locked_means, locked_texts
from passerby.learn.objectives.losses import IdentityLoss, affinity, captions_alike, distance, pair_losses, worn
from passerby.learn.objectives.told import what_to_say
from passerby.learn.start import preprocessing_of, start_digest, starting_model
from passerby.measure.evaluation import Evaluation
from passerby.types import Dataset, Split
from passerby.words.attributes import NAMES


@dataclass(frozen=True, slots=True)
class Training:
    """What the stages of a run share.

    Args:
        start: the model before it learnt anything, also in a run that goes on.
        trained: the model, with what learns beside it: prototypes of people, and the memory of earlier batches.
        averaged: the model's weights, averaged over the steps: what is judged and kept.
        labels: float32 (n, a), of each picture whether each of the model's attributes is worn, as :func:`worn_labels` has it; a is 0
            where no stage learns any.
        pieces: of the tokenizer's vocabulary, those that the model keeps in the end.
    """

    config: TrainConfig
    data: TrainingSet
    val: Dataset
    tokenizer: bytes
    pieces: list[int]
    start: CompactClip
    trained: nn.ModuleDict
    averaged: AveragedModel
    labels: NDArray[np.float32]
    run: Run

    @property
    def model(self) -> CompactClip:
        model: CompactClip = self.trained["model"]  # type: ignore[assignment]
        return model

    @property
    def judged(self) -> CompactClip:
        model: CompactClip = self.averaged.module  # type: ignore[assignment]
        return model

    @property
    def memory(self) -> Memory:
        memory: Memory = self.trained["memory"]  # type: ignore[assignment]
        return memory

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device


def train(config: TrainConfig, say: Callable[[str], None], *, keep_pictures: bool = False) -> Path:
    """Train to the end of the last stage, from the last checkpoint where there is one.

    Args:
        say: takes one line of text at a time, for people.
        keep_pictures: whether the resized pictures stay when the run has ended.

    Returns:
        The folder of the best model, ``model`` in ``config.out``; ``log.jsonl`` beside it tells the story.

    Raises:
        ConfigError: a checkpoint of another config, other data or another start lies in ``config.out``, or captions longer than the text
            tower takes are wanted.
        DatasetError: the dataset has too little to train on, or a val split that cannot be asked.
        ModelError: something else lies at the model's folder, or what it starts from; or a loss is not finite.
    """
    out = Path(config.out)
    require_replaceable_place(out / MODEL, "out")
    require_vacant(out / MODEL, Path(config.data), Path(config.start) if config.start else None)
    keep_freed_memory()
    torch.manual_seed(config.seed)
    finish(prepare(config, *starting_model(config), say))
    end_of_run(out, say, keep=keep_pictures)
    return out / MODEL


def prepare(config: TrainConfig, model: CompactClip, tokenizer: bytes, say: Callable[[str], None]) -> Training:
    """Everything read and built around a model and its ``tokenizer.json``, the last checkpoint loaded."""
    start = copy.deepcopy(model)
    model = with_attributes(model, NAMES) if config.attributes else model
    out, how = Path(config.out), config.optimiser
    out.mkdir(parents=True, exist_ok=True)
    if config.words.max_tokens > (positions := model.text_tower.config.positions):
        raise ConfigError(expected=f"words.max_tokens up to {positions}", found=f"{config.words.max_tokens}", do="lower it")
    dataset = load_dataset(Path(config.data), {Split.TRAIN, Split.VAL})
    drawn = drawn_records(out, max(stage.drawn for stage in config.stages), config.seed)
    cutting = load_tokenizer(tokenizer, config.words.max_tokens)
    swaps = any(stage.losses.swapped_colours for stage in config.stages)
    shortened_by = config.seed if config.words.shortened else None
    data = training_set(
        dataset, drawn, cutting, captioned_only=config.captioned_only, swaps=swaps, shortened_by=shortened_by, unseen=config.unseen
    )
    require_batch(min(data.rows(stage.drawn) for stage in config.stages), how.batch_size)
    val = val_of(dataset)
    for line in lines_of(dataset.problems):
        say(line)
    say(f"{len(data.records)} pictures of {data.people} people; {len(dataset.problems)} problems in the dataset")
    labels = labels_to_learn(config, model, data, say)
    begin_with_shares(model.image_tower.worn, labels)
    pieces = needed_pieces(tokenizer, words_to_read(dataset))

    drop_out(model, config.dropout.text, config.dropout.skip, config.dropout.attributes)
    identity_loss = IdentityLoss(data.people, model.dim, config.identity_scale)
    memory = Memory(config.memory, model.dim)
    trained = nn.ModuleDict({"model": model.requires_grad_(True), "identity": identity_loss, "memory": memory}).to(best_device())
    model.place(best_device())
    optimiser = build_optimiser(model, identity_loss, how)
    averaged = averaged_over_steps(model, optimiser, how.average)
    run = begin(
        out,
        seed=config.seed,
        schedule=Schedule(sum(span.steps for _, span in stage_spans(config, data)), how.warm_up, how.decay),
        learns=list(trained.parameters()),
        clip=how.clip,
        optimiser=optimiser,
        parts={"weights": trained, "averaged": averaged},
        recipe={
            **comparable(config),
            **({"attribute_names": list(model.attributes)} if model.attributes else {}),
            "data": digest_of(dataset),
            "start": start_digest(config),
        },
        checkpoint_minutes=config.checkpoint_minutes,
        say=say,
    )
    return Training(config, data, val, tokenizer, pieces, start, trained, averaged, labels, run)


def labels_to_learn(config: TrainConfig, model: CompactClip, data: TrainingSet, say: Callable[[str], None]) -> NDArray[np.float32]:
    """What is known of the attributes that the model says, where a stage learns them: float32 (n, a).

    Raises:
        DatasetError: annotations beside the dataset that are damaged.
    """
    if not model.attributes or not any(stage.losses.attributes for stage in config.stages):
        return np.empty((len(data.records), 0), np.float32)
    return training_labels(data, model.attributes, Path(config.data), config.seed, say)


def finish(training: Training) -> None:
    """All steps still to come, stage by stage."""
    run, data = training.run, training.data
    if run.state.step >= run.schedule.steps:
        run.log.say(ALREADY_FINISHED.format(step=run.state.step))
    for stage, span in stage_spans(training.config, data):
        if run.state.step < span.end:
            records = data.records[: data.rows(stage.drawn)]
            pictures = pictures_on(training.device, records, preprocessing_of(stage), run.folder / FOLDER, run.log.say)
            run_stage(training, stage, span, pictures)


def run_stage(training: Training, stage: Stage, span: Span, pictures: Pictures) -> None:
    """The epochs of one stage, from wherever the run stands within it."""
    locked = lock(training, stage, pictures)
    if training.run.state.step == span.first:
        training.memory.forget()
    take_steps(
        training.run,
        span,
        batches_of(training.data, stream(training.config, training.data, stage), span, training.run.state.step),
        gradients=partial(gradients, training, stage, pictures, locked)
        if locked.means is None
        else partial(alone, training, stage, locked.means),
        judge=partial(judge_stage, training, stage),
        name=training.data.names,
    )


def stream(config: TrainConfig, data: TrainingSet, stage: Stage) -> Stream:
    size, swaps = (stage.height, stage.width), stage.losses.swapped_colours > 0
    rows = data.rows(stage.drawn)
    return Stream.of(config.seed, rows, size, config.pixels, config.words, config.optimiser, swaps=swaps)


def stage_spans(config: TrainConfig, data: TrainingSet) -> Iterator[tuple[Stage, Span]]:
    """Each stage with its steps."""
    first = 0
    for stage in config.stages:
        per_epoch = stream(config, data, stage).per_epoch
        yield stage, Span(first, stage.epochs * per_epoch, config.judge_every * per_epoch)
        first += stage.epochs * per_epoch


def lock(training: Training, stage: Stage, pictures: Pictures) -> Locked:
    """What the tower that does not learn in a stage says of everything in training."""
    with autocast(training.device):
        if stage.learns == "images":
            return locked_texts(training.model, training.data.words[: len(pictures.pixels)], training.data.identities)
        if stage.learns == "words":
            images = locked_images(training.model, pictures, training.data.identities)
            return images._replace(told=_told(training, stage, images)) if stage.losses.told or stage.losses.told_finds else images
        if stage.learns == "attributes":
            return locked_means(training.model.image_tower, pictures, training.run.log.say)
    return Locked()


def _told(training: Training, stage: Stage, locked: Locked) -> Tensor:
    """What the text tower is to say of each caption of a stage's pictures; a run that goes on is told the same as before."""
    assert locked.images is not None
    training.start.place(training.device)
    texts = locked_texts(training.start, training.data.words[: training.data.rows(stage.drawn)], training.data.identities).texts
    assert texts is not None
    return what_to_say(texts, locked.images, training.config.told)


def gradients(training: Training, stage: Stage, pictures: Pictures, locked: Locked, batch: Batch) -> Losses:
    """Forward in the precision of the device, losses in float32, backward; each loss as weighted."""
    weights = stage.losses
    training.trained.train()
    seen, texts, swapped = embed_batch(training.model, pictures, batch, locked)
    images = seen.vectors
    identities = batch.identities.to(training.device)
    pairs = Pairs(images, texts, identities)
    recent_images, recent_texts = training.memory.candidates(pairs)
    candidates = locked.images or recent_images, locked.texts or recent_texts
    parts = pair_losses(weights, pairs, *candidates, swapped, batch.swapped_from.to(training.device))
    alike = captions_alike(texts, identities, recent_texts, weights.captions_alike_temperature)
    parts["captions_alike"] = weights.captions_alike * alike
    parts["identity"] = weights.identity * training.trained["identity"](torch.cat([images, texts]), torch.cat([identities, identities]))
    if weights.attributes and not locked.images:
        parts["attributes"] = weights.attributes * worn(
            seen.log_odds, labels_for(batch, training.labels, training.device), weights.attributes_unsaid
        )
    if locked.told is not None and locked.images:
        told = locked.told[batch.sentences]
        found = locked.images.embeddings
        parts["told"] = weights.told * distance(texts, told)
        parts["told_finds"] = weights.told_finds * affinity(texts, found, told, found, weights.told_temperature)
    total: Tensor = sum(parts.values(), torch.zeros((), device=training.device))
    total.backward()  # type: ignore[no-untyped-call]
    training.memory.remember(pairs)
    return Losses(total.detach(), {name: part for name, part in parts.items() if getattr(weights, name)})


def alone(training: Training, stage: Stage, means: Tensor, batch: Batch) -> Losses:
    """As :func:`gradients`, of what the head for attributes reads in what was pooled of all pictures; all else stands still."""
    head = training.model.image_tower.worn
    assert head is not None
    training.trained.eval()
    head.train()
    return head_gradients(head, means, training.labels, stage.losses, batch)


def embed_batch(model: CompactClip, pictures: Pictures, batch: Batch, locked: Locked) -> tuple[Seen, Tensor, Tensor]:
    """Pictures, captions and exchanged captions as unit vectors, and what is worn; what the locked tower says of pictures or captions is
    looked up, but for what is worn."""
    device = pictures.pixels.device
    ids, mask, pairs = batch.ids, batch.mask, len(batch)
    with autocast(device):
        if locked.images:
            vectors = locked.images.embeddings[batch.pictures]
            seen = Seen(vectors, vectors.new_empty((pairs, 0)))
        else:
            seen = model.see(vary(pictures, batch.pictures, batch.variation))
        if locked.texts:
            texts = locked.texts.embeddings[batch.sentences]
            with torch.no_grad():
                swapped = embed_by_length(model.text_tower, ids[pairs:], mask[pairs:], model.dim)
        else:
            texts, swapped = embed_by_length(model.text_tower, ids, mask, model.dim).tensor_split([pairs])
    texts, swapped = (F.normalize(embedded.float(), dim=-1) for embedded in (texts, swapped))
    return seen, texts, swapped


def judge_stage(training: Training, stage: Stage) -> None:
    """Ask val about what would be kept, the average with the words that it needs, by pictures of the stage's size."""
    model, tokenizer = with_pieces(training.judged, training.tokenizer, training.pieces)
    cutting = load_tokenizer(tokenizer, training.config.words.max_tokens)
    encoder = TorchEncoder(model, cutting, preprocessing_of(stage), precision(training.device))
    by = AUC if stage.learns == "attributes" else RANK1
    judge(training.run, encoder, training.val, partial(keep, training, stage, model, tokenizer), by)


def keep(training: Training, stage: Stage, model: CompactClip, tokenizer: bytes, evaluation: Evaluation | None) -> None:
    """The model becomes the run's, with how it answered."""
    if evaluation:
        save_answers(evaluation, training.run.folder)
    save_model(
        training.run.folder / MODEL,
        model,
        tokenizer=tokenizer,
        max_tokens=training.config.words.max_tokens,
        preprocessing=preprocessing_of(stage),
        temperature=stage.losses.info_nce_temperature,
        made_of={"step": training.run.state.step, "val": figures(evaluation), "recipe": recipe(training.config)},
    )


def build_optimiser(model: CompactClip, identity_loss: IdentityLoss, how: Optimiser) -> torch.optim.Optimizer:
    """AdamW with a rate for each tower and one for what starts untrained; gains and offsets do not decay."""
    text = model.text_tower
    for frozen in (text.tokens, text.positions, text.norm, *text.layers[: how.frozen_text_layers]):
        frozen.requires_grad_(False)
    named = [*model.named_parameters(), *identity_loss.named_parameters()]
    return adamw((p, _rate(name, how), how.weight_decay if p.ndim > 1 else 0.0) for name, p in named if p.requires_grad)


def _rate(name: str, how: Optimiser) -> float:
    if "projection" in name or "neck" in name or name == "prototypes":
        return how.head_rate
    return how.image_rate if name.startswith("image_tower") else how.text_rate
