//! The dialing side: one connection, one action, one result line.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use iroh::endpoint::{RecvStream, SendStream, VarInt};
use iroh::{EndpointAddr, EndpointId, RelayUrl, TransportAddr};
use iroh_tickets::endpoint::EndpointTicket;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::link::Link;
use crate::node::{Failure, Node};
use crate::options::Res;
use crate::output::{chain, close_reason};
use crate::paths;
use crate::pattern::{BLOCK, Fnv, block, matches};
use crate::server::{self, stats, write_pattern};

/// Whom to dial.
pub struct Target {
    addr: EndpointAddr,
    alpn: String,
    limit: Duration,
}

/// What to do on a connection.
#[derive(Clone)]
pub struct Task {
    action: String,
    size: u64,
    count: u64,
    streams: u64,
    uni: bool,
    verify: bool,
    limit: Duration,
}

/// How a dial that is over ends.
pub struct Ending {
    code: u64,
    reason: String,
    hold: Duration,
}

const TIMEOUT_MS: u64 = 30_000;

fn text<'a>(values: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    values.get(key).and_then(Value::as_str)
}

fn number(values: &Map<String, Value>, key: &str, fallback: u64) -> u64 {
    values.get(key).and_then(Value::as_u64).unwrap_or(fallback)
}

fn limit(values: &Map<String, Value>) -> Duration {
    Duration::from_millis(number(values, "timeout-ms", TIMEOUT_MS))
}

impl Target {
    pub fn from_json(values: &Map<String, Value>) -> Res<Self> {
        let text = |key: &str| text(values, key);
        let mut addr = match (text("ticket"), text("id")) {
            (Some(ticket), _) => ticket
                .parse::<EndpointTicket>()
                .map_err(|error| format!("ticket: {}", chain(&error)))?
                .endpoint_addr()
                .clone(),
            (None, Some(id)) => EndpointAddr::new(
                id.parse::<EndpointId>()
                    .map_err(|error| format!("id: {}", chain(&error)))?,
            ),
            _ => return Err("dial needs an id or a ticket".to_string()),
        };
        if let Some(Value::Array(list)) = values.get("addrs") {
            for item in list.iter().filter_map(Value::as_str) {
                addr.addrs.insert(match item.parse::<SocketAddr>() {
                    Ok(socket) => TransportAddr::Ip(socket),
                    Err(_) => TransportAddr::Relay(
                        item.parse::<RelayUrl>()
                            .map_err(|_| format!("addr: cannot read {item}"))?,
                    ),
                });
            }
        }
        let alpn = match (text("alpn"), text("action").unwrap_or("echo")) {
            (Some(alpn), _) => alpn.to_string(),
            (None, "sink") => server::SINK.to_string(),
            (None, "drain") => server::DRAIN.to_string(),
            (None, "source") => server::SOURCE.to_string(),
            (None, "push") => server::PUSH.to_string(),
            (None, "close") => server::CLOSE.to_string(),
            (None, "reset") => server::RESET.to_string(),
            _ => server::ECHO.to_string(),
        };
        let limit = limit(values);
        Ok(Self { addr, alpn, limit })
    }

    pub async fn connect(&self, node: &Node) -> Result<Link, Failure> {
        match timeout(self.limit, node.connect(self.addr.clone(), &self.alpn)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure {
                message: "time limit".to_string(),
                reason: Value::Null,
            }),
        }
    }
}

impl Task {
    pub fn from_json(values: &Map<String, Value>) -> Self {
        let action = text(values, "action").unwrap_or("echo").to_string();
        Self {
            size: number(values, "size", if action == "rtt" { 1 } else { 1024 }),
            action,
            count: number(values, "count", 1),
            streams: number(values, "streams", 1).max(1),
            uni: values.get("uni").and_then(Value::as_bool).unwrap_or(false),
            verify: !values.get("no-verify").and_then(Value::as_bool).unwrap_or(false),
            limit: limit(values),
        }
    }

    /// Never fails: what went wrong is in the line.
    pub async fn run(&self, link: &Link) -> Value {
        let begin = Instant::now();
        let outcome = timeout(self.limit, act(link, self)).await;
        let ms = begin.elapsed().as_secs_f64() * 1000.0;
        let mut line = match outcome {
            Ok(Ok(line)) => line,
            Ok(Err(message)) => json!({ "event": "error", "stage": self.action, "message": message }),
            Err(_) => json!({ "event": "error", "stage": self.action, "message": "time limit" }),
        };
        line["action"] = json!(self.action);
        line["alpn"] = json!(link.alpn());
        line["ms"] = json!(ms);
        line["reason"] = link.close_reason().as_ref().map(close_reason).unwrap_or(Value::Null);
        line
    }
}

