"""Bodies of the accounts API."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from services.contracts.accounts import Role
from services.kit.wire import B64u, Base64, Model

#: ASCII only: two logins that look alike are the same login.
Login = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{2,63}$"), AfterValidator(str.lower)
]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]{1,200}$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")]
#: Of an age file that holds one key.
KEY_FILE = 8192
KeyFile = Annotated[Base64, Field(max_length=KEY_FILE)]


class SignIn(Model):
    login: Login
    password: Password
    totp: str | None = Field(None, max_length=16, examples=["123456"])


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
