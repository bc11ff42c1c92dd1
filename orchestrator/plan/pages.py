"""The page that a suspended service shows."""

from __future__ import annotations

import html

from orchestrator.core.errors import InvalidInput

PLACE = "@DOMAIN@"  # of the domain in a group's own page
MAXIMUM = 32_768  # characters

_BUILT_IN = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>@DOMAIN@ is suspended</title>
<style>
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 16px/1.6 system-ui, sans-serif;
  color: #1f2933; background: #f5f7fa }
main { max-width: 34rem; padding: 2rem }
h1 { font-size: 1.5rem; margin: 0 0 .5rem }
@media (prefers-color-scheme: dark) { body { color: #e4e7eb; background: #1f2933 } }
</style>
</head>
<body><main>
<h1>This website is suspended</h1>
<p><strong>@DOMAIN@</strong> is not available at the moment. If it is yours, please contact your hosting provider.</p>
</main></body>
</html>
"""


def suspended(template: str, domain: str) -> str:
    """Return the page of a group, or the built-in one, for a domain."""
    return (template or _BUILT_IN).replace(PLACE, html.escape(domain))


def checked(text: str) -> str:
    """Return a group's own page; InvalidInput when it is too long or no text."""
    if len(text) > MAXIMUM or "\0" in text:
        raise InvalidInput("suspended-page", f"is longer than {MAXIMUM} characters or no text", "shorten it")
    return text
