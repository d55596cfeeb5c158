"""Alerts on a real Redis: each change of a feed is announced once, in the log and to a webhook."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import redis
from django_redis import get_redis_connection

from ingest.health import alerts, webhook
from ingest.health.alerts import Watch, announce
from ingest.health.reading import WatchedFeed
from ingest.health.recorder import Recorder
from ingest.health.standing import Standing
from ingest.health.state import FeedState, FeedVerdict
from tests.support.messages import NOON_MS, batch, position
from tests.support.patience import PATIENCE_SECONDS

SILENT = FeedVerdict(FeedState.SILENT, "no message for 3 min, expected within 2 min")
OK = FeedVerdict(FeedState.OK)


@pytest.fixture(autouse=True)
def store():
    client = get_redis_connection("queue")
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture
def sent():
    return []


@pytest.fixture
def said(caplog):
    """What the log says, as (level, text)."""
    caplog.set_level("INFO", "ingest")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_silent_feed_is_announced_once_and_its_recovery_once(said, sent, store):
    for now, verdict in enumerate([OK, SILENT, SILENT, SILENT, OK, OK]):
        announce("pier", verdict, NOON_MS + now * 60_000, sent.append)
    assert said() == [
        ("WARNING", "feed pier is silent: no message for 3 min, expected within 2 min"),
        ("INFO", "feed pier is ok again after 3 min"),
    ]
    assert [(notice["event"], notice["state"], notice["previous"]) for notice in sent] == [
        ("raised", "silent", "ok"),
        ("cleared", "ok", "silent"),
    ]
    assert sent[1]["previous_since"] == "2026-01-01T12:01:00.000+00:00"
    assert store.keys("*") == []


def test_a_change_from_bad_to_bad_is_announced_and_a_feed_that_goes_off_is_cleared(said, sent):
    behind = FeedVerdict(FeedState.STALE_CLOCK, "behind")
    for verdict in (SILENT, FeedVerdict(FeedState.FAILING, "refused"), behind, FeedVerdict(FeedState.OFF, "disabled")):
        announce("pier", verdict, NOON_MS, sent.append)
    assert [text for _, text in said()][1:] == [
        "feed pier is failing: refused",
        "feed pier has a stale clock: behind",
        "feed pier is off: disabled",
    ]
    assert [notice["event"] for notice in sent] == ["raised", "raised", "raised", "cleared"]


def test_what_is_not_settled_is_not_announced_and_clears_nothing(sent):
    assert not announce("pier", FeedVerdict(FeedState.FAILING, "refused", settled=False), NOON_MS, sent.append)
    announce("pier", SILENT, NOON_MS, sent.append)
    assert not announce("pier", FeedVerdict(FeedState.OK, "waiting", settled=False), NOON_MS, sent.append)
    assert len(sent) == 1


def test_a_feed_that_is_well_from_the_start_is_no_news(sent):
    assert not announce("pier", OK, NOON_MS, sent.append)
    assert not announce("pier", FeedVerdict(FeedState.OFF, "disabled"), NOON_MS, sent.append)


def test_of_many_processes_one_announces(sent):
    gate = threading.Barrier(8)

    def judge_it(_):
        gate.wait(PATIENCE_SECONDS)
        return announce("pier", SILENT, NOON_MS, sent.append)

    with ThreadPoolExecutor(8) as processes:
        assert sum(processes.map(judge_it, range(8))) == 1
    assert len(sent) == 1


class Live:
    """As much of a source as a standing sees."""

    recorded = False

    def dropped(self):
        return 0


def test_a_feed_that_falls_silent_raises_an_alert_and_its_next_message_clears_it(said, sent, settings):
    settings.FEED_SILENT_SECONDS = 120
    watch, standing = Watch(sent.append), Standing("test", NOON_MS)
    standing.opened(Live())
    feeds = [(WatchedFeed("test", True, None), standing)]

    def hear(now):
        parcel = batch([position()], now, recorded=False, accepted_at=now)
        recorder = Recorder(wall=lambda: now)
        recorder.accepted(parcel)
        recorder.flush()

    hear(NOON_MS)
    for second in range(0, 200, 5):
        watch.look(feeds, NOON_MS + second * 1000)
    hear(NOON_MS + 200_000)
    watch.look(feeds, NOON_MS + 201_000)
    assert said() == [
        ("WARNING", "feed test is silent: no message for 2 min 5 s, expected within 2 min"),
        ("INFO", "feed test is ok again after 1 min 16 s"),
    ]


def test_a_collector_that_begins_anew_neither_clears_nor_repeats_an_alert(sent):
    announce("test", SILENT, NOON_MS, sent.append)
    standing = Standing("test", NOON_MS + 1000)
    standing.opened(Live())
    watch = Watch(sent.append)
    for second in (1, 60, 122, 300):
        watch.look([(WatchedFeed("test", True, None), standing)], NOON_MS + second * 1000)
    assert len(sent) == 1


def test_disabling_a_silent_feed_ends_its_alert(sent):
    announce("test", SILENT, NOON_MS, sent.append)
    Watch(sent.append).left(["test", "other"], NOON_MS + 1000)
    assert [(notice["event"], notice["feed"], notice["state"]) for notice in sent[1:]] == [("cleared", "test", "off")]


@pytest.mark.parametrize("error", [redis.ConnectionError("refused"), KeyError("a bug")])
def test_nothing_that_goes_wrong_in_looking_stops_the_feeds_and_it_is_said_once(monkeypatch, said, error):
    def fail(*_):
        raise error

    watch = Watch()
    with monkeypatch.context() as patch:
        patch.setattr(alerts, "tell", fail)
        for _ in range(3):
            watch.look([(WatchedFeed("test", True, None), Standing("test", NOON_MS))], NOON_MS)
    assert said() == [("WARNING", f"nobody looks after the feeds for now: {error}")]


class Hook:
    """A server that keeps what is posted to it and answers with `status`."""

    def __init__(self):
        self.status, self.bodies, self.headers = 200, [], {}
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(hook.status)
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *args):
                """Quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/s3cret"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join(PATIENCE_SECONDS)
        self._server.server_close()