impl Ending {
    pub fn from_json(values: &Map<String, Value>) -> Self {
        Self {
            code: number(values, "code", 0),
            reason: text(values, "reason").unwrap_or("done").to_string(),
            hold: Duration::from_millis(number(values, "hold-ms", 0)),
        }
    }
}

/// One connection, one action. Never fails: what went wrong is in the line.
pub async fn run(node: Node, target: Target, task: Task, ending: Ending) -> Value {
    let begin = Instant::now();
    let link = match target.connect(&node).await {
        Ok(link) => link,
        Err(failure) => return failure.line("connect"),
    };
    let connect_ms = begin.elapsed().as_secs_f64() * 1000.0;
    let mut line = task.run(&link).await;
    if !ending.hold.is_zero() {
        let _ = timeout(ending.hold, link.closed()).await;
    }
    line["connectMs"] = json!(connect_ms);
    line["paths"] = paths::list(&link);
    line["stats"] = stats(&link);
    if line["reason"].is_null() {
        line["reason"] = link.close_reason().as_ref().map(close_reason).unwrap_or(Value::Null);
    }
    link.close(ending.code, &ending.reason);
    line
}

async fn act(connection: &Link, spec: &Task) -> Res<Value> {
    match spec.action.as_str() {
        "connect" => Ok(json!({ "event": "result" })),
        "hold" => Ok(json!({ "event": "result", "closed": close_reason(&connection.closed().await) })),
        "close" => {
            let (mut send, _recv) = connection.open_bi().await.map_err(|error| chain(&error))?;
            send.write_all(&[1]).await.map_err(|error| chain(&error))?;
            Ok(json!({ "event": "result", "closed": close_reason(&connection.closed().await) }))
        }
        "reset" => reset(connection).await,
        "rtt" => rtt(connection, spec).await,
        "datagram" => datagrams(connection, spec).await,
        "push" => push(connection, spec).await,
        "echo" | "sink" | "drain" | "source" => transfers(connection, spec).await,
        other => Err(format!("unknown action {other}")),
    }
}

