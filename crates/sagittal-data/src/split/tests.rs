#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::dataset::Layout;

fn dataset(cases: &[(&str, Option<&str>)]) -> Dataset {
    let case = |&(id, group): &(&str, Option<&str>)| Case {
        id: id.into(),
        images: vec![],
        labels: Some("labels".into()),
        second_labels: None,
        region: None,
        group: group.map(Into::into),
    };
    Dataset {
        root: "nowhere".into(),
        name: "test".into(),
        layout: Layout::NnUnet,
        channels: vec![],
        labels: vec![],
        regions: Vec::new(),
        ignore_label: None,
        mask_values: vec![],
        training: cases.iter().map(case).collect(),
        test: vec![],
        faults: vec![],
    }
}

#[test]
fn folds_without_groups_are_scikit_learns() {
    #[derive(serde::Deserialize)]
    struct Golden {
        n: usize,
        seed: u64,
        validation: Vec<Vec<usize>>,
    }
    let goldens: Vec<Golden> = serde_json::from_str(include_str!("../../tests/data/kfold.json")).unwrap();
    assert!(goldens.len() >= 5);
    for Golden { n, seed, validation } in goldens {
        let fold_of = shuffled_fold_of(n, validation.len(), Seed(seed));
        for (fold, expected) in validation.iter().enumerate() {
            let found: Vec<usize> = (0..n).filter(|&index| fold_of[index] == fold).collect();
            assert_eq!(&found, expected, "n {n}, seed {seed}, fold {fold}");
        }
    }
}

#[test]
fn groups_are_never_cut_and_folds_are_balanced() {
    let ids: Vec<(String, String)> = (0..60).map(|i| (format!("case_{i:02}"), format!("patient_{}", i * i % 17))).collect();
    let cases: Vec<(&str, Option<&str>)> = ids.iter().map(|(id, group)| (&**id, Some(&**group))).collect();
    let dataset = dataset(&cases);
    let splits = Splits::make(&dataset, 3, Seed(7)).unwrap();
    assert_eq!(splits, Splits::make(&dataset, 3, Seed(7)).unwrap());
    assert_ne!(splits, Splits::make(&dataset, 3, Seed(8)).unwrap());
    for index in 0..3 {
        let fold = splits.fold(FoldChoice::Index(index)).unwrap();
        assert_eq!(fold.training.len() + fold.validation.len(), 60);
        assert!((15..=25).contains(&fold.validation.len()), "{}", fold.validation.len());
        let group = |id: &String| ids.iter().find(|(other, _)| other == id).unwrap().1.clone();
        let training: HashSet<String> = fold.training.iter().map(group).collect();
        assert!(fold.validation.iter().all(|id| !training.contains(&group(id))));
    }
}

#[test]
fn every_case_is_validated_once_and_all_means_all() {
    let ids: Vec<String> = (0..13).map(|i| format!("c{i:02}")).collect();
    let cases: Vec<_> = ids.iter().map(|id| (&**id, None)).collect();
    let splits = Splits::make(&dataset(&cases), 5, Splits::NNUNET_SEED).unwrap();
    let all = splits.fold(FoldChoice::All).unwrap();
    assert_eq!(all.training, ids);
    assert_eq!(all.validation, ids);
}

#[test]
fn fewer_cases_or_groups_than_folds_make_fewer_folds() {
    struct Row {
        cases: &'static [(&'static str, Option<&'static str>)],
        n_folds: usize,
    }
    let rows = [
        Row { cases: &[("a", None), ("b", None)], n_folds: 2 },
        Row { cases: &[("a", Some("p")), ("b", Some("p")), ("c", Some("q")), ("d", Some("r"))], n_folds: 3 },
        Row { cases: &[("a", Some("p")), ("b", Some("p"))], n_folds: 1 },
        Row { cases: &[("a", None)], n_folds: 1 },
    ];
    for Row { cases, n_folds } in rows {
        let splits = Splits::make(&dataset(cases), 5, Splits::NNUNET_SEED).unwrap();
        assert_eq!(splits.n_folds(), n_folds, "{cases:?}");
        assert_eq!(splits.fold(FoldChoice::All).unwrap().training.len(), cases.len(), "{cases:?}");
        for index in 0..n_folds {
            match splits.fold(FoldChoice::Index(index)) {
                Ok(fold) => assert_eq!(fold.training.len() + fold.validation.len(), cases.len(), "{cases:?}"),
                Err(error) => assert!(n_folds == 1 && error.to_string().contains("all"), "{cases:?}: {error}"),
            }
        }
    }
    let error = Splits::make(&dataset(&[]), 5, Seed(1)).unwrap_err().to_string();
    assert!(error.contains("no labelled case"), "{error}");
}

#[test]
fn splits_read_back_and_are_checked() {
    let ids: Vec<String> = (0..10).map(|i| format!("c{i}")).collect();
    let cases: Vec<_> = ids.iter().map(|id| (&**id, None)).collect();
    let dataset = dataset(&cases);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("splits.json");
    let splits = Splits::make(&dataset, 5, Splits::NNUNET_SEED).unwrap();
    splits.write(&path).unwrap();
    assert_eq!(Splits::read(&path, &dataset).unwrap(), splits);
    std::fs::write(&path, r#"[{"train": ["c0"], "val": ["c11"]}]"#).unwrap();
    assert!(Splits::read(&path, &dataset).unwrap_err().to_string().contains("c11"));
    std::fs::write(&path, r#"[{"train": ["c0"], "val": ["c0"]}]"#).unwrap();
    assert!(Splits::read(&path, &dataset).unwrap_err().to_string().contains("in training and in validation"));
}
