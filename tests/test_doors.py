"""The API's doors: what every public function says to every wrong argument, and what they take."""

from __future__ import annotations

import inspect
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from crops import media, random_vectors, write_crop, write_crops
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import passerby
from passerby.detect.people import Detecting
from passerby.errors import ImageError, IndexFault, InputError, PasserbyError, QueryError
from passerby.find.answer import find
from passerby.find.query import Query, Term
from passerby.find.question import Question
from passerby.index.region import Suppression
from passerby.index.score import Weights
from passerby.index.selection import EVERYBODY
from passerby.index.sqlite.index import Index
from passerby.media import picture
from passerby.media.clock import Camera
from passerby.media.photo import read_image
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Box, Caption, Crop, Dataset, Failure, Fit, Hit, MediaKind, Person, Problem, Record, Split, Watched


def without_address(value: object) -> str:
    """The name of a case: workers that share the tests have to agree on it."""
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))


HIT = Hit(1, 0.5, Person(media("/a.jpg", "a"), 1, 7, 0.5, 2), 0.25, Crop(Box(1, 2, 3, 4), 0.5, 0.9))


@dataclass(frozen=True)
class World:
    """What good arguments are made of."""

    folder: Path
    index: Index
    encoder: BundleEncoder
    telling: BundleEncoder
    dataset: Dataset

    @property
    def question(self) -> Question:
        return Question("a red jacket")

    @property
    def query(self) -> Query:
        return passerby.ask(self.encoder, "a red jacket")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: BundleEncoder, telling: BundleEncoder) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("doors")
    records = tuple(Record(path, path.name, path.stem, Split.VAL, (Caption("a man"),)) for path in write_crops(folder / "crops", 4))
    (folder / "crops" / "table.csv").write_text("path,caption,id,split\n000.jpg,a man,1,val\n")
    before = Path.cwd()
    os.chdir(folder)
    with Index.create(folder / "index", tiny_encoder) as index:
        passerby.index_paths(index, tiny_encoder, folder / "crops")
        yield World(folder, index, tiny_encoder, telling, Dataset("drawn", records))
    os.chdir(before)


def nothing(done: int, total: int) -> None:
    pass


