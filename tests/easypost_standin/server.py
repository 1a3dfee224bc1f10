"""What EasyPost does with shipments, as far as we ask: rates, labels, refunds, trackers, scan forms."""

import asyncio
import hashlib
import hmac
import json
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import jsonschema
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.addresses import Address
from providers.carriers.label_document import label_pdf, manifest_pdf
from tests.asgi_servers import running
from tests.easypost_standin import shapes

API_KEY = "EZTKtests"
SECRET = "sécret of the tests"
_ADDRESS = Address("A", "1 Main St", "San Francisco", "US")
# Carrier, service, price of the first pound and of each further, days.
_RATES = (
    ("USPS", "GroundAdvantage", "8.92", "1.10", None),
    ("USPS", "Priority", "7.47", "1.25", 2),
    ("UPSDAP", "Ground", "9.03", "0.95", 4),
)


@dataclass
class Account:
    """One account: its shipments by id, what it was asked, and how it fails next."""

    url: str = ""
    shipments: dict[str, dict[str, Any]] = field(default_factory=dict)
    forms: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    fail: dict[str, Callable[[], Awaitable[Response | None]]] = field(default_factory=dict)
    """By what is asked ("buy", "create", ...): awaited after it is done; a response replaces the answer."""

    @property
    def bought(self) -> list[dict[str, Any]]:
        """The shipments that have a label."""
        return [one for one in self.shipments.values() if one["postage_label"]]

    def signed(self, event: dict[str, Any], secret: str = SECRET) -> tuple[dict[str, str], bytes]:
        """Return the headers (in small letters) and body of a webhook."""
        body = json.dumps(event).encode()
        digest = hmac.new(_normal(secret), body, hashlib.sha256).hexdigest()
        return {"x-hmac-signature": f"hmac-sha256-hex={digest}"}, body


def failing(status: int, code: str) -> Callable[[], Awaitable[Response]]:
    """Answer with an error, whatever was done."""

    async def fail() -> Response:
        return _error(status, code, f"as the test wants: {code}")

    return fail


async def hanging() -> None:
    """Answer too late."""
    await asyncio.sleep(1.5)


@asynccontextmanager
async def easypost_standin() -> AsyncIterator[Account]:
    """Yield an account while its server runs; every request must have been as documented."""
    account = Account()
    answers = _Answers(account)
    routes = [
        Route("/v2/shipments", answers.of("create", shapes.SHIPMENT_CREATE), methods=["POST"]),
        Route("/v2/shipments/{id}", answers.of("retrieve"), methods=["GET"]),
        Route("/v2/shipments/{id}/rerate", answers.of("rerate", shapes.NOTHING), methods=["POST"]),
        Route("/v2/shipments/{id}/buy", answers.of("buy", shapes.SHIPMENT_BUY), methods=["POST"]),
        Route("/v2/shipments/{id}/refund", answers.of("refund", shapes.NOTHING), methods=["POST"]),
        Route("/v2/trackers", answers.of("trackers"), methods=["GET"]),
        Route("/v2/scan_forms", answers.of("scan_form", shapes.SCAN_FORM_CREATE), methods=["POST"]),
        Route("/files/{name}", answers.file, methods=["GET"]),
    ]
    async with running(Starlette(routes=routes), "plain uvicorn") as server:
        account.url = "http://{}:{}".format(*server.address)
        yield account
    assert account.violations == []


