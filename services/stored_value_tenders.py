"""Paying with stored values: nobody outside is asked.

What pays is taken in the transaction that secures the stock, and given back by the one that gives the
cart, or the order's stock, back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import stored_values as decide
from domain.checkouts import Checkout
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.payment_changes import Change
from domain.payments import Payment, PaymentStatus, TransactionKind
from domain.stored_values import Use
from persistence import stored_value_tenders as rows
from persistence.stored_value_tenders import GivenBack, Moved, Tender
from services.context import Transaction

_GIVES_BACK = {TransactionKind.REFUND, TransactionKind.VOID}


@dataclass(frozen=True, slots=True)
class Tenders:
    """How a checkout is paid: what is taken from balances, and the one payment whose answer decides.

    That is what is left for the provider; where nothing is, it is the last of what was taken.
    """

    checkout: Checkout
    payment: Payment
    taken: Sequence[Tender] = ()


async def lock(transaction: Transaction, checkout: Checkout) -> list[Use]:
    """Lock what a locked cart is to be paid with, before any stock; return what to take of each.

    Raises GiftCardUnusable and InsufficientBalance when less is left than the shopper was told.
    """
    if not checkout.has_stored_values:
        return []
    applied = await rows.lock_applied(transaction.connection, checkout.cart_id)
    return decide.tenders(applied, checkout.total_minor, transaction.now)


def divide(checkout: Checkout, uses: Sequence[Use], provider: str, method: str) -> Tenders:
    """Return how a checkout is paid with `uses` and, for what they leave, with a provider."""
    taken = [Tender(use.applied.value.id, _payment(use), new_id()) for use in uses]
    rest_minor = checkout.total_minor - sum(use.amount_minor for use in uses)
    if taken and not rest_minor:
        *others, last = taken
        lead = replace(last.payment, status=PaymentStatus.PENDING, authorized_minor=0)
        return Tenders(
            replace(checkout, tenders=tuple(one.payment for one in others)),
            lead,
            [*others, replace(last, payment=lead, transaction_id=None)],
        )
    payment = Payment(new_id(), provider, method, PaymentStatus.PENDING, checkout.currency, rest_minor)
    return Tenders(replace(checkout, tenders=tuple(one.payment for one in taken)), payment, taken)


async def take(transaction: Transaction, tenders: Tenders) -> None:
    """Take what `lock` found from its balances, once the intent of the deciding payment is written."""
    if not tenders.taken:
        return
    moved = await rows.take(
        transaction.connection,
        tenders.checkout.cart_id,
        tenders.taken,
        actor=transaction.actor,
        now=transaction.now,
    )
    _tell(transaction, "StoredValueSpent", moved)


async def release(transaction: Transaction, payment: Payment, checkout: Checkout) -> None:
    """Give back all that was taken for a checkout that came to nothing, with its cart's lock.

    `payment` is the one that decided: it goes back too where it was taken from a balance. Call it once:
    in the transaction that settles that payment.
    """
    taken = [*checkout.tenders, *([payment] if decide.is_stored_value(payment) else [])]
    await _give_back(transaction, [GivenBack(one.id, one.amount_minor, voided_by=new_id()) for one in taken])


async def lock_taken(connection: AsyncConnection, changes: Sequence[Change]) -> None:
    """Lock the balances that `give_back` will put something on, for who has to lock stock before that."""
    paid = [change.payment.id for change in changes if decide.is_stored_value(change.payment)]
    if paid:
        await rows.lock_taken(connection, paid)


async def give_back(transaction: Transaction, changes: Sequence[Change]) -> None:
    """Put what is refunded or voided of payments back on the balances that they were taken from.

    Only balances and their movements are written: payments and their transactions are the caller's, in the
    same transaction, with the order's lock and before any stock level is locked. What is asked of
    providers is left alone. Raises ValueError where less was taken than is to go back.
    """
    await _give_back(
        transaction,
        [
            GivenBack(change.payment.id, change.transaction.amount_minor)
            for change in changes
            if decide.is_stored_value(change.payment)
            and change.transaction.kind in _GIVES_BACK
            and change.transaction.amount_minor
        ],
    )


async def _give_back(transaction: Transaction, given: Sequence[GivenBack]) -> None:
    if not given:
        return
    moved = await rows.give_back(transaction.connection, given, actor=transaction.actor, now=transaction.now)
    if sum(one.amount_minor for one in moved) != sum(one.amount_minor for one in given):
        # A defect, and never a reason to make money: the transaction is undone.
        raise ValueError("less was taken from a balance than is to go back to it")
    _tell(transaction, "StoredValueReturned", moved)


def _payment(use: Use) -> Payment:
    value = use.applied.value
    return Payment(
        new_id(),
        decide.PROVIDERS[value.kind],
        decide.METHOD,
        PaymentStatus.AUTHORIZED,
        value.currency,
        use.amount_minor,
        use.amount_minor,
        reference=str(value.id),
    )


def _tell(transaction: Transaction, kind: str, moved: Sequence[Moved]) -> None:
    transaction.emit(
        *(
            Event(
                kind=kind,
                aggregate="stored_value",
                aggregate_id=one.id,
                version=one.version,
                occurred_at=transaction.now,
                payload={
                    "kind": one.kind.value,
                    "amountMinor": one.amount_minor,
                    "balanceMinor": one.balance_minor,
                    "currency": one.currency,
                },
            )
            for one in moved
        )
    )
