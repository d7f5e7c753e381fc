"""The share of a rank, and how graphs are made ready for several."""

from __future__ import annotations

from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.parallel import DistributedDataParallel

from ssl_pipeline.graph.graph import Graph, Views
from ssl_pipeline.structures.batch import View
from ssl_pipeline.training.fsdp import shard


def part(views: Views, rank: int, world: int) -> Views:
    """A rank's rows of what was corrupted as a whole."""

    def mine(x: Tensor) -> Tensor:
        return x.chunk(world)[rank]

    def cut(view: View) -> View:
        size = len(view.x)
        fields = {k: mine(v) for k, v in view._asdict().items() if isinstance(v, Tensor) and len(v) == size}
        return view._replace(**fields, params={k: mine(v) for k, v in view.params.items()})

    return views._replace(
        clean=cut(views.clean),
        views={k: cut(v) for k, v in views.views.items()},
        source=mine(views.source),
        columns={k: cut(v) for k, v in views.columns.items()},
    )


def _sharded(graph: Graph) -> Graph:
    shard(graph, init_device_mesh("cpu", (1, 2), mesh_dim_names=("data_parallel", "tensor_parallel")), smallest=1)
    return graph


HOW = {
    "whole": lambda graph: DistributedDataParallel(graph, find_unused_parameters=True, broadcast_buffers=False),
    "shards": _sharded,
}
