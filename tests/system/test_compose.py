"""The compose file: Debian's docker-compose takes it, and what it promises about users, networks and secrets holds."""

import importlib
import json
import os
import re
import shutil
import subprocess
from datetime import time
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from services import migrate
from services.first_run import SERVICES
from services.intake.internal import InternalSettings
from tests.system.gateway import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
#: Programs that send; they run only where an operator asks for them: docker-compose --profile sender.
PROGRAMS = ("sender", "notifier")
LONG_RUNNING = {*SERVICES, *PROGRAMS, "gateway", "postgres", "intake-feed"}
#: The gateway publishes ports, the programs send; nobody else has a way out.
OUTSIDE = {"gateway": "outside", "sender": "sender-out", "notifier": "notifier-out"}
#: What an operator has to fill in, and what stands for it here.
FILLED = {
    "ROOT-1": "cm9vdC0x", "ROOT-2": "cm9vdC0y", "ROOT-3": "cm9vdC0z", "TOKEN-KEY": "dG9rZW4",
    "HASH-REWARDS": "1" * 64, "HASH-REGISTRY": "2" * 64,
    "HOOK-ADDRESS": "https://hooks.adal.example/", "MAIL-FROM": "adal@adal.example",
}  # fmt: skip
#: Examples that are tried as they are: a placeholder stands in for a value of its kind.
UNFILLED = {f"{name}.env" for name in SERVICES}


def docker_compose() -> str:
    """The path of docker-compose; Debian's package is installed where it is missing and that is possible."""
    found = shutil.which("docker-compose")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-qy", "--no-install-recommends", "docker-compose"],
        ):
            subprocess.run(command, env=environment, check=True, capture_output=True)
        found = shutil.which("docker-compose")
    assert found, "docker-compose is missing: apt-get install docker-compose"
    return found


