//! One node: endpoint, gossip, router. It can vanish without a word, and come back with the same key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use iroh::address_lookup::MemoryLookup;
use iroh::protocol::Router;
use iroh::{Endpoint, EndpointAddr, EndpointId, SecretKey, TransportAddr, Watcher};
use iroh_gossip::TopicId;
use iroh_gossip::api::JoinOptions;
use iroh_gossip::net::{GOSSIP_ALPN, Gossip};
use iroh_gossip::proto::HyparviewConfig;
use iroh_tickets::endpoint::EndpointTicket;
use serde_json::{Value, json};
use tokio::runtime::{Handle, Runtime};
use tokio_stream::StreamExt;

use super::subscription::{Subscription, Tally};
use crate::options::{Options, Res};
use crate::output::chain;

/// Until the endpoint knows an address of its own, and until it has a relay.
const ADDRESS_LIMIT: Duration = Duration::from_secs(2);
const RELAY_LIMIT: Duration = Duration::from_secs(10);
/// Until the threads of a killed node have ended.
const THREADS_LIMIT: Duration = Duration::from_secs(1);

/// What all nodes of the process have in common.
pub struct Setup {
    options: Options,
    alpn: Vec<u8>,
    max_message_size: Option<usize>,
    membership: HyparviewConfig,
    /// Keys are made from it.
    seed: Option<String>,
}

impl Setup {
    pub fn from_options(options: Options) -> Res<Self> {
        let alpn = options.text("alpn").map(|alpn| alpn.as_bytes().to_vec());
        let mut membership = HyparviewConfig::default();
        if let Some(ms) = options.number("shuffle-ms") {
            membership.shuffle_interval = Duration::from_millis(ms);
        }
        let max_message_size = options.number("max-message-size").map(|size| size as usize);
        if max_message_size.is_some_and(|size| size < 512) {
            return Err("--max-message-size: at least 512".to_string());
        }
        Ok(Self {
            alpn: alpn.unwrap_or_else(|| GOSSIP_ALPN.to_vec()),
            max_message_size,
            membership,
            seed: options.text("seed").map(str::to_string),
            options,
        })
    }

    fn key(&self, index: usize) -> SecretKey {
        match &self.seed {
            Some(seed) => SecretKey::from_bytes(blake3::hash(format!("{seed} {index}").as_bytes()).as_bytes()),
            None => SecretKey::generate(),
        }
    }

    /// Must run where the node is to live: the tasks of iroh and gossip are started here.
    async fn bind(&self, key: SecretKey) -> Res<Parts> {
        let lookup = MemoryLookup::new();
        let mut builder = self.options.builder()?.secret_key(key).address_lookup(lookup.clone());
        let has_sockets = !self.options.flag("no-ip");
        if has_sockets && self.options.list("bind").is_empty() {
            builder = builder.bind_addr("127.0.0.1:0").map_err(|error| chain(&error))?;
        }
        let endpoint = builder.bind().await.map_err(|error| chain(&error))?;
        if has_sockets {
            // what it says of itself in its first Join
            let mut addrs = endpoint.watch_addr().stream();
            let known = async { while addrs.next().await.is_some_and(|addr| addr.ip_addrs().next().is_none()) {} };
            let _ = tokio::time::timeout(ADDRESS_LIMIT, known).await;
        }
        if !self.options.list("relay").is_empty() {
            let online = tokio::time::timeout(RELAY_LIMIT, endpoint.online()).await;
            online.map_err(|_| "no relay in time".to_string())?;
        }
        let mut gossip = Gossip::builder()
            .alpn(&self.alpn)
            .membership_config(self.membership.clone());
        if let Some(size) = self.max_message_size {
            gossip = gossip.max_message_size(size);
        }
        let gossip = gossip.spawn(endpoint.clone());
        let router = Router::builder(endpoint.clone())
            .accept(&self.alpn, gossip.clone())
            .spawn();
        Ok(Parts {
            endpoint,
            gossip,
            router,
            lookup,
        })
    }
}

#[derive(Clone)]
struct Parts {
    endpoint: Endpoint,
    gossip: Gossip,
    router: Router,
    /// Of what the commands told.
    lookup: MemoryLookup,
}

struct Running {
    parts: Parts,
    topics: HashMap<TopicId, Subscription>,
    /// Where its tasks are.
    handle: Handle,
    /// With `--own-runtimes`.
    runtime: Option<Runtime>,
}

pub struct GossipNode {
    index: usize,
    setup: Arc<Setup>,
    key: Mutex<SecretKey>,
    sequence: AtomicU32,
    running: Mutex<Option<Running>>,
}

impl GossipNode {
    pub fn new(index: usize, setup: Arc<Setup>) -> Self {
        Self {
            index,
            key: Mutex::new(setup.key(index)),
            setup,
            sequence: AtomicU32::new(0),
            running: Mutex::new(None),
        }
    }

    pub fn index(&self) -> usize {
        self.index
    }

    pub fn next_sequence(&self) -> u32 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    pub fn forget_key(&self) {
        *self.key.lock().expect("poisoned") = SecretKey::generate();
    }

