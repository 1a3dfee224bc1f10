"""Making entries of the ledger of money from orders and payments; reading is in `ledger_reports.py`.

They are entered with `transaction.post(...)` and written by the statement that ends the
transaction: so each movement of money is in the books exactly if it is on record.
"""

from collections.abc import Sequence
from uuid import UUID

from domain import ledger_rules as decide
from domain.ledger import About, Entry, EntryKind, Position, position_of
from domain.orders import Order
from domain.payment_changes import Change
from domain.payments import Payment, TransactionKind, TransactionStatus
from domain.stored_values import PROVIDERS, StoredValue
from persistence import ledger as rows
from services.context import Transaction

_BACK = {TransactionKind.REFUND: decide.refunded, TransactionKind.CHARGEBACK: decide.charged_back}


def placed(order: Order) -> Entry | None:
    """Return the entry of an order that is placed: it is owed, and sold."""
    return decide.order_placed(_about(order), order)


def edited(before: Order, after: Order, edit_id: UUID) -> Entry | None:
    """Return the entry of an order's edit, which `edit_id` names: the difference."""
    return decide.order_edited(_about(after), edit_id, before, after)


async def ended(transaction: Transaction, order: Order, kind: EntryKind) -> Entry | None:
    """Return the entry that takes a canceled, rejected or expired order back (one statement).

    None for an imported order: it was not booked, and a refund of it is no part of a sale that is undone.
    """
    if order.imported:
        return None
    return decide.order_ended(_about(order), kind, await position(transaction, order.id))


async def moved(transaction: Transaction, order: Order, changes: Sequence[Change]) -> None:
    """Post every settled movement among changes of a locked order's payments.

    One statement where money was given or taken back, since that depends on what the customer is owed.
    """
    stored: Position | None = None
    for change in changes:
        payment, movement = change.payment, change.transaction
        if movement.status is not TransactionStatus.SUCCEEDED:
            continue
        about, amount_minor = _about(order, payment), movement.amount_minor
        if movement.kind is TransactionKind.CAPTURE:
            transaction.post(decide.captured(about, movement.id, amount_minor, payment.provider))
        elif movement.kind in _BACK:
            if stored is None:
                stored = await rows.position(transaction.connection, order.id)
            current = _with_pending(stored, transaction, order.id)
            make = _BACK[movement.kind]
            transaction.post(make(about, movement.id, amount_minor, payment.provider, current))


async def credited(transaction: Transaction, order: Order, issue_id: UUID, amount_minor: int) -> None:
    """Post what is given back of a locked order as store credit, which `issue_id` names (one statement)."""
    current = await position(transaction, order.id)
    transaction.post(decide.credited(_about(order), issue_id, amount_minor, current))


def value_issued(value: StoredValue, issue_id: UUID, amount_minor: int) -> Entry | None:
    """Return the entry of a gift card or store credit that staff give out, which `issue_id` names."""
    return decide.value_issued(_of_value(value), issue_id, amount_minor, PROVIDERS[value.kind])


def value_adjusted(value: StoredValue, change_id: UUID, amount_minor: int) -> Entry | None:
    """Return the entry of a correction of store credit by hand, above or below zero."""
    return decide.value_adjusted(_of_value(value), change_id, amount_minor, PROVIDERS[value.kind])


def value_expired(value: StoredValue, expiry_id: UUID, amount_minor: int) -> Entry | None:
    """Return the entry of what could not be spent in time; one that gets money back expires again."""
    return decide.value_expired(_of_value(value), expiry_id, amount_minor, PROVIDERS[value.kind])


async def position(transaction: Transaction, order_id: UUID) -> Position:
    """Return what an order's entries make of each account, those of this transaction too.

    Call it with the order's lock held: whoever posts for it holds it.
    """
    stored = await rows.position(transaction.connection, order_id)
    return _with_pending(stored, transaction, order_id)


def _with_pending(stored: Position, transaction: Transaction, order_id: UUID) -> Position:
    """Add what the transaction has posted for an order and not written yet."""
    found = dict(stored)
    pending = [entry for entry in transaction.entries if entry.order_id == order_id]
    for account, amount_minor in position_of(pending).items():
        found[account] = found.get(account, 0) + amount_minor
    return found


def _of_value(value: StoredValue) -> About:
    return About(None, value.currency)


def _about(order: Order, payment: Payment | None = None) -> About:
    return About(order.channel_id, order.currency, order.id, payment.id if payment else None)
