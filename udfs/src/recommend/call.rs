//! The arguments of `recommend` and `recommend_all`, read without I/O.

use std::sync::Arc;

use datafusion::{
    common::{Result, ScalarValue, plan_err},
    logical_expr::{Expr, LogicalPlan},
};

use super::{caps::PACE_RANGE, context::Context, profile::FEATURES};
use crate::{
    numbers::{number, whole_number},
    relation::relation_input,
};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Tracks that fit the present pattern.
    Mirror,
    /// Tracks that fit and lead one small step up.
    Coach,
}

impl Mode {
    /// The name that SQL uses.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::Coach => "coach",
        }
    }

    /// The mode of that name.
    pub(super) fn parse(function: &str, name: &str) -> Result<Self> {
        match name {
            "mirror" => Ok(Self::Mirror),
            "coach" => Ok(Self::Coach),
            _ => plan_err!("{function}: unknown mode '{name}', expected 'mirror' or 'coach'"),
        }
    }
}

/// Whom the recommendations are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whom {
    /// Everybody with plays.
    All,
    /// The one listener there is.
    Only,
    /// The one of that name.
    Named(String),
}

/// Relations that a call brings instead of the session's tables.
#[derive(Debug, Clone, Default)]
pub(super) struct Inputs {
    /// Instead of `silver.plays`.
    pub(super) plays: Option<Arc<LogicalPlan>>,
    /// Instead of `silver.tracks` with `silver.track_features`.
    pub(super) tracks: Option<Arc<LogicalPlan>>,
    /// The only tracks to recommend.
    pub(super) candidates: Option<Arc<LogicalPlan>>,
}

/// One call, checked.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) function: &'static str,
    /// `None` where the argument is a `NULL`, as in a statement prepared without values: it plans, it does not run.
    pub(super) mode: Option<Mode>,
    pub(super) k: i64,
    pub(super) whom: Whom,
    pub(super) context: Context,
    pub(super) new_artists_only: bool,
    pub(super) pace: Option<f64>,
    pub(super) inputs: Inputs,
}

/// Recommendations where `k` is left out.
const DEFAULT_K: i64 = 20;
/// Most recommendations that one call gives a listener.
const MOST_K: i64 = 10_000;

impl Call {
    /// Reads `recommend(mode, k, user_id, context, new_artists_only, pace, plays, tracks, candidates)`.
    pub(super) fn recommend(arguments: &[Expr]) -> Result<Self> {
        let arguments = Arguments::new("recommend", arguments, 9)?;
        let whom = match arguments.text(2, "user_id")? {
            Some(user_id) => Whom::Named(user_id),
            None => Whom::Only,
        };
        let context = Context::parse(
            "recommend",
            &arguments.text(3, "context")?.unwrap_or_default(),
        )?;
        let mut plays_columns = vec!["track_id", "played_at"];
        plays_columns.extend(feature_names());
        plays_columns.extend(context.columns());
        let mut tracks_columns = vec!["track_id", "track_name", "artist"];
        tracks_columns.extend(feature_names());
        Ok(Self {
            whom,
            context,
            new_artists_only: arguments.flag(4, "new_artists_only")?,
            pace: arguments.pace(5)?,
            inputs: Inputs {
                plays: arguments.relation(6, "plays", &plays_columns)?,
                tracks: arguments.relation(7, "tracks", &tracks_columns)?,
                candidates: arguments.relation(8, "candidates", &["track_id"])?,
            },
            ..Self::recommend_all_of(&arguments)?
        })
    }

    /// Reads `recommend_all(mode, k)`.
    pub(super) fn recommend_all(arguments: &[Expr]) -> Result<Self> {
        Self::recommend_all_of(&Arguments::new("recommend_all", arguments, 2)?)
    }

    /// Reads `recommend_status(mode, user_id)`; without a mode both are asked for.
    pub(super) fn recommend_status(arguments: &[Expr]) -> Result<Self> {
        let arguments = Arguments::new("recommend_status", arguments, 2)?;
        let mode = arguments
            .text(0, "mode")?
            .map(|name| Mode::parse("recommend_status", &name))
            .transpose()?;
        Ok(Self {
            function: "recommend_status",
            mode,
            k: DEFAULT_K,
            whom: arguments.text(1, "user_id")?.map_or(Whom::All, Whom::Named),
            context: Context::default(),
            new_artists_only: false,
            pace: None,
            inputs: Inputs::default(),
        })
    }

