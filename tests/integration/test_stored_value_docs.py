"""The examples of docs/features/stored_values.md run as they are written, and the command line agrees."""

import json
from pathlib import Path
from typing import Any

from persistence.database import Database
from services.access import ANONYMOUS, Permission
from tests.cart_flows import run_sql
from tests.checkouts import make_ready_cart, make_stocked_shop, till
from tests.commands import ordertide
from tests.examples import examples_in
from tests.factories import execute, make_app
from tests.stored import give_credit, make_card

DOCUMENT = Path(__file__).parents[2] / "docs" / "features" / "stored_values.md"


async def test_the_examples_of_stored_values_run(database: Database) -> None:
    known = {"cartToken": await make_ready_cart(database, await make_stocked_shop(database, 5), 2)}
    staff = make_app(
        Permission.STORED_VALUE_READ, Permission.STORED_VALUE_WRITE, Permission.STORED_VALUE_SPEND
    )
    providers = till(database).environment.payment_providers
    answers: list[Any] = []
    for document, variables in examples_in(DOCUMENT.read_text()):
        for name, value in known.items():
            variables = variables.replace(f"<{name}>", value)
        for_shopper = any(one in document for one in ("giftCard(", "cartGiftCardApply", "orderPlace"))
        result = await execute(
            database,
            document,
            json.loads(variables or "{}"),
            ANONYMOUS if for_shopper else staff,
            payment_providers=providers,
        )
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        answers.append(result.data)
        for answer in result.data.values():
            assert answer.get("userErrors", []) == [], (document, answer)
            known |= {"giftCardCode": answer["code"]} if answer.get("code") else {}
    assert len(answers) == 7
    _, _, seen, applied, credited, placed, listed = answers
    assert seen["giftCard"]["usable"] is True
    assert applied["cartGiftCardApply"]["cart"]["amountDue"]["amount"] == "15.00"
    assert credited["cartStoreCreditApply"]["cart"]["amountDue"]["amount"] == "10.00"
    order = placed["orderPlace"]["order"]
    assert {one["provider"]: one["authorized"]["amount"] for one in order["payments"]} == {
        "sandbox": "10.00",
        "gift_card": "10.00",
        "store_credit": "5.00",
    }
    (card,) = [edge["node"] for edge in listed["giftCards"]["edges"]]
    assert [one["kind"] for one in card["movements"]] == ["SPENT", "ISSUED"]
    assert listed["storeCredit"]["balance"]["amount"] == "15.00"


async def test_the_command_line_names_a_balance_that_its_movements_do_not_explain(
    database: Database, database_url: str
) -> None:
    await make_card(database, "10")
    credit = await give_credit(database, "ada@example.com", "5")
    said = await ordertide(database_url, "check", "balances")
    assert (said.returncode, said.stdout) == (0, "2 balances equal the sum of their 2 movements\n"), (
        said.stderr
    )
    await run_sql(database, "UPDATE stored_values SET balance_minor = 501 WHERE id = :id", id=credit.id)
    said = await ordertide(database_url, "check", "balances")
    assert said.returncode == 1
    assert said.stdout == f"{credit.id} has 501, but its movements sum to 500 (in minor units)\n"
    said = await ordertide(database_url, "check", "balances", "--json")
    assert json.loads(said.stdout)["discrepancies"] == [[str(credit.id), 501, 500]]
