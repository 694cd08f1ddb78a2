from __future__ import annotations

import csv
import json
import os
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerby.data.datasets import load_dataset
from passerby.data.tables import SUFFIXES, read_table
from passerby.errors import DatasetError
from passerby.types import Caption, Dataset, Origin, Split

Row = dict[str, object]
MOST_BYTES_A_ROW = 500
"""Beside the words themselves."""

RED = "a woman in a red jacket"
BLUE = "a man in a blue coat"


def entry(file: str, identity: object = 1, split: object = "train", captions: object = (RED,)) -> Row:
    return {"file_path": file, "id": identity, "split": split, "captions": captions}


def put_files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"a picture is not opened here")


def write_cuhk(folder: Path, entries: object, files: tuple[str, ...] = ("a.jpg", "b.jpg", "c.jpg")) -> Path:
    put_files(folder / "imgs", *files)
    (folder / "reid_raw.json").write_text(json.dumps(entries))
    return folder


def write_csv(file: Path, rows: list[list[str]], encoding: str = "utf-8") -> Path:
    with file.open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream).writerows(rows)
    return file


def problems(dataset: Dataset) -> dict[str, str]:
    assert len({problem.record for problem in dataset.problems}) == len(dataset.problems), "a record with two problems; look at the list"
    return {problem.record: problem.reason for problem in dataset.problems}


def names(dataset: Dataset) -> list[str]:
    return [record.name for record in dataset.records]


class TestOfficialLayouts:
    def test_cuhk_pedes(self, tmp_path: Path) -> None:
        folder = write_cuhk(
            tmp_path / "CUHK-PEDES", [entry("cam_a/1.jpg", 7, "train", [RED, BLUE]), entry("2.jpg", 8, "test")], ("cam_a/1.jpg", "2.jpg")
        )
        dataset = load_dataset(folder)
        assert (dataset.name, dataset.problems) == ("CUHK-PEDES", ())
        first, second = dataset.records
        assert first.path == (folder / "imgs" / "cam_a" / "1.jpg").resolve()
        assert (first.name, first.identity, first.split, first.captions) == ("cam_a/1.jpg", "7", Split.TRAIN, (Caption(RED), Caption(BLUE)))
        assert (second.name, second.identity, second.split) == ("2.jpg", "8", Split.TEST)

    @pytest.mark.parametrize("file", ["ICFG-PEDES.json", "ICFG_PEDES.json"])
    def test_icfg_pedes(self, tmp_path: Path, file: str) -> None:
        put_files(tmp_path / "imgs", "train/0000/0000_000_01_0303morning_0008_0.jpg")
        record = entry("train/0000/0000_000_01_0303morning_0008_0.jpg", 0) | {"processed_tokens": [["a", "woman"]]}
        (tmp_path / file).write_text(json.dumps([record]))
        dataset = load_dataset(tmp_path)
        assert (names(dataset), dataset.records[0].identity, dataset.problems) == ([record["file_path"]], "0", ())

    def test_rstpreid(self, tmp_path: Path) -> None:
        put_files(tmp_path / "imgs", "0000_c14_0031.jpg")
        record = {"id": 0, "img_path": "0000_c14_0031.jpg", "captions": [RED, BLUE], "split": "val"}
        (tmp_path / "data_captions.json").write_text(json.dumps([record]))
        (only,) = load_dataset(tmp_path).records
        assert (only.name, only.identity, only.split, len(only.captions)) == ("0000_c14_0031.jpg", "0", Split.VAL, 2)

    def test_a_linked_folder_of_pictures_is_the_users_own_doing(self, tmp_path: Path) -> None:
        put_files(tmp_path / "disk", "a.jpg")
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "imgs").symlink_to(tmp_path / "disk")
        (tmp_path / "set" / "reid_raw.json").write_text(json.dumps([entry("a.jpg")]))
        assert load_dataset(tmp_path / "set").records[0].path == (tmp_path / "disk" / "a.jpg").resolve()


