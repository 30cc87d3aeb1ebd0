"""What adversaries would hand over: every way we know to break the sealing format, one flaw at a time.

Each kind starts from a good input (`good`), which its reader accepts; each flaw changes one thing in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from services.crypto import age, canonical
from services.crypto.age import Passphrase, X25519Identity
from services.crypto.age_header import write_header
from services.crypto.canonical import b64, b64u
from services.crypto.manifests import Manifest, ShareLine
from services.crypto.padding import frame
from services.crypto.payloads import ZERO32, Header, seal_payload
from services.crypto.promises import leaf_hash, make_promise
from services.crypto.rules import instant_text
from services.crypto.shares import commitment, open_share
from services.crypto.signatures import Signed
from tests.crypto import builders
from tests.crypto.builders import NOW, ORIGIN, TODAY, identity, sealed, signer, world

Json = dict[str, Any]


@dataclass(frozen=True)
class Flaw:
    """An input that must be refused: why, and with which error here."""

    kind: str
    why: str
    error: str
    input: Json


def sealed_flaws() -> Iterator[Flaw]:
    """Flaws of texts, parts, grants and shares; `forge_documents` has those of documents."""
    for kind in (_texts, _payloads, _parts, _grants, _shares, _combinations):
        yield from kind()


@cache
def good() -> dict[str, Json]:
    """A good input of each kind that has flaws made from it."""
    report = sealed()
    manifest = report.manifest
    return {
        "payload": payload(),
        "grant": {
            "holder": str(world().desk), "file": b64(report.grants[0].data), "manifest": manifest.to_json(),
        },
        "share": {
            "identity": str(world().seats[0]), "seat": 1, "file": b64(report.shares[0].data),
            "manifest": manifest.to_json(),
        },
        "combine": combination(opened_shares(), manifest),
        "manifest": {"manifest": manifest.to_json()},
        "package": {**trust(), "package": report.to_json()},
        "directory": {**trust(), "minimum_sequence": 1},
        "certificate": certified(builders.certificate()),
        "promise": promise(),
    }  # fmt: skip


def trust() -> Json:
    """Roots, time and the directory."""
    return {
        "roots": [b64u(key) for key in world().root_keys],
        "now": instant_text(NOW),
        "directory": world().document.to_json(),
    }


def header(**changes: Any) -> Header:
    """The header of the world's message, the third part of the reporter's chain."""
    fields: Json = {
        "type": "message", "by": "reporter", "rid": sealed().rid, "dir_seq": 1, "n": 2,
        "prev": sealed().manifest.parts[1].sha256,
    }  # fmt: skip
    return Header(**{**fields, **changes})


BODY: Json = {"attachments": [], "text": "Тағы бір құжат бар."}


def payload(file: bytes | None = None, expected: Header | None = None) -> Json:
    """The input of a payload reader, by default the good message."""
    made = (
        file if file is not None else seal_payload(header(), BODY, signer("reporter"), [_report().recipient])
    )
    expected = expected or header()
    expect = {**expected.to_json(), "v": 1}
    return {
        "identity": str(_report()), "file": b64(made), "verify_key": b64u(signer("reporter").verify_key),
        "expect": {name: expect[name] for name in ("rid", "type", "by", "n", "prev")},
    }  # fmt: skip


def document(head: Header | None = None, body: Any = None, **changes: Any) -> Json:
    """The JSON inside a payload, signed before `changes` are made."""
    signed = {"body": BODY if body is None else body, "header": (head or header()).to_json()}
    return {**signed, "sig": b64u(signer("reporter").sign("payload", signed)), **changes}


def to_report(plaintext: bytes) -> bytes:
    """Any plaintext, sealed to the report."""
    return age.seal(plaintext, [_report().recipient])


def _report() -> age.HybridIdentity:
    return builders.report_key(sealed())


def combination(shares: dict[int, bytes], manifest: Manifest) -> Json:
    """The input of a reader of shares."""
    lines = [{"seat": seat, "share": b64u(share)} for seat, share in shares.items()]
    return {"shares": lines, "manifest": manifest.to_json()}


def opened_shares(*seats: int) -> dict[int, bytes]:
    """The opened shares of these seats of the world's report, 1 and 2 by default."""
    report = sealed()
    return {
        seat: open_share(report.shares[seat - 1].data, world().seats[seat - 1], seat, report.manifest)
        for seat in seats or (1, 2)
    }


