"""What an operator sees: counters for Prometheus, and a log of one JSON object per line. Neither holds image content,
file names, query strings or client addresses."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from efficientfan.predict.timing import StageTimes

__all__ = ["METRICS_TYPE", "JsonLines", "Monitor", "log", "log_failure"]

METRICS_TYPE = CONTENT_TYPE_LATEST
"""Content type of `Monitor.exposition`."""

_LOGGER = logging.getLogger("efficientfan.serve")


def log(event: str, **fields: Any) -> None:
    """Write a line to the log."""
    _LOGGER.info(event, extra={"fields": fields})


def log_failure(event: str, **fields: Any) -> None:
    """Write a line with the exception that is being handled, and where it was raised."""
    _LOGGER.exception(event, extra={"fields": fields})


class JsonLines(logging.Formatter):
    """Log records as JSON objects: `time` (UTC), `level`, `event`, the record's fields, `trace` of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        time = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


class Monitor(StageTimes):
    """The counters of a service; a predictor's `times`, too. Threads may share it."""

    def __init__(self) -> None:
        super().__init__()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter(
            "efficientfan_requests",
            "Requests, by path and HTTP status.",
            ["path", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "efficientfan_request_seconds",
            "From the head of a request to the end of its answer.",
            ["path"],
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self._registry,
        )
        self.in_flight = Gauge("efficientfan_requests_in_flight", "Requests now.", registry=self._registry)
        self.waiting = Gauge(
            "efficientfan_photos_waiting", "Photos in the queue now.", registry=self._registry
        )
        self.held = Gauge(
            "efficientfan_upload_bytes_held", "Bytes of bodies in memory.", registry=self._registry
        )
        self.faces = Counter("efficientfan_faces", "Faces found.", registry=self._registry)
        self.batches = Histogram(
            "efficientfan_batch_photos",
            "Photos that went through a network together.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self._registry,
        )
        self._stages = Counter(
            "efficientfan_stage_seconds", "Seconds of work, by stage.", ["stage"], registry=self._registry
        )

    def add(self, stage: str, seconds: float) -> None:
        """See `StageTimes.add`."""
        super().add(stage, seconds)
        self._stages.labels(stage).inc(seconds)

    def exposition(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self._registry)
