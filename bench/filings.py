"""Requests that file invented reports, made beforehand, so that making them is not what is measured."""

import json
import secrets
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from typing import Any

from bench import load
from services.crypto.age import HybridIdentity
from services.crypto.canonical import unb64u
from services.crypto.directories import check_directory
from services.crypto.packages import NewAttachment, SealedReport, seal_report
from services.crypto.receipts import ReceiptKeys
from services.crypto.signatures import Signed, SigningKey
from services.intake.form import load_form

TEXT = "Бір жаман іс туралы ойдан шығарылған хабарлама. " * 40


def fields(channel: str = "web") -> dict[str, Any]:
    """The first code of every list, by this channel."""
    lists = load_form().lists
    first = {f.code: lists[f.list].items[0].code for f in load_form().of("fields").values() if f.list}
    return {**first, "channel": channel, "language": "kk", "year": 2026}


def key() -> tuple[str, str]:
    """A fresh idempotency key, as a header."""
    return "Idempotency-Key", secrets.token_urlsafe(24)


def plain_request(_: int = 0) -> bytes:
    """A report in plain mode, about 4 kB."""
    body = {
        "form": load_form().version,
        "mode": "anonymous",
        "fields": fields(),
        "answers": {"what": TEXT},
    }
    return load.post("/api/intake/v1/reports", json.dumps(body).encode(), [key()])


def sealed_report(
    directory: dict[str, Any],
    roots: list[str],
    attachments: Sequence[NewAttachment] = (),
    channel: str = "web",
    words: str = TEXT,
) -> SealedReport:
    """A report sealed to the first desk. The receipt is not stretched: that happens on the reporter's side."""
    keys = ReceiptKeys(secrets.token_bytes(32), HybridIdentity.generate(), SigningKey.generate())
    checked = check_directory(
        Signed.from_json(directory), [unb64u(root) for root in roots], datetime.now(UTC)
    )
    return seal_report(
        {"what": words, "mode": "anonymous"},
        fields(channel),
        None,
        attachments,
        checked,
        checked.desks[0].id,
        load_form().version,
        "sealed",
        receipt="0" * 24,
        keys=keys,
    )


def package_request(report: SealedReport) -> bytes:
    """The request that files a sealed report."""
    return load.post("/api/intake/v1/packages", json.dumps(report.to_json()).encode(), [key()])


def sealed_request(directory: dict[str, Any], roots: list[str]) -> bytes:
    """A sealed report without attachments, ready to be sent."""
    return package_request(sealed_report(directory, roots))


def sealed_requests(directory: dict[str, Any], roots: list[str], count: int) -> list[bytes]:
    """`count` of them, sealed on all cores."""
    with ProcessPoolExecutor() as pool:
        return list(pool.map(sealed_request, [directory] * count, [roots] * count, chunksize=20))
