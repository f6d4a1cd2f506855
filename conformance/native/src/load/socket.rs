//! A client of a relay down to its bytes: TCP, the upgrade, the challenge handshake (protocol v2 or v1), and WebSocket frames in and out.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};

use iroh::SecretKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::options::Res;

pub const TO_RELAY: u8 = 4;
pub const TO_RELAY_BATCH: u8 = 5;
pub const FROM_RELAY: u8 = 6;
pub const FROM_RELAY_BATCH: u8 = 7;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

const CHALLENGE: u8 = 0;
const CLIENT_AUTH: u8 = 1;
const CONFIRMS: u8 = 2;
const DENIES: u8 = 3;

const CONTEXT: &str = "iroh-relay handshake v1 challenge signature";
/// The same for every frame: a server must unmask it all the same.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

/// The server under load, and from which addresses its clients come.
#[derive(Clone)]
pub struct Server {
    addr: SocketAddr,
    sources: u64,
    next: Cell<u64>,
}

impl Server {
    pub fn new(addr: SocketAddr, sources: u64) -> Self {
        Self {
            addr,
            sources: sources.clamp(1, 60_000),
            next: Cell::new(0),
        }
    }

    /// A client that the relay has confirmed.
    pub async fn connect(&self, key: &SecretKey) -> Res<Client> {
        let mut client = Client {
            stream: self.dial().await?,
            input: Input::new(),
        };
        client.upgrade(self.addr).await?;
        client.authenticate(key).await?;
        Ok(client)
    }

    async fn dial(&self) -> Res<TcpStream> {
        let error = |error: std::io::Error| format!("cannot connect to {}: {error}", self.addr);
        let stream = if self.sources > 1 && self.addr.ip().is_loopback() && self.addr.is_ipv4() {
            let number = self.next.get();
            self.next.set((number + 1) % self.sources);
            let socket = TcpSocket::new_v4().map_err(error)?;
            let ip = Ipv4Addr::new(127, 1, (number / 250) as u8, (number % 250) as u8 + 1);
            socket.bind(SocketAddr::from((ip, 0))).map_err(error)?;
            socket.connect(self.addr).await.map_err(error)?
        } else {
            TcpStream::connect(self.addr).await.map_err(error)?
        };
        stream.set_nodelay(true).map_err(error)?;
        Ok(stream)
    }
}

/// A connection to the relay.
pub struct Client {
    pub stream: TcpStream,
    pub input: Input,
}

impl Client {
    async fn upgrade(&mut self, host: SocketAddr) -> Res<()> {
        let request = format!(
            "GET /relay HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: iroh-relay-v2, iroh-relay-v1\r\n\r\n"
        );
        self.write(request.as_bytes()).await?;
        loop {
            if let Some(end) = self.input.head_end() {
                let head = String::from_utf8_lossy(&self.input.bytes()[..end]).to_ascii_lowercase();
                if !head.starts_with("http/1.1 101") || !head.contains("iroh-relay-v") {
                    return Err(format!("no upgrade: {}", head.lines().next().unwrap_or("")));
                }
                self.input.skip(end);
                return Ok(());
            }
            self.fill().await?;
        }
    }

    async fn authenticate(&mut self, key: &SecretKey) -> Res<()> {
        let first = self.message().await?;
        match first.split_first() {
            Some((&CONFIRMS, _)) => Ok(()),
            Some((&CHALLENGE, challenge)) if challenge.len() == 16 => {
                let signature = key.sign(&blake3::derive_key(CONTEXT, challenge)).to_bytes();
                let mut answer = vec![CLIENT_AUTH];
                answer.extend_from_slice(key.public().as_bytes());
                answer.push(64);
                answer.extend_from_slice(&signature);
                self.write(&frame(&answer)).await?;
                match self.message().await?.split_first() {
                    Some((&CONFIRMS, _)) => Ok(()),
                    Some((&DENIES, reason)) => Err(format!("denied: {}", String::from_utf8_lossy(reason))),
                    _ => Err("the relay did not confirm".to_string()),
                }
            }
            Some((&DENIES, reason)) => Err(format!("denied: {}", String::from_utf8_lossy(reason))),
            _ => Err("the relay did not begin with a challenge".to_string()),
        }
    }

