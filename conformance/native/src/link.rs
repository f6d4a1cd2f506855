//! One connection of either kind of node. What the program does on connections is written once, over this.

use bytes::Bytes;
use iroh::endpoint::{ConnectionError, ConnectionStats, RecvStream, SendDatagramError, SendStream, VarInt};

#[derive(Clone)]
pub enum Link {
    Iroh(iroh::endpoint::Connection),
    Noq(NoqLink),
}

/// What noq itself does not remember about a connection.
#[derive(Clone)]
pub struct NoqLink {
    pub connection: noq::Connection,
    /// 64 hex digits.
    pub remote: String,
    pub alpn: String,
}

impl Link {
    pub fn remote(&self) -> String {
        match self {
            Self::Iroh(connection) => connection.remote_id().to_string(),
            Self::Noq(link) => link.remote.clone(),
        }
    }

    pub fn alpn(&self) -> String {
        match self {
            Self::Iroh(connection) => String::from_utf8_lossy(connection.alpn()).into_owned(),
            Self::Noq(link) => link.alpn.clone(),
        }
    }

    pub async fn open_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        match self {
            Self::Iroh(connection) => connection.open_bi().await,
            Self::Noq(link) => link.connection.open_bi().await,
        }
    }

    pub async fn open_uni(&self) -> Result<SendStream, ConnectionError> {
        match self {
            Self::Iroh(connection) => connection.open_uni().await,
            Self::Noq(link) => link.connection.open_uni().await,
        }
    }

    pub async fn accept_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        match self {
            Self::Iroh(connection) => connection.accept_bi().await,
            Self::Noq(link) => link.connection.accept_bi().await,
        }
    }

    pub async fn accept_uni(&self) -> Result<RecvStream, ConnectionError> {
        match self {
            Self::Iroh(connection) => connection.accept_uni().await,
            Self::Noq(link) => link.connection.accept_uni().await,
        }
    }

    pub async fn read_datagram(&self) -> Result<Bytes, ConnectionError> {
        match self {
            Self::Iroh(connection) => connection.read_datagram().await,
            Self::Noq(link) => link.connection.read_datagram().await,
        }
    }

    pub fn send_datagram(&self, data: Bytes) -> Result<(), SendDatagramError> {
        match self {
            Self::Iroh(connection) => connection.send_datagram(data),
            Self::Noq(link) => link.connection.send_datagram(data),
        }
    }

    pub async fn send_datagram_wait(&self, data: Bytes) -> Result<(), SendDatagramError> {
        match self {
            Self::Iroh(connection) => connection.send_datagram_wait(data).await,
            Self::Noq(link) => link.connection.send_datagram_wait(data).await,
        }
    }

    pub fn max_datagram_size(&self) -> Option<usize> {
        match self {
            Self::Iroh(connection) => connection.max_datagram_size(),
            Self::Noq(link) => link.connection.max_datagram_size(),
        }
    }

    pub fn close(&self, code: u64, reason: &str) {
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        match self {
            Self::Iroh(connection) => connection.close(code, reason.as_bytes()),
            Self::Noq(link) => link.connection.close(code, reason.as_bytes()),
        }
    }

    pub async fn closed(&self) -> ConnectionError {
        match self {
            Self::Iroh(connection) => connection.closed().await,
            Self::Noq(link) => link.connection.closed().await,
        }
    }

    pub fn close_reason(&self) -> Option<ConnectionError> {
        match self {
            Self::Iroh(connection) => connection.close_reason(),
            Self::Noq(link) => link.connection.close_reason(),
        }
    }

    pub fn stats(&self) -> ConnectionStats {
        match self {
            Self::Iroh(connection) => connection.stats(),
            Self::Noq(link) => link.connection.stats(),
        }
    }
}
