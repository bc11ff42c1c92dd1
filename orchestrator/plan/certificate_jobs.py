"""The parameters of the steps that answer a CA and install certificates. Keys are in the job only, never in a task's row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import Json
from orchestrator.core.states import Role
from orchestrator.plan.objects import CertificateView
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.web_jobs import own_domain

_Params = Mapping[str, Any]


def _challenge(service: ServiceView, _: _Params) -> Json:
    if not service.account_thumbprint:
        raise InvalidInput("thumbprint", "there is no account at the CA yet", "set ssl.contact_email and order again")
    return {"thumbprint": service.account_thumbprint}


def _dns_challenge(service: ServiceView, params: _Params) -> Json:
    for one in service.challenges:
        if one.name == params.get("name"):
            return {"zone": one.zone, "name": one.name, "values": list(one.values)}
    raise InvalidInput("name", "this service has no such challenge", "ask for certificate.issue")


def _pair(service: ServiceView, role: Role) -> CertificateView:
    for one in service.certificates:
        if one.role == role:
            return one
    raise InvalidInput("role", f"this service has no {role} certificate yet", "ask for certificate.issue")


def _material(one: CertificateView) -> Json:
    return {
        "names": list(one.names),
        "certificate": one.certificate,
        "private_key": one.private_key,
        "serial": one.serial,
    }


def _web(service: ServiceView, _: _Params) -> Json:
    one = _pair(service, Role.WEB)
    return {"site": service.domain, "redirect": one.redirect, **_material(one)}


def _web_absent(service: ServiceView, params: _Params) -> Json:
    return {"site": own_domain(service, params)}


def _mail(service: ServiceView, _: _Params) -> Json:
    return {"domain": service.domain, **_material(_pair(service, Role.MAIL))}


def _mail_absent(service: ServiceView, params: _Params) -> Json:
    return {"domain": own_domain(service, params)}


BUILDERS: Mapping[str, Callable[[ServiceView, _Params], Json]] = {
    "web.challenge_present": _challenge,
    "web.certificate_present": _web,
    "web.certificate_absent": _web_absent,
    "mail.certificate_present": _mail,
    "mail.certificate_absent": _mail_absent,
    "dns.challenge_present": _dns_challenge,
    "dns.challenge_absent": _dns_challenge,
}
