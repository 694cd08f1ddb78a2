"""Adapting a base to somebody's own people, from top to bottom.

``finetune`` puts small matrices into a frozen base, lets some of its own weights learn, or gives it a head that says what is worn, and
repeats: draw a batch, take the gradient of the losses over all of it chunk by chunk, step. Now and then val says whether it is the best
yet; the best becomes the adapter or the model.
A run that was killed goes on along the same curve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from passerby.data.datasets import load_dataset
from passerby.errors import ConfigError, DatasetError, ModelError
from passerby.learn.config import comparable, recipe
from passerby.learn.data.augment import Pictures, Variation, vary
from passerby.learn.data.batches import Batch, pictures_on
from passerby.learn.data.labels import training_labels
from passerby.learn.data.resized import FOLDER, end_of_run
from passerby.learn.data.stream import Stream, batches_of
from passerby.learn.data.training_set import TrainingSet, digest_of, drawn_records, lines_of, training_set, val_of
from passerby.learn.gain import gain_over, read_start, save_start
from passerby.learn.judge import AUC, RANK1, ask_val, figures, judge
from passerby.learn.loop.allocator import keep_freed_memory
from passerby.learn.loop.checkpoint import save
from passerby.learn.loop.device import autocast, best_device, precision
from passerby.learn.loop.run import ALREADY_FINISHED, Losses, Run, Span, begin, take_steps
from passerby.learn.loop.schedule import Schedule
from passerby.learn.lora.adaptation import Adaptation
from passerby.learn.lora.adapter import adapter_weights, write_adapter
from passerby.learn.lora.learning import Learning, build_optimiser, holding, learning
from passerby.learn.lora.lora import adapt, share, start_learning, target_layers, towers_left_out
from passerby.learn.models.attribute_head import AttributeHead
from passerby.learn.models.base import Base
from passerby.learn.models.dual_encoder import with_attributes
from passerby.learn.models.model_folder import require_vacant, save_base
from passerby.learn.models.torch_encoder import load_tokenizer
from passerby.learn.objectives.cross_batch_memory import Candidates, Pairs
from passerby.learn.objectives.gradcache import Chunk, cached_backward, plain_backward
from passerby.learn.objectives.head import begin_with_shares, head_gradients
from passerby.learn.objectives.locked import locked_means, worn_in_all
from passerby.learn.objectives.losses import pair_losses, worn_as_before
from passerby.measure.evaluation import Evaluation
from passerby.measure.metrics import Estimate
from passerby.measure.split import FEWEST, few_people
from passerby.types import Dataset, Problem, Split
from passerby.words.attributes import NAMES

BEST = "best.pt"
"""In a run's folder, what its adapter or model will be made of."""
FEW = 50
"""With fewer captions than this, what an adapter learns is mostly these very pictures."""
SPLIT_ADVICE = "add a column `split`: train for most people, val for the others"


@dataclass(frozen=True, slots=True)
class Finetuned:
    """What a run has made.

    Args:
        folder: of the adapter or model.
        problems: what was wrong with the dataset's records.
        unread: how many pictures of val could not be read.
        gain: Rank-1 on val minus that of the base, in points; ``None`` without a val split, or where vectors stay as they are.
    """

    folder: Path
    problems: tuple[Problem, ...] = ()
    unread: int = 0
    gain: Estimate | None = None

    @property
    def is_better(self) -> bool:
        """Whether more is found than with the base, as far as val can tell."""
        return self.gain is None or self.gain.mean > 0


