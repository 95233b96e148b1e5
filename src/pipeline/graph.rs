//! The order of the scripts, read from their SQL: who makes what, who reads it, and what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::lake::TableName;

use super::layer::Layer;
use super::scripts::{Script, Statement};

/// Tables of the registry: training any model writes them, so every model comes before a reader.
const REGISTRY: [&str; 3] = ["models", "metrics", "aliases"];

/// A script and its place among the others.
#[derive(Debug)]
pub(crate) struct Node {
    /// The script.
    pub(crate) script: Script,
    /// The tables whose change makes the node stale: all that it reads but itself and `system`.
    pub(crate) inputs: BTreeSet<TableName>,
    /// The nodes that must come before, as positions in [`Graph::nodes`].
    pub(crate) upstream: BTreeSet<usize>,
    /// Those of them that the node cannot do without: all but the models of whose registry it only reads.
    pub(crate) needs: BTreeSet<usize>,
}

impl Node {
    /// The name of what the node makes.
    pub(crate) fn name(&self) -> &TableName {
        &self.script.target
    }

    /// The tables that change when the node runs: what it makes, and for a model the registry.
    pub(crate) fn writes(&self) -> Vec<TableName> {
        let mut written = vec![self.name().clone()];
        if self.script.layer == Layer::Ml {
            let entry = |table: &&str| TableName {
                schema: "ml".into(),
                table: (*table).into(),
            };
            written.extend(REGISTRY.iter().map(entry));
        }
        written
    }
}

/// The scripts in an order in which they can run.
#[derive(Debug)]
pub(crate) struct Graph {
    /// Each node after all those that it reads from.
    pub(crate) nodes: Vec<Node>,
}

impl Graph {
    /// Puts the scripts into order; `exists` tells whether the lake has a table already.
    ///
    /// # Errors
    /// A read against the layering, a read of a table that nothing makes, or a cycle; each names
    /// the files.
    pub(crate) fn new(scripts: Vec<Script>, exists: impl Fn(&TableName) -> bool) -> Result<Self> {
        let makers: BTreeMap<TableName, usize> = scripts
            .iter()
            .enumerate()
            .map(|(at, script)| (script.target.clone(), at))
            .collect();
        let mut upstream = Vec::with_capacity(scripts.len());
        for script in &scripts {
            refuse_self_reader(script)?;
            let mut before = BTreeSet::new();
            for table in reads(script) {
                check_layer(script, &table, makers.get(&table).map(|at| &scripts[*at]))?;
                match makers.get(&table) {
                    Some(at) => drop(before.insert(*at)),
                    None if is_registry(&table) => before.extend(models(&scripts)),
                    None => check_exists(script, &table, &exists)?,
                }
            }
            upstream.push(before);
        }
        let order = sort(&scripts, &upstream)?;
        Ok(Self {
            nodes: arrange(scripts, &upstream, &order),
        })
    }

    /// The positions of `selected` and of everything that they depend on.
    pub(crate) fn closure(&self, selected: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open: Vec<usize> = selected.iter().copied().collect();
        while let Some(at) = open.pop() {
            if found.insert(at) {
                open.extend(&self.nodes[at].upstream);
            }
        }
        found
    }

    /// The node called `name`: `layer.table`, or the table or model alone where that is enough.
    ///
    /// # Errors
    /// No script makes it, or the short name fits several.
    pub(crate) fn find(&self, name: &str) -> Result<usize> {
        let fits: Vec<usize> = (0..self.nodes.len())
            .filter(|at| {
                let target = self.nodes[*at].name();
                target.to_string() == name || target.table == name
            })
            .collect();
        match fits[..] {
            [at] => Ok(at),
            [] => Err(Error::NotFound(format!(
                "--select {name}: no script makes it; `moodlake build --plan` lists the tables"
            ))),
            [..] => Err(Error::Input(format!(
                "--select {name}: {} are called so; name the layer too",
                fits.iter()
                    .map(|at| self.nodes[*at].name().to_string())
                    .collect::<Vec<_>>()
                    .join(" and ")
            ))),
        }
    }
}

/// A table that is made anew cannot be made from itself; one that is added to may look at itself.
fn refuse_self_reader(script: &Script) -> Result<()> {
    let reads_itself = |statement: &Statement| {
        statement.references.writes.is_some() && statement.references.reads.contains(&script.target)
    };
    if script.statements.iter().any(reads_itself) {
        let (file, table) = (&script.file, &script.target);
        return Err(Error::Input(format!(
            "the scripts go round in a circle: {file} reads {table}, which it makes"
        )));
    }
    Ok(())
}

