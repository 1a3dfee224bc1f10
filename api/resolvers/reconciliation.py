"""Root fields of reconciliation."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.reconciliation import (
    KEY,
    OLDEST,
    ReconciliationDifference,
    ReconciliationDifferenceConnection,
    ReconciliationDifferencePayload,
    ReconciliationDifferenceResolveInput,
    ReconciliationDifferenceState,
)
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import reconciliation
from services.access import Permission


@strawberry.type
class ReconciliationQuery:
    """Queries of reconciliation."""

    @query(Permission.LEDGER_READ)
    async def reconciliation_differences(
        self,
        info: Info,
        state: ReconciliationDifferenceState | None = None,  # type: ignore[valid-type]
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> ReconciliationDifferenceConnection | None:
        """What providers' reports and our record differ about, the oldest first: a work list."""
        request = page_request(OLDEST, KEY, first, after)
        found = await reconciliation.page(info.context.service, state, request.size, request.after)
        return ReconciliationDifferenceConnection.of(found, request)


@strawberry.type
class ReconciliationMutation:
    """Mutations of reconciliation."""

    @mutation(ReconciliationDifferencePayload, Permission.LEDGER_WRITE)
    async def reconciliation_difference_resolve(
        self,
        info: Info,
        input: ReconciliationDifferenceResolveInput,  # noqa: A002
    ) -> ReconciliationDifferencePayload | None:
        """Take a difference off the work list, saying what became of it."""
        listed = await reconciliation.resolve(
            info.context.service, decode_id("ReconciliationDifference", input.id, "id"), input.note
        )
        found = ReconciliationDifference.of(listed)
        return ReconciliationDifferencePayload(reconciliation_difference=found)
