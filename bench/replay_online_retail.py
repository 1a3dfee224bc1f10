"""Online Retail's 'C' invoices of 2010-12 to 2011-07 again, against its sales at their recorded prices.

All sales are imported (`services/order_imports`). Then each 'C' invoice comes in at the file's own time: what
an earlier sale to that customer at that price explains is asked for as returns of those orders, judged,
approved, received, looked at and refunded by staff (imported payments by record); the rest becomes a refund
without an order, approved by a second person above 50.00, received, looked at, and paid by hand. Credits for
what are no goods are such refunds too, with nothing to come in. At the end units and money must equal the
file, per invoice, SKU and price and in sum, every return must have been judged by its evidence and none
declined, and stock, books and balances must be explained.

Needs ORDERTIDE_TEST_DATA with online_retail/ (CC BY 4.0, Daqing Chen, UCI); skips without.

    python bench/replay_online_retail.py [--tasks 8]
"""

import argparse
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import text

from bench import _harness
from bench._olist_shop import Clock, each
from bench._retail_data import FILE, Books, CreditNote, Piece, address, load, read
from domain.catalog import ProductDraft, VariantDraft
from domain.inventory import HoldPolicy
from domain.kernel.money import Amount
from domain.return_receipts import Look
from domain.return_requests import AskedLine
from domain.returns import Disposition, Grade, ReturnReason, ReturnStatus, ReturnWish
from domain.unlinked_refund_requests import WantedLine
from domain.unlinked_refunds import (
    Evidence,
    Recipient,
    UnlinkedRefund,
    UnlinkedRefundMethod,
    UnlinkedRefundStatus,
)
from persistence.database import Database
from persistence.migrate import migrate
from services import (
    catalog,
    channels,
    ledger_reports,
    locations,
    order_imports,
    return_receipts,
    return_settlement,
    returns,
    stock_ledger,
    stored_values,
    unlinked_refund_payments,
    unlinked_refunds,
)
from services.access import SYSTEM, Actor, ActorKind, Permission
from services.context import Environment, ServiceContext
from services.orders import OrderRef
from services.tokens import TokenSigner
from services.unlinked_refunds import Wanted

CHANNEL, CURRENCY, LOCATION, SOURCE = "uk", "GBP", "WAREHOUSE", "retail"
CLERK = Actor(
    ActorKind.STAFF,
    UUID(int=1),
    frozenset(
        {
            Permission.RETURNS_READ,
            Permission.RETURNS_WRITE,
            Permission.ORDERS_READ,
            Permission.PAYMENTS_WRITE,
            Permission.REFUNDS_UNLINKED,
        }
    ),
)
LEAD = Actor(ActorKind.STAFF, UUID(int=2), frozenset({Permission.REFUNDS_APPROVE}))
_FOUR_EYES = Amount(Decimal(50), CURRENCY)
_SPARE_CONNECTIONS = 2
_VARIANTS_AT_ONCE = 50
T = TypeVar("T")
_LINES = text(
    """
    SELECT o.external_id, o.id AS order_id, l.id AS line_id, l.position
      FROM orders o JOIN order_lines l ON l.order_id = o.id WHERE o.external_source = :source
    """
)
_RETURNED = text(
    """
    SELECT l.note AS invoice, l.sku, o.unit_price_minor AS price, sum(seen.units)::bigint AS units,
           sum(l.refund_minor)::bigint AS given
      FROM return_lines l JOIN order_lines o ON o.id = l.order_line_id
      JOIN returns r ON r.id = l.return_id AND r.status = 'CLOSED'
     CROSS JOIN LATERAL (SELECT sum(quantity) AS units FROM return_inspections i
                          WHERE i.return_line_id = l.id AND i.disposition = 'RESTOCKED') seen
     GROUP BY 1, 2, 3
    """
)
_UNLINKED = text(
    """
    SELECT r.document_reference AS invoice, l.sku, l.unit_price_minor AS price, sum(n.units)::bigint AS units,
           sum(n.units * l.unit_price_minor)::bigint AS given
      FROM unlinked_refund_lines l
      JOIN unlinked_refunds r ON r.id = l.unlinked_refund_id AND r.status = 'PAID'
     CROSS JOIN LATERAL (SELECT CASE WHEN r.keeps_items THEN l.quantity ELSE l.quantity_accepted END
                             AS units) n
     GROUP BY 1, 2, 3
    """
)
_SUMS = text(
    """
    SELECT (SELECT coalesce(sum(refunded_minor), 0) FROM payments)::bigint AS refunded,
           (SELECT coalesce(sum(paid_minor), 0) FROM unlinked_refunds)::bigint AS unlinked,
           (SELECT coalesce(sum(quantity_returned), 0) FROM order_lines)::bigint AS returned,
           (SELECT coalesce(sum(available), 0) FROM stock_levels)::bigint AS on_sale,
           (SELECT coalesce(sum(on_hand - available), 0) FROM stock_levels)::bigint AS elsewhere,
           (SELECT count(*) FROM returns WHERE verdict IS NULL OR refund_verdict IS NULL
               OR jsonb_array_length(verdict -> 'findings') = 0) AS unjudged,
           (SELECT count(*) FROM returns WHERE 'DECLINE' IN (verdict ->> 'decision',
               refund_verdict ->> 'decision')) AS declined
    """
)
_DOUBTS = text(
    """
    SELECT f ->> 'check' AS name, count(*) AS times
      FROM returns r, jsonb_array_elements(r.verdict -> 'findings') f
     WHERE f ->> 'decision' <> 'APPROVE' GROUP BY 1
    """
)


