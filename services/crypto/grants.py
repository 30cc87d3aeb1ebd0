"""A grant hands the key of one report to one holder, as a file stock `age -i` can use.

A grant moved from another report, or one whose lines and key disagree, is refused before the key is used.
"""

from services.crypto.age import HybridIdentity, HybridRecipient, open_part, seal
from services.crypto.canonical import b64u, unb64u
from services.crypto.errors import FormatError, Refused
from services.crypto.manifests import Manifest, rid_of

__all__ = ["ROLES", "open_grant", "rid_of", "seal_grant"]

ROLES = ("desk", "lead", "investigator")


def seal_grant(report: HybridIdentity, role: str, to: HybridRecipient) -> bytes:
    """The age file that gives `report` to the holder of `to` as desk, lead or investigator. Error: Refused."""
    if role not in ROLES:
        raise Refused("unknown role of a grant")
    lines = ("# adal/v1/grant", f"# rid: {b64u(rid_of(report.recipient))}", f"# role: {role}", str(report))
    return seal("".join(line + "\n" for line in lines).encode("ascii"), [to])


def open_grant(data: bytes, holder: HybridIdentity, manifest: Manifest) -> HybridIdentity:
    """The key of the manifest's report. Errors: FormatError, WrongKey; Refused if it is of another report."""
    rid, secret = _parse(open_part(data, holder))
    report = HybridIdentity.parse(secret)
    if rid != manifest.rid or rid_of(report.recipient) != manifest.rid:
        raise Refused("the grant is of another report")
    if report.recipient != manifest.report_recipient:
        raise Refused("the grant is of another key")
    return report


def _parse(plaintext: bytes) -> tuple[bytes, str]:
    if not plaintext.isascii():
        raise FormatError("not a grant")
    lines = plaintext.decode("ascii").split("\n")
    if len(lines) != 5 or lines[0] != "# adal/v1/grant" or lines[4]:
        raise FormatError("not a grant")
    if lines[2] not in {f"# role: {role}" for role in ROLES} or not lines[1].startswith("# rid: "):
        raise FormatError("not a grant")
    return unb64u(lines[1].removeprefix("# rid: "), 32), lines[3]
