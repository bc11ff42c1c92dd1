"""The words of a certificate's life."""

from __future__ import annotations

from enum import StrEnum


class CertificateState(StrEnum):
    """Where the certificate of one role of a service stands."""

    OFF = "off"  # no automation: the service is suspended, or an operator has switched it off
    FAST = "fast"  # just provisioned: looked at often
    NORMAL = "normal"  # no certificate yet: looked at now and then, ever more rarely
    ISSUING = "issuing"  # an order is under way
    DEPLOY = "deploy"  # issued and stored, not yet served everywhere
    ACTIVE = "active"  # served; renewed when it is due
    RENEWING = "renewing"  # due; the old one still works
    FROZEN = "frozen"  # too many validations failed
    CA_PAUSED = "ca_paused"  # the CA wants a person to look
    BLOCKED = "blocked"  # the CA will never issue for these names
    CUSTOM = "custom"  # the customer's own; never touched


class Trouble(StrEnum):
    """Why no certificate came of it, and thereby whose fault it is."""

    PRECHECK = "precheck"  # the names do not lead here
    TRANSIENT = "transient"  # the CA did not answer as it should
    RATE_LIMITED = "rate_limited"
    PAUSED = "paused"
    VALIDATION = "validation"  # the CA looked and did not find what it asked for; the only one that counts
    PERMANENT = "permanent"
    ACCOUNT = "account"
    OURS = "ours"  # a server of ours
    REPLACED = "replaced"  # the certificate to be renewed has a newer order already


class Verdict(StrEnum):
    """What looking at the names has shown."""

    OK = "ok"  # every address is ours
    INDIRECT = "indirect"  # not ours, but what is asked for there reaches us: a CDN, a NAT
    NO = "no"
    UNKNOWN = "unknown"  # our own resolver or connection is broken
