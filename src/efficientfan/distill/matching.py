"""1x1 convolutions that give the student's maps the teacher's number of channels, where it differs."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from efficientfan.distill.term import Channels

__all__ = ["channel_matchers"]


def channel_matchers(channels: Channels, levels: Iterable[str]) -> nn.ModuleDict:
    """Level -> convolution, or the identity where both have as many channels."""

    def matcher(student: int, teacher: int) -> nn.Module:
        return nn.Identity() if student == teacher else nn.Conv2d(student, teacher, 1)

    return nn.ModuleDict(
        {level: matcher(channels.student[level], channels.teacher[level]) for level in levels}
    )
