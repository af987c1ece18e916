"""The one schema of the configuration: every key, its unit, its default and what it is for.

Field descriptions are the documentation of the keys: ``docs/configuration.md`` is generated from
them and a test holds the two together.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict

from chronotick.config.paths import data_dir, expand
from chronotick.config.servers import FORMS, AddressError, Protocol, is_loopback, parse_server
from chronotick.config.tcp import parse_address, parse_host_port
from chronotick.shm.paths import default_control_socket, default_record_path


def _unit(name: str) -> JsonDict:
    return {"unit": name}


def _shown(default: str) -> JsonDict:
    """What documents and templates show for a default that depends on the machine."""
    return {"shown_default": default}


def _server(text: str) -> str:
    try:
        parse_server(text)
    except AddressError as error:
        raise ValueError(error.reason) from error  # what was given is repeated with the key
    return text


Seconds = Annotated[float, Field(gt=0, json_schema_extra=_unit("s"))]
SecondsOrZero = Annotated[float, Field(ge=0, json_schema_extra=_unit("s"))]
FilePath = Annotated[Path, BeforeValidator(expand)]
ServerText = Annotated[
    str, AfterValidator(_server), Field(json_schema_extra={"accepted": FORMS, "pattern": r"^\S+$"})
]
ModelName = Annotated[str, Field(min_length=1, pattern=r"^\S+$")]
Cpu = Annotated[int, Field(ge=0)]
Device = Annotated[
    str,
    Field(
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        json_schema_extra={"accepted": "auto, cpu, cuda or cuda:N"},
    ),
]
ContextLength = Annotated[int, Field(ge=4, le=16384)]
Threads = Annotated[int, Field(ge=1, le=64)]
Niceness = Annotated[int, Field(ge=0, le=19)]
MemoryLimit = Annotated[int, Field(ge=64, json_schema_extra=_unit("MiB"))]
Duty = Annotated[float, Field(gt=0, le=64, json_schema_extra=_unit("cores"))]
Trigger = Literal["both", "interval", "measurement"]
FUSION_METHODS = Literal["inverse_variance", "inverse_variance_weighting", "expert", "best", "none"]


class Section(BaseModel):
    """A section of the configuration: immutable, unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        """Python takes ``true`` for 1; a person who wrote ``timeout_seconds: true`` did not."""
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation is not bool:
            raise ValueError("true/false does not belong here")
        return value


_AnySection = TypeVar("_AnySection", bound=Section)


