"""Teaching a small CLIP what another model knows, from top to bottom.

``distil`` asks the teacher once about every picture and caption, and repeats: draw a batch, embed both sides, compare with what the
teacher said of them, step. The student learns to place pictures and words where the teacher does, so it needs no labels; its pictures are
varied, the answers are those to the plain ones. Every ``judge_every`` epochs the student is judged on val by the code that serves, and the
best is kept. A run that was killed goes on along the same curve.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPModel, CLIPTokenizer

from passerby.atomic import require_replaceable_place
from passerby.data.datasets import load_dataset
from passerby.learn.config import MODEL, comparable, recipe
from passerby.learn.data.augment import Pictures, vary
from passerby.learn.data.batches import Batch, captions_by_row, pictures_on
from passerby.learn.data.resized import FOLDER, end_of_run
from passerby.learn.data.stream import Stream, batches_of
from passerby.learn.data.training_set import TrainingSet, digest_of, drawn_records, require_batch, training_set, val_of
from passerby.learn.distil.config import Distillation
from passerby.learn.distil.student import as_base, build_student, preprocessing_of, train_tokenizer
from passerby.learn.distil.teacher import Answers, ask_teacher
from passerby.learn.judge import figures, judge
from passerby.learn.loop.allocator import keep_freed_memory
from passerby.learn.loop.device import autocast, best_device, precision
from passerby.learn.loop.run import ALREADY_FINISHED, Losses, Run, Span, begin, take_steps
from passerby.learn.loop.schedule import Schedule, adamw
from passerby.learn.models.by_length import embed_by_length
from passerby.learn.models.clip import ClipImageTower, ClipTextTower
from passerby.learn.models.model_folder import require_vacant, save_base
from passerby.learn.models.torch_encoder import load_tokenizer
from passerby.learn.objectives.losses import affinity, distance
from passerby.measure.evaluation import Evaluation
from passerby.model.encoder import Encoder
from passerby.types import Dataset, ModelDigest, Record, Split


@dataclass(frozen=True, slots=True)
class Distilling:
    """What the steps of a run share.

    Args:
        teacher: its name and digest.
        answers: the teacher's, to all pictures and captions.
    """

    how: Distillation
    teacher: tuple[str, ModelDigest]
    data: TrainingSet
    val: Dataset
    stream: Stream
    answers: Answers
    tokenizer: CLIPTokenizer
    student: CLIPModel
    run: Run

    @property
    def device(self) -> torch.device:
        device: torch.device = self.student.device
        return device


def distil(teacher: Encoder, how: Distillation, say: Callable[[str], None], *, keep_pictures: bool = False) -> Path:
    """Teach to the end of the last epoch, from the last checkpoint where there is one.

    Hinton et al., "Distilling the Knowledge in a Neural Network" (2015), on embeddings as in Yang et al., "CLIP-KD" (CVPR 2024).

    Args:
        say: takes one line of text at a time, for people.
        keep_pictures: whether the resized pictures stay when the run has ended.

    Returns:
        The folder of the best student, ``model`` in ``how.out``; ``log.jsonl`` beside it tells the story.

    Raises:
        ConfigError: a checkpoint of another config, teacher or other data lies in ``how.out``.
        DatasetError: too little to learn from, a picture that cannot be read, or a val split that cannot be asked.
        ModelError: something else lies at the student's folder, or the teacher; or a loss is not finite.
    """
    out = Path(how.out)
    require_replaceable_place(out / MODEL, "out")
    require_vacant(out / MODEL, Path(how.data), Path(how.teacher))
    keep_freed_memory()
    torch.manual_seed(how.seed)
    learn(prepare(teacher, how, say))
    end_of_run(out, say, keep=keep_pictures)
    return out / MODEL


def prepare(teacher: Encoder, how: Distillation, say: Callable[[str], None]) -> Distilling:
    """Everything read, asked and built, the last checkpoint loaded."""
    out = Path(how.out)
    out.mkdir(parents=True, exist_ok=True)
    dataset = load_dataset(Path(how.data), {Split.TRAIN, Split.VAL})
    drawn = drawn_records(out, how.drawn, how.seed)
    tokenizer = train_tokenizer(training_words(dataset, drawn), how.student)
    cutting = load_tokenizer(tokenizer.backend_tokenizer.to_str().encode(), how.words.max_tokens)
    shortened_by = how.seed if how.words.shortened else None
    data = training_set(dataset, drawn, cutting, captioned_only=False, swaps=False, shortened_by=shortened_by)
    require_batch(len(data.records), how.optimiser.batch_size)
    val = val_of(dataset)
    student = build_student(how.student, tokenizer, teacher.dim, how.mimicry.temperature)
    student.set_attn_implementation("eager")  # on a processor, the fused attention's backward pass takes more than twice as long
    size = sum(p.numel() for p in student.parameters())
    say(f"{len(data.records)} pictures; a student of {size / 1e6:.1f} million parameters, {len(tokenizer)} of them pieces of words")
    student.to(best_device())
    answers = Answers(*(part.to(student.device) for part in ask_teacher(teacher, data.records, out, say)))
    side, taught_by = how.student.side, (teacher.name, teacher.digest)
    stream = Stream.of(how.seed, len(data.records), (side, side), how.pixels, how.words, how.optimiser, swaps=False)
    run = begin(
        out,
        seed=how.seed,
        schedule=Schedule(how.epochs * stream.per_epoch, how.optimiser.warm_up, how.optimiser.decay),
        learns=list(student.parameters()),
        clip=how.optimiser.clip,
        optimiser=build_optimiser(student, how),
        parts={"weights": student},
        recipe={**comparable(how), "teacher": taught_by, "data": digest_of(dataset)},
        checkpoint_minutes=how.checkpoint_minutes,
        say=say,
    )
    return Distilling(how, taught_by, data, val, stream, answers, tokenizer, student, run)


def training_words(dataset: Dataset, drawn: tuple[Record, ...]) -> list[str]:
    """The captions that the tokenizer learns from: those of train alone."""
    train = [record for record in dataset.records if record.split is Split.TRAIN]
    return [caption.text for caption in captions_by_row([*train, *drawn])]


def build_optimiser(student: CLIPModel, how: Distillation) -> torch.optim.Optimizer:
    """AdamW with a rate for each tower and one for projections; gains, offsets and tables of positions do not decay."""

    def rate(name: str) -> float:
        tower = how.optimiser.image_rate if name.startswith("vision_model") else how.optimiser.text_rate
        return how.optimiser.head_rate if "projection" in name else tower

    def decay(name: str, parameter: nn.Parameter) -> float:
        return how.optimiser.weight_decay if parameter.ndim > 1 and "position_embedding" not in name else 0.0

    learns = [(name, parameter) for name, parameter in student.named_parameters() if parameter.requires_grad]
    return adamw(((parameter, rate(name), decay(name, parameter)) for name, parameter in learns), betas=(0.9, 0.98))


def learn(distilling: Distilling) -> None:
    """All steps still to come."""
    how, run, per_epoch = distilling.how, distilling.run, distilling.stream.per_epoch
    span = Span(0, how.epochs * per_epoch, how.judge_every * per_epoch)
    if run.state.step >= span.end:
        run.log.say(ALREADY_FINISHED.format(step=run.state.step))
        return
    pictures = pictures_on(distilling.device, distilling.data.records, preprocessing_of(how.student), run.folder / FOLDER, run.log.say)
    take_steps(
        run,
        span,
        batches_of(distilling.data, distilling.stream, span, run.state.step),
        gradients=partial(gradients, distilling, pictures),
        judge=partial(judge_student, distilling),
        name=distilling.data.names,
    )


def gradients(distilling: Distilling, pictures: Pictures, batch: Batch) -> Losses:
    """Forward in the precision of the device, losses in float32, backward; each loss as weighted."""
    how, known = distilling.how.mimicry, distilling.answers
    rng = np.random.default_rng((distilling.how.seed, distilling.run.state.step, 1))
    distilling.student.train()
    student = Answers(*embed_batch(distilling.student, pictures, batch))
    teacher = Answers(known.images[batch.pictures], known.texts[batch.sentences])
    others = Answers(*(said[torch.from_numpy(rng.integers(len(said), size=how.others))] for said in known))
    candidates = Answers(*(torch.cat(both) for both in zip(student, others, strict=True)))
    true_candidates = Answers(*(torch.cat(both) for both in zip(teacher, others, strict=True)))
    finds_texts = affinity(student.images, candidates.texts, teacher.images, true_candidates.texts, how.temperature)
    finds_images = affinity(student.texts, candidates.images, teacher.texts, true_candidates.images, how.temperature)
    parts = {
        "distance_images": how.distance * distance(student.images, teacher.images),
        "distance_texts": how.distance * distance(student.texts, teacher.texts),
        "affinity": how.affinity * (finds_texts + finds_images) / 2,
    }
    total = torch.stack(list(parts.values())).sum()
    total.backward()  # type: ignore[no-untyped-call]
    return Losses(total.detach(), parts)


def embed_batch(student: CLIPModel, pictures: Pictures, batch: Batch) -> tuple[Tensor, Tensor]:
    """The batch's varied pictures and its captions as unit vectors, ``float32 (n, d)`` each."""
    with autocast(student.device):
        images = ClipImageTower(student)(vary(pictures, batch.pictures, batch.variation))
        texts = embed_by_length(ClipTextTower(student), batch.ids, batch.mask, student.config.projection_dim)
    return F.normalize(images.float(), dim=-1), F.normalize(texts.float(), dim=-1)


def judge_student(distilling: Distilling) -> None:
    """Ask val about the student as it is now."""
    base = as_base(copy.deepcopy(distilling.student), distilling.tokenizer, distilling.how)
    judge(distilling.run, base.encoder(precision(distilling.device)), distilling.val, partial(keep, distilling))


def keep(distilling: Distilling, evaluation: Evaluation | None) -> None:
    """Write the student in float16, as plain transformers reads a CLIP."""
    teacher, digest = distilling.teacher
    made_of = {
        "teacher": {"name": teacher, "digest": digest},
        "step": distilling.run.state.step,
        "val": figures(evaluation),
        "recipe": recipe(distilling.how),
    }
    halved = as_base(copy.deepcopy(distilling.student).half(), distilling.tokenizer, distilling.how)
    save_base(halved, distilling.run.folder / MODEL, made_of)
