"""The fault matrix as data: what may break, and which tests show that nothing accepted is lost by it."""

import ast
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.fault

PROJECT = Path(__file__).resolve().parents[2]

# Number and fault of each row; its tests as "path below tests/": [names].
MATRIX: dict[str, dict[str, list[str]]] = {
    "1 the cluster killed once and three times in the middle": {
        "faults/test_cluster.py": [
            "test_a_cluster_killed_in_the_middle_loses_nothing_and_books_nothing_twice",
            "test_sigterm_finishes_the_batches_in_hand_and_leaves_nothing_pending",
        ],
    },
    "2 an idle worker, a busy one, pusher, monitor, sentinel killed": {
        "resilience/queue/test_sentinel.py": [
            "test_whichever_child_is_killed_all_tasks_are_done",
            "test_no_child_outlives_its_parent",
            "test_sigterm_ends_the_tasks_in_hand_and_then_the_workers",
            "test_a_frozen_worker_does_not_hold_up_the_end_for_ever_and_its_task_stays_queued",
        ],
    },
    "3 the queue's Redis killed in the middle": {
        "faults/test_cluster.py": [
            "test_the_queue_s_redis_killed_in_the_middle_loses_nothing_and_work_resumes_within_three_seconds"
        ],
        "faults/test_servers.py": ["test_what_the_queue_has_taken_outlives_a_kill"],
    },
    "4 PostgreSQL killed, eight seconds away": {
        "faults/test_database_away.py": [
            "test_postgresql_killed_for_eight_seconds_opens_the_breaker_and_loses_nothing"
        ],
    },
    "5 PostgreSQL frozen, or behind a black hole": {
        "faults/test_database_away.py": [
            "test_a_frozen_postgresql_opens_the_breaker_and_leaves_the_pooler_alone",
            "test_a_black_hole_before_postgresql_opens_the_breaker_and_loses_nothing",
        ],
        "faults/test_pooler.py": [
            "test_a_call_to_a_frozen_postgresql_ends_by_the_deadline_and_the_pooler_survives_it",
            "test_so_do_the_calls_after_it_and_soon_after_the_thaw_they_succeed",
            "test_a_call_into_a_black_hole_ends_by_the_deadline_and_a_new_connection_by_its_own",
        ],
    },
    "6 PgBouncer killed, and PostgreSQL down behind it": {
        "faults/test_database_away.py": ["test_a_killed_pooler_that_comes_back_loses_nothing"],
        "faults/test_pooler.py": [
            "test_a_killed_pooler_is_an_error_at_once",
            "test_a_postgresql_that_is_down_behind_the_pooler_is_an_error_within_five_seconds",
        ],
    },
    "7 the disk under PostgreSQL full": {
        "faults/test_disk_full.py": ["test_a_full_disk_opens_the_breaker_and_costs_nothing_once_there_is_room_again"],
    },
    "8 poison rows: 1, 5 and 50 of 1,000, NUL, surrogate, NaN": {
        "faults/test_poison.py": [
            "test_of_a_thousand_rows_exactly_the_refused_ones_die_and_their_neighbours_are_stored",
            "test_ships_that_were_refused_before_are_tried_apart_until_they_are_accepted",
            "test_a_value_that_postgresql_cannot_hold_costs_its_own_row_only",
            "test_all_kinds_of_poison_in_one_batch_die_each_for_itself",
        ],
    },
    "9 the whole batch poison": {
        "faults/test_poison.py": [
            "test_a_schema_that_does_not_fit_kills_no_row_and_keeps_the_batch",
            "test_a_schema_that_fits_no_feed_suspends_consumption_which_heals_by_itself",
            "test_rows_at_which_an_unexpected_error_occurs_die_and_their_neighbours_are_stored",
            "test_much_poison_costs_its_own_rows_only",
        ],
    },
    "10 deliveries three times and at once, the answer of a commit cut off": {
        "faults/test_once.py": [
            "test_every_batch_delivered_three_times_in_any_order_counts_once",
            "test_one_batch_delivered_to_four_workers_at_once_is_booked_by_one",
            "test_redelivered_and_dead_at_once_is_not_counted_twice",
        ],
        "faults/test_database_away.py": ["test_a_commit_whose_answer_is_cut_off_is_counted_once"],
    },
    "11 two writers in opposite order, and a deadlock with somebody else": {
        "faults/test_once.py": [
            "test_two_writers_with_the_same_ships_in_opposite_order_never_deadlock",
            "test_nor_do_they_when_a_poison_row_makes_each_write_in_parts",
            "test_a_deadlock_with_somebody_else_is_tried_again_and_the_breaker_knows_nothing_of_it",
        ],
    },
    "12 half-open with eight processes": {
        "resilience/breaker/test_half_open.py": [
            "test_of_eight_processes_one_at_a_time_probes",
            "test_a_probe_that_was_killed_holds_its_place_for_its_lease_and_no_longer",
        ],
    },
    "13 breaker in Redis and in memory, the seed's rules, skewed clocks": {
        "faults/test_breaker_traces.py": [
            "test_redis_and_memory_decide_alike_in_random_histories",
            "test_for_one_caller_it_is_the_seed_s_breaker",
            "test_a_host_whose_clock_is_an_hour_off_opens_and_closes_it_with_the_others",
        ],
    },
    "14 the queue's Redis full, or down while batches and pushes arrive": {
        "ingest/acceptance/spooled/test_collectors.py": [
            "test_what_is_accepted_while_redis_is_down_is_booked_once_and_in_order",
            "test_a_full_redis_is_passed_by_and_drained_into_later",
            "test_a_collector_killed_while_redis_is_down_neither_skips_nor_repeats",
        ],
        "ingest/acceptance/spooled/test_pushes.py": ["test_a_web_process_killed_after_its_202s_loses_none_of_them"],
    },
    "15 the spool's writer killed, a torn tail, no room": {
        "resilience/spool/test_shared_spool.py": [
            "test_everything_that_a_killed_writer_had_acknowledged_is_there",
            "test_when_the_draining_process_is_killed_another_goes_on",
            "test_a_frozen_process_that_drains_is_not_waited_for_and_does_no_harm_when_it_wakes_up",
        ],
        "resilience/spool/test_damaged_spool.py": ["test_a_disk_that_takes_no_more_refuses_and_loses_nothing"],
    },
    "16 a retry of dead letters killed in the middle, twenty times": {
        "faults/test_redrive.py": ["test_twenty_kills_in_the_middle_of_retries_lose_nothing_and_store_nothing_twice"],
    },
    "17 four schedulers at once, and missed runs": {
        "faults/test_schedules.py": [
            "test_four_schedulers_at_once_queue_each_due_schedule_once",
            "test_runs_that_were_missed_are_made_up_by_one",
        ],
    },
    "18 a batch that hangs or kills its worker": {
        "faults/test_cluster.py": [
            "test_a_batch_that_kills_or_hangs_every_worker_is_a_dead_letter_and_all_others_are_stored"
        ],
        "resilience/queue/test_sentinel.py": ["test_a_task_that_kills_its_worker_is_parked_and_takes_nobody_along"],
    },
    "19 120 clients on 20 connections": {
        "faults/test_pooler.py": [
            "test_a_hundred_and_twenty_clients_on_twenty_connections_all_succeed_through_the_pooler",
            "test_without_the_pooler_they_do_not",
        ],
    },
    "20 everything, shuffled": {"faults/test_chaos.py": []},
    "21 ten minutes without PostgreSQL": {
        "faults/test_growth.py": ["test_ten_minutes_at_2000_messages_a_second_are_less_than_100_megabytes"],
    },
    "22 everything hostile, beside honest traffic": {"faults/test_siege.py": []},
    "23 a relay killed under traffic, again and again": {"faults/test_relay_killed.py": []},
}