GOOD: Mapping[str, Callable[[World], dict[str, Any]]] = {
    "Answer": lambda w: {"question": w.question, "people": (HIT,), "unlikely": (), "cut": 0, "looked_at": 4, "away": 0},
    "Appearance": lambda w: {"path": w.folder, "probabilities": {"upper:red": 0.5}, "unreliable": {}, "notes": ()},
    "Box": lambda _: {"x": 0, "y": 0, "width": 1, "height": 1},
    "Caption": lambda _: {"text": "a man", "origin": passerby.Caption("a").origin},
    "Crop": lambda _: {"box": Box(0, 0, 1, 1), "time": 1.0, "quality": 0.5},
    "Dataset": lambda w: {"name": "drawn", "records": w.dataset.records, "problems": (Problem("a", "b"),)},
    "Embeddings": lambda _: {"vectors": random_vectors(1), "names": ("a",), "failed": ()},
    "Evaluation": lambda _: {"split": None, "metrics": None, "per_query": None, "seconds": 1.0},
    "Failure": lambda w: {"path": w.folder, "reason": "broken"},
    "Fit": lambda _: {"phrase": "red jacket", "above": None, "probability": 0.5},
    "Hit": lambda _: {"rank": 1, "score": 0.5, "person": HIT.person, "probability": 0.5, "fits": (Fit("red jacket", 0.5),)},
    "Index.create": lambda w: {"folder": w.folder / "other", "encoder": w.encoder, "rebuild": False},
    "Index.open": lambda w: {"folder": w.folder / "index"},
    "IndexInfo": lambda _: {field: 1 for field in inspect.signature(passerby.IndexInfo).parameters},
    "IndexReport": lambda _: {field: 1 for field in inspect.signature(passerby.IndexReport).parameters},
    "IndexedModel": lambda _: {"name": "tiny", "digest": "0", "dim": 1},
    "Item": lambda _: {
        field: getattr(passerby.parse("a red cap").items[0], field) for field in inspect.signature(passerby.Item).parameters
    },
    "Media": lambda w: {"path": w.folder, "size": 1, "modified_ns": 1, "digest": "0" * 64},
    "PasserbyError": lambda _: {"expected": "a", "found": "b", "do": "c"},
    "Person": lambda _: {"media": HIT.person.media, "id": 1, "track": 1, "first": 1.0, "last": 2.0},
    "PersonDescription": lambda _: {"items": (), "gender": None},
    "Problem": lambda _: {"record": "a", "reason": "b"},
    "Query": lambda w: {
        "text": "a",
        "terms": w.query.terms,
        "model": w.encoder.digest,
        "model_name": "tiny",
        "cut": 0,
        "calibration": None,
    },
    "Question": lambda w: {"words": "a red jacket", "like": w.folder / "crops" / "000.jpg", "filters": ()},
    "Record": lambda w: {"path": w.folder, "name": "a", "identity": "1", "split": Split.VAL, "captions": (Caption("a"),)},
    "RemovalReport": lambda _: {"removed": 1, "failed": ()},
    "answer": lambda w: {
        "index": w.index,
        "encoder": w.encoder,
        "question": w.question,
        "k": 2,
        "min_probability": None,
        "sure": 0.2,
        "fold": True,
    },
    "answers": lambda w: {
        "index": w.index,
        "encoder": w.encoder,
        "questions": [w.question, "a cap"],
        "k": 2,
        "min_probability": None,
        "fold": True,
        "sure": 0.2,
    },
    "ask": lambda w: {"encoder": w.encoder, "words": "a red jacket", "like": w.folder / "crops" / "000.jpg"},
    "describe": lambda w: {"encoder": w.telling, "picture": w.folder / "crops" / "000.jpg"},
    "embed": lambda w: {"encoder": w.encoder, "paths": w.folder / "crops", "texts": "a man", "on_progress": nothing},
    "evaluate": lambda w: {"encoder": w.encoder, "dataset": w.dataset, "on_progress": nothing},
    "find": lambda w: {
        "index": w.index,
        "encoder": w.encoder,
        "words": "a red jacket",
        "k": 2,
        "like": w.folder / "crops" / "000.jpg",
        "filters": (),
        "min_probability": None,
        "fold": True,
        "sure": 0.2,
    },
    "index_paths": lambda w: {"index": w.index, "encoder": w.encoder, "paths": w.folder / "crops", "on_progress": nothing},
    "load_dataset": lambda w: {"path": w.folder / "crops", "splits": "val"},
    "load_model": lambda _: {"name": "passerby-s", "adapter": None, "size": None},
    "parse": lambda _: {"text": "a man"},
    "remove_paths": lambda w: {"index": w.index, "paths": "nowhere"},
    "search": lambda w: {
        "index": w.index,
        "query": w.query,
        "k": 2,
        "passes": lambda vectors: np.ones(len(vectors), np.bool_),
        "fold": True,
    },
}
"""Good arguments of each public name; whoever adds a name adds them here."""

DOORS = [(name, argument) for name in GOOD for argument in inspect.signature(eval(f"passerby.{name}")).parameters]


class NoPath(os.PathLike[str]):
    def __fspath__(self) -> str:
        return 7  # type: ignore[return-value]


def closed_picture() -> Image.Image:
    with Image.new("RGB", (3, 3)) as image:
        image.close()
        return image


