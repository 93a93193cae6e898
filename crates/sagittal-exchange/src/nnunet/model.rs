//! A trained model of nnU-Net: which folds there are, and each as a plan and a network.

use super::{field::Field, plans, postprocessing, tree::Tree, weights};
use crate::{ExchangeError, checkpoint::Checkpoint};
use sagittal_data::{
    Plan,
    plan::{KeepParts, LogitPrecision},
};
use sagittal_nets::Network;
use sagittal_tensor::Device;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

/// What the provenance of an imported model names as its program.
pub const PROGRAM: &str = "nnU-Net v2";

const CURE: &str = "name the folder TRAINER__PLANS__CONFIGURATION of a trained model, one above it, or the zip that nnU-Net exports";

/// Which of the models and folds of a tree are wanted.
#[derive(Clone, Debug)]
pub struct Which {
    /// A configuration such as `3d_fullres`, or the name of a model's folder; needed where there are several.
    pub configuration: Option<String>,
    /// Folds by name, such as `0` or `all`; all numbered ones if empty (as nnU-Net itself chooses), else `all`.
    pub folds: Vec<String>,
    /// The checkpoint of the best validation instead of the final one.
    pub best: bool,
    /// How exactly logits are put together: nnU-Net's own way, unless told otherwise.
    pub logits: LogitPrecision,
}

impl Default for Which {
    /// The one model that is there, as nnU-Net predicts with it.
    fn default() -> Self {
        Self { configuration: None, folds: Vec::new(), best: false, logits: LogitPrecision::Half }
    }
}

/// A trained model of nnU-Net v2.
pub struct Model {
    tree: Tree,
    /// Path of the model's folder within the tree, with a slash at its end unless it is the tree itself.
    root: String,
    plans: Value,
    dataset: Value,
    checkpoint_name: &'static str,
    folds: Vec<String>,
    postprocessing: Vec<KeepParts>,
    /// Where the steps of post-processing were found.
    postprocessing_place: Option<String>,
    /// The configuration that was asked for, where a name of a folder does not tell it.
    wanted: Option<String>,
    logits: LogitPrecision,
}

/// One fold of a model.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The plan that gives nnU-Net's labels.
    pub plan: Plan,
    /// The network with its weights.
    pub network: Network,
    /// What the header of the model file holds: the plan, and where it comes from.
    pub facts: Value,
}

impl Model {
    /// Finds a model in a folder or zip and reads all but its weights.
    ///
    /// # Errors
    /// [`ExchangeError`] if there is none, or several to choose from, or a file is not understood.
    pub fn open(path: &Path, which: &Which) -> Result<Self, ExchangeError> {
        let mut tree = Tree::open(path)?;
        let place = path.display().to_string();
        let checkpoint_name = if which.best { "checkpoint_best.pth" } else { "checkpoint_final.pth" };
        let root = choose_root(&tree, &place, checkpoint_name, which.configuration.as_deref())?;
        let folds = choose_folds(&tree, &place, &root, checkpoint_name, &which.folds)?;
        let plans = tree.json(&format!("{root}plans.json"))?;
        let dataset_file = format!("{root}dataset.json");
        if !tree.files().contains(&dataset_file) {
            return Err(ExchangeError::malformed(&place, format!("{dataset_file} is missing"), "copy the whole folder of the model"));
        }
        let dataset = tree.json(&dataset_file)?;
        let (mut steps, mut steps_place) = (Vec::new(), None);
        if let Some(file) = postprocessing_file(&tree, &root) {
            let json = tree.json(&file)?;
            let place = tree.place(&file);
            steps = postprocessing::steps(&Field::root(&json, &place))?;
            steps_place = Some(place);
        }
        let named = path
            .file_name()
            .is_some_and(|name| which.configuration.as_deref().is_some_and(|wanted| is_called(&name.to_string_lossy(), wanted)));
        let wanted = which.configuration.clone().filter(|_| root.is_empty() && !named);
        Ok(Self {
            tree,
            root,
            plans,
            dataset,
            checkpoint_name,
            folds,
            postprocessing: steps,
            postprocessing_place: steps_place,
            wanted,
            logits: which.logits,
        })
    }

