#!/bin/sh
# Runs on the build machine once the packages are unpacked: ROOT is the new image.
# Leaves a plain Debian whose packages are present and whose services wait to be enabled by a playbook.
set -eu
ROOT=$1
LOGIN=$2

# Names that the maintainer scripts took from the build machine.
echo debian >"$ROOT/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$ROOT/etc/hosts"
rm -f "$ROOT/etc/resolv.conf"
chroot "$ROOT" postconf -e 'myhostname = localhost' 'mydestination = localhost'
echo localhost >"$ROOT/etc/mailname"

# Identity belongs to a node, never to the image.
rm -f "$ROOT"/etc/ssh/ssh_host_* "$ROOT/var/lib/dbus/machine-id" "$ROOT/var/lib/systemd/random-seed"
: >"$ROOT/etc/machine-id"

# Only SSH starts by itself. The preset is gone afterwards, so that it binds no later installation.
preset="$ROOT/etc/systemd/system-preset"
mkdir -p "$preset"
printf 'enable ssh.service\ndisable *\n' >"$preset/00-lab.preset"
systemctl --root="$ROOT" preset-all >/dev/null 2>&1
rm -r "$preset"
systemctl --root="$ROOT" set-default multi-user.target >/dev/null 2>&1
# Each of these needs a kernel, a console or a clock of its own.
systemctl --root="$ROOT" mask --quiet console-getty.service getty.target systemd-timesyncd.service \
    systemd-resolved.service systemd-networkd.service systemd-firstboot.service proc-sys-fs-binfmt_misc.automount \
    sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount

mkdir -p "$ROOT/etc/systemd/journald.conf.d" "$ROOT/etc/ssh/sshd_config.d"
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n' >"$ROOT/etc/systemd/journald.conf.d/lab.conf"
# Without UseDNS no a login waits for a reverse lookup whenever the resolver is the thing under test.
# The key exchange that also resists quantum computers costs a tenth of a second of the processor at every login, and tests log in often.
printf 'UseDNS no\nPasswordAuthentication no\nPermitRootLogin no\nKexAlgorithms curve25519-sha256\n' >"$ROOT/etc/ssh/sshd_config.d/lab.conf"

chroot "$ROOT" groupadd --gid 1000 "$LOGIN"
chroot "$ROOT" useradd --create-home --shell /bin/bash --uid 1000 --gid 1000 "$LOGIN"
printf '%s ALL=(ALL) NOPASSWD:ALL\n' "$LOGIN" >"$ROOT/etc/sudoers.d/$LOGIN"
chmod 0440 "$ROOT/etc/sudoers.d/$LOGIN"

# rspamd compiles its list of domain endings when it starts for the first time, which takes a processor many seconds.
# Every node finds the result here. Where that does not work a node's first start is slow, and that is all.
mkdir -p "$ROOT/run/rspamd"
chroot "$ROOT" chown _rspamd /run/rspamd
chroot "$ROOT" runuser -u _rspamd -- timeout 120 rspamd -f -c /etc/rspamd/rspamd.conf >/dev/null 2>&1 &
warming=$!
waited=0
while kill -0 "$warming" 2>/dev/null && [ "$waited" -lt 240 ] && ! find "$ROOT/var/lib/rspamd" -name '*.hsmp' -size +10M | grep -q .; do
    sleep 0.5
    waited=$((waited + 1))
done
kill "$warming" 2>/dev/null || true
wait "$warming" 2>/dev/null || true
find "$ROOT/var/lib/rspamd" -type f ! -name '*.hsmp' -delete
find "$ROOT/var/lib/rspamd" -type s -delete
rm -rf "$ROOT/run/rspamd"