    /// The next message, copied: for the handshake.
    async fn message(&mut self) -> Res<Vec<u8>> {
        loop {
            if let Some(range) = self.input.next()? {
                return Ok(self.input.bytes_at(range).to_vec());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Res<()> {
        match self.stream.read(self.input.space()).await {
            Ok(0) => Err("the relay closed the connection".to_string()),
            Ok(count) => {
                self.input.filled(count);
                Ok(())
            }
            Err(error) => Err(format!("read: {error}")),
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Res<()> {
        self.stream
            .write_all(bytes)
            .await
            .map_err(|error| format!("write: {error}"))
    }
}

/// What was read and not yet taken apart. Grows to what the largest frame needs.
pub struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// One message in the buffer, valid until the next read.
#[derive(Clone, Copy)]
pub struct Range {
    start: usize,
    end: usize,
}

impl Input {
    /// Small: 10,000 idle clients have one each.
    fn new() -> Self {
        Self {
            buffer: vec![0; 512],
            start: 0,
            end: 0,
        }
    }

    /// For a client that receives much.
    pub fn grow(&mut self, size: usize) {
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub fn bytes_at(&self, range: Range) -> &[u8] {
        &self.buffer[range.start..range.end]
    }

    fn skip(&mut self, count: usize) {
        self.start += count;
    }

    fn head_end(&self) -> Option<usize> {
        let at = self.bytes().windows(4).position(|four| four == b"\r\n\r\n")?;
        Some(at + 4)
    }

    /// Where the next read goes; never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.end == self.buffer.len() {
                let size = self.buffer.len() * 2;
                self.buffer.resize(size, 0);
            }
        }
        &mut self.buffer[self.end..]
    }

    pub fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// The next whole binary message; errors when the relay says Close.
    pub fn next(&mut self) -> Res<Option<Range>> {
        loop {
            let bytes = &self.buffer[self.start..self.end];
            if bytes.len() < 2 {
                return Ok(None);
            }
            let (head, length) = match bytes[1] {
                short @ 0..=125 => (2, usize::from(short)),
                126 if bytes.len() >= 4 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
                127 if bytes.len() >= 10 => (
                    10,
                    u64::from_be_bytes(bytes[2..10].try_into().map_err(|_| "length")?) as usize,
                ),
                126 | 127 => return Ok(None),
                _ => return Err("the relay masks its frames".to_string()),
            };
            if bytes.len() < head + length {
                return Ok(None);
            }
            let opcode = bytes[0] & 0x0f;
            let range = Range {
                start: self.start + head,
                end: self.start + head + length,
            };
            self.start = range.end;
            match opcode {
                BINARY if length > 0 => return Ok(Some(range)),
                CLOSE => return Err("the relay said Close".to_string()),
                _ => {}
            }
        }
    }
}

/// `message` as one masked binary frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    with_opcode(BINARY, message)
}

/// Close 1000.
pub fn close_frame() -> Vec<u8> {
    with_opcode(CLOSE, &1000u16.to_be_bytes())
}

fn with_opcode(opcode: u8, message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match message.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        medium @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(message.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    bytes
}

/// A frame that is sent again and again with another number in it: where eight bytes of the message stand, and their mask.
pub struct Template {
    pub bytes: Vec<u8>,
    number_at: usize,
    mask: [u8; 8],
}

impl Template {
    /// `offset`: of the number in the message.
    pub fn new(message: &[u8], offset: usize) -> Self {
        let bytes = frame(message);
        let number_at = bytes.len() - message.len() + offset;
        let mask = std::array::from_fn(|at| MASK[(offset + at) % 4]);
        Self { bytes, number_at, mask }
    }

    /// Puts the frame with this number at the beginning of `out`, which already holds a copy of it.
    pub fn number(&self, out: &mut [u8], number: u64) {
        let bytes = number.to_be_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            out[self.number_at + at] = byte ^ self.mask[at];
        }
    }
}

/// A ping's answer, as a frame.
pub fn pong(ping: &[u8]) -> Vec<u8> {
    let mut message = ping.to_vec();
    message[0] = PONG;
    frame(&message)
}

pub fn fresh_keys(count: usize) -> Vec<SecretKey> {
    (0..count).map(|_| SecretKey::generate()).collect()
}
