"""The examples of the page on returns run as they are written, and its tables are those in force."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from api.scalars import encode_id
from domain.return_evidence import Record
from domain.return_lists import ReturnWait
from domain.return_requests import Obstacle
from domain.returns import TRANSITIONS, Disposition, ReturnStatus
from persistence.database import Database
from services.access import ANONYMOUS, SYSTEM
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop
from tests.factories import data_of
from tests.feeds import first_cursor
from tests.live import following, live
from tests.sent_back import arrived_order, ask_for, lines_of, shopper

PAGE = (Path(__file__).parents[2] / "docs" / "features" / "returns.md").read_text()
EXAMPLES = re.findall(r"```graphql\n(.*?)```(?:\s*```json\n(.*?)```)?", PAGE, re.DOTALL)


async def test_the_examples_of_returns_run(database: Database) -> None:
    shop = await make_stocked_shop(database, 20)
    place = shop.locations[0]
    await run_sql(database, "UPDATE locations SET code = 'MAIN' WHERE id = :id RETURNING id", id=place.id)
    order = await arrived_order(database, 6, shop=shop)
    context, ref = shopper(database, order)
    assert ref.token is not None
    others = [await ask_for(database, order) for _ in range(2)]
    now = datetime.now(UTC)
    known = {
        "orderToken": ref.token,
        "orderLineId": encode_id("OrderLine", (await lines_of(database, order.id))[0].id),
        "otherReturnId": encode_id("Return", others[0].id),
        "thirdReturnId": encode_id("Return", others[1].id),
        "from": (now - timedelta(days=30)).isoformat(),
        "to": (now + timedelta(hours=1)).isoformat(),
    }
    providers = context.environment.payment_providers
    statuses: list[str] = []
    answers: list[Any] = []
    told: list[str] = []
    for document, written in EXAMPLES:
        for name, value in known.items():
            written = written.replace(f"<{name}>", value)
        variables = json.loads(written or "{}")
        if document.startswith("subscription"):
            told = await _told(database, document, variables)
            continue
        data = await data_of(database, document, variables, SYSTEM, payment_providers=providers)
        (answer,) = data.values()
        assert answer.get("userErrors", []) == [], document
        answers.append(answer)
        if "return" in answer:
            statuses.append(answer["return"]["status"])
        if "returnRequest" in data:
            known["returnId"] = answer["return"]["id"]
            known["lineId"] = answer["return"]["lines"][0]["id"]

    assert statuses == [
        "REQUESTED", "APPROVED", "DECLINED", "CANCELED", "PARTIALLY_RECEIVED", "INSPECTED", "CLOSED",
    ]  # fmt: skip
    eligible, waiting, refunded = answers[0], answers[2], answers[8]
    assert eligible["lines"][0]["returnable"] == 4
    assert len(waiting["edges"]) == 3
    assert refunded["return"]["refund"] == {"amount": "10.00", "currency": "USD"}
    assert refunded["return"]["transactions"][0]["status"] == "SUCCEEDED"
    (row,) = answers[-1]["edges"]
    assert (row["node"]["unitsShipped"], row["node"]["unitsReturned"]) == (6, 1)
    assert told[:6] == ["ReturnRequested", "ReturnNeedsReview"] * 3
    assert told[6:] == [
        "ReturnApproved", "ReturnReadyToSend", "ReturnDeclined", "ReturnCanceled", "ReturnPartiallyReceived",
        "ReturnInspected", "ReturnNeedsReview", "ReturnRefundRequested", "ReturnClosed",
    ]  # fmt: skip


async def _told(database: Database, document: str, variables: dict[str, Any]) -> list[str]:
    """Return what a shopper is told who resumes from before all of it."""
    async with live(database) as feed:
        given = {**variables, "after": await first_cursor(database)}
        async with following(database, feed, document, given, ANONYMOUS) as answers:
            return [event["kind"] for event in await answers.events(15)]


def test_the_tables_of_the_page_are_those_in_force() -> None:
    onward = {
        ReturnStatus(status): {ReturnStatus(one) for one in next_ones.split(", ")}
        for status, next_ones in re.findall(
            r"^\| ([A-Z_]+) \| ([A-Z_]+(?:, [A-Z_]+)*) \|$", PAGE, re.MULTILINE
        )
    }
    assert onward == TRANSITIONS
    for heading, enum in (
        ("obstacle", Obstacle),
        ("record", Record),
        ("disposition", Disposition),
        ("waitsFor", ReturnWait),
    ):
        table = PAGE.split(f"\n| {heading} |")[1].split("\n\n")[0]
        assert set(re.findall(r"^\| ([A-Z_]+) \|", table, re.MULTILINE)) == {*enum}, heading
