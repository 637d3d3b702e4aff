"""Report: what a person reads when a simulation has found something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InvariantBroken

if TYPE_CHECKING:
    from .simulation import Simulation
    from .trace import Event, Trace

LINES = 40
"""Lines of a timeline, at most."""
HEAD = 12
"""Of those, how many show the beginning if some must be left out."""
SILENT = frozenset({"turn.end", "commit.before_durable", "timer.set", "plan"})
"""What is left out: another line says it."""


WORDS = {
    "opened": "the node opens, life {0}",
    "closes": "the node closes",
    "heal": "faults end",
    "raises": "the turn of {0} is made to fail",
    "delivered": "{0} <- {messages[1]} from {2}",
    "turn.begin": "{0} begins {messages[1]}, attempt {2}",
    "turn.resumed": "{0} goes on with {messages[1]}",
    "handled": "{0} has handled {messages[1]}",
    "refused": "{0} has refused {messages[1]}",
    "failed": "{0} failed {messages[1]}, attempt {2}",
    "dead": "{0} gives up {messages[1]}: a dead letter",
    "dropped": "{0} discards {messages[1]}: its timer was cancelled",
    "timer.fired": "the timer of {0} fires: {messages[1]}",
    "commit.durable": "commit {0} is on disk",
    "client spawn": "a client spawns an actor",
    "client tell": "a client tells {1}: {0}",
    "client ask": "a client asks {1}: {0}",
    "client hears": "a client hears {0}",
    "client gives up": "{0} gives up: {1}",
    "client tell returned": "tell of {messages[0]} returned",
    "client tell_all returned": "tell_all of {messages[0]} returned",
    "client ask returned": "ask of {messages[0]} returned",
}
"""How events read; by number, what they are about."""


def explain(error: Exception, sim: Simulation) -> None:
    """Add to an error what led to it: as notes, which tracebacks and pytest print below it."""
    if getattr(error, "_callboard_explained", False):
        return
    error.__dict__["_callboard_explained"] = True
    for note in write(error, sim):
        error.add_note(note)


def write(error: Exception, sim: Simulation) -> list[str]:
    """The parts of a report."""
    parts = [f"Plan: {sim.plan!r}", timeline(sim.trace, several=sim.count > 1)]
    if isinstance(error, InvariantBroken):
        parts.append(f"Broken first: {error}")
    parts.append(f"To see it again: {sim.plan.again()}\nIts trace hash is {sim.trace.hash()}.")
    return parts


def timeline(trace: Trace, *, several: bool = False) -> str:
    """What happened, at most 40 lines of it."""
    lines = [line for event in trace.events if (line := _line(trace, event, several=several))]
    if len(lines) > LINES - 1:
        left_out = len(lines) - (LINES - 2)
        tail = LINES - 2 - HEAD
        lines = [*lines[:HEAD], f"    … {left_out} lines …", *lines[-tail:]]
    return "\n".join(["Timeline:", *lines])


def _line(trace: Trace, event: Event, *, several: bool) -> str:
    if event.what in SILENT:
        return ""
    where = "test" if event.node < 0 else f"n{event.node}" if several else ""
    return f"  t={event.at:<9g} {where and f'{where:5}'}{_words(trace, event)}"


def _words(trace: Trace, event: Event) -> str:
    template = WORDS.get(event.what)
    if template is None:
        about = " ".join(map(str, event.about))
        return f"{event.what}: {about}" if about else event.what
    numbers = [trace.show_message(each) if type(each) is int else "" for each in event.about]
    return template.format(*event.about, *[""] * 3, messages=numbers)
