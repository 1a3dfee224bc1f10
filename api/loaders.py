"""Dataloaders: many fields ask, one statement answers. One set a request, one connection a time."""

from strawberry.dataloader import DataLoader

from services.context import ServiceContext


class Loaders:
    """The loaders of one request; each is made when first asked for.

    A feature adds its loaders here as cached properties over a batch function in `persistence`.
    """

    def __init__(self, service: ServiceContext) -> None:
        """Bind to the request, whose `read()` lets one statement at a time through."""
        self.service = service
        self._made: dict[object, DataLoader] = {}  # type: ignore[type-arg]
