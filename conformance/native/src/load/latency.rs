//! Round trips: one pair, one frame under way. `--direct` leaves the relay out and measures what the machine and this program need.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::Load;
use super::socket::{Client, FROM_RELAY, Input, PING, TO_RELAY, Template, fresh_keys, pong};
use crate::options::{Options, Res};
use crate::pattern::block;

#[derive(Clone, Copy)]
pub struct Shape {
    count: usize,
    warm_ups: usize,
    size: usize,
    direct: bool,
    pause: Duration,
}

impl Shape {
    /// `--count N` (2000), `--warm-ups N` (200), `--size N` bytes (64), `--pause-us N` between round trips (0), `--direct`.
    pub fn from_options(options: &Options) -> Self {
        Self {
            count: options.number("count").unwrap_or(2000).max(1) as usize,
            warm_ups: options.number("warm-ups").unwrap_or(200) as usize,
            size: options.number("size").unwrap_or(64).clamp(8, 60_000) as usize,
            direct: options.flag("direct"),
            pause: Duration::from_micros(options.number("pause-us").unwrap_or(0)),
        }
    }
}

/// One end: sends its frame, and waits for the other's.
trait End {
    async fn send(&mut self, number: u64) -> Res<()>;
    async fn receive(&mut self) -> Res<u64>;
}

pub async fn run(load: Load, shape: Shape) -> Res<Value> {
    let mut times = if shape.direct {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| error.to_string())?;
        let addr = listener.local_addr().map_err(|error| error.to_string())?;
        let (near, far) = tokio::join!(TcpStream::connect(addr), listener.accept());
        let near = Direct::new(near.map_err(|error| error.to_string())?, shape.size)?;
        let far = Direct::new(far.map_err(|error| error.to_string())?.0, shape.size)?;
        measure(near, far, shape).await?
    } else {
        let keys = fresh_keys(2);
        let [near, far] = keys.as_slice() else {
            return Err("no keys".to_string());
        };
        let end = async |own: &iroh::SecretKey, peer: &iroh::SecretKey| -> Res<Relayed> {
            let mut message = vec![TO_RELAY];
            message.extend_from_slice(peer.public().as_bytes());
            message.push(0);
            let offset = message.len();
            message.extend_from_slice(&block()[..shape.size]);
            Ok(Relayed {
                client: load.server.connect(own).await?,
                template: Template::new(&message, offset),
                offset,
            })
        };
        measure(end(near, far).await?, end(far, near).await?, shape).await?
    };
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
    Ok(json!({
        "event": "result",
        "count": times.len(),
        "minUs": at(0.0),
        "p50Us": at(0.5),
        "p99Us": at(0.99),
        "maxUs": at(1.0),
    }))
}

/// Microseconds of each round trip.
async fn measure<E: End + 'static>(mut near: E, mut far: E, shape: Shape) -> Res<Vec<f64>> {
    let echo = tokio::task::spawn_local(async move {
        loop {
            let Ok(number) = far.receive().await else { return };
            if far.send(number).await.is_err() {
                return;
            }
        }
    });
    let mut times = Vec::with_capacity(shape.count);
    for number in 0..shape.warm_ups + shape.count {
        if !shape.pause.is_zero() {
            sleep(shape.pause).await;
        }
        let begin = Instant::now();
        near.send(number as u64).await?;
        while near.receive().await? != number as u64 {}
        if number >= shape.warm_ups {
            times.push(begin.elapsed().as_secs_f64() * 1e6);
        }
    }
    echo.abort();
    Ok(times)
}

struct Relayed {
    client: Client,
    template: Template,
    offset: usize,
}

impl End for Relayed {
    async fn send(&mut self, number: u64) -> Res<()> {
        let mut bytes = std::mem::take(&mut self.template.bytes);
        self.template.number(&mut bytes, number);
        self.template.bytes = bytes;
        self.client
            .stream
            .write_all(&self.template.bytes)
            .await
            .map_err(|error| error.to_string())
    }

    async fn receive(&mut self) -> Res<u64> {
        let Client { stream, input } = &mut self.client;
        loop {
            if let Some(range) = input.next()? {
                let message = input.bytes_at(range);
                match message[0] {
                    FROM_RELAY if message.len() >= self.offset + 8 => {
                        let number = message[self.offset..self.offset + 8].try_into();
                        return number.map(u64::from_be_bytes).map_err(|_| "number".to_string());
                    }
                    PING => stream
                        .write_all(&pong(message))
                        .await
                        .map_err(|error| error.to_string())?,
                    _ => {}
                }
                continue;
            }
            read(stream, input).await?;
        }
    }
}

async fn read(stream: &mut TcpStream, input: &mut Input) -> Res<()> {
    match stream.read(input.space()).await {
        Ok(0) => Err("the relay closed the connection".to_string()),
        Ok(count) => {
            input.filled(count);
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

struct Direct {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Direct {
    fn new(stream: TcpStream, size: usize) -> Res<Self> {
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self {
            stream,
            bytes: block()[..size].to_vec(),
        })
    }
}

impl End for Direct {
    async fn send(&mut self, number: u64) -> Res<()> {
        self.bytes[..8].copy_from_slice(&number.to_be_bytes());
        self.stream
            .write_all(&self.bytes)
            .await
            .map_err(|error| error.to_string())
    }

    async fn receive(&mut self) -> Res<u64> {
        self.stream
            .read_exact(&mut self.bytes)
            .await
            .map_err(|error| error.to_string())?;
        let number = self.bytes[..8].try_into();
        number.map(u64::from_be_bytes).map_err(|_| "number".to_string())
    }
}
