"""The failure lab: property-test crashes, schedules and full disks; see docs/testing.md.

Needs Hypothesis: `pip install 'callboard[testing]'`. Nothing here needs pytest.
"""

# The first says what to install, before others fail without it.
from . import available as available, check as check, faults as faults, ops as ops
from .acts import (
    Cancelled as Cancelled,
    Requested as Requested,
    Sent as Sent,
    Spawned as Spawned,
    Timed as Timed,
)
from .drawing import Undrawable as Undrawable
from .errors import (
    Crashed as Crashed,
    InvariantBroken as InvariantBroken,
    NotConverged as NotConverged,
    NotDeterministic as NotDeterministic,
    OutsideWorld as OutsideWorld,
    SimulationError as SimulationError,
)
from .journal import Journal as Journal, read_notes as read_notes
from .killing import KillLoop as KillLoop
from .kills import Kill as Kill, ProgramFailed as ProgramFailed
from .life import FaultInjected as FaultInjected
from .machine import ActorMachine as ActorMachine
from .moments import Moment as Moment, Stage as Stage, draw_moment as draw_moment
from .plan import Op as Op, Plan as Plan, Verb as Verb, operation as operation, plans as plans
from .profiles import CI as CI, DEV as DEV, HUNT as HUNT
from .reckoning import in_order as in_order, reckon as reckon, total_queue as total_queue
from .rehearsal import Rehearsal as Rehearsal, turn as turn
from .remains import Remains as Remains, look_into as look_into
from .rules import always as always, initialize as initialize, rule as rule
from .running import run_simulation as run_simulation, simulate as simulate
from .simulation import Simulation as Simulation
from .strategies import messages as messages, refs as refs