def makers() -> list[Callable[[], object]]:
    """Every kind of wrong argument, made anew for each call."""
    plain: list[object] = [
        None,
        True,
        0,
        -1,
        3,
        1.5,
        -0.5,
        float("nan"),
        float("inf"),
        10**400,
        1j,
        "",
        " ",
        "\0",
        "\ud800",
        "10",
        "x" * 5000,
    ]
    plain += [b"", b"\0", b"\xff", bytearray(b"x"), memoryview(b"x"), [], [None], [["a"]], [Path("a"), None], {}, {"a": 1}, set(), (), (1,)]
    plain += [
        object(),
        object,
        Path,
        BundleEncoder,
        range(3),
        NoPath(),
        ValueError("x"),
        Path("nowhere"),
        Path("x" * 5000),
        Path("a\0b"),
        HIT,
    ]
    plain += [np.int64(3), np.float32(0.5), np.array(3), np.array(["a"]), np.zeros((2, 16)), np.zeros(16, np.float32), np.array([None])]
    plain += [np.zeros(shape, np.uint8) for shape in ((0, 0, 3), (4, 4, 2), (4, 4, 3), (2, 2, 2, 2), (4,), ())]
    plain += [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4), np.bool_),
        Image.new("F", (3, 3)),
        Image.new("RGB", (0, 3)),
        closed_picture(),
        Split.VAL,
    ]
    once: list[Callable[[], object]] = [lambda: iter([1]), lambda: iter(()), lambda: io.BytesIO(b"x"), lambda: (n for n in "ab")]
    return [*(lambda value=value: value for value in plain), *once]


LETTERS = st.characters(exclude_characters="/.")  # no wrong argument names a folder that is there
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text(LETTERS) | st.dates() | st.uuids()
ANYTHING = st.recursive(
    SCALARS | st.binary().filter(lambda data: not set(b"/.") & set(data)),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(LETTERS), inner) | st.builds(iter, st.lists(inner)),
    max_leaves=5,
)


def refuses_or_takes(world: World, name: str, argument: str, value: object) -> None:
    """Call a function with one argument wrong: nothing but a `PasserbyError` in one line, which leaves the index as it was."""
    if argument in {"on_progress", "passes"} and callable(value):
        return  # what a function raises is its caller's own
    before = world.index.stamp()
    try:
        made = eval(f"passerby.{name}")(**{**GOOD[name](world), argument: value})
    except PasserbyError as error:
        assert len(str(error).splitlines()) == 1 or name == "PasserbyError"
        assert world.index.stamp() == before
    else:
        if isinstance(made, Index):
            made.close()


@pytest.fixture(scope="module")
def wrong(world: World, tmp_path_factory: pytest.TempPathFactory) -> list[Callable[[], object]]:
    with Index.create(tmp_path_factory.mktemp("closed"), world.encoder) as closed:
        pass
    other = Query("another model", world.query.terms, type(world.encoder.digest)("f" * 64), "other")
    return [*makers(), lambda: closed, lambda: world.index, lambda: world.encoder, lambda: world.dataset, lambda: other]


def test_every_public_name_has_good_arguments(world: World) -> None:
    called = {name for name in passerby.__all__ if not issubclass(type(getattr(passerby, name)), type(Enum))} - {"Encoder", "Index"}
    assert {name for name in GOOD if not name.startswith("Index.")} == called
    for name, arguments in GOOD.items():
        made = eval(f"passerby.{name}")(**arguments(world))
        if isinstance(made, Index):
            made.close()


@pytest.mark.parametrize(("name", "argument"), DOORS)
def test_wrong_arguments(world: World, wrong: list[Callable[[], object]], name: str, argument: str) -> None:
    for make in wrong:
        refuses_or_takes(world, name, argument, make())


@settings(max_examples=400)
@given(door=st.sampled_from(DOORS), value=ANYTHING)
def test_any_argument(world: World, door: tuple[str, str], value: object) -> None:
    refuses_or_takes(world, *door, value)


def test_find_is_a_function_and_a_package() -> None:
    assert sys.modules["passerby.find"] is vars(passerby)["find"]
    assert inspect.signature(passerby.find) == inspect.signature(find)
    first = "import passerby; called = passerby.find; import passerby.find.answer; assert called is passerby.find and callable(called)"
    subprocess.run([sys.executable, "-c", first], check=True)