@dataclass(slots=True)
class Replay:
    """The shop, its orders and lines by the file's names, and how long steps took (seconds)."""

    shop: Environment
    orders: dict[str, UUID] = field(default_factory=dict)
    lines: dict[tuple[str, int], UUID] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def at(self, moment: datetime, actor: Actor = CLERK) -> ServiceContext:
        """Return the context of a use case at a moment."""
        return ServiceContext(replace(self.shop, clock=Clock(moment)), actor, "replay")

    async def come_in(self, note: CreditNote) -> None:
        """Let the goods of a 'C' invoice come in, and give its money back."""
        for invoice, pieces in note.by_order.items():
            await self._return(note, invoice, pieces)
        if note.unlinked:
            made = await self._asked(note, note.unlinked, keeps=False)
            await self._goods(note, made)
            await self._paid(note, made, "goods")
        if note.credits:
            made = await self._asked(note, note.credits, keeps=True)
            await self._paid(note, made, "credits")

    async def _return(self, note: CreditNote, invoice: str, pieces: list[Piece]) -> None:
        staff, key = self.at(note.at), f"{note.number}:{invoice}"
        asked = [
            AskedLine(
                self.lines[invoice, one.sold.position],
                one.units,
                ReturnReason.OTHER,
                note=note.number,
            )
            for one in pieces
        ]
        ref = OrderRef(id=self.orders[invoice])
        made = await self._timed(
            "request",
            returns.request(staff, ref, asked, ReturnWish.REFUND, address(note.customer), f"{key}:ask"),
        )
        if made.status is ReturnStatus.REQUESTED:
            await self._timed(
                "approve",
                returns.decide_on(staff, made.id, approve=True, note=None, expected_version=None),
            )
        units = {line.id: line.quantity for line in made.lines}
        await self._timed(
            "receive", return_receipts.receive(staff, made.id, LOCATION, units, None, f"{key}:in")
        )
        looks = [Look(line, count, Disposition.RESTOCKED, Grade.AS_NEW) for line, count in units.items()]
        seen = await self._timed(
            "inspect", return_receipts.inspect(staff, made.id, looks, None, f"{key}:seen")
        )
        if seen.status is not ReturnStatus.CLOSED:
            await self._timed("refund", return_settlement.refund(staff, made.id, None, None, f"{key}:out"))

    async def _asked(
        self, note: CreditNote, lines: Sequence[tuple[str, Decimal, int]], *, keeps: bool
    ) -> UnlinkedRefund:
        staff = self.at(note.at)
        email = address(note.customer) if note.customer else None
        wanted = Wanted(
            CHANNEL,
            Recipient(email, None if email else f"unknown customer of {note.number}"),
            Evidence("its sale is not in the books", note.number),
            [WantedLine(sku, units, Amount(price, CURRENCY)) for sku, price, units in lines],
            keeps,
            # The same paper says what came in and what is credited besides.
            document_known=keeps and bool(note.unlinked),
        )
        key = f"{note.number}:{'credits' if keeps else 'goods'}:ask"
        made = await self._timed("unlinked_create", unlinked_refunds.create(staff, wanted, key))
        if made.status is UnlinkedRefundStatus.PENDING_APPROVAL:
            lead, approved = self.at(note.at, LEAD), UnlinkedRefundStatus.APPROVED
            await self._timed(
                "unlinked_approve", unlinked_refunds.decide_on(lead, made.id, approved, None, None)
            )
        return made

    async def _goods(self, note: CreditNote, made: UnlinkedRefund) -> None:
        staff, key = self.at(note.at), note.number
        units = {line.id: line.quantity for line in made.lines}
        await self._timed(
            "unlinked_receive",
            unlinked_refunds.receive(staff, made.id, LOCATION, units, None, f"{key}:in"),
        )
        looks = [Look(line, count, Disposition.RESTOCKED, Grade.AS_NEW) for line, count in units.items()]
        await self._timed(
            "unlinked_inspect", unlinked_refunds.inspect(staff, made.id, looks, None, f"{key}:seen")
        )

    async def _paid(self, note: CreditNote, made: UnlinkedRefund, what: str) -> None:
        by_hand, key = UnlinkedRefundMethod.MANUAL, f"{note.number}:{what}:out"
        paying = unlinked_refund_payments.pay(self.at(note.at), made.id, by_hand, note.number, None, key)
        await self._timed("unlinked_pay", paying)

    async def _timed(self, name: str, work: Awaitable[T]) -> T:
        started = time.perf_counter()
        done = await work
        self.times[name].append(time.perf_counter() - started)
        return done


