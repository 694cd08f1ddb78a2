"""What the figures mean: a list of rules, each with the figure that it needs, what it says and what follows.

A rule's words are a template that is filled from the figures alone, so nothing is said that they do not carry; the figures it was
filled with go along as evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import Formatter
from typing import Any, Final

from passerby.report.figures import Figures


class Weight(StrEnum):
    """How much a finding matters, most first."""

    LEAK = "leak"
    """What is measured was learned from."""
    FAULT = "fault"
    """Something in the dataset is wrong."""
    LIMIT = "limit"
    """Something that a model trained or measured here cannot show."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A statement about a dataset.

    Args:
        says: what the figures are.
        means: what follows from them.
        section: of the page, where they are shown.
        evidence: every figure in ``says`` and ``means``, by its place in the JSON file.
    """

    weight: Weight
    says: str
    means: str
    section: str
    evidence: Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Rule:
    """A finding that holds when ``holds``; ``{…}`` in its words are places of figures with their formats."""

    weight: Weight
    section: str
    holds: Callable[[Figures], bool]
    says: str
    means: str


def findings_of(figures: Figures) -> tuple[Finding, ...]:
    """The findings that the figures carry, those that matter most first."""
    order = list(Weight)
    found = [_finding(rule, figures) for rule in RULES if rule.holds(figures)]
    return tuple(sorted(found, key=lambda finding: order.index(finding.weight)))


def _finding(rule: Rule, figures: Figures) -> Finding:
    fields = {name for text in (rule.says, rule.means) for _, name, _, _ in Formatter().parse(text) if name}
    evidence = {name: _value(figures, name) for name in sorted(fields)}
    filler = _Filler(evidence)
    return Finding(rule.weight, filler.format(rule.says), filler.format(rule.means), rule.section, evidence)


class _Filler(Formatter):
    """Formats templates whose field names are places in the figures, dots and all."""

    def __init__(self, evidence: Mapping[str, float | str]) -> None:
        self._evidence = evidence

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:  # noqa: ARG002
        return self._evidence[field_name], field_name


def _value(figures: Figures, place: str) -> float | str:
    value: Any = figures
    for name in place.split("."):
        value = getattr(value, name)
    if not isinstance(value, int | float | str):
        raise TypeError(f"{place} is no figure: {value!r}")
    return value


def _median_below(limit: float) -> Callable[[Figures], bool]:
    return lambda f: f.shape.images_per_identity is not None and f.shape.images_per_identity.median < limit


RULES: Final = (
    Rule(
        Weight.LEAK,
        "duplicates",
        lambda f: f.duplicates.exact.across_splits > 0,
        "Pictures with a byte-for-byte copy in another split: {duplicates.exact.across_splits:,} "
        "({duplicates.exact.across_splits_percent:.2f} %).",
        "What is measured was seen in training: metrics flatter. Take the copies out of train.",
    ),
    Rule(
        Weight.LEAK,
        "duplicates",
        lambda f: f.duplicates.near.across_splits > 0,
        "Pictures with a near duplicate in another split: {duplicates.near.across_splits:,} "
        "({duplicates.near.across_splits_percent:.2f} %).",
        "What is measured was nearly seen in training: look at the pairs, and take what is the same out of train.",
    ),
    Rule(
        Weight.LEAK,
        "shape",
        lambda f: f.shape.identities_in_several_splits > 0,
        "Identities in several splits: {shape.identities_in_several_splits:,}.",
        "People who are measured were learned: metrics say nothing of strangers. Keep each person in one split.",
    ),
    Rule(
        Weight.FAULT,
        "problems",
        lambda f: f.images.unreadable > 0,
        "Pictures that cannot be read: {images.unreadable:,} of {shape.total.images:,}.",
        "They are in no figure of the pictures, and whatever reads this dataset meets them too: replace them, or take their records out.",
    ),
    Rule(
        Weight.FAULT,
        "duplicates",
        lambda f: f.duplicates.exact.across_identities > 0,
        "Pictures with a byte-for-byte copy under another identity: {duplicates.exact.across_identities:,} "
        "({duplicates.exact.across_identities_percent:.2f} %).",
        "One of the two names is wrong, or both are one person. No model can tell equal pictures apart: metrics are bounded by them, and "
        "training is told to push a picture away from itself.",
    ),
    Rule(
        Weight.FAULT,
        "duplicates",
        lambda f: f.duplicates.near.across_identities > 0,
        "Pictures with a near duplicate under another identity: {duplicates.near.across_identities:,} "
        "({duplicates.near.across_identities_percent:.2f} %).",
        "Likely one person under two names. When one is asked for, the other counts as wrong: metrics are bounded by such pairs.",
    ),
    Rule(
        Weight.FAULT,
        "words",
        lambda f: f.words.shared.captions > 0,
        "Captions that other people have as well, word for word: {words.shared.captions:,} ({words.shared.percent:.2f} %).",
        "Such a question has several answers of which one counts: Rank-1 is at most {words.shared.lowest_rank1_bound:.2f} % in the split "
        "where they weigh most.",
    ),
    Rule(
        Weight.FAULT,
        "attributes",
        lambda f: f.attributes.gender_contradictions.people > 0,
        "People whose captions contradict each other in words of gender: {attributes.gender_contradictions.people:,} of "
        "{attributes.gender_contradictions.of_people:,} ({attributes.gender_contradictions.percent:.1f} %).",
        "Whoever filters by these words loses people who are there; a model is taught both.",
    ),
    Rule(
        Weight.FAULT,
        "attributes",
        lambda f: f.attributes.colour_contradictions.people > 0,
        "People whose captions give one garment colours with nothing in common: {attributes.colour_contradictions.people:,} of "
        "{attributes.colour_contradictions.of_people:,} ({attributes.colour_contradictions.percent:.1f} %).",
        "Light, or another annotator's eye: a filter by exactly one colour loses them, and no model can please both captions.",
    ),
    Rule(
        Weight.FAULT,
        "words",
        lambda f: f.words.typos.words > 0,
        "Words that are likely misspelt: {words.typos.words:,} ({words.typos.percent:.2f} % of all words).",
        "A tokenizer breaks them into pieces that say nothing. Correct them for training, and expect questions with as many.",
    ),
    Rule(
        Weight.LIMIT,
        "attributes",
        lambda f: f.attributes.not_understood_percent >= 5,
        "Captions in which Passerby's English finds no garment, no colour and nobody: {attributes.not_understood:,} "
        "({attributes.not_understood_percent:.1f} %).",
        "They may be in another language, or about something else: the figures of attributes are those of the other captions.",
    ),
    Rule(
        Weight.LIMIT,
        "words",
        lambda f: f.words.script.not_latin > 0,
        "Captions in another script than Latin: {words.script.not_latin:,} ({words.script.not_latin_percent:.1f} %).",
        "An English CLIP reads them as noise: translate them, or take a model of that language.",
    ),
    Rule(
        Weight.LIMIT,
        "words",
        lambda f: f.words.script.without_letters > 0,
        "Captions without a single letter: {words.script.without_letters:,} ({words.script.without_letters_percent:.1f} %).",
        "There is nothing in them to search by: check the column that they came from.",
    ),
    Rule(
        Weight.LIMIT,
        "words",
        lambda f: f.words.clip.captions > 0,
        "Captions that a CLIP of 77 tokens cuts off, at least: {words.clip.captions:,} ({words.clip.percent:.2f} %), each by "
        "{words.clip.tokens_lost:.1f} tokens in the mean.",
        "What stands at their end, often shoes and bags, is neither learned nor searched: shorten them, or split them in two.",
    ),
    Rule(
        Weight.LIMIT,
        "words",
        lambda f: f.words.model is not None and f.words.model.captions > 0,
        "Captions that {words.model_name} cuts off: {words.model.captions:,} ({words.model.percent:.2f} %), each by "
        "{words.model.tokens_lost:.1f} tokens in the mean.",
        "Put what tells a person apart first.",
    ),
    Rule(
        Weight.LIMIT,
        "words",
        lambda f: f.words.captions == 0,
        "Captions: {words.captions:,}.",
        "There are no words here: nothing can be learned from or measured by them; pictures can still be indexed and searched.",
    ),
    Rule(
        Weight.LIMIT,
        "shape",
        lambda f: 0 < f.shape.total.images_without_captions < f.shape.total.images,
        "Images without captions: {shape.total.images_without_captions:,} of {shape.total.images:,}.",
        "Nobody asks for them by their own words: they only fill the gallery, or wait for words.",
    ),
    Rule(
        Weight.LIMIT,
        "shape",
        lambda f: f.shape.one_image_percent >= 20,
        "Identities with a single image: {shape.identities_with_one_image:,} ({shape.one_image_percent:.0f} %).",
        "For them a model never learns what stays when view and light change, and nothing measures it.",
    ),
    Rule(
        Weight.LIMIT,
        "shape",
        lambda f: len(f.shape.splits) == 1,
        "Identities in all: {shape.total.identities:,}, in a single split.",
        "Whatever is chosen here cannot be measured here: set people apart for val before training.",
    ),
    Rule(
        Weight.LIMIT,
        "images",
        lambda f: f.images.smaller_percent >= 5,
        "Pictures smaller than the model's {images.input_height} × {images.input_width} pixels: {images.smaller_than_input:,} "
        "({images.smaller_percent:.0f} %).",
        "They are blown up and show no more than they hold: small things such as shoes and caps are lost first.",
    ),
    Rule(
        Weight.LIMIT,
        "images",
        lambda f: f.images.wide_percent >= 1,
        "Pictures wider than high: {images.wide:,} ({images.wide_percent:.1f} %).",
        "A person who stands is higher than wide: these show several, or are no crops, and are squashed to the model's shape.",
    ),
    Rule(
        Weight.LIMIT,
        "images",
        lambda f: f.images.dark_percent >= 1,
        "Dark pictures (brightness below 0.15): {images.dark:,} ({images.dark_percent:.1f} %).",
        "Colours cannot be told in them: black, navy and brown become one.",
    ),
    Rule(
        Weight.LIMIT,
        "duplicates",
        lambda f: f.duplicates.near.percent >= 5,
        "Pictures with a near duplicate: {duplicates.near.pictures:,} ({duplicates.near.percent:.1f} %).",
        "They are moments of one scene: there is less to learn here than the number of pictures says.",
    ),
    Rule(
        Weight.LIMIT,
        "words",
        lambda f: f.words.sides.captions > 0,
        "Captions that say left or right: {words.sides.captions:,} ({words.sides.percent:.1f} %).",
        "Mirroring their pictures in training makes them wrong: leave these pictures as they are, or exchange the words too.",
    ),
    Rule(
        Weight.LIMIT,
        "words",
        lambda f: f.words.vocabulary.distinct >= 100 and f.words.vocabulary.once_percent >= 30,
        "Words that occur once: {words.vocabulary.once:,} of {words.vocabulary.distinct:,} ({words.vocabulary.once_percent:.0f} %); "
        "{words.vocabulary.covering:,} words make 95 % of the text.",
        "Nothing is learned of a word from one caption: questions with rare words lean on what the model knew before.",
    ),
    Rule(
        Weight.LIMIT,
        "attributes",
        lambda f: len(f.attributes.colours) > 3 and f.attributes.three_colours_percent >= 50,
        "Of all colours said, the three most frequent ({attributes.three_colours}) make {attributes.three_colours_percent:.0f} %.",
        "They tell few people apart, and rare colours are learned from few captions: look at both when metrics differ between questions.",
    ),
    Rule(
        Weight.LIMIT,
        "attributes",
        lambda f: f.attributes.captions > 0 and f.attributes.never_said >= 1,
        "Words of clothing, things carried, colours and patterns that Passerby knows and no caption says: {attributes.never_said:,}.",
        "A model trained here learns nothing of them; the list names them.",
    ),
)
