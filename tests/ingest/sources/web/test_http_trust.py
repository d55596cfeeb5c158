"""Redirects, credentials, TLS and tokens of polled web servers: nobody gets what is not for them."""

import asyncio
import contextlib
import logging
import re
import shlex
import ssl
import subprocess

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sources import open_source
from ingest.sources.common.contract import SourceError
from ingest.sources.common.options import OAuth
from ingest.sources.web import exchange
from ingest.sources.web.http import HttpSource
from tests.support.web import GOOD, FakeClock, answer, failing, once, only_one_loopback_address, poll, serving, take

MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def loopback(settings):
    only_one_loopback_address(settings)


def test_three_redirects_are_followed():
    hops = [answer(status, Location=f"/{status}?x=1") for status in (301, 307, 308)]
    documents, server, _, _ = poll(*hops, GOOD)
    assert documents == [b'{"now":1}\n']
    assert [request.path for request in server.asked] == ["/data.json", "/301?x=1", "/307?x=1", "/308?x=1"]


@given(st.text() | st.from_regex(r"(https?:)?//([^/]*@)?(xn--)?[^/]{1,20}(:\d*)?(/.*)?", fullmatch=True))
def test_whatever_a_redirect_says_it_is_followed_to_a_web_address_or_refused(location):
    with contextlib.suppress(exchange.ExchangeFailure):
        target = exchange._redirected(httpx.URL("http://127.0.0.1/data.json"), location)
        assert exchange.is_askable(target) and exchange.host_of(target) and not target.userinfo


def test_a_redirect_to_an_address_that_is_not_listed_is_refused_unasked():
    async def run():
        secret = await asyncio.start_server(lambda reader, writer: reached.append(1), "127.0.0.2", 0)
        target = f"http://127.0.0.2:{secret.sockets[0].getsockname()[1]}/"
        async with secret, serving(answer(302, Location=target)) as server:
            await take(HttpSource(server.url, once=True))

    reached = []
    with pytest.raises(SourceError, match=r"127\.0\.0\.2 is a loopback address.*FEED_ALLOW_NETWORKS=127\.0\.0\.0/8"):
        asyncio.run(run())
    assert not reached


def test_credentials_go_to_their_own_host_only_and_do_not_come_back():
    async def run():
        async with serving(GOOD) as home:
            back = answer(302, Location=home.url + "/back")
            async with serving(back) as other:
                home._script[:] = [answer(302, Location="/same"), answer(302, Location=other.url), GOOD]
                url = home.url.replace("//", "//reader:p%40ss@") + "/?token=hush"
                await take(HttpSource(url, once=True, headers={"api-auth": "hush"}))
                return home.asked, other.asked

    (first, same, back), (elsewhere,) = asyncio.run(run())
    assert first.headers["authorization"] == same.headers["authorization"] == "Basic cmVhZGVyOnBAc3M="
    assert first.headers["api-auth"] == "hush"
    for request in (elsewhere, back):
        assert "authorization" not in request.headers and "api-auth" not in request.headers
        assert "hush" not in str(request)


def test_no_secret_is_shown_or_logged(caplog):
    caplog.set_level(logging.DEBUG)
    location = "http://me:hunter2@127.0.0.2/?key=hunter2"
    path = "/?token=hunter2"
    _, source = failing(answer(500), answer(302, Location=location), answer(401), path=path, headers={"k": "hunter2"})
    assert "hunter2" not in source.origin + source.status.last_error + caplog.text
    with pytest.raises(SourceError) as raised:
        once(answer(404), path=path)
    assert "hunter2" not in str(raised.value)


