"""The examples of docs/features/warehouse.md run as they are, and their papers say what they should."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pypdfium2  # type: ignore[import-untyped]

from api.scalars import encode_id
from persistence.database import Database
from providers.documents.pdf import PdfDocuments
from services.access import Permission
from tests.checkouts import make_stocked_shop
from tests.examples import examples_in
from tests.factories import data_of, execute, make_app
from tests.live import following, live
from tests.shipping import part_at, placed_order

DOCUMENT = Path(__file__).parents[2] / "docs" / "features" / "warehouse.md"
STAFF = make_app(Permission.WAREHOUSE_WRITE, Permission.FULFILLMENT_READ)


async def test_the_examples_of_warehouse_work_run(database: Database) -> None:
    shop = await make_stocked_shop(database, 20, 5)
    order = await placed_order(database, shop=shop, quantity=3)
    part = await part_at(database, order.id)
    known = {
        "locationCode": shop.locations[0].code,
        "sku": shop.variant.sku,
        "fulfillmentOrderId": encode_id("FulfillmentOrder", part.id),
    }
    answers: dict[str, Any] = {}
    for document, variables in examples_in(DOCUMENT.read_text()):
        filled = re.sub(r"<(\w+)>", lambda found: known[found[1]], variables or "{}")
        data = await data_of(database, document, json.loads(filled), STAFF, documents=PdfDocuments())
        for name, answer in data.items():
            assert answer.get("userErrors", []) == [], (document, answer)
            answers[name] = answer
            if name == "waveCreate":
                known["waveId"] = answer["wave"]["id"]
            if name == "manifestCreate":
                known["manifestId"] = answer["manifest"]["id"]
            if name == "packScan":
                known["parcelId"] = answer["parcel"]["id"]
    assert answers["waveCreate"]["wave"]["pickList"][0]["binCode"] == "A-01-3"
    assert answers["pickShort"]["wave"] == {
        "status": "PICKED",
        "pickList": [{"sku": shop.variant.sku, "quantityLeft": 0, "quantityShort": 1}],
    }
    [suggested] = answers["fulfillmentOrders"]["edges"]
    assert [box["lines"] for box in suggested["node"]["suggestedBoxes"]] == [
        [{"sku": shop.variant.sku, "quantity": 2}]
    ]
    assert answers["packClose"]["shipment"]["lines"] == [{"sku": shop.variant.sku, "quantity": 2}]
    assert answers["packClose"]["expected"] == []
    assert [edge["node"]["id"] for edge in answers["waves"]["edges"]] == [known["waveId"]]
    assert answers["manifestClose"]["manifest"] == {
        "status": "CLOSED",
        "closing": "NONE",
        "parcels": [{"error": None}],
    }
    listed = text_of(answers["manifestDocument"])
    assert all(word in listed for word in ("Manifest", order.number, "Test Post", "London"))
    slip = text_of(answers["packingSlip"])
    assert all(word in slip for word in ("納品書", order.number, "LONDON", shop.variant.sku))
    walk = text_of(answers["pickListDocument"])
    assert all(word in walk for word in ("Pick list", "A-01-3", shop.variant.sku, order.number))


async def test_a_refused_scan_tells_what_was_expected(database: Database) -> None:
    shop = await make_stocked_shop(database, 20)
    await placed_order(database, shop=shop, quantity=2)
    wanted = {"input": {"locationCode": shop.locations[0].code, "idempotencyKey": "w"}}
    create = "mutation ($input: WaveCreateInput!) { waveCreate(input: $input) { wave { id } } }"
    async with (
        live(database) as feed,
        following(database, feed, "subscription { waveEvents { kind wave { status } } }", {}, STAFF) as told,
    ):
        made = await data_of(database, create, wanted, STAFF)
        scan = {"waveId": made["waveCreate"]["wave"]["id"], "code": "NOPE", "idempotencyKey": "s"}
        document = """mutation ($input: PickConfirmInput!) { pickConfirm(input: $input) { wave { id }
            userErrors { code path
                ... on ScanRefusedError { scanRefusal scanned expected { sku quantity binCode } } } } }"""
        answer = await data_of(database, document, {"input": scan}, STAFF)
        [event] = await told.events(1)
    assert event == {"kind": "WaveCreated", "wave": {"status": "OPEN"}}
    assert answer["pickConfirm"] == {
        "wave": None,
        "userErrors": [
            {
                "code": "SCAN_REFUSED",
                "path": ["code"],
                "scanRefusal": "WRONG_ITEM",
                "scanned": "NOPE",
                "expected": [{"sku": shop.variant.sku, "quantity": 2, "binCode": None}],
            }
        ],
    }


async def test_papers_and_waves_are_for_warehouse_staff_alone(database: Database) -> None:
    for document in (
        "{ waves { edges { node { id } } } }",
        '{ pickListDocument(waveId: "x") { contentBase64 } }',
    ):
        result = await execute(database, document, {}, make_app(Permission.ORDERS_READ))
        assert result.errors is not None
        assert "warehouse.write" in result.errors[0].message


def text_of(document: dict[str, Any]) -> str:
    """Return what stands on a PDF."""
    assert document["warnings"] == []
    pages = pypdfium2.PdfDocument(base64.b64decode(document["contentBase64"]))
    return "\n".join(page.get_textpage().get_text_range() for page in pages)