@pytest.fixture
def hook(settings):
    server = Hook()
    settings.ALERT_WEBHOOK_URL, settings.FEED_ALLOW_NETWORKS = server.url, ["127.0.0.0/8"]
    yield server
    server.close()


def test_an_announcement_is_posted_from_a_thread(hook):
    announce("pier", SILENT, NOON_MS)
    webhook._waiting.join()
    assert hook.bodies == [
        {
            "event": "raised",
            "feed": "pier",
            "state": "silent",
            "reason": SILENT.reason,
            "previous": "ok",
            "previous_since": None,
            "at": "2026-01-01T12:00:00.000+00:00",
        }
    ]


@pytest.mark.parametrize(("status", "location"), [(500, ""), (302, "/elsewhere")])
def test_a_hook_that_refuses_or_redirects_is_logged_without_its_secret(hook, said, status, location):
    hook.status, hook.headers = status, {"Location": location}
    webhook.send({"feed": "pier"})
    assert said() == [("WARNING", f"the webhook at 127.0.0.1 answered {status}")]
    assert len(hook.bodies) == 1


def test_a_hook_that_is_not_there_is_logged(hook, settings, said):
    hook.close()
    webhook.send({"feed": "pier"})
    assert said() == [("WARNING", "the webhook at 127.0.0.1 was not reached: ConnectError")]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1:1/", "http:// goes in clear"),
        ("ftp://host/", "it must begin with https://"),
        ("https://", "it must begin with https://"),
        ("https://host:port/", "it is no URL"),
        ("https://169.254.169.254/latest/", "169.254.169.254 is link-local"),
        ("https://[::ffff:169.254.169.254]/latest/", "::ffff:169.254.169.254 is link-local"),
    ],
)
def test_http_is_for_listed_networks_only_and_link_local_addresses_for_nobody(settings, said, url, text):
    settings.ALERT_WEBHOOK_URL, settings.FEED_ALLOW_NETWORKS = url, []
    webhook.send({"feed": "pier"})
    [(level, line)] = said()
    assert level == "WARNING" and line.startswith(f"ALERT_WEBHOOK_URL cannot be used: {text}")


def test_without_the_setting_nothing_is_sent(settings):
    settings.ALERT_WEBHOOK_URL = ""
    webhook.post({"feed": "pier"})
    assert webhook._waiting.empty()
