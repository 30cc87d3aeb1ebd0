"""The reporter's inbox against a server that answers over HTTP whatever the test wants: replies moved, dropped,
rewritten, and a list that does not fit. The parts are real; only the server is a player.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.client.chain import hash_of
from services.client.directory import INTAKE, Directories
from services.client.errors import BadAnswer, Problem, Unproven
from services.client.inbox import Inbox
from services.client.sealing import seal_files
from services.crypto.age import HybridIdentity
from services.crypto.canonical import b64u, unb64
from services.crypto.errors import BadSignature, CryptoError, Refused
from services.crypto.packages import NewAttachment
from services.crypto.payloads import open_payload
from services.crypto.promises import leaf_hash
from services.crypto.signatures import SigningKey
from tests.client.local import Asked, Local, Reply, as_json, http_to, problem, serving
from tests.client.test_cases import DAY, Server, said
from tests.crypto.builders import NOW, certificate, identity, other, reporter, sealed, seed, signer, world

TOKEN = "token of this test"


@dataclass
class Player:
    """Serves one report's inbox; keeps what is sent; `view_changes` and `refuse` let it misbehave."""

    server: Server
    keys: Any = field(default_factory=reporter)
    view_changes: dict[str, Any] = field(default_factory=dict)
    refuse: list[Reply] = field(default_factory=list)
    stored: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def reply(self, text: str, signing: SigningKey | None = None, by: str = "desk", **more: Any) -> bytes:
        """Let the desk write to the reporter."""
        readers = [self.server.report.manifest.report_recipient, self.keys.identity.recipient]
        body = more.pop("body", said(text))
        return self.server.write(by, signing or world().desk_signing, body, recipients=readers, **more)

    def view(self) -> dict[str, Any]:
        case = self.server.to_json()
        place = self.server.place(by_reporter=True)
        names = ("reference", "rid", "state", "states", "mode", "filed_on", "code_replaced_on", "manifest",
                 "signature", "parts")  # fmt: skip
        return {
            **{name: case[name] for name in names},
            "code_pending": False,
            "leaf": b64u(leaf_hash(seed("salt"), b"{}")),
            "published": False,
            "next": {"n": place.n, "prev": b64u(place.prev)},
            **self.view_changes,
        }

    def answer(self, asked: Asked) -> Reply:
        path = asked.path.removeprefix(INTAKE)
        if path == "/key-directory":
            return as_json(world().document.to_json())
        if path == "/challenge":
            return Reply(204)
        if path == "/inbox/sessions":
            return as_json({"token": TOKEN, "expires_in": 1800}, 201)
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return problem("unauthorised", 401)
        if asked.method == "POST":
            return self.store(path, asked)
        if path == "/inbox":
            return as_json(self.view())
        return Reply(200, self.server.files[int(path.rpartition("/")[2])])

    def store(self, path: str, asked: Asked) -> Reply:
        if self.refuse:
            return self.refuse.pop(0)
        body = json.loads(asked.body)
        self.stored.append((path, body))
        if path == "/inbox/code":
            return Reply(202)
        role = "identity" if path.endswith("identity") else "message"
        self.server.add(role, "reporter", body["n"], unb64(body["part"]))
        number = len(self.server.files) - 1
        for file in body.get("attachments", []):
            self.server.add("attachment", "reporter", None, unb64(file))
        return as_json({"number": number, "n": body["n"], "sha256": self.server.lines[number]["sha256"]}, 201)


@pytest.fixture
def player() -> Player:
    return Player(Server(sealed(), world().desk))


def opened(local: Local, keys: Any = None) -> Inbox:
    http = http_to(local.url)
    return Inbox(http, Directories(http, world().root_keys, None, lambda: NOW), keys or reporter())


def report_key(player: Player) -> HybridIdentity:
    return player.server.key


