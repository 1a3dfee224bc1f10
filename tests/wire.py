"""A websocket client that costs little, so that one process can hold a thousand: frames read by hand."""

import asyncio
import base64
import os
import resource
import socket
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

import orjson
import pytest

from realtime.messages import SUBPROTOCOL

ABNORMAL = 1006
"""What stands for a close code where the connection ended without one."""
GREETED_SECONDS = 120.0
"""How long a server may take to answer, a thousand at once too: one that hangs keeps nobody for ever."""
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_SMALL_BUFFER = 4_096
_SMALL_SEGMENT = 1_400
_OTHER_FILES = 500


class Wire(asyncio.Protocol):
    """One connection of graphql-transport-ws; every message that comes is handed to `take`."""

    def __init__(self, host: str, token: str, take: Callable[[Any], None]) -> None:
        """Use `open` instead."""
        self._take = take
        self._buffer = bytearray()
        self._greeted = asyncio.Event()
        self._code = ABNORMAL
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Becomes the server's close code when the connection has ended."""
        key = base64.b64encode(os.urandom(16)).decode()
        self._greeting = (
            f"GET /graphql HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        )
        self._init: dict[str, Any] = {"type": "connection_init"}
        if token:
            self._init["payload"] = {"authorization": f"Bearer {token}"}

    @classmethod
    async def open(
        cls, url: str, token: str, take: Callable[[Any], None], *, small_buffers: bool = False
    ) -> Self:
        """Connect to the server at `url` (http://…) with an app's token; with "" as anybody.

        Raises OSError where nobody is there, or nobody answers (as TimeoutError, which is one). With
        `small_buffers` the system keeps little of what is not read. Loopback would otherwise take megabytes
        before the server notices.
        """
        address = urlsplit(url)
        host, port = address.hostname or "", address.port or 0
        sock = socket.socket()
        sock.setblocking(False)
        if small_buffers:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SMALL_SEGMENT)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, (host, port))
        except BaseException:
            sock.close()
            raise
        _, wire = await loop.create_connection(lambda: cls(f"{host}:{port}", token, take), sock=sock)
        try:
            async with asyncio.timeout(GREETED_SECONDS):
                await wire._greeted.wait()
        except TimeoutError:
            wire.vanish()
            raise
        return wire

    def send(self, **message: Any) -> None:
        """Send a message of the protocol."""
        self._frame(_TEXT, orjson.dumps(message))

    def subscribe(self, operation_id: str, query: str, **variables: Any) -> None:
        """Ask to run an operation."""
        self.send(type="subscribe", id=operation_id, payload={"query": query, "variables": variables})

    def leave(self) -> None:
        """Close as clients do that have the time."""
        self._frame(_CLOSE, (1000).to_bytes(2, "big"))
        self._transport.close()

    def vanish(self) -> None:
        """Be gone without a word."""
        self._transport.abort()

    def stall(self) -> None:
        """Read nothing more."""
        self._transport.pause_reading()

    def read_again(self) -> None:
        """Read on, if there is still something to read from."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to speak websocket."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._greeting.encode())

    def data_received(self, data: bytes) -> None:
        """Take what is complete."""
        self._buffer += data
        if not self._greeted.is_set():
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 101"), bytes(head)
            self._buffer = rest
            self._greeted.set()
            self.send(**self._init)
        at = 0
        while (whole := self._whole(at)) is not None:
            begin, end = whole
            self._received(self._buffer[at] & 0xF, bytes(self._buffer[begin:end]))
            at = end
        del self._buffer[:at]

    def connection_lost(self, error: Exception | None) -> None:
        """Tell that it is over."""
        self._greeted.set()
        if not self.ended.done():
            self.ended.set_result(self._code)

    def _whole(self, at: int) -> tuple[int, int] | None:
        """Return where the payload of the frame at `at` begins and ends, None while it is not all there."""
        have = len(self._buffer) - at
        if have < 2:
            return None
        length, header = self._buffer[at + 1], 2
        if length >= 126:
            header = 4 if length == 126 else 10
            if have < header:
                return None
            length = int.from_bytes(self._buffer[at + 2 : at + header], "big")
        return (at + header, at + header + length) if have >= header + length else None

    def _received(self, kind: int, payload: bytes) -> None:
        if kind == _TEXT:
            self._take(orjson.loads(payload))
        elif kind == _PING:
            self._frame(_PONG, payload)
        elif kind == _CLOSE:
            self._code = int.from_bytes(payload[:2], "big")
            self._frame(_CLOSE, payload[:2])
            self._transport.close()

    def _frame(self, kind: int, payload: bytes) -> None:
        length = len(payload)
        sized = bytes((0x80 | length,)) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
        # Clients mask what they send; with zeros that changes nothing.
        self._transport.write(bytes((0x80 | kind,)) + sized + b"\0\0\0\0" + payload)


def allow_connections(count: int) -> None:
    """See that this process, and those it starts, may hold so many connections; skips where they may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    if hard not in {resource.RLIM_INFINITY, -1} and hard < wanted:
        pytest.skip(f"a process may have {hard} files open, which is too few for {count} connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
