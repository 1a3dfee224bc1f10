"""What customers are told of their returns: each step once, with what they have to do and what they get."""

from email.message import EmailMessage

from domain.catalog import VariantRef
from domain.notifications import NotificationKind, NotificationState
from domain.orders import Order
from domain.return_requests import AskedLine
from domain.returns import Disposition, Grade, Return, ReturnReason, ReturnStatus, ReturnWish
from persistence.database import Database
from providers.messages.rendering import Renderer
from services import notifications, return_settlement, returns
from services.access import SYSTEM
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop, till
from tests.factories import give_stock, make_variant
from tests.mail_server import mail_server
from tests.notices import note_all, notices, post, set_row, tell
from tests.payments import Refuses
from tests.sent_back import arrived_order, ask_for, bring_back, desk, let_return, lines_of, look_at, shopper
from tests.shipping import order_of
from tests.ways_back import sent_by_sandbox, with_label

K = NotificationKind


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\xa0", " ")


async def _preview(database: Database, order: Order, kind: K) -> str:
    said = await notifications.preview(till(database, SYSTEM), order.number, kind, None)
    return Renderer().render(said).text.replace("\xa0", " ").replace("USD ", "$").replace("US$", "$")


async def told(database: Database, found: Return) -> list[K]:
    """Return what the customer was told of a return, after every event was read twice."""
    for _ in range(2):
        await note_all(database)
    order = await order_of(database, found.order_id)
    return [one.kind for one in await notices(database, order) if one.return_id == found.id]


async def test_every_step_of_a_return_is_told_once_and_its_money_not_twice(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 20)
    order = await sent_by_sandbox(database, shop=shop)
    found = await with_label(database, order, 2)
    async with mail_server() as server:
        assert await told(database, found) == [K.RETURN_APPROVED]
        await notifications.send_due(post(database, server))
        here = await bring_back(database, found, shop.locations[0].code)
        done = await look_at(database, here)
        assert done.status is ReturnStatus.CLOSED

        assert await told(database, found) == [K.RETURN_APPROVED, K.RETURN_ARRIVED, K.RETURN_REFUNDED]
        all_told = [one.kind for one in await notices(database, order)]
        assert K.ORDER_REFUNDED not in all_told, "the return tells of it"
        sent = await notifications.send_due(post(database, server))
    assert sent == {NotificationState.SENT: 2}
    assert len(server.messages) == len(all_told)
    approved, refunded = (
        next(one for one in server.messages if word in one["Subject"]) for word in ("approved", "Refund")
    )
    text, paid = (_text(one) for one in (approved, refunded))
    assert f"Return number: {found.number}" in text
    assert "Please print the label, which is attached to this message" in text
    (label,) = approved.iter_attachments()
    assert (label.get_content_type(), label.get_filename()) == (
        "application/pdf",
        f"return-{found.number}.pdf",
    )
    (kept,) = await run_sql(database, "SELECT document FROM return_parcels")
    assert label.get_content() == kept.document
    assert list(refunded.iter_attachments()) == []
    for word in ("Drop-off code: ", "Tracking number: SB", "To arrive by: ", "Send it to", "Lagerstr. 1"):
        assert word in text
    assert f"USD {done.refund_minor / 100:.2f}" in paid.replace("\xa0", " ").replace("$", "USD ")
    assert "The way you paid: " in paid


async def test_a_label_that_follows_or_is_too_large_stops_no_letter(database: Database) -> None:
    await let_return(database)
    order = await sent_by_sandbox(database)
    large = await with_label(database, order)
    await set_row(
        database,
        "UPDATE return_parcels SET document = convert_to(repeat('x', 1000001), 'UTF8') WHERE return_id = :id",
        id=large.id,
    )
    await run_sql(database, "UPDATE shipments SET service_code = 'PIGEON' RETURNING id")
    follows = await with_label(database, order)
    assert await told(database, follows) == [K.RETURN_APPROVED]
    async with mail_server() as server:
        await notifications.send_due(post(database, server))
    approved = [one for one in server.messages if "approved" in one["Subject"]]
    assert all(list(one.iter_attachments()) == [] for one in approved)
    texts = {number: _text(one) for one in approved for number in (large.number, follows.number)
             if number in _text(one)}  # fmt: skip
    assert "Please print the label, which you find with your order" in texts[large.number]
    assert "We are getting the label for your parcel ready" in texts[follows.number]
    for promised in ("To arrive by", "Send it to", "Drop-off code", "print"):
        assert promised not in texts[follows.number]


async def test_a_refund_that_is_refused_and_an_exchange_that_is_sold_out_are_told(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 2)
    order = await arrived_order(database, shop=shop)
    found = await ask_for(database, order, wish=ReturnWish.EXCHANGE)
    assert K.RETURN_EXCHANGE_UNAVAILABLE in await told(database, found)
    refusing = {"sandbox": Refuses(database.engine)}
    here = await bring_back(database, found, shop.locations[0].code)
    await look_at(database, here, payment_providers=refusing)
    assert (await told(database, found))[-1] is K.RETURN_REFUND_DELAYED


