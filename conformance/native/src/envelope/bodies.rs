//! The payloads of the other types and the contents of gossip, as serde sees them (spec/envelope.md §1.8, §5.4, §5.5, §6.3), and all of them by name.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::groups::{GroupInfo, GroupMessage, GroupMessageContent, GroupPayload};
use super::key::NodeId;
use super::seal::EncryptedPayload;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AckType {
    RelayForwarded,
    RecipientReceived,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    pub original_message_id: String,
    pub ack_type: AckType,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadReceipt {
    pub original_message_id: String,
    pub read_at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerRole {
    Peer,
    Relay,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAnnounce {
    pub node_id: NodeId,
    pub username: String,
    pub roles: Vec<PeerRole>,
    pub encryption_key: Option<[u8; 32]>,
    pub timestamp: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoleChange {
    pub node_id: NodeId,
    pub new_role: PeerRole,
    pub score: f64,
    pub timestamp: u64,
    pub signature: Vec<u8>,
}

impl RoleChange {
    pub fn signing_bytes(&self) -> Vec<u8> {
        let mut bytes = self.node_id.as_bytes().to_vec();
        bytes.push(self.new_role as u8);
        bytes.extend(self.score.to_le_bytes());
        bytes.extend(self.timestamp.to_le_bytes());
        bytes
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replication {
    pub message_id: String,
    pub payload: Vec<u8>,
    pub recipient_id: NodeId,
    pub sender_id: NodeId,
    pub expires_at: u64,
    pub viability_score: u8,
    pub replicated_to: Vec<NodeId>,
}

/// A kind of body: from JSON to bytes, and back.
pub struct Codec {
    pub encode: fn(Value) -> Result<Vec<u8>, String>,
    pub decode: fn(&[u8]) -> Result<Value, String>,
}

const fn codec<T: Serialize + DeserializeOwned>() -> Codec {
    Codec {
        encode: |value| {
            let body: T = serde_json::from_value(value).map_err(|error| error.to_string())?;
            rmp_serde::to_vec(&body).map_err(|error| error.to_string())
        },
        decode: |bytes| {
            let body: T = rmp_serde::from_slice(bytes).map_err(|error| error.to_string())?;
            serde_json::to_value(&body).map_err(|error| error.to_string())
        },
    }
}

pub fn codec_of(name: &str) -> Result<Codec, String> {
    Ok(match name {
        "Ack" => codec::<Ack>(),
        "ReadReceipt" => codec::<ReadReceipt>(),
        "PeerAnnounce" => codec::<PeerAnnounce>(),
        "RoleChange" => codec::<RoleChange>(),
        "Replication" => codec::<Replication>(),
        "IdList" => codec::<Vec<String>>(),
        "Id" => codec::<String>(),
        "NodeId" => codec::<NodeId>(),
        "EncryptedPayload" => codec::<EncryptedPayload>(),
        "GroupPayload" => codec::<GroupPayload>(),
        "GroupInfo" => codec::<GroupInfo>(),
        "GroupMessage" => codec::<GroupMessage>(),
        "GroupMessageContent" => codec::<GroupMessageContent>(),
        _ => return Err(format!("unknown body {name:?}")),
    })
}
