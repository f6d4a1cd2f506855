//! Accepts: clients that connect, prove who they are, say Close and go, so many at a time.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::Load;
use super::process::Usage;
use super::socket::{close_frame, fresh_keys};
use crate::options::Res;

/// Each comes again only after all the others.
const KEYS: usize = 4096;

pub async fn run(load: Load, concurrency: u64) -> Res<Value> {
    let keys = Rc::new(fresh_keys(KEYS));
    let done = Rc::new(Cell::new(0u64));
    let next = Rc::new(Cell::new(0usize));
    let server = Rc::new(load.server.clone());
    let mut tasks = Vec::new();
    for _ in 0..concurrency {
        let (keys, done, next, server) = (keys.clone(), done.clone(), next.clone(), server.clone());
        tasks.push(tokio::task::spawn_local(async move {
            let farewell = close_frame();
            loop {
                let number = next.get();
                next.set((number + 1) % KEYS);
                let mut client = server.connect(&keys[number]).await?;
                client.write(&farewell).await?;
                done.set(done.get() + 1);
            }
            #[allow(unreachable_code)]
            Ok::<(), String>(())
        }));
    }
    sleep(load.warm_up).await;
    let (begin, before, used) = (Instant::now(), done.get(), Usage::now(load.pid));
    sleep(load.measured).await;
    let (elapsed, after, used) = (begin.elapsed(), done.get(), Usage::now(load.pid).since(used));
    for task in tasks {
        if task.is_finished() {
            task.await.map_err(|error| error.to_string())??;
        } else {
            task.abort();
        }
    }
    Ok(json!({
        "event": "result",
        "ms": elapsed.as_secs_f64() * 1000.0,
        "accepts": after - before,
        "perSecond": (after - before) as f64 / elapsed.as_secs_f64(),
        "serverCpuMs": used.server_ms,
        "generatorCpuMs": used.own_ms,
    }))
}
