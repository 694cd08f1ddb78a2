"""AP50: beside a slow and obvious one, worked by hand, and the laws that it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import boxes_of

from passerby.detect.boxes import Boxes
from passerby.detect.detector import Detections
from passerby.measure.detection import Claims, Curve, ap_difference, ap_interval, average_precision, claim
from passerby.measure.metrics import Estimate

NOBODY = boxes_of()


class Picture(NamedTuple):
    detections: Detections
    boxes: Boxes
    ignored: Boxes


def detections(boxes: Boxes, scores: Sequence[float]) -> Detections:
    order = np.argsort(-np.array(scores, np.float32), kind="stable")
    return Detections(boxes[order], np.array(scores, np.float32)[order])


def claims_of(pictures: Sequence[Picture]) -> list[Claims]:
    return [claim(*picture) for picture in pictures]


def people_in(pictures: Sequence[Picture]) -> list[int]:
    return [len(picture.boxes) for picture in pictures]


def ap(pictures: Sequence[Picture]) -> float:
    return average_precision(claims_of(pictures), sum(people_in(pictures)))


def area(box: Sequence[float]) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def common(a: Sequence[float], b: Sequence[float]) -> float:
    return area([max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])])


def slow_ap(pictures: Sequence[Picture]) -> float:
    """For each threshold anew: who is claimed, precision and recall; then a step at each recall, as high as the best precision beyond."""
    scores = sorted({float(score) for picture in pictures for score in picture.detections.scores}, reverse=True)
    people, points = sum(people_in(pictures)), []
    for threshold in scores:
        right = wrong = 0
        for found, boxes, ignored in pictures:
            free = list(boxes.tolist())
            for box, score in zip(found.boxes.tolist(), found.scores, strict=True):
                if score < threshold:
                    continue
                overlaps = [common(box, other) / (area(box) + area(other) - common(box, other)) for other in free]
                if overlaps and max(overlaps) >= 0.5:
                    free.pop(overlaps.index(max(overlaps)))
                    right += 1
                elif not any(common(box, region) >= 0.5 * area(box) for region in ignored.tolist()):
                    wrong += 1
        if right + wrong:
            points.append((right / people, right / (right + wrong)))
    total, before = 0.0, 0.0
    for recall, _ in points:
        total += (recall - before) * max(precision for other, precision in points if other >= recall)
        before = recall
    return total


# Corners on a coarse grid: they often meet, coincide and lie within each other, and their overlaps are exact in float32.
corner = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 5), st.integers(1, 5)).map(
    lambda b: (b[0] * 8, b[1] * 8, (b[0] + b[2]) * 8, (b[1] + b[3]) * 8)
)
some_boxes = st.lists(corner, max_size=5).map(lambda rows: boxes_of(*rows))
some_scores = st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])


@st.composite
def picture(draw: st.DrawFn) -> Picture:
    found = draw(some_boxes)
    scores = draw(st.lists(some_scores, min_size=len(found), max_size=len(found)))
    return Picture(detections(found, scores), draw(some_boxes), draw(some_boxes))


some_pictures = st.lists(picture(), min_size=1, max_size=5).filter(lambda pictures: sum(people_in(pictures)) > 0)


class TestAgainstTheObvious:
    def test_worked_by_hand(self) -> None:
        """Three people. From the surest: right, wrong, right, right twice over: precision 1, 1/2, 2/3, 2/4, 3/5 at recall 1/3, 1/3, 2/3,
        2/3, 1. The area is a third each of 1, 2/3 and 3/5."""
        ann, bob, cleo = [0, 0, 10, 20], [30, 0, 40, 20], [60, 0, 70, 20]
        found = boxes_of(ann, [0, 50, 10, 70], bob, ann, [60, 0, 70, 18])
        one = Picture(detections(found, [0.9, 0.8, 0.7, 0.6, 0.5]), boxes_of(ann, bob, cleo), NOBODY)
        assert claim(*one).found.tolist() == [0, -1, 1, -1, 2]
        assert ap([one]) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)

    @settings(max_examples=150, deadline=None)
    @given(some_pictures)
    def test_as_the_slow_one(self, pictures: list[Picture]) -> None:
        assert ap(pictures) == pytest.approx(slow_ap(pictures), abs=1e-6)

    def test_half_an_overlap_is_enough(self) -> None:
        box, half, less = [0, 0, 10, 20], [0, 0, 10, 10], [0, 0, 10, 9]
        assert claim(detections(boxes_of(half), [0.5]), boxes_of(box), NOBODY).right.all()
        assert not claim(detections(boxes_of(less), [0.5]), boxes_of(box), NOBODY).right.any()

    def test_in_an_ignored_region_nobody_is_false(self) -> None:
        crowd = boxes_of([0, 0, 40, 40])
        found = detections(boxes_of([0, 0, 10, 10], [35, 0, 45, 10], [36, 0, 46, 10]), [0.9, 0.8, 0.7])
        np.testing.assert_array_equal(claim(found, NOBODY, crowd).scores, np.array([0.7], np.float32))

    @settings(max_examples=60, deadline=None)
    @given(some_pictures)
    def test_the_best_threshold_has_the_best_f1(self, pictures: list[Picture]) -> None:
        claims, people = claims_of(pictures), sum(people_in(pictures))

        def f1(threshold: float) -> float:
            right = sum(int(one.right[one.scores >= np.float32(threshold)].sum()) for one in claims)
            taken = sum(int((one.scores >= np.float32(threshold)).sum()) for one in claims)
            return 2 * right / (taken + people)

        best = Curve(claims).best_threshold(people)
        highest = max((f1(float(score)) for one in claims for score in one.scores), default=0.0)
        assert (0.0 if best is None else f1(best)) == pytest.approx(highest)


class TestLaws:
    @settings(max_examples=60, deadline=None)
    @given(some_pictures, st.randoms(use_true_random=False))
    def test_the_order_of_pictures_does_not_matter(self, pictures: list[Picture], random: object) -> None:
        shuffled = sorted(pictures, key=lambda _: random.random())  # type: ignore[attr-defined]
        assert ap(shuffled) == pytest.approx(ap(pictures))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(some_boxes, some_boxes), min_size=1, max_size=5).filter(lambda truth: any(len(boxes) for boxes, _ in truth)))
    def test_the_truth_is_perfect(self, truth: list[tuple[Boxes, Boxes]]) -> None:
        pictures = [Picture(detections(boxes, [0.5] * len(boxes)), boxes, ignored) for boxes, ignored in truth]
        assert ap(pictures) == 1

    @settings(max_examples=60, deadline=None)
    @given(some_pictures, st.lists(some_scores, min_size=1, max_size=5))
    def test_false_detections_never_help(self, pictures: list[Picture], scores: list[float]) -> None:
        nowhere = boxes_of(*[[500, 500, 520, 520]] * len(scores))
        (found, boxes, ignored), *others = pictures
        more = detections(np.concatenate([found.boxes, nowhere]), [*found.scores, *scores])
        assert ap([Picture(more, boxes, ignored), *others]) <= ap(pictures) + 1e-9

    @settings(max_examples=60, deadline=None)
    @given(some_pictures, some_boxes)
    def test_ignored_regions_never_hurt(self, pictures: list[Picture], region: Boxes) -> None:
        (found, boxes, ignored), *others = pictures
        assert ap([Picture(found, boxes, np.concatenate([ignored, region])), *others]) >= ap(pictures) - 1e-9

    @settings(max_examples=50, deadline=None)
    @given(some_pictures)
    def test_a_picture_counted_twice_is_a_picture_twice(self, pictures: list[Picture]) -> None:
        times = np.arange(len(pictures)) % 3
        repeated = [one for one, often in zip(pictures, times, strict=True) for _ in range(often)]
        people = sum(people_in(repeated))
        assert Curve(claims_of(pictures)).area(times, people) == pytest.approx(ap(repeated) if people else 0)

    def test_nothing_found_is_nothing(self) -> None:
        assert ap([Picture(detections(NOBODY, []), boxes_of([0, 0, 1, 1]), NOBODY)]) == 0


def many(missed: float, seed: int = 0) -> list[Picture]:
    """Forty pictures of three people, each of whom a detector misses that often; and a false detection in every other picture."""
    random = np.random.default_rng(seed)
    pictures = []
    for number in range(40):
        boxes = boxes_of(*[[x, 0, x + 10, 20] for x in (0, 20, 40)])
        found = np.concatenate([boxes, boxes_of([80, 80, 90, 99])])
        taken = np.append(random.random(3) >= missed, number % 2 == 0)
        pictures.append(Picture(detections(found[taken], random.random(4)[taken].tolist()), boxes, NOBODY))
    return pictures


class TestIntervals:
    def test_an_interval_is_that_of_a_slow_bootstrap(self) -> None:
        pictures = many(0.3)
        estimate = ap_interval(claims_of(pictures), people_in(pictures), seed=3, resamples=60)
        random = np.random.default_rng(3)
        draws = [
            100 * ap([one for one, often in zip(pictures, random.multinomial(40, [1 / 40] * 40), strict=True) for _ in range(often)])
            for _ in range(60)
        ]
        assert estimate.mean == pytest.approx(100 * ap(pictures))
        assert (estimate.low, estimate.high) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])))

    def test_a_detector_does_not_differ_from_itself(self) -> None:
        claims = claims_of(many(0.3))
        assert ap_difference(claims, claims, [3] * 40) == Estimate(0, 0, 0)

    def test_pairing_narrows(self) -> None:
        better, worse = (claims_of(many(missed)) for missed in (0.2, 0.3))
        change = ap_difference(better, worse, [3] * 40)
        alone = [ap_interval(claims, [3] * 40) for claims in (better, worse)]
        assert change.low < change.mean < change.high < 0
        assert change.mean == pytest.approx(alone[1].mean - alone[0].mean)
        assert change.high - change.low < min(one.high - one.low for one in alone)

    def test_seeds_are_kept(self) -> None:
        claims = claims_of(many(0.3))
        assert ap_interval(claims, [3] * 40) == ap_interval(claims, [3] * 40) != ap_interval(claims, [3] * 40, seed=1)

    @pytest.mark.parametrize("people", [[3] * 39, [0] * 40, []])
    def test_people_that_do_not_fit_are_refused(self, people: list[int]) -> None:
        with pytest.raises(ValueError, match="expected claims of pictures with"):
            ap_interval(claims_of(many(0.3)), people)
