//! Hole punching from outside: iroh is told of addresses and of changes of the network; noq is told what iroh would tell it.

use std::net::SocketAddr;

use iroh::Endpoint;
use noq::Connection;
use serde_json::{Map, Value, json};

use crate::options::Res;
use crate::output::chain;

fn address(command: &Map<String, Value>) -> Res<SocketAddr> {
    let text = command.get("addr").and_then(Value::as_str).ok_or("which addr?")?;
    text.parse().map_err(|_| format!("addr: cannot read {text}"))
}

/// `add-address`, `remove-address`, `network-change` of an iroh endpoint.
pub async fn tell(endpoint: &Endpoint, name: &str, command: &Map<String, Value>) -> Res<Value> {
    match name {
        "add-address" => endpoint.add_external_addr(address(command)?).await,
        "remove-address" => {
            let was_there = endpoint.remove_external_addr(&address(command)?).await;
            return Ok(json!({ "event": "result", "removed": was_there }));
        }
        _ => endpoint.network_change().await,
    }
    Ok(json!({ "event": "result" }))
}

/// `nat-add`, `nat-remove`, `nat-round` of a connection of noq.
pub fn act(connection: &Connection, name: &str, command: &Map<String, Value>) -> Res<Value> {
    let done = match name {
        "nat-add" => connection.add_nat_traversal_address(address(command)?),
        "nat-remove" => connection.remove_nat_traversal_address(address(command)?),
        _ => {
            let probed = connection.initiate_nat_traversal_round();
            let probed = probed.map_err(|error| chain(&error))?;
            return Ok(json!({ "event": "result", "probed": texts(&probed) }));
        }
    };
    done.map_err(|error| chain(&error))?;
    Ok(json!({ "event": "result" }))
}

/// What a client of noq was told and did not hear taken back; null for a server, and where NAT traversal was not negotiated.
pub fn peer_addresses(connection: &Connection) -> Value {
    let addresses = connection.get_remote_nat_traversal_addresses();
    addresses.map_or(Value::Null, |addresses| texts(&addresses))
}

fn texts(addresses: &[SocketAddr]) -> Value {
    addresses.iter().map(|addr| addr.to_string()).collect()
}
