"""The figures of one dataset, or of two side by side, as the sections of a page: charts, tables and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from passerby.report.attributes import Contradictions
from passerby.report.charts import Chart, bars, falling, heatmap, histogram
from passerby.report.distribution import Distribution
from passerby.report.duplicates import Copies, Pair
from passerby.report.figures import Figures
from passerby.report.words import CLIP_TOKENS, Cut

Datasets = Mapping[str, Figures]
"""One or two, by the name they go by on the page."""


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """Pictures, by the names of their records, and lines below them."""

    pictures: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures of one dataset, named as on the page."""

    title: str
    dataset: str
    cards: tuple[Card, ...]


Block = Chart | Table | Gallery


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    title: str
    blocks: tuple[Block, ...]


def sections(datasets: Datasets) -> tuple[Section, ...]:
    """The page's sections from top to bottom; what a dataset has no figures for is left out."""
    return (
        Section("shape", "Shape", tuple(_shape(datasets))),
        Section("images", "Images", tuple(_images(datasets))),
        Section("duplicates", "Duplicates", tuple(_duplicates(datasets))),
        Section("words", "Words", tuple(_words(datasets))),
        Section("attributes", "Attributes", tuple(_attributes(datasets))),
        Section("problems", "What could not be used", tuple(_problems(datasets))),
    )


def _shape(datasets: Datasets) -> Iterator[Block]:
    rows = [
        (
            _of(label, split, datasets),
            *(f"{value:,}" for value in (part.identities, part.images, part.captions, part.images_without_captions)),
        )
        for label, figures in datasets.items()
        for split, part in (*figures.shape.splits.items(), ("all", figures.shape.total))
    ]
    yield Table("Splits", ("split", "identities", "images", "captions", "images without"), tuple(rows))
    yield from _spread(datasets, "Images per identity", "images", lambda f: f.shape.images_per_identity)
    yield from _spread(datasets, "Captions per image", "captions", lambda f: f.shape.captions_per_image)
    yield from _bars(datasets, "Sources (first folder)", lambda f: f.shape.sources, _images_total, "images")
    yield from _bars(datasets, "Cameras (by file name)", lambda f: f.shape.cameras, _images_total, "images")
    yield from _spread(datasets, "Cameras per identity", "cameras", lambda f: f.shape.cameras_per_identity)
    yield from _bars(datasets, "Who wrote the captions", lambda f: f.shape.origins, _captions_total, "captions")


def _images(datasets: Datasets) -> Iterator[Block]:
    model = next(iter(datasets.values())).images.input_height
    limits = {f"model's {model}": float(model)}
    yield from _spread(datasets, "Height", "pixels", lambda f: f.images.height, logarithmic=True, limits=limits)
    yield from _spread(datasets, "Width", "pixels", lambda f: f.images.width, logarithmic=True)
    yield from _spread(datasets, "Aspect", "height / width", lambda f: f.images.aspect)
    yield from _spread(datasets, "File size", "kB", lambda f: f.images.kilobytes, logarithmic=True)
    yield from _spread(datasets, "Brightness", "mean of grey, 0 to 1", lambda f: f.images.brightness)
    yield from _spread(datasets, "Contrast", "standard deviation of grey, 0 to 1", lambda f: f.images.contrast)
    yield from _spread(datasets, "Sharpness", "variance of the Laplacian", lambda f: f.images.sharpness, logarithmic=True)
    for label, figures in datasets.items():
        images = figures.images
        for title, names in (("Smallest", images.smallest), ("Darkest", images.darkest), ("Most blurred", images.most_blurred)):
            yield from _gallery(title, label, datasets, [Card((name,), (name,)) for name in names])


def _duplicates(datasets: Datasets) -> Iterator[Block]:
    kinds: dict[str, Callable[[Figures], Copies]] = {
        "equal bytes": lambda f: f.duplicates.exact,
        "nearly equal": lambda f: f.duplicates.near,
    }
    rows = [
        (_of(label, kind, datasets), *(f"{count:,} ({share:.2f} %)" for count, share in _copies(copies_of(figures))))
        for label, figures in datasets.items()
        for kind, copies_of in kinds.items()
    ]
    header = ("pictures with a copy", "anywhere", "under another identity", "in another split")
    yield Table(
        "Copies", header, tuple(rows), "Nearly equal: 7 of 128 gradient bits differ at most, and no mean colour by more than 20 of 255."
    )
    for label, figures in datasets.items():
        for kind, copies_of in kinds.items():
            copies = copies_of(figures)
            yield from _gallery(f"In two splits, {kind}", label, datasets, map(_pair_card, copies.split_pairs))
            yield from _gallery(f"Under two identities, {kind}", label, datasets, map(_pair_card, copies.identity_pairs))


