"""Exports: each format opens in a reader that is not ours, with the values that the API gives."""

import csv
import datetime as dt
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import geojson
import gpxpy
import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from redis import Redis
from rest_framework.test import APIClient
from rest_framework.throttling import SimpleRateThrottle

from tests.support.reports import NOON, Report, upsert
from tests.tracking.history.archived import DAY, MIDNIGHT, NEXT, archive_all, archive_dir, fill
from tracking.api.export_rate import ExportRate
from tracking.exports.formats import FORMATS
from tracking.models import Aircraft, AircraftPosition, Vessel

__all__ = ["archive_dir"]
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("archive_dir"),
]
SHIP, PLANE = 211_000_001, "3c0003"
SPAN = {"from": MIDNIGHT.isoformat(), "to": (MIDNIGHT + dt.timedelta(days=1)).isoformat()}
KML = "{http://www.opengis.net/kml/2.2}"
GPX = "{http://www.topografix.com/GPX/1/1}"
GX = "{http://www.google.com/kml/ext/2.2}"


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("reader"))
    seen = {"first_seen": NOON, "last_seen": MIDNIGHT + dt.timedelta(hours=23)}
    Vessel.objects.create(mmsi=SHIP, kind="ship", **seen)
    Aircraft.objects.create(icao=PLANE, **seen)
    fill(rows=300, ships=5)
    return client


def body(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def points(api: APIClient, path: str = f"vessels/{SHIP}") -> list[dict[str, Any]]:
    return api.get(f"/api/{path}/track/", SPAN).json()["points"]


def exported(api: APIClient, form: str, path: str = f"vessels/{SHIP}") -> bytes:
    return body(api.get(f"/api/{path}/track/", {**SPAN, "format": form}))


def test_csv_has_the_values_of_the_api_under_units(api: APIClient) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(api, "csv").decode())))
    wanted = points(api)
    assert len(rows) == len(wanted) == 60 and "speed (knots)" in rows[0]
    for row, point in zip(rows, wanted, strict=True):
        assert row["timestamp (UTC)"] == point["timestamp"] and row["vessel_id (MMSI)"] == str(SHIP)
        assert float(row["latitude (degrees north)"]) == point["latitude"]
        assert row["speed (knots)"] == ("" if point["speed"] is None else str(point["speed"]))


def test_cells_that_would_be_formulas_are_text(api: APIClient) -> None:
    upsert(Report(timestamp=NOON, vessel_id=SHIP, source="=1+1", score=100))
    assert "'=1+1" in exported(api, "csv").decode()


@pytest.mark.parametrize("path", [f"vessels/{SHIP}", f"aircraft/{PLANE}"])
def test_ndjson_and_geojson_have_the_values_of_the_api(api: APIClient, path: str) -> None:
    wanted = points(api, path)
    lines = [json.loads(line) for line in exported(api, "ndjson", path).splitlines()]
    assert [{name: line[name] for name in wanted[0]} for line in lines] == wanted
    collection = json.loads(exported(api, "geojson", path))
    judged = geojson.loads(exported(api, "geojson", path))
    assert judged.is_valid, judged.errors()
    assert collection["type"] == "FeatureCollection" and len(collection["features"]) == len(wanted)
    for feature, point in zip(collection["features"], wanted, strict=True):
        assert feature["type"] == "Feature" and feature["geometry"]["type"] == "Point"
        assert feature["geometry"]["coordinates"] == [point["longitude"], point["latitude"]]
        assert feature["properties"]["timestamp"] == point["timestamp"]


def test_gpx_opens_in_gpxpy_with_every_point(api: APIClient) -> None:
    upsert(Report(timestamp=NOON, vessel_id=SHIP))
    [track] = gpxpy.parse(exported(api, "gpx").decode()).tracks
    assert track.name == str(SHIP)
    found = [(point.latitude, point.longitude, point.time) for point in track.segments[0].points]
    assert found == [
        (point["latitude"], point["longitude"], dt.datetime.fromisoformat(point["timestamp"])) for point in points(api)
    ]


