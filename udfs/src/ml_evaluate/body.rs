//! The queries behind `ml_evaluate`: the rows are read once and become one row of sums, which becomes a row a metric.

use datafusion::common::{Result, plan_err};

use crate::{
    model_relation::{DEVIATIONS, INPUT, Judged, wilson},
    numbers::is_numeric,
    relation_sql::identifier,
};

/// Bins of the calibration error, as in `ml.metrics`.
const BINS: usize = 15;

/// One metric: expressions over the row of sums.
struct Metric {
    name: &'static str,
    value: String,
    interval: Option<(String, String)>,
    n: String,
}

impl Metric {
    fn plain(name: &'static str, value: &str) -> Self {
        Self {
            name,
            value: value.to_owned(),
            interval: None,
            n: "n".to_owned(),
        }
    }

    /// A share of `n` rows.
    fn share(name: &'static str, share: &str, n: &str) -> Self {
        Self {
            interval: Some(wilson(share, n)),
            n: n.to_owned(),
            ..Self::plain(name, share)
        }
    }

    /// A mean with its standard deviation.
    fn mean(name: &'static str, mean: &str, deviation: &str) -> Self {
        let half = format!("{DEVIATIONS} * {deviation} / sqrt(cast(n as double))");
        Self {
            interval: Some((
                format!(
                    "case when {deviation} is not null then greatest({mean} - {half}, 0.0) end"
                ),
                format!("{mean} + {half}"),
            )),
            ..Self::plain(name, mean)
        }
    }

    fn sql(&self) -> String {
        let none = || "null".to_owned();
        let (low, high) = self.interval.clone().unwrap_or_else(|| (none(), none()));
        format!(
            "named_struct('metric', '{}', 'value', cast({} as double), 'ci_low', cast({low} as double), 'ci_high', cast({high} as double), 'n', cast({} as bigint))",
            self.name, self.value, self.n
        )
    }
}

/// A row for each metric, from a query for the row of sums.
fn unpivoted(metrics: &[Metric], sums: &str) -> String {
    let structs: Vec<String> = metrics.iter().map(Metric::sql).collect();
    format!(
        "select metric['metric'] as metric, metric['value'] as value, metric['ci_low'] as ci_low, metric['ci_high'] as ci_high, metric['n'] as n
         from (select unnest([{}]) as metric from ({sums}))",
        structs.join(", ")
    )
}

/// The metrics of a model of classes.
pub(super) fn of_classes(judged: &Judged) -> String {
    let classes = judged.classes().len();
    let is_binary = classes == 2;
    let area = if is_binary {
        Metric {
            interval: Some(("area['ci_low']".to_owned(), "area['ci_high']".to_owned())),
            ..Metric::plain("auc", "area['auc']")
        }
    } else {
        Metric::plain("auc", &mean_area(classes))
    };
    let mut metrics = vec![
        area,
        Metric::share("accuracy", "accuracy", "n"),
        Metric::share("majority_accuracy", "most / nullif(n, 0)", "n"),
        Metric::mean("log_loss", "log_loss", "log_loss_deviation"),
        Metric::mean("brier", "brier", "brier_deviation"),
        Metric::plain("ece", "gaps / nullif(n, 0)"),
    ];
    if is_binary {
        metrics.extend([
            Metric::share("prevalence", "positives / nullif(n, 0)", "n"),
            Metric::share("precision", "hits / nullif(claims, 0)", "claims"),
            Metric::share("recall", "hits / nullif(positives, 0)", "positives"),
            Metric::plain("f1", "2 * hits / nullif(claims + positives, 0)"),
        ]);
    }
    metrics.push(Metric::share("coverage", "n / nullif(total, 0)", "total"));
    unpivoted(&metrics, &sums_of_classes(judged, is_binary))
}

/// The mean of the areas that there are.
fn mean_area(classes: usize) -> String {
    let areas: Vec<String> = (1..=classes).map(|class| format!("area_{class}")).collect();
    let sum: Vec<String> = areas
        .iter()
        .map(|area| format!("coalesce({area}, 0)"))
        .collect();
    let count: Vec<String> = areas
        .iter()
        .map(|area| format!("cast({area} is not null as double)"))
        .collect();
    format!("({}) / nullif({}, 0)", sum.join(" + "), count.join(" + "))
}

