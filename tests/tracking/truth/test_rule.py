"""What the rule says of a position, given those before it."""

import math
import random

import numpy as np
import pytest

from tracking.truth import steady
from tracking.truth.budget import AIRCRAFT, FIXED, SAR_AIRCRAFT, VESSEL, Budget, budget_of, metres
from tracking.truth.fleets import FleetJump, fleets
from tracking.truth.rule import Fold, fold
from tracking.truth.terms import ACCEPTED, JudgedPosition, OperatorDecision, RefusalCode

T = 1_767_225_600_000
EAST_M = 70_000  # a degree of longitude here, about


def sailing(
    count: int, start: int = 0, latitude: float = 51.0, longitude: float = 3.0, knots: float = 12
) -> list[JudgedPosition]:
    """Positions every 10 s of a ship that sails north from a place; no two say the same."""
    step = knots * 1852 / 3600 * 10 / 111_195
    return [
        JudgedPosition(T + start + n * 10_000, latitude + n * step + 1e-6, longitude + 1e-6, knots, 0.5)
        for n in range(count)
    ]


def at(row: JudgedPosition, **changes: object) -> JudgedPosition:
    return row._replace(**changes)  # type: ignore[arg-type]


def numbers(rows: list[JudgedPosition], budget: Budget = VESSEL) -> list[int]:
    rows = sorted(rows)
    found = fold(rows, budget).numbers
    return [found[row.ts] for row in rows]


def test_a_ship_that_sails_is_one_track():
    assert numbers(sailing(100)) == [0] * 100


def test_a_teleport_is_refused_and_moves_nothing():
    rows = sailing(20)
    rows[10] = at(rows[10], latitude=20.00001, longitude=-40.00001)
    assert numbers(rows) == [0] * 10 + [RefusalCode.OUTLIER] + [0] * 9


def test_teleports_that_agree_with_nothing_make_no_track():
    rows = sailing(40)
    for n, latitude in ((10, 20.00001), (15, 20.3), (20, 20.9), (25, 21.8)):
        rows[n] = at(rows[n], latitude=latitude, longitude=-40.00001)
    assert sorted(set(numbers(rows))) == [RefusalCode.OUTLIER, 0]


def test_a_wrong_first_fix_heals():
    rows = sailing(20)
    rows[0] = at(rows[0], latitude=20.00001)
    assert numbers(rows) == [RefusalCode.OUTLIER] + [0] * 19


def test_two_ships_under_one_mmsi_are_two_tracks():
    rows = sorted([*sailing(30), *sailing(30, start=3000, latitude=-33.0, longitude=18.0)])
    tracks = {}
    for row, number in zip(rows, numbers(rows), strict=True):
        tracks.setdefault(row.latitude > 0, set()).add(number)
    assert tracks == {True: {0}, False: {1}}


def test_null_island_is_refused_however_often_it_is_said():
    rows = sailing(20)
    for n in range(5, 12):
        rows[n] = at(rows[n], latitude=0.0, longitude=0.0)
    assert numbers(rows)[5:12] == [RefusalCode.NULL_ISLAND] * 7
    assert numbers(rows[5:12]) == [RefusalCode.NULL_ISLAND] * 7


def test_a_long_range_report_beside_a_fine_one_is_coarse_and_alone_it_counts():
    coarse = JudgedPosition(T + 105_000, round(51.0055 * 600) / 600, 3.0, 12, 0)
    rows = [*sailing(20), coarse]
    assert numbers(rows)[11] == RefusalCode.COARSE
    later = [
        at(coarse, ts=T + 3_600_000 + n * 180_000, latitude=round((51.2 + n * 0.01) * 600) / 600) for n in range(5)
    ]
    assert numbers([*sailing(20), *later]) == [0] * 25


def test_what_a_relay_says_again_is_a_repeat():
    rows = sailing(100)
    late = at(rows[10], ts=rows[70].ts + 3000)
    assert numbers([*rows, late])[71] == RefusalCode.REPEAT


def test_a_ship_that_lies_still_says_the_same_again_and_is_no_repeat():
    rows = [JudgedPosition(T + n * 180_000, 51.00001, 3.00001, 0.0, 10.0) for n in range(20)]
    assert numbers(rows) == [0] * 20


def test_of_two_places_in_one_second_the_one_further_from_the_way_is_refused():
    rows = sailing(20)
    wrong = at(rows[10], ts=rows[10].ts + 7, latitude=rows[10].latitude + 0.001)
    assert numbers([*rows, wrong])[10:12] == [0, RefusalCode.OUTLIER]
    early = at(rows[10], ts=rows[10].ts + 7)
    rows[10] = at(rows[10], latitude=rows[10].latitude + 0.001)
    assert numbers([*rows, early])[10:12] == [RefusalCode.OUTLIER, 0]