class TestSplits:
    def test_one_split_neither_looks_for_nor_complains_about_others(self, tmp_path: Path) -> None:
        bad = [entry("missing.jpg"), entry("../x.jpg"), entry("b.jpg", None), entry("c.jpg", 3, "train", [""]), entry("c.jpg", 3)]
        folder = write_cuhk(tmp_path, [*bad, entry("a.jpg", 2, "val")])
        assert load_dataset(folder, [Split.VAL]).problems == ()
        assert len(load_dataset(folder, [Split.TRAIN]).problems) == 6

    def test_a_record_of_no_known_split_may_be_of_any(self, tmp_path: Path) -> None:
        folder = write_cuhk(tmp_path, [entry("a.jpg", 1, "val"), entry("b.jpg", 2, "holdout"), entry("c.jpg", 3, None)])
        for splits in (None, {Split.VAL}):
            found = problems(load_dataset(folder, splits))
            assert found.keys() == {"b.jpg", "c.jpg"}
            assert "unknown split 'holdout' (known: train, val, test)" in found["b.jpg"]

    def test_a_split_without_records_is_an_error_that_counts_the_others(self, tmp_path: Path) -> None:
        folder = write_cuhk(tmp_path, [entry("a.jpg"), entry("b.jpg")])
        with pytest.raises(DatasetError, match=r"records of val.*2 of train, 0 of val, 0 of test"):
            load_dataset(folder, {Split.VAL})

    @pytest.mark.parametrize("order", [("train", "val"), ("val", "train")])
    def test_a_picture_in_two_splits_stays_where_it_measures(self, tmp_path: Path, order: tuple[str, str]) -> None:
        folder = write_cuhk(tmp_path, [entry("a.jpg", 1, order[0]), entry("a.jpg", 1, order[1]), entry("b.jpg", 2)])
        dataset = load_dataset(folder)
        assert sorted((record.name, record.split) for record in dataset.records) == [("a.jpg", "val"), ("b.jpg", "train")]
        assert problems(dataset) == {
            "a.jpg": "is in val too; left out of train",
            "identity 1": "is in several splits: train, val; kept in each",
        }
        assert names(load_dataset(folder, {Split.VAL})) == ["a.jpg"]
        assert names(load_dataset(folder, {Split.TRAIN})) == ["b.jpg"]

    def test_an_identity_in_two_splits_is_said_once_and_kept(self, tmp_path: Path) -> None:
        folder = write_cuhk(tmp_path, [entry("a.jpg", 5), entry("b.jpg", "5"), entry("c.jpg", 5, "test")])
        for splits in (None, {Split.TEST}):
            assert problems(load_dataset(folder, splits)) == {"identity 5": "is in several splits: train, test; kept in each"}
        assert len(load_dataset(folder).records) == 3


