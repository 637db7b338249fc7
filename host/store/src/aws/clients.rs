//! Clients in the table `catalog`. They are asked for with each submission, so that
//! those that were read are kept at hand for a moment: what another process put is
//! seen after it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use surety_core::ports::{Client, Clients, Fault};
use surety_core::types::ClientId;

use super::entries::{Entry, fitting};
use super::item::{Fields, Item, s};
use super::{Aws, table_fault};

/// How long a client is believed to be as it was read. A signer that was taken away
/// is refused by all processes after it.
const FRESH_MAX: Duration = Duration::from_secs(5);

/// The most clients that are kept at hand. Beyond it, all are read again.
const KNOWN_MAX: usize = 10_000;

/// The clients at hand.
#[derive(Default)]
pub(super) struct Known(Mutex<Read>);

#[derive(Default)]
struct Read {
    clients: HashMap<ClientId, (Instant, Arc<Client>)>,
    /// How often this process put one. What was read before a put is not kept.
    puts: u64,
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self, name: &ClientId) -> Result<Arc<Client>, u64> {
        let read = self.lock();
        match read.clients.get(name) {
            Some((at, client)) if at.elapsed() < FRESH_MAX => Ok(Arc::clone(client)),
            _ => Err(read.puts),
        }
    }

    fn keep(&self, client: &Arc<Client>, puts: u64) {
        let mut read = self.lock();
        if read.puts != puts {
            return;
        }
        if read.clients.len() >= KNOWN_MAX {
            read.clients.clear();
        }
        read.clients.insert(client.client_id.clone(), (Instant::now(), Arc::clone(client)));
    }

    /// A client was put, or may have been.
    fn forget(&self, name: &ClientId) {
        let mut read = self.lock();
        read.puts += 1;
        read.clients.remove(name);
    }
}

fn read(entry: &Item) -> Result<Arc<Client>, Fault> {
    Ok(Arc::new(Fields::of(entry, "the entry of a client").json("client")?))
}

#[async_trait]
impl Clients for Aws {
    async fn put(&self, client: Client) -> Result<(), Fault> {
        let text = serde_json::to_string(&client).map_err(|e| Fault::Corrupt(e.to_string()))?;
        fitting(&format!("the client {}", client.client_id), &text)?;
        let table = self.names.catalog();
        let mut entry = Entry::Client.key(&client.client_id);
        entry.insert("client".to_owned(), s(text));
        let put = self.sdk.dynamodb.put_item().table_name(&table).set_item(Some(entry));
        let done = put.send().await.map_err(|e| table_fault("writing", &table, e));
        self.clients.forget(&client.client_id);
        done.map(|_| ())
    }

    async fn get(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, Fault> {
        let puts = match self.clients.fresh(client_id) {
            Ok(client) => return Ok(Some(client)),
            Err(puts) => puts,
        };
        let entry = self.entry(Entry::Client, client_id.as_str()).await?;
        let client = entry.as_ref().map(read).transpose()?;
        if let Some(client) = &client {
            self.clients.keep(client, puts);
        }
        Ok(client)
    }

    async fn list(&self) -> Result<Vec<Arc<Client>>, Fault> {
        self.entries(Entry::Client).await?.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str) -> Arc<Client> {
        Arc::new(Client {
            client_id: name.parse().unwrap(),
            signers: [].into(),
            msg_types: [].into(),
            msg_ids_outstanding_max: None,
        })
    }

    #[test]
    fn what_was_read_before_a_put_is_not_kept() {
        let (known, acme) = (Known::default(), client("acme"));
        let puts = known.fresh(&acme.client_id).unwrap_err();
        known.forget(&acme.client_id);
        known.keep(&acme, puts);
        let puts = known.fresh(&acme.client_id).unwrap_err();
        known.keep(&acme, puts);
        assert_eq!(known.fresh(&acme.client_id), Ok(acme));
    }

    #[test]
    fn what_is_at_hand_is_bounded() {
        let known = Known::default();
        for n in 0..=KNOWN_MAX {
            known.keep(&client(&n.to_string()), 0);
        }
        assert_eq!(known.lock().clients.len(), 1);
    }
}
