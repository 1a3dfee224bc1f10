"""Two hundred labelled return requests, each made in its own world of a real database."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.kernel.errors import AccessDenied, DomainError, InvalidInput, NotFound, NotReturnable, Several
from domain.kernel.ids import new_id
from domain.ports import PaymentRecord, ProviderTimeout
from domain.return_arrivals import Surplus
from domain.return_evidence import Check, Decision
from domain.return_receipts import Look
from domain.return_requests import AskedLine
from domain.return_verdicts import CONFIRMED_BY
from domain.returns import WAITING, Disposition, Grade, Return, ReturnReason, ReturnStatus, ReturnWish
from persistence import return_policies
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from services import return_arrivals, return_receipts, returns
from services.access import ANONYMOUS, Permission
from services.context import ServiceContext
from services.orders import OrderRef
from services.return_records import ASK_AGAIN
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop, order_now, till
from tests.clocks import StoppedClock
from tests.factories import make_app
from tests.return_rows import Case, World, instant
from tests.return_worlds import CASES, SECOND, build, worth
from tests.sent_back import arrived_order, ask_for, desk, let_return

_STAFF = (
    Permission.ORDERS_READ,
    Permission.RETURNS_READ,
    Permission.RETURNS_WRITE,
    Permission.PAYMENTS_WRITE,
)
_VERDICTS = {ReturnStatus.REQUESTED: "ASK_STAFF", ReturnStatus.DECLINED: "DECLINE"}
_GRADES = {
    "AS_SENT": Grade.AS_NEW,
    "DEFECT_CONFIRMED": Grade.DAMAGED,
    "USED": Grade.USED,
    "DAMAGED": Grade.DAMAGED,
    "MISSING_PARTS": Grade.INCOMPLETE,
    "OTHER_ITEM": Grade.NOT_OURS,
    "OTHER_SERIAL": Grade.NOT_OURS,
}
# What was given back of every order beside what its returns and the provider say: the same, or never asked.
_MORE_BACK_THAN_TAKEN = """
    SELECT o.number, p.captured_minor, p.refunded_minor, r.minor
      FROM orders o,
           LATERAL (SELECT sum(captured_minor) AS captured_minor, sum(refunded_minor) AS refunded_minor
                      FROM payments WHERE order_id = o.id) p,
           LATERAL (SELECT coalesce(sum(refund_minor), 0) AS minor FROM returns
                     WHERE order_id = o.id AND closed_at IS NOT NULL AND cardinality(transaction_ids) > 0) r
     WHERE p.refunded_minor > p.captured_minor OR r.minor > p.refunded_minor
