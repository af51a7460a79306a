"""Objects that are known as long as they live, while other threads make and drop some."""
import gc
import sys
import threading
import time

from pgproto.living import Living


class Thing:
    pass


def test_who_lives_is_there_once_and_who_is_gone_is_not():
    living, one, other = Living(), Thing(), Thing()
    for thing in (one, other, one):
        living.add(thing)
    assert sorted(map(id, living)) == sorted(map(id, (one, other)))
    del other, thing
    gc.collect()
    assert list(living) == [one]


def test_it_can_be_walked_while_others_come_and_go_in_other_threads():
    living, kept, errors, is_over = Living(), [Thing() for _ in range(50)], [], False
    for thing in kept:
        living.add(thing)

    def come_and_go():
        while not is_over:
            for thing in [Thing() for _ in range(10)]:
                living.add(thing)

    def walk():
        while not is_over:
            try:
                assert {id(thing) for thing in living} >= {id(thing) for thing in kept}
            except Exception as error:
                errors.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=call) for call in (come_and_go, come_and_go, walk)]
    try:
        for thread in threads:
            thread.start()
        time.sleep(0.5)
    finally:
        is_over = True
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
    assert errors == []
