//! What this process used so far, from /proc.

use std::fs;

use serde_json::{Value, json};

use crate::options::Res;

/// µs in a clock tick of /proc: 100 a second on every Linux that this runs on.
const TICK_US: u64 = 10_000;

/// `cpuUserUs`, `cpuSystemUs` of all threads, `rssBytes`.
pub fn report() -> Res<Value> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?;
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("/proc/self/stat")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    Ok(json!({
        "cpuUserUs": ticks(11).map(|ticks| ticks * TICK_US),
        "cpuSystemUs": ticks(12).map(|ticks| ticks * TICK_US),
        "rssBytes": kib.map(|kib| kib * 1024),
    }))
}
