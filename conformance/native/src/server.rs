//! What the listening side does with a connection, chosen by its ALPN.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use iroh::endpoint::{RecvStream, SendStream, VarInt};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::link::Link;
use crate::node::{Newcomer, Node};
use crate::options::{Options, Res};
use crate::output::{chain, close_reason, emit};
use crate::paths;
use crate::pattern::{BLOCK, Fnv, block};

pub const ECHO: &str = "tom/echo/1";
pub const SINK: &str = "tom/sink/1";
pub const DRAIN: &str = "tom/drain/1";
pub const SOURCE: &str = "tom/source/1";
pub const PUSH: &str = "tom/push/1";
pub const CLOSE: &str = "tom/close/1";
pub const RESET: &str = "tom/reset/1";
pub const ALPNS: [&str; 7] = [ECHO, SINK, DRAIN, SOURCE, PUSH, CLOSE, RESET];

pub const CLOSE_CODE: u64 = 7;
pub const CLOSE_REASON: &str = "server done";
pub const RESET_CODE: u32 = 8;
pub const STOP_CODE: u32 = 9;

#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    Accept,
    Refuse,
    Retry,
    Ignore,
}

impl Mode {
    pub fn parse(text: &str) -> Res<Self> {
        match text {
            "accept" => Ok(Self::Accept),
            "refuse" => Ok(Self::Refuse),
            "retry" => Ok(Self::Retry),
            "ignore" => Ok(Self::Ignore),
            _ => Err(format!("expected accept, refuse, retry or ignore, got {text}")),
        }
    }
}

pub struct Shared {
    mode: Mutex<Mode>,
    connections: Mutex<HashMap<u64, Link>>,
    next: AtomicU64,
    /// Ends the pings of a connection.
    pinging: Mutex<HashMap<u64, Arc<Notify>>>,
}

impl Shared {
    pub fn new(options: &Options) -> Res<Self> {
        let mut mode = Mode::Accept;
        for (flag, value) in [
            ("refuse", Mode::Refuse),
            ("retry", Mode::Retry),
            ("ignore", Mode::Ignore),
        ] {
            if options.flag(flag) {
                mode = value;
            }
        }
        Ok(Self {
            mode: Mutex::new(mode),
            connections: Mutex::default(),
            next: AtomicU64::new(1),
            pinging: Mutex::default(),
        })
    }

    pub fn set_mode(&self, mode: Mode) {
        *self.mode.lock().expect("no panics") = mode;
    }

    /// Remembers a connection until it ends, under the number that is returned.
    pub fn add(&self, link: &Link) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.connections.lock().expect("no panics").insert(number, link.clone());
        number
    }

    pub fn get(&self, number: u64) -> Option<Link> {
        self.connections.lock().expect("no panics").get(&number).cloned()
    }

    pub fn remove(&self, number: u64) {
        self.connections.lock().expect("no panics").remove(&number);
    }

    /// Notify it to end the pings of connection `number`.
    pub fn pinging(&self, number: u64) -> Arc<Notify> {
        self.pinging
            .lock()
            .expect("no panics")
            .entry(number)
            .or_default()
            .clone()
    }

    /// Closes all connections, or the one with this number; returns how many there were.
    pub fn close(&self, number: Option<u64>, code: u64, reason: &str) -> usize {
        let all: Vec<Link> = match number {
            Some(number) => self.get(number).into_iter().collect(),
            None => self.connections.lock().expect("no panics").values().cloned().collect(),
        };
        for link in &all {
            link.close(code, reason);
        }
        all.len()
    }
}

pub async fn accept_loop(node: Node, shared: Arc<Shared>) {
    while let Some(incoming) = node.accept().await {
        let mode = *shared.mode.lock().expect("no panics");
        match mode {
            Mode::Refuse => {
                emit(json!({ "event": "incoming", "decision": "refuse" }));
                incoming.refuse();
            }
            Mode::Ignore => {
                emit(json!({ "event": "incoming", "decision": "ignore" }));
                incoming.ignore();
            }
            Mode::Retry if !incoming.validated() => {
                emit(json!({ "event": "incoming", "decision": "retry" }));
                incoming.retry();
            }
            _ => {
                tokio::spawn(serve(incoming, shared.clone()));
            }
        }
    }
}

async fn serve(incoming: Newcomer, shared: Arc<Shared>) {
    let validated = incoming.validated();
    let link = match incoming.establish().await {
        Ok(link) => link,
        Err(failure) => {
            let (message, reason) = (failure.message, failure.reason);
            emit(json!({ "event": "error", "stage": "accept", "message": message, "reason": reason }));
            return;
        }
    };
    let number = shared.add(&link);
    let alpn = link.alpn();
    let events = paths::report_events(link.clone(), number);
    emit(json!({
        "event": "connection",
        "connection": number,
        "remote": link.remote(),
        "alpn": alpn,
        "validated": validated,
        "paths": paths::list(&link),
    }));
    let tasks = [
        tokio::spawn(serve_streams(link.clone(), number, alpn.clone())),
        tokio::spawn(serve_uni(link.clone(), number)),
        tokio::spawn(serve_datagrams(link.clone(), alpn)),
    ];
    watch(link, number, shared, events).await;
    for task in tasks {
        task.abort();
    }
}

/// Reports what happens to the paths and how the connection ends.
pub async fn watch(link: Link, number: u64, shared: Arc<Shared>, events: impl Future<Output = ()> + Send + 'static) {
    let events = tokio::spawn(events);
    let error = link.closed().await;
    shared.remove(number);
    events.abort();
    let stats = stats(&link);
    emit(json!({ "event": "closed", "connection": number, "reason": close_reason(&error), "stats": stats }));
}

