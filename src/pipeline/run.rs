//! Runs a plan: scripts in order, two at a time where they are independent, checks after each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Client, integers};
use crate::error::{Error, Result};
use crate::lake::TableName;
use crate::models::TOO_FEW_ROWS;

use super::checks::{self, CheckResult, Passed};
use super::graph::{Graph, Node};
use super::layer::Layer;
use super::plan::{self, Decision, Mode, Plan, Reason, Rest};
use super::report::{NodeReport, Outcome};
use super::scripts::Check;
use super::state::LakeState;

/// How many nodes run at once: small tables wait for commits more than for the processor.
const AT_ONCE: usize = 2;

/// What a build tells while it runs.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A script starts.
    Started {
        /// The table or model.
        name: &'a str,
        /// How many nodes are finished.
        done: usize,
        /// How many nodes the build has.
        of: usize,
    },
    /// A script has run.
    Ran {
        /// The table or model.
        name: &'a str,
        /// How long it took, checks included.
        elapsed: Duration,
    },
}

/// What listens to a build.
pub type Observer<'a> = &'a (dyn Fn(Event<'_>) + Send + Sync);

/// What a node's job came to.
struct Finished {
    at: usize,
    outcome: Outcome,
    checks: Vec<CheckResult>,
    elapsed: Duration,
}

/// Everything that a build knows while it runs.
struct Build<'a> {
    client: &'a Client,
    graph: &'a Arc<Graph>,
    plan: &'a Plan,
    state: &'a LakeState,
    passed: &'a Passed,
    observer: Observer<'a>,
    touched: BTreeSet<TableName>,
    reports: BTreeMap<usize, NodeReport>,
    jobs: JoinSet<Result<Finished>>,
}

/// Runs the members of `plan` and returns what became of each, in run order.
///
/// # Errors
/// Only what breaks the build itself; a script or check that fails is part of the reports.
pub(crate) async fn run(
    client: &Client,
    graph: &Arc<Graph>,
    plan: &Plan,
    state: &LakeState,
    passed: &Passed,
    observer: Observer<'_>,
) -> Result<Vec<NodeReport>> {
    let mut build = Build {
        client,
        graph,
        plan,
        state,
        passed,
        observer,
        touched: BTreeSet::new(),
        reports: BTreeMap::new(),
        jobs: JoinSet::new(),
    };
    let mut waiting: VecDeque<usize> = plan.members.iter().copied().collect();
    while !(waiting.is_empty() && build.jobs.is_empty()) {
        build.start_ready(&mut waiting);
        if let Some(joined) = build.jobs.join_next().await {
            let finished = joined.map_err(|error| Error::Internal(error.to_string()))??;
            build.finish(finished);
        }
    }
    Ok(build.reports.into_values().collect())
}

impl Build<'_> {
    /// Starts, skips or blocks whatever has all its inputs, until enough is under way.
    fn start_ready(&mut self, waiting: &mut VecDeque<usize>) {
        let mut position = 0;
        while position < waiting.len() && self.jobs.len() < AT_ONCE {
            let at = waiting[position];
            let upstream = &self.graph.nodes[at].upstream;
            let is_ready = |before: &usize| {
                self.reports.contains_key(before) || !self.plan.members.contains(before)
            };
            if upstream.iter().all(is_ready) {
                waiting.remove(position);
                self.start(at);
                position = 0;
            } else {
                position += 1;
            }
        }
    }

    fn start(&mut self, at: usize) {
        let node = &self.graph.nodes[at];
        if let Some(by) = self.blocked_by(node) {
            let report = NodeReport::new(node.name(), &node.script.file, Outcome::Blocked { by });
            self.reports.insert(at, report);
            return;
        }
        let decision = self.plan.decide(self.graph, at, self.state, &self.touched);
        let checks = self.due_checks(node, &decision);
        if let (Decision::Rest(rest), true) = (&decision, checks.is_empty()) {
            let outcome = Outcome::Rested(rest.clone());
            self.reports
                .insert(at, NodeReport::new(node.name(), &node.script.file, outcome));
            self.pass_on(at);
            return;
        }
        let name = node.name().to_string();
        let (done, of) = (self.reports.len(), self.plan.members.len());
        (self.observer)(Event::Started {
            name: &name,
            done,
            of,
        });
        let (client, graph) = (self.client.clone(), Arc::clone(self.graph));
        self.jobs
            .spawn(async move { job(&client, &graph.nodes[at], at, decision, checks).await });
    }

    /// The input that failed, or was itself blocked, or whose check failed.
    fn blocked_by(&self, node: &Node) -> Option<String> {
        let stops =
            |report: &NodeReport| self.plan.mode() != Mode::ChecksOnly && report.stops_dependents();
        let mut reports = node
            .needs
            .iter()
            .filter_map(|before| self.reports.get(before));
        reports
            .find(|report| stops(report))
            .map(|report| report.name.clone())
    }

    /// All checks of what runs; of what rests, those that have not passed on its present data.
    fn due_checks(&self, node: &Node, decision: &Decision) -> Vec<Check> {
        let all = &node.script.checks;
        match decision {
            Decision::Rest(Rest::ChecksOnly) | Decision::Run(_) | Decision::IfGrown { .. } => {
                all.clone()
            }
            Decision::Rest(_) => {
                let is_due = |check: &&Check| !self.passed.holds(check, node.name(), self.state);
                all.iter().filter(is_due).cloned().collect()
            }
        }
    }

    fn finish(&mut self, finished: Finished) {
        let node = &self.graph.nodes[finished.at];
        let mut report = NodeReport::new(node.name(), &node.script.file, finished.outcome);
        report.elapsed = finished.elapsed;
        report.checks = finished.checks;
        if matches!(report.outcome, Outcome::Ran { .. }) {
            self.touched.extend(node.writes());
            (self.observer)(Event::Ran {
                name: &report.name,
                elapsed: report.elapsed,
            });
        }
        self.reports.insert(finished.at, report);
        self.pass_on(finished.at);
    }

    /// A view rests, but what reads it must know that the tables behind it have changed.
    fn pass_on(&mut self, at: usize) {
        let node = &self.graph.nodes[at];
        self.touched
            .extend(plan::passed_on(node, self.state, &self.touched));
    }
}

