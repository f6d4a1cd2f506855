//! The transport settings of the command line, for both kinds of node. What is left out keeps iroh's default.

use std::time::Duration;

use iroh::endpoint::{AckFrequencyConfig, IdleTimeout, MtuDiscoveryConfig, QuicTransportConfig, VarInt};
use noq::TransportConfig;

use crate::options::{Options, Res};

impl Options {
    pub fn iroh_transport(&self) -> Res<QuicTransportConfig> {
        let mut config = QuicTransportConfig::builder();
        if self.flag("no-gso") {
            config = config.enable_segmentation_offload(false);
        }
        if let Some(mtu) = self.payload_size("mtu")? {
            config = config.initial_mtu(mtu);
        }
        if self.flag("no-mtud") {
            config = config.mtu_discovery_config(None);
        } else if let Some(bound) = self.payload_size("mtu-max")? {
            let mut discovery = MtuDiscoveryConfig::default();
            discovery.upper_bound(bound);
            config = config.mtu_discovery_config(Some(discovery));
        }
        if let Some(timeout) = self.idle()? {
            config = config.max_idle_timeout(Some(timeout));
        }
        if let Some(ms) = self.number("keep-alive-ms") {
            config = config.keep_alive_interval(Duration::from_millis(ms));
            config = config.default_path_keep_alive_interval(Duration::from_millis(ms));
        }
        if let Some(count) = self.number("max-bidi") {
            config = config.max_concurrent_bidi_streams(varint("max-bidi", count)?);
        }
        if let Some(count) = self.number("max-uni") {
            config = config.max_concurrent_uni_streams(varint("max-uni", count)?);
        }
        if let Some(bytes) = self.number("stream-window") {
            config = config.stream_receive_window(varint("stream-window", bytes)?);
        }
        if let Some(bytes) = self.number("window") {
            config = config.receive_window(varint("window", bytes)?);
        }
        if let Some(ms) = self.number("path-idle-ms") {
            config = config.default_path_max_idle_timeout(Duration::from_millis(ms));
        }
        if let Some(bytes) = self.number("send-window") {
            config = config.send_window(bytes);
        }
        if let Some(paths) = self.paths()? {
            config = config.max_concurrent_multipath_paths(paths);
        }
        if let Some(frequency) = self.ack_frequency()? {
            config = config.ack_frequency_config(Some(frequency));
        }
        let (sends, receives) = self.observed_role()?;
        config = config
            .send_observed_address_reports(sends)
            .receive_observed_address_reports(receives);
        if self.flag("pad-to-mtu") {
            config = config.pad_to_mtu(true);
        }
        Ok(config.build())
    }

    /// The same for noq, whose own defaults are not iroh's: 8 paths, each pinged every 5 s and given up after 15 s of silence.
    pub fn noq_transport(&self) -> Res<TransportConfig> {
        let mut config = TransportConfig::default();
        let keep_alive = Duration::from_millis(self.number("keep-alive-ms").unwrap_or(5000));
        let path_idle = Duration::from_millis(self.number("path-idle-ms").unwrap_or(15_000));
        config.keep_alive_interval(Some(keep_alive));
        config.default_path_keep_alive_interval(Some(keep_alive));
        config.default_path_max_idle_timeout(Some(path_idle));
        config.server_handshake_migration(true);
        match self.paths()?.unwrap_or(8) {
            0 => {}
            paths => {
                config.max_concurrent_multipath_paths(paths);
            }
        }
        config.enable_segmentation_offload(!self.flag("no-gso"));
        if let Some(mtu) = self.payload_size("mtu")? {
            config.initial_mtu(mtu);
        }
        if self.flag("no-mtud") {
            config.mtu_discovery_config(None);
        } else if let Some(bound) = self.payload_size("mtu-max")? {
            let mut discovery = MtuDiscoveryConfig::default();
            discovery.upper_bound(bound);
            config.mtu_discovery_config(Some(discovery));
        }
        if let Some(timeout) = self.idle()? {
            config.max_idle_timeout(Some(timeout));
        }
        if let Some(frequency) = self.ack_frequency()? {
            config.ack_frequency_config(Some(frequency));
        }
        if let Some(count) = self.number("nat-addresses") {
            let count = u8::try_from(count).map_err(|_| "--nat-addresses: at most 255".to_string())?;
            config.max_remote_nat_traversal_addresses(count);
        }
        let (sends, receives) = self.observed_role()?;
        config.send_observed_address_reports(sends);
        config.receive_observed_address_reports(receives);
        Ok(config)
    }

    fn idle(&self) -> Res<Option<IdleTimeout>> {
        let timeout = self.number("idle-ms").map(Duration::from_millis);
        let timeout = timeout.map(IdleTimeout::try_from).transpose();
        timeout.map_err(|_| "--idle-ms: too large".to_string())
    }

    fn paths(&self) -> Res<Option<u32>> {
        let paths = self.number("paths").map(u32::try_from).transpose();
        paths.map_err(|_| "--paths: too large".to_string())
    }

    /// UDP payload bytes.
    fn payload_size(&self, flag: &str) -> Res<Option<u16>> {
        let size = self.number(flag).map(u16::try_from).transpose();
        size.map_err(|_| format!("--{flag}: at most 65527"))
    }

    fn ack_frequency(&self) -> Res<Option<AckFrequencyConfig>> {
        let Some(threshold) = self.number("ack-frequency") else {
            return Ok(None);
        };
        let mut frequency = AckFrequencyConfig::default();
        frequency.ack_eliciting_threshold(varint("ack-frequency", threshold)?);
        Ok(Some(frequency))
    }

    /// Whether observed addresses are sent and received: the roles 0, 1 and 2 of the address discovery draft.
    fn observed_role(&self) -> Res<(bool, bool)> {
        match self.number("observed-role") {
            None => Ok((false, false)),
            Some(0) => Ok((true, false)),
            Some(1) => Ok((false, true)),
            Some(2) => Ok((true, true)),
            Some(role) => Err(format!("--observed-role: expected 0, 1 or 2, got {role}")),
        }
    }
}

fn varint(flag: &str, value: u64) -> Res<VarInt> {
    VarInt::from_u64(value).map_err(|_| format!("--{flag}: at most 2^62 - 1"))
}
