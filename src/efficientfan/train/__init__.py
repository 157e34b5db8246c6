"""Training: Lightning's loop around our network, data and objective. Needs the `train` extra."""

from efficientfan.models.torchvision_guard import declare_torchvision_operators

declare_torchvision_operators()  # Lightning's metrics import torchvision

from efficientfan.train.fit import fit  # noqa: E402

__all__ = ["fit"]
