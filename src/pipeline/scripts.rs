//! The scripts of the pipeline: one SQL file for one table or model, with its checks beside it.
//!
//! `<layer>/<table>.sql` makes `<layer>.<table>`, `models/<model>.sql` trains `ml.<model>`, and
//! `<table>.check.sql` returns the rows that are wrong. Nothing here runs SQL.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use crate::error::{Error, Result};
use crate::lake::TableName;
use crate::statement::{References, references, split};

use super::layer::Layer;

/// The scripts that the binary carries.
static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sql");

/// What a failing check does to the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Fails the build; what depends on the table does not run.
    Error,
    /// Is reported only.
    Warn,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
        })
    }
}

/// One statement of a script and what it touches.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// The text as it is sent.
    pub(crate) text: String,
    /// The tables that it reads and writes.
    pub(crate) references: References,
}

/// One check: a query whose rows are the wrong ones.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    /// `layer.table`, with `#2` and so on for further statements of the file.
    pub(crate) name: String,
    /// The file that it stands in.
    pub(crate) file: String,
    /// Its comment, which says what wrong rows are.
    pub(crate) meaning: Option<String>,
    /// What its failing does.
    pub(crate) severity: Severity,
    /// The query.
    pub(crate) statement: String,
}

/// One script: how one table or model is made.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// The table or model that it makes.
    pub(crate) target: TableName,
    /// The layer that it belongs to.
    pub(crate) layer: Layer,
    /// The file, as messages name it.
    pub(crate) file: String,
    /// Its statements in order; at least one writes the target, none writes anything else.
    pub(crate) statements: Vec<Statement>,
    /// For a model: the share by which its input must grow before it is trained again.
    pub(crate) retrain: Option<f64>,
    /// The checks of its table.
    pub(crate) checks: Vec<Check>,
}

impl Script {
    /// The statement whose text the lake records as the maker of the table: the last that writes.
    pub(crate) fn maker(&self) -> Option<&Statement> {
        self.statements
            .iter()
            .rfind(|statement| statement.references.writes.is_some())
    }

    /// Whether the script only makes an empty table where there is none.
    pub(crate) fn creates_if_missing(&self) -> bool {
        let mut writers = self
            .statements
            .iter()
            .filter(|statement| statement.references.writes.is_some());
        writers.all(|statement| statement.references.creates_if_missing)
    }
}

/// A file of the pipeline before it is parsed.
struct Source {
    layer: Layer,
    name: String,
    file: String,
    text: String,
}

/// The scripts in `directory`, or those that the binary carries, in the order of layer and name.
///
/// # Errors
/// A folder or file that cannot be read, a script that does not parse, one that writes another
/// table than its name says, or checks without a script.
pub(crate) fn load(directory: Option<&Path>) -> Result<Vec<Script>> {
    let sources = match directory {
        Some(directory) => from_folder(directory)?,
        None => from_binary()?,
    };
    parse(sources)
}

fn from_folder(directory: &Path) -> Result<Vec<Source>> {
    if !directory.is_dir() {
        return Err(Error::NotFound(format!(
            "{}: no such folder; give a folder with bronze, silver, models and gold in it",
            directory.display()
        )));
    }
    let mut sources = Vec::new();
    for path in script_files(directory)? {
        let Some(name) = script_name(&path) else {
            continue;
        };
        let layer = layer_of(directory, &path)?;
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        sources.push(Source {
            layer,
            name,
            file: path.display().to_string(),
            text,
        });
    }
    if sources.is_empty() {
        return Err(Error::NotFound(format!(
            "{}: no scripts in it, expected files such as silver/plays.sql",
            directory.display()
        )));
    }
    Ok(sources)
}

/// Every file below `folder`, but for hidden folders.
fn script_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        let name = path.file_name().unwrap_or_default();
        if !path.is_dir() {
            files.push(path);
        } else if !name.as_encoded_bytes().starts_with(b".") {
            files.extend(script_files(&path)?);
        }
    }
    Ok(files)
}

