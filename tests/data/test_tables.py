"""Tables as people have them: what spreadsheets, scripts and other machines write."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Literal

import pytest
from click.testing import CliRunner
from crops import write_crop
from hypothesis import given, settings
from hypothesis import strategies as st

from passerby.cli.app import app
from passerby.data.columns import KNOWN
from passerby.data.datasets import load_dataset
from passerby.data.tables import read_table
from passerby.errors import DatasetError
from passerby.types import Dataset, Split

RED = "a woman in a red jacket"
BLUE = "a man in a blue coat"


def table(folder: Path, content: str | bytes, name: str = "t.csv", files: tuple[str, ...] = ("a.jpg", "b.jpg")) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        write_crop(folder / file, seed=1)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


def said(dataset: Dataset) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(r.name, r.identity, r.split.value, tuple(caption.text for caption in r.captions)) for r in dataset.records]


def reasons(dataset: Dataset) -> list[str]:
    return [f"{problem.record} {problem.reason}" for problem in dataset.problems]


# -- text -------------------------------------------------------------------------------------------------------------------------

LAW = [{"path": "a.jpg", "caption": RED, "id": "001", "split": "train"}, {"path": "b.jpg", "caption": BLUE, "id": "2", "split": "val"}]
HARD = st.sampled_from(['red, "blue"; green', "two\nlines", "a | b\tc", "café 赤い", "it’s “red”", "=1+1", "[1, 2]", "'", ";;"])
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(str.strip) | HARD
CASES = st.sampled_from([str, str.upper, str.title, lambda name: f" {name} ", lambda name: name.replace("_", " ")])


@settings(max_examples=120, deadline=None)
@given(
    captions=st.lists(WORDS, min_size=1, max_size=4),
    columns=st.tuples(*(st.sampled_from(KNOWN[role]) for role in ("path", "caption", "id", "split"))),
    case=CASES,
    order=st.permutations(range(5)),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
    excel=st.booleans(),
    blank=st.booleans(),
    trailing=st.booleans(),
)
def test_however_a_table_is_written_it_says_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    captions: list[str],
    columns: tuple[str, ...],
    case: object,
    order: list[int],
    delimiter: str,
    encoding: str,
    end: str,
    quoting: Literal[0, 1],
    excel: bool,
    blank: bool,
    trailing: bool,
) -> None:
    assert callable(case)
    quoting = quoting if end != "\r" else csv.QUOTE_ALL  # else the writer leaves a line feed within a cell as it is
    rows = [[f"{number}.jpg", text, f"00{number}", "train", ""] for number, text in enumerate(captions)]
    written = io.StringIO()
    if excel:
        written.write(f"sep={delimiter}{end}")
    writer = csv.writer(written, delimiter=delimiter, lineterminator=f"{delimiter}{end}" if trailing else end, quoting=quoting)
    for row in ([case(name) for name in (*columns, "note")], *rows):
        writer.writerow([row[place] for place in order])
        if blank:
            written.write(f"{delimiter * 4}{end}{end}")
    file = tmp_path_factory.mktemp("table") / "t.csv"
    file.write_bytes(written.getvalue().encode(encoding))
    found = read_table(file)
    assert found.problems == ()
    assert [(r.path, r.captions, r.identity, r.split) for r in found.records] == [
        (path, [text], identity, split) for path, text, identity, split, _ in rows
    ]


@pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t.ndjson"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("write", [lambda rows: "\r".join(map(json.dumps, rows)), json.dumps, lambda rows: json.dumps(rows, indent=2)])
def test_json_by_line_or_in_one_list(tmp_path: Path, name: str, encoding: str, write: object) -> None:
    assert callable(write)
    dataset = load_dataset(table(tmp_path, write(LAW).encode(encoding), name))
    assert said(dataset) == [("a.jpg", "001", "train", (RED,)), ("b.jpg", "2", "val", (BLUE,))]
    assert dataset.problems == ()


def test_a_line_that_is_a_list_does_not_make_one_of_the_file(tmp_path: Path) -> None:
    dataset = load_dataset(table(tmp_path, "[1]\n" + "\n".join(map(json.dumps, LAW)), "t.jsonl"))
    assert len(dataset.records) == 2
    assert reasons(dataset) == ["line 1 is not an object but list"]


@pytest.mark.parametrize(
    ("content", "name", "found"),
    [
        (b"PK\x03\x04\x14\0", "t.xlsx", "Excel workbook"),
        (b"PK\x03\x04\x14\0", "t.csv", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "t.xls", "old Excel"),
        (b"PAR1\x15\x04", "t.parquet", "Parquet"),
        (b"\x1f\x8b\x08", "t.csv.gz", "gzip"),
        ("path,caption\na.jpg,it’s red\n".encode("cp1252"), "t.csv", "byte 21, in line 2, that is not (Windows-1252: '’')"),
        ("path,caption\n".encode("utf-16") + b"a", "t.csv", "truncated"),
        (b"a.jpg;a woman in a red jacket\n", "t.csv", "'a.jpg', 'a woman in a red jacket'"),
        (b'"path,caption\na.jpg,red\n', "t.csv", "line 1 cannot be read"),
        (b"file,image,caption\na.jpg,b.jpg,red\n", "t.csv", "'file' and 'image', which could all be the column path"),
        (b"id,person_id,path,caption\n1,7,a.jpg,red\n", "t.csv", "'id' and 'person_id', which could all be the column id"),
        (b"Path,path,caption\na.jpg,b.jpg,red\n", "t.csv", "more than once"),
        (b'{"image": "a.jpg", "file": "a.jpg", "text": "x"}', "t.jsonl", "'image' and 'file'"),
        (b'{\n  "images": []\n}', "t.json", "one dict over several lines"),
        (b'[{"path": "a.jpg",}]', "t.json", "line 1 column"),
        (b'{"path": "a.jpg", "caption": "x"},\n', "t.jsonl", "line 1 ends in a comma"),
        (b"path,caption\n", "t.csv", "none that can be used"),
        (b"x" * 200_000, "t.csv", "field larger than"),
    ],
)
def test_what_is_no_table_is_told_apart(tmp_path: Path, content: bytes, name: str, found: str) -> None:
    with pytest.raises(DatasetError) as raised:
        load_dataset(table(tmp_path, content, name))
    assert found in raised.value.found
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_first_line_that_is_a_row_is_said_with_the_names_there_may_be(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as raised:
        load_dataset(table(tmp_path, f"a.jpg,{RED}\nb.jpg,{BLUE}\n"))
    assert all(name in raised.value.expected for name in (*KNOWN["path"], *KNOWN["caption"]))
    assert "above this one, which is a row" in raised.value.do


def test_a_column_called_as_its_role_is_it_whatever_stands_beside_it(tmp_path: Path) -> None:
    file = table(tmp_path, f"file,path,text,caption,set,split\nx,a.jpg,y,{RED},z,Val\n")
    assert said(load_dataset(file)) == [("a.jpg", "a.jpg", "val", (RED,))]


def test_cells_that_nobody_asks_for_may_be_missing_and_no_other(tmp_path: Path) -> None:
    file = table(tmp_path, f"path,caption,id,note\na.jpg,{RED},1\nb.jpg,{BLUE}\nb.jpg,{BLUE},2,x,y\n")
    dataset = load_dataset(file)
    assert said(dataset) == [("a.jpg", "1", "val", (RED,))]
    assert [reason[:25] for reason in reasons(dataset)] == ["line 3 has 2 cells where ", "line 4 has 5 cells where "]


def test_lines_are_counted_from_the_top_of_the_file(tmp_path: Path) -> None:
    dataset = load_dataset(table(tmp_path, f"\nsep=;\n;\npath;caption\na.jpg;{RED}\nb.jpg\n"))
    assert reasons(dataset) == ["line 6 has 1 cells where the header has 2 (text with commas needs quotes)"]


@pytest.mark.parametrize(("below", "lines"), [(0, None), (1, 2), (35, 36)])
def test_a_quote_that_is_left_open_says_how_many_lines_it_takes_in(tmp_path: Path, below: int, lines: int | None) -> None:
    file = table(tmp_path, f'path,caption\na.jpg,{RED}\nb.jpg,"{BLUE}\n' + f"b.jpg,{RED}\n" * below)
    (reason,) = reasons(load_dataset(file))
    assert reason.startswith("line 3 cannot be read: unexpected end of data")
    assert reason.endswith(f"; an open quote takes in {lines} lines from here" if lines else "data")


def test_spaces_after_the_delimiter(tmp_path: Path) -> None:
    assert said(load_dataset(table(tmp_path, 'path, caption, id\na.jpg, "red, blue", 3\n'))) == [("a.jpg", "3", "val", ("red, blue",))]


# -- values -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [json.dumps, repr])
def test_a_list_of_captions_in_one_cell(tmp_path: Path, write: object) -> None:
    assert callable(write)
    text = io.StringIO()
    csv.writer(text).writerows([["path", "captions"], ["a.jpg", write([RED, BLUE])], ["b.jpg", "[red"]])
    assert [captions for *_, captions in said(load_dataset(table(tmp_path, text.getvalue())))] == [(RED, BLUE), ("[red",)]


@pytest.mark.parametrize(
    ("written", "split"),
    [
        ("Val", "val"),
        ("validation", "val"),
        ("DEV ", "val"),
        ("valid", "val"),
        ("Testing", "test"),
        ("TRAIN", "train"),
        ("training", "train"),
    ],
)
def test_splits_as_people_call_them(tmp_path: Path, written: str, split: str) -> None:
    assert said(load_dataset(table(tmp_path, f"path,caption,split\na.jpg,{RED},{written}\n")))[0][2] == split


def test_one_picture_with_its_split_written_two_ways_is_one_record(tmp_path: Path) -> None:
    file = table(tmp_path, f"path,caption,split\na.jpg,{RED},Val\na.jpg,{BLUE},val\n")
    assert said(load_dataset(file)) == [("a.jpg", "a.jpg", "val", (RED, BLUE))]


def test_ids_stay_as_they_are_written_and_doubtful_ones_are_said(tmp_path: Path) -> None:
    rows = [("a", "1"), ("b", "001"), ("c", "1.0"), ("d", "2"), ("e", "2.01612E+13"), ("f", "nan"), ("g", "10")]
    lines = "".join(f"{name}.jpg,{RED},{identity}\n" for name, identity in rows)
    dataset = load_dataset(table(tmp_path, f"path,caption,id\n{lines}", files=tuple(f"{name}.jpg" for name, _ in rows)))
    assert [identity for _, identity, *_ in said(dataset)] == ["1", "001", "1.0", "2", "2.01612E+13", "10"]
    assert [problem.record for problem in dataset.problems] == ["f.jpg", "identity 1", "identity 2.01612E+13"]
    assert "is 001 and 1.0 too" in reasons(dataset)[1]
    assert "cut short" in reasons(dataset)[2]


def test_whole_numbers_with_a_point_in_json_are_ids(tmp_path: Path) -> None:
    rows = [LAW[0] | {"id": 1.0}, LAW[0] | {"id": 1.0, "caption": BLUE}, LAW[1] | {"id": 1}]
    dataset = load_dataset(table(tmp_path, json.dumps(rows), "t.json"))
    assert [(identity, captions) for _, identity, _, captions in said(dataset)] == [("1.0", (RED, BLUE)), ("1", (BLUE,))]
    assert "identity 1.0 is 1 too" in reasons(dataset)[0]


@pytest.mark.parametrize("caption", ["", "  ", '""'])
def test_a_caption_without_words_is_said(tmp_path: Path, caption: str) -> None:
    dataset = load_dataset(table(tmp_path, f"path,caption\na.jpg,{RED}\nb.jpg,{caption}\n"))
    assert [captions for *_, captions in said(dataset)] == [(RED,), ()]
    assert len(dataset.problems) == 2


# -- paths ------------------------------------------------------------------------------------------------------------------------


def one_of(tmp_path: Path, written: str) -> Dataset:
    """A table in a folder beside the pictures' that names one in its folder and one as it is written."""
    file = table(tmp_path / "tables", json.dumps([LAW[0], LAW[1] | {"path": written}]), "t.json")
    table(tmp_path / "pictures", "", "none.txt", ("p q.jpg",))
    return load_dataset(file)