@dataclass(frozen=True, slots=True)
class Finetuning:
    """What the steps of a run share.

    Args:
        stream: how batches are drawn, no larger than the data.
        start: what learns, as it was before the first step.
        adapted: the base with LoRA's matrices, where these learn.
        problems: what was wrong with the dataset's records.
        labels: float32 (n, a), of each picture whether each attribute is worn, as
            :func:`~passerby.learn.data.labels.training_labels` has it; a is 0 where no head for them learns.
    """

    base: Base
    how: Adaptation
    data: TrainingSet
    val: Dataset
    stream: Stream
    start: dict[str, Tensor]
    adapted: PeftModel | None
    problems: tuple[Problem, ...]
    labels: NDArray[np.float32]
    run: Run

    @property
    def judged_by(self) -> str:
        """The figure of val that decides."""
        return RANK1 if self.head is None else AUC

    @property
    def head(self) -> AttributeHead | None:
        """The head for attributes, where it learns."""
        return self.base.model.image_tower.worn if self.how.learns == "attributes" else None

    @property
    def device(self) -> torch.device:
        return next(self.base.model.parameters()).device

    @property
    def precision(self) -> torch.dtype:
        return precision_of(self.how, self.device)


def finetune(base: Base, data: Path, out: Path, how: Adaptation, say: Callable[[str], None], *, keep_pictures: bool = False) -> Finetuned:
    """Train an adapter or a model, from the last checkpoint where there is one; checkpoints and the log are in ``OUT.run`` beside it.

    Args:
        base: is used up.
        data: a dataset's folder or table, as ``load_dataset`` reads it.
        out: the adapter's folder, or the model's where weights of its own learn; one that is there makes way in the end.
        say: takes one line of text at a time, for people.
        keep_pictures: whether the resized pictures stay in ``OUT.run`` when the run has ended.

    Raises:
        ConfigError: a checkpoint of another run lies there, be it one on other data or at another size, or targets that match nothing.
        DatasetError: too little to learn from, training pictures that cannot be read, or a val split that cannot be asked.
        ModelError: something else lies at ``out``, or what it is made of; a base that says what is worn where a head for it was to learn;
            or a loss is not finite: the batch is named.
    """
    require_vacant(out, base.folder, data, adapter=how.learns == "lora")
    keep_freed_memory()
    torch.manual_seed(how.seed)
    tuning = prepare(base, data, out.with_name(f"{out.name}.run"), how, say)
    learn(tuning)
    made = finish(tuning, out)
    end_of_run(tuning.run.folder, say, keep=keep_pictures)
    return made


def prepare(base: Base, data: Path, folder: Path, how: Adaptation, say: Callable[[str], None]) -> Finetuning:
    """Everything read and built around a base, the last checkpoint loaded."""
    require_tokens(base, how)
    base = with_head(base) if how.learns == "attributes" else base
    dataset = load_dataset(data, {Split.TRAIN, Split.VAL})
    training, val = read_data(dataset, folder, how, load_tokenizer(base.tokenizer, how.words.max_tokens), say)
    folder.mkdir(parents=True, exist_ok=True)
    stream = stream_of(base, how, training)
    adapted = let_learn(base, how)
    for tower in towers_left_out(base.model) if adapted else ():
        say(f"the targets {', '.join(how.lora.targets)} are in no layer of the {tower}: it stays as it is")
    labels = labels_to_learn(base, data, how, training, say)
    begin_with_shares(base.model.image_tower.worn, labels)
    say(f"{share(base.model)}; {len(training.records)} pictures of {training.people} people, {stream.batch_size} in a batch")
    if how.checkpointing:
        base.model.recompute_in_backward()
    device = best_device()
    base.model.place(device)
    start = {name: weight.clone() for name, weight in Learning(base.model).state_dict().items()}
    run = begin(
        folder,
        seed=how.seed,
        schedule=Schedule(how.steps, how.optimiser.warm_up, how.optimiser.decay),
        learns=list(learning(base.model).values()),
        clip=how.optimiser.clip,
        optimiser=build_optimiser(base.model, how.optimiser),
        parts={"weights": Learning(base.model)},
        recipe={
            **comparable(how),
            "base": base.digest,
            "attribute_names": list(base.model.attributes),
            "data": digest_of(dataset),
            "input": base.preprocessing.to_json(),
        },
        checkpoint_minutes=how.checkpoint_minutes,
        say=say,
        scaler=torch.amp.GradScaler(device.type, enabled=precision_of(how, device) is torch.float16 and how.learns != "attributes"),
    )
    return Finetuning(base, how, training, val, stream, start, adapted, dataset.problems, labels, run)


