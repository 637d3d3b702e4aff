"""Profiles: settings for Hypothesis under names of our own. Importing this module makes them known.

| name | examples | for |
|---|---|---|
| `callboard-dev` | 50 | while you type |
| `callboard-ci` | 200 | the same ones every time, so that a build fails for what was changed |
| `callboard-hunt` | 5,000 | nights: fresh ones every time, and how to repeat a failure is printed |

None has a deadline, since how long a commit takes is the disk's affair. None explains failures: for that
Hypothesis would trace every line of the runtime, which takes ten times as long as finding and shrinking.
Under pytest say `--hypothesis-profile=callboard-ci`; elsewhere `settings.load_profile("callboard-ci")`.
"""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, Phase, settings

DEV: Final = "callboard-dev"
CI: Final = "callboard-ci"
HUNT: Final = "callboard-hunt"

_PHASES: Final = tuple(phase for phase in Phase if phase is not Phase.explain)

settings.register_profile(DEV, max_examples=50, deadline=None, phases=_PHASES)
settings.register_profile(
    CI, max_examples=200, deadline=None, derandomize=True, print_blob=True, phases=_PHASES
)
settings.register_profile(
    HUNT,
    max_examples=5000,
    deadline=None,
    derandomize=False,
    print_blob=True,
    phases=_PHASES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