    fn recommend_all_of(arguments: &Arguments) -> Result<Self> {
        let function = arguments.function;
        let mode = arguments
            .text(0, "mode")?
            .map(|name| Mode::parse(function, &name))
            .transpose()?;
        Ok(Self {
            function,
            mode,
            k: arguments.k(1)?,
            whom: Whom::All,
            context: Context::default(),
            new_artists_only: false,
            pace: None,
            inputs: Inputs::default(),
        })
    }
}

fn feature_names() -> impl Iterator<Item = &'static str> {
    FEATURES.iter().map(|feature| feature.name)
}

/// Reads the one argument of `listening_profile(context)`.
pub(super) fn profile_context(arguments: &[Expr]) -> Result<Context> {
    let arguments = Arguments::new("listening_profile", arguments, 1)?;
    Context::parse(
        "listening_profile",
        &arguments.text(0, "context")?.unwrap_or_default(),
    )
}

/// The arguments of a call in positional order; one left out is `NULL` or missing.
struct Arguments<'a> {
    function: &'static str,
    values: &'a [Expr],
}

impl<'a> Arguments<'a> {
    fn new(function: &'static str, values: &'a [Expr], at_most: usize) -> Result<Self> {
        if values.len() > at_most {
            return plan_err!("{function}: too many arguments, expected at most {at_most}");
        }
        Ok(Self { function, values })
    }

    fn constant(&self, at: usize, name: &str) -> Result<Option<&'a ScalarValue>> {
        match self.values.get(at) {
            None => Ok(None),
            Some(Expr::Literal(value, _)) => Ok((!value.is_null()).then_some(value)),
            Some(other) => plan_err!(
                "{}: '{name}' must be a constant, got {other}",
                self.function
            ),
        }
    }

    fn text(&self, at: usize, name: &str) -> Result<Option<String>> {
        let Some(value) = self.constant(at, name)? else {
            return Ok(None);
        };
        let Some(text) = value.try_as_str() else {
            return plan_err!("{}: '{name}' must be text, got {value}", self.function);
        };
        Ok(text.map(ToOwned::to_owned))
    }

    fn flag(&self, at: usize, name: &str) -> Result<bool> {
        match self.constant(at, name)? {
            None => Ok(false),
            Some(ScalarValue::Boolean(Some(flag))) => Ok(*flag),
            Some(other) => plan_err!(
                "{}: '{name}' must be true or false, got {other}",
                self.function
            ),
        }
    }

    fn k(&self, at: usize) -> Result<i64> {
        let Some(value) = self.constant(at, "k")? else {
            return Ok(DEFAULT_K);
        };
        match whole_number(value)? {
            Some(k) if (1..=MOST_K).contains(&k) => Ok(k),
            _ => plan_err!(
                "{}: 'k' must be a whole number from 1 to {MOST_K}, got {value}",
                self.function
            ),
        }
    }

    fn pace(&self, at: usize) -> Result<Option<f64>> {
        let Some(value) = self.constant(at, "pace")? else {
            return Ok(None);
        };
        match number(value)? {
            Some(pace) if PACE_RANGE.contains(&pace) => Ok(Some(pace)),
            _ => plan_err!(
                "{}: 'pace' must be a valence step from {} to {}, got {value}",
                self.function,
                PACE_RANGE.start(),
                PACE_RANGE.end()
            ),
        }
    }

    fn relation(
        &self,
        at: usize,
        name: &str,
        columns: &[&str],
    ) -> Result<Option<Arc<LogicalPlan>>> {
        let Some(argument) = self.values.get(at) else {
            return Ok(None);
        };
        let Some(plan) = relation_input(argument) else {
            self.constant(at, name)?;
            return Ok(None);
        };
        let is_missing = |column: &&&str| !plan.schema().has_column_with_unqualified_name(column);
        let missing: Vec<&str> = columns.iter().filter(is_missing).copied().collect();
        if missing.is_empty() {
            return Ok(Some(plan));
        }
        plan_err!(
            "{}: '{name}' lacks the columns {}",
            self.function,
            missing.join(", ")
        )
    }
}
