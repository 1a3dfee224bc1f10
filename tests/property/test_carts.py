"""Any sequence of cart changes does exactly what a model of a few lines says it does.

Two shoppers share the stock of two variants. The model knows units on sale, lines and holds; after
every step the answer, the carts, the totals, the stock levels and the ledger must agree with it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.catalog import Variant
from domain.inventory import HoldPolicy
from persistence.database import Database
from services import cart_sweeps
from tests import cart_flows as flow
from tests.factories import Shop, give_stock, make_context, make_shop, make_variant

UNITS = 6
PRICES_MINOR = {0: 1000, 1: 335}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "set", "set", "remove", "touch", "lapse", "abandon"]),
        st.integers(0, 1),  # whose cart
        st.integers(0, 1),  # which variant
        st.integers(1, UNITS + 1),  # how many
    ),
    min_size=3,
    max_size=14,
)


@dataclass
class Moments:
    """A clock that goes on a millisecond a look, and further when told."""

    at: datetime = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the next moment."""
        self.at += timedelta(milliseconds=1)
        return self.at


@dataclass
class Model:
    """What should be: units on sale, and for each cart its lines and what is held for them."""

    available: dict[int, int] = field(default_factory=lambda: {0: UNITS, 1: UNITS})
    lines: list[dict[int, int]] = field(default_factory=lambda: [{}, {}])
    held: list[dict[int, int]] = field(default_factory=lambda: [{}, {}])
    active: list[bool] = field(default_factory=lambda: [True, True])
    versions: list[int] = field(default_factory=lambda: [1, 1])

    def change(self, cart: int, after: dict[int, int], own: int | None, *, repairs: bool) -> bool:
        """Make the lines `after` if the stock allows; the change is of the line `own`."""
        mine = {own: after[own]} if own is not None and own in after else {}
        others = {v: q for v, q in after.items() if v not in mine and self.held[cart].get(v, 0) != q}
        for targets in [{**others, **mine}, mine] if repairs else [{**others, **mine}]:
            if all(q <= self.available[v] + self.held[cart].get(v, 0) for v, q in targets.items()):
                break
        else:
            return False
        for gone in [v for v in self.held[cart] if v not in after]:
            self.available[gone] += self.held[cart].pop(gone)
        for variant, quantity in targets.items():
            self.available[variant] -= quantity - self.held[cart].get(variant, 0)
            self.held[cart][variant] = quantity
        self.lines[cart], self.active[cart] = after, True
        self.versions[cart] += 1
        return True

    def release(self, cart: int) -> None:
        """Put everything a cart holds back on sale."""
        for variant, quantity in self.held[cart].items():
            self.available[variant] += quantity
        self.held[cart] = {}


class World:
    """The real thing beside its model."""

    def __init__(self, database: Database, shop: Shop, variants: list[Variant], clock: Moments) -> None:
        """Begin with two empty carts, made by `begin`."""
        self.database = database
        self.shop = shop
        self.variants = variants
        self.clock = clock
        self.model = Model()
        self.tokens: list[str] = []
        self.timed: dict[str, Any] = {"clock": clock, "holds": HoldPolicy(900, 7_200)}

    @classmethod
    async def begin(cls, database: Database) -> "World":
        """Make a shop with two variants, and two carts."""
        shop = await make_shop(database, stock=UNITS)
        other = await make_variant(database, shop.channel, price="3.35")
        await give_stock(database, other, shop.location, UNITS)
        world = cls(database, shop, [shop.variant, other], Moments())
        for _ in range(2):
            world.tokens.append((await flow.create(database, shop, **world.timed))["cartToken"])
        return world

    async def step(self, kind: str, cart: int, variant: int, quantity: int) -> None:
        """Do one thing in both worlds."""
        if kind in {"lapse", "abandon"}:
            await self._let_time_pass(kind)
            return
        lines, sku = self.model.lines[cart], self.variants[variant].sku
        if kind in {"set", "remove"} and variant not in lines:
            return
        token = self.tokens[cart]
        if kind == "add":
            after = {**lines, variant: lines.get(variant, 0) + quantity}
            expected = self.model.change(cart, after, variant, repairs=False)
            answer = await flow.add(self.database, token, sku, quantity, **self.timed)
        elif kind == "set":
            expected = self.model.change(cart, {**lines, variant: quantity}, variant, repairs=True)
            line = await self._line_id(cart, sku)
            answer = await flow.update_line(self.database, token, line, quantity, **self.timed)
        elif kind == "remove":
            after = {v: q for v, q in lines.items() if v != variant}
            expected = self.model.change(cart, after, variant, repairs=True)
            answer = await flow.remove_line(
                self.database, token, await self._line_id(cart, sku), **self.timed
            )
        else:
            expected = self.model.change(cart, lines, None, repairs=False)
            answer = await flow.update(self.database, token, email="ada@example.org", **self.timed)
        codes = {error["code"] for error in answer["userErrors"]}
        assert codes == (set() if expected else {"INSUFFICIENT_STOCK"})
        if expected:
            assert answer["cart"] == await flow.read(self.database, token, **self.timed)

    async def check(self) -> None:
        """Compare the two worlds."""
        for number, variant in enumerate(self.variants):
            units = sum(one.get(number, 0) for one in self.model.held)
            expected = {"available": self.model.available[number], "held": units}
            assert await flow.levels(self.database, variant) == expected
        for cart, token in enumerate(self.tokens):
            seen = await flow.read(self.database, token, **self.timed)
            lines, held = self.model.lines[cart], self.model.held[cart]
            by_sku = {line["variant"]["sku"]: line for line in seen["lines"]}
            assert {self.variants[v].sku: q for v, q in lines.items()} == {
                sku: line["quantity"] for sku, line in by_sku.items()
            }
            for number in lines:
                expires = by_sku[self.variants[number].sku]["holdExpiresAt"]
                assert (expires is not None) == (held.get(number) == lines[number])
            total = sum(PRICES_MINOR[number] * quantity for number, quantity in lines.items())
            assert seen["totals"]["total"]["amount"] == f"{total // 100}.{total % 100:02}"
            assert seen["version"] == self.model.versions[cart]
            assert seen["status"] == ("ACTIVE" if self.model.active[cart] else "ABANDONED")

    async def _let_time_pass(self, kind: str) -> None:
        self.clock.at += timedelta(hours=3)
        context = make_context(self.database, **self.timed, abandon_after_seconds=3_600)
        if kind == "lapse":
            await cart_sweeps.expire_holds(context)
        else:
            await cart_sweeps.abandon_idle(context)
        for cart in range(2):
            lost = any(self.model.held[cart].values())
            abandoned = kind == "abandon" and self.model.active[cart]
            self.model.versions[cart] += abandoned if kind == "abandon" else lost
            if kind == "lapse" or abandoned:
                self.model.release(cart)
            if abandoned:
                self.model.active[cart] = False

    async def _line_id(self, cart: int, sku: str) -> str:
        lines = (await flow.read(self.database, self.tokens[cart], **self.timed))["lines"]
        return next(str(line["id"]) for line in lines if line["variant"]["sku"] == sku)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
async def test_carts_do_what_the_model_says(
    database: Database, steps: list[tuple[str, int, int, int]]
) -> None:
    world = await World.begin(database)
    for step in steps:
        await world.step(*step)
        await world.check()
