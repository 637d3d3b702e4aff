"""Schedules: who is next, as a test draws it."""

from __future__ import annotations

import random

from callboard.actors.cell import Cell


class Drawn:
    """Takes any of the ready cells, as a seeded generator says."""

    urgent = False
    spent = 0

    def __init__(self, seed: int, quantum: int = 1) -> None:
        self.quantum = quantum
        self._random = random.Random(seed)
        self._ready: list[Cell] = []

    def add(self, cell: Cell) -> None:
        self._ready.append(cell)

    def filled(self, cell: Cell) -> None:
        pass

    def hasten(self, cell: Cell) -> None:
        pass

    def next(self) -> Cell | None:
        return self._ready.pop(self._random.randrange(len(self._ready))) if self._ready else None

    def __len__(self) -> int:
        return len(self._ready)
