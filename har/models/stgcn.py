"""ST-GCN++: graph convolutions over joints, multi-branch convolutions over time.

After the description in Duan et al. 2022, 'PYSKL: towards good practices for skeleton action
recognition' (arXiv 2205.09443). 64 channels and 10 blocks are the paper's size.
"""

import torch
from torch import Tensor, nn

from har.geometry import normalise
from har.models.persons import over_persons
from har.skeleton import Layout


def adjacency(layout: Layout) -> Tensor:
    """Spatial partition (3, V, V): self, towards the root, away from it; columns sum to 1 or 0."""
    joints = len(layout.joints)
    inward = torch.zeros(joints, joints)
    for joint, parent in layout.bones:
        inward[joint, parent] = 1
    partition = torch.stack((torch.eye(joints), inward, inward.T))
    return partition / partition.sum(1, keepdim=True).clamp(min=1)


class GraphConvolution(nn.Module):
    """Mix joints along a learnt graph that starts as the skeleton."""

    def __init__(self, inputs: int, outputs: int, graph: Tensor) -> None:
        """Make the layer; `graph` is (K, V, V)."""
        super().__init__()
        self.graph = nn.Parameter(graph.clone())
        self.mix = nn.Conv2d(inputs, outputs * len(graph), 1)
        self.norm = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """From (B, inputs, T, V) to (B, outputs, T, V)."""
        mixed = self.mix(x).unflatten(1, (len(self.graph), -1))
        mixed = torch.einsum("bkctv,kvw->bctw", mixed, self.graph)
        return nn.functional.relu(self.norm(mixed) + self.shortcut(x))


class TemporalConvolution(nn.Module):
    """Six branches over time: four dilations, a maximum, and a plain projection."""

    def __init__(self, channels: int, stride: int) -> None:
        """Make the layer."""
        super().__init__()
        part = channels // 6
        first = channels - 5 * part

        def squeeze(outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(channels, outputs, 1), nn.BatchNorm2d(outputs), nn.ReLU()]

        branches = [
            nn.Sequential(
                *squeeze(first if dilation == 1 else part),
                nn.Conv2d(
                    first if dilation == 1 else part,
                    first if dilation == 1 else part,
                    (3, 1),
                    (stride, 1),
                    (dilation, 0),
                    (dilation, 1),
                ),
            )
            for dilation in (1, 2, 3, 4)
        ]
        branches.append(nn.Sequential(*squeeze(part), nn.MaxPool2d((3, 1), (stride, 1), (1, 0))))
        branches.append(nn.Sequential(nn.Conv2d(channels, part, 1, (stride, 1))))
        self.branches = nn.ModuleList(branches)
        self.join = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """From (B, channels, T, V) to (B, channels, T / stride, V)."""
        return self.join(torch.cat([branch(x) for branch in self.branches], 1))


class Block(nn.Module):
    """A graph and a temporal convolution with a shortcut."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, graph: Tensor, residual: bool
    ) -> None:
        """Make a block."""
        super().__init__()
        self.space = GraphConvolution(inputs, outputs, graph)
        self.time = TemporalConvolution(outputs, stride)
        self.residual = residual
        self.shortcut: nn.Module = nn.Identity()
        if residual and (inputs != outputs or stride != 1):
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, (stride, 1)), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """From (B, inputs, T, V) to (B, outputs, T / stride, V)."""
        out = self.time(self.space(x))
        return nn.functional.relu(out + self.shortcut(x) if self.residual else out)


class STGCN(nn.Module):
    """ST-GCN++; channels double and frames halve half-way and four fifths up the stack.

    Two differences from the paper's system: coordinates are centred and in body sizes, as for
    every network here, and persons are joined by their maximum, so that empty slots do not
    matter.
    """

    def __init__(
        self, layout: Layout, classes: int, width: int, layers: int, dropout: float
    ) -> None:
        """Make the network for a layout and a number of classes."""
        super().__init__()
        self.layout = layout
        graph = adjacency(layout)
        channels = layout.dimensions + 1
        self.norm = nn.BatchNorm1d(channels * len(layout.joints))
        steps = {-(-layers // 2), -(-4 * layers // 5)}
        blocks: list[nn.Module] = []
        inputs, outputs = channels, width
        for number in range(1, layers + 1):
            wider = number in steps and number > 1
            outputs = 2 * outputs if wider else outputs
            blocks.append(Block(inputs, outputs, 2 if wider else 1, graph, number > 1))
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(outputs, classes)

    def encode(self, windows: Tensor) -> Tensor:
        """Summarise persons' windows (B, T, V, C+1) as (B, H)."""
        score = windows[..., -1:]
        position = normalise(windows[..., :-1], score[..., 0] > 0, self.layout)
        x = torch.cat((position, score), -1)
        frames, joints, channels = x.shape[1:]
        x = self.norm(x.flatten(2).transpose(1, 2))
        x = x.view(-1, joints, channels, frames).permute(0, 2, 3, 1)
        return self.blocks(x).mean((-2, -1))

    def forward(self, windows: Tensor) -> Tensor:
        """From raw windows (N, M, T, V, C+1) to log-probabilities (N, classes)."""
        logits = self.classifier(self.dropout(over_persons(windows, self.encode)))
        return logits.float().log_softmax(-1)
