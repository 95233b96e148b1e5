//! Scripts: statements one after the other, each with a commit of its own.

use futures::{FutureExt, TryStreamExt};

use super::{Outcome, split};
use crate::{
    engine::Engine,
    error::{Error, Result},
};

impl Engine {
    /// Runs the statements of a script in order, the rows of queries to their end. Returns how many rows were changed in
    /// all. If one fails, those before it are done and those behind it are not begun; one that is no SQL stops all.
    ///
    /// # Errors
    /// [`Error::InScript`] with the number of the statement, if there are several.
    pub async fn run_script(&self, script: &str) -> Result<u64> {
        let statements = split(script)?;
        if let [] | [_] = statements.as_slice() {
            return self.run_to_end(script).boxed().await;
        }
        let count = statements.len();
        let numbered = |at: usize| {
            move |error| Error::InScript {
                number: at + 1,
                count,
                source: Box::new(error),
            }
        };
        for (at, statement) in statements.iter().enumerate() {
            self.parse(statement).map_err(numbered(at))?;
        }
        let mut changed = 0;
        for (at, statement) in statements.iter().enumerate() {
            let done = self.run_to_end(statement).boxed().await;
            changed += done.map_err(numbered(at))?;
        }
        Ok(changed)
    }

    async fn run_to_end(&self, sql: &str) -> Result<u64> {
        match self.run(sql, &[]).await? {
            Outcome::Changed(count) => Ok(count),
            Outcome::Done => Ok(0),
            Outcome::Rows(mut rows) => {
                while rows.try_next().await?.is_some() {}
                Ok(0)
            }
        }
    }
}
