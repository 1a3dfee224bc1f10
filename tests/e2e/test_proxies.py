"""Behind a proxy a caller is who the proxy says, and nobody else is believed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.server import Server, running_server

QUERY = {"query": "{ channels { slug } }"}
ONE_EACH = {"rate_limit_per_second": "0.01", "rate_limit_burst": "1"}
"""One request for each caller: the second is one too many."""


@pytest.fixture
def behind_a_proxy(fresh_database_url: str, tmp_path: Path) -> Iterator[Server]:
    """A server that trusts the network the test sends from, as if it were a proxy's."""
    with running_server(
        fresh_database_url, "", tmp_path, trusted_proxies="10.9.8.7, 127.0.0.0/8", **ONE_EACH
    ) as server:
        yield server


def test_each_shopper_behind_a_trusted_proxy_is_a_caller_of_their_own(behind_a_proxy: Server) -> None:
    assert _status(behind_a_proxy, "203.0.113.1") == httpx.codes.OK
    assert _status(behind_a_proxy, "203.0.113.2") == httpx.codes.OK
    assert _status(behind_a_proxy, "203.0.113.1") == httpx.codes.TOO_MANY_REQUESTS


def test_a_shopper_cannot_choose_an_address_past_the_proxy_that_adds_theirs(behind_a_proxy: Server) -> None:
    assert _status(behind_a_proxy, "203.0.113.1") == httpx.codes.OK
    assert _status(behind_a_proxy, "198.51.100.9, 203.0.113.1") == httpx.codes.TOO_MANY_REQUESTS
    assert _status(behind_a_proxy, "203.0.113.2, 10.9.8.7") == httpx.codes.OK


def test_websockets_count_the_shopper_too(behind_a_proxy: Server) -> None:
    assert "data" in _answer(behind_a_proxy, "203.0.113.1")
    assert "data" in _answer(behind_a_proxy, "203.0.113.2")
    (error,) = _answer(behind_a_proxy, "203.0.113.1")["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"


def test_nobody_else_is_believed(fresh_database_url: str, tmp_path: Path) -> None:
    with running_server(fresh_database_url, "", tmp_path, trusted_proxies="10.9.8.7", **ONE_EACH) as server:
        assert _status(server, "203.0.113.1") == httpx.codes.OK
        assert _status(server, "203.0.113.2") == httpx.codes.TOO_MANY_REQUESTS


def _status(server: Server, forwarded_for: str) -> int:
    return server.http.post("/graphql", json=QUERY, headers={"x-forwarded-for": forwarded_for}).status_code


def _answer(server: Server, forwarded_for: str) -> dict[str, Any]:
    """Ask over a websocket and return the first answer."""
    with connect(
        f"{server.url.replace('http', 'ws')}/graphql",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        additional_headers={"x-forwarded-for": forwarded_for},
    ) as socket:
        socket.send('{"type": "connection_init"}')
        assert orjson.loads(socket.recv(timeout=10))["type"] == "connection_ack"
        socket.send(orjson.dumps({"type": "subscribe", "id": "1", "payload": QUERY}).decode())
        answer = orjson.loads(socket.recv(timeout=10))
    payload = answer["payload"]
    return dict(payload) if isinstance(payload, dict) else {"errors": payload}
