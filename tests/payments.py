"""Orders to take and give back the money of, and what is left of it, for tests of payments."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from domain.kernel.money import Amount, Money
from domain.orders import Order
from domain.payments import Payment
from domain.ports import Outcome, PaymentProvider, PaymentRequest, ProviderAnswer, ProviderTimeout
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from services import ledger_reports, payment_changes
from services.access import SYSTEM
from services.context import ServiceContext
from services.order_placement import place
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_ready_cart, make_stocked_shop, till
from tests.factories import make_context

# Every amount of a payment's row beside what its transactions sum to: the two must never part.
_SUMS = """
    SELECT p.captured_minor, p.refunded_minor, p.charged_back_minor, p.capturing_minor, p.voiding_minor,
           p.refunding_minor,
           coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'CAPTURE' AND t.status = 'SUCCEEDED'), 0),
           coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'REFUND' AND t.status = 'SUCCEEDED'), 0),
           coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'CHARGEBACK' AND t.status = 'SUCCEEDED'), 0),
           coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'CAPTURE' AND t.status = 'REQUESTED'), 0),
           coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'VOID' AND t.status = 'REQUESTED'), 0),
           coalesce(sum(t.amount_minor) FILTER (WHERE t.kind = 'REFUND' AND t.status = 'REQUESTED'), 0)
      FROM payments p LEFT JOIN payment_transactions t ON t.payment_id = p.id
     WHERE p.order_id IS NOT NULL GROUP BY p.id
"""


class Silent(SandboxPayments):
    """The real sandbox, which does what it is asked to capture or refund, and whose answers are all lost."""

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        await super().capture(key, reference, amount)
        raise ProviderTimeout

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        await super().refund(key, reference, amount)
        raise ProviderTimeout

    async def refund_unreferenced(self, key: str, destination: str, amount: Money) -> ProviderAnswer:
        await super().refund_unreferenced(key, destination, amount)
        raise ProviderTimeout

    async def void(self, key: str, reference: str) -> ProviderAnswer:
        await super().void(key, reference)
        raise ProviderTimeout


class Unreachable(SandboxPayments):
    """The real sandbox, which no request to capture, refund or void reaches."""

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        raise ProviderTimeout

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        raise ProviderTimeout

    async def refund_unreferenced(self, key: str, destination: str, amount: Money) -> ProviderAnswer:
        raise ProviderTimeout

    async def void(self, key: str, reference: str) -> ProviderAnswer:
        raise ProviderTimeout


class Refuses(SandboxPayments):
    """The real sandbox, which says that all was refunded already whenever it is asked to."""

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        return ProviderAnswer(
            Outcome.DECLINED, f"no-{key}", amount.amount_minor, decline_code="already_refunded"
        )


class Dies(SandboxPayments):
    """The real sandbox, in a process that dies after the intent and before the request."""

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        raise asyncio.CancelledError

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        raise asyncio.CancelledError

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        raise asyncio.CancelledError


def dollars(amount: str) -> Amount:
    """Return an amount in dollars, as a client sends it."""
    return Amount(Decimal(amount), "USD")


def staff(database: Database, sandbox: PaymentProvider | None = None, **changes: Any) -> ServiceContext:
    """Return a context that may do everything; `sandbox` stands in for the sandbox."""
    context = till(database, SYSTEM, **changes)
    if sandbox is None:
        return context
    providers = {**context.environment.payment_providers, "sandbox": sandbox}
    return replace(context, environment=replace(context.environment, payment_providers=providers))


async def paid_order(
    database: Database,
    *,
    captured: bool = True,
    shop: Shop | None = None,
    provider: str = "sandbox",
    method: str = "ok",
) -> tuple[Order, Payment]:
    """Place an order of 25.00 dollars; `captured`: all of it."""
    shop = shop or await make_stocked_shop(database, 50)
    token = await make_ready_cart(database, shop, 2)
    placed = await place(till(database), token, provider, method, str(uuid4()))
    assert placed.order is not None
    payment = placed.payment
    if captured:
        payment = (await payment_changes.capture(staff(database), payment.id, None, str(uuid4()))).payment
        assert payment.captured_minor == 2500
    return placed.order, payment


async def capture_at(database: Database, shop: Shop, policy: str) -> None:
    """Set when a shop's channel captures."""
    statement = "UPDATE channels SET capture_policy = :policy WHERE id = :id"
    await run_sql(database, statement, policy=policy, id=shop.channel.id)


async def check_sums(database: Database, *, booked: bool = True) -> None:
    """Assert that every payment of an order amounts to what its transactions sum to.

    And that the ledger explains them, unless a test has written payments past the product.
    """
    for row in await run_sql(database, _SUMS):
        assert tuple(row)[:6] == tuple(row)[6:]
    assert not booked or (await ledger_reports.check(make_context(database))).unexplained == []


async def payment_now(database: Database, payment_id: UUID) -> Any:
    """Return a payment's row."""
    (row,) = await run_sql(database, "SELECT * FROM payments WHERE id = :id", id=payment_id)
    return row


async def transactions(database: Database, payment_id: UUID) -> list[tuple[str, str, int]]:
    """Return kind, status and amount of a payment's transactions, in the order they were made."""
    rows = await run_sql(
        database,
        "SELECT kind, status, amount_minor FROM payment_transactions WHERE payment_id = :id ORDER BY id",
        id=payment_id,
    )
    return [(row.kind, row.status, row.amount_minor) for row in rows]
