"""Rules without a database: roles that exclude one another, passwords, lives of tokens."""

import itertools
import unicodedata
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.accounts import rules
from services.contracts.accounts import Role, TokenClaims

NOW = datetime(2026, 11, 24, 9, 0, 0, 500_000, tzinfo=UTC)
bounded = settings(max_examples=100, deadline=None)
texts = st.text(max_size=40)


@pytest.mark.parametrize(
    "pair",
    [
        ("desk", "custodian"),
        ("lead", "custodian"),
        ("investigator", "custodian"),
        ("rewards-officer", "commission"),
        ("registrar", "second-registrar"),
        ("payments", "commission"),
        ("certifier", "administrator"),
        ("administrator", "desk"),
        ("administrator", "operator"),
        ("administrator", "commission"),
        ("administrator", "second-registrar"),
        ("certifier", "custodian"),
        ("certifier", "lead"),
        ("certifier", "payments"),
        ("custodian", "payments"),
        ("custodian", "commission"),
        ("investigator", "rewards-officer"),
        *((role, "auditor") for role in Role if role not in ("auditor", "operator")),
    ],
)
def test_nobody_is_both(pair: tuple[str, str]):
    assert [{line.one, line.other} for line in rules.conflicts_of(pair)] == [set(pair)]
    assert rules.conflicts_of(pair[:1]) == rules.conflicts_of(pair[1:]) == []


#: Steps that take two people, written apart from the table: on which sides each role stands.
STEPS: dict[str, tuple[set[str], set[str]]] = {
    "ask for an identity, open it": ({"desk", "lead", "investigator"}, {"custodian"}),
    "check a reward, decide on it": ({"rewards-officer"}, {"commission"}),
    "decide on a reward, pay it": ({"rewards-officer", "commission"}, {"payments"}),
    "record an outcome, reward it": (
        {"desk", "lead", "investigator"},
        {"rewards-officer", "commission", "payments"},
    ),
    "propose an entry, approve it": ({"registrar"}, {"second-registrar"}),
    "make an account, vouch for its key": ({"administrator"}, {"certifier"}),
    "vouch for a key, seal something to it": (
        {"certifier"},
        {"desk", "lead", "investigator", "custodian", "payments"},
    ),
    "invent a colleague, decide with them": (
        {"administrator"},
        {"rewards-officer", "commission", "payments", "registrar", "second-registrar", "custodian"},
    ),
    "do something, look at what was done": (
        {"auditor"},
        {role.value for role in Role} - {"auditor", "operator"},
    ),
}


@bounded
@given(st.sets(st.sampled_from(list(Role))))
def test_whoever_may_hold_a_set_of_roles_stands_on_one_side_of_every_step(roles: set[Role]):
    if not rules.conflicts_of(roles):
        for one, other in STEPS.values():
            assert not (roles & one and roles & other)


@pytest.mark.parametrize("pair", list(itertools.combinations(Role, 2)))
def test_every_pair_of_roles_is_decided_on_purpose(pair: tuple[Role, Role]):
    apart = any(set(pair) & one and set(pair) & other for one, other in STEPS.values())
    unseen = {"administrator"} < set(pair) and bool(set(pair) & {"desk", "lead", "investigator", "operator"})
    names = "custodian" in pair and bool(set(pair) & {"rewards-officer", "commission", "payments"})
    assert bool(rules.conflicts_of(pair)) == (apart or unseen or names)


@pytest.mark.parametrize(
    "pair",
    [("desk", "lead"), ("desk", "investigator"), ("operator", "auditor"), ("lead", "registrar")],
)
def test_work_that_goes_together_may_be_one_person_s(pair: tuple[str, str]):
    assert rules.conflicts_of(pair) == []


def test_the_table_has_each_pair_once_with_two_roles_and_a_reason():
    pairs = [frozenset((line.one, line.other)) for line in rules.CONFLICTS]
    assert len(pairs) == len(set(pairs))
    assert all(len(pair) == 2 for pair in pairs)
    assert all(line.reason.endswith(".") for line in rules.CONFLICTS)


@bounded
@given(st.sets(st.sampled_from(list(Role))))
def test_a_set_of_roles_conflicts_exactly_when_some_two_of_it_do(roles: set[Role]):
    pairwise = any(rules.conflicts_of(pair) for pair in itertools.combinations(roles, 2))
    assert bool(rules.conflicts_of(roles)) == pairwise


@bounded
@given(st.sets(st.sampled_from(list(Role))), st.sampled_from(list(Role)))
def test_one_more_role_never_makes_a_conflict_go_away(roles: set[Role], more: Role):
    assert set(rules.conflicts_of(roles)) <= set(rules.conflicts_of({*roles, more}))


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        ("twelve chars", True),
        ("elevenchars", False),
        ("é" * 12, True),
        ("e\u0301" * 11, False),  # 22 code points as sent, 11 letters
        ("ﬁ" * 6, True),  # a ligature counts as its letters
        ("x" * 1024, True),
        ("x" * 1025, False),
        ("й" * 513, False),  # 1,026 bytes
        ("long DANIYAR long", False),
        ("long ｄａｎｉｙａｒ long", False),  # full-width letters
        ("long d a n i y a r", True),
        ("with a line\nfeed", False),
        ("with a \x00 zero", False),
        ("lone \ud800 surrogate", False),
    ],
)
def test_passwords(password: str, accepted: bool):
    assert (rules.password_problem(password, "daniyar") is None) == accepted


@bounded
@given(texts, st.text("abcdefghij", min_size=3, max_size=10))
def test_an_accepted_password_is_long_enough_and_free_of_the_login(password: str, login: str):
    if rules.password_problem(password, login) is None:
        folded = unicodedata.normalize("NFKC", password)
        assert len(folded) >= 12
        assert login not in folded.lower()


@bounded
@given(texts)
def test_both_spellings_of_a_password_are_judged_alike(password: str):
    composed, apart = (unicodedata.normalize(form, password) for form in ("NFC", "NFD"))
    assert rules.password_problem(composed, "login") == rules.password_problem(apart, "login")


@pytest.mark.parametrize(
    ("left", "life"),
    [(3600.0, 300), (300.0, 300), (299.6, 300), (299.4, 299), (1.0, 1), (0.4, None), (-5, None)],
)
def test_a_token_never_outlives_its_session(left: float, life: int | None):
    times = rules.token_times(NOW, NOW + timedelta(seconds=left), 300)
    assert (times[1] - times[0] if times else None) == life


def test_claims_have_the_shape_that_the_others_read():
    person = UUID(int=5)
    claims = TokenClaims(person, {Role.LEAD, Role.DESK}, 100, 400, 50).to_json()
    assert claims == {
        "exp": 400,
        "iat": 100,
        "iss": "adal-accounts",
        "roles": ["desk", "lead"],
        "stepped": 50,
        "sub": str(person),
    }


def test_nobody_may_call_what_has_no_rule():
    assert not rules.may_call("no_such_operation", list(Role))
    assert not rules.may_call("add_staff", [])
    assert rules.may_call("add_staff", ["operator", "administrator"])


@bounded
@given(
    st.sets(st.sampled_from(["seat-1/2026H2", "seat-2/2026H2", "payments-1/2026H2", "central/2026-11"])),
    st.sets(st.sampled_from(["seat-1/2026H2", "payments-1/2026H2", "central/2026-11"])),
)
def test_only_keys_of_seats_that_nobody_else_holds_keep_somebody(held: set[str], others: set[str]):
    kept = rules.only_here(held, others)
    assert set(kept) == {key for key in held - others if not key.startswith("central")}
    assert kept == sorted(kept)
