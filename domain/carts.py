"""Carts: what they are and which changes they allow."""

from collections.abc import Mapping, Set
from enum import StrEnum


class CartStatus(StrEnum):
    """Life of a cart."""

    ACTIVE = "ACTIVE"
    CHECKOUT = "CHECKOUT"
    COMPLETED = "COMPLETED"
    ABANDONED = "ABANDONED"
    EXPIRED = "EXPIRED"
    MERGED = "MERGED"


TRANSITIONS: Mapping[CartStatus, Set[CartStatus]] = {
    CartStatus.ACTIVE: {CartStatus.CHECKOUT, CartStatus.ABANDONED, CartStatus.MERGED},
    CartStatus.CHECKOUT: {CartStatus.COMPLETED, CartStatus.ACTIVE, CartStatus.ABANDONED},
    CartStatus.ABANDONED: {CartStatus.ACTIVE, CartStatus.EXPIRED},
}
