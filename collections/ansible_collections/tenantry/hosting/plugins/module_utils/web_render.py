# SPDX-License-Identifier: Apache-2.0
"""What a site's configuration says. Pure: every value has passed ``web_names`` before it comes here.

nginx answers one address per site on the node itself with the marks of what it has loaded, so that a step can see whether
the running nginx knows its files. The parts of a site:

    sites/DOMAIN.conf    names, certificate, logs; includes the two below
    php/USER.conf        the socket of the account's PHP
    proxy/USER.conf      what answers: files, PHP, or a program of the account
    suspended/USER.conf  there while the account is suspended, and before everything else
    https/DOMAIN.conf    there while requests in clear are sent to HTTPS
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import web_account

HEADER = "# tenantry "
PROBE_PATH = "/.well-known/tenantry-loaded"
_NOTICE = "# Written by tenantry: changes by hand are overwritten.\n"

_SITE = """\
server {{
    listen 80;
    listen [::]:80;
    listen 443 ssl http2;
    listen [::]:443 ssl http2;
    server_name {names};
    ssl_certificate {certificates}/{domain}/current/fullchain.pem;
    ssl_certificate_key {certificates}/{domain}/current/key.pem;
    access_log {logs}/{username}/access.log tenantry;
    error_log {logs}/{username}/error.log warn;
    set $site_suspended_mark "";
    include tenantry/suspended/{username}.con[f];
    set $site_root {home}/{document_root};
    set $site_mark "{mark}";
    include tenantry/snippets/site.conf;
    include tenantry/https/{domain}.con[f];
    include tenantry/php/{username}.con[f];
    include tenantry/proxy/{username}.con[f];
}}
"""

_FILES = """\
root $site_root;
disable_symlinks if_not_owner from=$site_root;
"""

_TEMPLATES = {
    "static": _FILES
    + """\
index index.html index.htm;
location ~* \\.(?:php[0-9]?|phtml|phar|inc)(?:/|$) { return 404; }
location / { try_files $uri $uri/ =404; }
""",
    "php": _FILES
    + """\
index index.php index.html index.htm;
location ~ [^/]\\.php(?:/|$) { include tenantry/snippets/php.conf; }
location ~* \\.(?:php[0-9]?|phtml|phar|inc)(?:/|$) { return 404; }
location / { try_files $uri $uri/ /index.php$is_args$args; }
""",
    "reverse": """\
