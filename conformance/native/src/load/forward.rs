//! Forwarding: pairs of clients, one sends and one receives as fast as the relay lets them. No more than a window of datagrams is under way
//! in each pair, so what is lost is lost in the relay and is counted.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use iroh::SecretKey;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::Load;
use super::process::Usage;
use super::socket::{Client, FROM_RELAY, FROM_RELAY_BATCH, PING, TO_RELAY, TO_RELAY_BATCH, Template, fresh_keys, pong};
use crate::options::{Options, Res};
use crate::pattern::block;

/// A whole window that does not move for so long is lost.
const STALL: Duration = Duration::from_millis(1000);
const RECEIVE_BUFFER: usize = 256 * 1024;
/// Writes of about so many bytes: what a busy client has ready at once.
const WRITE_BYTES: usize = 20 * 1024;

#[derive(Clone, Copy)]
pub struct Shape {
    pairs: usize,
    /// Bytes of a datagram, at least 8.
    size: usize,
    /// Datagrams in a frame; 1: the single form.
    batch: usize,
    /// Datagrams under way in a pair.
    window: usize,
}

impl Shape {
    /// `--pairs N` (1), `--size N` (1200), `--batch N` (1), `--window N` (256).
    pub fn from_options(options: &Options) -> Res<Self> {
        let number = |key: &str, fallback: u64| options.number(key).unwrap_or(fallback) as usize;
        let shape = Self {
            pairs: number("pairs", 1).max(1),
            size: number("size", 1200).max(8),
            batch: number("batch", 1).max(1),
            window: number("window", 256),
        };
        if shape.size * shape.batch > 65_000 || shape.window < shape.batch {
            return Err("a frame holds at most 65,000 bytes, a window at least one frame".to_string());
        }
        Ok(shape)
    }

    fn message(&self, peer: &SecretKey) -> (Vec<u8>, usize) {
        let kind = if self.batch > 1 { TO_RELAY_BATCH } else { TO_RELAY };
        let mut message = vec![kind];
        message.extend_from_slice(peer.public().as_bytes());
        message.push(0);
        if self.batch > 1 {
            message.extend_from_slice(&(self.size as u16).to_be_bytes());
        }
        let offset = message.len();
        message.extend_from_slice(&block()[..self.size * self.batch]);
        (message, offset)
    }
}

/// What both ends of a pair know. Frames are numbered from 0.
struct Pair {
    sent: Cell<u64>,
    /// The number that must come next, or later.
    expected: Cell<u64>,
    received: Cell<u64>,
    /// Wrong sender, length, order or contents.
    broken: Cell<u64>,
    moved: Notify,
    stopped: Cell<bool>,
}

