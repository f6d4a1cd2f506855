//! The endpoint behind the program: iroh itself, or (`--noq`) the QUIC library under it. Both dial by key and accept connections.

use std::net::SocketAddr;

use iroh::endpoint::ConnectionError;
use iroh::{EndpointAddr, TransportAddr};
use iroh_tickets::endpoint::EndpointTicket;
use serde_json::{Value, json};

use crate::link::{Link, NoqLink};
use crate::noq_node::{NoqNode, negotiated};
use crate::options::{Options, Res};
use crate::output::{chain, close_reason, connection_error};

#[derive(Clone)]
pub enum Node {
    Iroh(iroh::Endpoint),
    Noq(NoqNode),
}

/// Why there is no connection: a message, and the CLOSE line where a close was the cause.
pub struct Failure {
    pub message: String,
    pub reason: Value,
}

impl Failure {
    pub fn new(error: &(dyn std::error::Error + 'static)) -> Self {
        let reason = connection_error(error).map(close_reason).unwrap_or(Value::Null);
        Self {
            message: chain(error),
            reason,
        }
    }

    pub fn line(self, stage: &str) -> Value {
        json!({ "event": "error", "stage": stage, "message": self.message, "reason": self.reason })
    }
}

impl Node {
    pub async fn bind(options: &Options) -> Res<Self> {
        if options.flag("noq") {
            NoqNode::bind(options).map(Self::Noq)
        } else {
            options.bind().await.map(Self::Iroh)
        }
    }

    /// 64 hex digits.
    pub fn id(&self) -> String {
        match self {
            Self::Iroh(endpoint) => endpoint.id().to_string(),
            Self::Noq(node) => node.id().to_string(),
        }
    }

    pub fn addrs(&self) -> Vec<SocketAddr> {
        match self {
            Self::Iroh(endpoint) => endpoint.bound_sockets(),
            Self::Noq(node) => node.addrs(),
        }
    }

    pub fn ticket(&self) -> String {
        let id = match self {
            Self::Iroh(endpoint) => endpoint.id(),
            Self::Noq(node) => node.id(),
        };
        let addrs = self.addrs().into_iter().map(TransportAddr::Ip);
        EndpointTicket::new(EndpointAddr::from_parts(id, addrs)).to_string()
    }

    pub async fn connect(&self, addr: EndpointAddr, alpn: &str) -> Result<Link, Failure> {
        match self {
            Self::Iroh(endpoint) => endpoint
                .connect(addr, alpn.as_bytes())
                .await
                .map(Link::Iroh)
                .map_err(|error| Failure::new(&error)),
            Self::Noq(node) => node.connect(addr, alpn).await,
        }
    }

    /// Undefined once the endpoint is closed.
    pub async fn accept(&self) -> Option<Newcomer> {
        match self {
            Self::Iroh(endpoint) => endpoint.accept().await.map(Newcomer::Iroh),
            Self::Noq(node) => node.accept().await.map(Newcomer::Noq),
        }
    }

    pub async fn close(&self) {
        match self {
            Self::Iroh(endpoint) => endpoint.close().await,
            Self::Noq(node) => node.close().await,
        }
    }
}

/// A connection attempt that waits for a decision.
pub enum Newcomer {
    Iroh(iroh::endpoint::Incoming),
    Noq(noq::Incoming),
}

impl Newcomer {
    pub fn validated(&self) -> bool {
        match self {
            Self::Iroh(incoming) => incoming.remote_addr_validated(),
            Self::Noq(incoming) => incoming.remote_address_validated(),
        }
    }

    pub fn refuse(self) {
        match self {
            Self::Iroh(incoming) => incoming.refuse(),
            Self::Noq(incoming) => incoming.refuse(),
        }
    }

    pub fn ignore(self) {
        match self {
            Self::Iroh(incoming) => incoming.ignore(),
            Self::Noq(incoming) => incoming.ignore(),
        }
    }

    /// Only for one whose address is not validated; else nothing happens.
    pub fn retry(self) {
        match self {
            Self::Iroh(incoming) => drop(incoming.retry()),
            Self::Noq(incoming) => drop(incoming.retry()),
        }
    }

    pub async fn establish(self) -> Result<Link, Failure> {
        match self {
            Self::Iroh(incoming) => incoming.await.map(Link::Iroh).map_err(|error| Failure::new(&error)),
            Self::Noq(incoming) => {
                let connection = incoming.await.map_err(|error: ConnectionError| Failure::new(&error))?;
                let (remote, alpn) = negotiated(&connection);
                Ok(Link::Noq(NoqLink {
                    connection,
                    remote,
                    alpn,
                }))
            }
        }
    }
}