class Ntp(Section):
    """Which servers are asked, and which answers count."""

    servers: list[ServerText] = Field(
        default=["pool.ntp.org", "time.nist.gov"],
        min_length=1,
        description="NTP servers. A name with several addresses and the word `pool` in it "
        "(`pool.ntp.org`, `ntp-pool2.example`; not `liverpool.example`) gives up to `pool_size` "
        "sources, any other name one. `chronyd` is no server but what the chronyd of this host "
        "believes, without any NTP sent; also `chronyd://127.0.0.1:PORT` and "
        "`chronyd:///run/chrony/chronyd.sock`. `nts://HOST` is asked with NTS (also "
        "`nts://HOST:PORT`, the port of its key exchange, 4460 by default), `key://ID@HOST` with "
        "the symmetric key of that number in `key_file`.",
    )
    pool_size: int = Field(4, ge=1, le=16, description="Sources taken from one pool name.")
    timeout_seconds: Seconds = Field(2.0, description="How long a reply is waited for.")
    max_acceptable_uncertainty: Seconds = Field(
        1.5,
        description="Largest root distance (delay/2 + root delay/2 + root dispersion) of a "
        "source that may be used (RFC 5905 MAXDIST).",
    )
    min_stratum: int = Field(1, ge=1, le=15, description="Lowest stratum accepted.")
    max_stratum: int = Field(15, ge=1, le=15, description="Highest stratum accepted.")
    max_delay: Seconds = Field(3.0, description="Longest round trip accepted.")
    min_sources: int = Field(
        1, ge=1, description="How many agreeing sources are needed before any is believed."
    )
    max_falsetickers: int | None = Field(
        None,
        ge=0,
        description="How many sources may lie at once without the hard bound becoming wrong. "
        "null: any minority of them. 0 trusts every source that is believed, and bounds are as "
        "narrow as the best one's.",
    )
    authentication: Literal["require", "prefer", "ignore"] = Field(
        "prefer",
        description="What authenticated sources (`nts://`, `key://`) are worth. `require`: only "
        "they are believed. `prefer`: who contradicts those of them that agree is not believed. "
        "`ignore`: no more than others.",
    )
    nts_trusted_certs: FilePath | None = Field(
        None,
        description="Certificates (PEM, a file or a directory) that alone are trusted when NTS "
        "servers prove their names. null: those that this system trusts.",
    )
    key_file: FilePath | None = Field(
        None,
        description="Symmetric keys for `key://ID@HOST`, one `ID TYPE HEX:KEY` a line, as in "
        "chrony.keys. Others must not be able to read it. null: there are none.",
    )

    @model_validator(mode="after")
    def _some_stratum_is_accepted(self) -> Ntp:
        if self.min_stratum > self.max_stratum:
            raise ValueError(
                f"min_stratum ({self.min_stratum}) must not be above max_stratum "
                f"({self.max_stratum}): no server could be used"
            )
        return self

    @model_validator(mode="after")
    def _somebody_can_authenticate(self) -> Ntp:
        if self.authentication == "require" and not any(
            parse_server(text).is_authenticated for text in self.servers
        ):
            raise ValueError(
                "authentication: require believes only nts:// and key:// servers, and none of "
                "servers is one. Add one, or set it to prefer"
            )
        return self


class WarmUp(Section):
    """The burst at start."""

    duration_seconds: SecondsOrZero = Field(
        3.0, description="Length of the warm-up. Time is served during it, with status warming-up."
    )
    measurement_interval: Seconds = Field(
        0.5, description="Time between measurements of each server during the warm-up."
    )


class NormalOperation(Section):
    """Polling after the warm-up."""

    measurement_interval: Seconds = Field(
        16.0, description="Shortest poll interval; it grows while the clock is predictable."
    )
    max_interval: Seconds = Field(1024.0, description="Longest poll interval.")

    @model_validator(mode="after")
    def _ordered(self) -> NormalOperation:
        if self.max_interval < self.measurement_interval:
            raise ValueError(
                f"max_interval ({self.max_interval:g} s) must not be below measurement_interval "
                f"({self.measurement_interval:g} s)"
            )
        return self


class Timing(Section):
    """When servers are measured."""

    warm_up: WarmUp = Field(default_factory=WarmUp)
    normal_operation: NormalOperation = Field(default_factory=NormalOperation)


SHORTEST_WATCH_S = 64.0
"""Between two samples of other people's servers, on average."""


def _asked_over_ntp(text: str) -> str:
    if parse_server(text).protocol is Protocol.CHRONYD:
        raise ValueError("a chronyd has no opinion of its own: give NTP servers")
    return text


