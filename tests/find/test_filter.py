"""Filters: absolute where a model says what is worn, relative where it does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from crops import media, random_vectors, write_crop
from hypothesis import given
from hypothesis import strategies as st
from wearing import wearing

from passerby.cli.app import app
from passerby.errors import InputError
from passerby.find.answer import Answer, answer, find
from passerby.find.explain import FEWEST
from passerby.find.question import Question
from passerby.find.worn import RELIABLE, asked_of, chance, probabilities
from passerby.index.sqlite.index import Index
from passerby.model.bundle import read_bundle
from passerby.model.bundle_encoder import BundleEncoder
from passerby.model.worn import NATS
from passerby.types import Fit
from passerby.words.attributes import NAMES, Asked
from passerby.words.description import Item
from passerby.words.filters import Filter, read_filters
from passerby.words.lexicon import Part

PEOPLE = [{"upper:red": p} for p in (0.05, 0.3, 0.55, 0.7, 0.95)]


def found(index: Index, encoder: BundleEncoder, *filters: Filter, sure: float = 0.5) -> tuple[set[int], Answer]:
    given = answer(index, encoder, Question("a man", filters=filters), 50, sure=sure)
    return {int(hit.person.media.path.stem) for hit in given.people}, given


def upper(*looks: str) -> tuple[Filter, ...]:
    return read_filters({Part.UPPER: looks})


def test_who_passes_probably_has_it(tmp_path: Path, telling: BundleEncoder) -> None:
    """However few there are, and nobody where nobody has it."""
    with wearing(tmp_path, telling, PEOPLE) as index:
        assert found(index, telling, *upper("red"))[0] == {2, 3, 4}
        assert found(index, telling, *upper("red"), sure=0.9)[0] == {4}
        assert found(index, telling, *upper("non-red"))[0] == {0, 1}
        assert found(index, telling, *upper("non-red"), sure=0.9)[0] == {0}
        nobody, given = found(index, telling, *read_filters({Part.LOWER: ["red"]}))
    assert (nobody, given.filtered and given.filtered.relative) == (set(), ())
    assert dict(given.filtered.likeliest if given.filtered else ()) == {"--lower red": pytest.approx(0.001, abs=0.001)}


def test_a_calibration_says_what_log_odds_are_worth(tmp_path: Path, telling: BundleEncoder) -> None:
    """Of blue above, log-odds of 2 are a probability of a half."""
    people = [{"upper:blue": p} for p in (0.6, 0.85, 0.95)]
    with wearing(tmp_path, telling, people) as index:
        assert found(index, telling, *upper("blue"))[0] == {2}
    (found_p,) = probabilities(telling, ("upper:blue", "upper:red"), np.array([[0.0, 0.0]], np.float32))
    assert found_p.tolist() == pytest.approx([1 / (1 + np.exp(1)), 0.5])


def test_all_filters_hold_and_what_is_denied_with_its_looks_is_no_garment_alone(tmp_path: Path, telling: BundleEncoder) -> None:
    people = [{"upper:red": 0.9, "lower:red": 0.9}, {"upper:red": 0.9}, {"lower:red": 0.9}, {}]
    with wearing(tmp_path, telling, people) as index:
        assert found(index, telling, *read_filters({Part.UPPER: ["red"], Part.LOWER: ["red"]}))[0] == {0}
        assert found(index, telling, *read_filters({}, without=["red top"]))[0] == {2, 3}
        assert found(index, telling, *read_filters({Part.UPPER: ["red"]}, without=["red bottoms"]))[0] == {1}


def test_either_of_two_colours_will_do(tmp_path: Path, telling: BundleEncoder) -> None:
    people = [{"upper:red": 0.9}, {"upper:blue": 0.95}, {"lower:red": 0.9}]
    with wearing(tmp_path, telling, people) as index:
        assert found(index, telling, *upper("red or blue"))[0] == {0, 1}
        assert found(index, telling, *upper("red and blue"))[0] == set()
        assert found(index, telling, *read_filters({}, ["red or blue top"]))[0] == {0, 1}
        assert found(index, telling, *read_filters({}, without=["red or blue top"]))[0] == {2}
        fits = {hit.person.media.path.stem: hit.fits for hit in find(index, telling, "a red or blue top").people}
    assert [fit.phrase for fit in fits["000"]] == ["red or blue top"]
    assert [fits[f"{n:03}"][0].fits for n in range(3)] == [True, True, False]


def test_who_may_have_what_is_known_in_part_passes_and_is_not_said_to_have_it(tmp_path: Path, telling: BundleEncoder) -> None:
    """The model knows what is red, and no jackets: nobody in red is said to have a red jacket, or hidden where none is wanted."""
    with wearing(tmp_path, telling, [{"upper:red": 0.9}, *[{}] * FEWEST]) as index:
        people, given = found(index, telling, *read_filters({}, ["red jacket"]))
        assert (people, given.filtered and given.filtered.partly) == ({0}, ("--with red jacket",))
        given = found(index, telling, *read_filters({}, without=["red jacket"]))[1]
        assert given.filtered and (given.filtered.relative, given.filtered.partly) == (("--without red jacket",), ())
        assert {hit.fits for hit in find(index, telling, "a red jacket").people} == {()}
        told = [fit.phrase for fit in find(index, telling, "a red top with a blue collar").people[0].fits]
    assert told == ["red top"], "the top without its collar"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_a_chance_is_that_of_the_weaker_of_two_throws(first: list[float], second: list[float]) -> None:
    """One of the first by throwing dice, and one of the second; lacking it is the rest."""
    names = [[f"{letter}{n}" for n in range(len(ps))] for letter, ps in zip("ab", (first, second), strict=True)]
    likely = {name: np.array([p]) for of_one, ps in zip(names, (first, second), strict=True) for name, p in zip(of_one, ps, strict=True)}
    asks = [Asked(tuple(of_one)) for of_one in names]
    slow = 1.0
    for ps in (first, second):
        none = 1.0
        for p in ps:
            none *= 1 - p
        slow = min(slow, 1 - none)
    item = Item(Part.HEAD, "hat")
    assert chance(item, asks, likely).tolist() == pytest.approx([slow])
    assert chance(Item(Part.HEAD, "hat", negated=True), asks, likely).tolist() == pytest.approx([1 - slow])


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (read_filters({}, ["hat"]), [("head:hat",)]),
        (read_filters({Part.HEAD: ["red cap"]}), [("head:cap",)]),
        (read_filters({Part.LOWER: ["skirt"]}), [("lower:skirt",)]),
        (read_filters({Part.UPPER: ["red"]}), [("upper:red",)]),
        (read_filters({}, ["dress"]), [("body:dress",)]),
        (read_filters({}, ["brown handbag"]), [("carried:handbag",), ("carried:brown",)]),
        (read_filters({}, without=["backpack"]), [("carried:backpack",)]),
        (read_filters({}, ["lanyard"]), []),
    ],
)
def test_what_filters_ask_of_attributes(filters: tuple[Filter, ...], names: list[tuple[str, ...]]) -> None:
    (one,) = filters
    assert [ask.names for ask in asked_of(one.item, one.any_thing, NAMES)] == names


def test_filters_and_fits_need_no_text_tower(tmp_path: Path, telling_bundle: Path) -> None:
    encoder = BundleEncoder(read_bundle(telling_bundle), threads=1)
    question = Question(like=write_crop(tmp_path / "a.png", 1), filters=upper("red"))
    with wearing(tmp_path / "index", encoder, PEOPLE) as index:
        given = answer(index, encoder, question)
    assert [fit.phrase for fit in given.people[0].fits] == ["upper red"]
    assert "_text_tower" not in vars(encoder)


def test_what_fits_is_what_is_probable(tmp_path: Path, telling: BundleEncoder) -> None:
    """In an index of any size, within what a byte keeps; of what the model does not know nothing is said."""
    people = [{"upper:red": p, "lower:blue": 1 - p} for p in (0.05, 0.4, 0.9)]
    with wearing(tmp_path, telling, people) as index:
        given = find(index, telling, "red top, blue bottoms, no red bottoms, a hat, a red jacket")
    for hit in given.people:
        p = people[int(hit.person.media.path.stem)]["upper:red"]
        assert [fit.phrase for fit in hit.fits] == ["red top", "blue bottoms", "no red bottoms"]
        assert [fit.above for fit in hit.fits] == [None] * 3
        likely = [fit.probability for fit in hit.fits]
        assert likely == pytest.approx([p, 1 - p, 0.999], abs=2 * NATS)
        assert [fit.fits for fit in hit.fits] == [p >= 0.5, p <= 0.5, True]
        assert [fit.doubtful for fit in hit.fits] == [p < 0.3, p > 0.7, False]
    assert given.people[0].to_json()["phrases"][0].keys() == {"phrase", "above", "probability"}


def test_a_fit_is_a_share_or_a_probability() -> None:
    for wrong in ((None, None), (0.5, 0.5), (None, 2.0)):
        with pytest.raises(InputError):
            Fit("red jacket", *wrong)


def test_of_whom_nothing_is_known_passes_no_filter_and_is_counted(tmp_path: Path, telling: BundleEncoder) -> None:
    with wearing(tmp_path, telling, [*PEOPLE, None, None]) as index:
        for looks in ("red", "non-red"):
            people, given = found(index, telling, *upper(looks))
            assert not people & {5, 6}
            assert given.filtered is not None
            assert given.filtered.unknown == 2
        assert {hit.fits for hit in find(index, telling, "red top").people if hit.person.media.path.stem in {"005", "006"}} == {()}


def test_a_model_that_does_not_say_what_is_worn_is_relative(tmp_path: Path, tiny_encoder: BundleEncoder) -> None:
    with wearing(tmp_path, tiny_encoder, [None] * 40) as index:
        people, given = found(index, tiny_encoder, *upper("red"))
    assert len(people) == 10
    assert given.filtered is not None
    assert (given.filtered.relative, given.filtered.likeliest, given.reindex) == (("--upper red",), (), False)
    assert given.to_json()["relative"] is True


def test_what_the_model_does_not_know_is_relative(tmp_path: Path, telling: BundleEncoder) -> None:
    """Beside what it knows."""
    with wearing(tmp_path, telling, PEOPLE * 8) as index:
        people, given = found(index, telling, *upper("red"), *read_filters({}, ["hat"]))
        assert people <= found(index, telling, *upper("red"))[0]
    assert given.filtered is not None
    assert (given.filtered.relative, [asked for asked, _ in given.filtered.likeliest]) == (("--with hat",), ["--upper red"])


def test_sure_is_a_probability(tmp_path: Path, telling: BundleEncoder) -> None:
    with wearing(tmp_path, telling, PEOPLE) as index:
        for wrong in (2, -1, "0.5", None, True):
            with pytest.raises(InputError, match="how sure"):
                found(index, telling, *upper("red"), sure=wrong)  # type: ignore[arg-type]


class TestCommand:
    def run(self, index: Index, model: Path, *arguments: str) -> Result:
        folder = str(index.folder)
        index.close()
        return CliRunner().invoke(app, ["search", "a man", *arguments, "--index", folder, "--model", str(model)])

    def test_nobody_has_it(self, tmp_path: Path, telling: BundleEncoder, telling_bundle: Path) -> None:
        people = [{"upper:red": 0.11}, {"upper:red": 0.1}]
        result = self.run(wearing(tmp_path, telling, people), telling_bundle, "--upper", "red jacket", "--json")
        assert result.exit_code == 2
        assert "nobody here has a red jacket with a probability of 0.2 or more; the likeliest: 0.11" in result.stderr
        document = json.loads(result.stdout)
        assert (document["hits"], document["relative"]) == ([], False)
        assert document["likeliest"]["--upper red jacket"] == pytest.approx(0.11, abs=0.01)

    def test_nobody_of_those_who_are_selected_has_it(self, tmp_path: Path, telling: BundleEncoder, telling_bundle: Path) -> None:
        """Somebody else has; and it is said which filter goes by a part of what it asks."""
        index = wearing(tmp_path, telling, [{"upper:red": 0.9}, {"upper:red": 0.1}])
        with index.writing():
            index.move(Path("/001.jpg"), Path("/there/001.jpg"))
        result = self.run(index, telling_bundle, "--upper", "red jacket", "--folder", "/there", "--json")
        assert result.exit_code == 2
        assert "nobody of those who are selected passes --upper red jacket: expected" in result.stderr
        assert json.loads(result.stdout)["partly"] == ["--upper red jacket"]
        assert "--upper red jacket: the model has no name for a part of this" in result.stderr

    def test_an_empty_index_has_nobody(self, tmp_path: Path, telling: BundleEncoder, telling_bundle: Path) -> None:
        result = self.run(wearing(tmp_path, telling, []), telling_bundle, "--upper", "red")
        assert result.exit_code == 2
        assert "nobody found: expected people in the index" in result.stderr

    def test_everybody_has_what_is_denied(self, tmp_path: Path, telling: BundleEncoder, telling_bundle: Path) -> None:
        index = wearing(tmp_path, telling, [{"upper:red": 0.9}, {"upper:red": 0.8}])
        result = self.run(index, telling_bundle, "--without", "red top", "--sure", "0.6")
        assert result.exit_code == 2
        assert "nobody here lacks a red top with a probability of 0.6 or more; the likeliest: 0.20" in result.stderr

    def test_relative_filters_say_so(self, tmp_path: Path, tiny_encoder: BundleEncoder, tiny_bundle: Path) -> None:
        result = self.run(wearing(tmp_path, tiny_encoder, [None] * FEWEST), tiny_bundle, "--hat", "--json")
        assert json.loads(result.stdout)["relative"] is True
        assert "--with hat: relative; each keeps the quarter of those here" in result.stderr

    def test_what_the_model_is_often_wrong_about_has_a_figure(self, tmp_path: Path, telling: BundleEncoder, telling_bundle: Path) -> None:
        index = wearing(tmp_path, telling, [{"lower:blue": 0.9, "upper:blue": 0.9}])
        result = self.run(index, telling_bundle, "--lower", "blue", "--upper", "blue", "--json")
        assert json.loads(result.stdout)["unreliable"] == {"lower:blue": 0.62}
        assert "lower:blue: the model is often wrong about it" in result.stderr
        assert "62%" in result.stderr
        assert "upper:blue" not in result.stderr, f"its figure is above {RELIABLE}"

    def test_what_was_never_measured_says_so(self, tmp_path: Path, telling: BundleEncoder, telling_bundle: Path) -> None:
        result = self.run(wearing(tmp_path, telling, [{"lower:red": 0.9}]), telling_bundle, "--lower", "red", "--json")
        assert json.loads(result.stdout)["unreliable"] == {"lower:red": None}
        assert "lower:red: how often the model is right about it was not measured" in result.stderr

    def test_an_index_without_what_is_worn_still_searches(self, tmp_path: Path, telling: BundleEncoder, telling_bundle: Path) -> None:
        with Index.create(tmp_path, telling) as index:
            with index.writing():
                for number, vector in enumerate(random_vectors(FEWEST)):
                    index.add(media(f"/{number}.jpg", str(number)), vector)
            index._db.execute("UPDATE meta SET value = json_remove(value, '$[3]') WHERE key = 'model'")  # as older versions left it
            index._connections.of_this_thread().commit()
            result = self.run(index, telling_bundle, "--upper", "red", "--json")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["relative"] is True
        assert "index again with --rebuild" in result.stderr
