"""Store and live alone: a recording's batches, decoded and fused before the clock starts.

`python -m tests.benchmarks.store_alone FILE --start TIME --rate RATE` prints one line of JSON: messages, rows stored,
seconds, and CPU seconds of this process, PostgreSQL and the live Redis meanwhile.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import time
import uuid
from itertools import islice
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Make the batches, store them, write live state, print."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracking.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection
    from django_redis import get_redis_connection

    from ingest.clocks import invented_clock
    from ingest.formats.common.contract import Setup
    from ingest.formats.registry import FORMATS
    from ingest.pipeline import process
    from ingest.reports import MessageBatch
    from ingest.stages.live import write_live
    from ingest.stages.storing import store
    from resilience import garbage
    from resilience.breaker.registry import in_process_breaker
    from tests.benchmarks.measuring import process_cpu

    options = _options(arguments)
    clock = invented_clock(round(options.start.timestamp() * 1000), options.rate)
    assembly = FORMATS["nmea"].assembly(Setup(clock, recorded=True))
    messages = iter([*assembly.feed(options.file.read_bytes(), None), *assembly.flush(None)])
    ready = []
    now = time.time_ns() // 1_000_000
    while some := list(islice(messages, settings.INGEST_BATCH_SIZE)):
        batch = MessageBatch(
            uuid.uuid4(), uuid.uuid4(), "alone", "nmea", 80, now, recorded=True, invented=True, messages=some
        )
        ready.append(process(batch, None, booked=()))
    garbage.collect_seldom()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    redis = get_redis_connection("live")

    def servers() -> float:
        cpu = redis.info("cpu")
        return float(process_cpu(backend) + cpu["used_cpu_user"] + cpu["used_cpu_sys"])

    spent, cpu, began = servers(), time.process_time(), time.perf_counter()
    for work in ready:
        store.store(work)
        work.breakers = in_process_breaker
        write_live(work)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    said = {
        "messages": sum(len(work.batch.messages) for work in ready),
        "stored": sum(work.counts.stored for work in ready),
        "seconds": seconds,
        "cpu": cpu + servers() - spent,
    }
    sys.stdout.write(json.dumps(said) + "\n")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="store_alone")
    parser.add_argument("file", type=Path)
    parser.add_argument("--start", type=dt.datetime.fromisoformat, required=True)
    parser.add_argument("--rate", type=float, required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
