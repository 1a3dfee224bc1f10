"""GraphQL types of suppliers."""

from collections.abc import Sequence

import strawberry

from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import encode_id
from domain import suppliers as domain

SUPPLIER = "Supplier"
BY_CODE, KEY = "SUPPLIERS_BY_CODE", (str,)
"""The order of the list, and what its cursors hold."""


@strawberry.type(description="Whom articles are bought from. Its code is the shop's own and never changes.")
class Supplier:
    """A supplier of the shop."""

    id: strawberry.ID
    version: int
    code: str
    name: str
    archived: bool = strawberry.field(description="Whether variants may no longer name it anew.")

    @classmethod
    def of(cls, supplier: domain.Supplier) -> "Supplier":
        """Return the GraphQL form of a supplier."""
        return cls(
            id=encode_id(SUPPLIER, supplier.id),
            version=supplier.version,
            code=supplier.code,
            name=supplier.name,
            archived=supplier.archived,
        )


@strawberry.type
class SupplierEdge:
    """A supplier and where it stands in the list."""

    cursor: str
    node: Supplier


@strawberry.type
class SupplierConnection:
    """A page of suppliers."""

    edges: list[SupplierEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.Supplier], request: PageRequest) -> "SupplierConnection":
        """Return the page; a supplier beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found, request, lambda one: SupplierEdge(cursor=cursor(BY_CODE, one.code), node=Supplier.of(one))
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.input
class SupplierCreateInput:
    """A new supplier."""

    code: str
    name: str


@strawberry.input(description="What is left out stays as it is.")
class SupplierUpdateInput:
    """Changes of a supplier."""

    id: strawberry.ID
    name: strawberry.Maybe[str]
    expected_version: int | None = None


@strawberry.input(description="Variants that name it keep it; none may name it anew.")
class SupplierArchiveInput:
    """A supplier to archive."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class SupplierPayload:
    """A supplier, or why there is none."""

    supplier: Supplier | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