/// The layer in whose folder a script lies, which is right below `directory`.
fn layer_of(directory: &Path, path: &Path) -> Result<Layer> {
    let folder = path.parent().unwrap_or(directory);
    let is_layers = |layer: &Layer| directory.join(layer.folder()) == folder;
    Layer::ALL.into_iter().find(is_layers).ok_or_else(|| {
        let place = if folder == directory { path } else { folder };
        Error::Input(format!(
            "{}: no such layer, expected bronze, silver, models, gold or system",
            place.display()
        ))
    })
}

fn from_binary() -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for layer in Layer::ALL {
        let Some(folder) = EMBEDDED.get_dir(layer.folder()) else {
            continue;
        };
        for file in folder.files() {
            let Some(name) = script_name(file.path()) else {
                continue;
            };
            let text = file.contents_utf8().ok_or_else(|| {
                Error::Internal(format!("{} is not UTF-8", file.path().display()))
            })?;
            let file = format!("sql/{}", file.path().display());
            sources.push(Source {
                layer,
                name,
                file,
                text: text.to_string(),
            });
        }
    }
    Ok(sources)
}

/// `plays` for `plays.sql`, `plays.check` for `plays.check.sql`, nothing for other files.
fn script_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".sql")?;
    (!name.starts_with('.')).then(|| name.to_string())
}

fn parse(mut sources: Vec<Source>) -> Result<Vec<Script>> {
    sources.sort_by(|a, b| (a.layer, &a.name).cmp(&(b.layer, &b.name)));
    let mut checks = BTreeMap::new();
    let mut scripts = Vec::new();
    for source in sources {
        match source.name.strip_suffix(".check") {
            Some(table) => {
                let target = target_of(source.layer, table);
                checks.insert(target.clone(), parse_checks(&target, &source)?);
            }
            None => scripts.push(parse_script(&source)?),
        }
    }
    for script in &mut scripts {
        script.checks = checks.remove(&script.target).unwrap_or_default();
    }
    match checks.into_values().flatten().next() {
        Some(check) => Err(Error::Input(format!(
            "{}: checks a table that no script makes; put the table's script beside it",
            check.file
        ))),
        None => Ok(scripts),
    }
}

fn target_of(layer: Layer, name: &str) -> TableName {
    TableName {
        schema: layer.schema().to_string(),
        table: name.to_string(),
    }
}

fn parse_script(source: &Source) -> Result<Script> {
    let target = target_of(source.layer, &source.name);
    let file = &source.file;
    let mut statements = Vec::new();
    for text in split(&source.text).map_err(|error| in_file(file, &error))? {
        let references = references(&text).map_err(|error| in_file(file, &error))?;
        if let Some(other) = references
            .writes
            .as_ref()
            .filter(|written| **written != target)
        {
            return Err(Error::Input(format!(
                "{file} writes {other}, but its name says that it makes {target}; \
                 put each table into a file of its own"
            )));
        }
        statements.push(Statement {
            text: text.trim().to_string(),
            references,
        });
    }
    if statements
        .iter()
        .all(|statement| statement.references.writes.is_none())
    {
        return Err(Error::Input(format!(
            "{file}: no statement in it makes {target}"
        )));
    }
    let retrain = header(&source.text, "retrain")
        .map(|value| share(file, value))
        .transpose()?;
    Ok(Script {
        target,
        layer: source.layer,
        file: file.clone(),
        statements,
        retrain,
        checks: Vec::new(),
    })
}

fn parse_checks(target: &TableName, source: &Source) -> Result<Vec<Check>> {
    let file = &source.file;
    let statements = split(&source.text).map_err(|error| in_file(file, &error))?;
    let mut checks = Vec::with_capacity(statements.len());
    for (index, statement) in statements.into_iter().enumerate() {
        let touched = references(&statement).map_err(|error| in_file(file, &error))?;
        if let Some(written) = touched.writes {
            return Err(Error::Input(format!(
                "{file}: a check only reads, this writes {written}"
            )));
        }
        checks.push(Check {
            name: if index == 0 {
                target.to_string()
            } else {
                format!("{target}#{}", index + 1)
            },
            file: file.clone(),
            meaning: comment(&statement),
            severity: severity(file, &statement)?,
            statement: statement.trim().to_string(),
        });
    }
    Ok(checks)
}

