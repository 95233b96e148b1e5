//! `kmeans_assign`: the nearest of eight centroids for a million rows of nine features.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use moodlake_udfs::{KMeans, kernels::nearest::nearest_centroids};

const ROWS: u32 = 1_000_000;
const FEATURES: u32 = 9;
const CLUSTERS: u32 = 8;

/// A number in -1..1 that looks random.
fn scattered(seed: u32) -> f64 {
    f64::from(seed.wrapping_mul(2_654_435_761) >> 8) / f64::from(1_u32 << 23) - 1.0
}

fn kmeans_assign(criterion: &mut Criterion) {
    let columns: Vec<Vec<f64>> = (0..FEATURES)
        .map(|feature| {
            (0..ROWS)
                .map(|row| scattered(row * FEATURES + feature))
                .collect()
        })
        .collect();
    let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let centroid = |cluster| {
        (0..FEATURES)
            .map(|feature| scattered(cluster * 7_919 + feature))
            .collect()
    };
    let model = KMeans {
        means: vec![0.0; FEATURES as usize],
        scales: vec![0.6; FEATURES as usize],
        centroids: (0..CLUSTERS).map(centroid).collect(),
        sizes: vec![1; CLUSTERS as usize],
    };
    let mut group = criterion.benchmark_group("kmeans_assign");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    group.bench_function("8 clusters of 9 features", |bencher| {
        bencher.iter(|| nearest_centroids(black_box(&model), black_box(&slices)));
    });
    group.finish();
}

criterion_group!(benches, kmeans_assign);
criterion_main!(benches);
