"""How to use an exported file without this package, in words and numbers, for its metadata: nothing reads them."""

from __future__ import annotations

from efficientfan.geometry import BoxCorrection
from efficientfan.predict.crops import SAME_CROP_IOU, UPRIGHT
from efficientfan.spec import METADATA_KEY, DetectorSpec, ModelSpec
from efficientfan.structures import VISIBILITY_CLASSES

__all__ = ["USAGE_KEY", "file_metadata", "usage_in_words"]

USAGE_KEY = "efficientfan.usage"
"""Name of the metadata entry that holds the words."""


def file_metadata(spec: ModelSpec | DetectorSpec) -> dict[str, str]:
    """The metadata of an exported file: its spec, and the same for people to read."""
    return {METADATA_KEY: spec.to_json(), USAGE_KEY: usage_in_words(spec)}


def usage_in_words(spec: ModelSpec | DetectorSpec) -> str:
    """What goes in, what comes out, and what is done before and after."""
    text = _landmark_usage(spec) if isinstance(spec, ModelSpec) else _detector_usage(spec)
    return "Pixels are (x, y), counted from 0, with centers at whole numbers. " + text


def _landmark_usage(spec: ModelSpec) -> str:
    size, middle, count = spec.input_size, f"{(spec.input_size - 1) / 2:g}", spec.schema.n_landmarks
    visibility = (
        f" 'visibility' N x {count} x 3, probabilities of {', '.join(VISIBILITY_CLASSES)}."
        if "visibility" in spec.outputs
        else ""
    )
    return (
        f"Input 'crops': uint8, N x {size} x {size} x 3, RGB, 0 to 255; the graph normalizes them. "
        "The crop of a box x0, y0, x1, y1 around all landmarks is a square with the box's center (cx, cy) and the side "
        f"{1 + spec.crop_margin:g} * max(x1 - x0, y1 - y0). With f = {size} / side, photo pixel (x, y) is crop pixel "
        f"(f * (x - cx) + {middle}, f * (y - cy) + {middle}). Bilinear, black outside the photo; where f <= 0.5, the "
        "photo is first averaged over blocks of b x b pixels, b the largest power of two up to 1 / f. A face that is "
        f"rolled by more than {UPRIGHT:g} degrees is turned upright in its crop. "
        f"Outputs, float32: 'points' N x {count} x 2, (x, y) in crop pixels, which are photo pixels "
        f"((x - {middle}) / f + cx, (y - {middle}) / f + cy), in the order of schema {spec.schema.name!r}; "
        f"'scores' N x {count}, 0 to 1, whose mean is the face's score.{visibility} "
        f"Where a detector gave the box: if the smallest box around the points{_corrected(spec.crop_box)} has an IoU "
        f"below {SAME_CROP_IOU:g} with it, cut that box and run again; drop faces with a score below "
        f"{spec.score_threshold:g}."
    )


def _corrected(crop_box: BoxCorrection | None) -> str:
    """What is done to the box around the points before it is cut."""
    if crop_box is None:
        return ""
    (right, down), (wide, high) = crop_box.shift, crop_box.scale
    return (
        f", its center moved by ({right:.3f} w, {down:.3f} h) of its width w and height h and they made {wide:.3f} and "
        f"{high:.3f} times as long,"
    )


def _detector_usage(spec: DetectorSpec) -> str:
    sides = ", ".join(map(str, spec.long_sides))
    return (
        "Input 'images': uint8, 1 x H x W x 3, RGB, 0 to 255; the graph normalizes them. H and W are multiples of "
        f"{spec.multiple}: pad with gray, 128, at the right and the bottom. Search copies of the photo whose longer "
        f"side is {sides} pixels, reduced by averaging areas; do not enlarge a smaller photo. Outputs, float32, one "
        f"row per cell of {spec.stride} x {spec.stride} pixels: 'boxes' 1 x cells x 4, x0, y0, x1, y1, tight around "
        "the landmarks; 'scores' 1 x cells, 0 but at peaks; 'points' 1 x cells x 10, x and y of the right eye, left "
        "eye, nose tip, right and left mouth corner, as the face's owner has them. All are pixels of the copy: x is "
        "(x + 0.5) / factor - 0.5 of the photo. Keep detections that score at least "
        f"{spec.score_threshold:g}; of those of all copies that overlap by an IoU above 0.4, keep the one with the "
        "highest score."
    )