/// What the script reads, itself left out.
fn reads(script: &Script) -> BTreeSet<TableName> {
    let all = script
        .statements
        .iter()
        .flat_map(|statement| &statement.references.reads);
    all.filter(|table| **table != script.target)
        .cloned()
        .collect()
}

fn is_internal(table: &TableName) -> bool {
    matches!(table.schema.as_str(), "system" | "information_schema")
}

fn is_registry(table: &TableName) -> bool {
    table.schema == "ml" && REGISTRY.contains(&table.table.as_str())
}

fn models(scripts: &[Script]) -> impl Iterator<Item = usize> {
    scripts
        .iter()
        .enumerate()
        .filter(|(_, script)| script.layer == Layer::Ml)
        .map(|(at, _)| at)
}

fn check_layer(script: &Script, table: &TableName, maker: Option<&Script>) -> Result<()> {
    let Some(layer) = Layer::of_schema(&table.schema) else {
        return Ok(());
    };
    if script.layer.may_read(layer) {
        return Ok(());
    }
    let made_by = maker.map_or_else(String::new, |maker| format!(" (made by {})", maker.file));
    Err(Error::Input(format!(
        "{} reads {table}{made_by}: {} scripts may read {}",
        script.file,
        script.layer.schema(),
        match script.layer {
            Layer::System => "system only",
            Layer::Bronze => "bronze and system only",
            Layer::Silver => "silver, bronze and system only",
            Layer::Ml => "ml, silver and system only",
            Layer::Gold => "gold, ml, silver and system only",
        }
    )))
}

fn check_exists(
    script: &Script,
    table: &TableName,
    exists: &impl Fn(&TableName) -> bool,
) -> Result<()> {
    if is_internal(table) || exists(table) {
        return Ok(());
    }
    Err(Error::NotFound(format!(
        "{} reads {table}, which no script makes and which the lake does not have",
        script.file
    )))
}

/// The run order: whatever has all its inputs comes in the scripts' own order.
fn sort(scripts: &[Script], upstream: &[BTreeSet<usize>]) -> Result<Vec<usize>> {
    let mut order = Vec::with_capacity(scripts.len());
    let mut done = BTreeSet::new();
    while order.len() < scripts.len() {
        let ready =
            (0..scripts.len()).find(|at| !done.contains(at) && upstream[*at].is_subset(&done));
        let Some(at) = ready else {
            return Err(cycle(scripts, upstream, &done));
        };
        done.insert(at);
        order.push(at);
    }
    Ok(order)
}

/// Follows inputs that are not done until one comes up again: that is the circle.
fn cycle(scripts: &[Script], upstream: &[BTreeSet<usize>], done: &BTreeSet<usize>) -> Error {
    let blocked = |at: usize| {
        upstream[at]
            .iter()
            .copied()
            .find(|before| !done.contains(before))
    };
    let mut path: Vec<usize> = Vec::new();
    let mut next = (0..scripts.len()).find(|at| !done.contains(at));
    while let Some(at) = next {
        if let Some(start) = path.iter().position(|seen| *seen == at) {
            let mut steps = Vec::new();
            for (step, reader) in path[start..].iter().enumerate() {
                let read = path[start..].get(step + 1).unwrap_or(&at);
                steps.push(format!(
                    "{} reads {}",
                    scripts[*reader].file, scripts[*read].target
                ));
            }
            return Error::Input(format!(
                "the scripts go round in a circle: {}",
                steps.join(", ")
            ));
        }
        path.push(at);
        next = blocked(at);
    }
    Error::Internal("scripts without an order, but without a circle".to_string())
}

