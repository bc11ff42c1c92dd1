"""Real Debian nodes on one machine, for the demo, the acceptance tests and Molecule.

Only the standard library is used: the lab has to run before any virtual environment exists.
"""

from __future__ import annotations
