"""A promise fits one record and one log, and the entry of the log shows neither."""

from datetime import date

import pytest

from services.crypto import canonical
from services.crypto.errors import BadSignature, FormatError, Refused
from services.crypto.manifests import Manifest
from services.crypto.promises import check_promise, entry, leaf_hash, make_promise, report_record
from services.crypto.signatures import Signed
from tests.crypto.builders import ORIGIN, TODAY, other, sealed, seed, signer, world

SALT = seed("salt")


def promised(manifest: Manifest, day: date = TODAY):
    record = report_record(manifest, day)
    return record, make_promise(leaf_hash(SALT, canonical.dumps(record)), day, ORIGIN, world().log)


def test_a_reporter_checks_the_promise_of_the_report_that_was_filed():
    record, doc = promised(sealed().manifest)
    check_promise(Signed.from_json(doc.to_json()), world().directory.logs[0].verify_key, record, SALT)
    assert record["manifest"] == canonical.b64u(sealed().manifest.digest)
    assert record["rid"] == canonical.b64u(sealed().rid)


def test_the_promise_of_another_report_is_refused():
    _, doc = promised(other().manifest)
    with pytest.raises(Refused):
        check_promise(doc, world().log.verify_key, report_record(sealed().manifest, TODAY), SALT)


def test_the_promise_of_another_day_is_refused():
    _, doc = promised(sealed().manifest, date(2026, 11, 23))
    with pytest.raises(Refused):
        check_promise(doc, world().log.verify_key, report_record(sealed().manifest, TODAY), SALT)


def test_another_log_s_promise_is_refused():
    record, doc = promised(sealed().manifest)
    with pytest.raises(BadSignature):
        check_promise(doc, signer("other log").verify_key, record, SALT)


def test_leaves_of_one_record_differ_by_salt():
    record = canonical.dumps(report_record(sealed().manifest, TODAY))
    assert leaf_hash(SALT, record) != leaf_hash(seed("another"), record)


def test_an_entry_is_64_bytes_random_first():
    leaf = leaf_hash(SALT, b"{}")
    assert entry(seed("random"), leaf) == seed("random") + leaf


@pytest.mark.parametrize("sizes", [(31, 32), (32, 31), (33, 32), (0, 64)])
def test_entries_of_other_sizes_are_refused(sizes: tuple[int, int]):
    with pytest.raises(FormatError):
        entry(bytes(sizes[0]), bytes(sizes[1]))


def test_a_short_salt_is_refused():
    with pytest.raises(FormatError):
        leaf_hash(bytes(16), b"{}")
