"""Reading a service whole: everything that a step may need to know of it."""

from __future__ import annotations

from typing import Any, TypeVar

from orchestrator.models.base import database
from orchestrator.models.fleet import ParentDomain, Server, ServerGroup
from orchestrator.models.objects import CronJob, MailAlias, ServiceDatabase, SftpAccount
from orchestrator.models.service import DnsRecord, DomainName, Mailbox, Placement, Service
from orchestrator.plan.objects import AliasView, CronView, DatabaseView, MailboxView, RRset, SftpView
from orchestrator.plan.policies import suspension
from orchestrator.plan.snapshot import ServerView, ServiceView, VanityView
from orchestrator.store.fleet import knob_values, view
from orchestrator.store.services import get

_View = TypeVar("_View")
_KINDS: dict[str, tuple[Any, Any]] = {  # in the order of _PRESENT
    "mailboxes": (MailboxView, Mailbox),
    "mail_aliases": (AliasView, MailAlias),
    "databases": (DatabaseView, ServiceDatabase),
    "sftp_accounts": (SftpView, SftpAccount),
    "cron_jobs": (CronView, CronJob),
}
_PRESENT = """
SELECT EXISTS (SELECT 1 FROM dns_records o WHERE o.service_id = s.id),
       EXISTS (SELECT 1 FROM mailboxes o WHERE o.service_id = s.id),
       EXISTS (SELECT 1 FROM mail_aliases o WHERE o.service_id = s.id),
       EXISTS (SELECT 1 FROM service_databases o WHERE o.service_id = s.id),
       EXISTS (SELECT 1 FROM sftp_accounts o WHERE o.service_id = s.id),
       EXISTS (SELECT 1 FROM cron_jobs o WHERE o.service_id = s.id)
FROM services s WHERE s.id = ?
"""


def of(service_id: int) -> ServiceView:
    """Return everything that a step may need to know of a service; NotFound when there is none."""
    row = get(service_id)
    places = _places(service_id)
    names = list(DomainName.select().where(DomainName.service_id == service_id).order_by(DomainName.name))
    aliases = [name for name in names if name.kind == "alias"]
    knobs = knob_values()
    group = ServerGroup.get_or_none(ServerGroup.id == row.group_id)
    return ServiceView(
        id=row.id,
        owner=row.owner,
        domain=row.domain,
        aliases=tuple(name.name for name in aliases if not name.removing),
        former_aliases=tuple(name.name for name in aliases if name.removing),
        former_domains=tuple(row.former_domains or ()),
        mode=row.mode,
        roles=frozenset(filter(None, row.roles.split(","))),
        username=row.username,
        uid=row.uid,
        limits=row.limits,
        php_version=row.php_version,
        proxy_template=row.proxy_template,
        proxy_upstream=row.proxy_upstream,
        generation=row.generation,
        dkim_selector=row.dkim_selector,
        dkim_public_key=row.dkim_public_key,
        zone_serial=row.zone_serial,
        hostmaster=str(knobs["dns.hostmaster"]),
        dns_ttl=int(knobs["dns.ttl"]),
        desired=row.desired,
        held=row.held,
        withdrawn=row.withdrawn,
        web_held=bool(row.web_held_for),
        deployed=row.deployed,
        https_redirect=row.https_redirect,
        suspension=suspension(group.settings if group else {}),
        vanity=_vanity(row),
        web=next(iter(places.get("web", [])), None),
        mail=next(iter(places.get("mail", [])), None),
        dns=tuple(places.get("dns", [])),
        **_objects(service_id),
    )


def _places(service_id: int) -> dict[str, list[ServerView]]:
    places: dict[str, list[ServerView]] = {}
    query = Placement.select(Placement, Server).join(Server, on=(Server.id == Placement.server_id), attr="server")
    placed: Any = query.where(Placement.service_id == service_id).order_by(Server.name)
    for place in placed:
        places.setdefault(place.role, []).append(view(place.server))
    return places


def _vanity(row: Service) -> VanityView | None:
    parent = ParentDomain.get_or_none(ParentDomain.id == row.parent_id) if row.parent_id else None
    if parent is None:
        return None
    return VanityView(
        parent=parent.name,
        name=row.vanity_name,
        mail_user=parent.mail_user,
        mail_domain=parent.mail_domain,
        dns_mode=parent.dns_mode,
        zone_owner=parent.zone_owner,
        zone_serial=parent.zone_serial,
    )


def _objects(service_id: int) -> dict[str, Any]:
    present = _present(service_id)
    records = _rows(DnsRecord, service_id) if DnsRecord in present else []
    listed = {
        name: _views(kind, model, service_id) if model in present else () for name, (kind, model) in _KINDS.items()
    }
    return {
        **listed,
        "custom_records": tuple(_rrset(row) for row in records if not row.removing),
        "removed_records": tuple(_rrset(row) for row in records if row.removing),
    }


def _present(service_id: int) -> set[Any]:
    """Return the models of which a service has a row: most have few kinds of objects, and each kind asked for costs time."""
    models = [DnsRecord, *(model for _, model in _KINDS.values())]
    found = database.execute_sql(_PRESENT.replace("?", database.param), (service_id,)).fetchone()
    return {model for model, there in zip(models, found, strict=True) if there}


def _rows(model: Any, service_id: int) -> list[Any]:
    return list(model.select().where(model.service_id == service_id).order_by(model.id))


def _views(kind: type[_View], model: Any, service_id: int) -> tuple[_View, ...]:
    """Return the views of rows whose columns have the names of the view's fields."""
    fields: Any = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return tuple(kind(**{name: _frozen(getattr(row, name)) for name in fields}) for row in _rows(model, service_id))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _rrset(row: DnsRecord) -> RRset:
    return RRset(name=row.name, type=row.type, ttl=row.ttl, records=tuple(row.contents), id=row.id)
