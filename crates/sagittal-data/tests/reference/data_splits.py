"""Writes tests/data/kfold.json: the validation indices of scikit-learn's shuffled KFold, which nnU-Net's folds come from.

Made with scikit-learn 1.x and numpy 2.x (any version gives the same: the legacy generator is frozen).
Usage: python data_splits.py > ../data/kfold.json
"""

import json

from sklearn.model_selection import KFold

goldens = []
for n, folds, seed in [(5, 5, 12345), (13, 5, 12345), (100, 5, 12345), (195, 5, 12345), (700, 5, 12345), (33, 3, 0), (64, 4, 4294967295)]:
    validation = [v.tolist() for _, v in KFold(folds, shuffle=True, random_state=seed).split(range(n))]
    goldens.append({"n": n, "seed": seed, "validation": validation})
print(json.dumps(goldens))
