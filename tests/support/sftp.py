"""Talks to a node as an SFTP customer does: with OpenSSH's own client, from outside the node."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class Customer:
    """A customer with a key pair and a password, at one address."""

    def __init__(self, folder: Path, address: str, host_keys: Path, login: str) -> None:
        self.login = login
        self.folder = folder
        self._key = folder / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laptop", "-f", self._key], check=True)
        self.public_key = self._key.with_suffix(".pub").read_text().strip()
        self._options = [f"HostName={address}", f"UserKnownHostsFile={host_keys}", "StrictHostKeyChecking=yes"]
        self._options += ["LogLevel=ERROR", "NumberOfPasswordPrompts=1", "ConnectTimeout=20", "ControlPath=none"]

    def _command(self, program: str, password: str, *more: str) -> list[str]:
        ways = "password" if password else "publickey"
        options = [*self._options, f"PreferredAuthentications={ways}", f"User={self.login}", "IdentitiesOnly=yes"]
        given = [part for option in options for part in ("-o", option)]
        return [
            program,
            "-F",
            "none",
            *given,
            "-o",
            f"BatchMode={'no' if password else 'yes'}",
            "-i",
            str(self._key),
            *more,
        ]

    def _environment(self, password: str) -> dict[str, str]:
        if not password:
            return dict(os.environ)
        script = self.folder / "askpass"
        script.write_text('#!/bin/sh\nprintf "%s\\n" "$CUSTOMER_PASSWORD"\n')
        script.chmod(0o700)
        more = {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "CUSTOMER_PASSWORD": password}
        return {**os.environ, **more}

    def sftp(self, *commands: str, password: str = "") -> tuple[bool, str]:
        """Return (whether all commands worked, what was said). A command with a leading hyphen may fail."""
        done = subprocess.run(
            self._command("sftp", password, "-b", "-", "node"),
            input="\n".join(commands) + "\n",
            env=self._environment(password),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode == 0, done.stdout + done.stderr

    def ssh(self, *arguments: str, password: str = "") -> tuple[int, str]:
        """Return (exit code, what was said) of ssh, for what must not work."""
        done = subprocess.run(
            self._command("ssh", password, *arguments),
            stdin=subprocess.DEVNULL,
            env=self._environment(password),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def session(self, *arguments: str) -> subprocess.Popen[str]:
        """Return a session that stays open; the caller ends it."""
        command = self._command("sftp" if not arguments else "ssh", "", *(arguments or ("node",)))
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder
        )
