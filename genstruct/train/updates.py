"""One optimiser update: freeze the rest, forward in low precision, backward, average over ranks, step."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genstruct.data.sample import Sample
from genstruct.errors import ConfigError
from genstruct.train import optimizers
from genstruct.train.distributed import average_gradients, share_weights
from genstruct.train.method import Method, Phase, Step, Update

Precision = Literal["auto", "bf16", "float32"]


class Updates:
    """Runs the phases of a method; owns its optimisers, one for each network that trains.

    Args:
        method: Its networks must lie on `device` already; parameters that need no gradient now never train.
        device: Where the networks are.
        precision: See `TrainConfig.precision`.
    """

    def __init__(self, method: Method, device: torch.device, precision: Precision = "auto") -> None:
        self.method = method
        self.device = device
        self.low_precision = wants_bf16(precision, device)
        self.trainable = {n: [p for p in net.parameters() if p.requires_grad] for n, net in method.networks.items()}
        _check_names(method)
        self.optimizers = {
            name: optimizers.make_optimizer(method.networks[name], settings)
            for name, settings in method.optimizers.items()
        }

    def run_due(self, batch: Sample, step: Step) -> dict[str, Update]:
        """One update by each phase that is due at `step`, in their order; what each gave, by its name."""
        due = [phase for phase in self.method.phases if step.number % phase.every == 0]
        return {phase.name: self.run(phase, batch, step) for phase in due}

    def run(self, phase: Phase, batch: Sample, step: Step) -> Update:
        """One update of the networks that `phase` trains. Returns what its computation gave, without gradients; the
        loss, a scalar, is also in the logs as `loss/<phase>`."""
        parameters = [p for name in phase.trains for p in self.trainable[name]]
        self._freeze_all_but(phase.trains)
        with self.autocast():
            update = self.method.compute(phase, batch, step)
        loss = update.loss.mean()
        if loss.requires_grad:
            loss.backward()
        average_gradients(parameters)
        if loss.requires_grad:
            for name in phase.trains:
                self._step(name, step)
        for p in parameters:
            p.grad = None
        loss = loss.detach()
        kept = {name: tensor.detach() for name, tensor in update.kept.items()}
        return replace(update, loss=loss, logs={**update.logs, f"loss/{phase.name}": loss}, kept=kept)

    def autocast(self) -> torch.autocast:
        """The precision of forward passes, as a context."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.low_precision)

    def release(self) -> None:
        """Give all parameters back the `requires_grad` they came with."""
        for parameters in self.trainable.values():
            for p in parameters:
                p.requires_grad_(True)

    def state(self) -> dict[str, Any]:
        """Optimiser states for a checkpoint."""
        return {name: optimizers.state_of(o, self.method.optimizers[name]) for name, o in self.optimizers.items()}

    def moments(self) -> list[Tensor]:
        """Every tensor that the optimisers keep."""
        return optimizers.moments(self.optimizers.values())

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set optimiser states from a checkpoint; settings (learning rates, betas) stay those of the method."""
        for name, optimizer in self.optimizers.items():
            optimizers.restore(optimizer, self.method.optimizers[name], state[name], name)

    def _step(self, name: str, step: Step) -> None:
        optimizer = self.optimizers[name]
        factor = self.method.lr_multiplier(name, step)
        for group in optimizer.param_groups:
            group["lr"] = self.method.optimizers[name].lr * factor
        optimizer.step()

    def _freeze_all_but(self, names: tuple[str, ...]) -> None:
        for name, parameters in self.trainable.items():
            for p in parameters:
                p.requires_grad_(name in names)


def wants_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether forward passes run in bf16 on `device`; "auto" asks whether its hardware has instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def place(networks: nn.ModuleDict, device: torch.device, channels_last: bool) -> None:
    """Move networks to `device` in the wanted memory order, with the weights of rank 0."""
    networks.to(device)
    if channels_last:
        networks.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    share_weights(networks)


def compile_forward(networks: nn.ModuleDict, names: tuple[str, ...]) -> None:
    """Compile the forward pass of the networks called `names`, in place; their state is named as before."""
    unknown = set(names) - set(networks)
    if unknown:
        raise ConfigError(f"compile names {', '.join(sorted(unknown))}, but networks are {', '.join(networks)}")
    for name in names:
        networks[name]._compiled_call_impl = _compiled(networks[name])  # what Module.compile sets; copies leave it out


def _compiled(network: nn.Module) -> Callable[..., Any]:
    """`network` compiled once for its turn to train and once for the others'.

    torch.compile does not notice when all parameters change `requires_grad` (torch issue 139476, still so in 2.11): a
    graph made while the network was frozen gives no gradients later. A flag that is branched on is noticed.
    """

    def call(trained: bool, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if trained:
            return network._call_impl(*arguments, **options)
        return network._call_impl(*arguments, **options)

    compiled = torch.compile(call)
    parameters = [p for p in network.parameters() if p.requires_grad]
    return lambda *arguments, **options: compiled(any(p.requires_grad for p in parameters), arguments, options)


def _check_names(method: Method) -> None:
    known = set(method.networks)
    trained = {name for phase in method.phases for name in phase.trains}
    for what, names in (("trained by a phase", trained), ("averaged", set(method.averaged))):
        if names - known:
            raise ConfigError(
                f"{', '.join(sorted(names - known))}: {what}, but networks are {', '.join(sorted(known))}"
            )
    if trained - set(method.optimizers):
        raise ConfigError(f"no optimizer settings for {', '.join(sorted(trained - set(method.optimizers)))}")
