"""Writes Adal's own vectors: `python -m tests.crypto.make_vectors`, from the root of the repository.

Keys come from labels; only what sealing itself draws (age file keys, report and identity keys, shares) differs from
run to run. Shapes: `vectors/adal/README.md`.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from services.crypto import age, canonical
from services.crypto.attachments import Envelope, seal_attachment_stream
from services.crypto.canonical import b64, b64u
from services.crypto.directories import Service, service_json
from services.crypto.manifests import rid_of
from services.crypto.outcomes import event_id
from services.crypto.padding import LEAST, padded, padme
from services.crypto.payloads import ZERO32, Header, seal_payload
from services.crypto.promises import entry
from services.crypto.receipts import damm, derive, format_receipt
from services.crypto.rules import instant_text
from services.crypto.segments import SegmentSealer
from tests.crypto import builders, custody_vectors, forge, forge_documents
from tests.crypto.builders import (
    ANSWERS,
    FIELDS,
    NAMED,
    NOW,
    RECEIPT,
    TODAY,
    identity,
    reporter,
    sealed,
    signer,
    world,
)

FOLDER = Path(__file__).parent / "vectors" / "adal"
SIZES = [
    0,
    1,
    2,
    3,
    7,
    8,
    9,
    10,
    33,
    100,
    1000,
    4095,
    4096,
    4097,
    4352,
    4353,
    65535,
    65536,
    65537,
    10**6,
    2**24 + 1,
]
LONG = 400
#: True bytes and where their segments end.
SEGMENTED: list[tuple[bytes, list[int]]] = [
    (b"", []),
    (bytes(i % 251 for i in range(3001)), [1000, 1001]),
    (b"one segment", []),
    (b"ab", [1]),
]
VALUES: list[Any] = [
    None, True, False, 0, -1, 2**53 - 1, -(2**53 - 1), "", "a\"b\\c/d", "\u0000\b\t\n\u000b\f\r\u001f\u007f",
    "Ақша жемқорлық", "é vs e\u0301", "\U0001f512", "\u2028\u2029", [], {}, [[], {}, [1, [2, [3]]]],
    {"b": 1, "a": 2, "aa": 3, "": 4, "B": 5}, {"\ue000": 1, "\U00010000": 2}, {"\u20ac": "Euro", "\r": "CR", "1": "One"},
    {"nested": {"z": [True, None], "a": {"k": "v"}}},
]  # fmt: skip
FORGIVEN = [
    format_receipt(RECEIPT),
    "-".join(format_receipt(RECEIPT).split()),
    f"\t{RECEIPT[:12]}\u00a0{RECEIPT[12:]}\r\n",
    "\u2013".join(format_receipt(RECEIPT).split()),
    "\u2212".join(format_receipt(RECEIPT).split()),
    "\u200b\ufeff" + RECEIPT + "\u200f\u2060",
    "\u3000".join(format_receipt(RECEIPT).split()),
    "".join(chr(0xFF10 + int(digit)) for digit in RECEIPT),
    "".join(chr(0x1D7D8 + int(digit)) for digit in RECEIPT),
    "\uff0d".join(format_receipt(RECEIPT).split()),
    "\u00ad".join(RECEIPT),
]
NO_RECEIPTS = [
    ("", "length"), (RECEIPT[:-1], "length"), (RECEIPT + "0", "length"), (RECEIPT[:-1] + "x", "length"),
    (RECEIPT.replace("1", "\u0661"), "length"), (RECEIPT[:4] + "_" + RECEIPT[4:], "length"),
    (" " * 300 + RECEIPT, "length"),
    (RECEIPT[:-1] + "0", "check"), ("2" + RECEIPT[1:], "check"), (RECEIPT[1] + RECEIPT[0] + RECEIPT[2:], "check"),
]  # fmt: skip


def canonical_vector() -> Any:
    """`canonical.json`."""
    accept = [{"value": value, "text": canonical.dumps(value).decode()} for value in VALUES]
    flaws = [flaw for flaw in forge.sealed_flaws() if flaw.kind == "canonical"]
    return {"accept": accept, "refuse": [{**flaw.input, "why": flaw.why} for flaw in flaws]}


def padding_vector() -> Any:
    """`padding.json`."""
    return {
        "padme": [[size, padme(size)] for size in SIZES],
        "padded_4096": [[size, padded(size, LEAST)] for size in SIZES],
    }


def rid_vector() -> Any:
    """`rid.json`."""
    keys = [identity(label) for label in ("a", "b", "c")]
    return [
        {"identity": str(key), "recipient": str(key.recipient), "rid": b64u(rid_of(key.recipient))}
        for key in keys
    ]


def receipt_vector() -> Any:
    """`receipt.json`."""
    receipts = (RECEIPT, "000000000000000000000000", "9" * 23 + str(damm("9" * 23)))
    return {
        "derive": [_derived(receipt) for receipt in receipts],
        "parse": [{"input": text, "receipt": RECEIPT} for text in FORGIVEN],
        "refuse": [{"input": text, "reason": reason} for text, reason in NO_RECEIPTS],
    }


def _derived(receipt: str) -> Any:
    keys = derive(receipt)
    return {
        "receipt": receipt, "lookup": b64u(keys.lookup), "recipient": str(keys.identity.recipient),
        "verify_key": b64u(keys.signing.verify_key),
    }  # fmt: skip


def signatures_vector() -> Any:
    """`signatures.json`."""
    bodies: list[tuple[str, Any]] = [
        ("payload", forge.document()["body"]), ("manifest", {"v": 1}), ("promise", {"day": "2026-11-24"}),
        ("directory", {}), ("certificate", {"roles": ["desk"], "person": builders.PERSON}), ("access-token", {"exp": 1}),
    ]  # fmt: skip
    key = signer("vector")
    return [
        {
            "seed": b64u(key.seed), "verify_key": b64u(key.verify_key), "type": type_, "body": body,
            "sig": b64u(key.sign(type_, body)),
        }
        for type_, body in bodies
    ]  # fmt: skip


def package_vector() -> Any:
    """`package.json`."""
    report = sealed()
    return {
        **forge.trust(),
        "desk": {"id": "central", "identity": str(world().desk), "seed": b64u(world().desk_signing.seed)},
        "seats": [{"seat": i, "identity": str(seat)} for i, seat in enumerate(world().seats, start=1)],
        "receipt": RECEIPT,
        "package": report.to_json(),
        "expected": {
            "rid": b64u(report.rid),
            "mode": "sealed",
            "form": report.manifest.form,
            "answers": ANSWERS,
            "fields": FIELDS,
            "identity": NAMED,
            "attachments": [
                {"name": item.name, "type": item.type, "data": b64(item.data)}
                for item in builders.ATTACHMENTS
            ],
            "reporter": {
                "recipient": str(reporter().identity.recipient),
                "verify_key": b64u(reporter().signing.verify_key),
            },
        },
    }


def reply_vector() -> Any:
    """`reply.json`: a desk message with one attachment."""
    report, rid = builders.report_key(sealed()), sealed().rid
    data = b"%PDF-1.7 invented"
    readers = [report.recipient, reporter().identity.recipient]
    file = b"".join(seal_attachment_stream([data], len(data), readers))
    envelope = Envelope.of(0, "answer.pdf", "application/pdf", data, file)
    body = {"attachments": [envelope.to_json()], "text": "Рахмет. Қосымша сұрақ: қай күні болды?"}
    header = Header("message", "desk", rid, 1, 0, ZERO32)
    made = seal_payload(header, body, world().desk_signing, readers)
    return {
        "receipt": RECEIPT, "report_identity": str(report), "rid": b64u(rid),
        "verify_key": b64u(world().desk_signing.verify_key), "file": b64(made), "header": header.to_json(),
        "body": body, "attachments": [{"file": b64(file), "data": b64(data)}],
    }  # fmt: skip


def outcome_body(**changes: Any) -> dict[str, Any]:
    """The body of an `outcome`, with members of `outcome` or of the body itself replaced."""
    act = {
        "court": "Ойдан шығарылған сот",
        "date": "2026-10-01",
        "in_force": "2026-10-20",
        "number": "1-23/2026",
    }
    facts: dict[str, Any] = {
        "act": act, "articles": ["cc-366-2", "cc-369"], "bribe": 5_000_000, "damage": None, "gravity": "grave",
        "kind": "convicted", "value_of_benefits": 0,
    }  # fmt: skip
    body = {"claim": b64u(bytes(range(32))), "outcome": facts, "text": "Іс аяқталды."}
    for name, value in changes.items():
        (body if name in ("claim", "text", "more") else facts)[name] = value
    return body


def outcome_vector() -> Any:
    """`outcome.json`: bodies that are read and refused, and ids of events."""
    act = outcome_body()["outcome"]["act"]
    nothing: dict[str, Any] = {
        "act": None,
        "articles": [],
        "bribe": None,
        "gravity": None,
        "value_of_benefits": None,
    }
    accept = [
        outcome_body(),
        outcome_body(**nothing, kind="explained"),
        outcome_body(act={**act, "in_force": None}, gravity="administrative"),
        outcome_body(act={**act, "in_force": act["date"]}, damage=2**53 - 1),
    ]
    refuse = [
        ("a float", outcome_body(bribe=1.5)),
        ("less than nothing", outcome_body(bribe=-1)),
        ("a sum in words", outcome_body(damage="1000")),
        ("a sum that is a word", outcome_body(damage=True)),
        ("a gravity of no list", outcome_body(gravity="worst")),
        ("no kind", outcome_body(kind=None)),
        ("a kind that is no code", outcome_body(kind="found guilty")),
        ("one article twice", outcome_body(articles=["a", "a"])),
        ("too many articles", outcome_body(articles=[f"a{i}" for i in range(51)])),
        ("in force before its day", outcome_body(act={**act, "in_force": "2026-09-30"})),
        ("a day that does not exist", outcome_body(act={**act, "date": "2026-02-30"})),
        ("an act without a number", outcome_body(act={**act, "number": ""})),
        ("a person in it", outcome_body(act={**act, "person": "X"})),
        ("a member more", outcome_body(more=1)),
        ("a member less", {name: value for name, value in outcome_body().items() if name != "text"}),
        ("no words", outcome_body(text="")),
        ("a short claim", outcome_body(claim=b64u(bytes(31)))),
        ("a claim with padding", outcome_body(claim=b64u(bytes(32)) + "=")),
    ]
    events = [
        {"claim": b64u(bytes(range(32))), "consumer": consumer, "n": n,
         "id": str(event_id(bytes(range(32)), consumer, n))}
        for consumer in ("rewards", "registry") for n in (0, 1, 300)
    ]  # fmt: skip
    return {
        "accept": accept,
        "refuse": [{"why": why, "body": body} for why, body in refuse],
        "events": events,
    }


def segments_vector() -> Any:
    """`segments.json`: attachments in segments, and what must be refused of them."""
    reader = identity("segments")
    cases = [made_in_segments(data, cuts) for data, cuts in SEGMENTED]
    return {
        "identity": str(reader),
        "cases": [{"file": b64(f), "envelope": e.to_json(), "data": b64(d)} for f, e, d in cases],
        "refuse": [
            {"why": why, "file": b64(file), "envelope": envelope}
            for why, file, envelope in segment_flaws(*cases[1][:2])
        ],
    }


def made_in_segments(data: bytes, cuts: Sequence[int]) -> tuple[bytes, Envelope, bytes]:
    """The file of `data` in segments that end at `cuts` and at its end, and its envelope in plain mode."""
    files, borders = [], [0, *cuts, len(data)]
    for start, end in itertools.pairwise(borders):
        sealer = SegmentSealer([identity("segments").recipient])
        files.append(sealer.push(data[start:end]) + sealer.close(last=end == len(data)))
    file = b"".join(files)
    pairs = tuple(
        (end - start, len(f)) for (start, end), f in zip(itertools.pairwise(borders), files, strict=True)
    )
    digest = hashlib.sha256(file).digest()
    return file, Envelope(0, "video.mp4", "video/mp4", len(data), None, digest, pairs), data


def segment_flaws(file: bytes, good: Envelope) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """Files and envelopes that an opener must refuse, from a good one of three segments."""
    line, pairs = good.to_json(), [list(pair) for pair in good.segments or ()]

    def listed(segments: Any, **changes: Any) -> dict[str, Any]:
        return {**line, "segments": segments, **changes}

    def hashed(data: bytes, segments: Any = pairs, **changes: Any) -> tuple[bytes, dict[str, Any]]:
        return data, listed(segments, file_sha256=b64u(hashlib.sha256(data).digest()), **changes)

    ends = list(itertools.accumulate(size for _, size in pairs))
    parts = [file[start:end] for start, end in itertools.pairwise([0, *ends])]
    yield "no list", file, {name: value for name, value in line.items() if name != "segments"}
    yield "null in place of the list", file, listed(None)
    yield "empty list", file, listed([])
    yield "sum too small", file, listed(pairs, size=line["size"] + 1)
    yield "segment left out of the list", file, listed(pairs[:-1])
    yield (
        "segment left out of the list, sum right",
        file,
        listed(pairs[:-1], size=line["size"] - pairs[-1][0]),
    )
    yield "empty segment", file, listed([[0, 1], *pairs])
    yield "three numbers", file, listed([[*pair, 0] for pair in pairs])
    yield "segment above 8 MiB", file, listed([[(8 << 20) + 1, 1]], size=(8 << 20) + 1)
    yield (
        "border moved",
        file,
        listed([[pairs[0][0] + 1, pairs[0][1]], [pairs[1][0] - 1, pairs[1][1]], pairs[2]]),
    )
    yield "another hash of the file", file, listed(pairs, file_sha256=b64u(bytes(32)))
    yield "bytes after the last segment", *hashed(file + b"x")
    yield "cut", *hashed(file[:-1])
    yield "segments exchanged", *hashed(parts[1] + parts[0] + parts[2])
    yield "segment left out", *hashed(parts[0] + parts[2], [pairs[0], pairs[2]])
    yield "segment twice", *hashed(parts[0] + file, [pairs[0], *pairs])
    last = made_in_segments(bytes(1001), [])[0]
    yield (
        "a segment before the last one is padded",
        *hashed(last + parts[2], [[1001, len(last)], pairs[2]], size=1001 + pairs[2][0]),
    )
    bare = age.seal(bytes(1001), [identity("segments").recipient])
    yield "the last segment is not padded", *hashed(bare, [[1001, len(bare)]], size=1001)
    foreign = age.seal(bytes(1024), [identity("stranger").recipient])
    yield (
        "a segment is sealed to somebody else",
        *hashed(parts[0] + foreign, [pairs[0], [1024, len(foreign)]], size=pairs[0][0] + 1024),
    )


def certificate_vector() -> Any:
    """`certificate.json`."""
    document = builders.certificate()
    return {**forge.certified(document), "expected": document.body}


def directory_vector() -> Any:
    """`directory.json`: the optional lines of services, accepted and refused."""
    rewards, registry = (service_json(Service(s, identity(s).recipient)) for s in ("rewards", "registry"))

    def signed(services: Any = None) -> Any:
        body = builders.directory_body()
        return builders.signed_directory(
            body if services is None else {**body, "services": services}
        ).to_json()

    refused = {
        "empty list": [],
        "not a list": {},
        "unknown service": [{**rewards, "id": "accounts"}],
        "one service twice": [rewards, {**registry, "id": "rewards"}],
        "one key for two services": [rewards, {**rewards, "id": "registry"}],
        "the key of a seat": [{**rewards, "recipient": str(identity("seat 1").recipient)}],
        "no recipient": [{"id": "rewards"}],
        "one member more": [{**rewards, "verify_key": b64u(signer("rewards").verify_key)}],
    }
    accepted: list[Any] = [None, [rewards], [registry, rewards], [rewards, registry]]
    return {
        "roots": [b64u(key) for key in world().root_keys],
        "now": instant_text(NOW),
        "accept": [{"directory": signed(lines), "services": lines or []} for lines in accepted],
        "refuse": [{"why": why, "directory": signed(lines)} for why, lines in refused.items()],
    }


def promise_vector() -> Any:
    """`promise.json`."""
    vector, random = forge.promise(), builders.seed("random")
    leaf = canonical.unb64u(vector["promise"]["body"]["leaf"])
    return {**vector, "leaf": b64u(leaf), "random": b64u(random), "entry": b64u(entry(random, leaf))}


def negative_vector() -> Any:
    """`negative.json`."""
    flaws = [*forge.sealed_flaws(), *forge_documents.document_flaws()]
    strings: dict[str, str] = {}
    cases = [
        {
            "kind": flaw.kind,
            "input": _shorten(flaw.input, strings),
            "why": flaw.why,
            "python_error": flaw.error,
        }
        for flaw in flaws
    ]
    return {"strings": {name: long for long, name in strings.items()}, "cases": cases}


def _shorten(value: Any, strings: dict[str, str]) -> Any:
    """`value` with long strings, mostly keys and files that many cases share, replaced by `@number`."""
    if isinstance(value, dict):
        return {name: _shorten(member, strings) for name, member in value.items()}
    if isinstance(value, list):
        return [_shorten(item, strings) for item in value]
    if isinstance(value, str) and len(value) > LONG:
        return strings.setdefault(value, f"@{len(strings)}")
    return value


# Those whose content is the same in every run; a test compares the files with a fresh one.
STEADY = {
    "canonical": canonical_vector,
    "padding": padding_vector,
    "rid": rid_vector,
    "receipt": receipt_vector,
    "signatures": signatures_vector,
    "certificate": certificate_vector,
    "directory": directory_vector,
    "promise": promise_vector,
    "outcome": outcome_vector,
}
RANDOM = {
    "package": package_vector,
    "reply": reply_vector,
    "segments": segments_vector,
    "negative": negative_vector,
    "later-parts": custody_vectors.later_parts_vector,
    "custody": custody_vectors.custody_vector,
    "disclosure": custody_vectors.disclosure_vector,
    "key-split": custody_vectors.key_split_vector,
}


def text(value: Any) -> str:
    """The text of a vector file: ASCII, so that editors and Git leave odd characters alone."""
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def main() -> None:
    """Write every file."""
    assert NOW.date() == TODAY
    for name, make in {**STEADY, **RANDOM}.items():
        (FOLDER / f"{name}.json").write_text(text(make()), encoding="utf-8")


if __name__ == "__main__":
    main()