    pub async fn start(&self) -> Res<()> {
        let runtime = match self.setup.options.flag("own-runtimes") {
            true => Some(one_thread().map_err(|error| error.to_string())?),
            false => None,
        };
        let handle = runtime
            .as_ref()
            .map_or_else(Handle::current, |own| own.handle().clone());
        let (setup, key) = (self.setup.clone(), self.key.lock().expect("poisoned").clone());
        let parts = handle.spawn(async move { setup.bind(key).await }).await;
        let parts = parts.map_err(|error| error.to_string())??;
        *self.lock() = Some(Running {
            parts,
            topics: HashMap::new(),
            handle,
            runtime,
        });
        Ok(())
    }

    /// `id` and `ticket`.
    pub fn describe(&self) -> Res<Value> {
        let endpoint = self.with(|running| Ok(running.parts.endpoint.clone()))?;
        let sockets = endpoint.bound_sockets().into_iter().map(TransportAddr::Ip);
        let relays = endpoint
            .addr()
            .relay_urls()
            .cloned()
            .map(TransportAddr::Relay)
            .collect::<Vec<_>>();
        let addr = EndpointAddr::from_parts(endpoint.id(), sockets.chain(relays));
        Ok(json!({ "id": endpoint.id().to_string(), "ticket": EndpointTicket::new(addr).to_string() }))
    }

    pub async fn subscribe(
        &self,
        topic: TopicId,
        bootstrap: Vec<EndpointTicket>,
        quiet: bool,
        tally: Arc<Tally>,
    ) -> Res<()> {
        let (parts, handle) = self.with(|running| match running.topics.contains_key(&topic) {
            true => Err("subscribed already".to_string()),
            false => Ok((running.parts.clone(), running.handle.clone())),
        })?;
        let options = JoinOptions::with_bootstrap(learn(&parts.lookup, bootstrap));
        let joined = parts.gossip.subscribe_with_opts(topic, options).await;
        let joined = joined.map_err(|error| chain(&error))?;
        let subscription = Subscription::start(&handle, self.index, topic, joined, quiet, tally);
        self.with(|running| {
            running.topics.insert(topic, subscription);
            Ok(())
        })
    }

    pub async fn join_peers(&self, topic: TopicId, bootstrap: Vec<EndpointTicket>) -> Res<()> {
        let (sender, lookup) = self.with(|running| {
            let sender = subscription(running, topic)?.sender();
            Ok((sender, running.parts.lookup.clone()))
        })?;
        let sent = sender.join_peers(learn(&lookup, bootstrap)).await;
        sent.map_err(|error| chain(&error))
    }

    pub async fn broadcast(&self, topic: TopicId, content: Vec<u8>, for_neighbors: bool) -> Res<()> {
        let sender = self.with(|running| Ok(subscription(running, topic)?.sender()))?;
        let content = Bytes::from(content);
        let sent = match for_neighbors {
            true => sender.broadcast_neighbors(content).await,
            false => sender.broadcast(content).await,
        };
        sent.map_err(|error| chain(&error))
    }

    pub fn neighbors(&self, topic: TopicId) -> Res<Vec<EndpointId>> {
        self.with(|running| Ok(subscription(running, topic)?.neighbors()))
    }

    /// Of all topics since the start, those among them that were there already.
    pub fn payloads_received(&self) -> u64 {
        let received = |running: &Running| running.parts.gossip.metrics().msgs_data_recv.get();
        self.lock().as_ref().map_or(0, received)
    }

    pub async fn leave(&self, topic: TopicId) -> Res<()> {
        let subscription = self.with(|running| Ok(running.topics.remove(&topic)))?;
        subscription.ok_or("not subscribed")?.end().await;
        Ok(())
    }

    /// With a runtime of its own nothing more is sent: its tasks, the drivers of the connections among them, are dropped and not asked again. Without one
    /// the last handle of the endpoint is dropped, and connections that still run say CONNECTION_CLOSE with code 0.
    pub async fn kill(&self) {
        let Some(mut running) = self.lock().take() else { return };
        if let Some(runtime) = running.runtime.take() {
            let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(THREADS_LIMIT));
            let _ = ended.await;
        }
        drop(running);
    }

    /// Leaves all topics and closes the endpoint.
    pub async fn close(&self) {
        let Some(running) = self.lock().take() else { return };
        let _ = running.parts.router.shutdown().await;
        if let Some(runtime) = running.runtime {
            runtime.shutdown_background();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().expect("poisoned")
    }

    fn with<T>(&self, act: impl FnOnce(&mut Running) -> Res<T>) -> Res<T> {
        let mut running = self.lock();
        act(running
            .as_mut()
            .ok_or_else(|| format!("node {} was killed", self.index))?)
    }
}

fn subscription(running: &Running, topic: TopicId) -> Res<&Subscription> {
    running.topics.get(&topic).ok_or_else(|| "not subscribed".to_string())
}

/// The ids; the addresses go to the lookup.
fn learn(lookup: &MemoryLookup, tickets: Vec<EndpointTicket>) -> Vec<EndpointId> {
    let addrs = tickets.into_iter().map(EndpointAddr::from);
    let learn = |addr: EndpointAddr| {
        let id = addr.id;
        lookup.add_endpoint_info(addr);
        id
    };
    addrs.map(learn).collect()
}

fn one_thread() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
}
