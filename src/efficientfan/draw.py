"""Drawing: landmarks on photos, sheets of many pictures, and the index picture of a schema.

RGB, uint8, height x width x 3 throughout; nothing is drawn into the caller's own array.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from efficientfan.errors import InputError
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import OCCLUDED, UNLABELED, VISIBLE, Face

__all__ = [
    "Color",
    "add_dot",
    "add_line",
    "add_numbers",
    "add_rectangle",
    "add_text",
    "contact_sheet",
    "draw_faces",
    "draw_index_picture",
    "draw_points",
    "mix",
    "region_colors",
    "shorten",
    "text_size",
]

Array = NDArray[Any]

PALETTE: tuple[Color, ...] = (
    (72, 202, 228),
    (255, 183, 3),
    (148, 224, 100),
    (255, 112, 166),
    (255, 140, 66),
    (178, 148, 255),
    (94, 234, 190),
    (240, 230, 120),
)
NEUTRAL: Color = (200, 205, 210)
BOX: Color = (245, 245, 245)
DARK: Color = (24, 28, 34)
PAPER: Color = (250, 249, 246)
BLACK: Color = (0, 0, 0)


def region_colors(schema: LandmarkSchema) -> list[Color]:
    """A color for each of the K landmarks: that of its region; mirrored regions share one."""
    colors = [NEUTRAL] * schema.n_landmarks
    families: dict[frozenset[int], Color] = {}
    flip = schema.flip_indices
    for indices in schema.regions.values():
        mirrored = frozenset(int(flip[index]) for index in indices)
        following = PALETTE[len(set(families.values())) % len(PALETTE)]
        color = families.setdefault(frozenset(indices), families.get(mirrored, following))
        for index in indices:
            colors[index] = color
    return colors


def draw_faces(
    image: Array, faces: Sequence[Face], *, boxes: bool = True, points: bool = True, paths: bool = True
) -> Array:
    """A copy of `image` with faces on it; line widths scale with the face. Landmarks that are not visible are rings.

    Args:
        image: H x W x 3 uint8 RGB.
        faces: in image pixels; each with its own schema.
        boxes: draw the face's box.
        points: draw the landmarks, in their regions' colors.
        paths: join landmarks along the schema's paths.

    Raises:
        InputError: not an H x W x 3 uint8 image.
    """
    canvas = _copy(image)
    colors_of = {id(face.schema): region_colors(face.schema) for face in faces}
    for face in faces:
        size, colors = _extent(face.points), colors_of[id(face.schema)]
        if boxes:
            add_rectangle(canvas, face.box, BOX, float(max(face.box[2:] - face.box[:2])) / 200)
        if paths:
            _add_paths(canvas, face.points, face.schema, colors, size)
        if points:
            _add_dots(canvas, face.points, colors, _dot_radius(size), face.unseen)
    return canvas


def draw_points(
    image: Array,
    points: ArrayLike,
    schema: LandmarkSchema,
    visibility: ArrayLike | None = None,
    indices: bool = False,
) -> Array:
    """A copy of `image` with one face's landmarks: dots, rings where covered, and the schema's paths.

    Args:
        image: H x W x 3 uint8 RGB.
        points: (K, 2) in image pixels; NaN is left out.
        schema: what the K landmarks are.
        visibility: (K,) flags as in `Annotation`; unlabeled ones are left out.
        indices: write each landmark's index beside it.

    Raises:
        InputError: not an H x W x 3 uint8 image, or points or flags of another number than the schema's.
    """
    canvas = _copy(image)
    array = _checked(points, schema)
    flags = np.full(len(array), VISIBLE) if visibility is None else np.asarray(visibility)
    if flags.shape != (len(array),):
        raise InputError(f"{schema.name} visibility has shape ({len(array)},), not {flags.shape}")
    array[flags == UNLABELED] = np.nan
    size = _extent(array)
    colors, radius = region_colors(schema), _dot_radius(size)
    _add_paths(canvas, array, schema, colors, size)
    _add_dots(canvas, array, colors, radius, covered=flags == OCCLUDED)
    if indices:
        add_numbers(canvas, array, colors, radius, max(0.3, size / 1600), schema.edges, backing=DARK)
    return canvas


def draw_index_picture(schema: LandmarkSchema, points: ArrayLike | None = None, size: int = 900) -> Array:
    """A drawn face with the index number of every landmark, size x size pixels.

    Args:
        schema: what to show.
        points: (K, 2) of a face to show instead of the schema's own layout, any units; fitted to the picture.
        size: side in pixels.

    Raises:
        InputError: no points are given and the schema has no layout, or the size is below 100.
    """
    if points is None and not schema.layout:
        raise InputError(f"schema {schema.name!r} has no 'layout': add its landmarks' [x, y], each in [0, 1]")
    if size < 100:
        raise InputError(f"an index picture has at least 100 pixels a side, not {size}")
    array = np.array(schema.layout) if points is None else _into_unit_square(_checked(points, schema))
    array *= size - 1

    canvas = np.full((size, size, 3), PAPER, np.uint8)
    colors = [mix(color, BLACK, 0.8) for color in region_colors(schema)]
    for a, b in schema.edges:
        if np.isfinite(array[[a, b]]).all():
            add_line(canvas, array[a], array[b], mix(_line_color(colors, a, b), PAPER, 0.5), size / 450)
    radius = size / 250
    for index in np.flatnonzero(np.isfinite(array).all(axis=1)):
        add_dot(canvas, array[index], radius, colors[int(index)])
    add_numbers(canvas, array, [mix(c, BLACK, 0.7) for c in colors], radius, size / 2000, schema.edges)

    letters, left = size / 1600, "person's left"
    add_text(
        canvas,
        f"{schema.name}: {schema.n_landmarks} landmarks",
        (0.03 * size, 0.05 * size),
        letters * 1.3,
        DARK,
    )
    if schema.flip_pairs:
        add_text(canvas, "person's right", (0.03 * size, 0.975 * size), letters, DARK)
        add_text(canvas, left, (0.97 * size - text_size(left, letters)[0], 0.975 * size), letters, DARK)
    return canvas


def contact_sheet(
    images: Sequence[Array],
    columns: int,
    captions: Sequence[str] | None = None,
    cell: int | tuple[int, int] = 224,
) -> Array:
    """Pictures side by side, row after row, each fitted whole into its cell; captions stand below.

    Args:
        images: H x W x 3 uint8 RGB, of any sizes.
        columns: cells in a row.
        captions: one for each picture, cut short where too long; characters beyond ASCII become `?`.
        cell: side of a square cell, or (width, height), in pixels, without the caption.

    Raises:
        InputError: no images, fewer than one column, a cell without size, or another number of captions.
    """
    width, height = (cell, cell) if isinstance(cell, int) else cell
    if not images:
        raise InputError("a contact sheet needs at least one picture")
    if columns < 1 or width < 1 or height < 1:
        raise InputError(f"columns and cell must be positive, not {columns} and {cell}")
    if captions is not None and len(captions) != len(images):
        raise InputError(f"{len(captions)} captions for {len(images)} pictures")
    gap, bar, letters = 4, 22 if captions is not None else 0, 0.42
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    sheet = np.full((rows * (height + bar + gap) + gap, columns * (width + gap) + gap, 3), DARK, np.uint8)
    for number, image in enumerate(images):
        left = gap + number % columns * (width + gap)
        top = gap + number // columns * (height + bar + gap)
        picture = _fitted(_copy(image), width, height)
        y, x = top + (height - picture.shape[0]) // 2, left + (width - picture.shape[1]) // 2
        sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
        if captions is not None:
            text = shorten(captions[number], letters, width - 4)
            add_text(sheet, text, (left + 2, top + height + 15), letters, NEUTRAL)
    return sheet


def _add_paths(
    canvas: Array, points: Array, schema: LandmarkSchema, colors: Sequence[Color], size: float
) -> None:
    fixed, width = _fixed_points(points), size / 250
    edges = [
        (start, end, _line_color(colors, a, b))
        for a, b in schema.edges
        if (start := fixed[a]) is not None and (end := fixed[b]) is not None
    ]
    if width > 1.5:  # a dark rim keeps lines readable on bright skin; on small faces it would hide them
        for start, end, _ in edges:
            _fixed_line(canvas, start, end, DARK, width + 2)
    for start, end, color in edges:
        _fixed_line(canvas, start, end, color, width)


def _add_dots(
    canvas: Array, points: Array, colors: Sequence[Color], radius: float, covered: Array | None = None
) -> None:
    rings = [False] * len(points) if covered is None else covered.tolist()
    for center, color, ring in zip(_fixed_points(points), colors, rings, strict=True):
        if center is None:
            continue
        if ring:
            _fixed_dot(canvas, center, max(2.0, radius * 1.3), color, ring=radius / 2)
            continue
        if radius >= 2:
            _fixed_dot(canvas, center, radius + 1, DARK)
        _fixed_dot(canvas, center, radius, color)


def _line_color(colors: Sequence[Color], a: int, b: int) -> Color:
    return colors[a] if colors[a] == colors[b] else NEUTRAL


def _dot_radius(size: float) -> float:
    return max(0.7, size / 110)


def _extent(points: Array) -> float:
    """Longer side of the labeled points' box; 0 without any."""
    finite = points[np.isfinite(points).all(axis=1)]
    return float((finite.max(axis=0) - finite.min(axis=0)).max()) if len(finite) else 0.0


