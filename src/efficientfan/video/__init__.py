"""Video: sources of frames, tracking, smoothing, and writing of video."""

from efficientfan.video.frames import Frame, VideoFrame
from efficientfan.video.source import Video, open_video
from efficientfan.video.tracker import FaceTracker, track

__all__ = ["FaceTracker", "Frame", "Video", "VideoFrame", "open_video", "track"]
