"""What doctor makes of what it found: every symptom at its limits, without any store."""

import pytest

from callboard.console import symptoms
from callboard.console.symptoms import DAY, GIGA, MEGA, MINUTE, Level, Symptom

OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
GOOD = {"lmdb": "3.0.0"}


@pytest.mark.parametrize(
    ("symptom", "level", "says"),
    [
        (symptoms.versions((3, 12), GOOD, wide=True), OK, "Python 3.12, lmdb 3.0.0"),
        (symptoms.versions((3, 10), GOOD, wide=True), FAIL, "3.11 is the oldest"),
        (symptoms.versions((3, 12), GOOD, wide=False), FAIL, "32 bits"),
        (symptoms.versions((3, 12), {"lmdb": "4.1"}, wide=True), FAIL, "lmdb 3"),
        (symptoms.file_system("ext4"), OK, "ext4"),
        (symptoms.file_system(""), OK, "unknown"),
        (symptoms.file_system("nfs4"), FAIL, "network"),
        (symptoms.file_system("fuse.sshfs"), FAIL, "network"),
        (symptoms.file_system("tmpfs"), WARN, "memory"),
        (symptoms.file_system("overlay"), WARN, "container"),
        (symptoms.access({".": (0o700, 5), "data.mdb": (0o600, 5)}, 5), OK, "the owner only"),
        (symptoms.access({".": (0o755, 5), "data.mdb": (0o600, 5)}, 5), WARN, "others may get at ."),
        (symptoms.access({".": (0o700, 5), "data.mdb": (0o644, 5)}, 5), WARN, "reads all mail"),
        (symptoms.access({".": (0o700, 5), "data.mdb": (0o400, 5)}, 5), FAIL, "data.mdb"),
        (symptoms.access({".": (0o600, 5)}, 5), FAIL, "."),
        (symptoms.access({".": (0o700, 5), "data.mdb": (0o600, 0)}, 5), WARN, "belong to uid 0"),
        (symptoms.room(100 * GIGA, 200 * GIGA, MEGA), OK, "100 GB of 200 GB free"),
        (symptoms.room(2 * GIGA, 200 * GIGA, MEGA), WARN, "senders wait"),
        (symptoms.room(50 * GIGA, 200 * GIGA, 60 * GIGA), WARN, "too little for a backup"),
        (symptoms.room(MEGA, 200 * GIGA, MEGA), FAIL, "loses nothing"),
        (symptoms.growth(10 * MEGA, GIGA, 9 * MEGA), OK, "10 MB, 9.0 MB of it free"),
        (symptoms.growth(100 * MEGA, GIGA, 60 * MEGA), WARN, "never shrinks"),
        (symptoms.growth(95 * MEGA, 100 * MEGA, 0), OK, "the map is grown"),
        (symptoms.limits(1024, None, 0), OK, "1,024 open files"),
        (symptoms.limits(64, None, 0), WARN, "links"),
        (symptoms.limits(1024, GIGA, MEGA), WARN, "the store is full"),
        (symptoms.limits(1024, 10 * MEGA, MEGA), FAIL, "ulimit -f"),
        (symptoms.syncs([]), WARN, "not measured"),
        (symptoms.syncs([0.4] * 99 + [3.0]), OK, "half within 0.40 ms, 99 % within 3.00 ms"),
        (symptoms.syncs([30.0] * 10), WARN, "every reply"),
        (symptoms.syncs([1.0] * 9 + [900.0]), WARN, "every reply"),
        (symptoms.syncs([0.001] * 10), WARN, "too fast to be real"),
        (symptoms.readers(0, 2, 1024, 3), OK, "2 of 1024"),
        (symptoms.readers(3, 2, 1024, 3), OK, "3 left by killed processes"),
        (symptoms.readers(0, 1000, 1024, 3), WARN, "no tool can look"),
        (symptoms.readers(0, 2, 1024, 20_000), WARN, "20,000 old"),
        (symptoms.leftovers([".new"], has_lock=True, has_readers=True), WARN, ".new"),
        (symptoms.leftovers([], has_lock=False, has_readers=True), WARN, "LOCK is not there"),
        (symptoms.clock(DAY, DAY - 1), OK, "not behind"),
        (symptoms.clock(DAY, DAY + 2 * MINUTE), WARN, "set back"),
        (symptoms.dead_letters(0, 0), OK, "none"),
        (symptoms.dead_letters(3, 0), WARN, "3 messages"),
        (symptoms.dead_letters(3, 1), WARN, "1 of the newest"),
        (symptoms.overdue(0, 0, running=True), OK, "none"),
        (symptoms.overdue(2, DAY, running=False), OK, "when the node runs again"),
        (symptoms.overdue(2, MINUTE // 2, running=True), OK, "comes to it"),
        (symptoms.overdue(2, DAY, running=True), WARN, "stuck"),
    ],
)
def test_a_symptom_says_how_bad_it_is_and_why(symptom: Symptom, level: Level, says: str) -> None:
    assert symptom.level is level
    assert says in symptom.text
    assert bool(symptom.remedy) or level is OK or symptom.what == "syncs"


def test_a_tidy_directory_has_no_symptom_of_its_files() -> None:
    assert symptoms.leftovers([], has_lock=True, has_readers=True) is None
    assert symptoms.leftovers([], has_lock=False, has_readers=False) is None
