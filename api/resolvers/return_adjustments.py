"""Root fields of what a return brings, for staff who may change it."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import query
from api.scalars import decode_id
from api.schema.return_adjustments import ReturnWorth
from api.schema.returns import RETURN
from domain.kernel.errors import NotFound
from services import return_adjustments
from services.access import Permission


@strawberry.type
class ReturnAdjustmentsQuery:
    """Queries of what returns bring."""

    @query(Permission.RETURNS_READ)
    async def return_worth(self, info: Info, id: strawberry.ID) -> ReturnWorth | None:  # noqa: A002
        """What a return brings by the rules and by what was found in it so far; null: there is no such."""
        return_id = decode_id(RETURN, id, "id")
        try:
            worth, currency = await return_adjustments.worth(info.context.service, return_id)
        except NotFound:
            return None
        return ReturnWorth.of(return_id, worth, currency)
