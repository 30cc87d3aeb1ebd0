"""Tables of the intake service. What lies here in clear is exactly the list of `sealing.md` section 3.

Ids are random; dates are days; there is no column for an address, a visit or an hour.
"""

import uuid

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.kit.db import metadata as make_metadata

metadata = make_metadata("intake")


def _id() -> Column[uuid.UUID]:
    return Column("id", Uuid, primary_key=True, default=uuid.uuid4)


def _report() -> Column[uuid.UUID]:
    return Column("report_id", Uuid, ForeignKey("intake.reports.id"), nullable=False)


def _list_indexes() -> list[Index]:
    """One for each filter of the case list, in the list's order, with the other filters beside.

    So a page is found in one index, however rare what it looks for is; they cost a filing a tenth of a millisecond.
    """
    codes = ("state", "category", "region", "sector")
    beside = (*codes, "mode", "lane")
    order = ("filed_on", "id")
    found = [
        Index(
            f"ix_reports_list_{code}",
            code,
            *order,
            # What waits to be registered is looked for by its last day.
            postgresql_include=[
                *(b for b in beside if b != code),
                *(["register_by"] if code == "state" else []),
            ],
        )
        for code in codes
    ]
    quarantined, flagged = text("lane = 'quarantine'"), text("retaliation_on IS NOT NULL")
    return [
        *found,
        Index(
            "ix_reports_list_quarantine",
            *order,
            postgresql_include=list(beside[:-1]),
            postgresql_where=quarantined,
        ),
        Index(
            "ix_reports_list_retaliation", *order, postgresql_include=list(beside), postgresql_where=flagged
        ),
        Index(
            "ix_reports_list_due",
            *order,
            postgresql_include=["next_due", "register_by", *beside],
            postgresql_where=text("next_due IS NOT NULL OR state = 'received'"),
        ),
    ]


