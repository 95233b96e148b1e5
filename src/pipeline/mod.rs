//! The pipeline: `sql/` as a graph of tables and models, built in order, checked after each step.
//!
//! It speaks to the lake only through a [`Client`], so it can do nothing that any other Flight SQL
//! client could not do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::client::Client;
use crate::error::Result;

mod checks;
mod graph;
mod layer;
mod plan;
mod report;
mod run;
mod scripts;
mod state;

pub use plan::Mode;
pub(crate) use report::seconds;
pub use report::{BuildReport, Format};
pub use run::{Event, Observer};

use checks::{CheckResult, Passed};
use graph::Graph;
use plan::{Decision, Plan};
use report::{NodeReport, Outcome};
use state::LakeState;

/// What to build.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The folder of the scripts; those that the binary carries where there is none.
    pub scripts: Option<PathBuf>,
    /// What to run.
    pub mode: Mode,
    /// Only these tables and what they depend on; they run even when up to date.
    pub select: Vec<String>,
}

/// The folder of scripts to use when none is named: `./sql` where it exists.
#[must_use]
pub fn default_scripts() -> Option<PathBuf> {
    let beside = Path::new("sql");
    beside.is_dir().then(|| beside.to_path_buf())
}

/// Builds: runs what is stale, checks it, and records what the checks said.
///
/// Scripts and checks that fail are part of the report, and stop only what depends on them.
///
/// # Errors
/// Scripts that cannot be loaded or put into order, and a lake that cannot be read.
pub async fn build(
    client: &Client,
    request: &Request,
    observer: Observer<'_>,
) -> Result<BuildReport> {
    let started = Instant::now();
    let (graph, plan, state) = prepare(client, request).await?;
    let graph = Arc::new(graph);
    let passed = Passed::read(client, &state).await?;
    let nodes = run::run(client, &graph, &plan, &state, &passed, observer).await?;
    let results: Vec<CheckResult> = nodes.iter().flat_map(|node| node.checks.clone()).collect();
    if !results.is_empty() {
        let state = LakeState::read(client).await?;
        checks::record(client, &Uuid::now_v7().to_string(), &results, &state).await?;
    }
    Ok(BuildReport {
        nodes,
        elapsed: started.elapsed(),
    })
}

/// Tells what [`build`] would run, and why, without running anything.
///
/// # Errors
/// As [`build`].
pub async fn plan(client: &Client, request: &Request) -> Result<BuildReport> {
    let (graph, plan, state) = prepare(client, request).await?;
    let (mut touched, mut perhaps) = (BTreeSet::new(), BTreeSet::new());
    let mut nodes = Vec::with_capacity(plan.members.len());
    for at in plan.members.iter().copied() {
        let node = &graph.nodes[at];
        let decision = plan.decide(&graph, at, &state, &touched);
        let waits_for = node.inputs.intersection(&perhaps).next();
        let (runs, why) = match (&decision, waits_for) {
            (Decision::Run(_), _) => (Some(true), decision.to_string()),
            (Decision::IfGrown { .. }, _) => (None, decision.to_string()),
            (Decision::Rest(plan::Rest::UpToDate), Some(model)) => {
                (None, format!("if {model} runs"))
            }
            (Decision::Rest(_), _) => (Some(false), decision.to_string()),
        };
        match runs {
            Some(true) => touched.extend(node.writes()),
            None => perhaps.extend(node.writes()),
            Some(false) => touched.extend(plan::passed_on(node, &state, &touched)),
        }
        nodes.push(NodeReport::new(
            node.name(),
            &node.script.file,
            Outcome::Planned { runs, why },
        ));
    }
    Ok(BuildReport {
        nodes,
        elapsed: Duration::ZERO,
    })
}

async fn prepare(client: &Client, request: &Request) -> Result<(Graph, Plan, LakeState)> {
    let scripts = scripts::load(request.scripts.as_deref())?;
    let state = LakeState::read(client).await?;
    let graph = Graph::new(scripts, |table| state.get(table).is_some())?;
    let plan = Plan::new(&graph, request.mode, &request.select)?;
    Ok((graph, plan, state))
}
