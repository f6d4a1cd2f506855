//! `relay-load`: a load on a relay server, the same for every server. Plain TCP, a WebSocket client that knows only what it needs, frames made
//! beforehand and one thread, so that the server has the rest of the machine; what the generator itself used is in every result.

mod accept;
mod forward;
mod idle;
mod latency;
mod process;
mod socket;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::options::{Options, Res};
use socket::Server;

/// What all kinds of load have in common.
#[derive(Clone)]
pub struct Load {
    pub server: Server,
    /// Of the server, for its CPU time.
    pub pid: Option<u32>,
    pub warm_up: Duration,
    pub measured: Duration,
}

/// `--do forward|latency|accept|idle`, `--server ADDR`, `--pid N`, `--warm-up-ms N` (default 500), `--ms N` (default 3000), `--sources N`
/// (connections come from so many addresses of 127.0.0.0/8; default 1).
pub async fn run(options: &Options) -> Res<Value> {
    let server = options.text("server").ok_or("relay-load needs --server ADDR")?;
    let server: SocketAddr = server.parse().map_err(|error| format!("--server: {error}"))?;
    let load = Load {
        server: Server::new(server, options.number("sources").unwrap_or(1)),
        pid: options.number("pid").and_then(|pid| u32::try_from(pid).ok()),
        warm_up: Duration::from_millis(options.number("warm-up-ms").unwrap_or(500)),
        measured: Duration::from_millis(options.number("ms").unwrap_or(3000)),
    };
    match options.text("do") {
        Some("forward") => {
            let shape = forward::Shape::from_options(options)?;
            on_one_thread(move || forward::run(load, shape)).await
        }
        Some("latency") => {
            let shape = latency::Shape::from_options(options);
            on_one_thread(move || latency::run(load, shape)).await
        }
        Some("accept") => {
            let concurrency = options.number("concurrency").unwrap_or(32);
            on_one_thread(move || accept::run(load, concurrency)).await
        }
        Some("idle") => {
            let clients = options.number("clients").unwrap_or(1000);
            on_one_thread(move || idle::run(load, clients)).await
        }
        _ => Err("--do: expected forward, latency, accept or idle".to_string()),
    }
}

async fn on_one_thread<F, T>(task: F) -> Res<Value>
where
    F: FnOnce() -> T + Send + 'static,
    T: Future<Output = Res<Value>>,
{
    let thread = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        runtime.block_on(tokio::task::LocalSet::new().run_until(task()))
    });
    thread.await.map_err(|error| error.to_string())?
}