fn sums_of_classes(judged: &Judged, is_binary: bool) -> String {
    let classes = judged.classes().len();
    let areas: Vec<String> = if is_binary {
        vec!["auc_test(actual = 2, outputs[2]) as area".to_owned()]
    } else {
        (1..=classes)
            .map(|class| format!("auc(actual = {class}, outputs[{class}]) as area_{class}"))
            .collect()
    };
    let counts: Vec<String> = (1..=classes)
        .map(|class| format!("count(*) filter (where actual = {class})"))
        .collect();
    let gaps: Vec<String> = (0..BINS)
        .map(|bin| format!("abs(coalesce(sum(gap) filter (where bin = {bin}), 0))"))
        .collect();
    format!(
        "select count(*) as total, cast(count(actual) as double) as n, {areas},
            avg(cast(predicted = actual as double)) as accuracy, greatest({counts}) as most,
            log_loss(true, truth) as log_loss, stddev(case when truth is not null then -ln(greatest(truth, 1e-15)) end) as log_loss_deviation,
            avg(squares) as brier, stddev(squares) as brier_deviation, {gaps} as gaps,
            cast(count(*) filter (where actual = 2) as double) as positives,
            cast(count(*) filter (where predicted = 2) as double) as claims,
            cast(count(*) filter (where predicted = 2 and actual = 2) as double) as hits
         from ({rows})",
        areas = areas.join(", "),
        counts = counts.join(", "),
        gaps = gaps.join(" + "),
        rows = rows(judged, is_binary)
    )
}

/// A row for each of the input's, with what it adds to the sums; nulls where it is not judged.
fn rows(judged: &Judged, is_binary: bool) -> String {
    let squares: Vec<String> = (1..=judged.classes().len())
        .map(|class| format!("power(outputs[{class}] - cast(actual = {class} as double), 2)"))
        .collect();
    let (squares, confidence, outcome) = if is_binary {
        (
            squares[1].clone(),
            "outputs[2]",
            "cast(actual = 2 as double)",
        )
    } else {
        (
            squares.join(" + "),
            "array_max(outputs)",
            "cast(predicted = actual as double)",
        )
    };
    format!(
        "select actual, predicted, outputs, outputs[actual] as truth, {squares} as squares,
            {outcome} - {confidence} as gap, least(floor({confidence} * {BINS}), {last}) as bin
         from (
            select actual, outputs,
                case when actual is not null then cast(array_position(outputs, array_max(outputs)) as bigint) end as predicted
            from ({classified}))",
        last = BINS - 1,
        classified = judged.classified()
    )
}

/// The metrics of a model of a number.
pub(super) fn of_a_number(judged: &Judged) -> Result<String> {
    let label = judged
        .input
        .schema()
        .field_with_unqualified_name(&judged.label)?;
    if !is_numeric(label.data_type()) {
        return plan_err!(
            "ml_evaluate: model '{}' predicts a number, the label '{}' must be numeric, got {}",
            judged.model.name,
            judged.label,
            label.data_type()
        );
    }
    let metrics = [
        Metric::plain("rmse", "sqrt(squares)"),
        Metric::mean("mae", "mae", "mae_deviation"),
        Metric::plain("r2", "1 - squares / nullif(variance, 0)"),
        Metric::share("coverage", "n / nullif(total, 0)", "total"),
    ];
    let sums = format!(
        "select count(*) as total, cast(count(actual) as double) as n, avg(power(predicted - actual, 2)) as squares,
            avg(abs(predicted - actual)) as mae, stddev(abs(predicted - actual)) as mae_deviation, var_pop(actual) as variance
         from (
            select case when predicted is not null then actual end as actual, predicted
            from (select cast({label} as double) as actual, {outputs}[1] as predicted from {INPUT}))",
        label = identifier(&judged.label),
        outputs = judged.outputs()
    );
    Ok(unpivoted(&metrics, &sums))
}
