"""Use cases of reviews: what rules say of an order being placed, and the queue of those that wait."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from domain import order_reviews as decide
from domain.approvals import RuleKind, has_kind
from domain.checkouts import Checkout, cart_facts
from domain.kernel.events import Event
from domain.kernel.money import Money
from domain.order_reviews import AnswerFacts, Credit, Decision, Evaluation, OrderReview, ReviewState
from domain.orders import Order
from domain.ports import CreditUnavailable, Outcome, ProviderAnswer
from persistence import order_reviews as rows
from services import channels
from services.access import Permission, require
from services.context import Environment, ServiceContext

_log = structlog.get_logger(__name__)


def before_payment(checkout: Checkout) -> Evaluation:
    """Say what the channel's rules find in a cart that is ready, before anybody is asked for money."""
    return decide.evaluate_cart(checkout.approval_rules, cart_facts(checkout))


async def after_answer(
    context: ServiceContext, checkout: Checkout, before: Evaluation, answer: ProviderAnswer
) -> Evaluation:
    """Add what the provider's answer shows, and what the company's own system says of a customer's credit.

    Call it outside transactions: it may ask that system.
    """
    address = checkout.shipping_address
    if address is None:
        raise ValueError("a checkout is checked to be ready before it is paid for")
    facts = AnswerFacts(
        total=checkout.total,
        shipping_country=address.country,
        payer_country=answer.payer_country,
        risk_score=answer.risk_score,
        needs_review=answer.needs_review,
        credit=await _credit(context.environment, checkout, answer),
        owed=Money(checkout.due_minor, checkout.currency),
    )
    return decide.evaluate_answer(before, checkout.approval_rules, facts, checkout.review_from_minor)


def opened(context: ServiceContext, order_id: UUID, found: Evaluation, now: datetime) -> OrderReview | None:
    """Return the review of an order that has to wait; None when it need not."""
    if found.decision is Decision.ACCEPT:
        return None
    due_at = now + timedelta(seconds=context.environment.approval_seconds)
    return OrderReview(order_id, found.decision, found.reasons, ReviewState.OPEN, due_at)


def required(order: Order, review: OrderReview, now: datetime) -> Event:
    """Return the event that tells of a new review; what it is about is for staff to look up."""
    codes = list(dict.fromkeys(reason.code.value for reason in review.reasons))
    payload = {"number": order.number, "status": order.status.value, "reasons": codes}
    return Event("OrderReviewRequired", "order", order.id, order.version, now, order.channel_id, payload)


async def page(
    context: ServiceContext,
    state: ReviewState,
    channel_slug: str | None,
    size: int,
    after: tuple[datetime, UUID] | None,
) -> list[tuple[OrderReview, Order]]:
    """Return reviews with their orders, due soonest first, one more than the page has if there are more.

    Raises NotFound for the channel.
    """
    require(context.actor, Permission.ORDERS_READ)
    channel_id = None if channel_slug is None else (await channels.get(context, channel_slug)).id
    async with context.read() as connection:
        return await rows.page(connection, state, channel_id, size + 1, after)


async def _credit(environment: Environment, checkout: Checkout, answer: ProviderAnswer) -> Credit | None:
    """Ask how much the customer may still owe, where a company pays later and a rule wants to know."""
    asked = has_kind((rule for rule in checkout.approval_rules if rule.active), RuleKind.CREDIT_LIMIT)
    if answer.outcome is not Outcome.DEFERRED or not asked or not checkout.is_business:
        return None
    if environment.credit_check is None:
        return Credit(None, "no system to ask is configured")
    customer = str(checkout.customer_id) if checkout.customer_id else (checkout.email or "").lower()
    try:
        async with asyncio.timeout(environment.credit_check_seconds):
            available = await environment.credit_check.available_credit(customer, checkout.currency)
    except (CreditUnavailable, TimeoutError) as error:
        _log.warning("credit_check_failed", reason=str(error) or type(error).__name__)
        return Credit(None, "the company's system did not answer")
    if available is None or available.currency != checkout.currency:
        return Credit(None, "the company's system does not know the customer")
    return Credit(available)
