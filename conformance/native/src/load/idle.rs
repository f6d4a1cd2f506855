//! Idle clients: they connect and then only keep the connection, as iroh's do: a ping when nothing came for 15 s, and answers to pings.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Load;
use super::socket::{Client, PING, frame, fresh_keys, pong};
use crate::options::Res;
use crate::output::emit;

const AT_ONCE: usize = 32;
const SILENCE: Duration = Duration::from_secs(15);

/// Says `ready` when all are connected; the result, when stdin closes, is how many were lost until then.
pub async fn run(load: Load, clients: u64) -> Res<Value> {
    let begin = Instant::now();
    let gate = Rc::new(Semaphore::new(AT_ONCE));
    let lost = Rc::new(Cell::new(0u64));
    let server = Rc::new(load.server.clone());
    let mut connecting = Vec::new();
    for key in fresh_keys(clients as usize) {
        let (gate, server) = (gate.clone(), server.clone());
        connecting.push(tokio::task::spawn_local(async move {
            let _turn = gate.acquire().await.map_err(|error| error.to_string())?;
            server.connect(&key).await
        }));
    }
    for task in connecting {
        let client = task.await.map_err(|error| error.to_string())??;
        let lost = lost.clone();
        tokio::task::spawn_local(async move {
            let _ = hold(client).await;
            lost.set(lost.get() + 1);
        });
    }
    emit(json!({ "event": "ready", "clients": clients, "ms": begin.elapsed().as_secs_f64() * 1000.0 }));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = lines.next_line().await {}
    Ok(json!({ "event": "result", "clients": clients, "lost": lost.get() }))
}

async fn hold(client: Client) -> Res<()> {
    let Client { mut stream, mut input } = client;
    let mut ping = vec![PING];
    ping.extend_from_slice(b"loadping");
    let ping = frame(&ping);
    loop {
        let count = match timeout(SILENCE, stream.read(input.space())).await {
            Err(_) => {
                stream.write_all(&ping).await.map_err(|error| error.to_string())?;
                continue;
            }
            Ok(count) => count.map_err(|error| error.to_string())?,
        };
        if count == 0 {
            return Ok(());
        }
        input.filled(count);
        while let Some(range) = input.next()? {
            let message = input.bytes_at(range);
            if message[0] == PING {
                let answer = pong(message);
                stream.write_all(&answer).await.map_err(|error| error.to_string())?;
            }
        }
    }
}
