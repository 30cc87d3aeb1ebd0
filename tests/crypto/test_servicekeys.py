"""The key file of a service holds one identity, which stock age reads too."""

import pytest

from services.crypto.age import HybridIdentity, open_part, seal
from services.crypto.errors import CryptoError, FormatError
from services.crypto.servicekeys import new_service_key, read_service_key


@pytest.mark.parametrize("name", ["rewards", "registry"])
def test_what_is_sealed_to_the_line_opens_with_the_file(name: str):
    file, service = new_service_key(name)
    assert service.id == name
    assert open_part(seal(b"act", [service.recipient]), read_service_key(file)) == b"act"
    assert file.decode().splitlines()[:2] == ["# adal/v1/service-key", f"# id: {name}"]


def test_every_key_is_new():
    assert new_service_key("rewards")[0] != new_service_key("rewards")[0]


def test_there_is_no_key_for_another_service():
    with pytest.raises(FormatError):
        new_service_key("accounts")


def test_comments_and_line_ends_may_differ():
    identity = HybridIdentity.generate()
    for text in (f"{identity}", f"\n# made by hand\r\n{identity}\r\n", f"{identity}\n# public key: age1\n"):
        assert read_service_key(text.encode()).recipient == identity.recipient


@pytest.mark.parametrize("text", ["", "# nothing", "AGE-SECRET-KEY-PQ-1", "age1pq1", "кілт"])
def test_a_file_without_an_identity_is_refused(text: str):
    with pytest.raises(CryptoError):
        read_service_key(text.encode())


def test_two_identities_are_refused():
    text = f"{HybridIdentity.generate()}\n{HybridIdentity.generate()}\n"
    with pytest.raises(FormatError) as raised:
        read_service_key(text.encode())
    assert text[:30] not in str(raised.value)
