"""Trains with nnU-Net's own trainer for so many minutes, and predicts the validation cases of the fold.

    pip install torch==2.15.0 nnunetv2==2.8.1
    python tests/reference/nnunet_training.py DATASET OUT --configuration 3d_fullres --fold 0 --minutes 60 --threads 1

DATASET is a folder in nnU-Net's layout. OUT gets nnU-Net's three folders; `OUT/validation_FOLD.json` says the mean foreground Dice of the
validation cases and how many steps fitted. Folds are nnU-Net's own (seed 12345), which are Sagittal's too.

The trainer is nnUNetTrainer with what a training by time needs and nothing else: epochs of 5 steps, the learning rate falls by the part of
the time that is used up, instead of by epochs, and training ends with the time. Planning, preprocessing and the final validation are
not counted, and epochs are scored on one batch only: one for 5 steps, the part that nnU-Net gives to them too (50 for 250).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("dataset", type=Path)
parser.add_argument("out", type=Path)
parser.add_argument("--configuration", default="3d_fullres")
parser.add_argument("--fold", type=int, default=0)
parser.add_argument("--minutes", type=float, default=60)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--splits", type=Path, help="splits.json of a Sagittal run, where folds are drawn by patient (default: nnU-Net's)")
options = parser.parse_args()

for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ[name] = str(options.out.resolve() / name)
os.environ["nnUNet_n_proc_DA"] = "0"  # Augmentation in the same process: the machine has no more processors to give.
os.environ["nnUNet_def_n_proc"] = "1"
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(options.threads)

import torch  # noqa: E402  (reads the environment when it is imported)
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: E402

NAME = "Dataset001_Timed"


class TimedTrainer(nnUNetTrainer):
    minutes = options.minutes

    # nnU-Net looks up its arguments by these names.
    def __init__(self, plans, configuration, fold, dataset_json, device):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 5, 1
        self.save_every = 10**9

    def run_training(self):
        self.on_train_start()
        # Files of every epoch would cost a part of the time that a real run's long epochs do not pay.
        self.disable_checkpointing = True
        self.logger.plot_progress_png = lambda *_: None
        start, self.steps = time.monotonic(), 0
        while (used := (time.monotonic() - start) / (60 * self.minutes)) < 1:
            self.on_epoch_start()
            self.on_train_epoch_start()
            for group in self.optimizer.param_groups:
                group["lr"] = self.initial_lr * (1 - used) ** 0.9
            outputs = [self.train_step(next(self.dataloader_train)) for _ in range(self.num_iterations_per_epoch)]
            self.on_train_epoch_end(outputs)
            self.steps += len(outputs)
            with torch.no_grad():
                self.on_validation_epoch_start()
                self.on_validation_epoch_end([self.validation_step(next(self.dataloader_val)) for _ in range(self.num_val_iterations_per_epoch)])
            self.on_epoch_end()
        self.disable_checkpointing = False
        self.on_train_end()


def main():
    raw = Path(os.environ["nnUNet_raw"]) / NAME
    preprocessed = Path(os.environ["nnUNet_preprocessed"]) / NAME
    if not (preprocessed / "nnUNetPlans.json").is_file():
        shutil.copytree(options.dataset, raw, dirs_exist_ok=True)
        plan = Path(sys.executable).parent / "nnUNetv2_plan_and_preprocess"
        subprocess.run([plan, "-d", "1", "-c", options.configuration, "-np", "1", "-npfp", "1"], check=True,
                       env=os.environ | {"nnUNet_n_proc_DA": "1"})
    if options.splits:
        shutil.copy(options.splits, preprocessed / "splits_final.json")
    torch.set_num_threads(options.threads)
    plans = json.loads((preprocessed / "nnUNetPlans.json").read_text())
    plans["continue_training"] = False
    dataset = json.loads((preprocessed / "dataset.json").read_text())
    trainer = TimedTrainer(plans, options.configuration, options.fold, dataset, torch.device("cpu"))
    trainer.run_training()
    trainer.perform_actual_validation()
    summary = json.loads((Path(trainer.output_folder) / "validation/summary.json").read_text())
    result = {"fold": options.fold, "minutes": options.minutes, "threads": options.threads, "steps": trainer.steps,
              "mean_foreground_dice": summary["foreground_mean"]["Dice"],
              "labels": {label: values["Dice"] for label, values in summary["mean"].items()}}
    (options.out / f"validation_{options.fold}.json").write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
