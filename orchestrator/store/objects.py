"""Rows of what a customer has added: marked when it is no longer wanted, deleted when its servers have removed it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput
from orchestrator.models.objects import CronJob, MailAlias, ServiceDatabase, SftpAccount
from orchestrator.models.service import DnsRecord, DomainName, Mailbox, Placement, Service
from orchestrator.plan import limits

KINDS: dict[str, Any] = {
    "mailbox": Mailbox,
    "mail_alias": MailAlias,
    "database": ServiceDatabase,
    "sftp_account": SftpAccount,
    "cron_job": CronJob,
    "record": DnsRecord,
}


def count(kind: str, service_id: int) -> int:
    """Return how many objects of a kind a service has or still wants."""
    model = KINDS[kind]
    return int(model.select().where((model.service_id == service_id) & ~model.removing).count())


def find(kind: str, service_id: int, **key: Any) -> Any:
    """Return an object of a service by the columns that name it, None when there is none."""
    model = KINDS[kind]
    named = [getattr(model, column) == value for column, value in key.items()]
    return model.get_or_none(model.service_id == service_id, *named)


def is_wanted(found: Any) -> bool:
    """True for an object that is there and is to stay."""
    return found is not None and not found.removing


def put(kind: str, service_id: int, key: dict[str, Any], values: dict[str, Any]) -> None:
    """Add an object or change what is given of it, inside the caller's transaction; it is wanted from now on."""
    found = find(kind, service_id, **key)
    if found is not None:
        KINDS[kind].update(**values, removing=False).where(KINDS[kind].id == found.id).execute()
        return
    created = {"created_at": utc_now()} if hasattr(KINDS[kind], "created_at") else {}
    KINDS[kind].create(service_id=service_id, **key, **values, **created)


def share_password(service_id: int, old: str, new: str) -> None:
    """Give SFTP logins that have the account's password its new one, inside the caller's transaction.

    They share its hash, salt included, so a login whose own password happens to be the same stays its own.
    """
    if old:
        sharing = (SftpAccount.service_id == service_id) & (SftpAccount.password_hash == old)
        SftpAccount.update(password_hash=new).where(sharing).execute()


def let_go(kind: str, found: Any) -> None:
    """Mark an object as no longer wanted, inside the caller's transaction; its row goes when its servers are done."""
    KINDS[kind].update(removing=True).where(KINDS[kind].id == found.id).execute()


def count_aliases(service_id: int) -> int:
    """Return how many alias domains a service has."""
    wanted = (DomainName.service_id == service_id) & (DomainName.kind == "alias") & ~DomainName.removing
    return int(DomainName.select().where(wanted).count())


def require_room(service: Service, limit: str, used: int) -> None:
    """Refuse one more object than the package allows."""
    allowed = limits.of(service.limits, limit)
    if used >= allowed:
        raise InvalidInput(limit, f"the package's limit of {allowed} is reached", "remove one or change the package")


def forget(service_id: int, removed: Iterable[Sequence[Any]]) -> int:
    """Delete the rows of removed objects inside the caller's transaction; one that is wanted again stays.

    ``removed`` are pairs of a kind and an id, or a name for domains. Returns how many rows went.
    """
    return sum(_forget(service_id, str(kind), which) for kind, which in removed)


def _forget(service_id: int, kind: str, which: Any) -> int:
    if kind in KINDS:
        model = KINDS[kind]
        gone = model.delete().where((model.id == which) & (model.service_id == service_id) & model.removing)
        return int(gone.execute())
    if kind == "former_domain":
        _forget_domain(service_id, str(which))
    is_old = (DomainName.kind == "former") | DomainName.removing
    named = (DomainName.name == which) & (DomainName.service_id == service_id)
    return int(DomainName.delete().where(named & is_old).execute())


def _forget_domain(service_id: int, name: str) -> None:
    row = Service.get_by_id(service_id)
    left = [one for one in row.former_domains or () if one != name]
    Service.update(former_domains=left or None).where(Service.id == service_id).execute()


def remove_all(service_id: int) -> None:
    """Delete every row that hangs on a service inside the caller's transaction; the service's own row stays."""
    for model in (*KINDS.values(), DomainName, Placement):
        model.delete().where(model.service_id == service_id).execute()


def wipe(service_id: int, keep_mailbox: str) -> None:
    """Delete the objects of a service that is reset: all but one mailbox; its names and records go as on a removal."""
    for model in (MailAlias, ServiceDatabase, SftpAccount, CronJob):
        model.delete().where(model.service_id == service_id).execute()
    Mailbox.delete().where((Mailbox.service_id == service_id) & (Mailbox.local_part != keep_mailbox)).execute()
    DnsRecord.update(removing=True).where(DnsRecord.service_id == service_id).execute()
    DomainName.update(removing=True).where(
        (DomainName.service_id == service_id) & (DomainName.kind == "alias")
    ).execute()
