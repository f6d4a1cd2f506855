//! `tom`: a small ToM node on iroh and iroh-gossip. It announces itself, sends and receives envelopes, forwards, acknowledges as upstream's runtime does, and
//! answers as `tom-stress responder` on request. Commands come on stdin, one JSON object a line with a `tag`; they run side by side.

mod pool;
mod presence;
mod runtime;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use iroh::address_lookup::MemoryLookup;
use iroh::protocol::Router;
use iroh::{Endpoint, EndpointAddr, EndpointId, SecretKey, TransportAddr, Watcher};
use iroh_gossip::TopicId;
use iroh_gossip::api::JoinOptions;
use iroh_gossip::net::{GOSSIP_ALPN, Gossip};
use iroh_tickets::endpoint::EndpointTicket;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

use crate::envelope::bodies::ReadReceipt;
use crate::envelope::key::NodeId;
use crate::envelope::seal::{self, Fresh, Identity};
use crate::envelope::wire::{Envelope, MessageType};
use crate::envelope::{Args, hex};
use crate::gossip;
use crate::options::{Options, Res};
use crate::output::{chain, emit, fail, unix_ms};
use pool::{Pool, Receiver};
use presence::Presence;

const TOPIC: &[u8; 32] = b"tom-protocol-gossip-discovery-v1";
const ANNOUNCE_MS: u64 = 10_000;
const PER_SECOND: f64 = 10.0;
const BURST: f64 = 20.0;
/// Until the endpoint knows an address of its own, and until it has a relay.
const ADDRESS_LIMIT: Duration = Duration::from_secs(2);
const RELAY_LIMIT: Duration = Duration::from_secs(10);
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

pub fn now_ms() -> u64 {
    unix_ms() as u64
}

