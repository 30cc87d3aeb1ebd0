"""Tables of the accounts service. Secrets lie here only as hashes or sealed under a key outside the database.

Nothing tells from where or how often somebody signed in; ended sessions are deleted.
"""

import uuid

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.kit.db import metadata as make_metadata

metadata = make_metadata("accounts")


def _person(primary_key: bool = True) -> Column[uuid.UUID]:
    return Column("person", Uuid, ForeignKey("accounts.people.id"), primary_key=primary_key, nullable=False)


people = Table(
    "people",
    metadata,
    Column("id", Uuid, primary_key=True, default=uuid.uuid4),
    Column("login", Text, nullable=False, unique=True, comment="lower case"),
    Column("name", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created", Date, nullable=False),
    Column("left_on", Date, comment="the last day of somebody who left for good"),
)

credentials = Table(
    "credentials",
    metadata,
    _person(),
    Column("password_phc", Text, comment="Argon2id; null until enrolled"),
    Column("totp_box", LargeBinary, comment="the TOTP secret, sealed under the service key for this person"),
    Column("totp_last_step", Integer, nullable=False, comment="the step of the last code used, -1 for none"),
    Column("totp_confirmed", Boolean, nullable=False, comment="whether a code was ever used"),
    Column("enrolment_hash", LargeBinary, comment="SHA-256 of the one-time secret; null when there is none"),
    Column("enrolment_expires", DateTime(timezone=True)),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", LargeBinary, primary_key=True, comment="SHA-256 of the session secret"),
    _person(primary_key=False),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("expires", DateTime(timezone=True), nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("stepped", DateTime(timezone=True), comment="the last full proof; null for the sign-in itself"),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Uuid, primary_key=True, default=uuid.uuid4),
    Column("person", Uuid, ForeignKey("accounts.people.id"), nullable=False, index=True),
    Column(
        "credential", LargeBinary, nullable=False, unique=True, comment="id that the authenticator gave it"
    ),
    Column("public_key", LargeBinary, nullable=False, comment="COSE key"),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", Text, nullable=False, comment="given by its owner"),
    Column("created", Date, nullable=False),
)

challenges = Table(
    "challenges",
    metadata,
    Column("hash", LargeBinary, primary_key=True, comment="SHA-256 of the challenge"),
    Column("owner", LargeBinary, nullable=False, comment="keyed hash of its purpose and of who asked"),
    Column("expires", DateTime(timezone=True), nullable=False),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    _person(),
    Column("hash", LargeBinary, primary_key=True, comment="keyed hash; the row goes when used"),
)

api_clients = Table(
    "api_clients",
    metadata,
    Column("id", Uuid, primary_key=True, default=uuid.uuid4),
    Column("name", Text, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, comment="SHA-256 of 256 random bits"),
    Column("active", Boolean, nullable=False),
    Column("created", Date, nullable=False),
)

sign_in_throttle = Table(
    "sign_in_throttle",
    metadata,
    Column("key", LargeBinary, primary_key=True, comment="keyed hash of a login, known or not"),
    Column("window_start", DateTime(timezone=True), nullable=False),
    Column("count", Integer, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    _person(),
    Column("wrapped", LargeBinary, nullable=False, comment="age file under the person's passphrase"),
    Column("recipient", Text, nullable=False),
    Column("verify_key", LargeBinary, nullable=False),
)

certificates = Table(
    "certificates",
    metadata,
    _person(),
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the canonical signed document"),
    Column("document", JSONB, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date, nullable=False),
    Column("added", DateTime(timezone=True), nullable=False),
    Column("ended", Date, comment="the day on which its keys were replaced"),
)

pending_certificates = Table(
    "pending_certificates",
    metadata,
    _person(),
    Column("document", JSONB, nullable=False, comment="signed by one certifier, not yet by a second"),
    Column("proposed_by", Uuid, ForeignKey("accounts.people.id"), nullable=False),
    Column("day", Date, nullable=False),
)

group_keys = Table(
    "group_keys",
    metadata,
    _person(),
    Column("key_id", Text, primary_key=True, comment="such as central/2026-11"),
    Column("data", LargeBinary, nullable=False, comment="age file sealed to the person"),
)

split_keys = Table(
    "split_keys",
    metadata,
    Column("key_id", Text, primary_key=True, comment="such as seat-2/2026H2"),
    Column("document", JSONB, nullable=False, comment="signed by the key that was split"),
    Column("person", Uuid, ForeignKey("accounts.people.id"), nullable=False),
    Column("day", Date, nullable=False),
)

key_shares = Table(
    "key_shares",
    metadata,
    Column("key_id", Text, ForeignKey("accounts.split_keys.key_id"), primary_key=True),
    Column("holder", Text, primary_key=True, comment="id of the key it is sealed to"),
    Column("data", LargeBinary, nullable=False, comment="age file sealed to the holder"),
)

released_shares = Table(
    "released_shares",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("holder", Text, primary_key=True),
    _person(),
    Column("released_by", Uuid, ForeignKey("accounts.people.id"), nullable=False),
    Column("data", LargeBinary, nullable=False, comment="age file sealed to the person"),
    Column("day", Date, nullable=False),
    ForeignKeyConstraint(["key_id", "holder"], ["accounts.key_shares.key_id", "accounts.key_shares.holder"]),
)

external_subjects = Table(
    "external_subjects",
    metadata,
    _person(),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="who the issuer says it is; given by it"),
    UniqueConstraint("issuer", "subject"),
)

external_logins = Table(
    "external_logins",
    metadata,
    Column(
        "hash", LargeBinary, primary_key=True, comment="SHA-256 of the login's secret, of one that was used"
    ),
    Column("box", LargeBinary, comment="no longer written: what waits travels sealed in the login"),
    Column("expires", DateTime(timezone=True), nullable=False),
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