class TestProblems:
    @pytest.mark.parametrize(
        ("bad", "label", "reason"),
        [
            (entry("gone.jpg"), "gone.jpg", "cannot be found"),
            (entry("sub"), "sub", "is not a file"),
            (entry("a.jpg/deeper.jpg"), "a.jpg/deeper.jpg", "cannot be found"),
            (entry("x" * 5000), "x" * 5000, "cannot be found"),
            (entry("../reid_raw.json"), "../reid_raw.json", "leaves the folder"),
            (entry("sub/../a.jpg"), "sub/../a.jpg", "leaves the folder"),
            (entry("/etc/passwd"), "/etc/passwd", "leaves the folder"),
            (entry("nul\0.jpg"), "nul\\x00.jpg", "not text"),
            (entry("half\ud800.jpg"), "half\\ud800.jpg", "not text"),
            (entry(""), "reid_raw.json record 2", "has no path"),
            ({"id": 1, "split": "train"}, "reid_raw.json record 2", "has no path"),
            (entry("b.jpg", None), "b.jpg", "has no id"),
            (entry("b.jpg", " "), "b.jpg", "has no id"),
            (entry("b.jpg", 1.5), "b.jpg", "neither a whole number nor text: 1.5"),
            (entry("b.jpg", True), "b.jpg", "neither a whole number nor text"),
            (entry("b.jpg", 1, ["train"]), "b.jpg", "unknown split ['train']"),
            ("b.jpg", "reid_raw.json record 2", "is not an object but str"),
            (entry("./a.jpg"), "a.jpg", "is twice in train; the first is kept"),
        ],
    )
    def test_a_bad_record_is_left_out_and_named(self, tmp_path: Path, bad: object, label: str, reason: str) -> None:
        (tmp_path / "imgs" / "sub").mkdir(parents=True)
        dataset = load_dataset(write_cuhk(tmp_path, [entry("a.jpg"), bad, entry("c.jpg")]))
        assert names(dataset) == ["a.jpg", "c.jpg"]
        (problem,) = dataset.problems
        assert problem.record == label
        assert reason in problem.reason

    @pytest.mark.parametrize(
        ("captions", "kept", "reasons"),
        [
            (["", RED, " \n"], [RED], ["(1 of 3) that is empty", "(3 of 3) that is empty"]),
            ([None, 4, RED], [RED], ["is empty", "is not text but int"]),
            (["\udc00", f"  {RED}\n"], [RED], ["not valid Unicode"]),
            (RED, [], ["not a list but str", "has no captions"]),
            ([""], [], ["is empty", "has no captions"]),
            ([], [], ["has no captions"]),
            (None, [], ["has no captions"]),
        ],
    )
    def test_a_bad_caption_goes_and_the_picture_stays(self, tmp_path: Path, captions: object, kept: list[str], reasons: list[str]) -> None:
        dataset = load_dataset(write_cuhk(tmp_path, [entry("a.jpg", captions=captions)]))
        (record,) = dataset.records
        assert [caption.text for caption in record.captions] == kept
        assert [problem.record for problem in dataset.problems] == ["a.jpg"] * len(reasons)
        for problem, reason in zip(dataset.problems, reasons, strict=True):
            assert reason in problem.reason

    def test_links_are_followed_inside_the_folder_only(self, tmp_path: Path) -> None:
        put_files(tmp_path, "secret/x.jpg")
        files = ["out.jpg", "loop.jpg", "dangling.jpg", "outside/x.jpg", "in.jpg", "inside/a.jpg"]
        folder = write_cuhk(tmp_path / "set", [entry(name) for name in files], ("real/a.jpg",))
        for link, target in {
            "out.jpg": tmp_path / "secret" / "x.jpg",
            "loop.jpg": folder / "imgs" / "loop.jpg",
            "dangling.jpg": folder / "imgs" / "nothing",
            "outside": tmp_path / "secret",
            "in.jpg": folder / "imgs" / "real" / "a.jpg",
            "inside": folder / "imgs" / "real",
        }.items():
            (folder / "imgs" / link).symlink_to(target)
        dataset = load_dataset(folder)
        assert names(dataset) == ["in.jpg", "inside/a.jpg"]
        found = problems(dataset)
        assert [name for name, reason in found.items() if "leaves the folder by a link" in reason] == ["out.jpg", "outside/x.jpg"]
        assert [name for name, reason in found.items() if "cannot be found" in reason] == ["loop.jpg", "dangling.jpg"]