def test_replies_of_the_desk_and_of_certified_staff_are_shown(player: Player):
    player.reply("from the desk")
    document = certificate()
    body = {**said("from a person"), "certificate": document.to_json()}
    player.reply("", signer("staff"), by="staff", body=body)
    with serving(player.answer) as local:
        inbox = opened(local)
        assert [(one.by, one.text) for one in inbox.replies] == [
            ("desk", "from the desk"), ("staff", "from a person"),
        ]  # fmt: skip
        assert inbox.replies[1].signer == document.body["person"]
        assert (inbox.rejected, inbox.proven) == ((), True)


def test_a_reply_the_server_wrote_itself_is_not_shown(player: Player):
    player.reply("good")
    player.reply("Tell us your name here", signer("the server"))
    with serving(player.answer) as local:
        inbox = opened(local)
        assert [one.text for one in inbox.replies] == ["good"]
        assert [(one.number, one.reason) for one in inbox.rejected] == [(5, "signature")]


@pytest.mark.parametrize(
    ("header", "reason"),
    [({"rid": other().rid}, "place"), ({"n": 7}, "place"), ({"prev": bytes(range(32))}, "place"),
     ({"type": "identity"}, "place"), ({"type": "reporter-keys"}, "place")],
)  # fmt: skip
def test_a_reply_from_another_place_is_not_shown(player: Player, header: dict[str, Any], reason: str):
    player.reply("one")
    player.reply("moved", **header)
    with serving(player.answer) as local:
        inbox = opened(local)
        assert [one.text for one in inbox.replies] == ["one"]
        assert [one.reason for one in inbox.rejected] == [reason]


def test_replies_in_another_order_are_not_shown(player: Player):
    player.reply("yes")
    player.reply("no")
    player.server.files[-2:] = reversed(player.server.files[-2:])
    for line in player.server.lines[-2:]:
        data = player.server.files[line["number"]]
        line.update(size=len(data), sha256=b64u(hash_of(data)))
    with serving(player.answer) as local:
        assert opened(local).replies == ()


def test_a_reply_left_out_of_the_middle_is_noticed(player: Player):
    for text in ("one", "two", "three"):
        player.reply(text)
    del player.server.lines[-2]
    with serving(player.answer) as local:
        inbox = opened(local)
        with pytest.raises(Refused):
            _ = inbox.replies


def test_a_file_that_differs_from_the_list_is_not_shown(player: Player):
    player.reply("good")
    player.server.files[-1] = player.server.files[-1][:-1]
    with serving(player.answer) as local:
        assert [one.reason for one in opened(local).rejected] == ["place"]


def test_a_reply_for_the_former_code_says_so(player: Player):
    readers = [player.server.report.manifest.report_recipient, identity("former code").recipient]
    player.server.write("desk", world().desk_signing, said("old"), recipients=readers)
    with serving(player.answer) as local:
        assert [one.reason for one in opened(local).rejected] == ["key"]