fn arrange(scripts: Vec<Script>, upstream: &[BTreeSet<usize>], order: &[usize]) -> Vec<Node> {
    let targets: Vec<TableName> = scripts.iter().map(|script| script.target.clone()).collect();
    let mut place = vec![0; order.len()];
    for (position, at) in order.iter().enumerate() {
        place[*at] = position;
    }
    let nodes = scripts.into_iter().enumerate().map(|(at, script)| {
        let read = reads(&script);
        let is_needed = |before: &&usize| read.contains(&targets[**before]);
        let places = |before: &usize| place[*before];
        let node = Node {
            upstream: upstream[at].iter().map(places).collect(),
            needs: upstream[at].iter().filter(is_needed).map(places).collect(),
            inputs: read
                .iter()
                .filter(|table| !is_internal(table))
                .cloned()
                .collect(),
            script,
        };
        (place[at], node)
    });
    nodes.collect::<BTreeMap<_, _>>().into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::super::scripts::tests::scripts;
    use super::*;

    fn graph(files: &[(Layer, &str, &str)]) -> Result<Graph> {
        Graph::new(scripts(files)?, |_| false)
    }

    fn names(graph: &Graph) -> Vec<String> {
        graph
            .nodes
            .iter()
            .map(|node| node.name().to_string())
            .collect()
    }

    #[test]
    fn the_order_comes_from_the_sql() {
        let made = graph(&[
            (
                Layer::Gold,
                "a",
                "create or replace table gold.a as select x from gold.b",
            ),
            (
                Layer::Gold,
                "b",
                "create or replace table gold.b as select x from silver.c",
            ),
            (
                Layer::Silver,
                "c",
                "create or replace table silver.c as select 1 as x",
            ),
        ])
        .unwrap();
        assert_eq!(names(&made), ["silver.c", "gold.b", "gold.a"]);
        assert_eq!(made.nodes[2].upstream, BTreeSet::from([1]));
        assert_eq!(made.closure(&BTreeSet::from([1])), BTreeSet::from([0, 1]));
        assert_eq!(made.find("gold.b").unwrap(), 1);
        assert_eq!(made.find("c").unwrap(), 0);
        assert!(
            made.find("d")
                .unwrap_err()
                .to_string()
                .starts_with("--select d: no script")
        );
    }

    #[test]
    fn a_circle_names_its_files() {
        let error = graph(&[
            (
                Layer::Gold,
                "a",
                "create or replace table gold.a as select x from gold.b",
            ),
            (
                Layer::Gold,
                "b",
                "create or replace table gold.b as select x from gold.a",
            ),
        ])
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the scripts go round in a circle: \
             sql/gold/a.sql reads gold.b, sql/gold/b.sql reads gold.a"
        );
    }

    #[test]
    fn a_read_against_the_layers_names_both_files() {
        let error = graph(&[
            (
                Layer::Bronze,
                "raw",
                "create table if not exists bronze.raw (x bigint)",
            ),
            (
                Layer::Gold,
                "a",
                "create or replace table gold.a as select x from bronze.raw",
            ),
        ])
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "sql/gold/a.sql reads bronze.raw (made by sql/bronze/raw.sql): \
             gold scripts may read gold, ml, silver and system only"
        );
    }

    #[test]
    fn a_table_from_nowhere_is_an_error() {
        let one = [(
            Layer::Gold,
            "a",
            "create or replace table gold.a as select x from silver.c",
        )];
        let error = graph(&one).unwrap_err().to_string();
        assert!(
            error.starts_with("sql/gold/a.sql reads silver.c, which no script"),
            "{error}"
        );
        assert!(Graph::new(scripts(&one).unwrap(), |_| true).is_ok());
    }

    #[test]
    fn a_table_that_is_made_from_itself_is_a_circle() {
        let error = graph(&[(
            Layer::Gold,
            "a",
            "create or replace table gold.a as select x from gold.a",
        )])
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the scripts go round in a circle: sql/gold/a.sql reads gold.a, which it makes"
        );
    }

    #[test]
    fn a_reader_of_the_registry_waits_for_all_models_and_needs_only_its_own() {
        let script = |name: &str| {
            format!("create or replace model {name} options (type = 'kmeans') as select 1.0 as x")
        };
        let (modes, mood) = (script("modes"), script("mood"));
        let reader = "create or replace table gold.a as \
                      select ml_predict('mood', 1.0) as x from ml.metrics";
        let made = graph(&[
            (Layer::Ml, "modes", &modes),
            (Layer::Ml, "mood", &mood),
            (Layer::Gold, "a", reader),
        ])
        .unwrap();
        assert_eq!(names(&made), ["ml.modes", "ml.mood", "gold.a"]);
        assert_eq!(made.nodes[2].upstream, BTreeSet::from([0, 1]));
        assert_eq!(made.nodes[2].needs, BTreeSet::from([1]));
    }

    #[test]
    fn a_table_may_read_itself_and_system() {
        let merge = "insert into silver.c select 1 as x from system.import_log \
                     left anti join silver.c on true";
        let made = graph(&[(Layer::Silver, "c", merge)]).unwrap();
        assert!(made.nodes[0].inputs.is_empty() && made.nodes[0].upstream.is_empty());
    }
}
