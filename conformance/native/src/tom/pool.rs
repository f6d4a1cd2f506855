//! Streams between ToM nodes (spec/envelope.md §3.2, §3.4): one stream for each message, on a connection that we dialled; frames of a peer are read from
//! connections that it dialled.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iroh::endpoint::{Connection, RecvStream};
use iroh::protocol::{AcceptError, ProtocolHandler};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayUrl, TransportAddr};
use tokio::sync::mpsc;

use crate::options::Res;
use crate::output::chain;

pub const ALPN: &[u8] = b"tom-protocol/transport/0";
const MAX_FRAME: usize = 1_048_576;
/// Before each attempt.
const WAITS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(500), Duration::from_millis(1000)];

pub struct Pool {
    endpoint: Endpoint,
    /// Where peers may be that nothing is known of.
    relays: Vec<RelayUrl>,
    connections: Mutex<HashMap<EndpointId, Slot>>,
}

/// Locked while it is dialled.
type Slot = Arc<tokio::sync::Mutex<Option<Connection>>>;

impl Pool {
    pub fn new(endpoint: Endpoint, relays: Vec<RelayUrl>) -> Self {
        Self {
            endpoint,
            relays,
            connections: Mutex::default(),
        }
    }

    pub fn size(&self) -> usize {
        self.connections.lock().expect("poisoned").len()
    }

    pub async fn send(&self, peer: EndpointId, frame: &[u8]) -> Res<()> {
        let mut last = String::new();
        for wait in WAITS {
            tokio::time::sleep(wait).await;
            match self.try_send(peer, frame).await {
                Ok(()) => return Ok(()),
                Err(message) => last = message,
            }
        }
        Err(last)
    }

    async fn try_send(&self, peer: EndpointId, frame: &[u8]) -> Res<()> {
        let connection = self.connection(peer).await?;
        let written = write(&connection, frame).await;
        if written.is_err() {
            self.connections.lock().expect("poisoned").remove(&peer);
        }
        written
    }

    async fn connection(&self, peer: EndpointId) -> Res<Connection> {
        let slot = self
            .connections
            .lock()
            .expect("poisoned")
            .entry(peer)
            .or_default()
            .clone();
        let mut slot = slot.lock().await;
        if let Some(connection) = &*slot
            && connection.close_reason().is_none()
        {
            return Ok(connection.clone());
        }
        let connection = match self.endpoint.connect(EndpointAddr::new(peer), ALPN).await {
            Ok(connection) => connection,
            Err(error) if self.relays.is_empty() => return Err(chain(&error)),
            Err(_) => {
                let relays = self.relays.iter().cloned().map(TransportAddr::Relay);
                let addr = EndpointAddr::from_parts(peer, relays);
                let connected = self.endpoint.connect(addr, ALPN).await;
                connected.map_err(|error| chain(&error))?
            }
        };
        *slot = Some(connection.clone());
        Ok(connection)
    }
}

/// The reverse direction is dropped unread, which stops it.
async fn write(connection: &Connection, frame: &[u8]) -> Res<()> {
    let (mut send, recv) = connection.open_bi().await.map_err(|error| chain(&error))?;
    drop(recv);
    let length = (frame.len() as u32).to_be_bytes();
    send.write_all(&length).await.map_err(|error| chain(&error))?;
    send.write_all(frame).await.map_err(|error| chain(&error))?;
    send.finish().map_err(|error| chain(&error))
}

/// What came, and over whose connection.
pub struct Frame {
    pub bytes: Res<Vec<u8>>,
    pub link: EndpointId,
}

#[derive(Clone)]
pub struct Receiver(pub mpsc::UnboundedSender<Frame>);

impl fmt::Debug for Receiver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Receiver")
    }
}

impl ProtocolHandler for Receiver {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let link = connection.remote_id();
        while let Ok((mut send, recv)) = connection.accept_bi().await {
            let frames = self.0.clone();
            tokio::spawn(async move {
                let bytes = read(recv).await;
                let _ = frames.send(Frame { bytes, link });
                let _ = send.finish();
            });
        }
        Ok(())
    }
}

/// Does not wait for the end of the stream.
async fn read(mut recv: RecvStream) -> Res<Vec<u8>> {
    let mut length = [0; 4];
    recv.read_exact(&mut length).await.map_err(|error| chain(&error))?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(format!("a frame of {length} bytes"));
    }
    let mut bytes = vec![0; length];
    recv.read_exact(&mut bytes).await.map_err(|error| chain(&error))?;
    Ok(bytes)
}
