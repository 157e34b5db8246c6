"""The bounded queue: what it batches, refuses, skips and finishes."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import CancelledError

import httpx2
import numpy as np
import pytest

from efficientfan import load
from efficientfan.errors import InputError
from efficientfan.serve import create_app
from efficientfan.serve.queue import FaceQueue, Job
from efficientfan.serve.refusals import Refusal

GRAY = np.full((64, 64, 3), 128, np.uint8)
JPEG = {"Content-Type": "image/jpeg"}


class Gate:
    """Decodes to gray, as soon as it is opened; counts those that have come to it."""

    def __init__(self):
        self.open = threading.Event()
        self.came = threading.Semaphore(0)

    def __call__(self, content):
        self.came.release()
        assert self.open.wait(30)
        if content == b"bad":
            raise InputError("image: is bad")
        return GRAY


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture(scope="module")
def predictor(model_file):
    return load(model_file, detector="whole", threads=1)


@pytest.fixture
def queue_of(gate):
    queues = []

    def make(**settings):
        queues.append(FaceQueue(gate, **({"threads": 1, "most": 8, "batch": 4} | settings)))
        return queues[-1]

    yield make
    gate.open.set()
    for queue in queues:
        queue.close()


def job(predictor, content=b"good", *, seconds=60.0, min_score=None, boxes=None):
    return Job(
        content, predictor, boxes, min_score, lambda image, faces: len(faces), time.monotonic() + seconds
    )


def results(jobs):
    return [each.future.result(30) for each in jobs]


def test_photos_that_wait_together_are_batched(queue_of, gate, predictor):
    sizes = []
    queue = queue_of(batched=sizes.append)
    queue.submit([job(predictor)])
    assert gate.came.acquire(timeout=30)
    jobs = [job(predictor) for _ in range(6)]
    queue.submit(jobs)
    gate.open.set()
    assert results(jobs) == [1] * 6
    assert sizes == [1, 4, 2]


def test_threads_share_what_waits(queue_of, gate, predictor):
    sizes = []
    queue = queue_of(threads=2, batched=sizes.append)
    queue.submit([job(predictor), job(predictor)])
    assert all(gate.came.acquire(timeout=30) for _ in range(2))
    jobs = [job(predictor) for _ in range(4)]
    queue.submit(jobs)
    gate.open.set()
    assert results(jobs) == [1] * 4
    assert max(sizes) <= 2


def test_other_thresholds_and_models_are_not_mixed(queue_of, gate, predictor):
    sizes = []
    queue = queue_of(batched=sizes.append)
    queue.submit([job(predictor)])
    assert gate.came.acquire(timeout=30)
    jobs = [job(predictor), job(predictor, min_score=1.0), job(predictor, min_score=1.0)]
    queue.submit(jobs)
    gate.open.set()
    assert results(jobs) == [1, 0, 0]
    assert sizes == [1, 1, 2]


def test_a_bad_photo_does_not_spoil_its_batch(queue_of, gate, predictor):
    queue = queue_of()
    queue.submit([job(predictor)])
    assert gate.came.acquire(timeout=30)
    jobs = [
        job(predictor),
        job(predictor, b"bad"),
        job(predictor, boxes=[[99, 99, 100, 100]]),
        job(predictor),
    ]
    queue.submit(jobs)
    gate.open.set()
    assert jobs[0].future.result(30) == jobs[3].future.result(30) == 1
    for each, code in zip(jobs[1:3], ("unusable_image", "unusable_boxes"), strict=True):
        with pytest.raises(Refusal) as refusal:
            each.future.result(30)
        assert refusal.value.code == code


def test_a_full_queue_takes_all_of_a_request_or_nothing(queue_of, gate, predictor):
    queue = queue_of(most=3)
    running = job(predictor)
    queue.submit([running])
    assert gate.came.acquire(timeout=30)
    waiting = [job(predictor), job(predictor)]
    queue.submit(waiting)
    with pytest.raises(Refusal) as refusal:
        queue.submit([job(predictor), job(predictor)])
    assert (refusal.value.code, refusal.value.headers) == ("busy", {"Retry-After": "1"})
    assert len(queue) == 2
    gate.open.set()
    assert results([running, *waiting]) == [1, 1, 1]


def test_what_nobody_waits_for_is_not_done(queue_of, gate, predictor):
    queue = queue_of()
    queue.submit([job(predictor)])
    assert gate.came.acquire(timeout=30)
    late, gone, last = job(predictor, seconds=0), job(predictor), job(predictor)
    queue.submit([late, gone, last])
    assert gone.future.cancel()
    gate.open.set()
    assert last.future.result(30) == 1
    with pytest.raises(Refusal, match="waited too long"):
        late.future.result(30)
    with pytest.raises(CancelledError):
        gone.future.result(30)
    assert gate.came.acquire(timeout=30)  # the last one
    assert not gate.came.acquire(blocking=False)


def test_the_photos_of_who_has_gone_are_not_kept(settings_of, gate, photo):
    app = create_app(settings_of(answer_seconds=0.05), gate)

    async def ask():
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=30) as client:
            return [await client.post("/v1/faces", content=photo, headers=JPEG) for _ in range(2)]

    answers = asyncio.run(ask())
    assert [each.json()["error"]["code"] for each in answers] == ["timed_out"] * 2
    assert len(app.state.service.queue) == 0  # the first is being worked on
    gate.open.set()
    app.state.service.close()


def test_closing_finishes_what_was_accepted_and_takes_no_more(queue_of, gate, predictor):
    queue = queue_of()
    jobs = [job(predictor) for _ in range(5)]
    queue.submit(jobs)
    gate.open.set()
    queue.close()
    assert [each.future.done() for each in jobs] == [True] * 5
    with pytest.raises(Refusal, match="shutting down"):
        queue.submit([job(predictor)])


def test_a_fault_ends_neither_the_thread_nor_other_jobs(queue_of, gate, predictor):
    queue = queue_of()
    gate.open.set()
    broken = Job(b"", predictor, None, None, lambda image, faces: 1 / 0, time.monotonic() + 60)
    queue.submit([broken])
    with pytest.raises(ZeroDivisionError):
        broken.future.result(30)
    good = job(predictor)
    queue.submit([good])
    assert good.future.result(30) == 1


def test_requests_beyond_the_queue_are_told_when_to_come_again(settings_of, gate, photo):
    app = create_app(settings_of(queue=2, max_batch=2), gate)

    async def ask():
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=30) as client:

            def post():
                return asyncio.ensure_future(client.post("/v1/faces", content=photo, headers=JPEG))

            accepted = [post()]
            assert await asyncio.to_thread(gate.came.acquire, timeout=30)
            accepted += [post(), post()]
            while len(app.state.service.queue) < 2:
                await asyncio.sleep(0.005)
            refused = await post()
            gate.open.set()
            return refused, [await each for each in accepted]

    refused, accepted = asyncio.run(ask())
    app.state.service.close()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
    assert int(refused.headers["Retry-After"]) >= 1
    assert [each.status_code for each in accepted] == [200] * 3


def test_an_answer_that_takes_too_long_is_given_up(service, gate, photo):
    client = service(decode=gate, answer_seconds=0.05)
    response = client.post("/v1/faces", content=photo, headers=JPEG)
    gate.open.set()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "timed_out")
    assert response.headers["Retry-After"] == "1"
