"""Whose ids survive crossings and occlusions: `efficientfan.track` beside the trackers of the package `trackers`.

    pip install --no-deps trackers==2.6.1 supervision==0.31.2 pydeprecate==0.13.0 defusedxml==0.7.1
    python benchmarks/video/tracking.py              # writes tracking.csv
    python benchmarks/video/tracking.py --first-seed 1 --seeds 3    # variants that our constants were not chosen on

(`trackers` (Apache-2.0) and `supervision` (MIT) come from the authors of the ByteTrack that was part of `supervision`.
Without `--no-deps` they install a second OpenCV over that of efficientfan.)

A portrait and its mirror image walk over a background (walkers.py), so the truth is exact. All trackers get the same
detections: ours the detector's boxes when it asks for them; the others, in each frame, the faces that the predictor
finds, with the detector's scores. All keep a lost face for two seconds.

A face counts in frames in which half of its box can be seen; boxes on a face that is hidden further count neither way.
Id switches, fragments and IDF1 are those of CLEAR MOT and of Ristani et al. (2016), at an IoU of 0.4.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import supervision
import trackers
from numpy.typing import NDArray
from trackers.eval import compute_clear_metrics, compute_identity_metrics
from walkers import RATE, Portrait, TrueFace, scenes

import efficientfan
from efficientfan.geometry import box_iou
from efficientfan.imaging import read_rgb
from efficientfan.predict import Detections, FaceDetector, LandmarkPredictor
from efficientfan.structures import Face

sys.path.insert(0, str(Path(__file__).parents[1]))
from tables import cell, write_rows  # of the folder above

Array = NDArray[Any]
Tracks = list[tuple[Array, Array]]
"""For each frame: (N,) ids, (N, 4) boxes."""

OVERLAP = 0.4
COUNTED = 0.5
PHOTO = Path(__file__).parents[2] / "examples" / "astronaut.jpg"
STARTS = 0.5
"""From this detector score on a face begins a track: facefinder's threshold, which the faces that are found exceed."""

COMMON = {"frame_rate": RATE, "lost_track_buffer": 60, "minimum_consecutive_frames": 1}
PEERS: dict[str, Callable[[], Any]] = {
    "ByteTrack": lambda: trackers.ByteTrackTracker(
        **COMMON, track_activation_threshold=STARTS, high_conf_det_threshold=STARTS
    ),
    "OC-SORT": lambda: trackers.OCSORTTracker(**COMMON, high_conf_det_threshold=STARTS),
    "C-BIoU": lambda: trackers.CBIoUTracker(
        **COMMON, track_activation_threshold=STARTS, high_conf_det_threshold=STARTS
    ),
}


class Remembering:
    """A detector that searches each image of a list once."""

    name = "remembering"

    def __init__(self, detector: FaceDetector, images: Sequence[Array]) -> None:
        self._detector, self._images = detector, images
        self._found: dict[int, Detections] = {}

    def detect(self, image: Array) -> Detections:
        key = next(index for index, each in enumerate(self._images) if each is image)
        if key not in self._found:
            self._found[key] = self._detector.detect(image)
        return self._found[key]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1, help="variants of each scene")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them")
    parser.add_argument("--group", help="only these scenes, in detail; writes nothing")
    arguments = parser.parse_args()

    predictor = efficientfan.load(threads=1)
    portrait = cut_portrait(predictor)
    counts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number, scene in enumerate(scenes()):
        if arguments.group not in (None, scene.group):
            continue
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            drawn = list(scene.frames((portrait, portrait.mirrored()), seed))
            images, truth = [image for image, _ in drawn], [faces for _, faces in drawn]
            results = run_all(predictor, images)
            for name, found in results.items():
                measured = measure(truth, found)
                counts.setdefault((scene.group, name), []).append(measured)
                if arguments.group:
                    print(number, seed, name, {key: round(value, 3) for key, value in measured.items()})
    rows = summary(counts)
    for row in rows:
        print("  ".join(f"{value:<22}" for value in row.values()))
    if not arguments.group:
        write_rows(Path(__file__).with_name("tracking.csv"), rows)


