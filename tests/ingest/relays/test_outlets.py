"""Real sockets: what is handed over, what is left over, and who delays nobody."""

import socket

import pytest

from ingest.relays import outlets
from ingest.relays.addresses import BadRelayUrl, check
from ingest.relays.outlets import Handed, ListeningOutlet, outlet_of
from ingest.sources.common.addresses import AddressRefused
from tests.support.relays import Receiver, until

LINES = [b"one\r\n", b"two\r\n", b"three\r\n"]


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.FEED_ALLOW_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def listening():
    made = outlet_of("tcp-listen://127.0.0.1:0")
    assert isinstance(made, ListeningOutlet)
    made.open()
    yield made
    made.close()


def test_a_message_is_a_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as program:
        program.bind(("127.0.0.1", 0))
        outlet = outlet_of(f"udp://127.0.0.1:{program.getsockname()[1]}")
        outlet.open()
        assert outlet.send(LINES) == Handed(3, 0, "unreachable")
        assert [program.recv(100) for _ in LINES] == LINES
        outlet.close()


def test_datagrams_to_nobody_cost_nothing():
    outlet = outlet_of("udp://127.0.0.1:9")
    outlet.open()
    assert [outlet.send(LINES).done for _ in range(3)] == [3, 3, 3]
    outlet.close()


def test_datagrams_that_cannot_leave_are_counted():
    outlet = outlet_of("udp://127.0.0.1:9")
    outlet.open()
    assert outlet.send([b"x" * 70_000, b"one"]) == Handed(2, 1, "unreachable")
    outlet.close()


def test_a_connection_is_made_and_made_again(receiver):
    outlet = outlet_of(receiver.url)
    outlet.open()
    assert outlet.send(LINES).done == 3
    until(lambda: receiver.text == b"".join(LINES))
    receiver.hang_up()

    def is_noticed():
        try:
            outlet.open()
        except ConnectionResetError:
            return True
        return False

    until(is_noticed)
    outlet.open()
    assert outlet.send(LINES[:1]).done == 1
    until(lambda: bytes(receiver.received[-1]) == LINES[0])
    outlet.close()


def test_what_a_connection_did_not_take_is_left_over(receiver, monkeypatch):
    monkeypatch.setattr(outlets, "SEND_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        outlet = outlet_of(f"tcp://127.0.0.1:{deaf.getsockname()[1]}")
        outlet.open()
        connection, _ = deaf.accept()
        many = [b"%06d" % number * 1000 + b"\r\n" for number in range(3000)]
        handed = outlet.send(many)
        assert 0 < handed.done < len(many)
        received = bytearray()
        while data := connection.recv(2**20):
            received += data
        connection.close()
    assert received.count(b"\n") == handed.done


def test_what_the_other_side_says_is_thrown_away(receiver):
    with socket.create_server(("127.0.0.1", 0)) as chatty:
        outlet = outlet_of(f"tcp://127.0.0.1:{chatty.getsockname()[1]}")
        outlet.open()
        connection, _ = chatty.accept()
        connection.sendall(b"hello" * 1000)
        outlet.open()
        assert outlet.send(LINES).done == 3
        assert connection.recv(3) == b"one"
        connection.close()
        outlet.close()


def test_everybody_who_is_connected_gets_all_from_then_on(listening):
    assert listening.send(LINES) == Handed(3, 3, "no_client")
    clients = [socket.create_connection(("127.0.0.1", listening.port)) for _ in range(2)]
    until(lambda: listening.open() or listening.clients == 2)
    assert listening.send(LINES) == Handed(3)
    assert [client.recv(100) for client in clients] == [b"".join(LINES)] * 2
    clients[0].close()
    until(lambda: listening.open() or listening.clients == 1)
    clients[1].close()


def test_who_is_slow_is_cut_off_and_delays_nobody(listening):
    slow, quick = (socket.create_connection(("127.0.0.1", listening.port)) for _ in range(2))
    until(lambda: listening.open() or listening.clients == 2)
    quick.settimeout(0.05)
    got = 0
    while listening.clients == 2:
        listening.send([b"x" * 100_000])
        while got % 100_000 or not got:
            got += len(quick.recv(2**20))
        got = 0
    assert listening.send(LINES) == Handed(3)
    slow.close()
    quick.close()


def test_no_more_clients_are_taken_than_there_are_places(listening, monkeypatch):
    monkeypatch.setattr(outlets, "MOST_CLIENTS", 1)
    first, second = (socket.create_connection(("127.0.0.1", listening.port)) for _ in range(2))
    second.settimeout(5)
    until(lambda: listening.open() or listening.clients == 1)
    until(lambda: listening.open() or second.recv(1) == b"")
    first.close()
    second.close()


def test_loopback_and_neighbours_are_refused_unless_they_are_listed(settings):
    settings.FEED_ALLOW_NETWORKS = []
    for url in ("tcp://127.0.0.1:10110", "udp://192.168.1.20:10110", "tcp://[::1]:1", "udp://10.0.0.1:1"):
        with pytest.raises(AddressRefused, match="FEED_ALLOW_NETWORKS"):
            outlet_of(url).open()


def test_link_local_addresses_are_refused_even_where_they_are_listed(settings):
    settings.FEED_ALLOW_NETWORKS = ["169.254.0.0/16"]
    with pytest.raises(AddressRefused, match="link-local"):
        outlet_of("tcp://169.254.169.254:80").open()


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("http://example.org/", "nmea", "must begin with one of udp://"),
        ("tcp://example.org", "nmea", "port"),
        ("tcp://user:secret@example.org:1", "nmea", "no user"),
        ("udp://example.org:1", "beast", "do not travel"),
        ("tcp://169.254.169.254:80", "nmea", "Link-local"),
    ],
)
def test_wrong_addresses_are_refused_with_words_that_help(url, kind, words):
    with pytest.raises(BadRelayUrl, match=words):
        check(url, kind)


@pytest.mark.parametrize("url", ["udp://192.168.1.255:10110", "tcp://data.aishub.net:5321", "tcp-listen://[::]:30003"])
def test_right_addresses_pass(url):
    check(url, "nmea")
