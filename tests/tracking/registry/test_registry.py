"""Registers of aircraft: read in their forms, stored as a whole, and shown beside what is heard."""

import gzip
import json
import tracemalloc
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client
from django_redis import get_redis_connection

from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.conftest import live_redis
from tracking.live.mirror import Mirror
from tracking.live.state import LiveKind, LiveState, LiveUpdate
from tracking.live_api.live import answers
from tracking.models import RegisteredAircraft
from tracking.registry import lookup, reading, storing
from tracking.registry.countries import country_of
from tracking.registry.reading import RegisterEntry, Row
from tracking.registry.silhouettes import SILHOUETTES, silhouette_of

__all__ = ["live_redis"]
OPENSKY = (
    "icao24,registration,manufacturericao,manufacturername,model,typecode,serialnumber,operator,operatoricao,owner\n"
    '4CA2D6,EI-DCL,BOEING,Boeing,737-8AS,B738,33806,"Ryanair, Ltd",RYR,Ryanair\n'
    "3c6444,D-AIBD,AIRBUS,Airbus,A319,A319,3455,,DLH,Lufthansa\n"
    ",,,,,,,,,\nxyz,N1,,,,,,,,\n43c6f1,,,,,,,,,\n"
)
QUOTED = (
    "'icao24','timestamp','model','operator','registration','typecode'\n"
    "'4ca2d6','2024-01-01','737-8AS','Ryanair','EI-DCL','B738'\n"
)
TAR1090 = "004002;Z-WPA;B732;00;BOEING 737-200;1986;Air Zimbabwe;\n43C6F1;ZZ171;C17;10;BOEING C-17A;;Royal Air Force;\n"
MICTRONICS = {
    "4CA2D6": {"r": "EI-DCL", "t": "B738", "f": "00", "d": "BOEING 737-800"},
    "43C6F1": {"r": "ZZ171", "t": "C17", "f": "10"},
    "A00001": ["N1", "C172", "00", ""],
    "A00002": {},
}
RYANAIR = RegisterEntry("4ca2d6", "EI-DCL", "B738", "Ryanair, Ltd", False)


def file(path: Path, text: str, name: str = "register.csv") -> Path:
    path = path / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def read(path: Path, columns: str = "") -> tuple[list[RegisterEntry], list[str]]:
    rows = list(reading.rows(path, reading.parse_columns(columns) if columns else None))
    return [row.entry for row in rows if row.entry], [row.reason for row in rows if not row.entry]


