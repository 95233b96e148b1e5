//! `docs/functions.md` is written by this test from the functions' own documentation, and fails when it is out of date.
//!
//! `MOODLAKE_DOCS_UPDATE=1 cargo test --release --workspace --test docs` writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::logical_expr::Documentation;
use moodlake_udfs::{
    ModelSource, RelationDocumentation, aggregate_functions, relation_documentations,
    scalar_functions, table_functions,
};

const PAGE: &str = "docs/functions.md";
/// The first lines of these files document the functions in `FROM`, which carry no documentation of their own.
const RELATION_FUNCTION_FILES: [&str; 4] = [
    "udfs/src/recommend.rs",
    "udfs/src/shap_explain.rs",
    "src/sources/spotify_history.rs",
    "src/sources/tracks_csv.rs",
];
const HEADER: &str = "\
# SQL functions

Written by `tests/docs.rs` from the functions' own documentation: change it there. These come on top of DataFusion's; in a session,
`select routine_name, description from information_schema.routines` lists both. Arguments can be named: `confidence => 0.99`.
";

#[test]
fn the_page_of_functions_is_up_to_date() {
    let page = render().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os("MOODLAKE_DOCS_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = page
        .lines()
        .zip(committed.lines().chain(std::iter::repeat("")))
        .find(|(expected, found)| expected != found);
    assert!(
        page == committed,
        "{PAGE} is out of date, first at {difference:?}; \
         run MOODLAKE_DOCS_UPDATE=1 cargo test --release --workspace --test docs"
    );
}

#[test]
fn every_function_in_from_is_documented() {
    let page = render().unwrap();
    for (name, _) in table_functions(&Arc::new(ModelSource::new())) {
        assert!(
            page.contains(&format!("`{name}(")),
            "{name} is not in {PAGE}"
        );
    }
}

fn render() -> Result<String> {
    let mut page = HEADER.to_owned();
    for (section, entries) in documented_functions() {
        writeln!(page, "\n## {section}")?;
        for (name, documentation) in entries {
            page.push_str(&entry(&name, &documentation)?);
        }
    }
    page.push_str("\n## Functions in FROM\n");
    for (name, text) in relation_functions()? {
        write!(page, "\n### {name}\n\n{text}")?;
    }
    Ok(page)
}

/// The functions in `FROM` by name: a file's first lines, or the documentation beside how the function is called.
fn relation_functions() -> Result<BTreeMap<String, String>> {
    let mut functions = BTreeMap::new();
    for file in RELATION_FUNCTION_FILES {
        let name = Path::new(file).file_stem().context(file)?.display();
        functions.insert(name.to_string(), module_documentation(file)?);
    }
    for documentation in relation_documentations() {
        functions.insert(
            documentation.function.to_owned(),
            relation_entry(&documentation)?,
        );
    }
    Ok(functions)
}

fn relation_entry(documentation: &RelationDocumentation) -> Result<String> {
    let mut text = format!(
        "`{}`\n\n{}\n\n",
        documentation.syntax, documentation.description
    );
    for (argument, meaning) in documentation.arguments {
        writeln!(text, "* `{argument}`: {meaning}")?;
    }
    writeln!(text, "\nColumns:\n")?;
    for (column, meaning) in documentation.columns {
        writeln!(text, "* `{column}`: {meaning}")?;
    }
    write!(
        text,
        "\n{}\n\n```sql\n{}\n```\n",
        documentation.nulls, documentation.example
    )?;
    Ok(text)
}

/// Scalar and aggregate functions by section and name.
fn documented_functions() -> BTreeMap<String, BTreeMap<String, Documentation>> {
    let models = Arc::new(ModelSource::new());
    let mut sections: BTreeMap<String, BTreeMap<String, Documentation>> = BTreeMap::new();
    let mut add = |name: &str, documentation: Option<&Documentation>| {
        let documentation = documentation.unwrap_or_else(|| panic!("{name} is not documented"));
        sections
            .entry(documentation.doc_section.label.to_owned())
            .or_default()
            .insert(name.to_owned(), documentation.clone());
    };
    for function in scalar_functions(&models) {
        add(function.name(), function.documentation());
    }
    for function in moodlake::access::functions(&moodlake::access::Caller::owner()) {
        add(function.name(), function.documentation());
    }
    for function in aggregate_functions(&models) {
        add(function.name(), function.documentation());
    }
    sections
}

/// One function: how it is called, what it does, its arguments, an example.
fn entry(name: &str, documentation: &Documentation) -> Result<String> {
    let mut text = format!("\n### {name}\n\n`{}`", documentation.syntax_example);
    for alternative in documentation.alternative_syntax.iter().flatten() {
        write!(text, " or `{alternative}`")?;
    }
    writeln!(text, "\n\n{}", documentation.description.trim())?;
    for (position, (argument, description)) in documentation.arguments.iter().flatten().enumerate()
    {
        let before = if position == 0 { "\n" } else { "" };
        writeln!(text, "{before}* `{argument}`: {}", description.trim())?;
    }
    if let Some(example) = &documentation.sql_example {
        writeln!(text, "\n{}", example.trim())?;
    }
    Ok(text)
}

/// The `//!` lines at the head of a file, links to code as plain code.
fn module_documentation(file: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let source = std::fs::read_to_string(path).with_context(|| file.to_owned())?;
    let mut text = String::new();
    for line in source.lines().map_while(|line| line.strip_prefix("//!")) {
        let line = line.strip_prefix(' ').unwrap_or(line);
        writeln!(text, "{}", line.replace("[`", "`").replace("`]", "`"))?;
    }
    Ok(text)
}
