"""A grant gives one report's key to one holder, in a form stock tools read."""

from dataclasses import replace

import pytest

from services.crypto import age
from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64u
from services.crypto.errors import BadSignature, FormatError, Refused, WrongKey
from services.crypto.grants import ROLES, open_grant, open_later_grant, rid_of, seal_grant, seal_later_grant
from services.crypto.packages import SMALL_FILE
from services.crypto.payloads import ZERO32, Header, seal_payload
from services.crypto.receipts import derive, new_receipt
from services.crypto.reportkeys import Carried, open_carried, report_keys_body, seal_carried
from tests.crypto.builders import identity, report_key, sealed, world

HOLDER = identity("holder")


@pytest.mark.parametrize("role", ROLES)
def test_a_holder_of_any_role_gets_the_key(role: str):
    report = report_key(sealed())
    data = seal_grant(report, role, HOLDER.recipient)
    assert open_grant(data, HOLDER, sealed().manifest) == report


def test_the_plaintext_is_an_identity_file():
    report = report_key(sealed())
    text = age.open_part(seal_grant(report, "desk", HOLDER.recipient), HOLDER).decode()
    lines = text.splitlines(keepends=True)
    assert lines == [
        "# adal/v1/grant\n",
        f"# rid: {b64u(rid_of(report.recipient))}\n",
        "# role: desk\n",
        f"{report}\n",
    ]
    keys = [line for line in text.splitlines() if not line.startswith("#")]
    assert age.HybridIdentity.parse(keys[0]) == report


def test_an_unknown_role_is_not_granted():
    with pytest.raises(Refused):
        seal_grant(report_key(sealed()), "administrator", HOLDER.recipient)


def test_a_stranger_does_not_open_it():
    data = seal_grant(report_key(sealed()), "desk", HOLDER.recipient)
    with pytest.raises(WrongKey):
        open_grant(data, identity("stranger"), sealed().manifest)


def test_a_self_made_grant_of_another_key_is_refused():
    # What a live server could try: a key it knows, sealed to the desk, in place of the report's.
    data = seal_grant(identity("server"), "desk", HOLDER.recipient)
    with pytest.raises(Refused):
        open_grant(data, HOLDER, sealed().manifest)


def test_desk_grants_have_one_size():
    sizes = {len(seal_grant(identity(label), "desk", HOLDER.recipient)) for label in "abc"}
    assert len(sizes) == 1


def test_a_report_id_belongs_to_one_recipient():
    assert (
        rid_of(identity("a").recipient) == rid_of(identity("a").recipient) != rid_of(identity("b").recipient)
    )


# --- later keys


def renewal(
    n: int = 0, rid: bytes | None = None, names: HybridIdentity | None = None, kind: str = "report-keys"
) -> tuple[HybridIdentity, bytes]:
    """A new key of the sealed report, and the part that names it (or another)."""
    key = identity("new report key")
    header = Header(kind, "desk", rid or sealed().rid, 1, n, ZERO32)
    body = report_keys_body((names or key).recipient)
    return key, seal_payload(header, body, world().desk_signing, [key.recipient])


def test_a_later_grant_opens_with_the_part_that_names_its_key():
    key, part = renewal(n=4)
    data = seal_later_grant(key, sealed().rid, 5, "lead", HOLDER.recipient)
    opened, payload = open_later_grant(data, part, HOLDER, sealed().rid, 5)
    assert opened == key
    payload.check(
        rid=sealed().rid,
        type="report-keys",
        by="desk",
        n=4,
        prev=ZERO32,
        verify_key=world().desk_signing.verify_key,
    )
    text = age.open_part(data, HOLDER).decode()
    assert text.splitlines()[:4] == [
        "# adal/v1/grant", f"# rid: {b64u(sealed().rid)}", "# role: lead", "# key: 5",
    ]  # fmt: skip


def test_a_later_grant_of_another_report_key_or_part_is_refused():
    key, part = renewal()
    rid, other_rid = sealed().rid, bytes(32)

    def opens(
        key: HybridIdentity, part: bytes, granted: bytes = rid, number: int = 1, wanted: int = 1
    ) -> None:
        data = seal_later_grant(key, granted, number, "lead", HOLDER.recipient)
        open_later_grant(data, part, HOLDER, rid, wanted)

    opens(key, part)
    with pytest.raises(Refused):
        opens(key, part, granted=other_rid)
    with pytest.raises(Refused):
        opens(key, part, number=2)
    with pytest.raises(Refused):
        opens(key, part, number=2, wanted=2)
    with pytest.raises(Refused):
        opens(key, renewal(rid=other_rid)[1])
    with pytest.raises(Refused):
        opens(key, renewal(names=identity("swapped"))[1])
    with pytest.raises(Refused):
        opens(key, renewal(kind="message")[1])
    with pytest.raises(WrongKey):
        opens(identity("swapped"), part)


def test_first_and_later_grants_do_not_pass_for_one_another():
    key, part = renewal()
    first = seal_grant(report_key(sealed()), "desk", HOLDER.recipient)
    with pytest.raises(Refused):
        open_later_grant(first, part, HOLDER, sealed().rid, 1)
    later = seal_later_grant(report_key(sealed()), sealed().rid, 1, "desk", HOLDER.recipient)
    with pytest.raises(Refused):
        open_grant(later, HOLDER, sealed().manifest)
    with pytest.raises(Refused):
        seal_later_grant(key, sealed().rid, 0, "desk", HOLDER.recipient)


@pytest.mark.parametrize(
    "line", ["# key: 01", "# key: -1", "# key: 0", "# key: ", "# key: 1x", "# kez: 1", "#"]
)
def test_a_number_that_is_none_is_malformed(line: str):
    key, part = renewal()
    text = f"# adal/v1/grant\n# rid: {b64u(sealed().rid)}\n# role: lead\n{line}\n{key}\n"
    with pytest.raises(FormatError):
        open_later_grant(age.seal(text.encode(), [HOLDER.recipient]), part, HOLDER, sealed().rid, 1)


# --- what a new code is told


def test_a_note_for_a_new_code_is_read_by_that_code_alone():
    newest = Carried(3, bytes([7]) * 32, identity("new report key").recipient)
    mine, others = derive(new_receipt()), derive(new_receipt())
    data = seal_carried(sealed().rid, 1, newest, mine)
    assert open_carried(data, mine, sealed().rid) == newest
    assert len(data) == SMALL_FILE
    with pytest.raises(WrongKey):
        open_carried(data, others, sealed().rid)
    with pytest.raises(Refused):
        open_carried(data, mine, bytes(32))


def test_a_note_that_the_code_did_not_sign_is_refused():
    newest = Carried(3, bytes([7]) * 32, identity("the server's").recipient)
    mine, others = derive(new_receipt()), derive(new_receipt())
    forged = seal_carried(sealed().rid, 1, newest, replace(mine, signing=others.signing))
    with pytest.raises(BadSignature):
        open_carried(forged, mine, sealed().rid)
    _, by_desk = renewal()
    with pytest.raises(WrongKey):
        open_carried(by_desk, mine, sealed().rid)
