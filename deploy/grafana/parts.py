"""What the dashboards are put together from: panels that cannot be made without a unit and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as forms
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

COLUMNS: Final = 24
"""Of Grafana's grid."""

TALL: Final = 8
"""Rows of a graph: Grafana's own default."""

SHORT: Final = 4
"""Rows of a single number."""

STATE_HEIGHT: Final = 0.9
"""Of a row of states, as a share of what it may have: Grafana's own default."""

TAG: Final = "cloverwatch"
"""By which the dashboards find each other."""

DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

RECORDS_A_SECOND: Final = units.RecordsPerSecond
EVENTS_A_SECOND: Final = units.EventsPerSecond
BYTES: Final = units.BytesIEC
BYTES_A_SECOND: Final = units.BytesPerSecondIEC
SECONDS: Final = units.Seconds
SHARE: Final = units.PercentUnit
NUMBER: Final = units.Short

W: Final = 'instance=~"$instance"'
"""The matcher of every query over a process's own metrics."""

Kind = Literal["number", "graph", "bars", "states"]
Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""Where a colour begins; None: below all others."""

Builder: TypeAlias = stat.Panel | timeseries.Panel | bargauge.Panel | statetimeline.Panel

NEUTRAL: Final[Steps] = ((None, "blue"),)
"""A number that is neither good nor bad."""

NONE_IS_GOOD: Final[Steps] = ((None, "green"), (1, "red"))
NONE_IS_BAD: Final[Steps] = ((None, "red"), (1, "green"))


@dataclass(frozen=True, slots=True)
class Query:
    """A query, with what its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel as its dashboard describes it."""

    kind: Kind
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int
    steps: Steps = NEUTRAL
    stacked: bool = False
    most: float | None = None
    """Where the scale ends; None: with the data."""

    def __post_init__(self) -> None:
        """Refuse what nobody could read."""
        if not (self.description.endswith(".") and self.unit and self.queries and 0 < self.width <= COLUMNS):
            raise ValueError(f"panel {self.title!r}: a description that is a sentence, a unit, a query, a width")


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a title, from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    by: str = "cloverwatch_ready"
    """The metric whose instances can be chosen."""
    topics: str | None = None
    """The metric whose topics can be chosen, where topics can."""


def number(title: str, description: str, unit: str, expr: str, steps: Steps = NEUTRAL, width: int = 4) -> Panel:
    """Return a panel of one number."""
    return Panel("number", title, description, unit, (Query(expr),), width, steps)


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    steps: Steps = NEUTRAL,
    stacked: bool = False,
    most: float | None = None,
) -> Panel:
    """Return a panel of lines over time."""
    return Panel("graph", title, description, unit, queries, width, steps, stacked, most)


def bars(title: str, description: str, unit: str, query: Query, width: int = 12) -> Panel:
    """Return a panel of bars, one a series, of the last value."""
    return Panel("bars", title, description, unit, (query,), width)


def states(title: str, description: str, query: Query, width: int = 12) -> Panel:
    """Return a panel of what was up and down when."""
    return Panel("states", title, description, units.NoUnit, (query,), width, NONE_IS_BAD)


def or_none(expr: str) -> str:
    """Return a query that says 0 where nothing was counted yet, as long as some worker answers: never 0 of silence."""
    return f"{expr} or on () 0 * sum(cloverwatch_ready{{{W}}})"


def made(sheet: Sheet) -> models.Dashboard:
    """Return a dashboard as Grafana reads it."""
    board = (
        build.Dashboard(sheet.title)
        .uid(sheet.uid)
        .description(sheet.description)
        .tags([TAG])
        .readonly()
        .timezone("utc")
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            build.DashboardLink("cloverwatch")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
        .with_variable(build.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_choice("instance", "Process", sheet.by))
    )
    if sheet.topics is not None:
        board.with_variable(_choice("topic", "Topic", sheet.topics))
    at, number_ = 0, 0
    for row in sheet.rows:
        number_ += 1
        place = models.GridPos(h=1, w=COLUMNS, x=0, y=at)
        board.with_row(build.Row(row.title).id(number_).grid_pos(place))
        at += 1
        across = deep = 0
        for panel in row.panels:
            high = SHORT if panel.kind == "number" else TALL
            if across + panel.width > COLUMNS:
                at, across, deep = at + deep, 0, 0
            number_ += 1
            board.with_panel(_panel(panel).id(number_).grid_pos(models.GridPos(h=high, w=panel.width, x=across, y=at)))
            across, deep = across + panel.width, max(deep, high)
        at += deep
    dashboard = board.build()
    for variable in dashboard.templating.list_val or ():
        # Defaults of the SDK for variables of intervals, which Grafana's schema does not have for others.
        variable.auto = variable.auto_count = variable.auto_min = None
    return dashboard


def _choice(name: str, label: str, metric: str) -> build.QueryVariable:
    """Return a variable of all values that a label of a metric has."""
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": f"label_values({metric}, {name})", "refId": name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".+")
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _panel(panel: Panel) -> Builder:
    made_ = _of_kind(panel)
    made_.title(panel.title).description(panel.description).unit(panel.unit).datasource(DATASOURCE)
    made_.min(0)
    if panel.most is not None:
        made_.max(panel.most)
    thresholds = [models.Threshold(value=value, color=color) for value, color in panel.steps]
    made_.thresholds(build.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(thresholds))
    for at, query in enumerate(panel.queries):
        asked = prometheus.Dataquery().expr(query.expr).ref_id(chr(ord("A") + at)).datasource(DATASOURCE)
        if query.legend:
            asked.legend_format(query.legend)
        made_.with_target(asked.instant() if panel.kind == "bars" else asked.range())
    return made_


def _of_kind(panel: Panel) -> Builder:
    last = common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)
    if panel.kind == "number":
        return (
            stat.Panel()
            .reduce_options(last)
            .graph_mode(forms.BigValueGraphMode.AREA)
            .color_mode(forms.BigValueColorMode.VALUE)
            .color_scheme(_colour(models.FieldColorModeId.THRESHOLDS))
        )
    if panel.kind == "bars":
        return (
            bargauge.Panel()
            .reduce_options(last)
            .orientation(forms.VizOrientation.HORIZONTAL)
            .display_mode(forms.BarGaugeDisplayMode.BASIC)
            .color_scheme(_colour(models.FieldColorModeId.PALETTE_CLASSIC))
        )
    if panel.kind == "states":
        said: list[Any] = [
            models.ValueMap(
                options={
                    "0": models.ValueMappingResult(text="no", color="red"),
                    "1": models.ValueMappingResult(text="yes", color="green"),
                }
            )
        ]
        return (
            statetimeline.Panel()
            .mappings(said)
            .color_scheme(_colour(models.FieldColorModeId.THRESHOLDS))
            .legend(_legend())
            .tooltip(_tooltip())
            .show_value(forms.VisibilityMode.AUTO)
            .merge_values(merge_values=True)
            .row_height(STATE_HEIGHT)
        )
    return _lines(panel)


def _lines(panel: Panel) -> timeseries.Panel:
    lines = (
        timeseries.Panel()
        .legend(_legend())
        .tooltip(_tooltip())
        .fill_opacity(10 if not panel.stacked else 40)
        .show_points(forms.VisibilityMode.NEVER)
        .color_scheme(_colour(models.FieldColorModeId.PALETTE_CLASSIC))
    )
    if panel.stacked:
        lines.stacking(common.StackingConfig().mode(forms.StackingMode.NORMAL).group("A"))
    if len(panel.steps) > 1:
        lines.thresholds_style(common.GraphThresholdsStyleConfig().mode(forms.GraphTresholdsStyleMode.LINE))
    return lines


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(show_legend=True).calcs([])
    return legend.placement(forms.LegendPlacement.BOTTOM).display_mode(forms.LegendDisplayMode.LIST)


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(forms.TooltipDisplayMode.MULTI).sort(forms.SortOrder.DESCENDING)


def _colour(mode: models.FieldColorModeId) -> build.FieldColor:
    return build.FieldColor().mode(mode)
