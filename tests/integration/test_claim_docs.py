"""The examples of the page on claims run as they are written."""

import json
import re
from pathlib import Path
from typing import Any

from api.scalars import encode_id
from domain.claims import TRANSITIONS, ClaimKind, ClaimStatus
from persistence.database import Database
from services.access import Permission
from tests.claimed import claim
from tests.factories import data_of, execute, make_app
from tests.sent_back import arrived_order, let_return, lines_of, shopper
from tests.shipping import parts_of

PAGE = (Path(__file__).parents[2] / "docs" / "features" / "claims.md").read_text()
STAFF = make_app(
    Permission.RETURNS_READ, Permission.RETURNS_WRITE, Permission.LEDGER_WRITE, Permission.ORDERS_READ
)


async def test_the_examples_of_claims_run(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    _, ref = shopper(database, order)
    names = {
        "<orderToken>": ref.token or "",
        "<shipmentId>": encode_id("Shipment", (await parts_of(database, order.id)).shipments[0].id),
        "<lineId>": encode_id("OrderLine", (await lines_of(database, order.id))[0].id),
    }
    other = await claim(database, order, 1, ClaimKind.DAMAGED)
    names["<otherClaimId>"] = encode_id("Claim", other.id)
    answers: list[Any] = []

    for document, variables in re.findall(r"```graphql\n(.*?)```(?:\s*```json\n(.*?)```)?", PAGE, re.DOTALL):
        filled = variables or "{}"
        for name, value in names.items():
            filled = filled.replace(name, value)
        (answer,) = (await data_of(database, document, json.loads(filled), STAFF)).values()
        assert not isinstance(answer, dict) or answer.get("userErrors", []) == [], document
        answers.append(answer)
        if "claimCreate" in document:
            names["<claimId>"] = answer["claim"]["id"]

    made, limits, limited, granted, withdrawn, _, _, report = answers
    assert (limits["policy"]["mostByItself"], len(limited["edges"])) == (2, 1)
    assert withdrawn["claim"] == {"status": "CANCELED", "note": "the neighbour had it"}
    assert (made["claim"]["status"], granted["claim"]["outcome"]) == ("REQUESTED", "RESHIP")
    assert {one["check"] for one in made["claim"]["verdict"]["findings"]} == {
        "DELIVERED",
        "NO_PICTURES",
        "WITHIN_LIMIT",
        "CLAIMED_BEFORE",
        "PAID",
        # No provider is there to be asked.
        "PROVIDER_SILENT",
    }
    (carrier,) = report  # one carrier, one currency
    assert (carrier["count"], carrier["lost"]["amount"]) == (1, "2.00")

    seen = "query ($ref: OrderRef!) { orderClaims(ref: $ref) { status verdict { decision } } }"
    by_token = await execute(database, seen, {"ref": {"token": ref.token}}, make_app())
    assert by_token.data == {
        "orderClaims": [{"status": status, "verdict": None} for status in ("CANCELED", "APPROVED")]
    }
    cancel = (
        "mutation ($input: ClaimCancelInput!) { claimCancel(input: $input) { userErrors { code path } } }"
    )
    given = {"ref": {"token": ref.token}, "id": encode_id("Claim", other.id)}
    gone = await execute(database, cancel, {"input": given}, make_app())
    assert gone.data == {"claimCancel": {"userErrors": []}}
    waiting = "query { claims(status: APPROVED) { edges { node { id } } } }"
    (edge,) = (await data_of(database, waiting, {}, STAFF))["claims"]["edges"]
    assert edge["node"]["id"] == names["<claimId>"]


def test_the_table_of_statuses_is_the_one_in_force() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| ([A-Z_, ]+) \|$", PAGE, re.MULTILINE)
    assert {ClaimStatus(row): set(onward.split(", ")) for row, onward in rows} == {
        status: {one.value for one in onward} for status, onward in TRANSITIONS.items()
    }
