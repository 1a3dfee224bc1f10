"""The stand-in's HTTP: whose request it is, the description, idempotency keys, faults, and webhooks.

    async with stripe_standin() as stripe:
        StripePayments(stripe.secret_key, api_base=stripe.url, webhook_secret=stripe.webhook_secret)

Nothing that breaks the description passes: it is answered as an error, and the block ends in an
AssertionError.
"""

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.asgi_servers import running
from tests.stripe_standin.account import Account, Object, Refused, invalid
from tests.stripe_standin.description import Description, Invalid, description

Fault = Literal["hang", "error", "lost", "limited", "busy"]
"""hang, error: done, but no answer, or a 500. lost: a 500 and nothing done. limited: 429. busy: 409."""
Answer = tuple[int, Object]

_PUBLIC = {("get", "/v1/payment_intents/{intent}"), ("post", "/v1/payment_intents/{intent}/confirm")}
"""What a browser may ask, that has a publishable key and the payment intent's secret."""
_HANG_SECONDS = 60


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    operation: tuple[str, str]
    name: str | None
    parameters: Object
    key: str | None


@dataclass
class Standin:
    """A running stand-in; change `account` to let things happen that nobody asked for."""

    description: Description
    secret_key: str = "sk_test_standin"
    publishable_key: str = "pk_test_standin"
    webhook_secret: str = "whsec_standin"
    url: str = ""
    events: list[Object] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.account = Account(self.description, self._tell)
        self._faults: list[tuple[re.Pattern[str], Fault]] = []
        self._answers: dict[str, tuple[str, Answer]] = {}
        self._numbers = count(1)
        self._key: str | None = None
        self._hanging = asyncio.Event()

    def fail(self, fault: Fault, what: str) -> None:
        """Let the next request fail whose method and path `what` matches, as in `post .*/capture`."""
        self._faults.append((re.compile(what), fault))

    def named(self, kind: str) -> list[Object]:
        """Return the events of a kind, oldest first."""
        return [one for one in self.events if one["type"] == kind]

    def signed(
        self, event: Object, *, at: float | None = None, secret: str | None = None
    ) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a webhook, signed as https://docs.stripe.com/webhooks/signature says."""
        body = json.dumps(event, indent=2).encode()
        header = self.signature(body, at=at, secret=secret)
        return {"stripe-signature": header, "content-type": "application/json"}, body

    def signature(self, body: bytes, *, at: float | None = None, secret: str | None = None) -> str:
        """Return the header that shows that `body` is Stripe's, said `at` that time."""
        moment = int(at if at is not None else time.time())
        key = (secret or self.webhook_secret).encode()
        mac = hmac.new(key, f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        return f"t={moment},v1={mac},v0=not-looked-at"

    async def deliver(self, url: str, event: Object, *, at: float | None = None) -> int:
        """Post a webhook to `url`; returns the status of its answer."""
        headers, body = self.signed(event, at=at)
        async with httpx.AsyncClient() as client:
            return (await client.post(url, content=body, headers=headers)).status_code

    def stop_hanging(self) -> None:
        self._hanging.set()

    @property
    def app(self) -> Starlette:
        does: dict[tuple[str, str], Callable[[Asked], Object]] = {
            ("post", "/v1/payment_intents"): lambda asked: self.account.create(asked.parameters),
            ("get", "/v1/payment_intents"): self._list_intents,
            ("get", "/v1/payment_intents/search"): self._search,
            ("get", "/v1/payment_intents/{intent}"): lambda asked: self.account.get(_name(asked)),
            ("post", "/v1/payment_intents/{intent}/confirm"): self._on_intent(self.account.confirm),
            ("post", "/v1/payment_intents/{intent}/capture"): self._on_intent(self.account.capture),
            ("post", "/v1/payment_intents/{intent}/cancel"): self._on_intent(self.account.cancel),
            ("post", "/v1/refunds"): lambda asked: self.account.refund(asked.parameters),
            ("get", "/v1/refunds"): self._list_refunds,
            ("get", "/v1/disputes"): self._list_disputes,
            ("get", "/v1/balance_transactions"): self._list_transactions,
        }
        routes = [
            Route(path, self._endpoint((method, path), do), methods=[method.upper()])
            for (method, path), do in does.items()
        ]
        pages = Route("/authenticate/{intent}", self._bank, methods=["GET", "POST"])
        return Starlette(routes=[*routes, pages])

    def _endpoint(
        self, operation: tuple[str, str], do: Callable[[Asked], Object]
    ) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            fault = self._next_fault(operation)
            replayed, asked = False, None
            try:
                asked = await self._read(request, operation)
                if fault in {"lost", "limited", "busy"}:
                    raise _FAULTS[fault]
                status, body, replayed = self._once(asked, do)
            except Refused as refused:
                status, body = refused.status, {"error": refused.error}
            status, body = self._checked(operation, status, body)
            if fault == "hang":
                await asyncio.wait([asyncio.ensure_future(self._hanging.wait())], timeout=_HANG_SECONDS)
            if fault == "error":
                status, body = 500, {"error": {"type": "api_error", "message": "Something went wrong"}}
                if asked is not None and asked.key is not None:
                    self._answers[asked.key] = (_print(asked), (status, body))
            headers = {"request-id": f"req_{next(self._numbers)}"}
            if replayed:
                headers["idempotent-replayed"] = "true"
            return JSONResponse(body, status, headers)

        return endpoint

    async def _read(self, request: Request, operation: tuple[str, str]) -> Asked:
        text = (await request.body()).decode() if request.method == "POST" else request.url.query
        try:
            found = self.description.read_request(operation, parse_qsl(text, keep_blank_values=True))
        except Invalid as error:
            self.violations.append(str(error))
            raise invalid("parameter_unknown", str(error), param=error.parameter or "") from None
        name = request.path_params.get("intent")
        self._authenticate(request, operation, name, found)
        asked = Asked(operation, name, found, request.headers.get("idempotency-key"))
        self.requests.append(asked)
        return asked

    def _authenticate(
        self, request: Request, operation: tuple[str, str], name: str | None, found: Mapping[str, Any]
    ) -> None:
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        if shown == self.secret_key:
            version = request.headers.get("stripe-version")
            if version != self.description.version:
                self.violations.append(f"asked in version {version}, described is {self.description.version}")
            return
        secret = found.get("client_secret")
        may = shown == self.publishable_key and operation in _PUBLIC and name is not None
        if not may or secret != self.account.get(name or "")["client_secret"]:
            raise Refused(401, "invalid_request_error", None, "Invalid API Key provided")

    def _once(self, asked: Asked, do: Callable[[Asked], Object]) -> tuple[int, Object, bool]:
        """Do what is asked, or answer as before under the same key: https://docs.stripe.com/api/idempotent_requests."""
        kept = self._answers.get(asked.key or "")
        if kept is not None:
            if kept[0] != _print(asked):
                message = "Keys for idempotent requests can only be used with the same parameters"
                raise Refused(400, "idempotency_error", None, message)
            return *kept[1], True
        self._key = asked.key
        try:
            answer = 200, self._expanded(asked, do(asked))
        except Refused as refused:
            if refused.status != httpx.codes.PAYMENT_REQUIRED:
                raise
            answer = refused.status, {"error": refused.error}
        finally:
            self._key = None
        answer = json.loads(json.dumps(answer))
        if asked.key is not None:
            self._answers[asked.key] = (_print(asked), (answer[0], answer[1]))
        return answer[0], answer[1], False

    def _expanded(self, asked: Asked, made: Object) -> Object:
        return self.account.expanded(made, asked.parameters.get("expand") or [])

    def _checked(self, operation: tuple[str, str], status: int, body: Object) -> Answer:
        try:
            self.description.check_answer(operation, status, body)
        except Invalid as error:
            self.violations.append(str(error))
            return 500, {"error": {"type": "api_error", "message": str(error)}}
        return status, body

    def _next_fault(self, operation: tuple[str, str]) -> Fault | None:
        for one in self._faults:
            if one[0].fullmatch(" ".join(operation)):
                self._faults.remove(one)
                return one[1]
        return None

    def _on_intent(self, do: Callable[[str, Object], Object]) -> Callable[[Asked], Object]:
        return lambda asked: do(_name(asked), asked.parameters)

    def _list_intents(self, asked: Asked) -> Object:
        return _page(asked, self.account.intents)

    def _list_refunds(self, asked: Asked) -> Object:
        intent = asked.parameters.get("payment_intent")
        return _page(asked, self.account.refunds, lambda one: intent in {None, one["payment_intent"]})

    def _list_disputes(self, asked: Asked) -> Object:
        intent = asked.parameters.get("payment_intent")
        return _page(asked, self.account.disputes, lambda one: intent in {None, one["payment_intent"]})

    def _list_transactions(self, asked: Asked) -> Object:
        return _page(asked, self.account.transactions)

    def _search(self, asked: Asked) -> Object:
        found = self.account.search(asked.parameters["query"])
        url = "/v1/payment_intents/search"
        return {"object": "search_result", "data": found, "has_more": False, "next_page": None, "url": url}

    async def _bank(self, request: Request) -> Response:
        """Be the page of the shopper's bank: where they prove who they are, and are sent back from."""
        name = request.path_params["intent"]
        if request.method == "GET":
            buttons = "".join(f"<button name=outcome value={one}>{one}</button>" for one in ("pass", "fail"))
            return HTMLResponse(f"<form method=post>{buttons}</form>")
        outcome = dict(parse_qsl((await request.body()).decode()))["outcome"]
        intent = self.account.authenticate(name, passed=outcome == "pass")
        back = self.account.return_urls[name]
        if back is None:
            return HTMLResponse("done")
        told = {
            "payment_intent": name,
            "payment_intent_client_secret": intent["client_secret"],
            "redirect_status": "succeeded" if outcome == "pass" else "failed",
        }
        return RedirectResponse(f"{back}?{urlencode(told)}", 303)

    def _tell(self, kind: str, thing: Object, before: Object | None) -> None:
        event = self.description.blank(
            "event",
            id=f"evt_standin{next(self._numbers)}",
            api_version=self.description.version,
            created=int(time.time()),
            data={
                "object": json.loads(json.dumps(thing)),
                **({"previous_attributes": before} if before is not None else {}),
            },
            livemode=False,
            pending_webhooks=1,
            type=kind,
            request={"id": f"req_{next(self._numbers)}", "idempotency_key": self._key},
        )
        try:
            self.description.check_object("event", event)
            self.description.check_object(thing["object"], event["data"]["object"])
        except Invalid as error:
            self.violations.append(str(error))
        self.events.append(event)


@asynccontextmanager
async def stripe_standin() -> AsyncIterator[Standin]:
    """Run a stand-in; raises `node.Unavailable` where the description cannot be had."""
    standin = Standin(await asyncio.to_thread(description))
    async with running(standin.app, "plain uvicorn") as server:
        host, port = server.address
        standin.url = standin.account.base = f"http://{host}:{port}"
        try:
            yield standin
        finally:
            standin.stop_hanging()
    assert standin.violations == []


_FAULTS = {
    "lost": Refused(500, "api_error", None, "Something went wrong"),
    "limited": Refused(429, "invalid_request_error", "rate_limit", "Too many requests"),
    "busy": Refused(409, "idempotency_error", "idempotency_key_in_use", "Another request uses this key"),
}


def _page(asked: Asked, kept: dict[str, Object], fits: Callable[[Object], bool] = lambda _: True) -> Object:
    wanted = asked.parameters
    created = wanted.get("created") or {}
    found = [
        one
        for one in reversed(kept.values())
        if fits(one) and created.get("gte", 0) <= one["created"] < created.get("lt", float("inf"))
    ]
    names = [one["id"] for one in found]
    after = wanted.get("starting_after")
    start = names.index(after) + 1 if after else 0
    limit = wanted.get("limit", 10)
    data = found[start : start + limit]
    more = start + limit < len(found)
    return {"object": "list", "data": data, "has_more": more, "url": asked.operation[1]}


def _print(asked: Asked) -> str:
    return json.dumps([asked.operation, asked.name, asked.parameters], sort_keys=True)


def _name(asked: Asked) -> str:
    assert asked.name is not None
    return asked.name
