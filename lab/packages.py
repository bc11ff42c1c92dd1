"""What a node's image contains. A change of this list makes a new image."""

from __future__ import annotations

RELEASE = "bookworm"

SYSTEM = """
    systemd systemd-sysv dbus libpam-systemd openssh-server sudo python3 python3-apt python3-pymysql
    ca-certificates openssl curl iproute2 iputils-ping bind9-dnsutils procps psmisc acl quota cron
    sqlite3 debconf-utils
"""

WEB = """
    nginx-light logrotate mariadb-server mariadb-client php8.2-fpm php8.2-cli php8.2-mysql php8.2-curl
    php8.2-mbstring php8.2-xml php8.2-zip php8.2-gd
"""

MAIL = """
    postfix postfix-sqlite dovecot-core dovecot-imapd dovecot-lmtpd dovecot-sqlite dovecot-sieve rspamd
"""

DNS = "pdns-server pdns-backend-sqlite3"

ACME = "pebble"

ALL = sorted(" ".join([SYSTEM, WEB, MAIL, DNS, ACME]).split())