class WatchdogSection(Section):
    """Asking a large pool of other servers now and then whether served time is right (RFC 9523)."""

    enabled: bool = Field(default=False, description="Whether anybody is asked.")
    servers: list[Annotated[ServerText, AfterValidator(_asked_over_ntp)]] = Field(
        default=["0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org"],
        min_length=1,
        max_length=1000,
        description="Names that the pool is gathered from. Names with `pool` in them are looked up "
        "hourly until it is full, and of each answer four addresses at most are taken; any other "
        "name is one server.",
    )
    pool_size: int = Field(
        500, ge=3, le=1000, description="Servers in the pool (n of RFC 9523). Who is silent leaves."
    )
    sample_size: int = Field(15, ge=3, le=100, description="Servers asked at a time (m).")
    interval_seconds: Seconds = Field(
        640.0,
        description="Time between two samples, on average: anything from half to one and a half "
        "of it. Not below 64 s, unless all servers are on this host.",
    )
    w: Annotated[float, Field(gt=0, le=10)] = Field(
        0.025,
        json_schema_extra=_unit("s"),
        description="How far an honest server's time, as seen from here, may be from UTC. Served "
        "time is contradicted when it is wrong by more than its bound and twice that.",
    )
    panic_trigger: int = Field(
        3,
        ge=1,
        le=100,
        description="Samples in a row that contradict served time, or each other, before the "
        "whole pool is asked (K).",
    )
    action: Literal["report", "disrupt"] = Field(
        "report",
        description="What follows when the whole pool contradicts served time. `report`: a line "
        "in the log, a problem in the status, a metric. `disrupt`: also, readers find the time "
        "disrupted until the pool agrees again, unless an authenticated source is believed.",
    )

    @model_validator(mode="after")
    def _sampled_from_the_pool(self) -> WatchdogSection:
        if self.sample_size > self.pool_size:
            raise ValueError(
                f"sample_size ({self.sample_size}) must not be above pool_size ({self.pool_size})"
            )
        names = {parse_server(text) for text in self.servers}
        if self.sample_size > len(names) and not any(name.is_pool for name in names):
            raise ValueError(
                f"sample_size ({self.sample_size}) is above the number of servers ({len(names)}), "
                "and none of their names is a pool's: name more servers, name a pool, or set a "
                "smaller sample_size"
            )
        return self

    @model_validator(mode="after")
    def _polite(self) -> WatchdogSection:
        ours = all(is_loopback(parse_server(text).host) for text in self.servers)
        if self.interval_seconds < SHORTEST_WATCH_S and not ours:
            raise ValueError(
                f"interval_seconds ({self.interval_seconds:g}) must not be below "
                f"{SHORTEST_WATCH_S:g}: these are other people's servers"
            )
        return self


class ClockMeasurement(Section):
    """Measuring time servers."""

    ntp: Ntp = Field(default_factory=Ntp)
    timing: Timing = Field(default_factory=Timing)
    watchdog: WatchdogSection = Field(default_factory=WatchdogSection)

    @model_validator(mode="after")
    def _keys_are_somewhere(self) -> ClockMeasurement:
        if self.keyed and self.ntp.key_file is None:
            raise ValueError(
                f"{self.keyed[0]} needs a key: give its file as clock_measurement.ntp.key_file"
            )
        return self

    @property
    def keyed(self) -> list[str]:
        """Servers that are asked with a symmetric key, by the clock or by the watchdog."""
        watching = self.watchdog.servers if self.watchdog.enabled else []
        every = dict.fromkeys([*self.ntp.servers, *watching])
        return [text for text in every if parse_server(text).protocol is Protocol.KEY]


