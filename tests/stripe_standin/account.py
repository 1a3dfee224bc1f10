"""What an account of Stripe's keeps, and what its endpoints do with it, in objects of the description."""

import time
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import uuid4

from tests.stripe_standin.cards import CARDS, Card
from tests.stripe_standin.description import Description

Object = dict[str, Any]

_DAY = 24 * 60 * 60
_CAPTURABLE_DAYS = 7
_STEPS = {"isk": 100, "ugx": 100, **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 10)}


class Refused(Exception):
    """An answer that is an error of Stripe's."""

    def __init__(self, status: int, kind: str, code: str | None, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": kind, "message": message, **({"code": code} if code else {}), **more}


def invalid(code: str | None, message: str, **more: Any) -> Refused:
    return Refused(400, "invalid_request_error", code, message, **more)


class Account:
    """One account; `told` is called with each event's type and object."""

    def __init__(self, description: Description, told: Callable[[str, Object, Object | None], None]) -> None:
        self.description = description
        self.multicapture = True
        self.search_lags = False
        self.intents: dict[str, Object] = {}
        self.charges: dict[str, Object] = {}
        self.refunds: dict[str, Object] = {}
        self.disputes: dict[str, Object] = {}
        self.transactions: dict[str, Object] = {}
        self._tell = told
        self._cards: dict[str, Card] = {}
        self._numbers = count(1)
        self.base = ""
        self.return_urls: dict[str, str | None] = {}

    # What the endpoints do.

    def create(self, asked: Object) -> Object:
        amount, currency = asked["amount"], asked["currency"]
        if amount <= 0 or amount % _STEPS.get(currency, 1):
            raise invalid("invalid_charge_amount_no_decimal_compatible", "Invalid amount", param="amount")
        if asked.get("capture_method") != "manual":
            raise invalid(None, "the stand-in only knows manual capture", param="capture_method")
        name = self._id("pi")
        intent = self.description.blank(
            "payment_intent",
            id=name,
            amount=amount,
            amount_capturable=0,
            amount_received=0,
            capture_method="manual",
            confirmation_method="automatic",
            client_secret=f"{name}_secret_{uuid4().hex}",
            created=_now(),
            currency=currency,
            livemode=False,
            metadata=dict(asked.get("metadata") or {}),
            payment_method_types=["card"],
            payment_method_options=asked.get("payment_method_options"),
            automatic_payment_methods=asked.get("automatic_payment_methods"),
            status="requires_payment_method",
        )
        method = asked.get("payment_method")
        if method is not None and method not in CARDS:
            raise invalid("resource_missing", "No such PaymentMethod", param="payment_method")
        self.intents[name] = intent
        self._told("payment_intent.created", intent)
        if asked.get("confirm"):
            redirects = (asked.get("automatic_payment_methods") or {}).get("allow_redirects", "always")
            if redirects == "always" and not asked.get("return_url"):
                raise invalid(None, "you must provide a return_url", param="return_url")
            self.confirm(name, {**asked, "payment_method": method})
        return intent

    def confirm(self, name: str, asked: Object) -> Object:
        intent = self._get(self.intents, name)
        if intent["status"] not in {"requires_payment_method", "requires_confirmation"}:
            raise self._unexpected(intent)
        method = asked.get("payment_method") or intent["payment_method"]
        card = CARDS.get(method or "")
        if card is None:
            raise invalid("resource_missing", "No such PaymentMethod", param="payment_method")
        intent["payment_method"] = self._id("pm")
        self._cards[name] = card
        self.return_urls[name] = asked.get("return_url") or self.return_urls.get(name)
        if card.decline is not None:
            raise self._decline(intent, *card.decline)
        if card.authentication:
            intent["status"] = "requires_action"
            intent["next_action"] = self._next_action(name, asked)
            self._told("payment_intent.requires_action", intent)
        else:
            self._authorize(intent, card)
        return intent

    def authenticate(self, name: str, *, passed: bool) -> Object:
        """Do what a shopper does in the page of their bank, reached by `next_action` or Stripe's script."""
        intent = self._get(self.intents, name)
        if intent["status"] != "requires_action":
            raise self._unexpected(intent)
        intent["next_action"] = None
        if passed:
            self._authorize(intent, self._cards[name])
            return intent
        error = {
            "type": "card_error",
            "code": "payment_intent_authentication_failure",
            "message": "We are unable to authenticate your payment method.",
        }
        intent.update(status="requires_payment_method", payment_method=None, last_payment_error=error)
        self._told("payment_intent.payment_failed", intent)
        return intent

    def capture(self, name: str, asked: Object) -> Object:
        intent = self._get(self.intents, name)
        if intent["status"] != "requires_capture":
            raise self._unexpected(intent)
        asked = {"amount_to_capture": intent["amount_capturable"], **asked}
        amount: int = asked["amount_to_capture"]
        final = asked.get("final_capture", True)
        least = 0 if final and intent["amount_received"] else 1
        if not least <= amount <= intent["amount_capturable"]:
            raise invalid("amount_too_large", "greater than what can be captured", param="amount_to_capture")
        charge = self.charges[intent["latest_charge"]]
        status = charge["payment_method_details"]["card"]["multicapture"]["status"]
        if not final and status != "available":
            raise invalid(None, "multicapture is not available", param="final_capture")
        intent["metadata"].update(asked.get("metadata") or {})
        intent["amount_received"] += amount
        intent["amount_capturable"] -= amount
        before = {"amount_captured": charge["amount_captured"], "captured": charge["captured"]}
        charge["amount_captured"] += amount
        charge["captured"] = True
        if amount:
            self._book(charge["id"], "charge", amount, charge["currency"])
        if not before["captured"]:
            self._told("charge.captured", charge)
        if status == "available":
            self._told("charge.updated", charge, before)
        if not final and intent["amount_capturable"]:
            self._told("payment_intent.amount_capturable_updated", intent)
            return intent
        intent.update(status="succeeded", amount_capturable=0)
        self._told("payment_intent.succeeded", intent)
        if self._cards[name].disputed:
            self.dispute(name)
        return intent

    def cancel(self, name: str, asked: Object) -> Object:
        intent = self._get(self.intents, name)
        if intent["status"] in {"succeeded", "canceled", "processing"} or intent["amount_received"]:
            raise self._unexpected(intent)
        intent.update(status="canceled", canceled_at=_now(), amount_capturable=0, next_action=None)
        intent["cancellation_reason"] = asked.get("cancellation_reason")
        self._told("payment_intent.canceled", intent)
        return intent

    def refund(self, asked: Object) -> Object:
        intent = self._get(self.intents, asked["payment_intent"])
        if not intent["amount_received"]:
            raise invalid(None, "This PaymentIntent does not have a successful charge to refund.")
        charge = self.charges[intent["latest_charge"]]
        left = charge["amount_captured"] - charge["amount_refunded"]
        amount = asked.get("amount", left)
        if left == 0:
            raise invalid("charge_already_refunded", "Charge has already been refunded.")
        if amount > left:
            raise invalid(None, "Refund amount is greater than unrefunded amount on charge", param="amount")
        behaviour = self._cards[intent["id"]].refund
        refund = self.description.blank(
            "refund",
            id=self._id("re"),
            amount=amount,
            created=_now(),
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=intent["id"],
            metadata=dict(asked.get("metadata") or {}),
            reason=asked.get("reason"),
            status="pending" if behaviour == "pending" else "succeeded",
        )
        self.refunds[refund["id"]] = refund
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
        self._book(refund["id"], "refund", -amount, charge["currency"])
        self._told("refund.created", refund)
        self._told("charge.refunded", charge)
        return refund

    # What happens by itself.

    def settle_refund(self, name: str, *, failed: bool) -> Object:
        """Let the bank take a refund, or send it back."""
        refund = self.refunds[name]
        refund["status"] = "failed" if failed else "succeeded"
        if failed:
            refund["failure_reason"] = "expired_or_canceled_card"
            charge = self.charges[refund["charge"]]
            charge["amount_refunded"] -= refund["amount"]
            charge["refunded"] = False
            self._book(name, "refund_failure", refund["amount"], refund["currency"])
        self._told("refund.failed" if failed else "refund.updated", refund)
        return refund

    def dispute(self, name: str, amount: int | None = None) -> Object:
        """Let the shopper's bank take the money back."""
        charge = self.charges[self.intents[name]["latest_charge"]]
        dispute = self.description.blank(
            "dispute",
            id=self._id("du"),
            amount=amount or charge["amount_captured"],
            balance_transactions=[],
            charge=charge["id"],
            payment_intent=name,
            created=_now(),
            currency=charge["currency"],
            evidence=self.description.blank("dispute_evidence"),
            evidence_details=self.description.blank(
                "dispute_evidence_details", has_evidence=False, past_due=False, submission_count=0
            ),
            is_charge_refundable=False,
            livemode=False,
            metadata={},
            reason="fraudulent",
            status="needs_response",
        )
        self.disputes[dispute["id"]] = dispute
        charge["disputed"] = True
        self._book(dispute["id"], "adjustment", -dispute["amount"], charge["currency"], "dispute")
        self._told("charge.dispute.created", dispute)
        return dispute

    def close_dispute(self, name: str, *, won: bool) -> Object:
        dispute = self.disputes[name]
        dispute["status"] = "won" if won else "lost"
        if won:
            self._book(name, "adjustment", dispute["amount"], dispute["currency"], "dispute_reversal")
        self._told("charge.dispute.closed", dispute)
        return dispute

    # How it is read.

    def get(self, name: str) -> Object:
        return self._get(self.intents, name)

    def expanded(self, thing: Object, paths: list[str]) -> Object:
        """Return a copy in which the objects at `paths` stand in place of their names."""
        made = dict(thing)
        for path in paths:
            first, _, rest = path.partition(".")
            value = made.get(first)
            if isinstance(value, list):
                made[first] = [self.expanded(one, [rest]) for one in value]
            elif value is not None:
                found = value if isinstance(value, dict) else self._named(value)
                made[first] = self.expanded(found, [rest]) if rest and rest in found else dict(found)
        return made

    def search(self, query: str) -> list[Object]:
        """Find by one field of the metadata, as `metadata['name']:'value'`; not what is new, if it lags."""
        name, value = (part.strip("'[]") for part in query.removeprefix("metadata").split(":"))
        found = [one for one in self.intents.values() if one["metadata"].get(name) == value]
        return [] if self.search_lags else found

    def _named(self, name: str) -> Object:
        for kept in (self.intents, self.charges, self.refunds, self.disputes, self.transactions):
            if name in kept:
                return kept[name]
        raise AssertionError(f"nothing is named {name}")

    def _get(self, kept: dict[str, Object], name: str) -> Object:
        if name not in kept:
            raise Refused(404, "invalid_request_error", "resource_missing", f"No such object: '{name}'")
        return kept[name]

    def _authorize(self, intent: Object, card: Card) -> None:
        wanted = ((intent["payment_method_options"] or {}).get("card") or {}).get("request_multicapture")
        several = self.multicapture and wanted == "if_available"
        blank = self.description.blank
        charge = blank(
            "charge",
            id=self._id("ch"),
            amount=intent["amount"],
            amount_captured=0,
            amount_refunded=0,
            billing_details=blank("billing_details"),
            captured=False,
            created=_now(),
            currency=intent["currency"],
            disputed=False,
            livemode=False,
            metadata=dict(intent["metadata"]),
            paid=True,
            payment_intent=intent["id"],
            payment_method=intent["payment_method"],
            refunded=False,
            status="succeeded",
            outcome=blank(
                "charge_outcome",
                type="manual_review" if card.review else "authorized",
                risk_level="elevated" if card.review else "normal",
                risk_score=card.risk_score,
            ),
            payment_method_details=blank(
                "payment_method_details",
                type="card",
                card=blank(
                    "payment_method_details_card",
                    brand=card.brand,
                    last4=card.last4,
                    country=card.country,
                    exp_month=8,
                    exp_year=2030,
                    capture_before=_now() + _CAPTURABLE_DAYS * _DAY,
                    multicapture={"status": "available" if several else "unavailable"},
                ),
            ),
        )
        del charge["refunds"]
        self.charges[charge["id"]] = charge
        intent.update(
            status="requires_capture",
            amount_capturable=intent["amount"],
            latest_charge=charge["id"],
            last_payment_error=None,
        )
        self._told("charge.succeeded", charge)
        self._told("payment_intent.amount_capturable_updated", intent)

    def _decline(self, intent: Object, code: str, decline_code: str | None) -> Refused:
        error: Object = {"type": "card_error", "code": code, "message": "Your card was declined."}
        if decline_code:
            error["decline_code"] = decline_code
        intent.update(status="requires_payment_method", payment_method=None, last_payment_error=error)
        self._told("payment_intent.payment_failed", intent)
        return Refused(
            402, "card_error", code, error["message"], payment_intent=intent,
            **({"decline_code": decline_code} if decline_code else {}),
        )  # fmt: skip

    def _next_action(self, name: str, asked: Object) -> Object:
        if asked.get("use_stripe_sdk"):
            return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
        url = f"{self.base}/authenticate/{name}"
        redirect = {"url": url, "return_url": self.return_urls[name]}
        return {"type": "redirect_to_url", "redirect_to_url": redirect}

    def _unexpected(self, intent: Object) -> Refused:
        return invalid(
            "payment_intent_unexpected_state",
            f"This PaymentIntent could not be changed because it has a status of {intent['status']}.",
            payment_intent=intent,
        )

    def _book(self, source: str, kind: str, amount: int, currency: str, category: str | None = None) -> None:
        transaction = self.description.blank(
            "balance_transaction",
            id=self._id("txn"),
            amount=amount,
            available_on=_now(),
            created=_now(),
            currency=currency,
            fee=0,
            fee_details=[],
            net=amount,
            reporting_category=category or kind,
            source=source,
            status="available",
            type=kind,
        )
        self.transactions[transaction["id"]] = transaction

    def _told(self, kind: str, thing: Object, before: Object | None = None) -> None:
        self._tell(kind, thing, before)

    def _id(self, prefix: str) -> str:
        return f"{prefix}_standin{next(self._numbers)}{uuid4().hex[:12]}"


def _now() -> int:
    return int(time.time())
