"""The examples of the page on tracking run as they are written."""

import json
from pathlib import Path
from typing import Any

from api.scalars import encode_id
from domain.shipments import ShipmentStatus
from persistence.database import Database
from services.access import ANONYMOUS, SYSTEM
from tests.examples import examples_in
from tests.factories import data_of
from tests.live import following, live
from tests.tracked import carrier_desk, said, sent_parcel, tell, tracking_token

PAGE = (Path(__file__).parents[2] / "docs" / "features" / "tracking.md").read_text()


async def test_the_examples_of_tracking_run(database: Database) -> None:
    shipment = await sent_parcel(database)
    known = {"trackingToken": tracking_token(shipment.id), "shipmentId": encode_id("Shipment", shipment.id)}
    seen: list[dict[str, Any]] = []
    answer: dict[str, Any] = {}
    examples = examples_in(PAGE)
    assert len(examples) == 4
    for document, written in examples:
        filled = written
        for name, value in known.items():
            filled = filled.replace(f"<{name}>", value)
        variables = json.loads(filled or "{}")
        if document.startswith("subscription"):
            async with (
                live(database) as feed,
                following(database, feed, document, variables, ANONYMOUS) as answers,
            ):
                await tell(carrier_desk(database), said(shipment, ShipmentStatus.IN_TRANSIT, "e1"))
                seen = await answers.events(1)
            continue
        actor = SYSTEM if "Problems" in document or "mutation" in document else ANONYMOUS
        (answer,) = (await data_of(database, document, variables, actor)).values()
        assert answer.get("userErrors", []) == [], document

    assert [one["kind"] for one in seen] == ["ShipmentInTransit"]
    assert [edge["node"]["problems"] for edge in answer["edges"]] == [["FAILED_ATTEMPT"]]
