-- The grants of all services in one page: what each login may do, and nothing more. Runs after the migrations, as the
-- database's administrator, any number of times. tests/system/test_grants.py tries to break every line.

-- intake: files, reads and answers; changes a report only in its state and its receipt; never changes what is sealed,
-- granted or logged, and deletes of it nothing but grants.
GRANT USAGE ON SCHEMA intake TO adal_intake;
GRANT SELECT ON intake.alembic_version TO adal_intake;
GRANT SELECT, INSERT ON intake.reports, intake.parts, intake.grants, intake.shares, intake.states, intake.assignments TO adal_intake;
GRANT UPDATE (state, lookup_mac, pending_lookup_mac, pending_part, pending_n, code_replaced_on, retaliation_on, carried, pending_carried, classification, body, outcome, outcome_on) ON intake.reports TO adal_intake;
-- Who found a case criminal or not is added to and never changed.
GRANT SELECT, INSERT ON intake.classifications TO adal_intake;
GRANT UPDATE (ended) ON intake.assignments TO adal_intake;
-- A grant is deleted when the desk hands a case on and when somebody's access ends; none is ever changed.
GRANT DELETE ON intake.grants TO adal_intake;
GRANT SELECT, INSERT, UPDATE (status) ON intake.protections TO adal_intake;
GRANT SELECT, INSERT ON intake.disclosures, intake.disclosure_ends TO adal_intake;
-- Calls: what was recorded stays; a note is only marked done. A reporter's notice address may be changed and taken back.
GRANT SELECT, INSERT ON intake.calls TO adal_intake;
GRANT SELECT, INSERT, UPDATE (done_on, done_by) ON intake.call_notes TO adal_intake;
GRANT UPDATE (code_suspect_on, code_suspect) ON intake.reports TO adal_intake;
GRANT SELECT, INSERT, DELETE, UPDATE (sealed) ON intake.notice_addresses TO adal_intake;
-- A limit of the law is never deleted and never changes its kind or start; its day moves when the calendar does.
GRANT SELECT, INSERT, UPDATE (due, met_on, ended_on, reason, warned_on, escalated_on) ON intake.deadlines TO adal_intake;
GRANT UPDATE (register_by) ON intake.reports TO adal_intake;
GRANT SELECT, INSERT, UPDATE (digest, day) ON intake.calendars TO adal_intake;
-- The folder of a case: notes and packages are added and never changed; labels and links may be taken away again.
GRANT SELECT, INSERT ON intake.case_notes, intake.packages_made TO adal_intake;
GRANT SELECT, INSERT, DELETE ON intake.case_labels, intake.case_links TO adal_intake;
-- Triage moves a case into the quarantine lane or out of it.
GRANT UPDATE (lane) ON intake.reports TO adal_intake;
-- Retention: what was read only grows; holds and proposals are ended, never changed. Deleting a report is no right of this
-- login: one function does it, for a proposal of somebody else, and writes the tombstone.
GRANT SELECT, INSERT, UPDATE (number, day) ON intake.case_reads TO adal_intake;
GRANT SELECT, INSERT, UPDATE (released_by, released_on) ON intake.holds TO adal_intake;
GRANT SELECT, INSERT, UPDATE (refused_by, refused_on) ON intake.deletions TO adal_intake;
GRANT SELECT ON intake.tombstones TO adal_intake;
GRANT SELECT, DELETE ON intake.doomed_blobs TO adal_intake;
GRANT EXECUTE ON FUNCTION intake.erase_report(uuid, uuid, date, uuid, bytea) TO adal_intake;
GRANT SELECT, INSERT ON intake.log_records, intake.log_entries, intake.log_tiles, intake.log_checkpoints, intake.log_cosignatures TO adal_intake;
-- Custody: what was signed, sealed or shown stays; only the state of a request moves.
GRANT SELECT, INSERT ON intake.identity_requests, intake.identity_reasons, intake.identity_decisions, intake.identity_releases TO adal_intake;
GRANT SELECT, INSERT ON intake.undertakings, intake.identity_openings TO adal_intake;
GRANT UPDATE (state) ON intake.identity_requests TO adal_intake;
GRANT SELECT, INSERT ON intake.directories, intake.certificates_logged TO adal_intake;
GRANT SELECT, INSERT, DELETE ON intake.spent_challenges TO adal_intake;
-- A draft and its uploads are deleted when they are filed or too old. PostgreSQL lets only who may update lock a row.
GRANT SELECT, INSERT, DELETE, UPDATE (expires) ON intake.drafts TO adal_intake;
GRANT SELECT, INSERT, DELETE, UPDATE (received, stored, segments, sha256) ON intake.uploads TO adal_intake;
GRANT SELECT, INSERT, DELETE, UPDATE (answer) ON intake.idempotency_keys TO adal_intake;
GRANT SELECT, INSERT, UPDATE ON intake.job_runs TO adal_intake;
-- An event goes when its consumer has it; of one that waits only its position is set.
GRANT SELECT, INSERT, DELETE, UPDATE (position) ON intake.outbox TO adal_intake;
GRANT SELECT, INSERT, UPDATE (given, acknowledged) ON intake.feed_consumers TO adal_intake;

