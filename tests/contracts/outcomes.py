"""Outcomes of invented cases, for the tests of both ends."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

from services.contracts.outcomes import Act, Name, Person, RegistryOutcome, RewardsOutcome, claim_hash

TOKEN = bytes(range(32))
STAFF = (UUID("0b1d2f3a-4c5d-4e6f-8a7b-9c0d1e2f3a4b"), UUID("6f9f2e0a-58a5-4f2b-9a63-2f1f6c1f0a11"))
ACT = Act("Есіл аудандық соты", "7194-26-00-1/123", date(2026, 9, 1), date(2026, 10, 2))
OFFICIAL = Person(
    (Name("kk", "Үлгіұлы", "Сынақ", "Байқауұлы"), Name("ru", "Образцов", "Проба")),
    born=date(1980, 2, 29), iin="800229300000", body="Invented akimat", position="Head", penalty="Fine, ban for life",
)  # fmt: skip


def _facts(changes: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": uuid4(), "kind": "convicted", "act": ACT, "gravity": "grave", "articles": ("366-2", "367-1"),
        "bribe": 5_000_000, "damage": None, "value_of_benefits": 0, "excluded": STAFF, **changes,
    }  # fmt: skip


def for_rewards(**changes: Any) -> RewardsOutcome:
    """An outcome as rewards is told it."""
    return RewardsOutcome(**_facts({"claim": claim_hash(TOKEN), "reported": "2026-03", **changes}))


def for_registry(**changes: Any) -> RegistryOutcome:
    """The same for the registry."""
    return RegistryOutcome(**_facts({"persons": (OFFICIAL,), "region": "astana", **changes}))
