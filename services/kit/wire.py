"""Bytes in JSON: `Base64` for files, `B64u` for keys and hashes, both strict."""

from base64 import b64encode
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from services.crypto.canonical import b64u, unb64, unb64u


def _base64(value: Any) -> bytes:
    if isinstance(value, bytes):  # from our own code; JSON has no bytes
        return value
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004 - pydantic turns ValueError into a field error
    return unb64(value)


def _b64u(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004
    return unb64u(value)


Base64 = Annotated[
    bytes,
    BeforeValidator(_base64),
    PlainSerializer(lambda data: b64encode(data).decode(), return_type=str),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
B64u = Annotated[
    bytes,
    BeforeValidator(_b64u),
    PlainSerializer(b64u, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": "^[A-Za-z0-9_-]*$", "description": "base64url without padding"}
    ),
]


class Model(BaseModel):
    """A request or answer body: unknown fields are refused, inputs are not repeated in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
