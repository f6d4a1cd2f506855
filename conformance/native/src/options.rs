//! The command line as JSON values, and the endpoint it describes.

use std::net::SocketAddr;
use std::sync::Arc;

use iroh::endpoint::{BindOpts, Builder, presets};
use iroh::{Endpoint, SecretKey};
use rustls::crypto::{CryptoProvider, ring};
use serde_json::{Map, Value};

use crate::output::chain;
use crate::server::ALPNS;

pub type Res<T> = Result<T, String>;

/// Flags that may be given many times; their value is always a list.
const LISTS: [&str; 6] = ["addr", "bind", "bootstrap", "relay", "relay-quic-port", "alpn-extra"];

/// Flags whose value is text even when it is all digits.
const TEXTS: [&str; 10] = [
    "secret",
    "id",
    "suite",
    "alpn",
    "reason",
    "relay-token",
    "server-name",
    "seed",
    "name",
    "topic",
];

pub struct Options {
    pub values: Map<String, Value>,
}

impl Options {
    /// `--key value` or `--key` (true). Whole numbers become numbers, except where text is meant.
    pub fn parse(args: impl Iterator<Item = String>) -> Res<Self> {
        let mut values = Map::new();
        let mut args = args.peekable();
        while let Some(arg) = args.next() {
            let key = arg
                .strip_prefix("--")
                .ok_or_else(|| format!("expected --key, got {arg}"))?
                .to_string();
            let value = match args.peek() {
                Some(next) if !next.starts_with("--") => {
                    let text = args.next().unwrap_or_default();
                    match text.parse::<u64>() {
                        Ok(number) if !TEXTS.contains(&key.as_str()) => number.into(),
                        _ => Value::String(text),
                    }
                }
                _ => Value::Bool(true),
            };
            if LISTS.contains(&key.as_str()) {
                let key = if key == "addr" { "addrs".to_string() } else { key };
                match values.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(list) => list.push(value),
                    _ => return Err("a list flag has no list".to_string()),
                }
            } else {
                values.insert(key, value);
            }
        }
        Ok(Self { values })
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).and_then(Value::as_str)
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        self.values.get(key).and_then(Value::as_u64)
    }

    pub fn flag(&self, key: &str) -> bool {
        self.values.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn list(&self, key: &str) -> Vec<String> {
        match self.values.get(key) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_string).collect(),
            _ => Vec::new(),
        }
    }

    /// What a listener serves.
    pub fn alpns(&self) -> Vec<Vec<u8>> {
        let mut alpns: Vec<Vec<u8>> = ALPNS.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        alpns.extend(self.list("alpn-extra").into_iter().map(String::into_bytes));
        alpns
    }

    pub async fn bind(&self) -> Res<Endpoint> {
        let mut builder = self.builder()?.alpns(self.alpns());
        let binds = self.list("bind");
        if !self.flag("no-ip") && binds.is_empty() {
            builder = builder.bind_addr("127.0.0.1:0").map_err(|error| chain(&error))?;
            let optional = BindOpts::default().set_is_required(false);
            builder = builder
                .bind_addr_with_opts("[::1]:0", optional)
                .map_err(|error| chain(&error))?;
        }
        if let Some(secret) = self.text("secret") {
            let key: SecretKey = secret.parse().map_err(|error| format!("--secret: {}", chain(&error)))?;
            builder = builder.secret_key(key);
        }
        builder.bind().await.map_err(|error| chain(&error))
    }

    /// What all kinds of endpoint have in common: transport, relays, and the sockets that are asked for.
    pub fn builder(&self) -> Res<Builder> {
        let mut builder = Endpoint::builder(presets::Minimal)
            .crypto_provider(Arc::new(self.crypto_provider()?))
            .relay_mode(self.relay_mode()?)
            .transport_config(self.iroh_transport()?)
            .keylog(self.flag("keylog"))
            .clear_ip_transports();
        if let Some(roots) = self.relay_roots()? {
            builder = builder.ca_tls_config(roots);
        }
        let binds = self.list("bind");
        if self.flag("no-ip") && !binds.is_empty() {
            return Err("--no-ip leaves nothing to --bind".to_string());
        }
        for bind in binds {
            let addr: SocketAddr = bind.parse().map_err(|error| format!("--bind {bind}: {error}"))?;
            builder = builder.bind_addr(addr).map_err(|error| chain(&error))?;
        }
        Ok(builder)
    }

    /// `--suite 1303` or `1303,1302` and `--group p256,x25519` put these first (suites: the others follow, since QUIC needs 0x1301
    /// for Initial packets; groups: only these are offered).
    pub fn crypto_provider(&self) -> Res<CryptoProvider> {
        let mut provider = ring::default_provider();
        if let Some(list) = self
            .values
            .get("suite")
            .map(|value| value.as_str().map_or(value.to_string(), str::to_string))
        {
            let mut suites = Vec::new();
            for name in list.split(',') {
                suites.push(match name {
                    "1301" => ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
                    "1302" => ring::cipher_suite::TLS13_AES_256_GCM_SHA384,
                    "1303" => ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
                    _ => return Err(format!("--suite: expected 1301, 1302 or 1303, got {name}")),
                });
            }
            if !suites.contains(&ring::cipher_suite::TLS13_AES_128_GCM_SHA256) {
                suites.push(ring::cipher_suite::TLS13_AES_128_GCM_SHA256);
            }
            provider.cipher_suites = suites;
        }
        if let Some(list) = self.text("group") {
            let mut groups = Vec::new();
            for name in list.split(',') {
                groups.push(match name {
                    "x25519" => ring::kx_group::X25519,
                    "p256" => ring::kx_group::SECP256R1,
                    "p384" => ring::kx_group::SECP384R1,
                    _ => return Err(format!("--group: expected x25519, p256 or p384, got {name}")),
                });
            }
            provider.kx_groups = groups;
        }
        Ok(provider)
    }
}
