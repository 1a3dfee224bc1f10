"""Transfers between locations through GraphQL: stock leaves one, is incoming at the other, and arrives."""

import asyncio
from typing import Any

from api.scalars import encode_id
from domain.kernel.errors import AccessDenied
from domain.kernel.ids import new_id
from domain.locations import Location
from persistence.database import Database
from services.access import Actor, Permission
from tests.factories import (
    Shop,
    data_of,
    execute,
    give_stock,
    make_app,
    make_location,
    make_shop,
    make_variant,
    unique,
)
from tests.statements import count_statements
from tests.stocked import assert_explained

TRANSFER = """transfer { id number version status note source { code } destination { code } shippedAt closedAt
    lines { id sku quantity quantityShipped quantityReceived quantityLost } }"""
ERRORS = """userErrors { __typename code message path
    ... on InsufficientStockError { sku requested available }
    ... on IllegalTransitionError { current allowed } }"""
LEVELS = """query ($variant: VariantRef!) { stockLevels(variant: $variant) {
    onHand available incoming qualityControl damaged location { code } } }"""
LIST = """query ($location: String, $status: TransferStatus, $first: Int, $after: String) {
    transfers(locationCode: $location, status: $status, first: $first, after: $after) {
        edges { node { number status } } pageInfo { hasNextPage endCursor } } }"""
CLERK = make_app(Permission.STOCK_READ, Permission.STOCK_WRITE)


async def ask(database: Database, name: str, actor: Actor = CLERK, **values: Any) -> dict[str, Any]:
    """Send one mutation of transfers; returns its payload."""
    title = name[0].upper() + name[1:]
    kind = (
        "TransferActionInput"
        if name in {"transferReady", "transferReopen", "transferCancel"}
        else f"{title}Input"
    )
    document = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {TRANSFER} {ERRORS} }} }}"
    payload: dict[str, Any] = (await data_of(database, document, {"input": values}, actor))[name]
    return payload


async def drafted(database: Database, shop: Shop, target: Location, quantity: int = 6) -> dict[str, Any]:
    """Make a transfer of the shop's variant to `target`; returns it."""
    payload = await ask(
        database,
        "transferCreate",
        sourceCode=shop.location.code,
        destinationCode=target.code,
        lines=[{"variant": {"sku": shop.variant.sku}, "quantity": quantity}],
        idempotencyKey=unique("k"),
    )
    assert payload["userErrors"] == []
    return dict(payload["transfer"])


async def shipped(database: Database, shop: Shop, target: Location, quantity: int = 6) -> dict[str, Any]:
    """Make a transfer and send it off; returns it."""
    draft = await drafted(database, shop, target, quantity)
    await ask(database, "transferReady", id=draft["id"])
    payload = await ask(database, "transferShip", id=draft["id"], idempotencyKey=unique("k"))
    assert payload["userErrors"] == []
    return dict(payload["transfer"])


async def levels(database: Database, shop: Shop) -> dict[str, dict[str, int]]:
    """Return the counts of the shop's variant by location code."""
    found = (await data_of(database, LEVELS, {"variant": {"sku": shop.variant.sku}}))["stockLevels"]
    return {level.pop("location")["code"]: level for level in found}


def arrived(transfer: dict[str, Any], **states: int) -> list[dict[str, Any]]:
    """Return the lines of a receipt: so many units of the transfer's only line, by state."""
    return [{"lineId": transfer["lines"][0]["id"], **states}]


async def received(
    database: Database, transfer: dict[str, Any], lines: list[dict[str, Any]], **changes: Any
) -> dict[str, Any]:
    """Book what arrived; returns the payload."""
    wanted = {"id": transfer["id"], "lines": lines, "idempotencyKey": unique("k"), **changes}
    return await ask(database, "transferReceive", **wanted)


