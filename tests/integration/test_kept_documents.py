"""What a carrier's answer names is loaded from public places alone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from domain.carrier_ports import CarrierUnavailable
from providers.carriers.kept_documents import LARGEST_BYTES, KeptDocuments, NotPublic, check_public


@dataclass
class Place:
    """A server on this machine, what it answers to each path, and what it was asked."""

    url: str = ""
    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        self.connections += 1
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
        self.asked.append(path)
        writer.write(b"HTTP/1.1 " + self.answers[path])
        writer.close()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """The place of an API."""
    async for made in _place():
        yield made


@pytest.fixture
async def inside() -> AsyncIterator[Place]:
    """Something else that only this machine can reach."""
    async for made in _place():
        yield made


async def _place() -> AsyncIterator[Place]:
    place = Place()
    server = await asyncio.start_server(place.serve, "127.0.0.1", 0)
    place.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield place
    server.close()


def documents(place: Place) -> KeptDocuments:
    return KeptDocuments(f"{place.url}/v2", time_limit_seconds=2)


async def test_what_the_api_itself_keeps_is_loaded(place: Place) -> None:
    place.answers["/label.pdf"] = b"200 OK\r\ncontent-length: 4\r\n\r\n%PDF"

    assert await documents(place).load(f"{place.url}/label.pdf") == b"%PDF"


@pytest.mark.parametrize(
    "url",
    [
        "{inside}/label.pdf",
        "https://127.0.0.1:{port}/label.pdf",
        "https://localhost:{port}/label.pdf",
        "https://[::ffff:127.0.0.1]:{port}/label.pdf",
        "https://2130706433:{port}/label.pdf",
        "https://somebody:secret@127.0.0.1:{port}/label.pdf",
        "file:///etc/hostname",
        "//label.pdf",
        "",
    ],
)
async def test_an_address_that_is_not_public_is_not_asked(place: Place, inside: Place, url: str) -> None:
    named = url.format(inside=inside.url, port=inside.url.rpartition(":")[2])

    with pytest.raises(CarrierUnavailable):
        await documents(place).load(named)
    assert inside.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "::1", "::", "fd00::1", "fe80::1%eth0", "::ffff:10.1.2.3", "ff0e::1",
    ],
)  # fmt: skip
def test_an_address_that_only_some_can_reach_is_not_public(address: str) -> None:
    check_public("8.8.8.8")
    check_public("2606:4700::1111")
    with pytest.raises(NotPublic):
        check_public(address)


async def test_being_sent_on_leads_to_no_other_place_than_being_sent(place: Place, inside: Place) -> None:
    place.answers["/label.pdf"] = f"302 -\r\nlocation: {inside.url}/label.pdf\r\n\r\n".encode()

    with pytest.raises(CarrierUnavailable):
        await documents(place).load(f"{place.url}/label.pdf")
    assert (place.asked, inside.connections) == (["/label.pdf"], 0)


@pytest.mark.parametrize(
    "answer",
    [
        b"200 OK\r\n\r\n" + b"x" * (LARGEST_BYTES + 1),
        b"200 OK\r\ncontent-encoding: gzip\r\n\r\nxx",
        b"302 -\r\nlocation: /label.pdf\r\n\r\n",
        b"500 -\r\ncontent-length: 0\r\n\r\n",
        b"200 OK\r\ncontent-length: 5\r\n\r\nxx",
        b"200 OK\r\n",
    ],
    ids=["endless", "compressed", "a circle", "an error", "cut off", "no answer"],
)
async def test_what_is_no_whole_document_is_none(place: Place, answer: bytes) -> None:
    place.answers["/label.pdf"] = answer

    with pytest.raises(CarrierUnavailable):
        await documents(place).load(f"{place.url}/label.pdf")
