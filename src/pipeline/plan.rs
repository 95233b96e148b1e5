//! Which nodes a build runs, and why: compares the scripts with what the lake recorded.

use std::collections::BTreeSet;
use std::fmt;

use crate::error::Result;
use crate::lake::TableName;

use super::graph::{Graph, Node};
use super::layer::Layer;
use super::state::LakeState;

/// What a build is asked to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Runs what is stale.
    #[default]
    Stale,
    /// Runs everything.
    Full {
        /// Leaves models that are trained as they are.
        keep_models: bool,
    },
    /// Runs no script, only the checks.
    ChecksOnly,
}

/// Why a node runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reason {
    /// The table is not there.
    New,
    /// The script is not the statement that made the table.
    ScriptChanged,
    /// The table was not made last by a script, but changed by hand or filled by a load.
    ChangedElsewhere,
    /// These tables have changed since the script read them.
    InputChanged(Vec<TableName>),
    /// These tables are made anew in this build.
    InputRuns(Vec<TableName>),
    /// A model whose input has grown by more than its header allows.
    Grown {
        /// By how much, as a share of the rows that it was trained on.
        by: f64,
    },
    /// `--full`.
    Full,
    /// `--select` names it.
    Selected,
}

/// Why a node does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing has changed.
    UpToDate,
    /// The script only makes the table where there is none.
    Exists,
    /// A model that `--keep-models` keeps.
    Kept,
    /// A model that trains on a new script or a grown input only.
    NotGrown,
    /// `--checks-only`.
    ChecksOnly,
}

/// What is to be done with a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    /// Run its script.
    Run(Reason),
    /// A model: train it if its input has grown by more than `share`.
    IfGrown {
        /// The share of its header.
        share: f64,
        /// The inputs that have changed.
        inputs: Vec<TableName>,
    },
    /// Leave it as it is.
    Rest(Rest),
}

/// The nodes of a build and how to decide about each.
#[derive(Debug)]
pub(crate) struct Plan {
    mode: Mode,
    /// The nodes that `--select` names; they run in any case.
    selected: BTreeSet<usize>,
    /// The nodes that take part: all, or the selected and what they depend on.
    pub(crate) members: BTreeSet<usize>,
}

impl Plan {
    /// The plan for `select`, names as [`Graph::find`] takes them; none means everything.
    ///
    /// # Errors
    /// A name that no script makes.
    pub(crate) fn new(graph: &Graph, mode: Mode, select: &[String]) -> Result<Self> {
        let selected = select
            .iter()
            .map(|name| graph.find(name))
            .collect::<Result<BTreeSet<_>>>()?;
        let members = if selected.is_empty() {
            (0..graph.nodes.len()).collect()
        } else {
            graph.closure(&selected)
        };
        Ok(Self {
            mode,
            selected,
            members,
        })
    }

    /// What the build is asked to do.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// What to do with the node at `at`, given the tables that this build has `touched` so far.
    pub(crate) fn decide(
        &self,
        graph: &Graph,
        at: usize,
        state: &LakeState,
        touched: &BTreeSet<TableName>,
    ) -> Decision {
        let node = &graph.nodes[at];
        let recorded = state.get(node.name());
        let is_model = node.script.layer == Layer::Ml;
        match self.mode {
            Mode::ChecksOnly => return Decision::Rest(Rest::ChecksOnly),
            _ if recorded.is_none() => return Decision::Run(Reason::New),
            _ if node.script.creates_if_missing() => return Decision::Rest(Rest::Exists),
            _ if self.selected.contains(&at) => return Decision::Run(Reason::Selected),
            Mode::Full { keep_models: true } if is_model => return Decision::Rest(Rest::Kept),
            Mode::Full { .. } => return Decision::Run(Reason::Full),
            Mode::Stale => {}
        }
        match stale(node, state, touched) {
            None => Decision::Rest(Rest::UpToDate),
            Some(reason @ (Reason::InputChanged(_) | Reason::InputRuns(_))) if is_model => {
                if_grown(node, reason)
            }
            Some(reason) => Decision::Run(reason),
        }
    }
}