pub async fn run(load: Load, shape: Shape) -> Res<Value> {
    let keys = fresh_keys(shape.pairs * 2);
    let mut clients = Vec::new();
    for key in &keys {
        clients.push(load.server.connect(key).await?);
    }
    let mut pairs = Vec::new();
    let mut tasks: Vec<JoinHandle<Res<()>>> = Vec::new();
    let mut clients = clients.into_iter();
    for ends in keys.chunks(2) {
        let ([sender, receiver], Some(from), Some(to)) = (ends, clients.next(), clients.next()) else {
            continue;
        };
        let pair = Rc::new(Pair {
            sent: Cell::new(0),
            expected: Cell::new(0),
            received: Cell::new(0),
            broken: Cell::new(0),
            moved: Notify::new(),
            stopped: Cell::new(false),
        });
        let (message, offset) = shape.message(receiver);
        let mut expected = message.clone();
        expected[0] = if shape.batch > 1 { FROM_RELAY_BATCH } else { FROM_RELAY };
        expected[1..33].copy_from_slice(sender.public().as_bytes());
        tasks.push(tokio::task::spawn_local(send(
            from,
            pair.clone(),
            Template::new(&message, offset),
            shape,
        )));
        tasks.push(tokio::task::spawn_local(receive(to, pair.clone(), expected, offset)));
        pairs.push(pair);
    }
    let received = || pairs.iter().map(|pair| pair.received.get()).sum::<u64>();

    sleep(load.warm_up).await;
    let (begin, before, used) = (Instant::now(), received(), Usage::now(load.pid));
    sleep(load.measured).await;
    let (elapsed, after, used) = (begin.elapsed(), received(), Usage::now(load.pid).since(used));

    for pair in &pairs {
        pair.stopped.set(true);
        pair.moved.notify_one();
    }
    // what is still under way
    for _ in 0..20 {
        if pairs.iter().all(|pair| pair.expected.get() >= pair.sent.get()) {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    for task in tasks {
        if task.is_finished() {
            task.await.map_err(|error| error.to_string())??;
        } else {
            task.abort();
        }
    }
    let sent = pairs.iter().map(|pair| pair.sent.get()).sum::<u64>();
    let broken = pairs.iter().map(|pair| pair.broken.get()).sum::<u64>();
    if broken > 0 {
        return Err(format!("{broken} frames did not arrive as they were sent"));
    }
    let frame_bytes = (shape.size * shape.batch) as u64;
    let bytes = (after - before) * frame_bytes;
    let seconds = elapsed.as_secs_f64();
    Ok(json!({
        "event": "result",
        "ms": seconds * 1000.0,
        "bytes": bytes,
        "datagrams": (after - before) * shape.batch as u64,
        "mbit": bytes as f64 * 8.0 / seconds / 1e6,
        "sent": sent * shape.batch as u64,
        "lost": sent.saturating_sub(received()) * shape.batch as u64,
        "serverCpuMs": used.server_ms,
        "generatorCpuMs": used.own_ms,
    }))
}

async fn send(client: Client, pair: Rc<Pair>, template: Template, shape: Shape) -> Res<()> {
    let length = template.bytes.len();
    let window = (shape.window / shape.batch) as u64;
    let at_once = (WRITE_BYTES.div_ceil(length) as u64).clamp(1, window);
    let mut frames = template.bytes.repeat(at_once as usize);
    let (_reading, mut writing) = client.stream.into_split();
    // the first number that is not given up
    let mut base = 0;
    while !pair.stopped.get() {
        let sent = pair.sent.get();
        let under_way = sent - base.max(pair.expected.get()).min(sent);
        if under_way + at_once > window {
            if timeout(STALL, pair.moved.notified()).await.is_err() {
                base = sent;
            }
            continue;
        }
        for number in 0..at_once {
            let at = number as usize * length;
            template.number(&mut frames[at..at + length], sent + number);
        }
        pair.sent.set(sent + at_once);
        writing
            .write_all(&frames)
            .await
            .map_err(|error| format!("sender: {error}"))?;
    }
    // the receiver may still wait for what was sent
    sleep(STALL * 2).await;
    Ok(())
}

async fn receive(client: Client, pair: Rc<Pair>, expected: Vec<u8>, offset: usize) -> Res<()> {
    let Client { stream, mut input } = client;
    input.grow(RECEIVE_BUFFER);
    let (mut reading, mut writing) = stream.into_split();
    loop {
        let count = reading.read(input.space()).await;
        match count {
            Ok(0) if pair.stopped.get() => return Ok(()),
            Ok(0) => return Err("the relay dropped a receiver".to_string()),
            Ok(count) => input.filled(count),
            Err(error) => return Err(format!("receiver: {error}")),
        }
        while let Some(range) = input.next()? {
            let message = input.bytes_at(range);
            if message[0] == expected[0] {
                take(&pair, message, &expected, offset);
            } else if message[0] == PING {
                writing
                    .write_all(&pong(message))
                    .await
                    .map_err(|error| error.to_string())?;
            }
        }
        pair.moved.notify_one();
    }
}

fn take(pair: &Pair, message: &[u8], expected: &[u8], offset: usize) {
    let number = message.get(offset..offset + 8).and_then(|bytes| bytes.try_into().ok());
    let number = number.map_or(u64::MAX, u64::from_be_bytes);
    let fits = message.len() == expected.len()
        && number >= pair.expected.get()
        && number < pair.sent.get()
        && message[..offset] == expected[..offset]
        && message[offset + 8..] == expected[offset + 8..];
    if !fits {
        pair.broken.set(pair.broken.get() + 1);
        return;
    }
    pair.expected.set(number + 1);
    pair.received.set(pair.received.get() + 1);
}