def test_what_comes_back_is_public() -> None:
    for name in GOOD:
        function = eval(f"passerby.{name}")
        if not isinstance(function, type):
            function = find if name == "find" else function
            hints = get_type_hints(function, localns={**vars(picture), "Detecting": Detecting})
            assert named_in(hints["return"]) <= {*passerby.__all__, "Self"}


def named_in(hint: Any) -> set[str]:
    """The types of Passerby that a type is made of."""
    if isinstance(hint, GenericAlias | UnionType):
        return set().union(*map(named_in, get_args(hint)))
    return {hint.__name__} if getattr(hint, "__module__", "").startswith("passerby") else set()


# -- paths ------------------------------------------------------------------------------------------------------------------------


class Somewhere(os.PathLike[bytes]):
    def __fspath__(self) -> bytes:
        return b"caf\xe9"


@pytest.mark.parametrize(
    "paths",
    [
        "crops",
        b"crops",
        Path("crops"),
        ["crops"],
        ("crops",),
        [b"crops", Path("crops")],
        (Path(name) for name in ["crops"]),
        np.array(["crops"]),
    ],
    ids=without_address,
)
def test_paths(world: World, paths: Any, tmp_path: Path) -> None:
    with Index.create(os.fsencode(tmp_path / "index"), world.encoder) as index:
        report = passerby.index_paths(index, world.encoder, paths)
        assert (report.indexed, report.failed) == (4, ())
    with Index.open(str(tmp_path / "index")) as index:
        assert passerby.remove_paths(index, "crops").removed == 4


def test_a_lone_absolute_path_is_not_walked_letter_by_letter(world: World) -> None:
    report = passerby.index_paths(world.index, world.encoder, str(world.folder / "crops" / "000.jpg"))
    assert (report.unchanged, report.indexed, report.removed, report.failed) == (1, 0, 0, ())


def test_a_path_of_bytes_that_are_not_utf8(world: World, tmp_path: Path) -> None:
    write_crop(tmp_path / "a.jpg", 1).rename(tmp_path / os.fsdecode(b"caf\xe9"))
    os.chdir(tmp_path)
    try:
        embedded = passerby.embed(world.encoder, Somewhere())
        asked = passerby.ask(world.encoder, like=Somewhere())
    finally:
        os.chdir(world.folder)
    np.testing.assert_array_equal(embedded.vectors[0], asked.terms[0].vector)


def test_a_lone_text_is_one_text(world: World) -> None:
    assert passerby.embed(world.encoder, [], "a red jacket").names == ("a red jacket",)


@pytest.mark.parametrize("texts", [None, b"a man", [b"a man"], ["a man", None], {"a man": 1}, [["a man"]]], ids=repr)
def test_no_texts(world: World, texts: Any) -> None:
    with pytest.raises(InputError, match=r"expected a text or an iterable of texts, each a str, found"):
        passerby.embed(world.encoder, [], texts)


@pytest.mark.parametrize(
    "paths",
    [None, 3, {"crops": 1}, [["crops"]], ["crops", None], "", "crops\0", [""], "\ud800", NoPath(), io.StringIO("crops"), bytearray(3)],
    ids=without_address,
)
def test_no_paths(world: World, paths: Any) -> None:
    for call in (
        lambda: passerby.index_paths(world.index, world.encoder, paths),
        lambda: passerby.remove_paths(world.index, paths),
        lambda: passerby.embed(world.encoder, paths),
    ):
        with pytest.raises(InputError, match=r"expected a path or an iterable of paths.+, found .+; correct"):
            call()


@pytest.mark.parametrize("splits", ["val", Split.VAL, [Split.VAL], {"val"}], ids=repr)
def test_splits(world: World, splits: Any) -> None:
    assert len(passerby.load_dataset(os.fspath(world.folder / "crops"), splits).records) == 1


