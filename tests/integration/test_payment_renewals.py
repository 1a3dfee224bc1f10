"""Authorizations that are about to lapse are renewed; what cannot be is told to staff."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.orders import Order
from domain.payments import Payment
from domain.ports import Outcome, PaymentRequest, ProviderAnswer
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments, charges
from services import orders, payment_changes
from services.order_placement import place
from services.orders import OrderRef
from services.payment_renewals import renew_expiring
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import LaterClock, events, make_ready_cart, make_stocked_shop, till
from tests.payments import check_sums, payment_now, staff, transactions

WEEK = timedelta(days=7)


class Lapsing(SandboxPayments):
    """The real sandbox, whose authorizations lapse a week after they were asked for, `days` on from now."""

    days = 0

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        return self._lapsing(await super().authorize(key, request))

    async def find(self, key: str) -> ProviderAnswer | None:
        found = await super().find(key)
        return None if found is None else self._lapsing(found)

    def _lapsing(self, answer: ProviderAnswer) -> ProviderAnswer:
        return replace(answer, expires_at=datetime.now(UTC) + timedelta(days=self.days) + WEEK)


class Refusing(Lapsing):
    """The real sandbox, which declines whatever is asked for."""

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        return await super().authorize(key, replace(request, method="decline"))


class Dies(Lapsing):
    """The real sandbox, in a process that dies after the request."""

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        await super().authorize(key, request)
        raise asyncio.CancelledError


class SomethingElse(Lapsing):
    """The real sandbox, which answers something else than that it has approved what was asked for."""

    def __init__(self, database: Database, **changes: Any) -> None:
        super().__init__(database.engine)
        self.changes = changes

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        return replace(await super().authorize(key, request), **self.changes)


async def lapsing_order(database: Database) -> tuple[Order, Payment]:
    """Place an order whose authorization lapses in a week."""
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    context = till(database, payment_providers={"sandbox": Lapsing(database.engine)})
    placed = await place(context, token, "sandbox", "ok", str(uuid4()))
    assert placed.order is not None
    return placed.order, placed.payment


async def renew(database: Database, sandbox: Lapsing | None = None, *, days: int = 6) -> int:
    """Run the job `days` on."""
    sandbox = sandbox or Lapsing(database.engine)
    sandbox.days = days
    context = staff(database, sandbox, clock=LaterClock(days * 24 + 1))
    return await renew_expiring(context)


async def test_what_lapses_within_a_day_is_renewed_and_the_old_one_given_up(database: Database) -> None:
    order, payment = await lapsing_order(database)
    assert await renew(database, days=5) == 0, "it has two days to go"
    assert await renew(database) == 1
    assert await renew(database) == 0
    row = await payment_now(database, payment.id)
    assert (row.status, row.authorized_minor) == ("AUTHORIZED", 2500)
    assert row.expires_at > datetime.now(UTC) + timedelta(days=12)
    old, new = await charges(database.engine)
    assert (old.reference, old.state) == (payment.reference, "VOIDED")
    assert (new.reference, new.state) == (row.provider_reference, "AUTHORIZED")
    assert await transactions(database, payment.id) == [
        ("AUTHORIZATION", "SUCCEEDED", 2500),
        ("AUTHORIZATION", "SUCCEEDED", 2500),
        ("VOID", "SUCCEEDED", 2500),
    ]
    assert await _news(database, order.id) == ["PaymentRenewalRequested", "PaymentAuthorizationRenewed"]
    captured = await payment_changes.capture(staff(database), payment.id, None, "key")
    assert captured.payment.status == "CAPTURED"
    assert (await charges(database.engine))[1].captured_minor == 2500
    await check_sums(database)


async def test_a_renewal_that_is_declined_is_told_once_and_left_to_staff(database: Database) -> None:
    order, payment = await lapsing_order(database)
    assert await renew(database, Refusing(database.engine)) == 1
    assert await renew(database, Refusing(database.engine)) == 0
    row = await payment_now(database, payment.id)
    assert (row.status, row.provider_reference) == ("AUTHORIZED", payment.reference)
    (told,) = await run_sql(
        database, "SELECT payload FROM event_outbox WHERE kind = 'PaymentAuthorizationExpiring'"
    )
    assert told.payload["declineCode"] == "card_declined"
    assert datetime.fromisoformat(told.payload["expiresAt"]) == row.expires_at
    assert [charge.state for charge in await charges(database.engine)] == ["AUTHORIZED", "DECLINED"]
    assert await _news(database, order.id) == ["PaymentRenewalRequested", "PaymentAuthorizationExpiring"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount_minor": 2499}, "amount_mismatch"),
        ({"currency": "EUR"}, "amount_mismatch"),
        ({"outcome": Outcome.ACTION_REQUIRED}, "action_required"),
    ],
)
async def test_a_renewal_that_cannot_be_used_is_voided_itself(
    database: Database, changes: dict[str, Any], code: str
) -> None:
    _, payment = await lapsing_order(database)
    await renew(database, SomethingElse(database, **changes))
    assert [charge.state for charge in await charges(database.engine)] == ["AUTHORIZED", "VOIDED"]
    (refused,) = await run_sql(
        database, "SELECT decline_code FROM payment_transactions WHERE status = 'FAILED'"
    )
    assert refused.decline_code == code
    row = await payment_now(database, payment.id)
    assert (row.status, row.provider_reference) == ("AUTHORIZED", payment.reference)


async def test_a_renewal_that_something_died_in_is_finished_by_the_sweep(database: Database) -> None:
    _, payment = await lapsing_order(database)
    with pytest.raises(asyncio.CancelledError):
        await renew(database, Dies(database.engine))
    assert await renew(database) == 0, "one is under way"
    await _sweep(database)
    row = await payment_now(database, payment.id)
    assert row.provider_reference != payment.reference
    assert [charge.state for charge in await charges(database.engine)] == ["VOIDED", "AUTHORIZED"]


async def test_a_renewal_that_comes_too_late_is_given_up(database: Database) -> None:
    order, _ = await lapsing_order(database)
    with pytest.raises(asyncio.CancelledError):
        await renew(database, Dies(database.engine))
    await orders.cancel(staff(database), OrderRef(id=order.id), "changed my mind", None, "key")
    await _sweep(database)
    assert [charge.state for charge in await charges(database.engine)] == ["VOIDED", "VOIDED"]
    (saved,) = await run_sql(database, "SELECT payment_status FROM orders")
    assert saved.payment_status == "VOIDED"


async def test_what_is_captured_voided_or_not_open_is_not_renewed(database: Database) -> None:
    (_, captured), (_, voided), (canceled, _) = [await lapsing_order(database) for _ in range(3)]
    await payment_changes.capture(staff(database), captured.id, None, "capture")
    await payment_changes.void(staff(database), voided.id, "void")
    await orders.cancel(staff(database), OrderRef(id=canceled.id), "x", None, "cancel")
    assert await renew(database) == 0
    assert len(await charges(database.engine)) == 3


async def _sweep(database: Database) -> None:
    context = staff(database, Lapsing(database.engine), clock=LaterClock(6 * 24 + 3))
    while await settle_due(context):
        pass


async def _news(database: Database, order_id: UUID) -> Sequence[str]:
    return [kind for kind, _ in await events(database, order_id)][1:]
