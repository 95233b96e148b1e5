//! The line that is typed: editing, history, completion, colours.

use std::borrow::Cow;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Context, Editor, Helper, Hinter, Validator};

use crate::error::{Error, Result};
use crate::statement::{Typed, typed};

use super::completion::{Candidates, candidates, command_candidates};
use super::highlight;
use super::names::Names;

/// What a history holds at most; older entries are forgotten.
const HISTORY_ENTRIES: usize = 10_000;
/// More candidates are shown only if they are asked for.
const CANDIDATES_SHOWN: usize = 200;

/// What came of a prompt.
pub(super) enum Line {
    Text(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D on an empty line.
    End,
}

/// Reads lines from the terminal.
pub(super) struct LineEditor {
    editor: Editor<Assistant, FileHistory>,
    history: Option<PathBuf>,
}

impl LineEditor {
    /// An editor with the history of earlier shells, as far as it can be read.
    pub(super) fn new(names: Arc<Names>) -> Result<Self> {
        let config = Config::builder()
            .max_history_size(HISTORY_ENTRIES)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(terminal_error)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_prompt_limit(CANDIDATES_SHOWN)
            .build();
        let mut editor = Editor::with_config(config).map_err(terminal_error)?;
        editor.set_helper(Some(Assistant {
            names,
            files: FilenameCompleter::new(),
            pending: String::new(),
        }));
        let history = history_file();
        if let Some(path) = &history {
            // The first shell has none.
            let _ = editor.load_history(path);
        }
        Ok(Self { editor, history })
    }

    /// Asks for a line that goes on after `pending` and is at first `initial`.
    pub(super) fn read(&mut self, prompt: &str, pending: &str, initial: &str) -> Result<Line> {
        if let Some(assistant) = self.editor.helper_mut() {
            assistant.pending = pending.to_string();
        }
        let prompt = (prompt.to_string(), highlight::prompt(prompt));
        match self.editor.readline_with_initial(&prompt, (initial, "")) {
            Ok(text) => Ok(Line::Text(text)),
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => Ok(Line::Interrupted),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(terminal_error(error)),
        }
    }

    /// Keeps an entry for this shell and the next; not being able to must not stop anybody.
    pub(super) fn remember(&mut self, entry: &str) {
        let is_new = self.editor.add_history_entry(entry).unwrap_or_default();
        let Some(path) = self.history.as_ref().filter(|_| is_new) else {
            return;
        };
        let kept = path.parent().map_or(Ok(()), fs::create_dir_all);
        if let Err(error) = kept
            .map_err(ReadlineError::from)
            .and_then(|()| self.editor.append_history(path))
        {
            tracing::debug!(path = %path.display(), "the history is not kept: {error}");
        }
    }
}

fn terminal_error(error: ReadlineError) -> Error {
    match error {
        ReadlineError::Io(source) => Error::io("terminal")(source),
        other => Error::Internal(format!("terminal: {other}")),
    }
}

/// In the user's folder for state, as the XDG Base Directory Specification has it.
fn history_file() -> Option<PathBuf> {
    state_folder(env::var_os("XDG_STATE_HOME"), env::var_os("HOME"))
        .map(|folder| folder.join("moodlake").join("history"))
}

fn state_folder(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    state.map(PathBuf::from).and_then(absolute).or_else(|| {
        let home = home.map(PathBuf::from).and_then(absolute)?;
        Some(home.join(".local/state"))
    })
}

/// Helps whoever types.
#[derive(Helper, Hinter, Validator)]
struct Assistant {
    names: Arc<Names>,
    files: FilenameCompleter,
    /// The lines of the statement above this one.
    pending: String,
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..cursor];
        if before.starts_with('\\') {
            let known = self.names.known();
            return match command_candidates(&known, before) {
                Some(found) => Ok(pairs(found)),
                None => self.files.complete_path(line, cursor),
            };
        }
        let text = format!("{}\n{before}", self.pending);
        if matches!(typed(&text), Typed::InQuotes | Typed::InComment) {
            return Ok((cursor, Vec::new()));
        }
        let whole = format!("{}\n{line}", self.pending);
        let known = self.names.known();
        let mut found = candidates(&known, &text, &whole);
        found.start -= text.len() - before.len();
        Ok(pairs(found))
    }
}

fn pairs(found: Candidates) -> (usize, Vec<Pair>) {
    let pair = |text: String| Pair {
        display: text.clone(),
        replacement: text,
    };
    (found.start, found.texts.into_iter().map(pair).collect())
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        let is_within = matches!(typed(&self.pending), Typed::InQuotes | Typed::InComment);
        if is_within || line.starts_with('\\') {
            return Cow::Borrowed(line);
        }
        highlight::sql(line).map_or(Cow::Borrowed(line), Cow::Owned)
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_in_the_folder_for_state() {
        let folder = |state: &str, home: &str| {
            let given = |text: &str| (!text.is_empty()).then(|| OsString::from(text));
            state_folder(given(state), given(home))
        };
        assert_eq!(folder("/s", "/h"), Some("/s".into()));
        assert_eq!(folder("", "/h"), Some("/h/.local/state".into()));
        assert_eq!(folder("relative", "/h"), Some("/h/.local/state".into()));
        assert_eq!(folder("", ""), None);
    }
}
