//! Spotify's extended streaming history: files in, batches of `bronze.plays_extended` out.
//!
//! Both shapes are read: `Streaming_History_Audio_<year>_<n>.json` and the older
//! `endsong_<n>.json`. A record is a play or is reported with its place and what is wrong with
//! it; a play that an earlier one equals is counted and left out. Files are parsed in parallel,
//! their rows come out in the order of the files.

mod batch;
mod platform;
mod play;
mod records;

use std::collections::{BTreeMap, HashSet};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, PoisonError};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use self::batch::{PlayBatch, PlayBatchBuilder};
pub(crate) use self::batch::{SCHEMA, class_sql};
use self::records::{Record, read_records};
use super::Sink;
use super::files::Input;
use super::report::{Cause, DUPLICATE, Position, Tallies};
use super::row_hash::RowId;
use crate::error::{Error, Result};

/// Rows of a batch: DataFusion's own batch size.
const BATCH_ROWS: usize = 8192;
/// Files that may be parsed ahead of the one whose turn it is, for each thread.
const FILES_AHEAD: usize = 2;

/// A file of plays and whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistoryFile {
    pub(crate) user_id: String,
    pub(crate) input: Input,
}

impl HistoryFile {
    /// The cause of rows of this file.
    pub(crate) fn cause(&self, reason: impl Into<String>) -> Cause {
        Cause {
            user_id: Some(self.user_id.clone()),
            file: self.input.label.clone(),
            kind: "history",
            reason: reason.into(),
        }
    }
}

/// Reads `files` and hands their plays to `sink`, each play once; returns what became of every row.
///
/// `ingested_at` is in µs since 1970. Blocks until all is read.
pub(crate) fn read_history(
    files: &[HistoryFile],
    ingested_at: i64,
    sink: Sink<'_>,
) -> Result<Tallies> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(files.len());
    let turns = Turns::new(threads * FILES_AHEAD);
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(threads * 4);
        for _ in 0..threads {
            let (sender, turns) = (sender.clone(), &turns);
            scope.spawn(move || {
                while let Some(index) = turns.take(files.len()) {
                    if parse_file(&files[index], ingested_at, index, &sender).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let outcome = collect(files, &receiver, &turns, sink);
        turns.stop();
        outcome
    })
}

/// What a thread says about the file it parses.
enum Event {
    Plays(PlayBatch),
    Dropped(String, Position, u64),
    Done,
}

/// Parses one file; fails only if nobody listens any more.
fn parse_file(
    file: &HistoryFile,
    ingested_at: i64,
    index: usize,
    sender: &SyncSender<(usize, Event)>,
) -> Result<()> {
    let gone = |_| Error::Internal("reading was given up".to_string());
    let send = |event| sender.send((index, event)).map_err(gone);
    let mut builder = PlayBatchBuilder::new(&file.user_id, &file.input.label, ingested_at);
    let read = file.input.read(|reader| {
        read_records(reader, &mut |record, position| {
            let malformed = |reason: &str| format!("malformed: {reason}");
            match record {
                Record::Play(play) => {
                    if let Err(reason) = builder.push(play) {
                        return send(Event::Dropped(malformed(&reason), position, 1));
                    }
                }
                Record::Broken(reason) => {
                    return send(Event::Dropped(malformed(reason), position, 1));
                }
                Record::Unfinished(reason) => {
                    return send(Event::Dropped(malformed(reason), position, 0));
                }
            }
            if builder.len() >= BATCH_ROWS {
                send(Event::Plays(builder.finish()?))
            } else {
                Ok(())
            }
        })
    });
    if builder.len() > 0 {
        send(Event::Plays(builder.finish()?))?;
    }
    if let Err(error) = read {
        let start = Position {
            record: 0,
            line: 1,
            byte: 0,
        };
        send(Event::Dropped(format!("malformed: {error}"), start, 0))?;
    }
    send(Event::Done)
}

/// Takes what the threads say in the order of the files.
fn collect(
    files: &[HistoryFile],
    receiver: &Receiver<(usize, Event)>,
    turns: &Turns,
    sink: Sink<'_>,
) -> Result<Tallies> {
    let mut report = Tallies::default();
    let mut seen: HashSet<RowId> = HashSet::new();
    let mut early: BTreeMap<usize, Vec<Event>> = BTreeMap::new();
    for (current, file) in files.iter().enumerate() {
        let mut waiting = early.remove(&current).unwrap_or_default().into_iter();
        loop {
            let event = match waiting.next() {
                Some(event) => event,
                None => match receiver.recv() {
                    Ok((index, event)) if index == current => event,
                    Ok((index, event)) => {
                        early.entry(index).or_default().push(event);
                        continue;
                    }
                    Err(_) => return Err(Error::Internal("a reader stopped".to_string())),
                },
            };
            match event {
                Event::Done => break,
                Event::Dropped(reason, position, rows) => {
                    report.add(file.cause(reason), rows, Some(position));
                }
                Event::Plays(plays) => {
                    let batch = keep_new(&plays, file, &mut seen, &mut report)?;
                    if batch.num_rows() > 0 {
                        sink(batch)?;
                    }
                }
            }
        }
        turns.advance(current + 1);
    }
    Ok(report)
}

/// The plays that were not seen before; counts all of them.
fn keep_new(
    plays: &PlayBatch,
    file: &HistoryFile,
    seen: &mut HashSet<RowId>,
    report: &mut Tallies,
) -> Result<RecordBatch> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut keep = Vec::with_capacity(plays.ids.len());
    for (id, class) in plays.ids.iter().zip(&plays.classes) {
        let is_new = seen.insert(*id);
        *counts
            .entry(if is_new { class } else { DUPLICATE })
            .or_default() += 1;
        keep.push(is_new);
    }
    for (reason, rows) in &counts {
        report.add(file.cause(*reason), *rows, None);
    }
    if counts.contains_key(DUPLICATE) {
        Ok(filter_record_batch(
            &plays.batch,
            &BooleanArray::from(keep),
        )?)
    } else {
        Ok(plays.batch.clone())
    }
}

/// Hands out files in order, and none too far ahead of the one whose rows are being taken.
struct Turns {
    state: Mutex<TurnState>,
    changed: Condvar,
    ahead: usize,
}

struct TurnState {
    next: usize,
    current: usize,
    stopped: bool,
}

impl Turns {
    fn new(ahead: usize) -> Self {
        let state = Mutex::new(TurnState {
            next: 0,
            current: 0,
            stopped: false,
        });
        Self {
            state,
            changed: Condvar::new(),
            ahead,
        }
    }

    fn take(&self, files: usize) -> Option<usize> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self
            .changed
            .wait_while(state, |state| {
                !state.stopped && state.next < files && state.next >= state.current + self.ahead
            })
            .unwrap_or_else(PoisonError::into_inner);
        let index = state.next;
        state.next += 1;
        (!state.stopped && index < files).then_some(index)
    }

    fn advance(&self, current: usize) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .current = current;
        self.changed.notify_all();
    }

    fn stop(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stopped = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