class TestMoreCaptions:
    def write(self, folder: Path, more: object, unlabelled: object = ()) -> Path:
        write_cuhk(folder, [entry("a.jpg", 1), entry("b.jpg", 2, "val")], ("a.jpg", "b.jpg", "u.webp", "v.webp"))
        (folder / "more-captions.json").write_text(json.dumps(more))
        (folder / "unlabelled.json").write_text(json.dumps(unlabelled))
        return folder

    def test_words_go_to_training_pictures_by_picture_and_by_person(self, tmp_path: Path) -> None:
        more = {
            "images": {"u.webp": {"captions": ["in a white [UNK] with a bag", "[UNK] hat"], "from": "dem"}},
            "identities": {"1": {"dense": "a long text"}, "9": {"caption": "in white", "certainty": 1.0, "dense": "another"}},
        }
        unlabelled = [{"file_path": "u.webp", "id": 9, "source": "ssm"}, {"file_path": "v.webp", "id": 9, "source": "ssm"}]
        dataset = load_dataset(self.write(tmp_path, more, unlabelled))
        assert dataset.problems == ()
        assert [(record.name, record.split) for record in dataset.records] == [
            ("a.jpg", "train"),
            ("b.jpg", "val"),
            ("u.webp", "train"),
            ("v.webp", "train"),
        ]
        a, b, u, v = ([(caption.text, caption.origin) for caption in record.captions] for record in dataset.records)
        of_person = [("in white", Origin.PARAPHRASE), ("another", Origin.DENSE)]
        assert a == [(RED, Origin.OWN), ("a long text", Origin.DENSE)]
        assert b == [(RED, Origin.OWN)]
        assert u == [("in a white with a bag", Origin.OWN), ("hat", Origin.OWN), *of_person]
        assert v == of_person

    def test_val_never_receives_any(self, tmp_path: Path) -> None:
        more = {"images": {"b.jpg": {"captions": [BLUE]}}, "identities": {"2": {"caption": BLUE}}}
        folder = self.write(tmp_path, more)
        assert load_dataset(folder, {Split.VAL}) == Dataset(folder.name, load_dataset(folder).records[1:])
        dataset = load_dataset(folder)
        assert dataset.records[1].captions == (Caption(RED),)
        assert problems(dataset) == {
            "b.jpg": "has more captions but is no training picture",
            "identity 2": "has more captions but is nobody in the training pictures",
        }

    def test_words_that_cannot_be_used(self, tmp_path: Path) -> None:
        more = {
            "images": {"a.jpg": {"captions": ["[UNK] [UNK]", 3]}, "u.webp": RED},
            "identities": {"1": {"certainty": 1.0}, "9": {"caption": BLUE}},
        }
        dataset = load_dataset(self.write(tmp_path, more, [{"file_path": "u.webp", "id": 9}]))
        assert [(problem.record, problem.reason.split("that ")[1]) for problem in dataset.problems] == [
            ("a.jpg", "is empty"),
            ("a.jpg", "is not text but int"),
            ("u.webp", "is empty"),
            ("identity 1", "is empty"),
        ]
        assert [len(record.captions) for record in dataset.records] == [1, 1, 1]

    def test_a_picture_nobody_has_words_for_is_kept_and_said(self, tmp_path: Path) -> None:
        dataset = load_dataset(self.write(tmp_path, {"images": {}, "identities": {}}, [{"file_path": "u.webp", "id": 9}]))
        assert names(dataset) == ["a.jpg", "b.jpg", "u.webp"]
        assert problems(dataset) == {"u.webp": "has no captions; kept as a picture without words"}

    def test_unlabelled_pictures_are_read_with_words_only(self, tmp_path: Path) -> None:
        folder = self.write(tmp_path, {}, [{"file_path": "u.webp", "id": 9}])
        (folder / "more-captions.json").unlink()
        assert names(load_dataset(folder)) == ["a.jpg", "b.jpg"]

    @pytest.mark.parametrize("more", [[], {"images": {}}, {"images": {}, "identities": []}])
    def test_another_shape_is_an_error(self, tmp_path: Path, more: object) -> None:
        with pytest.raises(DatasetError, match=r"more-captions\.json"):
            load_dataset(self.write(tmp_path, more))


