"""The HTTP service: photos in, faces out. `efficientfan serve` runs it; any ASGI server runs `create_app()`."""

from efficientfan.serve.app import create_app
from efficientfan.serve.refusals import REFUSALS
from efficientfan.serve.run import run, running
from efficientfan.serve.settings import ServiceSettings

__all__ = ["REFUSALS", "ServiceSettings", "create_app", "run", "running"]