def _copy(image: Array) -> Array:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"drawing needs an H x W x 3 uint8 RGB image, not {found}")
    return np.array(image, order="C")


def _checked(points: ArrayLike, schema: LandmarkSchema) -> Array:
    array = np.array(points, dtype=np.float64)
    if array.shape != (schema.n_landmarks, 2):
        raise InputError(f"{schema.name} points have shape ({schema.n_landmarks}, 2), not {array.shape}")
    return array


def _into_unit_square(points: Array) -> Array:
    finite = points[np.isfinite(points).all(axis=1)]
    if not len(finite):
        raise InputError("none of the points is labeled, so there is nothing to draw")
    middle = (finite.min(axis=0) + finite.max(axis=0)) / 2
    return np.asarray(0.5 + 0.82 * (points - middle) / max(_extent(points), 1e-9))


def _fitted(image: Array, width: int, height: int) -> Array:
    factor = min(width / image.shape[1], height / image.shape[0])
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method))


Color: TypeAlias = tuple[int, int, int]

_SHIFT = 4
_FAR = 1e6  # beyond this OpenCV's fixed-point coordinates overflow
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def add_line(canvas: Array, start: ArrayLike, end: ArrayLike, color: Color, width: float) -> None:
    """A line of `width` pixels, at least one."""
    _fixed_line(canvas, _fixed(start), _fixed(end), color, width)