fn severity(file: &str, statement: &str) -> Result<Severity> {
    match header(statement, "severity") {
        None | Some("error") => Ok(Severity::Error),
        Some("warn") => Ok(Severity::Warn),
        Some(other) => Err(Error::Input(format!(
            "{file}: unknown severity '{other}', expected 'error' or 'warn'"
        ))),
    }
}

/// The value of a comment line `-- name: value`.
fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.trim().strip_prefix("--")?.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

/// The comment above a statement, without its headers and its final full stop, on one line.
fn comment(statement: &str) -> Option<String> {
    let above = statement.lines().map(str::trim);
    let above = above.map_while(|line| line.strip_prefix("--").map(str::trim));
    let lines: Vec<&str> = above
        .filter(|line| !line.starts_with("severity:"))
        .collect();
    let text = lines.join(" ");
    let text = text.trim_end_matches('.');
    (!text.is_empty()).then(|| text.to_string())
}

fn share(file: &str, value: &str) -> Result<f64> {
    value
        .strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok())
        .filter(|percent| percent.is_finite() && *percent >= 0.0)
        .map(|percent| percent / 100.0)
        .ok_or_else(|| {
            Error::Input(format!(
                "{file}: retrain: {value} is not a percentage such as 20%"
            ))
        })
}

fn in_file(file: &str, error: &Error) -> Error {
    Error::Input(format!("{file}: {error}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Scripts from `(layer, name, text)`, as if they stood in `sql/`.
    pub(crate) fn scripts(files: &[(Layer, &str, &str)]) -> Result<Vec<Script>> {
        let sources = files.iter().map(|(layer, name, text)| Source {
            layer: *layer,
            name: (*name).to_string(),
            file: format!("sql/{}/{name}.sql", layer.folder()),
            text: (*text).to_string(),
        });
        parse(sources.collect())
    }

    #[test]
    fn a_script_that_writes_another_table_is_refused_by_name() {
        let error = scripts(&[(
            Layer::Gold,
            "a",
            "create or replace table gold.b as select 1 as x",
        )])
        .unwrap_err()
        .to_string();
        assert!(
            error.starts_with("sql/gold/a.sql writes gold.b, but"),
            "{error}"
        );
    }

    #[test]
    fn checks_carry_their_severity_and_join_their_table() {
        let table = "create or replace table gold.a as select 1 as x";
        let check = "select * from gold.a where x > 1;\n-- severity: warn\nselect * from gold.a";
        let made = scripts(&[(Layer::Gold, "a", table), (Layer::Gold, "a.check", check)]).unwrap();
        let checks: Vec<_> = made[0]
            .checks
            .iter()
            .map(|c| (c.name.as_str(), c.severity))
            .collect();
        assert_eq!(
            checks,
            [("gold.a", Severity::Error), ("gold.a#2", Severity::Warn)]
        );
    }

    #[test]
    fn a_check_means_what_its_comment_says() {
        let text =
            "-- severity: warn\n-- Tracks without a title: nobody\n-- can be shown them.\nselect 1";
        assert_eq!(
            comment(text).unwrap(),
            "Tracks without a title: nobody can be shown them"
        );
        assert_eq!(comment("select 1 -- one"), None);
    }

    #[test]
    fn a_script_outside_the_layers_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (misplaced, named) in [("a.sql", "a.sql"), ("glod/a.sql", "glod")] {
            let path = folder.path().join(misplaced);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "select 1").unwrap();
            let error = load(Some(folder.path())).unwrap_err().to_string();
            let expected = format!("{named}: no such layer, expected bronze, silver,");
            assert!(error.contains(&expected), "{error}");
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn checks_without_a_script_are_refused() {
        let error = scripts(&[(Layer::Gold, "a.check", "select 1")])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("sql/gold/a.check.sql: checks a table"),
            "{error}"
        );
    }

    #[test]
    fn a_retrain_header_is_a_percentage() {
        assert!((share("f", "20%").unwrap() - 0.2).abs() < 1e-12);
        assert!(
            share("f", "often")
                .unwrap_err()
                .to_string()
                .contains("retrain: often")
        );
    }
}
