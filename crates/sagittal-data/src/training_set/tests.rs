#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{planner::example_plan, testing};
use std::fs;

fn dataset(root: &std::path::Path) -> Dataset {
    fs::write(
        root.join("dataset.json"),
        r#"{"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1, "b": 2}, "file_ending": ".nii"}"#,
    )
    .unwrap();
    for (index, id) in ["a", "b", "c"].into_iter().enumerate() {
        testing::volume(&root.join(format!("imagesTr/{id}_0000.nii")), index as f32);
        testing::write_labels(&root.join(format!("labelsTr/{id}.nii")), &[0, 1, 2, 0]);
    }
    Dataset::open(root).unwrap()
}

fn prepare(dataset: &Dataset, cache: Option<PathBuf>, memory_bytes: u64) -> Result<TrainingSet, DataError> {
    let cases: Vec<&Case> = dataset.training.iter().collect();
    TrainingSet::prepare(
        dataset,
        &cases,
        &example_plan(),
        &TrainingSetOptions { cache, memory_bytes, previous_stage: BTreeMap::new(), regions: BTreeMap::new() },
        &|_, _| {},
    )
}

/// Everything of a set, read by windows.
fn content(set: &TrainingSet) -> Vec<TrainingCase> {
    let whole = |case: &StoredCase| {
        let window = case.window([-5; 3], [1000; 3]).unwrap();
        TrainingCase {
            id: case.id.clone(),
            data: window.data.to_vec(),
            labels: window.labels.to_vec(),
            previous: window.previous.to_vec(),
            shape: case.shape,
            class_sizes: case.class_sizes.clone(),
            class_locations: case.class_locations.clone(),
            labelled_locations: case.labelled_locations.clone(),
        }
    };
    set.cases().iter().map(whole).collect()
}

#[test]
fn memory_cache_and_disk_hold_the_same() {
    let root = tempfile::tempdir().unwrap();
    let dataset = dataset(root.path());
    let cache = root.path().join("cache");
    let direct = content(&prepare(&dataset, None, 1 << 20).unwrap());
    assert_eq!(direct.len(), 3);
    assert_eq!(content(&prepare(&dataset, Some(cache.clone()), 1 << 20).unwrap()), direct);
    assert_eq!(content(&prepare(&dataset, Some(cache.clone()), 1 << 20).unwrap()), direct);
    assert_eq!(content(&prepare(&dataset, Some(cache.clone()), 0).unwrap()), direct);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 3);
}

#[test]
fn damaged_entries_are_made_anew_and_changed_files_are_not_taken_for_old_ones() {
    let root = tempfile::tempdir().unwrap();
    let dataset = dataset(root.path());
    let cache = root.path().join("cache");
    let direct = content(&prepare(&dataset, Some(cache.clone()), 1 << 20).unwrap());
    let mut entries: Vec<PathBuf> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let mut bytes = fs::read(&entries[0]).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&entries[0], &bytes).unwrap();
    fs::write(&entries[1], &bytes[..30]).unwrap();
    fs::write(&entries[2], []).unwrap();
    assert_eq!(content(&prepare(&dataset, Some(cache.clone()), 0).unwrap()), direct);
    testing::write_labels(&root.path().join("labelsTr/a.nii"), &[2, 0]);
    let changed = content(&prepare(&dataset, Some(cache.clone()), 0).unwrap());
    assert!(changed[0] != direct[0] && changed[1..] == direct[1..]);
}

