"""Use cases of carriers' services that a channel offers."""

from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from domain import delivery_quotes as decide
from domain.carrier_ports import Carrier, CarrierRefused, ServiceNamer
from domain.channels import Channel, money_in
from domain.delivery_quotes import DeliveryService
from domain.kernel.changes import KEEP, Keep, kept
from domain.kernel.errors import InvalidInput
from domain.kernel.ids import new_id
from domain.kernel.money import Amount
from domain.taxes import read_percent
from persistence.delivery_quotes import SERVICES
from services.access import Permission, require
from services.channels import get as get_channel
from services.context import ServiceContext, Transaction
from services.shipping_changes import Kind, channel_for, channel_of, check_room, locked, tell

_KIND = Kind("DeliveryService", "delivery_service", "delivery service")


@dataclass(frozen=True, slots=True)
class ServiceChanges:
    """What shall become of a service's fields; KEEP leaves one as it is (in a new one: the default).

    Which of a carrier's services it is never changes.
    """

    name: str | Keep | None = KEEP
    carrier: str | Keep | None = KEEP
    markup_percent: Decimal | Keep = KEEP
    markup: Amount | Keep | None = KEEP
    handling_days: int | Keep = KEEP
    position: int | Keep = KEEP


async def list_services(context: ServiceContext, channel: str) -> tuple[Channel, list[DeliveryService]]:
    """Return a channel and the carriers' services it offers; raises NotFound."""
    require(context.actor, Permission.SHIPPING_WRITE)
    found = await get_channel(context, channel)
    async with context.read() as connection:
        return found, await SERVICES.in_use(connection, found.id)


async def create(
    context: ServiceContext, channel: str, provider: str, code: str, given: ServiceChanges
) -> tuple[Channel, DeliveryService]:
    """Let a channel offer a carrier's service.

    Raises NotFound for the channel and InvalidInput naming the field: provider where none of that name is
    set up, code where it is no code, the carrier has no such service or the channel offers it already.
    """
    require(context.actor, Permission.SHIPPING_WRITE)
    carrier = context.environment.carriers.get(provider)
    if carrier is None:
        raise InvalidInput("no carrier of this name is set up", "provider")
    code = _named(carrier, decide.check_code(code))
    async with context.transaction() as transaction:
        found = await channel_for(transaction, channel)
        service = _changed(DeliveryService(new_id(), provider, code), given, found)
        await check_room(transaction, SERVICES, _KIND, decide.MAX_SERVICES, found.id)
        # Carriers do not tell codes apart by the size of their letters, and the table's index does.
        offered = {
            one.code.casefold()
            for one in await SERVICES.in_use(transaction.connection, found.id)
            if one.provider == provider
        }
        known = code.casefold() in offered
        if known or not await SERVICES.create(transaction.connection, service, transaction.now, found.id):
            raise InvalidInput("the channel offers this service already", "code")
        await _tell(transaction, "Created", None, service, found.id)
    return found, service


async def update(
    context: ServiceContext, service_id: UUID, given: ServiceChanges, expected_version: int | None = None
) -> tuple[Channel, DeliveryService]:
    """Change a service; what was quoted before keeps its price until it is asked for anew.

    Raises NotFound, VersionConflict, and InvalidInput naming the field.
    """
    require(context.actor, Permission.SHIPPING_WRITE)
    async with context.transaction() as transaction:
        service, channel_id = await locked(transaction, SERVICES, _KIND, service_id, expected_version)
        assert channel_id is not None, "a foreign key holds every service to its channel"  # noqa: S101
        channel = await channel_of(transaction, channel_id)
        changed = _changed(service, given, channel)
        if changed != service:
            changed = replace(changed, version=service.version + 1)
            await SERVICES.save(transaction.connection, changed)
            await _tell(transaction, "Updated", service, changed, channel_id)
    return channel, changed


async def archive(
    context: ServiceContext, service_id: UUID, expected_version: int | None = None
) -> tuple[Channel, DeliveryService]:
    """Offer a service no longer; what was quoted holds until it runs out.

    Raises NotFound and VersionConflict.
    """
    require(context.actor, Permission.SHIPPING_WRITE)
    async with context.transaction() as transaction:
        service, channel_id = await locked(transaction, SERVICES, _KIND, service_id, expected_version)
        assert channel_id is not None, "a foreign key holds every service to its channel"  # noqa: S101
        gone = replace(service, version=service.version + 1)
        await SERVICES.archive(transaction.connection, service.id, gone.version, transaction.now)
        await _tell(transaction, "Archived", gone, None, channel_id)
        channel = await channel_of(transaction, channel_id)
    return channel, gone


def _named(carrier: Carrier, code: str) -> str:
    if not isinstance(carrier, ServiceNamer):
        return code
    try:
        return carrier.named_service(code)
    except CarrierRefused as refused:
        raise InvalidInput(refused.message, "code") from refused


def _changed(service: DeliveryService, given: ServiceChanges, channel: Channel) -> DeliveryService:
    percent, markup = given.markup_percent, given.markup
    markup_minor = service.markup_minor
    if markup is not KEEP:
        markup_minor = 0 if markup is None else money_in(channel, markup, "markup").amount_minor
    return decide.check(
        replace(
            service,
            name=kept(given.name, service.name),
            carrier=kept(given.carrier, service.carrier),
            markup_ppm=service.markup_ppm if percent is KEEP else read_percent(percent, "markupPercent"),
            markup_minor=markup_minor,
            handling_days=kept(given.handling_days, service.handling_days),
            position=kept(given.position, service.position),
        )
    )


async def _tell(
    transaction: Transaction,
    verb: str,
    before: DeliveryService | None,
    after: DeliveryService | None,
    channel_id: UUID,
) -> None:
    service = after or before
    assert service is not None, "a change has at least one side"  # noqa: S101
    payload = {"provider": service.provider, "code": service.code}
    await tell(transaction, _KIND, verb, before, after, service.version, channel_id, payload)