/// `streams` tasks, each doing `count` transfers of `size` bytes one after the other, a new stream for each.
async fn transfers(connection: &Link, spec: &Task) -> Res<Value> {
    let mut tasks = JoinSet::new();
    for _ in 0..spec.streams {
        let connection = connection.clone();
        let spec = spec.clone();
        tasks.spawn(async move {
            for _ in 0..spec.count {
                transfer(&connection, &spec).await?;
            }
            Ok::<(), String>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|error| chain(&error))??;
    }
    Ok(json!({ "event": "result", "bytes": spec.size * spec.count * spec.streams, "verified": spec.verify }))
}

async fn transfer(connection: &Link, spec: &Task) -> Res<()> {
    if spec.uni {
        let mut send = connection.open_uni().await.map_err(|error| chain(&error))?;
        write_pattern(&mut send, spec.size).await?;
        send.finish().map_err(|error| chain(&error))?;
        return send.stopped().await.map(|_| ()).map_err(|error| chain(&error));
    }
    let (send, mut recv) = connection.open_bi().await.map_err(|error| chain(&error))?;
    match spec.action.as_str() {
        "source" => {
            let mut send = send;
            send.write_all(&spec.size.to_be_bytes())
                .await
                .map_err(|error| chain(&error))?;
            send.finish().map_err(|error| chain(&error))?;
            read_pattern(&mut recv, spec.size, spec.verify).await
        }
        "echo" => {
            // both ways at once, or flow control would stop us
            let (sent, received) = tokio::join!(
                send_all(send, spec.size),
                read_pattern(&mut recv, spec.size, spec.verify)
            );
            sent.and(received)
        }
        _ => {
            send_all(send, spec.size).await?;
            let answer = recv.read_to_end(16).await.map_err(|error| chain(&error))?;
            let count = answer
                .get(..8)
                .and_then(|bytes| bytes.try_into().ok())
                .map(u64::from_be_bytes);
            if count != Some(spec.size) {
                return Err(format!("sent {} bytes, the sink counted {count:?}", spec.size));
            }
            if spec.action == "sink" && spec.verify {
                let hash = answer
                    .get(8..16)
                    .and_then(|bytes| bytes.try_into().ok())
                    .map(u64::from_be_bytes);
                if hash != Some(pattern_hash(spec.size)) {
                    return Err("the sink's hash is wrong".to_string());
                }
            }
            Ok(())
        }
    }
}

fn pattern_hash(size: u64) -> u64 {
    let block = block();
    let mut hash = Fnv::new();
    let mut left = size;
    while left > 0 {
        let take = left.min(BLOCK as u64) as usize;
        hash.update(&block[..take]);
        left -= take as u64;
    }
    hash.0
}

async fn send_all(mut send: SendStream, size: u64) -> Res<()> {
    write_pattern(&mut send, size).await?;
    send.finish().map_err(|error| chain(&error))
}

async fn read_pattern(recv: &mut RecvStream, size: u64, verify: bool) -> Res<()> {
    let block = block();
    let mut at = 0;
    while let Some(chunk) = recv.read_chunk(BLOCK).await.map_err(|error| chain(&error))? {
        if verify && !matches(&block, at, &chunk) {
            return Err(format!("wrong bytes after offset {at}"));
        }
        at += chunk.len() as u64;
    }
    if at == size {
        Ok(())
    } else {
        Err(format!("expected {size} bytes, got {at}"))
    }
}

/// `count` ping-pongs of `size` bytes on one stream.
async fn rtt(connection: &Link, spec: &Task) -> Res<Value> {
    let (mut send, mut recv) = connection.open_bi().await.map_err(|error| chain(&error))?;
    let ping: Vec<u8> = block().into_iter().cycle().take(spec.size as usize).collect();
    let mut pong = vec![0; ping.len()];
    let mut times = Vec::new();
    for _ in 0..spec.count.max(1) {
        let begin = Instant::now();
        send.write_all(&ping).await.map_err(|error| chain(&error))?;
        recv.read_exact(&mut pong).await.map_err(|error| chain(&error))?;
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
        if pong != ping {
            return Err("the echo differs".to_string());
        }
    }
    let _ = send.finish();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Ok(
        json!({ "event": "result", "count": times.len(), "minMs": at(0.0), "medianMs": at(0.5), "p99Ms": at(0.99), "maxMs": at(1.0) }),
    )
}

/// `count` datagrams of `size` bytes (at least 4: they carry a number), echoed; waits at most 2 s after the last one that came.
async fn datagrams(connection: &Link, spec: &Task) -> Res<Value> {
    let max = connection.max_datagram_size().ok_or("the peer takes no datagrams")?;
    let size = (spec.size as usize).clamp(4, max);
    let sender = {
        let connection = connection.clone();
        let count = spec.count;
        tokio::spawn(async move {
            for number in 0..count as u32 {
                let mut datagram: Vec<u8> = block()[..size.min(BLOCK)].to_vec();
                datagram[..4].copy_from_slice(&number.to_be_bytes());
                connection
                    .send_datagram_wait(datagram.into())
                    .await
                    .map_err(|error| chain(&error))?;
            }
            Ok::<(), String>(())
        })
    };
    let mut seen = std::collections::HashSet::new();
    while (seen.len() as u64) < spec.count {
        match timeout(Duration::from_secs(2), connection.read_datagram()).await {
            Err(_) => break,
            Ok(Err(error)) => return Err(chain(&error)),
            Ok(Ok(datagram)) => {
                if datagram.len() != size {
                    return Err(format!("a datagram of {} bytes came back as {}", size, datagram.len()));
                }
                seen.insert(u32::from_be_bytes([datagram[0], datagram[1], datagram[2], datagram[3]]));
            }
        }
    }
    sender.await.map_err(|error| chain(&error))??;
    Ok(json!({ "event": "result", "sent": spec.count, "received": seen.len(), "size": size, "maxSize": max }))
}

/// Asks the peer to open `count` uni streams of `size` bytes.
async fn push(connection: &Link, spec: &Task) -> Res<Value> {
    let (mut send, mut recv) = connection.open_bi().await.map_err(|error| chain(&error))?;
    send.write_all(&spec.size.to_be_bytes())
        .await
        .map_err(|error| chain(&error))?;
    send.write_all(&spec.count.to_be_bytes())
        .await
        .map_err(|error| chain(&error))?;
    send.finish().map_err(|error| chain(&error))?;
    let mut tasks = JoinSet::new();
    for _ in 0..spec.count {
        let mut uni = connection.accept_uni().await.map_err(|error| chain(&error))?;
        let spec = spec.clone();
        tasks.spawn(async move { read_pattern(&mut uni, spec.size, spec.verify).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|error| chain(&error))??;
    }
    recv.read_to_end(0).await.map_err(|error| chain(&error))?;
    Ok(json!({ "event": "result", "bytes": spec.size * spec.count, "verified": spec.verify }))
}

/// The peer resets its side and stops ours: both codes are reported.
async fn reset(connection: &Link) -> Res<Value> {
    let (mut send, mut recv) = connection.open_bi().await.map_err(|error| chain(&error))?;
    send.write_all(&[1]).await.map_err(|error| chain(&error))?;
    let stopped = send
        .stopped()
        .await
        .map_err(|error| chain(&error))?
        .map(VarInt::into_inner);
    let received = recv
        .received_reset()
        .await
        .map_err(|error| chain(&error))?
        .map(VarInt::into_inner);
    Ok(json!({ "event": "result", "stoppedCode": stopped, "resetCode": received }))
}
