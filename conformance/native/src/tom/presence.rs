//! Who is there (spec/envelope.md §5.4): unsigned announcements over gossip, every few seconds and at each new neighbour; those of others become lines.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use iroh::EndpointId;
use iroh_gossip::api::{Event, GossipReceiver, GossipSender, Message};
use serde_json::json;
use tokio_stream::StreamExt;

use super::Shared;
use crate::envelope::bodies::{PeerAnnounce, PeerRole, RoleChange};
use crate::envelope::hex;
use crate::envelope::seal;
use crate::envelope::wire::Envelope;
use crate::output::emit;

pub struct Presence {
    sender: GossipSender,
    name: String,
}

impl Presence {
    pub fn new(sender: GossipSender, name: String) -> Self {
        Self { sender, name }
    }

    pub async fn join(&self, peers: Vec<EndpointId>) {
        let _ = self.sender.join_peers(peers).await;
    }

    pub async fn broadcast(&self, content: Vec<u8>) {
        let _ = self.sender.broadcast(Bytes::from(content)).await;
    }

    pub async fn announce(&self, shared: &Shared) {
        let announce = PeerAnnounce {
            node_id: shared.identity.id,
            username: self.name.clone(),
            roles: vec![PeerRole::Peer],
            // as upstream: the key of the node itself
            encryption_key: Some(*shared.identity.id.as_bytes()),
            timestamp: super::now_ms(),
        };
        self.broadcast(rmp_serde::to_vec(&announce).expect("everything in it can be written"))
            .await;
    }
}

/// The first announcement comes with the first neighbour, or after one interval.
pub async fn run(shared: Arc<Shared>, mut events: GossipReceiver, interval: Duration) {
    let mut timer = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    loop {
        tokio::select! {
            _ = timer.tick() => shared.presence().announce(&shared).await,
            event = events.next() => match event {
                Some(Ok(Event::NeighborUp(peer))) => {
                    shared.neighbor(peer, true);
                    emit(json!({ "event": "neighbor-up", "peer": peer.to_string() }));
                    shared.presence().announce(&shared).await;
                }
                Some(Ok(Event::NeighborDown(peer))) => {
                    shared.neighbor(peer, false);
                    emit(json!({ "event": "neighbor-down", "peer": peer.to_string() }));
                }
                Some(Ok(Event::Received(message))) => tell(&message),
                Some(Ok(Event::Lagged)) => emit(json!({ "event": "lagged" })),
                Some(Err(_)) | None => return,
            },
        }
    }
}

/// An announcement first, then a change of role; what is neither is no error. Upstream knows no envelopes here.
fn tell(message: &Message) {
    let (content, from) = (&message.content, message.delivered_from.to_string());
    if let Ok(announce) = rmp_serde::from_slice::<PeerAnnounce>(content) {
        return emit(json!({ "event": "announce", "from": from, "announce": announce }));
    }
    if let Ok(change) = rmp_serde::from_slice::<RoleChange>(content) {
        let valid = seal::verify_loose(&change.node_id, &change.signing_bytes(), &change.signature);
        return emit(json!({ "event": "role-change", "from": from, "change": change, "valid": valid }));
    }
    let envelope = Envelope::decode(content).ok();
    emit(json!({
        "event": "unknown-gossip",
        "from": from,
        "size": content.len(),
        "hex": hex::encode(content),
        "envelope": envelope.map(|envelope| envelope.describe()),
    }))
}
