//! Where a training starts that goes on from another model.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sagittal_data::Plan;
use sagittal_nets::{KeptArray, ModelFile, Network};
use sagittal_tensor::Device;

use crate::{messages::Messages, outcome::WrongUse};

/// Arrays that did not fit are listed up to this number.
const MOST_LISTED: usize = 12;

/// The model named by `--from`.
#[derive(Debug)]
pub(super) struct Origin {
    path: PathBuf,
    network: Network,
    pub(super) plan: Plan,
}

impl Origin {
    pub(super) fn read(path: &Path, device: &Device) -> anyhow::Result<Self> {
        WrongUse::unless_exists(path, "a model (.safetensors) to start from")?;
        if path.is_dir() {
            let cure = "name one file, such as RUN/fold_0/model.safetensors";
            return Err(WrongUse(format!("{} is a folder, and a training starts from one model; {cure}", path.display())).into());
        }
        let ModelFile { network, header } = ModelFile::read(path, device)?;
        let plan = serde_json::from_value(header["plan"].clone())
            .with_context(|| format!("{}: its plan is not understood; train or import it again with this version", path.display()))?;
        Ok(Self { path: path.to_owned(), network, plan })
    }

    /// Gives the network what fits by name and shape, and says what did not.
    pub(super) fn give_to(&self, network: &mut Network, messages: &Messages) -> anyhow::Result<()> {
        let (n_arrays, n_numbers) = (network.parameters().iter().len(), network.parameters().count());
        let transfer = network.take_weights(&self.network);
        let path = self.path.display();
        if transfer.taken == 0 {
            let example = transfer.kept.first().map(in_words).unwrap_or_default();
            let cure = "leave --plan out to train by the model's own plan, or start from a model of such a network";
            return Err(WrongUse(format!("none of the network's {n_arrays} arrays is in {path} ({example}); {cure}")).into());
        }
        messages.say(format_args!(
            "starting from {path}: {} of {n_arrays} arrays fit, {} of {n_numbers} numbers",
            transfer.taken, transfer.numbers_taken
        ));
        for kept in transfer.kept.iter().take(MOST_LISTED) {
            messages.say(format_args!("    starts anew: {}", in_words(kept)));
        }
        if transfer.kept.len() > MOST_LISTED {
            messages.say(format_args!("    and {} more", transfer.kept.len() - MOST_LISTED));
        }
        if let Some(first) = transfer.unused.first() {
            messages.say(format_args!("    {} arrays of the model have no place in the network, such as {first}", transfer.unused.len()));
        }
        Ok(())
    }
}

/// `decoder.seg_layers.0.weight, expected [4, 8, 1, 1, 1], found [3, 8, 1, 1, 1]`.
fn in_words(KeptArray { name, expected, found }: &KeptArray) -> String {
    let found = found.as_ref().map_or("none".to_owned(), |found| format!("{found:?}"));
    format!("{name}, expected {expected:?}, found {found}")
}
