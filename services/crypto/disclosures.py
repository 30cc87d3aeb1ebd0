"""A record that somebody disclosed who reported: signed by the lead who wrote it, sealed to the leads who may read it.

The server sees the day and the article; who disclosed what stands only here, bound to the report and the article.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.crypto import canonical, rules
from services.crypto.age import HybridIdentity, HybridRecipient, open_part, seal
from services.crypto.attested import attest, writer_of
from services.crypto.canonical import b64u, members
from services.crypto.directories import Directory
from services.crypto.errors import Refused
from services.crypto.padding import frame, unframe
from services.crypto.signatures import Signed, SigningKey

TYPE = "disclosure"
MAX_WHO, MAX_WHAT = 500, 20_000


@dataclass(frozen=True)
class Disclosure:
    """What happened: the report, the article's code, the day of the record, who disclosed, what."""

    rid: bytes
    article: str
    day: date
    who: str = field(repr=False)
    what: str = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The body, without the certificate of the writer."""
        return {
            "article": self.article, "day": self.day.isoformat(), "rid": b64u(self.rid), "v": 1,
            "what": self.what, "who": self.who,
        }  # fmt: skip


@dataclass(frozen=True)
class OpenedDisclosure:
    """A record whose signature holds; `person` is the UUID of the certified writer."""

    disclosure: Disclosure
    person: str


def seal_disclosure(
    disclosure: Disclosure, certificate: Signed, key: SigningKey, recipients: Sequence[HybridRecipient]
) -> bytes:
    """The age file for 1 to 8 readers. Errors: FormatError for an impossible value, Refused by the part rule."""
    document = attest(TYPE, disclosure.to_json(), certificate, key)
    _parse(document.body)
    return seal(frame(canonical.dumps(document.to_json())), recipients)


def open_disclosure(
    file: bytes, identity: HybridIdentity, rid: bytes, article: str, directories: Sequence[Directory]
) -> OpenedDisclosure:
    """Open a record of this report and article, if certified staff signed it.

    `directories` are checked ones, any of which may vouch. Errors: WrongKey, FormatError, Refused, BadSignature.
    """
    document = Signed.from_json(canonical.loads(unframe(open_part(file, identity))))
    found = _parse(document.body)
    if found.rid != rid or found.article != article:
        raise Refused("the record is of another report or article")
    return OpenedDisclosure(found, writer_of(TYPE, document, found.day, directories).person)


def _parse(body: Any) -> Disclosure:
    found = members(body, ("article", "certificate", "day", "rid", "v", "what", "who"))
    rules.version(found["v"])
    return Disclosure(
        rules.bytes32(found["rid"]), rules.code(found["article"]), rules.day(found["day"]),
        rules.text(found["who"], MAX_WHO), rules.text(found["what"], MAX_WHAT),
    )  # fmt: skip
