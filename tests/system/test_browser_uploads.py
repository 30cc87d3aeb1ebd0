"""A large file sealed and uploaded by `web/client` in a real browser, from the origin of a separately started server.

The modules are loaded as they were built, without a bundler; only tus-js-client comes as the file for browsers that it
ships.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from services.cli.here import Here
from services.crypto.canonical import b64u
from tests.intake.tus import noise
from tests.system.browser import browser
from tests.system.conftest import Server
from tests.system.office import REPOSITORY, Office, new_report, opened_office
from tests.system.test_markers import marker

CLIENT = REPOSITORY / "web" / "client"
AT = "/client-test/"
MODULES = AT + "node_modules/"
IMPORTS = {
    "@noble/": f"{MODULES}@noble/",
    "@noble/ciphers/": f"{MODULES}@noble/ciphers/",
    "@scure/base": f"{MODULES}@scure/base/index.js",
    "age-encryption": f"{MODULES}age-encryption/dist/index.js",
    "altcha-lib": f"{MODULES}altcha-lib/dist/esm/v2/index.js",
    "altcha-lib/algorithms/web/pbkdf2": f"{MODULES}altcha-lib/dist/esm/v2/algorithms/web/pbkdf2.js",
    "canonicalize": f"{MODULES}canonicalize/lib/canonicalize.js",
    "shamir-secret-sharing": f"{MODULES}shamir-secret-sharing/esm/index.js",
    "shamir-secret-sharing/csprng": f"{MODULES}shamir-secret-sharing/esm/csprng.js",
    "tus-js-client": f"{AT}tus.js",
}
PAGE = f"""<!doctype html><meta charset="utf-8"><title>Client</title>
<script src="{MODULES}tus-js-client/dist/tus.js"></script>
<script type="importmap">{json.dumps({"imports": IMPORTS})}</script>
<input type="file">"""

#: Files a report with the chosen file and a small one; what is left in the browser comes out too.
FILE = """
async ({at, roots, answers, fields, spool}) => {
  const client = await import(at + "dist/src/index.js");
  const {uploader, diskSpool, blobSpool} = await import(at + "dist/src/uploads.js");
  const intake = new client.Intake("", "kk");
  const directory = client.checkDirectory(await intake.directory(), {roots});
  const draft = await intake.openDraft();
  const [file] = document.querySelector("input").files;
  const attachments = [
    {name: file.name, type: "video/mp4", source: file}, {name: "a", type: "a/b", data: new Uint8Array(3)},
  ];
  const options = {
    spool: {disk: diskSpool, blob: blobSpool}[spool],
    retryDelays: [100, 200, 400],
  };
  const sealed = await client.sealReportWithUploads({
    answers, fields, identity: null, attachments, directory, desks: [directory.desks[0].id],
    form: (await intake.form()).version,
  }, uploader(intake, draft, options));
  const filed = await intake.file(sealed.package, client.idempotencyKey(), draft);
  client.checkFiled(filed, sealed.package.manifest, directory);
  const left = [...Object.keys(localStorage), document.cookie];
  for await (const name of (await navigator.storage.getDirectory()).keys()) left.push(name);
  return {reference: filed.reference, left: left.filter(Boolean)};
}
"""


@pytest.fixture(scope="module")
def office(server: Server) -> Iterator[Office]:
    here = Here(server.url, server.var, None)
    with opened_office(server.home, here, here) as made:
        yield made


def serve(route: Route) -> None:
    """The page and the modules of the client, at the origin of the server."""
    name = route.request.url.split(AT, 1)[1]
    if name == "":
        route.fulfill(body=PAGE, content_type="text/html")
    elif name == "tus.js":
        route.fulfill(body="export const Upload = window.tus.Upload;", content_type="text/javascript")
    else:
        route.fulfill(body=(CLIENT / name).read_text(encoding="utf-8"), content_type="text/javascript")


def cut_once(route: Route, methods: list[str]) -> None:
    """The third request of an upload breaks off."""
    methods.append(route.request.method)
    if len(methods) == 3:
        route.abort("connectionreset")
    else:
        route.continue_()


@pytest.fixture
def page(office: Office) -> Iterator[Page]:
    with browser() as running:
        context = running.new_context()
        made = context.new_page()
        made.route(f"**{AT}**", serve)
        made.goto(office.here.url + AT)
        yield made


@pytest.mark.parametrize("spool", ["disk", "blob"])
def test_a_browser_uploads_a_large_file_and_keeps_nothing(
    office: Office, page: Page, spool: str, tmp_path: Path
) -> None:
    mark = marker()
    content = noise((9 << 20) + 321, seed=len(spool))
    path = tmp_path / f"{mark}.mp4"
    path.write_bytes(content)
    with office.here.reporter() as reporter:
        report = new_report(reporter, mark)
    page.set_input_files("input", path)
    given: dict[str, Any] = {
        "at": AT,
        "roots": [b64u(root) for root in office.here.roots()],
        "answers": {**report.answers, "mode": "anonymous"},
        "fields": report.fields,
        "spool": spool,
    }
    methods: list[str] = []
    page.route("**/api/intake/v1/uploads**", lambda route: cut_once(route, methods))
    filed = page.evaluate(FILE, given)
    assert filed["left"] == []
    assert methods == ["POST", "PATCH", "PATCH", "HEAD", "PATCH", "PATCH"]

    desk = office.signed_in(office.desk)
    case = desk.case(desk.find(filed["reference"]).id)
    assert [line.name for line in case.attachments] == [path.name, "a"]
    found = [desk.download(case, line, tmp_path / "desk").read_bytes() for line in case.attachments]
    assert found == [content, bytes(3)]
