//! Who may use whom.
//!
//! The crates stand on floors; each uses lower floors only, and of those only the ones named here. What a crate must
//! never know (a network in the metrics, a terminal in the trainer) then cannot creep in, because it does not compile.
//! A change of the table is a change of the architecture: make it here and in ARCHITECTURE.md, and say why.

use crate::workspace::{Dependency, DependencyKind, Package};

/// One crate's place in the house.
struct Room {
    name: &'static str,
    floor: u8,
    may_use: &'static [&'static str],
}

/// The house, floor by floor. The command line may use every crate below it.
const HOUSE: &[Room] = &[
    Room { name: "sagittal-image", floor: 0, may_use: &[] },
    Room { name: "sagittal-kernels", floor: 0, may_use: &[] },
    Room { name: "sagittal-tensor", floor: 1, may_use: &["sagittal-kernels"] },
    Room { name: "sagittal-metrics", floor: 1, may_use: &["sagittal-image"] },
    Room { name: "sagittal-data", floor: 1, may_use: &["sagittal-image"] },
    Room { name: "sagittal-nets", floor: 2, may_use: &["sagittal-tensor", "sagittal-data"] },
    Room { name: "sagittal-train", floor: 3, may_use: &["sagittal-nets", "sagittal-tensor", "sagittal-data", "sagittal-metrics"] },
    Room { name: "sagittal-infer", floor: 3, may_use: &["sagittal-nets", "sagittal-tensor", "sagittal-data", "sagittal-image"] },
    Room { name: "sagittal-exchange", floor: 3, may_use: &["sagittal-nets", "sagittal-tensor", "sagittal-data", "sagittal-image"] },
    Room { name: "sagittal-report", floor: 3, may_use: &["sagittal-image", "sagittal-metrics"] },
    Room {
        name: "sagittal-cli",
        floor: 5,
        may_use: &[
            "sagittal-image",
            "sagittal-kernels",
            "sagittal-tensor",
            "sagittal-metrics",
            "sagittal-data",
            "sagittal-nets",
            "sagittal-train",
            "sagittal-infer",
            "sagittal-exchange",
            "sagittal-report",
        ],
    },
    // Beside the house: tools for tests and for the workspace itself.
    Room { name: "sagittal-testing", floor: 0, may_use: &[] },
    Room { name: "xtask", floor: 0, may_use: &[] },
];

/// Helps the tests of any crate, and is part of no crate that people run.
const FOR_TESTS_ONLY: &str = "sagittal-testing";

/// The framework's crate; everything that begins with its name belongs to it.
const FRAMEWORK: &str = "burn";

/// The one crate that names the framework first; who may use it may name the framework too.
const FRAMEWORK_ADAPTER: &str = "sagittal-tensor";

/// The one crate that may contain `unsafe`.
const UNSAFE_CRATE: &str = "sagittal-kernels";

/// Every edge and every head of a source file that breaks the rules, as one sentence each.
pub(crate) fn check(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let Some(room) = HOUSE.iter().find(|room| room.name == package.name) else {
            faults.push(format!("{}: has no row in the table of xtask/src/layers.rs; add it there and in ARCHITECTURE.md", package.name));
            continue;
        };
        faults.extend(package.dependencies.iter().filter_map(|dependency| forbidden_edge(room, dependency)));
        faults.extend(missing_forbid(package));
    }
    faults
}

/// Says why `room` may not have `dependency`, if it may not.
fn forbidden_edge(room: &Room, dependency: &Dependency) -> Option<String> {
    let Dependency { name, kind } = dependency;
    if name == FOR_TESTS_ONLY {
        return (*kind != DependencyKind::Dev).then(|| format!("{}: {name} is for tests; move it to [dev-dependencies]", room.name));
    }
    if name == FRAMEWORK || name.starts_with(&format!("{FRAMEWORK}-")) {
        let allowed = room.name == FRAMEWORK_ADAPTER || room.may_use.contains(&FRAMEWORK_ADAPTER);
        return (!allowed).then(|| format!("{}: {name} may be named by {FRAMEWORK_ADAPTER} and the crates that use it only", room.name));
    }
    let is_ours = HOUSE.iter().any(|other| other.name == name) || name.starts_with("sagittal-");
    let allowed = !is_ours || room.may_use.contains(&name.as_str());
    (!allowed).then(|| {
        let may_use = if room.may_use.is_empty() { "no crate of the workspace".to_owned() } else { room.may_use.join(", ") };
        format!("{} (floor {}): may not use {name}; it may use {may_use}", room.name, room.floor)
    })
}