def test_no_split(world: World) -> None:
    with pytest.raises(InputError, match="expected a split: train, val, test, found 'dev'"):
        passerby.load_dataset(world.folder / "crops", "dev")


# -- pictures ---------------------------------------------------------------------------------------------------------------------


def pictures(folder: Path) -> dict[str, Path]:
    """A file of each kind that needs more than decoding."""
    crop = Image.open(write_crop(folder / "crop.png", 5))
    exif = Image.Exif()
    exif[0x0112] = 6
    crop.save(folder / "turned.jpg", exif=exif)
    crop.convert("RGBA").quantize().save(folder / "palette.png", transparency=0)
    crop.convert("CMYK").save(folder / "cmyk.jpg")
    crop.convert("L").save(folder / "grey.png")
    Image.fromarray(np.arange(64 * 32, dtype=np.uint16).reshape(64, 32) * 31).save(folder / "sixteen.png")
    return {path.name: path for path in folder.iterdir()}


def test_a_picture_and_its_file_are_one(world: World, tmp_path: Path) -> None:
    def vector(like: Any) -> Any:
        return passerby.ask(world.encoder, like=like).terms[0].vector

    found = pictures(tmp_path)
    assert len(found) == 6
    for path in found.values():
        with Image.open(path) as image:
            np.testing.assert_array_equal(vector(image), vector(path), path.name)
        np.testing.assert_array_equal(vector(np.asarray(read_image(path))), vector(str(path)), path.name)
    grey = np.asarray(Image.open(found["grey.png"]))
    assert grey.ndim == 2
    np.testing.assert_array_equal(vector(grey), vector(found["grey.png"]))
    np.testing.assert_array_equal(vector(grey[::-1]), vector(np.ascontiguousarray(grey[::-1])))


def test_a_picture_is_named_in_the_question(world: World) -> None:
    path = world.folder / "crops" / "000.jpg"
    assert passerby.ask(world.encoder, "but with a hat", str(path)).text == "but with a hat + like 000.jpg"
    assert passerby.ask(world.encoder, like=read_image(path)).text == "like a picture"


@pytest.mark.parametrize(
    "like",
    [3, [], io.BytesIO(), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros(4, np.uint8), ""],
    ids=without_address,
)
def test_no_picture(world: World, like: Any) -> None:
    with pytest.raises(InputError, match=r"expected a picture: .+ uint8 array \(h, w, 3\)"):
        passerby.ask(world.encoder, like=like)


def test_pictures_that_cannot_be_used(world: World) -> None:
    for image in (Image.new("F", (3, 3)), Image.new("RGB", (0, 3)), closed_picture()):
        with pytest.raises(ImageError):
            passerby.ask(world.encoder, like=image)


# -- words, numbers, models -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [b"a red jacket", ["a", "jacket"], 3, False, 0])
def test_words_that_are_none(world: World, words: Any) -> None:
    with pytest.raises(InputError, match="expected a description, a str, found"):
        passerby.ask(world.encoder, words)


@pytest.mark.parametrize("k", ["10", True, 1.5, None, np.bool_(True), [3]])
def test_no_number_of_people(world: World, k: Any) -> None:
    with pytest.raises(InputError, match="expected a number of people, an int, found"):
        passerby.search(world.index, world.query, k)


@pytest.mark.parametrize("k", [0, -1, np.int64(0)])
def test_too_few_people(world: World, k: Any) -> None:
    with pytest.raises(QueryError, match="at least 1"):
        passerby.search(world.index, world.query, k)


@pytest.mark.parametrize("k", [np.uint8(2), np.int64(2), np.array(2)], ids=repr)
def test_numbers_of_numpy(world: World, k: Any) -> None:
    assert passerby.search(world.index, world.query, k) == passerby.search(world.index, world.query, 2)


