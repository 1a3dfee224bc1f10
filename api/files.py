"""GET /documents: labels and carriers' manifests, for staff, with the same bearer token as GraphQL.

The label of a return is also for whoever has its own link, `/documents/{id}?token=TOKEN`, which opens this
document alone: an order's token is worth too much to stand in an address.

`/documents/{id}` is one document; `/documents?shipments=ID,ID` the labels of up to 100 parcels in one PDF, or
in an archive where they are not all PDFs. They name customers: no cache keeps them.
"""

import asyncio
import io
import re
import zipfile
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.auth import Authenticator, TooManyAttempts
from api.scalars import decode_id
from domain.carrier_ports import LabelFormat
from domain.document_ports import UnreadableDocument
from domain.kernel.errors import AccessDenied, DomainError, InvalidInput, NotFound
from persistence.labels import Document
from persistence.outages import is_outage
from services import labels, manifests, return_labels
from services.context import Environment, ServiceContext

_MEDIA = {
    LabelFormat.PDF: "application/pdf",
    LabelFormat.PNG: "image/png",
    LabelFormat.ZPL: "application/zpl",
}
_PRIVATE = {
    "cache-control": "private, no-store",
    # Carriers made them: no browser shall take one for a page of ours.
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
}
_STATUSES = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "RATE_LIMITED": 429}
_LONGEST_LIST = 10_000
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

log = structlog.get_logger(__name__)


class Files:
    """The routes of documents."""

    def __init__(self, environment: Environment, authenticator: Authenticator) -> None:
        """Take what use cases need, and who tells who asks."""
        self._environment = environment
        self._authenticator = authenticator

    def routes(self) -> list[Route]:
        """Return the routes to add."""
        return [Route("/documents", self.together), Route("/documents/{id}", self.one)]

    async def one(self, request: Request) -> Response:
        """Answer one document: 200, or 401, 403, 404, 429 and 503 with the reason in one line."""
        return await self._answered(request, self._one)

    async def together(self, request: Request) -> Response:
        """Answer the labels of the parcels named by `shipments`: as above, and 400."""
        return await self._answered(request, self._together)

    async def _one(self, request: Request, context: ServiceContext) -> Response:
        named = request.path_params["id"].lower()
        if not _UUID.fullmatch(named):
            raise NotFound("there is no such document", "id")
        document_id = UUID(named)
        token = request.query_params.get("token")
        listed = await manifests.document(context, document_id) if token is None else None
        if listed is not None:
            kind, content = listed
            return _file(content, _MEDIA[kind], f"manifest-{document_id}.{kind.value.lower()}")
        found = await return_labels.document(context, document_id, token)
        if found is None and token is None:
            found = (await labels.documents(context, [document_id])).get(document_id)
        if found is None:
            raise NotFound("there is no such document", "id")
        name = f"{found.kind.value.lower()}-{document_id}.{found.format.value.lower()}"
        return _file(found.content, _MEDIA[found.format], name)

    async def _together(self, request: Request, context: ServiceContext) -> Response:
        listed = request.query_params.get("shipments", "")
        if not listed or len(listed) > _LONGEST_LIST:
            raise InvalidInput("name the shipments, as in /documents?shipments=ID,ID", "shipments")
        # A plus sign in a query is a space to whoever reads it.
        ids = [
            decode_id("Shipment", one.replace(" ", "+"), "shipments", str(at))
            for at, one in enumerate(listed.split(","))
        ]
        found = await labels.labels_of(context, ids)
        papers = self._environment.documents
        if papers is not None and all(one.format is LabelFormat.PDF for one in found):
            try:
                whole = await asyncio.to_thread(papers.merged, [one.content for one in found])
                return _file(whole, _MEDIA[LabelFormat.PDF], "labels.pdf")
            except UnreadableDocument:
                # What a carrier sold as a PDF cannot be read by everybody: it is handed on as it is.
                log.warning("label_not_readable", shipments=len(found))
        return _file(await asyncio.to_thread(archived, found), "application/zip", "labels.zip")

    async def _answered(
        self, request: Request, answer: Callable[[Request, ServiceContext], Awaitable[Response]]
    ) -> Response:
        address = request.client.host if request.client else None
        try:
            actor = await self._authenticator.actor(request.headers.get("authorization"), address)
            request_id = str(request.scope.get("ordertide.request_id", ""))
            return await answer(request, ServiceContext(self._environment, actor, request_id, address))
        except AccessDenied as error:
            wait = {"retry-after": "1"} if isinstance(error, TooManyAttempts) else {}
            return _refusal(_STATUSES.get(error.code, 403), error.message, wait)
        except NotFound as error:
            return _refusal(404, error.message)
        except DomainError as error:
            return _refusal(400, error.message)
        except Exception as error:
            if not is_outage(error):
                raise
            return _refusal(503, "the service is temporarily unavailable, try again", {"retry-after": "1"})


def archived(documents: Sequence[Document]) -> bytes:
    """Return documents of any format in one archive, numbered as they are named."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for at, one in enumerate(documents, 1):
            archive.writestr(f"label-{at:03d}.{one.format.value.lower()}", one.content)
    return written.getvalue()


def _file(content: bytes, media: str, name: str) -> Response:
    headers = {**_PRIVATE, "content-disposition": f'inline; filename="{name}"'}
    return Response(content, 200, headers, media_type=media)


def _refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps({"status": message})
    return Response(body, status, {**_PRIVATE, **(headers or {})}, media_type="application/json")
