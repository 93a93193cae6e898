//! What this machine has.

use std::path::Path;

/// The part of the free memory that a program may plan with: others grow too, and an estimate is one.
const USABLE: f64 = 0.8;

/// Bytes of memory that can be planned with now; `None` where the system does not say (it is read from Linux's
/// `/proc/meminfo`).
pub(crate) fn usable_memory_bytes() -> Option<u64> {
    available_bytes(&std::fs::read_to_string("/proc/meminfo").ok()?).map(|bytes| (bytes as f64 * USABLE) as u64)
}

/// Bytes that may still be written into a folder; `None` where the system does not say.
pub(crate) fn free_disk_bytes(folder: &Path) -> Option<u64> {
    fs4::available_space(folder).ok()
}

fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_available_memory_is_read() {
        let meminfo = "MemTotal:       24594412 kB\nMemFree:        19983240 kB\nMemAvailable:   23000000 kB\n";
        assert_eq!(available_bytes(meminfo), Some(23_000_000 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB\n"), None);
        assert_eq!(available_bytes("MemAvailable: many kB\n"), None);
    }
}
