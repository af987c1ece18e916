"""The guarded loader: every plugin that works is used, every one that does not is explained."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

import pluggy

from chronotick.plugin import hooks
from chronotick.plugin.contract import ModelSpec
from chronotick.plugin.specs import BadSpecification, check_specification


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginProblem:
    """A plugin, or one of its models, that cannot be used.

    Attributes:
        name: of the entry point.
        distribution, version: what was installed; empty where the metadata does not say.
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
    """

    models: Mapping[str, ModelSpec]
    problems: tuple[PluginProblem, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

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
    """Load every entry point in group ``chronotick_model``, each on its own.

    A plugin that raises while it is imported or asked, that hooks wrongly or describes a model
    wrongly becomes a :class:`PluginProblem`; all others go on. Takes tens of milliseconds with
    many distributions installed: call it once.
    """
    models: dict[str, ModelSpec] = {}
    origins: dict[str, str] = {}
    problems: list[PluginProblem] = []
    for entry in sorted(entry_points(group=hooks.ENTRY_POINT_GROUP), key=_own_first):
        try:
            offered = _ask(entry)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may even call sys.exit
            problems.append(_import_problem(entry, error))
            continue
        for spec in offered:
            try:
                check_specification(spec, taken=origins)
            except BadSpecification as error:
                problems.append(_problem(entry, str(error), "Its author must correct it."))
                continue
            models[spec.name] = spec
            origins[spec.name] = " ".join(_distribution(entry)).strip()
    return Plugins(models=models, problems=tuple(problems), origins=origins)


def _own_first(entry: EntryPoint) -> tuple[bool, str, str]:
    """Built-in models come first, so that no plugin can take their names."""
    name, _version = _distribution(entry)
    return (name != hooks.PROJECT, name, entry.name)


def _ask(entry: EntryPoint) -> list[ModelSpec]:
    # A manager of its own per plugin: in a shared one, one failing hook ends the call for all.
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    plugin = entry.load()
    manager.register(plugin, name=entry.name)
    manager.check_pending()
    if not manager.hook.chronotick_models.get_hookimpls():
        raise BadSpecification("it has no function `chronotick_models` marked with @hookimpl")
    return [spec for answer in manager.hook.chronotick_models() for spec in answer]


def _import_problem(entry: EntryPoint, error: BaseException) -> PluginProblem:
    text = " ".join(str(error).split()) or "no message"
    distribution, _version = _distribution(entry)
    return _problem(entry, f"{type(error).__name__}: {text}", _hint(error, distribution))


def _problem(entry: EntryPoint, error: str, hint: str) -> PluginProblem:
    distribution, version = _distribution(entry)
    return PluginProblem(
        name=entry.name, distribution=distribution, version=version, error=error, hint=hint
    )


def _hint(error: BaseException, distribution: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name in {"torch", "transformers", "jax"}:
        return (
            f"The plugin imports {error.name} in the daemon, where it is not installed. Its author "
            "must move that import into the worker class."
        )
    if isinstance(error, ImportError):
        return f"Install it again: pip install --force-reinstall {distribution or 'the plugin'}"
    if isinstance(error, (pluggy.PluginValidationError, BadSpecification)):
        return "Its author must correct the hook: see docs/plugins.md."
    return f"Report it to its author, or remove it: pip uninstall {distribution or 'the plugin'}"


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    if entry.dist is None:
        return "", ""
    return entry.dist.name or "", entry.dist.version or ""
