"""The examples of the page on customers run as they are written, in its order."""

import json
from pathlib import Path
from typing import Any

from api.auth import Authenticator
from api.scalars import encode_id
from persistence.database import Database
from services.access import ANONYMOUS, Actor, Permission
from tests.checkouts import till
from tests.examples import examples_in
from tests.factories import bearer, data_of, make_environment
from tests.feeds import first_cursor
from tests.integration.test_customer_sign_ins import mailed
from tests.live import following, live
from tests.mail_server import mail_server
from tests.sent_back import arrived_order, let_return, lines_of

PAGE = (Path(__file__).parents[2] / "docs" / "features" / "customers.md").read_text()


async def test_the_examples_of_customers_run(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    (line,) = await lines_of(database, order.id)
    known = {
        "channel": await _slug(database),
        "orderId": encode_id("Order", order.id),
        "orderLineId": encode_id("OrderLine", line.id),
    }
    app = await bearer(database, Permission.CUSTOMERS_SIGN_IN)
    providers = till(database).environment.payment_providers
    answers: dict[str, Any] = {}
    told: list[str] = []
    actor = ANONYMOUS
    for document, written in examples_in(PAGE):
        for name, value in known.items():
            written = written.replace(f"<{name}>", value)
        variables = json.loads(written or "{}")
        if document.startswith("subscription"):
            told = await _told(database, document, variables, actor)
            continue
        if "customerSessionCreate" in document:
            actor = await _asks(database, app)
        data = await data_of(database, document, variables, actor, payment_providers=providers)
        answers |= data
        for answer in data.values():
            assert not isinstance(answer, dict) or answer.get("userErrors", []) == [], (document, answer)
        if "customerSignInRequest" in data:
            known["signInToken"] = data["customerSignInRequest"]["signInToken"]
            async with mail_server() as server:
                known["code"] = await mailed(database, server)
        elif "customerSignIn" in data:
            known["refreshToken"] = data["customerSignIn"]["session"]["refreshToken"]
            actor = await _asks(database, f"Bearer {data['customerSignIn']['session']['accessToken']}")
        elif "returnRequest" in data:
            known["returnId"] = data["returnRequest"]["return"]["id"]
        elif "customerTokenRefresh" in data:
            known["newestRefreshToken"] = data["customerTokenRefresh"]["session"]["refreshToken"]

    assert answers["me"]["email"] == "ada@example.com"
    assert [edge["node"]["number"] for edge in answers["orders"]["edges"]] == [order.number]
    assert answers["returnRequest"]["return"]["status"] == "APPROVED"
    assert told == ["ReturnRequested", "ReturnApproved", "ReturnReadyToSend"]
    assert answers["returnCancel"]["return"]["status"] == "CANCELED"
    assert answers["customerSignOut"]["ended"] == 1
    assert answers["customerSessionCreate"]["session"]["customer"] == {"email": "ada@example.com"}


async def _asks(database: Database, authorization: str) -> Actor:
    return await Authenticator(make_environment(database)).actor(authorization)


async def _slug(database: Database) -> str:
    async with database.read() as connection:
        return str((await connection.exec_driver_sql("SELECT slug FROM channels")).scalar_one())


async def _told(database: Database, document: str, variables: dict[str, Any], actor: Actor) -> list[str]:
    """Return what a customer is told who resumes from before all of it."""
    async with live(database) as feed:
        given = {**variables, "after": await first_cursor(database)}
        async with following(database, feed, document, given, actor) as answers:
            return [event["kind"] for event in await answers.events(3)]