@cache
def marked(path: str) -> dict[str, bool]:
    """The tests of a module, and whether each carries the marker `fault`, by itself or by its module."""
    tree = ast.parse((PROJECT / "tests" / path).read_text(), path)
    of_module = any(
        isinstance(node, ast.Assign) and "pytestmark" in ast.unparse(node.targets[0]) and _is_fault(node.value)
        for node in tree.body
    )
    return {
        node.name: of_module or any(_is_fault(decorator) for decorator in node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def _is_fault(node: ast.expr) -> bool:
    """Whether an expression is `pytest.mark.fault` or a list that holds it."""
    return any(ast.unparse(part) == "pytest.mark.fault" for part in ast.walk(node) if isinstance(part, ast.Attribute))


@pytest.mark.parametrize("row", MATRIX)
def test_each_row_of_the_matrix_has_tests_that_are_run_as_faults(row: str) -> None:
    for path, names in MATRIX[row].items():
        assert (PROJECT / "tests" / path).exists(), f"{path} is missing"
        found = marked(path)
        assert found, f"{path} holds no test"
        unmarked = [name for name in names or found if not found.get(name, False)]
        assert unmarked == [], f"missing in {path}, or not marked `fault`"


def test_the_matrix_is_complete() -> None:
    assert [int(row.split()[0]) for row in MATRIX] == list(range(1, 24))


def test_every_test_of_a_module_of_this_matrix_is_named_in_it() -> None:
    named = {(path, name) for row in MATRIX.values() for path, names in row.items() for name in names}
    modules = {path for path, _ in named if path.startswith("faults/")} - {"faults/test_servers.py"}  # the machinery
    assert {(path, name) for path in modules for name in marked(path)} - named == set()
