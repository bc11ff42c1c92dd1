"""web.domain_present with https_redirect: whether requests in clear are sent to HTTPS, while there is a certificate."""

from __future__ import annotations

from typing import Any

from orchestrator.core import names
from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import StepSpec
from orchestrator.core.states import Role
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Intent
from orchestrator.lifecycle.client import base
from orchestrator.models.certificate import CertificateRow
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.steps import of
from orchestrator.store import certificates, material, services


def present(intent: Intent) -> Apply:
    """Check the request and return what stores the setting; it is effective at once where a certificate is served."""
    read.only(intent.params, ("domain", "https_redirect"))
    domain = names.domain(read.required(intent.params, "domain"))
    wanted = read.flag(intent.params["https_redirect"], "https_redirect")
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.active(intent, Role.WEB)
        if domain != row.domain:
            raise InvalidInput("https_redirect", "holds for the whole site", f"give it with the domain {row.domain}")
        services.update(row.id, https_redirect=wanted)
        found = [one for one in certificates.of_service(row.id) if one.role == Role.WEB and _is_served(one)]
        return begin.change(row, intent, lambda view: _steps(view, found), [])

    return apply


def _is_served(row: CertificateRow) -> bool:
    """True when there is something to install anew; otherwise the setting comes with the first certificate."""
    kind = material.CUSTOM if row.state == State.CUSTOM else material.AUTO
    return certificates.has_material(row.id, kind)


def _steps(view: ServiceView, found: list[CertificateRow]) -> list[StepSpec]:
    return [of("web.certificate_present", view.web.name, params={"certificate": row.id}) for row in found if view.web]
