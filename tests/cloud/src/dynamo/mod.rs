//! DynamoDB: dynoxide, which is DynamoDB on SQLite, in process, behind `Faults`.

mod backups;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::Path;

use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::faults::{FaultPlan, Faults};
use backups::Backups;

/// A server of tables. Dropped, it stops; what is on a file stays there. The proxy in
/// front of it shows through: `calls`, `hits`, `seed`, `set_plan`, `url`.
pub struct Dynamo {
    front: Faults,
    engine: String,
    /// Dropped, the engine stops.
    _stop: oneshot::Sender<()>,
}

impl Dynamo {
    /// Starts with no tables, in memory.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(plan: FaultPlan) -> io::Result<Self> {
        Self::serve(Database::memory(), plan).await
    }

    /// Starts on a file, which is made when there is none. Point-in-time recovery is
    /// not remembered in it.
    ///
    /// # Errors
    /// When the file is not such a one, or it cannot listen.
    pub async fn on_file(path: &Path, plan: FaultPlan) -> io::Result<Self> {
        let path = path.to_str().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{path:?} is not UTF-8"))
        })?;
        Self::serve(Database::new(path), plan).await
    }

    async fn serve(tables: dynoxide::Result<Database>, plan: FaultPlan) -> io::Result<Self> {
        let tables = tables.map_err(io::Error::other)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let engine = listener.local_addr()?.to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tables.clone();
        tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            // It ends with an error only when accepting does, as requests then show.
            let _ = dynoxide::server::serve_with_shutdown(listener, served, stopped).await;
        });
        let backups = Backups::default();
        let local = Box::new(move |operation: &str, input: &serde_json::Value| {
            backups.answer(&tables, operation, input)
        });
        let front = Faults::with_local(&engine, plan, local).await?;
        Ok(Self { front, engine, _stop: stop })
    }

    /// Where it is past the proxy, for a test that wants to see what is there:
    /// `http://127.0.0.1:port`.
    pub fn direct_url(&self) -> String {
        format!("http://{}", self.engine)
    }
}

impl Deref for Dynamo {
    type Target = Faults;

    fn deref(&self) -> &Faults {
        &self.front
    }
}

impl fmt::Debug for Dynamo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dynamo").field("front", &self.front).finish_non_exhaustive()
    }
}