async fn job(
    client: &Client,
    node: &Node,
    at: usize,
    decision: Decision,
    checks: Vec<Check>,
) -> Result<Finished> {
    let started = Instant::now();
    let outcome = carry_out(client, node, decision).await;
    let mut results = Vec::with_capacity(checks.len());
    if matches!(outcome, Outcome::Ran { .. } | Outcome::Rested(_)) {
        for check in &checks {
            results.push(checks::run(client, node.name(), check).await);
        }
    }
    Ok(Finished {
        at,
        outcome,
        checks: results,
        elapsed: started.elapsed(),
    })
}

async fn carry_out(client: &Client, node: &Node, decision: Decision) -> Outcome {
    let settled = match decision {
        Decision::IfGrown { share, .. } => if_grown(client, node, share).await,
        settled => Ok(settled),
    };
    match settled {
        Ok(Decision::Run(reason)) => match run_script(client, node).await {
            Ok(rows) => Outcome::Ran { reason, rows },
            Err(error) => failure(node, error.to_string()),
        },
        Ok(Decision::Rest(rest)) => Outcome::Rested(rest),
        Ok(Decision::IfGrown { .. }) => Outcome::Rested(Rest::NotGrown),
        Err(error) => Outcome::Failed {
            message: error.to_string(),
        },
    }
}

/// A model that cannot be trained for want of rows is not there yet; anything else has failed.
///
/// The words are all that a client has to tell the two apart.
fn failure(node: &Node, message: String) -> Outcome {
    if node.script.layer == Layer::Ml && message.contains(TOO_FEW_ROWS) {
        return Outcome::TooFewRows { message };
    }
    Outcome::Failed { message }
}

async fn run_script(client: &Client, node: &Node) -> Result<Option<u64>> {
    let mut rows = None;
    for statement in &node.script.statements {
        rows = client.execute(&statement.text).await?.or(rows);
    }
    Ok(rows)
}

/// Settles whether a model is trained: by how much its input has grown since it was.
async fn if_grown(client: &Client, node: &Node, share: f64) -> Result<Decision> {
    let query = node
        .script
        .maker()
        .and_then(|maker| maker.references.query.as_deref());
    let Some(query) = query else {
        return Ok(Decision::Rest(Rest::NotGrown));
    };
    let trained = trained_rows(client, &node.name().table).await?;
    let now = number(client, &format!("select count(*) from ({query})"))
        .await?
        .unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^52")]
    let by = (now - trained) as f64 / trained.max(1) as f64;
    Ok(if by > share {
        Decision::Run(Reason::Grown { by })
    } else {
        Decision::Rest(Rest::NotGrown)
    })
}

/// The rows that the newest version not dropped was made from; none if they were too few to train. Dropping a version
/// adds a row.
async fn trained_rows(client: &Client, model: &str) -> Result<i64> {
    let sql = format!(
        "select case max(status) when 'ready' then max(input_rows) else 0 end from ml.models \
         where model = '{}' group by version \
         having count(*) filter (where status = 'dropped') = 0 order by version desc limit 1",
        model.replace('\'', "''")
    );
    let missing = || Error::NotFound(format!("ml.models has no entry for model '{model}'"));
    number(client, &sql).await?.ok_or_else(missing)
}

/// The first value of a query's answer as a whole number.
async fn number(client: &Client, sql: &str) -> Result<Option<i64>> {
    let (_, batches) = client.query(sql).await?;
    Ok(integers(&batches, 0)?.into_iter().next().flatten())
}
