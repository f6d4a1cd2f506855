//! `qad`: iroh-relay's own client of QUIC address discovery, once. Prints what the server says our address is.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use iroh_relay::quic::QuicClient;
use iroh_relay::tls::{CaTlsConfig, default_provider};
use noq_proto::PathId;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_stream::StreamExt;

use crate::options::{Options, Res};
use crate::output::{chain, close_reason};
use crate::relays::ms;

/// `--server ADDR`, `--server-name NAME` (default: the address), `--relay-ca FILE`, `--bind ADDR`, `--timeout-ms N` (default 5000). With
/// `--hold-ms N` the connection stays so long, and how it ended is in the line.
pub async fn run(options: &Options) -> Res<Value> {
    let server = options.text("server").ok_or("qad needs --server ADDR")?;
    let server: SocketAddr = server.parse().map_err(|error| format!("--server: {error}"))?;
    let name = options
        .text("server-name")
        .map_or(server.ip().to_string(), str::to_string);
    let bind = match options.list("bind").first() {
        Some(bind) => bind.parse().map_err(|error| format!("--bind {bind}: {error}"))?,
        None if server.is_ipv4() => SocketAddr::from(([127, 0, 0, 1], 0)),
        None => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0)),
    };
    let roots = options.relay_roots()?.unwrap_or_else(CaTlsConfig::embedded);
    let tls = roots.client_config(default_provider()).map_err(|error| chain(&error))?;
    let endpoint = noq::Endpoint::client(bind).map_err(|error| chain(&error))?;
    let local = endpoint.local_addr().map_err(|error| chain(&error))?;
    let client = QuicClient::new(endpoint.clone(), tls);
    let limit = Duration::from_millis(options.number("timeout-ms").unwrap_or(5000));

    let begin = Instant::now();
    let asked = async {
        let connection = client.create_conn(server, &name).await.map_err(|error| chain(&error))?;
        let connect_ms = ms(begin.elapsed());
        let mut addresses = connection.observed_external_addr();
        let observed = loop {
            match addresses.get() {
                Some(addr) => break addr,
                None => addresses
                    .next()
                    .await
                    .map_or(Err("the connection ended without an address".to_string()), |_| Ok(()))?,
            };
        };
        Ok::<_, String>((connection, connect_ms, observed))
    };
    let (connection, connect_ms, observed) = timeout(limit, asked)
        .await
        .map_err(|_| "no address in time".to_string())??;
    let observed = SocketAddr::new(observed.ip().to_canonical(), observed.port());
    let told_ms = ms(begin.elapsed());
    let rtt = connection.rtt(PathId::ZERO).unwrap_or_default();
    let hold = Duration::from_millis(options.number("hold-ms").unwrap_or(0));
    let closed = match timeout(hold, connection.closed()).await {
        Ok(error) => close_reason(&error),
        Err(_) => Value::Null,
    };
    connection.close(1u32.into(), b"finished");
    endpoint.wait_idle().await;
    Ok(json!({
        "event": "result",
        "observed": observed.to_string(),
        "local": local.to_string(),
        "rttMs": ms(rtt),
        "connectMs": connect_ms,
        "ms": told_ms,
        "closed": closed,
    }))
}
