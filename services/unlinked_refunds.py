"""Use cases of refunds without an order: asked for, approved by a second person, received, and paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import unlinked_refund_receipts as receipts
from domain import unlinked_refunds as decide
from domain.catalog import VariantRef
from domain.channels import Channel, is_slug
from domain.kernel.emails import check_email
from domain.kernel.errors import NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.money import Amount
from domain.kernel.quantities import is_storable, require_text
from domain.ledger import About
from domain.ledger_rules import unlinked_refunded
from domain.locations import is_code
from domain.return_receipts import Look
from domain.stored_values import StoredValue, check_ceiling
from domain.unlinked_refund_receipts import Arrived
from domain.unlinked_refunds import (
    Evidence,
    Recipient,
    UnlinkedRefund,
    UnlinkedRefundMethod,
    UnlinkedRefundPolicy,
    UnlinkedRefundStatus,
    WantedLine,
    refund_event,
)
from persistence import catalog, channels, inventory, locations, stored_values
from persistence import unlinked_refunds as rows
from persistence.idempotency import Claim, claim_for
from services import audit
from services.access import Permission, require
from services.context import ServiceContext, Transaction

_KINDS = {
    UnlinkedRefundStatus.APPROVED: "UnlinkedRefundApproved",
    UnlinkedRefundStatus.DECLINED: "UnlinkedRefundDeclined",
    UnlinkedRefundStatus.CANCELED: "UnlinkedRefundCanceled",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A refund to be asked for, still to be checked."""

    channel: str
    recipient: Recipient
    evidence: Evidence
    lines: Sequence[WantedLine]
    keeps_items: bool = False


async def create(context: ServiceContext, wanted: Wanted, key: str) -> UnlinkedRefund:
    """Ask for money for goods whose sale is not in the books; above an amount it waits for a second person.

    Raises InvalidInput and NotFound naming the field, and AmountTooLarge above a limit of the channel.
    """
    require(context.actor, Permission.REFUNDS_UNLINKED)
    recipient = wanted.recipient
    if recipient.email is not None:
        recipient = replace(recipient, email=check_email(recipient.email, "email"))
    recipient, evidence = decide.checked(recipient, wanted.evidence)
    claim = _claim(context, "unlinkedRefundCreate", key, str(wanted))
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is not None:
            return await _known(transaction, UUID(stored["unlinkedRefund"]))
        connection = transaction.connection
        channel = await _channel(connection, wanted.channel)
        policy = await rows.lock_policy(connection, channel.id) or decide.SHOP_DEFAULT
        spent = 0
        if policy.most_per_day_minor is not None:
            spent = await rows.spent(connection, channel.id, transaction.now - decide.PERIOD)
        made = decide.create(
            channel,
            policy,
            recipient,
            evidence,
            wanted.lines,
            await _variants(connection, wanted.lines),
            spent,
            transaction.actor,
            transaction.now,
            keeps_items=wanted.keeps_items,
        )
        made = replace(made, number=await rows.create(connection, made))
        await _tell(transaction, "UnlinkedRefundRequested", None, made)
        if made.status is UnlinkedRefundStatus.APPROVED:
            transaction.emit(refund_event("UnlinkedRefundApproved", made, transaction.now))
        transaction.answer({"unlinkedRefund": str(made.id)})
    return made


async def decide_on(
    context: ServiceContext,
    refund_id: UUID,
    wanted: UnlinkedRefundStatus,
    note: str | None,
    expected_version: int | None,
) -> UnlinkedRefund:
    """Approve, decline or cancel a refund; again, it changes nothing.

    Raises NotFound, IllegalTransition, VersionConflict, and SameActor where who asked for it approves it.
    """
    canceling = wanted is UnlinkedRefundStatus.CANCELED
    require(context.actor, Permission.REFUNDS_UNLINKED if canceling else Permission.REFUNDS_APPROVE)
    if note is not None:
        note = require_text(note, decide.MAX_TEXT_LENGTH, "note")
    async with context.transaction() as transaction:
        before = await _locked(transaction, refund_id)
        after = decide.decided(before, wanted, note, transaction.actor, transaction.now, expected_version)
        if after is None:
            return before
        await rows.save(transaction.connection, after)
        await _tell(transaction, _KINDS[wanted], before, after)
    return after


