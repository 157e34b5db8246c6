"""Training: Lightning's loop around our network, data and objective. Needs the `train` extra."""

from efficientfan.models.torchvision_guard import declare_torchvision_operators

declare_torchvision_operators()

from efficientfan.train.fit import fit  # noqa: E402  # Lightning's metrics import torchvision: not before the line above

__all__ = ["fit"]