class TestTables:
    def test_rows_of_one_picture_are_one_record(self, tmp_path: Path) -> None:
        put_files(tmp_path / "crops", "a.jpg", "b.jpg")
        rows = [
            ["note", "split", "path", "caption", "id"],
            ["x", "train", "crops/a.jpg", RED, "p1"],
            ["", "test", "crops/b.jpg", RED, "p2"],
            ["y", "train", "crops/a.jpg", BLUE, "p1"],
        ]
        file = write_csv(tmp_path / "people.csv", rows, "utf-8-sig")
        dataset = load_dataset(file)
        assert dataset == load_dataset(tmp_path)
        assert (dataset.name, dataset.problems, names(dataset)) == (tmp_path.name, (), ["crops/a.jpg", "crops/b.jpg"])
        first = dataset.records[0]
        assert (first.identity, first.split, first.captions) == ("p1", Split.TRAIN, (Caption(RED), Caption(BLUE)))

    def test_without_id_and_split_each_picture_is_somebody_to_measure_on(self, tmp_path: Path) -> None:
        put_files(tmp_path, "a.jpg", "b.jpg")
        dataset = load_dataset(write_csv(tmp_path / "t.csv", [["path", "caption"], ["a.jpg", RED], ["b.jpg", RED], ["a.jpg", BLUE]]))
        assert [(record.identity, record.split, len(record.captions)) for record in dataset.records] == [
            ("a.jpg", "val", 2),
            ("b.jpg", "val", 1),
        ]

    def test_json_lines(self, tmp_path: Path) -> None:
        put_files(tmp_path, "a.jpg", "b.jpg", "c.jpg")
        lines = [
            json.dumps({"path": "a.jpg", "caption": "line\u2028separator", "id": 3}, ensure_ascii=False),
            "",
            "{broken",
            "[1]",
            json.dumps({"path": "b.jpg", "caption": None, "id": 4, "more": 1}),
            json.dumps({"path": "c.jpg", "caption": RED}),
        ]
        (tmp_path / "t.jsonl").write_text("\r\n".join(lines), encoding="utf-8-sig")
        dataset = load_dataset(tmp_path)
        assert [(record.name, record.identity, len(record.captions)) for record in dataset.records] == [
            ("a.jpg", "3", 1),
            ("b.jpg", "4", 0),
        ]
        assert [(problem.record, problem.reason[:17]) for problem in dataset.problems] == [
            ("line 3", "is not JSON: Expe"),
            ("line 4", "is not an object "),
            ("b.jpg", "has a caption (1 "),
            ("c.jpg", "has no id; left o"),
            ("b.jpg", "has no captions; "),
        ]

    def test_a_bad_line_is_named_and_the_rest_goes_on(self, tmp_path: Path) -> None:
        put_files(tmp_path, "a.jpg", "b.jpg")
        text = 'path,caption\n"a.jpg","two\nlines"\nb.jpg,red, black\n"b"x,no\n\nb.jpg,fine\na.jpg,"never closed\nb.jpg,swallowed\n'
        (tmp_path / "t.csv").write_text(text)
        dataset = load_dataset(tmp_path)
        assert [(record.name, [caption.text for caption in record.captions]) for record in dataset.records] == [
            ("a.jpg", ["two\nlines"]),
            ("b.jpg", ["fine"]),
        ]
        assert [problem.record for problem in dataset.problems] == ["line 4", "line 5", "line 8"]
        assert "3 cells where the header has 2" in dataset.problems[0].reason

    def test_rows_that_repeat_or_contradict_are_named(self, tmp_path: Path) -> None:
        put_files(tmp_path, "a.jpg", "b.jpg")
        rows = [["path", "caption", "id"], ["a.jpg", RED, "1"], ["a.jpg", RED, "1"], ["b.jpg", RED, "2"], ["b.jpg", BLUE, "3"]]
        dataset = load_dataset(write_csv(tmp_path / "t.csv", rows))
        assert [(record.name, record.identity, record.captions) for record in dataset.records] == [
            ("a.jpg", "1", (Caption(RED),)),
            ("b.jpg", "2", (Caption(RED),)),
        ]
        assert problems(dataset) == dict.fromkeys(["a.jpg", "b.jpg"], "is twice in val; the first is kept")

    @pytest.mark.parametrize(
        ("name", "content", "found"),
        [
            ("t.csv", b"photo,caption,id\na.jpg,red,1\n", "'photo', 'caption', 'id'"),
            ("t.csv", b"path/caption\na.jpg/red\n", "'path/caption'"),
            ("t.csv", b"", "none"),
            ("t.csv", b"path,caption,caption\na.jpg,red,blue\n", "caption more than once"),
            ("t.csv", "path,caption\na.jpg,caf\u00e9\n".encode("latin-1"), "byte 22"),
            ("t.jsonl", b'{"path": "a.jpg", "words": "red"}\n', "'path', 'words'"),
            ("t.jsonl", b"", "none that can be used"),
            ("t.jsonl", b"nonsense\n", "line 1 is not JSON"),
        ],
    )
    def test_a_table_that_is_none_is_an_error(self, tmp_path: Path, name: str, content: bytes, found: str) -> None:
        put_files(tmp_path, "a.jpg")
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DatasetError) as raised:
            load_dataset(tmp_path)
        assert found in raised.value.found


