"""Addresses, requests and carriers for tests of carriers and labels."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pypdfium2  # type: ignore[import-untyped]
from barcode.charsets import code128  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.addresses import Address
from domain.carrier_ports import CustomsLine, LabelRequest, RateRequest
from domain.kernel.money import Money
from domain.shipments import ParcelSize
from tests.asgi_servers import running

SENDER = Address("Shop", "Lagerstr. 1", "Berlin", "DE", postal_code="10115")
RECIPIENT = Address("Ada Lovelace", "Hauptstr. 5", "München", "DE", postal_code="80331", phone="+498912345")


def label_request(service: str = "EXPRESS", **changes: Any) -> LabelRequest:
    """Return a request for the label of a parcel of 1.2 kg."""
    given: dict[str, Any] = {
        "sender": SENDER,
        "recipient": RECIPIENT,
        "parcel": ParcelSize(1_200, 300, 200, 100),
        "reference": "#100001",
        "contents": (CustomsLine("MUG", "Mug", 2, Money(1250, "EUR"), 600),),
    }
    return LabelRequest(service_code=service, **{**given, **changes})


def rate_request(*parcels: ParcelSize, currency: str = "EUR", to: Address = RECIPIENT) -> RateRequest:
    """Return a request for rates of these parcels (none given: one of a kilogram)."""
    sent = parcels or (ParcelSize(1_000),)
    return RateRequest(SENDER, to, sent, Money(5_000, currency), datetime.now(UTC))


def words_of(document: bytes) -> str:
    """Return the text of a PDF, every page of it."""
    pdf = pypdfium2.PdfDocument(document)
    return "\n".join(page.get_textpage().get_text_bounded() for page in pdf)


def picture_of(document: bytes, path: Path) -> None:
    """Draw the first page of a PDF, to be looked at."""
    pypdfium2.PdfDocument(document)[0].render(scale=3).to_pil().save(path)


@dataclass
class Taker:
    """Somewhere to post to: what came, headers in small letters and the body as it was."""

    status: int = 200
    url: str = ""
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        """Keep one request."""
        self.taken.append((dict(request.headers), await request.body()))
        return Response(status_code=self.status)


@asynccontextmanager
async def taking(status: int = 200) -> AsyncIterator[Taker]:
    """Yield a server that takes what is posted to it, or answers with another status."""
    taker = Taker(status)
    app = Starlette(routes=[Route("/hooks/carriers/sandbox", taker.take, methods=["POST"])])
    async with running(app, "plain uvicorn") as server:
        taker.url = "http://{}:{}/hooks/carriers/sandbox".format(*server.address)
        yield taker


def scanned(document: bytes) -> str:
    """Read the barcode off the picture of a label, as a scanner does: bars and gaps along one line.

    Code 128 (ISO/IEC 15417): a sign is six runs of 11 modules, the last but one the check sum modulo 103.
    """
    picture = pypdfium2.PdfDocument(document)[0].render(scale=6).to_pil().convert("L")
    across = int(picture.height * 0.86)
    dark = [picture.getpixel((x, across)) < 128 for x in range(picture.width)]
    runs = [len(list(run)) for _, run in itertools.groupby(dark)][1:-1]
    signs = []
    for first in range(0, len(runs) - 7, 6):
        widths = runs[first : first + 6]
        modules = [round(width * 11 / sum(widths)) for width in widths]
        bits = "".join(("1" if at % 2 == 0 else "0") * width for at, width in enumerate(modules))
        signs.append(code128.CODES.index(bits))
    *values, check = signs
    assert check == (values[0] + sum(at * value for at, value in enumerate(values))) % 103
    return _said(values)


def _said(values: Sequence[int]) -> str:
    names = {number: charset for charset, number in code128.START_CODES.items()}
    letters = {number: sign for sign, number in code128.B.items()}
    charset, text = names[values[0]], ""
    for value in values[1:]:
        if charset == "C" and value < 100:
            text += f"{value:02d}"
        elif value in {99, 100}:
            charset = "C" if value == 99 else "B"
        else:
            text += letters[value]
    return text
