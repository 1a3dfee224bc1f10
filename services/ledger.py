"""Making entries of the ledger of money from orders and payments; reading is in `ledger_reports.py`.

They are entered with `transaction.post(...)` and written by the statement that ends the
transaction: so each movement of money is in the books exactly if it is on record.
"""

from uuid import UUID

from domain import ledger as decide
from domain.ledger import About, Entry, EntryKind, Position
from domain.orders import Order
from domain.payments import Payment
from persistence import ledger as rows
from services.context import Transaction


def placed(order: Order) -> Entry | None:
    """Return the entry of an order that is placed: it is owed, and sold."""
    return decide.order_placed(_about(order), order.totals)


def edited(before: Order, after: Order, edit_id: UUID) -> Entry | None:
    """Return the entry of an order's edit, which `edit_id` names: the difference."""
    return decide.order_edited(_about(after), edit_id, before.totals, after.totals)


async def ended(transaction: Transaction, order: Order, kind: EntryKind) -> Entry | None:
    """Return the entry that takes a canceled, rejected or expired order back (one statement)."""
    return decide.order_ended(_about(order), kind, await position(transaction, order.id))


def captured(order: Order, payment: Payment, transaction_id: UUID, amount_minor: int) -> Entry | None:
    """Return the entry of a capture, or of gift card or store credit that was spent."""
    return decide.captured(_about(order, payment), transaction_id, amount_minor, payment.provider)


async def refunded(
    transaction: Transaction, order: Order, payment: Payment, transaction_id: UUID, amount_minor: int
) -> Entry | None:
    """Return the entry of a refund, or of gift card or store credit given back (one statement)."""
    found = await position(transaction, order.id)
    return decide.refunded(_about(order, payment), transaction_id, amount_minor, payment.provider, found)


async def charged_back(
    transaction: Transaction, order: Order, payment: Payment, transaction_id: UUID, amount_minor: int
) -> Entry | None:
    """Return the entry of a chargeback (one statement)."""
    found = await position(transaction, order.id)
    return decide.charged_back(_about(order, payment), transaction_id, amount_minor, payment.provider, found)


async def position(transaction: Transaction, order_id: UUID) -> Position:
    """Return what an order's entries make of each account, those of this transaction too.

    Call it with the order's lock held: whoever posts for it holds it.
    """
    found = dict(await rows.position(transaction.connection, order_id))
    pending = [entry for entry in transaction.entries if entry.order_id == order_id]
    for account, amount_minor in decide.position_of(pending).items():
        found[account] = found.get(account, 0) + amount_minor
    return found


def _about(order: Order, payment: Payment | None = None) -> About:
    return About(order.channel_id, order.currency, order.id, payment.id if payment else None)