def nothing(folder: Path) -> None:
    folder.mkdir()


def two_tables(folder: Path) -> None:
    put_files(folder, "a.csv", "b.jsonl")


def two_layouts(folder: Path) -> None:
    put_files(folder, "reid_raw.json", "data_captions.json")


def plain_file(folder: Path) -> None:
    folder.write_text("hello")


def absent(folder: Path) -> None:
    assert not folder.exists()


def link_loop(folder: Path) -> None:
    folder.symlink_to(folder)


@pytest.mark.parametrize("make", [nothing, two_tables, two_layouts, plain_file, absent, link_loop])
def test_what_is_no_dataset_is_an_error_that_names_the_layouts(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "set")
    with pytest.raises(DatasetError) as raised:
        load_dataset(tmp_path / "set")
    for name in ("CUHK-PEDES", "reid_raw.json", "ICFG-PEDES", "RSTPReid", "data_captions.json", ".csv", ".jsonl", "path, caption"):
        assert name in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"a": 1}', b"[]", b"[1, null]"])
def test_an_annotation_file_that_holds_no_records_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "imgs").mkdir()
    (tmp_path / "reid_raw.json").write_bytes(content)
    with pytest.raises(DatasetError):
        load_dataset(tmp_path)


def test_pictures_not_unpacked_are_one_error(tmp_path: Path) -> None:
    (tmp_path / "reid_raw.json").write_text(json.dumps([entry("a.jpg")]))
    with pytest.raises(DatasetError, match="imgs/"):
        load_dataset(tmp_path)


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip) | st.sampled_from(
    ['red "jacket", blue', "two\nlines", "a\r\nb", '"', ",", "'", "café 赤い 👕", "\ufeffmark", "=1+1"]
)


@settings(max_examples=60, deadline=None)
@given(captions=st.lists(st.lists(words, min_size=1, max_size=3, unique=True), min_size=1, max_size=5), marked=st.booleans())
def test_captions_survive_a_csv(tmp_path_factory: pytest.TempPathFactory, captions: list[list[str]], marked: bool) -> None:
    folder = tmp_path_factory.mktemp("table")
    put_files(folder, *(f"{number}.jpg" for number in range(len(captions))))
    rows = [[f"{number}.jpg", text] for number, texts in enumerate(captions) for text in texts]
    write_csv(folder / "t.csv", [["path", "caption"], *rows], "utf-8-sig" if marked else "utf-8")
    dataset = load_dataset(folder)
    assert [[caption.text for caption in record.captions] for record in dataset.records] == [
        [text.strip() for text in texts] for texts in captions
    ]
    assert dataset.problems == ()


parts = st.sampled_from(["..", ".", "", "a", "b", "out", "in", "a.jpg", "secret.jpg", "link.jpg", "~", "..\\..", "\\", "file:", "$HOME"])
paths = st.lists(parts, min_size=1, max_size=6).map("/".join) | st.text(max_size=12)


@settings(max_examples=60, deadline=None)
@given(tried=st.lists(paths, min_size=1, max_size=12, unique=True))
def test_no_record_resolves_outside_its_folder(tmp_path_factory: pytest.TempPathFactory, tried: list[str]) -> None:
    base = tmp_path_factory.mktemp("base").resolve()
    folder = base / "set"
    put_files(base, "secret.jpg", "a.jpg", "set/ok.jpg", "set/a.jpg", "set/b/a.jpg")
    (folder / "out").symlink_to(base)
    (folder / "in").symlink_to(folder)
    (folder / "link.jpg").symlink_to(base / "secret.jpg")
    lines = [{"path": path, "caption": RED} for path in ["ok.jpg", "in/a.jpg", *tried]]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    dataset = load_dataset(folder)
    assert {"ok.jpg", "in/a.jpg"} <= set(names(dataset))
    for record in dataset.records:
        assert record.path.is_absolute()
        assert record.path.is_file()
        assert record.path.resolve().is_relative_to(folder)
    assert len(dataset.records) + len(dataset.problems) == len(lines)


