//! The plain U-Net of nnU-Net as a sequence of kernels: strided convolutions down, transposed ones up, deep supervision.

use sagittal_kernels::*;
use std::collections::BTreeMap;
use std::time::Instant;

type Times = BTreeMap<&'static str, f64>;

fn timed<R>(times: &mut Times, name: &'static str, work: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = work();
    *times.entry(name).or_default() += start.elapsed().as_secs_f64() * 1e3;
    result
}

/// Convolution, instance norm, leaky ReLU.
struct Block {
    shape: ConvShape,
    parts: [usize; 2], // channels of the input's parts
    weight: Param,
    pre: Vec<f32>, // the convolution's output
    out: Vec<f32>,
    mean: Vec<f32>,
    inv_std: Vec<f32>,
    gamma: Param,
    beta: Param,
}

struct Param {
    value: Vec<f32>,
    grad: Vec<f32>,
    momentum: Vec<f32>,
}

impl Param {
    fn of(value: Vec<f32>) -> Self {
        Self { grad: vec![0.0; value.len()], momentum: vec![0.0; value.len()], value }
    }

    fn noise(n: usize, fan_in: usize) -> Self {
        let scale = (2.0 / fan_in as f32).sqrt() * 1.7;
        Self::of(super::values(n).into_iter().map(|v| v * scale).collect())
    }
}

const SLOPE: f32 = 0.01;

impl Block {
    fn new(batch: usize, size: [usize; 3], parts: [usize; 2], c_out: usize, kernel: [usize; 3], stride: [usize; 3]) -> Self {
        let shape = ConvShape { batch, size, c_in: parts[0] + parts[1], c_out, kernel, stride, padding: kernel.map(|k| k / 2) };
        let n = shape.voxels_out() * c_out;
        Self {
            shape,
            parts,
            weight: Param::noise(shape.n_weights(), shape.c_in * shape.taps()),
            pre: vec![0.0; n],
            out: vec![0.0; n],
            mean: vec![0.0; batch * c_out],
            inv_std: vec![0.0; batch * c_out],
            gamma: Param::of(vec![1.0; c_out]),
            beta: Param::of(vec![0.0; c_out]),
        }
    }

    fn norm(&self) -> NormShape {
        NormShape { batch: self.shape.batch, voxels: self.shape.voxels_out() / self.shape.batch, channels: self.shape.c_out }
    }

    fn forward(&mut self, input: Parts<'_>, times: &mut Times) {
        timed(times, conv_name(&self.shape, "forward"), || conv(&self.shape, input, &self.weight.value, None, &mut self.pre));
        let norm = self.norm();
        timed(times, "norm forward", || {
            let (mean, inv_std) = (&mut self.mean, &mut self.inv_std);
            norm_activation(&norm, &self.pre, &self.gamma.value, &self.beta.value, 1e-5, SLOPE, &mut self.out, mean, inv_std);
        });
    }

    /// `d_out` becomes the gradient of the convolution's output.
    fn backward(&mut self, input: Parts<'_>, d_out: &mut [f32], d_in: Option<PartsMut<'_>>, times: &mut Times) {
        let norm = self.norm();
        timed(times, "norm backward", || {
            let (gamma, beta) = (&mut self.gamma, &mut self.beta);
            let (mean, inv_std) = (&self.mean, &self.inv_std);
            let (d_gamma, d_beta) = (&mut gamma.grad, &mut beta.grad);
            norm_activation_backward_in_place(&norm, &self.pre, mean, inv_std, &gamma.value, &beta.value, SLOPE, d_out, d_gamma, d_beta);
        });
        timed(times, conv_name(&self.shape, "weight"), || conv_backward_weight(&self.shape, input, d_out, &mut self.weight.grad, None));
        if let Some(d_in) = d_in {
            timed(times, conv_name(&self.shape, "input"), || conv_backward_input(&self.shape, d_out, &self.weight.value, d_in));
        }
    }
}

fn conv_name(shape: &ConvShape, pass: &str) -> &'static str {
    let kind = match (shape.c_in, shape.stride) {
        (1, _) => "conv first",
        (_, [1, 1, 1]) => match shape.c_out {
            0..=32 => "conv   32",
            33..=64 => "conv   64",
            65..=128 => "conv  128",
            129..=256 => "conv  256",
            _ => "conv  512",
        },
        _ => "conv down",
    };
    Box::leak(format!("{kind} {pass}").into_boxed_str())
}

