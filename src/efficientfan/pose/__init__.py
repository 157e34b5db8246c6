"""Measures from landmarks: where the head points, and how far eyes and mouth are open."""

from efficientfan.pose.head_pose import Pose, head_pose
from efficientfan.pose.head_shape import head_shape
from efficientfan.pose.openness import Blink, blinks, describe, eye_openness, mouth_openness

__all__ = ["Blink", "Pose", "blinks", "describe", "eye_openness", "head_pose", "head_shape", "mouth_openness"]