def settings_in(service: str) -> dict[str, str]:
    """Variable -> value in an example of settings, those that are commented out included."""
    text = (DEPLOY / "env" / f"{service}.env.example").read_text()
    for placeholder, value in FILLED.items():
        text = text.replace(placeholder, value)
    return dict(re.findall(r"^#?(ADAL_[A-Z0-9_]+)=(.*)$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compose file with the settings of the examples."""
    made = tmp_path_factory.mktemp("compose")
    shutil.copy(REPOSITORY / "docker-compose.yml", made)
    (made / "deploy" / "env").mkdir(parents=True)
    for example in (DEPLOY / "env").glob("*.env.example"):
        text = example.read_text()
        for placeholder, value in FILLED.items() if example.stem not in UNFILLED else ():
            text = text.replace(placeholder, value)
        (made / "deploy" / "env" / example.stem).write_text(text)
    return made


@pytest.fixture(scope="module")
def resolved(folder: Path) -> dict[str, Any]:
    """The file as docker-compose understands it."""
    done = subprocess.run(
        [docker_compose(), *(word for name in PROGRAMS for word in ("--profile", name)), "config"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not re.search("warn", done.stderr, re.IGNORECASE), done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


def test_docker_compose_takes_the_file(folder: Path) -> None:
    done = subprocess.run(
        [docker_compose(), "config", "-q"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_all_of_it_is_there(resolved: dict[str, Any]) -> None:
    assert set(resolved["services"]) == LONG_RUNNING | {"migrations"}


@pytest.mark.parametrize("name", sorted(LONG_RUNNING | {"migrations"}))
def test_every_container_is_confined(resolved: dict[str, Any], name: str) -> None:
    found = resolved["services"][name]
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["ulimits"] == {"core": 0}
    assert found["dns"] == ["127.0.0.1"]  # the programs' too, unless the operator names a server
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(found)
    if "build" in found:
        assert "user" not in found
    else:
        assert int(found["user"].split(":")[0]) > 0


def test_our_images_run_as_a_user_who_is_not_root() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    assert [re.findall(r"^USER (\d+)$", stage, re.MULTILINE) for stage in stages] == [[], ["10001"], [], []]
    assert [stage.split()[0] for stage in stages[2:]] == ["base", "base"]


def test_no_port_of_the_host_but_the_gateways(resolved: dict[str, Any]) -> None:
    assert {name for name, found in resolved["services"].items() if "ports" in found} == {"gateway"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_shares_no_network_with_another(resolved: dict[str, Any], name: str) -> None:
    networks = set(resolved["services"][name]["networks"])
    told = name in ("rewards", "registry")
    assert networks == {f"edge-{name}", f"{name}-db"} | ({f"feed-{name}"} if told else set())
    beside = {other for other, found in resolved["services"].items() if networks & set(found["networks"])}
    assert beside == {name, "gateway", "postgres"} | ({"intake-feed"} if told else set())


def test_the_internal_port_is_reached_by_those_who_ask_it_and_by_nobody_else(
    resolved: dict[str, Any],
) -> None:
    found = resolved["services"]["intake-feed"]
    networks = set(found["networks"])
    beside = {
        other for other, service in resolved["services"].items() if networks & set(service["networks"])
    } - {"intake-feed"}
    assert beside == {"rewards", "registry", "postgres", *PROGRAMS}
    for network in networks:
        on_it = {other for other, service in resolved["services"].items() if network in service["networks"]}
        assert len(on_it) == 2
    assert secrets_of(resolved, "intake-feed") == {"intake_database_url"}
    assert "services.intake.internal:create_internal_app" in str(found["command"])
    assert "intake-feed" not in (DEPLOY / "gateway" / "upstreams.conf").read_text()


def test_only_the_gateway_and_what_sends_are_on_a_network_with_a_way_out(resolved: dict[str, Any]) -> None:
    outside = {name for name, found in resolved["networks"].items() if not found.get("internal")}
    assert outside == set(OUTSIDE.values())
    for name, network in OUTSIDE.items():
        assert {n for n, s in resolved["services"].items() if network in s["networks"]} == {name}
    for name in PROGRAMS:
        assert set(resolved["services"][name]["networks"]) == {f"feed-{name}", f"{name}-out"}
    assert not set(resolved["services"]["gateway"]["networks"]) & set(
        resolved["services"]["postgres"]["networks"]
    )


@pytest.mark.parametrize("name", sorted(LONG_RUNNING))
def test_what_runs_is_watched(resolved: dict[str, Any], name: str) -> None:
    found = resolved["services"][name]
    assert found["restart"] == "unless-stopped"
    watched = str(found.get("healthcheck", {}).get("test"))
    assert (name in {*SERVICES, "intake-feed"}) == ("/readyz" in watched)
    assert ("healthcheck" in found) == (name not in PROGRAMS)  # they listen nowhere


def test_services_wait_for_the_migrations_and_the_gateway_for_the_services(resolved: dict[str, Any]) -> None:
    waits = {name: found.get("depends_on", {}) for name, found in resolved["services"].items()}
    for name in (*SERVICES, "intake-feed"):
        assert waits[name] == {"migrations": {"condition": "service_completed_successfully"}}
    for name in PROGRAMS:
        assert waits[name] == {"intake-feed": {"condition": "service_healthy"}}
    assert waits["migrations"] == {"postgres": {"condition": "service_healthy"}}
    assert waits["gateway"] == {name: {"condition": "service_healthy"} for name in SERVICES}
    assert resolved["services"]["migrations"]["restart"] == "no"


def secrets_of(resolved: dict[str, Any], name: str) -> set[str]:
    return {secret["source"] for secret in resolved["services"][name].get("secrets", [])}


def test_each_secret_goes_only_where_it_is_needed(resolved: dict[str, Any]) -> None:
    holders = {
        secret: {name for name in resolved["services"] if secret in secrets_of(resolved, name)}
        for secret in resolved["secrets"]
    }
    for secret, found in holders.items():
        service = secret.split("_")[0]
        if secret.endswith("_database_url"):
            owner = secret.startswith("administrator") or "_owner_" in secret
            feed = {"intake-feed"} if secret == "intake_database_url" else set()
            assert found == ({"migrations"} if owner else {service, "migrations"} | feed)
        else:
            assert found == {"gateway" if service == "tls" else service}


def test_secrets_are_files_and_every_one_is_explained(resolved: dict[str, Any]) -> None:
    page = (DEPLOY / "secrets" / "README.md").read_text()
    for name, found in resolved["secrets"].items():
        assert found["file"].endswith(f"/deploy/secrets/{name}")
        general = re.sub(
            "^(intake|accounts|rewards|registry)_(owner_)?database", r"<service>_\2database", name
        )
        assert f"`{general}`" in page, name


def test_the_file_and_the_examples_hold_no_secret() -> None:
    pages = [REPOSITORY / "docker-compose.yml", *(DEPLOY / "env").glob("*.example")]
    for page in pages:
        text = page.read_text()
        known = r"https?://127\.0\.0\.1|http://intake-feed:8000|postgresql\+psycopg:// URL"
        assert "://" not in re.sub(known, "", text), page
        assert not re.search(r"PASSWORD[=:]", text), page
        assert not re.search(r"[A-Za-z0-9_-]{43}", text), page


def test_git_and_docker_see_no_real_settings_and_no_secrets() -> None:
    names = ["deploy/env/intake.env", "deploy/secrets/intake_pepper", "deploy/secrets/tls_key"]
    done = subprocess.run(
        ["git", "check-ignore", *names, "deploy/env/intake.env.example", "deploy/secrets/README.md"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == names
    allowed = [
        line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    assert set(allowed) == {"!requirements.lock", "!migrations", "!services", "!deploy/postgres"}


def settings_class(service: str) -> Any:
    if service == "intake-feed":
        return InternalSettings
    return importlib.import_module(f"services.{service}.settings").Settings


@pytest.mark.parametrize("service", [*SERVICES, *PROGRAMS, "intake-feed"])
def test_examples_name_every_setting_and_its_default(service: str) -> None:
    fields = settings_class(service).model_fields
    prefix, found = f"ADAL_{service.removesuffix('-feed').upper()}_", settings_in(service)
    assert {name.removeprefix(prefix).lower() for name in found} == set(fields) - {"database_url"}
    text = (DEPLOY / "env" / f"{service}.env.example").read_text()
    for name in re.findall(r"^#(ADAL_[A-Z0-9_]+)=", text, re.MULTILINE):
        default = fields[name.removeprefix(prefix).lower()].default
        if isinstance(default, time):
            default = default.isoformat()
        assert found[name] == (default if isinstance(default, str) else json.dumps(default)), name


@pytest.mark.parametrize("service", [*SERVICES, *PROGRAMS, "intake-feed"])
def test_a_service_accepts_the_example_as_docker_compose_reads_it(
    resolved: dict[str, Any], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("ADAL_")]:
        monkeypatch.delenv(name)
    given = resolved["services"][service]["environment"]
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))
    made = settings_class(service)()
    if service in SERVICES:
        assert made.environment == "production"
        assert made.token_keys == ("TOKEN-KEY",)
    mounted = {f"/run/secrets/{secret}" for secret in secrets_of(resolved, service)}
    named = {value for name, value in given.items() if name.endswith("_FILE")}
    if service in PROGRAMS:
        named.remove(str(made.state_file))
        assert made.state_file.parent == Path("/state")
    if service == "sender":
        named |= {str(endpoint.secret_file) for endpoint in made.endpoints}
    assert named == mounted


def test_the_migration_job_gets_every_url_it_reads(resolved: dict[str, Any]) -> None:
    given = resolved["services"]["migrations"]["environment"]
    assert set(given) == {f"{name}_FILE" for name in (migrate.ADMINISTRATOR, *migrate.LOGINS)}
    assert set(given.values()) == {f"/run/secrets/{s}" for s in secrets_of(resolved, "migrations")}


def test_the_gateway_has_the_committed_files_read_only(resolved: dict[str, Any], folder: Path) -> None:
    found = resolved["services"]["gateway"]
    assert found["volumes"] == [f"{folder}/deploy/gateway:/etc/adal:ro"]
    assert "/etc/adal/nginx.conf" in found["entrypoint"]
    tls = (DEPLOY / "gateway" / "tls.conf").read_text()
    assert {f"tls_{n}" for n in re.findall(r"/run/secrets/tls_(\w+);", tls)} == secrets_of(
        resolved, "gateway"
    )
    names = [
        re.findall(r"server_name (\S+);", (DEPLOY / "gateway" / f"listen-{side}.conf").read_text())
        for side in ("citizens", "staff")
    ]
    assert names[0] != names[1]
    upstreams = (DEPLOY / "gateway" / "upstreams.conf").read_text()
    assert set(re.findall(r"server (\w+):8000;", upstreams)) == set(SERVICES) <= set(resolved["services"])


def test_postgresql_keeps_words_and_addresses_out_of_its_log(resolved: dict[str, Any]) -> None:
    command = " ".join(resolved["services"]["postgres"]["command"])
    for setting in (
        "log_error_verbosity=terse",
        "log_min_error_statement=panic",
        "log_min_messages=log",
        "log_parameter_max_length=0",
        "log_parameter_max_length_on_error=0",
    ):
        assert f"-c {setting}" in command
