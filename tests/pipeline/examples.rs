//! The examples on the page of SQL functions run on what the shipped scripts build, and say what the page says.

use anyhow::{Result, ensure};

use super::program::rows;
use super::shipped::BUILT;

const PAGE: &str = include_str!("../../docs/functions.md");
/// Their examples name files that only a reader has.
const NAME_FILES: [&str; 2] = ["spotify_history(", "tracks_csv("];
/// The page has an example for each function but those of a session.
const LEAST_EXAMPLES: usize = 30;

/// The statements on the page, each with the rows below it.
fn examples() -> Vec<(String, Vec<&'static str>)> {
    let blocks = PAGE.split("```sql\n").skip(1);
    let texts = blocks.filter_map(|block| block.split("```").next());
    texts
        .map(|text| match text.strip_prefix("> ") {
            None => (text.trim().to_owned(), vec![]),
            Some(dialogue) => {
                let (statement, output) = dialogue.split_once(";\n").unwrap_or((dialogue, ""));
                (statement.to_owned(), output.lines().collect())
            }
        })
        .collect()
}

#[test]
fn every_example_of_a_function_runs() -> Result<()> {
    let examples = examples();
    ensure!(
        examples.len() > LEAST_EXAMPLES,
        "the page has {} examples",
        examples.len()
    );
    let lake = BUILT.path().join("lake");
    for (statement, expected) in examples {
        if NAME_FILES
            .iter()
            .any(|function| statement.contains(function))
        {
            continue;
        }
        let found = rows(&lake, statement.trim_end_matches(';'))?;
        let found: Vec<String> = found.iter().map(|row| row.join(" ")).collect();
        // What a model says depends on the lake it was trained in.
        let is_the_same_everywhere = !expected.is_empty() && !statement.contains("silver.");
        ensure!(
            !is_the_same_everywhere || found == expected,
            "{statement}\n  gives {found:?}, the page says {expected:?}"
        );
    }
    Ok(())
}
