"""When money that is reserved is taken, by the channel's policy: as an order opens or as parcels leave."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain import payment_changes as decide
from domain.channels import CapturePolicy
from domain.kernel.errors import NotFound
from domain.order_edits import untaken_minor
from domain.orders import Order, OrderFulfillmentStatus, OrderLine, OrderStatus
from domain.payment_changes import Change
from domain.payments import OWN_TENDERS, Payment
from domain.shipment_worth import to_capture_minor
from persistence import payment_changes as rows
from services import payment_calls, payment_facts
from services.context import ServiceContext, Transaction
from services.payment_facts import Recorded


def at_opening(
    policy: CapturePolicy,
    order: Order,
    payments: Sequence[Payment],
    now: datetime,
    most_minor: int | None = None,
) -> list[Change]:
    """Return the intents to capture an order that is placed, or approved, in a channel that then captures.

    No more than `most_minor`, where an order has changed since it was placed.
    Gift cards and store credit are captured then in any channel: what they pay is off their balance already.
    """
    if order.status is not OrderStatus.OPEN:
        return []
    if policy is not CapturePolicy.AT_PLACEMENT:
        payments = [one for one in payments if one.provider in OWN_TENDERS]
    return decide.capture_of(payments, most_minor, now)


def at_the_end(
    policy: CapturePolicy,
    order: Order,
    lines: Sequence[OrderLine],
    payments: Sequence[Payment],
    now: datetime,
) -> list[Change]:
    """Return the intents to capture what is left to take of an order of which all has left, without a parcel.

    Shares are rounded anew by each edit: what was taken with the parcels may be less by a few minor units.
    """
    all_left = {OrderFulfillmentStatus.FULFILLED, OrderFulfillmentStatus.DELIVERED}
    if policy is not CapturePolicy.AT_SHIPMENT or order.fulfillment_status not in all_left:
        return []
    most = untaken_minor(order.cost_minor, payments)
    return decide.capture_of(payments, min(to_capture_minor(order, lines, payments), most), now)


async def intend_for_shipment(
    context: ServiceContext,
    transaction: Transaction,
    order: Order,
    payments: Sequence[Payment],
    policy: CapturePolicy,
    amount_minor: int,
) -> tuple[Order, list[Change]]:
    """Write, in the transaction that ships, the intents to capture what is shipped: `amount_minor`.

    Nothing where the channel captures at another time, and less where less is reserved: what is paid later
    or was captured before. `payment_calls.carry_out` asks for them after the commit, or else the sweep.
    """
    if policy is not CapturePolicy.AT_SHIPMENT or amount_minor <= 0:
        return order, []
    most = untaken_minor(order.cost_minor, payments)
    changes = decide.capture_of(payments, min(amount_minor, most), transaction.now)
    if not changes:
        return order, []
    return await payment_facts.write(context, transaction, order, payments, changes), changes


async def capture_for_shipment(context: ServiceContext, order_id: UUID, amount_minor: int) -> Recorded:
    """Capture what a shipment of an order is worth, in minor units, if its channel captures at shipment.

    Each call captures anew: who ships writes the intent with the shipment (`intend_for_shipment`), so that
    it is done once. Raises NotFound.
    """
    async with context.transaction() as transaction:
        locked = await rows.lock(transaction.connection, order_id=order_id)
        if locked is None:
            raise NotFound("there is no such order", "id")
        order, changes = await intend_for_shipment(
            context, transaction, locked.order, locked.payments, locked.capture_policy, amount_minor
        )
    after = decide.replaced(locked.payments, changes)
    return await payment_calls.carry_out(context, order, after, changes)
