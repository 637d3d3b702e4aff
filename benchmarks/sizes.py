"""Sizes: how much work each measure does, the same for us and for those beside us."""

from pathlib import Path

import attrs

Measured = dict[str, float]
"""What one measure found in one round: `value`, in the measure's unit, and facts beside it."""

BLOCK = 500
"""Messages a sender sends before it waits for room."""
AHEAD = 8
"""Blocks it may be ahead of its receiver."""
PAUSE_S = 0.002
"""Between two tells whose latency is measured, so that each finds the loop as it is."""


class Miscounted(Exception):
    """A receiver did not get what was sent, so no number of this run means anything."""


class NotHere(Exception):
    """This machine cannot measure that; the run goes on without it."""


@attrs.frozen
class Sizes:
    """How much of everything. The senders' counts are divided into blocks and batches without a rest."""

    tells: int = 100_000
    """From one actor to another."""
    batch: int = 1000
    """Messages in one `tell_all`, and in one transaction of the raw queue."""
    senders: int = 100
    """Actors or tasks that send to one receiver."""
    each: int = 500
    """What each sending actor sends."""
    each_outside: int = 200
    """What each sending task sends, waiting for every tell to be durable."""
    rallies: int = 20_000
    """Round trips of our ping-pong."""
    cycles: int = 1000
    """Messages that are put, and then taken, one commit each."""
    asks: int = 3000
    """Questions asked one after the other; also rallies of Pykka and single commits."""
    askers: int = 100
    asks_each: int = 100
    actors: int = 10_000
    """Actors made and kept."""
    timers: int = 10_000
    """Set, and rung."""
    idle_tells: int = 300
    """Acknowledged tells that are timed one by one on an idle loop."""
    busy_tells: int = 120
    """The same beside a saturated loop."""
    load: int = 20_000
    """Calls that find out how many a second there can be."""
    load_s: float = 2.0
    """How long calls are offered."""
    backlog: int = 100_000
    """Messages that wait for one actor, beside a neighbour."""
    restarts: int = 2000
    """Messages that die, and take their actor with them."""
    simulations: int = 1000
    """Simulated runs, and drawn plans."""
    imports: int = 7
    """Processes that import us, of which the quickest counts."""
    many_actors: int = 1_000_000
    """Actors in a store that is filled before it is measured."""
    many_boxes: int = 1000
    """Mailboxes among which the backlog is dealt out, if not all of it lies in one."""
    many_messages: int = 10_000_000
    """Messages of the backlog."""
    woken: int = 20_000
    """Actors woken from among the many."""
    drain_s: float = 15
    """Seconds for which the backlog is drained."""


FULL = Sizes()
QUICK = Sizes(
    tells=4000,
    batch=200,
    senders=10,
    each=50,
    each_outside=5,
    rallies=200,
    cycles=20,
    asks=50,
    askers=10,
    asks_each=5,
    actors=200,
    timers=1000,
    idle_tells=20,
    busy_tells=10,
    load=500,
    load_s=0.1,
    backlog=2000,
    restarts=50,
    simulations=20,
    imports=1,
    many_actors=2000,
    many_boxes=20,
    many_messages=20_000,
    woken=500,
    drain_s=0.2,
)


def check(what: str, got: int, sent: int) -> None:
    """Refuse a number that was measured while something was lost or done twice.

    Raises:
        Miscounted: `got` is not what was sent.
    """
    if got != sent:
        raise Miscounted(f"{what}: {sent} were sent and {got} arrived")


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed; 0.5 is the middle one."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def own_memory() -> int:
    """Bytes of memory that belong to this process alone; LMDB's map of its file does not count.

    Raises:
        NotHere: the system does not say.
    """
    status = Path("/proc/self/status")
    for line in status.read_text(encoding="ascii").splitlines() if status.exists() else []:
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise NotHere("only Linux says how much memory is a process's own")
