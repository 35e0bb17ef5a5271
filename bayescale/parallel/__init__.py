"""Many independent pieces of work, done in this process, in several, or on the machines of a Dask cluster."""

from bayescale.parallel.limits import usable_cores, worker_limit
from bayescale.parallel.map_tasks import map_tasks
from bayescale.parallel.outcome import Outcome
from bayescale.parallel.use_workers import kept_workers, use_workers

__all__ = ["Outcome", "kept_workers", "map_tasks", "usable_cores", "use_workers", "worker_limit"]