@pytest.mark.parametrize("encoder", ["passerby-s", None, BundleEncoder, Path("model")], ids=repr)
def test_no_model(world: World, encoder: Any) -> None:
    for call in (
        lambda: passerby.ask(encoder, "a red jacket"),
        lambda: passerby.embed(encoder, "crops"),
        lambda: passerby.find(world.index, encoder, "a red jacket"),
        lambda: passerby.evaluate(encoder, world.dataset),
        lambda: passerby.index_paths(world.index, encoder, "crops"),
        lambda: Index.create(world.folder / "new", encoder),
    ):
        with pytest.raises(InputError, match=r'expected a model, found .+; load it: load_model\("passerby-s"\)'):
            call()
    assert not (world.folder / "new").exists()


def test_a_model_by_its_folder(tiny_bundle: Path) -> None:
    assert passerby.load_model(tiny_bundle).digest == passerby.load_model(str(tiny_bundle)).digest


# -- the index --------------------------------------------------------------------------------------------------------------------

ARGUMENTS: Mapping[str, object] = {
    "media": HIT.person.media,
    "person": HIT.person,
    "crop": None,
    "people": (),
    "questions": [Weights(np.eye(16)[0])],
    "worn": None,
    "selection": EVERYBODY,
    "camera": Camera("front"),
    "cameras": (),
    "instant": None,
    "k": 1,
    "passes": None,
    "count": 1,
    "vector": random_vectors(1)[0],
    "signature": None,
    "fold": True,
    "size": 1,
    "changed_ns": 1,
    "reason": "broken",
    "digest": "0",
    "name": "tiny",
    "least": 1,
    "since": 1,
    "device": 1,
    "ids": [1],
    "embedding": 1,
    "after": 0,
    "suppression": Suppression("salt", {}),
}

USES = sorted(
    name
    for name in vars(Index)
    if not name.startswith("_") and name not in {"open", "create", "create_of", "close", "place", "local_folder"}
)


def use(index: Index, name: str) -> None:
    """Whatever a method or property needs the database for."""
    found = getattr(index, name)
    if callable(found):
        found = found(**{name: ARGUMENTS.get(name, Path("/a.jpg")) for name in inspect.signature(found).parameters})
    if isinstance(found, AbstractContextManager):
        with found:
            pass
    elif inspect.isgenerator(found):
        list(found)


@pytest.mark.parametrize("name", USES)
def test_a_closed_index(world: World, name: str) -> None:
    index = Index.open(world.index.folder)
    index.close()
    index.close()
    with pytest.raises(IndexFault, match=r"expected an open index at .+, found a closed one; open it again"):
        use(index, name)


def test_doors_say_so_too(world: World) -> None:
    with Index.open(world.index.folder) as index:
        pass
    for call in (
        lambda: passerby.search(index, world.query),
        lambda: passerby.find(index, world.encoder, "a red jacket"),
        lambda: passerby.index_paths(index, world.encoder, "crops"),
        lambda: passerby.remove_paths(index, "crops"),
    ):
        with pytest.raises(IndexFault, match="a closed one"):
            call()
    with pytest.raises(InputError, match=r"expected an open index, found 'index' \(str\); open it: Index\.open"):
        passerby.search("index", world.query)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"expected a question, found 'a red jacket' \(str\); make it: ask"):
        passerby.search(world.index, "a red jacket")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"expected rebuild to be True or False"):
        Index.create(world.index.folder, world.encoder, rebuild="no")  # type: ignore[arg-type]


# -- the nouns --------------------------------------------------------------------------------------------------------------------

RECORD = Record(Path("/a.jpg"), "a.jpg", "1", Split.VAL, (Caption("a man"),))
NAN = float("nan")


