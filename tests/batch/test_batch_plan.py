"""What is left to do, by what the journal says and what the files are."""

import os
import sys

import pytest

from efficientfan.batch import PhotoEntry, ShardPage, Stamp, plan_run, stamp_of
from efficientfan.predict.many import Workers
from efficientfan.predict.photos import Photo

SIZE = 3


@pytest.fixture
def photos(tmp_path):
    """Eight files."""
    paths = [tmp_path / f"{name}.jpg" for name in "abcdefgh"]
    for path in paths:
        path.write_text(path.name)
    return [Photo(str(path), path.name) for path in paths]


def page(number, photos, *, failed=(), content=False):
    entries = tuple(
        PhotoEntry(p.path, stamp_of(p.path, content=content), place in failed)
        for place, p in enumerate(photos)
    )
    return ShardPage(number, 0, "", entries)


def names(plan):
    return [(chunk.number, "".join(photo.name[0] for photo in chunk.photos)) for chunk in plan.chunks]


def test_all_of_it_in_shards(photos):
    plan = plan_run(photos, [], SIZE)
    assert names(plan) == [(0, "abc"), (1, "def"), (2, "gh")]
    assert (plan.n_photos, plan.n_done) == (8, 0)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_shard_is_made_again_as_it_was(photos, missing):
    groups = [photos[:3], photos[3:6], photos[6:]]
    pages = [page(number, group) for number, group in enumerate(groups) if number != missing]
    plan = plan_run(photos, pages, SIZE)
    assert names(plan) == [(missing, ("abc", "def", "gh")[missing])]
    assert not plan.chunks[0].rewrites


def test_added_photos_come_after_what_is_there(photos):
    assert names(plan_run(photos, [page(0, photos[1:4])], SIZE)) == [(1, "aef"), (2, "gh")]


def test_a_changed_file_is_done_again_in_its_own_shard(photos):
    pages = [page(0, photos[:3]), page(1, photos[3:6])]
    os.utime(photos[1].path, ns=(1, 1))
    plan = plan_run(photos[:6], pages, SIZE)
    assert names(plan) == [(0, "b")]
    assert plan.chunks[0].rewrites
    assert (plan.n_changed, plan.n_done) == (1, 5)


def test_a_path_that_is_spelled_otherwise_is_the_same_photo(photos):
    pages = [page(0, photos[:3]), page(1, photos[3:6])]
    os.utime(photos[1].path, ns=(1, 1))
    spelled = [Photo(photo.path.replace("/", "/./"), photo.name) for photo in photos[:6]]
    plan = plan_run(spelled, pages, SIZE)
    assert (plan.n_done, plan.n_unlisted) == (5, 0)
    assert [list(chunk.photos) for chunk in plan.chunks] == [[photos[1]]]  # its rows keep their spelling


@pytest.mark.skipif(sys.platform == "win32", reason="has no such pipes")
def test_by_content_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    stamp = stamp_of(str(tmp_path / "a.jpg"), content=True)
    assert stamp is not None
    assert stamp.sha256 is None


def test_by_content_only_the_content_counts(photos):
    pages = [page(0, photos[:3], content=True)]
    before = os.stat(photos[2].path)
    os.utime(photos[1].path, ns=(1, 1))
    with open(photos[2].path, "w") as file:
        file.write("C.jpg")
    os.utime(photos[2].path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert names(plan_run(photos[:3], pages, SIZE, content=True)) == [(0, "c")]
    assert names(plan_run(photos[:3], pages, SIZE)) == [(0, "b")]


def test_the_time_is_compared_for_equality_only(photos):
    pages = [page(0, photos[:3])]
    for time in (0, 2**62):  # a clock that was wrong, either way
        os.utime(photos[0].path, ns=(time, time))
        assert names(plan_run(photos[:3], pages, SIZE)) == [(0, "a")]


def test_failed_photos_are_done_unless_retried(photos):
    pages = [page(0, photos[:3], failed=[1]), page(1, photos[3:6])]
    plan = plan_run(photos[:6], pages, SIZE)
    assert (plan.chunks, plan.n_failed) == ([], 1)
    plan = plan_run(photos[:6], pages, SIZE, retry_failed=True)
    assert names(plan) == [(0, "b")]
    assert (plan.n_retried, plan.n_failed, plan.n_changed) == (1, 0, 0)


def test_a_missing_file_that_appears_is_done(photos, tmp_path):
    late = Photo(str(tmp_path / "z.jpg"), "z.jpg")
    pages = [page(0, [late], failed=[0])]
    assert plan_run([late], pages, SIZE).chunks == []
    (tmp_path / "z.jpg").write_text("here")
    assert names(plan_run([late], pages, SIZE)) == [(0, "z")]


def test_photos_that_are_no_longer_listed_are_counted(photos):
    plan = plan_run(photos[:2], [page(0, photos[:3])], SIZE)
    assert (plan.chunks, plan.n_done, plan.n_unlisted) == ([], 2, 1)


def test_threads_change_nothing(photos):
    pages = [page(0, photos[:3], failed=[0]), page(1, photos[3:6])]
    os.utime(photos[4].path, ns=(1, 1))
    with Workers(4) as workers:
        assert plan_run(photos, pages, SIZE, workers=workers) == plan_run(photos, pages, SIZE)


def test_a_stamp_without_digest_is_compared_by_size_and_time():
    digest = Stamp(1, 2, "a")
    assert digest.same_file(Stamp(1, 2))
    assert digest.same_file(Stamp(3, 4, "a"))
    assert not digest.same_file(Stamp(1, 2, "b"))
    assert not digest.same_file(None)
