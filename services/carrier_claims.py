"""Use cases of what carriers answer for: charging them with a claim, what they paid, and the report."""

from datetime import datetime
from uuid import UUID

from domain import carrier_claims as decide
from domain.carrier_claims import CarrierClaim, CarrierReport
from domain.claims import ClaimStatus
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound
from domain.kernel.keys import check_key
from domain.kernel.moments import in_utc
from domain.kernel.money import Amount, Money
from domain.kernel.quantities import require_storable
from domain.ledger import About
from domain.ledger_rules import carrier_charged, carrier_settled
from domain.orders import Order
from persistence import carrier_claims as rows
from persistence import claims
from persistence.idempotency import claim_for
from services import audit, shipments
from services.access import Permission, require
from services.context import ServiceContext, Transaction

MAX_CARRIER_LENGTH = 200


async def charge(
    context: ServiceContext, claim_id: UUID, amount: Amount, reference: str | None, key: str
) -> CarrierClaim:
    """Charge the carrier of a granted claim's parcel with its loss, once: it owes that from now on.

    Raises NotFound, IllegalTransition, and InvalidInput naming the field.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    require(context.actor, Permission.LEDGER_WRITE)
    reference = decide.checked_reference(reference)
    request = [str(claim_id), str(amount), reference]
    key_claim = claim_for(f"claimCharge:{context.actor.label}", check_key(key), request)
    async with context.transaction() as transaction:
        stored = await transaction.replay(key_claim)
        order, carrier = await _locked(transaction, claim_id)
        known = await rows.of_claim(transaction.connection, claim_id)
        if known is not None:
            if stored is not None:
                return known
            raise IllegalTransition("the carrier is charged for it already", "CHARGED", (), "id")
        money = _money(amount, order, "amount")
        if not money:
            raise InvalidInput("must be above zero", "amount", "amount")
        made = CarrierClaim(claim_id, carrier, order.currency, money, transaction.now, reference)
        await rows.charge(transaction.connection, made)
        about = About(order.channel_id, order.currency)
        transaction.post(carrier_charged(about, claim_id, money, carrier))
        await audit.record(transaction, "CarrierCharged", "claim", claim_id, None, made)
        transaction.answer({"claim": str(claim_id)})
    return made


async def settle(context: ServiceContext, claim_id: UUID, paid: Amount, key: str) -> CarrierClaim:
    """Record what the carrier paid for a claim, be that nothing, once and for all.

    Raises NotFound, IllegalTransition, and InvalidInput naming paid.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    require(context.actor, Permission.LEDGER_WRITE)
    request = [str(claim_id), str(paid)]
    key_claim = claim_for(f"claimSettle:{context.actor.label}", check_key(key), request)
    async with context.transaction() as transaction:
        stored = await transaction.replay(key_claim)
        order, carrier = await _locked(transaction, claim_id)
        before = await rows.of_claim(transaction.connection, claim_id)
        if before is None:
            raise NotFound("no carrier is charged for this claim", "id")
        if stored is not None:
            return before
        money = _money(paid, order, "paid")
        after = decide.settled(before, money, transaction.now)
        await rows.settle(transaction.connection, after)
        about = About(order.channel_id, order.currency)
        transaction.post(carrier_settled(about, claim_id, before.amount_minor, money, carrier))
        await audit.record(transaction, "CarrierSettled", "claim", claim_id, before, after)
        transaction.answer({"claim": str(claim_id)})
    return after


async def report(
    context: ServiceContext, carrier: str | None, since: datetime | None, until: datetime | None
) -> list[CarrierReport]:
    """Return what carriers were charged in a period, by carrier and currency."""
    require(context.actor, Permission.RETURNS_READ)
    if carrier is not None:
        require_storable(carrier, MAX_CARRIER_LENGTH, "carrier")
    since = None if since is None else in_utc(since, "since")
    until = None if until is None else in_utc(until, "until")
    async with context.read() as connection:
        return await rows.report(connection, carrier, since, until)


async def _locked(transaction: Transaction, claim_id: UUID) -> tuple[Order, str]:
    """Lock the order of a granted claim; returns it, and who carried the parcel. Raises NotFound."""
    claim = await claims.by_id(transaction.connection, claim_id)
    if claim is None:
        raise NotFound("no claim has this id", "id")
    found = await shipments.locked(transaction, order_id=claim.order_id)
    claim = await claims.by_id(transaction.connection, claim_id)
    if claim is None or claim.status is not ClaimStatus.APPROVED:
        status = claim.status.value if claim else ""
        raise IllegalTransition("only for what is granted a carrier answers", status, (), "id")
    return found.order, found.shipment(claim.shipment_id).carrier


def _money(amount: Amount, order: Order, field: str) -> int:
    if amount.currency != order.currency:
        raise InvalidInput(f"the order is in {order.currency}", field, "currency")
    try:
        money = Money.from_decimal(amount.amount, amount.currency).amount_minor
    except InvalidInput as error:
        raise InvalidInput(error.message, field, "amount") from None
    if money < 0:
        raise InvalidInput("must not be below zero", field, "amount")
    return money
