"""Rows: every measure there is, what it is held against, and what is asked of it."""

from collections.abc import Mapping

import attrs
from units import COUNT, KIBIBYTES, MEGABYTES, MILLISECONDS, RATE, SECONDS, TIMES, Unit


@attrs.frozen
class Target:
    """What design/performance.md asks for."""

    yardstick: str
    """The other side of the ratio; empty if the value itself is meant."""
    must: float | None
    aim: float | None


@attrs.frozen
class Row:
    """One measure."""

    name: str
    """As `--only` takes it."""
    text: str
    series: str
    """What is run: whose, and which function."""
    targets: tuple[Target, ...] = ()
    unit: Unit = RATE
    less_is_better: bool = False
    takes_minutes: bool = False
    """Run only if it is named."""


def _beside(measure: str) -> tuple[Target, ...]:
    """Other runtimes at the same work, in memory; nothing is asked of us there."""
    return tuple(Target(f"{whose}.{measure}", None, None) for whose in ("thespian", "xoscar", "channels"))


SMALL_STATE = (Target("weights.state_small", None, None),)
NEIGHBOUR = (Target("neighbours.alone", None, None),)
SMALL_PAYLOAD = (Target("weights.payload_small", None, None),)

ROWS = (
    Row("tell", "tell, one actor to one actor", "callboard.tell",
        (Target("pykka.tell", 1.2, 3), Target("pykka on one core.tell", None, None),
         Target("raw.queue", None, 0.6), *_beside("tell"))),
    Row("tell-all", "`tell_all` from outside", "callboard.tell_all",
        (Target("pykka.tell", 1, 2.5), Target("queues.huey_redis", 50, 200))),
    Row("fan-in", "fan-in, 100 actors", "callboard.fan_in",
        (Target("pykka.fan_in", 0.6, 1), Target("pykka on one core.fan_in", None, None),
         *_beside("fan_in"))),
    Row("fan-in-outside", "fan-in, 100 tasks outside, each tell durable", "callboard.fan_in_outside",
        (Target("pykka.fan_in", 0.15, 0.35),)),
    Row("ping-pong", "ping-pong in a node, round trips", "callboard.ping_pong",
        (Target("pykka.ask", 6, 20), Target("pykka.ping_pong", None, None),
         Target("pykka on one core.ping_pong", None, None), *_beside("ping_pong"))),
    Row("ask", "ask, one caller", "callboard.ask",
        (Target("raw.commits", 0.4, 0.8), Target("pykka.ask", None, None),
         Target("pykka on one core.ask", None, None), *_beside("ask"))),
    Row("cycle", "one caller outside, each tell durable, until handled", "callboard.cycle",
        tuple(Target(f"queues.{name}", None, None)
              for name in ("persist_sqlite", "huey_sqlite", "huey_redis"))),
    Row("ask-100", "ask, 100 callers", "callboard.ask_many", (Target("callboard.ask", 15, 40),)),
    Row("ack-idle", "acknowledged tell, idle loop, p50", "callboard.acknowledged_idle",
        (Target("raw.sync_rested", 3, 1.5), Target("raw.sync", None, None)), MILLISECONDS,
        less_is_better=True),
    Row("ack-busy", "acknowledged tell, saturated loop, p50", "callboard.acknowledged_busy",
        (Target("", 0.020, 0.005),), MILLISECONDS, less_is_better=True),
    Row("spawn", "spawn and store, in turns", "crowds.spawn", (Target("pykka.spawn", 10, 40),)),
    Row("spawn-outside", "spawn and store, 100 tasks outside", "crowds.spawn_outside",
        (Target("pykka.spawn", None, None),)),
    Row("memory", "memory of an active idle actor", "crowds.memory",
        (Target("", 4096, 2048), Target("pykka.memory", None, None)), KIBIBYTES, less_is_better=True),
    Row("passivated", "memory of a passivated actor", "crowds.passivated",
        (Target("", 0, 0),), KIBIBYTES, less_is_better=True),
    Row("restart", "a message that dies and the restart after it", "trees.restart",
        (Target("", None, None),), MILLISECONDS, less_is_better=True),
    Row("neighbours", "tell beside an actor that dies 100 times a second", "trees.beside_a_failing_one",
        (Target("trees.alone", 0.8, 0.95),)),
    Row("children", "10,000 children of a template started and stopped", "trees.many_children",
        (Target("", None, None),), SECONDS, less_is_better=True),
    Row("simulated", "simulated runs of 20 operations", "lab.runs", (Target("", None, 400),
         Target("lab.trio_alone", None, None))),
    Row("simulated-drawn", "the same, drawn by Hypothesis, up to 20", "lab.property_runs",
        (Target("lab.hypothesis_alone", None, None),)),
    Row("simulated-cluster", "simulated runs of three linked nodes, 20 operations", "lab.cluster_runs",
        (Target("", 200, 500), Target("lab.runs", None, None))),
    Row("hop", "to another node over a Unix socket, 1,000 of 100 B a commit", "links.unix",
        (Target("callboard.tell", 0.4, 0.8), Target("links.local", None, None),
         Target("links.wire", None, None))),
    Row("hop-10", "the same, 10 a commit", "links.small_batches",
        (Target("links.local_small_batches", 0.4, 0.8),)),
    Row("hop-1", "the same, one a commit", "links.single", (Target("links.local_single", 0.4, 0.8),)),
    Row("hop-large", "the same, 100 of 10 KB a commit", "links.large",
        (Target("links.local_large", None, None),)),
    Row("hop-tcp", "over TCP", "links.tcp", (Target("links.local", None, None),)),
    Row("hop-tls", "over TLS", "links.tls", (Target("links.local", None, None),)),
    Row("hop-ask", "ask across, one caller, p50", "links.ask",
        (Target("raw.sync", None, None),), MILLISECONDS, less_is_better=True),
    Row("request", "`request` from actor to actor and back, one after the other", "requests.request",
        (Target("callboard.ping_pong", None, None),)),
    Row("request-100", "the same, 100 actors that ask one", "requests.request_many",
        (Target("requests.request", None, None),)),
    Row("timers-set", "timers set under keys, 500 in a turn", "timers.set_timers"),
    Row("timers-fire", "timers that are all due at once", "timers.fire_timers"),
    Row("timers-late", "a timer of 4 ms, from due to its turn, p50", "timers.late",
        unit=MILLISECONDS, less_is_better=True),
    Row("activate", "a message to an actor on disk", "lives.activate"),
    Row("passivate", "actors that leave memory", "lives.passivate"),
    Row("state-100", "turns with a state of 100 B", "weights.state_small"),
    Row("state-10k", "the same with 10 KB", "weights.state_large", SMALL_STATE),
    Row("state-1m", "the same with 1 MB", "weights.state_huge", SMALL_STATE),
    Row("state-dict", "the same with a dict of 10 KB", "weights.state_dict", SMALL_STATE),
    Row("payload-100", "messages of 100 B", "weights.payload_small"),
    Row("payload-10k", "the same of 10 KB", "weights.payload_large", SMALL_PAYLOAD),
    Row("payload-1m", "the same of 1 MB", "weights.payload_huge", SMALL_PAYLOAD),
    Row("counting", "Savina: counting", "savina.counting"),
    Row("throughput", "Savina: fork-join throughput, 60 workers", "savina.fork_join_throughput"),
    Row("creation", "Savina: fork-join creation, actors", "savina.fork_join_creation"),
    Row("ring", "Savina: thread ring, 100 actors, hops", "savina.thread_ring"),
    Row("big", "Savina: big, 120 actors", "savina.big"),
    Row("tell-at-10", "tell, durable, at 10 % of the load it can take, p50", "latency.tell_10",
        unit=MILLISECONDS, less_is_better=True),
    Row("tell-at-50", "tell, durable, at 50 % of the load it can take, p50", "latency.tell_50",
        unit=MILLISECONDS, less_is_better=True),
    Row("tell-at-90", "tell, durable, at 90 % of the load it can take, p50", "latency.tell_90",
        unit=MILLISECONDS, less_is_better=True),
    Row("ask-at-10", "ask, at 10 % of the load it can take, p50", "latency.ask_10",
        unit=MILLISECONDS, less_is_better=True),
    Row("ask-at-50", "ask, at 50 % of the load it can take, p50", "latency.ask_50",
        unit=MILLISECONDS, less_is_better=True),
    Row("ask-at-90", "ask, at 90 % of the load it can take, p50", "latency.ask_90",
        unit=MILLISECONDS, less_is_better=True),
    Row("beside-waiting", "ask, p99, beside one whose handler waits", "neighbours.waiting",
        NEIGHBOUR, MILLISECONDS, less_is_better=True),
    Row("beside-computing", "ask, p99, beside one that computes, 5 ms at a time", "neighbours.computing",
        NEIGHBOUR, MILLISECONDS, less_is_better=True),
    Row("beside-backlog", "ask, p99, beside a backlog of 100,000 that drains", "neighbours.flooded",
        NEIGHBOUR, MILLISECONDS, less_is_better=True),
    Row("beside-heavy-state", "ask, p99, beside a state of 1 MB that changes", "neighbours.heavy_state",
        NEIGHBOUR, MILLISECONDS, less_is_better=True),
    Row("beside-heavy-mail", "ask, p99, beside messages of 1 MB", "neighbours.heavy_mail",
        NEIGHBOUR, MILLISECONDS, less_is_better=True),
    Row("beside-huge-mail", "ask, p99, beside messages of 16 MB, two a second", "neighbours.huge_mail",
        NEIGHBOUR, MILLISECONDS, less_is_better=True),
    Row("import", "`import callboard`, against its dependencies", "callboard.import_time",
        (Target("", 1.3, 1.1),), TIMES, less_is_better=True),
    Row("scale-open", "1 M actors, 10 M messages in 1,000 mailboxes: open and first turn", "scale.open_wide",
        (Target("", 1, 0.2),), SECONDS, less_is_better=True, takes_minutes=True),
    Row("scale-open-deep", "10 M messages in one mailbox: open and first turn", "scale.open_deep",
        (Target("", 1, 0.2),), SECONDS, less_is_better=True, takes_minutes=True),
    Row("scale-memory", "1 M actors, 10 M messages: resident after the first turn", "scale.resident_wide",
        (Target("", 200e6, 100e6),), MEGABYTES, less_is_better=True, takes_minutes=True),
    Row("scale-drain", "drain of 10 M in 1,000 mailboxes", "scale.drain_wide",
        (Target("callboard.tell", 0.3, 0.8), Target("callboard.tell_all", None, None)), takes_minutes=True),
    Row("scale-drain-deep", "drain of 10 M in one mailbox", "scale.drain_deep",
        (Target("callboard.tell", None, None),), takes_minutes=True),
    Row("scale-wake", "actors woken, drawn from 1 M", "scale.wake",
        (Target("", None, None),), takes_minutes=True),
    Row("scale-ls", "`callboard ls` of 1 M", "scale.ls",
        (Target("", None, None),), SECONDS, less_is_better=True, takes_minutes=True),
)  # fmt: skip

