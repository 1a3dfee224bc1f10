"""Use cases of what arrives otherwise than expected: without a request, or more than was asked for."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from domain import return_arrivals as decide
from domain import return_receipts, return_requests
from domain import return_verdicts as verdicts
from domain.catalog import VariantRef
from domain.inventory import Movement
from domain.kernel.errors import NotFound
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.quantities import require_text
from domain.locations import is_code
from domain.return_arrivals import Surplus
from domain.return_evidence import Decision
from domain.return_requests import AskedLine
from domain.returns import MAX_NOTE_LENGTH, Return, ReturnWish, return_event
from persistence import catalog, inventory, locations
from persistence import return_surplus as rows
from persistence import returns as return_rows
from persistence.idempotency import claim_for
from services import audit, orders, return_records
from services.access import Permission, require
from services.carts import findable
from services.context import ServiceContext, Transaction
from services.orders import OrderRef


async def receive_blind(
    context: ServiceContext,
    ref: OrderRef,
    location_code: str,
    asked: Sequence[AskedLine],
    note: str | None,
    key: str,
) -> Return:
    """Receive a parcel that nobody asked to send: staff name its order and what is in it.

    It is judged with all evidence, and approved by having arrived; its money is always for staff to decide.
    Raises NotFound, InvalidInput, IllegalTransition, and NotReturnable where units are not to be had.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    note = None if note is None else require_text(note, MAX_NOTE_LENGTH, "note")
    order_id = (await orders.get(context, ref)).id
    records = await return_records.asked_of_providers(context, order_id)
    request = [str(order_id), location_code, str(asked), note]
    claim = claim_for(f"returnReceiveBlind:{context.actor.label}", check_key(key), request)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is not None:
            kept = UUID(stored["return"])
            return (await return_rows.by_ids(transaction.connection, [kept]))[kept]
        found = await return_records.locked(transaction, order_id=order_id, path="ref")
        now = transaction.now
        location_id = await _place(transaction, location_code)
        order = found.placed.order
        made = return_requests.request(
            order, found.eligible(now), asked, ReturnWish.REFUND, None, transaction.actor, now
        )
        verdict = verdicts.judge(found.case(made, records, now, as_asked=True), now)
        # Whatever the records say: nobody asked for it, so a person answers for it.
        made = replace(made, verdict=replace(verdict, decision=Decision.ASK_STAFF).to_json())
        order = replace(order, version=order.version + 1)
        made = replace(made, number=await return_rows.create(transaction.connection, made, order))
        approved = decide.now_approved(made, note, now)
        units = {line.id: line.quantity for line in approved.lines}
        after, movements = return_receipts.receive(approved, units, location_id, now)
        await return_rows.save(transaction.connection, made, after, order)
        transaction.emit(
            return_event("ReturnArrivedBlind", order, approved, now),
            return_event("ReturnReceived", order, after, now),
        )
        await audit.record(transaction, "ReturnArrivedBlind", "return", made.id, None, after)
        await _move(transaction, movements, made.id)
        transaction.answer({"return": str(made.id)})
    return after


async def record_surplus(
    context: ServiceContext,
    return_id: UUID,
    location_code: str,
    items: Sequence[Surplus],
    not_ours: Sequence[bool],
    key: str,
) -> Return:
    """Record units in a return's parcel that nobody expected; nothing is ever given back for them by itself.

    Those of articles of ours are found stock, and go into quality control. Raises NotFound, InvalidInput
    naming the item, and IllegalTransition for a return of which nothing can have arrived.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    request = [str(return_id), location_code, str(items), list(not_ours)]
    claim = claim_for(f"returnSurplusRecord:{context.actor.label}", check_key(key), request)
    async with context.transaction() as transaction:
        replayed = await transaction.replay(claim) is not None
        found = await return_records.locked(transaction, return_id=return_id)
        one = found.named(return_id)
        if replayed:
            return one
        decide.check_arrived(one)
        location_id = await _place(transaction, location_code)
        named = [
            findable(VariantRef(sku=item.sku))
            for item, foreign in zip(items, not_ours, strict=True)
            if not foreign
        ]
        known = await catalog.variants_by_ref(transaction.connection, named)
        ours = {ref.sku: variant.id for ref, variant in known.items() if ref.sku is not None}
        checked = decide.checked_surplus(items, ours, not_ours)
        at = transaction.now
        kept = [(new_id(), item) for item in checked]
        await rows.add(transaction.connection, return_id, location_id, kept, transaction.actor, at)
        order = replace(found.placed.order, version=found.placed.order.version + 1)
        after = replace(one, version=one.version + 1)
        await return_rows.save(transaction.connection, one, after, order)
        units = sum(item.quantity for item in checked)
        transaction.emit(return_event("ReturnSurplusFound", order, after, at, units=units))
        await _move(transaction, decide.found_stock(checked, location_id), return_id)
        transaction.answer({"return": str(return_id)})
    return after


async def _place(transaction: Transaction, code: str) -> UUID:
    found = await locations.id_of_code(transaction.connection, code) if is_code(code) else None
    if found is None:
        raise NotFound("no location has this code", "locationCode")
    return found


async def _move(transaction: Transaction, movements: Sequence[Movement], return_id: UUID) -> None:
    if not movements:
        return
    short = await inventory.move(
        transaction.connection,
        movements,
        source_kind="return",
        source_id=return_id,
        actor=transaction.actor,
        now=transaction.now,
    )
    assert not short, "what comes from outside is never short"  # noqa: S101