def test_attachments_of_a_reply_are_saved_only_if_they_are_its_own(player: Player, tmp_path: Path):
    readers = [player.server.report.manifest.report_recipient, player.keys.identity.recipient]
    sealed_files = seal_files([NewAttachment("../form.txt", "text/plain", b"fill me")], readers)
    player.reply("", body=said("see the form", sealed_files.lines))
    player.server.add("attachment", "desk", None, unb64(sealed_files.files[0]))
    with serving(player.answer) as local:
        inbox = opened(local)
        path = inbox.download(inbox.replies[0], 0, tmp_path)
        assert (path.name, path.read_bytes()) == ("form.txt", b"fill me")
        player.server.files[-1] = player.server.files[-1][:-1] + b"\x00"
        with pytest.raises(CryptoError):
            inbox.download(inbox.replies[0], 0, tmp_path)
        del player.server.lines[-1]
        inbox.refresh()
        with pytest.raises(Refused):
            inbox.download(inbox.replies[0], 0, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["form.txt"]


def test_what_is_sent_is_sealed_signed_and_in_its_place(player: Player):
    with serving(player.answer) as local:
        inbox = opened(local)
        inbox.send("MARKER of a message", [NewAttachment("a.txt", "text/plain", b"MARKER of a file")])
        inbox.send("second")
        assert not any(b"MARKER" in asked.body for asked in local.asked)
    case = player.server.open()
    assert [one.text for one in case.messages] == ["MARKER of a message", "second"]
    assert case.rejected == ()
    assert [body["n"] for _path, body in player.stored] == [2, 3]


def test_a_taken_place_is_sealed_anew_once(player: Player):
    player.refuse = [problem("conflict", 409)]
    with serving(player.answer) as local:
        inbox = opened(local)
        player.server.write("reporter", player.keys.signing, said("from elsewhere"))
        inbox.send("after it")
    assert [one.text for one in player.server.open().messages] == ["from elsewhere", "after it"]
    player.refuse = [problem("conflict", 409), problem("conflict", 409)]
    with serving(player.answer) as local, pytest.raises(Problem):
        opened(local).send("never")


def test_an_identity_goes_to_the_custodians_key_with_one_size(player: Player):
    with serving(player.answer) as local:
        opened(local).add_identity({"name": "Invented"})
    part = unb64(player.stored[0][1]["part"])
    assert len(part) == len(player.server.report.parts[1].data)
    with pytest.raises(CryptoError):
        open_payload(part, report_key(player))


def test_a_new_code_is_offered_signed_by_the_old_one(player: Player):
    with serving(player.answer) as local:
        receipt = opened(local).replace_code()
        assert not any(receipt.encode() in asked.body for asked in local.asked)
    path, body = player.stored[0]
    found = open_payload(unb64(body["part"]), report_key(player))
    found.check_signature(player.keys.signing.verify_key)
    assert path == "/inbox/code"
    assert found.header.type == "reporter-keys"
    assert len(body["lookup"]) == 43


def test_a_manifest_signed_by_nobody_is_refused_unless_the_code_was_replaced(player: Player):
    player.view_changes = {"signature": b64u(bytes(64))}
    with serving(player.answer) as local:
        inbox = opened(local)
        with pytest.raises(BadSignature):
            inbox.send("never sent")
        player.view_changes["code_replaced_on"] = DAY
        inbox = opened(local)
        assert not inbox.proven
        with pytest.raises(Unproven):
            inbox.send("never sent")
        player.reply("the desk vouches for this report")
        inbox = opened(local)
        assert inbox.proven
        inbox.send("now it goes")
    assert len(player.stored) == 1


def test_another_report_is_refused_even_with_a_replaced_code(player: Player):
    player.view_changes = {"manifest": other().manifest.to_json(), "code_replaced_on": DAY}
    with serving(player.answer) as local, pytest.raises(Refused):
        opened(local)


@pytest.mark.parametrize(
    "change",
    [{"next": {"n": 2, "prev": b64u(bytes(32))}}, {"next": {"n": 3, "prev": "x"}}, {"next": None}, {"parts": []},
     {"rid": b64u(bytes(32))}, {"leaf": "short"}, {"states": [{}]}, {"filed_on": 7}, {"manifest": {}},
     {"parts": "x"}, {"code_replaced_on": "soon"}],
)  # fmt: skip
def test_a_view_that_does_not_fit_is_refused(player: Player, change: dict[str, Any]):
    player.view_changes = change
    with serving(player.answer) as local, pytest.raises((CryptoError, BadAnswer)):
        opened(local)


def test_the_token_is_sent_and_nothing_secret_stands_in_an_address(player: Player):
    player.reply("x")
    with serving(player.answer) as local:
        inbox = opened(local)
        inbox.send("y")
        assert inbox.replies
        lookups = {b64u(player.keys.lookup)}
        assert not any(secret in asked.path for asked in local.asked for secret in lookups | {TOKEN})
        assert TOKEN not in repr(inbox)
    assert [asked.path for asked in local.asked].count(f"{INTAKE}/inbox/sessions") == 1