def test_kml_is_xml_with_as_many_times_as_places(api: APIClient) -> None:
    document = ElementTree.fromstring(exported(api, "kml", f"aircraft/{PLANE}"))
    assert document.tag == f"{KML}kml"
    wanted = points(api, f"aircraft/{PLANE}")
    assert [when.text for when in document.iter(f"{KML}when")] == [point["timestamp"] for point in wanted]
    places = [tuple(map(float, coord.text.split(" "))) for coord in document.iter(f"{GX}coord")]
    assert [place[:2] for place in places] == [(point["longitude"], point["latitude"]) for point in wanted]


def test_parquet_has_the_values_and_units(api: APIClient) -> None:
    table = pq.read_table(io.BytesIO(exported(api, "parquet")))
    assert table.schema.field("speed").metadata[b"unit"] == b"knots"
    wanted = points(api)
    for name in ("latitude", "speed", "heading", "source"):
        assert table.column(name).to_pylist() == [point[name] for point in wanted]


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_is_chosen_by_accept_too_and_gives_the_same_of_the_archive(api: APIClient, form: str) -> None:
    media = FORMATS[form].media_type
    before = api.get(f"/api/vessels/{SHIP}/track/", SPAN, headers={"Accept": media})
    assert before["Content-Type"] == media and f'.{form}"' in before["Content-Disposition"]
    stored = body(before)
    archive_all()
    assert exported(api, form) == stored


def test_a_thinned_track_is_exported_thinned(api: APIClient) -> None:
    answer = api.get(f"/api/vessels/{SHIP}/track/", {**SPAN, "format": "ndjson", "points": "12"})
    assert 6 <= len(body(answer).splitlines()) <= 12


def test_a_track_to_the_end_of_the_calendar_is_exported(api: APIClient) -> None:
    query = {"from": "9999-12-30", "to": "9999-12-31T23:59:59", "format": "ndjson"}
    assert body(api.get(f"/api/vessels/{SHIP}/track/", query)) == b""
    query = {"from": "0001-01-01", "to": "0001-01-02", "format": "csv"}
    assert body(api.get(f"/api/vessels/{SHIP}/track/", query)).count(b"\n") == 1


def test_what_is_refused_is_json(api: APIClient) -> None:
    for path, status in ((f"vessels/{SHIP}/track/?points=1", 400), ("vessels/1/track/?", 404)):
        answer = api.get(f"/api/{path}&format=csv")
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    assert api.get(f"/api/vessels/{SHIP}/track/?format=docx").status_code == 404


def test_pages_of_positions_give_each_once_across_the_border_of_the_archive(api: APIClient) -> None:
    fill(rows=100, day=NEXT, ships=5)
    query = {"from": NOON.isoformat(), "to": (NOON + dt.timedelta(days=1)).isoformat()}
    whole = api.get("/api/positions/aircraft/", {**query, "page_size": "10000"}).json()
    assert whole["next"] is None and len(whole["results"]) > 100
    archive_all(NEXT)
    found, address = [], f"/api/positions/aircraft/?page_size=17&{'&'.join(f'{k}={v}' for k, v in query.items())}"
    while address:
        page = api.get(address.replace("+", "%2B")).json()
        found += page["results"]
        address = page["next"]
    assert found == whole["results"]


def test_positions_in_a_box_leave_in_every_format(api: APIClient) -> None:
    query = {**SPAN, "bbox": "0,0,180,90"}
    results = api.get("/api/positions/vessels/", {**query, "page_size": "10000"}).json()["results"]
    assert 0 < len(results) < 300
    lines = body(api.get("/api/positions/vessels/", {**query, "format": "ndjson"})).splitlines()
    assert [json.loads(line)["timestamp"] for line in lines] == [row["timestamp"] for row in results]
    for form in FORMATS:
        assert body(api.get("/api/positions/vessels/", {**query, "format": form}))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"from": "0", "to": "90000"}, "to"),
        ({"from": "5", "to": "5"}, "to"),
        ({"from": "0", "to": "5", "cursor": "x"}, "cursor"),
        ({"from": "0", "to": "5", "cursor": "Zm9vIGJhcg=="}, "cursor"),
        ({"from": "0", "to": "5", "page_size": "0"}, "page_size"),
        ({"from": "0001-01-01", "to": "0001-01-01T01:00:00"}, "from"),
    ],
)
def test_what_cannot_be_asked_of_positions_is_a_400_that_says_why(api: APIClient, query: Any, name: str) -> None:
    answer = api.get("/api/positions/vessels/", query)
    assert answer.status_code == 400 and name in answer.json()


