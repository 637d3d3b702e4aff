"""Available: whether what the failure lab needs is installed; imported before all else of it.

Without it the first import to fail would be somewhere inside, with a text that names no remedy.
"""

from importlib.util import find_spec

if find_spec("hypothesis") is None:
    raise ModuleNotFoundError(
        "callboard.testing, and with it an async test that takes our `node` fixture, needs the package "
        "hypothesis: pip install 'callboard[testing]'",
        name="hypothesis",
    )
