"""Adapting from end to end on drawn people; above all, a run that is cut off ends as an undisturbed one, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from adapting import COMPACT_LORA, clip_base, compact_base, how
from calling import PASSERBY, call
from clip_folder import write_clip
from train_small import prepare

from passerby.data.datasets import load_dataset
from passerby.errors import ConfigError, DatasetError, ModelError
from passerby.learn.config import Losses
from passerby.learn.data.resized import pictures_of
from passerby.learn.loop.checkpoint import CHECKPOINT
from passerby.learn.lora.adapter import attach, read_card
from passerby.learn.lora.finetune import BEST, finetune
from passerby.measure.evaluation import evaluate
from passerby.resolve import load_base
from passerby.types import Split

FILES = {"adapter_config.json", "adapter_model.safetensors", "passerby.json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("adapting")
    prepare(made)
    write_clip(made / "clip")
    return made


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> Path:
    """An adapter for the CLIP, from the first step to the last."""
    said: list[str] = []
    finetune(clip_base(folder / "clip"), folder / "drawn", folder / "undisturbed", how(), said.append)
    (folder / "said.txt").write_text("\n".join(said))
    return folder / "undisturbed"


def state(adapter: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(adapter.with_name(f"{adapter.name}.run") / CHECKPOINT, weights_only=True)
    return loaded


def test_an_adapter_is_a_folder_of_three_files_that_names_its_base(folder: Path, undisturbed: Path) -> None:
    assert {path.name for path in undisturbed.iterdir()} == FILES
    card = read_card(undisturbed)
    base = clip_base(folder / "clip")
    assert (card.base_name, card.base_digest, card.preprocessing) == (str(folder / "clip"), base.digest, base.preprocessing)
    assert card.trained["recipe"]["lora"]["rank"] == 4
    said = (folder / "said.txt").read_text()
    assert re.search(r"4,096 of [\d,]+ parameters learn \(\d+\.\d\d%\); 16 pictures of 8 people, 6 in a batch", said)
    assert "only 32 captions" in said
    assert re.search(r"^6 steps, \d+\.\d s each$", said, re.MULTILINE)


def test_a_finished_run_leaves_no_pictures_of_people(folder: Path, undisturbed: Path) -> None:
    said = (folder / "said.txt").read_text()
    assert f"resized pictures of people, 0.1 MB, go to {folder / 'undisturbed.run' / 'pictures'} until the run has ended" in said
    assert not (folder / "undisturbed.run" / "pictures").exists()
    assert pictures_of(undisturbed) == []


def test_the_adapter_is_the_best_on_val(folder: Path, undisturbed: Path) -> None:
    log = [json.loads(line) for line in (folder / "undisturbed.run" / "log.jsonl").read_text().splitlines()]
    reports = {row["step"]: row["val"]["rank1"] for row in log if "val" in row}
    assert list(reports) == [0, 2, 4, 6]
    base = reports.pop(0)
    card = read_card(undisturbed)
    assert reports[card.trained["step"]] == card.trained["val"]["rank1"] == max(reports.values())
    assert card.trained["base_val"]["rank1"] == base
    assert card.trained["gain"]["mean"] == pytest.approx(max(reports.values()) - base)
    unadapted = evaluate(clip_base(folder / "clip").encoder(), load_dataset(folder / "drawn", {Split.VAL}))
    assert unadapted.metrics.rank1.mean == base
    encoder = attach(clip_base(folder / "clip"), undisturbed).encoder()
    assert evaluate(encoder, load_dataset(folder / "drawn", {Split.VAL})).metrics.rank1.mean == max(reports.values())


def test_a_run_that_is_interrupted_ends_as_an_undisturbed_one(folder: Path, undisturbed: Path) -> None:
    """Amid a judgement, so that the last checkpoint is a step old."""

    def interrupt(line: str) -> None:
        if line.startswith("step 4  val"):
            raise KeyboardInterrupt

    out = folder / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        finetune(clip_base(folder / "clip"), folder / "drawn", out, how(), interrupt)
    assert not out.exists()
    assert state(out)["run"]["step"] == 3
    assert len(pictures_of(out)) == 1, "to go on with"
    finetune(clip_base(folder / "clip"), folder / "drawn", out, how(), lambda _: None)
    assert pictures_of(out) == []
    for part in ("weights", "optimiser", "run"):
        assert str(state(out)[part]) == str(state(undisturbed)[part])
    for name, weight in state(undisturbed)["weights"].items():
        assert torch.equal(state(out)["weights"][name], weight)
    assert (out / "adapter_model.safetensors").read_bytes() == (undisturbed / "adapter_model.safetensors").read_bytes()


def test_a_finished_run_has_nothing_left_to_do(folder: Path, undisturbed: Path) -> None:
    before = (undisturbed / "adapter_model.safetensors").read_bytes()
    steps = state(undisturbed)["run"]
    said: list[str] = []
    finetune(clip_base(folder / "clip"), folder / "drawn", undisturbed, how(), said.append)
    assert "already finished at step 6: nothing learnt" in said
    assert (undisturbed / "adapter_model.safetensors").read_bytes() == before
    assert state(undisturbed)["run"] == steps


def test_a_checkpoint_of_another_run_is_refused_by_what_differs(folder: Path, undisturbed: Path) -> None:
    with pytest.raises(ConfigError, match="another seed, losses"):
        finetune(clip_base(folder / "clip"), folder / "drawn", undisturbed, how(seed=2, losses=Losses(identity=0.0)), lambda _: None)
    write_clip(folder / "other", seed=1)
    with pytest.raises(ConfigError, match="another base"):
        finetune(clip_base(folder / "other"), folder / "drawn", undisturbed, how(), lambda _: None)


class TestGoingOn:
    """What a run that goes on has in common with the one that began."""

    @pytest.fixture
    def begun(self, folder: Path, tmp_path: Path) -> Path:
        """A run cut off after three steps, with its data beside it."""
        shutil.copytree(folder / "drawn", tmp_path / "drawn")

        def interrupt(line: str) -> None:
            if line.startswith("step 4  val"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            finetune(clip_base(folder / "clip"), tmp_path / "drawn", tmp_path / "out", how(), interrupt)
        return tmp_path

    def go_on(self, folder: Path, begun: Path, **changes: Any) -> None:
        finetune(clip_base(folder / "clip"), begun / "drawn", begun / "out", how(**changes), lambda _: None)

    @pytest.mark.parametrize(
        ("old", "new"),
        [("wearing", "in"), ('"split": "val"', '"split": "train"'), ('"id": "train 0', '"id": "train other 0'), ("\n", "\n\n")],
        ids=["captions", "splits", "people", "none"],
    )
    def test_other_data_are_refused_by_what_they_are(self, folder: Path, begun: Path, old: str, new: str) -> None:
        table = begun / "drawn" / "captions.jsonl"
        changed = table.read_text().replace(old, new, 4)
        assert changed != table.read_text()
        table.write_text(changed)
        if not new.strip():
            self.go_on(folder, begun)
            assert state(begun / "out")["run"]["step"] == 6, "the same records, however they are written"
            return
        with pytest.raises(ConfigError, match="one of this run, found one on other data; name another folder for this run, or remove that"):
            self.go_on(folder, begun)
        assert state(begun / "out")["run"]["step"] == 3

    def test_so_they_are_by_a_run_that_has_finished(self, folder: Path, begun: Path) -> None:
        self.go_on(folder, begun)
        card = (begun / "out" / "passerby.json").read_bytes()
        table = begun / "drawn" / "captions.jsonl"
        table.write_text("".join(table.read_text().splitlines(keepends=True)[2:]))
        with pytest.raises(ConfigError, match="one on other data"):
            self.go_on(folder, begun)
        assert (begun / "out" / "passerby.json").read_bytes() == card

    def test_another_size_is_refused(self, folder: Path, begun: Path) -> None:
        square = load_base(str(folder / "clip"), size="32x32")
        with pytest.raises(ConfigError, match="one at another size; name another folder"):
            finetune(square, begun / "drawn", begun / "out", how(), lambda _: None)

    def test_the_data_may_have_moved_and_the_machine_may_have_less_memory(self, folder: Path, begun: Path) -> None:
        (begun / "drawn").rename(begun / "elsewhere")
        changes = {"chunk": 2, "patience": 9, "checkpoint_minutes": 3.0}
        finetune(clip_base(folder / "clip"), begun / "elsewhere", begun / "out", how(**changes), lambda _: None)
        assert state(begun / "out")["run"]["step"] == 6

    def test_a_checkpoint_of_an_earlier_version_is_refused(self, folder: Path, begun: Path) -> None:
        checkpoint = state(begun / "out")
        del checkpoint["recipe"]["data"]
        torch.save({**checkpoint, "format": 2}, begun / "out.run" / CHECKPOINT)
        with pytest.raises(ConfigError, match="one of this version, found one that another version wrote; name another folder"):
            self.go_on(folder, begun)


def test_chunks_do_not_change_what_is_learnt(folder: Path) -> None:
    learnt = []
    for chunk in (1, 100):
        out = folder / f"chunk-{chunk}"
        lora = replace(how().lora, dropout=0.0)
        finetune(clip_base(folder / "clip"), folder / "drawn", out, how(chunk=chunk, steps=1, lora=lora), lambda _: None)
        learnt.append(state(out)["optimiser"]["state"])
    for i in learnt[0]:
        torch.testing.assert_close(learnt[0][i]["exp_avg"], learnt[1][i]["exp_avg"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_towers_in_half_precision(folder: Path, precision: str) -> None:
    out = folder / precision
    finetune(clip_base(folder / "clip"), folder / "drawn", out, how(precision=precision, steps=2, checkpointing=True), lambda _: None)
    assert all(weight.dtype == torch.float32 and weight.isfinite().all() for weight in state(out)["weights"].values())
    assert bool(state(out)["scaler"]) == (precision == "float16")


def test_the_text_tower_and_the_pointwise_convolutions_of_a_compact_model(folder: Path) -> None:
    tokenizer = (folder / "tokenizer.json").read_bytes()
    out = folder / "compact"
    finetune(compact_base(tokenizer), folder / "drawn", out, how(lora=COMPACT_LORA, steps=2), lambda _: None)
    learnt = {name: weight for name, weight in state(out)["weights"].items() if "lora_B" in name}
    assert len(learnt) == 2 * 6 + 32 + 3
    assert all(weight.abs().max() > 0 for weight in learnt.values())


@pytest.mark.parametrize(("target", "still"), [("q", "image tower"), ("pointwise", "text tower")])
def test_targets_of_one_tower_learn_in_chunks_and_the_other_tower_is_said(folder: Path, target: str, still: str) -> None:
    said: list[str] = []
    out = folder / f"one-tower-{target}"
    lora = replace(COMPACT_LORA, targets=(target,))
    base = compact_base((folder / "tokenizer.json").read_bytes())
    finetune(base, folder / "drawn", out, how(lora=lora, steps=2, chunk=4), said.append)
    assert f"the targets {target} are in no layer of the {still}: it stays as it is" in said
    assert all(weight.abs().max() > 0 for name, weight in state(out)["weights"].items() if "lora_B" in name)


@pytest.mark.parametrize("kind", ["clip", "compact"])
@pytest.mark.parametrize("learns", ["heads", "all"])
def test_weights_of_its_own_learn_into_a_model(folder: Path, learns: str, kind: str) -> None:
    """The model that is loaded by its folder is the best that val saw, and only what was to learn differs from the base."""
    base = clip_base(folder / "clip") if kind == "clip" else compact_base((folder / "tokenizer.json").read_bytes())
    before = {name: weight.clone() for name, weight in base.model.state_dict().items()}
    out = folder / f"{learns}-{kind}"
    finetune(base, folder / "drawn", out, how(learns=learns, steps=4), lambda _: None)
    loaded = load_base(str(out))
    changed = {name for name, weight in loaded.model.state_dict().items() if not torch.equal(weight, before[name])}
    projections = {name for name in before if "projection" in name and (kind == "compact" or name.startswith("clip."))}
    assert changed >= projections if learns == "all" else changed == projections
    assert any("blocks.0" in name or "layers.0" in name for name in changed) == (learns == "all")
    best = torch.load(out.with_name(f"{out.name}.run") / BEST, weights_only=True)["val"]["rank1"]
    assert evaluate(loaded.encoder(), load_dataset(folder / "drawn", {Split.VAL})).metrics.rank1.mean == best


@pytest.mark.parametrize("learns", ["lora", "heads", "all"])
def test_half_of_what_was_learnt_may_be_kept(folder: Path, learns: str) -> None:
    """Of LoRA's matrices the second is halved, of everything else the way from the base; what learns is led the same way."""
    halfway, whole = (weights_kept(folder, learns, keep) for keep in (0.5, 1.0))
    before = clip_base(folder / "clip").model.state_dict()
    for name, learnt in whole.items():
        start = learnt if "lora_A" in name else before.get(name, torch.zeros_like(learnt))
        torch.testing.assert_close(halfway[name], (start + learnt) / 2)
    assert any(not torch.equal(halfway[name], learnt) for name, learnt in whole.items())


