//! `shap_explain`: twelve features, in log-odds and as a probability over all 4,096 subsets.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use moodlake_udfs::{
    Logistic,
    kernels::shapley::{Explainer, Output},
};

const FEATURES: u32 = 12;
const ROWS: u32 = 100;

/// A number in -1..1 that looks random.
fn scattered(seed: u32) -> f64 {
    f64::from(seed.wrapping_mul(2_654_435_761) >> 8) / f64::from(1_u32 << 23) - 1.0
}

fn shap_explain(criterion: &mut Criterion) {
    let model = Logistic {
        classes: ["sad", "happy"].map(str::to_owned).to_vec(),
        means: vec![0.0; FEATURES as usize],
        scales: vec![0.6; FEATURES as usize],
        weights: vec![(0..FEATURES).map(scattered).collect()],
        intercepts: vec![0.1],
        std_errors: Vec::new(),
    };
    let rows: Vec<Vec<f64>> = (0..ROWS)
        .map(|row| {
            (0..FEATURES)
                .map(|feature| scattered(row * FEATURES + feature))
                .collect()
        })
        .collect();
    let mut group = criterion.benchmark_group("shap_explain");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    for (name, output) in [
        ("margin", Output::Margin),
        ("probability", Output::Probability),
    ] {
        let mut explainer = Explainer::new(&model, output);
        let mut contributions = vec![0.0; FEATURES as usize];
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for row in black_box(&rows) {
                    black_box(explainer.explain(1, row, &mut contributions));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, shap_explain);
criterion_main!(benches);