location / {{
    include tenantry/snippets/reverse.conf;
    proxy_pass http://{host}:{port};
}}
""",
}

# In the server itself, so that it comes before every location of whatever template; \z, because $ would let a newline pass.
# An error page is asked for with GET whatever the method was, and so is the page's own address.
_SUSPENDED = """\
if ($uri !~ "^/[.](?:well-known/(?:acme-challenge/|tenantry-loaded\\z)|tenantry-suspended\\z)") {{ return 503; }}
error_page 503 {page};
location = {page} {{
    internal;
    error_page 404 =503 {page};
    alias {file};
    types {{ }}
    default_type "text/html; charset=utf-8";
    client_max_body_size 0;
    disable_symlinks off;
    if_modified_since off;
    etag off;
    max_ranges 0;
    add_header Retry-After {retry_after} always;
    add_header X-Robots-Tag noindex always;
    add_header Cache-Control no-store always;
}}
"""

# What a CA asks for, what this node asks itself, and the page of a suspended site, which is looked for after the 503.
_REDIRECT = """\
set $site_https "$scheme $host";
{names}if ($uri ~ "^/[.](?:well-known/(?:acme-challenge/|tenantry-loaded\\z)|tenantry-suspended\\z)") {{ set $site_https ""; }}
if ($site_https = redirect) {{ return 301 https://$host$request_uri; }}
"""
_REDIRECTED = 'if ($site_https = "http {name}") {{ set $site_https redirect; }}\n'

_POOL = """\
[global]
daemonize = no
error_log = syslog
syslog.ident = php-{username}
process_control_timeout = 10s

[{username}]
user = {username}
group = {username}
listen = {socket}
pm = ondemand
pm.max_children = {workers}
pm.process_idle_timeout = 30s
pm.max_requests = 500
request_terminate_timeout = 300s
ping.path = {ping_path}
ping.response = {mark}
catch_workers_output = yes
clear_env = yes
security.limit_extensions = .php
env[HOME] = {home}
env[PATH] = /usr/local/bin:/usr/bin:/bin
env[TMPDIR] = {home}/tmp
php_admin_value[memory_limit] = {memory_mb}M
php_admin_value[open_basedir] = {home}/:/usr/share/php/
php_admin_value[disable_functions] = {disabled}
php_admin_value[sys_temp_dir] = {home}/tmp
php_admin_value[upload_tmp_dir] = {home}/tmp
php_admin_value[session.save_path] = {home}/sessions
php_admin_value[session.gc_probability] = 1
php_admin_value[error_log] = {home}/logs/php.log
php_admin_flag[log_errors] = on
php_admin_flag[allow_url_include] = off
php_admin_flag[enable_dl] = off
php_admin_flag[expose_php] = off
php_flag[display_errors] = off
php_flag[session.cookie_httponly] = on
php_value[max_execution_time] = 60
php_value[post_max_size] = 64M
php_value[upload_max_filesize] = 64M
"""

PING_PATH = "/tenantry-ping"
SITE_WORD = "site"  # begins the answer of a site, and never that of the default one
HTTPS_WORD = "https-"  # begins the mark of a site that sends requests in clear to HTTPS
SUSPENDED_WORD = "suspended-"  # begins the mark of a suspended account, and no other one
_SUSPENDED_PAGE = "/.tenantry-suspended"


def mark_of(text: str) -> str:
    """Return the mark by which a loaded file is recognised."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def header(values: Mapping[str, Any]) -> str:
    """Return the first line of a file of ours: whose it is, to be read by the next step."""
    return f"{HEADER}{json.dumps(values, sort_keys=True)}\n{_NOTICE}"


def parse_header(text: str) -> dict[str, Any] | None:
    """Return what the first line says, None for a file that is not ours."""
    first = text.split("\n", 1)[0]
    if not first.startswith(HEADER):
        return None
    try:
        found = json.loads(first[len(HEADER) :])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def site(domain: str, names: Sequence[str], username: str, owner: str, document_root: str) -> tuple[str, str]:
    """Return (the vhost's file, its mark)."""
    values = {
        "names": " ".join(names),
        "domain": domain,
        "username": username,
        "document_root": document_root,
        "home": web_account.home(username),
        "logs": web_account.LOGS,
        "certificates": web_account.CERTIFICATES,
    }
    top = header({"domain": domain, "owner": owner, "username": username})
    mark = mark_of(top + _SITE.format(mark="", **values))
    return top + _SITE.format(mark=mark, **values), mark


def php_snippet(username: str, owner: str, version: str) -> tuple[str, str]:
    """Return (the file that says where the account's PHP listens, its mark)."""
    top = header({"owner": owner, "username": username, "version": version})
    body = f"set $site_php unix:{socket(username, version)};\n"
    mark = mark_of(top + body)
    return f'{top}{body}set $site_php_mark "{mark}";\n', mark


def proxy_snippet(username: str, owner: str, template: str, target: tuple[str, int] | None) -> tuple[str, str]:
    """Return (the file that says what answers, its mark)."""
    top = header({"owner": owner, "template": template, "username": username})
    host, port = target or ("", 0)
    body = _TEMPLATES[template].format(host=host, port=port) if target else _TEMPLATES[template]
    mark = mark_of(top + body)
    return f'{top}{body}set $site_proxy_mark "{mark}";\n', mark


def suspended_snippet(username: str, owner: str, file: str, retry_after: int) -> tuple[str, str]:
    """Return (the file that lets every site of the account answer 503 with the page in ``file``, its mark)."""
    top = header({"owner": owner, "username": username})
    body = _SUSPENDED.format(page=_SUSPENDED_PAGE, file=file, retry_after=retry_after)
    mark = SUSPENDED_WORD + mark_of(top + body)
    return f'{top}set $site_suspended_mark "{mark}";\n{body}', mark


def https_snippet(domain: str, owner: str, names: Sequence[str]) -> tuple[str, str]:
    """Return (the file that sends requests in clear for these names to HTTPS, its mark)."""
    top = header({"domain": domain, "owner": owner})
    body = _REDIRECT.format(names="".join(_REDIRECTED.format(name=name) for name in names))
    mark = HTTPS_WORD + mark_of(top + body)
    return f'{top}set $site_https_mark "{mark}";\n{body}', mark


def socket(username: str, version: str) -> str:
    """Return where the account's PHP of one version listens."""
    return f"{web_account.SOCKETS}/{username}-{version}.sock"


def pool(
    username: str, owner: str, version: str, memory_mb: int, workers: int, disabled: Sequence[str]
) -> tuple[str, str]:
    """Return (the configuration of the account's PHP-FPM, the answer its ping gives once it is loaded)."""
    values = {
        "username": username,
        "socket": socket(username, version),
        "home": web_account.home(username),
        "memory_mb": memory_mb,
        "workers": workers,
        "disabled": ",".join(disabled),
        "ping_path": PING_PATH,
    }
    top = header({"owner": owner, "username": username, "version": version}).replace("# ", "; ")
    mark = mark_of(top + _POOL.format(mark="", **values))
    return top + _POOL.format(mark=mark, **values), mark


def slice_unit(username: str, memory_mb: int, workers: int) -> tuple[str, dict[str, str]]:
    """Return (the unit that bounds all of the account's processes, the properties systemd then shows).

    Memory: what every PHP worker may use, and once more for the rest. Processes: each worker may start a few.
    """
    ceiling = memory_mb * (workers + 1) + 64
    tasks = 32 + 8 * workers
    text = (
        f"{_NOTICE}[Unit]\nDescription=Limits of {username}\n\n[Slice]\nMemoryHigh={ceiling * 9 // 10}M\n"
        f"MemoryMax={ceiling}M\nMemorySwapMax=0\nTasksMax={tasks}\nCPUWeight=100\nIOWeight=100\n"
    )
    return text, {"MemoryMax": str(ceiling * 1024 * 1024), "TasksMax": str(tasks)}
