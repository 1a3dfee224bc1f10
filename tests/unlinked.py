"""Refunds without an order, for tests: asked for, approved, and paid as a shop does it."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

from domain.kernel.money import Amount
from domain.unlinked_refund_requests import WantedLine
from domain.unlinked_refunds import (
    Evidence,
    Recipient,
    UnlinkedRefund,
    UnlinkedRefundMethod,
    UnlinkedRefundStatus,
)
from persistence.database import Database
from services import ledger_reports, stock_ledger, stored_values, unlinked_refund_payments, unlinked_refunds
from services.access import Permission
from services.context import ServiceContext
from services.unlinked_refunds import Wanted
from tests.checkouts import till
from tests.factories import make_app, make_channel, make_context

CLERK = make_app(Permission.REFUNDS_UNLINKED)
LEAD = make_app(Permission.REFUNDS_UNLINKED, Permission.REFUNDS_APPROVE, Permission.CHANNELS_WRITE)


async def open_till(database: Database, currency: str = "USD", **limits: int) -> None:
    """Make the channel `till` with `limits` in whole units of its currency; four_eyes_above: 0."""
    await make_channel(database, slug="till", currency=currency)
    amounts = {
        name: Amount(Decimal(units), currency) for name, units in {"four_eyes_above": 0, **limits}.items()
    }
    await unlinked_refunds.set_policy(
        act(database, LEAD),
        "till",
        amounts["four_eyes_above"],
        amounts.get("most"),
        amounts.get("most_per_day"),
        amounts.get("alone_per_day"),
    )


def act(database: Database, actor: Any = CLERK, **changes: Any) -> ServiceContext:
    """Return the context of a clerk, or of whoever is named."""
    return till(database, actor, **changes)


async def ask(
    context: ServiceContext,
    price: str,
    *,
    quantity: int = 1,
    sku: str = "UNKNOWN",
    tax: str | None = None,
    email: str | None = "ada@example.com",
    external_id: str | None = None,
    reason: str = "sold at the fair",
    keeps: bool = True,
    key: str | None = None,
    document: str | None = None,
    known: bool = False,
    currency: str = "USD",
) -> UnlinkedRefund:
    """Ask for a refund of one line, by a document of its own."""
    line = WantedLine(
        sku,
        quantity,
        Amount(Decimal(price), currency),
        None if tax is None else Amount(Decimal(tax), currency),
    )
    key = key or str(uuid4())
    evidence = Evidence(reason, document or f"receipt {key}")
    wanted = Wanted("till", Recipient(email, external_id), evidence, [line], keeps, known)
    return await unlinked_refunds.create(context, wanted, key)


async def decide(
    context: ServiceContext,
    found: UnlinkedRefund,
    wanted: UnlinkedRefundStatus = UnlinkedRefundStatus.APPROVED,
) -> UnlinkedRefund:
    """Approve, decline or cancel."""
    return await unlinked_refunds.decide_on(context, found.id, wanted, None, None)


async def pay(
    context: ServiceContext,
    found: UnlinkedRefund,
    method: UnlinkedRefundMethod = UnlinkedRefundMethod.MANUAL,
    reference: str | None = "till 3",
    key: str | None = None,
) -> UnlinkedRefund:
    """Pay by hand, or as is said."""
    return await unlinked_refund_payments.pay(context, found.id, method, reference, None, key or str(uuid4()))


async def pay_to(
    context: ServiceContext,
    found: UnlinkedRefund,
    destination: str = "ok",
    *,
    key: str | None = None,
    provider: str = "sandbox",
) -> UnlinkedRefund:
    """Let a provider pay; of the sandbox the destination is what becomes of it."""
    return await unlinked_refund_payments.pay(
        context,
        found.id,
        UnlinkedRefundMethod.PROVIDER,
        None,
        None,
        key or str(uuid4()),
        provider=provider,
        destination=destination,
    )


async def check_books(database: Database) -> None:
    """Assert that money, stock and balances are explained."""
    context = make_context(database)
    assert (await ledger_reports.check(context)).unexplained == []
    assert (await stock_ledger.check(context)).discrepancies == []
    assert (await stored_values.check(context)).discrepancies == []