async def receive(
    context: ServiceContext,
    refund_id: UUID,
    location_code: str,
    units: Mapping[UUID, int],
    expected_version: int | None,
    key: str,
) -> UnlinkedRefund:
    """Count goods that came in: they are in quality control.

    Raises NotFound, InvalidInput naming the line, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.REFUNDS_UNLINKED)
    facts = [str(refund_id), location_code, sorted((str(line), n) for line, n in units.items())]
    claim = _claim(context, "unlinkedRefundReceive", key, [*facts, expected_version])
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is not None:
            return await _known(transaction, refund_id)
        found = None
        if is_code(location_code):
            found = await locations.id_of_code(transaction.connection, location_code)
        if found is None:
            raise NotFound("no location has this code", "locationCode")
        before = await _locked(transaction, refund_id)
        arrived = receipts.receive(before, units, found, expected_version)
        return await _arrived(transaction, "UnlinkedRefundReceived", before, arrived)


async def inspect(
    context: ServiceContext, refund_id: UUID, looks: Sequence[Look], expected_version: int | None, key: str
) -> UnlinkedRefund:
    """Say how goods were found: what is good is on sale again at once.

    Raises NotFound, InvalidInput naming the line, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.REFUNDS_UNLINKED)
    claim = _claim(context, "unlinkedRefundInspect", key, [str(refund_id), str(looks), expected_version])
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is not None:
            return await _known(transaction, refund_id)
        before = await _locked(transaction, refund_id)
        arrived = receipts.inspect(before, looks, expected_version)
        return await _arrived(transaction, "UnlinkedRefundInspected", before, arrived)


async def pay(
    context: ServiceContext,
    refund_id: UUID,
    method: UnlinkedRefundMethod,
    reference: str | None,
    expected_version: int | None,
    key: str,
) -> UnlinkedRefund:
    """Give the money out, once: as store credit, or as a person has paid it already, by its reference.

    Raises NotFound, IllegalTransition, VersionConflict and InvalidInput naming the field.
    """
    require(context.actor, Permission.REFUNDS_UNLINKED)
    facts = [str(refund_id), method.value, reference, expected_version]
    claim = _claim(context, "unlinkedRefundPay", key, facts)
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is not None:
            return await _known(transaction, refund_id)
        before = await _locked(transaction, refund_id)
        after = decide.paid(before, method, reference, transaction.actor, transaction.now, expected_version)
        if after.method is UnlinkedRefundMethod.STORE_CREDIT and after.paid_minor:
            after = replace(after, stored_value_id=(await _credited(transaction, after)).id)
        await rows.save(transaction.connection, after)
        await _tell(transaction, "UnlinkedRefundPaid", before, after)
        about = About(after.channel_id, after.currency)
        provider = "store_credit" if after.method is UnlinkedRefundMethod.STORE_CREDIT else "manual"
        tax = decide.worth(before).tax_minor
        transaction.post(unlinked_refunded(about, after.id, after.paid_minor, tax, provider))
        transaction.answer({"unlinkedRefund": str(after.id)})
    return after


async def find(context: ServiceContext, refund_id: UUID) -> UnlinkedRefund | None:
    """Return a refund, None where there is none."""
    require(context.actor, Permission.REFUNDS_UNLINKED)
    async with context.read() as connection:
        return await rows.by_id(connection, refund_id)


async def page(
    context: ServiceContext,
    size: int,
    after: tuple[datetime, UUID] | None,
    status: UnlinkedRefundStatus | None,
    channel: str | None,
) -> list[UnlinkedRefund]:
    """Return refunds from the newest on, one more than the page has if there are more; raises NotFound."""
    require(context.actor, Permission.REFUNDS_UNLINKED)
    async with context.read() as connection:
        channel_id = None if channel is None else (await _channel(connection, channel)).id
        return await rows.page(connection, size + 1, after, status, channel_id)


