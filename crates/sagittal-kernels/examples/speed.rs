//! Times every kernel, and a whole U-Net's training step made of them, on the shapes of common networks.
//!
//! `cargo run --release -p sagittal-kernels --example speed -- [--threads N] [--portable] [WORD ...]`: with words, only
//! the works whose name contains one of them. GF/s count the arithmetic of the direct algorithm.

#![allow(clippy::unwrap_used, reason = "a measuring program may stop at the first fault")]

#[path = "speed/unet.rs"]
mod unet;

use sagittal_kernels::*;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: KeepingAllocator = KeepingAllocator::new(4 << 30);

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let mut threads = 2;
    if let Some(at) = words.iter().position(|w| w == "--threads") {
        threads = words[at + 1].parse().unwrap();
        words.drain(at..at + 2);
    }
    let portable = words.iter().position(|w| w == "--portable").map(|at| words.remove(at)).is_some();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let bench = Bench { words };
    pool.install(|| with_simd(if portable { Simd::Portable } else { simd() }, || run(&bench)));
}

fn run(bench: &Bench) {
    println!("{:?}, {} threads, measured peak {:.0} GF/s", simd(), rayon::current_num_threads(), measured_peak_gflops());
    let k3 = [3; 3];
    for (name, batch, c_in, c_out, size, kernel, stride) in [
        ("conv3d-1-32", 1, 1, 32, [40, 56, 40], k3, [1; 3]),
        ("conv3d-32", 1, 32, 32, [40, 56, 40], k3, [1; 3]),
        ("conv3d-64-32", 1, 64, 32, [40, 56, 40], k3, [1; 3]),
        ("conv3d-64", 1, 64, 64, [20, 28, 20], k3, [1; 3]),
        ("conv3d-128-64", 1, 128, 64, [20, 28, 20], k3, [1; 3]),
        ("conv3d-128", 1, 128, 128, [10, 14, 10], k3, [1; 3]),
        ("conv3d-256-128", 1, 256, 128, [10, 14, 10], k3, [1; 3]),
        ("conv3d-256", 1, 256, 256, [5, 7, 5], k3, [1; 3]),
        ("conv3d-256-b2", 2, 256, 256, [5, 7, 5], k3, [1; 3]),
        ("conv2d-32", 2, 32, 32, [1, 256, 256], [1, 3, 3], [1; 3]),
        ("conv2d-64", 2, 64, 64, [1, 128, 128], [1, 3, 3], [1; 3]),
        ("conv2d-512", 8, 512, 512, [1, 16, 16], [1, 3, 3], [1; 3]),
        ("conv2d-512-8", 8, 512, 512, [1, 8, 8], [1, 3, 3], [1; 3]),
        ("small-8", 1, 8, 8, [40, 56, 40], k3, [1; 3]),
        ("small-16", 1, 16, 16, [40, 56, 40], k3, [1; 3]),
        ("small-8-32", 1, 8, 32, [40, 56, 40], k3, [1; 3]),
        ("small-32-8", 1, 32, 8, [40, 56, 40], k3, [1; 3]),
        ("small-16-2d", 1, 16, 16, [1, 256, 256], [1, 3, 3], [1; 3]),
        ("down3d-32-64", 1, 32, 64, [40, 56, 40], k3, [2; 3]),
        ("down3d-64-128", 1, 64, 128, [20, 28, 20], k3, [2; 3]),
        ("down3d-128-256", 1, 128, 256, [10, 14, 10], k3, [2; 3]),
        ("head3d-32-3", 1, 32, 3, [40, 56, 40], [1; 3], [1; 3]),
    ] {
        let shape = ConvShape { batch, size, c_in, c_out, kernel, stride, padding: kernel.map(|k| k / 2) };
        conv_work(bench, name, &shape);
    }
    for (name, c_in, c_out, size) in
        [("up3d-64-32", 64, 32, [20, 28, 20]), ("up3d-128-64", 128, 64, [10, 14, 10]), ("up3d-256-128", 256, 128, [5, 7, 5])]
    {
        transpose_work(bench, name, &TransposeShape { batch: 1, size, c_in, c_out, stride: [2; 3] });
    }
    other_work(bench);
    for (name, rank, batch, patch, features, classes) in [
        ("unet3d-b2", 3, 2, [40, 56, 40], &[32, 64, 128, 256][..], 3),
        ("unet2d-b8", 2, 8, [1, 256, 256], &[32, 64, 128, 256, 512, 512][..], 2),
        ("unet3d-b9", 3, 9, [40, 56, 40], &[32, 64, 128, 256][..], 3),
    ] {
        if bench.wants(name) {
            unet::time(name, rank, batch, patch, features, classes);
        }
    }
}

