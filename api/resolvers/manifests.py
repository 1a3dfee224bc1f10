"""Root fields of manifests."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.manifests import (
    KEY,
    NEWEST,
    Manifest,
    ManifestCloseInput,
    ManifestConnection,
    ManifestCreateInput,
    ManifestFilter,
    ManifestPayload,
)
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import manifests
from services.access import Permission


@strawberry.type
class ManifestsQuery:
    """Queries of manifests."""

    @query(Permission.WAREHOUSE_WRITE)
    async def manifest(self, info: Info, id: strawberry.ID) -> Manifest | None:  # noqa: A002
        """A manifest by its id."""
        found = await manifests.get(info.context.service, decode_id("Manifest", id, "id"))
        return Manifest.of(found) if found else None

    @query(Permission.WAREHOUSE_WRITE)
    async def manifests(
        self,
        info: Info,
        filter: ManifestFilter | None = None,  # noqa: A002
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> ManifestConnection | None:
        """Manifests, newest first."""
        request = page_request(NEWEST, KEY, first, after)
        given = filter or ManifestFilter()
        found = await manifests.page(
            info.context.service, given.to_domain(), given.location_code, request.size, request.after
        )
        return ManifestConnection.of(found, request)


@strawberry.type
class ManifestsMutation:
    """Mutations of manifests."""

    @mutation(ManifestPayload, Permission.WAREHOUSE_WRITE)
    async def manifest_create(self, info: Info, input: ManifestCreateInput) -> ManifestPayload | None:  # noqa: A002
        """List the parcels of a carrier that wait with their label."""
        made = await manifests.create(
            info.context.service, input.location_code, input.carrier, input.provider, input.idempotency_key
        )
        return ManifestPayload(manifest=Manifest.of(made))

    @mutation(ManifestPayload, Permission.WAREHOUSE_WRITE)
    async def manifest_close(self, info: Info, input: ManifestCloseInput) -> ManifestPayload | None:  # noqa: A002
        """Hand all of its parcels over; closing it again changes nothing."""
        manifest_id = decode_id("Manifest", input.id, "id")
        return ManifestPayload(manifest=Manifest.of(await manifests.close(info.context.service, manifest_id)))
