"""Whatever happens to stock, in whatever order: it is as a simple model says, and the ledger explains it."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.inventory import MOVES, OUTSIDE, HoldPolicy, Movement, StockState
from domain.kernel.ids import new_id
from persistence import inventory, stock_ledger
from persistence.inventory import HoldTarget
from tests import stateful
from tests.stocked import ACTOR, START, Shop, commit, expire, hold, make_shop, receive

T = TypeVar("T")
Level = tuple[UUID, UUID]

CARTS = st.integers(0, 2)
VARIANTS = st.integers(0, 1)
LOCATIONS = st.integers(0, 2)
UNITS = st.integers(0, 12)
HOLD, MOST = timedelta(seconds=900), timedelta(seconds=1200)
POLICY = HoldPolicy(HOLD.seconds, MOST.seconds)


class Stock(RuleBasedStateMachine):
    """Two variants at three locations (the channel sells from two), three carts, and a clock."""

    # One loop and one connection for all examples; each rolls back what it did.
    runner: asyncio.Runner
    connection: AsyncConnection

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = START
        self.levels: defaultdict[Level, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.holds: dict[tuple[int, int, UUID], int] = {}
        self.started: dict[tuple[int, int, UUID], datetime] = {}
        self.expires: dict[tuple[int, int, UUID], datetime] = {}
        # When holds began and ended that were given back, by cart and variant.
        self.ended: defaultdict[tuple[int, int], list[tuple[datetime, datetime]]] = defaultdict(list)
        self.lines = {(cart, variant): new_id() for cart in range(3) for variant in range(2)}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one step on the machine's own loop."""
        return self.runner.run(work)

    @initialize(stock=st.lists(UNITS, min_size=3, max_size=3))
    def open_shop(self, stock: list[int]) -> None:
        """Begin a transaction that teardown rolls back, with a shop in it."""
        self.run(self._open(stock))

    async def _open(self, stock: list[int]) -> None:
        await self.connection.begin()
        self.shop: Shop = await make_shop(self.connection, variant_count=2, stock=stock, cart_count=3)
        await self.connection.execute(
            text("DELETE FROM channel_locations WHERE location_id = :id"), {"id": self.shop.locations[2]}
        )
        for variant in self.shop.variants:
            for location, units in zip(self.shop.locations, stock, strict=True):
                self.levels[variant, location]["available"] += units

    def teardown(self) -> None:
        """Leave nothing."""
        self.run(self.connection.rollback())

    @rule(variant=VARIANTS, location=LOCATIONS, units=st.integers(1, 12))
    def receive_units(self, variant: int, location: int, units: int) -> None:
        """Units come in."""
        one, place = self.shop.variants[variant], self.shop.locations[location]
        self.run(receive(self.connection, [one], place, units))
        self.levels[one, place]["available"] += units

    @rule(cart=CARTS, wanted=st.dictionaries(VARIANTS, UNITS, max_size=2))
    def hold_units(self, cart: int, wanted: dict[int, int]) -> None:
        """A cart wants its lines to hold exactly this."""
        plan = {variant: self._take(cart, variant, units) for variant, units in wanted.items()}
        targets = [
            HoldTarget(self.lines[cart, variant], self.shop.variants[variant], units)
            for variant, units in wanted.items()
        ]
        owner = self.shop.carts[cart]
        held = self.run(hold(self.connection, self.shop, owner, *targets, now=self.now, policy=POLICY))
        short = {
            self.lines[cart, variant]: sum(take.values())
            for variant, take in plan.items()
            if sum(take.values()) < wanted[variant]
        }
        assert {line.line_id: line.present for line in held if line.is_short} == short
        if not short:
            self._hold(cart, plan)
            for line in held:
                mine = [at for key, at in self.expires.items() if self.lines[key[0], key[1]] == line.line_id]
                assert line.expires_at == min(mine, default=None)

    def _take(self, cart: int, variant: int, units: int) -> dict[UUID, int]:
        """Take from the first location what it has, and the rest from the next."""
        take: dict[UUID, int] = {}
        for location in self.shop.locations[:2]:
            own = self.holds.get((cart, variant, location), 0)
            reach = self.levels[self.shop.variants[variant], location]["available"] + own
            take[location] = min(reach, units - sum(take.values()))
        return take

    def _hold(self, cart: int, plan: dict[int, dict[UUID, int]]) -> None:
        for key in self.holds:
            if key[0] == cart:
                self.expires[key] = min(self.now + HOLD, self.started[key] + MOST)
        for variant, take in plan.items():
            began = self._began(cart, variant)
            rests = began + MOST <= self.now
            for location in self.shop.locations:
                key = (cart, variant, location)
                own, now_own = self.holds.pop(key, 0), 0 if rests else take.get(location, 0)
                counts = self.levels[self.shop.variants[variant], location]
                counts["held"] += now_own - own
                counts["available"] -= now_own - own
                if now_own:
                    self.holds[key] = now_own
                    self.started[key] = self.started[key] if own else began
                    self.expires[key] = min(self.now + HOLD, self.started[key] + MOST)
                elif own:
                    self.ended[cart, variant].append(
                        (self.started.pop(key), min(self.expires.pop(key), self.now))
                    )

    def _began(self, cart: int, variant: int) -> datetime:
        """Return since when the cart holds the variant, pauses shorter than a hold included."""
        live = [at for key, at in self.started.items() if key[:2] == (cart, variant)]
        recent = [began for began, ended in self.ended[cart, variant] if ended > self.now - HOLD]
        return min([*live, *recent], default=self.now)

    @rule(cart=CARTS)
    def place_order(self, cart: int) -> None:
        """All that a cart holds is committed to its order."""
        committed = self.run(commit(self.connection, self.shop.carts[cart], new_id(), self.now))
        mine = {key: units for key, units in self.holds.items() if key[0] == cart}
        assert {(row.line_id, row.location_id): row.quantity for row in committed} == {
            (self.lines[key[0], key[1]], key[2]): units for key, units in mine.items()
        }
        for key in mine:
            self._end(key, "committed")

    @rule(seconds=st.sampled_from([0, 1, 450, 899, 900, 3600]))
    def time_passes(self, seconds: int) -> None:
        """The clock goes on, and the sweep ends what is due."""
        self.now += timedelta(seconds=seconds)
        due = [key for key, at in self.expires.items() if at <= self.now]
        ended = self.run(expire(self.connection, self.now))
        assert sum(row.quantity for row in ended) == sum(self.holds[key] for key in due)
        for key in due:
            self.ended[key[:2]].append((self.started[key], min(self.expires[key], self.now)))
            self._end(key, "available")

    def _end(self, key: tuple[int, int, UUID], state: str) -> None:
        units = self.holds.pop(key)
        del self.expires[key], self.started[key]
        counts = self.levels[self.shop.variants[key[1]], key[2]]
        counts["held"] -= units
        counts[state] += units

    @rule(variant=VARIANTS, location=LOCATIONS, way=st.sampled_from(sorted(MOVES)), units=st.integers(1, 6))
    def move_units(self, variant: int, location: int, way: tuple[StockState, StockState], units: int) -> None:
        """Units go from one state to another, unless there are too few."""
        one, place = self.shop.variants[variant], self.shop.locations[location]
        source, target = way
        counts = self.levels[one, place]
        short = self.run(
            inventory.move(
                self.connection,
                [Movement(one, place, source, target, units, MOVES[way])],
                source_kind="test",
                source_id=None,
                actor=ACTOR,
                now=self.now,
            )
        )
        assert [row.present for row in short] == ([] if counts[source] >= units else [counts[source]])
        if not short:
            counts[source] -= units
            counts[target] += units

    @invariant()
    def levels_are_as_modelled_and_explained(self) -> None:
        """Levels equal the model and the ledger, and held units equal the holds."""
        if hasattr(self, "shop"):
            self.run(self._compare())

    async def _compare(self) -> None:
        states = [state.value for state in StockState if state not in OUTSIDE]
        rows = await self.connection.execute(
            text(f"SELECT variant_id, location_id, {', '.join(states)} FROM stock_levels")
        )
        found = {
            (variant, location): dict(zip(states, counts, strict=True)) for variant, location, *counts in rows
        }
        for level, counts in self.levels.items():
            expected = {state: counts[state] for state in states}
            assert found.get(level, dict.fromkeys(states, 0)) == expected
        assert await stock_ledger.unexplained(self.connection, sorted(OUTSIDE), most=5) == []


def test_stock_is_always_as_the_model_says(database_url: str) -> None:
    stateful.check(Stock, database_url)
