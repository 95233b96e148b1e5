//! The pipeline in process: one user-year of generated plays, from raw files to gold.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use moodlake::client::Client;
use moodlake::engine::{Engine, FileAccess, Settings};
use moodlake::error::Result;
use moodlake::pipeline::{self, Request};
use moodlake::sources::generate::{self, generate};
use moodlake::sources::import::{self, UserNames, import};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const SEED: u64 = 42;
const DAYS: u32 = 365;
const TRACKS: u32 = 20_000;

/// Generated files and the lakes made from them.
struct Workshop {
    runtime: Runtime,
    paths: Vec<PathBuf>,
    /// Holds the files.
    _files: TempDir,
}

impl Workshop {
    fn new() -> Self {
        let files = tempfile::tempdir().expect("a temporary directory");
        let options = generate::Options {
            out: files.path().to_path_buf(),
            users: 1,
            days: DAYS,
            tracks: TRACKS,
            seed: SEED,
            catalog: None,
        };
        let made = generate(&options).expect("generated files");
        Self {
            runtime: Runtime::new().expect("a runtime"),
            paths: made.catalog.into_iter().chain(made.histories).collect(),
            _files: files,
        }
    }

    fn import_into(&self, lake: &Path) -> Result<Client> {
        self.runtime.block_on(async {
            let client = Client::Local(
                Engine::open(Settings {
                    dir: lake.to_path_buf(),
                    files: FileAccess::Anywhere,
                })
                .await?,
            );
            let options = import::Options {
                paths: self.paths.clone(),
                users: UserNames::FromPath,
                timezone: None,
            };
            import(&client, &options).await?;
            Ok(client)
        })
    }

    fn build(&self, client: &Client) -> Result<()> {
        let request = Request::default();
        self.runtime
            .block_on(pipeline::build(client, &request, &|_| ()))?;
        Ok(())
    }
}

fn pipeline_benches(criterion: &mut Criterion) {
    let workshop = Workshop::new();
    let mut group = criterion.benchmark_group("pipeline");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(20));
    group.bench_function("import", |bencher| {
        bencher.iter_batched(
            || tempfile::tempdir().expect("a temporary directory"),
            |lake| {
                black_box(workshop.import_into(lake.path()).expect("an import"));
                lake
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("build", |bencher| {
        bencher.iter_batched(
            || {
                let lake = tempfile::tempdir().expect("a temporary directory");
                let client = workshop.import_into(lake.path()).expect("an import");
                (lake, client)
            },
            |(lake, client)| {
                workshop.build(&client).expect("a build");
                (lake, client)
            },
            BatchSize::PerIteration,
        );
    });
    let lake = tempfile::tempdir().expect("a temporary directory");
    let client = workshop.import_into(lake.path()).expect("an import");
    workshop.build(&client).expect("a build");
    group.bench_function("build with nothing new", |bencher| {
        bencher.iter(|| workshop.build(&client).expect("a build"));
    });
    group.finish();
}

criterion_group!(benches, pipeline_benches);
criterion_main!(benches);
