"""The examples of the page on tracking run as they are written."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.scalars import encode_id
from domain.carrier_ports import TrackingUpdate
from domain.shipments import ShipmentStatus
from persistence import tracking as rows
from persistence.database import Database
from services import tracking
from services.access import ANONYMOUS, SYSTEM
from tests.cart_flows import run_sql
from tests.clocks import StoppedClock
from tests.examples import examples_in
from tests.factories import data_of
from tests.live import following, live
from tests.tracked import carrier_desk, said, sent_parcel, tell, tracking_token

PAGE = (Path(__file__).parents[2] / "docs" / "features" / "tracking.md").read_text()


async def set_aside(database: Database) -> list[str]:
    """Let a carrier tell of two numbers that nobody has, and give them up; returns the ids of both."""
    clock = StoppedClock(datetime.now(UTC))
    context = carrier_desk(database, clock=clock)
    for name in ("one", "two"):
        told = TrackingUpdate(name, ShipmentStatus.IN_TRANSIT, clock.now(), tracking_number=name)
        async with context.read() as connection:
            await rows.store(connection, "sandbox", [told], now=clock.now())
    clock.go_on(901)
    await tracking.apply_due(context)
    found = await run_sql(database, "SELECT id FROM tracking_events WHERE state = 'SET_ASIDE' ORDER BY id")
    return [encode_id("CarrierEvent", row.id) for row in found]


async def test_the_examples_of_tracking_run(database: Database) -> None:
    shipment = await sent_parcel(database)
    aside = await set_aside(database)
    known = {
        "trackingToken": tracking_token(shipment.id),
        "shipmentId": encode_id("Shipment", shipment.id),
        "carrierEventId": aside[0],
        "otherEventId": aside[1],
    }
    seen: list[dict[str, Any]] = []
    answered: dict[str, dict[str, Any]] = {}
    examples = examples_in(PAGE)
    assert len(examples) == 8
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
        actor = ANONYMOUS if "$trackingToken" in document else SYSTEM
        answers_of = await data_of(database, document, variables, actor)
        ((field, answer),) = answers_of.items()
        answered[field] = answer
        assert answer.get("userErrors", []) == [], document

    assert [one["kind"] for one in seen] == ["ShipmentInTransit"]
    assert [edge["node"]["problems"] for edge in answered["shipmentProblems"]["edges"]] == [
        ["FAILED_ATTEMPT"]
    ]
    assert len(answered["carrierEventsSetAside"]["edges"]) == 2
    assert answered["carrierEventRetry"]["carrierEvent"]["state"] == "APPLIED"
    assert answered["carrierEventDismiss"]["carrierEvent"]["state"] == "DISMISSED"
