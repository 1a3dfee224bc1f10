"""Root fields of returns that are to be repaired."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation
from api.scalars import decode_id
from api.schema.return_changes import ReturnPayload
from api.schema.return_repairs import ReturnRepairedInput, ReturnRepairGiveUpInput
from api.schema.returns import RETURN, Return
from services import return_repairs
from services.access import Permission


@strawberry.type
class ReturnRepairsMutation:
    """Mutations of returns that are to be repaired."""

    @mutation(ReturnPayload, Permission.RETURNS_WRITE)
    async def return_repaired(self, info: Info, input: ReturnRepairedInput) -> ReturnPayload | None:  # noqa: A002
        """Send what was repaired back to its customer: a fulfillment order of the same order."""
        done = await return_repairs.finish(
            info.context.service,
            decode_id(RETURN, input.id, "id"),
            input.note,
            input.expected_version,
            input.idempotency_key,
        )
        return ReturnPayload(return_=Return.of(done))

    @mutation(ReturnPayload, Permission.RETURNS_WRITE)
    async def return_repair_give_up(
        self,
        info: Info,
        input: ReturnRepairGiveUpInput,  # noqa: A002
    ) -> ReturnPayload | None:
        """Let a return go on for money that cannot be repaired."""
        given_up = await return_repairs.give_up(
            info.context.service,
            decode_id(RETURN, input.id, "id"),
            input.wish,
            input.note,
            input.expected_version,
        )
        return ReturnPayload(return_=Return.of(given_up))
