"""The examples of the rules of returns run as written, and the page says what the rules are."""

import re

from api.scalars import encode_id
from domain.return_evidence import DEFAULT_ACTIONS, Check, Decision, allowed
from persistence.database import Database
from tests.checkouts import make_stocked_shop, till
from tests.factories import make_variant
from tests.integration.test_catalog_docs import FEATURES, run_examples
from tests.sent_back import arrived_order, lines_of

PAGE = (FEATURES / "return_policies.md").read_text(encoding="utf-8")


async def test_the_examples_run_and_say_what_the_page_says(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, slug="web", currency="GBP")
    await make_variant(database, shop.channel, sku="MUG-SALE")
    order = await arrived_order(database, 3, shop=shop)
    (line,) = await lines_of(database, order.id)
    known = {
        "orderToken": till(database).environment.tokens.sign("order", order.id, order.token_generation),
        "lineId": encode_id("OrderLine", line.id),
    }
    answers = await run_examples(database, "return_policies", known)
    assert len(answers) == 9
    assert [edge["node"]["sku"] for edge in answers[2]["edges"]] == [None, "MUG-SALE"]
    told = " ".join(PAGE.split())
    assert f"it says: *{answers[3]['quote']['explanation']}*" in told
    assert len(answers[5]) == len(Check)


def test_the_table_of_checks_is_what_the_rules_are() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([A-Z_]+) \| ([A-Z_, ]+) \|", PAGE, re.MULTILINE)
    assert rows == [
        (
            check.value,
            DEFAULT_ACTIONS.get(check, Decision.APPROVE).value,
            ", ".join(one.value for one in allowed(check)),
        )
        for check in Check
    ]
