"""The tools: what each is called, what it is for, and the functions of this package behind it.

The docstrings are what an agent reads when it chooses a tool. Tools only read, and may be called
any number of times.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import ToolAnnotations
from pydantic import Field, ValidationError

from chronotick.client.errors import ChronoTickError
from chronotick.mcp.comparing import Comparison, compare
from chronotick.mcp.daemon import DaemonStatus, daemon_status
from chronotick.mcp.explaining import Explanation, explain
from chronotick.mcp.moments import ACCEPTED, Moment, MomentArgument, moment_of
from chronotick.mcp.planning import ActionPlan, plan
from chronotick.mcp.reading import (
    LONGEST_FUTURE_S,
    FutureReading,
    TimeBounds,
    bounds,
    future,
    vouched,
)
from chronotick.mcp.refusals import sentence, unknown_arguments
from chronotick.mcp.waiting import LONGEST_WAIT_S, USUAL_WAIT_S, Waited, wait
from chronotick.views import Snapshot, TimeReading

READ_ONLY: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

Probability = Annotated[
    float,
    Field(ge=0, le=1, strict=True, allow_inf_nan=False, description="Probability, 0 to 1."),
]


def _seconds(most: float, what: str) -> Any:  # noqa: ANN401 - metadata of a type
    return Field(
        ge=0,
        le=most,
        strict=True,
        allow_inf_nan=False,
        description=f"{what} (seconds, 0 to {most:g}).",
    )


def _moment(what: str) -> Any:  # noqa: ANN401 - metadata of a type
    return Field(description=f"{what}: {ACCEPTED}.")


class Tools:
    """The tools of one clock.

    Args:
        snapshot: the clock.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    async def get_time(self) -> TimeReading:
        """Tell the corrected time now, with the interval in which true time certainly is.

        Use it for time stamps and whenever the present time matters. For "is it past the
        deadline?" and the order of events use compare_times, which says unknown where the
        uncertainty leaves it open. Fails without a daemon; system time is never passed off as
        corrected time.
        """
        return self._snapshot.time()

    def get_daemon_status(self) -> DaemonStatus:
        """Tell whether the clock can be relied on, and what its daemon is doing.

        Use it first when another tool failed. It always answers: without a daemon the status is
        "unavailable" and the reason says what to run.
        """
        return daemon_status(self._snapshot)

    async def get_time_with_future_uncertainty(
        self,
        future_seconds: Annotated[float, _seconds(LONGEST_FUTURE_S, "How far ahead")],
    ) -> FutureReading:
        """Tell the time now and what the clock will be worth up to an hour later.

        Use it to judge whether the clock will be good enough for something planned. It says what
        is known now, without any further measurement; in fact the daemon goes on measuring.
        """
        return future(self._snapshot, future_seconds)

    async def get_time_bounds(self, confidence: Probability) -> TimeBounds:
        """Tell the interval in which true time is, as sure as asked for, beside the hard bound.

        Use 1.0 where an error would do harm: that is the hard bound, a guarantee under the
        assumptions it states. Less, such as 0.95, gives a narrower statistical interval, never
        one wider than the hard bound.
        """
        return bounds(self._snapshot.time(), confidence)

    async def compare_times(
        self,
        a: Annotated[MomentArgument, _moment("The first moment")],
        b: Annotated[MomentArgument, _moment("The second moment")],
    ) -> Comparison:
        """Tell whether moment a was before or after moment b, or that it is unknown.

        Use it for deadlines (b: "now") and the order of events. Pass the answers of get_time
        whole, from any host: their bounds count. Where the intervals overlap the answer is
        "unknown"; never guess then. To get a certain answer later, call wait_until.
        """
        return compare(self._moment(a), self._moment(b))

    async def wait_until(
        self,
        time: Annotated[MomentArgument, _moment("What to wait for")],
        context: Context[Any, Any],
        tolerance_seconds: Annotated[
            float | None,
            _seconds(86_400.0, "Refuse if it certainly passed longer ago than this; null: never"),
        ] = None,
        certain: Annotated[
            bool,
            Field(
                strict=True,
                description="Wait until true time is certainly past it; false: until the best "
                "estimate is, which is sooner by the bound.",
            ),
        ] = True,
        longest_seconds: Annotated[
            float, _seconds(LONGEST_WAIT_S, "How long to wait at most")
        ] = USUAL_WAIT_S,
    ) -> Waited:
        """Wait until a moment has certainly passed; never return before.

        Use it to begin something not before an agreed time, or with a stamp of one's own so that
        whoever reads a clock later certainly reads a later time (commit-wait). A moment further
        ahead than longest_seconds is an error after that time: call again to go on waiting.
        """
        return await wait(
            self._snapshot,
            self._moment(time),
            context.report_progress,
            certain=certain,
            longest_s=longest_seconds,
            tolerance_s=tolerance_seconds,
        )

    async def schedule_action(
        self,
        at: Annotated[
            MomentArgument, _moment("The action begins not before this, at most 30 days ahead")
        ],
        lead_seconds: Annotated[float, _seconds(86_400.0, "How long its preparation takes")] = 0.0,
        tolerance_seconds: Annotated[
            float | None, _seconds(86_400.0, "How late it may begin; null: not judged")
        ] = None,
    ) -> ActionPlan:
        """Plan an action for a moment: when to wake, what to compare, how late it may begin.

        Use it before anything that several hosts do at an agreed time. It starts nothing and
        remembers nothing; follow its steps. Plan again when the action is nearer: the expected
        uncertainty is that without any further measurement.
        """
        moment = at if isinstance(at, Moment) else None
        return plan(self._snapshot, moment, lead_seconds, tolerance_seconds)

    def explain_clock(self) -> Explanation:
        """Explain why the time is what it is.

        Use it for questions about the clock itself: which servers are believed and why others
        are not, which models count, what the bound is made of, how well it is calibrated. The
        text in it can be shown to people.
        """
        return explain(self._snapshot)

    def _moment(self, argument: Moment | Literal["now"]) -> Moment:
        if isinstance(argument, Moment):
            return argument
        return moment_of(vouched(self._snapshot.time()))


