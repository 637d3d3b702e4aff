"""Sessions: whatever the network does to frames, what is taken is what was sent, once and in order."""

import pytest
from hypothesis import given, strategies as st

from callboard.cluster.errors import BadFrame
from callboard.cluster.session import (
    GO_BACK_S,
    PING_AFTER_S,
    RESEND_S,
    SILENT_S,
    Due,
    Receiver,
    Sender,
)

STEPS = st.lists(
    st.sampled_from(
        ["send", "deliver", "deliver last", "lose", "repeat", "disk", "word", "lose word", "wait"]
    ),
    max_size=60,
)


class Pair:
    """Both ends of a connection, and frames between them that can be lost, repeated and reordered."""

    def __init__(self, mail: int, window: int) -> None:
        self.mail = mail
        self.now = 0.0
        self.sender = Sender(7, 0, window, 0.0)
        self.receiver = Receiver(7, 0, 0)
        self.under_way: list[tuple[int, int]] = []
        self.words: list[tuple[int, bool]] = []
        self.taken: list[int] = []

    def send(self) -> None:
        if self.sender.room > 0 and self.sender.next < self.mail:
            count = min(2, self.mail - self.sender.next)
            self.under_way.append((self.sender.next, count))
            self.sender.sent(count, 10 * count, self.now)

    def deliver(self, at: int = 0) -> None:
        if not self.under_way:
            return
        first, count = self.under_way.pop(at)
        leave_out = self.receiver.mail(7, first, count)
        if leave_out < 0:
            self.words.append((self.receiver.stored, True))
            return
        self.taken += range(first + leave_out, first + count)
        self.receiver.took(count - leave_out)
        if leave_out == count:
            self.words.append((self.receiver.stored, False))

    def disk(self) -> None:
        self.receiver.on_disk(self.receiver.next)
        self.words.append((self.receiver.stored, False))

    def word(self) -> None:
        if self.words:
            sequence, again = self.words.pop(0)
            self.sender.taken(7, sequence, again=again, now=self.now)

    def step(self, what: str) -> None:
        if what == "send":
            self.send()
        elif what == "deliver":
            self.deliver()
        elif what == "deliver last":
            self.deliver(-1)
        elif what == "lose":
            self.under_way[:1] = []
        elif what == "repeat":
            self.under_way += self.under_way[:1]
        elif what == "disk":
            self.disk()
        elif what == "word":
            self.word()
        elif what == "lose word":
            self.words[:1] = []
        else:
            self.now += RESEND_S / 2
            self.sender.due(self.now)


@given(STEPS, st.integers(0, 12), st.sampled_from([5, 20, 1000]))
def test_what_is_taken_is_what_was_sent_once_and_in_order(steps: list[str], mail: int, window: int) -> None:
    pair = Pair(mail, window)
    for what in steps:
        pair.step(what)
        assert pair.taken == list(range(len(pair.taken)))
        assert pair.sender.head <= pair.receiver.stored <= pair.receiver.next <= mail
        assert 0 <= pair.sender.under_way <= max(window - 1, 0) + 20


@given(STEPS, st.integers(0, 12))
def test_all_of_it_is_handed_over_once_the_network_is_good_again(steps: list[str], mail: int) -> None:
    pair = Pair(mail, 1000)
    for what in steps:
        pair.step(what)
    for _ in range(4 * mail + 8):
        pair.step("send")
        while pair.under_way:  # nothing is on its way for longer than it takes until it is sent again
            pair.step("deliver")
        pair.step("disk")
        while pair.words:
            pair.step("word")
        pair.step("wait")
    assert pair.sender.head == mail
    assert pair.taken == list(range(mail))


def test_no_more_than_the_window_is_under_way() -> None:
    pair = Pair(100, 30)
    for _ in range(10):
        pair.send()
    assert pair.sender.next == 4
    assert pair.sender.room <= 0


def test_a_message_larger_than_the_window_goes_alone() -> None:
    sender = Sender(1, 0, 10, 0.0)
    assert sender.room == 10
    sender.sent(1, 5000, 0.0)
    assert sender.room < 0


def test_a_gap_is_answered_by_going_back_once_however_many_frames_report_it() -> None:
    sender = Sender(1, 0, 1000, 0.0)
    for _ in range(3):
        sender.sent(1, 10, 1.0)
    sender.taken(1, 1, again=True, now=1.0)
    assert sender.next == 1
    sender.sent(1, 10, 1.0)
    sender.taken(1, 1, again=True, now=1.0 + GO_BACK_S / 2)
    assert sender.next == 2
    sender.taken(1, 1, again=True, now=1.0 + 2 * GO_BACK_S)
    assert sender.next == 1


def test_word_of_another_connection_changes_nothing() -> None:
    sender = Sender(2, 0, 1000, 0.0)
    sender.sent(3, 10, 0.0)
    assert not sender.taken(1, 3, again=False, now=0.0)
    assert sender.head == 0


def test_word_of_what_was_never_sent_is_no_word() -> None:
    sender = Sender(2, 0, 1000, 0.0)
    sender.sent(3, 10, 0.0)
    with pytest.raises(BadFrame, match="only 3"):
        sender.taken(2, 4, again=False, now=0.0)


def test_word_that_comes_after_going_back_still_counts() -> None:
    sender = Sender(2, 0, 1000, 0.0)
    sender.sent(3, 10, 0.0)
    sender.due(RESEND_S)
    assert sender.next == 0
    assert sender.taken(2, 3, again=False, now=RESEND_S)
    assert (sender.head, sender.next, sender.under_way) == (3, 3, 0)


def test_mail_of_another_connection_is_left_out_whole() -> None:
    assert Receiver(2, 5, 5).mail(1, 5, 3) == 3


def test_an_idle_connection_pings_and_a_silent_one_is_given_up() -> None:
    sender = Sender(1, 0, 1000, 0.0)
    assert sender.due(PING_AFTER_S - 0.1) is Due.NOTHING
    assert sender.wakes_at() == PING_AFTER_S
    assert sender.due(PING_AFTER_S) is Due.PING
    sender.said(PING_AFTER_S)
    assert sender.due(PING_AFTER_S) is Due.NOTHING
    assert sender.due(SILENT_S) is Due.GIVE_UP
    sender.taken(1, 0, again=False, now=SILENT_S)
    assert sender.due(SILENT_S) is Due.PING
