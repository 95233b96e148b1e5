//! What can follow what is typed: keywords, names in the lake, commands of the shell.

use std::collections::BTreeSet;

use clap::ValueEnum;

use crate::cli::output::RowFormat;
use crate::lake::DEFAULT_SCHEMA;

use super::backslash;
use super::keywords::{KEYWORDS, is_keyword};
use super::names::Known;

/// After these stands a table.
const BEFORE_TABLE: [&str; 6] = ["from", "join", "into", "table", "view", "history"];
/// After these stands something else, whatever came before.
const BEFORE_OTHER: [&str; 16] = [
    "select", "where", "on", "and", "or", "by", "having", "set", "values", "using", "when", "then",
    "case", "limit", "as", "not",
];

/// What may replace the end of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidates {
    /// Where the end begins that is replaced.
    pub(super) start: usize,
    pub(super) texts: Vec<String>,
}

/// What can stand at the end of `text`, the part of a statement before the cursor; `whole` is all of it.
pub(super) fn candidates(known: &Known, text: &str, whole: &str) -> Candidates {
    let start = text
        .rfind(|character: char| !is_part(character) && character != '.')
        .map_or(0, |at| {
            at + text[at..].chars().next().map_or(1, char::len_utf8)
        });
    let (before, path) = text.split_at(start);
    let (qualifier, word) = match path.rsplit_once('.') {
        Some((qualifier, word)) => (Some(qualifier), word),
        None => (None, path),
    };
    let texts = match qualifier {
        Some(qualifier) => members(known, &qualifier.to_lowercase(), whole),
        None if is_before_table(before) => relations(known, word),
        None => anything(known, word, whole),
    };
    Candidates {
        start: text.len() - word.len(),
        texts: matching(texts, word, qualifier.is_none()),
    }
}

/// What can stand at the end of a line that is a command; none where a file is expected.
pub(super) fn command_candidates(known: &Known, line: &str) -> Option<Candidates> {
    let Some(end) = line.rfind(char::is_whitespace) else {
        let names = backslash::names().map(str::to_string).collect();
        return Some(Candidates {
            start: 0,
            texts: matching(names, line, false),
        });
    };
    let word = &line[end + 1..];
    let named = |texts: Vec<String>| Candidates {
        start: end + 1,
        texts: matching(texts, word, false),
    };
    Some(match line.split_whitespace().next().unwrap_or_default() {
        "\\i" | "\\o" => return None,
        "\\x" | "\\timing" | "\\pager" => named(vec!["on".into(), "off".into()]),
        "\\format" => named(
            RowFormat::value_variants()
                .iter()
                .map(|format| format.name())
                .collect(),
        ),
        "\\df" => named([&known.functions[..], &known.table_functions].concat()),
        _ => candidates(known, &format!("from {word}"), "").moved(line.len(), word.len() + 5),
    })
}

impl Candidates {
    /// For a text of `length` that ends with what was asked, whose length was `asked`.
    fn moved(self, length: usize, asked: usize) -> Self {
        Self {
            start: length + self.start - asked,
            ..self
        }
    }
}

fn is_part(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether a table is expected: right after such a word, or in a list that it begins.
fn is_before_table(before: &str) -> bool {
    let lower = before.to_lowercase();
    let words: Vec<&str> = words(&lower).collect();
    let of = |list: &[&str]| words.iter().rposition(|word| list.contains(word));
    let Some(table) = of(&BEFORE_TABLE) else {
        return false;
    };
    let is_next = table + 1 == words.len() || lower.trim_end().ends_with(',');
    is_next && of(&BEFORE_OTHER).is_none_or(|other| other < table)
}

/// Tables as they are written, schemas with the dot that follows, functions with their bracket.
fn relations(known: &Known, word: &str) -> Vec<String> {
    let mut texts: Vec<String> = known
        .schemas
        .iter()
        .map(|schema| format!("{}.", quoted(schema)))
        .collect();
    for (schema, table) in known.relations.keys() {
        if schema == DEFAULT_SCHEMA {
            texts.push(quoted(table));
        } else if !word.is_empty() && starts_with(table, word) {
            texts.push(format!("{}.{}", quoted(schema), quoted(table)));
        }
    }
    texts.extend(known.table_functions.iter().map(|name| format!("{name}(")));
    texts
}

/// What follows a dot: tables of a schema, columns of a table or of what is called so.
fn members(known: &Known, qualifier: &str, whole: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let called = called(known, whole);
    for ((schema, table), columns) in &known.relations {
        if schema == qualifier {
            texts.push(quoted(table));
        }
        let is_called = |(alias, of): &(String, &(String, String))| {
            alias == qualifier && of.0 == *schema && of.1 == *table
        };
        if format!("{schema}.{table}") == qualifier || called.iter().any(is_called) {
            texts.extend(columns.iter().map(|column| quoted(column)));
        }
    }
    texts
}

/// Columns of the tables that the statement names, functions and keywords.
fn anything(known: &Known, word: &str, whole: &str) -> Vec<String> {
    let called = called(known, whole);
    let mut texts: Vec<String> = Vec::new();
    for (relation, columns) in &known.relations {
        // Before it names any, all columns are possible; without a letter they are too many.
        let is_near = called.iter().any(|(_, of)| *of == relation);
        if is_near || (called.is_empty() && !word.is_empty()) {
            texts.extend(columns.iter().map(|column| quoted(column)));
        }
    }
    texts.extend(called.iter().map(|(alias, _)| alias.clone()));
    if !word.is_empty() {
        texts.extend(known.functions.iter().map(|name| format!("{name}(")));
        texts.extend(
            known
                .schemas
                .iter()
                .map(|schema| format!("{}.", quoted(schema))),
        );
    }
    let is_upper = word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase);
    let cased = |keyword: &&str| {
        if is_upper {
            keyword.to_uppercase()
        } else {
            (*keyword).to_string()
        }
    };
    texts.extend(KEYWORDS.iter().map(cased));
    texts
}

