"""What a return is judged by: the order's own books, its providers' records, and what is known of who asks.

Providers are asked before the transaction that decides, never inside it.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from domain import return_settlement
from domain.claims import Claim, arrived_of, pending
from domain.kernel.errors import NotFound
from domain.orders import OrderLine
from domain.payments import IMPORTED, MANUAL, OWN_TENDERS, Payment
from domain.ports import PaymentRecord, ProviderTimeout, RecordKeeper
from domain.return_evidence import Asker, Case
from domain.return_policies import ReturnPolicy, policy_for
from domain.return_requests import LineEligibility, eligibility
from domain.return_worth import Worth
from domain.returns import NOTHING_CLAIMED, Return, ReturnWish, others
from domain.shipment_changes import LockedFulfillment
from persistence import claims as claim_rows
from persistence import order_parts, return_policies
from persistence import returns as rows
from persistence import shipments as shipment_rows
from persistence.return_policies import Facts
from services import shipments
from services.access import ActorKind
from services.context import Environment, ServiceContext, Transaction
from services.one_by_one import passed_over

_log = structlog.get_logger(__name__)
ASK_AGAIN = 5
"""How often providers are asked anew because money moved meanwhile; then staff find what does not fit."""
_NOBODY_OUTSIDE = OWN_TENDERS | {MANUAL, IMPORTED}


class Records(dict[str, PaymentRecord | None]):
    """What providers have on record, by our payment's id, and our own books as they were when asked.

    Only the two together say whether they agree: money moves while providers answer.
    """

    def __init__(
        self, records: Mapping[str, PaymentRecord | None], payments: Sequence[Payment], *, last: bool
    ) -> None:
        """Keep what was answered beside the payments as they were read before; the last is taken as it is."""
        super().__init__(records)
        self.books = _books(payments)
        self.last = last


@dataclass(frozen=True, slots=True)
class LockedReturns:
    """A locked order with all of its returns, and the rules that they are judged by."""

    placed: LockedFulfillment
    returns: tuple[Return, ...]
    facts: Facts
    policies: Mapping[UUID, ReturnPolicy]
    """The policy of each order line, found once: an order may have many lines, and a shop many policies."""
    claims: tuple[Claim, ...] = ()

    @property
    def of_claims(self) -> frozenset[UUID]:
        """The returns by which claims are paid: nothing of them was ever to be sent back."""
        return frozenset(one.return_id for one in self.claims if one.return_id is not None)

    def named(self, return_id: UUID) -> Return:
        """Return one of the returns; raises NotFound."""
        found = next((one for one in self.returns if one.id == return_id), None)
        if found is None:
            raise NotFound("the order has no such return", "id")
        return found

    def fits(self, records: Records) -> bool:
        """Say whether what was asked of providers can be compared: no money has moved since then."""
        return records.last or _books(self.placed.payments) == records.books

    def claim(self, claim_id: UUID) -> Claim:
        """Return one of the claims; raises NotFound."""
        found = next((one for one in self.claims if one.id == claim_id), None)
        if found is None:
            raise NotFound("the order has no such claim", "id")
        return found

    def eligible(self, now: datetime, *, without: Return | None = None) -> list[LineEligibility]:
        """Return what may be returned of each line; the units of `without` are not counted as claimed."""
        returns = self.returns if without is None else others(self.returns, without)
        shipments_had = arrived_of(self.placed.shipments, self.claims)
        # Units that money was given for without the order are none of a return's either.
        in_claims = pending(self.claims) + Counter(self.facts.linked)
        return eligibility(self.placed.lines, shipments_had, returns, self.policies, now, in_claims)

    def worth(self, found: Return, *, as_asked: bool = False) -> Worth:
        """Return what one of the returns brings."""
        return return_settlement.valued(
            self.placed.order, self.placed.lines, found, self.returns, self.policies, as_asked=as_asked
        )

    def case(
        self,
        found: Return,
        records: Mapping[str, PaymentRecord | None],
        now: datetime,
        *,
        as_asked: bool = False,
    ) -> Case:
        """Return all records of one of the returns."""
        policies = [self.policies[line.order_line_id] for line in found.lines]
        return Case(
            self.placed.order,
            found,
            self.eligible(now, without=found),
            others(self.returns, found),
            self.placed.shipments,
            self.placed.payments,
            records,
            self._asker(found),
            self.worth(found, as_asked=as_asked).refund_minor,
            min(one.auto_refund_most_minor for one in policies),
            min(one.keep_below_minor for one in policies),
            {one.id: self.brings(one) for one in others(self.returns, found)},
            self.facts.actions,
            self.of_claims,
        )

    def kept_minor(self, found: Return | None = None) -> int:
        """Return what the order's customer was let keep, but for one return: of this order and of others.

        What a claim is paid by is not counted: nothing of it was ever to be sent back.
        """
        returns = self.returns if found is None else others(self.returns, found)
        kept = [one for one in returns if one.keeps_items and one.id not in self.of_claims]
        return self.facts.kept_minor + sum(map(self.brings, kept))

    def brings(self, earlier: Return) -> int:
        """Return what an earlier return has brought, or would bring as it was asked for."""
        if earlier.is_valued:
            return earlier.refund_minor
        none = earlier.status in NOTHING_CLAIMED or earlier.wish is ReturnWish.REPAIR
        return 0 if none else self.worth(earlier, as_asked=True).refund_minor

    def _asker(self, found: Return) -> Asker:
        # Who holds the order's secret token proved to be its buyer, and so did who signed in with its
        # address; of others staff or an app have written down what they were told.
        account = found.created_by if found.created_by.startswith(f"{ActorKind.CUSTOMER.value}:") else None
        verified = account is not None or found.created_by == ActorKind.ANONYMOUS.value
        facts = self.facts
        return Asker(found.email, verified, facts.fraud_notes, facts.orders, facts.returned, account=account)


def _books(payments: Sequence[Payment]) -> dict[UUID, tuple[int, ...]]:
    return {
        one.id: (one.captured_minor, one.refunded_minor, one.refunding_minor, one.charged_back_minor)
        for one in payments
    }


def _tags(tags: Mapping[UUID, Sequence[str]], line: OrderLine) -> Sequence[str]:
    return () if line.variant_id is None else tags.get(line.variant_id, ())


async def locked(
    transaction: Transaction,
    *,
    order_id: UUID | None = None,
    return_id: UUID | None = None,
    path: str = "id",
    judging: bool = False,
) -> LockedReturns:
    """Lock an order, named by itself or by one of its returns, with all that decides; raises NotFound.

    `judging` takes the buyer's lock as well: what is granted of their other orders is counted, or waits.
    """
    if order_id is None and return_id is not None:
        order_id = await rows.order_of(transaction.connection, return_id)
    if order_id is None:
        raise NotFound("no return has this id", path)
    placed = await shipments.locked(transaction, order_id=order_id, path=path)
    if judging:
        await return_policies.lock_buyer(transaction.connection, placed.order.email)
    return await _with_rules(transaction.connection, placed)


async def read(connection: AsyncConnection, order_id: UUID) -> LockedReturns:
    """Return what `locked` does, without a lock: to tell what could be done; raises NotFound."""
    placed = await shipment_rows.read(connection, order_id)
    if placed is None:
        raise NotFound("there is no such order", "ref")
    return await _with_rules(connection, placed)


async def _with_rules(connection: AsyncConnection, placed: LockedFulfillment) -> LockedReturns:
    order = placed.order
    found = (await rows.of_orders(connection, [order.id])).get(order.id, [])
    variants = [line.variant_id for line in placed.lines if line.variant_id is not None]
    skus = [line.sku for line in placed.lines]
    facts = await return_policies.facts(connection, order, variants, skus)
    claims = await claim_rows.of_order(connection, order.id)
    policies = {
        line.id: policy_for(facts.policies, order.channel_id, line.sku, _tags(facts.tags, line))
        for line in placed.lines
    }
    return LockedReturns(placed, tuple(found), facts, policies, tuple(claims))


async def asked_of_providers(context: ServiceContext, order_id: UUID, attempt: int = ASK_AGAIN) -> Records:
    """Ask every provider of an order's payments what it has on record, at once; None for no answer."""
    async with context.read() as connection:
        parts = (await order_parts.parts_of(connection, [order_id])).get(order_id)
    payments = parts.payments if parts else ()
    asked = [one for one in payments if one.counts and one.reference and one.provider not in _NOBODY_OUTSIDE]
    return Records(await _records(context.environment, asked), payments, last=attempt >= ASK_AGAIN)


async def _records(environment: Environment, payments: Sequence[Payment]) -> dict[str, PaymentRecord | None]:
    asked = (_record(environment, one) for one in payments)
    found = dict[str, PaymentRecord | None]()
    for one, record in zip(payments, await asyncio.gather(*asked, return_exceptions=True), strict=True):
        if isinstance(record, BaseException):
            # What it said cannot be read: no word to rely on, and no reason to ask for ever.
            passed_over("ask_for_record", one.id, record)
            record = None
        found[str(one.id)] = record
    return found


async def _record(environment: Environment, payment: Payment) -> PaymentRecord | None:
    provider: object = environment.payment_providers.get(payment.provider)
    if not isinstance(provider, RecordKeeper):
        return None
    try:
        async with asyncio.timeout(environment.payment_time_limit_seconds):
            return await provider.record_of(payment.reference or "")
    except (ProviderTimeout, TimeoutError):
        _log.info("payment_record_unknown", provider=payment.provider, payment_id=str(payment.id))
        return None
