"""The keys of one report that a reader holds, and the recipient to which later parts are sealed.

A report gets a new key when somebody's access ends. A reader believes it only from a `report-keys` part of the desk's
chain, signed by a desk of the directory or by a certified member of the desk, and named by the grant that gives it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.client import chain
from services.client.chain import Part, Place
from services.crypto.age import HybridIdentity, HybridRecipient
from services.crypto.directories import Directory
from services.crypto.errors import WrongKey
from services.crypto.grants import open_later_grant, seal_grant, seal_later_grant
from services.crypto.payloads import OpenedPayload, open_payload
from services.crypto.reportkeys import TYPE, key_number


@dataclass(frozen=True)
class Keyring:
    """Keys by number, the first that of the manifest; `recipient` is the newest that was believed."""

    keys: Mapping[int, HybridIdentity] = field(repr=False)
    recipient: HybridRecipient = field(repr=False)

    @classmethod
    def of(cls, key: HybridIdentity) -> "Keyring":
        """The manifest's key alone."""
        return cls({0: key}, key.recipient)

    @property
    def newest_first(self) -> tuple[HybridIdentity, ...]:
        """Every key held."""
        return tuple(self.keys[number] for number in sorted(self.keys, reverse=True))

    def open(self, file: bytes) -> OpenedPayload:
        """Open a part with the key it was sealed to. Errors: as `open_payload`."""
        for key in self.newest_first:
            try:
                return open_payload(file, key)
            except WrongKey:
                continue
        raise WrongKey("no key of the report opens it")

    def renewed(
        self,
        file: bytes,
        part: Part,
        rid: bytes,
        place: Place,
        directories: Sequence[Directory],
        grant: bytes | None,
        holders: Iterable[HybridIdentity],
    ) -> "Keyring":
        """With the key that a `report-keys` part names and `grant` gives. Errors: WrongKey, Refused, BadSignature."""
        for holder in holders if grant is not None else ():
            try:
                key, opened = open_later_grant(grant or b"", file, holder, rid, key_number(place.n))
            except WrongKey:
                continue
            chain.check_link(opened, part, rid, place, chain.signers_of(opened, part, directories))
            return replace(self, keys={**self.keys, key_number(place.n): key}, recipient=key.recipient)
        raise WrongKey("no grant that these keys open")

    def grants(self, role: str, to: HybridRecipient, rid: bytes) -> dict[int, bytes]:
        """Every key, granted to a certified recipient, by number."""
        return {
            number: seal_later_grant(key, rid, number, role, to) if number else seal_grant(key, role, to)
            for number, key in self.keys.items()
        }


def last_key(parts: Iterable[Part]) -> int:
    """The number of the newest key that a list of parts names, believed or not."""
    return max((key_number(part.n) for part in parts if part.role == TYPE and part.n is not None), default=0)


__all__ = ["TYPE", "Keyring", "last_key"]
