# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is run with faults: the bench of each scenario, and what the bench is told."""

import bench
import carried
import checkpoints
import increments
import inplace
import points
import repository
import roomrepository
import shortage

SCENARIOS = {
    "backup-save": (bench.BackupBench, {"memory": "save"}),
    "backup-pause": (bench.BackupBench, {"memory": "pause"}),
    "backup-live": (bench.BackupBench, {"memory": "live", "replace": True}),
    "backup-none": (bench.BackupBench, {"memory": "none", "replace": True}),
    "backup-paused": (bench.BackupBench, {"state": "paused"}),
    "backup-off": (bench.BackupBench, {"state": "shut off"}),
    "backup-checkpoint": (checkpoints.CheckpointBench, {}),
    "backup-checkpoint-off": (checkpoints.CheckpointBench, {"state": "shut off"}),
    "beside-reader": (bench.BesideReaderBench, {}),
    "restore": (bench.RestoreBench, {}),
    "restore-autorun": (bench.RestoreBench, {"autorun": True}),
    "restore-replace": (bench.RestoreBench, {"replace": True}),
    "restore-points": (points.PointsBench, {}),
    "restore-in-place": (inplace.InPlaceBench, {}),
    "repository-off": (repository.RepositoryBackupBench, {"state": "shut off"}),
    "repository-none": (repository.RepositoryBackupBench, {"memory": "none"}),
    "repository-pause": (repository.RepositoryBackupBench, {"memory": "pause"}),
    "increment-off": (increments.IncrementBench, {"state": "shut off"}),
    "increment-none": (increments.IncrementBench, {"memory": "none"}),
    "increment-pause": (increments.IncrementBench, {"memory": "pause"}),
    "increment-save": (increments.IncrementBench, {"memory": "save"}),
    "repository-restore": (repository.RepositoryRestoreBench, {}),
    "repository-prune": (repository.RepositoryKeepBench, {"verb": "prune"}),
    "repository-collect": (repository.RepositoryKeepBench, {"verb": "collect"}),
    "copy": (carried.CarryBench, {"verb": "copy"}),
    "export": (carried.CarryBench, {"verb": "export"}),
    "room-none": (shortage.ShortageBench, {"memory": "none"}),
    "room-pause": (shortage.ShortageBench, {"memory": "pause"}),
    "room-live": (shortage.ShortageBench, {"memory": "live"}),
    **roomrepository.SCENARIOS,
}
ROOM_STORE = tuple(roomrepository.SCENARIOS)
ROOM = tuple(name for name in SCENARIOS if name.startswith("room"))
# Of the short run, which has others of their kind.
LEFT_OUT = (*ROOM[1:3], "backup-checkpoint", "backup-checkpoint-off", "room-prune", "room-repository", "repository-none",
            "repository-pause", "repository-prune", "increment-off", "increment-pause", "increment-save")
UNGUARDED = ("backup-off", "backup-checkpoint-off", "beside-reader", "repository-off", "increment-off", "repository-prune",
             "repository-collect", "copy", "export", *ROOM_STORE)
RUNNING = ("backup-save", "backup-pause", "backup-live", "backup-none")