@pytest.mark.parametrize(
    "written",
    [
        "{}/pictures/p q.jpg",
        "../pictures/p q.jpg",
        "file://{}/pictures/p%20q.jpg",
        "..\\pictures\\p q.jpg",
        "“../pictures/p q.jpg” ",
        "~/p q.jpg",
        "$PICS/p q.jpg",
    ],
)
def test_a_table_of_ones_own_names_pictures_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "pictures"))
    monkeypatch.setenv("PICS", str(tmp_path / "pictures"))
    dataset = one_of(tmp_path, written.format(tmp_path))
    assert dataset.problems == ()
    found = (tmp_path / "pictures" / "p q.jpg").resolve()
    assert dataset.records[1].path.samefile(found)
    assert dataset.records[1].path.is_absolute()


def test_a_picture_has_one_name_however_it_is_reached(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    absolute = (tmp_path / "b.jpg").resolve()
    (tmp_path / "link").symlink_to(tmp_path)
    paths = ["a.jpg", f"{absolute}", "b.jpg", f"{tmp_path}/link/b.jpg", f"../{tmp_path.name}/a.jpg"]
    table(tmp_path, "path,caption\n" + "".join(f"{path},{RED} {n}\n" for n, path in enumerate(paths)))
    dataset = load_dataset(file)
    assert [record.name for record in dataset.records] == ["a.jpg", "b.jpg"]
    assert len(dataset.problems) == 3


@pytest.mark.parametrize("written", ["{}/pictures/p q.jpg", "../pictures/p q.jpg", "file://{}/pictures/p%20q.jpg"])
def test_the_table_of_a_folder_does_not_and_says_how(tmp_path: Path, written: str) -> None:
    path = written.format(tmp_path)
    table(tmp_path / "pictures", "", "none.txt", ("p q.jpg",))
    with pytest.raises(DatasetError, match=r"leaves the folder.*name the table .*t\.jsonl itself"):
        load_dataset(table(tmp_path / "tables", json.dumps(LAW[0] | {"path": path}), "t.jsonl").parent)


@pytest.mark.parametrize("written", ["..\\b.jpg", "$HOME/b.jpg", "~/b.jpg", "in\\..\\..\\b.jpg"])
def test_no_way_of_writing_leaves_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_crop(tmp_path / "b.jpg", seed=2)
    file = table(tmp_path / "set" / "in", json.dumps(LAW), "t.jsonl").parent
    (file / "t.jsonl").write_text("\n".join(json.dumps(LAW[0] | {"path": path}) for path in ("a.jpg", written)))
    dataset = load_dataset(file)
    assert [record.name for record in dataset.records] == ["a.jpg"]
    assert len(dataset.problems) == 1


@pytest.mark.parametrize(
    "written", ["C:\\pics\\a.jpg", "D:/pics/a.jpg", "\\\\nas\\share\\a.jpg", "https://example.org/a.jpg", "s3://bucket/a.jpg"]
)
def test_a_path_of_another_place_is_said_to_be_one(tmp_path: Path, written: str) -> None:
    (reason,) = reasons(one_of(tmp_path, written))
    assert "Windows" in reason or "network" in reason


def test_a_backslash_may_be_part_of_a_name(tmp_path: Path) -> None:
    file = table(tmp_path, f"path,caption\nin\\a.jpg,{RED}\nin\\b.jpg,{BLUE}\n", files=("in\\a.jpg", "in/a.jpg", "in/b.jpg"))
    assert [record.name for record in load_dataset(file).records] == ["in\\a.jpg", "in/b.jpg"]


def test_paths_from_where_one_stands_are_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (reason,) = reasons(one_of(tmp_path, "pictures/p q.jpg"))
    assert f"though from {tmp_path} it can: paths start from the table's folder" in reason


def test_the_source_of_a_picture_elsewhere_is_the_folder_it_is_in(tmp_path: Path) -> None:
    file = table(tmp_path / "tables", "", files=("mall/deep/a.jpg", "b.jpg"))
    write_crop(tmp_path / "station" / "c.jpg", seed=3)
    file.write_text("path,caption\n" + "".join(f"{path},{RED}\n" for path in ("mall/deep/a.jpg", "b.jpg", tmp_path / "station" / "c.jpg")))
    assert [record.source for record in load_dataset(file).records] == ["mall", "", "station"]


@pytest.mark.parametrize(
    "command", ["evaluate", "evaluate --measure conditions", "evaluate --measure groups", "evaluate --measure wording"]
)
def test_commands_take_absolute_paths_and_say_that_five_people_are_few(tmp_path: Path, tiny_bundle: Path, command: str) -> None:
    pictures = [write_crop(tmp_path / "pictures" / f"{n}.jpg", seed=n) for n in range(5)]
    rows = "".join(f"{picture};{RED} {n}\n" for n, picture in enumerate(pictures))
    file = table(tmp_path / "tables", f"Image Path;Text\n{rows}", files=())
    asked = CliRunner().invoke(app, [*command.split(), "--data", str(file), "--model", str(tiny_bundle), "--json"])
    assert asked.exit_code == 0, asked.output
    document = json.loads(asked.stdout, parse_constant=pytest.fail)
    assert "only 5 people" in document["caution"]


# -- the file that CUHK-PEDES comes with ------------------------------------------------------------------------------------------


def test_caption_all_is_understood_and_is_val_until_somebody_parts_it(tmp_path: Path) -> None:
    rows = [{"id": 1, "file_path": "CUHK01/a.jpg", "captions": [RED, BLUE]}]
    table(tmp_path, json.dumps(rows), "caption_all.json", ("imgs/CUHK01/a.jpg",))
    for path in (tmp_path, tmp_path / "caption_all.json"):
        assert said(load_dataset(path)) == [("CUHK01/a.jpg", "1", "val", (RED, BLUE))]
    table(tmp_path, json.dumps([rows[0] | {"split": "train"}]), "reid_raw.json", ())
    assert said(load_dataset(tmp_path))[0][2] == Split.TRAIN


def test_records_of_an_official_kind_may_be_a_table_of_ones_own(tmp_path: Path) -> None:
    rows = [{"id": 1, "file_path": str(tmp_path / "a.jpg"), "captions": [RED, BLUE]}, {"id": 2, "file_path": "b.jpg", "captions": [BLUE]}]
    file = table(tmp_path, json.dumps(rows), "caption_all.json")
    assert said(load_dataset(file)) == [("a.jpg", "1", "val", (RED, BLUE)), ("b.jpg", "2", "val", (BLUE,))]
