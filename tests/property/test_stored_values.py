"""Whatever is done with balances, in whatever order: each is what its movements say, never below zero."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.errors import GiftCardUnusable, InsufficientBalance
from domain.kernel.ids import new_id
from domain.payments import Payment, PaymentStatus
from domain.stored_values import (
    METHOD,
    PROVIDERS,
    Applied,
    StoredValue,
    StoredValueKind,
    tenders,
    uses,
)
from persistence import stored_value_tenders as tender_rows
from persistence import stored_values as rows
from persistence.stored_value_tenders import GivenBack, Tender
from tests import stateful
from tests.stocked import ACTOR, START, Shop, make_shop

T = TypeVar("T")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
AMOUNTS = st.integers(1, 5000)


@st.composite
def applications(draw: st.DrawFn) -> list[Applied]:
    """What a cart is to be paid with: used, expired or topped up since it was applied, or none of these."""
    made = []
    for _ in range(draw(st.integers(0, 6))):
        seen = draw(AMOUNTS)
        value = StoredValue(
            new_id(),
            draw(st.sampled_from(StoredValueKind)),
            "USD",
            draw(st.one_of(st.just(seen), st.integers(0, 6000))),
            1,
            NOW,
            last_characters="ABCD",
            expires_at=draw(st.sampled_from([None, NOW, NOW + timedelta(days=1)])),
        )
        made.append(Applied(value, seen, draw(st.one_of(st.none(), AMOUNTS))))
    return made


@given(applications(), st.integers(0, 12_000))
def test_nobody_pays_more_elsewhere_than_they_were_told(applied: list[Applied], total_minor: int) -> None:
    told = [
        replace(one, value=replace(one.value, balance_minor=one.seen_minor, expires_at=None))
        for one in applied
    ]
    promised = sum(use.amount_minor for use in uses(told, total_minor, NOW))
    shown = sum(use.amount_minor for use in uses(applied, total_minor, NOW))
    try:
        taken = tenders(applied, total_minor, NOW)
    except (InsufficientBalance, GiftCardUnusable):
        assert shown < promised
        return
    assert sum(use.amount_minor for use in taken) == shown == promised <= total_minor
    for use in taken:
        one = use.applied
        assert 0 < use.amount_minor <= min(one.value.balance_minor, one.seen_minor)
        assert use.amount_minor <= (one.limit_minor or use.amount_minor)
        assert one.value.why_unusable(NOW) is None


class Balances(RuleBasedStateMachine):
    """A gift card, a customer's store credit, the payments that took from them, and a clock."""

    # One loop and one connection for all examples; each rolls back what it did.
    runner: asyncio.Runner
    connection: AsyncConnection

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.balances: dict[UUID, int] = {}
        self.taken: list[tuple[UUID, UUID, int]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one step on the machine's own loop."""
        return self.runner.run(work)

    @initialize(amount=AMOUNTS)
    def open_shop(self, amount: int) -> None:
        """Begin a transaction that teardown rolls back, with a card that lasts an hour and a credit."""
        self.run(self._open(amount))

    async def _open(self, amount: int) -> None:
        await self.connection.begin()
        self.shop: Shop = await make_shop(self.connection)
        card = StoredValue(
            new_id(),
            StoredValueKind.GIFT_CARD,
            "GBP",
            amount,
            1,
            START,
            last_characters="ABCD",
            expires_at=START + timedelta(hours=1),
        )
        self.card = (await rows.create_card(self.connection, card, b"hash", actor=ACTOR)).id
        self.balances[self.card] = amount
        self.credit = (await self._issue(amount)).id
        self.balances[self.credit] = amount

    async def _issue(self, amount: int) -> StoredValue:
        return await rows.issue_credit(
            self.connection, new_id(), "Ada@Example.com", "GBP", amount, "sorry", actor=ACTOR, now=self.now
        )

    def teardown(self) -> None:
        """Leave nothing."""
        self.run(self.connection.rollback())

    @rule(amount=AMOUNTS)
    def issue(self, amount: int) -> None:
        """The customer gets more credit."""
        assert self.run(self._issue(amount)).id == self.credit
        self.balances[self.credit] += amount

    @rule(amount=st.integers(-6000, 6000).filter(bool))
    def adjust(self, amount: int) -> None:
        """Staff correct the credit; what would be below zero the database itself refuses."""
        if self.balances[self.credit] + amount < 0:
            with pytest.raises(IntegrityError, match="ck_stored_values_balance"):
                self.run(self._adjust(amount))
            return
        self.run(self._adjust(amount))
        self.balances[self.credit] += amount

    async def _adjust(self, amount: int) -> None:
        async with self.connection.begin_nested():
            await rows.adjust(self.connection, self.credit, amount, "count", actor=ACTOR, now=self.now)

    @rule(total=AMOUNTS, limit=st.one_of(st.none(), AMOUNTS))
    def spend(self, total: int, limit: int | None) -> None:
        """A cart is paid with what both have, the card first."""
        self.run(self._spend(total, limit))

    async def _spend(self, total: int, limit: int | None) -> None:
        (cart,) = self.shop.carts
        for number, one in enumerate((self.card, self.credit)):
            await tender_rows.apply(
                self.connection,
                cart,
                one,
                seen_minor=0 if self._is_over(one) else self.balances[one],
                limit_minor=limit if number else None,
                now=self.now + timedelta(microseconds=number),
            )
        applied = await tender_rows.lock_applied(self.connection, cart)
        assert [one.value.id for one in applied] == [self.card, self.credit]
        assert [one.value.balance_minor for one in applied] == list(self.balances.values())
        taken = []
        for use in tenders(applied, total, self.now):
            value = use.applied.value
            provider = PROVIDERS[value.kind]
            payment = Payment(
                new_id(),
                provider,
                METHOD,
                PaymentStatus.AUTHORIZED,
                "GBP",
                use.amount_minor,
                use.amount_minor,
            )
            taken.append(Tender(value.id, payment, new_id()))
            self.balances[value.id] -= use.amount_minor
            self.taken.append((payment.id, value.id, use.amount_minor))
        await tender_rows.take(self.connection, cart, taken, actor=ACTOR, now=self.now)

    def _is_over(self, value: UUID) -> bool:
        return value == self.card and self.now >= START + timedelta(hours=1)

    @rule(which=st.integers(0, 30), amount=AMOUNTS)
    def give_back(self, which: int, amount: int) -> None:
        """A part of what a payment took goes back; more than that never does."""
        if not self.taken:
            return
        index = which % len(self.taken)
        payment, value, left = self.taken[index]
        given = GivenBack(payment, amount)
        moved = self.run(tender_rows.give_back(self.connection, [given], actor=ACTOR, now=self.now))
        assert [one.amount_minor for one in moved] == ([amount] if amount <= left else [])
        if moved:
            self.balances[value] += amount
            self.taken[index] = (payment, value, left - amount)

    @rule(minutes=st.sampled_from([0, 10, 59, 60]))
    def time_passes(self, minutes: int) -> None:
        """The clock goes on, and the sweep empties what has expired."""
        self.now += timedelta(minutes=minutes)
        expired = self.run(rows.expire(self.connection, most=10, actor=ACTOR, now=self.now))
        due = self._is_over(self.card) and self.balances[self.card] > 0
        assert [lost for _, lost in expired] == ([self.balances[self.card]] if due else [])
        if due:
            self.balances[self.card] = 0

    @invariant()
    def balances_are_as_modelled_and_explained(self) -> None:
        """Balances equal the model and the sums of their movements."""
        if self.balances:
            self.run(self._compare())

    async def _compare(self) -> None:
        found = await rows.by_ids(self.connection, list(self.balances))
        assert {one.id: one.balance_minor for one in found.values()} == self.balances
        assert await rows.unexplained(self.connection, most=5) == []


def test_balances_are_always_as_the_model_says(database_url: str) -> None:
    stateful.check(Balances, database_url)


@pytest.mark.parametrize(
    "change", ["UPDATE stored_value_movements SET amount_minor = 1", "DELETE FROM stored_value_movements"]
)
async def test_what_moved_is_never_changed(connection: AsyncConnection, change: str) -> None:
    await rows.issue_credit(
        connection, new_id(), "ada@example.com", "GBP", 5, "sorry", actor=ACTOR, now=START
    )
    with pytest.raises(IntegrityError, match="only ever added to"):
        await connection.execute(text(change))
