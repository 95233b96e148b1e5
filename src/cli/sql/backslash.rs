//! The commands of the shell: `\d`, `\timing` and so on, as psql has them.

use std::fmt::Write;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::output::RowFormat;
use crate::error::{Error, Result};

/// What each command is called, what follows it, and what it does.
const COMMANDS: [(&str, &str, &str); 17] = [
    (
        "\\d",
        "[NAME]",
        "tables and views, or the columns of one; * and ? stand for letters",
    ),
    ("\\dt", "[NAME]", "tables"),
    ("\\dv", "[NAME]", "views"),
    ("\\dn", "", "schemas"),
    ("\\df", "[NAME]", "functions, or the help of one"),
    ("\\dm", "", "models"),
    ("\\x", "[on|off]", "one line for each value"),
    ("\\timing", "[on|off]", "how long statements take"),
    ("\\pager", "[on|off]", "long results in $PAGER"),
    (
        "\\format",
        "[FORMAT]",
        "table, expanded, csv, json, ndjson, arrow or parquet",
    ),
    (
        "\\o",
        "[FILE]",
        "the next result goes into a file, in the format of its ending",
    ),
    ("\\i", "FILE", "run the statements of a file"),
    ("\\e", "", "edit the last statement in $EDITOR"),
    ("\\r", "", "forget the lines of an unfinished statement"),
    ("\\version", "", "the version of this program"),
    ("\\?", "", "this list"),
    ("\\q", "", "leave, as Ctrl-D does"),
];

/// What other shells call them.
const SYNONYMS: [(&str, &str); 17] = [
    ("quit", "\\q"),
    ("exit", "\\q"),
    ("help", "\\?"),
    ("\\quit", "\\q"),
    ("\\h", "\\?"),
    ("\\help", "\\?"),
    ("\\reset", "\\r"),
    (".quit", "\\q"),
    (".exit", "\\q"),
    (".help", "\\?"),
    (".tables", "\\d"),
    (".schema", "\\d"),
    (".read", "\\i"),
    (".once", "\\o"),
    (".output", "\\o"),
    (".timer", "\\timing"),
    (".mode", "\\format"),
];

/// A command, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Relations {
        kind: Option<&'static str>,
        pattern: Option<String>,
    },
    Schemas,
    Functions(Option<String>),
    Models,
    Expanded(Option<bool>),
    Timing(Option<bool>),
    Pager(Option<bool>),
    Format(Option<RowFormat>),
    Output(Option<PathBuf>),
    Include(PathBuf),
    Edit,
    Reset,
    Version,
    Help,
    Quit,
}

/// Reads a line that is a command.
pub(super) fn parse(line: &str) -> Result<Command> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (typed, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let argument = (!rest.is_empty()).then(|| rest.to_string());
    let name = typed.strip_suffix('+').unwrap_or(typed).to_lowercase();
    let synonym = SYNONYMS.iter().find(|(other, _)| *other == name);
    let name = synonym.map_or(name.as_str(), |(_, name)| name);
    let relations = |kind| Command::Relations {
        kind,
        pattern: argument.clone(),
    };
    Ok(match name {
        "\\d" => relations(None),
        "\\dt" => relations(Some("table")),
        "\\dv" => relations(Some("view")),
        "\\dn" => Command::Schemas,
        "\\df" => Command::Functions(argument),
        "\\dm" => Command::Models,
        "\\x" => Command::Expanded(switch(name, rest)?),
        "\\timing" => Command::Timing(switch(name, rest)?),
        "\\pager" => Command::Pager(switch(name, rest)?),
        "\\format" => Command::Format(argument.as_deref().map(format).transpose()?),
        "\\o" => Command::Output(argument.as_deref().map(path)),
        "\\i" => Command::Include(argument.as_deref().map(path).ok_or_else(|| {
            Error::Input(format!("{typed}: no file is named, expected {typed} FILE"))
        })?),
        "\\e" => Command::Edit,
        "\\r" => Command::Reset,
        "\\version" => Command::Version,
        "\\?" => Command::Help,
        "\\q" => Command::Quit,
        _ => {
            return Err(Error::Input(format!(
                "'{typed}' is no command of this shell, \\? lists them"
            )));
        }
    })
}

/// The names of the commands.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, ..)| *name)
}

/// The list of commands for people.
pub(super) fn help() -> String {
    let mut text = String::from("Statements end with a semicolon. Ctrl-C cancels what runs.\n\n");
    for (name, argument, meaning) in COMMANDS {
        let call = format!("{name} {argument}");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {call:<18}{meaning}");
    }
    text
}

/// On or off; without either the other of what it is now.
fn switch(name: &str, text: &str) -> Result<Option<bool>> {
    match text.to_lowercase().as_str() {
        "" => Ok(None),
        "on" | "true" | "1" => Ok(Some(true)),
        "off" | "false" | "0" => Ok(Some(false)),
        _ => Err(Error::Input(format!(
            "{name}: '{text}' is not known, expected on or off"
        ))),
    }
}

fn format(text: &str) -> Result<RowFormat> {
    RowFormat::from_str(text, true).map_err(|_| {
        let formats = RowFormat::value_variants().iter();
        let formats: Vec<String> = formats.map(|format| format.name()).collect();
        Error::Input(format!(
            "\\format: '{text}' is no format, expected one of {}",
            formats.join(", ")
        ))
    })
}

/// A path with or without quotes, `~` for the user's own folder.
fn path(text: &str) -> PathBuf {
    let quoted = ['\'', '"']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    let text = quoted.unwrap_or(text);
    match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_what_follows_them() {
        let relations = |kind, pattern: &str| Command::Relations {
            kind,
            pattern: (!pattern.is_empty()).then(|| pattern.to_string()),
        };
        for (line, expected) in [
            ("\\d", relations(None, "")),
            ("\\d+  gold.top_tracks ", relations(None, "gold.top_tracks")),
            ("\\dt silver.*;", relations(Some("table"), "silver.*")),
            (".schema plays", relations(None, "plays")),
            ("\\df pearson", Command::Functions(Some("pearson".into()))),
            ("\\timing", Command::Timing(None)),
            ("\\TIMING Off", Command::Timing(Some(false))),
            ("\\x on", Command::Expanded(Some(true))),
            ("\\format JSON", Command::Format(Some(RowFormat::Json))),
            (
                "\\o 'my rows.csv'",
                Command::Output(Some("my rows.csv".into())),
            ),
            ("\\o", Command::Output(None)),
            ("\\i a.sql", Command::Include("a.sql".into())),
            ("exit;", Command::Quit),
            ("\\?", Command::Help),
        ] {
            assert_eq!(parse(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_known_is_named_with_what_is() {
        for (line, fault) in [
            (
                "\\foo x",
                "'\\foo' is no command of this shell, \\? lists them",
            ),
            (
                "\\timing maybe",
                "\\timing: 'maybe' is not known, expected on or off",
            ),
            ("\\i", "\\i: no file is named, expected \\i FILE"),
            (
                "\\format xml",
                "\\format: 'xml' is no format, expected one of table, expanded,",
            ),
        ] {
            let message = parse(line).unwrap_err().to_string();
            assert!(message.starts_with(fault), "{line}: {message}");
        }
    }

    #[test]
    fn every_command_of_the_list_is_one() {
        for name in names() {
            let line = if name == "\\i" { "\\i x" } else { name };
            assert!(parse(line).is_ok(), "{name}");
        }
        for (_, name) in SYNONYMS {
            assert!(names().any(|known| known == name), "{name}");
        }
    }
}
