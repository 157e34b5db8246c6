"""Faces followed from frame to frame: crops come from the last landmarks, and the detector looks now and then."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.geometry import box_iou, box_nesting
from efficientfan.imaging import PhotoPyramid, to_rgb
from efficientfan.predict.crops import FaceRegion, region_of_landmarks
from efficientfan.predict.predictor import LandmarkPredictor, Proposal, load
from efficientfan.structures import Face
from efficientfan.video.frames import Frame, VideoFrame
from efficientfan.video.smoothing import LandmarkSmoother, smoothing_named
from efficientfan.video.source import Video, open_video

__all__ = ["FaceTracker", "track"]

Array = NDArray[Any]

SAME_IOU = 0.5
SAME_NESTING = 0.7
"""Two tracks whose landmark boxes overlap by more are on the same face; one has been led astray."""

JUMP_IOU = 0.3
"""Landmarks whose box overlaps that of the last frame by less have jumped."""

NEAR = 1.0
"""A found face is a lost one if its center is nearer than so many face sizes to where that would be by now."""

SIZE_RATIO = 2.0
"""... and its size differs by less than this factor."""

UNCONFIRMED = 3
"""A face that the detector has not seen in so many searches in a row is given up."""

CLEAR = 0.95
"""A face whose score is below this share of its usual one is partly hidden: its landmarks give way to what covers it,
and say nothing of its course."""

USUAL_SECONDS = 2.0
"""The usual score follows a lower one so slowly, and a higher one at once."""

COURSE_SECONDS = 0.25
"""Time constant of the velocity."""


@dataclass(eq=False)
class _Track:
    """A face that is followed."""

    id: int
    face: Face
    time: float
    smoother: LandmarkSmoother | None
    unconfirmed: int = 0

    def __post_init__(self) -> None:
        self._usual = self.face.score
        self._clear, self._clear_time = self.face.tight_box, self.time  # where it was last seen clearly
        self._known = 0.0  # seconds that the velocity is made of
        self._velocity = np.zeros(2)  # pixels per second of the box's center

    def expected(self, time: float) -> Array:
        """(4,) box where the face would be at `time`, if it went on as it did when it was last seen clearly."""
        return np.asarray(self._clear + np.tile(self._velocity * (time - self._clear_time), 2))

    def move(self, face: Face, time: float) -> None:
        lower = (face.score - self._usual) * min(1.0, (time - self.time) / USUAL_SECONDS)
        self._usual = max(face.score, self._usual + lower)
        step = time - self._clear_time
        if step > 0 and (face.score >= CLEAR * self._usual or not self._known):
            now = (_center(face.tight_box) - _center(self._clear)) / step
            self._known += step
            share = max(step / self._known, 1 - math.exp(-step / COURSE_SECONDS))
            self._velocity = self._velocity + share * (now - self._velocity)
            self._clear, self._clear_time = face.tight_box, time
        self.face, self.time = replace(face, track_id=self.id), time

    def scale(self, scale: Array) -> None:
        """The frames have changed their size by (x, y) factors."""
        twice = np.tile(scale, 2)
        self.face = replace(self.face, points=self.face.points * scale, box=self.face.box * twice)
        self._clear = self._clear * twice
        self._velocity = self._velocity * scale
        if self.smoother is not None:
            self.smoother.restart()


class FaceTracker:
    """Follows the faces of a video, frame by frame.

    In most frames each face costs one pass of the network, in a crop from its landmarks of the last frame. The detector
    looks at every `detect_every`-th frame, at frames in which a face is in doubt (its score falls below the
    model's threshold, its landmarks jump, or two faces come to lie on one another), and, while a face is lost
    or there is none, at each frame. A face that is found again within `keep` seconds near where it would be has its
    former id; after that, it is picked up by the next search as a new one. So a face is missed for at most
    `detect_every` frames.

    Args:
        predictor: its detector and its network; its `max_faces` holds.
        detect_every: frames from one search to the next.
        keep: seconds for which a lost face is looked for.
        smooth: "off", "light" or "strong" (`smoothing.SMOOTHINGS`).
        min_score: lowest mean landmark score of a face, in [0, 1]; None takes the model's own.

    Raises:
        InputError: a number out of its range, or an unknown smoothing.
    """

    def __init__(
        self,
        predictor: LandmarkPredictor,
        *,
        detect_every: int = 10,
        keep: float = 2.0,
        smooth: str = "off",
        min_score: float | None = None,
    ) -> None:
        if detect_every < 1:
            raise InputError(f"detect_every must be at least 1, not {detect_every}")
        if keep < 0:
            raise InputError(f"keep must not be negative, not {keep:g}")
        self._predictor = predictor
        self._detect_every = detect_every
        self._keep = keep
        self._smoothing = smoothing_named(smooth)
        self._threshold = predictor.spec.score_threshold if min_score is None else min_score
        self._tracks: list[_Track] = []
        self._lost: list[_Track] = []
        self._next_id = 1
        self._since_search = detect_every
        self._size = (0, 0)

    def update(self, image: Array, time: float) -> list[Face]:
        """The faces of the next frame.

        Args:
            image: H x W x 3 uint8 RGB.
            time: seconds, later than the last frame's.

        Returns:
            Its faces with their `track_id`, in the order of the ids.

        Raises:
            InputError: another shape or dtype.
        """
        image = to_rgb(image)
        self._fit_to(image)
        photo = PhotoPyramid(image)
        self._lost = [each for each in self._lost if time - each.time <= self._keep]
        self._since_search += 1
        doubtful = self._follow(photo, time)
        if doubtful or self._lost or not self._tracks or self._since_search >= self._detect_every:
            self._search(photo, doubtful, time)
            self._since_search = 0
        return [self._smoothed(each) for each in sorted(self._tracks, key=lambda each: each.id)]

    def _follow(self, photo: PhotoPyramid, time: float) -> list[_Track]:
        """Move the tracks to this frame; those in doubt are taken from the list and returned as they were."""
        regions = [
            region_of_landmarks(
                each.face.points.astype(np.float64),
                self._predictor.spec.schema,
                FaceRegion(each.face.box.astype(np.float64), each.face.roll),
                self._predictor.spec.crop_box,
            )
            for each in self._tracks
        ]
        faces = self._predictor.locate_in(photo, regions)
        doubtful = {
            index
            for index, (each, face) in enumerate(zip(self._tracks, faces, strict=True))
            if face.score < self._threshold or box_iou(face.tight_box, each.face.tight_box)[0, 0] < JUMP_IOU
        }
        boxes = np.reshape([face.tight_box for face in faces], (-1, 4))
        same = _same(boxes, boxes)
        for first, second in zip(*np.nonzero(np.triu(same, 1)), strict=True):
            if not {first, second} & doubtful:
                doubtful.add(max(first, second, key=lambda i: _astray(self._tracks[i], faces[i], time)))
        taken = [each for index, each in enumerate(self._tracks) if index in doubtful]
        kept = [
            (each, face)
            for index, (each, face) in enumerate(zip(self._tracks, faces, strict=True))
            if index not in doubtful
        ]
        for each, face in kept:
            each.move(face, time)
        self._tracks = [each for each, _ in kept]
        return taken

    def _search(self, photo: PhotoPyramid, doubtful: list[_Track], time: float) -> None:
        """Let the detector look: confirm tracks, find lost ones again, begin new ones."""
        proposal = self._predictor.propose(photo.image)
        tracked = np.reshape([each.face.tight_box for each in self._tracks], (-1, 4))
        same = _same(proposal.boxes, tracked, SAME_IOU / 2)
        seen = np.any(same, axis=0).tolist()
        sure = [each for each, is_seen in zip(self._tracks, seen, strict=True) if is_seen]
        unseen = [each for each, is_seen in zip(self._tracks, seen, strict=True) if not is_seen]
        unknown = _part(proposal, ~np.asarray(same.any(axis=1)))
        new = self._predictor.locate([unknown], self._threshold)[0]
        new = [face for face in new if not any(_is_same(face, each.face) for each in sure)]

        # A track that the detector does not see may have strayed from a face that it does see.
        candidates = [*doubtful, *unseen, *self._lost]
        pairs = _pair(candidates, new, time)
        for index, number in pairs.items():
            candidates[index].move(new[number], time)
        found = [candidates[index] for index in pairs]
        for each in [*sure, *found]:
            each.unconfirmed = 0
        for each in unseen:
            each.unconfirmed += each not in found
        kept = [each for each in unseen if each not in found and each.unconfirmed < UNCONFIRMED]
        self._lost = [each for each in candidates if each not in found and each not in kept]
        self._tracks = [*sure, *kept, *found]
        for number, face in enumerate(new):
            if number not in pairs.values() and self._has_room():
                self._tracks.append(self._begin(face, time))

    def _has_room(self) -> bool:
        return self._predictor.max_faces is None or len(self._tracks) < self._predictor.max_faces

    def _begin(self, face: Face, time: float) -> _Track:
        smoother = None
        if self._smoothing is not None:
            smoother = LandmarkSmoother(self._smoothing, face.schema)
        begun = _Track(self._next_id, replace(face, track_id=self._next_id), time, smoother)
        self._next_id += 1
        return begun

    def _fit_to(self, image: Array) -> None:
        """Where the frames change their size, the faces change theirs with them."""
        size = (image.shape[1], image.shape[0])
        if size != self._size and (self._tracks or self._lost):
            scale = np.divide(size, self._size)
            for each in [*self._tracks, *self._lost]:
                each.scale(scale)
        self._size = size

    @staticmethod
    def _smoothed(each: _Track) -> Face:
        if each.smoother is None:
            return each.face
        return replace(each.face, points=each.smoother(each.face.points, each.face.scores, each.time))


def track(
    source: str | Path | int | Iterable[VideoFrame],
    predictor: LandmarkPredictor | None = None,
    *,
    detect_every: int = 10,
    keep: float = 2.0,
    smooth: str = "off",
    min_score: float | None = None,
    every: int = 1,
    start: float = 0.0,
    end: float | None = None,
    max_frames: int | None = None,
) -> Iterator[Frame]:
    """The frames of a video with their faces; a face has the same `track_id` in all of them.

    Args:
        source: what `open_video` takes; or what it returns, or any other iterable of (index, seconds, image).
        predictor: of `efficientfan.load`; None loads the default.
        detect_every, keep, smooth, min_score: see `FaceTracker`.
        every, start, end, max_frames: see `open_video`; for sources that it opens.

    Yields:
        A `Frame` for each frame of the source, also for those without a face. A source that it opened is closed at its
        end, or when the iterator is.

    Raises:
        InputError: as of `open_video` and `FaceTracker`, at once and not with the first frame.
        MissingDependencyError: PyAV (extra `video`) is not installed.
    """
    tracker = FaceTracker(
        predictor or load(), detect_every=detect_every, keep=keep, smooth=smooth, min_score=min_score
    )
    if not isinstance(source, str | Path | int):
        return _followed(source, tracker)
    return _closing(open_video(source, every=every, start=start, end=end, max_frames=max_frames), tracker)


def _closing(video: Video, tracker: FaceTracker) -> Iterator[Frame]:
    with video:
        yield from _followed(video, tracker)


def _followed(frames: Iterable[VideoFrame], tracker: FaceTracker) -> Iterator[Frame]:
    return (Frame(index, time, image, tracker.update(image, time)) for index, time, image in frames)


def _center(box: Array) -> Array:
    return np.asarray((box[:2] + box[2:]) / 2)


def _size(box: Array) -> float:
    return float(np.sqrt(np.prod(box[2:] - box[:2])))


def _same(first: Array, second: Array, iou: float = SAME_IOU) -> Array:
    """(N, M) bool: which boxes are of the same face."""
    return np.asarray((box_iou(first, second) > iou) | (box_nesting(first, second) > SAME_NESTING))


def _is_same(first: Face, second: Face) -> bool:
    return bool(_same(first.tight_box, second.tight_box)[0, 0])


def _astray(each: _Track, face: Face, time: float) -> float:
    """How far new landmarks are from where the track would be, in face sizes."""
    apart = _center(face.tight_box) - _center(each.expected(time))
    return float(np.hypot(*apart)) / _size(each.face.tight_box)


def _part(proposal: Proposal, chosen: Array) -> Proposal:
    points = None if proposal.points is None else proposal.points[chosen]
    scores = None if proposal.scores is None else proposal.scores[chosen]
    return replace(proposal, boxes=proposal.boxes[chosen], points=points, scores=scores)


def _pair(tracks: Sequence[_Track], faces: Sequence[Face], time: float) -> dict[int, int]:
    """Lost tracks and found faces, the nearest first: index of the track -> index of the face."""
    costs = []
    for index, each in enumerate(tracks):
        expected = each.expected(time)
        for number, face in enumerate(faces):
            size, other = _size(expected), _size(face.tight_box)
            distance = float(np.hypot(*(_center(expected) - _center(face.tight_box)))) / max(size, other)
            if distance <= NEAR and max(size, other) < SIZE_RATIO * min(size, other):
                costs.append((distance, index, number))
    pairs: dict[int, int] = {}
    for _, index, number in sorted(costs):
        if index not in pairs and number not in pairs.values():
            pairs[index] = number
    return pairs