async def open_shop(shop: Environment, books: Books) -> Replay:
    """Make the shop with every SKU, and import all sales."""
    context = ServiceContext(shop, SYSTEM, "replay")
    await locations.create(context, LOCATION, "Warehouse")
    await channels.create(context, CHANNEL, "United Kingdom", CURRENCY)
    await unlinked_refunds.set_policy(context, CHANNEL, _FOUR_EYES, None, None)
    some = [books.skus[at : at + _VARIANTS_AT_ONCE] for at in range(0, len(books.skus), _VARIANTS_AT_ONCE)]

    async def sell(skus: list[str]) -> None:
        drafts = [VariantDraft(sku) for sku in skus]
        await catalog.create_product(context, ProductDraft(f"{skus[0]} to {skus[-1]}", variants=drafts))

    await each(some, sell)
    rows = enumerate(books.sales, 2)
    await order_imports.import_orders(context, SOURCE, rows, default_channel=CHANNEL)
    replay = Replay(shop)
    async with context.read() as connection:
        for row in await connection.execute(_LINES, {"source": SOURCE}):
            replay.orders[row.external_id] = row.order_id
            replay.lines[row.external_id, row.position] = row.line_id
    return replay


async def compare(replay: Replay, books: Books) -> dict[str, Any]:
    """Return what differs from the file, and what the product's own checks find."""
    context = ServiceContext(replay.shop, SYSTEM, "replay")
    units, money = Counter[tuple[str, str, Decimal]](), Counter[tuple[str, str, Decimal]]()
    by_way = Counter[str]()
    async with context.read() as connection:
        for way, statement in (("returned", _RETURNED), ("unlinked", _UNLINKED)):
            for row in await connection.execute(statement):
                key = (row.invoice, row.sku, Decimal(row.price).scaleb(-2))
                units[key] += row.units
                money[key] += row.given
                by_way[f"{way}_units"] += row.units
                by_way[f"{way}_minor"] += row.given
        sums = (await connection.execute(_SUMS)).one()
        doubts = {row.name: row.times for row in await connection.execute(_DOUBTS)}
    worth = int(books.worth * 100)
    told = books.expected
    total = told.total()
    stock, ledger = await stock_ledger.check(context), await ledger_reports.check(context)
    wrong = {
        "lines_units": sum(units[key] != told[key] for key in units.keys() | told.keys()),
        "lines_money": sum(money[key] != int((key[2] * told[key]).scaleb(2)) for key in money | told),
        "units": units.total() - total,
        "money_minor": sums.refunded + sums.unlinked - worth,
        "quantity_returned": sums.returned - by_way["returned_units"],
        "on_sale": sums.on_sale - books.goods,
        "elsewhere": sums.elsewhere,
        "unjudged": sums.unjudged,
        "declined": sums.declined,
        "stock": len(stock.discrepancies),
        "books": len(ledger.unexplained),
        "balances": len((await stored_values.check(context)).discrepancies),
    }
    return {
        "units": total,
        "money_minor": worth,
        **by_way,
        "no_sale_explains": dict(books.unexplained),
        "left_out_minor": dict(books.left_out),
        "staff_were_asked_for": doubts,
        "stock_movements": stock.movements,
        "ledger_entries": ledger.entries,
        "wrong": wrong,
    }


