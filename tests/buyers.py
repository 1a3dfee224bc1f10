"""Shoppers in a process of their own, over real HTTP: each fills a cart, checks out, and says how it ended.

Told what to do by JSON on standard input, they write one JSON line for each cart on standard output:

    python -m tests.buyers <<< '{"addresses": ["http://127.0.0.1:8000"], "channel": "web", "sku": "MUG"}'
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from uuid import uuid4

import httpx

_ERRORS = "userErrors { __typename code message }"
_CREATE = f"mutation ($input: CartCreateInput!) {{ cartCreate(input: $input) {{ cartToken {_ERRORS} }} }}"
_UPDATE = f"""mutation ($input: CartUpdateInput!) {{ cartUpdate(input: $input) {{
    cart {{ deliveryOptions {{ id }} }} {_ERRORS} }} }}"""
_SELECT = f"""mutation ($input: CartDeliveryOptionSelectInput!) {{
    cartDeliveryOptionSelect(input: $input) {{ cart {{ id }} {_ERRORS} }} }}"""
_PLACE = f"""mutation ($input: OrderPlaceInput!) {{ orderPlace(input: $input) {{
    order {{ number }} payment {{ status }} {_ERRORS} }} }}"""
_ADDRESS = {"name": "Ada", "line1": "1 Main St", "city": "Dublin", "country": "IE"}
_POLL_SECONDS = 0.3


@dataclass(frozen=True)
class Plan:
    """What the shoppers do; a `share` of the carts is left behind, methods are drawn at random."""

    addresses: Sequence[str]
    channel: str
    sku: str
    buyers: int = 1
    until: str | None = None
    """A file from whose making on nobody begins another cart (None: one cart each)."""
    quantity: int = 1
    stall_until: str | None = None
    """A file without which nobody goes on from the filled cart to the checkout."""
    methods: Sequence[str] = ("ok",)
    abandon_share: float = 0
    retry_seconds: float = 0
    """How long a request without an answer is sent again, with its key (0: never)."""
    seed: int = 1


@dataclass
class Told:
    """How one cart ended: `placed`, `abandoned`, a user error's type, or what else was answered."""

    outcome: str = ""
    step: str = ""
    number: str | None = None
    method: str = ""
    place: dict[str, Any] = field(default_factory=dict)


class UserError(Exception):
    """A typed answer that is no order."""


class NoAnswer(Exception):
    """The server did not answer, or not with data."""


class Buyer:
    """One shopper."""

    def __init__(self, plan: Plan, http: httpx.AsyncClient, number: int) -> None:
        """Speak to one of the plan's servers, another one after each failure."""
        self._plan = plan
        self._http = http
        self._turn = number
        self._random = random.Random(plan.seed * 1_000_003 + number)

    async def shop(self) -> Told:
        """Go through the shop once."""
        told = Told(method=self._random.choice(self._plan.methods))
        try:
            await self._checkout(told)
        except UserError as error:
            told.outcome = str(error)
        except NoAnswer as error:
            told.outcome = f"no answer: {error}"
        return told

    async def _checkout(self, told: Told) -> None:
        plan = self._plan
        told.step = "cartCreate"
        line = {"variant": {"sku": plan.sku}, "quantity": plan.quantity}
        made = await self._ask(
            _CREATE, {"channel": plan.channel, "lines": [line], "idempotencyKey": str(uuid4())}
        )
        token = made["cartToken"]
        if self._random.random() < plan.abandon_share:
            told.outcome = "abandoned"
            return
        await self._stall()
        told.step = "cartUpdate"
        given = {"cartToken": token, "email": "ada@example.org", "shippingAddress": _ADDRESS}
        cart = (await self._ask(_UPDATE, given))["cart"]
        option = cart["deliveryOptions"][0]["id"]
        told.step = "cartDeliveryOptionSelect"
        await self._ask(_SELECT, {"cartToken": token, "deliveryOptionId": option})
        told.step = "orderPlace"
        told.place = {
            "cartToken": token,
            "payment": {"provider": "sandbox", "method": told.method},
            "idempotencyKey": str(uuid4()),
        }
        order = (await self._ask(_PLACE, told.place))["order"]
        while order is None:
            await asyncio.sleep(_POLL_SECONDS)
            order = (await self._ask(_PLACE, told.place))["order"]
        told.outcome, told.number = "placed", order["number"]

    async def _stall(self) -> None:
        flag = self._plan.stall_until
        # The file is made by another process.
        while flag and not await asyncio.to_thread(Path(flag).exists):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)

    async def _ask(self, document: str, given: dict[str, Any]) -> Any:
        end = time.monotonic() + self._plan.retry_seconds
        while True:
            try:
                return await self._ask_once(document, given)
            except NoAnswer:
                if time.monotonic() >= end:
                    raise
                self._turn += 1
                await asyncio.sleep(_POLL_SECONDS)

    async def _ask_once(self, document: str, given: dict[str, Any]) -> Any:
        address = self._plan.addresses[self._turn % len(self._plan.addresses)]
        body = {"query": document, "variables": {"input": given}}
        try:
            answer = (await self._http.post(f"{address}/graphql", json=body)).json()
        except (httpx.HTTPError, ValueError) as error:
            raise NoAnswer(type(error).__name__) from error
        if answer.get("errors"):
            raise NoAnswer(answer["errors"][0].get("extensions", {}).get("code", "errors"))
        (payload,) = answer["data"].values()
        if payload["userErrors"]:
            raise UserError(payload["userErrors"][0]["__typename"])
        return payload


async def shop(plan: Plan) -> None:
    """Let all buyers shop at once, and write how each cart ended as soon as it has."""
    limits = httpx.Limits(max_connections=plan.buyers, max_keepalive_connections=plan.buyers)
    async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as http:

        async def one(number: int) -> None:
            buyer = Buyer(plan, http, number)
            while True:
                print(json.dumps(asdict(await buyer.shop())), flush=True)
                if plan.until is None or await asyncio.to_thread(Path(plan.until).exists):
                    break

        await asyncio.gather(*(one(number) for number in range(plan.buyers)))


class Shopping:
    """Buyers at work in a process of their own."""

    def __init__(self, plan: Plan) -> None:
        """Start them."""
        # A pipe that nobody reads meanwhile would fill up, and hold them.
        self._told = TemporaryFile("w+")  # noqa: SIM115 - it lives as long as they do
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.buyers"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=self._told,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(plan)))
        self._process.stdin.close()
        self._process.stdin = None

    def is_over(self) -> bool:
        """Whether they have all gone home."""
        return self._process.poll() is not None

    def results(self, seconds: float = 240) -> list[Told]:
        """Wait until all have gone home; returns how every cart ended."""
        assert self._process.wait(seconds) == 0
        self._told.seek(0)
        return [Told(**json.loads(line)) for line in self._told]

    def stop(self) -> None:
        """Send them away."""
        if not self.is_over():
            self._process.kill()
            self._process.wait()


if __name__ == "__main__":
    asyncio.run(shop(Plan(**json.load(sys.stdin))))