def _copies(copies: Copies) -> tuple[tuple[int, float], ...]:
    return (
        (copies.pictures, copies.percent),
        (copies.across_identities, copies.across_identities_percent),
        (copies.across_splits, copies.across_splits_percent),
    )


def _pair_card(pair: Pair) -> Card:
    sides = zip((pair.first, pair.second), pair.splits, pair.identities, strict=True)
    return Card((pair.first, pair.second), tuple(f"{name}: {split}, identity {identity}" for name, split, identity in sides))


def _words(datasets: Datasets) -> Iterator[Block]:
    yield from _spread(datasets, "Length in words", "words", lambda f: f.words.length)
    limits = {f"{CLIP_TOKENS}": float(CLIP_TOKENS)}
    yield from _spread(datasets, "Length in tokens, at least", "tokens of a CLIP", lambda f: f.words.tokens, limits=limits)
    yield Table(
        "What a model does not read",
        ("model", "captions cut", "tokens lost of each", "things named there"),
        tuple(row for label, figures in datasets.items() for row in _cut_rows(label, figures, datasets)),
        f"CLIP: at least; every word, numeral and punctuation mark is one token of its {CLIP_TOKENS} or more, two frame the text.",
    )
    ranks = {label: f.words.vocabulary.ranks for label, f in datasets.items() if f.words.vocabulary.ranks}
    if ranks:
        yield falling("Vocabulary", "rank of the word", "occurrences", ranks)
    words = {label: f.words.vocabulary for label, f in datasets.items()}
    rows = {
        "words": (f"{v.words:,}" for v in words.values()),
        "distinct": (f"{v.distinct:,}" for v in words.values()),
        "that occur once": (f"{v.once:,} ({v.once_percent:.0f} %)" for v in words.values()),
        "that make 95 % of all": (f"{v.covering:,}" for v in words.values()),
    }
    yield Table("Vocabulary", ("", *words), tuple((name, *cells) for name, cells in rows.items()))
    yield from _bars(datasets, "Most frequent words", lambda f: f.words.vocabulary.common, lambda f: f.words.vocabulary.words, "words")
    for label, figures in datasets.items():
        yield from _word_tables(label, figures, datasets)


def _cut_rows(label: str, figures: Figures, datasets: Datasets) -> Iterator[tuple[str, ...]]:
    words = figures.words
    for name, cut in ((f"a CLIP of {CLIP_TOKENS} tokens", words.clip), (words.model_name, words.model)):
        if name is not None and cut is not None:
            yield (_of(label, name, datasets), f"{cut.captions:,} ({cut.percent:.2f} %)", f"{cut.tokens_lost:.1f}", _lost(cut))


def _lost(cut: Cut) -> str:
    return ", ".join(f"{part} {count:,}" for part, count in cut.items_lost.items()) or "none"


def _word_tables(label: str, figures: Figures, datasets: Datasets) -> Iterator[Block]:
    words = figures.words
    typos = tuple((typo.word, f"{typo.count:,}", typo.meant) for typo in words.typos.examples)
    yield from _table(_of(label, "Likely typos", datasets), ("word", "times", "likely meant"), typos)
    shared = tuple((example.text, f"{example.people:,}", f"{example.captions:,}") for example in words.shared.examples)
    yield from _table(_of(label, "Captions of several people", datasets), ("caption", "people", "captions"), shared)
    for title, examples in (
        ("Captions that say left or right", words.sides.examples),
        ("Other scripts, or no letters", words.script.examples),
    ):
        yield from _table(_of(label, title, datasets), ("caption",), tuple((text,) for text in examples))


