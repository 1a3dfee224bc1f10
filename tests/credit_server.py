"""A company's own system that knows what customers may owe: a real HTTP server on this machine."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

SECRET = "what only the company knows"


@dataclass
class CompanySystem:
    """What the server answers, and what it was asked. `answers` is by customer: JSON text, or a status."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    delay_seconds: float = 0
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests of one connection until it ends."""
        while request := await read_request(reader):
            line, headers, body = request
            self.asked.append({"line": line, "authorization": headers.get("authorization"), **body})
            await asyncio.sleep(self.delay_seconds)
            status, text = self._answer(headers, body)
            writer.write(f"HTTP/1.1 {status} -\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode())
            await writer.drain()
        writer.close()

    def _answer(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, str]:
        if headers.get("authorization") != f"bearer {SECRET}":
            return 401, "{}"
        answer = self.answers.get(body["customer"], 404)
        return (answer, "{}") if isinstance(answer, int) else (200, answer)


@asynccontextmanager
async def company_system() -> AsyncIterator[CompanySystem]:
    """Yield the system while it listens."""
    system = CompanySystem()
    server = await asyncio.start_server(system.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    system.url = f"http://127.0.0.1:{port}/credit"
    try:
        yield system
    finally:
        server.close()


async def read_request(
    reader: asyncio.StreamReader,
) -> tuple[str, dict[str, str], dict[str, Any]] | None:
    """Return the line, the headers (in small letters) and the JSON body of the next request, if any."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    return lines[0], headers, json.loads(await reader.readexactly(int(headers["content-length"])))
