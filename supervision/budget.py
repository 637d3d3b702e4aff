"""Budget: how many restarts a supervisor allows. One list of times for all its children, as in OTP."""

from __future__ import annotations

from itertools import takewhile


def spend(
    restarts: tuple[float, ...], now: float, intensity: int, period: float
) -> tuple[tuple[float, ...], bool]:
    """Count one more restart.

    The window is inclusive: a restart exactly `period` ago still counts.

    Args:
        restarts: times of those before, the newest first.
        now: monotonic seconds.
        intensity: how many are allowed within the window, this one among them.
        period: seconds.

    Returns:
        The times that still count, this one first, and whether it is allowed.
    """
    kept = (now, *takewhile(lambda at: at >= now - period, restarts))
    return kept, len(kept) <= intensity