/// The tables that a statement names, each as its columns can be qualified.
fn called<'a>(known: &'a Known, whole: &str) -> Vec<(String, &'a (String, String))> {
    let lower = whole.to_lowercase();
    let words: Vec<&str> = words(&lower).collect();
    let mut called = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let (schema, table) = word.split_once('.').unwrap_or((DEFAULT_SCHEMA, word));
        let name = (schema.to_string(), table.to_string());
        let Some((relation, _)) = known.relations.get_key_value(&name) else {
            continue;
        };
        let follows = |ahead: usize| words.get(at + ahead).copied();
        let alias = match follows(1) {
            Some("as") => follows(2),
            Some(next) if !is_keyword(next) => Some(next),
            _ => None,
        };
        called.push((alias.unwrap_or(table).to_string(), relation));
    }
    called
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !is_part(character) && character != '.')
        .filter(|word| !word.is_empty())
}

/// A name as SQL takes it.
fn quoted(name: &str) -> String {
    let is_plain = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_'
    };
    if name.chars().all(is_plain) && !name.starts_with(|first: char| first.is_ascii_digit()) {
        return name.to_string();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn starts_with(text: &str, word: &str) -> bool {
    let text = text.trim_start_matches('"').to_lowercase();
    text.starts_with(&word.to_lowercase())
}

/// Those that begin with the word, each once; a table also by its own name.
fn matching(texts: Vec<String>, word: &str, is_path: bool) -> Vec<String> {
    let is_match = |text: &String| {
        let own = text.rsplit_once('.').map_or(text.as_str(), |(_, own)| own);
        starts_with(text, word) || (is_path && !own.is_empty() && starts_with(own, word))
    };
    let texts: BTreeSet<String> = texts.into_iter().filter(is_match).collect();
    texts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let relation = |schema: &str, table: &str, columns: &[&str]| {
            let columns = columns.iter().map(ToString::to_string).collect();
            ((schema.to_string(), table.to_string()), columns)
        };
        Known {
            schemas: vec!["gold".into(), "silver".into()],
            relations: [
                relation("gold", "top_tracks", &["track_id", "plays"]),
                relation("silver", "plays", &["user_id", "played_at", "Mixed"]),
                relation("silver", "tracks", &["track_id"]),
            ]
            .into(),
            functions: vec!["pearson".into(), "pi".into()],
            table_functions: vec!["recommend".into()],
        }
    }

    /// What `text` can become, the cursor at `|` or at its end.
    fn completed(text: &str) -> Vec<String> {
        let (before, after) = text.split_once('|').unwrap_or((text, ""));
        candidates(&known(), before, &format!("{before}{after}")).texts
    }

    #[test]
    fn after_from_stand_tables() {
        assert_eq!(
            completed("select 1 from "),
            ["gold.", "recommend(", "silver.", "top_tracks"]
        );
        assert_eq!(completed("select 1 from silver.p"), ["plays"]);
        assert_eq!(completed("select 1 from pl"), ["silver.plays"]);
        assert_eq!(completed("select 1 from silver.plays, to"), ["top_tracks"]);
        assert_eq!(completed("insert into top"), ["top_tracks"]);
    }

    #[test]
    fn elsewhere_stand_columns_of_the_tables_named_and_keywords() {
        assert_eq!(
            completed("select pla| from silver.plays"),
            ["played_at", "plays"]
        );
        assert_eq!(
            completed("select p.pl| from silver.plays as p"),
            ["played_at"]
        );
        assert_eq!(completed("select p.m| from silver.plays p"), ["\"Mixed\""]);
        assert_eq!(
            completed("select 1 from top_tracks where track_i"),
            ["track_id"]
        );
        assert_eq!(completed("select pear"), ["pearson("]);
        assert_eq!(completed("sel"), ["select"]);
        assert_eq!(completed("SEL"), ["SELECT"]);
        assert_eq!(
            completed("select 1 from x order b"),
            ["between", "bigint", "boolean", "by"]
        );
    }

    #[test]
    fn what_is_replaced_begins_after_the_last_dot() {
        let found = candidates(&known(), "select 1 from silver.p", "");
        assert_eq!(found.start, "select 1 from silver.".len());
        let found = candidates(&known(), "select 'ü', pear", "");
        assert_eq!(found.start, "select 'ü', ".len());
    }

    #[test]
    fn commands_are_completed_with_what_follows_them() {
        let of = |line: &str| command_candidates(&known(), line);
        assert_eq!(of("\\ti").unwrap().texts, ["\\timing"]);
        assert_eq!(of("\\timing o").unwrap().texts, ["off", "on"]);
        let found = of("\\d silver.t").unwrap();
        assert_eq!((found.start, found.texts), (10, vec!["tracks".to_string()]));
        assert_eq!(of("\\df pe").unwrap().texts, ["pearson"]);
        assert_eq!(of("\\i a"), None);
    }
}
