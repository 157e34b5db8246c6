"""Runs over many photos that can be resumed: results in shards, whole or absent, a journal, and what is left to do."""

from efficientfan.batch.folder import ShardFolder
from efficientfan.batch.journal import PhotoEntry, ShardPage, Stamp, stamp_of
from efficientfan.batch.plan import Chunk, RunPlan, plan_run
from efficientfan.batch.ray_run import ChunkResult, ClusterOptions, Work, on_cluster, results_on_ray
from efficientfan.batch.remote import find_remote_photos, is_url, read_photo
from efficientfan.batch.run import ShardedRun, open_sharded_run
from efficientfan.batch.run_info import RunInfo, WeightsInfo
from efficientfan.batch.settings import PhotoSettings
from efficientfan.batch.shard_formats import SHARD_FORMATS, ShardFormat, shard_format
from efficientfan.batch.sources import Part, listed_photos, results_folder, unique_photos

__all__ = [
    "SHARD_FORMATS",
    "Chunk",
    "ChunkResult",
    "ClusterOptions",
    "Part",
    "PhotoEntry",
    "PhotoSettings",
    "RunPlan",
    "RunInfo",
    "ShardFolder",
    "ShardFormat",
    "ShardPage",
    "ShardedRun",
    "Stamp",
    "WeightsInfo",
    "Work",
    "find_remote_photos",
    "is_url",
    "listed_photos",
    "on_cluster",
    "open_sharded_run",
    "plan_run",
    "read_photo",
    "results_folder",
    "results_on_ray",
    "shard_format",
    "stamp_of",
    "unique_photos",
]
