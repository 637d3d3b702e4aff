"""What the watchdog makes of its looks, without a thread and without a clock."""

import threading

from hypothesis import given, strategies as st

from callboard.cluster.watchdog import AGAIN_S, Judge, Look, Quiet, where_is

LIMIT = 0.1


def seen(judge: Judge, *looks: tuple[float, int, int]) -> list[float]:
    """Show looks (at, number, step) of a process that did not compute; how long blocks took."""
    ended = [judge.see(Look(number, step, at, 0.0)) for at, number, step in looks]
    return [took for took in ended if took is not None]


def test_the_same_message_in_the_same_step_beyond_the_limit_is_a_block() -> None:
    judge = Judge(LIMIT)
    assert seen(judge, (1.0, 7, 0), (1.05, 7, 0)) == []
    assert not judge.blocked
    assert seen(judge, (1.1, 7, 0)) == []
    assert judge.blocked
    assert seen(judge, (1.15, 7, 0), (1.2, 0, 0)) == [1.2 - 1.0]
    assert not judge.blocked


def test_another_step_of_the_same_message_is_no_block() -> None:
    judge = Judge(LIMIT)
    for look in range(100):
        assert seen(judge, (1 + look * 0.05, 7, look)) == []
        assert not judge.blocked


def test_a_block_that_another_follows_at_once_ends_and_the_other_begins_anew() -> None:
    judge = Judge(LIMIT)
    assert len(seen(judge, (1.0, 7, 0), (1.05, 7, 0), (1.1, 7, 0), (1.15, 8, 0))) == 1
    assert not judge.blocked


def test_nobody_is_blamed_for_the_time_in_which_the_process_was_stopped() -> None:
    judge = Judge(LIMIT)
    assert seen(judge, (1.0, 7, 0), (61.0, 7, 0), (61.05, 7, 0), (61.06, 0, 0)) == []


def test_who_kept_us_from_looking_by_computing_is_blamed() -> None:
    """Code that does not give the interpreter's lock away: a regular expression, a large sort."""
    judge = Judge(LIMIT)
    assert judge.see(Look(0, 0, 1.0, 0.5)) is None
    assert judge.see(Look(7, 0, 3.0, 2.4)) is None
    assert judge.blocked
    assert judge.see(Look(0, 0, 3.05, 2.45)) == 3.05 - 1.0


@given(st.lists(st.tuples(st.floats(0.001, 0.05), st.integers(0, 2), st.integers(0, 1)), max_size=60))
def test_what_is_called_a_block_has_been_seen_for_so_long(steps: list[tuple[float, int, int]]) -> None:
    judge, at, first, last = Judge(LIMIT), 1.0, 1.0, (0, 0)
    for pause, number, step in steps:
        at += pause
        if (number, step) != last:
            first, last = at, (number, step)
        judge.see(Look(number, step, at, 0.0))
        assert judge.blocked == (number != 0 and at - first >= LIMIT)


def test_the_same_handler_is_told_once_a_minute_with_how_often_it_was_so_meanwhile() -> None:
    quiet = Quiet()
    assert quiet.ends("Till.count", 1.0) == 0
    assert quiet.ends("Till.close", 1.5) == 0
    assert quiet.ends("Till.count", 2.0) is None
    assert quiet.ends("Till.count", AGAIN_S) is None
    assert quiet.ends("Till.count", 1.0 + AGAIN_S) == 2
    assert quiet.ends("Till.count", 2.0 + AGAIN_S) is None


def test_a_thread_that_runs_no_handler_is_at_a_line_of_a_user_or_nowhere() -> None:
    assert __name__.rpartition(".")[2] in where_is(threading.get_ident())
    assert where_is(-1) == ""