async def test_of_an_exchange_whose_rest_was_refused_what_was_given_is_told(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, shop=shop)
    cheaper = await make_variant(database, shop.channel, price="4")
    await give_stock(database, cheaper, shop.locations[0], 5)
    context, ref = shopper(database, order)
    (line,) = await lines_of(database, order.id)
    asked = AskedLine(line.id, 1, ReturnReason.SIZE, exchange_for=VariantRef(id=cheaper.id))
    found = await returns.request(context, ref, [asked], ReturnWish.EXCHANGE, None, "exchange")
    here = await bring_back(database, found, shop.locations[0].code)
    seen = await look_at(database, here, payment_providers={"sandbox": Refuses(database.engine)})
    delayed = await _preview(database, order, K.RETURN_REFUND_DELAYED)
    assert "your refund of $6.00 could not be paid out" in delayed

    await return_settlement.reject(desk(database), seen.id, "We gave the rest at the till.", None)
    assert (await told(database, found))[-1] is K.RETURN_REFUNDED
    ended = await _preview(database, order, K.RETURN_REFUNDED)
    assert "What it brings, $4.00, goes towards what you get instead." in ended
    assert "We gave the rest at the till." in ended
    assert "The way you paid" not in ended
    assert "your bank" not in ended


async def test_what_is_kept_as_store_credit_is_told_with_its_bonus(database: Database) -> None:
    await let_return(database, credit_bonus=100_000)
    shop = await make_stocked_shop(database, 20)
    order = await arrived_order(database, shop=shop)
    found = await ask_for(database, order, wish=ReturnWish.STORE_CREDIT)
    done = await look_at(database, await bring_back(database, found, shop.locations[0].code))
    assert (done.credit_minor, done.bonus_minor) == (1000, 100)
    assert (await told(database, found))[-1] is K.RETURN_REFUNDED
    async with mail_server() as server:
        await notifications.send_due(post(database, server))
    credited = next(one for one in server.messages if "Store credit" in one["Subject"])
    text = _text(credited).replace("USD ", "$")
    assert text.startswith("We have given you $11.00 of store credit\r\n")
    assert "refund" not in text.casefold(), "no money goes back"
    assert "As store credit: $10.00" in text
    assert "As store credit on top: $1.00" in text


async def test_a_request_that_waits_and_what_becomes_of_it_is_told(database: Database) -> None:
    await let_return(database, auto_refund_most_minor=0)
    order = await arrived_order(database, 2)
    waits = await ask_for(database, order)
    await returns.decide_on(
        desk(database), waits.id, approve=False, note="It was worn <b>a lot</b>.", expected_version=None
    )
    assert await told(database, waits) == [K.RETURN_RECEIVED_REQUEST, K.RETURN_DECLINED]
    said = await notifications.preview(till(database, SYSTEM), order.number, K.RETURN_DECLINED, None)
    html = Renderer().render(said).html
    assert "It was worn &lt;b&gt;a lot&lt;/b&gt;." in html

    other = await ask_for(database, order)
    await returns.cancel(desk(database), None, other.id, None, None)
    assert await told(database, other) == [K.RETURN_RECEIVED_REQUEST, K.RETURN_CANCELED]


async def test_a_machines_decline_says_why_in_the_customers_words(database: Database) -> None:
    await let_return(database, window_days=10)
    order = await arrived_order(database, 1, days_ago=30)
    found = await ask_for(database, order)
    assert await told(database, found) == [K.RETURN_DECLINED]
    said = await notifications.preview(till(database, SYSTEM), order.number, K.RETURN_DECLINED, "de")
    assert said.returned is not None
    rendered = Renderer().render(said)
    assert "Die Frist für die Rückgabe ist abgelaufen." in rendered.text


async def test_what_is_kept_expired_or_rejected_is_told_as_that(database: Database) -> None:
    await let_return(database, keep_below_minor=5000)
    shop = await make_stocked_shop(database, 20)
    kept = await ask_for(database, await arrived_order(database, 1, shop=shop), reason=ReturnReason.DEFECTIVE)
    assert kept.status is ReturnStatus.CLOSED
    assert await told(database, kept) == [K.RETURN_APPROVED, K.RETURN_REFUNDED]

    await let_return(database)
    late = await ask_for(database, await arrived_order(database, 1, shop=shop))
    await set_row(
        database, "UPDATE returns SET expires_at = now() - interval '1 minute' WHERE id = :id", id=late.id
    )
    await returns.expire_due(desk(database))
    assert (await told(database, late))[-1] is K.RETURN_EXPIRED

    other = await ask_for(database, await arrived_order(database, 1, shop=shop))
    here = await bring_back(database, other, shop.locations[0].code)
    seen = await look_at(database, here, Disposition.PROCESSING_REQUIRED, Grade.NOT_OURS)
    assert seen.status is ReturnStatus.INSPECTED
    await return_settlement.reject(desk(database), seen.id, "A brick was in it.", None)
    assert (await told(database, other))[-1] is K.RETURN_REJECTED


async def test_money_of_the_order_that_is_of_no_return_is_still_told(database: Database) -> None:
    order = await arrived_order(database, 1)
    await note_all(database)
    facts = {"amountMinor": 500, "currency": "USD", "transactionId": str(order.id)}
    await tell(database, order, "PaymentRefunded", facts)
    await note_all(database)
    assert K.ORDER_REFUNDED in [one.kind for one in await notices(database, order)]
