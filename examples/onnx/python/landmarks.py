"""Landmarks of the face in a box, from the exported file alone: numpy and onnxruntime; Pillow reads the photo.

python landmarks.py MODEL.onnx PHOTO X0 Y0 X1 Y1    prints points in pixels of the photo, and scores, as JSON
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def find_landmarks(session, photo, box, roll=0.0):
    """Points (K, 2) and scores (K,) of the face in an xyxy box, turned `roll` degrees counter-clockwise."""
    spec = json.loads(session.get_modelmeta().custom_metadata_map["efficientfan.spec"])
    size, (x0, y0, x1, y1) = spec["input_size"], box
    scale = size / (max(x1 - x0, y1 - y0) * (1 + spec["crop_margin"]))  # crop pixels per photo pixel
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    back = np.array([[cos, sin], [-sin, cos]]) / scale  # from the crop's middle to the photo's box center
    center, middle = np.array([x0 + x1, y0 + y1]) / 2, (size - 1) / 2
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1)
    crop = sample(photo, (grid - middle) @ back.T + center, 1 / scale)
    points, scores = session.run(["points", "scores"], {"crops": crop[None]})
    return (points[0] - middle) @ back.T + center, scores[0]


def sample(photo, places, step):
    """The photo at (S, S, 2) places that lie `step` pixels apart, as (S, S, 3) uint8: bilinear, black outside."""
    shrink = 2 ** int(np.log2(np.clip(step * (1 + 1e-9), 1, min(photo.shape[:2]))))
    rows, columns = (-side % shrink for side in photo.shape[:2])
    photo = np.pad(photo, ((0, rows), (0, columns), (0, 0)), "edge")
    height, width = photo.shape[0] // shrink, photo.shape[1] // shrink
    photo = photo.reshape(height, shrink, width, shrink, 3).mean(
        axis=(1, 3)
    )  # blocks, so that nothing aliases
    photo = np.pad(photo, ((1, 1), (1, 1), (0, 0)))
    x, y = np.moveaxis(((places + 0.5) / shrink - 0.5).clip(-1, [width, height]) + 1, -1, 0)
    left, top = x.astype(int).clip(max=width), y.astype(int).clip(max=height)
    x, y = (x - left)[..., None], (y - top)[..., None]
    upper = photo[top, left] * (1 - x) + photo[top, left + 1] * x
    lower = photo[top + 1, left] * (1 - x) + photo[top + 1, left + 1] * x
    return np.rint(upper * (1 - y) + lower * y).astype(np.uint8)


if __name__ == "__main__":
    session = onnxruntime.InferenceSession(sys.argv[1])
    photo = np.asarray(ImageOps.exif_transpose(Image.open(sys.argv[2])).convert("RGB"))
    points, scores = find_landmarks(session, photo, list(map(float, sys.argv[3:7])))
    print(json.dumps({"points": points.tolist(), "scores": scores.tolist()}))
