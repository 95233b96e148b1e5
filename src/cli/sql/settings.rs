//! What the commands of the shell change: formats, the next result's file, timing, the pager.

use std::env;
use std::path::PathBuf;

use crate::cli::output::RowFormat;
use crate::error::{Error, Result};

use super::backslash::Command;
use super::destination::{Destination, unknown_ending};

/// Where $PAGER is not set.
const USUAL_PAGER: &str = "command -v less >/dev/null && exec less -RS || exec more";

/// How results are shown.
#[derive(Debug)]
pub(super) struct Settings {
    format: RowFormat,
    is_paged: bool,
    pub(super) is_timed: bool,
    /// Where the next rows go, and then no more.
    pub(super) next_file: Option<PathBuf>,
}

impl Settings {
    pub(super) fn new(format: RowFormat) -> Self {
        Self {
            format,
            is_paged: true,
            is_timed: true,
            next_file: None,
        }
    }

    /// Where the rows of the next statement go.
    pub(super) fn destination(&self) -> Result<Destination> {
        let Some(path) = &self.next_file else {
            return if self.format.is_text() {
                Ok(self.on_screen(self.format))
            } else {
                Err(Error::Input(format!(
                    "{} is no text for a terminal: \\o FILE names a file for the next result, \\format table shows it here",
                    self.format.name()
                )))
            };
        };
        let format = RowFormat::of_file(path).unwrap_or(self.format);
        Ok(Destination {
            format,
            file: Some(path.clone()),
            pager: None,
        })
    }

    /// For what is only there to be read.
    pub(super) fn for_people(&self) -> Destination {
        match self.format {
            RowFormat::Expanded => self.on_screen(RowFormat::Expanded),
            _ => self.on_screen(RowFormat::Table),
        }
    }

    /// Does what a command says, and tells what holds now.
    pub(super) fn change(&mut self, command: Command) -> Result<String> {
        let on = |is_on: bool| if is_on { "on" } else { "off" };
        Ok(match command {
            Command::Expanded(wanted) => {
                let is_on = wanted.unwrap_or(self.format != RowFormat::Expanded);
                self.format = if is_on {
                    RowFormat::Expanded
                } else {
                    RowFormat::Table
                };
                format!("one line for each value: {}", on(is_on))
            }
            Command::Timing(wanted) => {
                self.is_timed = wanted.unwrap_or(!self.is_timed);
                format!("timing: {}", on(self.is_timed))
            }
            Command::Pager(wanted) => {
                self.is_paged = wanted.unwrap_or(!self.is_paged);
                format!("pager: {}", on(self.is_paged))
            }
            Command::Format(wanted) => {
                self.format = wanted.unwrap_or(self.format);
                format!("format: {}", self.format.name())
            }
            Command::Output(Some(path)) => {
                if RowFormat::of_file(&path).is_none() && self.format == RowFormat::Table {
                    return Err(Error::Input(unknown_ending(&path, "\\format first")));
                }
                let told = format!("the next result goes to {}", path.display());
                self.next_file = Some(path);
                told
            }
            Command::Output(None) => {
                self.next_file = None;
                "results go to the screen".into()
            }
            other => return Err(Error::Internal(format!("{other:?} is no setting"))),
        })
    }

    fn on_screen(&self, format: RowFormat) -> Destination {
        Destination {
            format,
            file: None,
            pager: self.is_paged.then(pager).flatten(),
        }
    }
}

/// $PAGER; none where it is set to nothing.
fn pager() -> Option<String> {
    match env::var("PAGER") {
        Ok(pager) => (!pager.trim().is_empty()).then_some(pager),
        Err(_) => Some(USUAL_PAGER.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(commands: &[Command]) -> (Settings, Vec<String>) {
        let mut settings = Settings::new(RowFormat::Table);
        let told = commands.iter().cloned();
        let told = told
            .map(|command| settings.change(command).unwrap())
            .collect();
        (settings, told)
    }

    #[test]
    fn a_switch_without_a_word_turns_over() {
        let (settings, told) = changed(&[
            Command::Timing(None),
            Command::Timing(Some(false)),
            Command::Expanded(None),
            Command::Expanded(None),
        ]);
        assert!(!settings.is_timed && settings.format == RowFormat::Table);
        assert_eq!(told[0], "timing: off");
        assert_eq!(told[2], "one line for each value: on");
    }

    #[test]
    fn the_next_file_has_the_format_of_its_ending() {
        let output = |path: &str| Command::Output(Some(path.into()));
        let format = |format| Command::Format(Some(format));
        let (settings, _) = changed(&[format(RowFormat::Json), output("a.csv")]);
        assert_eq!(settings.destination().unwrap().format, RowFormat::Csv);
        let (settings, _) = changed(&[format(RowFormat::Json), output("a.dat")]);
        assert_eq!(settings.destination().unwrap().format, RowFormat::Json);
        let mut settings = Settings::new(RowFormat::Table);
        let error = settings.change(output("a.dat")).unwrap_err().to_string();
        assert!(
            error.starts_with("a.dat: its ending says no format"),
            "{error}"
        );
    }

    #[test]
    fn bytes_do_not_go_to_the_terminal() {
        let (settings, _) = changed(&[Command::Format(Some(RowFormat::Parquet))]);
        let error = settings.destination().unwrap_err().to_string();
        assert!(
            error.starts_with("parquet is no text for a terminal"),
            "{error}"
        );
        let (settings, _) = changed(&[
            Command::Format(Some(RowFormat::Parquet)),
            Command::Output(Some("a.parquet".into())),
        ]);
        assert_eq!(settings.destination().unwrap().format, RowFormat::Parquet);
    }
}