pub fn stats(connection: &Link) -> Value {
    let stats = connection.stats();
    json!({
        "sentDatagrams": stats.udp_tx.datagrams,
        "sentBytes": stats.udp_tx.bytes,
        "receivedDatagrams": stats.udp_rx.datagrams,
        "receivedBytes": stats.udp_rx.bytes,
        "lostPackets": stats.lost_packets,
    })
}

async fn serve_streams(connection: Link, number: u64, alpn: String) {
    while let Ok((send, recv)) = connection.accept_bi().await {
        let alpn = alpn.clone();
        let connection = connection.clone();
        tokio::spawn(async move {
            let id = u64::from(VarInt::from(recv.id()));
            let done: Result<(), String> = match alpn.as_str() {
                SINK => sink(send, recv, true).await,
                DRAIN => sink(send, recv, false).await,
                SOURCE => source(send, recv).await,
                PUSH => push(&connection, send, recv).await,
                CLOSE => {
                    connection.close(CLOSE_CODE, CLOSE_REASON);
                    Ok(())
                }
                RESET => reset(send, recv).await,
                _ => echo(send, recv).await,
            };
            if let Err(message) = done {
                emit(json!({ "event": "stream-error", "connection": number, "stream": id, "message": message }));
            }
        });
    }
}

/// Every ALPN: what arrives on a uni stream is counted and reported as an event.
async fn serve_uni(connection: Link, number: u64) {
    while let Ok(mut recv) = connection.accept_uni().await {
        tokio::spawn(async move {
            let id = u64::from(VarInt::from(recv.id()));
            match count(&mut recv, true).await {
                Ok((bytes, hash)) => emit(json!({
                    "event": "received", "connection": number, "stream": id, "bytes": bytes, "fnv": format!("{hash:016x}"),
                })),
                Err(message) => {
                    emit(json!({ "event": "stream-error", "connection": number, "stream": id, "message": message }));
                }
            }
        });
    }
}

/// All but the sinks echo datagrams.
async fn serve_datagrams(connection: Link, alpn: String) {
    while let Ok(datagram) = connection.read_datagram().await {
        if alpn != SINK && alpn != DRAIN {
            let _ = connection.send_datagram(datagram);
        }
    }
}

async fn echo(mut send: SendStream, mut recv: RecvStream) -> Res<()> {
    while let Some(chunk) = recv.read_chunk(BLOCK).await.map_err(|error| chain(&error))? {
        send.write_chunk(chunk).await.map_err(|error| chain(&error))?;
    }
    send.finish().map_err(|error| chain(&error))
}

async fn count(recv: &mut RecvStream, hashed: bool) -> Res<(u64, u64)> {
    let mut bytes = 0;
    let mut hash = Fnv::new();
    while let Some(chunk) = recv.read_chunk(BLOCK).await.map_err(|error| chain(&error))? {
        bytes += chunk.len() as u64;
        if hashed {
            hash.update(&chunk);
        }
    }
    Ok((bytes, hash.0))
}

/// Answers with the byte count, 8 bytes big endian, and (sink) the hash, 8 bytes big endian.
async fn sink(mut send: SendStream, mut recv: RecvStream, hashed: bool) -> Res<()> {
    let (bytes, hash) = count(&mut recv, hashed).await?;
    send.write_all(&bytes.to_be_bytes())
        .await
        .map_err(|error| chain(&error))?;
    if hashed {
        send.write_all(&hash.to_be_bytes())
            .await
            .map_err(|error| chain(&error))?;
    }
    send.finish().map_err(|error| chain(&error))
}

async fn read_u64(recv: &mut RecvStream) -> Res<u64> {
    let mut bytes = [0; 8];
    recv.read_exact(&mut bytes).await.map_err(|error| chain(&error))?;
    Ok(u64::from_be_bytes(bytes))
}

pub async fn write_pattern(send: &mut SendStream, mut length: u64) -> Res<()> {
    let block = block();
    while length > 0 {
        let take = length.min(block.len() as u64) as usize;
        send.write_all(&block[..take]).await.map_err(|error| chain(&error))?;
        length -= take as u64;
    }
    Ok(())
}

/// Request: length, 8 bytes big endian. Answer: that many pattern bytes.
async fn source(mut send: SendStream, mut recv: RecvStream) -> Res<()> {
    let length = read_u64(&mut recv).await?;
    write_pattern(&mut send, length).await?;
    send.finish().map_err(|error| chain(&error))
}

/// Request: length and count, 8 bytes each. We open `count` uni streams of `length` pattern bytes and finish the answer when all are acknowledged.
async fn push(connection: &Link, mut send: SendStream, mut recv: RecvStream) -> Res<()> {
    let length = read_u64(&mut recv).await?;
    let count = read_u64(&mut recv).await?;
    let mut streams = tokio::task::JoinSet::new();
    for _ in 0..count {
        let mut uni = connection.open_uni().await.map_err(|error| chain(&error))?;
        streams.spawn(async move {
            write_pattern(&mut uni, length).await?;
            uni.finish().map_err(|error| chain(&error))?;
            uni.stopped().await.map(|_| ()).map_err(|error| chain(&error))
        });
    }
    while let Some(done) = streams.join_next().await {
        done.map_err(|error| chain(&error))??;
    }
    send.finish().map_err(|error| chain(&error))
}

/// Reads one byte or the end, then resets its own side and stops the other.
async fn reset(mut send: SendStream, mut recv: RecvStream) -> Res<()> {
    let mut byte = [0; 1];
    recv.read(&mut byte).await.map_err(|error| chain(&error))?;
    let _ = send.reset(RESET_CODE.into());
    let _ = recv.stop(STOP_CODE.into());
    Ok(())
}
