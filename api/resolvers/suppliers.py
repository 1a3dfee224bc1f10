"""Root fields of suppliers."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.suppliers import (
    BY_CODE,
    KEY,
    SUPPLIER,
    Supplier,
    SupplierArchiveInput,
    SupplierConnection,
    SupplierCreateInput,
    SupplierPayload,
    SupplierUpdateInput,
)
from api.schema.values import given
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import suppliers
from services.access import Permission


@strawberry.type
class SuppliersQuery:
    """Queries of suppliers."""

    @query(Permission.SUPPLIERS_READ)
    async def suppliers(
        self, info: Info, first: int | None = DEFAULT_PAGE_SIZE, after: str | None = None
    ) -> SupplierConnection | None:
        """The suppliers in use, by code."""
        request = page_request(BY_CODE, KEY, first, after)
        [code] = request.after or [None]
        return SupplierConnection.of(await suppliers.page(info.context.service, request.size, code), request)


@strawberry.type
class SuppliersMutation:
    """Mutations of suppliers."""

    @mutation(SupplierPayload, Permission.SUPPLIERS_WRITE)
    async def supplier_create(self, info: Info, input: SupplierCreateInput) -> SupplierPayload | None:  # noqa: A002
        """Add a supplier, whom variants may then name."""
        made = await suppliers.create(info.context.service, input.code, input.name)
        return SupplierPayload(supplier=Supplier.of(made))

    @mutation(SupplierPayload, Permission.SUPPLIERS_WRITE)
    async def supplier_update(self, info: Info, input: SupplierUpdateInput) -> SupplierPayload | None:  # noqa: A002
        """Change a supplier's name."""
        changed = await suppliers.update(
            info.context.service,
            decode_id(SUPPLIER, input.id, "id"),
            given(input.name),
            input.expected_version,
        )
        return SupplierPayload(supplier=Supplier.of(changed))

    @mutation(SupplierPayload, Permission.SUPPLIERS_WRITE)
    async def supplier_archive(self, info: Info, input: SupplierArchiveInput) -> SupplierPayload | None:  # noqa: A002
        """Let no variant name a supplier anew."""
        gone = await suppliers.archive(
            info.context.service, decode_id(SUPPLIER, input.id, "id"), input.expected_version
        )
        return SupplierPayload(supplier=Supplier.of(gone))
