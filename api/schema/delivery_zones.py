"""GraphQL types of delivery zones."""

import strawberry

from api.errors import UserError
from api.scalars import encode_id
from api.schema.channels import Channel
from api.schema.shipping import ZONE
from api.schema.values import given
from domain import delivery_zones as domain
from domain.channels import Channel as DomainChannel
from domain.kernel.changes import KEEP, Keep
from services.delivery_zones import ZoneChanges


@strawberry.type(
    description="Postal codes of a country that begin with first, or, with last, lie from one to the other. "
    "Spaces, hyphens and the size of letters do not count; British ones follow districts (N1 is not N10)."
)
class PostcodeRule:
    """Some postal codes of a country."""

    country: str
    first: str
    last: str | None

    @classmethod
    def of(cls, rule: domain.PostcodeRule) -> "PostcodeRule":
        """Return the GraphQL form of a rule."""
        return cls(country=rule.country, first=rule.first, last=rule.last)


@strawberry.type(
    description="Places that rates are for: countries, in those of which it names regions or postal codes "
    "only these. A place is in the first zone of its channel, by position, that has it."
)
class DeliveryZone:
    """A zone of a channel."""

    id: strawberry.ID
    version: int
    channel: Channel
    name: str
    countries: list[str]
    regions: list[str]
    postcodes: list[PostcodeRule]
    excluded_postcodes: list[PostcodeRule]
    position: int

    @classmethod
    def of(cls, zone: domain.DeliveryZone, channel: DomainChannel) -> "DeliveryZone":
        """Return the GraphQL form of a channel's zone."""
        return cls(
            id=encode_id(ZONE, zone.id),
            version=zone.version,
            channel=Channel.of(channel),
            name=zone.name,
            countries=sorted(zone.countries),
            regions=sorted(zone.regions),
            postcodes=[PostcodeRule.of(rule) for rule in zone.postcodes],
            excluded_postcodes=[PostcodeRule.of(rule) for rule in zone.excluded_postcodes],
            position=zone.position,
        )


@strawberry.input
class PostcodeRuleInput:
    """Postal codes that begin with first, or lie from first to last."""

    country: str
    first: str
    last: str | None = None


@strawberry.input(description="A region is its country and what addresses there call it, as in US-CA.")
class DeliveryZoneCreateInput:
    """A new zone."""

    channel: str
    name: str
    countries: list[str]
    regions: list[str] | None = None
    postcodes: list[PostcodeRuleInput] | None = None
    excluded_postcodes: list[PostcodeRuleInput] | None = None
    position: int = 0

    def to_changes(self) -> ZoneChanges:
        """Return the fields of the new zone, still to be checked."""
        return ZoneChanges(
            self.name,
            self.countries,
            self.regions or [],
            _rules(self.postcodes or []),
            _rules(self.excluded_postcodes or []),
            self.position,
        )


@strawberry.input(description="What is left out stays as it is; a list given replaces the whole one.")
class DeliveryZoneUpdateInput:
    """Changes of a zone."""

    id: strawberry.ID
    name: strawberry.Maybe[str]
    countries: strawberry.Maybe[list[str]]
    regions: strawberry.Maybe[list[str]]
    postcodes: strawberry.Maybe[list[PostcodeRuleInput]]
    excluded_postcodes: strawberry.Maybe[list[PostcodeRuleInput]]
    position: strawberry.Maybe[int]
    expected_version: int | None = None

    def to_changes(self) -> ZoneChanges:
        """Return what shall change, still to be checked."""
        return ZoneChanges(
            given(self.name),
            given(self.countries),
            given(self.regions),
            _rules(given(self.postcodes)),
            _rules(given(self.excluded_postcodes)),
            given(self.position),
        )


@strawberry.input
class DeliveryZoneArchiveInput:
    """A zone to take out of use; it may have no rates any more."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class DeliveryZonePayload:
    """A zone, or why there is none."""

    delivery_zone: DeliveryZone | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


def _rules(rules: list[PostcodeRuleInput] | Keep) -> list[domain.PostcodeRule] | Keep:
    if rules is KEEP:
        return KEEP
    return [domain.PostcodeRule(rule.country, rule.first, rule.last) for rule in rules]