async def play(database: Database, books: Books, tasks: int) -> dict[str, Any]:
    """Open the shop, let every 'C' invoice come in, compare; returns the figures."""
    shop = Environment(database, TokenSigner("a key that only a benchmark uses, 32+"), HoldPolicy(900, 7200))
    started = time.perf_counter()
    replay = await open_shop(shop, books)
    opened = time.perf_counter() - started
    started = time.perf_counter()
    await each(books.notes, replay.come_in, tasks)
    seconds = time.perf_counter() - started
    pieces = sum(len(note.matched) for note in books.notes)
    return {
        "sale_lines": len(books.sales),
        "notes": len(books.notes),
        "matched_pieces": pieces,
        "returns": len(replay.times["request"]),
        "unlinked_lines": sum(len(note.unlinked) for note in books.notes),
        "credit_lines": sum(len(note.credits) for note in books.notes),
        "unlinked_refunds": len(replay.times["unlinked_create"]),
        "approved_by_two": len(replay.times["unlinked_approve"]),
        "set_up_s": round(opened, 1),
        "seconds": round(seconds, 1),
        "notes_per_s": round(len(books.notes) / max(seconds, 0.001), 1),
        **{name: _harness.percentiles(times) for name, times in replay.times.items() if times},
        **await compare(replay, books),
    }


async def main(path: Path, tasks: int) -> int:
    """Play the file; return the exit status."""
    books = load(read(path))
    with _harness.home() as place:
        await migrate(place.database_url)
        database = Database(place.database_url, pool_size=tasks + _SPARE_CONNECTIONS)
        try:
            found = await play(database, books, tasks)
        finally:
            await database.close()
    _harness.report(bench="replay_online_retail", tasks=tasks, **found)
    return int(any(found["wrong"].values()))


def _command() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=8, help="how many 'C' invoices at once")
    given, _ = parser.parse_known_args()
    named = os.environ.get("ORDERTIDE_TEST_DATA")
    if named is None or not (Path(named) / FILE).is_file():
        reason = f"ORDERTIDE_TEST_DATA has no {FILE}" if named else "ORDERTIDE_TEST_DATA is not set"
        _harness.report(bench="replay_online_retail", skipped="real returns", reason=reason)
        return 0
    return _harness.run(main(Path(named) / FILE, given.tasks))


if __name__ == "__main__":
    sys.exit(_command())