def add_rectangle(canvas: Array, box: ArrayLike, color: Color, width: float) -> None:
    """The outline of an xyxy box."""
    corners = np.asarray(box, dtype=np.float64)
    cv2.rectangle(
        canvas, _fixed(corners[:2]), _fixed(corners[2:]), color, _thickness(width), cv2.LINE_AA, _SHIFT
    )


def add_dot(canvas: Array, center: ArrayLike, radius: float, color: Color, ring: float = 0) -> None:
    """A filled disc, or, with `ring` > 0, a circle of that line width."""
    _fixed_dot(canvas, _fixed(center), radius, color, ring)


def add_text(
    canvas: Array, text: str, corner: tuple[float, float], size: float, color: Color, bold: int = 0
) -> None:
    """Write with the lower left corner of the text at `corner`; OpenCV writes ASCII, the rest becomes `?`."""
    position = (round(corner[0]), round(corner[1]))
    cv2.putText(
        canvas, _ascii(text), position, _FONT, size, color, _thickness(size * 1.4) + bold, cv2.LINE_AA
    )


def text_size(text: str, size: float) -> tuple[int, int]:
    """Width and height in pixels of what `add_text` writes."""
    (width, height), _ = cv2.getTextSize(_ascii(text), _FONT, size, 1)
    return int(width), int(height)


def shorten(text: str, size: float, width: int) -> str:
    """`text`, cut and ended with `..` where it is wider than `width` pixels."""
    if text_size(text, size)[0] <= width:
        return text
    while text and text_size(text + "..", size)[0] > width:
        text = text[:-1]
    return text + ".."


def mix(first: Color, second: Color, share: float) -> Color:
    """`share` of the first color and the rest of the second."""
    r, g, b = (round(a * share + c * (1 - share)) for a, c in zip(first, second, strict=True))
    return r, g, b