def with_head(base: Base) -> Base:
    """A base with a head for attributes that knows nothing yet. Raises ``ModelError`` for a base that has one."""
    if base.model.attributes:
        raise ModelError(
            expected="a base that does not say what is worn, to fit a head for it",
            found=f"{base.name}, which says it of {len(base.model.attributes)} attributes",
            do="use it as it is, or adapt it without --attributes, which keeps that true",
        )
    return replace(base, model=with_attributes(base.model, NAMES))


def labels_to_learn(base: Base, data: Path, how: Adaptation, training: TrainingSet, say: Callable[[str], None]) -> NDArray[np.float32]:
    """What is known of the attributes that a head learns to say: float32 (n, a). Raises ``DatasetError`` for damaged annotations."""
    if how.learns != "attributes":
        return np.empty((len(training.records), 0), np.float32)
    return training_labels(training, base.model.attributes, data, how.seed, say)


def let_learn(base: Base, how: Adaptation) -> PeftModel | None:
    """Choose what takes gradients, in place: LoRA's matrices, put in here, or weights of the base.

    Raises:
        ConfigError: targets that match no layer of this base.
    """
    if how.learns == "lora":
        return adapt(base, how.lora)
    if how.learns == "attributes":
        head = base.model.image_tower.worn
        assert head is not None
        head.requires_grad_(True)
        head.dropout.p = how.head_dropout
    elif how.learns == "all":
        base.model.requires_grad_(True)
    else:
        for name in target_layers(base.model, ["projection"]):
            base.model.adaptable.get_submodule(name).requires_grad_(True)
    return None


def read_data(
    dataset: Dataset, folder: Path, how: Adaptation, tokenizer: Tokenizer, say: Callable[[str], None]
) -> tuple[TrainingSet, Dataset]:
    """What to learn from and what to judge by; says what is wrong or thin, refuses what cannot teach. Raises ``DatasetError``.

    Args:
        folder: of the run, where drawn people are kept.
    """
    for line in lines_of(dataset.problems):
        say(line)
    if all(record.split is Split.VAL for record in dataset.records):
        raise DatasetError(
            expected="pictures to train on", found=f"{len(dataset.records)} of val alone (what has no split is val)", do=SPLIT_ADVICE
        )
    drawn = drawn_records(folder, how.drawn, how.seed)
    swaps, shortened_by = how.losses.swapped_colours > 0, how.seed if how.words.shortened else None
    training = training_set(dataset, drawn, tokenizer, captioned_only=False, swaps=swaps, shortened_by=shortened_by)
    if training.people < 2:
        raise DatasetError(expected="people to tell apart", found="pictures of one person", do="add other people, or check the column `id`")
    val = val_of(dataset)
    captions = sum(len(said) for words in training.words[: training.rows(0)] for said in words.values())
    if captions < FEW:
        say(f"only {captions} captions to learn from: expect little of it on other people; a hundred are a start")
    judges = len({record.identity for record in val.records})
    if 0 < judges < FEWEST:
        say(f"val: {few_people(judges)}")
    if not val.records:
        say(f"no val split: nothing says when to stop or whether it helps, and the last step is kept; {SPLIT_ADVICE}")
    return training, val


def stream_of(base: Base, how: Adaptation, data: TrainingSet) -> Stream:
    """Batches no larger than the data, of pictures as the base takes them."""
    p, rows = base.preprocessing, len(data.records)
    optimiser = replace(how.optimiser, batch_size=min(how.optimiser.batch_size, rows))
    return Stream.of(how.seed, rows, (p.height, p.width), how.pixels, how.words, optimiser, swaps=how.losses.swapped_colours > 0)


def require_tokens(base: Base, how: Adaptation) -> None:
    """Raises ``ConfigError`` where longer captions are wanted than the base takes."""
    if how.words.max_tokens > base.max_tokens:
        raise ConfigError(expected=f"words.max_tokens up to {base.max_tokens}", found=f"{how.words.max_tokens}", do="lower it")