async def test_a_transfer_leaves_one_location_and_arrives_at_the_other_in_parts(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    sent = await shipped(database, shop, store)

    assert (sent["status"], sent["lines"][0]["quantityShipped"]) == ("IN_PROGRESS", 6)
    on_the_way = await levels(database, shop)
    assert on_the_way[shop.location.code]["available"] == 4
    assert (on_the_way[store.code]["incoming"], on_the_way[store.code]["onHand"]) == (6, 0)

    first = await received(database, sent, arrived(sent, available=2, qualityControl=1, damaged=1))
    assert (first["userErrors"], first["transfer"]["status"]) == ([], "IN_PROGRESS")
    rest = await ask(
        database,
        "transferReceive",
        id=sent["id"],
        lines=arrived(sent, available=2),
        idempotencyKey=unique("k"),
    )

    assert rest["transfer"]["status"] == "TRANSFERRED"
    assert rest["transfer"]["closedAt"] is not None
    there = (await levels(database, shop))[store.code]
    assert there == {"onHand": 6, "available": 4, "incoming": 0, "qualityControl": 1, "damaged": 1}
    await assert_explained(database)


async def test_what_never_arrives_is_written_off_when_the_transfer_is_closed(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    sent = await shipped(database, shop, store)

    closed = await received(database, sent, arrived(sent, available=5), close=True)

    line = closed["transfer"]["lines"][0]
    assert (closed["transfer"]["status"], line["quantityReceived"], line["quantityLost"]) == (
        "TRANSFERRED",
        5,
        1,
    )
    there = (await levels(database, shop))[store.code]
    assert (there["available"], there["incoming"]) == (5, 0)
    await assert_explained(database)


async def test_fewer_units_than_meant_may_leave(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    draft = await drafted(database, shop, store)
    await ask(database, "transferReady", id=draft["id"])
    lines = [{"lineId": draft["lines"][0]["id"], "quantity": 4}]

    sent = await ask(database, "transferShip", id=draft["id"], lines=lines, idempotencyKey=unique("k"))

    assert sent["transfer"]["lines"][0]["quantityShipped"] == 4
    assert (await levels(database, shop))[shop.location.code]["available"] == 6


async def test_a_draft_cannot_leave_and_what_has_left_cannot_be_canceled(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    draft = await drafted(database, shop, store)

    early = await ask(database, "transferShip", id=draft["id"], idempotencyKey=unique("k"))
    assert (early["userErrors"][0]["current"], early["userErrors"][0]["allowed"]) == (
        "DRAFT",
        ["CANCELED", "READY_TO_SHIP"],
    )
    assert early["userErrors"][0]["path"] == ["id"]
    sent = await shipped(database, shop, store, 1)
    late = await ask(database, "transferCancel", id=sent["id"])
    assert (late["userErrors"][0]["current"], late["userErrors"][0]["allowed"]) == (
        "IN_PROGRESS",
        ["TRANSFERRED"],
    )
    canceled = await ask(database, "transferCancel", id=draft["id"])
    again = await ask(database, "transferCancel", id=draft["id"])
    assert canceled["transfer"]["status"] == again["transfer"]["status"] == "CANCELED"
    assert canceled["transfer"]["version"] == again["transfer"]["version"]


async def test_more_than_there_is_does_not_leave_and_nothing_changes(database: Database) -> None:
    shop, store = await make_shop(database, stock=5), await make_location(database)
    draft = await drafted(database, shop, store, 6)
    ready = await ask(database, "transferReady", id=draft["id"])

    refused = await ask(database, "transferShip", id=draft["id"], idempotencyKey=unique("k"))

    (error,) = refused["userErrors"]
    assert (error["code"], error["sku"], error["requested"], error["available"], error["path"]) == (
        "INSUFFICIENT_STOCK",
        shop.variant.sku,
        6,
        5,
        ["id"],
    )
    assert (await levels(database, shop))[shop.location.code]["available"] == 5
    reopened = await ask(database, "transferReopen", id=draft["id"])
    assert (ready["transfer"]["status"], reopened["transfer"]["status"]) == ("READY_TO_SHIP", "DRAFT")


async def test_a_refused_departure_names_the_line_as_it_was_asked_for(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    other = await make_variant(database)
    wanted = [
        {"variant": {"sku": sku}, "quantity": units} for sku, units in ((shop.variant.sku, 6), (other.sku, 2))
    ]
    draft = await drafted(database, shop, store)
    lines = (await ask(database, "transferUpdate", id=draft["id"], lines=wanted))["transfer"]["lines"]
    of = {line["sku"]: line["id"] for line in lines}
    await ask(database, "transferReady", id=draft["id"])
    for asked, path in (
        ([(shop.variant.sku, 6), (other.sku, 2)], ["lines", "1", "quantity"]),
        ([(other.sku, 2)], ["lines", "0", "quantity"]),
        ([(other.sku, 3), (shop.variant.sku, 6)], ["lines", "0", "quantity"]),
        ([(shop.variant.sku, 6), (shop.variant.sku, 1)], ["lines", "1", "lineId"]),
    ):
        given = [{"lineId": of[sku], "quantity": units} for sku, units in asked]
        refused = await ask(database, "transferShip", id=draft["id"], lines=given, idempotencyKey=unique("k"))
        assert [error["path"] for error in refused["userErrors"]] == [path]


async def test_a_receipt_beyond_what_is_on_its_way_names_its_line(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    sent = await shipped(database, shop, store)

    for lines in (
        arrived(sent, available=7),
        arrived(sent, available=-1),
        arrived(sent, available=3, damaged=4),
    ):
        refused = await ask(
            database, "transferReceive", id=sent["id"], lines=lines, idempotencyKey=unique("k")
        )
        assert [error["path"] for error in refused["userErrors"]] == [["lines", "0", "available"]]
    unknown = [{"lineId": encode_id("TransferLine", new_id()), "available": 1}]
    refused = await ask(database, "transferReceive", id=sent["id"], lines=unknown, idempotencyKey=unique("k"))
    assert refused["userErrors"][0]["path"] == ["lines", "0", "lineId"]
    nothing = await received(database, sent, [])
    assert nothing["userErrors"][0]["path"] == ["lines"]


async def test_bad_drafts_are_refused_naming_the_field(database: Database) -> None:
    shop, store = await make_shop(database), await make_location(database)
    good = {"variant": {"sku": shop.variant.sku}, "quantity": 1}
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"sourceCode": "NOWHERE"}, ["sourceCode"]),
        ({"destinationCode": "a\0"}, ["destinationCode"]),
        ({"destinationCode": shop.location.code}, ["destinationCode"]),
        ({"lines": []}, ["lines"]),
        ({"lines": [{**good, "quantity": 0}]}, ["lines", "0", "quantity"]),
        ({"lines": [good, good]}, ["lines", "1", "variant"]),
        ({"lines": [good, {"variant": {"sku": "NOT-SOLD"}, "quantity": 1}]}, ["lines", "1", "variant"]),
        ({"note": " "}, ["note"]),
    ]
    for changes, path in cases:
        wanted = {
            "sourceCode": shop.location.code,
            "destinationCode": store.code,
            "lines": [good],
            "idempotencyKey": unique("key"),
            **changes,
        }
        refused = await ask(database, "transferCreate", **wanted)
        assert [error["path"] for error in refused["userErrors"]] == [path], changes
        assert refused["transfer"] is None


async def test_a_draft_is_changed_as_a_whole_and_by_whoever_saw_it_last(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    draft = await drafted(database, shop, store)
    lines = [{"variant": {"sku": shop.variant.sku}, "quantity": 3}]

    changed = await ask(
        database, "transferUpdate", id=draft["id"], lines=lines, note="by van", expectedVersion=1
    )
    stale = await ask(database, "transferUpdate", id=draft["id"], note=None, expectedVersion=1)

    assert changed["transfer"]["lines"][0] == {**draft["lines"][0], "quantity": 3}
    assert (changed["transfer"]["note"], changed["transfer"]["version"]) == ("by van", 2)
    assert stale["userErrors"][0]["code"] == "VERSION_CONFLICT"


async def test_the_same_receipt_sent_at_once_by_two_counts_once(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    sent, key = await shipped(database, shop, store), unique("key")

    answers = await asyncio.gather(
        *(received(database, sent, arrived(sent, available=4), idempotencyKey=key) for _ in range(4))
    )

    assert all(answer["userErrors"] == [] for answer in answers)
    assert (await levels(database, shop))[store.code]["available"] == 4
    await assert_explained(database)


async def test_units_are_sent_off_once_however_many_send_them(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    draft = await drafted(database, shop, store, 4)
    await ask(database, "transferReady", id=draft["id"])

    answers = await asyncio.gather(
        *(ask(database, "transferShip", id=draft["id"], idempotencyKey=unique("k")) for _ in range(4))
    )

    assert {answer["transfer"]["status"] for answer in answers} == {"IN_PROGRESS"}
    found = await levels(database, shop)
    assert (found[shop.location.code]["available"], found[store.code]["incoming"]) == (6, 4)


async def test_lists_are_of_one_location_or_status_and_go_on_where_they_ended(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    numbers = [(await drafted(database, shop, store))["number"] for _ in range(3)]
    await drafted(database, await make_shop(database), await make_location(database))

    page = (await data_of(database, LIST, {"location": store.code, "first": 2}, CLERK))["transfers"]
    after = {"location": store.code, "after": page["pageInfo"]["endCursor"]}
    rest = (await data_of(database, LIST, after, CLERK))["transfers"]
    none = (await data_of(database, LIST, {"location": store.code, "status": "CANCELED"}, CLERK))["transfers"]

    listed = [edge["node"]["number"] for one in (page, rest) for edge in one["edges"]]
    assert (listed, page["pageInfo"]["hasNextPage"], none["edges"]) == (numbers[::-1], True, [])


async def test_transfers_are_for_staff_of_the_stock(database: Database) -> None:
    shop, store = await make_shop(database), await make_location(database)
    draft = await drafted(database, shop, store)
    stranger = make_app(Permission.ORDERS_READ)

    result = await execute(database, LIST, {}, stranger)
    assert result.errors is not None
    assert isinstance(result.errors[0].original_error, AccessDenied)
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert (await data_of(database, node, {"id": draft["id"]}, stranger))["node"] is None
    assert (await data_of(database, node, {"id": draft["id"]}, CLERK))["node"] == {"id": draft["id"]}


async def test_a_location_with_units_on_their_way_to_it_is_not_archived(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    await shipped(database, shop, store)
    archive = """mutation ($input: LocationArchiveInput!) { locationArchive(input: $input) {
        userErrors { code path message } } }"""

    refused = await data_of(database, archive, {"input": {"id": encode_id("Location", store.id)}})

    assert refused["locationArchive"]["userErrors"][0]["path"] == ["id"]


async def test_how_many_statements_a_transfer_takes(database: Database) -> None:
    shop, store = await make_shop(database, stock=10), await make_location(database)
    await give_stock(database, shop.variant, shop.location, 100)
    draft = await drafted(database, shop, store)
    await ask(database, "transferReady", id=draft["id"])

    with count_statements(database) as shipping:
        sent = await ask(database, "transferShip", id=draft["id"], idempotencyKey=unique("k"))
    with count_statements(database) as receiving:
        await ask(
            database,
            "transferReceive",
            id=draft["id"],
            lines=arrived(sent["transfer"], available=6),
            idempotencyKey=unique("k"),
        )

    # BEGIN, key, lock, (locations,) save, audit, stock, events and answer, COMMIT, the codes of locations.
    assert len(shipping) == 10, shipping
    assert len(receiving) == 9, receiving
