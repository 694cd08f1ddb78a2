"""Captioned pictures of people, read from the layouts of the field into one validated type."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from sys import intern
from typing import Final

from passerby.data.layouts import UNDERSTOOD, Source, read_source
from passerby.data.more_captions import read_more_captions
from passerby.data.pictures import Pictures
from passerby.data.raw import RawRecord, read_captions, read_identity, read_path, read_split
from passerby.errors import DatasetError
from passerby.inputs import AnyPath, as_path, as_texts, wrong
from passerby.types import Dataset, Problem, Record, Split

_PRECEDENCE = {Split.TRAIN: 0, Split.VAL: 1, Split.TEST: 2}
"""Which split keeps a picture that is in several: the one that measures the most final figure."""

_NUMBER: Final = re.compile(r"0*(\d+)(?:\.0+)?")
_CUT_SHORT: Final = re.compile(r"\d(\.\d+)?E\+\d+")
"""What a spreadsheet makes of a long number."""


def load_dataset(path: AnyPath, splits: str | Iterable[str] | None = None) -> Dataset:
    """Reads a dataset of captioned pictures of people.

    Understood are CUHK-PEDES (Li et al., CVPR 2017), ICFG-PEDES (Ding et al., 2021) and RSTPReid (Zhu et al., ACM MM 2021) in their
    official layouts, and a table in CSV or JSON (see `passerby.data.tables.read_table`), given itself or by a folder that holds one.
    ``more-captions.json`` in a folder of CUHK-PEDES adds words to training pictures, and brings in those of ``unlabelled.json``.

    A record needs a picture, an identity and a split; one that lacks them is left out, a caption that cannot be used likewise, and each
    is among the problems. Paths start from the table's folder; what a folder holds may not name pictures outside it, a table that is
    itself given may name any (see `passerby.data.pictures.Pictures.locator`). A record without captions is kept and reported. A picture
    in several splits stays in the one that measures (test before val before train); an identity in several splits is reported and kept,
    as is one that looks like another. Pictures are not opened.

    Args:
        path: the folder or table.
        splits: those wanted, one alone or several, all by default; pictures of others are neither looked for nor complained about.

    Raises:
        InputError: an argument of the wrong kind, or a split that is none.
        DatasetError: a path, layout or file that cannot be read, or in which no record of the splits can be used.
    """
    path = as_path(path, "a dataset's folder or table, a str or a Path")
    wanted = frozenset(Split) if splits is None else frozenset(map(_split, as_texts(splits)))
    source = read_source(path)
    problems = list(source.problems)
    records = list(_read(source.records, source.pictures, wanted, problems))
    source = replace(source, records=(), problems=())  # as large as the records themselves
    problems += _doubtful_identities(records, wanted)
    problems += _shared_identities(records, wanted)
    records = list(_one_for_each_picture(records, wanted, problems))
    counts = Counter(record.split for record in records)
    records = [record for record in records if record.split in wanted]
    if source.more_captions and Split.TRAIN in wanted:
        records = _with_more_captions(records, source.more_captions, problems)
    records = list(_present(records, source.pictures, problems))
    if not records:
        raise _nothing_usable(source, path, wanted, counts, problems)
    problems += [Problem(record.name, "has no captions; kept as a picture without words") for record in records if not record.captions]
    return Dataset(source.name, tuple(records), tuple(map(_printable, problems)))


def _split(name: str) -> Split:
    if name not in set(Split):
        raise wrong(name, f"a split: {', '.join(Split)}")
    return Split(name)


def _read(records: Iterable[RawRecord], pictures: Pictures, wanted: Collection[Split], problems: list[Problem]) -> Iterator[Record]:
    locate = pictures.locator()
    for item in records:
        split = None
        try:
            split = read_split(item.split)
            (name, path), identity = locate(read_path(item.path)), read_identity(item.identity)
        except ValueError as error:
            if split is None or split in wanted:
                problems.append(Problem(item.label, f"{error}; left out"))
            continue
        captions, faults = read_captions(item.captions) if split in wanted else ((), ())
        problems += [Problem(item.label, fault) for fault in faults]
        yield Record(path, name, identity, split, captions)


def _shared_identities(records: Iterable[Record], wanted: Collection[Split]) -> Iterator[Problem]:
    first: dict[str, Split] = {}
    several: dict[str, set[Split]] = {}
    for record in records:
        if first.setdefault(record.identity, record.split) is not record.split:
            several.setdefault(record.identity, {first[record.identity]}).add(record.split)
    for identity, splits in several.items():
        if not splits.isdisjoint(wanted):
            yield Problem(f"identity {identity}", f"is in several splits: {_listed(splits)}; kept in each")


def _doubtful_identities(records: Iterable[Record], wanted: Collection[Split]) -> Iterator[Problem]:
    """People who may be one although they are written as two, or two although they are written as one."""
    first: dict[str, str] = {}
    several: dict[str, dict[str, None]] = {}
    cut_short: dict[str, None] = {}
    for record in records:
        if record.split not in wanted:
            continue
        if number := _NUMBER.fullmatch(record.identity):
            spelling = first.setdefault(number[1], record.identity)
            if spelling != record.identity:
                several.setdefault(spelling, {})[record.identity] = None
        elif _CUT_SHORT.fullmatch(record.identity):
            cut_short[record.identity] = None
    for spelling, others in several.items():
        yield Problem(
            f"identity {spelling}", f"is {' and '.join(others)} too, and each of them counted as somebody else; write a person's id one way"
        )
    for identity in cut_short:
        yield Problem(f"identity {identity}", "looks like a long number that a spreadsheet cut short; several people may have become one")


def _one_for_each_picture(records: Collection[Record], wanted: Collection[Split], problems: list[Problem]) -> Iterator[Record]:
    keeper: dict[str, Record] = {}
    for record in records:
        kept = keeper.setdefault(record.name, record)
        if _PRECEDENCE[record.split] > _PRECEDENCE[kept.split]:
            keeper[record.name] = record
    for record in records:
        kept = keeper[record.name]
        if record is kept:
            yield record
        elif record.split in wanted:
            again = record.split is kept.split
            reason = f"is twice in {kept.split}; the first is kept" if again else f"is in {kept.split} too; left out of {record.split}"
            problems.append(Problem(record.name, reason))


def _with_more_captions(records: Collection[Record], file: Path, problems: list[Problem]) -> list[Record]:
    more = read_more_captions(file)
    training = [record for record in records if record.split is Split.TRAIN]
    problems += more.problems
    problems += more.problems_beside({record.name for record in training}, {record.identity for record in training})
    added = {record.name: record for record in more.added_to(training)}
    return [added.get(record.name, record) for record in records]


def _present(records: Iterable[Record], pictures: Pictures, problems: list[Problem]) -> Iterator[Record]:
    fault_of = pictures.fault_finder()
    for record in records:
        if fault := fault_of(record.path):
            problems.append(Problem(record.name, intern(f"{fault}; left out")))
        else:
            yield record


def _nothing_usable(
    source: Source, path: Path, wanted: Collection[Split], counts: Counter[Split], problems: Collection[Problem]
) -> DatasetError:
    found = ", ".join(f"{counts[split]} of {split}" for split in Split)
    first = next((f"; first of {len(problems)} problems: {_one_line(problem.record)} {problem.reason}" for problem in problems), "")
    if not source.is_table:
        do = f"check the split, or the dataset against a layout understood: {UNDERSTOOD}"
    elif source.pictures.confined and any("leaves the folder" in problem.reason for problem in problems):
        do = f"name the table {source.file} itself, which may name pictures anywhere"
    else:
        do = "mend what is named first, or ask for another split" if problems else "put such rows into the table, or ask for another split"
    return DatasetError(
        expected=f"records of {_listed(wanted)} with pictures in {path}",
        found=f"none that can be used (named there: {found}{first})",
        do=do,
    )


def _listed(splits: Collection[Split]) -> str:
    return ", ".join(split for split in Split if split in splits) or "no split"


def _printable(problem: Problem) -> Problem:
    return problem if problem.record.isprintable() else Problem(_one_line(problem.record), problem.reason)


def _one_line(label: str) -> str:
    """A name that can be printed: one with line breaks or half a surrogate pair is written with escapes."""
    return label if label.isprintable() else label.encode("unicode_escape").decode()