/// Names the libraries and programs of `package` that do not forbid `unsafe`.
fn missing_forbid(package: &Package) -> Vec<String> {
    if package.name == UNSAFE_CRATE {
        return Vec::new();
    }
    let forbids = |text: &str| text.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]");
    let lacking = package.roots.iter().filter(|root| !forbids(&root.text));
    lacking.map(|root| format!("{}: {} lacks #![forbid(unsafe_code)]; only {UNSAFE_CRATE} may", package.name, root.path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Root, packages};

    /// A crate `name` with one dependency and a well-formed source file.
    fn crate_with(name: &str, dependency: &str, kind: DependencyKind) -> Package {
        let dependencies = vec![Dependency { name: dependency.to_owned(), kind }];
        let roots = vec![Root { path: "src/lib.rs".to_owned(), text: "//! Head.\n#![forbid(unsafe_code)]\n".to_owned() }];
        Package { name: name.to_owned(), dependencies, roots }
    }

    struct Case {
        user: &'static str,
        used: &'static str,
        kind: DependencyKind,
        /// A part of the one fault that is expected.
        fault: Option<&'static str>,
    }

    #[test]
    fn edges_follow_the_table() {
        use DependencyKind::{Build, Dev, Normal};
        let cases = [
            Case { user: "sagittal-metrics", used: "sagittal-image", kind: Normal, fault: None },
            // Masks in, numbers out: the metrics know no tensor.
            Case { user: "sagittal-metrics", used: "sagittal-tensor", kind: Normal, fault: Some("may use sagittal-image") },
            // Training and prediction stay apart.
            Case { user: "sagittal-infer", used: "sagittal-train", kind: Normal, fault: Some("may not use sagittal-train") },
            // Upwards, and sideways on one floor.
            Case { user: "sagittal-image", used: "sagittal-data", kind: Normal, fault: Some("no crate of the workspace") },
            Case { user: "sagittal-data", used: "sagittal-metrics", kind: Normal, fault: Some("may not use") },
            // A build script is no way round, and neither is a test.
            Case { user: "sagittal-image", used: "sagittal-kernels", kind: Build, fault: Some("may not use") },
            Case { user: "sagittal-image", used: "sagittal-data", kind: Dev, fault: Some("may not use") },
            // Nobody knows the command line.
            Case { user: "sagittal-train", used: "sagittal-cli", kind: Normal, fault: Some("may not use") },
            // A crate that the table does not know yet.
            Case { user: "sagittal-report", used: "sagittal-web", kind: Normal, fault: Some("may not use") },
            // The tools for tests.
            Case { user: "sagittal-image", used: "sagittal-testing", kind: Dev, fault: None },
            Case { user: "sagittal-image", used: "sagittal-testing", kind: Normal, fault: Some("[dev-dependencies]") },
            // The framework.
            Case { user: "sagittal-tensor", used: "burn", kind: Normal, fault: None },
            Case { user: "sagittal-nets", used: "burn", kind: Normal, fault: None },
            Case { user: "sagittal-data", used: "burn", kind: Normal, fault: Some("sagittal-tensor and the crates that use it") },
            Case { user: "sagittal-report", used: "burn-tensor", kind: Normal, fault: Some("sagittal-tensor and the crates that use it") },
            // Other people's crates are none of this table's business.
            Case { user: "sagittal-image", used: "flate2", kind: Normal, fault: None },
        ];
        for Case { user, used, kind, fault } in cases {
            let faults = check(&[crate_with(user, used, kind)]);
            match fault {
                None => assert!(faults.is_empty(), "{user} -> {used}: {faults:?}"),
                Some(part) => assert!(faults.len() == 1 && faults[0].contains(part), "{user} -> {used}: {faults:?}"),
            }
        }
    }

    #[test]
    fn unknown_crate_is_a_fault() {
        let faults = check(&[crate_with("sagittal-web", "serde", DependencyKind::Normal)]);
        assert!(faults.len() == 1 && faults[0].contains("no row"), "{faults:?}");
    }

    #[test]
    fn only_kernels_may_allow_unsafe() {
        for (name, n_faults) in [("sagittal-kernels", 0), ("sagittal-image", 1), ("sagittal-cli", 1)] {
            let mut package = crate_with(name, "serde", DependencyKind::Normal);
            // A comment does not forbid anything.
            package.roots[0].text = "//! Head.\n// #![forbid(unsafe_code)]\n".to_owned();
            assert_eq!(check(&[package]).len(), n_faults, "{name}");
        }
    }

    #[test]
    fn table_itself_points_downwards() {
        for room in HOUSE {
            for used in room.may_use {
                let below = HOUSE.iter().find(|other| other.name == *used).expect("a row names rows only");
                assert!(below.floor < room.floor, "{} (floor {}) uses {used} (floor {})", room.name, room.floor, below.floor);
            }
        }
    }

    #[test]
    fn metadata_of_cargo_is_understood() {
        let metadata = serde_json::json!({"packages": [{"name": "a", "targets": [], "dependencies": [
            {"name": "b", "kind": null}, {"name": "c", "kind": "dev"}, {"name": "d", "kind": "build"}]}]});
        let packages = packages(&metadata).expect("this is what cargo writes");
        let kinds: Vec<_> = packages[0].dependencies.iter().map(|dependency| dependency.kind).collect();
        assert_eq!(kinds, [DependencyKind::Normal, DependencyKind::Dev, DependencyKind::Build]);
    }

    #[test]
    fn metadata_without_packages_is_an_error() {
        assert!(packages(&serde_json::json!({})).is_err());
    }
}
