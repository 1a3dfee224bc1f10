"""The requests that EasyPost documents, as JSON schemas: what is not in them is refused.

EasyPost publishes no machine-readable description of its API. These are written after its documentation
(docs.easypost.com/docs/shipments, /addresses, /parcels, /customs-infos, /scan-forms) and the requests that
its client libraries are tested with, and only as far as we ask.
"""

from typing import Any

_TEXT = {"type": "string", "minLength": 1}
_COUNTRY = {"type": "string", "pattern": "^[A-Z]{2}$"}
_TEXTS = ("name", "company", "street1", "street2", "city", "state", "zip", "phone", "email")
_ADDRESS = {
    "type": "object",
    "properties": {**dict.fromkeys(_TEXTS, _TEXT), "country": _COUNTRY},
    "required": ["street1", "city", "country"],
    "anyOf": [{"required": ["name"]}, {"required": ["company"]}],
    "additionalProperties": False,
}
_MEASURE = {"type": "number", "exclusiveMinimum": 0}
_PARCEL = {
    "type": "object",
    "properties": dict.fromkeys(("length", "width", "height", "weight"), _MEASURE),
    "required": ["weight"],
    "dependentRequired": {
        "length": ["width", "height"],
        "width": ["length", "height"],
        "height": ["length", "width"],
    },
    "additionalProperties": False,
}
_CUSTOMS_ITEM = {
    "type": "object",
    "properties": {
        "description": _TEXT,
        "quantity": {"type": "integer", "minimum": 1},
        "value": {"type": "string", "pattern": r"^\d+(\.\d+)?$"},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "weight": _MEASURE,
        "origin_country": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "hs_tariff_number": _TEXT,
        "code": _TEXT,
    },
    "required": ["description", "quantity", "value", "weight", "origin_country"],
    "additionalProperties": False,
}
_CUSTOMS = {
    "type": "object",
    "properties": {
        "contents_type": {
            "enum": ["documents", "gift", "merchandise", "returned_goods", "sample", "dangerous_goods",
                     "humanitarian_donation", "other"],
        },
        "restriction_type": {"enum": ["none", "other", "quarantine", "sanitary_phytosanitary_inspection"]},
        "non_delivery_option": {"enum": ["return", "abandon"]},
        "customs_certify": {"const": True},
        "customs_signer": _TEXT,
        "customs_items": {"type": "array", "items": _CUSTOMS_ITEM, "minItems": 1},
    },
    "required": ["contents_type", "customs_certify", "customs_signer", "customs_items"],
    "additionalProperties": False,
}  # fmt: skip
SHIPMENT_CREATE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "shipment": {
            "type": "object",
            "properties": {
                "reference": _TEXT,
                "to_address": _ADDRESS,
                "from_address": _ADDRESS,
                "parcel": _PARCEL,
                "customs_info": _CUSTOMS,
                "is_return": {"type": "boolean"},
                "options": {
                    "type": "object",
                    "properties": {
                        "label_format": {"enum": ["PDF", "PNG", "ZPL", "EPL2"]},
                        "label_size": _TEXT,
                        "print_custom_1": _TEXT,
                    },
                    "additionalProperties": False,
                },
            },
            "required": ["to_address", "from_address", "parcel"],
            "additionalProperties": False,
        }
    },
    "required": ["shipment"],
    "additionalProperties": False,
}
SHIPMENT_BUY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rate": {
            "type": "object",
            "properties": {"id": {"type": "string", "pattern": "^rate_[0-9a-f]{32}$"}},
            "required": ["id"],
            "additionalProperties": False,
        }
    },
    "required": ["rate"],
    "additionalProperties": False,
}
SCAN_FORM_CREATE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "scan_form": {
            "type": "object",
            "properties": {
                "shipments": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {"id": {"type": "string", "pattern": "^shp_[0-9a-f]{32}$"}},
                        "required": ["id"],
                        "additionalProperties": False,
                    },
                }
            },
            "required": ["shipments"],
            "additionalProperties": False,
        }
    },
    "required": ["scan_form"],
    "additionalProperties": False,
}
NOTHING: dict[str, Any] = {"type": "object", "maxProperties": 0}
