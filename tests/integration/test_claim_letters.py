"""What customers are told of their claims: each step once, and what is done."""

from uuid import uuid4

from domain.claims import Claim, ClaimKind, ClaimOutcome
from domain.message_ports import Rendered
from domain.notifications import NotificationKind
from domain.orders import Order
from persistence.database import Database
from providers.messages.rendering import Renderer
from services import claim_cancellations, claims, notifications
from services.access import SYSTEM, Permission
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop, till
from tests.claimed import PICTURE, approve, claim, let_be_lost
from tests.factories import make_app
from tests.mail_server import mail_server
from tests.notices import note_all, notices, post
from tests.sent_back import arrived_order, desk, let_return, lines_of

K = NotificationKind
LOST = ClaimKind.LOST_IN_TRANSIT


async def test_each_step_of_a_claim_is_told_once_with_what_is_done(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 3)
    await let_be_lost(database, order, days=1)
    early = await claim(database, order, 1, LOST)
    assert await _told(database, order, early) == [K.CLAIM_DECLINED]
    assert "ist zu Ihnen unterwegs" in await _html(database, order, K.CLAIM_DECLINED, "de")
    await let_be_lost(database, order, days=11)
    lost = await claim(database, order, 1, LOST)
    assert await _told(database, order, lost) == [K.CLAIM_APPROVED]
    html = await _html(database, order, K.CLAIM_APPROVED)
    assert "We are sending these items to you again" in html
    assert lost.number in html
    waits = await claim(database, order, 1, LOST)
    await claims.decline(desk(database), waits.id, "It is <b>fine</b>.", None)
    assert await _told(database, order, waits) == [K.CLAIM_RECEIVED, K.CLAIM_DECLINED]
    assert "It is &lt;b&gt;fine&lt;/b&gt;." in await _html(database, order, K.CLAIM_DECLINED)


async def test_what_staff_write_goes_to_the_customer_only_with_a_decline(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 2, shop=await make_stocked_shop(database, 20))
    granted = await claim(database, order, 1, ClaimKind.DAMAGED)
    await claims.approve(desk(database), granted.id, None, None, "by telephone", None, str(uuid4()))
    assert await _told(database, order, granted) == [K.CLAIM_RECEIVED, K.CLAIM_APPROVED]
    text = (await _rendered(database, order, K.CLAIM_APPROVED)).text
    assert (await lines_of(database, order.id))[0].name in text
    assert "by telephone" not in text
    async with mail_server() as server:
        await notifications.send_due(post(database, server))
    subjects = {str(one["Subject"]) for one in server.messages}
    assert f"We have received your claim for order {order.number}" in subjects
    assert f"Your claim for order {order.number} is approved" in subjects


async def test_a_claim_that_is_paid_back_is_told_with_its_money(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    await claim(database, order, 1, ClaimKind.DAMAGED, ClaimOutcome.REFUND, photos=PICTURE)
    await note_all(database)
    told = [one.kind for one in await notices(database, order)]
    assert told[-2:] == [K.CLAIM_APPROVED, K.RETURN_REFUNDED]
    assert "We are refunding these items" in await _html(database, order, K.CLAIM_APPROVED)


async def test_a_decline_says_that_the_parcel_is_not_there_yet(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    await run_sql(
        database,
        "UPDATE shipments SET status = 'IN_TRANSIT', delivered_at = NULL WHERE order_id = :id RETURNING id",
        id=order.id,
    )
    early = await claim(database, order, 1, ClaimKind.DAMAGED)
    assert await _told(database, order, early) == [K.CLAIM_DECLINED]
    assert "noch nicht bei Ihnen angekommen" in await _html(database, order, K.CLAIM_DECLINED, "de")


async def test_of_a_refund_that_is_withdrawn_the_customer_is_told_once(database: Database) -> None:
    await let_return(database, auto_refund_most_minor=0)
    order = await arrived_order(database, 1)
    waits = await claim(database, order, 1, ClaimKind.DAMAGED, ClaimOutcome.REFUND, photos=PICTURE)
    clerk = till(database, make_app(Permission.RETURNS_READ, Permission.RETURNS_WRITE))
    await approve(database, waits, context=clerk)
    await claim_cancellations.cancel(desk(database), None, waits.id, "it was found", None)
    assert await _told(database, order, waits) == [K.CLAIM_RECEIVED, K.CLAIM_APPROVED, K.CLAIM_CANCELED]
    assert K.RETURN_CANCELED not in [one.kind for one in await notices(database, order)]


async def _told(database: Database, order: Order, found: Claim) -> list[K]:
    """Return what the customer was told of a claim, after every event was read twice."""
    for _ in range(2):
        await note_all(database)
    return [one.kind for one in await notices(database, order) if one.claim_id == found.id]


async def _html(database: Database, order: Order, kind: K, locale: str | None = None) -> str:
    return (await _rendered(database, order, kind, locale)).html


async def _rendered(database: Database, order: Order, kind: K, locale: str | None = None) -> Rendered:
    said = await notifications.preview(till(database, SYSTEM), order.number, kind, locale)
    return Renderer().render(said)
