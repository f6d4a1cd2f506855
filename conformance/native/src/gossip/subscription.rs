//! A topic of a node: its events become lines, its messages are counted, and their age is measured.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use iroh::EndpointId;
use iroh_gossip::TopicId;
use iroh_gossip::api::{Event, GossipReceiver, GossipSender, GossipTopic, Message};
use iroh_gossip::proto::DeliveryScope;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;

use crate::envelope::hex;
use crate::options::Res;
use crate::output::emit;

/// Longer contents are not printed.
const PRINTED: usize = 256;
/// Time, node, sequence.
const NUMBERED: usize = 16;
/// Contents whose first 8 bytes are no time of the last so many µs were not timed.
const OLDEST_US: u64 = 600_000_000;

pub struct Subscription {
    sender: GossipSender,
    neighbors: Arc<Mutex<BTreeSet<EndpointId>>>,
    reader: JoinHandle<()>,
}

impl Subscription {
    pub fn start(
        handle: &Handle,
        node: usize,
        topic: TopicId,
        joined: GossipTopic,
        quiet: bool,
        tally: Arc<Tally>,
    ) -> Self {
        let (sender, receiver) = joined.split();
        let neighbors = Arc::new(Mutex::new(BTreeSet::new()));
        let reader = Reader {
            node,
            topic: topic.to_string(),
            quiet,
            tally,
            neighbors: neighbors.clone(),
        };
        Self {
            sender,
            neighbors,
            reader: handle.spawn(reader.run(receiver)),
        }
    }

    pub fn sender(&self) -> GossipSender {
        self.sender.clone()
    }

    pub fn neighbors(&self) -> Vec<EndpointId> {
        self.neighbors.lock().expect("poisoned").iter().copied().collect()
    }

    /// Gossip leaves the topic once both halves are gone.
    pub async fn end(self) {
        self.reader.abort();
        let _ = self.reader.await;
    }
}

struct Reader {
    node: usize,
    topic: String,
    quiet: bool,
    tally: Arc<Tally>,
    neighbors: Arc<Mutex<BTreeSet<EndpointId>>>,
}

impl Reader {
    async fn run(self, mut events: GossipReceiver) {
        while let Some(Ok(event)) = events.next().await {
            match event {
                Event::NeighborUp(peer) => {
                    self.neighbors.lock().expect("poisoned").insert(peer);
                    self.say("neighbor-up", json!({ "peer": peer.to_string() }));
                }
                Event::NeighborDown(peer) => {
                    self.neighbors.lock().expect("poisoned").remove(&peer);
                    self.say("neighbor-down", json!({ "peer": peer.to_string() }));
                }
                Event::Received(message) => {
                    self.tally.add(&message.content);
                    if !self.quiet {
                        self.say("received", describe(&message));
                    }
                }
                Event::Lagged => self.say("lagged", json!({})),
            }
        }
    }

    fn say(&self, event: &str, mut line: Value) {
        line["event"] = event.into();
        line["node"] = self.node.into();
        line["topic"] = self.topic.clone().into();
        emit(line);
    }
}

fn describe(message: &Message) -> Value {
    let mut line = json!({ "from": message.delivered_from.to_string(), "size": message.content.len() });
    match message.scope {
        DeliveryScope::Neighbors => line["scope"] = "neighbors".into(),
        DeliveryScope::Swarm(round) => {
            line["scope"] = "swarm".into();
            // a number, but of a type that does not show it otherwise
            line["round"] = serde_json::to_value(round).unwrap_or(Value::Null);
        }
    }
    if message.content.len() <= PRINTED {
        line["hex"] = hex::encode(&message.content).into();
    }
    line
}

/// What came on a topic, at all nodes together, since the last `take`.
#[derive(Default)]
pub struct Tally(Mutex<(u64, Vec<u64>)>);

impl Tally {
    fn add(&self, content: &[u8]) {
        let now = unix_us();
        let mut tally = self.0.lock().expect("poisoned");
        tally.0 += 1;
        let sent = content.first_chunk().map(|first| u64::from_be_bytes(*first));
        if let Some(age) = sent.and_then(|sent| now.checked_sub(sent))
            && content.len() >= NUMBERED
            && age < OLDEST_US
        {
            tally.1.push(age);
        }
    }

    /// How many, and the ages of those that were timed, µs.
    pub fn take(&self) -> (u64, Vec<u64>) {
        std::mem::take(&mut *self.0.lock().expect("poisoned"))
    }
}

#[derive(Default)]
pub struct Tallies(Mutex<HashMap<TopicId, Arc<Tally>>>);

impl Tallies {
    pub fn of(&self, topic: TopicId) -> Arc<Tally> {
        self.0.lock().expect("poisoned").entry(topic).or_default().clone()
    }
}

/// The time in µs since 1970 (8 bytes), the node and a sequence number (4 bytes each), filler.
pub fn numbered_content(size: usize, node: usize, sequence: u32) -> Res<Vec<u8>> {
    if size < NUMBERED {
        return Err(format!("size: at least {NUMBERED}"));
    }
    let mut content = Vec::with_capacity(size);
    content.extend(unix_us().to_be_bytes());
    content.extend((node as u32).to_be_bytes());
    content.extend(sequence.to_be_bytes());
    content.extend((NUMBERED..size).map(|at| (at * 31 + 7) as u8));
    Ok(content)
}

fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}
