//! What a node does with a frame, as upstream's runtime does it (spec/envelope.md §4.1, §4.3): it does not insist on signatures, acknowledges what it forwards,
//! whatever it is, and routes only four types.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Shared;
use super::pool::Frame;
use crate::envelope::bodies::{Ack, AckType, ReadReceipt};
use crate::envelope::hex;
use crate::envelope::key::NodeId;
use crate::envelope::seal::{self, SignatureState};
use crate::envelope::wire::{Envelope, MessageType};
use crate::output::emit;

const MAX_ENVELOPE: usize = 262_144;
const MAX_HOPS: usize = 4;

pub async fn receive(shared: Arc<Shared>, frame: Frame) {
    let link = frame.link.to_string();
    let refuse = |reason: &str| emit(json!({ "event": "refused", "link": link, "reason": reason }));
    let bytes = match frame.bytes {
        Ok(bytes) => bytes,
        Err(message) => return refuse(&message),
    };
    if let Ok(value) = serde_json::from_slice::<Value>(&bytes) {
        return emit(json!({ "event": "v1", "link": link, "envelope": value }));
    }
    if bytes.len() > MAX_ENVELOPE {
        return refuse("an envelope of more than 262144 bytes");
    }
    let envelope = match Envelope::decode(&bytes) {
        Ok(envelope) => envelope,
        Err(message) => return refuse(&message),
    };
    let signature = seal::verify(&envelope);
    shared.count_received();
    let is_exempt = matches!(
        envelope.msg_type,
        MessageType::Ack | MessageType::Heartbeat | MessageType::ReadReceipt
    );
    if !is_exempt && !shared.is_within_budget(envelope.from) {
        return refuse("too many messages of this author");
    }
    match envelope.msg_type {
        MessageType::Chat | MessageType::Ack | MessageType::ReadReceipt | MessageType::Heartbeat => {
            if envelope.via.len() > MAX_HOPS {
                refuse("more than 4 hops");
            } else if envelope.to == shared.identity.id {
                deliver(&shared, envelope, signature, &link).await;
            } else {
                forward(&shared, envelope, &link).await;
            }
        }
        // consumed whoever it is for
        _ => emit(json!({
            "event": "other",
            "link": link,
            "signature": signature,
            "envelope": envelope.describe(),
        })),
    }
}

async fn deliver(shared: &Arc<Shared>, envelope: Envelope, signature: SignatureState, link: &str) {
    let refuse = |reason: &str| emit(json!({ "event": "refused", "link": link, "reason": reason }));
    let mut line = json!({
        "link": link,
        "from": envelope.from,
        "via": envelope.via,
        "ttl": envelope.ttl,
        "signature": signature,
    });
    match envelope.msg_type {
        MessageType::Ack => {
            let Ok(ack) = rmp_serde::from_slice::<Ack>(&envelope.payload) else {
                return refuse("no ack");
            };
            line["event"] = "ack".into();
            line["original"] = ack.original_message_id.into();
            line["kind"] = json!(ack.ack_type);
            return emit(line);
        }
        MessageType::ReadReceipt => {
            let Ok(receipt) = rmp_serde::from_slice::<ReadReceipt>(&envelope.payload) else {
                return refuse("no receipt");
            };
            line["event"] = "read".into();
            line["original"] = receipt.original_message_id.into();
            line["readAt"] = receipt.read_at.into();
            return emit(line);
        }
        _ => {}
    }
    if !shared.is_new(&envelope) {
        return emit(json!({ "event": "duplicate", "id": envelope.id, "from": envelope.from }));
    }
    let plaintext = match envelope.encrypted {
        false => Ok(envelope.payload.clone()),
        true => shared.identity.open(&envelope.payload),
    };
    let plaintext = match plaintext {
        Ok(plaintext) => plaintext,
        Err(message) => return refuse(&message),
    };
    line["event"] = "message".into();
    line["id"] = envelope.id.clone().into();
    line["type"] = json!(envelope.msg_type);
    line["timestamp"] = envelope.timestamp.into();
    line["encrypted"] = envelope.encrypted.into();
    line["size"] = plaintext.len().into();
    line["hex"] = hex::encode(&plaintext).into();
    if !shared.is_quiet {
        emit(line);
    }
    let back: Vec<NodeId> = envelope.via.iter().rev().copied().collect();
    acknowledge(shared, &envelope, AckType::RecipientReceived, back);
    if shared.is_responder
        && let Ok(text) = std::str::from_utf8(&plaintext)
        && let Some(answer) = answer_to(text)
    {
        shared.transmit_soon(shared.chat(envelope.from, Vec::new(), answer.as_bytes(), true));
    }
}

async fn forward(shared: &Arc<Shared>, mut envelope: Envelope, link: &str) {
    let own = envelope.via.iter().position(|hop| *hop == shared.identity.id);
    let next = own.and_then(|at| envelope.via.get(at + 1)).unwrap_or(&envelope.to);
    let next = *next;
    if envelope.ttl == 0 {
        return emit(json!({ "event": "refused", "link": link, "reason": "ttl 0" }));
    }
    envelope.ttl -= 1;
    emit(json!({
        "event": "forwarded",
        "link": link,
        "id": envelope.id,
        "type": envelope.msg_type,
        "from": envelope.from,
        "to": envelope.to,
        "next": next,
        "listed": own.is_some(),
    }));
    acknowledge(shared, &envelope, AckType::RelayForwarded, Vec::new());
    shared.transmit_to_soon(next, envelope.encode());
}

fn acknowledge(shared: &Arc<Shared>, envelope: &Envelope, kind: AckType, via: Vec<NodeId>) {
    let ack = Ack {
        original_message_id: envelope.id.clone(),
        ack_type: kind,
    };
    let payload = rmp_serde::to_vec(&ack).expect("everything in it can be written");
    shared.transmit_soon(shared.envelope(MessageType::Ack, envelope.from, via, payload, false));
}

/// What `tom-stress responder` says (spec/envelope.md §3.6). Answers are not answered, or two of us would never stop.
fn answer_to(text: &str) -> Option<String> {
    if let Some(number) = text.strip_prefix("PING:") {
        return Some(format!("PONG:{number}"));
    }
    if let Some(number) = text.strip_prefix("BURST:") {
        return Some(format!("BURST-ACK:{number}"));
    }
    let is_answer = ["PONG:", "BURST-ACK:", "ECHO:"]
        .iter()
        .any(|prefix| text.starts_with(prefix));
    (!is_answer).then(|| format!("ECHO:{text}"))
}
