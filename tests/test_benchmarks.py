"""The frame of `make bench`: figures, targets, verification, table; and that the sides of a comparison do the same."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyais
import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import decode, frame, machine, positions_table, recording, servers
from tests.benchmarks.frame import Benchmark, Figure, Measured, Run, Unverified
from tests.benchmarks.measuring import Variant, interleave, ratios
from tests.benchmarks.recording import simulated
from tracking.models import VesselPosition


@pytest.fixture
def registry() -> dict[str, Benchmark]:
    """Three tiny benchmarks: one fine, one whose verification fails, one that breaks."""
    registered: dict[str, Benchmark] = {}

    @frame.benchmark("tiny", "adding numbers", registered)
    def tiny(run: Run) -> Measured:
        samples = interleave({"sum": lambda number: lambda: sum(range(number))}, run.rounds)["sum"]
        rounds = Figure("rounds", [len(samples)], "", target=3)
        return Measured("numbers", [rounds, Figure("rate", [900, 1500, 1000], "/s", target=2000)])

    @frame.benchmark("wrong", "adding numbers wrongly", registered)
    def wrong(run: Run) -> Measured:
        raise Unverified("5 rows are there, 4 went in")

    @frame.benchmark("broken", "dividing by zero", registered)
    def broken(run: Run) -> Measured:
        return Measured("", [Figure("never", [1 / 0])])

    return registered


def _execute(registry: dict[str, Benchmark], *names: str) -> list[frame.Outcome]:
    return frame.execute([registry[name] for name in names], Run(rounds=3), lambda name: None)


def test_a_tiny_benchmark_runs_and_its_table_shows_figure_target_and_verdict(registry: dict[str, Benchmark]) -> None:
    outcomes = _execute(registry, "tiny")
    assert frame.succeeded(outcomes)
    head, subject, rounds, rate = frame.table(outcomes).splitlines()
    assert head == "tiny: adding numbers"
    assert subject.strip() == "numbers"
    assert rounds.split() == ["rounds", "3.00", "3.00", "to", "3.00", ">=", "3.00", "ok"]
    assert rate.split() == ["rate", "1,000", "/s", "900", "to", "1,500", ">=", "2,000", "below"]


def test_a_benchmark_that_does_not_verify_its_work_fails_and_shows_no_figure(registry: dict[str, Benchmark]) -> None:
    outcomes = _execute(registry, "wrong", "tiny")
    assert not frame.succeeded(outcomes)
    assert "FAILED not verified: 5 rows are there, 4 went in" in frame.table(outcomes)
    assert [len(outcome.figures) for outcome in outcomes] == [0, 2], "the next benchmark still runs"


def test_a_benchmark_that_breaks_fails_the_run_and_is_logged(
    registry: dict[str, Benchmark], caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = _execute(registry, "broken")
    assert not frame.succeeded(outcomes)
    assert "ZeroDivisionError" in frame.table(outcomes)
    assert "benchmark broken failed" in caplog.text


def test_a_run_that_measured_nothing_is_no_success() -> None:
    assert not frame.succeeded([])


def test_a_limit_is_missed_above_it() -> None:
    memory = Figure("memory", [150, 250, 260], "MB", target=200, at_most=True)
    assert (memory.value, memory.met, memory.verdict) == (250, False, "above")
    assert Figure("memory", [150], "MB", target=200, at_most=True).verdict == "ok"


def test_a_name_is_registered_once(registry: dict[str, Benchmark]) -> None:
    with pytest.raises(ValueError, match="tiny"):
        frame.benchmark("tiny", "again", registry)(registry["tiny"].measure)


def test_the_json_holds_every_sample_and_the_machine(registry: dict[str, Benchmark]) -> None:
    written = json.loads(json.dumps(frame.as_json(_execute(registry, "tiny"), machine.describe(), Run(rounds=3))))
    assert written["machine"]["cores"] >= 1
    assert len(written["machine"]["load"]) == 3
    rate = written["benchmarks"][0]["figures"][1]
    assert (rate["samples"], rate["value"], rate["target"], rate["met"]) == ([900, 1500, 1000], 1000, 2000, False)


def test_sides_are_interleaved_and_the_warm_up_is_not_counted() -> None:
    calls: list[tuple[str, int]] = []

    def side(name: str) -> Variant:
        return lambda number: lambda: calls.append((name, number))

    samples = interleave({"a": side("a"), "b": side("b")}, 2)
    assert calls == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]
    assert {name: len(kept) for name, kept in samples.items()} == {"a": 2, "b": 2}
    assert ratios([4.0, 9.0], [2.0, 3.0]) == [2.0, 3.0]


def test_our_decoder_and_pyais_make_the_same_rows_of_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = simulated(300)
    data = b"\n".join(lines) + b"\n"
    assert len(decode.verified(data, lines)) > 100
    monkeypatch.setattr(decode, "by_pyais", lambda lines: decode.by_ingest(data)[1:])
    with pytest.raises(Unverified):
        decode.verified(data, lines)


def test_without_the_recording_the_simulator_is_read_and_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(recording, "RECORDED", tmp_path / "absent.nmea")
    monkeypatch.setattr(recording, "MESSAGES", 50)
    found = recording.ais_recording()
    assert "50 messages" in found.name
    assert "simulator" in found.name
    assert len(list(pyais.IterMessages(found.path.read_bytes().splitlines()))) == 50


@pytest.mark.django_db
def test_an_upsert_whose_rows_are_lost_or_changed_is_not_verified() -> None:
    VesselPosition.objects.bulk_create(positions_table.reports(0, "ours", 1000), update_conflicts=True)
    positions_table.verify("ours", [0], 1000)
    one = VesselPosition.objects.order_by("vessel_id")[:1].get()
    VesselPosition.objects.filter(id=one.id).update(latitude=one.latitude / 2)
    with pytest.raises(Unverified, match="1 of 1000 rows are missing or wrong, 1 are strange"):
        positions_table.verify("ours", [0], 1000)
    VesselPosition.objects.filter(id=one.id).delete()
    with pytest.raises(Unverified, match="1 of 1000 rows are missing or wrong, 0 are strange"):
        positions_table.verify("ours", [0], 1000)


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment as a user has it, put back afterwards."""
    for name in servers.URLS:
        monkeypatch.setenv(name, "postgres://user@db.example/production")
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    yield


@pytest.mark.usefixtures("own_environment")
def test_a_run_has_a_data_directory_of_its_own_and_no_server_of_the_users() -> None:
    with servers.own_servers() as data_dir:
        assert {name: os.environ.get(name) for name in servers.URLS} == dict.fromkeys(servers.URLS) | {
            "DATA_DIR": str(data_dir)
        }
        assert not data_dir.is_relative_to(Path(__file__).parents[1])
    assert not data_dir.parent.exists()


def test_an_unknown_name_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["speed"])
    assert ended.value.code == 2
    assert f"there are {', '.join(command.MODULES)}" in capsys.readouterr().err


def test_every_benchmark_is_a_module_that_registers_its_name() -> None:
    command.load()
    assert sorted(frame.REGISTRY) == sorted(command.MODULES)
