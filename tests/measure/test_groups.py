"""Groups: their members, their figures beside a slow bootstrap, and the whole on a real, tiny encoder."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from crops import write_crop

from passerby.cli.app import app
from passerby.data.datasets import load_dataset
from passerby.measure.evaluation import evaluate
from passerby.measure.groups import BEHIND, RESAMPLES, Group, Kind, SmallGroup, compare_groups, groups_of, measure_groups
from passerby.measure.metrics import Estimate
from passerby.measure.split import FEWEST, Query
from passerby.model.bundle_encoder import BundleEncoder
from passerby.types import Caption, Dataset, Record, Split


def query(text: str, name: str = "crop.jpg", identity: str = "ann") -> Query:
    return Query(Record(Path("/") / name, name, identity, Split.VAL, (Caption(text),)), text)


class TestGroupsOf:
    def test_what_is_worn_and_carried(self) -> None:
        found = set(groups_of(query("A man wearing a red jacket and blue jeans, carrying a green backpack.")))
        assert {(Kind.GARMENT, "jacket"), (Kind.GARMENT, "jeans"), (Kind.COLOUR, "red"), (Kind.COLOUR, "blue")} <= found
        assert (Kind.CARRIED, "backpack") in found
        assert (Kind.COLOUR, "green") not in found

    def test_what_is_denied_is_not_worn(self) -> None:
        found = set(groups_of(query("A woman in black trousers with no hat and no bag.")))
        assert not {(Kind.GARMENT, "hat"), (Kind.CARRIED, "bag")} & found
        assert (Kind.COLOUR, "black") in found

    def test_gender_words_part_the_captions(self) -> None:
        def words(text: str) -> list[str]:
            return [name for kind, name in groups_of(query(text)) if kind is Kind.GENDER]

        him, her, somebody = words("A man in jeans."), words("A woman in jeans."), words("Blue jeans.")
        assert len(him) == len(her) == len(somebody) == 1
        assert him != her and somebody == ["none"] and "none" not in him + her

    @pytest.mark.parametrize(
        ("name", "source"),
        [
            ("cam_a/001_45.bmp", "VIPeR"),
            ("cam_b/001_90.bmp", "VIPeR"),
            ("train_query/p1_s2.jpg", "CUHK-SYSU"),
            ("test_query/p3_s4.jpg", "CUHK-SYSU"),
            ("Market/0001_c1s1.jpg", "Market-1501"),
            ("CUHK03/1_1.jpg", "CUHK03"),
            ("entrance/monday/1.jpg", "entrance"),
            ("1.jpg", None),
        ],
    )
    def test_source_is_the_top_folder(self, name: str, source: str | None) -> None:
        assert [found for kind, found in groups_of(query("jeans", name)) if kind is Kind.SOURCE] == ([source] if source else [])

    @pytest.mark.realdata
    def test_cuhk_pedes_has_five_sources(self) -> None:
        place = os.environ.get("PASSERBY_DATA")
        if not place:
            pytest.skip("PASSERBY_DATA names no folder of CUHK-PEDES")
        records = load_dataset(Path(place), {Split.VAL}).records
        sources = Counter(next(groups_of(Query(record, record.captions[0].text)))[1] for record in records)
        assert sources == {"CUHK-SYSU": 1766, "Market-1501": 495, "CUHK03": 375, "CUHK01": 332, "VIPeR": 110}


def crowd(cameras: dict[str, int], captions: int = 2) -> tuple[Query, ...]:
    """So many people of each camera, with some captions each."""
    people = [(camera, f"{camera}{number}") for camera, count in cameras.items() for number in range(count)]
    return tuple(query("somebody", f"{camera}/{who}-{view}.jpg", who) for camera, who in people for view in range(captions))


def sources(found: list[Group | SmallGroup]) -> dict[str, Group | SmallGroup]:
    return {group.name: group for group in found if group.kind is Kind.SOURCE}


class TestCompareGroups:
    def test_figures_are_those_of_drawing_people_by_hand(self) -> None:
        queries = crowd({"north": 35, "south": 50}, captions=3)
        hits = np.random.default_rng(1).random(len(queries)) < [0.3 if q.record.name.startswith("north") else 0.8 for q in queries]
        north = sources(compare_groups(queries, hits, seed=5))["north"]

        people = sorted({q.record.identity for q in queries})
        hits_of = {who: [bool(hit) for q, hit in zip(queries, hits, strict=True) if q.record.identity == who] for who in people}

        def figures(drawn: list[str]) -> tuple[float, float]:
            inside, outside = ([hit for who in drawn if who.startswith("north") is side for hit in hits_of[who]] for side in (True, False))
            rank1, of_rest = 100 * sum(inside) / len(inside), 100 * sum(outside) / len(outside)
            return rank1, rank1 - of_rest

        counts = np.random.default_rng(5).multinomial(len(people), np.full(len(people), 1 / len(people)), size=RESAMPLES)
        resampled = np.array([figures([who for who, times in zip(people, row, strict=True) for _ in range(times)]) for row in counts])
        low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
        assert isinstance(north, Group)
        assert (north.queries, north.people) == (105, 35)
        for column, estimate in enumerate((north.rank1, north.difference)):
            expected = (figures(people)[column], low[column], high[column])
            assert (estimate.mean, estimate.low, estimate.high) == pytest.approx(expected)

    def test_people_may_be_in_a_group_and_in_the_rest(self) -> None:
        texts = ("a man in jeans", "a man in a skirt")
        queries = tuple(query(text, identity=f"p{number}") for number in range(40) for text in texts)
        hits = np.array([True, False] * 40)
        found = {group.name: group for group in compare_groups(queries, hits) if isinstance(group, Group)}
        assert found["jeans"].rank1 == Estimate(100, 100, 100)
        assert found["jeans"].difference == Estimate(100, 100, 100)
        assert found["skirt"].difference == Estimate(-100, -100, -100)
        assert (found["skirt"].behind, found["jeans"].behind) == (True, False)

    def test_groups_of_few_people_and_of_nearly_all_are_left_out(self) -> None:
        queries = crowd({"large": 80, "enough": FEWEST, "small": FEWEST - 1})
        found = compare_groups(queries, np.ones(len(queries), np.bool_))
        by_name = sources(found)
        assert list(by_name) == ["large", "enough", "small"]
        assert isinstance(by_name["enough"], Group)
        assert by_name["small"] == SmallGroup(Kind.SOURCE, "small", FEWEST - 1)
        assert SmallGroup(Kind.GENDER, "none", len({q.record.identity for q in queries})) in found

    @pytest.mark.parametrize(("missed", "behind"), [(4, False), (5, True)])
    def test_behind_from_five_points(self, missed: int, behind: bool) -> None:
        queries = crowd({"north": 100, "south": 100}, captions=1)
        hits = np.ones(200, np.bool_)
        hits[:missed] = False
        north = sources(compare_groups(queries, hits))["north"]
        assert isinstance(north, Group)
        assert BEHIND == 5
        assert north.behind is behind


@pytest.fixture
def street(tmp_path: Path) -> Dataset:
    """Seventy people seen by two cameras, one of which saw forty, and a man on a lone picture that is none."""
    records = []
    for number in range(70):
        name = f"{'north' if number < 40 else 'south'}/{number}.png"
        path = write_crop(tmp_path / name, seed=number, size=(16, 32))
        records.append(Record(path, name, str(number), Split.VAL, (Caption(f"a person wearing a red jacket {number}"),)))
    (tmp_path / "bad.png").write_bytes(b"nothing")
    records.append(Record(tmp_path / "bad.png", "bad.png", "bad", Split.VAL, (Caption("a man in brown shoes"),)))
    return Dataset("street", tuple(records))


class TestMeasureGroups:
    def test_all_groups_share_the_ranking_of_all(self, tiny_encoder: BundleEncoder, street: Dataset) -> None:
        calls: list[tuple[int, int]] = []
        report = measure_groups(tiny_encoder, street, on_progress=lambda done, total: calls.append((done, total)))
        evaluation = evaluate(tiny_encoder, street)
        assert report.overall == evaluation.metrics.rank1
        assert [(group.name, group.queries, group.people) for group in report.groups] == [("north", 40, 40), ("south", 30, 30)]
        hits = evaluation.per_query.hits_within(1)
        assert [group.rank1.mean for group in report.groups] == pytest.approx([100 * hits[:40].mean(), 100 * hits[40:].mean()])
        assert {group.name for group in report.left_out} >= {"red", "jacket"}
        assert calls == [(done, 71) for done in range(1, 72)]

    def test_json_and_table(self, tiny_bundle: Path, tmp_path: Path, street: Dataset) -> None:
        table = tmp_path / "street.csv"
        rows = [f"{record.name},{record.captions[0].text},{record.identity}" for record in street.records]
        table.write_text("\n".join(["path,caption,id", *rows]) + "\n")
        arguments = ["evaluate", "--data", str(table), "--model", str(tiny_bundle), "--measure", "groups"]
        ran = CliRunner().invoke(app, [*arguments, "--json"])
        document = json.loads(ran.stdout)
        assert ran.exit_code == 1
        assert [(group["kind"], group["name"], group["people"]) for group in document["groups"]] == [
            ("source", "north", 40),
            ("source", "south", 30),
        ]
        for group in document["groups"]:
            assert group["behind"] is (group["difference"]["mean"] <= -5)
            assert group["rank1"]["low"] <= group["rank1"]["mean"] <= group["rank1"]["high"]
        assert {"kind": "garment", "name": "jacket", "people": 70} in document["left_out"]
        assert (document["queries"], document["gallery"], document["unanswerable"]) == (70, 70, 1)

        shown = CliRunner().invoke(app, arguments)
        assert "north" in shown.stdout and "jacket (70)" in shown.stderr
