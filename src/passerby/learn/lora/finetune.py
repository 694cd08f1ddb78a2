"""Adapting a base to somebody's own people, from top to bottom.

``finetune`` puts small matrices into a frozen base, or lets some of its own weights learn, and repeats: draw a batch, take the gradient of
the losses over all of it chunk by chunk, step. Now and then val says whether it is the best yet; the best becomes the adapter or the model.
A run that was killed goes on along the same curve.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from tokenizers import Tokenizer
from torch import Tensor, nn

from passerby.data.datasets import load_dataset
from passerby.errors import ConfigError, DatasetError, ModelError
from passerby.learn.config import Optimiser, Stage, TrainConfig
from passerby.learn.data.augment import Pictures, Variation, vary
from passerby.learn.data.batches import Batch, store_pictures
from passerby.learn.data.resized import FOLDER, end_of_run
from passerby.learn.data.training_set import TrainingSet, training_set
from passerby.learn.loop.allocator import keep_freed_memory
from passerby.learn.loop.checkpoint import Checkpoint, Progress, Stateful, save
from passerby.learn.lora.adaptation import Adaptation
from passerby.learn.lora.adapter import adapter_weights, write_adapter
from passerby.learn.lora.lora import adapt, share, start_learning, target_layers
from passerby.learn.models.base import Base
from passerby.learn.models.model_folder import require_vacant, save_base
from passerby.learn.models.torch_encoder import load_tokenizer
from passerby.learn.objectives.cross_batch_memory import Candidates, Pairs
from passerby.learn.objectives.gradcache import Chunk, cached_backward, plain_backward
from passerby.learn.objectives.losses import pair_losses
from passerby.learn.train import Log, batches_from, drawn_ahead, precision, require_questions, set_rates
from passerby.measure.evaluation import evaluate
from passerby.measure.split import FEWEST, few_people
from passerby.types import Dataset, Split

BEST = "best.pt"
FEW = 50
"""With fewer captions than this, what an adapter learns is mostly these very pictures."""
SPLIT_ADVICE = "add a column `split`: train for most people, val for the others"


@dataclass(frozen=True, slots=True)
class Run:
    """All that the steps of a run share.

    Args:
        plan: the run as those parts of ``passerby.learn.train`` know it that both have in common: one stage, two towers.
        start: what learns, as it was before the first step.
        adapted: the base with LoRA's matrices, where these learn.
        folder: for checkpoints, the log and the pictures.
    """

    base: Base
    how: Adaptation
    plan: TrainConfig
    training: TrainingSet
    val: Dataset
    start: dict[str, Tensor]
    adapted: PeftModel | None
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    checkpoint: Checkpoint
    progress: Progress
    log: Log
    folder: Path

    @property
    def device(self) -> torch.device:
        return next(self.base.model.parameters()).device

    @property
    def precision(self) -> torch.dtype:
        return precision_of(self.how, self.device)


def finetune(base: Base, data: Path, out: Path, how: Adaptation, say: Callable[[str], None], *, keep_pictures: bool = False) -> Path:
    """Train an adapter or a model, from the last checkpoint where there is one; checkpoints and the log are in ``OUT.run`` beside it.

    Args:
        base: is used up.
        data: a dataset's folder or table, as ``load_dataset`` reads it.
        out: the adapter's folder, or the model's where weights of its own learn; what is there of ours makes way in the end.
        say: takes one line of text at a time, for people.
        keep_pictures: whether the resized pictures stay in ``OUT.run`` when the run has ended.

    Returns:
        ``out``.

    Raises:
        ConfigError: a checkpoint of another run lies there, or targets that match nothing.
        DatasetError: too little to learn from, or a val split that cannot be asked.
        ModelError: something else lies at ``out``; or the loss is not finite: the last checkpoint is kept, the batch is named.
    """
    require_vacant(out)
    keep_freed_memory()
    torch.manual_seed(how.seed)
    run = begin(base, data, out.with_name(f"{out.name}.run"), how, say)
    learn(run, say)
    finish(run, out)
    end_of_run(run.folder, say, keep=keep_pictures)
    return out


def begin(base: Base, data: Path, folder: Path, how: Adaptation, say: Callable[[str], None]) -> Run:
    """Everything read and built around a base, the last checkpoint loaded."""
    cutting = load_tokenizer(base.tokenizer, how.words.max_tokens)
    require_tokens(base, how)
    training, val = read_data(data, how, cutting, say)
    folder.mkdir(parents=True, exist_ok=True)
    plan = plan_of(base, data, folder, how, training)
    adapted = let_learn(base, how)
    say(f"{share(base.model)}; {len(training.records)} pictures of {training.people} people, {plan.optimiser.batch_size} in a batch")
    if how.checkpointing:
        base.model.recompute_in_backward()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base.model.place(device)
    start = {name: weight.clone() for name, weight in Learning(base.model).state_dict().items()}
    optimiser = build_optimiser(base.model, how.optimiser)
    scaler = torch.amp.GradScaler(device.type, enabled=precision_of(how, device) is torch.float16)
    parts: dict[str, Stateful] = {"weights": Learning(base.model), "optimiser": optimiser, "scaler": scaler}
    checkpoint = Checkpoint(folder, {**asdict(how), "base": base.digest}, parts)
    progress = checkpoint.resume()
    log = Log(folder / "log.jsonl", say, progress.step)
    return Run(base, how, plan, training, val, start, adapted, optimiser, scaler, checkpoint, progress, log, folder)


def let_learn(base: Base, how: Adaptation) -> PeftModel | None:
    """Choose what takes gradients, in place: LoRA's matrices, put in here, or weights of the base.

    Raises:
        ConfigError: targets that match no layer of this base.
    """
    if how.learns == "lora":
        return adapt(base, how.lora)
    if how.learns == "all":
        base.model.requires_grad_(True)
    else:
        for name in target_layers(base.model, ["projection"]):
            base.model.adaptable.get_submodule(name).requires_grad_(True)
    return None


def read_data(data: Path, how: Adaptation, tokenizer: Tokenizer, say: Callable[[str], None]) -> tuple[TrainingSet, Dataset]:
    """What to learn from and what to judge by; says what is thin, refuses what cannot teach. Raises ``DatasetError``."""
    dataset = load_dataset(data, {Split.TRAIN, Split.VAL})
    val = Dataset(dataset.name, tuple(r for r in dataset.records if r.split is Split.VAL))
    if len(val.records) == len(dataset.records):
        raise DatasetError(
            expected="pictures to train on", found=f"{len(val.records)} of val alone (what has no split is val)", do=SPLIT_ADVICE
        )
    training = training_set(dataset, (), tokenizer, captioned_only=False, swaps=how.losses.swapped_colours > 0)
    if training.people < 2:
        raise DatasetError(expected="people to tell apart", found="pictures of one person", do="add other people, or check the column `id`")
    require_questions(val)
    captions = sum(len(said) for words in training.words for said in words.values())
    if captions < FEW:
        say(f"only {captions} captions to learn from: expect little of it on other people; a hundred are a start")
    judges = len({record.identity for record in val.records})
    if 0 < judges < FEWEST:
        say(f"val: {few_people(judges)}")
    if not val.records:
        say(f"no val split: nothing says when to stop or whether it helps, and the last step is kept; {SPLIT_ADVICE}")
    return training, val


def plan_of(base: Base, data: Path, folder: Path, how: Adaptation, training: TrainingSet) -> TrainConfig:
    """As many epochs as hold the steps, in batches no larger than the data."""
    batch_size = min(how.optimiser.batch_size, len(training.records))
    epochs = math.ceil(how.steps / (len(training.records) // batch_size))
    p = base.preprocessing
    return TrainConfig(
        data=str(data),
        out=str(folder),
        stages=(Stage(p.height, p.width, epochs, losses=how.losses),),
        seed=how.seed,
        words=how.words,
        pixels=how.pixels,
        optimiser=replace(how.optimiser, batch_size=batch_size),
    )


def require_tokens(base: Base, how: Adaptation) -> None:
    """Raises ``ConfigError`` where longer captions are wanted than the base takes."""
    if how.words.max_tokens > base.max_tokens:
        raise ConfigError(expected=f"words.max_tokens up to {base.max_tokens}", found=f"{how.words.max_tokens}", do="lower it")


def learn(run: Run, say: Callable[[str], None]) -> None:
    """All steps still to come, until val has said often enough that it gets no better."""
    if run.progress.step >= run.how.steps:
        return
    (stage,) = run.plan.stages
    p = run.base.preprocessing
    stored = store_pictures(run.training.records, p, run.folder / FOLDER, say)
    pictures = Pictures(torch.from_numpy(stored).to(run.device), p)
    to_come = islice(batches_from(run.plan, run.training, stage, 0, run.progress.step), max(0, run.how.steps - run.progress.step))
    saved, first, spent = time.monotonic(), run.progress.step, 0.0
    for _, step, batch in drawn_ahead(run.plan, run.training, stage, to_come):
        if gave_up(run):
            say(f"stopped at step {step}: val was no better {run.progress.waited} times in a row")
            break
        torch.manual_seed(run.how.seed * 1_000_003 + step)
        set_rates(run.optimiser, step, run.how.steps, run.plan.optimiser)
        started = time.monotonic()
        losses = take_step(run, pictures, batch)
        spent += time.monotonic() - started
        run.progress.step = step + 1
        run.log.step(run.progress.step, run.how.steps, len(batch.identities), losses)
        judged = run.progress.step % run.how.judge_every == 0 or run.progress.step == run.how.steps
        if judged:
            judge(run)
        if judged or time.monotonic() - saved > run.how.checkpoint_minutes * 60:
            run.checkpoint.write(run.progress)
            saved = time.monotonic()
    if taken := run.progress.step - first:
        say(f"{taken} steps, {spent / taken:.1f} s each")


def gave_up(run: Run) -> bool:
    return 0 < run.how.patience <= run.progress.waited


def take_step(run: Run, pictures: Pictures, batch: Batch) -> dict[str, float]:
    """Losses in float32 over the whole batch, gradients chunk by chunk, clip, step; returns each loss as weighted.

    Raises:
        ModelError: a loss or a gradient that is not finite, naming the batch; nothing is changed then.
    """
    start_learning(run.base.model)
    run.optimiser.zero_grad(set_to_none=True)
    identities, swapped_from = batch.identities.to(run.device), batch.swapped_from.to(run.device)
    lengths = batch.mask.sum(dim=1)
    by_length = lengths.argsort(stable=True)
    back = by_length.argsort().to(run.device)
    n = len(identities)
    parts: dict[str, Tensor] = {}

    def loss(embeddings: Tensor) -> Tensor:
        images, (texts, swapped) = embeddings[:n], embeddings[n:][back].tensor_split([n])
        pairs = Pairs(images, texts, identities)
        parts.update(
            pair_losses(run.how.losses, pairs, Candidates(images, identities), Candidates(texts, identities), swapped, swapped_from)
        )
        scaled: Tensor = run.scaler.scale(torch.stack(list(parts.values())).sum())
        return scaled

    shown = [partial(embed_pictures, run, pictures, batch, rows) for rows in torch.arange(n).split(run.how.chunk)]  # type: ignore[no-untyped-call]
    said = [partial(embed_captions, run, batch, rows) for rows in by_length.split(run.how.chunk)]  # type: ignore[no-untyped-call]
    chunks: list[Chunk] = [*shown, *said]
    value = plain_backward(chunks, loss) if n <= run.how.chunk else cached_backward(chunks, loss, run.device)
    require_finite(run, batch, value, parts)
    run.scaler.unscale_(run.optimiser)
    norm = nn.utils.clip_grad_norm_(learning(run.base.model).values(), run.how.optimiser.clip)
    if not run.scaler.is_enabled():  # in float16 a step that overflows is left out, and the scale is lowered
        require_finite(run, batch, norm, parts)
    run.scaler.step(run.optimiser)
    run.scaler.update()
    return {name: float(part.detach()) for name, part in parts.items() if getattr(run.how.losses, name)}


def embed_pictures(run: Run, pictures: Pictures, batch: Batch, rows: Tensor) -> Tensor:
    varied = vary(pictures, batch.pictures[rows], Variation(*(part[rows] for part in batch.variation)))
    with torch.autocast(run.device.type, run.precision, enabled=run.precision is not torch.float32):
        return run.base.model.embed_images(varied)


def embed_captions(run: Run, batch: Batch, rows: Tensor) -> Tensor:
    longest = int(batch.mask[rows].sum(dim=1).max())
    ids, mask = (part[rows, :longest].to(run.device) for part in (batch.ids, batch.mask))
    with torch.autocast(run.device.type, run.precision, enabled=run.precision is not torch.float32):
        return run.base.model.embed_texts(ids, mask)


def require_finite(run: Run, batch: Batch, value: Tensor, parts: dict[str, Tensor]) -> None:
    """Raises ``ModelError`` for a value that is not; what was good until then becomes the checkpoint."""
    if value.isfinite():
        return
    run.checkpoint.write(run.progress)
    names = [run.training.records[row].name for row in batch.pictures.tolist()]
    told = ", ".join(f"{name} {float(part.detach()):.3g}" for name, part in parts.items())
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    raise ModelError(
        expected=f"a finite loss and gradient at step {run.progress.step + 1}",
        found=f"{told} on {', '.join(names[:3])}{more}",
        do=f"lower the rates and name another --out; {run.checkpoint.path} keeps what was learnt before this step",
    )


def judge(run: Run) -> None:
    """Evaluate what would be kept on val; keep it where it is the best yet. Without a val split the latest is kept."""
    report: dict[str, Any] = {}
    weights = kept_weights(run)
    if run.val.records:
        with holding(run.base.model, weights):
            report = evaluate(run.base.encoder(run.precision), run.val).to_json()
        run.log.epoch(run.progress.step, report)
        if report["rank1"] <= run.progress.best_rank1:
            run.progress.waited += 1
            return
        run.progress.best_rank1, run.progress.waited = report["rank1"], 0
    told = {key: report[key] for key in ("rank1", "mAP", "queries", "protocol") if key in report}
    save(run.folder / BEST, {"weights": weights, "step": run.progress.step, "val": told})


def kept_weights(run: Run) -> dict[str, Tensor]:
    """What has been learnt, a share of the way from the base: Wortsman et al., "Robust fine-tuning of zero-shot models" (CVPR 2022).

    Of LoRA's two matrices the second alone, which starts as zeros, is taken back; so their product has gone that share of the way.
    """
    learnt = Learning(run.base.model).state_dict()
    return {
        name: weight.clone() if "lora_A" in name else torch.lerp(run.start[name], weight, run.how.keep) for name, weight in learnt.items()
    }


@contextmanager
def holding(model: nn.Module, weights: dict[str, Tensor]) -> Iterator[None]:
    """The model with these weights in place of its own, for a while."""
    own = {name: weight.clone() for name, weight in Learning(model).state_dict().items()}
    Learning(model).load_state_dict(weights)
    try:
        yield
    finally:
        Learning(model).load_state_dict(own)


def finish(run: Run, out: Path) -> None:
    """The best adapter or model, from the run's folder to its own."""
    best = torch.load(run.folder / BEST, weights_only=True, map_location="cpu")
    Learning(run.base.model).load_state_dict(best["weights"])
    recipe = {**asdict(run.how), "batch_size": run.plan.optimiser.batch_size}
    trained = {"step": best["step"], "val": best["val"], "recipe": recipe, "captioned_pictures": len(run.training.records)}
    if run.adapted is None:
        save_base(run.base, out, made_of={"base": {"name": run.base.name, "digest": run.base.digest}, "trained": trained})
    else:
        write_adapter(out, run.base, run.adapted.peft_config["default"], adapter_weights(run.adapted), trained)


def precision_of(how: Adaptation, device: torch.device) -> torch.dtype:
    if how.precision == "auto":
        return precision(device)
    chosen: torch.dtype = getattr(torch, how.precision)
    return chosen


def learning(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that take gradients, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


@dataclass(frozen=True, slots=True)
class Learning:
    """The numbers of a model that learn, by name, on the processor."""

    model: nn.Module

    def state_dict(self) -> dict[str, Tensor]:
        return {name: parameter.detach().cpu() for name, parameter in learning(self.model).items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.model.load_state_dict(state, strict=False)


def build_optimiser(model: nn.Module, how: Optimiser) -> torch.optim.Optimizer:
    """AdamW with a rate for each tower and one for projections."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in learning(model).items():
        tower = how.image_rate if "vision_model" in name or "image_tower" in name else how.text_rate
        groups.setdefault(how.head_rate if "projection" in name else tower, []).append(parameter)
    return torch.optim.AdamW(
        [{"params": parameters, "lr": rate, "peak": rate, "weight_decay": how.weight_decay} for rate, parameters in groups.items()],
        fused=True,
    )
