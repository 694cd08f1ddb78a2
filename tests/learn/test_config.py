"""Training configs: what is written is what runs, and every mistake is named before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerby.errors import ConfigError
from passerby.learn.config import Losses, Optimiser, Stage, TrainConfig, read_config

ROOT = Path(__file__).parents[2]
CONFIGS = sorted([*ROOT.glob("configs/passerby-s/*.toml"), *ROOT.glob("configs/adaptation/*.toml"), *ROOT.glob("experiments/*/*.toml")])
MINIMAL = 'data = "people"\nout = "run"\n[[stages]]\nheight = 64\nwidth = 32\nepochs = 2\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_minimal_config_has_the_defaults_and_absolute_paths(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, MINIMAL))
    assert config == TrainConfig(data=str(tmp_path / "people"), out=str(tmp_path / "run"), stages=(Stage(64, 32, 2),))


def test_every_kind_of_key_is_read(tmp_path: Path) -> None:
    text = f"""
        data = "{tmp_path}/elsewhere"
        out = "../run"
        start = "bundles/a"
        seed = 7
        captioned_only = true
        checkpoint_minutes = 1
        optimiser = {{ image_rate = 1e-3, batch_size = 16 }}
        [[stages]]
        height = 64
        width = 32
        epochs = 1
        losses = {{ sdm = 0.0 }}
        [[stages]]
        height = 128
        width = 64
        epochs = 2
        drawn = 30
    """
    config = read_config(written(tmp_path, text))
    assert config.data == f"{tmp_path}/elsewhere"
    assert Path(config.out).resolve() == (tmp_path.parent / "run").resolve()
    assert config.start == str(tmp_path / "bundles" / "a")
    assert (config.seed, config.captioned_only) == (7, True)
    assert config.checkpoint_minutes == 1.0
    assert type(config.checkpoint_minutes) is float
    assert config.optimiser == Optimiser(image_rate=1e-3, batch_size=16)
    assert config.stages == (Stage(64, 32, 1, losses=Losses(sdm=0.0)), Stage(128, 64, 2, drawn=30))


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere/home")
    assert read_config(written(tmp_path, MINIMAL.replace("people", "~/people"))).data == "/somewhere/home/people"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('out = "run"', 'out = "run"\nepoch = 3', "'epoch'"),
        ("width = 32", "width = 32\nwidht = 3", "'widht'"),
        ('out = "run"', 'out = "run"\nwords = { dropuot = 0.1 }', "'dropuot'"),
        ('out = "run"', 'out = "run"\nseed = "one"', "seed as int"),
        ('out = "run"', 'out = "run"\nseed = 1.5', "seed as int"),
        ('out = "run"', 'out = "run"\nseed = true', "seed as int"),
        ('out = "run"', 'out = "run"\ncaptioned_only = 1', "captioned_only as bool"),
        ('out = "run"', "out = 3", "out as str"),
        ('out = "run"', 'out = "run"\npixels = 3', "[pixels]"),
        ('out = "run"', 'out = "run"\npixels = { flip = "often" }', "pixels.flip as float"),
        ("[[stages]]", "[stages]", "[[stages]]"),
        ("epochs = 2", "losses = { sdm = false }\nepochs = 2", "stages.losses.sdm as float"),
        ('data = "people"', "", "'data'"),
        ("height = 64", "", "'height'"),
        ("epochs = 2", "epochs =", "config.toml"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    assert old in MINIMAL
    with pytest.raises(ConfigError) as refused:
        read_config(written(tmp_path, MINIMAL.replace(old, new)))
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("stages.0.epochs = 0", "epochs"),
        ("stages.0.width = 16", "width"),
        ("stages.0.drawn = -1", "drawn"),
        ("stages.0.losses = { sdm_temperature = 0.0 }", "temperatures"),
        ("stages.0.losses = { identity = -1.0 }", "weights of losses"),
        ("optimiser = { batch_size = 1 }", "batch_size"),
        ("optimiser = { pictures_per_identity = 0 }", "pictures_per_identity"),
        ("optimiser = { text_rate = -1e-4 }", "rates"),
        ("optimiser = { clip = nan }", "clip"),
        ("optimiser = { warm_up = 2.0 }", "warm_up"),
        ("optimiser = { frozen_text_layers = -1 }", "frozen_text_layers"),
        ("words = { dense = 0.6, paraphrase = 0.6 }", "shares"),
        ("words = { dropout = 1.0 }", "dropout"),
        ("words = { max_tokens = 2 }", "max_tokens"),
        ("words = { shortened = 1.5 }", "shortened"),
        ("told = { person = -0.1 }", "person"),
        ("stages.0.losses = { told = 1.0 }", "told"),
        ("pixels = { erasing = 1.5 }", "shares"),
        ("pixels = { padding = -1 }", "padding"),
        ("seed = -1", "seed"),
    ],
)
def test_a_value_out_of_range_is_named(tmp_path: Path, line: str, named: str) -> None:
    stage = {"height": "64", "width": "32", "epochs": "2"}
    if line.startswith("stages.0."):
        key, _, value = line.removeprefix("stages.0.").partition(" = ")
        stage[key], line = value, ""
    text = f'data = "a"\nout = "b"\n{line}\n[[stages]]\n' + "\n".join(f"{k} = {v}" for k, v in stage.items())
    with pytest.raises(ConfigError) as refused:
        read_config(written(tmp_path, text))
    assert named in refused.value.expected


def test_a_run_needs_a_stage(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stages"):
        read_config(written(tmp_path, 'data = "a"\nout = "b"\nstages = []\n'))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        read_config(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml"):
        read_config(tmp_path / "binary.toml")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_committed_configs_are_read(path: Path) -> None:
    assert read_config(path).stages


def test_there_are_committed_configs() -> None:
    assert CONFIGS


TWO_STAGES = MINIMAL + "[[stages]]\nheight = 128\nwidth = 64\nepochs = 3\n"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("optimiser.image_rate=2e-4", ("optimiser", "image_rate", 2e-4)),
        ("optimiser.weight_decay = 1", ("optimiser", "weight_decay", 1.0)),
        ("seed=7", ("seed", 7)),
        ("captioned_only=true", ("captioned_only", True)),
        ("stages.1.epochs=9", ("stages", 1, "epochs", 9)),
        ("stages.0.losses.sdm=0", ("stages", 0, "losses", "sdm", 0.0)),
        ("stages.0.learns=words", ("stages", 0, "learns", "words")),
        ("unseen.words=['hat', 'cap']", ("unseen", "words", ("hat", "cap"))),
    ],
)
def test_a_key_is_set_beside_the_file(tmp_path: Path, change: str, expected: tuple[object, ...]) -> None:
    path = written(tmp_path, TWO_STAGES)
    plain, other = read_config(path), read_config(path, [change])
    *way, value = expected
    for step in way:
        plain, other = (at[step] if isinstance(step, int) else getattr(at, str(step)) for at in (plain, other))  # type: ignore[index]
    assert other == value != plain
    assert type(other) is type(value)
    assert read_config(path).stages[1].epochs == 3


def test_what_is_set_last_holds_and_its_paths_are_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    config = read_config(written(tmp_path, MINIMAL), ["out=a", "out=b", "seed=2", "seed=3"])
    assert (config.out, config.data, config.seed) == (str(tmp_path / "here" / "b"), str(tmp_path / "people"), 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("optimiser.image_rat=2e-4", "expected keys of [optimiser]: weight_decay, warm_up,"),
        ("optimizer.image_rate=2e-4", "expected keys of [top level]: data, out, stages,"),
        ("optimiser.image_rate=fast", "expected optimiser.image_rate as float, found 'fast'"),
        ("optimiser=fast", "expected a table [optimiser]"),
        ("optimiser.image_rate=-1", "expected rates and decay from 0"),
        ("stages.2.epochs=1", "expected one of stages.0, stages.1, found 'stages.2'"),
        ("stages.epochs=1", "expected one of stages.0, stages.1, found 'stages.epochs'"),
        ("data.folder=x", "expected data to be a table, for --set data.folder"),
        ("seed", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("optimiser..clip=3", "expected KEY=VALUE"),
    ],
)
def test_a_key_that_cannot_be_set_is_named(tmp_path: Path, change: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_config(written(tmp_path, TWO_STAGES), [change])
    assert said in str(refused.value)
