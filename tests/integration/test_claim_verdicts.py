"""What claims are judged by: who has the money back, or was refused before, is looked at."""

from datetime import UTC, datetime, timedelta

from domain.claim_verdicts import ClaimCheck
from domain.claims import ClaimKind, ClaimOutcome, ClaimStatus
from domain.fulfillment import HoldKind
from domain.orders import Order
from persistence.database import Database
from services import claim_cancellations, claims, order_holds, payment_changes
from services.access import SYSTEM
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop, till
from tests.claimed import PICTURE, checks_of, claim, let_be_lost
from tests.sent_back import arrived_order, deliver, desk, let_return
from tests.shipping import fulfill, part_at, parts_of, placed_order

DAMAGED, LOST = ClaimKind.DAMAGED, ClaimKind.LOST_IN_TRANSIT


async def test_a_parcel_that_was_handed_over_today_is_not_lost_however_old_its_label(
    database: Database,
) -> None:
    await let_return(database)
    order = await arrived_order(database, 1)
    await let_be_lost(database, order, days=0.1)
    long_ago = datetime.now(UTC) - timedelta(days=11)
    await run_sql(database, "UPDATE shipments SET told_at = :at RETURNING id", at=long_ago)
    assert (await claim(database, order, 1, LOST)).status is ClaimStatus.DECLINED
    await let_be_lost(database, order, days=20, status="AVAILABLE_FOR_PICKUP")
    waits = await claim(database, order, 1, LOST)
    assert waits.status is ClaimStatus.REQUESTED
    await claim_cancellations.cancel(desk(database), None, waits.id, "it was there", None)
    # Of a parcel that no carrier tells of, silence says nothing.
    await let_be_lost(database, order, days=20)
    await run_sql(database, "UPDATE shipments SET told_at = NULL RETURNING id")
    unknown = await claim(database, order, 1, LOST)
    assert (unknown.status, ClaimCheck.NOTHING_KNOWN in checks_of(unknown)) == (ClaimStatus.REQUESTED, True)


async def test_who_was_declined_by_staff_is_not_granted_the_same_with_a_picture(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 1)
    waiting = await claim(database, order, 1, DAMAGED)
    await claims.decline(desk(database), waiting.id, "it is not broken", None)
    again = await claim(database, order, 1, DAMAGED, photos=PICTURE)
    assert again.status is ClaimStatus.REQUESTED, again.verdict


async def test_who_has_the_money_back_or_asks_for_it_elsewhere_is_sent_nothing_unseen(
    database: Database,
) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    refunded, disputed = [await arrived_order(database, 1, shop=shop) for _ in range(2)]
    await run_sql(database, "UPDATE orders SET email = 'eve@example.com' WHERE id = :id", id=disputed.id)
    (payment,) = (await parts_of(database, refunded.id)).payments
    await payment_changes.refund(desk(database), payment.id, None, "goodwill", "goodwill")
    (payment,) = (await parts_of(database, disputed.id)).payments
    await run_sql(
        database,
        "UPDATE sandbox_charges SET dispute = 'OPEN' WHERE reference = :reference",
        reference=payment.reference,
    )
    doubtful = await _held_in_part(database)
    asked = []
    for order in (refunded, disputed, doubtful):
        made = await claim(database, order, 1, DAMAGED, photos=PICTURE)
        assert (made.status, made.wish) == (ClaimStatus.REQUESTED, ClaimOutcome.RESHIP), made.verdict
        asked.append(checks_of(made))
    reasons = [ClaimCheck.NOT_PAID, ClaimCheck.DISPUTED, ClaimCheck.ORDER_ON_HOLD]
    assert all(reason in found for reason, found in zip(reasons, asked, strict=True))


async def _held_in_part(database: Database) -> Order:
    """Return an order of which one unit arrived, and the other is held back."""
    order = await placed_order(database, 1, 1)
    clerk = till(database, SYSTEM)
    await fulfill(clerk, await part_at(database, order.id))
    await deliver(database, order.id)
    await run_sql(database, "UPDATE orders SET email = 'bob@example.com' WHERE id = :id", id=order.id)
    other = await part_at(database, order.id, 1)
    await order_holds.add(clerk, other.id, HoldKind.HIGH_RISK_OF_FRAUD, None, None, "doubt")
    return order