def committed(shares: dict[int, bytes]) -> Manifest:
    """A manifest whose reporter committed to these shares: a malicious reporter can commit to anything."""
    manifest = sealed().manifest
    lines = tuple(
        ShareLine(line.seat, commitment(manifest.rid, line.seat, shares[line.seat]))
        if line.seat in shares
        else line
        for line in manifest.shares
    )
    return replace(manifest, shares=lines)


def certified(certificate: Signed, today: str = TODAY.isoformat()) -> Json:
    """The input of a certificate reader."""
    return {**trust(), "today": today, "certificate": certificate.to_json()}


def promise(**changes: Any) -> Json:
    """The input of a promise reader."""
    salt = builders.seed("salt")
    record = {"day": TODAY.isoformat(), "rid": b64u(bytes(32)), "type": "manifest", "v": 1}
    doc = make_promise(leaf_hash(salt, canonical.dumps(record)), TODAY, ORIGIN, world().log)
    return {
        "verify_key": b64u(world().log.verify_key), "record": record, "salt": b64u(salt), "promise": doc.to_json(),
        **changes,
    }  # fmt: skip


def _texts() -> Iterator[Flaw]:
    refused = {
        " 1": "white space", "1\n": "white space at the end", "1.0": "float", "1e2": "exponent", "-0": "minus zero",
        "01": "leading zero", '{"b":1,"a":1}': "unsorted keys", '{"a":1,"a":1}': "duplicate key",
        '{"a":1,"a":2}': "duplicate key with another value", '"\\u0041"': "needless escape",
        '"\\ud800"': "lone surrogate",
        '"\\/"': "escaped slash", '"\\u000A"': "long escape", "9007199254740992": "integer out of range",
        "-9007199254740992": "integer out of range", "[" * 33 + "]" * 33: "nested too deeply",
        "[" * 5000 + "]" * 5000: "nested far too deeply", "NaN": "not a number", "Infinity": "infinity",
        "\ufeff1": "byte order mark", "": "nothing", "[1,]": "comma at the end", "1 2": "two values", "'a'": "quotes",
        "9" * 5000: "huge integer", '"\t"': "raw control character",
    }  # fmt: skip
    for text, why in refused.items():
        yield Flaw("canonical", why, "FormatError", {"text": text})
    for text, why in {
        "AA==": "padding", "AB": "trailing bits", "A": "impossible length", "AA+A": "plus", "AA/A": "slash",
        "AA\n": "white space", " AAAA": "white space before", "AAAA=": "padding", "ÀAAA": "not ASCII",
    }.items():  # fmt: skip
        yield Flaw("b64u", why, "FormatError", {"text": text})


