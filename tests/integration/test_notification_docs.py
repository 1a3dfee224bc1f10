"""docs/features/notifications.md says what is, and the command line shows what customers get."""

import json
import re
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from api.scalars import encode_id
from domain.notifications import NotificationKind, NotificationState
from persistence.database import Database
from services import notifications
from services.access import ANONYMOUS, SYSTEM
from tests.checkouts import make_ready_cart, make_stocked_shop, order_now
from tests.commands import ordertide
from tests.examples import examples_in
from tests.factories import execute
from tests.mail_server import ADDRESS, mail_server
from tests.notices import note_all, post, send_parcel

DOCUMENT = (Path(__file__).parents[2] / "docs" / "features" / "notifications.md").read_text()


async def test_the_examples_run(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    order = (await order_now(database, shop, 1)).order
    assert order is not None
    await note_all(database)
    async with mail_server() as server:
        server.refusals = {"ada@example.com": "550 no such user"}
        await notifications.send_due(post(database, server))
    known = {
        "channelId": encode_id("Channel", shop.channel.id),
        "cartToken": await make_ready_cart(database, shop, 1),
        "orderNumber": order.number,
    }
    answers: list[Any] = []
    for document, variables in examples_in(DOCUMENT):
        for name, value in known.items():
            variables = variables.replace(f"<{name}>", value)
        actor = ANONYMOUS if "cartUpdate" in document else SYSTEM
        result = await execute(database, document, json.loads(variables or "{}"), actor)
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        (answer,) = result.data.values()
        assert answer.get("userErrors", []) == [], (document, answer)
        if "edges" in answer:
            known["notificationId"] = answer["edges"][0]["node"]["id"]
        answers.append(answer)
    assert len(answers) == 5
    assert answers[0]["channel"]["settings"]["mutedNotifications"] == ["ORDER_REFUNDED"]
    assert answers[2]["notifications"][0]["reason"] == "550 no such user"
    assert answers[4]["notification"]["recipient"] == "ada@new.example"


def test_every_kind_and_every_state_is_explained_and_nothing_else() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", DOCUMENT, re.MULTILINE)

    assert rows == [*(kind.value for kind in NotificationKind), *(state.value for state in NotificationState)]


async def test_the_command_line_shows_a_sample_and_what_is_told_of_an_order(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    shop = await make_stocked_shop(database, 9)
    order = (await order_now(database, shop, 1)).order
    assert order is not None
    await send_parcel(database, order)
    out = tmp_path / "mail.html"

    def preview(*arguments: str) -> Awaitable[Any]:
        return ordertide(database_url, "mail", "preview", *arguments)

    sample = await preview("shipped", "--locale", "ja", "--out", str(out))
    assert (sample.returncode, sample.stderr) == (0, "")
    assert '<html lang="ja">' in out.read_text()
    told = await preview("SHIPPED", "--order", order.number, "--locale", "de")
    assert f"Ihre Bestellung {order.number} ist unterwegs" in told.stdout
    assert "TP 123" in told.stdout
    for arguments in (("shipped", "--order", "1"), ("shipped", "--locale", "?"), ("nothing",)):
        assert (await preview(*arguments)).returncode == 2


async def test_the_command_line_tries_the_mail_server(database_url: str) -> None:
    async with mail_server() as server:
        settings = {"mail_url": server.url, "mail_from": ADDRESS}
        sent = await ordertide(database_url, "mail", "test", "you@shop.example", **settings)
        server.refusals = {"gone@shop.example": "550 unknown"}
        refused = await ordertide(database_url, "mail", "test", "gone@shop.example", **settings)
    assert sent.returncode == 0, sent.stderr
    assert server.recipients == ["you@shop.example"]
    assert (refused.returncode, "550 unknown" in refused.stderr) == (2, True)
    unset = await ordertide(database_url, "mail", "test", "you@shop.example")
    assert (unset.returncode, "ORDERTIDE_MAIL_URL" in unset.stderr) == (2, True)
