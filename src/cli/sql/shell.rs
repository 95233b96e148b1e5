//! The shell: what is typed runs, and whatever fails, it goes on.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::physical_plan::memory::MemoryStream;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::block_in_place;

use crate::cli::output::{self, RowFormat};
use crate::cli::progress::Progress;
use crate::cli::terminal::{fold, text_width};
use crate::client::Client;
use crate::engine::Outcome;
use crate::error::{Error, Result};
use crate::statement::{Typed, split};
use crate::wording::counted;

use super::backslash::{self, Command};
use super::describe::{self, Answer};
use super::destination::{Destination, show};
use super::editor::{Line, LineEditor};
use super::entry::{Entry, Lines};
use super::external_editor::edited;
use super::names::Names;
use super::place::{Place, at, pointed};
use super::read;
use super::settings::Settings;
use super::watch::{Watch, Watched, took};

/// Files that run files that run files: somewhere one of them runs itself.
const DEEPEST: usize = 16;

/// Talks with whoever sits at the terminal until they leave.
pub(super) async fn run(client: Client, format: RowFormat) -> Result<()> {
    let name = client.name();
    output::write(|out| {
        let version = env!("CARGO_PKG_VERSION");
        writeln!(
            out,
            "moodlake {version} on {name}; \\? for help, \\q to leave"
        )
    })?;
    // From now on Ctrl-C is for the shell, whether something runs or not.
    let _ = tokio::signal::ctrl_c().now_or_never();
    let names = Arc::new(Names::new(client.clone()));
    let mut editor = LineEditor::new(Arc::clone(&names))?;
    let mut shell = Shell {
        prompt: prompt(&name),
        client,
        names,
        progress: Progress::new(),
        settings: Settings::new(format),
        last: String::new(),
        initial: String::new(),
        depth: 0,
    };
    shell.converse(&mut editor).await
}

struct Shell {
    client: Client,
    prompt: String,
    names: Arc<Names>,
    progress: Progress,
    settings: Settings,
    /// The last statements, for `\e`.
    last: String,
    /// What the next line begins with.
    initial: String,
    /// How many files are being run, one from the other.
    depth: usize,
}

/// What to do after an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Continue,
    Failed,
    Cancelled,
    Quit,
}

/// A file that is being run.
struct RunFile<'a> {
    path: &'a Path,
    /// Statements of it so far.
    statements: usize,
}

/// What a statement did.
enum Ran {
    Rows,
    Changed(u64),
    Done,
}

impl Shell {
    async fn converse(&mut self, editor: &mut LineEditor) -> Result<()> {
        let mut lines = Lines::default();
        loop {
            let prompt = self.prompt_for(&lines);
            let initial = std::mem::take(&mut self.initial);
            let line = block_in_place(|| editor.read(&prompt, lines.pending(), &initial))?;
            let text = match line {
                Line::Text(text) => text,
                Line::Interrupted => {
                    lines.clear();
                    continue;
                }
                Line::End => return Ok(()),
            };
            // What is pasted or recalled has several lines.
            for line in text.split('\n') {
                let Some(entry) = lines.push(line) else {
                    continue;
                };
                editor.remember(entry.text());
                match self.enter(entry, None, &mut lines).await {
                    Next::Quit => return Ok(()),
                    Next::Cancelled => lines.clear(),
                    Next::Continue | Next::Failed => continue,
                }
                break;
            }
        }
    }

    /// The prompt, which says what goes on.
    fn prompt_for(&self, lines: &Lines) -> String {
        let width = self.prompt.chars().count();
        let mark = match lines.typed() {
            Typed::Whole => return format!("{}> ", self.prompt),
            Typed::InStatement => "-> ",
            Typed::InQuotes => "'> ",
            Typed::InComment => "*> ",
        };
        format!("{mark:>width$}", width = width + 2)
    }