async def policies(context: ServiceContext) -> list[UnlinkedRefundPolicy]:
    """Return the limits of all channels that have some."""
    require(context.actor, Permission.REFUNDS_UNLINKED)
    async with context.read() as connection:
        return await rows.policies(connection)


async def set_policy(
    context: ServiceContext,
    channel: str,
    four_eyes_above: Amount,
    most: Amount | None,
    most_per_day: Amount | None,
) -> UnlinkedRefundPolicy:
    """Set the limits of a channel; raises NotFound, and InvalidInput naming the field."""
    require(context.actor, Permission.CHANNELS_WRITE)
    async with context.transaction() as transaction:
        connection = transaction.connection
        wanted = decide.limits(await _channel(connection, channel), four_eyes_above, most, most_per_day)
        after = await rows.set_policy(connection, new_id(), wanted)
        assert after.id is not None, "it is written"  # noqa: S101
        await audit.record(
            transaction, "UnlinkedRefundPolicySet", "unlinked_refund_policy", after.id, None, after
        )
    return after


async def _credited(transaction: Transaction, after: UnlinkedRefund) -> StoredValue:
    """Add what is paid to the customer's store credit: its ledger entry is the refund's own."""
    email = after.recipient.email
    assert email is not None, "asked for by the decision"  # noqa: S101
    credit = check_ceiling(
        await stored_values.issue_credit(
            transaction.connection,
            new_id(),
            email,
            after.currency,
            after.paid_minor,
            f"refund {after.number}",
            actor=transaction.actor,
            now=transaction.now,
        )
    )
    facts = {
        "kind": credit.kind.value,
        "amountMinor": after.paid_minor,
        "balanceMinor": credit.balance_minor,
        "currency": credit.currency,
    }
    transaction.emit(
        Event("StoreCreditIssued", "stored_value", credit.id, credit.version, transaction.now, None, facts)
    )
    return credit


async def _arrived(
    transaction: Transaction, kind: str, before: UnlinkedRefund, arrived: Arrived
) -> UnlinkedRefund:
    after = arrived.after
    await rows.save(transaction.connection, after)
    await _tell(transaction, kind, before, after)
    if arrived.movements:
        short = await inventory.move(
            transaction.connection,
            arrived.movements,
            source_kind="unlinked_refund",
            source_id=after.id,
            actor=transaction.actor,
            now=transaction.now,
        )
        if short:
            raise NotFound("its units are no longer in quality control there: count the stock", "id")
    transaction.answer({"unlinkedRefund": str(after.id)})
    return after


async def _tell(
    transaction: Transaction, kind: str, before: UnlinkedRefund | None, after: UnlinkedRefund
) -> None:
    await audit.record(transaction, kind, "unlinked_refund", after.id, before, after)
    transaction.emit(refund_event(kind, after, transaction.now))


async def _channel(connection: AsyncConnection, slug: str) -> Channel:
    found = await channels.by_slug(connection, slug) if is_slug(slug) else None
    if found is None:
        raise NotFound("there is no such channel", "channel")
    return found


async def _variants(connection: AsyncConnection, lines: Sequence[WantedLine]) -> dict[str, UUID]:
    refs = [VariantRef(sku=line.sku) for line in lines if is_storable(line.sku)]
    found = await catalog.variants_by_ref(connection, refs)
    return {ref.sku: variant.id for ref, variant in found.items() if ref.sku is not None}


async def _locked(transaction: Transaction, refund_id: UUID) -> UnlinkedRefund:
    found = await rows.lock(transaction.connection, refund_id)
    if found is None:
        raise NotFound("no refund has this id", "id")
    return found


async def _known(transaction: Transaction, refund_id: UUID) -> UnlinkedRefund:
    found = await rows.by_id(transaction.connection, refund_id)
    if found is None:
        raise NotFound("no refund has this id", "id")
    return found


def _claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)
