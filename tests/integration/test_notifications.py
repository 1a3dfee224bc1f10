"""What customers are told: each thing is written once, sent once, tried again, and given up in the end."""

import asyncio
from datetime import timedelta

from sqlalchemy import text

from domain.notifications import GIVE_UP_AFTER, NotificationKind, NotificationState
from domain.orders import Order
from persistence import notifications as rows
from persistence.database import Database
from services import notifications, orders
from services.access import Permission
from services.order_placement import place
from services.payment_attempts import Placed
from tests.checkouts import make_ready_cart, make_stocked_shop, order_now, till
from tests.factories import data_of, make_app
from tests.integration.test_dispatcher import dispatching, eventually
from tests.live import live
from tests.mail_server import MailServer, mail_server
from tests.notices import MovingClock, note_all, notices, post, send_parcel, set_row, tell
from tests.statements import count_statements
from worker.consumers import CONSUMERS

S = NotificationState
K = NotificationKind


def placed_order(placed: Placed) -> Order:
    assert placed.order is not None
    return placed.order


async def make_order(database: Database, quantity: int = 2, method: str = "ok") -> Order:
    """Place an order; what it tells its customer is written."""
    shop = await make_stocked_shop(database, 100)
    order = placed_order(await order_now(database, shop, quantity, method))
    await note_all(database)
    return order


async def states(database: Database, order: Order) -> list[tuple[K, S]]:
    return [(one.kind, one.state) for one in await notices(database, order)]


async def failures(database: Database) -> list[dict[str, object]]:
    async with database.read() as connection:
        found = await connection.exec_driver_sql(
            "SELECT payload FROM event_outbox WHERE kind = 'NotificationFailed' ORDER BY id"
        )
        return [row.payload for row in found]


async def test_an_event_is_written_once_however_often_it_is_read(database: Database) -> None:
    order = await make_order(database)
    for _ in range(3):
        await note_all(database)
    assert await states(database, order) == [(K.ORDER_CONFIRMED, S.PENDING)]


