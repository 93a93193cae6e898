//! One or several networks that were trained by one plan: they look at the same tiles, and their logits are averaged.

use crate::{
    InferError, PredictOptions,
    assembly::{Assembly, OnCrop, Resampling, UncertaintyOnCrop, rows_needed},
    cost::Work,
    decision::Decision,
    ensemble::{DropoutSamples, Prediction, Shown, Uncertainty},
    importance::Weighting,
    probabilities::{OnDisk, Probabilities, failed},
    region::{Region, dense_tile},
    sliding_window::{SlidingWindow, View, Voter},
    soft::Promise,
};
use sagittal_data::{
    Plan,
    preprocess::{Preprocessed, Preprocessor},
};
use sagittal_image::{Geometry, Image, Rank, Reorientation, Volume, probability_taps};
use sagittal_nets::Network;
use sagittal_tensor::Device;
use std::ops::ControlFlow;

/// Networks with one plan.
#[derive(Clone, Debug)]
pub(crate) struct Committee {
    networks: Vec<Network>,
    plan: Plan,
    preprocessor: Preprocessor,
    decision: Decision,
    /// Of each network.
    temperatures: Vec<f32>,
    device: Device,
}

/// What a prediction would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of memory at the peak.
    pub bytes: u64,
    /// Blocks of rows in which the image is worked on, to stay within the limit.
    pub n_blocks: usize,
    /// Bytes of the disk, for a time: probabilities are not held in memory.
    pub disk_bytes: u64,
}

