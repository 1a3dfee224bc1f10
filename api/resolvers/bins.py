"""Root fields of bins."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation, query
from api.schema.bins import Bin, BinPayload, BinSaveInput, VariantBinsPayload, VariantBinsSetInput
from domain.kernel.errors import InvalidInput
from domain.kernel.pages import MAX_PAGE_SIZE
from services import bins
from services.access import Permission


@strawberry.type
class BinsQuery:
    """Queries of bins."""

    @query(Permission.WAREHOUSE_WRITE)
    async def bins(
        self, info: Info, location_code: str, after_code: str = "", first: int = MAX_PAGE_SIZE
    ) -> list[Bin]:
        """The bins of a location by code, from after a code on; at most 100 at once."""
        if not 1 <= first <= MAX_PAGE_SIZE:
            raise InvalidInput(f"must be between 1 and {MAX_PAGE_SIZE}", "first")
        return [
            Bin.of(one) for one in await bins.page(info.context.service, location_code, after_code, first)
        ]


@strawberry.type
class BinsMutation:
    """Mutations of bins."""

    @mutation(BinPayload, Permission.WAREHOUSE_WRITE)
    async def bin_save(self, info: Info, input: BinSaveInput) -> BinPayload | None:  # noqa: A002
        """Create or change a bin; saying the same again changes nothing."""
        saved = await bins.save(
            info.context.service, input.location_code, input.code, input.zone, input.position
        )
        return BinPayload(bin=Bin.of(saved))

    @mutation(VariantBinsPayload, Permission.WAREHOUSE_WRITE)
    async def variant_bins_set(self, info: Info, input: VariantBinsSetInput) -> VariantBinsPayload | None:  # noqa: A002
        """Say in which bins of a location a variant lies."""
        found = await bins.place(
            info.context.service,
            input.location_code,
            input.variant.to_domain("variant"),
            input.bin_codes,
            preferred=input.preferred,
        )
        return VariantBinsPayload(bins=[Bin.of(one) for one in found])
