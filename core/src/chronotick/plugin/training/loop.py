"""The training itself: batches in, better weights out, nothing lost when it is interrupted."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import torch

from chronotick.plugin.pytorch import parameters, prepare
from chronotick.plugin.training.card import Record, card, command_of
from chronotick.plugin.training.examples import Examples
from chronotick.plugin.training.frames import Batch, Header
from chronotick.plugin.training.saving import (
    CARD_FILE,
    RECORD_FILE,
    STATE_FILE,
    TENSORS_FILE,
    Tensors,
    read_state,
    remove_state,
    rounded,
    write_checkpoint,
    write_state,
)
from chronotick.plugin.training.scoring import contribution, metrics
from chronotick.plugin.training.settings import Training, section
from chronotick.plugin.training.trainee import Inputs, Trainee

_STATE_FORMAT: Final = 1
_TELL_EVERY_S: Final = 1.0
_NUMBERED_KINDS: Final = 64

Tell = Callable[[Mapping[str, Any]], None]
Make = Callable[[Mapping[str, Any], Header, Training], Trainee]


class TrainingStopped(Exception):  # noqa: N818 - not always an error
    """Raised when training cannot go on; the message says why, and what to do."""


def train(
    make: Make, header: Header, stream: BinaryIO, tell: Tell, stopping: threading.Event
) -> None:
    """Train a model with the examples of a stream, and write it to ``header.out``.

    Args:
        make: the plugin's class.
        header: that began the stream.
        stream: that the batches come from.
        tell: is given every event.
        stopping: set when training shall be interrupted, as soon as the next step is done.

    Raises:
        TrainingStopped: it was interrupted, the examples ended, or the loss is no number.
        ValueError: the recipe or the examples are wrong, or what is to be resumed does not fit.
        OSError: nothing can be written.
    """
    settings = section(Training, header.recipe, "training")
    out = Path(header.out)
    state = _state(out, header)
    where = prepare(header.device, header.threads)
    torch.manual_seed(settings.seed)
    trainee = make(header.recipe.get("model", {}), header, settings)
    trainee.network.to(where)
    session = _Session(trainee, settings, header, where, tell)
    if state is None:
        tell({"event": "started", "step": 0, "parameters": session.parameters, "device": where})
    else:
        session.restore(state)
        tell({"event": "resumed", "step": session.step, "parameters": session.parameters})
    session.run(Examples(stream, header, trainee, stopping))
    tell({"event": "saved", "directory": header.out})


def _state(out: Path, header: Header) -> dict[str, Any] | None:
    """Return what is to be resumed, or see that nothing is written over.

    Raises:
        ValueError: something is in the way, or does not fit.
    """
    if not header.resume:
        if (out / STATE_FILE).exists():
            raise ValueError(
                f"{out} holds a training that goes on with --resume. Or choose another"
            )
        if (out / TENSORS_FILE).exists():
            raise ValueError(f"{out} holds weights. Choose another directory")
        return None
    state = read_state(out)
    if state is None:
        if (out / TENSORS_FILE).exists():
            raise ValueError(f"{out} holds weights whose training is finished: nothing to resume")
        return None
    ours = _fingerprint(header)
    if state.get("format") != _STATE_FORMAT or state.get("fingerprint") != ours:
        raise ValueError(
            f"{out / STATE_FILE} is of a training with another recipe. Resume with the same one, "
            "or choose another directory"
        )
    return state


def _fingerprint(header: Header) -> str:
    told = [header.model, header.recipe, header.context, header.reach, header.validation]
    return json.dumps(told, sort_keys=True)


class _Session:
    """One training: the network, what it learns with, and what was best so far."""

    def __init__(
        self, trainee: Trainee, settings: Training, header: Header, device: str, tell: Tell
    ) -> None:
        self._trainee, self._settings, self._header = trainee, settings, header
        self._device, self._tell = device, tell
        self._network = trainee.network
        self._optimiser = torch.optim.AdamW(_groups(self._network, settings.weight_decay))
        self._average = _copies(self._network) if settings.average else None
        self._kinds = header.kinds or tuple(f"kind {n}" for n in range(_NUMBERED_KINDS))
        self._validation: list[tuple[Batch, Inputs]] = []
        self._best: dict[str, Any] = {}
        self._history: list[dict[str, Any]] = []
        self._worse = 0
        self._examples = 0
        self._seconds = 0.0
        self._began = time.monotonic()
        self._told = (self._began, 0)
        self.step = 0
        self.parameters = parameters(self._network)

    @property
    def _precision(self) -> str:
        chosen = self._settings.precision
        on_gpu = self._device != "cpu"
        return ("bfloat16" if on_gpu else "float32") if chosen == "auto" else chosen

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was written."""
        self._network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        if self._average is not None:
            for name, tensor in self._average.items():
                tensor.copy_(state["average"][name])
        self._best, self._history = dict(state["best"]), list(state["history"])
        self.step, self._worse = state["step"], state["worse"]
        self._examples, self._seconds = state["examples"], state["seconds"]
        torch.set_rng_state(state["random"])
        if self._device != "cpu" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"], self._device)
        self._told = (time.monotonic(), self._examples)

    def run(self, examples: Examples) -> None:
        """Learn until the steps are done or nothing gets better."""
        try:
            self._take_validation(examples)
            while not (why := self._end()):
                item = examples.next()
                if item is None:
                    raise self._stopped(examples)
                self._learn(*item)
                done = self.step == self._settings.steps
                if done or self.step % self._settings.validate_every == 0:
                    self._validate()
                    self._save_state()
        finally:
            examples.close()
        self._finish(why)

    def _take_validation(self, examples: Examples) -> None:
        while len(self._validation) < self._header.validation:
            item = examples.next()
            if item is None:
                raise TrainingStopped("the examples ended, or it was stopped, before validation")
            if not item[0].validation:
                raise ValueError(
                    f"{self._header.validation} validation batches were announced, "
                    f"{len(self._validation)} came"
                )
            self._validation.append(item)

    def _end(self) -> str:
        if self.step >= self._settings.steps:
            return "all steps done"
        if self._settings.patience and self._worse >= self._settings.patience:
            return f"no better for {self._worse} validations"
        return ""

    def _stopped(self, examples: Examples) -> TrainingStopped:
        """Keep what there is, and say why it does not go on."""
        self._save_state()
        why = "interrupted" if examples.interrupted else "the examples ended"
        return TrainingStopped(
            f"{why} after {self.step} of {self._settings.steps} steps. Go on with --resume"
        )

    def _learn(self, batch: Batch, inputs: Inputs) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = self._settings.rate_at(self.step)
        self._network.train()
        self._optimiser.zero_grad(set_to_none=True)
        with self._autocast():
            loss, _forecast = self._trainee.answer(inputs.to(self._device))
        value = loss.item()
        if np.isfinite(value):
            loss.backward()
            limit = self._settings.clip_norm or float("inf")
            norm = torch.nn.utils.clip_grad_norm_(self._network.parameters(), limit)
            if not torch.isfinite(norm):
                value = float("nan")
        if not np.isfinite(value):
            raise TrainingStopped(
                f"the loss or its gradient is no number at step {self.step}: nothing was written "
                "since the last validation. Lower training.learning_rate, or set "
                "training.target_limit"
            )
        self._optimiser.step()
        self.step += 1
        self._examples += len(batch)
        self._update_average()
        self._tell_step(value)

    def _autocast(self) -> Any:  # noqa: ANN401 - torch's
        kind = "cpu" if self._device == "cpu" else "cuda"
        enabled = self._precision == "bfloat16"
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=enabled)

    def _update_average(self) -> None:
        if self._average is None:
            return
        # Early weights are far from the later ones: they shall not linger.
        keep = min(self._settings.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, tensor in self._network.state_dict().items():
                if tensor.is_floating_point():
                    self._average[name].lerp_(tensor, 1 - keep)

    def _tell_step(self, loss: float) -> None:
        now, (then, before) = time.monotonic(), self._told
        if now - then < _TELL_EVERY_S and self.step != self._settings.steps:
            return
        self._told = (now, self._examples)
        told = {"step": self.step, "of": self._settings.steps, "loss": float(f"{loss:.6g}")}
        speed = (self._examples - before) / max(now - then, 1e-9)
        self._tell({"event": "step", **told, "examples_per_s": round(speed, 1)})
        self._history.append({"step": self.step, "loss": told["loss"]})

    def _validate(self) -> None:
        """Judge the weights as they would be stored, and keep them if they are the best."""
        tensors = rounded(self._average or self._network.state_dict(), self._settings.stored)
        loss, found = self._judged(tensors)
        score = found["ratio"][0] if found and self._settings.best_by == "ratio" else loss
        best = not self._best or not self._validation or score < self._best["score"]
        self._worse = 0 if best else self._worse + 1
        if self._validation:
            ratio = found["ratio"][0]
            told = {"step": self.step, "validation_loss": loss, "ratio": ratio}
            self._history.append(told)
            event = {"event": "validation", "step": self.step, "loss": loss, "best": best}
            self._tell({**event, "metrics": found})
        if best:
            self._best = {"step": self.step, "score": score, "loss": loss}
            self._best |= {"metrics": found, "weights": tensors}
            self._write("")
        self._told = (time.monotonic(), self._examples)

    def _judged(self, tensors: Tensors) -> tuple[float, dict[str, Any]]:
        if not self._validation:
            return float("nan"), {}
        losses, sizes, parts = [], [], []
        levels = self._trainee.levels
        with _swapped(self._network, tensors), torch.inference_mode():
            for batch, inputs in self._validation:
                with self._autocast():
                    part, standard = self._trainee.answer(inputs.to(self._device))
                losses.append(part.item())
                native = inputs.context.restore(standard.float().cpu().numpy())
                parts.append(contribution(batch, native, levels, len(self._kinds)))
                sizes.append(len(batch))
        loss = float(np.average(losses, weights=sizes))
        if not np.isfinite(loss):
            raise TrainingStopped(f"the validation loss is no number after step {self.step}")
        reach = self._header.reach
        return loss, metrics(parts, self._kinds, reach, interval=bool(levels))

    def _save_state(self) -> None:
        state: dict[str, Any] = {
            "format": _STATE_FORMAT,
            "fingerprint": _fingerprint(self._header),
            "step": self.step,
            "worse": self._worse,
            "examples": self._examples,
            "seconds": self._seconds + time.monotonic() - self._began,
            "network": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "average": self._average or {},
            "best": self._best,
            "history": self._history,
            "random": torch.get_rng_state(),
        }
        if self._device != "cpu":
            state["random_cuda"] = torch.cuda.get_rng_state(self._device)
        write_state(Path(self._header.out), state)

    def _finish(self, why: str) -> None:
        if not self._best:
            self._validate()
        self._write(why)
        remove_state(Path(self._header.out))

    def _write(self, finished: str) -> None:
        record = self._record(finished)
        texts = {
            RECORD_FILE: json.dumps(asdict(record), indent=1) + "\n",
            CARD_FILE: card(record, self._header.card),
        }
        out = Path(self._header.out)
        write_checkpoint(out, self._network, self._best["weights"], texts)

    def _record(self, finished: str) -> Record:
        validation = {name: self._best[name] for name in ("loss", "metrics")}
        return Record(
            model=self._header.model,
            title=self._trainee.title,
            command=command_of(self._header),
            recipe=self._header.recipe,
            seed=self._settings.seed,
            parameters=self.parameters,
            context=self._header.context,
            reach=self._header.reach,
            steps=self.step,
            best_step=self._best["step"],
            examples=self._examples,
            finished=finished,
            device=_name_of(self._device, self._header.threads),
            precision=self._precision,
            stored=self._settings.stored,
            seconds=round(self._seconds + time.monotonic() - self._began, 1),
            versions=_versions(self._trainee.library),
            validation=validation if self._validation else {},
            history=self._history,
        )


def _groups(network: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices, and neither biases nor the gains of norms."""
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    return [
        {"params": [weight for weight in trained if weight.ndim > 1], "weight_decay": weight_decay},
        {"params": [weight for weight in trained if weight.ndim <= 1], "weight_decay": 0.0},
    ]


def _copies(network: torch.nn.Module) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


@contextmanager
def _swapped(network: torch.nn.Module, tensors: Tensors) -> Iterator[None]:
    """Let a network have other weights for a while, and answer as it would in a worker."""
    own = _copies(network)
    network.load_state_dict(tensors)
    network.eval()
    try:
        yield
    finally:
        network.load_state_dict(own)


def _name_of(device: str, threads: int) -> str:
    if device == "cpu":
        return f"{threads} CPU thread{'s' if threads > 1 else ''} ({platform.machine()})"
    return str(torch.cuda.get_device_name(device))


def _versions(library: str) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("torch", "transformers", library):
        found[name] = importlib.metadata.version(name)
    return found
