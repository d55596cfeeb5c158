"""What the tests of a queue that refuses share: stopping it, its streams, and batches to accept."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import redis
from django.conf import settings as configured
from django.db import connection, connections
from django_q.conf import Conf
from django_q.signing import SignedPackage
from django_redis import get_redis_connection

from ingest import tasks
from resilience.queue.streams import Streams
from resilience.spool.spool import get_spool
from tests.support.messages import batch, position
from tests.support.patience import PATIENCE_SECONDS
from tracking import embedded

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "redis://127.0.0.1:1/0"


def stop_queue():
    embedded.stop(configured.DATA_DIR, ["queue"])


def start_queue():
    embedded.start(configured.DATA_DIR, ["queue"])


def until(condition, what):
    """Poll until it is true, for as long as PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def started(target):
    """A running thread; it leaves no connection to the test database behind."""

    def run():
        try:
            target()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def key(stream):
    return Streams(get_redis_connection("queue"), Conf.CLUSTER_NAME).key(stream)


def length(stream):
    try:
        return get_redis_connection("queue").xlen(key(stream))
    except redis.RedisError:
        return -1


def work(stream):
    """Run every task of a stream once, as a worker would; how many."""
    client = get_redis_connection("queue")
    found = [fields[b"t"].decode() for _, fields in client.xrange(key(stream))]
    client.delete(key(stream))
    for payload in found:
        tasks.process_batch(*SignedPackage.loads(payload)["args"])
    return len(found)


def parcels(count, **fields):
    return [batch([position(mmsi=211000000 + number)], **fields) for number in range(count)]


def manage(*args, **environment):
    """`manage.py` or another program of the project in a session of its own, on the tests' database."""
    settings = connection.settings_dict
    url = f"postgres://{settings['USER']}@:{settings['PORT']}/{settings['HOST'].replace('/', '%2F')}/{settings['NAME']}"
    environment = {"DATABASE_URL": url} | environment
    environment |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "SPOOL_DIR": str(get_spool().directory)}
    return subprocess.Popen(
        [sys.executable, *args],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
