"""The first half of placing an order: its cart is priced, and what it takes secured for the payment."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from domain import checkouts as decide
from domain.carts import goes_to_the_till
from domain.checkouts import Checkout, CheckoutLine
from domain.discounts import DiscountRefusal
from domain.kernel.errors import DiscountNotApplicable, InsufficientStock, NotFound
from domain.kernel.ids import new_id
from domain.order_reviews import Decision, Evaluation
from domain.payment_means import PaymentMeans
from domain.payments import Payment, PaymentStatus
from domain.stored_values import is_stored_value
from persistence import checkouts as checkout_rows
from persistence import inventory
from persistence import order_placement as rows
from persistence.discount_uses import reserve
from persistence.idempotency import Claim
from services import (
    backorders,
    order_reviews,
    payments,
    stored_value_tenders,
)
from services import payment_attempts as attempts
from services.context import ServiceContext, Transaction
from services.payment_attempts import Attempt


async def locked(
    context: ServiceContext, transaction: Transaction, cart_id: UUID, generation: int
) -> Checkout:
    """Lock a cart, and return it as it goes through the till; raises NotFound."""
    # Only of shoppers: all that an app orders comes from the app's address.
    alone = context.actor.is_shopper
    client = context.environment.tokens.address_number(context.address) if alone else None
    checkout = await checkout_rows.lock(
        transaction.connection, cart_id, now=transaction.now, client_number=client
    )
    if checkout is None or checkout.token_generation != generation:
        raise NotFound("no cart has this token", "cartToken")
    return checkout


async def start(
    context: ServiceContext,
    transaction: Transaction,
    checkout: Checkout,
    claim: Claim,
    provider: str,
    method: str,
    means: PaymentMeans,
) -> Attempt:
    """Secure the stock and write the intent to authorize, all in the first transaction.

    Where rules turn the cart down, only that is written.
    """
    now = transaction.now
    decide.check_ready(checkout, now)
    checkout = decide.priced(checkout, now)
    found = order_reviews.before_payment(checkout)
    if found.decision is Decision.DECLINE:
        return await _refuse(transaction, checkout, claim, provider, method, found)
    await _reserve_discounts(transaction, checkout)
    uses = await stored_value_tenders.lock(transaction, checkout)
    if not decide.is_secured(checkout, now):
        targets = [inventory.HoldTarget(line.id, line.variant_id, line.quantity) for line in checkout.lines]
        short = await hold(context, transaction, checkout, targets)
        if short:
            raise attempts.shortage(short)
    tenders = stored_value_tenders.divide(checkout, uses, provider, method)
    checkout, payment = tenders.checkout, tenders.payment
    if not is_stored_value(payment):
        payment = replace(payment, buyer_reference=means.reference)
        payments.check_request(context.environment, payment, means)
    attempt = Attempt(checkout, payment, new_id(), claim, found, means=means)
    await rows.start(
        transaction.connection,
        checkout,
        payment,
        attempt.transaction_id,
        placement={
            "scope": claim.scope,
            "key": claim.key,
            "reasons": found.to_json(),
            "means": means.to_json(),
            **decide.frozen(checkout),
        },
        now=now,
        next_attempt_at=payments.asked_again_at(context.environment, now),
    )
    await stored_value_tenders.take(transaction, tenders)
    if goes_to_the_till(checkout.status):
        transaction.emit(attempts.cart_event("CartReactivated", checkout, checkout.version + 1, now))
    transaction.emit(attempts.cart_event("CartCheckoutStarted", checkout, checkout.version + 1, now))
    transaction.answer({"payment": str(payment.id)})
    return attempt


async def _refuse(
    transaction: Transaction,
    checkout: Checkout,
    claim: Claim,
    provider: str,
    method: str,
    found: Evaluation,
) -> Attempt:
    """Write that rules turned the cart down, and nothing else."""
    payment = Payment(
        new_id(), provider, method, PaymentStatus.PENDING, checkout.currency, checkout.total_minor
    )
    attempt = Attempt(checkout, payment, new_id(), claim, found)
    await attempts.refuse(transaction, attempt)
    return attempt


async def _reserve_discounts(transaction: Transaction, checkout: Checkout) -> None:
    """Take a use of each limited discount, before any stock is locked; raises DiscountNotApplicable."""
    limited = {one.id: one for one in checkout.final_price.applied if one.is_limited}
    if not limited:
        return
    for one in await reserve(
        transaction.connection, checkout.cart_id, list(limited), checkout.email or "", now=transaction.now
    ):
        if one.has_more and one.customer_has_more:
            continue
        found = limited[one.discount_id]
        reason = (
            DiscountRefusal.CUSTOMER_LIMIT_REACHED if one.has_more else DiscountRefusal.USAGE_LIMIT_REACHED
        )
        raise DiscountNotApplicable(found.name, found.code, reason, "cartToken")


async def hold(
    context: ServiceContext,
    transaction: Transaction,
    checkout: Checkout,
    targets: Sequence[inventory.HoldTarget],
) -> list[InsufficientStock]:
    """Hold `targets`, all or none; return the shortages as the shopper is to be told of them.

    Of what is sold beyond its stock as much is held as there is, and nothing is short.
    """
    policy = context.environment.holds.for_payment()
    held = await backorders.hold(
        transaction,
        checkout.cart_id,
        checkout.channel_id,
        targets,
        policy,
        counting=True,
        collected=checkout.pickup is not None,
    )
    lines = {line.id: line for line in checkout.lines}
    # What was committed a moment ago is the shopper's too, and asked for no more.
    return [
        _short_of(lines[one.line_id], lines[one.line_id].quantity - one.wanted + one.present)
        for one in held
        if one.is_short
    ]


def _short_of(line: CheckoutLine, available: int) -> InsufficientStock:
    return InsufficientStock(line.sku, line.quantity, available, "cartToken")