def test_after_six_hours_of_silence_anything_is_possible():
    assert numbers([*sailing(5), *sailing(5, start=7 * 3_600_000, latitude=40.0)]) == [0] * 10


def test_across_the_antimeridian_nothing_jumps():
    rows = [
        JudgedPosition(T + n * 10_000, 51.00001, (179.999 + n * 0.0005 + 180) % 360 - 180, 8, 90) for n in range(10)
    ]
    assert numbers(rows) == [0] * 10


def test_an_operator_refuses_and_accepts_whatever_the_rule_says():
    rows = sailing(20)
    rows[5] = at(rows[5], decision=OperatorDecision.REFUSE)
    rows[10] = at(rows[10], latitude=20.00001, decision=OperatorDecision.ACCEPT)
    assert numbers(rows)[5] == RefusalCode.BY_HAND
    assert numbers(rows)[10] == ACCEPTED


@pytest.mark.parametrize(("identity", "budget"), [
    (211_234_560, VESSEL), (111_232_501, SAR_AIRCRAFT), (992_111_001, FIXED), (2_111_234, FIXED), ("3c6444", AIRCRAFT),
])  # fmt: skip
def test_each_class_has_its_budget(identity: int | str, budget: Budget):
    assert budget_of(identity) == budget


@pytest.mark.parametrize(("budget", "knots", "refused"), [(VESSEL, 200, True), (SAR_AIRCRAFT, 200, False),
                                                         (FIXED, 500, True), (AIRCRAFT, 450, False)])  # fmt: skip
def test_what_is_too_fast_for_one_class_is_not_for_another(budget: Budget, knots: float, refused: bool):
    rows = [at(row, speed=math.nan) for row in sailing(40, knots=knots)]
    assert any(numbers(rows, budget)) == refused


def test_a_dispute_saved_and_loaded_goes_on_as_if_it_had_not_been():
    rows = sorted([*sailing(60), *sailing(60, start=3000, latitude=-33.0, longitude=18.0)])
    whole = fold(rows)
    first, second = Fold(), Fold()
    for row in rows[:51]:
        first.take(row)
    second.load(first.save())
    second.seen = first.seen
    for row in rows[51:]:
        second.take(row)
    second.settle()
    first.settle()
    assert first.numbers | second.numbers == whole.numbers
    assert second.disputes == whole.disputes
    assert first.births + second.births == whole.births


def test_a_dispute_ends_when_one_track_is_left_and_went_on():
    rows = sailing(200)
    rows[10] = at(rows[10], latitude=20.00001)
    (dispute,) = fold(rows).disputes
    assert dispute.since == rows[10].ts
    assert dispute.until is not None
    assert dispute.until - rows[10].ts == VESSEL.candidate_s * 1000 + 30_000


def random_life(chance: random.Random) -> list[JudgedPosition]:
    rows = sailing(chance.randrange(3, 60), knots=chance.choice([0.5, 8, 30]))
    for n in range(len(rows)):
        if chance.random() < 0.05:
            rows[n] = at(rows[n], latitude=chance.uniform(-60, 60), longitude=chance.uniform(-170, 170))
    return rows


@pytest.mark.parametrize("seed", range(30))
def test_what_is_steady_at_once_is_what_the_fold_says(seed: int):
    chance = random.Random(seed)
    lives = [random_life(chance) for _ in range(20)]
    rows = [(whose, *row[:5]) for whose, life in enumerate(lives) for row in life]
    columns = steady.PositionColumns(*(np.array(column) for column in zip(*rows, strict=True)))
    broken = set(columns.whose[steady.breaks(columns, VESSEL)].tolist())
    assert {whose for whose, life in enumerate(lives) if any(numbers(life))} <= broken
    assert any(whose not in broken for whose in range(20)) or len(broken) == 20


def test_the_last_positions_are_the_whole_state_of_a_steady_ship():
    rows = sailing(60)
    rows[40] = at(rows[40], latitude=20.00001)
    whole = numbers(rows)
    assert numbers(rows[27:])[3:] == whole[30:]


def test_five_ships_that_jump_to_one_place_are_a_fleet_and_four_are_none():
    jumps = [FleetJump(n, T + n * 60_000, 59.8 + n * 0.01, 30.2) for n in range(5)]
    assert fleets(jumps) == set(jumps)
    assert fleets(jumps[:4]) == set()
    assert fleets([jump._replace(ts=T + n * 3_600_000) for n, jump in enumerate(jumps)]) == set()


def test_distances_are_those_of_the_globe():
    assert metres(0, 0, 0, 1) == pytest.approx(111_195, rel=1e-4)
    assert metres(51, 179.9, 51, -179.9) == pytest.approx(metres(51, 0, 51, 0.2))
    assert metres(-90, 0, 90, 0) == pytest.approx(20_015_115, rel=1e-4)