    /// Does what an entry says; what goes wrong is told.
    async fn enter(
        &mut self,
        entry: Entry,
        file: Option<&mut RunFile<'_>>,
        lines: &mut Lines,
    ) -> Next {
        match entry {
            Entry::Statements { text, lines_before } => {
                self.run_statements(&text, lines_before, file).await
            }
            Entry::Command(line) => {
                let done = match backslash::parse(&line) {
                    Ok(Command::Reset) => {
                        lines.clear();
                        Ok(Next::Continue)
                    }
                    Ok(command) => self.obey(command).await,
                    Err(error) => Err(error),
                };
                done.unwrap_or_else(|error| {
                    self.complain(&at(error, file.map(|file| file.path), None));
                    Next::Failed
                })
            }
        }
    }

    async fn run_statements(
        &mut self,
        text: &str,
        lines_before: usize,
        file: Option<&mut RunFile<'_>>,
    ) -> Next {
        let path = file.as_ref().map(|file| file.path);
        let statements = match split(text) {
            Ok(statements) => statements,
            Err(error) => {
                self.complain(&at(error, path, None));
                return Next::Failed;
            }
        };
        let mut before = (0, 0);
        if let Some(file) = file {
            before = (lines_before, file.statements);
            file.statements += statements.len();
        } else {
            self.last = text.to_string();
        }
        for (index, statement) in statements.iter().enumerate() {
            let is_placed = path.is_some() || statements.len() > 1;
            let place =
                is_placed.then(|| Place::of(text, &statements[..=index]).after(before.0, before.1));
            match self.run_statement(statement).await {
                Ok(Next::Continue) => {}
                Ok(next) => return next,
                Err(error) => {
                    let mark = pointed(statement, &error.to_string());
                    self.complain(&at(error, path, place.as_ref()));
                    if let Some(mark) = mark {
                        self.progress.note(&mark);
                    }
                    return Next::Failed;
                }
            }
        }
        Next::Continue
    }

    async fn run_statement(&mut self, statement: &str) -> Result<Next> {
        let destination = self.settings.destination()?;
        let file = destination.file.clone();
        let watch = Watch::new(self.progress);
        let (client, text, watching) = (self.client.clone(), statement.to_string(), watch.clone());
        let work = async move {
            match watching.meter.waiting_for(client.run(&text)).await? {
                Outcome::Rows(rows) => destination.write(rows, &watching).await.map(|()| Ran::Rows),
                Outcome::Changed(count) => Ok(Ran::Changed(count)),
                Outcome::Done => Ok(Ran::Done),
            }
        };
        let rows = || counted(watch.meter.rows(), "row");
        let told = match watch.over(work).await {
            Ok(Watched::Finished(Ran::Rows)) => {
                self.settings.next_file = None;
                file.map_or_else(rows, |file| format!("{} in {}", rows(), file.display()))
            }
            Ok(Watched::Finished(ran)) => {
                self.names.forget();
                match ran {
                    Ran::Changed(count) => format!("{} changed", counted(count, "row")),
                    _ => "done".to_string(),
                }
            }
            Ok(Watched::Cancelled) => {
                self.progress.note("cancelled");
                return Ok(Next::Cancelled);
            }
            // Whoever left the pager has seen enough.
            Err(Error::Io { source, .. }) if is_closed(&source) => format!("first {}", rows()),
            Err(error) => return Err(error),
        };
        let time = self
            .settings
            .is_timed
            .then(|| format!(", {}", took(watch.elapsed())));
        self.progress
            .note(&format!("({told}{})", time.unwrap_or_default()));
        Ok(Next::Continue)
    }