def weights_kept(folder: Path, learns: str, keep: float) -> dict[str, torch.Tensor]:
    out = folder / f"kept-{learns}-{keep}"
    finetune(clip_base(folder / "clip"), folder / "drawn", out, how(learns=learns, keep=keep, judge_every=6), lambda _: None)
    kept: dict[str, torch.Tensor] = torch.load(out.with_name(f"{out.name}.run") / BEST, weights_only=True)["weights"]
    return kept


def test_val_says_when_to_stop(folder: Path) -> None:
    said: list[str] = []
    out = folder / "patient"
    still = {"image_rate": 0.0, "text_rate": 0.0}
    finetune(clip_base(folder / "clip"), folder / "drawn", out, how(judge_every=1, patience=2, optimiser=still), said.append)
    assert state(out)["run"]["step"] == 3
    assert any("stopped at step 3: val was no better 2 times in a row" in line for line in said)
    assert read_card(out).trained["step"] == 1


def test_a_loss_that_is_not_finite_names_the_batch_and_keeps_what_was_good(folder: Path) -> None:
    out = folder / "diverged"
    with pytest.raises(ModelError, match=r"finite loss .* found sdm .* on (train/\S+, ){2}train/\S+ and 3 more; lower the rates"):
        finetune(clip_base(folder / "clip"), folder / "drawn", out, how(optimiser={"image_rate": 1e38}), lambda _: None)
    assert not out.exists()
    assert state(out)["run"]["step"] >= 1


