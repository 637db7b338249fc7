//! From a name to addresses. Nobody but the connector asks, and it asks once a
//! connection.

use std::io;
use std::net::IpAddr;

use async_trait::async_trait;

/// The most addresses of a name that are looked at.
pub(crate) const ADDRESSES_MAX: usize = 32;

/// Tells the addresses of a name.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of a DNS name, in the order in which to try them.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver, with its hosts file.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // The port is not looked at; 0 is what asks for addresses alone.
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).take(ADDRESSES_MAX).collect())
    }
}
