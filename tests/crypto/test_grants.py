"""A grant gives one report's key to one holder, in a form stock tools read."""

import pytest

from services.crypto import age
from services.crypto.canonical import b64u
from services.crypto.errors import Refused, WrongKey
from services.crypto.grants import ROLES, open_grant, rid_of, seal_grant
from tests.crypto.builders import identity, report_key, sealed

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
