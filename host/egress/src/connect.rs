//! A connection to an address that was checked, encrypted where the URL says so.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use surety_core::capability::HostName;
use surety_core::effect::{Request, Unsent, UnsentKind};
use surety_core::policy::Permit;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::resolve::{ADDRESSES_MAX, Resolver};
use crate::{EgressConfig, GateError};

/// Addresses that are tried before nothing is said to answer.
const TRIES_MAX: usize = 4;

/// Bytes both ways, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) struct Connector {
    resolver: Arc<dyn Resolver>,
    tls: TlsConnector,
    time: Duration,
}

impl Connector {
    pub(crate) fn new(
        config: &EgressConfig,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, GateError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if !config.ca_file.as_os_str().is_empty() {
            let wrong = |why: String| GateError::Authorities {
                path: config.ca_file.display().to_string(),
                why,
            };
            let certificates =
                CertificateDer::pem_file_iter(&config.ca_file).map_err(|e| wrong(e.to_string()))?;
            let before = roots.len();
            for certificate in certificates {
                let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
                roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
            }
            if roots.len() == before {
                return Err(wrong("holds no certificate".to_owned()));
            }
        }
        let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| GateError::Tls(e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let time = Duration::from_millis(config.connect_ms_max);
        Ok(Self { resolver, tls: TlsConnector::from(Arc::new(tls)), time })
    }

    /// Connects to where a request goes.
    pub(crate) async fn connect(
        &self,
        request: &Request,
        permit: &Permit<'_>,
    ) -> Result<Box<dyn Stream>, Unsent> {
        let connected = tokio::time::timeout(self.time, self.try_connect(request, permit)).await;
        connected.unwrap_or_else(|_| {
            let detail = format!("no connection to {} within {:?}", request.authority(), self.time);
            Err(Unsent::new(UnsentKind::Timeout, detail))
        })
    }

    async fn try_connect(
        &self,
        request: &Request,
        permit: &Permit<'_>,
    ) -> Result<Box<dyn Stream>, Unsent> {
        let addresses = self.addresses(&request.host).await?;
        // All of them, not only the one that answers: whoever gives a name a
        // forbidden address is not to be trusted with the others either.
        for address in &addresses {
            let denied = |e| Unsent::new(UnsentKind::Address, format!("{e}"));
            permit.check_address(*address).map_err(denied)?;
        }
        let stream = reach(&addresses, request).await?;
        if !request.tls {
            return Ok(Box::new(stream));
        }
        let failed = |e: &dyn std::fmt::Display| {
            Unsent::new(UnsentKind::Tls, format!("TLS with {}: {e}", request.authority()))
        };
        let name = match &request.host {
            HostName::Name(name) => ServerName::try_from(name.clone()).map_err(|e| failed(&e))?,
            HostName::Address(address) => ServerName::from(*address),
        };
        Ok(Box::new(self.tls.connect(name, stream).await.map_err(|e| failed(&e))?))
    }

    async fn addresses(&self, host: &HostName) -> Result<Vec<IpAddr>, Unsent> {
        let name = match host {
            HostName::Address(address) => return Ok(vec![*address]),
            HostName::Name(name) => name,
        };
        let unknown = |why: String| Unsent::new(UnsentKind::Dns, format!("{name}: {why}"));
        let mut found = self.resolver.resolve(name).await.map_err(|e| unknown(e.to_string()))?;
        found.truncate(ADDRESSES_MAX);
        if found.is_empty() { Err(unknown("has no address".to_owned())) } else { Ok(found) }
    }
}

/// A connection to the first address that answers. The name is not looked up again.
async fn reach(addresses: &[IpAddr], request: &Request) -> Result<TcpStream, Unsent> {
    let mut why = String::new();
    for address in addresses.iter().take(TRIES_MAX) {
        let address = SocketAddr::new(address.to_canonical(), request.port);
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Without it some answers come 40 ms later; not worth a failure.
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Err(e) => why = format!("{address}: {e}"),
        }
    }
    Err(Unsent::new(UnsentKind::Connect, format!("{} does not answer: {why}", request.host)))
}
