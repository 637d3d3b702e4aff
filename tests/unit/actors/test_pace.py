"""When a commit is worth its time, and how long who held up the loop stands aside: no clock is asked."""

from hypothesis import given, strategies as st

from callboard.actors.pace import ROUNDS, SAVED_S, SHARE, SLICE_S, Pace, rounds

MB = 1_000_000

lengths = st.lists(st.tuples(st.floats(0.0001, 0.0025), st.floats(0, 0.02)), min_size=1, max_size=200)


@given(lengths)
def test_commits_under_load_take_a_quarter_of_the_loop_at_most(drawn: list[tuple[float, float]]) -> None:
    pace, now, spent, first = Pace(), 0.0, 0.0, drawn[0][0]
    for took, pause in drawn:
        while not pace.is_free(now, 0):
            now += 0.0001
        pace.spend(now, took)
        pace.landed(took, 0)
        spent += took
        now += took + pause
    assert spent <= now / SHARE + SAVED_S + first


def test_a_commit_beside_turns_is_made_at_once_if_there_were_few() -> None:
    pace = Pace()
    for second in range(5):
        assert pace.is_free(second, 0)
        pace.spend(second, 0.0004)
        pace.landed(0.0004, 0)


def test_after_a_large_commit_a_small_one_is_made_at_once_and_a_large_one_is_not() -> None:
    pace = Pace()
    pace.spend(1.0, 0.002)
    pace.landed(0.002, MB)
    assert pace.is_free(1.002, 0)
    assert not pace.is_free(1.002, MB)


@given(took=st.floats(0, 1), later=st.floats(0.011, 1))
def test_however_long_a_commit_took_there_is_one_after_ten_milliseconds(took: float, later: float) -> None:
    pace = Pace()
    pace.spend(1.0, took)
    pace.landed(took, 0)
    assert pace.is_free(1.0 + SAVED_S + later, 16 * MB)


@given(st.floats(0, 10))
def test_a_step_is_followed_by_as_many_rounds_as_it_took_slices_up_to_those_of_an_ask(held: float) -> None:
    assert 1 <= rounds(held) <= ROUNDS
    assert rounds(held) == 1 or (rounds(held) - 1) * SLICE_S < held
    assert held < ROUNDS * SLICE_S or rounds(held) == ROUNDS