#[test]
fn one_bad_case_does_not_stop_the_others() {
    let root = tempfile::tempdir().unwrap();
    let dataset = dataset(root.path());
    fs::write(root.path().join("imagesTr/b_0000.nii"), "hello").unwrap();
    let set = prepare(&dataset, None, 1 << 20).unwrap();
    assert_eq!(set.cases().len(), 2);
    assert_eq!(set.failures().iter().map(|(id, _)| &**id).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn too_little_memory_without_a_cache_is_an_error_with_a_cure() {
    let root = tempfile::tempdir().unwrap();
    let message = prepare(&dataset(root.path()), None, 0).unwrap_err().to_string();
    assert!(message.contains("take more than 0 MB") && message.contains("cache"), "{message}");
}

#[test]
fn windows_of_a_case_on_disk_are_parts_of_it() {
    let root = tempfile::tempdir().unwrap();
    let dataset = dataset(root.path());
    let set = prepare(&dataset, Some(root.path().join("cache")), 0).unwrap();
    let case = &set.cases()[0];
    let whole = case.window([0; 3], [1000; 3]).unwrap();
    for (lower, upper) in
        [([1, 1, 2], [3, 4, 5]), ([-2, 3, 0], [2, 9, 1]), ([6, 4, 5], [70, 5, 6]), ([-9; 3], [-1; 3]), ([900; 3], [1000; 3])]
    {
        let part = case.window(lower, upper).unwrap();
        for z in part.lower[0]..part.upper[0] {
            for y in part.lower[1]..part.upper[1] {
                for x in part.lower[2]..part.upper[2] {
                    let index = |window: &Window<'_>| {
                        [z, y, x].iter().enumerate().fold(0, |index, (axis, at)| index * window.shape[axis] + at - window.origin[axis])
                    };
                    assert_eq!(part.data[index(&part)], whole.data[index(&whole)]);
                    assert_eq!(part.labels[index(&part)], whole.labels[index(&whole)]);
                }
            }
        }
        assert_eq!(part.labels.len(), part.n_voxels());
    }
}

#[test]
fn what_killed_programs_left_is_removed_and_what_is_being_written_is_not() {
    let root = tempfile::tempdir().unwrap();
    let dataset = dataset(root.path());
    let cache = root.path().join("cache");
    prepare(&dataset, Some(cache.clone()), 1 << 20).unwrap();
    let (old, new, foreign) = (cache.join("a-12ab.case.4711.tmp"), cache.join("b-12ab.case.4711.tmp"), cache.join("notes.tmp"));
    for file in [&old, &new, &foreign] {
        fs::write(file, "half").unwrap();
    }
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    for file in [&old, &foreign] {
        fs::File::options().write(true).open(file).unwrap().set_modified(yesterday).unwrap();
    }
    assert_eq!(prepare(&dataset, Some(cache.clone()), 1 << 20).unwrap().cases().len(), 3);
    assert!(!old.exists() && new.exists() && foreign.exists());
}

#[test]
fn what_the_previous_stage_found_is_kept_with_the_case() {
    let root = tempfile::tempdir().unwrap();
    let dataset = dataset(root.path());
    let mut plan = example_plan();
    plan.previous_stage = Some("3d_lowres".into());
    let file = |id: &str| root.path().join(format!("lowres/{id}.nii"));
    ["a", "b", "c"].into_iter().for_each(|id| testing::write_labels(&file(id), &[2, 0, 1]));
    let prepare = |memory_bytes| {
        let options = TrainingSetOptions {
            cache: Some(root.path().join("cache")),
            memory_bytes,
            previous_stage: ["a", "b", "c"].map(|id| (id.to_owned(), file(id))).into(),
            regions: BTreeMap::new(),
        };
        TrainingSet::prepare(&dataset, &dataset.training.iter().collect::<Vec<_>>(), &plan, &options, &|_, _| {})
    };
    let (memory, disk) = (content(&prepare(1 << 20).unwrap()), content(&prepare(0).unwrap()));
    assert_eq!(memory, disk);
    assert!(memory.iter().all(|case| case.previous.len() == case.labels.len() && case.previous != case.labels));
    assert!(memory[0].previous.contains(&0) && memory[0].previous.contains(&1) && memory[0].previous.contains(&2));
    // Another result of the previous stage is another case.
    testing::write_labels(&file("a"), &[1, 1, 1, 1, 0]);
    let changed = content(&prepare(0).unwrap());
    assert!(changed[0].previous != memory[0].previous && changed[0].labels == memory[0].labels && changed[1..] == memory[1..]);

    testing::write_labels(&file("a"), &[7]);
    testing::picture(&root.path().join("lowres/p.png"), 1);
    fs::rename(root.path().join("lowres/p.png"), file("b")).unwrap();
    fs::remove_file(file("c")).unwrap();
    assert!(prepare(1 << 20).is_err());
    testing::write_labels(&file("c"), &[1]);
    let failures: Vec<String> = prepare(1 << 20).unwrap().failures().iter().map(|(_, error)| error.to_string()).collect();
    assert!(failures.len() == 2 && failures[0].contains("value 7"), "{failures:?}");
    let nothing = TrainingSetOptions { cache: None, memory_bytes: 1 << 20, previous_stage: BTreeMap::new(), regions: BTreeMap::new() };
    let message = TrainingSet::prepare(&dataset, &[&dataset.training[0]], &plan, &nothing, &|_, _| {}).unwrap_err().to_string();
    assert!(message.contains("what 3d_lowres found of this case was not given") && message.contains("--previous"), "{message}");
}

#[test]
fn what_is_made_of_cases_is_kept_as_they_are_and_made_once() {
    let root = tempfile::tempdir().unwrap();
    let set = prepare(&dataset(root.path()), None, 1 << 20).unwrap();
    let n_made = std::cell::Cell::new(0);
    let derive = |cache: bool, memory_bytes: u64, purpose: &str| {
        let cache = cache.then(|| root.path().join("cache"));
        let options = TrainingSetOptions { cache, memory_bytes, previous_stage: BTreeMap::new(), regions: BTreeMap::new() };
        let mut make = |_: &str, data: &[f32], shape: [usize; 4]| {
            n_made.set(n_made.get() + 1);
            assert_eq!(data.len(), shape.iter().product::<usize>());
            Some(data.iter().map(|v| 2.0 * v).chain(data.iter().map(|v| -v)).collect())
        };
        set.derive(2, purpose, &options, &mut make).map(|set| content(&set.unwrap()))
    };
    let memory = derive(false, 1 << 20, "twice").unwrap();
    assert_eq!((memory.len(), memory[0].shape[0], n_made.get()), (3, 2, 3));
    for (made, case) in memory.iter().zip(content(&set)) {
        let (first, second) = made.data.split_at(case.data.len());
        assert!(made.id == case.id && made.shape[1..] == case.shape[1..]);
        assert!(first.iter().zip(&case.data).all(|(made, own)| *made == 2.0 * own));
        assert!(second.iter().zip(&case.data).all(|(made, own)| *made == -own));
    }
    assert_eq!(derive(true, 0, "twice").unwrap(), memory);
    assert_eq!((derive(true, 1 << 20, "twice").unwrap() == memory, n_made.get()), (true, 6), "the cache was not used");
    derive(true, 0, "by another").unwrap();
    assert_eq!(n_made.get(), 9, "entries of another purpose were taken");
    assert!(derive(false, 0, "twice").unwrap_err().to_string().contains("folder for the cache"));

    let options = TrainingSetOptions { cache: None, memory_bytes: 1 << 20, previous_stage: BTreeMap::new(), regions: BTreeMap::new() };
    assert!(set.derive(2, "stopped", &options, &mut |_, _, _| None).unwrap().is_none());
}

#[test]
fn images_without_labels_are_added_as_far_as_the_memory_goes() {
    let root = tempfile::tempdir().unwrap();
    let dataset = dataset(root.path());
    let labelled = content(&prepare(&dataset, None, 1 << 20).unwrap());
    let mut broken = dataset.training[1].clone();
    broken.images = vec![root.path().join("lost.nii")];
    let cases = [&dataset.training[0], &broken, &dataset.training[2]];
    let mut set = TrainingSet::in_memory(Vec::new());
    assert_eq!(set.add_unlabelled(&dataset, &cases, &example_plan(), 1 << 20), 2);
    assert_eq!(set.failures().len(), 1);
    let found = content(&set);
    assert!(found[0].data == labelled[0].data && found[1].data == labelled[2].data);
    assert!(found.iter().all(|case| case.labels.iter().all(|label| *label == 0)));
    assert_eq!(TrainingSet::in_memory(Vec::new()).add_unlabelled(&dataset, &cases, &example_plan(), 1), 0);
}