fn stale(node: &Node, state: &LakeState, touched: &BTreeSet<TableName>) -> Option<Reason> {
    let Some(recorded) = state.get(node.name()) else {
        return Some(Reason::New);
    };
    let script = node.script.maker().map(|statement| statement.text.as_str());
    let last = recorded.statement.as_deref().map(str::trim);
    if last != script {
        let is_script = last.is_some_and(|last| verb(last) == script.and_then(verb));
        return Some(if is_script {
            Reason::ScriptChanged
        } else {
            Reason::ChangedElsewhere
        });
    }
    let runs: Vec<_> = node.inputs.intersection(touched).cloned().collect();
    if !runs.is_empty() {
        return Some(Reason::InputRuns(runs));
    }
    if recorded.is_view {
        return None;
    }
    let mut changed = state.changed_since(&recorded.reads);
    let unseen = |table: &&TableName| !recorded.reads.contains_key(&table.to_string());
    changed.extend(
        node.inputs
            .iter()
            .filter(unseen)
            .filter(|table| has_state(state, table))
            .cloned(),
    );
    changed.retain(|table| table != node.name());
    (!changed.is_empty()).then_some(Reason::InputChanged(changed))
}

/// The first word of a statement, below its comments.
fn verb(statement: &str) -> Option<String> {
    let mut lines = statement.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with("--"))?;
    Some(first.split_whitespace().next()?.to_lowercase())
}

/// The tables that readers of the node find changed, though it does not run: a view's, whose tables were.
pub(crate) fn passed_on(
    node: &Node,
    state: &LakeState,
    touched: &BTreeSet<TableName>,
) -> Option<TableName> {
    let is_view = state
        .get(node.name())
        .is_some_and(|recorded| recorded.is_view);
    (is_view && !node.inputs.is_disjoint(touched)).then(|| node.name().clone())
}

/// Views have no data of their own: what they read is recorded in their place.
fn has_state(state: &LakeState, table: &TableName) -> bool {
    state.get(table).is_some_and(|recorded| !recorded.is_view)
}

fn if_grown(node: &Node, reason: Reason) -> Decision {
    match (node.script.retrain, reason) {
        (Some(share), Reason::InputChanged(inputs) | Reason::InputRuns(inputs)) => {
            Decision::IfGrown { share, inputs }
        }
        _ => Decision::Rest(Rest::NotGrown),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => formatter.write_str("new"),
            Self::ScriptChanged => formatter.write_str("script changed"),
            Self::ChangedElsewhere => formatter.write_str("changed by another statement"),
            Self::InputChanged(tables) => write!(formatter, "input changed: {}", list(tables)),
            Self::InputRuns(tables) => write!(formatter, "upstream ran: {}", list(tables)),
            Self::Grown { by } => write!(formatter, "input grew by {:.0}%", by * 100.0),
            Self::Full => formatter.write_str("--full"),
            Self::Selected => formatter.write_str("--select"),
        }
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UpToDate => "up to date",
            Self::Exists => "exists",
            Self::Kept => "kept by --keep-models",
            Self::NotGrown => "input has not grown enough to train again",
            Self::ChecksOnly => "checks only",
        })
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(reason) => reason.fmt(formatter),
            Self::IfGrown { share, inputs } => {
                let percent = share * 100.0;
                write!(
                    formatter,
                    "if its input grew by more than {percent:.0}%: {}",
                    list(inputs)
                )
            }
            Self::Rest(rest) => rest.fmt(formatter),
        }
    }
}

