"""Use cases of payments of orders: staff capture, void, refund, and record what came outside.

Each is an intent in one transaction, which reserves the amount under the order's lock; then the provider
is asked; then the outcome is written in a second one. What dies in between is finished by the sweep.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from domain import orders as order_rules
from domain import payment_changes as decide
from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound
from domain.kernel.keys import check_key
from domain.kernel.money import Amount
from domain.order_edits import untaken_minor
from domain.orders import Order, OrderStatus
from domain.payment_changes import Change
from domain.payments import Payment, PaymentTransaction, TransactionKind
from persistence import orders as order_rows
from persistence import payment_changes as rows
from persistence import payments as payment_rows
from persistence.idempotency import Claim, claim_for
from persistence.payment_changes import LockedPayments
from services import orders, payment_calls, payment_facts
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.orders import OrderRef
from services.payment_facts import Recorded

_CAPTURED_IN = {OrderStatus.OPEN, OrderStatus.COMPLETED}

Intend = Callable[[LockedPayments, Payment, datetime], list[Change]]
"""What is to be done with one payment of a locked order."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A payment as it now is, and what was asked for."""

    payment: Payment
    transactions: tuple[PaymentTransaction, ...]


@dataclass(frozen=True, slots=True)
class Refunded:
    """An order as it now is, and what was asked for, one transaction a payment."""

    order: Order
    transactions: tuple[PaymentTransaction, ...]


class _Intended(NamedTuple):
    """What an intent has made of an order, as `carry_out` takes it."""

    order: Order
    payments: Sequence[Payment]
    changes: Sequence[Change]


async def capture(context: ServiceContext, payment_id: UUID, amount: Amount | None, key: str) -> Changed:
    """Take a part of what is reserved, or (None) the rest; never more than the order costs by now.

    Raises NotFound, InvalidInput, AmountTooLarge, and IllegalTransition where nothing is left or the order
    is not open.
    """

    def intend(locked: LockedPayments, payment: Payment, now: datetime) -> list[Change]:
        if locked.order.status not in _CAPTURED_IN:
            allowed = sorted(status.value for status in _CAPTURED_IN)
            raise IllegalTransition(
                "money is taken for orders that are open", locked.order.status.value, allowed, "id"
            )
        most = untaken_minor(locked.order.cost_minor, locked.payments)
        asked = decide.minor_in(payment.currency, amount)
        return [decide.capture(payment, decide.within(payment, asked, most), now)]

    return await _change(context, "paymentCapture", payment_id, intend, key, [_facts(amount)])


async def void(context: ServiceContext, payment_id: UUID, key: str) -> Changed:
    """Give up what is reserved and not captured; raises NotFound and IllegalTransition."""

    def intend(_locked: LockedPayments, payment: Payment, now: datetime) -> list[Change]:
        return [decide.void(payment, now)]

    return await _change(context, "paymentVoid", payment_id, intend, key, [])


async def refund(
    context: ServiceContext, payment_id: UUID, amount: Amount | None, reason: str, key: str
) -> Changed:
    """Give a part of what was captured back, or (None) the rest.

    Raises NotFound, InvalidInput, AmountTooLarge, and IllegalTransition where nothing is left.
    """
    reason = order_rules.check_reason(reason)

    def intend(_locked: LockedPayments, payment: Payment, now: datetime) -> list[Change]:
        return [decide.refund(payment, decide.minor_in(payment.currency, amount), reason, now)]

    return await _change(context, "paymentRefund", payment_id, intend, key, [_facts(amount), reason])


async def record(
    context: ServiceContext, payment_id: UUID, amount: Amount, reference: str | None, key: str
) -> Changed:
    """Record that money of a payment came outside, as by bank transfer or in cash.

    Raises NotFound, InvalidInput (also of a reference that is recorded already), AmountTooLarge, and
    IllegalTransition for a payment that a provider can be asked about.
    """
    reference = decide.check_reference(reference)

    def intend(locked: LockedPayments, payment: Payment, now: datetime) -> list[Change]:
        amount_minor = decide.minor_in(payment.currency, amount) or 0
        if reference is not None and any(
            one.reference == reference and one.kind is TransactionKind.CAPTURE
            for one in locked.transactions_of(payment.id)
        ):
            raise InvalidInput("money with this reference is recorded already", "reference")
        paid, made = decide.record(payment, amount_minor, reference, now)
        return [Change(paid, one) for one in made]

    return await _change(context, "paymentRecord", payment_id, intend, key, [_facts(amount), reference])


