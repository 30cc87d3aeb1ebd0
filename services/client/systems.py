"""A system with an API client: the switchboard of 1424, a messenger bot, the e-government portal.

It files for others, mostly in plain mode, with tokens of five minutes; its secret goes to `accounts` and nowhere else.
"""

import time
from collections.abc import Mapping

from services.client.errors import understood
from services.client.http import Http
from services.client.session import ACCOUNTS

_EARLY = 30.0


class System:
    """The tokens of one API client (UUID and secret). Errors: Problem `client`, Unreachable, BadAnswer."""

    def __init__(self, http: Http, client: str, secret: str) -> None:
        self._http, self._client, self._secret = http, client, secret
        self._token, self._renew_at = "", 0.0

    def __repr__(self) -> str:
        return "System(...)"

    def bearer(self) -> Mapping[str, str]:
        """The header of a token that is good for a while yet; the `credential` of a `Reporter`."""
        if time.monotonic() >= self._renew_at:
            self._renew()
        return {"Authorization": f"Bearer {self._token}"}

    def _renew(self) -> None:
        body = {"client_id": self._client, "secret": self._secret}
        answer = self._http.post(f"{ACCOUNTS}/clients/token", body).json()
        with understood():
            self._token = str(answer["access_token"])
            self._renew_at = time.monotonic() + max(int(answer["expires_in"]) - _EARLY, 1.0)
