"""Whom a refund without an order is paid to is written to, once."""

from domain.notifications import NotificationState
from domain.unlinked_refunds import UnlinkedRefund, UnlinkedRefundMethod
from persistence.database import Database
from services import notifications, unlinked_refunds
from tests.checkouts import events
from tests.factories import data_of
from tests.mail_server import mail_server
from tests.notices import note_all, post
from tests.unlinked import CLERK, LEAD, act, ask, decide, open_till, pay, pay_to

STORE_CREDIT = UnlinkedRefundMethod.STORE_CREDIT


async def test_what_was_paid_is_told_once_with_how_much_and_by_what(database: Database) -> None:
    await open_till(database, four_eyes_above=100)
    made = [await ask(act(database), "10.00", email=f"{name}@example.com") for name in ("ada", "grace")]
    nobody = await ask(act(database), "10.00", email=None, external_id="till-7")
    await pay_to(act(database), made[0])
    await pay(act(database), made[1], STORE_CREDIT, None)
    await pay(act(database), nobody)
    refused = await ask(act(database), "10.00")
    await pay_to(act(database), refused, "decline")

    for _ in range(2):
        await note_all(database)
    async with mail_server() as server:
        assert await notifications.send_due(post(database, server)) == {NotificationState.SENT: 2}

    said = {one["To"]: next(one.iter_parts()).get_content() for one in server.messages}
    card, credit = said["ada@example.com"], said["grace@example.com"]
    for text, refund in ((card, made[0]), (credit, made[1])):
        assert f"refund {refund.number}" in text
        assert "$10.00" in text.replace("US$", "$")
    assert "To your card or account: " in card
    assert "As store credit: " in credit
    assert [(await _now(database, one)).told for one in (*made, nobody, refused)] == [
        NotificationState.SENT,
        NotificationState.SENT,
        None,
        None,
    ]
    # Of orders there is nothing to be listed, and nothing to be sent anew.
    listed = await data_of(database, "{ notifications { edges { node { id orderId } } } }")
    assert listed == {"notifications": {"edges": []}}


async def test_staff_are_told_where_the_customer_was_not(database: Database) -> None:
    await open_till(database)
    paid = await pay(act(database), await decide(act(database, LEAD), await ask(act(database), "10.00")))
    await note_all(database)
    async with mail_server() as server:
        server.refusals["ada@example.com"] = "550 no such user"
        assert await notifications.send_due(post(database, server)) == {NotificationState.FAILED: 1}
    assert [kind for kind, _ in await events(database, paid.id)][-1] == "NotificationFailed"
    shown = await data_of(database, "{ unlinkedRefunds { edges { node { told } } } }", {}, CLERK)
    assert shown["unlinkedRefunds"]["edges"] == [{"node": {"told": "FAILED"}}]


async def _now(database: Database, made: UnlinkedRefund) -> UnlinkedRefund:
    found = await unlinked_refunds.find(act(database), made.id)
    assert found is not None
    return found
