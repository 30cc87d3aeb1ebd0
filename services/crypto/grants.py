"""A grant hands the key of one report to one holder, as a file stock `age -i` can use.

A grant moved from another report, or one whose lines and key disagree, is refused before the key is used. A report
gets a new key when somebody's access ends: a `report-keys` part of the desk's chain names it, later grants give it.
"""

from services.crypto.age import HybridIdentity, HybridRecipient, open_part, seal
from services.crypto.canonical import b64u, unb64u
from services.crypto.errors import FormatError, Refused
from services.crypto.manifests import Manifest, rid_of
from services.crypto.payloads import OpenedPayload, open_payload
from services.crypto.reportkeys import TYPE, key_number, report_recipient_of

__all__ = [
    "ROLES",
    "open_grant",
    "open_later_grant",
    "rid_of",
    "seal_grant",
    "seal_later_grant",
]

ROLES = ("desk", "lead", "investigator")


def seal_grant(report: HybridIdentity, role: str, to: HybridRecipient) -> bytes:
    """The age file that gives `report` to the holder of `to` as desk, lead or investigator. Error: Refused."""
    return _seal(report, rid_of(report.recipient), role, to)


def open_grant(data: bytes, holder: HybridIdentity, manifest: Manifest) -> HybridIdentity:
    """The key of the manifest's report. Errors: FormatError, WrongKey; Refused if it is of another report."""
    rid, number, secret = _parse(open_part(data, holder))
    report = HybridIdentity.parse(secret)
    if rid != manifest.rid or rid_of(report.recipient) != manifest.rid or number:
        raise Refused("the grant is of another report")
    if report.recipient != manifest.report_recipient:
        raise Refused("the grant is of another key")
    return report


def seal_later_grant(key: HybridIdentity, rid: bytes, number: int, role: str, to: HybridRecipient) -> bytes:
    """The grant of key `number` (from 1) of the report `rid`. Error: Refused."""
    if number < 1:
        raise Refused("the first key has a grant without number")
    return _seal(key, rid, role, to, number)


def open_later_grant(
    data: bytes, part: bytes, holder: HybridIdentity, rid: bytes, number: int
) -> tuple[HybridIdentity, OpenedPayload]:
    """Key `number` of the report `rid`, and the `report-keys` part that it opens and that names its recipient.

    Whoever wrote the part is not believed before `OpenedPayload.check`. Errors: FormatError, WrongKey; Refused if
    grant and part are not of this report, this key and one another.
    """
    named, found, secret = _parse(open_part(data, holder))
    if named != rid:
        raise Refused("the grant is of another report")
    if found != number:
        raise Refused("the grant is of another key")
    key = HybridIdentity.parse(secret)
    opened = open_payload(part, key)
    header = opened.header
    if (header.type, header.rid, key_number(header.n)) != (TYPE, rid, number):
        raise Refused("the grant is of another key")
    if report_recipient_of(opened.body) != key.recipient:
        raise Refused("the grant is of another key")
    return key, opened


def _seal(key: HybridIdentity, rid: bytes, role: str, to: HybridRecipient, number: int = 0) -> bytes:
    if role not in ROLES:
        raise Refused("unknown role of a grant")
    later = (f"# key: {number}",) if number else ()
    lines = ("# adal/v1/grant", f"# rid: {b64u(rid)}", f"# role: {role}", *later, str(key))
    return seal("".join(line + "\n" for line in lines).encode("ascii"), [to])


def _parse(plaintext: bytes) -> tuple[bytes, int, str]:
    """rid, number of the key (0: no line says one), secret."""
    if not plaintext.isascii():
        raise FormatError("not a grant")
    lines = plaintext.decode("ascii").split("\n")
    if len(lines) not in (5, 6) or lines[0] != "# adal/v1/grant" or lines[-1]:
        raise FormatError("not a grant")
    if lines[2] not in {f"# role: {role}" for role in ROLES} or not lines[1].startswith("# rid: "):
        raise FormatError("not a grant")
    number = _number(lines[3]) if len(lines) == 6 else 0
    return unb64u(lines[1].removeprefix("# rid: "), 32), number, lines[-2]


def _number(line: str) -> int:
    digits = line.removeprefix("# key: ")
    if digits == line or not digits.isdecimal() or digits.startswith("0") or len(digits) > 9:
        raise FormatError("not a grant")
    return int(digits)