def learn(tuning: Finetuning) -> None:
    """All steps still to come, until val has said often enough that it gets no better."""
    how, run = tuning.how, tuning.run
    if run.state.step >= how.steps or 0 < how.patience <= run.state.waited:
        run.log.say(ALREADY_FINISHED.format(step=run.state.step))
        return
    pictures = pictures_on(tuning.device, tuning.data.records, tuning.base.preprocessing, run.folder / FOLDER, run.log.say)
    if tuning.val.records and run.state.step == 0:
        judge_base(tuning)
    span = Span(0, how.steps, how.judge_every)
    take_steps(
        run,
        span,
        until_no_better(run, how.patience, batches_of(tuning.data, tuning.stream, span, run.state.step)),
        gradients=gradients_of(tuning, pictures),
        judge=partial(judge_kept, tuning),
        name=tuning.data.names,
    )


def gradients_of(tuning: Finetuning, pictures: Pictures) -> Callable[[Batch], Losses]:
    """What takes the gradients of a batch, with all that is asked of what stands still beforehand."""
    if tuning.head is None:
        return partial(gradients, tuning, pictures, worn_before(tuning, pictures))
    with autocast(tuning.device, tuning.precision):
        means = locked_means(tuning.base.model.image_tower, pictures, tuning.run.log.say).means
    assert means is not None
    tuning.head.settle(means)
    return partial(alone, tuning, tuning.head, means)


def alone(tuning: Finetuning, head: AttributeHead, means: Tensor, batch: Batch) -> Losses:
    """As :func:`gradients`, of what the head for attributes reads in what was pooled of all pictures; all else stands still."""
    start_learning(head)
    return head_gradients(head, means, tuning.labels, tuning.how.losses, batch)


def worn_before(tuning: Finetuning, pictures: Pictures) -> Tensor:
    """What the base says of what is worn in every picture: ``float32 (n, a)``, log-odds."""
    with holding(tuning.base.model, tuning.start):
        return worn_in_all(tuning.base.model, pictures)