def _payloads() -> Iterator[Flaw]:
    def flaw(why: str, error: str, file: bytes, expected: Header | None = None) -> Flaw:
        return Flaw("payload", why, error, payload(file, expected))

    def message(**changes: Any) -> bytes:
        return seal_payload(header(**changes), BODY, signer("reporter"), [_report().recipient])

    yield flaw("moved from another report", "Refused", message(rid=builders.other().rid))
    yield flaw("replayed in a later place", "Refused", message(), header(n=3, prev=builders.seed("later")))
    yield flaw("gap in n", "Refused", message(n=3))
    yield flaw("wrong prev", "Refused", message(prev=ZERO32))
    yield flaw("another type", "Refused", message(type="reporter-keys"))
    yield flaw("another author", "Refused", message(by="desk"))
    key = [_report().recipient]
    yield flaw("wrong signer", "BadSignature", seal_payload(header(), BODY, signer("stranger"), key))
    unsigned = document(sig=b64u(bytes(64)))
    yield flaw("unsigned", "BadSignature", to_report(frame(canonical.dumps(unsigned))))
    other_body = document(body={**BODY, "text": "?"}, sig=document()["sig"])
    yield flaw("signature of another body", "BadSignature", to_report(frame(canonical.dumps(other_body))))
    manifest_type = document()
    signed = {"body": BODY, "header": header().to_json()}
    manifest_type["sig"] = b64u(signer("reporter").sign("manifest", signed))
    yield flaw(
        "signature made for another type of document",
        "BadSignature",
        to_report(frame(canonical.dumps(manifest_type))),
    )
    yield from (flaw(why, "FormatError", file) for why, file in _malformed().items())
    both = [_report().recipient, identity("stranger").recipient]
    yield flaw(
        "sealed to nobody who opens it",
        "WrongKey",
        seal_payload(header(), BODY, signer("reporter"), both[1:]),
    )


def _malformed() -> dict[str, bytes]:
    text = canonical.dumps(document())
    framed = frame(text)
    long_identity = frame(canonical.dumps(document(header(type="identity"), {"identity": None})), 8192)
    short = len(text).to_bytes(4, "big") + text
    version = document()
    version["header"] = {**version["header"], "v": 2}
    extra = {**document(), "extra": 1}
    return {
        "padding is not zero": to_report(framed[:-1] + b"\x01"),
        "no padding": to_report(short),
        "too much padding": to_report(frame(text, 8192)),
        "identity of another size": to_report(long_identity),
        "length beyond the end": to_report(b"\xff\xff\xff\xff" + framed[4:]),
        "shorter than its length": to_report(b"\x00\x00"),
        "not canonical": to_report(frame(text.replace(b'{"body"', b'{ "body"', 1))),
        "member too many": to_report(frame(canonical.dumps(extra))),
        "unknown version": to_report(frame(canonical.dumps(version))),
        "body is no object": to_report(frame(canonical.dumps(document(body=[])))),
        "truncated file": to_report(framed)[:-1],
        "altered file": _flip(to_report(framed)),
    }


def _flip(data: bytes) -> bytes:
    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]


def _parts() -> Iterator[Flaw]:
    hybrid, classical = identity("a").recipient, X25519Identity.from_seed(builders.seed("x")).recipient
    mixed_stanzas = [hybrid.wrap(bytes(16)), classical.wrap(bytes(16))]
    files = {
        "classical recipient only": ("Refused", age.encrypt(b"x", [classical])),
        "passphrase": ("Refused", age.encrypt(b"x", [Passphrase("abc", 1)])),
        "mixed stanzas": ("Refused", write_header(mixed_stanzas, bytes(32)) + bytes(48)),
        "nine stanzas": ("Refused", age.encrypt(b"x", [hybrid] * 9)),
        "armored": ("FormatError", age.armor(age.seal(b"x", [hybrid])).encode()),
        "empty": ("FormatError", b""),
    }
    for why, (error, file) in files.items():
        yield Flaw("part", why, error, {"file": b64(file)})


