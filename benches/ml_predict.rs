//! `ml_predict` and `ml_predict_proba`: a million rows of twelve features, two classes and five.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use moodlake_udfs::{
    Logistic,
    kernels::logistic::{predicted_classes, probabilities},
};

const ROWS: u32 = 1_000_000;
const FEATURES: u32 = 12;

/// A number in -1..1 that looks random.
fn scattered(seed: u32) -> f64 {
    f64::from(seed.wrapping_mul(2_654_435_761) >> 8) / f64::from(1_u32 << 23) - 1.0
}

fn model(classes: u32) -> Logistic {
    let outputs = if classes == 2 { 1 } else { classes };
    let weights = |output| {
        (0..FEATURES)
            .map(|feature| scattered(output * 7_919 + feature))
            .collect()
    };
    Logistic {
        classes: (0..classes).map(|class| class.to_string()).collect(),
        means: vec![0.0; FEATURES as usize],
        scales: vec![0.6; FEATURES as usize],
        weights: (0..outputs).map(weights).collect(),
        intercepts: vec![0.0; outputs as usize],
        std_errors: Vec::new(),
    }
}

fn ml_predict(criterion: &mut Criterion) {
    let columns: Vec<Vec<f64>> = (0..FEATURES)
        .map(|feature| {
            (0..ROWS)
                .map(|row| scattered(row * FEATURES + feature))
                .collect()
        })
        .collect();
    let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let mut group = criterion.benchmark_group("ml_predict");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    for classes in [2, 5] {
        let model = model(classes);
        group.bench_function(format!("label of {classes} classes"), |bencher| {
            bencher.iter(|| predicted_classes(black_box(&model), black_box(&slices)));
        });
        group.bench_function(format!("probabilities of {classes} classes"), |bencher| {
            bencher.iter(|| probabilities(black_box(&model), black_box(&slices)));
        });
    }
    group.finish();
}

criterion_group!(benches, ml_predict);
criterion_main!(benches);
