"""Rules of approval, and shoppers who run into them, for tests of reviews."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from domain.approvals import ApprovalRule, RuleAction, RuleKind
from domain.kernel.errors import PaymentDeclined
from domain.kernel.money import Amount
from domain.order_reviews import OrderReview
from domain.orders import Order
from domain.ports import PaymentRequest, ProviderAnswer
from persistence import order_reviews
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from services import approvals
from services.approvals import RuleChanges
from services.order_placement import place
from services.payment_attempts import Placed
from tests.checkouts import Shop, make_ready_cart, till
from tests.factories import make_context


class Estimating(SandboxPayments):
    """The real sandbox, whose answers tell `facts` too: a risk score, or where the payer is from."""

    def __init__(self, database: Database, **facts: Any) -> None:
        super().__init__(database.engine)
        self._facts = facts

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        return replace(await super().authorize(key, request), **self._facts)


async def make_rule(
    database: Database,
    shop: Shop,
    kind: RuleKind,
    action: RuleAction = RuleAction.REVIEW,
    amount_from: str | None = None,
    **given: Any,
) -> ApprovalRule:
    """Add a rule to the shop's channel; `amount_from` is in its currency."""
    amount = None if amount_from is None else Amount(Decimal(amount_from), shop.channel.currency)
    changes = RuleChanges(action=action, amount_from=amount, **given)
    return (await approvals.create(make_context(database), shop.channel.slug, kind, changes))[1]


async def buy(
    database: Database,
    shop: Shop,
    quantity: int = 1,
    *,
    method: str = "ok",
    provider: str = "sandbox",
    client: str | None = None,
    environment: Mapping[str, Any] | None = None,
    **cart: Any,
) -> Placed:
    """Order as a shopper at the client address `client`, with a cart as make_ready_cart makes it."""
    token = await make_ready_cart(database, shop, quantity, **cart)
    context = replace(till(database, **(environment or {})), address=client)
    return await place(context, token, provider, method, str(uuid4()))


async def ordered(database: Database, shop: Shop, quantity: int = 1, **given: Any) -> Order:
    """Order as `buy` does, and return the order."""
    order = (await buy(database, shop, quantity, **given)).order
    assert order is not None
    return order


async def refusal(database: Database, shop: Shop, quantity: int = 1, **given: Any) -> str:
    """Order as `buy` does, and return the code it is declined with."""
    try:
        await buy(database, shop, quantity, **given)
    except PaymentDeclined as declined:
        return declined.decline_code
    raise AssertionError("the order was placed")


async def review_of(database: Database, order_id: UUID) -> OrderReview | None:
    """Return the review of an order."""
    async with database.read() as connection:
        return (await order_reviews.by_orders(connection, [order_id])).get(order_id)


async def reasons(database: Database, order: Order) -> list[str]:
    """Return the codes of what rules found of an order; none where it was accepted at once."""
    review = await review_of(database, order.id)
    return [] if review is None else [reason.code.value for reason in review.reasons]


async def payloads(database: Database, kind: str) -> list[dict[str, Any]]:
    """Return the payload of every event of a kind, in their order."""
    async with database.read() as connection:
        rows = await connection.execute(
            text("SELECT payload FROM event_outbox WHERE kind = :kind ORDER BY id"), {"kind": kind}
        )
        return [row.payload for row in rows]
