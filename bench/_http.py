"""A cheap HTTP/1.1 client for load: one keep-alive connection, one request at a time.

It does as little as possible for each request, so that the machine's time goes to the server.
"""

import asyncio
from typing import Any, cast

import orjson

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Connection(asyncio.Protocol):
    """One connection; `post` is called by one task at a time."""

    def __init__(self, head: list[str]) -> None:
        """Use `open_connection`; `head` is what every request begins with."""
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._expected: int | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._prefix = "\r\n".join([*head, "content-length: "]).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._expected is None:
            head = self._buffer.find(_HEAD_END)
            if head < 0:
                return
            found = self._buffer[:head].lower().find(_LENGTH)
            assert found >= 0, "a response without content-length"
            start = found + len(_LENGTH)
            end = self._buffer.find(b"\r\n", start)
            self._expected = head + len(_HEAD_END) + int(self._buffer[start:end])
        if len(self._buffer) >= self._expected:
            answer = bytes(self._buffer[: self._expected])
            self._buffer.clear()
            self._expected = None
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed the connection"))

    async def post(self, body: bytes) -> dict[str, Any]:
        """Send one GraphQL request and return its `data`; any error ends the benchmark."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(self._prefix + str(len(body)).encode() + _HEAD_END + body)
        raw = await self._answer
        answer = orjson.loads(raw[raw.index(_HEAD_END) + len(_HEAD_END) :])
        if answer.get("errors"):
            raise AssertionError(f"{raw[:15].decode()}: {answer['errors']}")
        data: dict[str, Any] = answer["data"]
        return data

    async def call(self, operation: "Operation", **variables: object) -> dict[str, Any]:
        """Send an operation; user errors end the benchmark too."""
        data = await self.post(operation.body(variables))
        payload = data[operation.field]
        if payload is None or payload.get("userErrors"):
            raise AssertionError(f"{operation.field}: {payload}")
        result: dict[str, Any] = payload
        return result

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Operation:
    """A GraphQL document whose encoding is done once; only the variables change."""

    def __init__(self, field: str, document: str) -> None:
        """Take the root field to look at and the document."""
        self.field = field
        self.document = document = " ".join(document.split())
        self._start = b'{"query":' + orjson.dumps(document) + b',"variables":'

    def body(self, variables: dict[str, object]) -> bytes:
        return self._start + orjson.dumps(variables) + b"}"


async def open_connection(host: str, port: int, token: str | None = None) -> Connection:
    """Connect to the server, as nobody in particular or with a token."""
    head = [
        "POST /graphql HTTP/1.1",
        f"host: {host}:{port}",
        "content-type: application/json",
        "accept: application/json",
    ]
    if token:
        head.append(f"authorization: Bearer {token}")
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(head), host, port)
    return connection