pub(crate) fn time(name: &str, rank: usize, batch: usize, patch: [usize; 3], features: &[usize], classes: usize) {
    let kernel = if rank == 3 { [3; 3] } else { [1, 3, 3] };
    let two = if rank == 3 { [2; 3] } else { [1, 2, 2] };
    let levels = features.len();
    let size = |level: usize| -> [usize; 3] { std::array::from_fn(|a| if two[a] == 2 { patch[a] >> level } else { patch[a] }) };
    let mut encoder: Vec<[Block; 2]> = (0..levels)
        .map(|i| {
            let c_in = if i == 0 { 1 } else { features[i - 1] };
            let (from, stride) = if i == 0 { (size(0), [1; 3]) } else { (size(i - 1), two) };
            [
                Block::new(batch, from, [c_in, 0], features[i], kernel, stride),
                Block::new(batch, size(i), [features[i], 0], features[i], kernel, [1; 3]),
            ]
        })
        .collect();
    // Decoder level i: from features[i + 1] to features[i].
    let mut decoder: Vec<[Block; 2]> = (0..levels - 1)
        .map(|i| {
            let f = features[i];
            [Block::new(batch, size(i), [f, f], f, kernel, [1; 3]), Block::new(batch, size(i), [f, 0], f, kernel, [1; 3])]
        })
        .collect();
    let up_shape: Vec<TransposeShape> = (0..levels - 1)
        .map(|i| TransposeShape { batch, size: size(i + 1), c_in: features[i + 1], c_out: features[i], stride: two })
        .collect();
    let mut up: Vec<(Param, Param)> =
        up_shape.iter().map(|s| (Param::noise(s.n_weights(), s.c_in), Param::of(vec![0.0; s.c_out]))).collect();
    let mut up_out: Vec<Vec<f32>> = up_shape.iter().map(|s| vec![0.0; s.voxels_out() * s.c_out]).collect();
    let head_shape: Vec<ConvShape> = (0..levels - 1)
        .map(|i| ConvShape { batch, size: size(i), c_in: features[i], c_out: classes, kernel: [1; 3], stride: [1; 3], padding: [0; 3] })
        .collect();
    let mut heads: Vec<(Param, Param)> =
        head_shape.iter().map(|s| (Param::noise(s.n_weights(), s.c_in), Param::of(vec![0.0; classes]))).collect();
    let mut logits: Vec<Vec<f32>> = head_shape.iter().map(|s| vec![0.0; s.voxels_out() * classes]).collect();
    let mut d_logits = logits.clone();
    let voxels = patch.iter().product::<usize>();
    let image = super::values(batch * voxels);
    let target: Vec<u8> = (0..batch * voxels).map(|i| ((i / 97) % classes) as u8).collect();
    let targets: Vec<Vec<u8>> = (0..levels - 1)
        .map(|i| {
            let mut t = vec![0; head_shape[i].voxels_out()];
            resize_nearest(&ResizeShape { batch, size: patch, size_out: size(i), channels: 1 }, &target, &mut t);
            t
        })
        .collect();
    let grad = |i: usize| vec![0.0_f32; batch * size(i).iter().product::<usize>() * features[i]];
    let mut d_skip: Vec<Vec<f32>> = (0..levels).map(grad).collect();
    let mut d_up: Vec<Vec<f32>> = (0..levels - 1).map(grad).collect();
    let mut d_work: Vec<Vec<f32>> = (0..levels).map(grad).collect();
    let mut d_work2: Vec<Vec<f32>> = (0..levels).map(grad).collect();

    let weights: Vec<f32> = {
        let raw: Vec<f32> = (0..levels - 1).map(|i| if i == levels - 2 && i > 0 { 0.0 } else { 0.5_f32.powi(i as i32) }).collect();
        let sum: f32 = raw.iter().sum();
        raw.iter().map(|w| w / sum).collect()
    };
    let gflop: f64 = encoder.iter().chain(&decoder).flatten().map(|b| 2.0 * b.shape.multiply_adds() as f64 / 1e9).sum::<f64>()
        + up_shape.iter().map(|s| 2.0 * (s.voxels_in() * s.n_weights()) as f64 / 1e9).sum::<f64>();

    let (mut forward_ms, mut train_ms, mut losses, mut busy) = (vec![], vec![], vec![], 0.0);
    let mut times = Times::new();
    let rounds = 5;
    for round in 0..rounds {
        times.clear();
        let (start, busy_before) = (Instant::now(), super::busy_s());
        // ---- forward
        for i in 0..levels {
            let (before, here) = encoder.split_at_mut(i);
            let input = if i == 0 { &image } else { &before[i - 1][1].out };
            let [first, second] = &mut here[0];
            first.forward(Parts::one(input), &mut times);
            second.forward(Parts::one(&first.out), &mut times);
        }
        for i in (0..levels - 1).rev() {
            let (here, below) = decoder.split_at_mut(i + 1);
            let input = if i == levels - 2 { &encoder[levels - 1][1].out } else { &below[0][1].out };
            timed(&mut times, "up forward", || conv_transpose(&up_shape[i], input, &up[i].0.value, Some(&up[i].1.value), &mut up_out[i]));
            let [first, second] = &mut here[i];
            first.forward(Parts::two(&up_out[i], features[i], &encoder[i][1].out, features[i]), &mut times);
            second.forward(Parts::one(&first.out), &mut times);
            if i == 0 || round > 0 {
                timed(&mut times, "head forward", || {
                    conv(&head_shape[i], Parts::one(&second.out), &heads[i].0.value, Some(&heads[i].1.value), &mut logits[i]);
                });
            }
        }
        if round == 0 {
            continue;
        }
        forward_ms.push(start.elapsed().as_secs_f64() * 1e3);
        // ---- loss
        let mut loss = 0.0;
        for i in 0..levels - 1 {
            if weights[i] == 0.0 {
                continue;
            }
            let shape = LossShape { batch, voxels: head_shape[i].voxels_out() / batch, classes };
            let options = LossOptions { scale: weights[i], ..LossOptions::default() };
            let value = timed(&mut times, "loss", || dice_cross_entropy(&shape, &logits[i], &targets[i], options, Some(&mut d_logits[i])));
            loss += value.loss;
        }
        losses.push(loss);
        // ---- backward
        for i in 0..levels - 1 {
            // Gradient of the decoder's output: from the level above (d_work[i]) and from its head.
            let output = &decoder[i][1].out;
            if weights[i] > 0.0 {
                timed(&mut times, "head weight", || {
                    let (w, b) = &mut heads[i];
                    conv_backward_weight(&head_shape[i], Parts::one(output), &d_logits[i], &mut w.grad, Some(&mut b.grad));
                });
                timed(&mut times, "head input", || {
                    conv_backward_input(&head_shape[i], &d_logits[i], &heads[i].0.value, PartsMut::one(&mut d_work2[i]));
                });
                if i == 0 {
                    std::mem::swap(&mut d_work[i], &mut d_work2[i]);
                } else {
                    timed(&mut times, "add", || d_work[i].iter_mut().zip(&d_work2[i]).for_each(|(a, b)| *a += b));
                }
            }
            let [first, second] = &mut decoder[i];
            second.backward(Parts::one(&first.out), &mut d_work[i], Some(PartsMut::one(&mut d_work2[i])), &mut times);
            let skip = &encoder[i][1].out;
            let input = Parts::two(&up_out[i], first.parts[0], skip, first.parts[1]);
            let d_in = PartsMut::two(&mut d_up[i], first.parts[0], &mut d_skip[i], first.parts[1]);
            first.backward(input, &mut d_work2[i], Some(d_in), &mut times);
            let up_in = if i == levels - 2 { &encoder[levels - 1][1].out } else { &decoder[i + 1][1].out };
            timed(&mut times, "up weight", || {
                let (w, b) = &mut up[i];
                conv_transpose_backward_weight(&up_shape[i], up_in, &d_up[i], &mut w.grad, Some(&mut b.grad));
            });
            timed(&mut times, "up input", || conv_transpose_backward_input(&up_shape[i], &d_up[i], &up[i].0.value, &mut d_work[i + 1]));
        }
        for i in (0..levels).rev() {
            // d_work[i]: gradient of the encoder's output; skips add theirs.
            if i < levels - 1 {
                timed(&mut times, "add", || d_work[i].iter_mut().zip(&d_skip[i]).for_each(|(a, b)| *a += b));
            }
            let (before, here) = encoder.split_at_mut(i);
            let [first, second] = &mut here[0];
            second.backward(Parts::one(&first.out), &mut d_work[i], Some(PartsMut::one(&mut d_work2[i])), &mut times);
            if i == 0 {
                first.backward(Parts::one(&image), &mut d_work2[0], None, &mut times);
            } else {
                let (d_before, _) = d_work.split_at_mut(i);
                first.backward(Parts::one(&before[i - 1][1].out), &mut d_work2[i], Some(PartsMut::one(&mut d_before[i - 1])), &mut times);
            }
        }
        // ---- step
        timed(&mut times, "step", || {
            let blocks = encoder.iter_mut().chain(&mut decoder).flatten().flat_map(|b| [&mut b.weight, &mut b.gamma, &mut b.beta]);
            let others = up.iter_mut().chain(&mut heads).flat_map(|(w, b)| [w, b]);
            let mut params: Vec<&mut Param> = blocks.chain(others).collect();
            let norm = params.iter().map(|p| sum_of_squares(&p.grad)).sum::<f64>().sqrt();
            let grad_scale = (12.0 / (norm + 1e-6)).min(1.0) as f32;
            let sgd = SgdOptions { lr: 1e-2, momentum: 0.99, nesterov: true, weight_decay: 3e-5, grad_scale };
            for p in &mut params {
                sgd_step(&mut p.value, &p.grad, &mut p.momentum, sgd);
            }
        });
        train_ms.push(start.elapsed().as_secs_f64() * 1e3);
        busy = (super::busy_s() - busy_before) * 1e3 / rayon::current_num_threads() as f64;
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (forward, train) = (median(&mut forward_ms), median(&mut train_ms));
    println!(
        "{name} forward {forward:.0} ms ({:.0} GF/s), training step {train:.0} ms ({:.0} GF/s), busy {busy:.0} ms",
        gflop / forward * 1e3,
        3.0 * gflop / train * 1e3
    );
    if let Some(line) = std::fs::read_to_string("/proc/self/status").unwrap_or_default().lines().find(|l| l.starts_with("VmHWM")) {
        println!("    resident memory at most {}", line.trim_start_matches("VmHWM:").trim());
    }
    println!("    losses {losses:.4?}");
    for (work, ms) in &times {
        println!("    {work:24} {ms:8.1} ms");
    }
}
