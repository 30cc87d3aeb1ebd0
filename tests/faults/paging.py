"""A report from a page without script under faults: the form is loaded once and sent as often as it takes."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.faults.sending import TIMEOUT, Filing, Lost, fields, request

PAGE = "/kk/report"
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_REFERENCE = re.compile(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{2}\b")


@dataclass
class PageFiling(Filing):
    """A report typed into the page. The values that the form came with make a repetition the same report."""

    hidden: dict[str, str] = field(default_factory=dict, repr=False)

    def send(self, port: int, timeout: float = TIMEOUT) -> int | None:
        """Load the form if that was not done yet, and send it; the status, or None when the connection broke."""
        try:
            if not self.hidden:
                self.hidden = dict(_HIDDEN.findall(request(port, "GET", PAGE).body.decode()))
            return self._sent(port, timeout)
        except Lost:
            return None

    def _sent(self, port: int, timeout: float) -> int:
        typed = {**fields(), "what": "invented", "mode": "anonymous"}
        typed.pop("channel")
        body = urlencode({**self.hidden, **typed}).encode()
        site = f"http://localhost:{port}"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": site,
            "Sec-Fetch-Site": "same-origin",
        }
        answer = request(port, "POST", self.path, body, headers, timeout)
        if answer.status == 201 and (found := _REFERENCE.search(answer.body.decode())):
            self.reference = found[0]
        return answer.status


def page() -> PageFiling:
    """A report that is not typed yet."""
    return PageFiling(f"{PAGE}/sent", b"")
