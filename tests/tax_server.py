"""A company's own tax service: a real HTTP server on this machine."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.credit_server import SECRET, read_request


@dataclass
class TaxSystem:
    """Takes `percent` of each line and of the delivery on top, unless it shall answer something else.

    `answer` is JSON text or a status instead; `change` is applied to the right answer.
    """

    url: str = ""
    percent: str = "10"
    answer: str | int | None = None
    change: dict[str, Any] = field(default_factory=dict)
    delay_seconds: float = 0
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests of one connection until it ends."""
        while request := await read_request(reader):
            _, headers, body = request
            self.asked.append({"authorization": headers.get("authorization"), **body})
            await asyncio.sleep(self.delay_seconds)
            status, text = self._answer(headers, body)
            writer.write(f"HTTP/1.1 {status} -\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode())
            await writer.drain()
        writer.close()

    def right(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return what is right."""
        return {
            "currency": body["currency"],
            "lines": [{"id": one["id"], "taxes": [self._tax(one["amount"])]} for one in body["lines"]],
            "shipping": {"taxes": [self._tax(body["shipping"]["amount"])]},
        }

    def _tax(self, amount: str) -> dict[str, str]:
        tax = Decimal(amount) * Decimal(self.percent) / 100
        exact = tax.quantize(Decimal(amount), ROUND_HALF_UP)
        return {"name": "State tax", "percent": self.percent, "amount": str(exact)}

    def _answer(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, str]:
        if headers.get("authorization") != f"bearer {SECRET}":
            return 401, "{}"
        if isinstance(self.answer, int):
            return self.answer, "{}"
        return 200, self.answer if self.answer is not None else json.dumps(self.right(body) | self.change)


@asynccontextmanager
async def tax_system() -> AsyncIterator[TaxSystem]:
    """Yield the service while it listens."""
    system = TaxSystem()
    server = await asyncio.start_server(system.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    system.url = f"http://127.0.0.1:{port}/tax"
    try:
        yield system
    finally:
        server.close()
