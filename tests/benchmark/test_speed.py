from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny
from calling import Ran, call

from passerby.benchmark.energy import RaplMeter, TegrastatsMeter
from passerby.benchmark.footprint import footprint
from passerby.benchmark.reference import references
from passerby.benchmark.run import SENTENCE, contenders, run_benchmark
from passerby.benchmark.saved import changes, read_run, save_run
from passerby.benchmark.speed import LATENCY_CALLS, Contender, Plan, SpeedReport, Tower, _joules, measure_speed
from passerby.errors import ConfigError, ModelError
from passerby.model.bundle import Bundle, read_bundle

PLAN = Plan(threads=1, rounds=3, seconds=0, batches=(1, 2))


def silent(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny.write_tiny_bundle(tmp_path_factory.mktemp("speed") / "tiny")


@pytest.fixture(scope="module")
def report(bundle: Bundle) -> SpeedReport:
    """The tiny model beside itself, once by name and once as a reference that shares its text tower."""
    (own,) = contenders([bundle], silent, beside_clip=False)
    return measure_speed([own, replace(own, name="rival", image_tower=replace(own.image_tower), speed_only=True)], PLAN)


@pytest.fixture
def run(report: SpeedReport) -> dict[str, Any]:
    return dict(json.loads(json.dumps(report.to_json())))


class TestMeasuring:
    def test_what_is_pinned(self, run: dict[str, Any], bundle: Bundle) -> None:
        own, rival = run["models"]
        assert (own["name"], own["speed_only"], rival["name"], rival["speed_only"]) == ("tiny", False, "rival", True)
        assert run["reference"] == "rival"
        assert own["bytes"] == sum(path.stat().st_size for path in bundle.folder.iterdir())
        for model in run["models"]:
            for tower, rates in (("image_tower", "images_per_second"), ("text_tower", "texts_per_second")):
                speed = model[tower]
                assert list(speed[rates]) == list(speed["times_reference"]) == ["1", "2"]
                assert min(speed[rates].values()) > 0
                assert 0 < speed["latency_ms"]["p50"] <= speed["latency_ms"]["p90"] <= speed["latency_ms"]["p99"]
                assert speed["latency_ms"]["calls"] >= LATENCY_CALLS
                assert speed["load_seconds"] > 0
                assert speed["bytes"] == (bundle.folder / f"{tower}.onnx").stat().st_size
                assert speed.get("joules_per_image", speed.get("joules_per_text")) is None
        assert own["image_tower"]["macs"] == own["image_tower"]["parameters"] == 96 * tiny.DIM
        assert run["energy"] == "not measurable here"

    def test_a_shared_tower_is_timed_once(self, report: SpeedReport, run: dict[str, Any]) -> None:
        assert len(report.towers) == 3
        own, rival = run["models"]
        assert own["text_tower"] == rival["text_tower"]
        assert own["text_tower"]["times_reference"]["1"] == {"median": 1, "low": 1, "high": 1}

    def test_ratios_are_between_the_rounds(self, report: SpeedReport, run: dict[str, Any]) -> None:
        own, rival = (report.towers[c.image_tower].timings[2] for c in report.contenders)
        ratios = [b / a for a, b in zip(own.medians, rival.medians, strict=True)]
        assert run["models"][0]["image_tower"]["times_reference"]["2"] == {
            "median": pytest.approx(np.median(ratios)),
            "low": pytest.approx(min(ratios)),
            "high": pytest.approx(max(ratios)),
        }

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process's peak memory")
    def test_peak_memory_is_that_of_a_process_with_one_tower(self, run: dict[str, Any]) -> None:
        assert all(20e6 < model[tower]["peak_memory_bytes"] < 500e6 for model in run["models"] for tower in ("image_tower", "text_tower"))

    def test_energy_where_the_machine_tells(self, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("passerby.benchmark.speed.ENERGY_SECONDS", 0.05)
        (tmp_path / "energy_uj").write_text("0")
        (tmp_path / "max_energy_range_uj").write_text("1000000")
        (own,) = contenders([bundle], silent, beside_clip=False)
        found = measure_speed([own], replace(PLAN, rounds=1), meter=RaplMeter((tmp_path,))).to_json()
        assert found["models"][0]["image_tower"]["joules_per_image"] == 0
        assert found["energy"] == "processor packages, by RAPL"
        assert found["reference"] is None and found["models"][0]["image_tower"]["times_reference"] == {}
        assert any("fewer than three rounds" in warning for warning in found["warnings"])

    def test_energy_where_the_meter_tells_nothing(self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("passerby.benchmark.speed.ENERGY_SECONDS", 0.01)
        (own,) = contenders([bundle], silent, beside_clip=False)
        found = measure_speed([own], replace(PLAN, rounds=1), meter=TegrastatsMeter("false")).to_json()
        assert found["models"][0]["image_tower"]["joules_per_image"] is None
        assert found["energy"] == "not measurable here"

    def test_a_call_that_fails_ends_the_meter(self) -> None:
        """Which is a process, that would run on."""
        ended: list[bool] = []

        class Meter:
            source = "a clock"

            def start(self) -> Callable[[], float]:
                return lambda: ended.append(True) or 1.0  # type: ignore[func-returns-value]

        def broken() -> None:
            raise ModelError(expected="a run", found="none", do="stop")

        with pytest.raises(ModelError):
            _joules(Meter(), broken)
        assert ended == [True]

    def test_what_lies_in_the_current_folder_is_not_run(self, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "numpy.py").write_text("import pathlib; pathlib.Path('ran').touch()")
        monkeypatch.chdir(tmp_path)
        (own,) = contenders([bundle], silent, beside_clip=False)
        footprint(own.image_tower.path, own.image_tower.inputs, 1, repeats=1)
        assert [path.name for path in tmp_path.iterdir()] == ["numpy.py"]

    @pytest.mark.parametrize("batch", [100_000_000_000, 2**62])
    def test_a_batch_that_no_memory_holds(self, bundle: Bundle, batch: int) -> None:
        (own,) = contenders([bundle], silent, beside_clip=False)
        with pytest.raises(ModelError, match=rf"to run with a batch of {batch}, .*; name a smaller --batch"):
            measure_speed([own], replace(PLAN, rounds=1, batches=(1, batch)))

    def test_a_batch_that_onnx_runtime_refuses(self, bundle: Bundle, tmp_path: Path) -> None:
        """A graph of one picture."""
        graph = onnx.load_from_string(tiny.image_tower())
        graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
        (tmp_path / "one.onnx").write_bytes(graph.SerializeToString())
        (own,) = contenders([bundle], silent, beside_clip=False)
        with pytest.raises(ModelError, match=r"one\.onnx to run with a batch of 2"):
            measure_speed([replace(own, image_tower=Tower(tmp_path / "one.onnx", own.image_tower.inputs))], PLAN)

    def test_a_tower_that_cannot_run(self, bundle: Bundle, tmp_path: Path) -> None:
        (own,) = contenders([bundle], silent, beside_clip=False)
        (tmp_path / "bad.onnx").write_bytes(b"bad")
        broken = replace(own, image_tower=Tower(tmp_path / "bad.onnx", own.image_tower.inputs))
        with pytest.raises(ModelError, match=r"bad\.onnx to run"):
            measure_speed([broken], PLAN)

    @pytest.mark.parametrize("wrong", [{"threads": 0}, {"rounds": 0}, {"batches": (1, 0)}, {"seconds": -1.0}])
    def test_a_plan_of_nothing(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ConfigError):
            replace(PLAN, **wrong)

    def test_a_plan_as_people_ask_for_it(self) -> None:
        assert Plan.of(None, 7, None).batches == (1, 8, 32)
        assert Plan.of(3, 7, [16, 4, 16]).batches == (1, 4, 16)
        assert Plan.of(3, 7, [16]).threads == 3


class TestReferences:
    def test_the_clips_and_their_sizes(self, tmp_path: Path) -> None:
        """Towers that are in the cache are not made again: here small ones stand there."""
        names = ("clip-text", "clip-vit-b32@224", "clip-vit-b16@224", "clip-vit-b32@64x32", "clip-vit-b16@48x32")
        for name in names:
            (tmp_path / f"{name}.onnx").write_bytes(b"kept")
        said: list[str] = []
        found = references(height=40, width=20, tokens=31, cache=tmp_path, say=said.append)
        assert said == []
        assert [reference.name for reference in found] == list(names[1:])
        assert [(r.height, r.width, r.tokens) for r in found] == [(224, 224, 77), (224, 224, 77), (64, 32, 31), (48, 32, 31)]
        assert {r.text_tower.name for r in found} == {"clip-text.onnx"}

    def test_a_model_of_clips_own_size_has_two_rivals(self, tmp_path: Path) -> None:
        for name in ("clip-text", "clip-vit-b32@224", "clip-vit-b16@224"):
            (tmp_path / f"{name}.onnx").write_bytes(b"kept")
        assert len(references(224, 224, 31, tmp_path, silent)) == 2

    def test_the_model_stands_beside_them(self, bundle: Bundle, tmp_path: Path) -> None:
        """Small towers stand in for the made ones; the one of words takes any token of CLIP's."""
        sizes = {"b32@224": (224, 224), "b16@224": (224, 224), "b32@32": (32, 32), "b16@32x16": (32, 16)}
        for name, size in sizes.items():
            (tmp_path / f"clip-vit-{name}.onnx").write_bytes(tiny.image_tower(size=size))
        (tmp_path / "clip-text.onnx").write_bytes(tiny.text_tower(words=49408))
        own, *rivals = contenders([bundle], silent, cache=tmp_path)
        assert [rival.name for rival in rivals] == [f"clip-vit-{name}" for name in sizes]
        assert [rival.size for rival in rivals] == list(sizes.values())
        assert not own.speed_only and all(rival.speed_only and rival.rank1 is None for rival in rivals)
        assert [rival.tokens for rival in rivals] == [77, 77, own.tokens, own.tokens]
        assert [rivals[n].text_tower is rivals[m].text_tower for n, m in ((0, 1), (2, 3), (1, 2))] == [True, True, False]
        assert [rival.image_tower.macs for rival in rivals] == [3 * h // 4 * w // 4 * tiny.DIM for h, w in sizes.values()]

    def test_a_damaged_one_is_to_be_deleted(self, bundle: Bundle, tmp_path: Path) -> None:
        for name in ("clip-text", *(f"clip-vit-{kind}" for kind in ("b32@224", "b16@224", "b32@32", "b16@32x16"))):
            (tmp_path / f"{name}.onnx").write_bytes(b"damaged")
        with pytest.raises(ModelError, match=rf"; delete {tmp_path}/clip-text\.onnx, which is then made again"):
            contenders([bundle], silent, cache=tmp_path)

    def test_towers_are_made_with_random_weights(self, tmp_path: Path) -> None:
        pytest.importorskip("transformers")
        from transformers import CLIPTextConfig, CLIPVisionConfig

        from passerby.convert.export import image_tower_onnx, text_tower_onnx
        from passerby.learn.models.random_clip import image_tower, text_tower

        small: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
        image = image_tower_onnx(image_tower(CLIPVisionConfig(**small, patch_size=16, projection_dim=8), 48, 32), 48, 32).graph
        text = text_tower_onnx(text_tower(CLIPTextConfig(**small, vocab_size=99, eos_token_id=98, projection_dim=8))).graph
        (tmp_path / "image.onnx").write_bytes(image.SerializeToString())
        (tmp_path / "text.onnx").write_bytes(text.SerializeToString())
        ids = np.array([[5, 7, 98]])
        towers = (
            Tower(tmp_path / "image.onnx", {"pixel_values": np.ones((1, 3, 48, 32), np.float32)}),
            Tower(tmp_path / "text.onnx", {"input_ids": ids, "attention_mask": np.ones_like(ids)}),
        )
        contender = Contender("small", (48, 32), 3, *towers, bytes=1, speed_only=True)
        measured = measure_speed([contender], replace(PLAN, rounds=1)).to_json()
        assert measured["models"][0]["image_tower"]["images_per_second"]["2"] > 0
        assert "Resize" not in {node.op_type for node in image.graph.node}


class TestSavedRuns:
    def test_what_was_saved_is_read(self, run: dict[str, Any], tmp_path: Path) -> None:
        save_run(run, tmp_path / "run.json")
        assert read_run(tmp_path / "run.json") == run

    def test_a_machine_half_as_fast_changes_no_ratio(self, run: dict[str, Any]) -> None:
        slower = json.loads(json.dumps(run))
        for model in slower["models"]:
            for rates in (model["image_tower"]["images_per_second"], model["text_tower"]["texts_per_second"]):
                rates.update({n: rate / 2 for n, rate in rates.items()})
        found = changes(run, slower)
        assert len(found) == 2 * 2 * 2
        assert all(change.change == pytest.approx(-0.5) and change.relative == pytest.approx(0) for change in found)

    def test_only_what_both_have_is_compared(self, run: dict[str, Any]) -> None:
        other = json.loads(json.dumps(run))
        other["models"].pop(0)
        other["reference"] = None
        del other["models"][0]["image_tower"]["images_per_second"]["2"]
        found = changes(other, run)
        assert [(c.model, c.tower, c.batch, c.relative) for c in found] == [
            ("rival", "image_tower", 1, None),
            ("rival", "text_tower", 1, None),
            ("rival", "text_tower", 2, None),
        ]

    def test_a_run_beside_itself_has_not_changed(self, run: dict[str, Any], tmp_path: Path) -> None:
        """Also where models share a name, as those of older runs may."""
        for model in run["models"]:
            model["name"] = "tiny"
        save_run(run, tmp_path / "older.json")
        beside = changes(read_run(tmp_path / "older.json"), run)
        assert len(beside) == 2 * 2 * 2
        assert {(change.change, change.relative) for change in beside} == {(0, 0)}

    @pytest.mark.parametrize(
        "change",
        [
            lambda run: run.pop("models"),
            lambda run: run["models"].clear(),
            lambda run: run.update(models=[1]),
            lambda run: run["models"][1].pop("text_tower"),
            lambda run: run["models"][1].pop("rank1"),
            lambda run: run["models"][0]["image_tower"].pop("images_per_second"),
            lambda run: run["models"][0]["image_tower"]["images_per_second"].pop("2"),
            lambda run: run["models"][0]["image_tower"]["images_per_second"].update({"2": 0}),
            lambda run: run["models"][0]["image_tower"]["images_per_second"].update({"2": "many"}),
            lambda run: run["models"][0]["text_tower"]["times_reference"].pop("2"),
            lambda run: run["models"][0]["text_tower"]["latency_ms"].update(p99=None),
            lambda run: [model["text_tower"]["texts_per_second"].update(x=1) for model in run["models"]],
            lambda run: [model["text_tower"]["texts_per_second"].clear() for model in run["models"]],
            lambda run: run["machine"].pop("processor"),
            lambda run: run.update(machine=None),
            lambda run: run.pop("warnings"),
            lambda run: run.update(reference=3),
        ],
    )
    def test_a_run_that_lacks_something_is_refused_before_anything_is_measured(
        self, run: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, Any]], object]
    ) -> None:
        change(run)
        save_run(run, tmp_path / "run.json")
        for option in ("--from", "--compare"):
            ran = passerby(option, str(tmp_path / "run.json"))
            assert (ran.code, ran.out) == (2, "")
            assert "to be a run that `passerby benchmark --save` kept, found a run that lacks some of its figures;" in ran.err

    @pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"format": "something"}', b"[" * 100_000])
    def test_other_files_are_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "run.json").write_bytes(content)
        with pytest.raises(ConfigError, match="passerby benchmark --save"):
            read_run(tmp_path / "run.json")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no such file"):
            read_run(tmp_path / "run.json")


