"""What the tests of receivers that post share: a feed, a post, and what it left on the queue."""

from django.test import Client
from django_q.signing import SignedPackage
from django_redis import get_redis_connection

from ingest.acceptance.package import unpack
from ingest.models import Feed
from ingest.push import receivers
from resilience.queue.streams import Streams
from tests.support.messages import position

KEY = "correct-horse-battery-staple"
URL = "/api/push/pier/"


def feed(**fields):
    values = {"name": "Pier", "url": "push://", "source": "pier", "key_hash": receivers.hashed(KEY)}
    return Feed(**values | fields)


def post(body, key=KEY, url=URL, content_type="text/plain", **headers):
    headers = {"Authorization": f"Bearer {key}"} | headers if key else headers
    return Client(enforce_csrf_checks=True).post(url, body, content_type=content_type, headers=headers)


def queued():
    """The batches on the queue, oldest first."""
    stream = Streams(get_redis_connection("queue"), "tracking").key("live")
    return [
        unpack(SignedPackage.loads(fields[b"t"].decode())["args"][0])
        for _, fields in get_redis_connection("queue").xrange(stream)
    ]


def lines(count, **fields):
    return b"".join(position(mmsi=211000000 + number, **fields) + b"\r\n" for number in range(count))
