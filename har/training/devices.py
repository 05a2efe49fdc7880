"""One training on several devices, each with a process that computes its share of every batch.

The processes are started and watched by torchrun's engine (torch.distributed.elastic). All draw
the same batches; gradients and statistics are those of the whole batch, so the number of devices
changes the speed and not the result.
"""

import os
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from har.errors import UserError
from har.params import Train

_USER_ERROR_STATUS = 2
_NODE_VARIABLES = ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)  # that torchrun's engine turns into exceptions


@dataclass(frozen=True)
class Devices:
    """The device of this process, and its place among the processes that share the work.

    Attributes:
        device: of this process.
        rank: its number; 0 is the one that reports and writes.
        number: of processes, on all nodes together.
    """

    device: torch.device
    rank: int = 0
    number: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that reports and writes."""
        return self.rank == 0

    def share(self, index: Any) -> Any:
        """This process's share of an array or tensor; all shares make up the whole."""
        return index[self.rank :: self.number]

    def gather(self, mine: Any) -> list[Any]:
        """Returns every process's object to all of them, in order of rank."""
        if self.number == 1:
            return [mine]
        found: list[Any] = [None] * self.number
        torch.distributed.all_gather_object(found, mine)
        return found

    def parallel(self, model: nn.Module) -> nn.Module:
        """The network with gradients and batch statistics taken over all processes."""
        if self.number == 1:
            return model
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.__class__ = SharedBatchNorm  # same weights, other forward
        # Raised for kernels of size 1, whose strides are ambiguous.
        warnings.filterwarnings("ignore", "Grad strides do not match")
        return nn.parallel.DistributedDataParallel(
            model,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            forward_sync_buffers=False,
        )


ALONE = Devices(torch.device("cpu"))


class _SumOverProcesses(torch.autograd.Function):
    """A tensor's sum over all processes; so is its gradient."""

    @staticmethod
    def forward(context: Any, mine: Tensor) -> Tensor:
        total = mine.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation by the statistics of a batch that several processes share.

    torch.nn.SyncBatchNorm does this on GPUs and refuses to on a CPU.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any (N, C, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, ...) per channel."""
        if not self.training:
            return super().forward(x)
        axes = [0, *range(2, x.ndim)]
        count = x.new_tensor([x.numel() / x.shape[1]])
        mine = torch.cat([x.sum(axes), x.square().sum(axes), count])
        total = _SumOverProcesses.apply(mine)  # type: ignore[no-untyped-call] # torch has no type for it
        mean, square = (total[:-1] / total[-1]).chunk(2)
        variance = square - mean.square()
        with torch.no_grad():
            running = self.state_dict(keep_vars=True)
            running["num_batches_tracked"] += 1
            running["running_mean"].lerp_(mean, self.momentum or 0.0)
            unbiased = variance * total[-1] / (total[-1] - 1)
            running["running_var"].lerp_(unbiased, self.momentum or 0.0)
        shape = (1, -1, *[1] * (x.ndim - 2))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (x - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)


def run_on_devices(settings: Train, work: Callable[[Devices], None]) -> None:
    """Do `work` in this process, or in one process per device where there are several.

    On several nodes this has to be called on each of them, with NODE_RANK, MASTER_ADDR and
    MASTER_PORT set as torchrun has them.

    Args:
        settings: accelerator, devices, nodes.
        work: a function that can be pickled; it runs once per device.

    Raises:
        UserError: there are no such devices, or a process died, which ends all others.
    """
    accelerator = settings.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    there = torch.cuda.device_count()
    if accelerator == "cuda" and there < settings.devices:
        raise UserError(
            f"train.accelerator is cuda and train.devices {settings.devices}, but torch finds "
            f"{there} such devices: set train.accelerator to cpu, or fewer devices"
        )
    if settings.devices * settings.nodes == 1:
        work(Devices(torch.device(accelerator)))
    else:
        _run_in_processes(settings, accelerator, work)


def _run_in_processes(settings: Train, accelerator: str, work: Callable[[Devices], None]) -> None:
    # Imported here because torchrun's engine takes a while.
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with TemporaryDirectory() as folder:
        meeting = ""
        if settings.nodes == 1:
            # Processes of one machine meet in a file: torch's servers listen on all interfaces,
            # and unpickle what anyone sends them.
            os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
            if sys.platform == "linux":
                os.environ["GLOO_SOCKET_IFNAME"] = "lo"
            meeting = f"file://{folder}/processes"
            where: dict[str, Any] = {
                "rdzv_backend": "c10d",
                "rdzv_endpoint": f"{folder}/launcher",
                "rdzv_configs": {"store_type": "file"},
                "local_addr": "localhost",
            }
        else:
            where = _other_nodes(settings.nodes)
        config = LaunchConfig(
            min_nodes=settings.nodes,
            max_nodes=settings.nodes,
            nproc_per_node=settings.devices,
            run_id="har",
            max_restarts=0,
            signals_to_handle=",".join(number.name for number in _SIGNALS),
            **where,
        )
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        try:
            elastic_launch(config, _process)(accelerator, meeting, work)
        except ChildFailedError as error:
            if any(found.exitcode == _USER_ERROR_STATUS for found in error.failures.values()):
                raise SystemExit(_USER_ERROR_STATUS) from None  # the process has printed why
            rank, found = min(error.failures.items(), key=lambda item: item[1].timestamp)
            how = found.signal_name() if found.exitcode < 0 else f"status {found.exitcode}"
            raise UserError(
                f"training process {rank} ended with {how}: all others were stopped, and "
                "nothing was written; run it again"
            ) from None
        except SignalException as error:
            if error.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise SystemExit(128 + error.sigval) from None
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _other_nodes(nodes: int) -> dict[str, Any]:
    """Settings by which torchrun's engine finds the other nodes."""
    missing = [name for name in _NODE_VARIABLES if not os.environ.get(name)]
    if missing or not os.environ["NODE_RANK"].isdigit():
        raise UserError(
            f"train.nodes is {nodes}: set NODE_RANK (0 on the node that writes), and "
            "MASTER_ADDR and MASTER_PORT to where that one can be reached, on every node"
        )
    rank, address, port = (os.environ[name] for name in _NODE_VARIABLES)
    return {
        "rdzv_backend": "static",
        "rdzv_endpoint": f"{address}:{port}",
        "rdzv_configs": {"rank": int(rank)},
    }


def _process(accelerator: str, meeting: str, work: Callable[[Devices], None]) -> None:
    """Run `work` in a process whose place torchrun's engine set in the environment."""
    rank, number = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    local_rank = int(os.environ["LOCAL_RANK"])
    device = torch.device("cuda", local_rank) if accelerator == "cuda" else torch.device("cpu")
    if accelerator == "cuda":
        torch.cuda.set_device(device)
    torch.distributed.init_process_group(
        "nccl" if accelerator == "cuda" else "gloo",
        init_method=meeting or "env://",
        rank=rank,
        world_size=number,
    )
    devices = Devices(device, rank, number)
    try:
        work(devices)
    except UserError as error:
        if devices.first:
            print(f"error: {error}", file=sys.stderr)
        sys.exit(_USER_ERROR_STATUS)
    finally:
        torch.distributed.destroy_process_group()