struct Bench {
    words: Vec<String>,
}

impl Bench {
    fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|w| name.contains(w.as_str()))
    }

    fn time(&self, name: &str, gflop: f64, mut work: impl FnMut()) -> f64 {
        work();
        let (mut times, start, busy) = (vec![], Instant::now(), busy_s());
        while times.len() < 5 || start.elapsed().as_secs_f64() < 0.4 {
            let start = Instant::now();
            work();
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let speed = if gflop > 0.0 { format!("{:8.1} GF/s", gflop / median) } else { String::new() };
        // What the threads computed, per thread: close to the best time even while other programs use the processor.
        let busy = (busy_s() - busy) / times.len() as f64 / rayon::current_num_threads() as f64;
        println!("{name:28} median {:8.2} ms  best {:8.2} ms  busy {:8.2} ms {speed}", median * 1e3, times[0] * 1e3, busy * 1e3);
        busy
    }
}

/// Processor time of all threads so far (Linux; elsewhere 0).
fn busy_s() -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let of = |path: std::path::PathBuf| std::fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok();
    threads.filter_map(|t| of(t.ok()?.path())).sum::<f64>() * 1e-9
}

fn values(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn conv_work(bench: &Bench, name: &str, shape: &ConvShape) {
    if !bench.wants(name) {
        return;
    }
    let gflop = 2.0 * shape.multiply_adds() as f64 / 1e9;
    let (x, w, b) = (values(shape.voxels_in() * shape.c_in), values(shape.n_weights()), values(shape.c_out));
    let d_y = values(shape.voxels_out() * shape.c_out);
    let (mut y, mut d_x, mut d_w, mut d_b) = (d_y.clone(), x.clone(), w.clone(), b.clone());
    let packed = PackedConv::new(shape, &w);
    bench.time(&format!("{name} packed"), gflop, || packed.run(shape, Parts::one(&x), Some(&b), &mut y));
    let mut sum = bench.time(&format!("{name} forward"), gflop, || conv(shape, Parts::one(&x), &w, Some(&b), &mut y));
    sum += bench.time(&format!("{name} backward input"), gflop, || conv_backward_input(shape, &d_y, &w, PartsMut::one(&mut d_x)));
    sum += bench.time(&format!("{name} backward weight"), gflop, || {
        conv_backward_weight(shape, Parts::one(&x), &d_y, &mut d_w, Some(&mut d_b));
    });
    println!("{:28} busy   {:8.2} ms {:47.1} GF/s", format!("{name} train"), sum * 1e3, 3.0 * gflop / sum);
}

fn transpose_work(bench: &Bench, name: &str, shape: &TransposeShape) {
    if !bench.wants(name) {
        return;
    }
    let gflop = 2.0 * (shape.voxels_in() * shape.n_weights()) as f64 / 1e9;
    let (x, w, b) = (values(shape.voxels_in() * shape.c_in), values(shape.n_weights()), values(shape.c_out));
    let d_y = values(shape.voxels_out() * shape.c_out);
    let (mut y, mut d_x, mut d_w, mut d_b) = (d_y.clone(), x.clone(), w.clone(), b.clone());
    bench.time(&format!("{name} forward"), gflop, || conv_transpose(shape, &x, &w, Some(&b), &mut y));
    bench.time(&format!("{name} backward input"), gflop, || conv_transpose_backward_input(shape, &d_y, &w, &mut d_x));
    bench.time(&format!("{name} backward weight"), gflop, || conv_transpose_backward_weight(shape, &x, &d_y, &mut d_w, Some(&mut d_b)));
}

fn other_work(bench: &Bench) {
    let shape = NormShape { batch: 1, voxels: 40 * 56 * 40, channels: 32 };
    let (x, d_y, gamma, beta) = (values(shape.n_values()), values(shape.n_values()), values(32), values(32));
    let (mut y, mut d_x, mut mean, mut inv_std) = (x.clone(), x.clone(), vec![0.0; 32], vec![0.0; 32]);
    let (mut d_gamma, mut d_beta) = (gamma.clone(), beta.clone());
    if bench.wants("norm") {
        bench.time("norm-32 forward", 0.0, || {
            norm_activation(&shape, &x, &gamma, &beta, 1e-5, 0.01, &mut y, &mut mean, &mut inv_std);
        });
        bench.time("norm-32 backward", 0.0, || {
            norm_activation_backward(&shape, &x, &mean, &inv_std, &gamma, &beta, 0.01, &d_y, &mut d_x, &mut d_gamma, &mut d_beta);
        });
    }
    if bench.wants("loss") {
        let shape = LossShape { batch: 2, voxels: 40 * 56 * 40, classes: 3 };
        let (logits, mut d_logits) = (values(6 * 40 * 56 * 40), vec![0.0; 6 * 40 * 56 * 40]);
        let target: Vec<u8> = (0..2 * 40 * 56 * 40).map(|i| (i / 7 % 3) as u8).collect();
        bench.time("loss-b2", 0.0, || {
            dice_cross_entropy(&shape, &logits, &target, LossOptions::default(), Some(&mut d_logits));
        });
        let mut p = logits.clone();
        bench.time("softmax-b2", 0.0, || softmax_channels(3, &logits, &mut p));
    }
    if bench.wants("step") {
        let n = 6_000_000;
        let (mut w, g, mut m, mut v) = (values(n), values(n), vec![0.0; n], vec![0.0; n]);
        let sgd = SgdOptions { lr: 1e-2, momentum: 0.99, nesterov: true, weight_decay: 3e-5, grad_scale: 1.0 };
        bench.time("sgd-step 6 M", 0.0, || sgd_step(&mut w, &g, &mut m, sgd));
        let adamw = AdamwOptions { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 1e-2, grad_scale: 1.0, step: 10 };
        bench.time("adamw-step 6 M", 0.0, || adamw_step(&mut w, &g, &mut m, &mut v, adamw));
        bench.time("sum-of-squares-step 6 M", 0.0, || {
            std::hint::black_box(sum_of_squares(&g));
        });
    }
    if bench.wants("resize") {
        let shape = ResizeShape { batch: 1, size: [20, 28, 20], size_out: [40, 56, 40], channels: 32 };
        let (x, mut y) = (values(20 * 28 * 20 * 32), values(40 * 56 * 40 * 32));
        bench.time("resize-linear-32", 0.0, || resize_linear(&shape, &x, &mut y));
        let mut d_x = x.clone();
        bench.time("resize-linear-32 backward", 0.0, || resize_linear_backward(&shape, &y, &mut d_x));
    }
    if bench.wants("pool") {
        let shape = PoolShape { batch: 1, size: [40, 56, 40], channels: 32, kernel: [2; 3] };
        let (x, mut y) = (values(40 * 56 * 40 * 32), values(20 * 28 * 20 * 32));
        let mut d_x = x.clone();
        bench.time("pool-max-32", 0.0, || pool_max(&shape, &x, &mut y));
        bench.time("pool-max-32 backward", 0.0, || pool_max_backward(&shape, &x, &y, &mut d_x));
        bench.time("pool-average-32", 0.0, || pool_average(&shape, &x, &mut y));
        bench.time("pool-average-32 backward", 0.0, || pool_average_backward(&shape, &y, &mut d_x));
    }
}
