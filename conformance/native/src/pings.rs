//! A running echo: a ping on a stream of its own every so often, whether or not the ones before it were answered. For the lab, which cuts links meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::link::Link;
use crate::output::{emit, unix_ms};
use crate::paths;

/// Pings until `count` are sent or somebody notifies `stop`; then waits `grace-ms` for what is still out. Never fails: what was not answered was lost.
pub async fn run(link: Link, number: u64, command: &Map<String, Value>, stop: Arc<Notify>) -> Value {
    let value = |key: &str, fallback: u64| command.get(key).and_then(Value::as_u64).unwrap_or(fallback);
    let count = value("count", u64::MAX);
    let mut ticks = interval(Duration::from_millis(value("interval-ms", 100).max(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let answered = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    let mut sent = 0;
    while sent < count {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.notified() => break,
        }
        sent += 1;
        let (link, answered, seq) = (link.clone(), answered.clone(), sent);
        tasks.spawn(async move {
            if ping(&link, number, seq).await.is_some() {
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        while tasks.try_join_next().is_some() {}
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = timeout(Duration::from_millis(value("grace-ms", 1000)), all).await;
    let answered = answered.load(Ordering::Relaxed);
    json!({ "event": "result", "sent": sent, "answered": answered, "lost": sent - answered })
}

async fn ping(link: &Link, number: u64, seq: u64) -> Option<()> {
    let (sent_at, begin) = (unix_ms(), Instant::now());
    let text = format!("PING|{seq}");
    let (mut send, mut recv) = link.open_bi().await.ok()?;
    send.write_all(text.as_bytes()).await.ok()?;
    send.finish().ok()?;
    let echo = recv.read_to_end(1024).await.ok()?;
    if echo != text.as_bytes() {
        return None;
    }
    emit(json!({
        "event": "ping",
        "connection": number,
        "seq": seq,
        "sentAt": sent_at,
        "at": unix_ms(),
        "rttMs": begin.elapsed().as_secs_f64() * 1000.0,
        "via": paths::selected_kind(link),
    }));
    Some(())
}
