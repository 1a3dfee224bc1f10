"""Root fields of what locations can do, and of the tags of goods."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation
from api.scalars import decode_id
from api.schema.catalog import ProductVariant
from api.schema.location_rule_changes import (
    LocationRulesPayload,
    LocationRulesUpdateInput,
    VariantTagsPayload,
    VariantTagsSetInput,
)
from api.schema.locations import Location
from services import location_rules
from services.access import Permission


@strawberry.type
class LocationRulesMutation:
    """Mutations of what locations can do."""

    @mutation(LocationRulesPayload, Permission.LOCATIONS_WRITE)
    async def location_rules_update(
        self,
        info: Info,
        input: LocationRulesUpdateInput,  # noqa: A002
    ) -> LocationRulesPayload | None:
        """Change what a location can do; orders it may not send any more leave from elsewhere in seconds."""
        location = await location_rules.update(
            info.context.service,
            decode_id("Location", input.id, "id"),
            input.to_changes(),
            input.expected_version,
        )
        return LocationRulesPayload(location=Location.of(location))

    @mutation(VariantTagsPayload, Permission.CATALOG_WRITE)
    async def variant_tags_set(self, info: Info, input: VariantTagsSetInput) -> VariantTagsPayload | None:  # noqa: A002
        """Say which kinds of goods a variant is of: only locations with all these tags may send it."""
        variant = await location_rules.set_tags(
            info.context.service, input.variant.to_domain("variant"), input.tags, input.expected_version
        )
        return VariantTagsPayload(variant=ProductVariant.of(variant), tags=sorted(set(input.tags)))
