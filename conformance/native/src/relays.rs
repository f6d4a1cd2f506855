//! The relays of an iroh endpoint: how the command line names them, and what iroh says about them.

use std::time::{Duration, Instant};

use iroh::endpoint::RelayMode;
use iroh::unstable_net_report::NetReport;
use iroh::{Endpoint, RelayConfig, RelayMap, RelayUrl, Watcher};
use iroh_relay::RelayQuicConfig;
use iroh_relay::tls::CaTlsConfig;
use iroh_tickets::endpoint::EndpointTicket;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use crate::options::{Options, Res};
use crate::output::{chain, emit};

impl Options {
    /// `--relay URL`… with `--relay-quic-port N|none`… in the same order (the last one goes for the rest; default 7842) and `--relay-token`.
    pub fn relay_mode(&self) -> Res<RelayMode> {
        let urls = self.list("relay");
        if urls.is_empty() {
            return Ok(RelayMode::Disabled);
        }
        let ports = match self.values.get("relay-quic-port") {
            Some(Value::Array(list)) => list.as_slice(),
            _ => &[],
        };
        let mut relays = Vec::new();
        for (index, text) in urls.iter().enumerate() {
            let url: RelayUrl = text
                .parse()
                .map_err(|error| format!("--relay {text}: {}", chain(&error)))?;
            let quic = match ports.get(index).or(ports.last()) {
                None => Some(RelayQuicConfig::default()),
                Some(port) => quic_port(port)?.map(RelayQuicConfig::new),
            };
            let config = RelayConfig::new(url, quic);
            relays.push(match self.text("relay-token") {
                Some(token) => config.with_auth_token(token),
                None => config,
            });
        }
        Ok(RelayMode::Custom(RelayMap::from_iter(relays)))
    }

    /// `--relay-ca FILE`: PEM, the only roots trusted for relays, their TLS and their address discovery.
    pub fn relay_roots(&self) -> Res<Option<CaTlsConfig>> {
        let Some(file) = self.text("relay-ca") else {
            return Ok(None);
        };
        let roots = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
        let roots: Vec<CertificateDer<'static>> = roots.map_err(|error| format!("--relay-ca {file}: {error}"))?;
        Ok(Some(CaTlsConfig::custom_roots(roots)))
    }
}

fn quic_port(value: &Value) -> Res<Option<u16>> {
    if value == "none" {
        return Ok(None);
    }
    let port = value.as_u64().and_then(|port| u16::try_from(port).ok());
    port.map(Some)
        .ok_or_else(|| format!("--relay-quic-port: expected a port or none, got {value}"))
}

/// All that iroh knows of its relays and of itself.
pub fn report(endpoint: &Endpoint) -> Value {
    let mut status = endpoint.home_relay_status();
    let mut net_report = endpoint.net_report();
    json!({
        "event": "result",
        "relays": status.get().iter().map(relay).collect::<Vec<_>>(),
        "netReport": net_report.get().map(|report| observed(&report)),
        "addrs": addrs(endpoint),
    })
}

/// Says what happens to the home relay, when the endpoint is online, and what each net report found, until the endpoint is dropped.
/// `begin` is when it was bound.
pub async fn tell(endpoint: Endpoint, begin: Instant) {
    let status = endpoint.home_relay_status().stream();
    let reports = endpoint.net_report().stream();
    let statuses = async move {
        tokio::pin!(status);
        while let Some(relays) = status.next().await {
            for one in &relays {
                let mut line = relay(one);
                line["event"] = "relay".into();
                emit(line);
            }
        }
    };
    let reports = async move {
        tokio::pin!(reports);
        while let Some(report) = reports.next().await {
            if let Some(report) = report {
                let mut line = observed(&report);
                line["event"] = "net-report".into();
                line["sinceBoundMs"] = ms(begin.elapsed()).into();
                emit(line);
            }
        }
    };
    let online = async move {
        endpoint.online().await;
        let elapsed = ms(begin.elapsed());
        let ticket = EndpointTicket::new(endpoint.addr()).to_string();
        emit(json!({ "event": "online", "ms": elapsed, "addrs": addrs(&endpoint), "ticket": ticket }));
    };
    tokio::join!(statuses, reports, online);
}

fn relay(status: &iroh::endpoint::RelayStatus) -> Value {
    json!({
        "url": status.url().to_string(),
        "connected": status.is_connected(),
        "error": status.last_error().map(|error| format!("{error:#}")),
        "denied": status.auth_denied_reason(),
    })
}

fn observed(report: &NetReport) -> Value {
    json!({
        "udpV4": report.udp_v4,
        "udpV6": report.udp_v6,
        "globalV4": report.global_v4.map(|addr| addr.to_string()),
        "globalV6": report.global_v6.map(|addr| addr.to_string()),
        "mappingVariesV4": report.mapping_varies_by_dest_ipv4,
        "mappingVariesV6": report.mapping_varies_by_dest_ipv6,
        "preferredRelay": report.preferred_relay.as_ref().map(|url| url.to_string()),
        "captivePortal": report.captive_portal,
        "latencies": report.relay_latency.iter().map(|(probe, url, latency)| json!({
            "probe": probe.to_string(),
            "url": url.to_string(),
            "ms": ms(latency),
        })).collect::<Vec<_>>(),
    })
}

/// What the endpoint would publish: `ip:port` and relay URLs.
fn addrs(endpoint: &Endpoint) -> Vec<String> {
    let addr = endpoint.addr();
    let direct = addr.ip_addrs().map(|addr| addr.to_string());
    direct.chain(addr.relay_urls().map(|url| url.to_string())).collect()
}

pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
