"""Use cases of backorder policies: staff say what is sold beyond its stock."""

from dataclasses import replace

from domain import backorders as decide
from domain.backorders import BackorderPolicy
from domain.catalog import Variant, VariantRef
from domain.kernel.errors import NotFound
from domain.kernel.events import Event
from domain.kernel.moments import in_utc
from persistence import backorders as rows
from persistence import catalog
from services import audit
from services.access import Permission, require
from services.carts import findable
from services.context import ServiceContext


async def set_policy(context: ServiceContext, ref: VariantRef, policy: BackorderPolicy) -> Variant:
    """Say how a variant is sold beyond its stock; raises NotFound and InvalidInput naming the field."""
    require(context.actor, Permission.CATALOG_WRITE)
    moment = policy.available_from
    policy = replace(
        policy,
        limit=decide.check_limit(policy.limit),
        available_from=None if moment is None else in_utc(moment, "availableFrom"),
    )
    async with context.transaction() as transaction:
        saved = await rows.save(transaction.connection, findable(ref), policy)
        if saved is None:
            raise NotFound("there is no such variant", "variant")
        variant_id, version, sku = saved
        await audit.record(transaction, "VariantBackorderSet", "variant", variant_id, after=policy)
        transaction.emit(
            Event("VariantUpdated", "catalog", variant_id, version, transaction.now, None, {"sku": sku})
        )
        return (await catalog.variants_by_id(transaction.connection, [variant_id]))[variant_id]