def until_no_better(run: Run, patience: int, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches until so many judgements in a row were no better than the best; with a patience of 0, all."""
    for batch in batches:
        if 0 < patience <= run.state.waited:
            run.log.say(f"stopped at step {run.state.step}: val was no better {run.state.waited} times in a row")
            return
        yield batch


def gradients(tuning: Finetuning, pictures: Pictures, before: Tensor, batch: Batch) -> Losses:
    """Losses in float32 over the whole batch, gradients chunk by chunk; each loss as weighted.

    Args:
        before: ``float32 (pictures, a)``, the log-odds of attributes that the base gave.
    """
    model, how, scaler = tuning.base.model, tuning.how, tuning.run.scaler
    start_learning(model)
    identities, swapped_from = batch.identities.to(tuning.device), batch.swapped_from.to(tuning.device)
    lengths = batch.mask.sum(dim=1)
    by_length = lengths.argsort(stable=True)
    back = by_length.argsort().to(tuning.device)
    n = len(batch)
    parts: dict[str, Tensor] = {}

    def loss(embeddings: Tensor) -> Tensor:
        images, log_odds = embeddings[:n].tensor_split([model.dim], dim=1)
        texts, swapped = embeddings[n:, : model.dim][back].tensor_split([n])
        pairs = Pairs(images, texts, identities)
        parts.update(pair_losses(how.losses, pairs, Candidates(images, identities), Candidates(texts, identities), swapped, swapped_from))
        if model.attributes:
            parts["attributes"] = how.losses.attributes * worn_as_before(log_odds, before[batch.pictures.to(before.device)])
        scaled: Tensor = scaler.scale(torch.stack(list(parts.values())).sum())
        return scaled

    shown = [partial(embed_pictures, tuning, pictures, batch, rows) for rows in torch.arange(n).split(how.chunk)]  # type: ignore[no-untyped-call]
    said = [partial(embed_captions, tuning, batch, rows) for rows in by_length.split(how.chunk)]  # type: ignore[no-untyped-call]
    chunks: list[Chunk] = [*shown, *said]
    total = plain_backward(chunks, loss) if n <= how.chunk else cached_backward(chunks, loss, tuning.device)
    return Losses(total, {name: part for name, part in parts.items() if getattr(how.losses, name)})


def embed_pictures(tuning: Finetuning, pictures: Pictures, batch: Batch, rows: Tensor) -> Tensor:
    """Vectors, and beside them the log-odds of attributes."""
    varied = vary(pictures, batch.pictures[rows], Variation(*(part[rows] for part in batch.variation)))
    with autocast(tuning.device, tuning.precision):
        return torch.cat(tuning.base.model.see(varied), dim=1)


def embed_captions(tuning: Finetuning, batch: Batch, rows: Tensor) -> Tensor:
    """Vectors, as wide as those of pictures with what is beside them."""
    longest = int(batch.mask[rows].sum(dim=1).max())
    ids, mask = (part[rows, :longest].to(tuning.device) for part in (batch.ids, batch.mask))
    with autocast(tuning.device, tuning.precision):
        return F.pad(tuning.base.model.embed_texts(ids, mask), (0, len(tuning.base.model.attributes)))


def judge_base(tuning: Finetuning) -> None:
    """Ask val before the first step, to know in the end what was gained; says which of its pictures cannot be read.

    Raises:
        DatasetError: none of them can be, or those of one person alone.
    """
    evaluation, _ = ask_val(tuning.run, tuning.base.encoder(tuning.precision), tuning.val, tuning.judged_by)
    for failure in evaluation.split.failures:
        tuning.run.log.say(f"{failure.path}: {failure.reason}")
    save_start(tuning.run.folder, evaluation)


def judge_kept(tuning: Finetuning) -> None:
    """Ask val about what would be kept of what was learnt."""
    weights = kept_weights(tuning)
    with holding(tuning.base.model, weights):
        judge(tuning.run, tuning.base.encoder(tuning.precision), tuning.val, partial(keep, tuning, weights), tuning.judged_by)


def keep(tuning: Finetuning, weights: dict[str, Tensor], evaluation: Evaluation | None) -> None:
    compared = evaluation if tuning.head is None else None
    gain = asdict(gain_over(read_start(tuning.run.folder), compared)) if compared else None
    save(tuning.run.folder / BEST, {"weights": weights, "step": tuning.run.state.step, "val": figures(evaluation), "gain": gain})


def kept_weights(tuning: Finetuning) -> dict[str, Tensor]:
    """What has been learnt, a share of the way from the base: Wortsman et al., "Robust fine-tuning of zero-shot models" (CVPR 2022).

    Of LoRA's two matrices the second alone, which starts as zeros, is taken back; so their product has gone that share of the way.
    """
    start, share_kept = tuning.start, tuning.how.keep
    learnt = Learning(tuning.base.model).state_dict()
    return {name: weight.clone() if "lora_A" in name else torch.lerp(start[name], weight, share_kept) for name, weight in learnt.items()}


def finish(tuning: Finetuning, out: Path) -> Finetuned:
    """The best adapter or model, from the run's folder to its own."""
    base = tuning.base
    start = read_start(tuning.run.folder) if tuning.val.records else None
    best = torch.load(tuning.run.folder / BEST, weights_only=True, map_location="cpu")
    Learning(base.model).load_state_dict(best["weights"])
    if tuning.head is not None:
        tuning.head.fold()
    trained = {
        "step": best["step"],
        "val": best["val"],
        "base_val": start.val if start else {},
        "gain": best["gain"],
        "recipe": {**recipe(tuning.how), "batch_size": tuning.stream.batch_size},
        "captioned_pictures": tuning.data.rows(0),
    }
    if tuning.adapted is None:
        save_base(base, out, made_of={"base": {"name": base.name, "digest": base.digest}, **trained})
    else:
        write_adapter(out, base, tuning.adapted.peft_config["default"], adapter_weights(tuning.adapted), trained)
    return Finetuned(out, tuning.problems, start.unread if start else 0, Estimate(**best["gain"]) if best["gain"] else None)


def precision_of(how: Adaptation, device: torch.device) -> torch.dtype:
    if how.precision == "auto":
        return precision(device)
    chosen: torch.dtype = getattr(torch, how.precision)
    return chosen