"""


class Hangs(SandboxPayments):
    """The real sandbox, which never answers what it has on record."""

    async def record_of(self, reference: str) -> PaymentRecord | None:
        await asyncio.sleep(60)
        raise AssertionError("the time limit has ended it")


class Unreachable(SandboxPayments):
    """The real sandbox, which cannot be asked what it has on record."""

    async def record_of(self, reference: str) -> PaymentRecord | None:
        raise ProviderTimeout


@dataclass
class Ending:
    """How a request was judged, by which records, and the return as it is in the end."""

    verdict: str
    cited: set[str] = field(default_factory=set)
    found: Return | None = None

    @property
    def refunded_by_itself(self) -> bool:
        """Whether money was asked back for it (here nobody of staff ever does)."""
        return self.found is not None and (bool(self.found.transaction_ids) or self.found.refund_minor > 0)


# Two tests, as a run of several processes takes them at once.
@pytest.mark.parametrize("half", [0, 1])
async def test_every_labelled_request_ends_as_its_label_says(database: Database, half: int) -> None:
    worlds = await build(database, [*CASES[half::2], *SECOND[half::2]])
    wrong, refunded = [], 0
    for world in worlds:
        ended = await _case(database, world)
        for request, ending in ended:
            wrong += [f"{world.case['id']}: {one}" for one in _violations(world, request, ending)]
            refunded += ending.refunded_by_itself
        if world.case["races_with"]:
            wrong += [f"{world.case['id']}: {one}" for one in _raced(world.case, ended)]
    assert not wrong, "\n".join(wrong)
    assert refunded > 25
    assert await run_sql(database, _MORE_BACK_THAN_TAKEN) == []


async def _case(database: Database, world: World) -> list[tuple[Case, Ending]]:
    race = world.case["races_with"]
    asked = [world.case["request"], *([race["request"]] if race else [])]
    made = await asyncio.gather(*(_ask(database, world, one) for one in asked))
    return list(zip(asked, made, strict=True))


async def _ask(database: Database, world: World, request: Case) -> Ending:
    clock = StoppedClock(instant(request["asked_at"]))
    context, ref = _asker(database, world, request, clock)
    lines = [
        AskedLine(
            world.lines.get(line["sku"], new_id()),
            line["quantity"],
            ReturnReason(request["reason"]),
            note=request["note"] or None,
        )
        for line in request["lines"]
    ]
    wish, email = ReturnWish(request["wish"]), request["who"]["email"]
    try:
        made = await returns.request(context, ref, lines, wish, email, str(uuid4()))
    except (DomainError, AccessDenied) as error:
        return _refused(error)
    desk = _context(database, world, clock, make_app(*_STAFF))
    if request["received"] is not None:
        made = await _received(desk, world, made, request["received"])
        cited = _cited(made) | ({"INSPECTION"} if made.status in WAITING else set())
        return Ending("ASK_STAFF" if not _paid(made) else "APPROVE", cited, made)
    ending = Ending(_VERDICTS.get(made.status, "APPROVE"), _cited(made), made)
    if made.status is ReturnStatus.APPROVED:
        ending.found = await _found_as_said(desk, world, made)
    return ending


def _context(database: Database, world: World, clock: StoppedClock, actor: Any) -> ServiceContext:
    changes: dict[str, Any] = {"clock": clock}
    if world.case["provider_record"]["state"] == "UNREACHABLE":
        odd = int(world.number[-1]) % 2
        changes["payment_providers"] = {"sandbox": (Hangs if odd else Unreachable)(database.engine)}
        changes["payment_time_limit_seconds"] = 0.05
    return till(database, actor, **changes)


def _asker(
    database: Database, world: World, request: Case, clock: StoppedClock
) -> tuple[ServiceContext, OrderRef]:
    """Return whoever asks, with what they hold: a token, or staff to whom they have written."""
    who = request["who"]
    if who["by"] == "EMAIL":
        return _context(database, world, clock, make_app(*_STAFF)), OrderRef(number=world.number)
    context = _context(database, world, clock, ANONYMOUS)
    tokens = context.environment.tokens
    # An account shows the tokens of its own orders, and of no others.
    own = who["by"] == "SIGNED_IN" and who["customer_id"] == world.case["order"]["customer"]["id"]
    if own or who["order_token"] == "RIGHT":
        return context, OrderRef(token=tokens.sign("order", world.order_id, 1))
    if who["order_token"] == "WRONG":
        return context, OrderRef(token=tokens.sign("order", new_id(), 1))
    return context, OrderRef(number=world.number)


def _refused(error: Exception) -> Ending:
    """Return what is answered at once, and writes nothing: order or units are not theirs to return."""
    if isinstance(error, AccessDenied) or (isinstance(error, NotFound) and error.path[:1] == ("ref",)):
        return Ending("DECLINE", {"CUSTOMER"})
    assert isinstance(error, DomainError)
    wrong: Sequence[DomainError] = error.errors if isinstance(error, Several) else [error]
    refused = [one for one in wrong if isinstance(one, NotReturnable)]
    if len(refused) == len(wrong):
        cited = {"ORDER"}
        if any("ALREADY_RETURNED" in one.obstacles for one in refused):
            cited.add("EARLIER_RETURNS")
        return Ending("DECLINE", cited)
    assert all(isinstance(one, InvalidInput | NotFound | NotReturnable) for one in wrong), wrong
    return Ending("INVALID")


async def _received(desk: ServiceContext, world: World, made: Return, received: Iterable[Case]) -> Return:
    """Let units arrive and be looked at, staff having let them be sent where they were asked."""
    if made.status is ReturnStatus.REQUESTED:
        made = await returns.decide_on(desk, made.id, approve=True, note="send it", expected_version=None)
    clock = desk.environment.clock
    assert isinstance(clock, StoppedClock)
    clock.at = max(clock.at, instant(world.case["shop"]["today"]))
    looks: list[Look] = []
    for found in received:
        line = next(one for one in made.lines if one.sku == found["sku"])
        if found["quantity"]:
            came, place = min(found["quantity"], line.quantity), world.location_code
            await return_receipts.receive(desk, made.id, place, {line.id: came}, None, str(uuid4()))
            if found["quantity"] > came:
                more = [Surplus(found["found_sku"], found["quantity"] - came)]
                await return_arrivals.record_surplus(desk, made.id, place, more, [False], str(uuid4()))
            grade = _GRADES[found["condition"]]
            looks.append(Look(line.id, came, Disposition.PROCESSING_REQUIRED, grade))
        if found["quantity"] < line.quantity:
            units_missing = line.quantity - found["quantity"]
            looks.append(Look(line.id, units_missing, Disposition.MISSING, Grade.AS_NEW))
    return await return_receipts.inspect(desk, made.id, looks, None, str(uuid4()))


async def _found_as_said(desk: ServiceContext, world: World, made: Return) -> Return:
    """Let an approved return arrive whole, and be found as the customer said."""
    clock = desk.environment.clock
    assert isinstance(clock, StoppedClock)
    clock.at += timedelta(days=5)
    units = {line.id: line.quantity for line in made.lines}
    await return_receipts.receive(desk, made.id, world.location_code, units, None, str(uuid4()))
    looks = [
        Look(line.id, line.quantity, Disposition.PROCESSING_REQUIRED, min(CONFIRMED_BY[line.reason]))
        for line in made.lines
        if CONFIRMED_BY[line.reason]
    ]
    if len(looks) < len(made.lines):
        return made
    return await return_receipts.inspect(desk, made.id, looks, None, str(uuid4()))


def _paid(made: Return) -> bool:
    return bool(made.transaction_ids) or made.status is ReturnStatus.CLOSED


def _cited(made: Return) -> set[str]:
    kept = [one for one in (made.verdict, made.refund_verdict) if one is not None]
    return {finding["record"] for verdict in kept for finding in verdict["findings"]}


def _violations(world: World, request: Case, ending: Ending) -> list[str]:
    case = world.case
    labels = case["labels"]
    first = request is case["request"]
    expected = labels["expected"] if first else case["races_with"]["expected"]
    found = []
    if ending.verdict not in expected:
        found.append(f"{ending.verdict} instead of {expected}: {_told(ending)}")
    if first and labels["honest"] is False and ending.refunded_by_itself:
        found.append("a fraud was paid by itself")
    may_not = first and labels["honest"] is True and labels["policy_forbids"] is None
    if may_not and ending.verdict == "DECLINE":
        found.append("an honest request was declined by machine")
    missing = set(labels["must_cite"]) - ending.cited
    if first and missing and ending.verdict != "INVALID":
        found.append(f"{ending.verdict} does not cite {sorted(missing)}: {_told(ending)}")
    if ending.refunded_by_itself:
        found += _unproven(world, request, ending)
    return found


def _unproven(world: World, request: Case, ending: Ending) -> list[str]:
    """Return what is wrong with a refund that nobody decided: its evidence, or its amount."""
    made, found = ending.found, []
    assert made is not None
    needed = {"ORDER", "POLICY", "CUSTOMER", "EARLIER_RETURNS"}
    needed |= set() if made.keeps_items else {"INSPECTION"}
    needed |= {"PROVIDER"} if world.case["order"]["tenders"] else set()
    verdict = made.refund_verdict or {"decision": None, "findings": []}
    cited = {one["record"] for one in verdict["findings"]}
    if (
        verdict["decision"] != "APPROVE"
        or not needed <= cited
        or not all(one["facts"] for one in verdict["findings"])
    ):
        found.append(f"refunded by {verdict['decision']}, citing {sorted(cited)}")
    due = worth(world, request)
    if abs(made.refund_minor - due) > len(made.lines):
        found.append(f"{made.refund_minor} were given back, {due} are due")
    return found


def _told(ending: Ending) -> Any:
    verdicts = [] if ending.found is None else [ending.found.verdict, ending.found.refund_verdict]
    return [
        (one["record"], one["check"], one["decision"])
        for verdict in verdicts
        if verdict
        for one in verdict["findings"]
    ]


def _raced(case: Case, ended: Sequence[tuple[Case, Ending]]) -> list[str]:
    approved = sum(ending.verdict == "APPROVE" for _, ending in ended)
    race = case["races_with"]
    if race["approved_at_least"] <= approved <= race["approved_at_most"]:
        return []
    return [f"{approved} of two at once were approved"]


class MovesMeanwhile(SandboxPayments):
    """The real sandbox, whose first answers are of the moment before somebody else's refund was done."""

    def __init__(self, database: Database, times: int) -> None:
        super().__init__(database.engine)
        self._database, self._times = database, times
        self.asked = 0

    async def record_of(self, reference: str) -> PaymentRecord | None:
        self.asked += 1
        record = await super().record_of(reference)
        if self.asked <= self._times:
            for table, column in (("payments", "provider_reference"), ("sandbox_charges", "reference")):
                statement = f"UPDATE {table} SET refunded_minor = refunded_minor + 1 WHERE {column} = :it"
                statement += f" RETURNING {column}"
                await run_sql(self._database, statement, it=reference)
        return record