async def test_the_consumer_that_runs_writes_what_happens_from_now_on(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    before = placed_order(await order_now(database, shop, 1))
    (consumer,) = (one for one in CONSUMERS if one.name == "notifications")
    async with live(database) as feed, dispatching(database, feed, consumer):
        async with database.read() as connection:
            await eventually(lambda: connection.scalar(text("SELECT count(*) FROM feed_consumers")), 1)
        after = placed_order(await order_now(database, shop, 1))
        await eventually(lambda: states(database, after), [(K.ORDER_CONFIRMED, S.PENDING)])
    assert await notices(database, before) == []


async def test_every_step_of_an_order_is_told_and_a_parcel_gets_words_of_its_own(database: Database) -> None:
    order = await make_order(database, method="review")
    await orders.approve(till(database, make_app(Permission.ORDERS_WRITE)), order.id, None, "approved")
    first, second = await send_parcel(database, order), await send_parcel(database, order)
    for kind in ("ShipmentOutForDelivery", "ShipmentFailedAttempt", "ShipmentOutForDelivery"):
        await tell(database, order, kind, {"shipmentId": str(first)})
    for kind in ("ShipmentDelayed", "ShipmentAvailableForPickup", "ShipmentDelivered", "ShipmentUpdated"):
        await tell(database, order, kind, {"shipmentId": str(second)})
    for _ in range(2):
        await tell(database, order, "PaymentRefunded", {"amountMinor": 500, "currency": "USD"})
    await note_all(database)

    found = await notices(database, order)

    assert [one.kind for one in found][:2] == [K.ORDER_RECEIVED, K.ORDER_APPROVED]
    assert sorted((one.kind, one.shipment_id) for one in found[2:] if one.shipment_id) == sorted(
        [
            (K.SHIPPED, first),
            (K.SHIPPED, second),
            (K.OUT_FOR_DELIVERY, first),  # not again on the same day
            (K.DELIVERY_FAILED, first),
            (K.DELAYED, second),
            (K.READY_FOR_PICKUP, second),
            (K.DELIVERED, second),
        ]
    )
    assert [one.kind for one in found if one.kind is K.ORDER_REFUNDED] == [K.ORDER_REFUNDED] * 2


async def test_nobody_is_told_of_what_is_old_imported_muted_or_without_an_address(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    old, imported, unnamed, muted = [placed_order(await order_now(database, shop, 1)) for _ in range(4)]
    change = "UPDATE orders SET imported = :imported, email = :email WHERE id = :id"
    await set_row(database, change, imported=True, email="a@example.com", id=imported.id)
    await set_row(database, change, imported=False, email=None, id=unnamed.id)
    await set_row(database, "UPDATE event_outbox SET occurred_at = now() - interval '49 hours'")
    await tell(database, old, "OrderApproved", days_ago=3)
    await tell(database, imported, "OrderApproved")
    await tell(database, unnamed, "OrderApproved")
    await tell(database, muted, "OrderApproved", {"imported": True})
    await set_row(
        database,
        "UPDATE channels SET muted_notifications = '{ORDER_CANCELED}' WHERE id = :id",
        id=shop.channel.id,
    )
    await tell(database, muted, "OrderCanceled")
    await note_all(database)

    assert [await notices(database, one) for one in (old, imported, unnamed, muted)] == [[], [], [], []]
    await tell(database, muted, "OrderApproved")
    await note_all(database)
    assert await states(database, muted) == [(K.ORDER_APPROVED, S.PENDING)], "the others would be told"


async def test_a_message_arrives_in_the_customers_language_with_what_it_tells(database: Database) -> None:
    shop = await make_stocked_shop(database, 9, currency="EUR")
    await set_row(
        database,
        "UPDATE channels SET name = 'Nord & Söhne', storefront_url = 'https://shop.example/o/{number}?t={token}',"
        " reply_to = 'help@shop.example', time_zone = 'Asia/Tokyo' WHERE id = :id",
        id=shop.channel.id,
    )
    token = await make_ready_cart(database, shop, 2)
    update = """mutation ($token: String!) { cartUpdate(input: { cartToken: $token, locale: "de_at" }) {
        cart { locale } userErrors { message } } }"""
    payload = (await data_of(database, update, {"token": token}))["cartUpdate"]
    assert payload == {"cart": {"locale": "de-AT"}, "userErrors": []}
    placed = await place_cart(database, token)
    order = placed_order(placed)
    await send_parcel(database, order, 2)
    await note_all(database)
    async with mail_server() as server:
        assert await notifications.send_due(post(database, server)) == {S.SENT: 2}

    confirmed, shipped = sorted(server.messages, key=lambda one: "unterwegs" in one["Subject"])
    assert confirmed["Subject"] == f"Ihre Bestellung {order.number} ist bestätigt"
    assert confirmed["From"] == "Nord & Söhne <orders@shop.example>"
    assert (confirmed["To"], confirmed["Reply-To"]) == ("ada@example.com", "help@shop.example")
    assert confirmed["Content-Language"] == "de"
    assert [part.get_content_type() for part in confirmed.iter_parts()] == ["text/plain", "text/html"]
    for part in confirmed.iter_parts():
        said = part.get_content()
        assert f"/o/{order.number}?t={placed.order_token}" in said
        assert "€ 25,00" in said.replace("\xa0", " ").replace("&nbsp;", " ")
        assert "12 St James" in said
    html = shipped.get_body(("html",))
    assert html is not None
    assert "https://post.example/track?no=123&amp;lang=x" in html.get_content()
    assert "TP 123" in html.get_content()


async def test_a_message_takes_nine_statements_and_six_more_with_each_that_goes_with_it(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 9)
    counts = []
    async with mail_server() as server:
        context = post(database, server)
        for messages in (0, 1, 3):
            for _ in range(messages):
                await order_now(database, shop, 1)
            await note_all(database)
            with count_statements(database) as statements:
                await notifications.send_due(context)
            counts.append(len(statements))
    # A claim and five reads; to hand over and the outcome, each with its BEGIN and COMMIT.
    assert counts == [1, 6 + 6, 6 + 3 * 6]
    assert server.connections == 1 + 3, "three side by side have a connection each"


async def test_writing_what_a_page_of_events_tells_is_one_statement(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    for _ in range(3):
        await order_now(database, shop, 1)
    await note_all(database)
    with count_statements(database) as statements:
        await note_all(database)
    assert len([one for one in statements if "INSERT INTO notifications" in one]) == 1


async def test_a_server_that_is_busy_or_away_is_tried_again_with_the_same_message(database: Database) -> None:
    order = await make_order(database)
    clock = MovingClock()
    async with mail_server() as server:
        context = post(database, server, clock)
        nobody = post(database, MailServer(port=1), clock)
        server.answers = ["451 4.3.0 later"]
        server.refusals = {"ada@example.com": "450 4.2.1 greylisted"}
        for attempt, sending in enumerate((nobody, context, context), 1):
            assert await notifications.send_due(sending) == {S.PENDING: 1}
            assert await notifications.send_due(sending) == {}, "not before its pause is over"
            (one,) = await notices(database, order)
            assert one.attempts == attempt
            assert one.reason
            assert one.next_attempt_at - clock.now() > timedelta(seconds=10 * 2 ** (attempt - 1))
            clock.ahead += timedelta(minutes=2)
            server.refusals = {} if attempt == 2 else server.refusals
        assert await notifications.send_due(context) == {S.SENT: 1}
    (one,) = await notices(database, order)
    assert server.ids() == [f"<{one.id.hex}.1@shop.example>"]
    assert await failures(database) == []


async def test_what_is_put_off_for_days_is_given_up_and_staff_are_told(database: Database) -> None:
    order = await make_order(database)
    clock = MovingClock(GIVE_UP_AFTER)
    assert await notifications.send_due(post(database, MailServer(port=1), clock)) == {S.FAILED: 1}
    assert await states(database, order) == [(K.ORDER_CONFIRMED, S.FAILED)]
    assert await failures(database) == [
        {"number": order.number, "notification": "ORDER_CONFIRMED", "state": "FAILED", "code": None}
    ]


async def test_an_address_that_is_refused_fails_and_keeps_no_other_waiting(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    refused, unwritable, fine = [placed_order(await order_now(database, shop, 1)) for _ in range(3)]
    await set_row(database, "UPDATE orders SET email = 'gone@example.com' WHERE id = :id", id=refused.id)
    await set_row(
        database,
        "UPDATE orders SET email = E'a@b.example\\r\\nBcc: x@y.example' WHERE id = :id",
        id=unwritable.id,
    )
    await note_all(database)
    async with mail_server() as server:
        server.refusals = {"gone@example.com": "550 5.1.1 no such user"}
        assert await notifications.send_due(post(database, server)) == {S.FAILED: 2, S.SENT: 1}
    assert server.recipients == ["ada@example.com"]
    assert await states(database, fine) == [(K.ORDER_CONFIRMED, S.SENT)]
    (one,) = await notices(database, refused)
    assert one.reason == "550 5.1.1 no such user"
    assert {told["code"] for told in await failures(database)} == {550, None}
    assert "gone" not in str(await failures(database)), "events hold no personal data"


async def test_a_message_without_an_answer_is_sent_once_more_the_same_and_then_waits_for_a_person(
    database: Database,
) -> None:
    order = await make_order(database)
    clock = MovingClock()
    async with mail_server() as server:
        context = post(database, server, clock)
        server.answers = ["", ""]
        assert await notifications.send_due(context) == {S.PENDING: 1}
        clock.ahead += timedelta(minutes=1)
        assert await notifications.send_due(context) == {S.UNCONFIRMED: 1}
        clock.ahead += timedelta(days=3)
        assert await notifications.send_due(context) == {}
    first, second = server.taken
    assert first == second, "one Message-ID, byte by byte one message"
    assert await states(database, order) == [(K.ORDER_CONFIRMED, S.UNCONFIRMED)]
    assert [told["state"] for told in await failures(database)] == ["UNCONFIRMED"]


async def test_what_somebody_handed_over_who_did_not_come_back_is_sent_once_more(database: Database) -> None:
    order = await make_order(database)
    clock = MovingClock()
    async with mail_server() as server:
        context = post(database, server, clock)
        await set_row(database, "UPDATE notifications SET state = 'SENDING', attempts = 1")
        assert await notifications.send_due(context) == {S.PENDING: 1}
        assert await notifications.send_due(context) == {S.SENT: 1}
        await set_row(database, "UPDATE notifications SET state = 'SENDING', ended_at = NULL")
        clock.ahead += timedelta(minutes=1)
        assert await notifications.send_due(context) == {S.UNCONFIRMED: 1}
    assert len(server.taken) == 1
    assert await states(database, order) == [(K.ORDER_CONFIRMED, S.UNCONFIRMED)]


async def test_many_runs_at_once_send_each_message_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 200)
    for _ in range(50):
        await order_now(database, shop, 1)
    await note_all(database)
    async with mail_server() as server:
        runs = await asyncio.gather(*(notifications.send_due(post(database, server)) for _ in range(4)))
    assert sum(run[S.SENT] for run in runs) == 50
    assert len(set(server.ids())) == len(server.ids()) == 50
    assert server.connections <= 4 * 4 * 2, "a connection is used for many"


async def test_who_was_thought_dead_does_not_send_what_another_has_claimed(database: Database) -> None:
    await make_order(database)
    clock = MovingClock()
    async with mail_server() as server:
        context = post(database, server, clock)

        async def steal() -> None:
            # While the first is at the mail server already: its claim ends, and another takes it.
            clock.ahead += timedelta(minutes=1)
            async with database.transaction() as connection:
                now = clock.now()
                assert await rows.claim(connection, most=1, now=now, leased_until=now + timedelta(minutes=1))

        server.before_data = steal
        assert await notifications.send_due(context) == {S.PENDING: 1}
        assert server.taken == []
        clock.ahead += timedelta(minutes=2)
        server.before_data = None
        assert await notifications.send_due(context) == {S.SENT: 1}
    assert len(server.taken) == 1


async def test_a_server_that_does_not_answer_in_time_is_left(database: Database) -> None:
    order = await make_order(database)
    async with mail_server() as server:

        async def hang() -> None:
            await asyncio.sleep(3)

        server.before_data = hang
        assert await notifications.send_due(post(database, server, seconds=0.3)) == {S.PENDING: 1}
    (one,) = await notices(database, order)
    assert (one.attempts, one.repeats) == (1, 0), "it had not got as far as to be handed over"


async def place_cart(database: Database, token: str) -> Placed:
    return await place(till(database), token, "sandbox", "ok", "placed once")


async def test_a_worker_that_is_stopped_waits_for_what_it_has_handed_over(database: Database) -> None:
    order = await make_order(database)
    taken, stopped = asyncio.Event(), asyncio.Event()
    async with mail_server() as server:

        async def answer_late() -> None:
            taken.set()
            await stopped.wait()
            await asyncio.sleep(0.2)

        server.before_answer = answer_late
        work = asyncio.create_task(notifications.send_due(post(database, server)))
        await taken.wait()
        work.cancel()
        stopped.set()
        await asyncio.wait([work])
        assert work.cancelled()
    assert await states(database, order) == [(K.ORDER_CONFIRMED, S.SENT)]


async def test_a_worker_that_is_stopped_does_not_wait_for_what_it_has_not_handed_over(
    database: Database,
) -> None:
    order = await make_order(database)
    asked = asyncio.Event()
    async with mail_server() as server:

        async def never() -> None:
            asked.set()
            await asyncio.sleep(30)

        server.before_data = never
        work = asyncio.create_task(notifications.send_due(post(database, server, seconds=30)))
        await asked.wait()
        work.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait([work])
    assert server.taken == []
    assert await states(database, order) == [(K.ORDER_CONFIRMED, S.PENDING)]


async def test_a_message_that_cannot_be_written_keeps_no_other_waiting(database: Database) -> None:
    order = await make_order(database)
    await set_row(
        database,
        "INSERT INTO notifications (id, order_id, kind, subject_key, recipient, locale, state, facts,"
        " created_at, begun_at, next_attempt_at)"
        " SELECT gen_random_uuid(), order_id, 'ORDER_REFUNDED', 'odd', recipient, locale, state, '{}',"
        " created_at, begun_at, next_attempt_at - interval '1 hour' FROM notifications",
    )
    async with mail_server() as server:
        await notifications.send_due(post(database, server))
    assert sorted(await states(database, order)) == [
        (K.ORDER_CONFIRMED, S.SENT),
        (K.ORDER_REFUNDED, S.PENDING),
    ]
    (odd,) = (one for one in await notices(database, order) if one.kind is K.ORDER_REFUNDED)
    assert odd.reason == "we failed: KeyError"
