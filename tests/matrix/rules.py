"""Who may call what: one line for each operation, written by hand and apart from the services' own tables.

`tests/matrix` refuses a route without a line, compares the lines with `rules.ACCESS` and `rules.STEP_UP` of each
service, and executes every cell. `docs/access.md` is made from here: `python -m tests.matrix`.

Kinds: `public` asks nobody who they are; `page` the same for pages without script, whose forms come from this site only;
`inbox`, `draft` and `session` want the secret of that inbox, draft or session; `staff` wants a role.

`who` of a staff line lists roles. `role@own` may do it to what is theirs only, `role@a,b` to objects that stand in the
relation `a` or `b` to them (`tests.matrix.objects` says what is what); a list shows them no more than that. Everything
else is not found for them, or refused as `refusals` says. A later word about a role replaces an earlier one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.contracts.accounts import Role

EVERYBODY = "everybody"
#: In place of a list of relations: any object that exists.
ANY = ("*",)


@dataclass(frozen=True)
class Rule:
    """One line of the table."""

    kind: str
    who: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    step_up: bool = False
    #: Relation -> status for a caller of a right role; 404 where nothing is said.
    refusals: Mapping[str, int] = field(default_factory=dict)
    #: What `Cache-Control` begins with in a good answer.
    cache: str = "no-store"

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(self.who)

    def allows(self, caller: str, relation: str) -> bool:
        """Whether a caller may do it to an object in this relation; `erased` and `left` are nobody's.

        `-` is an address that names no object: a list, or a new thing.
        """
        relations = self.who.get(caller, ())
        if relation == "-" or relations == ANY:
            return bool(relations) and relation not in {"erased", "left"}
        return relation in relations

    def refusal(self, relation: str) -> int:
        return self.refusals.get(relation, 404)


def _who(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for word in text.split():
        role, _, relations = word.partition("@")
        names = [str(each) for each in Role] if role == EVERYBODY else [role]
        found |= {name: tuple(relations.split(",")) if relations else ANY for name in names}
    return found


def public(cache: str = "no-store") -> Rule:
    return Rule("public", {"anybody": ANY}, cache=cache)


def page(cache: str = "no-store") -> Rule:
    return Rule("page", {"anybody": ANY}, cache=cache)


def holder(kind: str, relation: str = "*") -> Rule:
    """Of an inbox, a draft or a session: its secret opens it and nothing else does."""
    return Rule(kind, {kind: (relation,)})


def staff(who: str, step_up: bool = False, **refusals: int) -> Rule:
    return Rule("staff", _who(who), step_up, refusals)


COMMON = {
    "openapi": public(),
    "healthz": public(),
    "readyz": public(),
}

INTAKE = {
    # --- filing and the log
    "read_key_directory": public("public"),
    "read_earlier_directory": public(),
    "read_form": public("public"),
    "read_rights": public("public"),
    "read_disclosure_articles": public("public"),
    "read_challenge": public(),
    "file_plain_report": public(),
    "file_sealed_package": public(),
    "read_log_checkpoint": public("no-cache"),
    "read_witnessed_checkpoint": public("no-cache"),
    "read_log_tile": public("public"),
    "read_log_proof": public("no-cache"),
    "add_cosignatures": public(),
    # --- drafts and uploads
    "open_draft": public(),
    "describe_uploads": public(),
    "create_upload": holder("draft"),
    "read_upload_offset": holder("draft", "own"),
    "send_upload_bytes": holder("draft", "own"),
    "delete_upload": holder("draft", "own"),
    # --- the inbox; in plain mode the receipt itself is in the body
    "open_inbox": public(),
    "read_inbox": holder("inbox"),
    "read_inbox_part": holder("inbox", "own"),
    "send_message": holder("inbox"),
    "report_retaliation": holder("inbox"),
    "add_identity": holder("inbox"),
    "offer_code": holder("inbox"),
    "confirm_code": holder("inbox"),
    "leave_notice_address": holder("inbox"),
    "drop_notice_address": holder("inbox"),
    "read_plain_inbox": public(),
    "send_plain_message": public(),
    "report_plain_retaliation": public(),
    "add_plain_identity": public(),
    "read_plain_file": public(),
    "offer_plain_code": public(),
    "confirm_plain_code": public(),
    # --- cases
    "list_cases": staff("desk lead investigator@own"),
    "read_case": staff("desk lead investigator@own"),
    "read_case_part": staff("desk lead investigator@own"),
    "read_step_reference": staff("desk lead investigator"),
    "take_step": staff("desk lead investigator@own"),
    "classify_case": staff("desk lead"),
    "record_body": staff("desk lead"),
    "extend_case": staff("lead"),
    "mark_limit": staff("desk lead"),
    "read_deadline_figures": staff("lead auditor"),
    "read_folder": staff("desk lead investigator@own"),
    "list_notes": staff("desk lead investigator@own"),
    "add_note": staff("desk lead investigator@own"),
    "read_label_reference": staff("desk lead investigator"),
    "set_labels": staff("desk lead investigator@own"),
    "link_cases": staff("desk lead investigator@own"),
    "unlink_cases": staff("desk lead investigator@own"),
    "record_package": staff("desk lead investigator@own"),
    "read_log_record": staff("desk lead investigator@own"),
    "triage_cases": staff("desk lead"),
    "assign_case": staff("desk lead"),
    "end_access": staff("desk lead"),
    "answer_case": staff("desk lead investigator@own"),
    "change_protection": staff("desk lead"),
    "add_disclosure": staff("lead"),
    "end_disclosure": staff("lead"),
    "list_disclosures": staff("lead auditor"),
    # --- retention
    "confirm_read": staff("desk lead investigator@own"),
    "place_hold": staff("lead"),
    "release_hold": staff("lead"),
    "read_deletion": staff("desk lead"),
    "propose_deletion": staff("desk lead", step_up=True),
    "approve_deletion": staff("lead", step_up=True),
    "refuse_deletion": staff("desk lead", step_up=True),
    "read_retention_reference": staff("desk lead auditor"),
    "list_due_cases": staff("desk lead"),
    "list_proposed_deletions": staff("desk lead"),
    "list_deletions": staff("lead auditor"),
    # --- calls to 1424
    "read_call_reference": staff("operator desk lead"),
    "register_call": staff("operator"),
    "read_call_figures": staff("operator lead"),
    "look_up_status": staff("operator desk lead"),
    "report_code_used": staff("operator desk lead"),
    "list_callbacks": staff("desk lead"),
    "finish_callback": staff("desk lead"),
    # --- keys
    "publish_directory": staff("administrator"),
    "log_certificate": staff("certifier"),
    "list_desk_months": staff("lead"),
    # --- identities
    "read_custody_reference": staff("desk lead investigator custodian auditor"),
    "ask_identity": staff("desk lead investigator@own", step_up=True),
    "list_identity_requests": staff("desk@own lead@own investigator@own custodian auditor"),
    "read_identity_request": staff("desk@own lead@own investigator@own custodian"),
    "decide_identity_request": staff("custodian", step_up=True),
    "read_identity_share": staff("custodian@own"),
    "release_identity_share": staff("custodian@own", step_up=True),
    "sign_undertaking": staff("desk@own lead@own investigator@own"),
    "open_identity": staff("desk@own lead@own investigator@own", step_up=True),
    "list_undertakings": staff("lead auditor"),
    # --- pages without script
    "pages.choose_language": page(),
    "pages.read_static": page("public"),
    "pages.add_slash": page(),
    "pages.show_front": page(),
    "pages.show_channels": page(),
    "pages.show_nothing": page(),
    "pages.show_report_form": page(),
    "pages.show_no_receipt": page(),
    "pages.send_report": page(),
    "pages.check_receipt": page(),
    "pages.show_inbox_entry": page(),
    "pages.leave_inbox": page(),
    "pages.open_inbox": page(),
    "pages.fetch_file": page(),
    "pages.write_message": page(),
    "pages.tell_identity": page(),
    "pages.offer_code": page(),
    "pages.confirm_code": page(),
    "pages.report_retaliation": page(),
}

ACCOUNTS = {
    # --- before sign-in: the proof is in the body
    "sign_in": public(),
    "start_sign_in": public(),
    "enrol": public(),
    "client_token": public(),
    "begin_sign_on": public(),
    "challenge_sign_on": public(),
    "finish_sign_on": public(),
    # --- one's sessions
    "renew_token": holder("session"),
    "list_sessions": holder("session", "own"),
    "end_other_sessions": holder("session"),
    "sign_out": holder("session"),
    "end_session": holder("session", "own"),
    "start_step_up": holder("session"),
    "step_up": holder("session"),
    # --- oneself
    "read_me": staff("everybody@own"),
    "store_my_key": staff("everybody"),
    "list_passkeys": staff("everybody@own"),
    "start_passkey": staff("everybody", step_up=True),
    "add_passkey": staff("everybody", step_up=True),
    "remove_passkey": staff("everybody@own", step_up=True),
    "renew_recovery_codes": staff("everybody", step_up=True),
    "renew_second_factor": staff("everybody", step_up=True),
    # --- keys of others and of groups
    "store_certificate": staff("administrator"),
    # Public keys, which whoever hands on a sub-share needs of the one who takes over.
    "read_staff_keys": staff("everybody"),
    "propose_certificate": staff("certifier@other", oneself=409),
    "complete_certificate": staff("certifier@other", oneself=409),
    "store_group_key": staff(
        "administrator@desk,seat,payments lead@desk desk@desk custodian@seat payments@payments",
        desk=403,
        seat=403,
        payments=403,
        personal=403,
    ),
    "keep_my_group_key": staff("everybody"),
    "drop_my_group_key": staff("everybody@own"),
    "destroy_group_key": staff("lead", step_up=True),
    "store_split": staff(
        "everybody@own custodian@seat payments@own,payments", own=403, other=403, seat=403, payments=403
    ),
    "list_splits": staff("everybody@own"),
    "release_share": staff("everybody@own"),
    # --- accounts of others
    "list_staff": staff("desk lead administrator auditor certifier"),
    "add_staff": staff("administrator", step_up=True),
    "change_roles": staff("administrator@other", step_up=True, oneself=403),
    "set_active": staff("administrator@other", step_up=True, oneself=403),
    "renew_enrolment": staff("administrator@other", step_up=True, oneself=403),
    "leave_staff": staff("administrator@other", step_up=True, oneself=403),
    "end_sessions": staff("administrator"),
    "link_external_subject": staff("administrator@other", step_up=True, oneself=403),
    "unlink_external_subject": staff("administrator@other", step_up=True, oneself=403),
    # --- systems
    "list_clients": staff("administrator"),
    "add_client": staff("administrator", step_up=True),
    "renew_client_secret": staff("administrator", step_up=True),
    "set_client_active": staff("administrator", step_up=True),
}

REWARDS = {"list_mci": public(), "read_mci": public()}
REGISTRY = {"read_publication": public()}

#: Id of an operation -> its rule.
RULES: Mapping[str, Rule] = {
    f"{service}.{name}": rule
    for service, lines in (
        ("intake", INTAKE),
        ("accounts", ACCOUNTS),
        ("rewards", REWARDS),
        ("registry", REGISTRY),
    )
    for name, rule in (COMMON | lines).items()
}


def rule_of(operation_id: str) -> Rule:
    """The line of an operation. Without one the matrix is not complete, and no test of it passes."""
    assert operation_id in RULES, (
        f"{operation_id} has no line in tests/matrix/rules.py. Write who may call it, for example "
        f'"{operation_id.partition(".")[2]}": staff("desk lead investigator@own"), or public(), page(), holder("inbox"); '
        "then `python -m tests.matrix` and look at docs/access.md."
    )
    return RULES[operation_id]