async def refund_order(
    context: ServiceContext,
    ref: OrderRef,
    amount: Amount,
    reason: str,
    expected_version: int | None,
    key: str,
) -> Refunded:
    """Refund an amount over all payments of an order, last taken first, gift cards and store credit last.

    Raises NotFound, InvalidInput, AmountTooLarge and VersionConflict.
    """
    require(context.actor, Permission.PAYMENTS_WRITE)
    reason = order_rules.check_reason(reason)
    order_id = await orders.named_id(context, ref)
    claim = _claim(context, "orderRefund", key, [str(order_id), _facts(amount), reason, expected_version])

    def intend(locked: LockedPayments, now: datetime) -> list[Change]:
        check_version(locked.order.version, expected_version)
        currency = locked.order.currency
        wanted = decide.minor_in(currency, amount) or 0
        return decide.refund_of(locked.payments, currency, wanted, reason, now)

    intended = None
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is None:
            locked = await rows.lock(transaction.connection, order_id=order_id)
            if locked is None:
                raise NotFound("there is no such order", "ref")
            intended = await _write(context, transaction, locked, intend(locked, transaction.now))
    if intended is None:
        return await _order_replayed(context, order_id, stored or {})
    recorded = await payment_calls.carry_out(context, *intended)
    return Refunded(recorded.order, _asked(recorded, intended.changes))


async def _change(
    context: ServiceContext, operation: str, payment_id: UUID, intend: Intend, key: str, request: list[Any]
) -> Changed:
    require(context.actor, Permission.PAYMENTS_WRITE)
    claim = _claim(context, operation, key, [str(payment_id), *request])
    intended = None
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is None:
            locked = await rows.lock(transaction.connection, payment_id=payment_id)
            if locked is None:
                raise NotFound("no payment of an order has this id", "id")
            changes = intend(locked, locked.payment(payment_id), transaction.now)
            intended = await _write(context, transaction, locked, changes)
    if intended is None:
        return await _replayed(context, payment_id, stored or {})
    recorded = await payment_calls.carry_out(context, *intended)
    payment = next(one for one in recorded.payments if one.id == payment_id)
    return Changed(payment, _asked(recorded, intended.changes))


async def _write(
    context: ServiceContext, transaction: Transaction, locked: LockedPayments, changes: Sequence[Change]
) -> _Intended:
    order = await payment_facts.write(context, transaction, locked.order, locked.payments, changes)
    transaction.answer({"transactions": [str(change.transaction.id) for change in changes]})
    return _Intended(order, decide.replaced(locked.payments, changes), changes)


async def _replayed(context: ServiceContext, payment_id: UUID, stored: dict[str, Any]) -> Changed:
    async with context.read() as connection:
        payment = (await payment_rows.by_ids(connection, [payment_id]))[payment_id]
        found = await rows.by_ids(connection, [UUID(one) for one in stored["transactions"]])
    return Changed(payment, tuple(found[UUID(one)] for one in stored["transactions"]))


async def _order_replayed(context: ServiceContext, order_id: UUID, stored: dict[str, Any]) -> Refunded:
    async with context.read() as connection:
        order = (await order_rows.by_ids(connection, [order_id]))[order_id]
        found = await rows.by_ids(connection, [UUID(one) for one in stored["transactions"]])
    return Refunded(order, tuple(found[UUID(one)] for one in stored["transactions"]))


def _asked(recorded: Recorded, changes: Sequence[Change]) -> tuple[PaymentTransaction, ...]:
    now_are = {one.id: one for one in recorded.transactions}
    return tuple(now_are.get(one.transaction.id, one.transaction) for one in changes)


def _claim(context: ServiceContext, operation: str, key: str, request: list[Any]) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)


def _facts(amount: Amount | None) -> list[str] | None:
    return None if amount is None else [str(amount.amount), amount.currency]
