//! What the relations that judge a model share: reading `model`, `input`, `label` and `class`, refusing wrong ones while
//! planning, and the query whose rows hold what happened beside what the model says.

use std::{collections::BTreeSet, sync::Arc};

use datafusion::{
    common::{Result, ScalarValue, plan_err},
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF},
};

use crate::{
    arguments::{ModelCall, quoted},
    kmeans_silhouette, kmeans_sweep,
    ml_outputs::ml_outputs,
    models::{Model, ModelKind, ModelSource},
    predictions::classes,
    relation::relation_input,
    relation_sql::{identifier, literal},
};

/// The name under which a query knows the input.
pub(crate) const INPUT: &str = "input";

/// Reads the arguments of one relation function.
#[derive(Debug)]
pub(crate) struct ModelRelation {
    pub(crate) call: ModelCall,
    /// What the queries need beside the session's functions.
    pub(crate) functions: Vec<Arc<ScalarUDF>>,
}

/// A model, and the rows that it is judged on.
pub(crate) struct Judged {
    pub(crate) model: Arc<Model>,
    pub(crate) input: LogicalPlan,
    /// The input's column with what happened.
    pub(crate) label: String,
}

impl ModelRelation {
    pub(crate) fn new(function: &'static str, models: &Arc<ModelSource>) -> Self {
        Self {
            call: ModelCall::new(function, models, &[]),
            functions: vec![
                Arc::new(ml_outputs(models)),
                Arc::new(kmeans_silhouette::of_rows(models)),
                Arc::new(kmeans_sweep::of_rows()),
            ],
        }
    }

    /// The model that the argument names; none for `NULL`, as where a statement is prepared before its values are known.
    pub(crate) fn model(&self, argument: &Expr) -> Result<Option<Arc<Model>>> {
        match self.text("model", argument)? {
            Some(name) => self.call.model(&name).map(Some),
            None => Ok(None),
        }
    }

    /// A constant text; none for `NULL`.
    pub(crate) fn text(&self, name: &str, argument: &Expr) -> Result<Option<String>> {
        self.call
            .text(constant(self.call.function, name, argument)?, name)
    }

    /// The model and its rows; none if the model is not known yet or not trained yet.
    pub(crate) fn judged(
        &self,
        model: &Expr,
        input: &Expr,
        label: &Expr,
    ) -> Result<Option<Judged>> {
        let function = self.call.function;
        let input = named_input(function, input)?;
        let given = self.text("label", label)?;
        let Some(model) = self.model(model)? else {
            return Ok(None);
        };
        if let ModelKind::KMeans(_) | ModelKind::Als(_) = model.kind {
            return plan_err!(
                "{function}: model '{}' is {}, which has no label to be judged by",
                model.name,
                model.kind.name()
            );
        }
        let Some(label) = given.or_else(|| model.label.clone()) else {
            return plan_err!(
                "{function}: model '{}' does not say its label, write label => 'column'",
                model.name
            );
        };
        let fields = input.schema().fields();
        if fields.find(&label).is_none() {
            return plan_err!("{function}: the input has no column '{label}', the label");
        }
        self.call.check_named(&model, fields)?;
        if model.kind == ModelKind::Untrained {
            return Ok(None);
        }
        Ok(Some(Judged {
            model,
            input,
            label,
        }))
    }
}

impl Judged {
    /// The model's classes; empty if it predicts a number.
    pub(crate) fn classes(&self) -> &[String] {
        classes(&self.model)
    }

    /// The classes, or a refusal of a model that has none.
    pub(crate) fn classes_of(&self, function: &str) -> Result<&[String]> {
        match self.classes() {
            [] => plan_err!(
                "{function}: model '{}' predicts a number, it has no classes",
                self.model.name
            ),
            classes => Ok(classes),
        }
    }

    /// The number, from 1, of the class asked for; of the positive class if the model is binary; none without either.
    pub(crate) fn class(&self, function: &str, class: Option<&str>) -> Result<Option<usize>> {
        let classes = self.classes_of(function)?;
        let Some(class) = class else {
            return Ok((classes.len() == 2).then_some(2));
        };
        if let Some(at) = classes.iter().position(|known| known == class) {
            Ok(Some(at + 1))
        } else {
            plan_err!(
                "{function}: model '{}' has no class '{class}', expected one of {}",
                self.model.name,
                quoted(classes)
            )
        }
    }

    /// A query for a row for each of the input's: `actual`, the number of its class from 1, and `outputs`, the classes'
    /// probabilities. `actual` is null where the label is null or no class of the model, and where a feature is unknown
    /// to a model that needs it: such a row is not judged.
    pub(crate) fn classified(&self) -> String {
        let classes: Vec<String> = self.classes().iter().map(|class| literal(class)).collect();
        format!(
            "select case when outputs is not null then cast(array_position([{}], actual) as bigint) end as actual, outputs
             from (select cast({} as varchar) as actual, {} as outputs from {INPUT})",
            classes.join(", "),
            identifier(&self.label),
            self.outputs()
        )
    }

    /// The expression for what the model says of a row of the input: a list.
    pub(crate) fn outputs(&self) -> String {
        let features = self.model.features.iter().map(|name| identifier(name));
        let arguments: Vec<String> = [literal(&self.model.pinned_name())]
            .into_iter()
            .chain(features)
            .collect();
        format!("ml_outputs({})", arguments.join(", "))
    }
}

/// A constant argument's value.
pub(crate) fn constant<'a>(
    function: &str,
    name: &str,
    argument: &'a Expr,
) -> Result<&'a ScalarValue> {
    match argument {
        Expr::Literal(value, _) => Ok(value),
        other => plan_err!("{function}: argument '{name}' must be a constant, got {other}"),
    }
}

/// The relation of argument `input` with bare column names, each of which must be there once.
pub(crate) fn named_input(function: &str, argument: &Expr) -> Result<LogicalPlan> {
    let Some(input) = relation_input(argument) else {
        return plan_err!(
            "{function}: argument 'input' is missing, write input => (SELECT …) or input => table_name"
        );
    };
    let mut seen = BTreeSet::new();
    for field in input.schema().fields() {
        if !seen.insert(field.name()) {
            return plan_err!(
                "{function}: the input has two columns '{}', rename one",
                field.name()
            );
        }
    }
    let columns = input.schema().columns().into_iter().map(|column| {
        let name = column.name.clone();
        Expr::Column(column).alias(name)
    });
    LogicalPlanBuilder::from(input.as_ref().clone())
        .project(columns)?
        .build()
}

/// A query fragment for the two ends of Wilson's 95 % interval of a share of `n` rows, cut at 0 and 1 by its own form: E. B.
/// Wilson, "Probable inference, the law of succession, and statistical inference" (1927,
/// doi:10.1080/01621459.1927.10502953).
pub(crate) fn wilson(share: &str, n: &str) -> (String, String) {
    let z = DEVIATIONS;
    let end = |sign: char| {
        format!(
            "(({share}) + {z} * {z} / (2 * ({n})) {sign} {z} * sqrt(({share}) * (1 - ({share})) / ({n}) + {z} * {z} / (4 * ({n}) * ({n})))) / (1 + {z} * {z} / ({n}))"
        )
    };
    (end('-'), end('+'))
}

/// Standard deviations either side of a normal mean that hold 95 %.
pub(crate) const DEVIATIONS: f64 = 1.959_963_984_540_054;
