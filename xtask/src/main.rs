//! Checks of the workspace itself, run as `cargo xtask NAME`.
//!
//! `layers` holds the crates to the floors of ARCHITECTURE.md: who may use whom, who may name burn, who may write `unsafe`.
#![forbid(unsafe_code)]

mod layers;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask layers    check that every crate keeps to its floor";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["layers"] => match check_layers() {
            Ok(code) => code,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn check_layers() -> anyhow::Result<ExitCode> {
    let packages = workspace::read()?;
    let faults = layers::check(&packages);
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() {
        println!("layers: {} crates keep to their floors", packages.len());
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("layers: {} faults; the table is in ARCHITECTURE.md and in xtask/src/layers.rs", faults.len());
    Ok(ExitCode::FAILURE)
}
