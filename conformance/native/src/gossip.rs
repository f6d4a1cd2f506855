//! `gossip`: nodes of iroh-gossip in one process, each an endpoint of its own with `Gossip` and `Router`. Commands come on stdin, one JSON object a line
//! with a number `id`; each is answered by one line with that `id`. Commands run side by side: who needs an order waits for the answer.

mod node;
mod subscription;
mod usage;
mod warnings;

pub use usage::report as usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use iroh_gossip::TopicId;
use iroh_tickets::endpoint::EndpointTicket;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;

use crate::envelope::hex;
use crate::options::{Options, Res};
use crate::output::{chain, emit};
use node::{GossipNode, Setup};
use subscription::{Tallies, numbered_content};

/// For saying goodbye on all topics at the end.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// `--nodes K` (default 1), `--alpn`, `--max-message-size`, `--seed TEXT` (fixes the keys), `--shuffle-ms`, `--own-runtimes`, `--warnings`, and the flags of an
/// endpoint.
pub async fn run(options: Options) -> Res<()> {
    if options.flag("warnings") {
        warnings::listen();
    }
    let count = options.number("nodes").unwrap_or(1) as usize;
    let setup = Arc::new(Setup::from_options(options)?);
    let swarm = Arc::new(Swarm {
        nodes: (0..count).map(|index| GossipNode::new(index, setup.clone())).collect(),
        tallies: Tallies::default(),
        payloads_collected: AtomicU64::new(0),
    });
    let mut starting = JoinSet::new();
    for index in 0..count {
        let swarm = swarm.clone();
        starting.spawn(async move { swarm.nodes[index].start().await });
    }
    while let Some(started) = starting.join_next().await {
        started.map_err(|error| error.to_string())??;
    }
    let nodes: Res<Vec<Value>> = swarm.nodes.iter().map(GossipNode::describe).collect();
    emit(json!({ "event": "listening", "nodes": nodes? }));

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Value>(&line) {
            Ok(Value::Object(command)) => {
                let swarm = swarm.clone();
                tokio::spawn(async move { emit(swarm.answer(&command).await) });
            }
            _ => emit(failure(
                &Value::Null,
                "command",
                "a command must be one JSON object a line",
            )),
        }
    }
    let _ = tokio::time::timeout(CLOSE_LIMIT, swarm.close()).await;
    Ok(())
}

fn failure(id: &Value, stage: &str, message: &str) -> Value {
    json!({ "event": "error", "id": id, "stage": stage, "message": message })
}

struct Swarm {
    nodes: Vec<GossipNode>,
    tallies: Tallies,
    /// `payloads_received` of all nodes when last collected.
    payloads_collected: AtomicU64,
}

impl Swarm {
    async fn answer(&self, command: &Map<String, Value>) -> Value {
        let id = command.get("id").unwrap_or(&Value::Null);
        let name = command.get("cmd").and_then(Value::as_str).unwrap_or("");
        match self.act(name, command).await {
            Ok(mut line) => {
                line["event"] = "result".into();
                line["id"] = id.clone();
                line
            }
            Err(message) => failure(id, name, &message),
        }
    }

    async fn act(&self, name: &str, command: &Map<String, Value>) -> Res<Value> {
        let flag = |key: &str| command.get(key).and_then(Value::as_bool).unwrap_or(false);
        match name {
            "subscribe" => {
                let (node, topic) = (self.node(command)?, topic(command)?);
                let tally = self.tallies.of(topic);
                node.subscribe(topic, bootstrap(command)?, flag("quiet"), tally).await?;
            }
            "join-peers" => {
                let node = self.node(command)?;
                node.join_peers(topic(command)?, bootstrap(command)?).await?;
            }
            "leave" => self.node(command)?.leave(topic(command)?).await?,
            "broadcast" => self.broadcast(command).await?,
            "neighbors" => {
                let peers = self.node(command)?.neighbors(topic(command)?)?;
                let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
                return Ok(json!({ "peers": peers }));
            }
            "kill" => self.node(command)?.kill().await,
            "restart" => {
                let node = self.node(command)?;
                node.kill().await;
                if !flag("keep-key") {
                    node.forget_key();
                }
                node.start().await?;
                let fresh = node.describe()?;
                return Ok(json!({ "ticket": fresh["ticket"], "peer": fresh["id"] }));
            }
            "collect" => {
                let (received, latencies) = self.tallies.of(topic(command)?).take();
                let payloads: u64 = self.nodes.iter().map(GossipNode::payloads_received).sum();
                let fresh = payloads.saturating_sub(self.payloads_collected.swap(payloads, Ordering::Relaxed));
                // negative where an event waits from before: the next answer makes up for it
                let duplicates = fresh as i64 - received as i64;
                return Ok(json!({ "received": received, "latenciesUs": latencies, "duplicates": duplicates }));
            }
            "usage" => return usage(),
            _ => return Err(format!("unknown command {name:?}")),
        }
        Ok(json!({}))
    }

    /// `hex`, or `count` times `size` bytes that say when they were sent.
    async fn broadcast(&self, command: &Map<String, Value>) -> Res<()> {
        let number = |key: &str| command.get(key).and_then(Value::as_u64);
        let (node, topic) = (self.node(command)?, topic(command)?);
        let for_neighbors = command.get("neighbors").and_then(Value::as_bool).unwrap_or(false);
        if let Some(text) = command.get("hex").and_then(Value::as_str) {
            return node.broadcast(topic, hex::decode(text)?, for_neighbors).await;
        }
        let size = number("size").ok_or("broadcast needs hex or size")? as usize;
        for _ in 0..number("count").unwrap_or(1) {
            let content = numbered_content(size, node.index(), node.next_sequence())?;
            node.broadcast(topic, content, for_neighbors).await?;
        }
        Ok(())
    }

    fn node(&self, command: &Map<String, Value>) -> Res<&GossipNode> {
        let index = command.get("node").and_then(Value::as_u64).ok_or("which node?")?;
        let node = usize::try_from(index).ok().and_then(|index| self.nodes.get(index));
        node.ok_or_else(|| format!("there is no node {index}"))
    }

    async fn close(&self) {
        n0_future::join_all(self.nodes.iter().map(GossipNode::close)).await;
    }
}

fn topic(command: &Map<String, Value>) -> Res<TopicId> {
    let text = command.get("topic").and_then(Value::as_str).ok_or("which topic?")?;
    text.parse().map_err(|error| format!("topic: {error}"))
}

fn bootstrap(command: &Map<String, Value>) -> Res<Vec<EndpointTicket>> {
    let Some(tickets) = command.get("bootstrap").and_then(Value::as_array) else {
        return Ok(Vec::new());
    };
    self::tickets(tickets.iter().map(|ticket| ticket.as_str().unwrap_or("")))
}

pub fn tickets<'a>(texts: impl Iterator<Item = &'a str>) -> Res<Vec<EndpointTicket>> {
    let parse = |text: &str| {
        text.parse::<EndpointTicket>()
            .map_err(|error| format!("bootstrap: {}", chain(&error)))
    };
    texts.map(parse).collect()
}
