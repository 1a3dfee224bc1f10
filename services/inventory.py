"""Use cases of stock: counts changed by hand, units moved between states, levels read."""

from domain import inventory as decide
from domain.catalog import VariantRef
from domain.inventory import MAX_ON_HAND, AdjustReason, StockLevel, StockState
from domain.kernel.errors import InsufficientStock, InvalidInput, NotFound
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.quantities import is_storable, require_positive
from persistence import inventory as rows
from persistence.idempotency import Claim, claim_for
from persistence.inventory import Change, ChangeOutcome
from services import stock_losses
from services.access import Permission, require
from services.context import ServiceContext


async def adjust(
    context: ServiceContext,
    variant: VariantRef,
    location_code: str,
    delta: int,
    reason: AdjustReason,
    key: str,
) -> StockLevel:
    """Change how many units are on hand, and return the level; one that does not exist is made.

    Raises InvalidInput (delta 0 or absurd, a level fuller than MAX_ON_HAND), NotFound (variant,
    location), InsufficientStock when fewer units are there than are to go, and IdempotencyKeyReused.
    """
    require(context.actor, Permission.STOCK_WRITE)
    source, target = decide.adjustment(decide.check_delta(delta))
    wanted = Change(
        variant, location_code, source, target, abs(delta), reason.value, "StockAdjusted", new_id()
    )
    claim = _claim(context, "stockAdjust", key, wanted, [str(variant), location_code, delta, reason])
    try:
        return await _change(context, wanted, claim)
    except InsufficientStock as error:
        sku = error.sku
    # More is gone than is free: what is held or committed goes too, in a transaction of its own
    # that locks carts and orders before the level.
    return await stock_losses.record(context, wanted, sku, claim)


async def move(
    context: ServiceContext,
    variant: VariantRef,
    location_code: str,
    source: StockState,
    target: StockState,
    quantity: int,
    key: str,
) -> StockLevel:
    """Move units of one level from one state to another (damage, repair, inspection, buffer).

    Raises IllegalTransition when units do not go that way by hand, InsufficientStock when the
    state has fewer, and otherwise what `adjust` raises.
    """
    require(context.actor, Permission.STOCK_WRITE)
    reason = decide.move_reason(source, target)
    require_positive(quantity, "quantity")
    wanted = Change(variant, location_code, source, target, quantity, reason, "StockMoved", new_id())
    request = [str(variant), location_code, source, target, quantity]
    claim = _claim(context, "stockMove", key, wanted, request)
    return await _change(context, wanted, claim)


async def levels(context: ServiceContext, variant: VariantRef) -> list[StockLevel]:
    """Return the levels of a variant, by location code; raises NotFound when there is no such variant."""
    require(context.actor, Permission.STOCK_READ)
    if variant.sku is not None and not is_storable(variant.sku):
        raise _no_variant(variant)
    async with context.read() as connection:
        found = await rows.levels(connection, variant)
    if found is None:
        raise _no_variant(variant)
    return found


async def _change(context: ServiceContext, wanted: Change, claim: Claim) -> StockLevel:
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is not None:
            return StockLevel.from_json(stored)
        outcome, level = await rows.change(
            transaction.connection, wanted, actor=transaction.actor, now=transaction.now
        )
        done = _require_done(outcome, wanted, level)
        transaction.answer(done.to_json())
    return done


def _require_done(outcome: ChangeOutcome, wanted: Change, level: StockLevel | None) -> StockLevel:
    if outcome is ChangeOutcome.NO_VARIANT:
        raise _no_variant(wanted.variant)
    if level is None:
        raise NotFound(f"no location has the code {wanted.location_code!r}", "locationCode")
    if outcome is ChangeOutcome.SHORT:
        present: int = getattr(level, wanted.from_state.value)
        raise InsufficientStock(level.sku, wanted.quantity, present, "quantity")
    if outcome is ChangeOutcome.FULL:
        raise InvalidInput(f"one location holds at most {MAX_ON_HAND} units of a variant", "delta")
    return level


def _claim(context: ServiceContext, operation: str, key: str, wanted: Change, request: object) -> Claim:
    _check_storable(wanted)
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)


def _check_storable(wanted: Change) -> None:
    """Refuse names that the database cannot even compare with."""
    if wanted.variant.sku is not None and not is_storable(wanted.variant.sku):
        raise _no_variant(wanted.variant)
    if not is_storable(wanted.location_code):
        raise NotFound("no location has this code", "locationCode")


def _no_variant(variant: VariantRef) -> NotFound:
    return NotFound(f"no variant is named {str(variant)[:100]!r}", "variant")
