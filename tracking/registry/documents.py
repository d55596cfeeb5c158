"""Live documents of aircraft with what is known beside what was heard: country, silhouette, and the registers' words.

Enter documents, as JSON or as objects; leave the same with `country`, `silhouette` and `register`, each only where
there is something to say. Registers are asked once for all of them, within the bounds of `lookup.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tracking.registry.countries import country_of
from tracking.registry.lookup import UNKNOWN, Registered, address_of, register
from tracking.registry.silhouettes import silhouette_of


class _AircraftDocument(msgspec.Struct):
    """What decides of a document."""

    id: str
    type_code: str | None = None
    category: str | None = None


_decode = msgspec.json.Decoder(_AircraftDocument).decode
_encode = msgspec.json.Encoder().encode


def joined(documents: Sequence[bytes]) -> list[bytes]:
    """The documents as JSON, each an object, with what is known beside them. Raises redis.RedisError."""
    read = [_decode(document) for document in documents]
    known = register.remembered({address_of(one.id) for one in read})
    return [_with(document, _beside(one, known)) for document, one in zip(documents, read, strict=True)]


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """One document with what is known beside it. Raises redis.RedisError."""
    one = _AircraftDocument(document["id"], document.get("type_code"), document.get("category"))
    return document | _beside(one, register.remembered([address_of(one.id)]))


def _beside(one: _AircraftDocument, known: Mapping[str, Registered]) -> dict[str, Any]:
    address = address_of(one.id)
    registered = known.get(address, UNKNOWN)
    found: dict[str, Any] = {
        "country": country_of(address),
        "silhouette": silhouette_of(one.type_code or registered.type_code, one.category or ""),
        "register": registered if registered is not UNKNOWN else None,
    }
    return {name: msgspec.to_builtins(value) for name, value in found.items() if value}


def _with(document: bytes, more: dict[str, Any]) -> bytes:
    return document[:-1] + b"," + _encode(more)[1:] if more else document