    /// Names of the folds that were chosen, in order.
    pub fn folds(&self) -> &[String] {
        &self.folds
    }

    /// The file with the steps of post-processing, if there is one.
    pub fn postprocessing_place(&self) -> Option<&str> {
        self.postprocessing_place.as_deref()
    }

    /// Reads a fold.
    ///
    /// # Errors
    /// [`ExchangeError`] names the file and what is wrong with it or not supported.
    pub fn fold(&mut self, fold: &str, device: &Device) -> Result<Chosen, ExchangeError> {
        let file = format!("{}fold_{fold}/{}", self.root, self.checkpoint_name);
        let place = self.tree.place(&file);
        let mut checkpoint = Checkpoint::open(self.tree.source(&file)?, &place)?;
        let arguments = checkpoint.json("init_args");
        let configuration = arguments.get("configuration").and_then(Value::as_str).ok_or_else(|| {
            ExchangeError::malformed(&place, "init_args.configuration is missing", "choose a checkpoint that nnU-Net v2 wrote")
        })?;
        if let Some(wanted) = self.wanted.as_deref().filter(|wanted| *wanted != configuration) {
            let finding = format!("a model of configuration {configuration}, not of {wanted}");
            return Err(ExchangeError::malformed(&place, finding, "name another model's folder, or leave out --configuration"));
        }
        let mirror_axes = mirror_axes(&checkpoint.json("inference_allowed_mirroring_axes"), &place)?;
        let extras = plans::Extras {
            configuration: configuration.to_owned(),
            mirror_axes,
            postprocessing: self.postprocessing.clone(),
            logits: self.logits,
        };
        let (plans_place, dataset_place) =
            (self.tree.place(&format!("{}plans.json", self.root)), self.tree.place(&format!("{}dataset.json", self.root)));
        let mut plan = plans::plan(&Field::root(&self.plans, &plans_place), &Field::root(&self.dataset, &dataset_place), extras)?;
        let network = weights::network(&mut checkpoint, &plan.network, &place, device)?;
        plan.estimate.parameters = network.plan().n_parameters();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let provenance = json!({
            "program": PROGRAM,
            "dataset": plan.dataset,
            "fold": fold,
            "configuration": configuration,
            "trainer": text(&checkpoint.json("trainer_name")),
            "plans": text(&self.plans["plans_name"]),
            "checkpoint": self.checkpoint_name,
            "epochs": checkpoint.json("current_epoch").as_u64(),
        });
        let facts = json!({ "plan": plan, "provenance": provenance });
        Ok(Chosen { plan, network, facts })
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("root", &self.root).field("folds", &self.folds).finish_non_exhaustive()
    }
}

