"""What customers are told of their claims: each step once, with what comes of it or why not."""

from uuid import uuid4

from domain.claims import Claim, ClaimKind, ClaimOutcome
from domain.notifications import NotificationKind
from domain.orders import Order
from persistence.database import Database
from providers.messages.rendering import Renderer
from services import claims, notifications
from services.access import SYSTEM
from services.claims import Wanted
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop, till
from tests.mail_server import mail_server
from tests.notices import note_all, notices, post
from tests.sent_back import arrived_order, desk, let_return, lines_of, shopper
from tests.shipping import parts_of

K = NotificationKind


async def claim(
    database: Database, order: Order, kind: ClaimKind, wish: ClaimOutcome, photos: tuple[str, ...] = ()
) -> Claim:
    """Let the shopper claim a unit of the order's only parcel."""
    context, ref = shopper(database, order)
    line = (await lines_of(database, order.id))[0]
    parcel = (await parts_of(database, order.id)).shipments[0]
    wanted = Wanted(parcel.id, kind, wish, [(line.id, 1)], None, photos)
    return await claims.create(context, ref, wanted, str(uuid4()))


async def told(database: Database, order: Order) -> list[K]:
    """Return what the customer was told of claims and returns, after every event was read twice."""
    for _ in range(2):
        await note_all(database)
    return [one.kind for one in await notices(database, order) if one.kind.value.startswith(("CLAIM", "RET"))]


async def said(database: Database, order: Order, kind: K, locale: str | None = None) -> str:
    """Return the text of a letter of the order's newest claim."""
    return (
        Renderer()
        .render(await notifications.preview(till(database, SYSTEM), order.number, kind, locale))
        .text
    )


async def test_a_claim_that_waits_and_what_becomes_of_it_is_told_once(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 20)
    order = await arrived_order(database, 2, shop=shop)
    granted = await claim(database, order, ClaimKind.DAMAGED, ClaimOutcome.RESHIP)
    assert await told(database, order) == [K.CLAIM_RECEIVED]
    await claims.approve(desk(database), granted.id, None, None, "by telephone", None, str(uuid4()))
    assert await told(database, order) == [K.CLAIM_RECEIVED, K.CLAIM_APPROVED]
    text = await said(database, order, K.CLAIM_APPROVED)
    assert f"Claim number: {granted.number}" in text
    assert "sending these items to you again" in text
    assert (await lines_of(database, order.id))[0].name in text
    assert "by telephone" not in text

    refused = await claim(database, order, ClaimKind.DAMAGED, ClaimOutcome.RESHIP)
    await claims.decline(desk(database), refused.id, "Your picture shows another mug.", None)
    assert (await told(database, order))[2:] == [K.CLAIM_RECEIVED, K.CLAIM_DECLINED]
    assert "Your picture shows another mug." in await said(database, order, K.CLAIM_DECLINED)
    async with mail_server() as server:
        await notifications.send_due(post(database, server))
    subjects = [str(one["Subject"]) for one in server.messages if "claim" in str(one["Subject"])]
    assert sorted(subjects) == sorted(
        [f"We have received your claim for order {order.number}"] * 2
        + [
            f"Your claim for order {order.number} is approved",
            f"About your claim for order {order.number}",
        ]
    )


async def test_a_claim_that_is_paid_back_is_told_with_its_money(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    await claim(database, order, ClaimKind.DAMAGED, ClaimOutcome.REFUND, ("https://x.example/broken.jpg",))
    assert await told(database, order) == [K.CLAIM_APPROVED, K.RETURN_REFUNDED]
    assert "We are refunding these items" in await said(database, order, K.CLAIM_APPROVED)


async def test_a_machines_decline_of_a_claim_says_why_in_the_customers_words(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    await run_sql(
        database,
        "UPDATE shipments SET status = 'IN_TRANSIT', delivered_at = NULL WHERE order_id = :id RETURNING id",
        id=order.id,
    )
    await claim(database, order, ClaimKind.DAMAGED, ClaimOutcome.RESHIP)
    assert await told(database, order) == [K.CLAIM_DECLINED]
    assert "Das Paket ist noch nicht bei Ihnen angekommen." in await said(
        database, order, K.CLAIM_DECLINED, "de"
    )