class _Answers:
    def __init__(self, account: Account) -> None:
        self._account = account

    def of(
        self, asked: str, schema: dict[str, Any] | None = None
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            account = self._account
            if request.headers.get("authorization") != f"Bearer {API_KEY}":
                return _error(401, "APIKEY.INACTIVE", "This api key is no longer active.")
            account.asked.append(asked)
            given: dict[str, Any] = {}
            if schema is not None:
                given = json.loads(await request.body() or b"{}")
                errors = list(jsonschema.Draft202012Validator(schema).iter_errors(given))
                if errors:
                    account.violations += [f"{asked}: {error.message}" for error in errors]
                    return _error(422, "PARAMETER.INVALID", errors[0].message)
            done = getattr(self, f"_{asked}")(request, given)
            fail = account.fail.get(asked)
            return (await fail() if fail else None) or done

        return answer

    async def file(self, request: Request) -> Response:
        return Response(self._account.forms[request.path_params["name"]], media_type="application/pdf")

    def _create(self, _request: Request, given: dict[str, Any]) -> Response:
        params = given["shipment"]
        abroad = params["to_address"]["country"] != params["from_address"]["country"]
        if abroad and "reference" in params and "customs_info" not in params:
            return _error(422, "SHIPMENT.CUSTOMS.MISSING", "customs_info is required")
        ends = [params["from_address"], params["to_address"]]
        if params.get("is_return"):
            ends.reverse()  # as documented: they are switched
        shipment = {
            "id": f"shp_{uuid4().hex}",
            "object": "Shipment",
            "reference": params.get("reference"),
            "is_return": params.get("is_return", False),
            "from_address": ends[0],
            "to_address": ends[1],
            "parcel": params["parcel"],
            "messages": [],
            "status": "unknown",
            "tracking_code": None,
            "postage_label": None,
            "selected_rate": None,
            "refund_status": None,
            "scan_form": None,
            "tracker": None,
        }
        shipment["rates"] = _rates(shipment)
        self._account.shipments[shipment["id"]] = shipment
        return JSONResponse(shipment, 201)

    def _retrieve(self, request: Request, _given: dict[str, Any]) -> Response:
        shipment = self._named(request)
        return JSONResponse(shipment) if shipment else _not_found()

    def _rerate(self, request: Request, _given: dict[str, Any]) -> Response:
        shipment = self._named(request)
        if shipment is None:
            return _not_found()
        shipment["rates"] = _rates(shipment)
        return JSONResponse({"rates": shipment["rates"]})

    def _buy(self, request: Request, given: dict[str, Any]) -> Response:
        shipment = self._named(request)
        if shipment is None:
            return _not_found()
        if shipment["postage_label"]:
            return _error(422, "SHIPMENT.POSTAGE.EXISTS", "Postage already exists for this shipment.")
        rate = next((one for one in shipment["rates"] if one["id"] == given["rate"]["id"]), None)
        if rate is None:
            return _error(422, "SHIPMENT.INVALID_PARAMS", "The rate is not of this shipment.")
        number = f"94{uuid4().int % 10**20:020d}"
        name = f"{uuid4().hex}.pdf"
        self._account.forms[name] = label_pdf(
            rate["carrier"], rate["service"], number, _ADDRESS, _ADDRESS, str(shipment["reference"])
        )
        shipment |= {
            "tracking_code": number,
            "selected_rate": rate,
            "postage_label": {"label_url": f"{self._account.url}/files/{name}", "label_size": "4x6"},
            "tracker": {
                "id": f"trk_{uuid4().hex}",
                "tracking_code": number,
                "status": "unknown",
                "est_delivery_date": "2031-05-04T00:00:00Z",
                "shipment_id": shipment["id"],
                "public_url": f"https://track.example/{number}",
                "tracking_details": [],
            },
        }
        return JSONResponse(shipment)

    def _refund(self, request: Request, _given: dict[str, Any]) -> Response:
        shipment = self._named(request)
        if shipment is None:
            return _not_found()
        if shipment["refund_status"] or shipment["tracker"]["status"] not in {"unknown", "pre_transit"}:
            return _error(422, "SHIPMENT.REFUND.UNAVAILABLE", "Refund request is not possible any more.")
        shipment["refund_status"] = "submitted"
        return JSONResponse(shipment)

    def _trackers(self, request: Request, _given: dict[str, Any]) -> Response:
        number = request.query_params["tracking_code"]
        found = [one["tracker"] for one in self._account.bought if one["tracking_code"] == number]
        return JSONResponse({"trackers": found, "has_more": False})

    def _scan_form(self, _request: Request, given: dict[str, Any]) -> Response:
        shipments = [self._account.shipments[one["id"]] for one in given["scan_form"]["shipments"]]
        if any(one["scan_form"] for one in shipments):
            return _error(422, "SCAN_FORM.SHIPMENTS.INVALID", "A shipment is on another scan form.")
        name = f"{uuid4().hex}.pdf"
        numbers = [one["tracking_code"] for one in shipments]
        self._account.forms[name] = manifest_pdf("USPS", name, numbers)
        form = {"id": f"sf_{uuid4().hex}", "form_url": f"{self._account.url}/files/{name}"}
        for one in shipments:
            one["scan_form"] = form
        return JSONResponse({**form, "tracking_codes": numbers}, 201)

    def _named(self, request: Request) -> dict[str, Any] | None:
        named = request.path_params["id"]
        found = self._account.shipments.get(named)
        return found or next(
            (one for one in self._account.shipments.values() if one["reference"] == named), None
        )


def _rates(shipment: dict[str, Any]) -> list[dict[str, Any]]:
    pounds = int(shipment["parcel"]["weight"] // 16)
    return [
        {
            "id": f"rate_{uuid4().hex}",
            "object": "Rate",
            "carrier": carrier,
            "service": service,
            "rate": f"{float(first) + pounds * float(further):.2f}",
            "currency": "USD",
            "delivery_days": days,
            "est_delivery_days": days,
            "shipment_id": shipment["id"],
        }
        for carrier, service, first, further, days in _RATES
    ]


def _not_found() -> Response:
    return _error(404, "NOT_FOUND", "The requested resource could not be found.")


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message, "errors": []}}, status)


def _normal(secret: str) -> bytes:
    # As EasyPost's documentation has it: NFKD, then UTF-8.
    return unicodedata.normalize("NFKD", secret).encode()