class TestPicture:
    @pytest.mark.parametrize("name", ["speed.png", "speed.svg", "speed.PDF"])
    def test_is_drawn(self, run: dict[str, Any], tmp_path: Path, name: str) -> None:
        from passerby.benchmark.chart import draw_run

        run["models"][0]["rank1"] = 30.0
        draw_run(run, tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).stat().st_size > 3000

    def test_of_models_nobody_knows(self, run: dict[str, Any], tmp_path: Path) -> None:
        from passerby.benchmark.chart import draw_run

        run["models"].pop(0)
        draw_run(run, tmp_path / "speed.svg")
        assert "rival" in (tmp_path / "speed.svg").read_text() or (tmp_path / "speed.svg").stat().st_size > 3000

    def test_of_no_known_format(self, run: dict[str, Any], tmp_path: Path) -> None:
        from passerby.benchmark.chart import draw_run

        with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf"):
            draw_run(run, tmp_path / "speed.gif")
        assert not list(tmp_path.iterdir())


class TestCommand:
    def test_json_and_nothing_else(self, bundle: Bundle, tmp_path: Path) -> None:
        ran = passerby("--no-clip", "--rounds", "1", "--batch", "2", "--save", str(tmp_path / "run.json"), "--json", model=bundle)
        assert ran.code == 0, ran.err
        document = ran.document
        assert list(document["models"][0]["image_tower"]["images_per_second"]) == ["1", "2"]
        assert read_run(tmp_path / "run.json") == document
        assert "fewer than three rounds" in ran.err

    def test_a_saved_run_beside_another(self, run: dict[str, Any], tmp_path: Path) -> None:
        save_run(run, tmp_path / "a.json")
        save_run({**run, "machine": {**run["machine"], "cores": 1000}}, tmp_path / "b.json")
        ran = passerby("--from", str(tmp_path / "a.json"), "--compare", str(tmp_path / "b.json"))
        assert ran.code == 0, ran.err
        assert "rival (speed only)" in ran.out and "+0.0%" in ran.out
        assert "another machine" in ran.err

    def test_without_the_extra_the_model_is_measured_alone(self, bundle: Bundle, tmp_path: Path) -> None:
        hide = "import sys; sys.modules.update(dict.fromkeys(['onnx', 'torch', 'transformers']))"
        run_main = "from passerby.cli.app import main; main()"
        command = [
            sys.executable,
            "-c",
            f"{hide}; {run_main}",
            "benchmark",
            "--rounds",
            "1",
            "--batch",
            "1",
            "--json",
            "--model",
            str(bundle.folder),
        ]
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
        )
        assert ran.returncode == 0, ran.stderr
        assert [model["name"] for model in json.loads(ran.stdout)["models"]] == ["tiny"]
        assert json.loads(ran.stdout)["models"][0]["image_tower"]["macs"] is None
        assert ran.stderr.count("pip install") == 3

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            (("--compare", "missing.json"), "no such file"),
            (("--picture", "speed.gif"), "correct --picture"),
            (("--predict", "toaster"), "toaster"),
            (("--rounds", "0"), "rounds"),
            (("--threads", "1000000"), "threads"),
            (("--model", "nobody"), "nobody"),
        ],
    )
    def test_what_is_wrong_is_said_before_anything_is_measured(self, arguments: tuple[str, ...], word: str) -> None:
        ran = passerby(*arguments)
        assert ran.code == 2
        assert ran.out == ""
        assert word in ran.err

    def test_prediction(self) -> None:
        ran = passerby("--predict", "orin")
        assert ran.code == 0, ran.err
        assert all(word in ran.out for word in ("at 60 W", "at 30 W", "at 15 W", "memory", "people that fit"))
        document = passerby("--predict", "orin", "--json").document
        assert document["device"]["name"] == "orin"
        assert {limit["precision"] for limit in document["models"][0]["towers"]} == {"fp32", "fp16", "int8"}


def passerby(*arguments: str | Path, model: Bundle | None = None) -> Ran:
    return call("benchmark", *arguments, *(("--model", model.folder) if model else ()))


def test_the_sentence_is_of_usual_length() -> None:
    assert 22 <= len(SENTENCE.split()) <= 26


def test_a_model_that_is_named_twice_is_one(bundle: Bundle) -> None:
    found = run_benchmark([bundle, read_bundle(bundle.folder)], replace(PLAN, rounds=1, batches=(1,)), silent, beside_clip=False)
    assert [c.name for c in found.contenders] == ["tiny"]


def test_no_two_models_have_the_same_name(bundle: Bundle, tmp_path: Path) -> None:
    """Neither of themselves nor of their folders."""
    first, second = (tiny.write_tiny_bundle(tmp_path / run / "float", seed=seed) for seed, run in ((5, "a"), (9, "b")))
    other = tiny.write_tiny_bundle(tmp_path / "other", name="other", seed=11)
    names = [c.name for c in contenders([first, second, bundle, other], silent, beside_clip=False)]
    assert names == [f"tiny ({first.digest[:12]})", f"tiny ({second.digest[:12]})", "tiny", "other"]
