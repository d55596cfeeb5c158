"""The judge over stored rows: its verdicts depend on the set of rows alone."""

import datetime as dt
import json
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from ingest import pipeline
from ingest.reports import MessageBatch
from resilience.breaker.registry import in_process_breaker
from tests.support.messages import NOON_MS, batch, position
from tracking import tasks
from tracking.models import AircraftPosition, VesselPosition
from tracking.truth import budget, judge, terms
from tracking.truth.models import Dispute, PositionKind, RefusedPosition, Unjudged
from tracking.truth.notes import Touched, moment, note_rows
from tracking.truth.quarantine import decisions as quarantine
from tracking.truth.reading import SOURCES

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])

Numbers = dict[tuple[int, dt.datetime], tuple[float, float, int]]


def numbers() -> Numbers:
    rows = VesselPosition.objects.values_list("vessel_id", "timestamp", "latitude", "longitude", "track")
    return {(row[0], row[1]): row[2:] for row in rows}


def process(one: MessageBatch) -> None:
    pipeline.process(one, breakers=in_process_breaker, derived=())


def judged_again() -> Numbers:
    """The numbers after all was judged anew, which changes none of them."""
    out = StringIO()
    call_command("judge", "--since", "2026-01-01", "--json", stdout=out)
    assert json.loads(out.getvalue())["changed"] == 0
    return numbers()


# --- one ship ---------------------------------------------------------------------------------------------------------
MMSI = 244660123


def sail(count: int, teleports: tuple[int, ...] = (), start: int = 0, **fields: object) -> list[MessageBatch]:
    """A ship that sails north, a batch a report; some of her reports lie elsewhere."""
    places = [(20.00001 if n in teleports else 52.00001 + n * 0.0005, 4.00001) for n in range(start, start + count)]
    reports = [position(lat=lat, lon=lon, speed=11.0, course=0.5, second=60) for lat, lon in places]
    at = NOON_MS + start * 10_000
    return [batch([raw], received_at=at + n * 10_000, **fields) for n, raw in enumerate(reports)]


def tracks() -> list[int]:
    return list(VesselPosition.objects.order_by("timestamp").values_list("track", flat=True))


def test_a_teleport_is_refused_with_its_reason_and_numbers_and_the_row_stays():
    for one in sail(10, teleports=(5,)):
        process(one)
    assert tasks.judge_history() == "10 positions of 1 targets read, 1 numbers changed"
    assert tracks() == [0] * 5 + [-1] + [0] * 4
    refused = RefusedPosition.objects.get()
    assert (refused.identity, refused.get_reason_display(), refused.source) == (str(MMSI), "outlier", "test")
    assert (refused.distance_m > 3_000_000, refused.seconds, 150 < refused.budget_m < 1000) == (True, 10.0, True)
    assert Dispute.objects.get().until is None
    assert tasks.judge_history() == "0 positions of 0 targets read, 0 numbers changed"


def test_a_row_that_comes_late_is_judged_and_so_is_what_follows_it():
    batches = sail(10, teleports=(0,))
    process(batches[0])
    judge.judge_all()
    assert tracks() == [0]
    for one in reversed(batches[1:]):
        process(one)
        judge.judge_all()
    assert tracks() == [-1] + [0] * 9