@pytest.mark.parametrize(
    ("noun", "field", "values"),
    [
        (HIT, "rank", [0, -3, 1.0, True, "1", None]),
        (HIT, "score", [99.0, 1.001, -(10**400), NAN, 10**400, "0.5", None, True]),
        (HIT, "person", [None, media("/a.jpg", "a")]),
        (HIT, "probability", [7, -0.1, 1.1, NAN, "0.5"]),
        (HIT, "fits", [None, [], ("red jacket",)]),
        (HIT.person, "media", [None, Path("/a.jpg")]),
        (HIT, "crop", [None, Box(0, 0, 1, 1)]),
        (HIT.person, "id", [0, -1, 1.5, "1"]),
        (HIT.person, "first", [-1.0, NAN, float("inf"), "1"]),
        (HIT.person, "last", [0.25, NAN, "1"]),
        (HIT.crop, "box", [(0, 0, 1, 1)]),
        (HIT.crop, "time", [-1.0, NAN, float("inf"), 10**400, "1"]),
        (HIT.crop, "quality", [NAN, 10**400, "1"]),
        (HIT.person, "track", [-1, 1.5, True]),
        (HIT.crop.box, "x", [NAN, float("inf"), 10**400, -(10**400), "1", None]),
        (HIT.crop.box, "height", [0, -1, NAN, None]),
        (HIT.person.media, "path", ["/a.jpg", None]),
        (HIT.person.media, "size", [-1, 1.5, None]),
        (HIT.person.media, "modified_ns", [1.5, None]),
        (HIT.person.media, "digest", ["", "0" * 63, "G" * 64, None]),
        (HIT.person.media, "kind", ["photo", None]),
        (HIT.person.media, "camera", ["", 3]),
        (HIT.person.media, "started_at", [NAN, "1"]),
        (Watched(60.0), "seconds", [-1.0, NAN, 10**400, "", None]),
        (Watched(60.0), "cut_short_at", [-1.0, NAN, 10**400, "", False, []]),
        (Watched(60.0), "gaps", [((2.0, 1.0),), ((0.0, NAN),), ((0.0, 10**400),), ((False, True),)]),
        (Failure(Path("/a.jpg"), "broken"), "path", ["/a.jpg"]),
        (Failure(Path("/a.jpg"), "broken"), "reason", ["", None]),
        (Problem("a", "b"), "reason", ["", None]),
        (Caption("a man"), "text", ["", "  ", None]),
        (Caption("a man"), "origin", ["own", None]),
        (RECORD, "path", ["/a.jpg"]),
        (RECORD, "split", ["val", None]),
        (RECORD, "captions", [[Caption("a man")], ("a man",), "a man"]),
        (Dataset("a", (RECORD,)), "records", [[RECORD], ("a",), None]),
        (Dataset("a", (RECORD,)), "problems", [("a",), None]),
        (Fit("red jacket", 0.5), "above", [-0.1, 1.1, NAN, None]),
        (Fit("red jacket", 0.5), "phrase", [None]),
        (Term(1.0, random_vectors(1)[0]), "weight", [NAN, None, "1"]),
        (Term(1.0, random_vectors(1)[0]), "vector", [np.zeros(16, np.float32), random_vectors(2), np.ones(16), None]),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_nouns_refuse_what_cannot_be(noun: Any, field: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(InputError, match=r"expected .+, found .+; "):
            replace(noun, **{field: value})


def test_nouns_take_what_can_be() -> None:
    replace(HIT, score=1 + 1e-6, probability=None)
    replace(HIT, score=-1.7, probability=1)
    replace(HIT.person, id=None, track=None, first=None, last=None)
    replace(HIT.crop, box=None, time=0, quality=-1)
    replace(HIT.person.media, size=0, modified_ns=-1, digest="", kind=MediaKind.CAMERA, started_at=-1.5)


def test_an_input_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="rank"):
        replace(HIT, rank=0)


# -- the program ------------------------------------------------------------------------------------------------------------------


def test_the_version() -> None:
    ran = subprocess.run([sys.executable, "-m", "passerby", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"passerby {passerby.__version__}\n"
    assert passerby.__version__[0].isdigit()
