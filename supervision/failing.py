"""Failing: what becomes of a message whose turn raised. A pure decision over values."""

from __future__ import annotations

from typing import cast

from ..actors.retry import Again, Dead, Decision, Pause, Retry

SECOND_NS = 1_000_000_000


def decide(policy: Retry, attempts: int, error: BaseException, now_ns: int, random: float) -> Decision:
    """What to do after a failed attempt.

    Args:
        policy: the handler's.
        attempts: already made, the one that just failed among them; from 1.
        error: what it raised.
        now_ns: nanoseconds since the epoch.
        random: from 0 to 1, for the jitter.
    """
    if not is_retried(policy, error):
        return _give_up(policy, f"{type(error).__name__} is not tried again")
    if attempts >= policy.attempts:
        return _give_up(policy, f"failed {attempts} times" if attempts > 1 else "failed")
    return Again(now_ns + round(wait_seconds(policy, attempts, random) * SECOND_NS))


def wait_seconds(policy: Retry, attempts: int, random: float) -> float:
    """Seconds until the next attempt: doubled with each, drawn from around it by the jitter."""
    doubled = policy.wait * 2.0 ** min(attempts - 1, 1000)  # at 2**1024 a float would give up
    return min(doubled, policy.max_wait) * (1 + policy.jitter * (2 * random - 1))


def is_retried(policy: Retry, error: BaseException) -> bool:
    """Whether the policy tries a message again after this error.

    Trio's nurseries wrap whatever a child raises, so a group counts as what it holds.
    """
    if isinstance(error, policy.on):
        return True
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return all(is_retried(policy, each) for each in group.exceptions)
    # A SystemExit is a failure of its turn like any exception, and Exception means any.
    return isinstance(error, SystemExit) and Exception in policy.on


def _give_up(policy: Retry, reason: str) -> Decision:
    return Pause(reason) if policy.exhausted == "pause" else Dead(reason)
