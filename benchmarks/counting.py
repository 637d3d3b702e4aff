"""Counting: what work makes the interpreter do, in numbers that nothing else on the machine changes.

Bytecodes are what Python executes; calls are of Python functions (a coroutine that goes on counts as one) and
of functions written in C. All three are counted on the thread that asks, while the block lasts.
"""

import gc
import itertools
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

Counts = dict[str, float]

MORE = 0.03
"""The share that may be added before something is dearer."""
LITTLE = 0.02
"""What may be added to what is close to nothing."""


@contextmanager
def counted(places: Counter[CodeType] | None = None) -> Generator[Counts]:
    """Count what the block does; the numbers are there when it is left.

    Frames that are there already count from when they are next entered or resumed.

    Args:
        places: to count the bytecodes of each function in, too; that takes longer.
    """
    found: Counts = {}
    counters = {name: itertools.count() for name in ("bytecodes", "calls", "c_calls")}
    bytecode, call, c_call = (counter.__next__ for counter in counters.values())

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if event == "opcode":
            bytecode()
            if places is not None:
                places[frame.f_code] += 1
        elif event == "call":
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return trace

    def profile(_frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            call()
        elif event == "c_call":
            c_call()

    with _no_garbage():
        before = sys.gettrace(), sys.getprofile()
        sys.setprofile(profile)
        sys.settrace(trace)
        try:
            yield found
        finally:
            sys.settrace(before[0])
            sys.setprofile(before[1])
            found.update({name: float(next(counter)) for name, counter in counters.items()})


@contextmanager
def _no_garbage() -> Generator[None]:
    """Have nothing collected meanwhile: what objects do when they are found dead would count."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def blocks() -> int:
    """Blocks of memory that Python's objects hold."""
    gc.collect()
    return sys.getallocatedblocks()


def dearer(found: dict[str, Counts], recorded: dict[str, Counts]) -> list[str]:
    """What costs more than was recorded, in words."""
    return [
        f"{work}: {name} {counts[name]:g} a message, recorded {was:g}"
        for work, counts in found.items()
        for name, was in recorded.get(work, {}).items()
        if counts[name] > max(was * (1 + MORE), was + LITTLE)
    ]