class ClockTool(Tool):
    """A tool that refuses in sentences, and does not ignore arguments it does not know."""

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> Any:  # noqa: ANN401 - what the tool returns
        """Run the tool.

        Raises:
            ToolError: the arguments are refused, or there is no time; the message is a sentence.
            UnexpectedToolError: the tool has a fault.
        """
        unknown = unknown_arguments(self.parameters, arguments)
        if unknown:
            raise ToolError(f"{self.name}: {unknown}")
        try:
            return await super().run(arguments, context, convert_result)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError) and not isinstance(error, UnexpectedToolError):
                raise ToolError(f"{self.name}: {sentence(cause, self.parameters)}") from None
            if isinstance(cause, ChronoTickError):
                raise ToolError(f"{self.name}: {cause}") from cause
            raise


def clock_tools(snapshot: Snapshot) -> list[Tool]:
    """Return all tools of a clock, those most asked for first."""
    tools = Tools(snapshot)
    offered: list[tuple[Callable[..., Any], str]] = [
        (tools.get_time, "Corrected time"),
        (tools.get_daemon_status, "State of the clock"),
        (tools.get_time_with_future_uncertainty, "Time and uncertainty ahead"),
        (tools.get_time_bounds, "Interval of true time"),
        (tools.compare_times, "Order of two moments"),
        (tools.wait_until, "Wait for a moment"),
        (tools.schedule_action, "Plan an action"),
        (tools.explain_clock, "Why this time"),
    ]
    return [_tool(function, title) for function, title in offered]


def _tool(function: Callable[..., Any], title: str) -> Tool:
    tool = ClockTool.from_function(
        function,
        title=title,
        description=inspect.cleandoc(function.__doc__ or ""),
        annotations=READ_ONLY,
        structured_output=True,
    )
    tool.parameters["additionalProperties"] = False
    return tool
