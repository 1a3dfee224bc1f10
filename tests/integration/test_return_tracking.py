"""Where parcels of returns are, by what carriers tell in any order; reminders, expiry, what arrives late."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from api.scalars import encode_id
from domain.carrier_ports import TrackingUpdate
from domain.kernel.errors import IllegalTransition, NotFound
from domain.kernel.ids import new_id
from domain.return_parcels import ParcelSource
from domain.returns import Return, ReturnStatus
from domain.shipments import ShipmentStatus
from persistence import tracking as rows
from persistence.database import Database
from providers.carriers.sandbox_record import ParcelEvent, ParcelRecord
from services import return_tracking, return_work, returns, tracking
from services.access import ANONYMOUS
from tests.cart_flows import run_sql
from tests.factories import data_of
from tests.notices import MovingClock, set_row
from tests.sent_back import bring_back, let_return, shopper
from tests.statements import count_statements
from tests.tracked import said
from tests.ways_back import (
    apply,
    carriers,
    labeled_return,
    parcel_of,
    sent_by_sandbox,
    staff,
    with_label,
)

S = ShipmentStatus
_SET = """mutation ($input: ReturnTrackingSetInput!) { returnTrackingSet(input: $input) {
    return { status parcels { source carrier trackingNumber status } } userErrors { code path } } }"""
_WORK = """query ($kind: ReturnWork!, $after: String) { returnWork(kind: $kind, first: 1, after: $after) {
    edges { node { number } } pageInfo { hasNextPage endCursor } } }"""


async def tell(database: Database, found: Return, *told: tuple[S, str, int]) -> None:
    """Let the sandbox tell of a return's parcel: status, event, minutes ago."""
    parcel = await parcel_of(database, found)
    for status, event, minutes in told:
        at = datetime.now(UTC) - timedelta(minutes=minutes)
        update = said(parcel, status, f"{found.id}/{event}", occurred_at=at)  # type: ignore[arg-type]
        async with database.transaction() as connection:
            await rows.store(connection, "sandbox", [update], now=datetime.now(UTC))
        await apply(database)


async def now(database: Database, found: Return) -> Return:
    again = await returns.find(staff(database), found.id)
    assert again is not None
    return again


async def kinds(database: Database, found: Return) -> list[str]:
    told = await run_sql(
        database,
        "SELECT kind FROM event_outbox WHERE payload ->> 'returnId' = :id ORDER BY id",
        id=str(found.id),
    )
    return [row.kind for row in told if row.kind.startswith(("ReturnIn", "ReturnParcel"))]


