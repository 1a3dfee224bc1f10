"""GraphQL types of carriers' services that channels offer."""

from decimal import Decimal

import strawberry

from api.errors import UserError
from api.scalars import encode_id
from api.schema.channels import Channel
from api.schema.values import Money, MoneyInput, given, given_domain
from domain.channels import Channel as DomainChannel
from domain.delivery_quotes import DeliveryService as DomainDeliveryService
from domain.kernel.changes import KEEP
from domain.taxes import percent_of
from services.delivery_services import ServiceChanges

SERVICE = "DeliveryService"


@strawberry.type(
    description="A carrier's service that a channel offers: at the carrier's price, plus markupPercent of "
    "it, plus markup. provider is the carrier as it is set up, code its own name of the service; name and "
    "carrier are shown instead of what it says (null: what it says). handlingDays are working days before it "
    "leaves."
)
class DeliveryService:
    """A service of a channel."""

    id: strawberry.ID
    version: int
    channel: Channel
    provider: str
    code: str
    name: str | None
    carrier: str | None
    markup_percent: Decimal
    markup: Money
    handling_days: int
    position: int

    @classmethod
    def of(cls, service: DomainDeliveryService, channel: DomainChannel) -> "DeliveryService":
        """Return the GraphQL form of a channel's service."""
        return cls(
            id=encode_id(SERVICE, service.id),
            version=service.version,
            channel=Channel.of(channel),
            provider=service.provider,
            code=service.code,
            name=service.name,
            carrier=service.carrier,
            markup_percent=percent_of(service.markup_ppm),
            markup=Money.of_minor(service.markup_minor, channel.currency),
            handling_days=service.handling_days,
            position=service.position,
        )


@strawberry.input
class DeliveryServiceCreateInput:
    """A carrier's service to offer."""

    channel: str
    provider: str
    code: str
    name: str | None = None
    carrier: str | None = None
    markup_percent: Decimal | None = None
    markup: MoneyInput | None = None
    handling_days: int = 0
    position: int = 0

    def to_changes(self) -> ServiceChanges:
        """Return the fields of the new service, still to be checked."""
        return ServiceChanges(
            self.name,
            self.carrier,
            KEEP if self.markup_percent is None else self.markup_percent,
            self.markup.to_domain() if self.markup else None,
            self.handling_days,
            self.position,
        )


@strawberry.input(description="What is left out stays as it is.")
class DeliveryServiceUpdateInput:
    """Changes of a service."""

    id: strawberry.ID
    name: strawberry.Maybe[str | None]
    carrier: strawberry.Maybe[str | None]
    markup_percent: strawberry.Maybe[Decimal]
    markup: strawberry.Maybe[MoneyInput | None]
    handling_days: strawberry.Maybe[int]
    position: strawberry.Maybe[int]
    expected_version: int | None = None

    def to_changes(self) -> ServiceChanges:
        """Return what shall change, still to be checked."""
        return ServiceChanges(
            given(self.name),
            given(self.carrier),
            given(self.markup_percent),
            given_domain(self.markup),
            given(self.handling_days),
            given(self.position),
        )


@strawberry.input
class DeliveryServiceArchiveInput:
    """A service to offer no longer."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class DeliveryServicePayload:
    """A service, or why there is none."""

    delivery_service: DeliveryService | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