def test_a_judge_that_dies_leaves_its_notes_and_no_half_verdict(monkeypatch: pytest.MonkeyPatch):
    for one in sail(10, teleports=(5,)):
        process(one)
    with monkeypatch.context() as patch:
        patch.setattr(judge.notes, "forget", lambda taken: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            judge.judge_all()
    assert (tracks(), Unjudged.objects.count(), RefusedPosition.objects.count()) == ([0] * 10, 10, 0)
    judge.judge_all()
    assert (tracks()[5], Unjudged.objects.count()) == (-1, 0)


def test_a_batch_that_is_not_committed_leaves_no_note():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        process(sail(1)[0])
        assert Unjudged.objects.exists()
        raise ZeroDivisionError
    assert not Unjudged.objects.exists()


def test_an_operator_accepts_and_it_stays_so_when_judged_anew(django_user_model):
    user = django_user_model.objects.create(username="mate")
    for one in sail(10, teleports=(5,)):
        process(one)
    judge.judge_all()
    quarantine.decide(RefusedPosition.objects.get(), quarantine.Decision.ACCEPT, "seen from the pier", user)
    judge.judge_all()
    assert tracks()[5] == terms.ACCEPTED
    assert judged_again() == numbers()
    for one in sail(10, start=10):
        process(one)
    judge.judge_all()
    assert tracks() == [0] * 5 + [terms.ACCEPTED] + [0] * 14
    quarantine.decide(RefusedPosition.objects.get(), quarantine.Decision.NONE, "it was a gull", user)
    judge.judge_all()
    assert tracks()[5] == terms.RefusalCode.OUTLIER


def test_an_operator_refuses_what_the_rule_accepts(django_user_model):
    user = django_user_model.objects.create(username="mate")
    for one in sail(6):
        process(one)
    judge.judge_all()
    quarantine.refuse(PositionKind.VESSEL, VesselPosition.objects.order_by("timestamp")[3], "not she", user)
    judge.judge_all()
    assert tracks() == [0, 0, 0, terms.RefusalCode.BY_HAND, 0, 0]


def test_a_looser_rule_accepts_and_the_first_one_gives_the_first_numbers_again(monkeypatch: pytest.MonkeyPatch):
    for one in sail(12, teleports=(5,)):
        process(one)
    judge.judge_all()
    before = numbers()
    loose = budget.VESSEL._replace(slack_m=3e7)
    with monkeypatch.context() as patch:
        patch.setattr(judge, "budget_of", lambda identity: loose)
        call_command("judge", "--since", "2026-01-01", "--identity", str(MMSI))
        assert tracks() == [0] * 12
        assert not RefusedPosition.objects.exists() and not Dispute.objects.exists()
    out = StringIO()
    call_command("judge", "--since", "2026-01-01", "--dry-run", stdout=out)
    assert "1 numbers would change" in out.getvalue() and "outlier" in out.getvalue()
    assert tracks() == [0] * 12
    call_command("judge", "--since", "2026-01-01")
    assert numbers() == before


@pytest.mark.parametrize(("arguments", "complaint"), [
    (["--identity", "244660123"], "goes with --since"), (["--since", "2026-01-01", "--identity", "1"], "no positions"),
    (["--since", "yesterday"], "not a time"),
])  # fmt: skip
def test_the_command_says_what_it_cannot_do(arguments: list[str], complaint: str):
    with pytest.raises(CommandError, match=complaint):
        call_command("judge", *arguments)


def test_the_track_of_the_api_shows_the_refused_ones_on_request_only(admin_client):
    for one in sail(10, teleports=(5,)):
        process(one)
    judge.judge_all()
    shown, everything = (
        admin_client.get(f"/api/vessels/{MMSI}/track/?{query}").json()["points"] for query in ("", "refused=1")
    )
    assert [point["track"] for point in shown] == [0] * 9
    assert sorted(point["track"] for point in everything) == [-1] + [0] * 9
    outline = admin_client.get(f"/api/vessels/{MMSI}/track/?points=12").json()["points"]
    assert all(point["latitude"] > 50 for point in outline)


def test_aircraft_are_judged_by_their_own_budget():
    lines = [(n, 50.0001 + n * 0.005, 8.0001) for n in range(20)]
    lines[10] = (10, 20.0001, 8.0001)
    at = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    rows = [
        AircraftPosition(
            aircraft_id="3c6444",
            timestamp=at + dt.timedelta(seconds=5 * n),
            received_at=at,
            latitude=latitude,
            longitude=longitude,
            ground_speed=220,
            source="roof",
            score=80,
        )
        for n, latitude, longitude in lines
    ]
    AircraftPosition.objects.bulk_create(rows)
    note_rows({AircraftPosition: rows})
    judge.judge_all()
    assert (
        list(AircraftPosition.objects.order_by("timestamp").values_list("track", flat=True))
        == [0] * 10 + [-1] + [0] * 9
    )
    assert RefusedPosition.objects.get().identity == "3c6444"


def test_the_quarantine_shows_why_and_takes_a_decision(admin_client):
    for one in sail(10, teleports=(5,)):
        process(one)
    judge.judge_all()
    refused = RefusedPosition.objects.get()
    page = admin_client.get("/admin/tracking/refusedposition/").content.decode()
    assert "outlier" in page and str(MMSI) in page
    url = f"/admin/tracking/refusedposition/{refused.pk}/change/"
    assert "positions of that day" in admin_client.get(url).content.decode()
    assert admin_client.post(url, {"decision": 1, "note": "seen from the pier"}).status_code == 302
    judge.judge_all()
    refused.refresh_from_db()
    assert (refused.decision, refused.note, refused.decided_by.username) == (1, "seen from the pier", "admin")
    assert tracks()[5] == terms.ACCEPTED
    assert str(MMSI) in admin_client.get("/admin/tracking/dispute/").content.decode()


def test_an_operator_refuses_a_position_from_its_page(admin_client):
    for one in sail(6):
        process(one)
    judge.judge_all()
    row = VesselPosition.objects.order_by("timestamp")[3]
    page = f"/admin/tracking/vesselposition/{row.pk}/"
    assert "refuse" in admin_client.get(f"{page}change/").content.decode()
    assert "Refuse" in admin_client.get(f"{page}refuse/").content.decode()
    assert admin_client.post(f"{page}refuse/", {"note": ""}).status_code == 200
    assert not RefusedPosition.objects.exists()
    answer = admin_client.post(f"{page}refuse/", {"note": "seen elsewhere"})
    refused = RefusedPosition.objects.get()
    assert answer["Location"] == f"/admin/tracking/refusedposition/{refused.pk}/change/"
    assert (refused.note, refused.get_decision_display(), refused.decided_by.username) == (
        *("seen elsewhere", "refused by hand", "admin"),
    )
    judge.judge_all()
    assert tracks() == [0, 0, 0, terms.RefusalCode.BY_HAND, 0, 0]


def test_the_api_lists_disputes_with_the_last_place_of_each_open_track(admin_client):
    for one in sail(10, teleports=(5,)):
        process(one)
    judge.judge_all()
    (found,) = admin_client.get("/api/disputes/?open=true&subject=vessel").json()["results"]
    assert (found["identity"], found["until"]) == (str(MMSI), None)
    assert [(track["number"], track["latitude"] > 50) for track in found["tracks"]] == [(0, True), (None, False)]
    assert admin_client.get(f"/api/disputes/{found['id']}/").json() == found
    assert admin_client.get("/api/disputes/?open=false").json()["results"] == []
    assert admin_client.get("/api/disputes/?identity=1").json()["results"] == []
    assert admin_client.get("/api/disputes/?identities=1").status_code == 400


def test_a_run_that_has_no_time_left_leaves_the_rest_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in sail(10, teleports=(5,)):
        process(one)
    ticks = iter(range(100))
    monkeypatch.setattr(judge, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    assert judge.judge_all(limit=2, seconds=3.0).notes == 4
    monkeypatch.setattr(judge, "RUN_SECONDS", 0.0)
    assert tasks.judge_history() == "0 positions of 0 targets read, 0 numbers changed"
    assert Unjudged.objects.count() == 6
    monkeypatch.setattr(judge, "RUN_SECONDS", 50.0)
    tasks.judge_history()
    assert (Unjudged.objects.count(), tracks().count(-1)) == (0, 1)


def test_long_disputes_are_read_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten hours of a ship are some 4,500 positions, however little of it is new."""
    monkeypatch.setattr(judge, "EXPECTED_ROWS", 5_000)
    now, ships = moment(NOON_MS), [211_000_003, 211_000_001, 211_000_002]
    for ship in ships:
        since = now - dt.timedelta(hours=10)
        Dispute.objects.create(subject=PositionKind.VESSEL, identity=ship, since=since, judged_until=now)
    touched = {ship: Touched(NOON_MS, NOON_MS) for ship in ships}
    portions = judge._portions(SOURCES[PositionKind.VESSEL], touched)
    assert [[case.span.key for case in cases] for cases in portions] == [[211_000_001, 211_000_002], [211_000_003]]
