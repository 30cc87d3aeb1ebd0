"""Bodies of the accounts API."""

from datetime import date
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, model_validator

from services.contracts.accounts import Role, Scope
from services.kit.wire import B64u, Base64, Model

#: In words, since few readers of API documents know classes of Unicode in patterns.
_PRINTABLE = "one line of text without control characters"
#: ASCII only: two logins that look alike are the same login.
Login = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{2,63}$"), AfterValidator(str.lower)
]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]{1,200}$"),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 200, "description": _PRINTABLE}),
]
Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]{1,64}$"),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 64, "description": _PRINTABLE}),
]
KeyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")]
#: Of an age file that holds one key.
KEY_FILE = 8192
KeyFile = Annotated[Base64, Field(max_length=KEY_FILE)]


class Proof(Model):
    """One second factor: a code, the answer of a passkey, or where it is allowed a recovery code."""

    totp: str | None = Field(None, max_length=16, examples=["123456"])
    passkey: dict[str, Any] | None = Field(
        None, description="`PublicKeyCredential.toJSON()` in answer to a challenge"
    )
    recovery_code: str | None = Field(None, max_length=64, examples=["0123-4567-89ab-cdef"])

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.totp, self.passkey, self.recovery_code)) > 1:
            raise ValueError("give one second factor")
        return self


class SignIn(Proof):
    login: Login
    password: Password


class StepUp(Proof):
    """A fresh proof; recovery codes are for sign-in only."""

    recovery_code: None = None
    password: Password | None = Field(None, description="in development without a second factor only")


class ChallengeAsked(Model):
    login: Login


class Challenge(Model):
    public_key: dict[str, Any] = Field(
        description="options of WebAuthn as JSON, for `parse...OptionsFromJSON()`"
    )


class SignOnBegun(Model):
    """The browser goes to the address; whoever holds `login` may finish."""

    authorization_url: str
    login: str = Field(description="secret of this sign-in: ten minutes, one use")
    name: str = Field(description="of the identity provider, as shown to people")


class BeginSignOn(Model):
    """Nothing is asked; but a body of JSON is what a form on another site cannot send."""


class SignOnChallengeAsked(Model):
    login: Secret


class FinishSignOn(Proof):
    """What the provider sent to the redirect address, and the second factor as always."""

    login: Secret
    state: Secret
    code: Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class ExternalSubject(Model):
    """Who a person is at an identity provider: `iss` and `sub` of its ID tokens."""

    issuer: Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,512}$")]
    subject: Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,253}[!-~])?$")]


class SessionLine(Model):
    id: UUID
    created: date = Field(description="the day of the sign-in")
    current: bool


class Sessions(Model):
    items: list[SessionLine]


class Person(Model):
    id: UUID
    login: str
    name: str
    roles: list[Role]


class Token(Model):
    """An access token, which every service verifies by itself."""

    access_token: str
    expires_in: int = Field(description="seconds, at most 300")


class SignedIn(Token):
    session: str = Field(description="secret that renews the token; given once, stored as a hash")
    person: Person


class Enrolment(Model):
    """The first sign-in: whoever holds the one-time secret sets the password."""

    login: Login
    enrolment: Secret
    password: Password


class Enrolled(Model):
    """The second factor, shown once; no route gives it out again."""

    totp_uri: str
    totp_secret: str = Field(description="base32, for an authenticator that cannot scan")


class StaffKey(Model):
    """A person's key: the secret under a passphrase that the server never sees, and the two public halves."""

    wrapped: KeyFile
    recipient: str = Field(max_length=4096)
    verify_key: B64u


class GroupKey(Model):
    id: str
    data: Base64


class Me(Person):
    key: StaffKey | None
    certificate: dict[str, Any] | None
    group_keys: list[GroupKey]


class StaffLine(Model):
    id: UUID
    name: str
    roles: list[Role]
    certificate: dict[str, Any] | None = Field(description="the latest one that is valid today")
    recipient: str | None


class StaffPage(Model):
    items: list[StaffLine]
    next: str | None


class NewPerson(Model):
    login: Login
    name: Name
    roles: list[Role] = Field(min_length=1, max_length=len(Role))


class Added(Model):
    id: UUID
    enrolment: str = Field(description="one-time secret for the person, valid for 72 hours")


class GroupKeyData(Model):
    data: KeyFile


class NewPasskey(Model):
    name: Label
    answer: dict[str, Any] = Field(description="`PublicKeyCredential.toJSON()` of the registration")


class PasskeyLine(Model):
    id: UUID
    name: str
    created: date


class Passkeys(Model):
    items: list[PasskeyLine]
    recovery_codes_left: int


class PasskeyAdded(Model):
    id: UUID


class RecoveryCodes(Model):
    """Shown once, stored as keyed hashes; each takes the place of the second factor once."""

    codes: list[str]


class Roles(Model):
    roles: list[Role] = Field(min_length=1, max_length=len(Role))


class Active(Model):
    active: bool


class EnrolmentRenewed(Model):
    enrolment: str = Field(description="one-time secret for the person, valid for 72 hours")


class NewClient(Model):
    name: Label
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))


class ClientSecret(Model):
    """Shown once, stored as a hash; no route gives it out again."""

    id: UUID
    secret: str


class ClientLine(Model):
    id: UUID
    name: str
    scopes: list[Scope]
    active: bool
    created: date


class Clients(Model):
    items: list[ClientLine]


class ClientSignIn(Model):
    client_id: UUID
    secret: Secret
