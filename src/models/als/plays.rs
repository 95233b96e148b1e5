//! The rows of a listening history: who played what, how often and when, in one total order.

use arrow::{array::RecordBatch, datatypes::SchemaRef};

use crate::{
    error::Result,
    models::{
        TOO_FEW_ROWS,
        dataset::{Codes, Reader},
        options::AlsOptions,
    },
};

/// The usable rows of a query.
pub(super) struct Plays {
    /// Number of users.
    pub(super) users: usize,
    /// Names of the items, sorted as texts, each once.
    pub(super) items: Vec<String>,
    /// By user, item and time.
    pub(super) rows: Vec<Play>,
    /// What was dropped, in words.
    pub(super) warnings: Vec<String>,
}

/// A user played an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Play {
    pub(super) user: u32,
    pub(super) item: u32,
    /// In microseconds since 1970, 0 in a query without times.
    pub(super) time: i64,
    /// Above 0 and finite.
    pub(super) plays: f64,
}

impl Plays {
    /// Reads the rows of a query for the model called `model`.
    pub(super) fn read(
        model: &str,
        options: &AlsOptions,
        schema: &SchemaRef,
        batches: &[RecordBatch],
    ) -> Result<Self> {
        let reader = Reader {
            model,
            schema,
            batches,
        };
        let users = reader.codes(&options.user, "user")?;
        let items = sorted_as_texts(&reader.codes(&options.item, "item")?);
        let plays = options.plays.as_deref();
        let plays = plays.map(|name| reader.number(name, "plays")).transpose()?;
        let times = options.time.as_deref();
        let times = times.map(|name| reader.times(name)).transpose()?;
        let play = |row: usize| {
            let known = |codes: &Codes| {
                let code = codes.of_row[row];
                ((code as usize) < codes.names.len()).then_some(code)
            };
            Some(Play {
                user: known(&users)?,
                item: known(&items)?,
                time: times.as_ref().map_or(Some(0), |times| times[row])?,
                plays: plays.as_ref().map_or(1.0, |plays| plays[row]),
            })
        };
        let total = users.of_row.len();
        let is_played = |play: &Play| play.plays > 0.0 && play.plays.is_finite();
        let known: Vec<Play> = (0..total).filter_map(play).collect();
        let mut rows: Vec<Play> = known.iter().copied().filter(is_played).collect();
        if rows.is_empty() {
            let cause = match total {
                0 => "the query returned no rows",
                _ => "no row has a user, an item and plays above 0",
            };
            return Err(reader.error(&format!("{TOO_FEW_ROWS}: {cause}")));
        }
        let warnings = [
            (total - known.len(), "with a null"),
            (known.len() - rows.len(), "whose plays are not above 0"),
        ];
        rows.sort_unstable_by(|a, b| {
            let key = |play: &Play| (play.user, play.item, play.time);
            key(a).cmp(&key(b)).then(a.plays.total_cmp(&b.plays))
        });
        Ok(compacted(Self {
            users: users.names.len(),
            items: items.names,
            rows,
            warnings: warnings
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("dropped {count} of {total} rows {what}"))
                .collect(),
        }))
    }
}

/// The same names in the order of texts: other columns sort numbers by value.
fn sorted_as_texts(codes: &Codes) -> Codes {
    let mut order: Vec<usize> = (0..codes.names.len()).collect();
    order.sort_unstable_by_key(|&at| &codes.names[at]);
    codes.renumbered(&order)
}

/// The same without users and items that have no row left.
fn compacted(mut plays: Plays) -> Plays {
    let users = Renumbering::of(plays.users, plays.rows.iter().map(|play| play.user));
    let items = Renumbering::of(plays.items.len(), plays.rows.iter().map(|play| play.item));
    for play in &mut plays.rows {
        play.user = users.new[play.user as usize];
        play.item = items.new[play.item as usize];
    }
    plays.users = users.count;
    let mut is_used = items.is_used.iter();
    plays.items.retain(|_| is_used.next() == Some(&true));
    plays
}

/// New numbers without gaps for those that are used, in the same order.
struct Renumbering {
    is_used: Vec<bool>,
    new: Vec<u32>,
    count: usize,
}

impl Renumbering {
    fn of(count: usize, used: impl Iterator<Item = u32>) -> Self {
        let mut is_used = vec![false; count];
        used.for_each(|code| is_used[code as usize] = true);
        let mut next = 0_u32;
        let new = is_used.iter().map(|used| {
            let own = next;
            next += u32::from(*used);
            own
        });
        Self {
            new: new.collect(),
            count: is_used.iter().filter(|used| **used).count(),
            is_used,
        }
    }
}