def test_a_full_disk_is_said_and_the_run_goes_on_once_there_is_room(folder: Path, undisturbed: Path) -> None:
    out = folder / "full"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(line: str) -> None:
        if line.startswith("step 4  val"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, before[1]))

    try:
        with pytest.raises(OSError, match=r"best\.pt cannot be written"):
            finetune(clip_base(folder / "clip"), folder / "drawn", out, how(), fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert state(out)["run"]["step"] == 3
    assert not list(folder.glob("full.run/*.part"))
    finetune(clip_base(folder / "clip"), folder / "drawn", out, how(), lambda _: None)
    assert (out / "adapter_model.safetensors").read_bytes() == (undisturbed / "adapter_model.safetensors").read_bytes()


class TestData:
    @pytest.fixture
    def table(self, folder: Path, tmp_path: Path) -> Path:
        copied = Path(shutil.copytree(folder / "drawn", tmp_path / "drawn"))
        return copied / "captions.jsonl"

    def rows(self, table: Path) -> list[dict[str, str]]:
        return [json.loads(line) for line in table.read_text().splitlines()]

    def write(self, table: Path, rows: list[dict[str, str]]) -> None:
        table.write_text("\n".join(json.dumps(row) for row in rows))

    def refused(self, folder: Path, table: Path, match: str) -> None:
        with pytest.raises(DatasetError, match=match):
            finetune(clip_base(folder / "clip"), table, table.parent / "adapter", how(), lambda _: None)
        assert not (table.parent / "adapter").exists()

    def test_without_a_split_there_is_nothing_to_train_on(self, folder: Path, table: Path) -> None:
        self.write(table, [{key: value for key, value in row.items() if key != "split"} for row in self.rows(table)])
        self.refused(folder, table, r"found 32 of val alone .*; add a column `split`")

    def test_one_person(self, folder: Path, table: Path) -> None:
        self.write(table, [{**row, "id": "only"} for row in self.rows(table)])
        self.refused(folder, table, "people to tell apart, found pictures of one person")

    def test_a_val_split_of_one_person(self, folder: Path, table: Path) -> None:
        self.write(table, [{**row, "id": "one" if row["split"] == "val" else row["id"]} for row in self.rows(table)])
        self.refused(folder, table, "at least two people in the val split")

    def test_val_without_words(self, folder: Path, table: Path) -> None:
        self.write(table, [{**row, "caption": "" if row["split"] == "val" else row["caption"]} for row in self.rows(table)])
        self.refused(folder, table, "captions in the val split")

    def test_no_val_is_said_and_the_last_step_kept(self, folder: Path, table: Path) -> None:
        self.write(table, [row for row in self.rows(table) if row["split"] == "train"])
        said: list[str] = []
        out = finetune(clip_base(folder / "clip"), table, table.parent / "adapter", how(steps=3), said.append).folder
        assert any(line.startswith("no val split") and "add a column `split`" in line for line in said)
        assert read_card(out).trained["step"] == 3

    def test_what_is_wrong_is_said_before_anything_is_learnt(self, folder: Path, table: Path) -> None:
        rows = self.rows(table)
        leaked, lost = rows[0]["id"], rows[-1]["path"]
        (table.parent / lost).unlink()
        self.write(table, [{**row, "id": leaked} if row["path"] == rows[-3]["path"] else row for row in rows])
        said: list[str] = []
        made = finetune(clip_base(folder / "clip"), table, table.parent / "adapter", how(steps=2), said.append)
        assert f"identity {leaked}: is in several splits: train, val; kept in each" in said
        assert any(line.startswith(f"{lost}: cannot be found") for line in said)
        assert len(made.problems) == 2
        assert said.index(f"identity {leaked}: is in several splits: train, val; kept in each") < next(
            place for place, line in enumerate(said) if "parameters learn" in line
        )

    def test_the_command_ends_with_1_where_anything_could_not_be_used(self, folder: Path, table: Path) -> None:
        rows = self.rows(table)
        whole = [f'{row["path"]},"{row["caption"]}",{row["id"]},train' for row in rows if row["split"] == "train"]
        unclosed = table.with_suffix(".csv")
        unclosed.write_text("\n".join(["path,caption,id,split", *whole, 'a.jpg,"a red coat,7,train', *["a.jpg,a hat,7,train"] * 34]))
        ran = call(
            "finetune", "--base", folder / "clip", "--size", "64x32", "--data", unclosed, "--out", table.parent / "out", "--steps", 1
        )
        assert ran.code == 1, ran.err
        assert "line 34: cannot be read: unexpected end of data; an open quote takes in 35 lines from here" in ran.err
        assert "what of the dataset could not be used, or is doubtful, is listed above (1)" in ran.err

    def test_pictures_that_cannot_be_read(self, folder: Path, table: Path) -> None:
        """Of train all are named, of val they are said and the others judge, and a val without any is refused, before the first step."""
        of = {split: list(dict.fromkeys(r["path"] for r in self.rows(table) if r["split"] == split)) for split in ("train", "val")}
        whole = {path: (table.parent / path).read_bytes() for path in of["train"]}
        for path in (*of["train"][:2], of["val"][0]):
            (table.parent / path).write_bytes(b"damaged")
        self.refused(folder, table, rf"found 2 that cannot: {of['train'][0]}: .*; {of['train'][1]}: ")
        for path, content in whole.items():
            (table.parent / path).write_bytes(content)
        said: list[str] = []
        made = finetune(clip_base(folder / "clip"), table, table.parent / "partly", how(steps=2), said.append)
        assert made.unread == 1
        assert any(line.startswith(str(table.parent / of["val"][0])) for line in said)
        for path in of["val"]:
            (table.parent / path).write_bytes(b"damaged")
        self.refused(folder, table, "0 pictures that can be read")
        assert not (table.parent / "adapter.run" / CHECKPOINT).exists()

    def test_nothing_better_than_the_base_is_said_with_caution(self, folder: Path, table: Path) -> None:
        still = "optimiser = { image_rate = 0.0, text_rate = 0.0, batch_size = 6 }"
        (table.parent / "how.toml").write_text(still)
        options = ("--size", "64x32", "--config", table.parent / "how.toml", "--steps", 1, "--data", table)
        ran = call("finetune", "--base", folder / "clip", *options, "--out", table.parent / "out")
        assert ran.code == 1, ran.err
        assert "val: Rank-1 +0.00 beside the base (95 % interval +0.00 to +0.00)" in ran.err
        assert "caution: nothing that was learnt finds more on val than the base does" in ran.err

    def test_val_that_reads_otherwise_than_when_the_run_began_is_refused(self, folder: Path, table: Path) -> None:
        def damage(line: str) -> None:
            if line.startswith("step 0  val"):
                for path in {row["path"] for row in self.rows(table) if row["split"] == "val" and row["id"] == self.rows(table)[-1]["id"]}:
                    (table.parent / path).write_bytes(b"damaged")

        with pytest.raises(
            DatasetError, match="the pictures of val that could be read when the run began, found 28 captions to ask instead"
        ):
            finetune(clip_base(folder / "clip"), table, table.parent / "adapter", how(steps=1), damage)

    def test_captions_longer_than_the_base_takes(self, folder: Path, table: Path) -> None:
        long = replace(how().words, max_tokens=78)
        with pytest.raises(ConfigError, match=r"max_tokens up to 77"):
            finetune(clip_base(folder / "clip"), table, table.parent / "adapter", how(words=long), lambda _: None)


def test_something_else_at_out_is_refused_at_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="did not write"):
        finetune(clip_base(folder / "clip"), folder / "drawn", tmp_path, how(), lambda _: None)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_command_line_killed_and_asked_again(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "how.toml"
    config.write_text("judge_every = 4\ncheckpoint_minutes = 0\nchunk = 4\noptimiser = { batch_size = 6 }\n")
    options = [
        "--base",
        folder / "clip",
        "--data",
        folder / "drawn",
        "--size",
        "64x32",
        "--config",
        config,
        "--rank",
        "2",
        "--targets",
        "q",
    ]
    command = ["finetune", *options, "--steps", "12", "--out"]
    as_here = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    child = subprocess.Popen([*PASSERBY, *map(str, command), tmp_path / "killed"], stderr=subprocess.DEVNULL, env=as_here)
    deadline = time.monotonic() + 300
    while not (tmp_path / "killed.run" / CHECKPOINT).exists():
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    left_at = state(tmp_path / "killed")["run"]["step"]
    assert 1 <= left_at < 12
    again = call(*command, tmp_path / "killed")
    assert again.code in (0, 1), again.err
    assert "val: Rank-1 " in again.err, "beside the base, which was asked before the first step"
    assert again.err.splitlines()[-1] == f"the adapter is {tmp_path / 'killed'}"
    whole = call(*command, tmp_path / "whole")
    assert whole.code == again.code, whole.err
    for name in FILES:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), f"{name}, killed after {left_at}"
    assert torch.load(tmp_path / "whole.run" / BEST, weights_only=True)["weights"].keys()