    async fn obey(&mut self, command: Command) -> Result<Next> {
        let client = self.client.clone();
        match command {
            Command::Relations { kind, pattern } => {
                let answer =
                    async move { describe::relations(&client, kind, pattern.as_deref()).await };
                return self.show(answer.boxed()).await;
            }
            Command::Schemas => {
                return self
                    .show(async move { describe::schemas(&client).await }.boxed())
                    .await;
            }
            Command::Models => {
                return self
                    .show(async move { describe::models(&client).await }.boxed())
                    .await;
            }
            Command::Functions(pattern) => {
                let answer = async move { describe::functions(&client, pattern.as_deref()).await };
                return self.show(answer.boxed()).await;
            }
            Command::Include(path) => return self.include(path).await,
            Command::Edit => self.initial = block_in_place(|| edited(&self.last))?,
            Command::Help => print(&backslash::help())?,
            Command::Version => print(concat!("moodlake ", env!("CARGO_PKG_VERSION")))?,
            Command::Quit => return Ok(Next::Quit),
            Command::Reset => {}
            setting => self.progress.note(&self.settings.change(setting)?),
        }
        Ok(Next::Continue)
    }

    /// Prints what the lake answers.
    async fn show(&mut self, answer: BoxFuture<'static, Result<Answer>>) -> Result<Next> {
        let watch = Watch::new(self.progress);
        let Watched::Finished(answer) = watch.over(answer).await? else {
            self.progress.note("cancelled");
            return Ok(Next::Cancelled);
        };
        if !answer.before.is_empty() {
            let text = fold(&answer.before, text_width()).join("\n");
            show(&text, &watch, self.settings.for_people().pager)?;
        }
        if let Some(batch) = answer.rows {
            let rows = MemoryStream::try_new(vec![batch.clone()], batch.schema(), None)?;
            let destination = Destination {
                file: None,
                ..self.settings.for_people()
            };
            let watching = watch.clone();
            let written = async move { destination.write(Box::pin(rows), &watching).await };
            match watch.over(written).await {
                Err(Error::Io { source, .. }) if is_closed(&source) => {}
                written => {
                    written?;
                }
            }
        }
        if !answer.after.is_empty() {
            print(answer.after.trim_end())?;
        }
        Ok(Next::Continue)
    }

    /// Runs a file's statements and commands, to the first that fails.
    fn include(&mut self, path: PathBuf) -> BoxFuture<'_, Result<Next>> {
        async move {
            if self.depth == DEEPEST {
                return Err(Error::Input(format!(
                    "{}: more than {DEEPEST} files run one another, is it one that runs itself?",
                    path.display()
                )));
            }
            let text = read(&path)?;
            self.depth += 1;
            let next = self.include_lines(&text, &path).await;
            self.depth -= 1;
            Ok(next)
        }
        .boxed()
    }

    async fn include_lines(&mut self, text: &str, path: &Path) -> Next {
        let mut file = RunFile {
            path,
            statements: 0,
        };
        let mut lines = Lines::default();
        for line in text.lines() {
            if let Some(entry) = lines.push(line) {
                match self.enter(entry, Some(&mut file), &mut lines).await {
                    Next::Continue => {}
                    next => return next,
                }
            }
        }
        match lines.rest() {
            Some(entry) => self.enter(entry, Some(&mut file), &mut lines).await,
            None => Next::Continue,
        }
    }

    /// Tells what went wrong, on a line of its own.
    fn complain(&self, error: &Error) {
        self.progress.note(&format!("error: {error}"));
    }
}

fn print(text: &str) -> Result<()> {
    output::write(|out| writeln!(out, "{}", text.trim_end()))
}

/// The lake's folder or the server's address, as short as it tells them apart.
fn prompt(name: &str) -> String {
    let short = match name.split_once("://") {
        Some((_, address)) => address.trim_end_matches('/'),
        None => Path::new(name)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or(name),
    };
    short.to_string()
}

fn is_closed(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_short() {
        assert_eq!(prompt("/home/ada/lake"), "lake");
        assert_eq!(prompt("grpc://127.0.0.1:50051"), "127.0.0.1:50051");
        assert_eq!(prompt("/"), "/");
    }
}