def cut_portrait(predictor: LandmarkPredictor) -> Portrait:
    """The head of the example photo."""
    photo = read_rgb(PHOTO)
    (face,) = predictor(photo)
    return Portrait(photo, face.tight_box.astype(np.float64))


def run_all(predictor: LandmarkPredictor, images: Sequence[Array]) -> dict[str, Tracks]:
    """What each tracker says of a video."""
    detector = Remembering(predictor.detector, images)
    remembering = LandmarkPredictor(predictor.backend, detector)
    results = {"efficientfan": follow(remembering, images)}
    results["efficientfan, a search in each frame"] = follow(remembering, images, detect_every=1)
    found = [remembering(image) for image in images]
    for name, make in PEERS.items():
        results[name] = associate(make(), found)
    return results


def follow(predictor: LandmarkPredictor, images: Sequence[Array], **options: Any) -> Tracks:
    """With our tracker."""
    tracker = efficientfan.FaceTracker(predictor, **options)
    faces = [tracker.update(image, index / RATE) for index, image in enumerate(images)]
    return [(np.array([face.track_id for face in own], int), _boxes(own)) for own in faces]


def associate(tracker: Any, found: Sequence[Sequence[Face]]) -> Tracks:
    """With a tracker of boxes."""
    tracks = []
    for faces in found:
        scores = np.array([face.detector_score for face in faces], np.float32)
        boxes = tracker.update(supervision.Detections(_boxes(faces), confidence=scores))
        known = boxes.tracker_id >= 0
        tracks.append((boxes.tracker_id[known], boxes.xyxy[known]))
    return tracks


def measure(truth: Sequence[Sequence[TrueFace]], tracks: Tracks) -> dict[str, float]:
    """Id switches, fragments, and the counts of which IDF1 is made."""
    people, ids, overlaps = [], [], []
    for faces, (own, boxes) in zip(truth, tracks, strict=True):
        clear = np.array([face.visible >= COUNTED for face in faces], bool)
        iou = box_iou(np.array([face.box for face in faces]), boxes)
        counts = (iou[clear] >= OVERLAP).any(axis=0) | ~(iou[~clear] >= OVERLAP).any(axis=0)
        people.append(np.array([face.person for face in faces])[clear])
        ids.append(own[counts])
        overlaps.append(iou[np.ix_(clear, counts)])
    clear_mot = compute_clear_metrics(people, ids, overlaps, OVERLAP)
    identity = compute_identity_metrics(people, ids, overlaps, OVERLAP)
    return {
        "switches": clear_mot["IDSW"],
        "fragments": clear_mot["Frag"],
        "missed": clear_mot["CLR_FN"],
        "false": clear_mot["CLR_FP"],
        **{name: identity[name] for name in ("IDTP", "IDFN", "IDFP")},
    }


def summary(counts: dict[tuple[str, str], list[dict[str, Any]]]) -> list[dict[str, str]]:
    """A row for each group of scenes and tracker, and one for all of them."""
    groups = [*dict.fromkeys(group for group, _ in counts), "all"]
    rows = []
    for group in groups:
        for name in dict.fromkeys(name for _, name in counts):
            own = [each for (one, other), each in counts.items() if other == name and group in (one, "all")]
            videos = [video for each in own for video in each]
            total = {key: sum(video[key] for video in videos) for key in videos[0]}
            idf1 = total["IDTP"] / (total["IDTP"] + (total["IDFP"] + total["IDFN"]) / 2)
            row = {"scenes": group, "tracker": name, "videos": len(videos), "IDF1": idf1}
            row |= {key: total[key] for key in ("switches", "fragments", "missed", "false")}
            rows.append({key: cell(value) for key, value in row.items()})
    return rows


def _boxes(faces: Sequence[Face]) -> Array:
    return np.reshape([face.tight_box for face in faces], (-1, 4))


if __name__ == "__main__":
    main()