impl Committee {
    pub(crate) fn new(networks: Vec<Network>, plan: Plan, device: &Device) -> Self {
        let (preprocessor, decision) = (Preprocessor::new(&plan), Decision::of(&plan));
        let temperatures = vec![1.0; networks.len()];
        let networks: Vec<Network> = networks.into_iter().map(Network::for_prediction).collect();
        Self { networks, plan, preprocessor, decision, temperatures, device: device.clone() }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn decision(&self) -> &Decision {
        &self.decision
    }

    pub(crate) fn n_models(&self) -> usize {
        self.networks.len()
    }

    /// A network with the temperature that its probabilities were found to need.
    pub(crate) fn of_one(network: Network, plan: Plan, temperature: f32, device: &Device) -> Self {
        let mut committee = Self::new(vec![network], plan, device);
        committee.temperatures = vec![temperature];
        committee.decision.temperature = temperature;
        committee
    }

    /// Lets another network of the same plan take part. The mean of the logits gets the mean of the temperatures.
    pub(crate) fn join(&mut self, network: Network, plan: &Plan, temperature: f32) {
        self.networks.push(network.for_prediction());
        self.temperatures.push(temperature);
        self.decision.temperature = self.temperatures.iter().sum::<f32>() / self.temperatures.len() as f32;
        self.plan.training.mirror_axes.retain(|axis| plan.training.mirrored_axes().contains(axis));
    }

    /// Everything that was asked for about an image, on its own grid, `shown` what the plan asks for besides. `progress` hears how many tiles of how many are done.
    pub(crate) fn predict(
        &self,
        case: &str,
        image: Image,
        shown: Shown<'_>,
        options: PredictOptions,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Prediction, InferError> {
        let (n_channels, n_voxels) = (image.channels.len(), image.geometry.n_voxels());
        let Preprocessed { mut data, mut shape, restore } = self.preprocessor.run(case, &image)?;
        // Voxels are needed in one form at a time: large images would otherwise not fit.
        drop(image);
        if let Some(lower) = shown.found {
            data.extend(self.preprocessor.previous_stage(lower, &restore, [shape[1], shape[2], shape[3]]));
            shape[0] = data.len() / shape[1..].iter().product::<usize>();
        }
        let [_, working @ ..] = shape;
        let on_crop = restore.shape_before_resampling();
        let region = self.preprocessor.region(case, &restore, working, shown.region)?.map(Region::of);
        let taps = probability_taps(working, on_crop, restore.working_spacing_mm.zip(restore.spacing_mm));
        let network = self.networks[0].plan();
        let work = Work {
            window: self.window(region.as_ref(), options),
            network,
            n_networks: self.networks.len(),
            n_voters: self.n_voters(options),
            n_channels,
            n_voxels,
            working,
            taps: &taps,
            wants: options.into(),
        };
        let (work, n_rows) = self.fitted(work, options)?;
        let window = &work.window;
        let volume = || Volume::filled(on_crop, 0.0);
        let mut result = OnCrop {
            labels: Volume::filled(on_crop, 0),
            probabilities: options.probabilities.then(|| OnDisk::new(self.decision.n_classes(), on_crop)).transpose()?,
            failure: None,
            uncertainty: options.uncertainty.then(|| UncertaintyOnCrop {
                entropy: volume(),
                disagreement: volume(),
                promise: Promise::new(self.decision.n_classes()),
            }),
        };
        let voters: Vec<Voter<'_>> = (self.networks.iter().enumerate())
            .flat_map(|(model, network)| {
                DropoutSamples::of_model(options.dropout, model).into_iter().map(move |dropout| Voter { network, dropout })
            })
            .collect();
        let view = View { data: &data, shape, voters: &voters, head: self.decision.head, device: &self.device };
        let n_values = self.decision.n_classes() + usize::from(window.disagreement);
        let total = work.blocks(n_rows).map(|rows| window.n_tiles(working, &rows_needed(&taps[1], &rows))).sum();
        let mut done = 0;
        let grid = Resampling { taps: &taps, size_in: working, precision: window.precision };
        for rows in work.blocks(n_rows) {
            let mut assembly = Assembly::new(&grid, rows.clone(), n_values, &self.decision, &mut result);
            let needed = rows_needed(&taps[1], &rows);
            let mut count = |n| {
                done += n;
                progress(done, total)
            };
            window.run(&view, needed, &mut |slice| assembly.push(slice), &mut count)?;
        }
        drop(data);
        if let Some(inside) = self.preprocessor.region(case, &restore, on_crop, shown.region)? {
            // Between the voxels of the two grids a label may have come over the border.
            let voxels = result.labels.voxels_mut().iter_mut().zip(inside.voxels());
            voxels.filter(|(_, inside)| !**inside).for_each(|(label, _)| *label = 0);
        }
        let OnCrop { labels, probabilities, failure, uncertainty } = result;
        if let Some(error) = failure {
            return Err(failed(error));
        }
        Ok(Prediction {
            labels: restore.labels_to_original(&labels),
            probabilities: probabilities.map(|numbers| Probabilities::on_crop(numbers, restore, self.decision.head)),
            uncertainty: uncertainty.map(|found| Uncertainty {
                entropy: restore.to_original(&found.entropy, 0.0),
                disagreement: restore.to_original(&found.disagreement, 0.0),
                expected_dice: found.promise.dice(self.decision.head),
            }),
        })
    }

    /// What predicting an image on `grid` takes, if nothing of it can be cut off.
    pub(crate) fn cost(&self, grid: &Geometry, options: PredictOptions) -> Result<Cost, InferError> {
        let grid_here = match self.plan.orientation {
            sagittal_data::plan::OrientationRule::Canonical => Reorientation::of(grid).geometry(grid),
            sagittal_data::plan::OrientationRule::File => grid.clone(),
        };
        let shape = self.plan.axis_order.map(|axis| grid_here.shape[axis]);
        let own_mm = grid_here.spacing_mm.map(|spacing| self.plan.axis_order.map(|axis| spacing[axis]));
        let working_mm = self.plan.spacing_mm.filter(|_| own_mm.is_some()).map(|mut spacing| {
            if let (Some(own), Rank::Two) = (own_mm, self.plan.network_rank()) {
                spacing[0] = own[0];
            }
            spacing
        });
        let whole = self.plan.network.whole_image();
        let spacings_mm = working_mm.zip(own_mm).filter(|_| whole.is_none());
        let working = match whole {
            Some([y, x]) => [1, y, x],
            None => spacings_mm
                .map_or(shape, |(working, own)| std::array::from_fn(|a| ((shape[a] as f64 * own[a] / working[a]).round() as usize).max(1))),
        };
        let taps = probability_taps(working, shape, spacings_mm);
        let work = Work {
            // Where a mask says what is labelled, that may be all.
            window: self.window(None, options),
            network: self.networks[0].plan(),
            n_networks: self.networks.len(),
            n_voters: self.n_voters(options),
            n_channels: self.plan.channels.len(),
            n_voxels: grid.n_voxels(),
            working,
            taps: &taps,
            wants: options.into(),
        };
        let (work, n_rows) = self.fitted(work, options)?;
        let disk_bytes = if options.probabilities { 4 * (grid.n_voxels() * self.decision.n_classes()) as u64 } else { 0 };
        Ok(Cost { bytes: work.bytes(n_rows), n_blocks: work.blocks(n_rows).count(), disk_bytes })
    }

    fn rows_within(&self, work: &Work<'_>, options: PredictOptions) -> Result<usize, InferError> {
        work.rows_within(options.memory_bytes).ok_or_else(|| InferError::Memory {
            working: work.working,
            needed_bytes: work.bytes(1),
            limit_bytes: options.memory_bytes.unwrap_or(u64::MAX),
        })
    }

    /// Number of networks, each counted once for every sample of its dropout.
    fn n_voters(&self, options: PredictOptions) -> usize {
        self.networks.len() * DropoutSamples::of_model(options.dropout, 0).len()
    }

    /// How an image is cut.
    fn window<'a>(&self, region: Option<&'a Region>, options: PredictOptions) -> SlidingWindow<'a> {
        let context = self.plan.network.context();
        let is_dense = context != [[0; 2]; 3];
        let mirror_axes = if options.mirror && !is_dense { self.plan.training.mirrored_axes().to_vec() } else { Vec::new() };
        SlidingWindow {
            tile: self.plan.patch,
            context,
            region,
            weighting: if is_dense { Weighting::Equal } else { Weighting::Gaussian },
            step_fraction: options.step_fraction,
            mirror_axes,
            disagreement: options.uncertainty,
            precision: self.plan.logits,
        }
    }

    /// The work with tiles that fit the memory, and how many rows are worked on at a time. A voxel classifier's tiles become
    /// smaller before rows are worked on in blocks.
    fn fitted<'a>(&self, mut work: Work<'a>, options: PredictOptions) -> Result<(Work<'a>, usize), InferError> {
        if work.window.is_dense() {
            let size = work.window.region.map_or(work.working, Region::size);
            for most_voxels in DENSE_VOXELS {
                work.window.tile = dense_tile(size, most_voxels);
                if work.rows_within(options.memory_bytes) == Some(work.taps[1].len()) {
                    break;
                }
            }
        }
        let n_rows = self.rows_within(&work, options)?;
        Ok((work, n_rows))
    }
}

/// Voxels of a voxel classifier's largest tile, the quickest first: what neighbours share is worked out again at the borders of
/// tiles, and the spectra of all weights for every tile.
const DENSE_VOXELS: [usize; 4] = [1 << 16, 1 << 14, 1 << 12, 1 << 10];
