//! What groups say, as serde sees it (spec/envelope.md §7.2).

use serde::{Deserialize, Serialize};

use super::key::NodeId;
use super::seal::EncryptedPayload;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum GroupPayload {
    Create {
        group_name: String,
        creator_username: String,
        initial_members: Vec<NodeId>,
        #[serde(default)]
        invite_only: bool,
    },
    Created {
        group: GroupInfo,
    },
    Invite {
        group_id: GroupId,
        group_name: String,
        inviter_id: NodeId,
        inviter_username: String,
    },
    Join {
        group_id: GroupId,
        username: String,
    },
    Sync {
        group: GroupInfo,
        recent_messages: Vec<GroupMessage>,
    },
    Message(GroupMessage),
    Leave {
        group_id: GroupId,
    },
    MemberJoined {
        group_id: GroupId,
        member: GroupMember,
    },
    MemberLeft {
        group_id: GroupId,
        node_id: NodeId,
        username: String,
        reason: LeaveReason,
    },
    DeliveryAck {
        group_id: GroupId,
        message_id: String,
    },
    HubMigration {
        group_id: GroupId,
        new_hub_id: NodeId,
        old_hub_id: NodeId,
    },
    HubHeartbeat {
        group_id: GroupId,
        member_count: usize,
    },
    SenderKeyDistribution {
        group_id: GroupId,
        from: NodeId,
        epoch: u32,
        encrypted_keys: Vec<EncryptedSenderKey>,
    },
    HubPing {
        group_id: GroupId,
    },
    HubPong {
        group_id: GroupId,
    },
    HubShadowSync {
        group_id: GroupId,
        members: Vec<GroupMember>,
        candidate_id: Option<NodeId>,
        config_version: u64,
    },
    CandidateAssigned {
        group_id: GroupId,
    },
    HubUnreachable {
        group_id: GroupId,
    },
    KickMember {
        group_id: GroupId,
        target_id: NodeId,
    },
    UpdateMemberRole {
        group_id: GroupId,
        target_id: NodeId,
        new_role: GroupMemberRole,
    },
    MemberRoleChanged {
        group_id: GroupId,
        node_id: NodeId,
        new_role: GroupMemberRole,
    },
    InviteMember {
        group_id: GroupId,
        target_id: NodeId,
    },
    SyncRequest {
        group_id: GroupId,
        since_seq: u64,
    },
    SyncResponse {
        group_id: GroupId,
        messages: Vec<GroupMessage>,
        latest_seq: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupId(pub String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum GroupMemberRole {
    Admin,
    Member,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LeaveReason {
    Voluntary,
    Kicked,
    Timeout,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupMember {
    pub node_id: NodeId,
    pub username: String,
    pub joined_at: u64,
    pub role: GroupMemberRole,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupInfo {
    pub group_id: GroupId,
    pub name: String,
    pub hub_relay_id: NodeId,
    pub backup_hub_id: Option<NodeId>,
    pub members: Vec<GroupMember>,
    pub created_by: NodeId,
    pub created_at: u64,
    pub last_activity_at: u64,
    pub max_members: usize,
    #[serde(default)]
    pub shadow_id: Option<NodeId>,
    #[serde(default)]
    pub candidate_id: Option<NodeId>,
    #[serde(default)]
    pub invite_only: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupMessage {
    pub group_id: GroupId,
    pub message_id: String,
    pub sender_id: NodeId,
    #[serde(default)]
    pub sender_username: String,
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub ciphertext: Vec<u8>,
    #[serde(default)]
    pub nonce: [u8; 24],
    #[serde(default)]
    pub key_epoch: u32,
    #[serde(default)]
    pub encrypted: bool,
    pub sent_at: u64,
    #[serde(default)]
    pub sender_signature: Vec<u8>,
    #[serde(default)]
    pub seq: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncryptedSenderKey {
    pub recipient_id: NodeId,
    pub encrypted_key: EncryptedPayload,
}

/// Inside an encrypted group message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupMessageContent {
    pub username: String,
    pub text: String,
}

impl GroupMessage {
    /// Plain concatenation: what is signed has no lengths.
    pub fn signing_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.group_id.0.as_bytes());
        bytes.extend(self.message_id.as_bytes());
        bytes.extend(self.sender_id.as_bytes());
        if self.encrypted {
            bytes.extend(&self.ciphertext);
            bytes.extend(self.nonce);
            bytes.extend(self.key_epoch.to_le_bytes());
        } else {
            bytes.extend(self.text.as_bytes());
        }
        bytes.extend(self.sent_at.to_le_bytes());
        bytes
    }
}
