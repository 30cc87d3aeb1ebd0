"""A unique marker in every field a person can fill, then a search of everything the system wrote anywhere."""

import base64
import binascii
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altcha
import httpx2

from services.intake.form import load_form
from tests.system.conftest import Server

API = "/api/intake/v1"


def marker() -> str:
    return "MARK" + secrets.token_hex(12)


def spellings(text: str) -> Iterator[bytes]:
    """A text as it could lie in a file: plain, UTF-16, hexadecimal, base64 at each of the three alignments."""
    raw = text.encode()
    yield raw
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
    yield binascii.hexlify(raw)
    yield binascii.hexlify(raw).upper()
    for shift in range(3):
        # The first and last characters depend on neighbours; the middle does not.
        yield base64.b64encode(b"x" * shift + raw)[4:-4]
        yield base64.urlsafe_b64encode(b"x" * shift + raw)[4:-4]


def filled(marks: list[str]) -> dict[str, Any]:
    """A plain report with a fresh marker in every free field."""

    def mark() -> str:
        marks.append(marker())
        return marks[-1]

    form = load_form()
    codes = {f.code: form.lists[f.list].items[0].code for f in form.fields if f.list}
    free = ("text", "longtext")
    return {
        "form": form.version,
        "mode": "confidential",
        "fields": {c: codes[c] for c in form.of("fields") if c != "year"} | {"language": "kk", "year": 2026},
        "answers": {f.code: mark() for f in form.of("answers").values() if f.kind in free},
        "identity": {f.code: mark() for f in form.of("identity").values() if f.kind in free},
        "attachments": [
            {
                "name": f"{mark()}.txt",
                "type": "text/plain",
                "data": base64.b64encode(mark().encode()).decode(),
            },
            {
                "name": "big.bin",
                "type": "video/mp4",
                "data": base64.b64encode(mark().encode() * 5000).decode(),
            },
        ],
    }


def headers(client: httpx2.Client) -> dict[str, str]:
    """An idempotency key and a solved challenge."""
    challenge = client.get(f"{API}/challenge").json()
    solution = altcha.solve_challenge(altcha.Challenge.from_dict(challenge))
    payload = {"challenge": challenge, "solution": solution.to_dict()}
    return {
        "Idempotency-Key": secrets.token_urlsafe(24),
        "Adal-Challenge": base64.b64encode(json.dumps(payload).encode()).decode(),
    }


def bad_requests(client: httpx2.Client, marks: list[str]) -> list[httpx2.Response]:
    """Wrong input of many kinds, each with a marker where it is wrong."""

    def mark() -> str:
        marks.append(marker())
        return marks[-1]

    key = {"Idempotency-Key": secrets.token_urlsafe(24)}
    good = filled(marks)
    fields = good["fields"]
    return [
        client.post(f"{API}/reports", json={mark(): mark()}, headers=key),
        client.post(f"{API}/reports", content=mark().encode(), headers=key),
        client.post(
            f"{API}/reports", content=mark().encode(), headers={**key, "Content-Type": "application/json"}
        ),
        client.post(f"{API}/reports", json={**good, "fields": {**fields, "region": mark()}}, headers=key),
        client.post(
            f"{API}/reports", json={**good, "fields": {**fields, "category": mark().lower()}}, headers=key
        ),
        client.post(f"{API}/reports", json={**good, "answers": {mark().lower(): "x"}}, headers=key),
        client.post(f"{API}/reports", json={**good, "identity": {"email": [mark()]}}, headers=key),
        client.post(f"{API}/reports", json=good, headers={"Idempotency-Key": mark()}),
        client.post(f"{API}/reports", json=good, headers={**key, "Adal-Challenge": mark(), "Cookie": mark()}),
        client.post(f"{API}/packages", json={"manifest": {mark(): mark()}}, headers=key),
        client.post(f"{API}/inbox/plain", json={"receipt": mark()}),
        client.post(f"{API}/inbox/sessions", json={"lookup": mark()}),
        client.get(f"{API}/inbox", headers={"Authorization": f"Bearer {mark()}"}),
        client.get(f"{API}/{mark()}", params={mark(): mark()}, headers={"User-Agent": mark()}),
        client.get(f"{API}/log/tile/{mark()}"),
        client.get(
            f"{API}/staff/cases", params={"cursor": mark()}, headers={"Authorization": f"Bearer {mark()}"}
        ),
        client.post(
            "/api/accounts/v1/sessions",
            json={"login": mark(), "password": mark(), "totp": "000000"},
            headers=key,
        ),
    ]


def files_under(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_nothing_of_a_report_is_found_anywhere(server: Server) -> None:
    marks: list[str] = []
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        filed = client.post(f"{API}/reports", json=filled(marks), headers=headers(client))
        assert filed.status_code == 201
        receipt = filed.json()["receipt"]
        text = marker()
        marks += [text, receipt]
        message = {"receipt": receipt, "text": text}
        assert (
            client.post(f"{API}/inbox/plain/messages", json=message, headers=headers(client)).status_code
            == 201
        )
        identity = {"receipt": receipt, "identity": {"name": marker()}}
        marks.append(identity["identity"]["name"])
        assert (
            client.post(f"{API}/inbox/plain/identity", json=identity, headers=headers(client)).status_code
            == 201
        )
        refused = bad_requests(client, marks)
        assert {answer.status_code // 100 for answer in refused} == {4}
        for answer in refused:
            assert not [mark for mark in marks if mark.lower() in answer.text.lower()]
        reference = filed.json()["reference"]
    # The database is searched where it lies: tables, indexes, write-ahead log and server log alike.
    searched = list(files_under(server.home))
    assert any(path.name == "postgres.log" for path in searched)
    assert any("blobs" in path.parts for path in searched)
    everything = [(path, path.read_bytes()) for path in searched]
    # The search itself finds what is there: the reference stands in a table.
    assert any(reference.encode() in data for _, data in everything)
    wanted = [spelling for mark in marks for spelling in spellings(mark)]
    found = sorted({path.name for path, data in everything for spelling in wanted if spelling in data})
    assert found == []


def test_addresses_and_agents_are_not_logged(server: Server) -> None:
    agent = marker()
    with httpx2.Client(
        base_url=server.url, headers={"User-Agent": agent, "X-Forwarded-For": "203.0.113.77"}
    ) as c:
        c.get(f"{API}/form")
        c.get("/nothing/here")
    written = b"".join(path.read_bytes() for path in files_under(server.home))
    assert agent.encode() not in written
    assert b"203.0.113.77" not in written
    log = server.output.read_text() + (server.var / "postgres" / "postgres.log").read_text()
    # 127.0.0.1 is where PostgreSQL says that it listens; nowhere else may an address stand.
    lines = [line for line in log.splitlines() if "127.0.0.1" in line and "listening on" not in line]
    assert lines == []