fn list(tables: &[TableName]) -> String {
    tables
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::scripts::tests::scripts;
    use super::super::state::Recorded;
    use super::*;

    const PLAYS: &str = "create or replace table silver.plays as select 1 as x";
    const TOP: &str = "create or replace table gold.top as select x from silver.plays";
    const MOOD: &str = "-- retrain: 20%\ncreate or replace model mood \
                        options (type = 'kmeans') as select x from silver.plays";

    fn name(text: &str) -> TableName {
        text.parse().unwrap()
    }

    fn graph() -> Graph {
        let files = [
            (Layer::Silver, "plays", PLAYS),
            (Layer::Ml, "mood", MOOD),
            (Layer::Gold, "top", TOP),
            (
                Layer::Bronze,
                "raw",
                "create table if not exists bronze.raw (x bigint)",
            ),
        ];
        Graph::new(scripts(&files).unwrap(), |_| false).unwrap()
    }

    fn recorded(statement: &str, state: &str, reads: &[(&str, &str)]) -> Recorded {
        let reads = reads
            .iter()
            .map(|(table, seen)| ((*table).into(), (*seen).into()))
            .collect();
        Recorded {
            is_view: false,
            state: state.into(),
            statement: Some(statement.into()),
            reads,
        }
    }

    fn built() -> Vec<(TableName, Recorded)> {
        vec![
            (name("bronze.raw"), recorded("", "r", &[])),
            (name("silver.plays"), recorded(PLAYS, "p", &[])),
            (
                name("ml.mood"),
                recorded(MOOD, "m", &[("silver.plays", "p")]),
            ),
            (
                name("gold.top"),
                recorded(TOP, "t", &[("silver.plays", "p")]),
            ),
        ]
    }

    /// The decisions in run order, each as its reader sees it.
    fn decisions(mode: Mode, select: &[&str], tables: Vec<(TableName, Recorded)>) -> Vec<String> {
        let graph = graph();
        let select: Vec<String> = select.iter().map(ToString::to_string).collect();
        let plan = Plan::new(&graph, mode, &select).unwrap();
        let state: LakeState = tables.into_iter().collect();
        let mut touched = BTreeSet::new();
        let mut lines = Vec::new();
        for at in plan.members.iter().copied() {
            let decision = plan.decide(&graph, at, &state, &touched);
            let table = graph.nodes[at].name();
            if matches!(decision, Decision::Run(_)) {
                touched.insert(table.clone());
            }
            lines.push(format!("{table}: {decision}"));
        }
        lines
    }

    #[test]
    fn everything_runs_in_an_empty_lake() {
        assert_eq!(
            decisions(Mode::Stale, &[], vec![]),
            [
                "bronze.raw: new",
                "silver.plays: new",
                "ml.mood: new",
                "gold.top: new"
            ]
        );
    }

    #[test]
    fn nothing_runs_when_nothing_has_changed() {
        assert_eq!(
            decisions(Mode::Stale, &[], built()),
            [
                "bronze.raw: exists",
                "silver.plays: up to date",
                "ml.mood: up to date",
                "gold.top: up to date"
            ]
        );
    }

    #[test]
    fn a_change_reaches_what_depends_on_it() {
        let mut tables = built();
        tables[1].1.statement = Some("-- so\nCREATE TABLE another".into());
        assert_eq!(
            decisions(Mode::Stale, &[], tables)[1..],
            [
                "silver.plays: script changed",
                "ml.mood: if its input grew by more than 20%: silver.plays",
                "gold.top: upstream ran: silver.plays"
            ]
        );
        let mut tables = built();
        tables[1].1.state = "p2".into();
        assert_eq!(
            decisions(Mode::Stale, &[], tables)[3],
            "gold.top: input changed: silver.plays"
        );
    }

    #[test]
    fn a_change_by_hand_is_told_from_one_of_the_script() {
        for by_hand in [None, Some("insert into gold.top values (1)".to_string())] {
            let mut tables = built();
            tables[3].1.statement = by_hand;
            assert_eq!(
                decisions(Mode::Stale, &[], tables)[3],
                "gold.top: changed by another statement"
            );
        }
    }

    #[test]
    fn select_takes_what_it_depends_on_and_runs_it_in_any_case() {
        assert_eq!(
            decisions(Mode::Stale, &["gold.top"], built()),
            ["silver.plays: up to date", "gold.top: --select"]
        );
        assert_eq!(
            decisions(Mode::Stale, &["mood"], built())[1],
            "ml.mood: --select"
        );
    }

    #[test]
    fn full_keeps_models_only_when_asked_and_never_empties_bronze() {
        assert_eq!(
            decisions(Mode::Full { keep_models: true }, &[], built()),
            [
                "bronze.raw: exists",
                "silver.plays: --full",
                "ml.mood: kept by --keep-models",
                "gold.top: --full"
            ]
        );
        assert_eq!(
            decisions(Mode::Full { keep_models: false }, &[], built())[2],
            "ml.mood: --full"
        );
    }
}
