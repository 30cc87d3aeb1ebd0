"""A plain report and what its reporter adds with the receipt, which the service stretches itself."""

import json
import secrets
from collections.abc import Iterator, Mapping

from tests.faults.operations import Operation, Trace
from tests.faults.sending import Filing

INBOX = "/api/intake/v1/inbox/plain"
_REPORT = "(SELECT id FROM intake.reports WHERE reference = %s)"


def _stored(filing: Filing, role: str, n: int) -> Trace:
    """The part at this place of the reporter's chain. What is in it was sealed by the service and is not known here."""
    place = "role = %s AND chain = 'reporter' AND n = %s"
    query = f"SELECT count(*) FROM intake.parts WHERE report_id = {_REPORT} AND {place}"
    return Trace(query, (filing.reference, role, n))


def _operation(filing: Filing, name: str, path: str, more: Mapping[str, object], *traces: Trace) -> Operation:
    key = {"Idempotency-Key": secrets.token_urlsafe(24)}

    def headers(_port: int) -> Mapping[str, str]:
        return key

    body = json.dumps({"receipt": filing.receipt, **more}).encode()
    return Operation(name, "POST", f"{INBOX}/{path}", body, traces, headers)


def work(filing: Filing) -> Iterator[Operation]:
    """A message, retaliation, an identity, in the order of the reporter's chain: 0 and 1 are the report's own parts."""
    words = {"text": "invented"}
    yield _operation(filing, "plain message", "messages", words, _stored(filing, "message", 2))
    protected = Trace(
        f"SELECT count(*) FROM intake.protections WHERE report_id = {_REPORT}", (filing.reference,)
    )
    yield _operation(
        filing, "plain retaliation", "retaliation", words, _stored(filing, "retaliation", 3), protected
    )
    known = {"identity": {"name": "invented"}}
    yield _operation(filing, "plain identity", "identity", known, _stored(filing, "identity", 4))
