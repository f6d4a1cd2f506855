//! What processes used so far, from /proc.

use std::fs;

/// Clock ticks a second in /proc; 100 on every Linux that this runs on.
const TICKS: f64 = 100.0;

/// User and system time of all threads, ms.
fn cpu_ms(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks * 1000.0 / TICKS)
}

/// CPU time of the server and of this process.
#[derive(Clone, Copy)]
pub struct Usage {
    pub server_ms: Option<f64>,
    pub own_ms: Option<f64>,
}

impl Usage {
    pub fn now(server: Option<u32>) -> Self {
        Self {
            server_ms: server.and_then(cpu_ms),
            own_ms: cpu_ms(std::process::id()),
        }
    }

    pub fn since(self, earlier: Self) -> Self {
        let difference = |now: Option<f64>, before: Option<f64>| Some(now? - before?);
        Self {
            server_ms: difference(self.server_ms, earlier.server_ms),
            own_ms: difference(self.own_ms, earlier.own_ms),
        }
    }
}