def registry(*arguments: Any) -> str:
    out = StringIO()
    call_command("registry", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("name", ["register.csv", "register.csv.gz"])
def test_opensky_s_database_is_read_and_every_row_counted(tmp_path: Path, name: str) -> None:
    entries, reasons = read(file(tmp_path, OPENSKY, name))
    assert entries == [RYANAIR, RegisterEntry("3c6444", "D-AIBD", "A319", "", False)]
    assert reasons == ["icao_invalid", "icao_invalid", "nothing_known"]


def test_its_newer_files_have_single_quotes(tmp_path: Path) -> None:
    assert read(file(tmp_path, QUOTED)) == ([RegisterEntry("4ca2d6", "EI-DCL", "B738", "Ryanair", False)], [])


def test_tar1090_s_has_no_header_and_its_first_flag_is_military(tmp_path: Path) -> None:
    zimbabwe, force = read(file(tmp_path, TAR1090))[0]
    assert zimbabwe == RegisterEntry("004002", "Z-WPA", "B732", "Air Zimbabwe", False)
    assert force == RegisterEntry("43c6f1", "ZZ171", "C17", "Royal Air Force", True)


@pytest.mark.parametrize("indent", [None, 2])
def test_mictronics_is_one_object_of_objects_or_lists(tmp_path: Path, indent: int | None) -> None:
    entries, reasons = read(file(tmp_path, json.dumps(MICTRONICS, indent=indent), "aircrafts.json"))
    assert [entry.registration for entry in entries] == ["EI-DCL", "ZZ171", "N1"]
    assert [entry.military for entry in entries] == [False, True, False]
    assert reasons == ["nothing_known"]


def test_any_other_csv_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    path = file(tmp_path, "\ufeffHex Code|Kennzeichen|Muster|mil\n4CA2D6|EI-DCL|B738|no\n43C6F1|ZZ171|C17|yes\n")
    with pytest.raises(reading.RegisterUnreadable, match="--columns icao=hex"):
        read(path)
    entries, _ = read(path, "icao=Hex Code,registration=kennzeichen,type=Muster,military=mil")
    assert [(entry.icao, entry.type_code, entry.military) for entry in entries] == [
        ("4ca2d6", "B738", False),
        ("43c6f1", "C17", True),
    ]


@pytest.mark.parametrize("text", ["icao=x", "icao", "nobody=x,icao=y", "registration=a,type=b"])
def test_columns_that_say_too_little_are_refused(text: str) -> None:
    with pytest.raises(reading.RegisterUnreadable):
        reading.parse_columns(text)


def test_texts_are_made_fit_to_be_shown(tmp_path: Path) -> None:
    path = file(tmp_path, f"icao,reg,type,operator\n4ca2d6,<b>,boeing,\u202e<i>{'x' * 100}</i>\n")
    (entry,) = read(path)[0]
    assert (entry.registration, entry.type_code) == ("", "")
    assert "\u202e" not in entry.operator and len(entry.operator) == 64


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    members = ",".join(f'"{number:06X}":{{"r":"N{number}","t":"C172","f":"00"}}' for number in range(1, 60_000))
    path = file(tmp_path, "{" + members + "}", "aircrafts.json")
    tracemalloc.start()
    count = sum(1 for row in reading.rows(path) if row.entry)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 59_999 and peak < 12_000_000


# --- stored -----------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("live_redis")
def test_a_register_is_replaced_as_a_whole_and_the_same_again_changes_nothing(tmp_path: Path) -> None:
    path = file(tmp_path, OPENSKY, "aircraftDatabase.csv.gz")
    said = registry(path)
    assert "aircraftDatabase: 2 aircraft, 0 before; 5 rows" in said and "icao_invalid 2, nothing_known 1" in said
    registry(file(tmp_path, TAR1090, "aircraft.csv"), "--source", "tar1090")
    assert json.loads(registry(path, "--json"))["before"] == 2
    assert sorted(RegisteredAircraft.objects.values_list("icao", "source")) == [
        ("004002", "tar1090"),
        ("3c6444", "aircraftDatabase"),
        ("43c6f1", "tar1090"),
        ("4ca2d6", "aircraftDatabase"),
    ]
    registry(file(tmp_path, "icao,reg\n4ca2d6,EI-OLD\n4ca2d6,EI-NEW\n"), "--source", "aircraftDatabase")
    assert list(
        RegisteredAircraft.objects.filter(source="aircraftDatabase").values_list("registration", flat=True)
    ) == ["EI-NEW"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("live_redis")
def test_what_cannot_be_read_leaves_what_was_there(tmp_path: Path) -> None:
    registry(file(tmp_path, TAR1090), "--source", "one")
    for text in ("icao,reg\nxyz,N1\n", "hello\n", ""):
        with pytest.raises(CommandError):
            registry(file(tmp_path, text), "--source", "one")
    (damaged := tmp_path / "cut.csv.gz").write_bytes(gzip.compress(OPENSKY.encode() * 1000)[:200])
    with pytest.raises(CommandError):
        registry(damaged, "--source", "one")
    assert RegisteredAircraft.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("live_redis")
def test_progress_is_told_as_rows_are_read() -> None:
    told: list[tuple[int, int]] = []
    rows = (Row(RegisterEntry(f"{number:06x}", "N1", "", "", False), "", 10) for number in range(1, 25_001))
    assert storing.replace("many", rows, lambda *count: told.append(count)).stored == 25_000
    assert told == [(10_000, 100_000), (20_000, 200_000), (25_000, 250_000)]


# --- looked up --------------------------------------------------------------------------------------------------------
@pytest.fixture
def registered(live_redis: Any, monkeypatch: pytest.MonkeyPatch) -> lookup.Register:
    fresh = lookup.Register()
    monkeypatch.setattr(lookup, "WAIT_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr("tracking.live.mirror.register", fresh)
    monkeypatch.setattr("tracking.registry.documents.register", fresh)
    rows = [Row(RYANAIR), Row(RegisterEntry("43c6f1", "ZZ171", "C17", "", True))]
    storing.replace("first", rows)
    storing.replace("second", [Row(RegisterEntry("4ca2d6", "EI-NEW", "", "", False))])
    answers.clear()
    return fresh


@pytest.mark.django_db(transaction=True)
def test_each_value_is_that_of_the_register_that_was_imported_last_and_has_it(registered: lookup.Register) -> None:
    found = registered.remembered(["4ca2d6", "43c6f1", "a00001", "~4ca2d6"])
    assert found["4ca2d6"] == lookup.Registered("EI-NEW", "B738", "Ryanair, Ltd", False)
    assert found.keys() == {"4ca2d6", "43c6f1"} and found["43c6f1"].military


@pytest.mark.django_db(transaction=True)
def test_many_are_asked_for_once_and_remembered_until_a_register_changes(
    registered: lookup.Register, django_assert_num_queries: Any
) -> None:
    many = [f"{number:06x}" for number in range(1, lookup.MOST_ASKED)] + ["4ca2d6"]
    with django_assert_num_queries(1):
        assert len(registered.remembered(many)) == 1
    with django_assert_num_queries(0):
        assert len(registered.remembered(many)) == 1
    storing.replace("first", [Row(RegisterEntry("000001", "N1", "", "", False))])
    registered._look_at = 0.0
    assert len(registered.remembered(many)) == 2


@pytest.mark.django_db(transaction=True)
def test_what_is_too_much_for_one_question_has_its_turn_with_the_next(
    registered: lookup.Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "MOST_ASKED", 1)
    found = [len(registered.remembered(["a00001", "4ca2d6", "43c6f1"])) for _ in range(4)]
    assert found == [0, 1, 2, 2]


@pytest.mark.django_db(transaction=True)
def test_live_goes_on_while_the_database_is_away(registered: lookup.Register, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(registered.remembered(["4ca2d6"])) == 1
    asked: list[Any] = []

    def away(addresses: Any) -> None:
        asked.append(addresses)
        raise OperationalError("away")

    monkeypatch.setattr(lookup, "of", away)
    for _ in range(3):
        assert registered.remembered(["4ca2d6", "43c6f1"]).keys() == {"4ca2d6"}
    assert len(asked) == 1


@pytest.mark.usefixtures("live_redis")
def test_without_a_register_nothing_is_asked() -> None:
    assert lookup.Register().remembered(["4ca2d6"]) == {}


@pytest.mark.django_db(transaction=True)
def test_a_live_redis_that_lost_the_key_is_told_again(registered: lookup.Register) -> None:
    get_redis_connection("live").delete(lookup.KEY)
    lookup.announce_what_is_there()
    assert get_redis_connection("live").get(lookup.KEY)


def heard(key: str = "4ca2d6", **static: Any) -> None:
    now = float(get_redis_connection("live").time()[0])
    LiveState(LiveKind.AIRCRAFT).write([LiveUpdate(key, now, 52.0, 4.0, {"altitude": 1000}, static=static)])


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("registered")
def test_the_live_api_shows_it_beside_what_was_heard(client: Client, settings: Any) -> None:
    settings.LIVE_PUBLIC = True
    heard()
    heard("~4ca2d6")
    known, unknown = sorted(client.get("/api/live/aircraft/").json()["results"], key=lambda one: one["id"])
    assert known["register"] == {"registration": "EI-NEW", "type_code": "B738", "operator": "Ryanair, Ltd"}
    assert (known["country"], known["silhouette"]) == ("IE", "jet")
    assert not {"register", "country", "silhouette"} & unknown.keys()
    one = client.get("/api/live/aircraft/4ca2d6/").json()
    assert one.pop("heard_by") == []
    assert one == known


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("registered")
def test_the_map_s_list_has_registration_type_and_silhouette_where_none_was_heard() -> None:
    heard()
    heard("43c6f1", callsign="RRR1", type_code="B407")
    body = json.loads(gzip.decompress(Mirror().changes((LiveKind.AIRCRAFT,), (-180.0, -90.0, 180.0, 90.0), None)))
    static = body["aircraft"]["static"]
    found = dict(
        zip(body["aircraft"]["id"], zip(static["name"], static["type"], static["shape"], strict=True), strict=True)
    )
    assert found == {"4ca2d6": ("EI-NEW", "B738", "jet"), "43c6f1": ("RRR1", "B407", "heli")}


# --- facts ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("icao", "country"), [
    ("4ca2d6", "IE"), ("3c6444", "DE"), ("a00001", "US"), ("afffff", "US"), ("b00000", ""), ("789abc", "HK"),
    ("78a000", "CN"), ("7bffff", "CN"), ("7c0000", "AU"), ("004000", "ZW"), ("004800", ""), ("c97100", "TV"),
    ("~4ca2d6", ""), ("x1", ""), ("0acfff", "CO"), ("0adfff", "CO"), ("901000", "CK"), ("000001", ""),
])  # fmt: skip
def test_the_country_is_that_of_the_block(icao: str, country: str) -> None:
    assert country_of(icao) == country


@pytest.mark.parametrize(("type_code", "silhouette"), [
    ("B738", "jet"), ("A320", "jet"), ("H25B", "jet"), ("GLF6", "jet"), ("B744", "heavy"), ("A388", "heavy"),
    ("B77W", "heavy"),
    ("A359", "heavy"), ("AT76", "prop"), ("DH8D", "prop"), ("C130", "prop"), ("B350", "prop"), ("C172", "light"),
    ("SR22", "light"), ("P28A", "light"), ("DA40", "light"), ("EC35", "heli"), ("H60", "heli"), ("R44", "heli"),
    ("AS50", "heli"), ("A139", "heli"), ("B407", "heli"), ("AS21", "glider"), ("DG80", "glider"), ("GLID", "glider"),
])  # fmt: skip
def test_a_designator_has_its_silhouette(type_code: str, silhouette: str) -> None:
    assert silhouette_of(type_code) == silhouette


def test_without_a_type_the_category_tells_and_the_map_has_every_shape() -> None:
    assert [silhouette_of("", category) for category in ("A7", "A1", "B1", "A3", "")] == [
        "heli", "light", "glider", "jet", "",
    ]  # fmt: skip
    shapes = (Path(__file__).parents[3] / "tracking/static/map/js/kinds.js").read_text()
    assert all(f"\n  {name}: " in shapes for name in SILHOUETTES)
