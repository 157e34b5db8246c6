import threading

import pytest

from efficientfan.errors import InputError
from efficientfan.predict.workers import ThreadShares, Workers, share_threads


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("efficientfan")]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads):
    with Workers(threads) as workers:
        doubled = workers.map(lambda x: x * 2, range(40))
        assert list(workers.map(lambda x: x + 1, doubled)) == [x * 2 + 1 for x in range(40)]
        assert list(workers.map(str, [])) == []
    assert not ours()


def test_work_happens_at_once():
    meeting = threading.Barrier(3, timeout=20)  # breaks, and raises, unless three threads meet
    with Workers(3) as workers:
        assert sorted(workers.map(lambda _: meeting.wait(), range(6), ahead=3)) == [0, 0, 1, 1, 2, 2]


def test_with_one_thread_everything_happens_in_turn_where_the_caller_is():
    events = []

    def items():
        for item in range(3):
            events.append(f"take {item}")
            yield item

    def work(item):
        assert threading.current_thread() is threading.main_thread()
        events.append(f"work {item}")
        return item

    with Workers(1) as workers:
        for result in workers.map(work, items()):
            events.append(f"have {result}")
    assert events == [f"{verb} {item}" for item in range(3) for verb in ("take", "work", "have")]


@pytest.mark.parametrize(("ahead", "most"), [(None, 3), (1, 1), (7, 7)])
def test_no_more_items_are_taken_than_may_wait(ahead, most):
    taken = 0

    def items():
        nonlocal taken
        for item in range(30):
            taken += 1
            yield item

    with Workers(2) as workers:
        for had, _ in enumerate(workers.map(str, items(), ahead=ahead)):
            assert taken <= had + most


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_where_its_result_would_and_leaves_no_thread(threads):
    had = []

    def work(item):
        if item == 4:
            raise KeyError("four")
        return item

    def go():
        with Workers(threads) as workers:
            had.extend(workers.map(work, range(100)))

    def collect():
        with Workers(threads) as workers:
            for result in workers.map(work, range(100)):
                had.append(result)

    with pytest.raises(KeyError, match="four"):
        collect()
    assert had == [0, 1, 2, 3]
    with pytest.raises(KeyError, match="four"):
        go()
    assert not ours()


def test_leaving_early_leaves_no_thread_and_drops_what_waits():
    done = []
    with Workers(2) as workers:
        for result in workers.map(done.append, range(1000), ahead=50):
            assert result is None
            break
    assert not ours()
    assert len(done) <= 50


def test_an_interrupt_leaves_no_thread():
    def interrupted():
        with Workers(2) as workers:
            for _ in workers.map(str, range(100)):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not ours()


@pytest.mark.parametrize(
    ("threads", "photos", "shares"),
    [
        (1, 1000, (1, 1)),
        (8, 1000, (8, 1)),
        (8, 3, (3, 2)),
        (8, 1, (1, 8)),
        (2, 0, (1, 2)),
    ],
)
def test_threads_go_to_photos_first(threads, photos, shares):
    assert share_threads(threads, photos) == ThreadShares(*shares)


def test_without_a_number_all_cores_are_shared():
    assert share_threads(None, 10**6).workers >= 1
    assert share_threads(None, 10**6).each == 1


def test_no_thread_is_refused():
    with pytest.raises(InputError, match="at least 1, not 0"):
        Workers(0)
