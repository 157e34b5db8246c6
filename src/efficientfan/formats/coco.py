"""COCO JSON of landmarks: annotated faces, and what `predict` finds. Boxes in whole photos: `coco_boxes`.

ROOT of a reader is the JSON file, or a folder that holds `SPLIT.json` (or `annotations/SPLIT.json`); where a
`file_name` is looked for says `text.find_image`.

Of an annotation are read: `keypoints` [x, y, v, ...] with v 2 visible, 1 labeled but covered, 0 not labeled; `bbox`
[x, y, w, h], which becomes xyxy (x, y, x + w, y + h); `name`, the face's; the scalars beside the standard keys and
those under `attributes`, as attributes. Pixel convention: 0-based, pixel centers at integers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from efficientfan.errors import InputError
from efficientfan.files import write_json
from efficientfan.formats.coco_entries import (
    Records,
    attributes_of,
    box_of,
    finite_numbers,
    read_table,
    records_of,
)
from efficientfan.formats.records import FailedPhoto, Record
from efficientfan.formats.text import (
    ListContent,
    find_image,
    relative_path,
    split_file,
    stable_name,
)
from efficientfan.imaging import photo_size
from efficientfan.schema import LandmarkSchema
from efficientfan.structures import OCCLUDED, UNLABELED, VISIBLE, Annotation

__all__ = [
    "CocoWriter",
    "coco_landmarks",
    "coco_records",
    "read_coco",
    "survey_coco",
    "write_coco",
]


def read_coco(root: Path, split: str, schema: LandmarkSchema) -> list[Annotation]:
    """Faces of a COCO keypoints file, in its order.

    Raises:
        InputError: not such a file, a category or a face that does not fit the schema, an unknown image, a
            missing image file, or an image that no annotation speaks of.
    """
    return survey_coco(root, split, schema, 1).sound()


def survey_coco(root: Path, split: str, schema: LandmarkSchema, most_errors: int) -> ListContent:
    """The faces of a file and what is wrong with the others, until `most_errors` of them are; as `read_coco` else.

    Raises:
        InputError: the file as a whole is not usable.
    """
    path = split_file(root, split, ".json")
    table = read_table(path)
    categories = records_of(path, table, "categories", required=False)
    for identity, category in categories.items():
        names = category.get("keypoints", [])
        if names and (not isinstance(names, list) or len(names) != schema.n_landmarks):
            count = len(names) if isinstance(names, list) else 0
            raise InputError(
                f"{path}: category {identity!r} has {count} keypoints, schema '{schema.name}' has "
                f"{schema.n_landmarks}; choose the schema that fits (--schema)"
            )
    images = records_of(path, table, "images")
    faces = records_of(path, table, "annotations")
    content, per_image = ListContent(), _counted(path, images, faces, categories)
    for key, count in per_image.items():
        if count == 0:
            name = str(images[key].get("file_name"))[:80]
            content.errors.append(f"{path}: image without annotation: {name!r} (id {key!r})")
    names_seen = set[str]()
    for identity, face in faces.items():
        if len(content.errors) >= most_errors:
            break
        key = face["image_id"]
        try:
            content.faces.append(
                _annotation(path, identity, face, images[key], per_image[key] > 1, schema, names_seen)
            )
        except InputError as error:
            content.errors.append(str(error))
    del content.errors[most_errors:]
    if not content.faces and not content.errors:
        raise InputError(f"{path}: holds no annotations")
    return content


def _counted(path: Path, images: Records, faces: Records, categories: Records) -> dict[Any, int]:
    """The number of faces of each image.

    Raises:
        InputError: a face is of an unknown image or category.
    """
    per_image: dict[Any, int] = dict.fromkeys(images, 0)
    for identity, face in faces.items():
        key = face.get("image_id")
        if not isinstance(key, int | str) or key not in per_image:
            raise InputError(
                f"{path}: annotation {identity!r} is of image {key!r}, which 'images' does not list"
            )
        per_image[key] += 1
        if categories and "category_id" in face and not _known(face["category_id"], categories):
            raise InputError(
                f"{path}: annotation {identity!r} is of foreign category {face['category_id']!r}"
            )
    return per_image


def _annotation(
    path: Path,
    identity: int | str,
    face: Mapping[str, Any],
    image: Mapping[str, Any],
    one_of_many: bool,
    schema: LandmarkSchema,
    names_seen: set[str],
) -> Annotation:
    where = f"{path}: annotation {identity!r}"
    file_name = image.get("file_name")
    if not isinstance(file_name, str):
        raise InputError(f"{path}: image {face['image_id']!r} has no file_name")
    photo = stable_name(path, file_name)
    name = face.get("name", f"{photo}#{identity}" if one_of_many else photo)
    if not isinstance(name, str) or name in names_seen:
        raise InputError(f"{where}: name {name!r} must be text and unique")
    names_seen.add(name)
    triples = _keypoints(where, face.get("keypoints"), schema)
    if not np.isin(triples[:, 2], (0, 1, 2)).all():
        raise InputError(f"{where}: visibility flags are 0, 1 or 2")
    return Annotation(
        find_image(path, file_name, where),
        triples[:, :2],
        triples[:, 2].astype(np.uint8),
        box=box_of(where, face.get("bbox")),
        attributes=attributes_of(where, face),
        name=name,
    )


def coco_landmarks(table: Any) -> list[list[Any]]:
    """The names of the keypoints of each category of a file that has any, unchecked: none where it is no COCO file."""
    categories = table.get("categories") if isinstance(table, Mapping) else None
    rows = [row for row in (categories if isinstance(categories, list) else ()) if isinstance(row, Mapping)]
    return [row["keypoints"] for row in rows if row.get("keypoints") and isinstance(row["keypoints"], list)]


def coco_records(path: Path, table: Mapping[str, Any], schema: LandmarkSchema) -> Iterator[tuple[str, Any]]:
    """The faces of a COCO file as the records of `records.read_json_lines`: place, and one record per image.

    v becomes `flags`, `keypoint_scores` become `scores`.

    Args:
        path: of the file, for messages.
        table: what it holds.
        schema: of its landmarks.

    Raises:
        InputError: 'images' or an annotation is damaged.
    """
    images = table.get("images")
    if not isinstance(images, list) or not all(
        isinstance(image, Mapping) and isinstance(image.get("id"), int | str) for image in images
    ):
        raise InputError(f"{path}: 'images' must be a list of objects with 'id' and 'file_name'")
    faces: dict[int | str, list[dict[str, Any]]] = {image["id"]: [] for image in images}
    for number, entry in enumerate(table["annotations"], start=1):
        where = f"{path}: annotation {number}"
        image_id = entry.get("image_id") if isinstance(entry, Mapping) else None
        if not isinstance(image_id, int | str) or image_id not in faces:
            raise InputError(f"{where}: its 'image_id' names none of the file's images")
        triples = _keypoints(where, entry.get("keypoints"), schema)
        faces[image_id].append(
            {
                "points": triples[:, :2],
                "flags": triples[:, 2],
                "box": box_of(where, entry.get("bbox")),
                "scores": entry.get("keypoint_scores"),
            }
        )
    for number, image in enumerate(images, start=1):
        yield f"{path}: image {number}", {"image": image.get("file_name"), "faces": faces[image["id"]]}


def write_coco(
    faces: Sequence[Annotation], schema: LandmarkSchema, out: Path, *, photos: Path | None = None
) -> None:
    """Write COCO keypoints JSON; photos are opened for their size.

    Args:
        faces: what to write. An attribute `score` also stands where COCO's own results have it.
        schema: of their landmarks.
        out: the file.
        photos: folder that photos are named relative to; None takes that of `out`.

    Raises:
        InputError: an unreadable photo, or a place that cannot be written to.
    """
    images: dict[Path, dict[str, Any]] = {}
    rows = []
    for number, face in enumerate(faces, start=1):
        if face.image not in images:
            width, height = photo_size(face.image)
            path = relative_path(face.image, photos or out.parent)
            images[face.image] = {"id": len(images) + 1, "file_name": path, "width": width, "height": height}
        labeled = face.visibility != UNLABELED
        triples = np.column_stack([np.where(labeled[:, None], face.points, 0.0), face.visibility])
        row = {
            "id": number,
            "image_id": images[face.image]["id"],
            "category_id": 1,
            "name": face.name,
            "iscrowd": 0,
            "num_keypoints": int(labeled.sum()),
            "keypoints": [int(v) if i % 3 == 2 else v for i, v in enumerate(triples.reshape(-1).tolist())],
            "attributes": dict(face.attributes),
        }
        if face.box is not None:
            x0, y0, x1, y1 = face.box.tolist()
            row |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
        if "score" in face.attributes:
            row["score"] = face.attributes["score"]
        rows.append(row)
    info = {"description": f"landmarks: {schema.name}; pixels 0-based, centers at integers"}
    table = {
        "info": info,
        "images": list(images.values()),
        "annotations": rows,
        "categories": [_category(schema)],
    }
    write_json(out, table)


class CocoWriter:
    """Writes found faces. COCO keeps photos and faces in two lists, so all are held in memory until the end; for very
    many photos use JSON lines.

    v is 1 for landmarks that the model takes to be covered or turned away, and 2 for all others; the landmarks' scores
    are `keypoint_scores`.
    """

    def __init__(self, stream: TextIO, schema: LandmarkSchema) -> None:
        self._stream = stream
        self._schema = schema
        self._model = ""
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, record: Record) -> None:
        """Take one photo and its faces."""
        image_id = len(self._images) + 1
        self._model = record.model
        self._images.append(
            {"id": image_id, "file_name": record.image, "width": record.width, "height": record.height}
        )
        for face in record.faces:
            table = face.to_dict()
            x0, y0, x1, y1 = table["box"]
            width, height = round(x1 - x0, 3), round(y1 - y0, 3)
            flags = [OCCLUDED if unseen else VISIBLE for unseen in face.unseen]
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [x0, y0, width, height],
                    "area": round(width * height, 1),
                    "num_keypoints": len(table["points"]),
                    "keypoints": [
                        value
                        for (x, y), flag in zip(table["points"], flags, strict=True)
                        for value in (x, y, flag)
                    ],
                    "score": table["score"],
                    "keypoint_scores": table["scores"],
                }
            )

    def fail(self, failed: FailedPhoto) -> None:
        """Failed photos are left out."""

    def finish(self) -> None:
        """Write the file."""
        note = f"landmarks: {self._schema.name}; model: {self._model}; pixels 0-based, centers at integers"
        table = {
            "info": {"description": note},
            "images": self._images,
            "annotations": self._annotations,
            "categories": [_category(self._schema)],
        }
        json.dump(table, self._stream, allow_nan=False)
        self._stream.write("\n")


def _category(schema: LandmarkSchema) -> dict[str, Any]:
    return {
        "id": 1,
        "name": "face",
        "supercategory": "person",
        "keypoints": list(schema.landmarks),
        "skeleton": [[a + 1, b + 1] for a, b in schema.edges],  # COCO counts keypoints from 1
    }


def _known(identity: Any, categories: Mapping[Any, Any]) -> bool:
    return isinstance(identity, int | str) and identity in categories


def _keypoints(where: str, values: Any, schema: LandmarkSchema) -> NDArray[np.float64]:
    """(K, 3) x, y, v."""
    triples = finite_numbers(values, 3 * schema.n_landmarks)
    if triples is None:
        count, wanted = len(values) if isinstance(values, list) else 0, 3 * schema.n_landmarks
        raise InputError(
            f"{where}: 'keypoints' must be {wanted} finite numbers (x, y, v of the {schema.n_landmarks} landmarks of "
            f"'{schema.name}'); " + ("one of them is not" if count == wanted else f"it holds {count}")
        )
    return triples.reshape(-1, 3)