class Clock(Section):
    """Assumptions about the local oscillator. They enter the hard bound."""

    max_drift_ppm: Annotated[float, Field(gt=0, le=1000)] = Field(
        15.0,
        json_schema_extra=_unit("ppm"),
        description="How far the oscillator's frequency may be from its estimate, once "
        "there is one.",
    )
    max_frequency_error_ppm: Annotated[float, Field(gt=0, le=5000)] = Field(
        500.0,
        json_schema_extra=_unit("ppm"),
        description="How far an unmeasured oscillator may be from its nominal frequency.",
    )
    wander: list[Annotated[float, Field(gt=0)]] = Field(
        default=[5e-10, 1e-9, 2.5e-9, 6e-9, 1.5e-8, 5e-8, 1.5e-7],
        min_length=1,
        max_length=16,
        json_schema_extra=_unit("1/sqrt(s)"),
        description="Random-walk frequency noise of the oscillator: one hypothesis of the bank of "
        "filters with each. All hypotheses are mixed by how well each has predicted lately.",
    )
    drift_constants: list[Seconds] = Field(
        default=[200.0, 600.0, 5000.0, 20_000.0],
        max_length=16,
        description="Time constants with which a drift of the frequency is forgotten (heat that "
        "spreads): one hypothesis with each.",
    )
    periods: list[Annotated[float, Field(ge=60)]] = Field(
        default=[700.0, 1150.0, 1900.0, 3100.0],
        max_length=16,
        json_schema_extra=_unit("s"),
        description="Periods that the frequency may have (air conditioning): two hypotheses with "
        "each. Periods in between are found by themselves.",
    )
    route_asymmetry: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.02,
        json_schema_extra=_unit("of the delay"),
        description="How wrong a server's offset typically is because the way there and the way "
        "back differ. No measurement tells what all servers have in common of it.",
    )
    delay_slope: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.2,
        json_schema_extra=_unit("of the excess delay"),
        description="How far a server's error may follow its queueing, one sigma; the real slope "
        "of each server is estimated.",
    )
    learn_noise: bool = Field(
        default=True,
        description="Learn from each server where within its excess delay errors lie. False: "
        "anywhere, equally likely.",
    )
    outlier_sigmas: Annotated[float, Field(gt=1)] = Field(
        5.0,
        json_schema_extra=_unit("sigma"),
        description="Normalised innovation from which a measurement is not believed outright.",
    )


class ModelTerms(Section):
    """How one model of a loop is asked otherwise than the others."""

    trigger: Trigger | None = Field(None, description="What makes this model forecast.")
    inference_interval: Seconds | None = Field(None, description="Time between its forecasts.")
    context_length: ContextLength | None = Field(None, description="Samples in its contexts.")
    timeout_seconds: Seconds | None = Field(None, description="Deadline of its forecasts.")


