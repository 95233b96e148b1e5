//! SQL at the front door: any text is split, parsed, prepared and planned, for the owner and for a listener, and never
//! panics. Nothing is run, so that the lake stays as it was.
#![no_main]

mod lake;

use std::sync::{Arc, LazyLock};

use datafusion::scalar::ScalarValue;
use libfuzzer_sys::{Corpus, fuzz_target};
use moodlake::{
    access::{Caller, Role},
    engine::Engine,
    statement::{references, split},
};
use tokio::runtime::Runtime;

/// Longer texts only cost time.
const MAX_BYTES: usize = 4096;

struct Fixture {
    runtime: Runtime,
    owner: Engine,
    listener: Engine,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let runtime = lake::runtime();
    let owner = runtime.block_on(lake::open());
    let caller = Arc::new(Caller::user("ada", Role::Listener));
    let listener = owner.on_behalf_of(caller, Arc::default());
    Fixture {
        runtime,
        owner,
        listener,
    }
});

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(data) else {
        return Corpus::Reject;
    };
    if text.len() > MAX_BYTES {
        return Corpus::Reject;
    }
    let parameters = [
        ScalarValue::Int64(Some(3)),
        ScalarValue::from("ada"),
        ScalarValue::Null,
    ];
    for statement in split(text).unwrap_or_default() {
        let _ = references(&statement);
        let fixture = &*FIXTURE;
        // On a worker thread, whose stack is that of the server.
        let (owner, listener) = (fixture.owner.clone(), fixture.listener.clone());
        let parameters = parameters.clone();
        let planning = fixture.runtime.spawn(async move {
            let _ = owner.prepare(&statement).await;
            let _ = listener.plan(&statement, &[]).await;
            let _ = listener.plan(&statement, &parameters).await;
        });
        let planned = fixture.runtime.block_on(planning);
        assert!(planned.is_ok(), "planning panicked");
    }
    Corpus::Keep
});
