"""Whatever is sent to mutations of returns is answered over HTTP by a typed error that names its field."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.auth import Authenticator
from api.http import GraphQLHttp
from api.rate_limit import RateLimiter
from api.scalars import encode_id
from domain.orders import Order
from domain.returns import Return
from persistence.database import Database
from services.access import Permission
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop, till
from tests.factories import bearer
from tests.live import ENGINE
from tests.sent_back import DESK, arrived_order, ask_for, bring_back, let_return, lines_of, look_at, shopper

ERRORS = "return { id status } userErrors { __typename code message path }"
INPUTS = {
    "returnRequest": "ReturnRequestInput",
    "returnApprove": "ReturnDecideInput",
    "returnDecline": "ReturnDecideInput",
    "returnCancel": "ReturnCancelInput",
    "returnReceive": "ReturnReceiveInput",
    "returnInspect": "ReturnInspectInput",
    "returnRefund": "ReturnRefundInput",
    "returnReject": "ReturnRejectInput",
}
Refusal = tuple[str, list[str] | None]
Wrongs = Sequence[tuple[dict[str, Any], str, list[str] | None]]
"""What is wrong with an input, and the code and path by which it is refused."""
INVALID, MISSING = "INVALID_INPUT", "NOT_FOUND"
ILLEGAL: Refusal = ("ILLEGAL_TRANSITION", ["id"])
"""Whatever its status does not allow is said of the return that was named."""
UNKNOWN = encode_id("Return", uuid4())


class Desk:
    """A shop with an order of five units and its returns, asked over HTTP."""

    def __init__(self, http: httpx.AsyncClient, staff: str) -> None:
        """Ask as staff where nothing else is said."""
        self.http = http
        self.staff = staff

    async def send(self, mutation: str, given: dict[str, Any], by: str | None = None) -> dict[str, Any]:
        """Send a mutation; returns the body of an answer that is no failure of the server's."""
        document = f"mutation ($input: {INPUTS[mutation]}!) {{ {mutation}(input: $input) {{ {ERRORS} }} }}"
        authorization = self.staff if by is None else by
        answer = await self.http.post(
            "/graphql",
            json={"query": document, "variables": {"input": given}},
            headers={"authorization": authorization} if authorization else {},
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def check(self, mutation: str, good: dict[str, Any], wrong: Wrongs, by: str | None = None) -> None:
        """Fail unless an input is refused as it should be, each time with one thing wrong with it."""
        answers = [await self.refusal(mutation, changed(good, **changes), by) for changes, *_ in wrong]
        differing = [
            (mutation, changes, answer)
            for (changes, *expected), answer in zip(wrong, answers, strict=True)
            if answer != tuple(expected)
        ]
        assert not differing, differing

    async def refusal(self, mutation: str, given: dict[str, Any], by: str | None = None) -> Refusal:
        """Return the code and the path of the one thing that is wrong with a mutation."""
        body = await self.send(mutation, given, by)
        if "errors" in body:
            (error,) = body["errors"]
            return error["extensions"]["code"], None
        payload = body["data"][mutation]
        assert payload["return"] is None, payload
        error = payload["userErrors"][0]
        assert error["message"]
        return error["code"], error["path"]


@asynccontextmanager
async def desk(database: Database) -> AsyncIterator[Desk]:
    environment = till(database).environment
    limiter = RateLimiter(0, 1)
    app = GraphQLHttp(ENGINE, environment, Authenticator(environment), limiter)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as http:
        yield Desk(http, await bearer(database, *DESK))


@pytest.fixture
async def order(database: Database) -> Order:
    await let_return(database)
    return await arrived_order(database, 5, shop=await make_stocked_shop(database, 20))


def changed(given: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return an input with other values; what begins with line_ is of its first line."""
    lines = dict(given["lines"][0]) if "lines" in given else {}
    lines |= {name[5:]: value for name, value in changes.items() if name.startswith("line_")}
    whole = {name: value for name, value in changes.items() if not name.startswith("line_")}
    return {**given, **({"lines": [lines]} if lines else {}), **whole}


LINE = ["lines", "0"]
REQUESTS: Wrongs = [
    ({"line_lineId": "x"}, INVALID, [*LINE, "lineId"]),
    ({"line_lineId": "\0"}, "BAD_USER_INPUT", None),
    ({"line_lineId": UNKNOWN}, MISSING, [*LINE, "lineId"]),
    ({"line_lineId": encode_id("OrderLine", uuid4())}, MISSING, [*LINE, "lineId"]),
    ({"line_quantity": 0}, INVALID, [*LINE, "quantity"]),
    ({"line_quantity": -1}, INVALID, [*LINE, "quantity"]),
    ({"line_quantity": 6}, "NOT_RETURNABLE", [*LINE, "quantity"]),
    ({"line_quantity": 2**31 - 1}, INVALID, [*LINE, "quantity"]),
    ({"line_quantity": 2**31}, "BAD_USER_INPUT", None),
    ({"line_reason": "BORED"}, "BAD_USER_INPUT", None),
    ({"line_note": "\0"}, "BAD_USER_INPUT", None),
    ({"line_note": " "}, INVALID, [*LINE, "note"]),
    ({"line_note": "n" * 2001}, INVALID, [*LINE, "note"]),
    ({"line_photos": ["http://pictures.example/1"]}, INVALID, [*LINE, "photos"]),
    ({"line_photos": ["javascript:alert(1)"]}, INVALID, [*LINE, "photos"]),
    ({"line_photos": ["https://x.example/\0"]}, "BAD_USER_INPUT", None),
    ({"line_photos": ["https://x.example/1"] * 11}, INVALID, [*LINE, "photos"]),
    ({"lines": []}, INVALID, ["lines"]),
    ({"email": "nobody"}, INVALID, ["email"]),
    ({"idempotencyKey": ""}, INVALID, ["idempotencyKey"]),
    ({"idempotencyKey": "\0"}, "BAD_USER_INPUT", None),
    ({"idempotencyKey": "k" * 10_000}, INVALID, ["idempotencyKey"]),
    ({"ref": {"token": "x"}}, MISSING, ["ref"]),
    ({"ref": {"token": "\0"}}, "BAD_USER_INPUT", None),
    ({"ref": {}}, "BAD_USER_INPUT", None),
    ({"wish": "WISHES"}, "BAD_USER_INPUT", None),
]


async def test_a_request_that_cannot_be_names_its_field(database: Database, order: Order) -> None:
    _, ref = shopper(database, order)
    line = (await lines_of(database, order.id))[0]
    other = await arrived_order(database, 1)
    good: dict[str, Any] = {
        "ref": {"token": ref.token},
        "lines": [{"lineId": encode_id("OrderLine", line.id), "quantity": 1, "reason": "SIZE"}],
        "idempotencyKey": str(uuid4()),
    }
    async with desk(database) as shop:
        await shop.check("returnRequest", good, REQUESTS, "")
        elsewhere = shopper(database, other)[1].token
        assert await shop.refusal("returnRequest", changed(good, ref={"token": elsewhere}), "") == (
            MISSING,
            [*LINE, "lineId"],
        )
        twice = {**good, "lines": [{**good["lines"][0], "quantity": 3}] * 2}
        assert await shop.refusal("returnRequest", twice, "") == (
            "NOT_RETURNABLE",
            ["lines", "1", "quantity"],
        )
        many = {**good, "lines": good["lines"] * 201}
        assert await shop.refusal("returnRequest", many, "") == (INVALID, ["lines"])
        by_id = {**good, "ref": {"id": encode_id("Order", order.id)}}
        assert (await shop.refusal("returnRequest", by_id, ""))[0] in {"UNAUTHENTICATED", MISSING}
        assert (await shop.refusal("returnRequest", by_id, await bearer(database, Permission.ORDERS_READ)))[
            0
        ] == "FORBIDDEN"
        assert (await run_sql(database, "SELECT count(*) AS made FROM returns"))[0].made == 0

        made = (await shop.send("returnRequest", good, ""))["data"]["returnRequest"]
        assert made["userErrors"] == []
        again = (await shop.send("returnRequest", good, ""))["data"]["returnRequest"]
        assert again == made
        assert await shop.refusal("returnRequest", changed(good, line_quantity=2), "") == (
            "IDEMPOTENCY_KEY_REUSED",
            ["idempotencyKey"],
        )


IDS: Wrongs = [
    ({"id": "x"}, INVALID, ["id"]),
    ({"id": "\0"}, "BAD_USER_INPUT", None),
    ({"id": encode_id("Order", uuid4())}, MISSING, ["id"]),
    ({"id": UNKNOWN}, MISSING, ["id"]),
    ({"expectedVersion": 2**31}, "BAD_USER_INPUT", None),
]
NOTES: Wrongs = [
    ({"note": " "}, INVALID, ["note"]),
    ({"note": "\0"}, "BAD_USER_INPUT", None),
    ({"note": "n" * 2001}, INVALID, ["note"]),
]
KEYS: Wrongs = [
    ({"idempotencyKey": ""}, INVALID, ["idempotencyKey"]),
    ({"idempotencyKey": "\0"}, "BAD_USER_INPUT", None),
]
UNITS: Wrongs = [
    ({"lines": []}, INVALID, ["lines"]),
    ({"line_lineId": "x"}, INVALID, [*LINE, "lineId"]),
    ({"line_lineId": encode_id("ReturnLine", uuid4())}, MISSING, [*LINE, "lineId"]),
    ({"line_quantity": 0}, INVALID, [*LINE, "quantity"]),
    ({"line_quantity": -1}, INVALID, [*LINE, "quantity"]),
    ({"line_quantity": 3}, INVALID, [*LINE, "quantity"]),
    ({"line_quantity": 2**31 - 1}, INVALID, [*LINE, "quantity"]),
    ({"line_quantity": 2**40}, "BAD_USER_INPUT", None),
]
STALE = ({"expectedVersion": 99}, "VERSION_CONFLICT", ["expectedVersion"])


def inputs(found: Return, place: str) -> dict[str, dict[str, Any]]:
    """Return an input of each mutation of a return that could be."""
    named, key = {"id": encode_id("Return", found.id)}, str(uuid4())
    line = {"lineId": encode_id("ReturnLine", found.lines[0].id), "quantity": 2}
    return {
        "returnApprove": named,
        "returnDecline": named,
        "returnCancel": named,
        "returnReceive": {**named, "locationCode": place, "lines": [line], "idempotencyKey": key},
        "returnInspect": {
            **named, "lines": [{**line, "disposition": "RESTOCKED"}], "idempotencyKey": key,
        },
        "returnRefund": {**named, "idempotencyKey": key},
        "returnReject": {**named, "note": "a brick"},
    }  # fmt: skip


async def test_what_staff_cannot_do_names_its_field_and_changes_nothing(
    database: Database, order: Order
) -> None:
    place = (await run_sql(database, "SELECT code FROM locations"))[0].code
    asked = await ask_for(database, order, 2, email="eve@example.com")
    given = inputs(asked, place)
    weak = await bearer(database, Permission.RETURNS_READ)
    async with desk(database) as shop:

        async def refused(mutation: str, *wrong: tuple[dict[str, Any], str, list[str] | None]) -> None:
            await shop.check(mutation, given[mutation], wrong)

        for mutation, good in given.items():
            await refused(mutation, *IDS)
            if mutation != "returnCancel":
                assert (await shop.refusal(mutation, good, weak))[0] == "FORBIDDEN"
                assert (await shop.refusal(mutation, good, ""))[0] == "UNAUTHENTICATED"
        for mutation in ("returnApprove", "returnDecline", "returnCancel"):
            await refused(mutation, *NOTES, STALE)
        for mutation in ("returnReceive", "returnInspect", "returnRefund", "returnReject"):
            assert await shop.refusal(mutation, given[mutation]) == ILLEGAL, mutation
        await refused("returnReject", *NOTES)

        _, stranger = shopper(database, await arrived_order(database, 1))
        for owner in ({"token": "x"}, {"token": stranger.token}):
            assert (await shop.refusal("returnCancel", {**given["returnCancel"], "ref": owner}, ""))[
                0
            ] == MISSING
        assert (await shop.refusal("returnCancel", given["returnCancel"], ""))[0] == "UNAUTHENTICATED"

        await shop.send("returnApprove", given["returnApprove"])
        await refused(
            "returnReceive",
            *UNITS,
            *KEYS,
            STALE,
            ({"locationCode": "NOWHERE"}, MISSING, ["locationCode"]),
            ({"locationCode": "\0"}, "BAD_USER_INPUT", None),
            ({"lines": given["returnReceive"]["lines"] * 2}, INVALID, ["lines", "1", "lineId"]),
        )
        await shop.send("returnReceive", given["returnReceive"])
        await refused("returnReceive", ({"line_quantity": 1}, "IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"]))
        await refused(
            "returnInspect",
            *UNITS,
            *KEYS,
            STALE,
            ({"line_disposition": "EATEN"}, "BAD_USER_INPUT", None),
            ({"line_note": "\0"}, "BAD_USER_INPUT", None),
            ({"line_note": " "}, INVALID, [*LINE, "note"]),
            ({"line_grade": "NOT_OURS"}, INVALID, [*LINE, "disposition"]),
            ({"line_disposition": "MISSING"}, INVALID, [*LINE, "quantity"]),
        )
        assert await shop.refusal("returnCancel", given["returnCancel"]) == ILLEGAL
    (row,) = await run_sql(database, "SELECT status, version FROM returns")
    assert row.status == "RECEIVED"


async def test_a_closed_return_stays_as_it_is(database: Database, order: Order) -> None:
    place = (await run_sql(database, "SELECT code FROM locations"))[0].code
    closed = await look_at(database, await bring_back(database, await ask_for(database, order, 2), place))
    async with desk(database) as shop:
        for mutation, good in inputs(closed, place).items():
            assert await shop.refusal(mutation, good) == ILLEGAL, mutation
    (row,) = await run_sql(database, "SELECT status, version FROM returns")
    assert (row.status, row.version) == ("CLOSED", closed.version)
    (charge,) = await run_sql(database, "SELECT refunded_minor FROM sandbox_charges")
    assert charge.refunded_minor == closed.refund_minor


def adjusted(wrong: dict[str, Any], code: str, *path: str) -> tuple[dict[str, Any], str, list[str] | None]:
    """Return an adjustment with one thing wrong with it, and how it is refused."""
    good = {"deduct": {"amount": "1.00", "currency": "USD"}, "reason": "A part is missing."}
    given = {"adjustment": {**good, **wrong}}
    return given, code, None if code == "BAD_USER_INPUT" else ["adjustment", *path]


def dollars(amount: Any, currency: str = "USD") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


async def test_an_adjustment_that_cannot_be_names_its_field(database: Database) -> None:
    await let_return(database, auto_refund_most_minor=0)
    order = await arrived_order(database, 2, shop=await make_stocked_shop(database, 5))
    place = (await run_sql(database, "SELECT code FROM locations"))[0].code
    async with desk(database) as shop:
        asked = await ask_for(database, order, 2)
        given = inputs(asked, place)
        for mutation in ("returnApprove", "returnReceive", "returnInspect"):
            await shop.send(mutation, given[mutation])
        await shop.check(
            "returnRefund",
            given["returnRefund"],
            [
                adjusted({"reason": " "}, INVALID, "reason"),
                adjusted({"reason": "\0"}, "BAD_USER_INPUT"),
                adjusted({"reason": "r" * 501}, INVALID, "reason"),
                adjusted({"deduct": None}, INVALID),
                adjusted({"waive": dollars("1")}, INVALID),
                adjusted({"deduct": dollars("25.01")}, "AMOUNT_TOO_LARGE", "deduct", "amount"),
                adjusted({"deduct": None, "waive": dollars("1")}, "AMOUNT_TOO_LARGE", "waive", "amount"),
                adjusted({"deduct": dollars("0")}, INVALID, "deduct", "amount"),
                adjusted({"deduct": dollars("0.001")}, INVALID, "deduct", "amount"),
                adjusted({"deduct": dollars("1E+30")}, INVALID, "deduct", "amount"),
                adjusted({"deduct": dollars("NaN")}, INVALID, "deduct", "amount"),
                adjusted({"deduct": dollars("1", "\0")}, "BAD_USER_INPUT"),
                adjusted({"deduct": dollars("1", "EUR")}, INVALID, "deduct", "currency"),
            ],
        )
    (row,) = await run_sql(database, "SELECT status, refund_minor FROM returns")
    assert (row.status, row.refund_minor) == ("INSPECTED", 0)
