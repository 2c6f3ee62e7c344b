//! Memory of this process.

/// The most memory that was resident at once, in bytes, memory-mapped files included; `None` where the system does not say.
pub(crate) fn peak_rss_bytes() -> Option<u64> {
    status("VmHWM:")
}

/// The memory that is resident now, in bytes, memory-mapped files included; `None` where the system does not say.
pub(crate) fn rss_bytes() -> Option<u64> {
    status("VmRSS:")
}

fn status(entry: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(entry))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
