//! `relay`: iroh-relay's own client, without an endpoint around it. It sends what it is told to on stdin and reports every frame that comes;
//! pings are answered, since that is the caller's task in that crate.

use std::num::NonZeroU16;
use std::time::Instant;

use bytes::Bytes;
use iroh::dns::DnsResolver;
use iroh::{EndpointId, RelayUrl, SecretKey};
use iroh_relay::client::{Client, ClientBuilder};
use iroh_relay::protos::relay::{ClientToRelayMsg, Datagrams, RelayToClientMsg, Status};
use iroh_relay::tls::{CaTlsConfig, default_provider};
use n0_future::SinkExt;
use noq_proto::EcnCodepoint;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_stream::StreamExt;

use crate::options::{Options, Res};
use crate::output::{chain, emit, fail};
use crate::pattern::{Fnv, block};
use crate::relays::ms;

/// `--relay URL`, `--relay-token`, `--relay-ca FILE`, `--secret HEX`, `--echo` (datagrams go back to their senders). Ends with the connection or stdin.
pub async fn run(options: &Options) -> Res<()> {
    let urls = options.list("relay");
    let url: RelayUrl = urls.first().ok_or("relay needs --relay URL")?.parse().map_err(text)?;
    let secret = match options.text("secret") {
        Some(secret) => secret.parse().map_err(text)?,
        None => SecretKey::generate(),
    };
    let roots = options.relay_roots()?.unwrap_or_else(CaTlsConfig::embedded);
    let tls = roots.client_config(default_provider()).map_err(text)?;
    let id = secret.public();
    let mut builder = ClientBuilder::new(url, secret, DnsResolver::new()).tls_client_config(tls);
    if let Some(token) = options.text("relay-token") {
        builder = builder.auth_token(token);
    }
    let begin = Instant::now();
    let mut client = match builder.connect().await {
        Ok(client) => client,
        Err(error) => {
            emit(json!({ "event": "error", "stage": "connect", "message": chain(&error) }));
            std::process::exit(1);
        }
    };
    emit(json!({ "event": "connected", "id": id.to_string(), "ms": ms(begin.elapsed()) }));

    let echo = options.flag("echo");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            message = client.next() => match message {
                Some(Ok(message)) => received(&mut client, message, echo).await?,
                Some(Err(error)) => {
                    emit(json!({ "event": "closed", "message": chain(&error) }));
                    return Ok(());
                }
                None => {
                    emit(json!({ "event": "closed", "message": Value::Null }));
                    return Ok(());
                }
            },
            line = lines.next_line() => match line {
                Ok(Some(line)) if line.trim().is_empty() => {}
                Ok(Some(line)) => match serde_json::from_str::<Value>(&line) {
                    Ok(Value::Object(command)) => command_of(&mut client, &command).await,
                    _ => fail("command", Value::Null, "a command must be one JSON object a line"),
                },
                _ => {
                    let _ = client.close().await;
                    return Ok(());
                }
            },
        }
    }
}

fn text<E: std::error::Error>(error: E) -> String {
    chain(&error)
}

/// `{"cmd":"send","peer":ID,"size","count","segment","ecn"}`, `{"cmd":"ping","data":HEX?}`.
async fn command_of(client: &mut Client, command: &Map<String, Value>) {
    let tag = command.get("tag").cloned().unwrap_or(Value::Null);
    match act(client, command).await {
        Ok(()) => emit(json!({ "event": "result", "tag": tag })),
        Err(message) => {
            let stage = command.get("cmd").and_then(Value::as_str).unwrap_or("command");
            fail(stage, tag, &message);
        }
    }
}

async fn act(client: &mut Client, command: &Map<String, Value>) -> Res<()> {
    let word = |key: &str| command.get(key).and_then(Value::as_str);
    let number = |key: &str| command.get(key).and_then(Value::as_u64);
    match word("cmd").unwrap_or("") {
        "send" => {
            let peer: EndpointId = word("peer").ok_or("send needs a peer")?.parse().map_err(text)?;
            let size = number("size").unwrap_or(100) as usize;
            let segment = number("segment").and_then(|size| u16::try_from(size).ok());
            let pattern = block();
            if size > pattern.len() {
                return Err(format!("size: at most {}", pattern.len()));
            }
            let contents = Bytes::copy_from_slice(&pattern[..size]);
            for _ in 0..number("count").unwrap_or(1) {
                let datagrams = Datagrams {
                    ecn: number("ecn").and_then(|bits| EcnCodepoint::from_bits(bits as u8)),
                    segment_size: segment.and_then(NonZeroU16::new),
                    contents: contents.clone(),
                };
                let message = ClientToRelayMsg::Datagrams {
                    dst_endpoint_id: peer,
                    datagrams,
                };
                client.send(message).await.map_err(text)?;
            }
            Ok(())
        }
        "ping" => client.send(ClientToRelayMsg::Ping(*b"tom-ping")).await.map_err(text),
        other => Err(format!("unknown command {other:?}")),
    }
}

async fn received(client: &mut Client, message: RelayToClientMsg, echo: bool) -> Res<()> {
    match message {
        RelayToClientMsg::Datagrams {
            remote_endpoint_id: peer,
            datagrams,
        } => {
            let mut hash = Fnv::new();
            hash.update(&datagrams.contents);
            emit(json!({
                "event": "datagrams",
                "peer": peer.to_string(),
                "bytes": datagrams.contents.len(),
                "segment": datagrams.segment_size.map(u16::from),
                "ecn": datagrams.ecn.map_or(0, |ecn| ecn as u8),
                "fnv": format!("{:016x}", hash.0),
            }));
            if echo {
                let message = ClientToRelayMsg::Datagrams {
                    dst_endpoint_id: peer,
                    datagrams,
                };
                client.send(message).await.map_err(text)?;
            }
        }
        RelayToClientMsg::EndpointGone(peer) => emit(json!({ "event": "gone", "peer": peer.to_string() })),
        RelayToClientMsg::Status(status) => emit(json!({ "event": "status", "status": status_name(&status) })),
        RelayToClientMsg::Health { problem } => emit(json!({ "event": "health", "problem": problem })),
        RelayToClientMsg::Restarting { reconnect_in, try_for } => emit(json!({
            "event": "restarting", "reconnectInMs": ms(reconnect_in), "tryForMs": ms(try_for),
        })),
        RelayToClientMsg::Ping(data) => {
            client.send(ClientToRelayMsg::Pong(data)).await.map_err(text)?;
            emit(json!({ "event": "ping" }));
        }
        RelayToClientMsg::Pong(data) => emit(json!({ "event": "pong", "ours": data == *b"tom-ping" })),
        other => emit(json!({ "event": "other", "message": other.to_string() })),
    }
    Ok(())
}

fn status_name(status: &Status) -> String {
    match status {
        Status::Healthy => "healthy".to_string(),
        Status::SameEndpointIdConnected => "same-endpoint-id-connected".to_string(),
        Status::RateLimited => "rate-limited".to_string(),
        other => format!("{other:?}"),
    }
}