def _grants() -> Iterator[Flaw]:
    report, stranger = _report(), identity("stranger")
    rid = b64u(sealed().rid)

    def lines(*texts: str, end: str = "\n") -> bytes:
        return age.seal("".join(text + end for text in texts).encode(), [world().desk.recipient])

    first, second, third = "# adal/v1/grant", f"# rid: {rid}", "# role: desk"
    files = {
        "moved from another report": ("Refused", builders.other().grants[0].data),
        "another key under this rid": ("Refused", lines(first, second, third, str(stranger))),
        "this key under another rid": (
            "Refused",
            lines(first, f"# rid: {b64u(bytes(32))}", third, str(report)),
        ),
        "unknown role": ("FormatError", lines(first, second, "# role: admin", str(report))),
        "no role": ("FormatError", lines(first, second, str(report))),
        "line too many": ("FormatError", lines(first, second, third, str(report), "")),
        "CRLF": ("FormatError", lines(first, second, third, str(report), end="\r\n")),
        "lower-case key": ("FormatError", lines(first, second, third, str(report).lower())),
        "recipient in place of the key": ("FormatError", lines(first, second, third, str(report.recipient))),
        "for somebody else": ("WrongKey", age.seal(b"x", [stranger.recipient])),
    }
    for why, (error, file) in files.items():
        yield Flaw("grant", why, error, {**good()["grant"], "file": b64(file)})


def _shares() -> Iterator[Flaw]:
    manifest = sealed().manifest
    base = good()["share"]
    true = opened_shares()[1]

    def sealed_share(share: bytes = true, **changes: Any) -> str:
        fields = {
            "dir_seq": 1, "identity_recipient": str(manifest.identity_recipient), "k": 2, "n": 3,
            "rid": b64u(manifest.rid), "seat": 1, "share": b64u(share), "type": "share", "v": 1, **changes,
        }  # fmt: skip
        return b64(age.seal(frame(canonical.dumps(fields)), [world().seats[0].recipient]))

    zero = true[:-1] + b"\0"
    inputs: dict[str, tuple[str, Json]] = {
        "moved from another report": ("Refused", {"file": b64(builders.other().shares[0].data)}),
        "of another seat": ("Refused", {"file": sealed_share(seat=2)}),
        "of another identity key": (
            "Refused",
            {"file": sealed_share(identity_recipient=str(identity("a").recipient))},
        ),
        "another threshold": ("Refused", {"file": sealed_share(k=3)}),
        "another directory": ("Refused", {"file": sealed_share(dir_seq=2)}),
        "another type": ("Refused", {"file": sealed_share(type="shares")}),
        "another version": ("Refused", {"file": sealed_share(v=2)}),
        "share too short": ("FormatError", {"file": sealed_share(true[:-1])}),
        "not the committed share": ("BadShare", {"file": sealed_share(bytes(32) + b"\x07")}),
        "x = 0, committed": (
            "BadShare",
            {"file": sealed_share(zero), "manifest": committed({1: zero}).to_json()},
        ),
    }
    for why, (error, changes) in inputs.items():
        yield Flaw("share", why, error, {**base, **changes})


def _combinations() -> Iterator[Flaw]:
    manifest, true = sealed().manifest, opened_shares(1, 2, 3)
    two = {1: true[1], 2: true[2]}
    zero = {1: bytes(32) + b"\0", 2: true[2]}
    same_x = {1: true[1], 2: true[2][:-1] + true[1][-1:]}
    wrong = {1: true[1], 2: _flip_first(true[2])}
    inputs = {
        "k - 1 shares": ("Refused", {1: true[1]}, manifest),
        "no shares": ("Refused", {}, manifest),
        "more than k shares": ("Refused", true, manifest),
        "false share": ("BadShare", wrong, manifest),
        "shares of two seats exchanged": ("BadShare", {1: true[2], 2: true[1]}, manifest),
        "share of no seat": ("Refused", {1: true[1], 9: true[2]}, manifest),
        "x = 0, committed": ("BadShare", zero, committed(zero)),
        "one x twice, committed": ("Refused", same_x, committed(same_x)),
        "false share, committed: another key": ("Refused", wrong, committed(wrong)),
        "share too long": ("FormatError", {**two, 2: true[2] + b"\x01"}, manifest),
    }
    for why, (error, shares, under) in inputs.items():
        yield Flaw("combine", why, error, combination(shares, under))


def _flip_first(share: bytes) -> bytes:
    return bytes([share[0] ^ 1]) + share[1:]
