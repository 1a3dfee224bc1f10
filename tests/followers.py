"""Followers of carts that leave, come back with their last cursor, and remember what they were told."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from services.carts import TOKEN_KIND
from services.tokens import TokenSigner
from tests.factories import Shop
from tests.server import SECRET_KEY
from tests.wire import Wire

SHARED = "subscription ($after: String) { cartEvents(after: $after) { cursor kind version } }"
ONE_CART = """subscription ($token: String!, $after: String) {
    cartUpdated(token: $token, after: $after) { cursor kind version cart { id } } }"""
DIFFERING = (
    "subscription ($after: String) { cartEvents(after: $after) { cursor } }",
    "subscription ($after: String) { cartEvents(after: $after) { cursor cart { id version } } }",
    "subscription ($after: String) { told: cartEvents(after: $after) { kind sku quantity cursor } }",
    "subscription Named($after: String) { cartEvents(after: $after) { occurredAt cursor } }",
)
# Kernels buffer much for a reader who does not read: wide answers fill that in a few seconds.
_CURSORS = " ".join(f"cursor{number}: cursor" for number in range(150))
WIDE = f"subscription ($after: String) {{ cartEvents(after: $after) {{ cursor version {_CURSORS} }} }}"
_CREATE = """mutation ($channel: String!, $sku: String!) {
    cartCreate(input: { channel: $channel, lines: [{ variant: { sku: $sku }, quantity: 1 }] }) {
        cartToken userErrors { message } } }"""
_ADD = """mutation ($token: String!, $sku: String!) {
    cartLineAdd(input: { cartToken: $token, variant: { sku: $sku }, quantity: 1 }) {
        userErrors { message } } }"""
_RETRYABLE = {"INTERNAL", "RESUME"}


@dataclass(frozen=True)
class Stays:
    """For how many seconds, at least and at most, a follower stays, and how long it is away."""

    stay: tuple[float, float]
    away: tuple[float, float]


@dataclass
class Follower:
    """Follows by one subscription, on any of the servers; from now on where it has no cursor yet."""

    urls: Callable[[], Sequence[str]]
    token: str
    query: str
    cursor: str | None
    cart: str | None = None
    seed: int = 0
    seen: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    """How its connections ended that it did not end itself."""
    problems: list[Any] = field(default_factory=list)
    connects: int = 0

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._given_up: asyncio.Event = asyncio.Event()

    async def follow(self, done: asyncio.Event, stays: Stays) -> None:
        """Come and go until `done`, half of the time without a word."""
        while not done.is_set():
            # A server that is not there, or is killed while we read, is what this is about.
            with suppress(OSError):
                await self._stay(self._dice.uniform(*stays.stay))
            await asyncio.sleep(self._dice.uniform(*stays.away))

    async def connect(self, url: str, **options: Any) -> Wire:
        """Connect and subscribe, from the last cursor on."""
        wire = await Wire.open(url, self.token, self._take, **options)
        given = {"after": self.cursor, "token": self.cart}
        wire.subscribe("1", self.query, **{name: value for name, value in given.items() if value})
        self.connects += 1
        return wire

    def expected(self, feed: Sequence[tuple[str, UUID]]) -> list[str]:
        """Return what it should have seen of a feed of carts."""
        wanted = None
        if self.cart is not None:
            subject = TokenSigner(SECRET_KEY).read(TOKEN_KIND, self.cart)
            assert subject is not None
            wanted = subject.id
        return [cursor for cursor, cart in feed if wanted is None or cart == wanted]

    async def _stay(self, seconds: float) -> None:
        self._given_up.clear()
        wire = await self.connect(self._dice.choice(self.urls()))
        given_up: asyncio.Future[Any] = asyncio.ensure_future(self._given_up.wait())
        ended: asyncio.Future[Any] = wire.ended
        try:
            await asyncio.wait([ended, given_up], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if wire.ended.done():
                self.codes.append(wire.ended.result())
            elif self._dice.random() < 0.5:
                wire.leave()
        finally:
            given_up.cancel()
            wire.vanish()
        # What came before that still counts.
        await wire.ended

    def _take(self, message: Any) -> None:
        if message["type"] == "next" and "errors" not in message["payload"]:
            (event,) = message["payload"]["data"].values()
            self.cursor = event["cursor"]
            self.seen.append(event["cursor"])
        elif message["type"] == "error" and message["payload"][0]["extensions"]["code"] in _RETRYABLE:
            self._given_up.set()
        elif message["type"] != "connection_ack":
            self.problems.append(message)


@dataclass
class Writer:
    """A shopper who fills carts, one after another, and one cart for ever, whichever server answers."""

    urls: Callable[[], Sequence[str]]
    shop: Shop
    seed: int
    pause: tuple[float, float] = (0.1, 0.5)
    lasting: str = ""
    """The token of the cart that is filled for ever."""

    async def run(self, done: asyncio.Event) -> None:
        """Shop until `done`; what is not answered is let be."""
        dice = random.Random(self.seed)
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            while not done.is_set():
                url = f"{dice.choice(self.urls())}/graphql"
                with suppress(httpx.HTTPError, ValueError):
                    token = await self.create(http, url)
                    for _ in range(dice.randint(0, 3)):
                        await self._add(http, url, dice.choice((token, self.lasting)))
                await asyncio.sleep(dice.uniform(*self.pause))

    async def create(self, http: httpx.AsyncClient, url: str) -> str:
        """Make a cart and return its token; raises ValueError when there was no answer to that."""
        names = {"channel": self.shop.channel.slug, "sku": self.shop.variant.sku}
        made = (await http.post(url, json={"query": _CREATE, "variables": names})).json()
        created = (made.get("data") or {}).get("cartCreate")
        if created is None:
            raise ValueError(made)
        return str(created["cartToken"])

    async def _add(self, http: httpx.AsyncClient, url: str, token: str) -> None:
        variables = {"token": token, "sku": self.shop.variant.sku}
        await http.post(url, json={"query": _ADD, "variables": variables})
