"""tenantry ssl …: where certificates stand, and what people ask of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509

from orchestrator.cli import asking
from orchestrator.cli.edge import app
from orchestrator.cli.output import console, show
from orchestrator.cli.services import Json, ServiceId, Wait
from orchestrator.config import keys
from orchestrator.core.certificates import CertificateState
from orchestrator.core.errors import InvalidInput
from orchestrator.core.sealed import seal
from orchestrator.models.certificate import CertificateRow
from orchestrator.plan.certificates import told, upload
from orchestrator.store import authorities, certificates, material, services

cli = typer.Typer(help="Certificates.", no_args_is_help=True)
Role = Annotated[str, typer.Option(help="web or mail.")]
_COLUMNS = ("service_id", "role", "state", "names", "issuer", "not_after", "next", "next_at", "error")


def _row(row: CertificateRow) -> dict[str, Any]:
    is_custom = row.state == CertificateState.CUSTOM
    kind = material.CUSTOM if is_custom else material.AUTO
    stored = row.id if is_custom else row.shared_id or row.id
    pem = material.certificate_of(stored, kind)
    return {
        "service_id": row.service_id,
        "role": row.role,
        "state": row.state,
        "source": "custom" if is_custom else "auto",
        "names": row.names,
        "covered": row.names if is_custom else row.issued_names or [],
        "serial": material.serial_of(stored, kind),
        "issuer": _issuer(pem) if pem else None,
        "not_after": row.custom_not_after if is_custom else row.not_after,
        "next": told.next_action(certificates.view(row)),
        "next_at": row.next_check_at,
        "failures": row.failures,
        "error": row.error,
    }


def _issuer(pem: str) -> str:
    found = x509.load_pem_x509_certificate(pem.encode()).issuer
    named = found.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(named[0].value) if named else found.rfc4514_string()


@cli.command("status")
def status(
    service_id: Annotated[int | None, typer.Argument(metavar="[ID]", help="Only of this service.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 100,
    as_json: Json = False,
) -> None:
    """Show where certificates stand: state, names, issuer, end, what happens next and why, the last problem."""
    app()
    if service_id is not None:
        services.get(service_id)
    rows = certificates.listing(limit) if service_id is None else certificates.of_service(service_id)
    show([_row(row) for row in rows], _COLUMNS, as_json)


def _ask(action: str, service_id: int, params: dict[str, Any], wait: bool) -> None:
    app()
    services.get(service_id)  # a slip of the pen is said at once, not by a task in error
    asking.ask(f"certificate.{action}", service_id, params, wait)


@cli.command("issue")
def issue(service_id: ServiceId, role: Role = "", wait: Wait = False) -> None:
    """Look at the names and order now: passes a freeze, never a limit of the authority."""
    _ask("issue", service_id, {"role": role} if role else {}, wait)


@cli.command("renew")
def renew(service_id: ServiceId, role: Role = "", wait: Wait = False) -> None:
    """Have another certificate in the place of one that still works."""
    _ask("renew", service_id, {"role": role} if role else {}, wait)


@cli.command("upload")
def upload_custom(
    service_id: ServiceId,
    role: Role,
    certificate: Annotated[Path, typer.Option(help="PEM file, the chain may be in it.")],
    key: Annotated[Path, typer.Option(help="PEM file of the private key, without a passphrase.")],
    chain: Annotated[Path | None, typer.Option(help="PEM file of the intermediate certificates.")] = None,
    wait: Wait = False,
) -> None:
    """Install a customer's own certificate; the key is sealed before it is stored anywhere."""
    public = keys.load_private_key(app().settings.home).public_key()
    params = {"role": role, "certificate": _read(certificate, "--certificate")}
    params["private_key_sealed"] = seal(public, _read(key, "--key"))
    if chain is not None:
        params["chain"] = _read(chain, "--chain")
    _ask("upload", service_id, params, wait)


@cli.command("resume")
def resume() -> None:
    """Order again at authorities that refused our account, after what they complained of was put right."""
    app()
    stopped = authorities.halted()
    for authority in stopped:
        authorities.resume(authority.id)
        console.print(f"ordering again at {authority.directory}; it had said: {authority.halted}", soft_wrap=True)
    if not stopped:
        console.print("no authority has refused our account")


def _read(path: Path, option: str) -> str:
    try:
        if path.stat().st_size > upload.MAXIMUM_BYTES:
            raise InvalidInput(option, f"{path} is too long", f"give at most {upload.MAXIMUM_BYTES // 1024} KiB of PEM")
        return path.read_text()
    except OSError as error:
        raise InvalidInput(option, f"{path} cannot be read ({error.strerror})", "give a file of PEM") from None
    except UnicodeDecodeError:
        raise InvalidInput(option, f"{path} is no text", "give a file of PEM") from None


@cli.command("remove-custom")
def remove_custom(service_id: ServiceId, role: Role, wait: Wait = False) -> None:
    """Give up a customer's own certificate; ours takes its place again."""
    _ask("remove_custom", service_id, {"role": role}, wait)