YARDSTICKS = {
    "callboard.tell": "tell into an empty store",
    "callboard.tell_all": "`tell_all` into one",
    "pykka.tell": "Pykka",
    "pykka.fan_in": "Pykka",
    "pykka.ping_pong": "Pykka",
    "pykka.ask": "Pykka's ask",
    "pykka on one core.tell": "Pykka on one core",
    "pykka on one core.fan_in": "Pykka on one core",
    "pykka on one core.ping_pong": "Pykka on one core",
    "pykka on one core.ask": "Pykka's ask on one core",
    "pykka.spawn": "Pykka",
    "pykka.memory": "Pykka",
    **{
        f"{whose}.{measure}": name
        for whose, name in (("thespian", "Thespian"), ("xoscar", "xoscar"), ("channels", "trio channels"))
        for measure in ("tell", "fan_in", "ping_pong", "ask")
    },
    "queues.persist_sqlite": "persist-queue on SQLite",
    "queues.huey_sqlite": "huey on SQLite",
    "queues.huey_redis": "huey on Redis",
    "raw.queue": "REF",
    "raw.commits": "raw put + commit",
    "raw.sync": "fdatasync",
    "raw.sync_rested": "fdatasync after 2 ms of rest",
    "callboard.ask": "one caller",
    "callboard.ping_pong": "ping-pong of tells",
    "requests.request": "one actor",
    "weights.state_small": "100 B",
    "weights.payload_small": "100 B",
    "links.local": "without the hop",
    "links.local_small_batches": "without the hop",
    "links.local_single": "without the hop",
    "links.local_large": "without the hop",
    "links.wire": "the bare socket",
    "trees.alone": "nobody failing",
    "neighbours.alone": "alone",
    "lab.runs": "one node",
    "lab.trio_alone": "trio.run alone",
    "lab.hypothesis_alone": "Hypothesis alone",
}

NOTES: Mapping[str, tuple[str, Unit]] = {
    "opening": ("opening", SECONDS),
    "taken": ("own memory taken", MEGABYTES),
    "resident": ("resident", MEGABYTES),
    "own": ("own memory", MEGABYTES),
    "sorted": ("sorted", SECONDS),
    "peek": ("peek", SECONDS),
    "show": ("show", SECONDS),
    "p50": ("p50", MILLISECONDS),
    "p99": ("p99", MILLISECONDS),
    "p999": ("p99.9", MILLISECONDS),
    "offered": ("offered", RATE),
    "turns_per_commit": ("turns a commit", COUNT),
    "starting": ("starting", SECONDS),
    "load": ("turns of the load", RATE),
    "awake_rate": ("when they are awake", RATE),
    "longest": ("longest sweep", MILLISECONDS),
    "awake": ("awake", KIBIBYTES),
    "callboard": ("callboard", MILLISECONDS),
    "dependencies": ("dependencies", MILLISECONDS),
    "program": ("a program with one ask", MILLISECONDS),
}
