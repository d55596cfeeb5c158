"""The harness itself: a server that is said to be killed, frozen or cut off is so, and comes back with its data."""

from collections.abc import Iterator

import psutil
import psycopg
import pytest
import redis

from tests.faults.pgbouncer import shipped_parameters
from tests.faults.processes import lives, wait_until
from tests.faults.proxy import Proxy
from tests.faults.servers import NO_PGBOUNCER, Server, Servers
from tests.support.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.fault

needs_pgbouncer = pytest.mark.skipif(not Servers.has_pgbouncer(), reason=NO_PGBOUNCER)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture
def proxied(servers: Servers) -> Iterator[tuple[Proxy, str]]:
    """A proxy before PostgreSQL, and the address of the database behind it."""
    with Proxy(servers.postgres.port) as proxy:
        yield proxy, servers.postgres.url(port=proxy.port)


@pytest.mark.parametrize("name", ["postgres", "queue", "live"])
def test_a_killed_server_is_gone_with_all_its_children_and_comes_back(servers: Servers, name: str) -> None:
    server: Server = getattr(servers, name)
    assert server.process is not None
    family = [psutil.Process(server.pid), *server.process.children()]
    server.kill()
    assert not server.is_running
    assert not server.answers()
    assert not [process for process in family if lives(process)]
    server.start()
    wait_until(server.answers, PATIENCE_SECONDS, f"{name} answers again")


@pytest.mark.parametrize("name", ["postgres", "queue", "live"])
def test_a_frozen_server_does_not_answer_until_it_is_thawed(servers: Servers, name: str) -> None:
    server: Server = getattr(servers, name)
    server.freeze()
    assert server.is_running
    assert not server.answers()
    server.thaw()
    wait_until(server.answers, PATIENCE_SECONDS, f"{name} answers after its thaw")


def test_what_the_queue_has_taken_outlives_a_kill(servers: Servers) -> None:
    with redis.Redis(port=servers.queue.port) as client:
        client.set("kept", "yes")
    servers.queue.kill()
    servers.queue.start()
    with redis.Redis(port=servers.queue.port) as client:
        assert client.get("kept") == b"yes"
        assert client.config_get("appendfsync") == {"appendfsync": "always"}


def test_the_live_server_knows_json(servers: Servers) -> None:
    with redis.Redis(port=servers.live.port) as client:
        assert client.execute_command("JSON.SET", "document", "$", "{}") == b"OK"


@needs_pgbouncer
def test_the_pooler_runs_with_the_parameters_that_are_shipped(servers: Servers) -> None:
    servers.pgbouncer.start()
    url = servers.environment(pooled=True)["DATABASE_URL"]
    with psycopg.connect(url, prepare_threshold=None) as connection:
        assert connection.execute("SELECT current_user, current_setting('statement_timeout')").fetchone() == (
            "tracking_pooled",
            "15s",
        )
    admin = f"postgres://postgres@127.0.0.1:{servers.pgbouncer.port}/pgbouncer"
    with psycopg.connect(admin, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        running = {str(row[0]): str(row[1]) for row in connection.execute("SHOW CONFIG")}
    ours = {"listen_addr", "listen_port"}
    shipped = shipped_parameters()
    assert {name: running[name] for name in shipped.keys() - ours} == {
        name: value for name, value in shipped.items() if name not in ours
    }


def test_a_proxy_passes_everything_until_it_is_down(proxied: tuple[Proxy, str]) -> None:
    proxy, url = proxied
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        proxy.set("down")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)
    proxy.set("ok")
    psycopg.connect(url).close()


def test_a_black_hole_takes_connections_and_answers_nothing(proxied: tuple[Proxy, str]) -> None:
    proxy, url = proxied
    proxy.set("blackhole")
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        psycopg.connect(url, connect_timeout=2)


def test_a_commit_whose_answer_is_cut_off_is_done(servers: Servers, proxied: tuple[Proxy, str]) -> None:
    proxy, url = proxied
    with psycopg.connect(servers.postgres.url(), autocommit=True) as direct:
        direct.execute("CREATE TABLE IF NOT EXISTS cut_commits (n int)")
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO cut_commits VALUES (1)")
            proxy.cut_answer_of(b"COMMIT")
            with pytest.raises(psycopg.OperationalError):
                connection.commit()
        assert proxy.cut.is_set()
        assert direct.execute("SELECT count(*) FROM cut_commits").fetchone() == (1,)


def test_a_connection_is_reset_after_the_bytes_that_may_pass(proxied: tuple[Proxy, str]) -> None:
    proxy, url = proxied
    with psycopg.connect(url) as connection:
        proxy.cut_after(5000)
        with pytest.raises(psycopg.OperationalError):
            for _ in range(100):
                connection.execute(f"SELECT 1 -- {'x' * 500}")
    assert proxy.cut.is_set()
