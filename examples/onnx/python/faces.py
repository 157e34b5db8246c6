"""Faces of a photo, from the two exported files alone: numpy and onnxruntime; Pillow reads the photo.

python faces.py DETECTOR.onnx MODEL.onnx PHOTO    prints box, score and points of each face as JSON, the largest first
"""

import json
import sys

import numpy as np
import onnxruntime
from landmarks import find_landmarks
from PIL import Image, ImageOps

FIVE = {68: ([*range(36, 42)], [*range(42, 48)], [30], [48], [54])}
"""Number of landmarks -> which ones are averaged to the eyes, the nose tip and the mouth corners."""


def find_boxes(session, photo):
    """Boxes (N, 4), xyxy, and five points (N, 5, 2) or None, of the possible faces, in pixels of the photo."""
    spec = json.loads(session.get_modelmeta().custom_metadata_map["efficientfan.spec"])
    names = [output.name for output in session.get_outputs()]
    longest, image, found = max(photo.shape[:2]), photo, []
    for side in sorted({min(side, longest) for side in spec["long_sides"]}, reverse=True):
        image = reduce(image, side)  # each copy is made from the one before
        rows, columns = (-length % spec["multiple"] for length in image.shape[:2])
        padded = np.pad(image, ((0, rows), (0, columns), (0, 0)), constant_values=128)
        outputs = dict(zip(names, session.run(names, {"images": padded[None]}), strict=True))
        sure = outputs["scores"][0] >= spec["score_threshold"]
        numbers = [outputs[name][0][sure] for name in ("boxes", "points") if name in outputs]
        places = np.concatenate(numbers, axis=1)  # x and y in turn
        found.append(np.column_stack([(places + 0.5) * longest / side - 0.5, outputs["scores"][0][sure]]))
    found = np.concatenate(found)
    boxes = found[:, :4]
    inside = (boxes[:, :2] < photo.shape[1::-1]).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    found = found[inside & (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)]
    found = found[strongest(found[:, :4], found[:, -1], iou=0.4)]
    return found[:, :4], found[:, 4:14].reshape(-1, 5, 2) if "points" in names else None


def find_faces(detector, model, photo):
    """The faces as dictionaries: box (4,), score, points (K, 2)."""
    spec = json.loads(model.get_modelmeta().custom_metadata_map["efficientfan.spec"])
    boxes, fives = find_boxes(detector, photo)
    faces = []
    for index, box in enumerate(boxes):
        roll = 0.0 if fives is None else roll_of(fives[index])
        if roll:  # the box of a turned face says little of its width and height: a square of its mean side
            center, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).mean() / 2
            box = np.concatenate([center - half, center + half])
        points, scores = find_landmarks(model, photo, box, roll)
        box2, roll2 = region_of(points)
        turn = abs((roll - roll2 + 180) % 360 - 180)
        overlap = iou_and_nesting(box, box2)[0]
        if overlap >= 0.2 and (overlap < 0.8 or turn > 12):  # below 0.2 the points have left the face
            box = box2
            points, scores = find_landmarks(model, photo, box2, roll2)
        if scores.mean() >= spec["score_threshold"]:
            faces.append({"box": box, "score": float(scores.mean()), "points": points})
    tight = np.array([[*face["points"].min(axis=0), *face["points"].max(axis=0)] for face in faces])
    kept = strongest(tight.reshape(-1, 4), np.array([face["score"] for face in faces]), iou=0.5, nesting=0.7)
    return sorted((faces[index] for index in kept), key=lambda face: -np.ptp(face["points"], axis=0).prod())


def reduce(image, side):
    """The image with a longer side of at most `side`: each pixel is the mean of the area that it covers."""
    factor = side / max(image.shape[:2])
    if factor >= 1:
        return image
    across, along = (area_weights(length, max(1, round(length * factor))) for length in image.shape[1::-1])
    return np.rint(np.einsum("rh,hwk,cw->rck", along, image, across, optimize=True)).astype(np.uint8)


def area_weights(length, new):
    """(new, length): the share of each old pixel in each new one."""
    edges = np.arange(new + 1) * (length / new)
    old = np.arange(length)
    return (
        np.clip(np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old), 0, None)
        * new
        / length
    )


def region_of(points):
    """The tight box around (K, 2) landmarks as it would be if the face was upright, and the roll in degrees."""
    roll = roll_of([points[which].mean(axis=0) for which in FIVE[len(points)]])
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    back = np.array([[cos, sin], [-sin, cos]])  # upright to photo
    upright = points @ back
    low, high = upright.min(axis=0), upright.max(axis=0)
    center = back @ (low + high) / 2
    return np.concatenate([center - (high - low) / 2, center + (high - low) / 2]), roll


def roll_of(five):
    """Degrees by which the face is turned counter-clockwise; 0 up to 15, which a network reads as it is."""
    x, y = np.mean(five[3:], axis=0) - np.mean(five[:2], axis=0)
    roll = np.degrees(np.arctan2(x, y))
    return roll if abs(roll) > 15 else 0.0


def strongest(boxes, scores, iou, nesting=np.inf):
    """Indices of boxes (N, 4) that no better one overlaps by more, the best first."""
    kept = []
    for index in np.argsort(-scores, kind="stable"):
        pairs = [iou_and_nesting(boxes[index], boxes[other]) for other in kept]
        if all(a <= iou and b <= nesting for a, b in pairs):
            kept.append(index)
    return kept


def iou_and_nesting(a, b):
    """Intersection over union, and over the smaller box."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = sides.clip(0).prod()
    first, second = np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2])
    return common / (first + second - common), common / min(first, second)


if __name__ == "__main__":
    detector, model = (onnxruntime.InferenceSession(path) for path in sys.argv[1:3])
    photo = np.asarray(ImageOps.exif_transpose(Image.open(sys.argv[3])).convert("RGB"))
    faces = find_faces(detector, model, photo)
    print(
        json.dumps(
            [{**face, "box": face["box"].tolist(), "points": face["points"].tolist()} for face in faces]
        )
    )
