"""Every flaw of `forge` and `forge_documents` is refused for its reason; without the flaw the input is accepted."""

import pytest

from services.crypto import errors, shares
from tests.crypto import forge, forge_documents
from tests.crypto.forge import Flaw
from tests.crypto.readers import READERS

FLAWS: list[Flaw] = [*forge.sealed_flaws(), *forge_documents.document_flaws()]
ERRORS = {**vars(errors), "BadShare": shares.BadShare}


@pytest.mark.parametrize("flaw", FLAWS, ids=[f"{flaw.kind}: {flaw.why}" for flaw in FLAWS])
def test_a_flaw_is_refused_for_its_reason(flaw: Flaw):
    with pytest.raises(errors.CryptoError) as caught:
        READERS[flaw.kind](flaw.input)
    assert caught.type is ERRORS[flaw.error]


@pytest.mark.parametrize("kind", sorted(forge.good()))
def test_the_input_without_a_flaw_is_accepted(kind: str):
    READERS[kind](forge.good()[kind])