reports = Table(
    "reports",
    metadata,
    _id(),
    Column("reference", Text, nullable=False, unique=True),
    Column("rid", LargeBinary, nullable=False, unique=True),
    Column("lookup_mac", LargeBinary, nullable=False, unique=True),
    Column("pending_lookup_mac", LargeBinary, unique=True),
    Column(
        "pending_part", LargeBinary, comment="the reporter-keys part, added when the new code is typed back"
    ),
    Column("pending_n", Integer),
    Column(
        "carried",
        LargeBinary,
        comment="the newest report key, noted by the reporter for the code in force, sealed to that code",
    ),
    Column("pending_carried", LargeBinary, comment="the same for the new code"),
    Column("code_replaced_on", Date),
    Column(
        "code_suspect_on", Date, comment="day on which 1424 was told last that somebody else used the code"
    ),
    # A default, so that yesterday's code files on today's schema.
    Column(
        "code_suspect",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="that code is still in force: nothing more is sealed to it",
    ),
    Column("retaliation_on", Date, comment="first day on which the reporter reported retaliation"),
    Column("filed_on", Date, nullable=False),
    Column("register_by", Date, comment="last day to register it; decided at filing"),
    Column("next_due", Date, comment="last day of the first limit that runs"),
    Column("state", Text, nullable=False),
    # A default, so that yesterday's code files on today's schema.
    Column(
        "lane",
        Text,
        nullable=False,
        server_default="main",
        comment="quarantine: filed above the budget of pages",
    ),
    Column("desk", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("dir_seq", Integer, nullable=False),
    Column("category", Text, nullable=False),
    Column("sector", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("amount_band", Text, nullable=False),
    Column("year", SmallInteger),
    Column("channel", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("manifest", LargeBinary, nullable=False, comment="canonical JSON, as signed"),
    Column("signature", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False, comment="hash that the promise names"),
    Column("classification", Text, comment="the one in force; who said so stands in classifications"),
    Column("body", Text, comment="code of the body concerned, recorded by the desk"),
    Column("outcome", Text, comment="kind of outcome of a closed case; all else of it is sealed"),
    Column("outcome_on", Date),
    CheckConstraint("mode IN ('sealed', 'plain')", name="mode"),
    CheckConstraint("classification IN ('criminal', 'non_criminal')", name="classification"),
    CheckConstraint("lane IN ('main', 'quarantine')", name="lane"),
    Index("ix_reports_filed_on_id", "filed_on", "id"),
    *_list_indexes(),
)

parts = Table(
    "parts",
    metadata,
    _id(),
    _report(),
    Column("number", Integer, nullable=False, comment="order of arrival within the report, from 0"),
    Column("role", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("n", Integer, comment="place in the author's chain; null for attachments"),
    Column("day", Date, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, comment="the age file, when it is small"),
    Column("blob", Text, comment="name in the blob store, when it is not"),
    CheckConstraint("author IN ('reporter', 'desk', 'staff')", name="author"),
    CheckConstraint("(sealed IS NULL) <> (blob IS NULL)", name="one_place"),
    # Two parts cannot take the same place in a chain, whatever the timing; desk and staff share one chain.
    Column("chain", Text, nullable=False, comment="reporter or desk; attachments hang on their message"),
    CheckConstraint("chain IN ('reporter', 'desk')", name="chain"),
    Index("uq_parts_report_number", "report_id", "number", unique=True),
    # One file, one part: what an upload became cannot be filed a second time.
    Index("uq_parts_blob", "blob", unique=True),
    Index("uq_parts_report_chain_n", "report_id", "chain", "n", unique=True),
)

grants = Table(
    "grants",
    metadata,
    _id(),
    _report(),
    Column("holder", Text, nullable=False, comment="desk id, or person id of assigned staff"),
    Column("role", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column(
        "key_n",
        Integer,
        nullable=False,
        server_default="0",
        comment="which key of the report: 0 that of the manifest, else 1 + n of a report-keys part",
    ),
    Index("uq_grants_report_holder_key", "report_id", "holder", "key_n", unique=True),
)

shares = Table(
    "shares",
    metadata,
    _id(),
    _report(),
    Column("seat", SmallInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("uq_shares_report_seat", "report_id", "seat", unique=True),
)

states = Table(
    "states",
    metadata,
    _id(),
    _report(),
    Column("place", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("person", Uuid, comment="who changed it; null for the filing itself"),
    # Null in rows of the filing, and of the time before there were steps.
    Column("step", Text),
    Column("ground", Text, comment="code of the ground of a return"),
    Column("body", Text, comment="code of the body that a case was forwarded to"),
    Column("outcome", Text, comment="kind of outcome of a closing"),
    Index("uq_states_report_place", "report_id", "place", unique=True),
)

assignments = Table(
    "assignments",
    metadata,
    _id(),
    _report(),
    Column("person", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    Column("assigned_by", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    Column("ended", Date),
    # Once at a time: an access that ended stays in the history, and may be given again.
    Index(
        "uq_assignments_report_person_now",
        "report_id",
        "person",
        unique=True,
        postgresql_where=text("ended IS NULL"),
    ),
    Index("ix_assignments_person", "person"),
)

protections = Table(
    "protections",
    metadata,
    _id(),
    _report(),
    Column("started", Date, nullable=False),
    Column(
        "ends", Date, nullable=False, comment="by the setting at the start; not confirmed by the law's text"
    ),
    Column("status", Text, nullable=False),
    CheckConstraint("status IN ('asked', 'in_hand', 'ended')", name="status"),
    Index("uq_protections_report", "report_id", unique=True),
)

disclosures = Table(
    "disclosures",
    metadata,
    _id(),
    _report(),
    Column("day", Date, nullable=False),
    Column("article", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("recorded_by", Uuid, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="who and what, sealed to leads"),
    CheckConstraint("status IN ('recorded')", name="status"),
    Index("ix_disclosures_report_id", "report_id"),
)

log_records = Table(
    "log_records",
    metadata,
    _id(),
    Column("day", Date, nullable=False),
    Column("record", LargeBinary, comment="null once erased: the leaf then says nothing any more"),
    Column("salt", LargeBinary, comment="null once erased"),
    Column("leaf", LargeBinary, nullable=False, unique=True),
    CheckConstraint("(record IS NULL) = (salt IS NULL)", name="erased"),
    # Finds the records of one report, by its rid or by an identity request about it, when it is deleted.
    Index(
        "ix_log_records_about",
        text(
            "COALESCE(substring(encode(record, 'escape'), '\"rid\":\"([A-Za-z0-9_-]{43})\"'), "
            "substring(encode(record, 'escape'), '\"request\":\"([A-Za-z0-9_-]{43})\"'))"
        ),
    ),
)

log_entries = Table(
    "log_entries",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False, unique=True),
)

log_tiles = Table(
    "log_tiles",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("width", SmallInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

log_checkpoints = Table(
    "log_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("day", Date, nullable=False),
    Column("note", Text, nullable=False),
)

log_cosignatures = Table(
    "log_cosignatures",
    metadata,
    Column(
        "size", BigInteger, ForeignKey("intake.log_checkpoints.size"), primary_key=True, autoincrement=False
    ),
    Column("witness", Text, primary_key=True, comment="vkey, as the directory names it"),
    Column("line", Text, nullable=False, comment="the signature line of the note, with its newline"),
)

drafts = Table(
    "drafts",
    metadata,
    _id(),
    Column("secret", LargeBinary, nullable=False, unique=True, comment="SHA-256 of what the reporter holds"),
    Column("mode", Text, nullable=False),
    Column("expires", DateTime(timezone=True), nullable=False, comment="whole hours"),
    Column("dir_seq", Integer, comment="plain mode: the directory whose desk has the grant"),
    Column("report_recipient", Text, comment="plain mode: public half of the report key"),
    Column("desk", Text),
    Column("sealed_grant", LargeBinary, comment="plain mode: the report key, sealed to the desk"),
    Column(
        "by_page", Boolean, nullable=False, server_default=false(), comment="opened without proof of work"
    ),
    Column(
        "channels",
        ARRAY(Text),
        comment="channels that its report may name; null for those of everybody",
    ),
    CheckConstraint("mode IN ('sealed', 'plain')", name="mode"),
    Index("ix_drafts_expires", "expires"),
)

uploads = Table(
    "uploads",
    metadata,
    _id(),
    Column("draft_id", Uuid, ForeignKey("intake.drafts.id"), nullable=False),
    Column("blob", Text, nullable=False, unique=True, comment="name in the blob store"),
    Column("length", BigInteger, nullable=False, comment="bytes announced"),
    Column("received", BigInteger, nullable=False, comment="bytes of it that are durable: Upload-Offset"),
    Column("stored", BigInteger, nullable=False, comment="durable bytes of the file; what follows is cut"),
    Column("segments", JSONB, comment="plain mode: [plain bytes, file bytes] of each segment"),
    Column("sha256", LargeBinary, comment="of the whole file, once it is complete"),
    CheckConstraint("received <= length", name="received"),
    Index("ix_uploads_draft_id", "draft_id"),
)

directories = Table(
    "directories",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("document", JSONB, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True), nullable=False),
)

identity_requests = Table(
    "identity_requests",
    metadata,
    _id(),
    _report(),
    Column("digest", LargeBinary, nullable=False, unique=True, comment="H: the request's name everywhere"),
    Column("document", JSONB, nullable=False, comment="signed by the asker"),
    Column("asker", Uuid, nullable=False),
    Column("ground", Text, nullable=False),
    Column("deferral", Date),
    Column("day", Date, nullable=False),
    Column("expires", DateTime(timezone=True), nullable=False),
    Column("k", SmallInteger, nullable=False, comment="approvals needed"),
    Column("n", SmallInteger, nullable=False, comment="seats that may decide"),
    Column("state", Text, nullable=False),
    Column("leaf", LargeBinary, nullable=False, comment="of its log record, which has the salt"),
    CheckConstraint("state IN ('open', 'approved', 'refused', 'released', 'opened')", name="state"),
    Index("ix_identity_requests_report_id", "report_id"),
    Index("ix_identity_requests_asker", "asker"),
)


def _request() -> Column[uuid.UUID]:
    return Column("request_id", Uuid, ForeignKey("intake.identity_requests.id"), nullable=False)


identity_reasons = Table(
    "identity_reasons",
    metadata,
    _id(),
    _request(),
    Column("place", SmallInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="sealed to at most eight seats"),
    Index("uq_identity_reasons_request_place", "request_id", "place", unique=True),
)

identity_decisions = Table(
    "identity_decisions",
    metadata,
    _id(),
    _request(),
    Column("seat", SmallInteger, nullable=False),
    Column("person", Uuid, nullable=False),
    Column("approves", Boolean, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("document", JSONB, nullable=False, comment="signed by the seat and by its holder"),
    Column("day", Date, nullable=False),
    # Neither a seat nor a person decides twice, whatever the timing.
    Index("uq_identity_decisions_request_seat", "request_id", "seat", unique=True),
    Index("uq_identity_decisions_request_person", "request_id", "person", unique=True),
)

identity_releases = Table(
    "identity_releases",
    metadata,
    _id(),
    _request(),
    Column("seat", SmallInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="sealed to the asker"),
    Column("sha256", LargeBinary, nullable=False),
    Column("day", Date, nullable=False),
    Index("uq_identity_releases_request_seat", "request_id", "seat", unique=True),
)

undertakings = Table(
    "undertakings",
    metadata,
    _id(),
    _request(),
    _report(),
    Column("person", Uuid, nullable=False),
    Column("text", Text, nullable=False, comment="code of the version of the text"),
    Column("digest", LargeBinary, nullable=False),
    Column("document", JSONB, nullable=False, comment="signed by the person"),
    Column("day", Date, nullable=False),
    Index("uq_undertakings_request", "request_id", unique=True),
    Index("ix_undertakings_day_id", "day", "id"),
)

identity_openings = Table(
    "identity_openings",
    metadata,
    _id(),
    _request(),
    _report(),
    Column("ground", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("shown_from", Date, nullable=False, comment="the end of an approved deferral"),
    Index("uq_identity_openings_request", "request_id", unique=True),
    Index("ix_identity_openings_report_id", "report_id"),
)

certificates_logged = Table(
    "certificates_logged",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("day", Date, nullable=False),
)

spent_challenges = Table(
    "spent_challenges",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("expires", DateTime(timezone=True), nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", LargeBinary),
    Column("expires", DateTime(timezone=True), nullable=False),
    Index("ix_idempotency_keys_expires", "expires"),
)

job_runs = Table(
    "job_runs",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started", DateTime(timezone=True), nullable=False),
    Column("finished", DateTime(timezone=True)),
    Column("done", Integer, nullable=False),
    Column("error", Text, nullable=False),
)

# Other tables join this metadata by being imported: migrations and tests read `services.intake.models.metadata`.
# So do the classifications.
# And how incidents of disclosure ended.
# And the folder of a case.
from services.intake import (  # noqa: E402, F401
    call_models,
    clock_models,
    disclosure_models,
    folder_models,
    outbox_models,
    retention_models,
    step_models,
)
