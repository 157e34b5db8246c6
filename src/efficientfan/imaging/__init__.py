"""Photos in and out, and the one warp from a photo to crops. RGB, uint8, height x width x 3 throughout.

`guarded`, which reads untrusted photos, is imported by who needs it.
"""

from efficientfan.imaging.process import process_settings
from efficientfan.imaging.reading import (
    DEFAULT_MAX_PIXELS,
    IMAGE_SUFFIXES,
    PHOTO_SUFFIXES,
    ChannelOrder,
    ImageLike,
    photo_size,
    read_rgb,
    to_rgb,
)
from efficientfan.imaging.warping import PhotoPyramid, roll_photo, roll_transform, warp
from efficientfan.imaging.writing import write_image

__all__ = [
    "ChannelOrder",
    "DEFAULT_MAX_PIXELS",
    "IMAGE_SUFFIXES",
    "ImageLike",
    "PHOTO_SUFFIXES",
    "PhotoPyramid",
    "photo_size",
    "process_settings",
    "read_rgb",
    "roll_photo",
    "roll_transform",
    "to_rgb",
    "warp",
    "write_image",
]