def test_a_name_is_resolved_once_a_request_and_kept_for_tls_and_host(tmp_path, monkeypatch):
    """A name that changes between the check and the connection (rebinding) finds nobody who asks again."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    making = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=receiver.test -keyout {key} -out {cert}"
        " -addext subjectAltName=DNS:receiver.test"
    )
    subprocess.run(shlex.split(making), check=True, capture_output=True, timeout=60)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert, key)
    trusting = ssl.create_default_context(cafile=str(cert))
    names = []
    genuine = asyncio.BaseEventLoop.getaddrinfo

    async def counting(self, host, port, **options):
        names.append(host)
        return await genuine(self, "127.0.0.1" if host == "receiver.test" else host, port, **options)

    async def run():
        async with serving(GOOD, tls=tls) as server:
            port = server.url.rpartition(":")[2]
            monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", counting)
            names.clear()
            with pytest.raises(SourceError, match="certificate verify failed"):
                await take(HttpSource(f"https://receiver.test:{port}/", once=True))
            monkeypatch.setattr(exchange, "_tls", lambda: trusting)
            with pytest.raises(SourceError, match=r"certificate is not valid for '127\.0\.0\.1'"):
                await take(HttpSource(f"https://127.0.0.1:{port}/", once=True))
            names.clear()
            documents = await take(HttpSource(f"https://receiver.test:{port}/", once=True))
            return documents, server.asked[-1].headers["host"], port

    documents, host, port = asyncio.run(run())
    assert documents == [b'{"now":1}\n']
    assert names == ["receiver.test"] and host == f"receiver.test:{port}"


def with_tokens(documents, tokens, count):
    """Poll a server behind a token server; gives both servers' requests and the clock's sleeps."""

    async def run():
        clock = FakeClock()
        async with serving(*documents) as api, serving(*tokens) as auth:
            oauth = OAuth(auth.url + "/token", "me", "s&cret")
            assert "s&cret" not in repr(oauth)
            await take(HttpSource(api.url, oauth=oauth, clock=clock, poll_seconds=100), count)
            return [request.headers.get("authorization") for request in api.asked], auth.asked, clock.slept

    return asyncio.run(run())


def token(name, seconds=300):
    return answer(body=f'{{"access_token":"{name}","expires_in":{seconds},"token_type":"Bearer"}}'.encode())


DIFFERENT = [answer(body=bytes([65 + n])) for n in range(6)]


def test_a_token_is_kept_until_shortly_before_it_expires():
    sent, granted, _ = with_tokens(DIFFERENT, [token("t1"), token("t2")], 4)
    assert sent == ["Bearer t1"] * 3 + ["Bearer t2"]
    assert {(request.method, request.body) for request in granted} == {
        ("POST", b"grant_type=client_credentials&client_id=me&client_secret=s%26cret")
    }


def test_a_token_that_is_refused_is_replaced_once():
    sent, _, slept = with_tokens([answer(401), *DIFFERENT], [token("t1"), token("t2")], 2)
    assert sent[:2] == ["Bearer t1", "Bearer t2"] and slept == [100]
    sent, _, slept = with_tokens([answer(401), answer(401), GOOD], [token(f"t{n}") for n in range(9)], 1)
    assert len(sent) == 3 and len(slept) == 1


REFUSALS = {
    "401": answer(401),
    "500": answer(500),
    "redirect": answer(302, Location="/"),
    "no JSON": answer(body=b"no json"),
    "no token": answer(body=b"{}"),
    "blank": answer(body=b'{"access_token":"a b"}'),
    "line feed": answer(body=b'{"access_token":"\\n"}'),
    "no HTTP": b"garbage",
    "too large": answer(body=bytes(MEGABYTE)),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_without_a_token_nothing_is_asked_and_the_feed_goes_on(name):
    sent, granted, slept = with_tokens([GOOD], [REFUSALS[name], token("t")], 1)
    assert sent == ["Bearer t"] and len(granted) == 2 and len(slept) == 1


@pytest.mark.parametrize("url", ["http://", "https:///x", "http://[::1", "http://host:99999/", "http://host:0/"])
def test_an_address_that_cannot_be_one_is_refused_at_once(url):
    with pytest.raises(SourceError):
        open_source(url)


@pytest.mark.parametrize("headers", [{"api-auth": "hush\n"}, {"a b": "hush"}, {"": "hush"}, {"key": "hüsh"}])
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(headers):
    with pytest.raises(SourceError, match="no header may") as raised:
        HttpSource("http://127.0.0.1/", headers=headers)
    assert not re.search("h[uü]sh", str(raised.value))
