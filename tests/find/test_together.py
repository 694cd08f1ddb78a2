"""People who are asked for together: as a slow search over all pairs has it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from crops import media, unit

from passerby.cli.app import app
from passerby.errors import QueryError
from passerby.find import together
from passerby.find.answer import answer
from passerby.find.question import Question
from passerby.find.together import NEAR, answer_together
from passerby.index.selection import Selection
from passerby.index.sighting import Sighting
from passerby.index.sqlite.index import Index
from passerby.model.bundle import read_bundle, write_calibrated
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.calibration import Calibration
from passerby.types import Box, Crop, Hit, MediaKind

WORDS, WITH = "a woman in a red jacket", "a child in a yellow coat"


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    calibration = Calibration(0.0, 0.25, -1.0, 5.0, 1.0, -0.5, {})
    return write_calibrated(read_bundle(tiny_bundle), calibration, tmp_path_factory.mktemp("model") / "calibrated").folder


@pytest.fixture(scope="module")
def encoder(bundle: Path) -> BundleEncoder:
    return BundleEncoder(read_bundle(bundle), threads=1)


@pytest.fixture(scope="module")
def index(encoder: BundleEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """Forty photos of one to four people, and six videos of tracks that are there together, or one after another; some are things."""
    chance = np.random.default_rng(5)

    def somebody(track: int | None) -> Sighting:
        count = 1 if track is None else int(chance.integers(1, 4))
        first = None if track is None else float(chance.uniform(0, 60))
        last = None if first is None else first + float(chance.uniform(1, 12))
        crops = tuple(Crop(Box(*chance.uniform(1, 90, 4)), None if first is None else first + n, 0.5) for n in range(count))
        vectors = unit(chance.normal(size=(count, encoder.dim)))
        return Sighting(crops, vectors, track, first, last, static=track is not None and track % 7 == 0)

    with Index.create(tmp_path_factory.mktemp("index"), encoder) as opened:
        with opened.writing():
            for number in range(40):
                opened.put(media(f"/{number:03}.jpg", str(number)), [somebody(None) for _ in range(chance.integers(1, 5))])
            for number in range(6):
                film = replace(media(f"/{number}.mp4", f"film {number}"), kind=MediaKind.VIDEO)
                opened.put(film, [somebody(track) for track in range(1, 15)])
        yield opened


def slowly(index: Index, encoder: BundleEncoder, selection: Selection) -> list[tuple[int, int, float]]:
    """Each person with the one near of whom both is likeliest, and that probability; best first."""
    everybody = [
        {hit.person.id or 0: hit for hit in answer(index, encoder, Question(words, selection=selection), 999, fold=False).people}
        for words in (WORDS, WITH)
    ]
    best: dict[int, tuple[float, float, int]] = {}
    for one, other in permutations(everybody[0], 2):
        if are_near(everybody[0][one], everybody[1][other]):
            likely = [of[person].probability or 0.0 for of, person in zip(everybody, (one, other), strict=True)]
            best[one] = max(best.get(one, (0.0, -2.0, 0)), (likely[0] * likely[1], everybody[1][other].score, other))
    order = sorted(best, key=lambda one: (-best[one][0], -everybody[0][one].score, os.fsencode(everybody[0][one].person.media.path), one))
    return [(one, best[one][2], best[one][0]) for one in order]


def are_near(one: Hit, other: Hit) -> bool:
    first, second = one.person, other.person
    if first.media.path != second.media.path:
        return False
    if first.first is None or first.last is None or second.first is None or second.last is None:
        return True
    return max(first.first, second.first) - min(first.last, second.last) <= NEAR


@pytest.mark.parametrize("looked", [1, 64])
@pytest.mark.parametrize("selection", [Selection(), Selection(static=True), Selection(folders=(Path("/3.mp4"), Path("/001.jpg")))])
@pytest.mark.parametrize("k", [1, 7, 500])
def test_the_likeliest_pairs_are_found(
    index: Index, encoder: BundleEncoder, monkeypatch: pytest.MonkeyPatch, looked: int, selection: Selection, k: int
) -> None:
    monkeypatch.setattr(together, "_FIRST", looked)
    expected = slowly(index, encoder, selection)
    found = answer_together(index, encoder, Question(WORDS, selection=selection), WITH, k)
    assert len(found.people) == min(k, len(expected))
    for rank, (hit, (one, other, likely)) in enumerate(zip(found.people, expected, strict=False), 1):
        assert hit.beside is not None and hit.probability is not None and hit.beside.probability is not None
        assert (hit.rank, hit.person.id, hit.beside.rank, hit.beside.person.id) == (rank, one, rank, other)
        assert hit.together == pytest.approx(likely) == hit.probability * hit.beside.probability
    if k == 500:
        alone = {hit.person.id: hit for hit in answer(index, encoder, Question(WORDS, selection=selection), 999).people}
        for hit in found.people:
            assert hit.score == alone[hit.person.id].score, "a score stays what it is"


def test_who_is_unlikely_together_is_left_out_and_counted(index: Index, encoder: BundleEncoder) -> None:
    everybody = answer_together(index, encoder, WORDS, WITH, 20)
    bound = everybody.people[4].together or pytest.fail()
    found = answer_together(index, encoder, WORDS, WITH, 20, min_probability=bound)
    assert (len(found.people), len(found.unlikely)) == (5, 15)


def test_without_a_probability_nobody_is_together(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    with Index.create(tmp_path / "index", tiny_encoder) as index:
        with index.writing():
            index.put(media("/a.jpg", "a"), [Sighting.whole(unit(np.eye(tiny_encoder.dim)[0]))])
        with pytest.raises(QueryError, match="calibrated model"):
            answer_together(index, tiny_encoder, WORDS, WITH)


def test_the_command_line_shows_both(index: Index, bundle: Path, tmp_path: Path) -> None:
    asked = ["search", WORDS, "--with-person", WITH, "-k", "3", "--index", str(index.folder), "--model", str(bundle)]
    done = CliRunner().invoke(app, [*asked, "--json", "--frames", str(tmp_path / "frames.png"), "--sheet", str(tmp_path / "sheet.png")])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["with_person"] == WITH and len(document["hits"]) == 3
    for hit in document["hits"]:
        beside = hit["with_person"]
        assert beside["path"] == hit["path"] and beside["person"] != hit["person"] and len(beside["box"]) == 4
        assert hit["together"] == pytest.approx(hit["probability"] * beside["probability"])
    assert (tmp_path / "frames.png").exists()
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0 and "together" in shown.stdout and " with " in shown.stdout
