"""Writes dashboards as Grafana's JSON, by Grafana's own typed builders."""

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as grafana
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from deploy.monitoring.dashboard import Dashboard, Kind, Panel, Query, Variable

TAG = "expart"
# Where Grafana finds the runbooks; the chart puts an address of its own in its place.
RUNBOOKS = "/public/runbooks"
_SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_ALL = ".*"


def as_json(dashboard: Dashboard) -> str:
    """Writes a dashboard, the same text for the same dashboard."""
    built = (
        grafana.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .description(dashboard.description)
        .tags([TAG])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-3h", "now")
        .refresh("30s")
        .timezone("browser")
        .variables(
            [
                grafana.DatasourceVariable("datasource").label("Data source").type("prometheus"),
                *(_variable(item) for item in dashboard.variables),
                grafana.ConstantVariable("runbooks").value(RUNBOOKS),
            ]
        )
        .link(
            grafana.DashboardLink("Others")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    number = 0
    for row in dashboard.rows:
        number += 1
        built.with_row(grafana.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            built.with_panel(_panel(panel, panel.empty or row.empty).id(number))
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"


def _variable(variable: Variable) -> grafana.QueryVariable:
    return (
        grafana.QueryVariable(variable.name)
        .label(variable.label)
        .datasource(_SOURCE)
        .query(variable.query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(_ALL)
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _panel(panel: Panel, empty: str) -> timeseries.Panel | stat.Panel:
    built = _timeseries(panel) if panel.kind is Kind.TIMESERIES else _stat(panel)
    built = (
        built.title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .min(0)
        .datasource(_SOURCE)
        .span(panel.width)
        .height(panel.height)
        .thresholds(_thresholds(panel))
        .targets(
            [
                _target(query, number, panel.kind is Kind.STAT)
                for number, query in enumerate(panel.queries)
            ]
        )
    )
    if empty:
        built = built.no_value(empty)
    if panel.maximum is not None:
        built = built.max(panel.maximum)
    if panel.decimals is not None:
        built = built.decimals(panel.decimals)
    if panel.runbook:
        address = f"${{runbooks}}/{panel.runbook}.md"
        link = grafana.DashboardLink(f"What to do: {panel.runbook}")
        built = built.links(
            [link.type(models.DashboardLinkType.LINK).url(address).target_blank(True)]
        )
    return built


def _timeseries(panel: Panel) -> timeseries.Panel:
    mode = common_models.StackingMode.NORMAL if panel.stacked else common_models.StackingMode.NONE
    built = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(20 if panel.stacked else 5)
        .show_points(common_models.VisibilityMode.NEVER)
        .stacking(common.StackingConfig().mode(mode))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common_models.LegendDisplayMode.TABLE)
            .placement(common_models.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )
    if panel.steps:
        style = common.GraphThresholdsStyleConfig()
        built = built.thresholds_style(style.mode(common_models.GraphThresholdsStyleMode.DASHED))
    return built


def _stat(panel: Panel) -> stat.Panel:
    is_named = any(query.legend for query in panel.queries)
    mode = common_models.BigValueTextMode
    return (
        stat.Panel()
        .text_mode(mode.VALUE_AND_NAME if is_named else mode.VALUE)
        .color_mode(common_models.BigValueColorMode.VALUE)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def _thresholds(panel: Panel) -> grafana.ThresholdsConfig:
    # Where colours rise to green, what is below the first step is bad.
    base = "red" if panel.steps and panel.steps[-1].colour == "green" else "green"
    steps = [models.Threshold(value=None, color=base)]
    steps += [models.Threshold(value=step.value, color=step.colour) for step in panel.steps]
    return grafana.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _target(query: Query, number: int, is_now: bool) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .datasource(_SOURCE)
        .expr(query.expr)
        .legend_format(query.legend or "__auto")
        .ref_id(chr(ord("A") + number))
    )
    return target.instant() if is_now else target.range()