/// The one folder with `plans.json` and checkpoints.
fn choose_root(tree: &Tree, place: &str, checkpoint: &str, wanted: Option<&str>) -> Result<String, ExchangeError> {
    let has_fold = |root: &str| tree.files().iter().any(|file| fold_of(file, root, checkpoint).is_some());
    let roots: Vec<&str> = tree.files().iter().filter_map(|file| file.strip_suffix("plans.json")).collect();
    let roots: Vec<&str> = roots.into_iter().filter(|root| (root.is_empty() || root.ends_with('/')) && has_fold(root)).collect();
    let name = |root: &str| root.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    // The tree's own folder has no name here: it was named itself.
    let fits = |root: &&&str| wanted.is_none_or(|wanted| root.is_empty() || is_called(&name(root), wanted));
    let names = |roots: &[&str]| roots.iter().map(|root| root.trim_end_matches('/')).collect::<Vec<_>>().join(", ");
    let fitting: Vec<&str> = roots.iter().filter(fits).copied().collect();
    match fitting[..] {
        [root] => Ok(root.to_owned()),
        [] if roots.is_empty() => {
            let others = tree.files().iter().filter(|file| file.contains("fold_")).filter_map(|file| file.rsplit('/').next());
            let others: BTreeSet<&str> = others.filter(|name| name.starts_with("checkpoint_")).collect();
            if !others.is_empty() {
                let found = others.into_iter().collect::<Vec<_>>().join(", ");
                return Err(ExchangeError::malformed(
                    place,
                    format!("holds no plans.json with fold_*/{checkpoint} (its checkpoints: {found})"),
                    "finish the training, choose another state with --checkpoint, or name the folder that holds plans.json",
                ));
            }
            Err(ExchangeError::malformed(place, format!("holds no trained model (plans.json with fold_*/{checkpoint})"), CURE))
        }
        [] => Err(ExchangeError::malformed(
            place,
            format!("holds no model {}, but {}", wanted.unwrap_or_default(), names(&roots)),
            "name one of these with --configuration",
        )),
        _ => Err(ExchangeError::malformed(
            place,
            format!("holds {} models: {}", fitting.len(), names(&fitting)),
            "name one of these folders, or choose with --configuration: what a folder is called, or the last part of it",
        )),
    }
}

/// Whether a folder `TRAINER__PLANS__CONFIGURATION` is the one that was asked for, by all of its name or its last part.
fn is_called(name: &str, wanted: &str) -> bool {
    name == wanted || name.rsplit("__").next() == Some(wanted)
}

/// The fold whose checkpoint `file` is.
fn fold_of<'a>(file: &'a str, root: &str, checkpoint: &str) -> Option<&'a str> {
    let (folder, name) = file.strip_prefix(root)?.split_once('/')?;
    (name == checkpoint).then(|| folder.strip_prefix("fold_"))?
}

fn choose_folds(tree: &Tree, place: &str, root: &str, checkpoint: &str, wanted: &[String]) -> Result<Vec<String>, ExchangeError> {
    let found: Vec<&str> = tree.files().iter().filter_map(|file| fold_of(file, root, checkpoint)).collect();
    if let Some(missing) = wanted.iter().find(|fold| !found.contains(&&***fold)) {
        let finding = format!("has no fold_{missing}/{checkpoint}; its folds: {}", found.join(", "));
        return Err(ExchangeError::malformed(place, finding, "choose one of these with --fold, or another --checkpoint"));
    }
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let mut numbered: Vec<&str> = found.iter().copied().filter(|fold| fold.parse::<u32>().is_ok()).collect();
    numbered.sort_by_key(|fold| fold.parse::<u32>().unwrap_or_default());
    let chosen = if numbered.is_empty() { found } else { numbered };
    Ok(chosen.into_iter().map(str::to_owned).collect())
}

/// The steps found on the whole cross-validation, if there are any: of several the one over the most folds.
fn postprocessing_file(tree: &Tree, root: &str) -> Option<String> {
    let beside = format!("{root}postprocessing.json");
    if tree.files().contains(&beside) {
        return Some(beside);
    }
    let start = format!("{root}crossval_results_folds_");
    let of_folds = tree.files().iter().filter(|file| file.starts_with(&start) && file.ends_with("/postprocessing.json"));
    of_folds.max_by_key(|file| file.len()).cloned()
}

/// Null where a model must not be mirrored.
fn mirror_axes(json: &Value, place: &str) -> Result<Vec<usize>, ExchangeError> {
    let root = json!({ "inference_allowed_mirroring_axes": json });
    let Some(field) = Field::root(&root, place).get("inference_allowed_mirroring_axes") else { return Ok(Vec::new()) };
    let axes = field.counts()?;
    if axes.iter().any(|axis| *axis > 2) { Err(field.wrong("axes 0 to 2")) } else { Ok(axes) }
}
