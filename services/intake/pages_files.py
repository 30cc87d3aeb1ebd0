"""Files of a form, on their way from the browser into sealed parts: in memory, never on disk in clear."""

from dataclasses import dataclass, field

from services.intake.pages_multipart import SentForm, TooMuch
from services.intake.pages_values import file_name, media_type
from services.intake.schemas import PlainFile

MAX_FILES = 20


@dataclass
class MemoryFiles:
    """Takes at most `limit` bytes and twenty files of one form into memory."""

    limit: int
    used: int = 0
    opened: int = 0

    def __call__(self, _form: SentForm[PlainFile], name: str, type_: str) -> "_MemoryFile":
        self.opened += 1
        if self.opened > MAX_FILES:
            raise TooMuch()
        return _MemoryFile(self, file_name(name), media_type(type_))


@dataclass
class _MemoryFile:
    """One file while it arrives."""

    all: MemoryFiles
    name: str = field(repr=False)
    type: str
    data: bytearray = field(default_factory=bytearray, repr=False)

    async def write(self, data: bytes) -> None:
        if self.all.used + len(data) > self.all.limit:
            raise TooMuch()
        self.all.used += len(data)
        self.data += data

    async def finish(self) -> PlainFile:
        return PlainFile(name=self.name, type=self.type, data=bytes(self.data))

    async def abort(self) -> None:
        self.all.used -= len(self.data)
        self.data = bytearray()