-- accounts: adds people and never deletes them; changes their roles, whether they work here, credentials, own keys and
-- counters; forgets ended sessions and used codes. Never changes a login, a name, or what a passkey or API client is.
GRANT USAGE ON SCHEMA accounts TO adal_accounts;
GRANT SELECT ON accounts.alembic_version TO adal_accounts;
GRANT SELECT, INSERT, DELETE ON accounts.external_subjects, accounts.external_logins TO adal_accounts;
GRANT SELECT, INSERT ON accounts.people, accounts.credentials, accounts.keys, accounts.certificates, accounts.group_keys TO adal_accounts;
GRANT UPDATE (roles, active, left_on) ON accounts.people TO adal_accounts;
GRANT UPDATE (password_phc, totp_box, totp_last_step, totp_confirmed, enrolment_hash, enrolment_expires) ON accounts.credentials TO adal_accounts;
GRANT UPDATE (wrapped, recipient, verify_key) ON accounts.keys TO adal_accounts;
GRANT UPDATE (added, ended) ON accounts.certificates TO adal_accounts;
GRANT SELECT, INSERT, DELETE, UPDATE (document, proposed_by, day) ON accounts.pending_certificates TO adal_accounts;
-- A key that is split anew takes its sub-shares with it.
GRANT SELECT, INSERT, DELETE ON accounts.split_keys, accounts.key_shares, accounts.released_shares TO adal_accounts;
GRANT UPDATE (data) ON accounts.group_keys TO adal_accounts;
GRANT SELECT, INSERT, DELETE, UPDATE (revoked, stepped) ON accounts.sessions TO adal_accounts;
GRANT SELECT, INSERT, DELETE, UPDATE (sign_count) ON accounts.passkeys TO adal_accounts;
GRANT SELECT, INSERT, DELETE ON accounts.challenges, accounts.recovery_codes TO adal_accounts;
GRANT SELECT, INSERT, UPDATE (secret_hash, active) ON accounts.api_clients TO adal_accounts;
GRANT DELETE ON accounts.group_keys TO adal_accounts;
GRANT SELECT, INSERT, DELETE, UPDATE (window_start, count) ON accounts.sign_in_throttle TO adal_accounts;
GRANT SELECT, INSERT, UPDATE ON accounts.job_runs TO adal_accounts;

-- rewards
GRANT USAGE ON SCHEMA rewards TO adal_rewards;
GRANT SELECT ON rewards.alembic_version, rewards.mci_values TO adal_rewards;
GRANT SELECT, INSERT, UPDATE ON rewards.job_runs TO adal_rewards;
-- What intake told stays as it came; only the cursor moves. PostgreSQL lets only who may update lock its row.
GRANT SELECT, INSERT ON rewards.outcomes, rewards.events_seen, rewards.unreadable TO adal_rewards;
GRANT SELECT, INSERT, UPDATE (position, missed) ON rewards.feed_cursor TO adal_rewards;

-- registry
GRANT USAGE ON SCHEMA registry TO adal_registry;
GRANT SELECT ON registry.alembic_version, registry.publication TO adal_registry;
GRANT SELECT, INSERT, UPDATE ON registry.job_runs TO adal_registry;
-- What intake told stays as it came; only the cursor moves. PostgreSQL lets only who may update lock its row.
GRANT SELECT, INSERT ON registry.outcomes, registry.events_seen, registry.unreadable TO adal_registry;
GRANT SELECT, INSERT, UPDATE (position, missed) ON registry.feed_cursor TO adal_registry;
