"""Documents that a carrier keeps on the web and names by address: loaded from public places alone.

The address comes out of an answer. Who can have a carrier answer with one of their own must not get us to
ask what only we can reach: this machine, its network, or the place where clouds keep their keys. So it is
HTTPS, the name leads to public addresses, and so does wherever it sends us on. What belongs to the API that
was asked is taken as it is: that address is a setting. Addresses are not logged; they are all the secret
there is.
"""

import asyncio
import ipaddress
import socket
from typing import Final
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies

import httpx
import structlog

from domain.carrier_ports import CarrierUnavailable

LARGEST_BYTES: Final = 10 * 1024 * 1024
_MOST_HOPS: Final = 4
_PORTS: Final = {"https": 443, "http": 80}

_log = structlog.get_logger(__name__)


class NotPublic(Exception):
    """The address is not one that may be loaded from; says why."""


class KeptDocuments:
    """Loads the documents of one carrier."""

    def __init__(self, api_base: str, *, time_limit_seconds: float) -> None:
        """Trust the place of `api_base`; a document may take `time_limit_seconds` in all."""
        self._home = _place(urlsplit(api_base))
        self._time_limit_seconds = time_limit_seconds

    async def load(self, url: str) -> bytes:
        """Return a document; raises CarrierUnavailable where it cannot or must not be had."""
        try:
            async with asyncio.timeout(self._time_limit_seconds):
                return await self._load(url)
        except NotPublic as error:
            _log.error("carrier_document_not_loaded", reason=str(error))
            raise CarrierUnavailable from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            # TimeoutError and a name nobody knows are OSErrors; ValueError is of an address that is none.
            raise CarrierUnavailable from error

    async def _load(self, url: str) -> bytes:
        # What is not compressed is as long as it is read.
        headers = {"accept-encoding": "identity"}
        async with httpx.AsyncClient(timeout=self._time_limit_seconds, headers=headers) as http:
            for _ in range(_MOST_HOPS):
                guarded = await self._guarded(urlsplit(url))
                async with http.stream("GET", url) as answer:
                    if guarded:
                        _check_peer(answer)
                    if answer.has_redirect_location:
                        url = str(answer.url.join(answer.headers["location"]))
                        continue
                    answer.raise_for_status()
                    return await _read(answer)
        raise NotPublic("it is sent on and on")

    async def _guarded(self, address: SplitResult) -> bool:
        """Say whether it must turn out public, and raise NotPublic where it is known not to be."""
        if _place(address) == self._home:
            return False
        if address.scheme != "https" or not address.hostname or address.username or address.password:
            raise NotPublic("it is not an address of https://")
        if getproxies().get("https"):
            return False  # names are the proxy's to look up, and what may be reached its to say
        loop = asyncio.get_running_loop()
        port = address.port or _PORTS["https"]
        for found in await loop.getaddrinfo(address.hostname, port, type=socket.SOCK_STREAM):
            check_public(found[4][0])
        return True


def _place(address: SplitResult) -> tuple[str, str | None, int | None]:
    return address.scheme, address.hostname, address.port or _PORTS.get(address.scheme)


def check_public(address: object) -> None:
    """Look at the address of a machine; raises NotPublic for this one and others nobody else can reach."""
    found = ipaddress.ip_address(str(address).partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if not (mapped or found).is_global or found.is_multicast:
        raise NotPublic("its name leads to an address that is not public")


def _check_peer(answer: httpx.Response) -> None:
    """Look who has answered: a name may lead elsewhere each time it is looked up."""
    peer = answer.extensions["network_stream"].get_extra_info("server_addr")
    check_public(peer[0])


async def _read(answer: httpx.Response) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise NotPublic("it comes compressed")
    parts = bytearray()
    async for part in answer.aiter_raw():
        parts += part
        if len(parts) > LARGEST_BYTES:
            raise NotPublic("it is too large")
    return bytes(parts)
