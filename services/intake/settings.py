"""Settings of the intake service, environment prefix `ADAL_INTAKE_`."""

from datetime import time
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from services.intake.calendar import zone_of
from services.kit.settings import ServiceSettings, service_config


class Settings(ServiceSettings):
    """Secrets are files of 32 bytes as b64u text (`adal keys make`)."""

    model_config = service_config("ADAL_INTAKE_")

    roots: tuple[str, ...] = Field(description="b64u verify keys of the three roots")
    pepper_file: Path = Field(description="keys the stored form of receipt codes; lives outside the database")
    service_key_file: Path = Field(description="seals inbox tokens and signs challenges")
    log_key_file: Path = Field(description="Ed25519 seed that signs promises and checkpoints")
    log_origin: str = Field("localhost/adal/intake", description="name of the log")
    blobs_folder: Path = Field(description="folder of sealed attachments")
    challenge_cost: int = Field(
        1000, ge=0, le=100_000, description="iterations for each try of the proof of work; 0 asks for none"
    )
    trusted_channels: dict[str, str] = Field(
        {}, description="channel name -> b64u SHA-256 of its token; such a channel needs no proof of work"
    )
    inbox_seconds: int = Field(1800, ge=60, le=7200)
    attachment_bytes: int = Field(16 << 20, description="all attachments inside one request, together")
    upload_bytes: int = Field(2 << 30, ge=1, le=32 << 30, description="one uploaded file")
    uploads_per_draft: int = Field(20, ge=1, le=20, description="as many as a report has attachments")
    draft_bytes: int = Field(4 << 30, ge=1, description="all files of one draft, together")
    unfiled_bytes: int = Field(64 << 30, ge=0, description="files of all drafts that are not filed yet")
    disk_floor_bytes: int = Field(
        1 << 30, ge=0, description="below so much free disk no files are taken; reports without files are"
    )
    draft_hours: int = Field(24, ge=1, le=24 * 7, description="a draft that is not filed by then is deleted")
    segment_bytes: int = Field(
        8 << 20, ge=1 << 10, le=8 << 20, description="plain bytes of a segment, and of a step; a power of two"
    )
    stall_seconds: float = Field(30, gt=0, description="an upload that sends nothing for so long is cut")
    directory_delay_hours: int = Field(
        72,
        ge=0,
        description="a published directory takes effect after so long in production (not the first one)",
    )
    directory_overlap_hours: int = Field(
        24, ge=0, description="packages made with the previous directory still pass"
    )
    identity_deferral_days: int = Field(
        180, ge=0, le=3650, description="longest time an inbox may be kept from showing an opened identity"
    )
    argon2_at_once: int = Field(
        2, ge=1, le=64, description="receipt stretchings at the same time, 19 MiB each"
    )
    page_min_seconds: int = Field(
        3,
        ge=0,
        le=60,
        description="a form without script is older than this before it counts; faster ones wait",
    )
    page_max_hours: int = Field(6, ge=1, le=24, description="how long a form without script may stay open")
    page_reports_per_hour: int = Field(
        120,
        ge=0,
        description="reports from pages without script, in one process; those above go to the quarantine lane",
    )
    page_unfiled_bytes: int = Field(
        16 << 30, ge=0, description="the part of unfiled_bytes that files from pages without script may fill"
    )
    page_openings_per_minute: int = Field(
        120, ge=1, description="inboxes opened by pages without script, in one process; those above wait"
    )

    labour_protection_months: int = Field(
        36,
        ge=1,
        le=240,
        description="from the first report of retaliation; the law's text was not found, so clients mark the end",
    )

    backup_days: int = Field(
        35, ge=0, le=35, description="how long backups are kept; until then a deletion is not complete"
    )

    office_opens: time = Field(
        time(9), description="what arrives earlier on a working day counts on that day"
    )
    office_closes: time = Field(
        time(17), description="what arrives at this time or later is registered on the next working day"
    )
    office_zone: str = Field("Asia/Almaty", description="time zone of the office hours")

    @model_validator(mode="after")
    def _office(self) -> Self:
        if self.office_opens >= self.office_closes:
            raise ValueError("the office must open before it closes")
        zone_of(self.office_zone)
        return self

    @field_validator("segment_bytes")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError("segment_bytes must be a power of two")  # a full segment must need no padding
        return value