async def test_a_provider_is_asked_again_where_money_moved_while_it_answered(database: Database) -> None:
    await let_return(database)
    # That somebody gave a cent back by hand is fine with this shop.
    async with database.transaction() as connection:
        await return_policies.set_rule(connection, Check.REFUNDED_BY_HAND, Decision.APPROVE)
    order = await arrived_order(database, 2)
    provider = MovesMeanwhile(database, 1)
    asked = await ask_for(database, order, payment_providers={"sandbox": provider})
    assert (asked.status, provider.asked) == (ReturnStatus.APPROVED, 2)


async def test_where_money_never_stands_still_staff_look(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    provider = MovesMeanwhile(database, 99)
    asked = await ask_for(database, order, payment_providers={"sandbox": provider})
    assert (asked.status, provider.asked) == (ReturnStatus.REQUESTED, ASK_AGAIN + 1)
    assert asked.verdict is not None
    assert "PROVIDER_DISAGREES" in {one["check"] for one in asked.verdict["findings"]}


async def test_staff_cannot_grant_what_was_never_sent(database: Database) -> None:
    await let_return(database)
    order = (await order_now(database, await make_stocked_shop(database, 5), 2)).order
    assert order is not None
    asked = await ask_for(database, order, 2)
    assert asked.status is ReturnStatus.REQUESTED
    staff = desk(database)
    with pytest.raises(NotReturnable) as refused:
        await returns.decide_on(staff, asked.id, approve=True, note=None, expected_version=None)
    assert (refused.value.returnable, refused.value.path) == (0, ("id",))
    declined = await returns.decide_on(
        staff, asked.id, approve=False, note="canceled instead", expected_version=2
    )
    assert declined.status is ReturnStatus.DECLINED


async def test_a_second_return_keeps_the_time_of_the_parcel_that_came_later(database: Database) -> None:
    await let_return(database, window_days=10)
    order = await arrived_order(database, 2, days_ago=5)
    # One unit came in a parcel of its own, two weeks ago.
    await run_sql(
        database,
        """
        WITH first AS (
            INSERT INTO shipments (id, order_id, status, carrier, shipped_at, delivered_at)
            SELECT :id, order_id, status, carrier, shipped_at - interval '9 d', delivered_at - interval '9 d'
              FROM shipments WHERE order_id = :order RETURNING id
        ), split AS (
            UPDATE shipment_lines l SET quantity = 1 FROM shipments s
             WHERE s.order_id = :order AND l.shipment_id = s.id
        )
        INSERT INTO shipment_lines (shipment_id, order_line_id, sku, quantity)
        SELECT :id, l.order_line_id, l.sku, 1
          FROM shipment_lines l JOIN shipments s ON s.id = l.shipment_id WHERE s.order_id = :order
        RETURNING shipment_id
        """,
        id=new_id(),
        order=order.id,
    )
    early = StoppedClock(datetime.now(UTC) - timedelta(days=4.5))
    assert (await ask_for(database, order, clock=early)).status is ReturnStatus.APPROVED
    assert (await ask_for(database, order)).status is ReturnStatus.APPROVED