def add_numbers(
    canvas: Array,
    points: Array,
    colors: Sequence[Color],
    radius: float,
    size: float,
    lines: Iterable[tuple[int, int]] = (),
    backing: Color | None = None,
) -> None:
    """Write each point's index where it covers the fewest dots, lines and other numbers.

    Args:
        points: (K, 2); NaN is left out.
        radius: of the dots that stand at the points.
        size: of the letters, in OpenCV's unit.
        lines: pairs of indices between which lines are drawn.
        backing: color of a rim around the digits, for use on photos.
    """
    labeled = [int(index) for index in np.flatnonzero(np.isfinite(points).all(axis=1))]
    taken = np.concatenate([_around(points[labeled], radius), _around(_along(points, lines, step=4), 1.5)])
    for index in labeled:
        half = np.array(text_size(str(index), size)) / 2
        center = _free_place(points[index], half, radius, taken)
        taken = np.vstack([taken, np.concatenate([center - half, center + half])])
        if np.linalg.norm(center - points[index]) > radius + half.max() * 2.5:
            add_line(canvas, points[index], center, colors[index], 1)
        corner = (float(center[0] - half[0]), float(center[1] + half[1]))
        if backing is not None:
            add_text(canvas, str(index), corner, size, backing, bold=2)
        add_text(canvas, str(index), corner, size, colors[index])


def _free_place(point: Array, half: Array, radius: float, taken: Array) -> Array:
    """Where a label of half size `half` near `point` covers least of the boxes `taken`; nearer places are preferred."""
    best, least = point, math.inf
    for reach in (radius + 1.5, radius + half[1], radius + half[1] * 3):
        for angle in np.linspace(0, 2 * math.pi, 24, endpoint=False):
            center = point + np.array([math.cos(angle), math.sin(angle)]) * (reach + half)
            box = np.concatenate([center - half - 1, center + half + 1])
            inter = np.minimum(box[2:], taken[:, 2:]) - np.maximum(box[:2], taken[:, :2])
            cost = float(inter.clip(min=0).prod(axis=1).sum()) + 0.5 * reach
            if cost < least:
                best, least = center, cost
    return best


def _along(points: Array, lines: Iterable[tuple[int, int]], step: float) -> Array:
    places = [np.zeros((0, 2))]
    for a, b in lines:
        length = float(np.linalg.norm(points[b] - points[a]))
        if math.isfinite(length):
            share = np.linspace(0, 1, max(2, math.ceil(length / step)))[:, None]
            places.append(points[a] + share * (points[b] - points[a]))
    return np.concatenate(places)


def _around(points: Array, reach: float) -> Array:
    return np.hstack([points - reach, points + reach])


def _thickness(width: float) -> int:
    return max(1, round(width))


Fixed: TypeAlias = tuple[int, int]
"""A point in OpenCV's fixed-point coordinates, `_SHIFT` bits of which are the fraction."""


def _fixed(point: ArrayLike) -> Fixed:
    x, y = (np.asarray(point, dtype=np.float64).clip(-_FAR, _FAR) * 2**_SHIFT).tolist()
    return round(x), round(y)


def _fixed_points(points: Array) -> list[Fixed | None]:
    """All at once, for a face has many; None where a coordinate is not finite."""
    known = np.asarray(np.isfinite(points).all(axis=1))
    scaled = np.where(known[:, None], points, 0).astype(np.float64).clip(-_FAR, _FAR) * 2**_SHIFT
    fixed = np.rint(scaled).astype(np.int64).tolist()
    return [(x, y) if seen else None for (x, y), seen in zip(fixed, known.tolist(), strict=True)]


def _fixed_line(canvas: Array, start: Fixed, end: Fixed, color: Color, width: float) -> None:
    cv2.line(canvas, start, end, color, _thickness(width), cv2.LINE_AA, _SHIFT)


def _fixed_dot(canvas: Array, center: Fixed, radius: float, color: Color, ring: float = 0) -> None:
    width = _thickness(ring) if ring > 0 else -1
    cv2.circle(canvas, center, round(radius * 2**_SHIFT), color, width, cv2.LINE_AA, _SHIFT)


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
