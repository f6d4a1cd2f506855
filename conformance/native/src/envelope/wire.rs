//! The envelope as serde sees it: the structures of spec/envelope.md §1.1, §1.4 and §1.7, whose order of fields and names are the format.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hex;
use super::key::NodeId;

/// Declaration order matters: decoders take an index for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MessageType {
    Chat,
    Ack,
    ReadReceipt,
    Heartbeat,
    GroupCreate,
    GroupCreated,
    GroupInvite,
    GroupJoin,
    GroupSync,
    GroupMessage,
    GroupLeave,
    GroupMemberJoined,
    GroupMemberLeft,
    GroupHubMigration,
    GroupDeliveryAck,
    GroupHubHeartbeat,
    GroupSenderKeyDistribution,
    GroupHubPing,
    GroupHubPong,
    GroupHubShadowSync,
    GroupCandidateAssigned,
    GroupHubUnreachable,
    GroupKickMember,
    GroupUpdateMemberRole,
    GroupMemberRoleChanged,
    GroupInviteMember,
    GroupSyncRequest,
    GroupSyncResponse,
    BackupStore,
    BackupDeliver,
    BackupReplicate,
    BackupReplicateAck,
    BackupQuery,
    BackupQueryResponse,
    BackupConfirmDelivery,
    PeerAnnounce,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub id: String,
    pub from: NodeId,
    pub to: NodeId,
    pub via: Vec<NodeId>,
    pub msg_type: MessageType,
    pub payload: Vec<u8>,
    pub timestamp: u64,
    pub signature: Vec<u8>,
    pub ttl: u32,
    pub encrypted: bool,
}

/// What is signed.
#[derive(Serialize)]
struct Signed<'a> {
    id: &'a str,
    from: NodeId,
    to: NodeId,
    via: &'a [NodeId],
    msg_type: MessageType,
    payload: &'a [u8],
    timestamp: u64,
    encrypted: bool,
}

/// Byte strings as bin, which decoders accept (spec/envelope.md §1.3).
#[derive(Serialize)]
struct Compact<'a> {
    id: &'a str,
    from: NodeId,
    to: NodeId,
    via: &'a [NodeId],
    msg_type: MessageType,
    payload: Bin<'a>,
    timestamp: u64,
    signature: Bin<'a>,
    ttl: u32,
    encrypted: bool,
}

struct Bin<'a>(&'a [u8]);

impl Serialize for Bin<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl Envelope {
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        rmp_serde::from_slice(bytes).map_err(|error| error.to_string())
    }

    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec(self).expect("everything in it can be written")
    }

    pub fn encode_compact(&self) -> Vec<u8> {
        let compact = Compact {
            id: &self.id,
            from: self.from,
            to: self.to,
            via: &self.via,
            msg_type: self.msg_type,
            payload: Bin(&self.payload),
            timestamp: self.timestamp,
            signature: Bin(&self.signature),
            ttl: self.ttl,
            encrypted: self.encrypted,
        };
        rmp_serde::to_vec(&compact).expect("everything in it can be written")
    }

    pub fn signing_bytes(&self) -> Vec<u8> {
        let signed = Signed {
            id: &self.id,
            from: self.from,
            to: self.to,
            via: &self.via,
            msg_type: self.msg_type,
            payload: &self.payload,
            timestamp: self.timestamp,
            encrypted: self.encrypted,
        };
        rmp_serde::to_vec(&signed).expect("everything in it can be written")
    }

    /// For JSON lines; byte strings in hex.
    pub fn describe(&self) -> Value {
        json!({
            "id": self.id,
            "from": self.from,
            "to": self.to,
            "via": self.via,
            "type": self.msg_type,
            "payload": hex::encode(&self.payload),
            "timestamp": self.timestamp,
            "signature": hex::encode(&self.signature),
            "ttl": self.ttl,
            "encrypted": self.encrypted,
        })
    }
}
