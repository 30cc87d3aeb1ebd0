"""What a reader of vectors does with each file, and with each kind of negative vector."""

from collections.abc import Callable
from typing import Any

from services.crypto import age, canonical
from services.crypto.age import HybridIdentity
from services.crypto.attachments import open_attachment
from services.crypto.canonical import b64u, unb64, unb64u
from services.crypto.certificates import check_certificate
from services.crypto.directories import Directory, check_directory
from services.crypto.grants import open_grant
from services.crypto.manifests import Manifest
from services.crypto.packages import Package, check_package, open_identity, open_report, package_from_json
from services.crypto.payloads import open_payload
from services.crypto.promises import check_promise
from services.crypto.receipts import derive
from services.crypto.rules import day, instant
from services.crypto.shares import combine, open_share
from services.crypto.signatures import Signed

Json = dict[str, Any]


def read_directory(vector: Json, minimum_sequence: int = 1) -> Directory:
    """The checked directory of a vector with `roots`, `now`, `directory`."""
    roots = [unb64u(key, 32) for key in vector["roots"]]
    return check_directory(
        Signed.from_json(vector["directory"]), roots, instant(vector["now"]), minimum_sequence
    )


def read_package(vector: Json) -> Json:
    """All that `package.json` promises, read with its secrets; compare with its `expected`."""
    directory = read_directory(vector)
    package = package_from_json(vector["package"])
    check_package(package, directory)
    manifest = package.manifest
    report = open_grant(package.grants[0].data, HybridIdentity.parse(vector["desk"]["identity"]), manifest)
    files = [part.data for part in package.parts]
    opened = open_report(manifest, package.signature, files, report)
    assert opened.field_differences == {}
    key = combine(_shares(vector, package), manifest)
    keys = derive(vector["receipt"])
    assert (keys.lookup, keys.identity.recipient, keys.signing.verify_key) == (
        package.lookup,
        opened.reporter_recipient,
        opened.reporter_verify_key,
    )
    true_bytes = [
        open_attachment(file, line, report) for file, line in zip(files[2:], opened.envelopes, strict=True)
    ]
    return {
        "rid": b64u(manifest.rid),
        "mode": manifest.mode,
        "form": manifest.form,
        "answers": opened.answers,
        "fields": opened.fields,
        "identity": open_identity(files[1], key, manifest, opened.reporter_verify_key),
        "attachments": [
            {"name": line.name, "type": line.type, "data": canonical.b64(data)}
            for line, data in zip(opened.envelopes, true_bytes, strict=True)
        ],
        "reporter": {
            "recipient": str(opened.reporter_recipient),
            "verify_key": b64u(opened.reporter_verify_key),
        },
    }


def _shares(vector: Json, package: Package) -> dict[int, bytes]:
    manifest = package.manifest
    chosen = vector["seats"][-manifest.k :]
    return {
        seat["seat"]: open_share(
            package.shares[seat["seat"] - 1].data,
            HybridIdentity.parse(seat["identity"]),
            seat["seat"],
            manifest,
        )
        for seat in chosen
    }


def _canonical(vector: Json) -> None:
    canonical.loads(vector["text"].encode("utf-8"))


def _b64u(vector: Json) -> None:
    unb64u(vector["text"])


def _payload(vector: Json) -> None:
    expect = vector["expect"]
    opened = open_payload(unb64(vector["file"]), HybridIdentity.parse(vector["identity"]))
    opened.check(
        rid=unb64u(expect["rid"]), type=expect["type"], by=expect["by"], n=expect["n"],
        prev=unb64u(expect["prev"]), verify_key=unb64u(vector["verify_key"]),
    )  # fmt: skip


def _part(vector: Json) -> None:
    age.check_part(unb64(vector["file"]))


def _grant(vector: Json) -> None:
    manifest = Manifest.from_json(vector["manifest"])
    open_grant(unb64(vector["file"]), HybridIdentity.parse(vector["holder"]), manifest)


def _share(vector: Json) -> None:
    manifest = Manifest.from_json(vector["manifest"])
    open_share(unb64(vector["file"]), HybridIdentity.parse(vector["identity"]), vector["seat"], manifest)


def _combine(vector: Json) -> None:
    shares = {line["seat"]: unb64u(line["share"]) for line in vector["shares"]}
    combine(shares, Manifest.from_json(vector["manifest"]))


def _manifest(vector: Json) -> None:
    Manifest.from_json(vector["manifest"])


def _package(vector: Json) -> None:
    directory = read_directory(vector)
    check_package(package_from_json(vector["package"]), directory)


def _directory(vector: Json) -> None:
    read_directory(vector, vector["minimum_sequence"])


def _certificate(vector: Json) -> None:
    directory = read_directory(vector)
    check_certificate(Signed.from_json(vector["certificate"]), directory, day(vector["today"]))


def _promise(vector: Json) -> None:
    check_promise(
        Signed.from_json(vector["promise"]),
        unb64u(vector["verify_key"], 32),
        vector["record"],
        unb64u(vector["salt"]),
    )


READERS: dict[str, Callable[[Json], None]] = {
    "canonical": _canonical,
    "b64u": _b64u,
    "payload": _payload,
    "part": _part,
    "grant": _grant,
    "share": _share,
    "combine": _combine,
    "manifest": _manifest,
    "package": _package,
    "directory": _directory,
    "certificate": _certificate,
    "promise": _promise,
}


def whole(value: Any, strings: dict[str, str]) -> Any:
    """A negative vector's input with `@number` replaced by the long strings of its file."""
    if isinstance(value, dict):
        return {name: whole(member, strings) for name, member in value.items()}
    if isinstance(value, list):
        return [whole(item, strings) for item in value]
    return strings.get(value, value) if isinstance(value, str) else value