def test_the_command_exports_whole_days(api: APIClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive_all()
    call_command("export", "2026-05-01", "2026-05-02", "--format", "parquet", "--directory", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("aircraft-2026-05-01.parquet", "archive", "vessel-2026-05-01.parquet"),
    ]
    assert pq.read_metadata(tmp_path / "vessel-2026-05-01.parquet").num_rows == 300
    assert "vessel 2026-05-02: no positions" in capsys.readouterr().out
    with pytest.raises(CommandError, match="is before"):
        call_command("export", "2026-05-02", "2026-05-01")
    assert DAY < NEXT and AircraftPosition.objects.count() == 0


def test_gpx_is_what_its_schema_says_to_a_reader_that_is_not_its_writer(api: APIClient) -> None:
    document = ElementTree.fromstring(exported(api, "gpx", f"aircraft/{PLANE}"))
    assert (document.tag, document.get("version"), bool(document.get("creator"))) == (f"{GPX}gpx", "1.1", True)
    for point in document.iter(f"{GPX}trkpt"):
        assert -90 <= float(point.attrib["lat"]) <= 90 and -180 <= float(point.attrib["lon"]) < 180
        assert [child.tag for child in point] in ([f"{GPX}ele", f"{GPX}time"], [f"{GPX}time"]), "in the schema's order"
        assert dt.datetime.fromisoformat(str(point.findtext(f"{GPX}time"))).tzinfo


def test_kml_is_what_its_schema_says(api: APIClient) -> None:
    document = ElementTree.fromstring(exported(api, "kml", f"aircraft/{PLANE}"))
    [inner] = document
    assert inner.tag == f"{KML}Document"
    for placemark in inner:
        assert (placemark.tag, placemark[0].tag, placemark[-1].tag) == (f"{KML}Placemark", f"{KML}name", f"{GX}Track")
        tags = [child.tag for child in placemark[-1] if child.tag in (f"{KML}when", f"{GX}coord")]
        assert tags == sorted(tags, reverse=True), "all times, then all places"
        for coordinates in placemark[-1].iter(f"{GX}coord"):
            longitude, latitude, _ = map(float, str(coordinates.text).split(" "))
            assert -180 <= longitude <= 180 and -90 <= latitude <= 90


def test_parquet_opens_in_duckdb_with_the_values_of_the_api(api: APIClient, tmp_path: Path) -> None:
    path = tmp_path / "track.parquet"
    path.write_bytes(exported(api, "parquet"))
    names = ("latitude", "longitude", "speed", "course", "heading", "source")
    found = duckdb.sql(f"SELECT {', '.join(names)} FROM '{path}' ORDER BY timestamp").fetchall()
    assert found == [tuple(point[name] for name in names) for point in points(api)]


def test_too_many_exports_are_refused_with_the_way_to_the_rest(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, live_redis: Redis
) -> None:
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "exports", "2/min")
    monkeypatch.setattr(ExportRate, "rate", "2/min", raising=False)
    address = f"/api/vessels/{SHIP}/track/"
    assert [api.get(address, {"format": "csv"}).status_code for _ in range(2)] == [200, 200]
    refused = api.get(address, {"format": "csv"})
    assert (refused.status_code, int(refused["Retry-After"]) > 0) == (429, True)
    assert "manage.py export" in refused.json()["detail"]
    assert api.get(address).status_code == 200, "JSON has its own rate"
    assert api.get("/api/positions/vessels/", {**SPAN, "format": "gpx"}).status_code == 429
