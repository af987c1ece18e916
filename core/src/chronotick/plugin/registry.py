"""The guarded loader: every plugin that works is used, every one that does not is explained."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

from chronotick.plugin import hooks
from chronotick.plugin.contract import ModelSpec
from chronotick.plugin.describe import Complaint, complaint, offered, sorted_out
from chronotick.plugin.reading import DEADLINE_S, Offer, read, remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginProblem:
    """A plugin, or one of its models, that cannot be used.

    Attributes:
        name: of the entry point.
        distribution: what was installed; empty where the metadata does not say.
        version: of it; empty likewise.
        error: what went wrong, in one line.
        hint: what to do about it.
    """

    name: str
    distribution: str
    version: str
    error: str
    hint: str


class UnknownModel(LookupError):  # noqa: N818 - says what the name is
    """Raised for a name no plugin provides; the message names those that are near.

    Attributes:
        name: the name asked for.
        near: names like it, best first.
    """

    def __init__(self, name: str, known: Iterable[str], broken: Iterable[str] = ()) -> None:
        names = sorted(known)
        self.name = name
        self.near = tuple(difflib.get_close_matches(name, names, n=3, cutoff=0.5))
        advice = f"Did you mean {' or '.join(self.near)}?" if self.near else _listing(names)
        plugins = ", ".join(broken)
        note = f" These plugins could not be loaded: {plugins}." if plugins else ""
        super().__init__(f"unknown model {name!r}. {advice}{note} Run: chronotick models list")


def _listing(names: list[str]) -> str:
    return f"Known: {', '.join(names)}." if names else "No plugin provides any model."


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """What the installed plugins provide.

    Attributes:
        models: specifications by model name.
        problems: what could not be loaded, and why.
        origins: distribution and version by model name, e.g. ``"chronotick-chronos 0.1.0"``.
        pending: entry points that are still being read.
    """

    models: Mapping[str, ModelSpec]
    problems: tuple[PluginProblem, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    pending: tuple[str, ...] = ()

    def find(self, name: str) -> ModelSpec:
        """Return the specification of a model.

        Raises:
            UnknownModel: no plugin provides it.
        """
        try:
            return self.models[name]
        except KeyError:
            broken = (problem.name for problem in self.problems)
            raise UnknownModel(name, self.models, broken) from None


def load_plugins() -> Plugins:
    """Read every entry point in group ``chronotick_model``, each on its own, and wait for all.

    A plugin that raises while it is imported or asked, that takes too long, hooks wrongly or
    describes a model wrongly becomes a :class:`PluginProblem`; all others go on. ChronoTick's own
    models are imported here. Others' plugins are read by a process each, in parallel, unless they
    have not changed since that was done last.
    """
    return Discovery().wait()


class Discovery:
    """Reads the installed plugins: at once what is ours or was read before, the rest when asked.

    Processes that read the rest are started by :meth:`wait`, if it has to wait, or :meth:`watch`: a
    daemon that needs none of these plugins starts as if they were not there.

    Args:
        deadline_s: how long a plugin may take to be imported.
    """

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._entries = sorted(entry_points(group=hooks.ENTRY_POINT_GROUP), key=_own_first)
        self._changed = threading.Condition()
        self._told: Callable[[Plugins], None] | None = None
        self._offers: list[Offer | None] = [_known(entry) for entry in self._entries]
        self._unread = [index for index, offer in enumerate(self._offers) if offer is None]

    @property
    def plugins(self) -> Plugins:
        """What is known by now."""
        with self._changed:
            return _assembled(self._entries, self._offers)

    def wait(self, names: Collection[str] | None = None, timeout_s: float | None = None) -> Plugins:
        """Wait until models of these names are known, or until nothing more can come.

        Args:
            names: of the models; ``None``: wait for every plugin.
            timeout_s: return what is known after this time in any case.
        """
        with self._changed:
            if not self._suffices(names):
                self._read_the_rest()
            self._changed.wait_for(lambda: self._suffices(names), timeout_s)
            return _assembled(self._entries, self._offers)

    def wait_for_entries(self, names: Collection[str], timeout_s: float | None = None) -> Plugins:
        """Wait until the plugins whose entry points have these names are read.

        For models that one would use if they were installed: what is not waits for nobody, whatever
        other plugins do.
        """
        with self._changed:
            if not self._have_read(names):
                self._read_the_rest()
            self._changed.wait_for(lambda: self._have_read(names), timeout_s)
            return _assembled(self._entries, self._offers)

    def watch(self, told: Callable[[Plugins], None]) -> None:
        """Tell, in other threads, of all that comes from now on, and once what there is."""
        with self._changed:
            self._told = told
            self._read_the_rest()
            told(_assembled(self._entries, self._offers))

    def _suffices(self, names: Collection[str] | None) -> bool:
        if None not in self._offers:
            return True
        known = {spec.name for offer in self._offers if offer for spec in offer.models}
        return names is not None and known.issuperset(names)

    def _have_read(self, names: Collection[str]) -> bool:
        offers = zip(self._entries, self._offers, strict=True)
        return all(offer is not None for entry, offer in offers if entry.name in names)

    def _read_the_rest(self) -> None:
        unread, self._unread = self._unread, []
        for index in unread:
            # A daemon thread: nobody waits at exit for a plugin that hangs.
            threading.Thread(target=self._read, args=(index,), daemon=True).start()

    def _read(self, index: int) -> None:
        entry = self._entries[index]
        try:
            offer = read(entry, self._deadline_s)
        except Exception as error:  # noqa: BLE001 - of ours; a plugin that is never read is worse
            offer = Offer(complaints=(complaint(error, _distribution(entry)[0]),))
        with self._changed:
            self._offers[index] = offer
            if self._told is not None:
                self._told(_assembled(self._entries, self._offers))
            self._changed.notify_all()


def _own_first(entry: EntryPoint) -> tuple[bool, str, str]:
    """Built-in models come first, so that no plugin can take their names."""
    name, _version = _distribution(entry)
    return (name != hooks.PROJECT, name, entry.name)


def _known(entry: EntryPoint) -> Offer | None:
    """What is known of a plugin without waiting."""
    if _distribution(entry)[0] != hooks.PROJECT:
        return remembered(entry)
    try:
        good, bad = sorted_out(offered(entry), taken={})
    except Exception as error:  # noqa: BLE001 - a damaged installation; the rest goes on
        return Offer(complaints=(complaint(error, hooks.PROJECT),))
    return Offer(tuple(good), tuple(bad))


def _assembled(entries: Sequence[EntryPoint], offers: Sequence[Offer | None]) -> Plugins:
    models: dict[str, ModelSpec] = {}
    origins: dict[str, str] = {}
    problems: list[PluginProblem] = []
    for entry, offer in zip(entries, offers, strict=True):
        if offer is None:
            continue
        good, bad = sorted_out(offer.models, taken=origins)
        models |= {spec.name: spec for spec in good}
        origins |= {spec.name: " ".join(_distribution(entry)).strip() for spec in good}
        problems += [_problem(entry, each) for each in (*offer.complaints, *bad)]
    pending = tuple(e.name for e, offer in zip(entries, offers, strict=True) if offer is None)
    return Plugins(models=models, problems=tuple(problems), origins=origins, pending=pending)


def _problem(entry: EntryPoint, about: Complaint) -> PluginProblem:
    distribution, version = _distribution(entry)
    return PluginProblem(
        name=entry.name,
        distribution=distribution,
        version=version,
        error=about.error,
        hint=about.hint,
    )


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    if entry.dist is None:
        return "", ""
    return entry.dist.name or "", entry.dist.version or ""
