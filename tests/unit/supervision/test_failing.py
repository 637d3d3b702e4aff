"""What becomes of a message whose turn raised is a function of values."""

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from callboard.actors.retry import Again, Dead, Pause, Retry
from callboard.supervision.failing import decide, wait_seconds

NOW = 1_700_000_000_000_000_000
waits = st.floats(0, 1e6)
parts = st.floats(0, 1)
policies = st.builds(Retry, attempts=st.integers(1, 2000), wait=waits, max_wait=waits, jitter=parts)


@given(policies, st.integers(1, 3000), parts)
def test_a_message_is_tried_exactly_as_often_as_its_policy_says(
    policy: Retry, attempts: int, drawn: float
) -> None:
    decision = decide(policy, attempts, ValueError("x"), NOW, drawn)
    assert isinstance(decision, Again) == (attempts < policy.attempts)


@given(policies, st.integers(1, 3000), parts)
def test_the_next_attempt_lies_within_the_jitter_of_the_doubled_wait(
    policy: Retry, attempts: int, drawn: float
) -> None:
    decision = decide(policy, attempts, ValueError("x"), NOW, drawn)
    if isinstance(decision, Again):
        middle = min(policy.wait * 2.0 ** min(attempts - 1, 1000), policy.max_wait) * 1e9
        assert decision.at_ns >= NOW
        assert abs(decision.at_ns - NOW - middle) <= middle * policy.jitter * (1 + 1e-9) + 300


@given(policies, st.integers(1, 100))
def test_without_luck_the_wait_never_shrinks(policy: Retry, attempts: int) -> None:
    assert wait_seconds(policy, attempts, 0.5) <= wait_seconds(policy, attempts + 1, 0.5)


def test_the_default_is_twelve_attempts_in_about_three_minutes() -> None:
    policy = Retry()
    waited = sum(wait_seconds(policy, attempts, 0.5) for attempts in range(1, policy.attempts))
    assert policy.attempts == 12
    assert 120 < waited < 200


def test_other_errors_are_not_tried_again() -> None:
    policy = Retry(on=ConnectionError)
    assert isinstance(decide(policy, 1, ConnectionResetError(), NOW, 0.5), Again)
    assert decide(policy, 1, ValueError(), NOW, 0.5) == Dead("ValueError is not tried again")


def test_a_group_counts_as_what_it_holds() -> None:
    policy = Retry(on=(ConnectionError, TimeoutError))
    inner = ExceptionGroup("inner", [ConnectionResetError()])
    assert isinstance(decide(policy, 1, ExceptionGroup("", [TimeoutError(), inner]), NOW, 0), Again)
    assert isinstance(decide(policy, 1, ExceptionGroup("", [TimeoutError(), ValueError()]), NOW, 0), Dead)


def test_a_system_exit_is_a_failure_like_any_exception() -> None:
    assert isinstance(decide(Retry(), 1, SystemExit(3), NOW, 0), Again)
    assert isinstance(
        decide(Retry(), 1, BaseExceptionGroup("", [SystemExit(3), ValueError()]), NOW, 0), Again
    )
    assert isinstance(decide(Retry(on=ValueError), 1, SystemExit(3), NOW, 0), Dead)


def test_an_exhausted_message_dies_or_pauses_its_mailbox() -> None:
    assert decide(Retry(attempts=3), 3, ValueError(), NOW, 0) == Dead("failed 3 times")
    assert decide(Retry(attempts=1), 1, ValueError(), NOW, 0) == Dead("failed")
    assert decide(Retry(attempts=3, exhausted="pause"), 3, ValueError(), NOW, 0) == Pause("failed 3 times")


def test_attempts_made_elsewhere_count() -> None:
    assert isinstance(decide(Retry(attempts=3), 7, ValueError(), NOW, 0), Dead)


def test_waits_are_seconds_or_timedeltas() -> None:
    assert Retry(wait=timedelta(seconds=2), max_wait=timedelta(minutes=1)) == Retry(wait=2, max_wait=60.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"attempts": 2.0},
        {"attempts": True},
        {"wait": -1},
        {"wait": float("nan")},
        {"wait": "1"},
        {"max_wait": float("inf")},
        {"max_wait": True},
        {"max_wait": 1e300},
        {"jitter": 1.1},
        {"jitter": "a"},
        {"on": (ValueError, 3)},
        {"on": ("ValueError",)},
        {"exhausted": "drop"},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError), match=rf"Retry\({next(iter(wrong))}=|{next(iter(wrong))}"):
        Retry(**wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
