//! The workspace as `cargo metadata` tells it: packages, what they depend on, and the heads of their source files.

use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

/// One package of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
    /// The libraries and programs that the package builds.
    pub(crate) roots: Vec<Root>,
}

/// One line of a package's manifest.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: DependencyKind,
}

/// When a dependency is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DependencyKind {
    Normal,
    Build,
    Dev,
}

/// The file in which a library or program begins.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Asks cargo for the packages of the workspace. No lock file and no network is needed.
pub(crate) fn read() -> anyhow::Result<Vec<Package>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    packages(&serde_json::from_slice(&output.stdout).context("cargo metadata gave no JSON")?)
}

/// Takes the packages out of the JSON of `cargo metadata`.
pub(crate) fn packages(metadata: &Value) -> anyhow::Result<Vec<Package>> {
    list(metadata, "packages")?.iter().map(package).collect()
}

fn package(json: &Value) -> anyhow::Result<Package> {
    let name = text(json, "name")?;
    let dependencies = list(json, "dependencies")?.iter().map(dependency).collect::<anyhow::Result<_>>()?;
    let mut roots = Vec::new();
    for target in list(json, "targets")? {
        // Tests, examples and build scripts may do as they like: nothing that people run is made of them.
        if list(target, "kind")?.iter().any(|kind| ["lib", "bin", "proc-macro"].map(Some).contains(&kind.as_str())) {
            let path = text(target, "src_path")?;
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path} of {name}"))?;
            roots.push(Root { path, text });
        }
    }
    Ok(Package { name, dependencies, roots })
}

fn dependency(json: &Value) -> anyhow::Result<Dependency> {
    let kind = match json["kind"].as_str() {
        None => DependencyKind::Normal,
        Some("build") => DependencyKind::Build,
        Some("dev") => DependencyKind::Dev,
        Some(other) => bail!("dependency kind {other} is unknown here; expected none, build or dev"),
    };
    Ok(Dependency { name: text(json, "name")?, kind })
}

fn list<'a>(json: &'a Value, key: &str) -> anyhow::Result<&'a Vec<Value>> {
    json[key].as_array().with_context(|| format!("cargo metadata has no list `{key}`"))
}

fn text(json: &Value, key: &str) -> anyhow::Result<String> {
    Ok(json[key].as_str().with_context(|| format!("cargo metadata has no text `{key}`"))?.to_owned())
}