Fields = tuple[object, object, object, object]
fields = st.tuples(
    st.sampled_from(["a.jpg", "b.jpg", "", None, 1]), st.sampled_from(["p", 1, True, None]), st.sampled_from(["val", None]), words
)


def obviously_read(rows: list[Fields]) -> list[tuple[object, object, object, list[object]]]:
    """The records of rows as they may be joined, by comparing every row with every record: the slow way."""
    records: list[tuple[object, object, object, list[object]]] = []
    for path, identity, split, caption in rows:
        alike = [
            record
            for record in records
            if path in ("a.jpg", "b.jpg") and identity is not True and repr(record[:3]) == repr((path, identity, split)) and record[3]
        ]
        if alike and caption not in alike[0][3]:
            alike[0][3].append(caption)
        else:
            records.append((path, identity, split, [] if alike else [caption]))
    return records


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(fields, max_size=12))
def test_rows_are_joined_as_by_comparing_all_with_all(tmp_path_factory: pytest.TempPathFactory, rows: list[Fields]) -> None:
    file = tmp_path_factory.mktemp("table") / "t.jsonl"
    file.write_text("".join(f"{json.dumps(dict(zip(('path', 'id', 'split', 'caption'), row, strict=True)))}\n" for row in rows))
    found = [(record.path, record.identity, record.split, record.captions) for record in read_table(file).records]
    assert sorted(map(repr, found)) == sorted(map(repr, obviously_read(rows)))


def seconds(file: Path) -> float:
    started = time.process_time()
    read_table(file)
    return time.process_time() - started


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("pictures", [1, 10_000])
def test_many_rows_take_little_memory_and_no_more_time_each(tmp_path: Path, suffix: str, pictures: int) -> None:
    def seconds_and_bytes(rows: int) -> tuple[float, float]:
        file = tmp_path / f"{rows}{suffix}"
        with file.open("w") as table:
            table.write("path,caption\n" if suffix == ".csv" else "")
            for row in range(rows):
                path, caption = f"{row % pictures}.jpg", f"person {row:06} {'x' * 100}"
                table.write(f"{path},{caption}\n" if suffix == ".csv" else f'{{"path": "{path}", "caption": "{caption}"}}\n')
        elapsed = min(seconds(file) for _ in range(3))
        tracemalloc.start()
        read_table(file)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return elapsed, peak

    few, many = seconds_and_bytes(3_000), seconds_and_bytes(12_000)
    assert many[0] < 10 * few[0] + 0.1
    assert many[1] / 12_000 < 165 + MOST_BYTES_A_ROW


@pytest.mark.realdata
def test_cuhk_pedes_itself() -> None:
    place = os.environ.get("PASSERBY_DATA")
    if not place:
        pytest.skip("PASSERBY_DATA names no folder of CUHK-PEDES")
    dataset = load_dataset(Path(place))
    assert dataset.problems == ()
    train, val = ([record for record in dataset.records if record.split is split] for split in (Split.TRAIN, Split.VAL))
    assert (len(train), len(val)) == (9_834 + 24_220, 3_078)
    assert (len({record.identity for record in train}), len({record.identity for record in val})) == (3_166 + 7_838, 1_000)
    labelled, unlabelled = train[:9_834], train[9_834:]
    assert sum(caption.origin is Origin.OWN for record in labelled for caption in record.captions) == 19_670
    assert sum(any(caption.origin is Origin.OWN for caption in record.captions) for record in unlabelled) == 2_662
    assert all(any(caption.origin is Origin.PARAPHRASE for caption in record.captions) for record in unlabelled)
    assert Counter(caption.origin for record in val for caption in record.captions) == {Origin.OWN: 6_158}
    assert load_dataset(Path(place), {Split.VAL}).records == tuple(val)
    assert not any("[UNK]" in caption.text for record in dataset.records for caption in record.captions)