def _attributes(datasets: Datasets) -> Iterator[Block]:
    total = _parsed_total
    yield from _bars(datasets, "Garments", lambda f: f.attributes.garments, total, "captions")
    yield from _bars(datasets, "Colours", lambda f: f.attributes.colours, total, "captions")
    yield from _bars(datasets, "Patterns", lambda f: f.attributes.patterns, total, "captions")
    yield from _bars(datasets, "Carried", lambda f: f.attributes.carried, total, "captions")
    yield from _bars(datasets, "Words of gender", lambda f: f.attributes.genders, total, "captions")
    yield from _bars(datasets, "Said to be absent", lambda f: f.attributes.negated, total, "captions")
    for label, figures in datasets.items():
        attributes, table = figures.attributes, figures.attributes.colour_of
        if table.rows:
            title = _of(label, "Garment and colour", datasets)
            yield heatmap(title, table.rows, table.columns, table.counts, note="Of a garment's mentions with these colours, percent.")
        together = tuple((f"{pair.first} + {pair.second}", f"{pair.captions:,}", f"{pair.lift:.1f} ×") for pair in attributes.together)
        yield from _table(_of(label, "Said together", datasets), ("things", "captions", "as often as by chance"), together)
        never = {
            "garments": attributes.never_garments,
            "carried": attributes.never_carried,
            "colours": attributes.never_colours,
            "patterns": attributes.never_patterns,
        }
        said = tuple((kind, ", ".join(words)) for kind, words in never.items() if words and attributes.captions)
        yield from _table(_of(label, "Never said", datasets), ("", "words that Passerby knows"), said)
        missed = tuple((text,) for text in attributes.not_understood_examples)
        yield from _table(_of(label, "Not understood as English", datasets), ("caption",), missed)
        yield from _contradictions("Gender, contradicted", label, datasets, attributes.gender_contradictions)
        yield from _contradictions("Colour, contradicted", label, datasets, attributes.colour_contradictions)


def _contradictions(title: str, label: str, datasets: Datasets, found: Contradictions) -> Iterator[Block]:
    rows = tuple((words, f"{people:,}") for words, people in list(found.between.items())[:12])
    yield from _table(_of(label, title, datasets), ("between", "people"), rows)
    cards = [
        Card(
            tuple(dict.fromkeys((case.first.record, case.second.record))),
            (f"identity {case.identity}, {case.about}", *(f"{side.says}: “{side.caption}”" for side in (case.first, case.second))),
        )
        for case in found.examples
    ]
    yield from _gallery(f"{title}: examples", label, datasets, cards)


def _problems(datasets: Datasets) -> Iterator[Block]:
    for label, figures in datasets.items():
        failed = tuple((str(failure.path), failure.reason) for failure in figures.failed[:_LISTED])
        yield from _table(_of(label, "Pictures that cannot be read", datasets), ("file", "reason"), failed, _more(len(figures.failed)))
        problems = tuple((problem.record, problem.reason) for problem in figures.problems[:_LISTED])
        yield from _table(_of(label, "Records with problems", datasets), ("record", "problem"), problems, _more(len(figures.problems)))


_LISTED: Final = 100


def _more(count: int) -> str:
    return f"The first {_LISTED} of {count:,}; the others are in the JSON file." if count > _LISTED else ""


def _spread(
    datasets: Datasets,
    title: str,
    unit: str,
    get: Callable[[Figures], Distribution | None],
    *,
    logarithmic: bool = False,
    limits: Mapping[str, float] | None = None,
) -> Iterator[Block]:
    series = {label: spread for label, figures in datasets.items() if (spread := get(figures))}
    if series:
        yield histogram(title, unit, series, logarithmic=logarithmic, limits=limits)


def _bars(
    datasets: Datasets, title: str, get: Callable[[Figures], Mapping[str, int]], total: Callable[[Figures], int], of: str
) -> Iterator[Block]:
    if len({name for figures in datasets.values() for name in get(figures)}) > 1:
        counts = {label: get(figures) for label, figures in datasets.items()}
        yield bars(title, counts, {label: total(figures) for label, figures in datasets.items()}, of=of)


def _table(title: str, header: tuple[str, ...], rows: tuple[tuple[str, ...], ...], note: str = "") -> Iterator[Block]:
    if rows:
        yield Table(title, header, rows, note)


def _gallery(title: str, label: str, datasets: Datasets, cards: Iterable[Card]) -> Iterator[Block]:
    if shown := tuple(cards):
        yield Gallery(_of(label, title, datasets), label, shown)


def _of(label: str, title: str, datasets: Datasets) -> str:
    """A title that names its dataset where there are two."""
    return f"{label}: {title}" if len(datasets) > 1 else title


def _images_total(figures: Figures) -> int:
    return figures.shape.total.images


def _captions_total(figures: Figures) -> int:
    return figures.shape.total.captions


def _parsed_total(figures: Figures) -> int:
    return figures.attributes.captions
