"""Whatever the order, the cut into batches, redelivery and the passes of the judge, even killed ones: one history."""

import datetime as dt
import json
import random
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from ingest import pipeline
from ingest.models import Batch
from ingest.reports import Message, MessageBatch
from resilience.breaker.registry import in_process_breaker
from tests.support.messages import NOON, NOON_MS, batch, position, sentences
from tests.truth.killed import PLACES, Killer, killer
from tracking.history import partitions
from tracking.models import VesselPosition
from tracking.truth import budget, judge, terms
from tracking.truth.models import Dispute, Jump, RefusedPosition, Unjudged

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])

Numbers = dict[tuple[int, dt.datetime], tuple[float, float, int]]
COUNT = 36  # reports of a ship
COMBINATIONS = 20


def said(mmsi: int, n: int, latitude: float, longitude: float, late_ms: int = 0, **fields: Any) -> Message:
    """The n-th report of a ship, one every ten seconds."""
    at = NOON_MS + n * 10_000 + late_ms
    values = {"lat": latitude, "lon": longitude, "speed": 11.0, "course": 0.5, "second": at // 1000 % 60} | fields
    return Message(at, position(mmsi, **values))


def sail(mmsi: int, row: int, **fields: Any) -> list[Message]:
    """A ship that sails north; `row` says where."""
    return [said(mmsi, n, 50.00001 + n * 0.00051, row + 0.00001, **fields) for n in range(COUNT)]


def the_sea() -> list[Message]:
    """Some ships of every kind of fault, in the order of their times."""
    chance = random.Random(13)
    found = [*sail(244660001, 1), *sail(244660002, 2), *sail(244660010, 3)]
    found += [said(244660010, n, -33.00001 - n * 0.0005, 151.00001, late_ms=5000) for n in range(COUNT)]
    teleported = sail(244660003, 4)
    for n in (7, 8, 20, 33):
        teleported[n] = said(244660003, n, chance.uniform(-60, 60), chance.uniform(-170, 170))
    first = sail(244660004, 5)
    first[0] = said(244660004, 0, 20.00001, 20.00001)
    found += [*teleported, *first]
    relayed = sail(244660006, 7)
    found += relayed + [Message(m.received_at + 120_000, m.raw) for m in relayed[:20]]
    for ship in range(6):  # a fleet that is spoofed for two minutes
        mine = sail(244660020 + ship, 8)
        for n in range(12, 24):
            mine[n] = said(244660020 + ship, n, 59.80001 + n * 0.0004, 30.26001 + ship * 0.001)
        found += mine
    coarse = {"lat": round(50.009 * 600) / 600, "lon": 2.0, "speed": 11, "course": 1}
    long_range = sentences(type=27, mmsi=244660002, **coarse)[0]
    found += [Message(NOON_MS + 153_000, long_range), Message(NOON_MS + 213_000, long_range)]
    return sorted(found, key=lambda message: message.received_at)


def forget_everything() -> None:
    for model in (VesselPosition, Dispute, Jump, RefusedPosition, Unjudged, Batch):
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {model._meta.db_table} CASCADE")


def numbers() -> Numbers:
    rows = VesselPosition.objects.values_list("vessel_id", "timestamp", "latitude", "longitude", "track")
    return {(row[0], row[1]): row[2:] for row in rows}


def cut(messages: list[Message], chance: random.Random) -> list[MessageBatch]:
    """Batches of any size, of messages in any order, in any order, some twice."""
    messages = list(messages)
    if chance.random() < 0.3:
        chance.shuffle(messages)
    most = chance.choice([30, 150, len(messages)])
    found, at = [], 0
    while at < len(messages):
        size = chance.randint(max(1, most // 3), most)
        found.append(batch([], messages=messages[at : at + size]))
        at += size
    found += [one for one in found if chance.random() < 0.15]
    if chance.random() < 0.7:
        chance.shuffle(found)
    return found


def judged(sea: list[Message], trial: int, killed: Killer) -> tuple[Numbers, int]:
    """The numbers after all of it, in another way for each trial, and how many judges were killed on the way."""
    chance = random.Random(trial)
    forget_everything()
    for one in cut(sea, chance):
        pipeline.process(one, breakers=in_process_breaker, derived=())
        if chance.random() < 0.25:
            judge.judge(round(1000 ** chance.random()))
    kills = 0
    if trial % 4 == 1:
        kills = sum(killed.kill_a_judge(1000, *place) for place in PLACES)
    while judge.judge(round(1000 ** chance.random())) is not None:
        pass
    return numbers(), kills


def accounts() -> tuple[int, int, int]:
    """(messages, positions, those that became rows, were merged or were there)."""
    rows = Batch.objects.values_list("messages", "positions", "stored", "merged", "duplicate")
    sums = [sum(column) for column in zip(*rows, strict=True)]
    return sums[0], sums[1], sum(sums[2:])


@pytest.fixture(scope="module")
def killed(django_db_setup: None, django_db_blocker: Any) -> Iterator[Killer]:
    with killer(str(connection.settings_dict["NAME"])) as found:
        yield found


@pytest.fixture(scope="module")
def sea() -> list[Message]:
    return the_sea()


@pytest.fixture(scope="module")
def firsts() -> dict[str, Numbers]:
    """What the first combination came to, to which all others are held."""
    return {}


@pytest.mark.parametrize("trial", range(COMBINATIONS))
def test_any_order_cut_redelivery_and_pass_of_the_judge_gives_the_same_history(
    trial: int, sea: list[Message], firsts: dict[str, Numbers], killed: Killer
):
    partitions.make([NOON.date()])
    found, kills = judged(sea, trial, killed)
    if not firsts:
        firsts["numbers"] = judged(sea, -1, killed)[0]
        reasons = Counter(number for _, _, number in firsts["numbers"].values())
        assert {0, 1, *(terms.RefusalCode(-n) for n in range(1, 5))} <= reasons.keys(), reasons
    assert {key for key, value in firsts["numbers"].items() if value != found.get(key)} == set()
    assert found.keys() == firsts["numbers"].keys()
    assert accounts() == (len(sea), len(sea), len(sea))
    assert (kills > 0) == (trial % 4 == 1)
    refused = {(str(mmsi), at) for (mmsi, at), (_, _, number) in found.items() if number < 0}
    assert set(RefusedPosition.objects.values_list("identity", "timestamp")) == refused


def versions() -> dict[str, list[Any]]:
    """Which transaction wrote each row of what the judge writes, and where it lies."""
    found = {}
    for model in (VesselPosition, Dispute, Jump, RefusedPosition):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT ctid::text, xmin::text FROM {model._meta.db_table} ORDER BY 1")
            found[model.__name__] = cursor.fetchall()
    return found


def judge_anew() -> int:
    """Judge all anew; how many numbers changed."""
    out = StringIO()
    call_command("judge", "--since", "2026-01-01", "--json", stdout=out)
    return int(json.loads(out.getvalue())["changed"])


def test_loosened_and_tightened_again_the_rule_gives_the_first_numbers_and_judged_twice_it_writes_no_row(
    sea: list[Message], killed: Killer, monkeypatch: pytest.MonkeyPatch
):
    partitions.make([NOON.date()])
    first, _ = judged(sea, 0, killed)
    loose = budget.VESSEL._replace(slack_m=3e7)
    with monkeypatch.context() as patch:
        patch.setattr(judge, "budget_of", lambda identity: loose)
        assert judge_anew() > 0
        looser = Counter(number for _, _, number in numbers().values())
        assert looser[terms.RefusalCode.SPOOFED] == 0
    assert judge_anew() > 0
    assert numbers() == first
    before = versions()["VesselPosition"]
    assert judge_anew() == 0
    assert versions()["VesselPosition"] == before
    assert numbers() == first
