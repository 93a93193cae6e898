# The recipes of the project. `just` lists them; `just check` is what CI runs.

_list:
    @just --list --unsorted

# Everything that a change must pass
check:
    .ci/run

# Format all code
format:
    cargo fmt --all

# The fast tests
test:
    cargo test --release --workspace

# The slow tests too: those marked #[ignore]
slow:
    cargo test --release --workspace -- --include-ignored

# Lints, as strict as CI
lint:
    cargo clippy --release --workspace --all-targets -- -D warnings

# The main job, briefly, on the built-in phantom and on real images if they are there
main-job:
    .ci/main-job

# Who uses whom
layers:
    cargo xtask layers

# Licences and duplicates of dependencies (needs cargo-deny)
deny:
    cargo deny check bans licenses sources