async def work(database: Database, kind: str) -> list[str]:
    """Return the numbers of a whole work list, read one at a time."""
    found: list[str] = []
    after = None
    while True:
        page = (await data_of(database, _WORK, {"kind": kind, "after": after}))["returnWork"]
        found += [edge["node"]["number"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


async def test_what_a_carrier_tells_in_any_order_and_again_ends_alike(database: Database) -> None:
    await let_return(database)
    order = await sent_by_sandbox(database, 6)
    told = ((S.PRE_TRANSIT, "a", 60), (S.IN_TRANSIT, "b", 40), (S.DELIVERED, "c", 20))
    for number, some in enumerate(permutations(told)):
        found = await with_label(database, order)
        await tell(database, found, *some, *some)
        parcel = await parcel_of(database, found)
        assert (parcel.status, (await now(database, found)).status) == (S.DELIVERED, ReturnStatus.IN_TRANSIT)
        events = await kinds(database, found)
        assert events.count("ReturnInTransit") == 1, number
        assert events.count("ReturnParcelDelivered") == 1, number
    assert len(await work(database, "TO_RECEIVE")) == 6


async def test_a_first_scan_takes_a_return_on_its_way_and_few_statements(database: Database) -> None:
    found = await labeled_return(database)
    await tell(database, found, (S.PRE_TRANSIT, "a", 30))
    assert (await now(database, found)).status is ReturnStatus.APPROVED
    parcel = await parcel_of(database, found)
    async with database.transaction() as connection:
        update = said(parcel, S.IN_TRANSIT, "b")  # type: ignore[arg-type]
        await rows.store(connection, "sandbox", [update], now=datetime.now(UTC))
    with count_statements(database) as statements:
        await apply(database)
    assert len(statements) == 14, statements
    assert (await now(database, found)).status is ReturnStatus.IN_TRANSIT


async def test_a_parcel_that_is_lost_or_goes_back_is_staffs_to_see_to(database: Database) -> None:
    found = await labeled_return(database)
    assert await work(database, "IN_TROUBLE") == []
    await tell(database, found, (S.IN_TRANSIT, "a", 40), (S.EXCEPTION, "b", 20))
    assert await kinds(database, found) == ["ReturnInTransit", "ReturnParcelException"]
    assert await work(database, "IN_TROUBLE") == [found.number]
    await tell(database, found, (S.DELIVERED, "c", 1))
    assert await work(database, "IN_TROUBLE") == []
    assert await work(database, "TO_RECEIVE") == [found.number]


async def test_a_shopper_names_their_own_parcel_and_it_is_followed(database: Database) -> None:
    found = await labeled_return(database)
    order = await sent_by_sandbox(database)
    tokens = shopper(database, order)[0].environment.tokens
    own, other = (tokens.sign("order", one, 1) for one in (found.order_id, order.id))

    async def name(number: str, token: str = own, **changes: Any) -> dict[str, Any]:
        given = {"id": encode_id("Return", found.id), "ref": {"token": token}, "carrier": "Sandbox"}
        given |= {"trackingNumber": number, **changes}
        answer = await data_of(database, _SET, {"input": given}, ANONYMOUS, **carriers(database))
        return dict(answer["returnTrackingSet"])

    assert (await name("SB1", other))["userErrors"][0]["code"] == "NOT_FOUND"
    assert (await name(" "))["userErrors"][0]["path"][-1] == "trackingNumber"
    for number in ("SB1", "SB2", "SB2"):
        answer = await name(number)
        own_parcel = answer["return"]["parcels"][-1]
        assert (own_parcel["source"], own_parcel["trackingNumber"]) == ("OWN", number)
    record = ParcelRecord(database.engine)
    await record.buy(
        {
            "reference": "sbp_1", "key": "k", "number": "SB2", "service": "STANDARD", "currency": "USD",
            "price_minor": 1, "document": b"x", "estimated_at": datetime.now(UTC), "now": datetime.now(UTC),
        },
        [ParcelEvent("e1", S.IN_TRANSIT, "Scanned", "Bonn", datetime.now(UTC), None, datetime.now(UTC), 0)],
    )  # fmt: skip
    ahead = MovingClock(timedelta(hours=2))
    assert await tracking.poll_due(staff(database, clock=ahead)) == 2, (
        "its label's, and the one that was typed"
    )
    await apply(database, clock=ahead)
    assert (await now(database, found)).status is ReturnStatus.IN_TRANSIT
    assert (await name("SB3"))["userErrors"][0]["code"] == "ILLEGAL_TRANSITION"


async def test_a_number_that_somebody_else_typed_too_moves_the_parcel_that_has_it(database: Database) -> None:
    victim = await labeled_return(database)
    label = await parcel_of(database, victim)
    thief = await with_label(database, await sent_by_sandbox(database))
    assert label.tracking_number is not None
    for one in (thief, victim):  # the victim has lost the label, say, and types its number
        await return_tracking.name_parcel(
            staff(database), None, one.id, "Sandbox", label.tracking_number if one is thief else "SB7"
        )
    await return_tracking.name_parcel(staff(database), None, thief.id, "Sandbox", "SB7")
    await return_tracking.name_parcel(staff(database), None, thief.id, "Sandbox", label.tracking_number)

    async def scan(event: str, number: str) -> None:
        at = datetime.now(UTC)
        update = TrackingUpdate(event, S.IN_TRANSIT, at, tracking_number=number)
        async with database.transaction() as connection:
            await rows.store(connection, "sandbox", [update], now=at)
        await apply(database)

    await scan("by its number alone", label.tracking_number)
    assert (await now(database, victim)).status is ReturnStatus.IN_TRANSIT
    assert (await now(database, thief)).status is ReturnStatus.APPROVED
    await return_tracking.name_parcel(staff(database), None, thief.id, "Sandbox", "SB7")
    await scan("typed by both", "SB7")
    assert (await parcel_of(database, victim, ParcelSource.OWN)).status is S.IN_TRANSIT
    assert (await now(database, thief)).status is ReturnStatus.APPROVED


async def test_another_number_forgets_where_the_first_was(database: Database) -> None:
    found = await labeled_return(database)
    await return_tracking.name_parcel(staff(database), None, found.id, "Sandbox", "SB8")
    at = datetime.now(UTC)
    update = TrackingUpdate("announced", S.PRE_TRANSIT, at, tracking_number="SB8", place="Bonn")
    async with database.transaction() as connection:
        await rows.store(connection, "sandbox", [update], now=at)
    await apply(database)
    assert (await parcel_of(database, found, ParcelSource.OWN)).position == "Bonn"
    await return_tracking.name_parcel(staff(database), None, found.id, "Sandbox", "SB9")
    again = await parcel_of(database, found, ParcelSource.OWN)
    assert (again.tracking_number, again.position, again.told_at) == ("SB9", None, None)


async def test_a_return_of_somebody_else_is_answered_like_one_that_is_not_there(database: Database) -> None:
    found = await labeled_return(database)
    context, ref = shopper(database, await sent_by_sandbox(database))
    said: set[str] = set()
    for one in (found.id, new_id()):
        with pytest.raises(NotFound) as named:
            await return_tracking.name_parcel(context, ref, one, "Sandbox", "SB1")
        with pytest.raises(NotFound) as canceled:
            await returns.cancel(context, ref, one, None, None)
        said |= {str(named.value), str(canceled.value)}
    assert len(said) == 1


async def test_a_customer_is_reminded_once_some_days_before_the_end(database: Database) -> None:
    found = await labeled_return(database)
    assert found.expires_at is not None
    days = (found.expires_at - datetime.now(UTC)).days
    for ahead, sent in ((days - 4, 0), (days - 2, 1), (days - 1, 0)):
        clock = MovingClock(timedelta(days=ahead))
        assert await return_work.remind_due(staff(database, clock=clock)) == sent
    other = await with_label(database, await sent_by_sandbox(database))
    await tell(database, other, (S.IN_TRANSIT, "a", 1))
    assert await return_work.remind_due(staff(database, clock=MovingClock(timedelta(days=days - 1)))) == 0


async def test_what_was_scanned_never_expires_and_what_expired_can_still_be_received(
    database: Database,
) -> None:
    await let_return(database)
    order = await sent_by_sandbox(database, 4)
    scanned, silent, gone, given_up = [await with_label(database, order) for _ in range(4)]
    await returns.cancel(staff(database), None, given_up.id, None, None)
    await tell(database, scanned, (S.IN_TRANSIT, "a", 1))
    await set_row(database, "UPDATE returns SET expires_at = now() - interval '1 minute'")
    assert await returns.expire_due(staff(database)) == 2
    assert (await now(database, scanned)).status is ReturnStatus.IN_TRANSIT
    assert (await now(database, silent)).status is ReturnStatus.CANCELED

    await tell(database, silent, (S.DELIVERED, "b", 0))
    assert (await now(database, silent)).status is ReturnStatus.CANCELED
    assert await work(database, "TO_RECEIVE") == [silent.number]
    (place,) = await run_sql(database, "SELECT code FROM locations ORDER BY id LIMIT 1")
    here = await bring_back(database, silent, place.code)
    assert here.status is ReturnStatus.RECEIVED
    assert await work(database, "TO_RECEIVE") == []
    assert (await bring_back(database, given_up, place.code)).status is ReturnStatus.RECEIVED

    again = await with_label(database, order)
    assert again.status is ReturnStatus.APPROVED
    with pytest.raises(IllegalTransition):  # its unit is in another return by now
        await bring_back(database, gone, place.code)