/// What the tasks of the node have in common.
pub struct Shared {
    pub identity: Identity,
    pub is_responder: bool,
    /// Messages are counted, not told.
    pub is_quiet: bool,
    endpoint: Endpoint,
    lookup: MemoryLookup,
    pool: Pool,
    presence: OnceLock<Presence>,
    neighbors: Mutex<BTreeSet<EndpointId>>,
    seen: Mutex<HashSet<(String, NodeId)>>,
    /// With `--rate-limit`: what authors may still send, and when that was.
    budgets: Option<Mutex<HashMap<NodeId, (f64, Instant)>>>,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Shared {
    pub fn presence(&self) -> &Presence {
        self.presence.get().expect("set before anything runs")
    }

    pub fn neighbor(&self, peer: EndpointId, is_up: bool) {
        let mut neighbors = self.neighbors.lock().expect("poisoned");
        match is_up {
            true => neighbors.insert(peer),
            false => neighbors.remove(&peer),
        };
    }

    pub fn count_received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    /// As upstream: remembered before it is opened.
    pub fn is_new(&self, envelope: &Envelope) -> bool {
        let key = (envelope.id.clone(), envelope.from);
        self.seen.lock().expect("poisoned").insert(key)
    }

    /// What upstream allows to somebody without a score, 10 a second and 20 at once (spec/envelope.md §5.2).
    pub fn is_within_budget(&self, from: NodeId) -> bool {
        let Some(budgets) = &self.budgets else { return true };
        let (mut budgets, now) = (budgets.lock().expect("poisoned"), Instant::now());
        let (left, at) = budgets.entry(from).or_insert((BURST, now));
        *left = (*left + now.duration_since(*at).as_secs_f64() * PER_SECOND).min(BURST);
        *at = now;
        let has_room = *left >= 1.0;
        if has_room {
            *left -= 1.0;
        }
        has_room
    }

    pub fn chat(&self, to: NodeId, via: Vec<NodeId>, plaintext: &[u8], encrypted: bool) -> Envelope {
        let payload = match encrypted {
            true => seal::pack(&seal::encrypt(to, plaintext, &Fresh::random())),
            false => plaintext.to_vec(),
        };
        self.envelope(MessageType::Chat, to, via, payload, encrypted)
    }

    pub fn envelope(
        &self,
        msg_type: MessageType,
        to: NodeId,
        via: Vec<NodeId>,
        payload: Vec<u8>,
        encrypted: bool,
    ) -> Envelope {
        let mut envelope = Envelope {
            id: seal::new_id(),
            from: self.identity.id,
            to,
            via,
            msg_type,
            payload,
            timestamp: now_ms(),
            signature: Vec::new(),
            ttl: 4,
            encrypted,
        };
        self.identity.sign(&mut envelope);
        envelope
    }

    /// To the first hop, or straight to the recipient.
    async fn transmit(&self, envelope: &Envelope) -> Res<()> {
        let first = *envelope.via.first().unwrap_or(&envelope.to);
        self.transmit_to(first, &envelope.encode()).await
    }

    async fn transmit_to(&self, peer: NodeId, frame: &[u8]) -> Res<()> {
        let peer = EndpointId::from_bytes(peer.as_bytes()).map_err(|error| chain(&error))?;
        self.pool.send(peer, frame).await?;
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub fn transmit_soon(self: &Arc<Self>, envelope: Envelope) {
        let first = *envelope.via.first().unwrap_or(&envelope.to);
        self.transmit_to_soon(first, envelope.encode());
    }

    pub fn transmit_to_soon(self: &Arc<Self>, peer: NodeId, frame: Vec<u8>) {
        let shared = self.clone();
        tokio::spawn(async move {
            if let Err(message) = shared.transmit_to(peer, &frame).await {
                emit(json!({ "event": "unsent", "peer": peer, "message": message }));
            }
        });
    }

    fn learn(&self, tickets: Vec<EndpointTicket>) -> Vec<EndpointId> {
        let addrs = tickets.into_iter().map(EndpointAddr::from);
        addrs
            .map(|addr| {
                let id = addr.id;
                self.lookup.add_endpoint_info(addr);
                id
            })
            .collect()
    }

    /// With all sockets, even before the endpoint has found out about its addresses.
    fn ticket(&self) -> String {
        let sockets = self.endpoint.bound_sockets().into_iter().map(TransportAddr::Ip);
        let addr = self.endpoint.addr();
        let relays = addr.relay_urls().cloned().map(TransportAddr::Relay);
        EndpointTicket::new(EndpointAddr::from_parts(self.endpoint.id(), sockets.chain(relays))).to_string()
    }
}

/// `--name`, `--secret`, `--bootstrap TICKET`…, `--topic HEX`, `--alpn` (of gossip), `--announce-ms`, `--responder`, `--quiet`, `--rate-limit`, and the flags of an endpoint.
pub async fn run(options: Options) -> Res<()> {
    let (shared, router) = start(&options).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Value>(&line) {
            Ok(Value::Object(command)) if command.get("cmd").and_then(Value::as_str) == Some("quit") => break,
            Ok(Value::Object(command)) => {
                let shared = shared.clone();
                tokio::spawn(async move { answer(&shared, &command).await });
            }
            _ => fail("command", Value::Null, "a command must be one JSON object a line"),
        }
    }
    let _ = tokio::time::timeout(CLOSE_LIMIT, router.shutdown()).await;
    Ok(())
}

async fn start(options: &Options) -> Res<(Arc<Shared>, Router)> {
    let seed = options.text("secret").map_or_else(|| Ok(seal::random()), hex::array)?;
    let lookup = MemoryLookup::new();
    let mut builder = options
        .builder()?
        .secret_key(SecretKey::from_bytes(&seed))
        .address_lookup(lookup.clone());
    let has_sockets = !options.flag("no-ip");
    if has_sockets && options.list("bind").is_empty() {
        builder = builder.bind_addr("127.0.0.1:0").map_err(|error| chain(&error))?;
    }
    let endpoint = builder.bind().await.map_err(|error| chain(&error))?;
    if has_sockets {
        // what it says of itself in its first Join
        let mut addrs = endpoint.watch_addr().stream();
        let known = async { while addrs.next().await.is_some_and(|addr| addr.ip_addrs().next().is_none()) {} };
        let _ = tokio::time::timeout(ADDRESS_LIMIT, known).await;
    }
    let relays = options.list("relay");
    if !relays.is_empty() {
        let online = tokio::time::timeout(RELAY_LIMIT, endpoint.online()).await;
        online.map_err(|_| "no relay in time".to_string())?;
    }
    let relays = relays.iter().map(|url| url.parse()).collect::<Result<_, _>>();

    let alpn = options.text("alpn").map_or(GOSSIP_ALPN, str::as_bytes);
    let swarm = Gossip::builder().alpn(alpn).spawn(endpoint.clone());
    let (frames, mut arriving) = mpsc::unbounded_channel();
    let router = Router::builder(endpoint.clone())
        .accept(alpn, swarm.clone())
        .accept(pool::ALPN, Receiver(frames))
        .spawn();
    let shared = Arc::new(Shared {
        identity: Identity::from_seed(&seed),
        is_responder: options.flag("responder"),
        is_quiet: options.flag("quiet"),
        pool: Pool::new(endpoint.clone(), relays.map_err(|error| format!("--relay: {error}"))?),
        endpoint,
        lookup,
        presence: OnceLock::new(),
        neighbors: Mutex::default(),
        seen: Mutex::default(),
        budgets: options.flag("rate-limit").then(Mutex::default),
        received: AtomicU64::new(0),
        sent: AtomicU64::new(0),
    });

    let topic = options.text("topic").map_or_else(|| Ok(*TOPIC), hex::array)?;
    let bootstrap = shared.learn(gossip::tickets(options.list("bootstrap").iter().map(String::as_str))?);
    let joined = swarm.subscribe_with_opts(TopicId::from_bytes(topic), JoinOptions::with_bootstrap(bootstrap));
    let (sender, receiver) = joined.await.map_err(|error| chain(&error))?.split();
    let name = options.text("name").unwrap_or("native").to_string();
    let _ = shared.presence.set(Presence::new(sender, name));
    let interval = Duration::from_millis(options.number("announce-ms").unwrap_or(ANNOUNCE_MS).max(1));
    // the first line, before anything can happen
    emit(json!({ "event": "listening", "id": shared.identity.id, "ticket": shared.ticket() }));
    tokio::spawn(presence::run(shared.clone(), receiver, interval));
    let receiving = shared.clone();
    tokio::spawn(async move {
        // gossip lives as long as it has a handle
        let _swarm = swarm;
        while let Some(frame) = arriving.recv().await {
            runtime::receive(receiving.clone(), frame).await;
        }
    });
    Ok((shared, router))
}

async fn answer(shared: &Arc<Shared>, command: &Map<String, Value>) {
    let tag = command.get("tag").cloned().unwrap_or(Value::Null);
    let name = command.get("cmd").and_then(Value::as_str).unwrap_or("");
    match act(shared, name, &Args(command)).await {
        Ok(mut line) => {
            line["event"] = "result".into();
            line["tag"] = tag;
            emit(line);
        }
        Err(message) => fail(name, tag, &message),
    }
}

async fn act(shared: &Arc<Shared>, name: &str, args: &Args<'_>) -> Res<Value> {
    match name {
        // an envelope of any type; a Chat is `{"type":"Chat","encrypt":true}`
        "send" => {
            let envelope = args.build(&shared.identity, now_ms())?;
            shared.transmit(&envelope).await?;
            return Ok(json!({ "id": envelope.id, "wire": hex::encode(&envelope.encode()) }));
        }
        // anything, as it is
        "send-frame" => shared.transmit_to(args.get("to")?, &args.bytes("hex")?).await?,
        "read" => {
            let receipt = ReadReceipt {
                original_message_id: args.get("original")?,
                read_at: now_ms(),
            };
            let payload = rmp_serde::to_vec(&receipt).map_err(|error| error.to_string())?;
            let envelope = shared.envelope(MessageType::ReadReceipt, args.get("to")?, Vec::new(), payload, false);
            shared.transmit(&envelope).await?;
        }
        "gossip" => shared.presence().broadcast(args.bytes("hex")?).await,
        "announce" => shared.presence().announce(shared).await,
        "add-peers" | "join-peers" => {
            let texts = args.get::<Vec<String>>("tickets")?;
            let peers = shared.learn(gossip::tickets(texts.iter().map(String::as_str))?);
            if name == "join-peers" {
                shared.presence().join(peers).await;
            }
        }
        "status" => {
            let neighbors = shared.neighbors.lock().expect("poisoned");
            let neighbors: Vec<String> = neighbors.iter().map(ToString::to_string).collect();
            return Ok(json!({
                "id": shared.identity.id,
                "ticket": shared.ticket(),
                "neighbors": neighbors,
                "connections": shared.pool.size(),
                "received": shared.received.load(Ordering::Relaxed),
                "sent": shared.sent.load(Ordering::Relaxed),
            }));
        }
        "usage" => return gossip::usage(),
        _ => return Err(format!("unknown command {name:?}")),
    }
    Ok(json!({}))
}