class Predictor(Section):
    """One prediction loop: which models, how often, how far."""

    enabled: bool = Field(default=True, description="Whether this loop runs.")
    models: list[ModelName] = Field(
        default=["kalman"],
        min_length=1,
        description="Names of models (`chronotick models list`). `kalman` is always a member.",
    )
    model_name: ModelName | None = Field(
        None, description="A single model: short for `models: [NAME]`. Give one or the other."
    )
    device: Device = Field("auto", description="Where models compute.")
    trigger: Trigger = Field(
        "both",
        description="What makes models forecast anew: `interval`, time that has passed; "
        "`measurement`, each new measurement; `both`, whichever comes first.",
    )
    inference_interval: Seconds = Field(
        5.0,
        description="Time between forecasts. A model that takes longer, or more than "
        "`workers.max_duty` allows, is asked less often.",
    )
    prediction_horizon: Seconds = Field(64.0, description="How far ahead forecasts reach.")
    step: Seconds = Field(4.0, description="Sampling step of contexts and forecasts.")
    context_length: ContextLength = Field(512, description="Samples in a context.")
    timeout_seconds: Seconds = Field(
        4.0,
        description="Deadline of one forecast; a model that misses it is left out that time, and "
        "asked less often.",
    )
    overrides: dict[str, ModelTerms] = Field(
        default={},
        description="What holds for single models of this loop instead, by name: "
        "`{toto: {inference_interval: 60, timeout_seconds: 20}}`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_way_to_name_models(cls, data: object) -> object:
        if isinstance(data, dict) and isinstance(data.get("model_name"), str):
            chosen = [data["model_name"]]
            if data.get("models", chosen) != chosen:
                raise ValueError("give either models or model_name, not both")
            data = {**data, "models": chosen}
        return data

    @property
    def horizon_steps(self) -> int:
        """Number of steps that cover the horizon."""
        return max(1, round(self.prediction_horizon / self.step))

    def for_model(self, name: str) -> Predictor:
        """This loop as it is for one model: its overrides take the place of what holds for all."""
        return _overridden(self, self.overrides.get(name))


class LongTerm(Predictor):
    """The loop for holdover: coarser steps, longer horizon."""

    inference_interval: Seconds = Field(30.0, description="Time between forecasts.")
    prediction_horizon: Seconds = Field(4096.0, description="How far ahead forecasts reach.")
    step: Seconds = Field(64.0, description="Sampling step of contexts and forecasts.")
    timeout_seconds: Seconds = Field(
        20.0, description="Deadline of one forecast; a model that misses it is left out that time."
    )


class Fusion(Section):
    """How forecasts become one."""

    enabled: bool = Field(default=True, description="False: the estimator alone, as method `none`.")
    method: FUSION_METHODS = Field(
        "inverse_variance",
        description="`inverse_variance` (also `inverse_variance_weighting`): weights by the "
        "inverse of the measured error covariance at each horizon; `expert`: online aggregation by "
        "regret; `best`: the best model alone; `none`: kalman.",
    )
    min_scores: int = Field(
        8, ge=1, description="Scored forecasts at a horizon before a model gets weight there."
    )


class Shm(Section):
    """The published record."""

    path: FilePath = Field(
        default_factory=default_record_path,
        json_schema_extra=_shown("/dev/shm/chronotick_shm"),  # noqa: S108 - a published record
        description="File of the shared-memory record.",
    )
    frequency: Annotated[float, Field(ge=1, le=1000)] = Field(
        10.0,
        json_schema_extra=_unit("Hz"),
        description="Publications per second. Readers extrapolate: more is rarely needed.",
    )
    validity_seconds: Annotated[float, Field(ge=0.5)] = Field(
        3.0,
        json_schema_extra=_unit("s"),
        description="How long a record may be used after it was written: readers notice a dead "
        "daemon after this time.",
    )
    max_slew_ppm: Annotated[float, Field(gt=0, le=100_000)] = Field(
        500.0,
        json_schema_extra=_unit("ppm"),
        description="How fast served time approaches a new estimate.",
    )
    step_threshold_seconds: Seconds = Field(
        0.25,
        description="A larger correction is made at once, with a new epoch, instead of slewed.",
    )


class History(Section):
    """What is remembered across restarts."""

    path: FilePath = Field(
        default_factory=lambda: data_dir() / "history.sqlite3",
        json_schema_extra=_shown("~/.local/share/chronotick/history.sqlite3"),
        description="SQLite database of measurements, forecasts and state changes.",
    )
    retention_days: Annotated[float, Field(gt=0)] = Field(
        30.0, json_schema_extra=_unit("days"), description="Age at which rows are deleted."
    )
    max_resume_age_seconds: SecondsOrZero = Field(
        3600.0,
        description="A restart on the same boot continues without a warm-up when the last "
        "measurement is younger than this. 0: never.",
    )


class WorkerTerms(Section):
    """How the worker of one model is run otherwise than the others."""

    device: Device | None = Field(None, description="Where it computes, in place of the loops'.")
    threads: Threads | None = Field(None, description="Its CPU threads.")
    cpu_affinity: list[Cpu] | None = Field(None, description="CPUs it may run on.")
    niceness: Niceness | None = Field(None, description="How far it stands back.")
    max_duty: Duty | None = Field(None, description="How much of a core it may use.")
    memory_limit_mb: MemoryLimit | None = Field(None, description="Its limit of resident memory.")


def _tcp_address(text: str) -> str:
    if parse_address(text).port == 0:
        raise ValueError(f"{text!r}: port 0 is none that a server can be reached at")
    return text


class Remote(Section):
    """A server of models on another machine (`chronotick worker serve`)."""

    address: Annotated[str, AfterValidator(_tcp_address)] = Field(
        json_schema_extra={"accepted": "tcp://HOST:PORT"}, description="Where it listens."
    )
    server_key: FilePath | None = Field(
        None, description="File of its public key; null: HOST.pub in the directory of keys."
    )


class Workers(Section):
    """Processes of models that need an environment of their own."""

    environments: FilePath = Field(
        default_factory=lambda: data_dir() / "envs",
        json_schema_extra=_shown("~/.local/share/chronotick/envs"),
        description="Where environments are built.",
    )
    build: bool = Field(
        default=True,
        description="Build a missing environment when the daemon starts (in the background). "
        "False: say which command builds it.",
    )
    offline: bool = Field(
        default=False,
        description="Never let a model or uv use the network (HF_HUB_OFFLINE, UV_OFFLINE).",
    )
    threads: Threads = Field(1, description="CPU threads of each worker.")
    cpu_affinity: list[Cpu] = Field(
        default=[], description="CPUs workers may run on, by number; empty: those of the daemon."
    )
    niceness: Niceness = Field(
        10,
        description="How far workers stand back when CPUs are short (nice value), so that they "
        "never delay publication.",
    )
    max_duty: Duty = Field(
        0.2,
        description="How much of a core a worker may use in the long run: after an answer that "
        "took L seconds on its threads it is left alone for L * (threads / max_duty - 1).",
    )
    memory_limit_mb: MemoryLimit | None = Field(
        None,
        description="Resident memory at which a worker is restarted. null: no limit.",
    )
    start_timeout_seconds: Seconds = Field(
        120.0, description="How long a worker may take to load without reporting progress."
    )
    checkpoints: dict[str, Annotated[str, Field(min_length=1)]] = Field(
        default={},
        description="Weights by model name: a hub id (`org/name[@revision]`) or a directory.",
    )
    overrides: dict[str, WorkerTerms] = Field(
        default={},
        description="What holds for the workers of single models instead, by name: "
        "`{toto: {threads: 2, cpu_affinity: [1], memory_limit_mb: 3000, device: cpu}}`.",
    )

    remote: dict[str, Remote] = Field(
        default={},
        description="Models served by another machine, by name: "
        "`{ttm: {address: 'tcp://gpu-host:7411', server_key: FILE}}`. Without `server_key` the "
        "server's public key is in `HOST.pub` in the directory `keys`.",
    )
    keys: FilePath = Field(
        default_factory=lambda: data_dir() / "keys",
        json_schema_extra=_shown("~/.local/share/chronotick/keys"),
        description="Directory of this machine's keys for remote workers (`chronotick worker "
        "keygen`) and of the public keys of servers.",
    )

    def for_model(self, name: str) -> Workers:
        """This section as it is for one model: its overrides in place of what holds for all."""
        return _overridden(self, self.overrides.get(name))


class Control(Section):
    """The socket that answers status, sources and models."""

    socket: FilePath = Field(
        default_factory=default_control_socket,
        json_schema_extra=_shown("$XDG_RUNTIME_DIR/chronotick/control.sock"),
        description="Unix socket (mode 0660, JSON lines).",
    )


class Logging(Section):
    """What the daemon says of itself while it runs."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level.")
    format: Literal["text", "json", "journald"] = Field(
        "text",
        description="Lines for people or programs on standard error, or entries with fields in "
        "systemd's journal.",
    )
    rate_limit: Annotated[int, Field(ge=0, le=100_000)] = Field(
        10,
        json_schema_extra=_unit("per minute"),
        description="Lines of one kind; then it is counted how many more there were. Changes of "
        "state are always told. 0: no limit.",
    )
    debug_trace: FilePath | None = Field(
        None,
        description="File to which every exchange, context, forecast and weight is written, for "
        "`chronotick lab replay`. null: none.",
    )
    debug_trace_max_mb: Annotated[int, Field(ge=1, le=100_000)] = Field(
        512, json_schema_extra=_unit("MB"), description="Size at which the trace ends."
    )

    @field_validator("level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value


def _http_address(text: str) -> str:
    if text.startswith("unix:") and len(text) > len("unix:"):
        return text
    parse_host_port(text)
    return text


def _is_local(listen: str) -> bool:
    if listen.startswith("unix:"):
        return True
    host = parse_host_port(listen).host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _udp_address(text: str) -> str:
    if parse_host_port(text).port == 0:
        raise ValueError(f"{text!r}: port 0 is none that a client could ask")
    return text


UdpAddress = Annotated[
    str, AfterValidator(_udp_address), Field(json_schema_extra={"accepted": "HOST:PORT"})
]


class Http(Section):
    """The HTTP server (`chronotick http`), a process beside the daemon."""

    listen: Annotated[str, AfterValidator(_http_address)] | None = Field(
        None,
        json_schema_extra={"accepted": "HOST:PORT, unix:PATH or null"},
        description="Where it listens: status, dashboard, metrics and stream. null: it does not "
        "run. An address that is not loopback needs `token_file`.",
    )
    token_file: FilePath | None = Field(
        None,
        description="File with the token that requests must bear (`Authorization: Bearer TOKEN`), "
        "readable by its owner only. null: none is asked for.",
    )

    @model_validator(mode="after")
    def _guarded(self) -> Http:
        if self.listen is not None and self.token_file is None and not _is_local(self.listen):
            raise ValueError(
                f"listen: {self.listen} can be reached from elsewhere and needs a token_file"
            )
        return self


class Neighbours(Section):
    """Other programs that get time from this clock (`chronotick neighbours`), beside the daemon."""

    ntp: list[UdpAddress] = Field(
        default=[], description="Addresses at which NTP clients are answered."
    )
    ntp_rate: Annotated[float, Field(gt=0, le=1_000_000)] = Field(
        20.0,
        json_schema_extra=_unit("1/s"),
        description="Questions that one client address is answered.",
    )
    sock: list[FilePath] = Field(
        default=[],
        description="Sockets of chronyd or ntpd-rs (refclock SOCK) that get samples.",
    )
    sock_interval_seconds: Seconds = Field(1.0, description="Time between two samples.")
    clockbound: FilePath | None = Field(
        None, description="File of a segment that clients of ClockBound 2 read. null: none."
    )


class Process(Section):
    """The daemon's own process."""

    cpu_affinity: list[Cpu] = Field(
        default=[], description="CPUs the daemon may run on, by number; empty: all."
    )


def _overridden(section: _AnySection, terms: ModelTerms | WorkerTerms | None) -> _AnySection:
    given = terms.model_dump(exclude_none=True) if terms is not None else {}
    return section.model_copy(update={k: v for k, v in given.items() if hasattr(section, k)})


class Config(Section):
    """The whole configuration."""

    clock_measurement: ClockMeasurement = Field(default_factory=ClockMeasurement)
    clock: Clock = Field(default_factory=Clock)
    short_term: Predictor = Field(default_factory=Predictor)
    long_term: LongTerm = Field(default_factory=LongTerm)
    fusion: Fusion = Field(default_factory=Fusion)
    shm: Shm = Field(default_factory=Shm)
    history: History = Field(default_factory=History)
    workers: Workers = Field(default_factory=Workers)
    control: Control = Field(default_factory=Control)
    logging: Logging = Field(default_factory=Logging)
    http: Http = Field(default_factory=Http)
    neighbours: Neighbours = Field(default_factory=Neighbours)
    process: Process = Field(default_factory=Process)

    @model_validator(mode="after")
    def _follows_no_shadow(self) -> Config:
        """A clock that measures itself would believe any error of its own."""
        own = set(self.neighbours.ntp) & set(self.clock_measurement.ntp.servers)
        if own:
            raise ValueError(
                f"neighbours.ntp answers at {min(own)}, which is also one of "
                "clock_measurement.ntp.servers: the clock would follow itself"
            )
        return self
