"""Placing an order: secure the stock, authorize the payment, place the order.

Two transactions with the provider's call between them. The first secures the stock and writes the
intent, the second the outcome; whatever dies in between is finished by the sweep of
`services/payment_sweep.py` through the same `conclude`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog

from domain import order_holds as holding
from domain import order_placement as decide
from domain import payment_terms
from domain.backorders import divided
from domain.checkouts import Checkout
from domain.kernel.errors import InsufficientStock, NotFound, PaymentDeclined
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.order_placement import Allocation, Placement
from domain.order_reviews import Decision
from domain.orders import Order, payment_status
from domain.payment_changes import replaced
from domain.payment_means import NO_MEANS, PaymentMeans
from domain.ports import Outcome, ProviderAnswer
from domain.routing_holds import hold_back
from domain.stored_values import answer_for, is_stored_value
from persistence import inventory
from persistence import order_placement as rows
from persistence.idempotency import Claim, claim_for
from services import (
    backorders,
    checkouts,
    ledger,
    order_holds,
    order_reviews,
    payment_calls,
    payment_captures,
    payment_facts,
    payments,
    routing,
)
from services import payment_attempts as attempts
from services.context import ServiceContext, Transaction
from services.payment_attempts import Attempt, Placed
from services.routing import RoutedPlacement
from services.tokens import TokenSubject

_ENDED_WELL = {Outcome.SUCCEEDED, Outcome.DEFERRED}

_log = structlog.get_logger(__name__)


async def place(
    context: ServiceContext,
    cart_token: str,
    provider: str,
    method: str,
    key: str,
    means: PaymentMeans = NO_MEANS,
) -> Placed:
    """Place the order of a cart; the same key later returns the final answer, and never does it twice.

    Raises NotFound, InvalidInput, CartClosed, CartIncomplete, VariantUnavailable, InsufficientStock,
    InsufficientBalance, GiftCardUnusable (then nothing was changed) and PaymentDeclined (the cart is
    ACTIVE with its holds).
    """
    subject = context.environment.tokens.read("cart", cart_token)
    if subject is None:
        raise NotFound("no cart has this token", "cartToken")
    asked = [provider, method, *means.to_json().items()]
    claim = claim_for(f"orderPlace:{subject.id}", check_key(key), asked)
    return await place_cart(context, subject, claim, provider, method, means)


async def place_cart(
    context: ServiceContext,
    subject: TokenSubject,
    claim: Claim,
    provider: str,
    method: str,
    means: PaymentMeans = NO_MEANS,
    check: Callable[[Checkout], None] | None = None,
) -> Placed:
    """Place the order of a cart as `place` does, for whoever was found to be allowed to.

    `check` may refuse the cart by raising, once it is locked.
    """
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is None:
            # Not before: an answer given stands, whatever became of its provider.
            payments.provider_for(context.environment, provider, method)
            payment_terms.check_reference(provider, method, means)
        checkout = await checkouts.locked(context, transaction, subject.id, subject.generation)
        attempt = None
        if stored is None:
            if check is not None:
                check(checkout)
            attempt = await checkouts.start(context, transaction, checkout, claim, provider, method, means)
    if attempt is None:
        return await attempts.replayed(context, stored or {})
    if attempt.found.decision is Decision.DECLINE:
        raise PaymentDeclined(attempt.found.decline_code)
    if is_stored_value(attempt.payment):
        return await conclude(context, attempt, answer_for(attempt.payment))
    answer = await payments.authorize(
        context.environment, attempt.payment, attempt.transaction_id, attempt.means
    )
    return await conclude(context, attempt, answer)


async def conclude(context: ServiceContext, attempt: Attempt, answer: ProviderAnswer | None) -> Placed:
    """Record the outcome of an attempt, unless somebody did before: then return what they recorded."""
    if answer is None or answer.outcome is Outcome.ACTION_REQUIRED:
        return await attempts.wait(context, attempt, answer)
    if answer.outcome not in _ENDED_WELL:
        return await attempts.decline(context, attempt, answer)
    if not decide.is_paid_exactly(attempt.checkout, attempt.payment, answer):
        _log.error("payment_amount_mismatch", **_amounts(attempt, answer))
        return await attempts.give_back(context, attempt, answer, attempts.declined(decide.AMOUNT_MISMATCH))
    found = await order_reviews.after_answer(context, attempt.checkout, attempt.found, answer)
    if found.decision is Decision.DECLINE:
        attempts.log_refusal(found, attempt.payment)
        return await attempts.give_back(context, attempt, answer, attempts.declined(found.decline_code))
    try:
        return await _place(context, replace(attempt, found=found), answer)
    except _StockGone as gone:
        return await attempts.give_back(context, attempt, answer, attempts.stock_lost(gone.short))


class _StockGone(Exception):
    """The payment was approved but the stock is gone: the transaction has to be undone."""

    def __init__(self, short: Sequence[InsufficientStock]) -> None:
        super().__init__(f"{len(short)} lines lost their stock")
        self.short = short


async def _place(context: ServiceContext, attempt: Attempt, answer: ProviderAnswer) -> Placed:
    """Commit the stock and write the order, in the second transaction."""
    order_id = attempt.checkout.order_id or new_id()
    placed = None
    async with context.transaction() as transaction:
        routed = await _commit(context, transaction, attempt, order_id)
        if routed is not None:
            placed = await _save(context, transaction, attempt, answer, order_id, routed)
    if placed is None:
        return await attempts.recorded(context, attempt)
    return await _captured(context, placed) if placed.captures else placed


async def _captured(context: ServiceContext, placed: Placed) -> Placed:
    """Ask for what is captured at placement, its intent written with the order."""
    order, placement = placed.order, placed.placement
    assert order is not None and placement is not None, "what was placed is here"  # noqa: S101, PT018
    after = await payment_calls.carry_out(context, order, placement.payments, placed.captures)
    paid = next(one for one in after.payments if one.id == placed.payment.id)
    placement = replace(placement, order=after.order, payments=after.payments)
    return replace(placed, order=after.order, payment=paid, placement=placement)


async def _commit(
    context: ServiceContext, transaction: Transaction, attempt: Attempt, order_id: UUID
) -> RoutedPlacement | None:
    """Turn the cart's holds into the order's stock; what expired meanwhile is secured again; then route it.

    None when the attempt was concluded before. Raises _StockGone.
    """
    checkout, connection = attempt.checkout, transaction.connection
    committed = await rows.commit_stock(
        connection,
        checkout,
        attempt.transaction_id,
        order_id,
        actor=transaction.actor,
        now=transaction.now,
    )
    if committed is None:
        return None
    allocations, facts = committed
    rest = decide.unsecured(checkout, allocations)
    if rest:
        targets = [
            inventory.HoldTarget(line.id, line.variant_id, rest[line.id])
            for line in checkout.lines
            if line.id in rest
        ]
        short = await checkouts.hold(context, transaction, checkout, targets)
        if short:
            raise _StockGone(short)
        more = await inventory.commit_holds(
            connection, checkout.cart_id, order_id, actor=transaction.actor, now=transaction.now
        )
        allocations += [
            Allocation(one.line_id, one.variant_id, one.location_id, one.quantity) for one in more
        ]
        facts = await routing.facts_now(transaction, checkout)
    return await routing.at_placement(transaction, checkout, order_id, allocations, facts)


async def _save(
    context: ServiceContext,
    transaction: Transaction,
    attempt: Attempt,
    answer: ProviderAnswer,
    order_id: UUID,
    routed: RoutedPlacement,
) -> Placed:
    checkout, now = attempt.checkout, transaction.now
    payment = attempts.answered(attempt.payment, answer, order_id)
    due_at = payment_terms.due_at(payment.provider, payment.method, checkout.payment_terms_days, now)
    payment = replace(payment, due_at=due_at)
    review = order_reviews.opened(context, order_id, attempt.found, now)
    waits = review is not None
    placement = decide.place(
        checkout,
        order_id,
        routed.allocations,
        payment,
        needs_review=waits,
        now=now,
        routing=routed.decision,
    )
    beyond = decide.unsecured(checkout, routed.allocations)
    if beyond:
        at = {position: beyond[line.id] for position, line in enumerate(checkout.lines) if line.id in beyond}
        placement = await backorders.add_waiting(transaction, placement, checkout.channel_id, at)
    placement = holding.place_on_hold(
        replace(placement, review=review),
        attempt.found.reasons,
        awaits_payment=checkout.hold_unpaid and answer.outcome is Outcome.DEFERRED,
        actor=transaction.actor,
        now=now,
    )
    placement = hold_back(placement, transaction.actor, now) if routed.held_back else placement
    there, _ = divided(placement)
    saved = await rows.save(transaction.connection, checkout, there, attempt.transaction_id, answer.reference)
    await backorders.save_waiting(transaction, placement, saved.version)
    order = replace(
        placement.order,
        number=saved.number,
        version=saved.version,
        drafted_at=saved.drafted_at,
        note=saved.note,
    )
    transaction.post(ledger.placed(order))
    captures = payment_captures.at_opening(checkout.capture_policy, order, placement.payments, now)
    if captures:
        placement = replace(placement, payments=tuple(replaced(placement.payments, captures)))
        order = replace(order, payment_status=payment_status(order.total_minor, placement.payments))
        await payment_facts.save(context, transaction, order, captures)
    transaction.emit(
        _order_placed(order, len(placement.lines)),
        *_waits(order, placement, now),
        *payment_facts.settled_events_of(order, captures, now),
        attempts.cart_event("CartCompleted", checkout, saved.cart_version, now),
    )
    transaction.answer_later(attempt.claim, {"order": str(order.id), "payment": str(payment.id)})
    token = context.environment.tokens.sign("order", order.id, order.token_generation)
    return Placed(placement.payments[0], order, token, replace(placement, order=order), tuple(captures))


def _amounts(attempt: Attempt, answer: ProviderAnswer) -> dict[str, object]:
    payment = attempt.payment
    return {
        "provider": payment.provider,
        "payment_id": str(payment.id),
        "asked_minor": payment.amount_minor,
        "order_minor": attempt.checkout.due_minor,
        "approved_minor": answer.amount_minor,
        "currency": payment.currency,
        "approved_currency": answer.currency,
    }


def _waits(order: Order, placement: Placement, now: datetime) -> list[Event]:
    """Return the events that tell why an order is not worked on yet."""
    told = [order_reviews.required(order, placement.review, now)] if placement.review else []
    held = holding.own_holds(placement.fulfillment_orders)
    return [*told, order_holds.held(order, held, now)] if held else told


def _order_placed(order: Order, line_count: int) -> Event:
    return Event(
        kind="OrderPlaced",
        aggregate="order",
        aggregate_id=order.id,
        version=order.version,
        occurred_at=order.placed_at,
        channel_id=order.channel_id,
        payload={
            "number": order.number,
            "status": order.status.value,
            "totalMinor": order.total_minor,
            "currency": order.currency,
            "lines": line_count,
        },
    )
