"""Programs that run on the bench's nodes: a thousand accounts made directly, and what an administrator would type instead."""

from __future__ import annotations

# Folders, files, logs and records of accounts as the steps of a deploy leave them; the users are lines of passwd.
WEB = """
import json, os, time
ACCOUNTS = int({accounts})
body = b"x" * 10_000
moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
line = ('{{"time":"%s","id":"0","site":"a","host":"a","client":"10.0.0.1","method":"GET","uri":"/","protocol":"HTTP/1.1",'
        '"status":200,"in":300,"out":9000,"seconds":0.1,"referer":"","agent":"bench"}}\\n' % moment)
os.makedirs("/etc/tenantry/web/packages", exist_ok=True)
with open("/etc/passwd", "a") as users:
    for number in range(1, ACCOUNTS + 1):
        name, uid = "w%d" % number, 30_000 + number
        users.write("%s:x:%d:%d::/home/%s:/usr/sbin/nologin\\n" % (name, uid, uid, name))
        os.makedirs("/home/%s/www" % name)
        for file in range(20):
            with open("/home/%s/www/%d.html" % (name, file), "wb") as handle:
                handle.write(body)
        os.makedirs("/var/log/tenantry/web/%s" % name)
        with open("/var/log/tenantry/web/%s/access.log" % name, "w") as log:
            log.write(line * 200)
        with open("/etc/tenantry/web/packages/%s.json" % name, "w") as record:
            json.dump({{"owner": "s%d" % number, "uid": uid, "limits": {{}}}}, record)
os.sync()
"""
MAIL = """
import os, pwd, sqlite3
ACCOUNTS = int({accounts})
user = pwd.getpwnam("vmail")
message = b"From: a@b.test\\r\\nSubject: bench\\r\\n\\r\\n" + b"x" * 2_000 + b"\\r\\n"
routing = sqlite3.connect("/var/lib/tenantry/mail/routing.sqlite")
routing.execute("ATTACH DATABASE '/var/lib/tenantry/mail/accounts.sqlite' AS accounts")
with routing:
    for number in range(1, ACCOUNTS + 1):
        domain, owner = "shop%d.test" % number, "s%d" % number
        address = "postmaster@" + domain
        for table in ("main.domains (domain, owner, quota_mb, mailboxes)", "accounts.domains (domain, owner, quota_mb)"):
            values = (domain, owner, 100, 5) if table.startswith("main.") else (domain, owner, 100)
            routing.execute("INSERT INTO %s VALUES (%s)" % (table, ", ".join("?" * len(values))), values)
        routing.execute("INSERT INTO main.mailboxes (address, domain, owner) VALUES (?, ?, ?)", (address, domain, owner))
        routing.execute("INSERT INTO accounts.accounts (address, domain, local_part, owner, password_hash, quota_mb) "
                        "VALUES (?, ?, 'postmaster', ?, '!', 100)", (address, domain, owner))
        home = "/var/vmail/%s/postmaster" % domain
        for folder in ("cur", "new", "tmp"):
            os.makedirs("%s/Maildir/%s" % (home, folder))
        for file in range(5):
            with open("%s/Maildir/cur/%d.M%d.bench:2,S" % (home, 1_700_000_000 + file, file), "wb") as handle:
                handle.write(message)
        os.system("chown -R %d:%d /var/vmail/%s" % (user.pw_uid, user.pw_gid, domain))
os.sync()
"""
# What gives the same figures by hand, for all accounts and for one.
BARE = {
    "web": "find -P /home -xdev -printf '%H %y %i %n %s %b\\n' | wc -l;"
    " cat /var/log/tenantry/web/*/access.log | grep -o '\"in\":[0-9]*,\"out\":[0-9]*' | tr -cs '0-9\\n' ' '"
    " | awk '{sent += $1; got += $2} END {print sent, got}'",
    "mail": "doveadm -f tab mailbox status -A -t 'messages vsize' '*' | wc -l;"
    " journalctl --quiet --no-pager _SYSTEMD_UNIT=postfix@-.service | wc -l",
}
ONE = {
    "web": 'du -sb /home/w{number}; grep -o \'"in":[0-9]*,"out":[0-9]*\' /var/log/tenantry/web/w{number}/access.log'
    " | tr -cs '0-9\\n' ' ' | awk '{{sent += $1; got += $2}} END {{print sent, got}}'",
    "mail": "doveadm -f tab mailbox status -u postmaster@shop{number}.test -t 'messages vsize' '*'",
}
