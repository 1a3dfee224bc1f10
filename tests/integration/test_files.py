"""Documents over HTTP: whole, private, together, and for staff alone."""

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import pypdfium2  # type: ignore[import-untyped]
import pytest
from starlette.routing import Router

from api.asgi import build_app
from api.auth import Authenticator
from api.files import Files
from api.health import Health
from api.ide import Ide
from api.scalars import encode_id
from persistence.database import Database
from services import label_calls, manifests
from services.access import Permission
from tests.cart_flows import run_sql
from tests.factories import bearer
from tests.labeled import desk, packed_parcels
from tests.statements import count_statements


@asynccontextmanager
async def opened(database: Database, *permissions: Permission) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client of the product's routes, with the token of an app that has these permissions."""
    environment = desk(database).environment
    files = Files(environment, Authenticator(environment))
    app = build_app(Router([]), None, Ide(enabled=False), Health({}), files=files)
    headers = {"authorization": await bearer(database, *permissions)} if permissions else {}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client:
        yield client


async def labeled(database: Database, count: int) -> list[UUID]:
    """Return parcels that have their labels."""
    _, ids = await packed_parcels(database, *([1] * count))
    await label_calls.buy_due(desk(database))
    return ids


def together(ids: list[UUID]) -> str:
    return "/documents?shipments=" + ",".join(quote(encode_id("Shipment", one), safe="") for one in ids)


async def test_labels_come_in_one_pdf_in_the_order_they_are_named(database: Database) -> None:
    ids = await labeled(database, 3)
    async with opened(database, Permission.FULFILLMENT_READ) as client:
        await client.get(together(ids))
        with count_statements(database) as statements:
            answer = await client.get(together([ids[2], ids[0], ids[1]]))

    assert len(statements) == 1, statements
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    numbers = {row.id: row.tracking_number for row in await run_sql(database, "SELECT * FROM shipments")}
    pages = [page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(answer.content)]
    assert [numbers[one] in page for one, page in zip([ids[2], ids[0], ids[1]], pages, strict=True)] == [
        True
    ] * 3


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("format = 'ZPL', bytes = '^XA^XZ'", ["label-001.zpl", "label-002.pdf"]),
        ("bytes = 'no pdf at all'", ["label-001.pdf", "label-002.pdf"]),
    ],
)
async def test_labels_that_are_not_all_readable_pdfs_come_as_they_are(
    database: Database, change: str, names: list[str]
) -> None:
    ids = await labeled(database, 2)
    await run_sql(database, f"UPDATE shipment_documents SET {change} WHERE shipment_id = :id", id=ids[0])
    async with opened(database, Permission.FULFILLMENT_READ) as client:
        answer = await client.get(together(ids))

    assert answer.headers["content-type"] == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(answer.content)).namelist() == names


async def test_one_document_is_whole(database: Database) -> None:
    await labeled(database, 1)
    (stored,) = await run_sql(database, "SELECT id, bytes FROM shipment_documents")
    async with opened(database, Permission.FULFILLMENT_READ) as client:
        answer = await client.get(f"/documents/{stored.id}")

    assert answer.content == bytes(stored.bytes)
    assert f'filename="label-{stored.id}.pdf"' in answer.headers["content-disposition"]


async def test_documents_are_for_whoever_may_read_fulfillment(database: Database) -> None:
    ids = await labeled(database, 1)
    (stored,) = await run_sql(database, "SELECT id FROM shipment_documents")
    async with opened(database) as nobody, opened(database, Permission.ORDERS_READ) as other:
        for url in (f"/documents/{stored.id}", f"/documents/{uuid4()}", together(ids)):
            assert (await nobody.get(url)).status_code == 401
            assert (await other.get(url)).status_code == 403


async def test_what_makes_no_sense_is_said_so(database: Database) -> None:
    ids = await labeled(database, 1)
    _, (waiting,) = await packed_parcels(database)
    async with opened(database, Permission.FULFILLMENT_READ) as client:
        for url, status in (
            (f"/documents/{uuid4()}", 404),
            ("/documents/..%5c", 404),
            ("/documents/%00", 404),
            ("/documents", 400),
            ("/documents?shipments=,", 400),
            ("/documents?shipments=" + "x" * 20_000, 400),
            (together(ids * 2), 400),
            (together([uuid4() for _ in range(101)]), 400),
            (together([waiting]), 404),
            (together([uuid4()]), 404),
            (f"/documents?shipments={encode_id('Order', ids[0])}", 404),
        ):
            answer = await client.get(url)
            assert answer.status_code == status, url
            assert answer.headers["cache-control"] == "private, no-store" or status == 404
        assert (await client.post("/documents")).status_code == 405


async def test_a_carriers_own_manifest_is_served_to_who_works_in_the_warehouse(database: Database) -> None:
    [shipment_id] = await labeled(database, 1)
    [parcel] = await run_sql(
        database,
        "SELECT l.code, s.carrier, s.provider FROM shipments s JOIN locations l ON l.id = s.location_id",
    )
    context = desk(database)
    made = await manifests.create(context, parcel.code, parcel.carrier, parcel.provider, "manifest")
    closed = await manifests.close(context, made.id)
    [number] = await run_sql(
        database, "SELECT tracking_number AS it FROM shipments WHERE id = :id", id=shipment_id
    )
    assert closed.document_id is not None
    async with opened(database, Permission.WAREHOUSE_WRITE) as client:
        answer = await client.get(f"/documents/{closed.document_id}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert f"manifest-{closed.document_id}.pdf" in answer.headers["content-disposition"]
    [page] = pypdfium2.PdfDocument(answer.content)
    assert number.it in page.get_textpage().get_text_bounded()
    async with opened(database, Permission.FULFILLMENT_READ) as client:
        assert (await client.get(f"/documents/{closed.document_id}")).status_code == 404
    async with opened(database) as client:
        assert (await client.get(f"/documents/{closed.document_id}")).status_code == 401
