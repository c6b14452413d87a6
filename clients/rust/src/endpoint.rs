//! How a client connects: address, keys, headers.

use std::fmt;
use std::time::Duration;

use tonic::Request;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::{Channel, Endpoint as Transport};

use crate::errors::{Error, Result};

/// The largest answer, in bytes.
pub(crate) const MAX_ANSWER: usize = 64 << 20;

const DEFAULT_PORT: u16 = 50051;

/// Where a server is, and how to speak to it. One connection, opened when it is
/// first needed and again after it broke.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) channel: Channel,
    address: String,
    headers: Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>,
}

impl Endpoint {
    /// Reads `host:port`, `host` or `http://host:port`.
    pub(crate) fn new(target: &str) -> Result<Self> {
        let told = |why: &str| Error::invalid("target", format!("target is {target:?}: {why}"));
        let address = target.strip_prefix("http://").unwrap_or(target);
        let address = address.strip_suffix('/').unwrap_or(address);
        if address.is_empty() || address.contains('/') {
            return Err(told("it has to be host:port, or an http URL without path"));
        }
        let has_port = address
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = match has_port {
            true => address.to_owned(),
            false => format!("{address}:{DEFAULT_PORT}"),
        };
        let transport = Transport::from_shared(format!("http://{address}"))
            .map_err(|err| told(&err.to_string()))?
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .http2_keep_alive_interval(Duration::from_secs(15))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true);
        Ok(Self {
            channel: transport.connect_lazy(),
            address,
            headers: Vec::new(),
        })
    }

    /// Adds a header to every call.
    pub(crate) fn header(&mut self, name: &str, value: &str) -> Result<()> {
        let told = |what: &str| Error::invalid("header", format!("{what} of header {name:?}"));
        let key = name.parse().map_err(|_| told("the name"))?;
        let value = value.parse().map_err(|_| told("the value"))?;
        self.headers.push((key, value));
        Ok(())
    }

    /// A request with the headers of this client.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.headers {
            request.metadata_mut().insert(name.clone(), value.clone());
        }
        request
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address) // keys are among the headers
    }
}
